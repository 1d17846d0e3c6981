//! What the journal keeps beside an event's payload: where it stands, when, who and why.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::hook::Webhook;
use crate::ids::{CorrelationId, WorkerId};
use crate::time::Timestamp;

/// Position in the whole journal. The first event is 1; 0 means "before everything".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Position in one stream. The first event is 1; 0 means "no event yet".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub u64);

/// The kinds of aggregate. The number is what the journal stores: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AggregateKind {
    /// An app.
    App,
    /// A deployment.
    Deployment,
    /// A worker.
    Worker,
    /// The installation itself.
    Installation,
    /// A project.
    Project,
}

impl AggregateKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::App, Self::Deployment, Self::Worker, Self::Installation, Self::Project];

    /// The number in the journal.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::App => 1,
            Self::Deployment => 2,
            Self::Worker => 3,
            Self::Installation => 4,
            Self::Project => 5,
        }
    }

    /// The kind of a number, where there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The name in subjects, JSON and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Deployment => "deployment",
            Self::Worker => "worker",
            Self::Installation => "installation",
            Self::Project => "project",
        }
    }
}

impl fmt::Display for AggregateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AggregateKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownKind(text.into()))
    }
}

/// A name that is no aggregate kind.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no kind of aggregate: use app, deployment, worker, installation or project")]
pub struct UnknownKind(String);

/// One aggregate's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// What it is.
    pub kind: AggregateKind,
    /// Which one it is.
    pub id: Uuid,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// Who caused an event. Append-only: postcard stores the position of a variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// The owner token of this installation.
    Owner,
    /// Hythe itself: a reaction or the reconciler.
    System,
    /// A worker's report.
    Worker(WorkerId),
    /// A webhook, for whoever pushed.
    Webhook(Webhook),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::System => f.write_str("system"),
            Self::Worker(id) => write!(f, "worker/{id}"),
            Self::Webhook(webhook) => webhook.fmt(f),
        }
    }
}

/// Who asked, in what connection, because of what, and when. Travels with every command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// When it was asked.
    pub at: Timestamp,
    /// Who asked.
    pub actor: Actor,
    /// Everything that one request set off shares this.
    pub correlation: CorrelationId,
    /// The event that this follows from, where there is one.
    pub causation: Option<Sequence>,
}

/// An event as it stands in the journal. `E` is the payload: bytes, or an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<E> {
    /// Position in the journal.
    pub sequence: Sequence,
    /// Which aggregate it happened to.
    pub stream: StreamId,
    /// Position in that stream.
    pub version: Version,
    /// When, who, why.
    pub meta: Meta,
    /// The event.
    pub event: E,
}
