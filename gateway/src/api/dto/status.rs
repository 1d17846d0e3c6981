//! Whether the server is well.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
