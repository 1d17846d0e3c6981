//! Events: a page of them, or all that come.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hythe_core::record::Sequence;

use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{EventPage, EventQuery};
use crate::api::extract::{Params, bounded};
use crate::api::follow::{Filter, follow, look};
use crate::api::problem::Problem;
use crate::api::socket;

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
    let filter = Filter::new(&state, &query)?;
    let journal = state.control().journal();
    let head = journal.head();
    if let Some(after) = query.after.filter(|after| *after > head.0) {
        let detail = format!(
            "the newest event is {head}, and {after} is beyond it: this may be another journal \
             than the one that the cursor came from"
        );
        return Err(Problem::field("after", detail));
    }
    if socket::wanted(&request) {
        let after = query.after.map_or(head, Sequence);
        let events = follow(journal.clone(), filter, after);
        return Ok(socket::tell(&state, request, events).await);
    }
    let most = bounded("limit", query.limit, 100, 1_000)?;
    let after = Sequence(query.after.unwrap_or(0));
    let (looked, _) = look(journal, filter, after, most).await?;
    let page = EventPage { items: looked.events, next: looked.next.0, head: head.0 };
    Ok(axum::Json(page).into_response())
}
