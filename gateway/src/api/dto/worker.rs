//! Workers.

use hythe_core::ids::WorkerId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AsOf, Time};

/// A machine that runs replicas and builds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: WorkerId,
    /// Its name.
    #[schema(example = "machine-1")]
    pub name: String,
    /// How it is.
    pub status: WorkerStatus,
    /// The same in plain words, where something is wrong.
    pub detail: Option<String>,
    /// Bytes of memory that it has.
    pub memory_bytes: u64,
    /// Thousandths of a CPU that it has.
    pub cpu_millis: u32,
    /// The version of its container engine, where it answers.
    pub engine: Option<String>,
    /// How many replicas it has. That is not kept: of the past, 0.
    pub replicas: u32,
    /// How many builds are under way on it. That is not kept: of the past, 0.
    pub builds: u32,
    /// How many builds it does at once; nothing where it does not say. That is not kept either.
    pub builds_at_once: Option<u16>,
    /// What its owner should know about its builds, such as limits that cannot be kept there.
    pub build_remarks: Vec<String>,
    /// When it was heard of last; nothing where it was not since the server started.
    pub seen_at: Option<Time>,
    /// When it joined.
    pub joined_at: Time,
    /// As of when, where the past was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}

/// How a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerStatus {
    /// It takes work.
    Ready,
    /// It finishes what it has and takes nothing new.
    Draining,
    /// It is heard of, but its container engine does not answer.
    EngineUnreachable,
    /// It is not heard of.
    Lost,
}

impl WorkerStatus {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::EngineUnreachable => "engine_unreachable",
            Self::Lost => "lost",
        }
    }
}

/// All workers, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerList {
    /// The workers.
    pub items: Vec<Worker>,
    /// As of when, where the past was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}
