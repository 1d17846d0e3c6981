//! Health checks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is asked of a replica to see whether it is fit for traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(example = json!({"type": "http", "path": "/healthz", "statuses": "200-299"}))]
pub enum HealthProbe {
    /// An answer over HTTP on the app's port.
    Http {
        /// What to ask for. Redirects are not followed.
        #[schema(max_length = 1024, example = "/healthz")]
        path: String,
        /// The answers that mean healthy: one status or a range; 200-399 where nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(example = "200-299")]
        statuses: Option<String>,
    },
    /// That something accepts connections on the app's port.
    Tcp {},
    /// A command in the replica's container that exits with 0.
    Command {
        /// A program and its arguments, at most 64 texts, run by no shell.
        #[schema(min_items = 1, max_items = 64)]
        command: Vec<String>,
    },
    /// The `HEALTHCHECK` of the image.
    Image {},
    /// Nothing: whatever runs is healthy.
    None {},
}
