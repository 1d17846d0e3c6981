//! Events: what the journal says, for people and programs.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Time;

/// One event of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventEntry {
    /// Its position in the journal, from 1: also the cursor to resume after it.
    #[schema(example = 42)]
    pub sequence: u64,
    /// What happened: the aggregate and the name of the event.
    #[serde(rename = "type")]
    #[schema(example = "deployment.went_live")]
    pub event_type: String,
    /// The same in plain words. Of a secret no more than its name.
    #[schema(example = "its environment changed: DATABASE_URL set")]
    pub says: String,
    /// What it happened to: `app`, `deployment`, `worker`, `project` or `installation`.
    #[schema(example = "deployment")]
    pub aggregate: String,
    /// Which one.
    pub id: Uuid,
    /// Its position in that one's history, from 1.
    pub version: u64,
    /// When.
    pub time: Time,
    /// Who: `owner`, `system`, `webhook/PROVIDER/SENDER` or `worker/ID`.
    #[schema(example = "owner")]
    pub actor: String,
    /// What one request set off shares this.
    pub correlation: Uuid,
    /// The event that this one follows from.
    pub causation: Option<u64>,
    /// What exactly: differs from type to type.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// A page of events, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events.
    pub items: Vec<EventEntry>,
    /// Give this as `after` to go on (as `before`, where `last` was asked for). It moves on even
    /// where no event of the page matched.
    pub next: u64,
    /// The newest event of the journal.
    pub head: u64,
    /// Whether there is no more to be had in this direction now.
    pub done: bool,
}

/// Which events.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    /// Only events after this one. 0 is from the beginning. Left out: a page from the beginning,
    /// or, over a WebSocket, what happens from now on.
    pub after: Option<u64>,
    /// How many events at the most; 100 where nothing is said. Not for a WebSocket.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// The newest so many events instead, oldest of them first; of those before `before`, where
    /// that is given. Not for a WebSocket.
    #[param(minimum = 1, maximum = 1000)]
    pub last: Option<u32>,
    /// Only events before this one. Together with `last`.
    pub before: Option<u64>,
    /// Only events from here on: a sequence (that event too), a time, a date or how long ago, as in
    /// `at` of `GET /api/v1/apps/{app}`: then what came after what was so at that time.
    pub since: Option<String>,
    /// Only events up to here: a sequence (that event too), or what was so at a time. A WebSocket
    /// ends there.
    pub until: Option<String>,
    /// Only of this kind, `app`, `deployment`, `worker`, `project` or `installation`; or only of one:
    /// `deployment:ID`, `app:NAME`, `worker:NAME`, `project:NAME`.
    #[param(example = "deployment")]
    pub aggregate: Option<String>,
    /// Only of this app (name or id) and its deployments. An app that is gone counts too.
    pub app: Option<String>,
    /// Only of these types, with commas between them: `deployment.went_live`, or `went_live`, or
    /// `deployment.*`.
    #[serde(rename = "type")]
    #[param(example = "deployment.went_live,deployment.ended")]
    pub event_type: Option<String>,
    /// Only by `owner`, `system`, `webhook`, `worker` or one worker: `worker:NAME`, `worker:ID`.
    #[param(example = "owner")]
    pub who: Option<String>,
    /// Only what one request set off.
    pub correlation: Option<Uuid>,
    /// Over a WebSocket: also say `{"cursor": SEQUENCE}` where a stretch had nothing that was
    /// wanted, to resume after it.
    pub progress: Option<bool>,
}
