//! Replicas: what runs.

use hythe_core::ids::WorkerId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AsOf, DeploymentRef, Time};

/// One replica of an app, wanted or on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replica {
    /// The deployment that it belongs to.
    pub deployment: DeploymentRef,
    /// The process that it is one of: `web`, which has the traffic, or another.
    #[schema(example = "web")]
    pub process: String,
    /// Its number among those of its process, from 0.
    pub index: u16,
    /// The worker that it runs on.
    #[schema(value_type = uuid::Uuid)]
    pub worker_id: WorkerId,
    /// The worker's name, where it is known.
    pub worker: Option<String>,
    /// How it is.
    pub state: ReplicaState,
    /// The same in plain words: what the newest check found, or why it ended.
    pub detail: Option<String>,
    /// Since when it is so; nothing where the server did not see it become so, as after its own start.
    pub since: Option<Time>,
    /// While it is not healthy: the last lines that it wrote, oldest first, with the values of secrets
    /// masked.
    pub log: Vec<String>,
    /// Whether it is fit for traffic.
    pub healthy: bool,
    /// Where it answers on its worker, once it runs.
    #[schema(example = "127.0.0.1:32768")]
    pub endpoint: Option<String>,
    /// How often it was started again.
    pub restarts: u32,
    /// How often of that in a row, without having been healthy for a minute in between.
    pub restarts_in_a_row: u32,
}

/// How a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaState {
    /// It is wanted, and its worker has not said anything about it.
    Unknown,
    /// It is not running yet.
    Creating,
    /// It runs; its health check has not succeeded yet.
    Starting,
    /// It runs and is healthy.
    Healthy,
    /// It runs; it was healthy, and its newest checks failed.
    Unhealthy,
    /// It ended.
    Exited,
    /// It was started again three times in a row or more, and is not healthy: it ends, or fails its
    /// checks, again and again. It goes on to be started, with growing waits.
    CrashLoop,
    /// It could not be created or started.
    Failed,
    /// It was told to stop and has not ended yet.
    Stopping,
}

impl ReplicaState {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Creating => "creating",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Exited => "exited",
            Self::CrashLoop => "crash_loop",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
        }
    }
}

/// The replicas of an app: newest deployment first, then web before other processes, then by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaList {
    /// The replicas.
    pub items: Vec<Replica>,
    /// As of when, where the past was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}
