//! Events: a page of them, or all that come.

use axum::extract::{Request, State};
use axum::response::Response;

use super::not_yet;
use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{EventPage, EventQuery};
use crate::api::extract::Params;
use crate::api::problem::Problem;

/// Lists events, or follows them
///
/// Oldest first. As a WebSocket (ask for an upgrade): each message is one event, from `after` on
/// and then as they happen; resume with the last `sequence` that was seen.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "list_events", tag = "events",
    params(EventQuery),
    responses(
        (status = 200, description = "A page of events", body = EventPage),
        (status = 101, description = "A WebSocket: each message is an `EventEntry`"),
        ReadProblems
    )
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<EventQuery>,
    request: Request,
) -> Result<Response, Problem> {
    not_yet()
}
