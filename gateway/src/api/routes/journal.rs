//! The journal itself: is it what was written?

use axum::extract::State;
use axum::http::StatusCode;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::Verification;
use crate::api::problem::{Kind, Problem};

/// Looks at the whole journal on the disk
///
/// Begins a look, or joins the one that goes on; `GET` says how far it is. The server goes on
/// meanwhile.
#[utoipa::path(
    post, path = "/api/v1/journal/verification", operation_id = "verify_journal", tag = "server",
    responses((status = 202, description = "It goes on", body = Verification), WriteProblems)
)]
pub(crate) async fn verify(
    State(state): State<ApiState>,
) -> Result<(StatusCode, axum::Json<Verification>), Problem> {
    let journal = state.control().journal().clone();
    let begun = state.verifications().begin(journal).map_err(|error| {
        tracing::warn!(%error, "a look at the journal cannot begin");
        Problem::new(Kind::Unavailable, "the look cannot begin; see the server's log")
    })?;
    Ok((StatusCode::ACCEPTED, axum::Json(begun)))
}

/// Says how far the last look at the journal is
///
/// And what it came to.
#[utoipa::path(
    get, path = "/api/v1/journal/verification", operation_id = "get_verification", tag = "server",
    responses((status = 200, description = "The last look", body = Verification), ReadProblems)
)]
pub(crate) async fn last(
    State(state): State<ApiState>,
) -> Result<axum::Json<Verification>, Problem> {
    let last = state.verifications().last();
    last.map(axum::Json).ok_or_else(|| {
        Problem::not_found("nobody looked at the journal since the server started; POST begins")
    })
}
