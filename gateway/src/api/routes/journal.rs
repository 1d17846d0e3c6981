//! The journal itself: is it what was written, and what does it hold?

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::Verification;
use crate::api::errands::Outcome;
use crate::api::idempotency::{Asked, once};
use crate::api::problem::{Kind, Problem};

/// Looks at the whole journal on the disk
///
/// Begins a look, or joins the one that goes on; `GET` says how far it is. The server goes on
/// meanwhile.
#[utoipa::path(
    post, path = "/api/v1/journal/verification", operation_id = "verify_journal", tag = "server",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    responses((status = 202, description = "It goes on", body = Verification), WriteProblems)
)]
pub(crate) async fn verify(
    State(state): State<ApiState>,
    asked: Asked,
) -> Result<Response, Problem> {
    let once = once(&asked, &blake3::hash(&[]), state.request_key())?;
    let work = |_| {
        let state = state.clone();
        async move {
            let journal = state.control().journal().clone();
            let begun = state.verifications().begin(journal).map_err(|error| {
                tracing::warn!(%error, "a look at the journal cannot begin");
                Problem::new(Kind::Unavailable, "the look cannot begin; see the server's log")
            })?;
            Outcome::of(StatusCode::ACCEPTED, &begun)
        }
    };
    let mut errand = state.errand(once.as_ref(), work).await?;
    let outcome = errand.ended().await?;
    Ok(errand.answer(outcome))
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

/// Exports the journal
///
/// As lines of JSON, as far as it is when this begins: the first line says where it ends, each other one
/// is an event with its hash. `hythe journal import` makes a journal of it. Secrets are no part of it.
/// An answer that breaks off is no export.
#[utoipa::path(
    get, path = "/api/v1/journal/export", operation_id = "export_journal", tag = "server",
    responses(
        (status = 200, description = "The journal", body = String, content_type = "application/x-ndjson"),
        ReadProblems
    )
)]
pub(crate) async fn export(State(state): State<ApiState>) -> Result<Response, Problem> {
    let (journal, stopping) = (state.control().journal().clone(), state.stopping().clone());
    let body = state.exports().begin(journal, stopping).await?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}
