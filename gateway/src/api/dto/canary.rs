//! A new version that takes a part of an app's requests.

use hythe_core::limits;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppRef, DeploymentRef, Time};

/// An app's canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Canary {
    /// The app.
    pub app: AppRef,
    /// The new version.
    pub deployment: DeploymentRef,
    /// The version that takes the other requests.
    pub live: Option<DeploymentRef>,
    /// Which part of the requests it takes, in per cent.
    #[schema(minimum = 1, maximum = 99)]
    pub percent: u8,
    /// Whether it takes them: before it is healthy it does not.
    pub started: bool,
    /// When it is taken back, unless it is promoted before; once it takes its part.
    pub until: Option<Time>,
    /// Replicas that get requests of its part by the table in force.
    #[schema(example = json!(["127.0.0.1:32768"]))]
    pub targets: Vec<String>,
}

/// Another part for a canary.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetCanary {
    /// In per cent.
    #[schema(minimum = 1, maximum = 99, example = 50)]
    pub percent: u8,
}

/// That a deployment takes a part of the requests at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCanary {
    /// In per cent.
    #[schema(minimum = 1, maximum = 99, example = 10)]
    pub percent: u8,
    /// How long it may go on before it is taken back: a minute to a week; a day where nothing is said.
    #[serde(default = "a_day")]
    pub within_ms: u64,
}

const fn a_day() -> u64 {
    limits::CANARY_USUAL.0
}
