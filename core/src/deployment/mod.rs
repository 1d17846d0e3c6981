//! A deployment: one attempt to bring one version of an app live.
//!
//! `Requested → Queued → Building → Built → Starting → Healthy → Switching → Draining → Live`,
//! with `Releasing` after `Built` where a command runs first, ending as superseded, failed or
//! cancelled. Each stage says which one effect is outstanding and
//! until when. Commands that follow from reports or reactions are idempotent: late and repeated
//! ones mean nothing.

mod built;
mod decide;
mod evolve;
mod post_deploy;
mod releasing;
mod scaling;
#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test fails on whatever it did not expect")]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::declared::Declared;
use crate::health::HealthCheck;
use crate::ids::{AppId, DeploymentId, ProjectId, WorkerId};
use crate::limits;
use crate::names::{AppName, EnvName};
use crate::process::ProcessName;
use crate::run::{HookSettings, RunSettings};
use crate::site::BuiltSite;
use crate::source::{BuildSettings, Resources, Source};
use crate::task::Hook;
use crate::time::{Millis, Timestamp};

pub use self::built::BuiltImage;
pub use self::post_deploy::PostDeploy;

/// Everything that one deployment runs with: a snapshot of the app's settings at its request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentSpec {
    /// The app.
    pub app: AppId,
    /// Its name then.
    pub app_name: AppName,
    /// The project that it is in.
    #[serde(default)]
    pub project: ProjectId,
    /// Counts the app's deployments from 1.
    pub number: u64,
    /// Where the source lies.
    pub source: Source,
    /// How to build it.
    pub build: BuildSettings,
    /// The port that the app listens on; found from the image where none is given.
    pub port: Option<u16>,
    /// Environment variables, by name, with the version of the secret that holds the value.
    pub env: BTreeMap<EnvName, u64>,
    /// How many replicas.
    pub replicas: u16,
    /// How a replica shows that it is fit for traffic.
    pub health: HealthCheck,
    /// The most that one replica may use.
    pub resources: Resources,
    /// How long requests may go on after the switch.
    pub drain_within: Millis,
    /// From SIGTERM to SIGKILL.
    pub stop_within: Millis,
    /// How its processes are run.
    #[serde(default)]
    pub run: RunSettings,
    /// Where its image comes from.
    #[serde(default)]
    pub origin: Origin,
}

/// Where a deployment's image comes from. Append-only: events hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It is built from the source.
    #[default]
    Build,
    /// An earlier deployment has it already: nothing is built.
    Deployment {
        /// That deployment.
        deployment: DeploymentId,
        /// What was built for it.
        built: Box<BuiltImage>,
    },
    /// The same, and it is to run as that one does: what runs once for a deployment has run.
    Restart {
        /// That deployment.
        deployment: DeploymentId,
        /// What was built for it.
        built: Box<BuiltImage>,
    },
}

impl Origin {
    /// The earlier deployment that has the image, and what was built for that.
    #[must_use]
    pub const fn earlier(&self) -> Option<(DeploymentId, &BuiltImage)> {
        match self {
            Self::Build => None,
            Self::Deployment { deployment, built } | Self::Restart { deployment, built } => {
                Some((*deployment, built))
            }
        }
    }
}

/// Where one replica runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The replica: 0, 1, …; those of processes beside web and tasks have numbers of their own.
    pub index: u16,
    /// The worker.
    pub worker: WorkerId,
}

/// Why something failed, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What went wrong and, where known, what to do.
    pub message: String,
    /// The last lines of log before it, oldest first.
    pub log: Vec<String>,
}

/// How a build ended.
pub type BuildOutcome = Result<BuiltImage, Fault>;

/// The stages by name: what people see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// Waits for its turn: one deployment of an app moves at a time.
    Requested,
    /// Waits for a builder.
    Queued,
    /// A builder fetches and builds.
    Building,
    /// Waits for a place to run.
    Built,
    /// Replicas start and are checked.
    Starting,
    /// All replicas are healthy.
    Healthy,
    /// The edges take up the new route.
    Switching,
    /// Requests to the version before finish.
    Draining,
    /// It has the traffic.
    Live,
    /// Another version took its place.
    Superseded,
    /// It failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Its release command runs, before its replicas start.
    Releasing,
}

impl StageName {
    /// The name in JSON, lists and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Queued => "queued",
            Self::Building => "building",
            Self::Built => "built",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Switching => "switching",
            Self::Draining => "draining",
            Self::Live => "live",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Releasing => "releasing",
        }
    }

    /// Whether nothing more will happen to a deployment in this stage by itself.
    #[must_use]
    pub const fn settled(self) -> bool {
        match self {
            Self::Live | Self::Superseded | Self::Failed | Self::Cancelled => true,
            Self::Requested
            | Self::Queued
            | Self::Building
            | Self::Built
            | Self::Starting
            | Self::Healthy
            | Self::Switching
            | Self::Draining
            | Self::Releasing => false,
        }
    }
}

impl std::fmt::Display for StageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a deployment ended. Append-only: events hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Another version took its place, before or after it was live.
    Superseded,
    /// It failed in a stage.
    Failed {
        /// The stage.
        stage: StageName,
        /// Why.
        fault: Fault,
    },
    /// Somebody cancelled it.
    Cancelled,
}

impl Outcome {
    /// The stage that people see.
    #[must_use]
    pub const fn stage(&self) -> StageName {
        match self {
            Self::Superseded => StageName::Superseded,
            Self::Failed { .. } => StageName::Failed,
            Self::Cancelled => StageName::Cancelled,
        }
    }
}

/// Where a deployment stands: the one outstanding effect, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Waits for the app's turn.
    Requested,
    /// The build command of this generation is out.
    Queued {
        /// Counts how often the build was given out, from 1.
        generation: u32,
        /// When it fails.
        until: Timestamp,
    },
    /// A builder has accepted.
    Building {
        /// As above.
        generation: u32,
        /// Who builds.
        worker: WorkerId,
        /// When it fails.
        until: Timestamp,
    },
    /// Waits for workers.
    Built {
        /// When it fails.
        until: Timestamp,
    },
    /// Waits for all replicas to be healthy.
    Starting {
        /// When it fails.
        until: Timestamp,
    },
    /// Waits for the app to switch.
    Healthy,
    /// Waits for the edges to confirm.
    Switching {
        /// The version before.
        previous: Option<DeploymentId>,
        /// When it fails.
        until: Timestamp,
    },
    /// Waits for requests to the version before.
    Draining {
        /// The version before.
        previous: Option<DeploymentId>,
        /// When they are cut off.
        until: Timestamp,
    },
    /// It has the traffic.
    Live,
    /// It is over.
    Ended(Outcome),
    /// Waits for its release command to end.
    Releasing {
        /// Where that runs.
        worker: WorkerId,
        /// When it fails.
        until: Timestamp,
    },
}

impl Stage {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> StageName {
        match self {
            Self::Requested => StageName::Requested,
            Self::Queued { .. } => StageName::Queued,
            Self::Building { .. } => StageName::Building,
            Self::Built { .. } => StageName::Built,
            Self::Starting { .. } => StageName::Starting,
            Self::Healthy => StageName::Healthy,
            Self::Switching { .. } => StageName::Switching,
            Self::Draining { .. } => StageName::Draining,
            Self::Live => StageName::Live,
            Self::Ended(outcome) => outcome.stage(),
            Self::Releasing { .. } => StageName::Releasing,
        }
    }

    /// Until when it may stay so, where there is an end to it.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Queued { until, .. }
            | Self::Building { until, .. }
            | Self::Built { until }
            | Self::Starting { until }
            | Self::Switching { until, .. }
            | Self::Draining { until, .. }
            | Self::Releasing { until, .. } => Some(*until),
            Self::Requested | Self::Healthy | Self::Live | Self::Ended(_) => None,
        }
    }
}

/// A deployment's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deployment {
    /// Nothing has happened yet.
    #[default]
    Absent,
    /// It was requested.
    Present(Box<Attempt>),
}

/// A deployment that was requested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What it runs with.
    pub spec: DeploymentSpec,
    /// Where it stands.
    pub stage: Stage,
    /// What its build gave.
    pub built: Option<BuiltImage>,
    /// Where its replicas run.
    pub placements: Vec<Placement>,
    /// How many replicas it is to have now. Those of processes beside web stand in its spec, as they
    /// were scaled.
    pub replicas: u16,
    /// Replicas that are too many: they still run, and get no new requests.
    pub leaving: Vec<Placement>,
    /// When requests to those are cut off.
    pub leave_until: Option<Timestamp>,
    /// Whether it is built anew because the image that it was to take over was gone.
    pub rebuilt: bool,
    /// Whether its release command has run.
    pub released: bool,
    /// How its post-deploy command stands, where it has one.
    pub post_deploy: PostDeploy,
}

impl Attempt {
    /// Whether its image is an earlier deployment's, so that it can be built where that is gone.
    #[must_use]
    pub const fn takes_over(&self) -> bool {
        match self.spec.origin {
            Origin::Deployment { .. } | Origin::Restart { .. } => !self.rebuilt,
            Origin::Build => false,
        }
    }

    /// The static site that it is, where it is one: then nothing of it runs.
    #[must_use]
    pub fn site(&self) -> Option<&BuiltSite> {
        self.built.as_ref()?.site.as_deref()
    }

    /// The numbers of all that it is to run now: of web, and of the processes beside it.
    pub fn wanted(&self) -> impl Iterator<Item = u16> + '_ {
        let web = if self.site().is_some() { 0 } else { self.replicas };
        (0..web).chain(self.spec.run.process_indices())
    }

    /// The most that its replicas may take until they are healthy, from when they have a place. What writes
    /// to a volume begins when the version before is gone: that may take all the time it has to finish
    /// its requests, and to stop.
    #[must_use]
    pub fn start_most(&self) -> Millis {
        let before = if self.spec.run.container.is_exclusive() {
            limits::GIVE_WAY_WITHIN.0.saturating_add(limits::STOP_WITHIN_MOST.0)
        } else {
            0
        };
        let own = self.spec.health.start_within().0.saturating_add(limits::START_GRACE.0);
        Millis(own.saturating_add(before))
    }

    /// The most that edges may take to confirm a switch to it. One confirms a site once it has fetched it,
    /// which takes as long as it is large.
    #[must_use]
    pub fn switch_most(&self) -> Millis {
        let bytes = self.site().map_or(0, |site| site.bytes);
        let fetching = bytes.saturating_mul(1_000) / limits::SITE_BYTES_A_SECOND;
        let fetching = fetching.min(limits::SITE_SWITCH_MORE_MOST.0);
        Millis(limits::SWITCH_WITHIN.0.saturating_add(fetching))
    }

    /// What one with this number may use.
    #[must_use]
    pub fn resources(&self, index: u16) -> Resources {
        self.spec.run.resources(index, &self.spec.resources)
    }

    /// What runs before its replicas start, where that has not run yet.
    #[must_use]
    pub fn to_release(&self) -> Option<&HookSettings> {
        self.hook(Hook::Release).filter(|_| !self.released)
    }

    /// What runs at this place of it. A restart is the version that there is: nothing runs again.
    #[must_use]
    pub fn hook(&self, hook: Hook) -> Option<&HookSettings> {
        match self.spec.origin {
            Origin::Restart { .. } => None,
            Origin::Build | Origin::Deployment { .. } => self.spec.run.hook(hook),
        }
    }
}

impl Deployment {
    /// The attempt, once requested.
    #[must_use]
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Absent => None,
            Self::Present(attempt) => Some(attempt),
        }
    }
}

/// What a deployment can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeploymentCommand {
    /// Comes into being.
    Request(Box<DeploymentSpec>),
    /// It is its turn.
    Begin {
        /// Now.
        at: Timestamp,
    },
    /// A builder has taken the build on.
    AcceptBuild {
        /// Of which giving out.
        generation: u32,
        /// Who.
        worker: WorkerId,
    },
    /// The builder was not heard of for too long.
    LoseBuild {
        /// Of which giving out.
        generation: u32,
    },
    /// The build ended.
    FinishBuild {
        /// Of which giving out.
        generation: u32,
        /// How.
        outcome: BuildOutcome,
        /// Now.
        at: Timestamp,
    },
    /// The image that it was to take over is gone.
    MissImage {
        /// Now.
        at: Timestamp,
    },
    /// It is to have so many replicas.
    Scale {
        /// How many.
        replicas: u16,
    },
    /// Processes beside web are to have so many replicas; of those that it does not have, nothing
    /// follows.
    ScaleProcesses {
        /// How many.
        processes: BTreeMap<ProcessName, u16>,
    },
    /// Live, it gets other places: as many as it is to have.
    Rescale {
        /// One per replica.
        placements: Vec<Placement>,
        /// Now.
        at: Timestamp,
    },
    /// No request to the replicas that are too many is under way any more.
    FinishLeaving,
    /// Its release command is to run.
    Release {
        /// Where.
        worker: WorkerId,
        /// Now.
        at: Timestamp,
    },
    /// Its release command has ended well.
    FinishRelease {
        /// Now.
        at: Timestamp,
    },
    /// Its post-deploy command is to run.
    PostDeploy {
        /// Where.
        worker: WorkerId,
        /// Now.
        at: Timestamp,
    },
    /// Its post-deploy command has ended well.
    FinishPostDeploy,
    /// Its post-deploy command has failed, or will not run.
    FailPostDeploy {
        /// Why.
        fault: Fault,
    },
    /// Workers were chosen.
    Place {
        /// One per replica.
        placements: Vec<Placement>,
        /// Now.
        at: Timestamp,
    },
    /// All replicas are healthy.
    BecomeHealthy,
    /// A replica cannot start, or its release command has failed.
    FailStart {
        /// Why.
        fault: Fault,
    },
    /// The app has given it the traffic.
    Switch {
        /// The version before.
        previous: Option<DeploymentId>,
        /// Now.
        at: Timestamp,
    },
    /// Every live edge confirmed.
    ConfirmSwitch {
        /// Now.
        at: Timestamp,
    },
    /// No request to the version before is under way any more.
    FinishDrain,
    /// The version before has the traffic again: this one stopped answering.
    LoseTraffic {
        /// Why.
        fault: Fault,
    },
    /// Its build goes on waiting for its turn: those before it are under way, and each of them has an
    /// end.
    WaitOn {
        /// Now.
        at: Timestamp,
    },
    /// Ends what has gone on for too long.
    Expire {
        /// Now.
        at: Timestamp,
        /// What it was waiting for, as far as can be told.
        waiting_for: Fault,
    },
    /// Somebody wants it gone.
    Cancel,
    /// Another version takes its place.
    Supersede,
    /// As a canary it is over: it ails, or nobody promoted it in time.
    FailCanary {
        /// Why.
        fault: Fault,
    },
}

/// What can happen to a deployment. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeploymentEvent {
    /// It came into being.
    Requested(Box<DeploymentSpec>),
    /// A build is wanted.
    BuildQueued {
        /// Counts from 1.
        generation: u32,
        /// When the build fails.
        until: Timestamp,
    },
    /// A builder has taken it on.
    BuildStarted {
        /// Which giving out.
        generation: u32,
        /// Who.
        worker: WorkerId,
    },
    /// There is an image.
    Built {
        /// The image.
        built: BuiltImage,
        /// When waiting for a place fails.
        until: Timestamp,
    },
    /// Its replicas have their places and start.
    Placed {
        /// One per replica.
        placements: Vec<Placement>,
        /// When starting fails.
        until: Timestamp,
    },
    /// All replicas are healthy.
    BecameHealthy {
        /// The app that switches now.
        app: AppId,
    },
    /// The app has given it the traffic; the edges take it up.
    SwitchStarted {
        /// The version before.
        previous: Option<DeploymentId>,
        /// When switching fails.
        until: Timestamp,
    },
    /// Every live edge sends new requests here.
    Switched {
        /// The version before.
        previous: Option<DeploymentId>,
        /// When its requests are cut off.
        until: Timestamp,
    },
    /// It is live.
    WentLive {
        /// The app that promotes it now.
        app: AppId,
    },
    /// It is over.
    Ended {
        /// The app.
        app: AppId,
        /// How.
        outcome: Outcome,
    },
    /// It takes the image of an earlier deployment.
    BuildSkipped {
        /// When waiting for a place fails.
        until: Timestamp,
    },
    /// That image was gone: it is built anew, from the commit that it was made from.
    ImageMissed {
        /// When the build fails.
        until: Timestamp,
    },
    /// It is to have another number of replicas.
    Scaled {
        /// How many.
        replicas: u16,
    },
    /// Live, it has other places. Replicas that have none any more get no new requests.
    Rescaled {
        /// One per replica.
        placements: Vec<Placement>,
        /// When requests to those that have none are cut off.
        until: Timestamp,
    },
    /// The replicas that were too many may go.
    ReplicasLeft,
    /// Its release command runs.
    ReleaseStarted {
        /// Where.
        worker: WorkerId,
        /// When it fails.
        until: Timestamp,
    },
    /// Its release command has ended well.
    Released {
        /// When waiting for a place fails.
        until: Timestamp,
    },
    /// Live, it has its post-deploy command run.
    PostDeployStarted {
        /// Where.
        worker: WorkerId,
        /// When that fails.
        until: Timestamp,
    },
    /// Its post-deploy command has ended well.
    PostDeployed,
    /// Its post-deploy command has failed, or was not run; the version stays as it is.
    PostDeployFailed {
        /// Why.
        fault: Fault,
    },
    /// Processes beside web are to have other numbers of replicas.
    ProcessesScaled {
        /// How many.
        processes: BTreeMap<ProcessName, u16>,
    },
    /// Its repository says so of processes beside web, and of its release command.
    Declared(Box<Declared>),
}
