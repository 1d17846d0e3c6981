//! Where a deployment stands: its stages, with what is outstanding in each, and how it ends.

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::ids::{DeploymentId, WorkerId};
use crate::time::Timestamp;

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
