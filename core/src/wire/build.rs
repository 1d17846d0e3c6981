//! Between control plane and build supervisors.

use serde::{Deserialize, Serialize};

use crate::deployment::{BuildOutcome, DeploymentSpec};
use crate::ids::{DeploymentId, WorkerId};
use crate::time::Timestamp;

/// A build to do. Known by deployment and generation: a builder does each once, however often it
/// is told, and answers a repeated one with how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildCommand {
    /// Format of this message; 1.
    pub format: u16,
    /// What is built, and for which deployment.
    pub deployment: DeploymentId,
    /// Counts how often this build was given out, from 1. An older one is refused.
    pub generation: u32,
    /// Everything about the deployment.
    pub spec: DeploymentSpec,
    /// When the build fails.
    pub until: Timestamp,
}

/// How a build stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildReport {
    /// Format of this message; 1.
    pub format: u16,
    /// Who builds.
    pub worker: WorkerId,
    /// For which deployment.
    pub deployment: DeploymentId,
    /// Which giving out.
    pub generation: u32,
    /// How it stands.
    pub progress: BuildProgress,
    /// When this was written, by the builder's clock.
    pub at: Timestamp,
}

/// How a build stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildProgress {
    /// It was taken on: durably, the builder will report its end.
    Accepted,
    /// It goes on.
    Running,
    /// It ended. Never sent for a build that was cancelled.
    Finished(BuildOutcome),
    /// It was cancelled, and nothing of it runs any more.
    Cancelled,
}
