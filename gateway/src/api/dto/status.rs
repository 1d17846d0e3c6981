//! Whether the server is well.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{BackupStatus, Time};

/// The process is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `alive`.
    #[schema(example = "alive")]
    pub status: String,
    /// The version of the server.
    #[schema(example = "0.1.0")]
    pub version: String,
}

/// Whether the server can do its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether every check is well. `room` does not count: a server whose disk is full answers,
    /// serves and cleans up.
    pub ready: bool,
    /// What was looked at.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What: `journal`, `room`, `control`, `nats`, `workers` or `edges`.
    #[schema(example = "nats")]
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// What was found and, where it is not well, what to do.
    pub detail: String,
}

/// How the server is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerStatus {
    /// Whether every check is well.
    pub ready: bool,
    /// The version of the server.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// Which installation it is.
    pub installation: Uuid,
    /// What was looked at.
    pub checks: Vec<Check>,
    /// The journal and its disk.
    pub journal: JournalStatus,
    /// Backups and the mirror.
    pub backup: BackupStatus,
    /// When it was restored from a backup, where it was.
    pub restored_at: Option<Time>,
    /// What is worth a warning, in words. Nothing of it keeps the server from working.
    pub warnings: Vec<String>,
}

/// The journal and its disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JournalStatus {
    /// The last event.
    pub head: u64,
    /// Bytes that the journal's files have.
    pub bytes: u64,
    /// Bytes left on its disk.
    pub disk_free_bytes: u64,
    /// Bytes that its disk has.
    pub disk_bytes: u64,
}
