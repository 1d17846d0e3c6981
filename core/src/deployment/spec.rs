//! What one deployment runs with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::BuiltImage;
use crate::health::HealthCheck;
use crate::ids::{AppId, DeploymentId, ProjectId};
use crate::names::{AppName, EnvName};
use crate::run::RunSettings;
use crate::source::{BuildSettings, Resources, Source};
use crate::time::Millis;

/// Everything that one deployment runs with: a snapshot of the app's settings at its request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentSpec {
    /// The app.
    pub app: AppId,
    /// Its name then.
    pub app_name: AppName,
    /// The project that it is in.
    #[serde(default)]
    pub project: ProjectId,
    /// Counts the app's deployments from 1.
    pub number: u64,
    /// Where the source lies.
    pub source: Source,
    /// How to build it.
    pub build: BuildSettings,
    /// The port that the app listens on; found from the image where none is given.
    pub port: Option<u16>,
    /// Environment variables, by name, with the version of the secret that holds the value.
    pub env: BTreeMap<EnvName, u64>,
    /// How many replicas.
    pub replicas: u16,
    /// How a replica shows that it is fit for traffic.
    pub health: HealthCheck,
    /// The most that one replica may use.
    pub resources: Resources,
    /// How long requests may go on after the switch.
    pub drain_within: Millis,
    /// From SIGTERM to SIGKILL.
    pub stop_within: Millis,
    /// How its processes are run.
    #[serde(default)]
    pub run: RunSettings,
    /// Where its image comes from.
    #[serde(default)]
    pub origin: Origin,
}

/// Where a deployment's image comes from. Append-only: events hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It is built from the source.
    #[default]
    Build,
    /// An earlier deployment has it already: nothing is built.
    Deployment {
        /// That deployment.
        deployment: DeploymentId,
        /// What was built for it.
        built: Box<BuiltImage>,
    },
    /// The same, and it is to run as that one does: what runs once for a deployment has run.
    Restart {
        /// That deployment.
        deployment: DeploymentId,
        /// What was built for it.
        built: Box<BuiltImage>,
    },
}

impl Origin {
    /// The earlier deployment that has the image, and what was built for that.
    #[must_use]
    pub const fn earlier(&self) -> Option<(DeploymentId, &BuiltImage)> {
        match self {
            Self::Build => None,
            Self::Deployment { deployment, built } | Self::Restart { deployment, built } => {
                Some((*deployment, built))
            }
        }
    }
}
