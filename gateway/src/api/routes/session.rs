//! Signing in and out with a browser.

use axum::extract::State;
use axum::response::Response;

use super::not_yet;
use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{CreateSession, Session};
use crate::api::extract::SecretJson;
use crate::api::problem::Problem;

/// Says who is asking, and of whom
#[utoipa::path(
    get, path = "/api/v1/session", operation_id = "get_session", tag = "session",
    responses((status = 200, description = "Who is asking", body = Session), ReadProblems)
)]
pub(crate) async fn show(State(state): State<ApiState>) -> Result<axum::Json<Session>, Problem> {
    not_yet()
}

/// Signs in with a browser
///
/// Sets a cookie that scripts cannot read and other sites cannot use, for 12 hours.
#[utoipa::path(
    post, path = "/api/v1/session", operation_id = "create_session", tag = "session",
    request_body = CreateSession, security(()),
    responses(
        (status = 200, description = "Signed in", body = Session,
            headers(("Set-Cookie" = String, description = "The session"))),
        WriteProblems
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    body: SecretJson<CreateSession>,
) -> Result<Response, Problem> {
    not_yet()
}

/// Signs out
///
/// The session is of no use any more.
#[utoipa::path(
    delete, path = "/api/v1/session", operation_id = "delete_session", tag = "session",
    responses((status = 204, description = "Signed out"), WriteProblems)
)]
pub(crate) async fn delete(State(state): State<ApiState>) -> Result<Response, Problem> {
    not_yet()
}
