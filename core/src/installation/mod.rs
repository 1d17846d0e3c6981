//! The installation as a whole: how it is backed up and mirrored, how that went, whether it came
//! back from a backup, which registries its builds log in to, and how they reach repositories.
//!
//! What lies where a backup goes is not known here: only that one was made, or why not. Keys that
//! open a backup never come here; a schedule holds the recipient, which can only close one.

pub mod access;
pub mod certificates;
mod decide;
pub mod due;
pub mod github;
pub mod place;
pub mod recover;
pub mod registry;
pub mod ssh;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::access::{SourcePassword, SourcePrefix, SourceToken, SourceUser};
pub use self::certificates::{CertificateCommand, CertificateEvent};
pub use self::github::{GitHubCommand, GitHubEvent};
pub use self::place::{BackupPlace, BackupRecipient, Location};
pub use self::registry::{RegistryHost, RegistryLogin, RegistryPassword, RegistryUser};
pub use self::ssh::{SourceHost, SshHost, SshKey};
use crate::certificate::Certificates;
use crate::domain::DomainSettings;
use crate::github::{GitHubApp, GitHubBegun};
use crate::hook::{ApiAddress, Hook, Provider, PublicAddress, RepositoryKey, Telling};
use crate::ids::HookId;
use crate::record::Sequence;
use crate::time::{Millis, Timestamp};

/// Where backups go by themselves, how often, and how many stay there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Where they go.
    pub to: BackupPlace,
    /// Who can open them.
    pub recipient: BackupRecipient,
    /// From one to the next.
    pub every: Millis,
    /// How many stay; older ones are removed.
    pub keep: u16,
}

/// Where the journal is mirrored to while it grows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// Where it goes.
    pub to: BackupPlace,
    /// Who can open it.
    pub recipient: BackupRecipient,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Its id.
    pub id: Uuid,
    /// Where it lies; none where it was handed to whoever asked for it.
    pub to: Option<BackupPlace>,
    /// Its name there.
    pub name: String,
    /// How large it is.
    pub bytes: u64,
    /// The last event in it.
    pub head: Sequence,
    /// That event's hash, in hexadecimal digits.
    pub hash: String,
    /// How long it took.
    pub took: Millis,
    /// When it was complete.
    pub at: Timestamp,
}

/// A backup that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Its id.
    pub id: Uuid,
    /// Where it should have gone; none where whoever asked for it did not get it.
    pub to: Option<BackupPlace>,
    /// Why it is not there, and what to do.
    pub why: String,
    /// When that was.
    pub at: Timestamp,
}

/// From where the installation came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The last event that came back.
    pub head: Sequence,
    /// That event's hash, in hexadecimal digits.
    pub hash: String,
    /// When it was put in place.
    pub at: Timestamp,
}

/// The installation's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// What is made by itself, since when.
    pub schedule: Option<(Schedule, Timestamp)>,
    /// The last backup that was made.
    pub made: Option<Made>,
    /// The last one that the schedule asked for, where it asked.
    pub scheduled: Option<Timestamp>,
    /// The last one that could not be made, while none was made since.
    pub failed: Option<Failed>,
    /// How many could not be made since the last one that was.
    pub failures: u32,
    /// Whether the schedule's backup is overdue and that was said.
    pub stale: bool,
    /// Where the journal is mirrored to.
    pub mirror: Option<Mirror>,
    /// Why the mirror is behind, while it is.
    pub mirror_behind: Option<String>,
    /// From where all this came back last.
    pub restored: Option<Restored>,
    /// The registries that builds log in to.
    pub registries: BTreeMap<RegistryHost, RegistryLogin>,
    /// The version of the newest password, of whichever registry; 0 before the first.
    pub registry_version: u64,
    /// The webhooks that deliveries are taken from.
    pub hooks: BTreeMap<HookId, Hook>,
    /// Where it is reached from outside, where that was said.
    pub address: Option<PublicAddress>,
    /// The tokens that builds reach private repositories with.
    pub source_tokens: BTreeMap<SourcePrefix, SourceToken>,
    /// The version of the newest token, for whichever repositories; 0 before the first.
    pub source_token_version: u64,
    /// The hosts that builds know when they reach repositories over ssh, besides the well-known.
    pub source_hosts: BTreeMap<SshHost, SourceHost>,
    /// How custom domains are proven, and where they are to lead.
    pub domains: DomainSettings,
    /// The GitHub Apps that somebody is about to make.
    pub github_begun: BTreeMap<HookId, GitHubBegun>,
    /// Those that there are.
    pub github_apps: BTreeMap<HookId, GitHubApp>,
    /// Its certificates.
    pub certificates: Certificates,
}

/// What the installation can be asked to do, or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstallationCommand {
    /// Makes backups by itself from now on.
    SetSchedule {
        /// How.
        schedule: Schedule,
        /// Now.
        at: Timestamp,
    },
    /// Makes none by itself any more.
    RemoveSchedule,
    /// A backup was made.
    NoteMade(Made),
    /// A backup could not be made.
    NoteFailed(Failed),
    /// The schedule's backup is overdue.
    NoteStale {
        /// Now.
        at: Timestamp,
    },
    /// Mirrors the journal from now on.
    SetMirror(Mirror),
    /// Mirrors it no more.
    RemoveMirror,
    /// The mirror is further behind than it may be.
    NoteMirrorBehind {
        /// Why.
        why: String,
    },
    /// The mirror has everything again.
    NoteMirrorCaughtUp,
    /// It was put back from a backup.
    NoteRestored(Restored),
    /// Builds log in to a registry from now on, or in another way.
    SetRegistry {
        /// The registry.
        host: RegistryHost,
        /// Who logs in.
        user: RegistryUser,
        /// The version that the password has: the next one.
        version: u64,
        /// Now.
        at: Timestamp,
    },
    /// Builds log in to it no more.
    RemoveRegistry {
        /// The registry.
        host: RegistryHost,
    },
    /// Deliveries are taken from a new webhook; its secret is put in the same commit, as version 1.
    AddHook {
        /// Its id.
        id: HookId,
        /// Who sends.
        provider: Provider,
        /// Whose pushes.
        repository: RepositoryKey,
        /// Now.
        at: Timestamp,
    },
    /// A webhook has another secret.
    RotateHook {
        /// The webhook.
        id: HookId,
        /// The version that the new secret has: the next one.
        version: u64,
        /// Now.
        at: Timestamp,
    },
    /// Nothing is taken from a webhook any more.
    RemoveHook {
        /// The webhook.
        id: HookId,
    },
    /// A webhook's provider is told how commits fare, or no more.
    SetStatuses {
        /// The webhook.
        id: HookId,
        /// Where it is told; none for no more.
        api: Option<ApiAddress>,
    },
    /// A webhook's provider is told of previews or deployments, or no more.
    SetTold {
        /// The webhook.
        id: HookId,
        /// Of which.
        what: Telling,
        /// Where it is told; none for no more.
        api: Option<ApiAddress>,
    },
    /// This is where it is reached from outside.
    SetAddress {
        /// The address.
        address: PublicAddress,
    },
    /// Where it is reached is not known any more.
    RemoveAddress,
    /// Builds reach repositories with a token from now on, or with another one.
    SetSourceToken {
        /// Which repositories.
        prefix: SourcePrefix,
        /// The name that goes with it.
        user: SourceUser,
        /// The version that the token has: the next one.
        version: u64,
        /// Now.
        at: Timestamp,
    },
    /// They reach them without one.
    RemoveSourceToken {
        /// Which repositories.
        prefix: SourcePrefix,
    },
    /// Builds know a host by these keys from now on.
    SetSourceHost {
        /// The host.
        host: SshHost,
        /// Its keys.
        keys: Vec<SshKey>,
        /// Now.
        at: Timestamp,
    },
    /// They know it no more, or as everybody does.
    RemoveSourceHost {
        /// The host.
        host: SshHost,
    },
    /// Custom domains are proven and are to lead so from now on.
    SetDomainSettings(Box<DomainSettings>),
    /// Something about GitHub Apps.
    GitHub(GitHubCommand),
    /// Something about certificates.
    Certificate(CertificateCommand),
}

/// What can happen to the installation. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstallationEvent {
    /// Backups are made by themselves from now on.
    BackupScheduled {
        /// How.
        schedule: Schedule,
        /// Since when.
        at: Timestamp,
    },
    /// None is made by itself any more.
    BackupUnscheduled,
    /// A backup was made.
    BackupMade(Made),
    /// A backup could not be made.
    BackupFailed(Failed),
    /// The schedule's backup is overdue.
    BackupBecameStale {
        /// When that was seen.
        at: Timestamp,
    },
    /// The journal is mirrored from now on.
    MirrorSet(Mirror),
    /// It is mirrored no more.
    MirrorRemoved,
    /// The mirror is further behind than it may be.
    MirrorFellBehind {
        /// Why.
        why: String,
    },
    /// The mirror has everything again.
    MirrorCaughtUp,
    /// It was put back from a backup.
    Restored(Restored),
    /// Builds log in to a registry from now on.
    RegistrySet {
        /// The registry.
        host: RegistryHost,
        /// Who logs in.
        user: RegistryUser,
        /// The version of the password.
        version: u64,
        /// Since when.
        at: Timestamp,
    },
    /// Builds log in to it no more.
    RegistryRemoved {
        /// The registry.
        host: RegistryHost,
    },
    /// Deliveries are taken from a new webhook.
    HookAdded {
        /// Its id.
        id: HookId,
        /// Who sends.
        provider: Provider,
        /// Whose pushes.
        repository: RepositoryKey,
        /// Since when.
        at: Timestamp,
    },
    /// A webhook has another secret.
    HookRotated {
        /// The webhook.
        id: HookId,
        /// The version of the secret.
        version: u64,
        /// Since when.
        at: Timestamp,
    },
    /// Nothing is taken from a webhook any more.
    HookRemoved {
        /// The webhook.
        id: HookId,
    },
    /// It is reached from outside there.
    AddressSet {
        /// The address.
        address: PublicAddress,
    },
    /// Where it is reached is not known any more.
    AddressRemoved,
    /// Builds reach repositories with a token from now on.
    SourceTokenSet {
        /// Which repositories.
        prefix: SourcePrefix,
        /// The name that goes with it.
        user: SourceUser,
        /// The version of the token.
        version: u64,
        /// Since when.
        at: Timestamp,
    },
    /// They reach them without one.
    SourceTokenRemoved {
        /// Which repositories.
        prefix: SourcePrefix,
    },
    /// Builds know a host by these keys from now on.
    SourceHostSet {
        /// The host.
        host: SshHost,
        /// Its keys.
        keys: Vec<SshKey>,
        /// Since when.
        at: Timestamp,
    },
    /// They know it no more, or as everybody does.
    SourceHostRemoved {
        /// The host.
        host: SshHost,
    },
    /// A webhook's provider is told how commits fare from now on, or no more.
    StatusesSet {
        /// The webhook.
        id: HookId,
        /// Where it is told; none for no more.
        api: Option<ApiAddress>,
    },
    /// A webhook's provider is told of previews or deployments from now on, or no more.
    ToldSet {
        /// The webhook.
        id: HookId,
        /// Of which.
        what: Telling,
        /// Where it is told; none for no more.
        api: Option<ApiAddress>,
    },
    /// Custom domains are proven and are to lead so from now on.
    DomainSettingsSet(Box<DomainSettings>),
    /// Something happened to a GitHub App.
    GitHub(GitHubEvent),
    /// Something happened to a certificate.
    Certificate(CertificateEvent),
}
