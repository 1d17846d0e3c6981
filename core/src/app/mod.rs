//! An app: its settings, and which of its deployments is live, rolling and waiting.
//!
//! One deployment of an app moves at a time; a newer request takes the place of one that waits.
//! `serving` is where traffic is sent: it runs ahead of `live` during a switch and falls back to
//! it where the switch fails.

mod canary;
mod cron;
mod decide;
mod discarding;
mod domains;
mod evolve;
mod key;
mod one_off;
mod previews;
mod repeat;
mod running;
mod sleeping;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::canary::{Canary, Weight};
use crate::cron::{Cron, CronName, CronSettings, CronSkipped};
use crate::deployment::DeploymentSpec;
use crate::domain::{DomainHost, DomainMode, DomainNews, DomainToken, Domains};
use crate::edge::{EdgeSetting, EdgeSettings};
use crate::health::HealthCheck;
use crate::hook::{PullRequest, RepositoryKey, Triggers};
use crate::ids::{AppId, DeploymentId, ProjectId, RunId};
use crate::limits;
use crate::names::{AppName, EnvName, HostName};
use crate::one_off::{OneOff, OneOffEnd};
use crate::preview::{PreviewEnd, PreviewOf, PreviewSettings, Previews};
use crate::process::ProcessName;
use crate::run::RunSettings;
use crate::source::{BuildSettings, Pushed, Resources, Source};
use crate::time::{Millis, Timestamp};

pub use self::discarding::Discard;
pub use self::key::SourceKey;
pub use self::previews::{NewPreview, PreviewGiven};
pub use self::repeat::{Earlier, Repeat};
pub use self::running::Stop;
pub use self::sleeping::WokenBy;

/// What people set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSettings {
    /// Where the source lies; without one nothing can be deployed.
    pub source: Option<Source>,
    /// How to build it.
    pub build: BuildSettings,
    /// The port that the app listens on; found from the image where none is given.
    pub port: Option<u16>,
    /// How many replicas.
    pub replicas: u16,
    /// How a replica shows that it is fit for traffic.
    pub health: HealthCheck,
    /// The most that one replica may use.
    pub resources: Resources,
    /// Host names besides the app's own.
    pub domains: BTreeSet<HostName>,
    /// The project that it is in.
    pub project: ProjectId,
    /// How its processes are run.
    pub run: RunSettings,
    /// How long requests may go on after a switch.
    pub drain_within: Millis,
    /// From SIGTERM to SIGKILL.
    pub stop_within: Millis,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            source: None,
            build: BuildSettings::default(),
            port: None,
            replicas: 1,
            health: HealthCheck::default(),
            resources: Resources::default(),
            domains: BTreeSet::new(),
            project: ProjectId::DEFAULT,
            run: RunSettings::default(),
            drain_within: limits::DRAIN_WITHIN,
            stop_within: limits::STOP_WITHIN,
        }
    }
}

impl AppSettings {
    /// The repository that it is deployed from, where it is from one of a provider.
    #[must_use]
    pub fn repository(&self) -> Option<RepositoryKey> {
        RepositoryKey::of(&self.source.as_ref()?.git()?.repository)
    }
}

/// A change of settings: only what is given changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsChange {
    /// A new source.
    pub source: Option<Source>,
    /// New build settings.
    pub build: Option<BuildSettings>,
    /// A new port; `Some(None)` goes back to finding it from the image.
    pub port: Option<Option<u16>>,
    /// A new number of replicas.
    pub replicas: Option<u16>,
    /// A new health check.
    pub health: Option<HealthCheck>,
    /// New limits.
    pub resources: Option<Resources>,
    /// New domains, in place of the old ones.
    pub domains: Option<BTreeSet<HostName>>,
    /// Another project.
    pub project: Option<ProjectId>,
    /// How its processes are run from then on.
    pub run: Option<RunSettings>,
    /// A new time for requests to go on after a switch.
    pub drain_within: Option<Millis>,
    /// A new time from SIGTERM to SIGKILL.
    pub stop_within: Option<Millis>,
}

/// An app's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum App {
    /// Nothing has happened yet.
    #[default]
    Absent,
    /// It exists.
    Active(Box<ActiveApp>),
    /// It was deleted.
    Deleted,
}

/// An app that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveApp {
    /// Its id.
    pub id: AppId,
    /// Its name.
    pub name: AppName,
    /// What people set.
    pub settings: AppSettings,
    /// Environment variables, by name, with the version of the secret that holds the value.
    pub env: BTreeMap<EnvName, u64>,
    /// The version that the next secret gets.
    pub next_secret: u64,
    /// How many deployments were requested.
    pub deployments: u64,
    /// The deployment that was promoted last.
    pub live: Option<DeploymentId>,
    /// Where traffic is sent.
    pub serving: Option<DeploymentId>,
    /// The deployment that moves.
    pub rolling: Option<DeploymentId>,
    /// The deployment that waits for its turn.
    pub waiting: Option<DeploymentId>,
    /// The deployment that moves, where it was called off: it gets no traffic any more.
    pub called_off: Option<DeploymentId>,
    /// That it was stopped, where it was.
    pub stopped: Option<Stop>,
    /// That it was deleted and may be restored, where it was.
    pub discarded: Option<Discard>,
    /// What deploys it by itself.
    pub triggers: Triggers,
    /// The key that its builds reach a private repository with over ssh, where it was given one.
    pub source_key: Option<SourceKey>,
    /// Commands that were run once and have not ended.
    pub one_offs: BTreeMap<RunId, OneOff>,
    /// Commands that are run by a schedule.
    pub crons: BTreeMap<CronName, Cron>,
    /// How edges serve it.
    pub edge: EdgeSettings,
    /// Its previews.
    pub previews: Previews,
    /// Of what it is a preview, where it is one.
    pub preview: Option<Box<PreviewOf>>,
    /// Its custom domains, proven and not.
    pub domains: Domains,
    /// The deployment that takes a part of the requests first, where one does or is to.
    pub canary: Option<Canary>,
    /// Whether it sleeps.
    pub asleep: bool,
}

impl App {
    /// The app, where it exists.
    #[must_use]
    pub fn active(&self) -> Option<&ActiveApp> {
        match self {
            Self::Active(app) => Some(app),
            Self::Absent | Self::Deleted => None,
        }
    }
}

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

/// What can happen to an app. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppEvent {
    /// It came into being.
    Created {
        /// Its id.
        id: AppId,
        /// Its name.
        name: AppName,
        /// Its settings.
        settings: Box<AppSettings>,
    },
    /// Settings changed.
    Configured(Box<SettingsChange>),
    /// Environment variables changed.
    EnvironmentChanged {
        /// What was set, with the version of each value.
        set: BTreeMap<EnvName, u64>,
        /// What was removed.
        remove: BTreeSet<EnvName>,
    },
    /// A deployment was requested.
    DeploymentRequested {
        /// Its id.
        deployment: DeploymentId,
        /// What it runs with.
        spec: Box<DeploymentSpec>,
    },
    /// A waiting deployment gave way to a newer one.
    DeploymentReplaced {
        /// The one that gave way.
        deployment: DeploymentId,
        /// The newer one.
        by: DeploymentId,
    },
    /// It is a deployment's turn.
    DeploymentBegun {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// A deployment gets the traffic.
    TrafficSwitched {
        /// The deployment.
        deployment: DeploymentId,
        /// The one that had it before.
        previous: Option<DeploymentId>,
    },
    /// A switch failed: the traffic goes back.
    TrafficReturned {
        /// The deployment that lost it.
        from: DeploymentId,
        /// The one that has it again.
        to: Option<DeploymentId>,
    },
    /// A deployment is live.
    DeploymentPromoted {
        /// The deployment.
        deployment: DeploymentId,
        /// The one that may go.
        previous: Option<DeploymentId>,
    },
    /// A deployment has ended and moves no more.
    DeploymentSettled {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// It is gone.
    Deleted {
        /// Deployments that must end with it.
        deployments: BTreeSet<DeploymentId>,
    },
    /// A deployment was requested that takes over from an earlier one.
    DeploymentRepeated {
        /// Its id.
        deployment: DeploymentId,
        /// What it runs with.
        spec: Box<DeploymentSpec>,
        /// The number of the earlier one.
        of: u64,
        /// What it takes over.
        how: Repeat,
    },
    /// A deployment that waits or moves, and has no traffic yet, is not wanted any more.
    DeploymentCalledOff {
        /// The deployment.
        deployment: DeploymentId,
        /// The newer one that goes before it, where one does.
        by: Option<DeploymentId>,
    },
    /// It was stopped.
    Stopped {
        /// When requests that are under way are cut off.
        until: Timestamp,
    },
    /// It was started again.
    Started,
    /// It has another number of replicas.
    Scaled {
        /// How many.
        replicas: u16,
        /// The deployments that are to have so many.
        deployments: BTreeSet<DeploymentId>,
    },
    /// It was deleted, and may be restored: until then it is stopped and kept.
    Discarded {
        /// When it goes for good.
        until: Timestamp,
        /// When requests that are under way are cut off.
        drained: Timestamp,
    },
    /// It was restored, under its name.
    Restored {
        /// That name.
        name: AppName,
    },
    /// Something else deploys it by itself.
    TriggersSet(Box<Triggers>),
    /// Its builds reach private repositories over ssh with another key.
    SourceKeySet(SourceKey),
    /// Somebody runs a command once, in a container of its own.
    CommandRun {
        /// Which run this is.
        run: RunId,
        /// What runs, and where.
        one_off: Box<OneOff>,
    },
    /// Such a command has ended.
    CommandEnded {
        /// Which run.
        run: RunId,
        /// How.
        end: OneOffEnd,
    },
    /// Processes beside web have other numbers of replicas.
    ProcessesScaled {
        /// How many.
        processes: BTreeMap<ProcessName, u16>,
        /// The deployments that are to have so many.
        deployments: BTreeSet<DeploymentId>,
    },
    /// A cron job was set.
    CronSet {
        /// Its name.
        cron: CronName,
        /// What was set.
        settings: Box<CronSettings>,
        /// Times up to this one do not count.
        at: Timestamp,
    },
    /// A cron job was removed.
    CronRemoved {
        /// Its name.
        cron: CronName,
    },
    /// A command that is run is a cron job's.
    CronRun {
        /// Which job's.
        cron: CronName,
        /// When it was due; none where somebody asked for it.
        due: Option<Timestamp>,
        /// Which run.
        run: RunId,
    },
    /// A cron job did not run when it was due.
    CronSkipped {
        /// Which.
        cron: CronName,
        /// When, and why.
        skipped: CronSkipped,
    },
    /// Its pull requests get previews made so, or none.
    PreviewsSet(Box<PreviewSettings>),
    /// A pull request is to have a preview, at this commit.
    PreviewWanted {
        /// The pull request.
        pull: Box<PullRequest>,
        /// The app that the preview is.
        app: AppId,
        /// Higher than that of every commit before.
        revision: u64,
        /// When that was said.
        at: Timestamp,
    },
    /// A pull request is to have no preview.
    PreviewUnwanted {
        /// Its number.
        number: u64,
        /// Why.
        why: PreviewEnd,
        /// When it changed last, as the provider says.
        at: Timestamp,
    },
    /// A comment tells of a preview.
    PreviewCommented {
        /// The pull request's number.
        number: u64,
        /// The provider's id of the comment.
        comment: u64,
    },
    /// It is a preview, at this commit and with this.
    BecamePreview(Box<PreviewOf>),
    /// It is to have a custom domain, once that is proven.
    DomainAdded {
        /// The domain.
        host: DomainHost,
        /// What proves it.
        token: DomainToken,
        /// What its requests get.
        mode: DomainMode,
        /// Since when.
        at: Timestamp,
    },
    /// Requests for a domain get something else.
    DomainSet {
        /// The domain.
        host: DomainHost,
        /// What they get.
        mode: DomainMode,
    },
    /// A domain's record was there: it leads to the app.
    DomainVerified {
        /// The domain.
        host: DomainHost,
        /// When that was seen.
        at: Timestamp,
    },
    /// A domain's record is not there any more; the domain leads to the app for a while still.
    DomainFailing {
        /// The domain.
        host: DomainHost,
        /// What was seen.
        why: String,
        /// Since when.
        at: Timestamp,
    },
    /// A domain leads to the app no more: its record has not been there for too long.
    DomainLost {
        /// The domain.
        host: DomainHost,
        /// What was seen.
        why: String,
        /// Since when.
        at: Timestamp,
    },
    /// A domain was taken away.
    DomainRemoved {
        /// The domain.
        host: DomainHost,
    },
    /// Edges serve it in another way: what of that is other than usual.
    EdgeSet(Vec<EdgeSetting>),
    /// A deployment that was requested is to take a part of the requests first.
    CanaryAsked {
        /// The deployment.
        deployment: DeploymentId,
        /// Which part.
        weight: Weight,
        /// How long it may go on, from the moment at which it is healthy.
        within: Millis,
    },
    /// Healthy, it takes its part.
    CanaryStarted {
        /// The deployment.
        deployment: DeploymentId,
        /// Which part.
        weight: Weight,
    },
    /// It takes another part.
    CanaryWeightSet {
        /// The deployment.
        deployment: DeploymentId,
        /// Which part.
        weight: Weight,
    },
    /// Somebody found it good: it gets all requests.
    CanaryPromoted {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// Nobody had asked for it for long: web is to have no replicas until somebody does.
    FellAsleep {
        /// For how long.
        unasked: Millis,
    },
    /// Web is to have its replicas again.
    Woken {
        /// Why.
        why: WokenBy,
    },
}

impl AppEvent {
    /// The deployment that it asks for, where it does, and what that is to run with.
    #[must_use]
    pub const fn requested(&self) -> Option<(DeploymentId, &DeploymentSpec)> {
        match self {
            Self::DeploymentRequested { deployment, spec }
            | Self::DeploymentRepeated { deployment, spec, .. } => Some((*deployment, spec)),
            Self::Created { .. }
            | Self::Configured(_)
            | Self::EnvironmentChanged { .. }
            | Self::DeploymentReplaced { .. }
            | Self::DeploymentBegun { .. }
            | Self::TrafficSwitched { .. }
            | Self::TrafficReturned { .. }
            | Self::DeploymentPromoted { .. }
            | Self::DeploymentSettled { .. }
            | Self::DeploymentCalledOff { .. }
            | Self::Stopped { .. }
            | Self::Started
            | Self::Scaled { .. }
            | Self::Discarded { .. }
            | Self::Restored { .. }
            | Self::TriggersSet(_)
            | Self::SourceKeySet(_)
            | Self::CommandRun { .. }
            | Self::CommandEnded { .. }
            | Self::ProcessesScaled { .. }
            | Self::CronSet { .. }
            | Self::CronRemoved { .. }
            | Self::CronRun { .. }
            | Self::CronSkipped { .. }
            | Self::PreviewsSet(_)
            | Self::PreviewWanted { .. }
            | Self::PreviewUnwanted { .. }
            | Self::PreviewCommented { .. }
            | Self::BecamePreview(_)
            | Self::DomainAdded { .. }
            | Self::DomainSet { .. }
            | Self::DomainVerified { .. }
            | Self::DomainFailing { .. }
            | Self::DomainLost { .. }
            | Self::DomainRemoved { .. }
            | Self::EdgeSet(_)
            | Self::CanaryAsked { .. }
            | Self::CanaryStarted { .. }
            | Self::CanaryWeightSet { .. }
            | Self::CanaryPromoted { .. }
            | Self::FellAsleep { .. }
            | Self::Woken { .. }
            | Self::Deleted { .. } => None,
        }
    }
}
