//! What providers are told of commits, and what came of it.

use hythe_core::hook::status::CommitState;
use hythe_core::ids::DeploymentId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// What a webhook's provider is told of commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitStatuses {
    /// The address of the provider's API; nothing where it is told nothing.
    #[schema(example = "https://api.github.com")]
    pub api: Option<String>,
    /// What it was told since the server started, the newest first: the last 50.
    pub items: Vec<ToldStatus>,
}

/// What a provider was told of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToldStatus {
    /// When.
    pub at: Time,
    /// Of which app.
    #[schema(example = "shop")]
    pub app: String,
    /// Of which deployment.
    #[schema(value_type = uuid::Uuid)]
    pub deployment: DeploymentId,
    /// Of which commit.
    pub commit: String,
    /// How it fares: `pending`, `success`, `failure` or `cancelled`.
    #[schema(value_type = String, example = "success")]
    pub state: CommitState,
    /// Why the provider did not take it, where it did not.
    pub refused: Option<String>,
}

/// That a provider is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub struct SetCommitStatuses {
    /// The address of its API; found from the provider and the repository's host where none is given.
    #[serde(default)]
    pub api: Option<String>,
}
