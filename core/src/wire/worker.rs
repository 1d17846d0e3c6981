//! Between control plane and node actors: what a worker is to run goes out, what it runs comes
//! back.
//!
//! Commands say how things should be, not what to do: the node actor compares and acts, again and
//! again. Each carries the generation of what it says about a deployment (the journal sequence of
//! that deployment's newest event); an older one is refused.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::argv::Argv;
use crate::container::ContainerSettings;
use crate::health::HealthCheck;
use crate::ids::{AppId, DeploymentId, InstallationId, WorkerId};
use crate::limits;
use crate::names::{AppName, EnvName, ImageId, WorkerName};
use crate::plan::ReplicaKey;
use crate::process::is_process;
use crate::run::{HookSettings, RunSettings};
use crate::source::Resources;
use crate::task::{Hook, is_task};
use crate::time::{Millis, Timestamp};
use crate::wire::storage::DiskRoom;
use crate::worker::Capacity;

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerMessage {
    /// Format of this message; 1.
    pub format: u16,
    /// Who is meant.
    pub worker: WorkerId,
    /// What it is told.
    pub order: Order,
}

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Run these replicas of a deployment, and no others of it.
    Run(Box<Assignment>),
    /// Run none of a deployment any more.
    Stop {
        /// The deployment.
        deployment: DeploymentId,
        /// The generation of this order.
        generation: u64,
        /// From SIGTERM to SIGKILL.
        stop_within: Millis,
    },
    /// End a build, if it is still under way.
    CancelBuild {
        /// The deployment.
        deployment: DeploymentId,
        /// Which giving out, and all before it.
        generation: u32,
    },
}

/// Replicas of one deployment that a worker is to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its app.
    pub app: AppId,
    /// The app's name.
    pub app_name: AppName,
    /// The generation of this assignment.
    pub generation: u64,
    /// Which replicas: their numbers. Those of processes beside web have numbers of their own: see
    /// [`crate::process`].
    pub replicas: Vec<u16>,
    /// Commands that run once, beside them or before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskOrder>,
    /// The image.
    pub image: ImageId,
    /// The port that they answer on.
    pub port: u16,
    /// The environment, sealed for this worker; see [`SealedEnvironment`].
    pub environment: SealedEnvironment,
    /// How they show that they are fit for traffic.
    pub health: HealthCheck,
    /// The most that one may use.
    pub resources: Resources,
    /// How their processes are run.
    #[serde(default)]
    pub run: RunSettings,
    /// From SIGTERM to SIGKILL.
    pub stop_within: Millis,
    /// Whether one that exits is started again. Not so before the deployment was live: an exit
    /// is a failed deployment then.
    pub restart: bool,
}

impl Assignment {
    /// The task that has this number.
    #[must_use]
    pub fn task(&self, index: u16) -> Option<&TaskOrder> {
        self.tasks.iter().find(|task| task.index == index)
    }

    /// What one with this number may use.
    #[must_use]
    pub fn resources(&self, index: u16) -> Resources {
        self.run.resources(index, &self.resources)
    }

    /// Whose network its containers are on.
    #[must_use]
    pub fn network(&self) -> AppId {
        self.run.container.network(self.app)
    }

    /// What one with this number is given besides its image, where it is one that serves.
    #[must_use]
    pub fn container(&self, index: u16) -> Option<&ContainerSettings> {
        let serves = !is_task(index) && !is_process(index);
        serves.then_some(&self.run.container)
    }

    /// What runs in one with this number, in place of the image's own command.
    #[must_use]
    pub fn command(&self, index: u16) -> Option<&Argv> {
        let task = self.task(index).map(|task| &task.command);
        let process = || self.run.process(index).map(|(_, process)| &process.command);
        let web = || self.run.command.as_ref().filter(|_| !is_process(index));
        task.or_else(process).or_else(web)
    }

    /// The numbers of everything that is to run: replicas and tasks.
    pub fn indices(&self) -> impl Iterator<Item = u16> + '_ {
        self.replicas.iter().copied().chain(self.tasks.iter().map(|task| task.index))
    }

    /// Whether what has this number is to run.
    #[must_use]
    pub fn includes(&self, index: u16) -> bool {
        self.indices().any(|known| known == index)
    }
}

/// A command that a worker is to run once, with image, environment and limits of its deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskOrder {
    /// Its number among the replicas: see [`crate::task`].
    pub index: u16,
    /// What runs.
    pub command: Argv,
    /// How long it may take. When that is over it is told at once.
    pub within: Millis,
}

impl TaskOrder {
    /// The one that has this number, where it is one's and there is a command for it.
    #[must_use]
    pub fn of(run: &RunSettings, index: u16) -> Option<Self> {
        let HookSettings { command, within } = run.hook(Hook::of(index)?)?.clone();
        Some(Self { index, command, within })
    }
}

/// Environment variables on their way: a [`SealedContent`] in postcard, in a sealed box
/// (`crypto_box`: X25519, XSalsa20-Poly1305) that only the worker whose [`SealingKey`] was used
/// can open. Empty where there are no variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedEnvironment(pub Vec<u8>);

/// What lies in a [`SealedEnvironment`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedContent {
    /// For which deployment: a sealed environment fits no other.
    pub deployment: DeploymentId,
    /// Names and values.
    pub variables: Vec<(EnvName, String)>,
}

impl std::fmt::Debug for SealedContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedContent({}, {} variables)", self.deployment, self.variables.len())
    }
}

/// The public half of the key pair that a worker keeps in its data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealingKey(pub [u8; 32]);

/// What a worker has and runs: its whole inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// Format of this message; 1.
    pub format: u16,
    /// Who reports.
    pub worker: WorkerId,
    /// The installation that it believes it belongs to.
    pub installation: InstallationId,
    /// Its name.
    pub name: WorkerName,
    /// What it has.
    pub capacity: Capacity,
    /// What to seal environments with that are meant for it.
    pub sealing_key: SealingKey,
    /// How its engine is.
    pub engine: EngineState,
    /// What it holds assignments for, with the newest generation of each, also those told to stop
    /// whose replicas are not all gone yet.
    pub assignments: Vec<Held>,
    /// Every replica there is, wanted or not.
    pub replicas: Vec<ReplicaReport>,
    /// Builds under way here.
    pub builds: Vec<BuildHeld>,
    /// How it builds; none of a worker that does not say.
    #[serde(default)]
    pub builder: Option<BuilderReport>,
    /// When this was written, by the worker's clock.
    pub at: Timestamp,
}

/// An assignment that a worker holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The newest generation that it was told.
    pub generation: u64,
    /// Whether that was an order to stop.
    pub stopping: bool,
}

/// A build that a worker works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildHeld {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Which giving out.
    pub generation: u32,
}

/// How a worker builds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuilderReport {
    /// Builds at once; 0 where it does not build.
    pub at_once: u16,
    /// What of the limits on builds cannot be kept here and why, or what else its owner should
    /// know; for people.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// The disk that builds need room on, where it can be seen.
    #[serde(default)]
    pub disk: Option<EngineDisk>,
}

/// The disk that a worker's engine keeps images and containers on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineDisk {
    /// What there is.
    pub room: DiskRoom,
    /// Builds end where less than this is free, in bytes.
    pub least_free: u64,
}

impl EngineDisk {
    /// Whether builds are about to end for want of room.
    #[must_use]
    pub const fn is_low(&self) -> bool {
        self.room.free < self.least_free.saturating_add(self.least_free / 2)
    }
}

/// How a worker's engine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineState {
    /// It answers.
    Ready {
        /// Its version.
        version: String,
    },
    /// It does not.
    Unreachable {
        /// Why, and what to do.
        message: String,
    },
}

/// One replica on a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaReport {
    /// Its deployment.
    pub deployment: DeploymentId,
    /// Its app.
    pub app: AppId,
    /// Its number.
    pub index: u16,
    /// How it is.
    pub state: ReplicaState,
    /// Where it answers, once it runs.
    pub endpoint: Option<SocketAddr>,
    /// How often it was started again.
    pub restarts: u32,
    /// How often of that in a row, without having been healthy for long in between.
    #[serde(default)]
    pub in_a_row: u32,
    /// While it is not healthy: its last lines, with the values of secrets masked.
    pub log: Vec<String>,
    /// Whether it cannot be made because the engine does not have its image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub image_missing: bool,
}

impl ReplicaReport {
    /// What it is known by.
    #[must_use]
    pub const fn key(&self) -> ReplicaKey {
        ReplicaKey { deployment: self.deployment, index: self.index }
    }

    /// Whether it is in the same state as another report of it says: a crash loop is one for all its starts,
    /// all else begins anew with each.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        if self.crash_loop() || other.crash_loop() {
            return self.crash_loop() == other.crash_loop();
        }
        let state = |report: &Self| std::mem::discriminant(&report.state);
        self.restarts == other.restarts && state(self) == state(other)
    }

    /// Whether it is started again and again, and does not stay healthy.
    #[must_use]
    pub const fn crash_loop(&self) -> bool {
        match self.state {
            ReplicaState::Creating
            | ReplicaState::Starting { .. }
            | ReplicaState::Unhealthy { .. }
            | ReplicaState::Exited { .. } => self.in_a_row >= limits::CRASH_LOOP,
            ReplicaState::Healthy | ReplicaState::Failed { .. } | ReplicaState::Stopping => false,
        }
    }
}

/// How a replica is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaState {
    /// It is not running yet.
    Creating,
    /// It runs; its health check has not succeeded yet.
    Starting {
        /// What the newest check found.
        check: String,
        /// How long it has been running without being healthy.
        elapsed: Millis,
        /// How long it may take, where the image's own check says so.
        #[serde(default)]
        within: Option<Millis>,
    },
    /// It runs and its newest check succeeded.
    Healthy,
    /// It runs; it was healthy, and its newest checks failed.
    Unhealthy {
        /// What the newest check found.
        check: String,
    },
    /// It ended.
    Exited {
        /// Its exit code.
        code: i64,
        /// Whether it ran out of memory.
        out_of_memory: bool,
    },
    /// It could not be created or started.
    Failed {
        /// Why.
        message: String,
    },
    /// It was told to stop and has not ended yet.
    Stopping,
}
