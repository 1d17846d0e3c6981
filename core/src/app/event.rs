//! What can happen to an app: facts, as the journal holds them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{AppSettings, Repeat, SettingsChange, SourceKey, WokenBy};
use crate::canary::Weight;
use crate::cron::{CronName, CronSettings, CronSkipped};
use crate::deployment::DeploymentSpec;
use crate::domain::{DomainHost, DomainMode, DomainToken};
use crate::edge::EdgeSetting;
use crate::hook::{PullRequest, Triggers};
use crate::ids::{AppId, DeploymentId, RunId};
use crate::names::{AppName, EnvName};
use crate::one_off::{OneOff, OneOffEnd};
use crate::preview::{PreviewEnd, PreviewOf, PreviewSettings};
use crate::process::ProcessName;
use crate::time::{Millis, Timestamp};

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
