//! Events: a page of them, all that come, and why one happened.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hythe_core::record::Sequence;

use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{EventPage, EventQuery, Why, WhyQuery};
use crate::api::extract::{Params, Which, bounded};
use crate::api::filter::Filter;
use crate::api::follow::{Direction, follow, look};
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
    let journal = state.control().journal();
    let head = journal.head();
    for (field, given) in [("after", query.after), ("before", query.before)] {
        let most = if field == "after" { head.0 } else { u64::MAX };
        if let Some(given) = given.filter(|given| *given > most) {
            let detail = format!(
                "the newest event is {head}, and {given} is beyond it: this may be another \
                 journal than the one that the cursor came from"
            );
            return Err(Problem::field(field, detail));
        }
    }
    let filter = filter(&state, query.clone()).await?;
    if socket::wanted(&request) {
        let from_a_moment = query.since.as_ref().map(|_| Sequence(0));
        let after = query.after.map(Sequence).or(from_a_moment).unwrap_or(head);
        let progress = query.progress.unwrap_or(false);
        let events = follow(journal.clone(), filter, after, progress);
        return Ok(socket::tell(&state, request, events).await);
    }
    let (from, most) = match query.last {
        Some(last) => {
            let before = query.before.map_or(Sequence(u64::MAX), Sequence);
            (Direction::Before(before), bounded("last", Some(last), 1, 1_000)?)
        }
        None => {
            let after = Sequence(query.after.unwrap_or(0));
            (Direction::After(after), bounded("limit", query.limit, 100, 1_000)?)
        }
    };
    let (looked, _) = look(journal, filter, from, most).await?;
    let page =
        EventPage { items: looked.events, next: looked.next.0, head: head.0, done: looked.done };
    Ok(axum::Json(page).into_response())
}

/// Where nothing of the past has to be looked up, it needs no room among those who look back.
async fn filter(state: &ApiState, mut query: EventQuery) -> Result<Filter, Problem> {
    if let Some(app) = &query.app
        && let Ok((id, _)) = state.app(app)
    {
        query.app = Some(id.to_string());
    }
    if !Filter::looks_back(&query) {
        return Filter::new(state, &state.control().past().book(), &query);
    }
    let this = state.clone();
    state.control().past().look(move |book| Filter::new(&this, book, &query)).await
}

/// Tells why an event happened
///
/// The events that it goes back to, up to what began it: a request (its id is the correlation), a
/// worker's report, or something that Hythe noticed by itself.
#[utoipa::path(
    get, path = "/api/v1/events/{sequence}/why", operation_id = "why_event", tag = "events",
    params(("sequence" = u64, Path, description = "Which event", example = 42), WhyQuery),
    responses((status = 200, description = "The chain, oldest first", body = Why), ReadProblems)
)]
pub(crate) async fn why(
    State(state): State<ApiState>,
    Which(sequence): Which,
    Params(query): Params<WhyQuery>,
) -> Result<axum::Json<Why>, Problem> {
    let never = |_| Problem::not_found("an event is named by its sequence: a number from 1");
    let sequence = Sequence(sequence.parse().map_err(never)?);
    let effects = query.effects.unwrap_or(false);
    let told =
        state.control().past().look(move |book| crate::api::why::why(book, sequence, effects));
    told.await.map(axum::Json)
}
