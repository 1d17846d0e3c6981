//! What an app can be asked to do. `decide` says what comes of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AppSettings, Earlier, NewPreview, PreviewGiven, Repeat, SettingsChange, SourceKey, WokenBy,
};
use crate::canary::Weight;
use crate::cron::{CronName, CronSettings, CronSkipped};
use crate::domain::{DomainHost, DomainMode, DomainNews, DomainToken};
use crate::edge::EdgeSettings;
use crate::hook::{PullRequest, Triggers};
use crate::ids::{AppId, DeploymentId, RunId};
use crate::names::{AppName, EnvName};
use crate::one_off::{OneOff, OneOffEnd};
use crate::preview::{PreviewEnd, PreviewSettings};
use crate::process::ProcessName;
use crate::source::{Pushed, Source};
use crate::time::{Millis, Timestamp};

/// What an app can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppCommand {
    /// Comes into being.
    Create {
        /// Its id.
        id: AppId,
        /// Its name, free to take.
        name: AppName,
        /// Its settings.
        settings: Box<AppSettings>,
    },
    /// Changes settings; they hold from the next deployment on (domains at once).
    Configure(Box<SettingsChange>),
    /// Sets and removes environment variables. The values already lie, or are put in the same
    /// commit, in the secret table under the versions given here.
    ChangeEnvironment {
        /// Names to set, with the version of each value.
        set: BTreeMap<EnvName, u64>,
        /// Names to remove.
        remove: BTreeSet<EnvName>,
    },
    /// Says what deploys it by itself from now on.
    SetTriggers(Box<Triggers>),
    /// Both at once, or neither.
    ConfigureWithTriggers {
        /// The settings that change.
        change: Box<SettingsChange>,
        /// What deploys it by itself from now on.
        triggers: Box<Triggers>,
    },
    /// Says how edges serve it from now on. The hashes of new passwords are put in the same commit, in
    /// the secret table under the versions given here.
    SetEdge(Box<EdgeSettings>),
    /// Wants a deployment with the present settings.
    RequestDeployment {
        /// The new deployment's id.
        deployment: DeploymentId,
        /// Another source for this one only, such as another commit.
        source: Option<Source>,
        /// Nothing that earlier builds left is used again.
        no_cache: bool,
    },
    /// Is made from what was pushed from now on, and wants a deployment of that.
    Push {
        /// The new deployment's id.
        deployment: DeploymentId,
        /// What was pushed.
        pushed: Pushed,
        /// Nothing that earlier builds left is used again.
        no_cache: bool,
    },
    /// Wants a deployment that takes over from an earlier one.
    Repeat {
        /// The new deployment's id.
        deployment: DeploymentId,
        /// The earlier one.
        earlier: Box<Earlier>,
        /// What is taken over.
        how: Repeat,
    },
    /// Nothing of it is to run any more, until it is started or deployed.
    Stop {
        /// Now.
        at: Timestamp,
    },
    /// What was live when it was stopped is to run again.
    Start,
    /// So many replicas, at once and from now on.
    Scale {
        /// How many of web, where that is to change.
        replicas: Option<u16>,
        /// How many of processes beside it.
        processes: BTreeMap<ProcessName, u16>,
        /// The processes that its versions have, those of their repositories included.
        known: BTreeSet<ProcessName>,
    },
    /// Its builds reach private repositories over ssh with this key from now on.
    SetSourceKey(SourceKey),
    /// It is to go, unless somebody restores it in time.
    Discard {
        /// Now.
        at: Timestamp,
    },
    /// It is to be as it was before it was deleted.
    Restore,
    /// A deployment is healthy: it gets the traffic.
    SwitchTraffic {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// A deployment is live: the one before may go.
    Promote {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// A deployment has ended.
    Settle {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// Runs a command once, in a container of its own.
    RunCommand {
        /// Which run this is.
        run: RunId,
        /// What runs, and where.
        one_off: Box<OneOff>,
    },
    /// Such a command has ended.
    EndCommand {
        /// Which run.
        run: RunId,
        /// How.
        end: OneOffEnd,
    },
    /// Has a cron job of this name from now on, which may be one that it has.
    SetCron {
        /// Its name.
        cron: CronName,
        /// What is set.
        settings: Box<CronSettings>,
        /// Now: what was due before is not any more.
        at: Timestamp,
    },
    /// A cron job is never due, or is again.
    PauseCron {
        /// Which.
        cron: CronName,
        /// Whether it is to be never due.
        paused: bool,
        /// Now.
        at: Timestamp,
    },
    /// Has no cron job of this name any more.
    RemoveCron {
        /// Which.
        cron: CronName,
    },
    /// Runs a cron job.
    RunCron {
        /// Which.
        cron: CronName,
        /// When it was due; none where somebody asks for it.
        due: Option<Timestamp>,
        /// Which run this is.
        run: RunId,
        /// What runs, and where.
        one_off: Box<OneOff>,
    },
    /// A cron job did not run when it was due.
    SkipCron {
        /// Which.
        cron: CronName,
        /// When, and why.
        skipped: CronSkipped,
    },
    /// Goes, with all its deployments.
    Delete,
    /// The same, where it was deleted and the time in which it may be restored is over. Who asks looked
    /// before, and it may have been restored since.
    Expire {
        /// Now.
        at: Timestamp,
    },
    /// Its pull requests get previews made so, or none, from now on. The values of variables that are
    /// new lie, or are put in the same commit, in the secret table under the versions given here.
    SetPreviews(Box<PreviewSettings>),
    /// A pull request is to have a preview, at its newest commit.
    WantPreview {
        /// The pull request.
        pull: Box<PullRequest>,
        /// The app that the preview becomes, where it has none yet.
        app: AppId,
        /// Only what is said of one that there is changes.
        refresh: bool,
        /// Now.
        at: Timestamp,
    },
    /// A pull request is to have no preview any more.
    EndPreview {
        /// Its number.
        number: u64,
        /// Why.
        why: PreviewEnd,
        /// When it changed, as the provider says, where it did.
        at: Option<Timestamp>,
    },
    /// A comment tells of a preview.
    NotePreviewComment {
        /// The pull request's number.
        number: u64,
        /// The provider's id of the comment.
        comment: u64,
    },
    /// Comes into being as a preview, and is deployed.
    CreatePreview(Box<NewPreview>),
    /// As a preview, it is brought to another commit.
    MovePreview(Box<PreviewGiven>),
    /// It is to have a custom domain, once that is proven.
    AddDomain {
        /// The domain.
        host: DomainHost,
        /// What is to prove it: never used before.
        token: DomainToken,
        /// What its requests get; none for the usual.
        mode: Option<DomainMode>,
        /// Now.
        at: Timestamp,
    },
    /// Requests for one of its domains get something else.
    SetDomain {
        /// The domain.
        host: DomainHost,
        /// What they get.
        mode: DomainMode,
    },
    /// A domain's record was looked at.
    NoteDomain {
        /// The domain.
        host: DomainHost,
        /// What was looked for.
        token: DomainToken,
        /// What came of it.
        news: DomainNews,
        /// Now.
        at: Timestamp,
    },
    /// A domain is its own no more.
    RemoveDomain {
        /// The domain.
        host: DomainHost,
    },
    /// Wants a deployment that takes a part of the requests first.
    RequestCanary {
        /// The new deployment's id.
        deployment: DeploymentId,
        /// Another source for this one only.
        source: Option<Source>,
        /// Nothing that earlier builds left is used again.
        no_cache: bool,
        /// Which part.
        weight: Weight,
        /// How long it may go on.
        within: Millis,
    },
    /// The canary takes another part.
    WeighCanary {
        /// Which.
        weight: Weight,
    },
    /// The canary gets all requests.
    PromoteCanary,
    /// The canary is not wanted any more.
    AbortCanary,
    /// Nobody has asked for it for long.
    FallAsleep {
        /// For how long.
        unasked: Millis,
    },
    /// It is wanted again.
    Wake {
        /// Why.
        why: WokenBy,
    },
}
