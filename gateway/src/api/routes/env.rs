//! Environment variables: names can be read, values can only be written.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::not_yet;
use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{ChangeEnv, EnvList};
use crate::api::extract::{SecretJson, Which};
use crate::api::problem::Problem;

/// Lists an app's environment variables
///
/// Names only: nobody can read a value back.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/env", operation_id = "list_env", tag = "env",
    params(("app" = String, Path, description = "Name or id", example = "shop")),
    responses((status = 200, description = "The variables", body = EnvList), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<EnvList>, Problem> {
    not_yet()
}

/// Sets and removes environment variables
///
/// All or nothing. They hold from the next deployment on. An app has at most 512 variables, of
/// 64 KiB each and 256 KiB together.
#[utoipa::path(
    patch, path = "/api/v1/apps/{app}/env", operation_id = "change_env", tag = "env",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = ChangeEnv,
    responses((status = 200, description = "The variables as they are now", body = EnvList), WriteProblems)
)]
pub(crate) async fn change(
    State(state): State<ApiState>,
    Which(app): Which,
    headers: HeaderMap,
    body: SecretJson<ChangeEnv>,
) -> Result<Response, Problem> {
    not_yet()
}
