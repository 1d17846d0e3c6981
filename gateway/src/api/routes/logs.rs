//! Logs of builds and replicas: a page, or all that comes.

use axum::extract::{Request, State};
use axum::response::Response;

use super::not_yet;
use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{LogPage, LogQuery};
use crate::api::extract::{Params, Which};
use crate::api::problem::Problem;

/// Reads what an app's replicas say, or follows it
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
    not_yet()
}

/// Reads the log of a deployment's build, or follows it
///
/// As a WebSocket (ask for an upgrade): each message is one item; resume with the last `cursor`.
/// It ends with an item of type `end`.
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
    not_yet()
}
