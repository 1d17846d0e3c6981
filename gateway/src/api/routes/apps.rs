//! Apps: list, create, show, change, delete.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::not_yet;
use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{App, AppPage, CreateApp, PageQuery, UpdateApp};
use crate::api::extract::{Json, Params, Which};
use crate::api::problem::Problem;

/// Lists apps
///
/// By name.
#[utoipa::path(
    get, path = "/api/v1/apps", operation_id = "list_apps", tag = "apps",
    params(PageQuery),
    responses((status = 200, description = "A page of apps", body = AppPage), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<PageQuery>,
) -> Result<axum::Json<AppPage>, Problem> {
    not_yet()
}

/// Creates an app
///
/// Nothing runs until it is deployed.
#[utoipa::path(
    post, path = "/api/v1/apps", operation_id = "create_app", tag = "apps",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    request_body = CreateApp,
    responses(
        (status = 201, description = "It exists now", body = App,
            headers(("Location" = String, description = "Where it is"))),
        WriteProblems
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Json<CreateApp>,
) -> Result<Response, Problem> {
    not_yet()
}

/// Shows an app
#[utoipa::path(
    get, path = "/api/v1/apps/{app}", operation_id = "get_app", tag = "apps",
    params(("app" = String, Path, description = "Name or id", example = "shop")),
    responses((status = 200, description = "The app", body = App), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<App>, Problem> {
    not_yet()
}

/// Changes an app's settings
///
/// They hold from the next deployment on; domains at once.
#[utoipa::path(
    patch, path = "/api/v1/apps/{app}", operation_id = "update_app", tag = "apps",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = UpdateApp,
    responses((status = 200, description = "The app as it is now", body = App), WriteProblems)
)]
pub(crate) async fn update(
    State(state): State<ApiState>,
    Which(app): Which,
    headers: HeaderMap,
    body: Json<UpdateApp>,
) -> Result<Response, Problem> {
    not_yet()
}

/// Deletes an app
///
/// With its deployments, replicas and secrets. Volumes and images stay.
#[utoipa::path(
    delete, path = "/api/v1/apps/{app}", operation_id = "delete_app", tag = "apps",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is gone; its replicas stop now"), WriteProblems)
)]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    Which(app): Which,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    not_yet()
}
