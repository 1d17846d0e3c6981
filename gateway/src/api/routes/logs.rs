//! Logs of builds and replicas: a page, or all that comes.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use hythe_core::wire::subjects;

use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{LogPage, LogQuery};
use crate::api::extract::{Params, Which};
use crate::api::lines::{self, follow_deployment, note, page};
use crate::api::problem::Problem;
use crate::api::socket;

/// Reads what an app's replicas say, or follows it
///
/// With `access=true` it is what edges tell of the app's requests: items of type `access`, without
/// queries, cookies and credentials. Of many requests in a second some are left out, those that went well
/// first, and how many is told. Whatever a client wrote is printable ASCII there.
///
/// As a WebSocket (ask for an upgrade): each message is one item; resume with the last `cursor`.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/logs", operation_id = "app_logs", tag = "logs",
    params(("app" = String, Path, description = "Name or id", example = "shop"), LogQuery),
    responses(
        (status = 200, description = "A page of the log", body = LogPage),
        (status = 101, description = "A WebSocket: each message is a `LogItem`"),
        ReadProblems
    )
)]
pub(crate) async fn of_app(
    State(state): State<ApiState>,
    Which(app): Which,
    Params(query): Params<LogQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let (id, _) = state.app(&app)?;
    let access = query.access.unwrap_or(false);
    let subjects = [if access { subjects::access_log(id) } else { subjects::app_logs(id) }];
    if !socket::wanted(&request) {
        return Ok(axum::Json(page(&state, &subjects, &query).await?).into_response());
    }
    let follow = query.follow.unwrap_or(true);
    let lines = lines::open(&state, &subjects, lines::from(&query)?, follow).await?;
    let seen = state.clone();
    let items = lines.map(move |item| Ok::<_, Problem>(lines::shown(&seen, item)));
    Ok(socket::tell(&state, request, items).await)
}

/// Reads the log of a deployment's build and of its release command, or follows it
///
/// As a WebSocket (ask for an upgrade): each message is one item; resume with the last `cursor`.
/// Once both are over it ends with an item of type `note`.
#[utoipa::path(
    get, path = "/api/v1/deployments/{deployment}/logs", operation_id = "deployment_logs",
    tag = "logs",
    params(("deployment" = uuid::Uuid, Path, description = "Its id"), LogQuery),
    responses(
        (status = 200, description = "A page of the log", body = LogPage),
        (status = 101, description = "A WebSocket: each message is a `LogItem`"),
        ReadProblems
    )
)]
pub(crate) async fn of_deployment(
    State(state): State<ApiState>,
    Which(deployment): Which,
    Params(query): Params<LogQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let id = state.deployment(&deployment).await?;
    if query.access.is_some() {
        return Err(Problem::field("access", "an access log is an app's, not a deployment's"));
    }
    let subjects = lines::of_deployment(&state, id);
    if !socket::wanted(&request) {
        // Looked at first: lines may still be on their way while the build is not over.
        let over = note(&state, id);
        let mut page = page(&state, &subjects, &query).await?;
        page.items.extend(over.filter(|_| !page.more));
        return Ok(axum::Json(page).into_response());
    }
    let follow = query.follow.unwrap_or(true);
    let lines = lines::open(&state, &subjects, lines::from(&query)?, follow).await?;
    if follow {
        let items = follow_deployment(state.clone(), id, lines);
        return Ok(socket::tell(&state, request, items).await);
    }
    let seen = state.clone();
    let items = lines.map(move |item| Ok::<_, Problem>(lines::shown(&seen, item)));
    Ok(socket::tell(&state, request, items).await)
}
