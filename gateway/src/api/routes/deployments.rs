//! Deployments: ask for one, list, show, cancel.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::not_yet;
use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{CreateDeployment, Deployment, DeploymentPage, PageQuery};
use crate::api::extract::{OptionalJson, Params, Which};
use crate::api::problem::Problem;

/// Lists an app's deployments
///
/// Newest first: all that are not over, and the last 100 that are.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/deployments", operation_id = "list_deployments",
    tag = "deployments",
    params(("app" = String, Path, description = "Name or id", example = "shop"), PageQuery),
    responses((status = 200, description = "A page of deployments", body = DeploymentPage), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Which(app): Which,
    Params(query): Params<PageQuery>,
) -> Result<axum::Json<DeploymentPage>, Problem> {
    not_yet()
}

/// Deploys an app
///
/// Answers once the request is on disk; follow the deployment, its log or the events from there.
/// One deployment of an app moves at a time; a newer request takes the place of one that waits.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/deployments", operation_id = "create_deployment",
    tag = "deployments",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body(content = Option<CreateDeployment>, description = "May be left out"),
    responses(
        (status = 202, description = "It was asked for", body = Deployment,
            headers(("Location" = String, description = "Where it is"))),
        WriteProblems
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Which(app): Which,
    headers: HeaderMap,
    body: OptionalJson<CreateDeployment>,
) -> Result<Response, Problem> {
    not_yet()
}

/// Shows a deployment
#[utoipa::path(
    get, path = "/api/v1/deployments/{deployment}", operation_id = "get_deployment",
    tag = "deployments",
    params(("deployment" = uuid::Uuid, Path, description = "Its id")),
    responses((status = 200, description = "The deployment", body = Deployment), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(deployment): Which,
) -> Result<axum::Json<Deployment>, Problem> {
    not_yet()
}

/// Cancels a deployment
///
/// Possible until the traffic moves to it; the version before goes on serving.
#[utoipa::path(
    post, path = "/api/v1/deployments/{deployment}/cancel", operation_id = "cancel_deployment",
    tag = "deployments",
    params(
        ("deployment" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 200, description = "The deployment as it is now", body = Deployment), WriteProblems)
)]
pub(crate) async fn cancel(
    State(state): State<ApiState>,
    Which(deployment): Which,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    not_yet()
}
