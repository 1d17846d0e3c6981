//! Between control plane and node actors: what a worker is to run goes out, what it runs comes
//! back.
//!
//! Commands say how things should be, not what to do: the node actor compares and acts, again and
//! again. Each carries the generation of what it says about a deployment (the journal sequence of
//! that deployment's newest event); an older one is refused.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::health::HealthCheck;
use crate::ids::{AppId, DeploymentId, InstallationId, WorkerId};
use crate::names::{AppName, EnvName, ImageId, WorkerName};
use crate::source::Resources;
use crate::time::{Millis, Timestamp};
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
    /// Which replicas: their numbers.
    pub replicas: Vec<u16>,
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
    /// From SIGTERM to SIGKILL.
    pub stop_within: Millis,
    /// Whether one that exits is started again. Not so before the deployment was live: an exit
    /// is a failed deployment then.
    pub restart: bool,
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
    /// While it is not healthy: its last lines, with the values of secrets masked.
    pub log: Vec<String>,
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
