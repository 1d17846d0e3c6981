//! Where this server is reached from outside: show, set, take away.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hythe_core::hook::PublicAddress;
use hythe_core::installation::InstallationCommand;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{Address, SetAddress};
use crate::api::extract::Json;
use crate::api::idempotency::Asked;
use crate::api::problem::Problem;
use crate::api::settings;

/// Says where this server is reached from outside
///
/// As far as somebody said it: it cannot be seen from here.
#[utoipa::path(
    get, path = "/api/v1/address", operation_id = "get_address", tag = "hooks",
    responses((status = 200, description = "The address", body = Address), ReadProblems)
)]
pub(crate) async fn show(State(state): State<ApiState>) -> axum::Json<Address> {
    let read = |view: &hythe_core::view::View| view.installation.state.address.clone();
    let url = state.control().read(read).map(|address| address.to_string());
    axum::Json(Address { url })
}

/// Sets where this server is reached from outside
///
/// It stands in what providers are given: the addresses of webhooks.
#[utoipa::path(
    put, path = "/api/v1/address", operation_id = "set_address", tag = "hooks",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    request_body = SetAddress,
    responses((status = 200, description = "It is known now", body = Address), WriteProblems)
)]
pub(crate) async fn set(
    State(state): State<ApiState>,
    asked: Asked,
    Json { value, hash }: Json<SetAddress>,
) -> Result<Response, Problem> {
    let mut writing = state.writing(&asked, &hash).await?;
    let url = value.url.strip_suffix('/').unwrap_or(&value.url);
    let address: PublicAddress = settings::text("url", url)?;
    let url = Some(address.to_string());
    if !writing.done() {
        writing.tell(InstallationCommand::SetAddress { address }, vec![]).await?;
    }
    Ok(writing.answer(axum::Json(Address { url })))
}

/// Forgets where this server is reached from outside
#[utoipa::path(
    delete, path = "/api/v1/address", operation_id = "remove_address", tag = "hooks",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    responses((status = 204, description = "It is not known any more"), WriteProblems)
)]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    asked: Asked,
) -> Result<Response, Problem> {
    let mut writing = state.writing_plainly(&asked).await?;
    if !writing.done() {
        writing.tell(InstallationCommand::RemoveAddress, vec![]).await?;
    }
    Ok(writing.answer(StatusCode::NO_CONTENT))
}
