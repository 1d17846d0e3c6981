//! Looking back: as of when an answer is, what changed in between, and why.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{AppRef, DeploymentRef, EventEntry, Time};

/// As of when.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AtQuery {
    /// As it was then: after the event of this sequence, or at this time. A time is RFC 3339 (in
    /// UTC where it has no offset), a date (its beginning), or how long ago (`10m ago`, `2h`,
    /// `yesterday`); it means the state after the newest event before the first one that bears a
    /// later time. What was only observed, such as whether replicas were healthy, is not kept.
    #[param(example = "2026-11-21T09:30:00Z")]
    pub at: Option<String>,
}

/// The event after which it was so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AsOf {
    /// Its position in the journal.
    #[schema(example = 42)]
    pub sequence: u64,
    /// The time that it bears.
    pub time: Time,
}

/// What to compare.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DiffQuery {
    /// The earlier side: a moment as in `at`, a deployment's number (`#3`) or its id. Two
    /// deployments are compared by what they run with; beside a moment, a deployment stands for
    /// the moment when it went live, or else for its newest event.
    #[param(example = "#3")]
    pub from: String,
    /// The later side; now where nothing is said.
    pub to: Option<String>,
    /// Whether to tell every event in between that changed something, also what was changed back.
    pub events: Option<bool>,
}

/// What changed of an app, and who changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppDiff {
    /// The app.
    pub app: AppRef,
    /// The earlier side.
    pub from: DiffSide,
    /// The later side.
    pub to: DiffSide,
    /// What is different in the end, by field.
    pub changes: Vec<FieldChange>,
    /// Every event that changed something, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<DiffStep>>,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffSide {
    /// The event after which it was so.
    pub as_of: AsOf,
    /// The deployment, where one was named.
    pub deployment: Option<DeploymentRef>,
}

/// A field that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// Which: a setting's name, `env.NAME` (a version, never a value), `domain.HOST`, `live`,
    /// `serving`, `rolling`, `waiting`, `live.commit`, `status` and so on.
    #[schema(example = "env.DATABASE_URL")]
    pub field: String,
    /// As it was; nothing where it was not set.
    pub before: Option<String>,
    /// As it is then; nothing where it is not set any more.
    pub after: Option<String>,
    /// The event that made it so.
    pub by: Option<Culprit>,
    /// What began it: the same event, or the one that it leads back to.
    pub origin: Option<Culprit>,
}

/// An event on the way from one side to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffStep {
    /// The event.
    pub by: Culprit,
    /// What it changed.
    pub changes: Vec<StepChange>,
}

/// What one event changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepChange {
    /// Which field.
    pub field: String,
    /// As it was before.
    pub before: Option<String>,
    /// As it was afterwards.
    pub after: Option<String>,
}

/// An event that made something so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Culprit {
    /// Its position in the journal.
    pub sequence: u64,
    /// When.
    pub time: Time,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "app.configured")]
    pub event_type: String,
    /// Who.
    #[schema(example = "owner")]
    pub actor: String,
    /// What one request set off shares this.
    pub correlation: Uuid,
}

/// How much to say about why.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct WhyQuery {
    /// Whether to tell what followed from it, too.
    pub effects: Option<bool>,
}

/// Why something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// What the chain begins with.
    pub beginning: Beginning,
    /// From what began it to the event that was asked about, each because of the one before.
    pub chain: Vec<WhyStep>,
    /// What followed from it, directly or not, in order, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<Vec<WhyStep>>,
    /// Whether there may be more effects than are told.
    pub more_effects: bool,
}

/// An event, in words too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyStep {
    /// What happened, in plain words.
    #[schema(example = "deployment #3 was asked for, from https://git.example/shop.git")]
    pub says: String,
    /// What it happened to, by name where it has one.
    #[schema(example = "app shop")]
    pub subject: String,
    /// The event.
    pub event: EventEntry,
}

/// What a chain of events begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Beginning {
    /// Somebody asked for it: its `correlation` is the request's `X-Request-Id`.
    Request,
    /// A worker reported something.
    Report,
    /// Hythe noticed something by itself.
    Watch,
    /// Nothing says so: an event of an older Hythe.
    Unknown,
}
