//! Canaries: a new version that takes a part of an app's requests. Show, weigh, promote, abort.

use axum::extract::State;
use axum::response::Response;
use hythe_core::app::AppCommand;
use hythe_core::canary::Weight;

use super::apps::change;
use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{App, Canary, SetCanary};
use crate::api::extract::{Json, Which};
use crate::api::idempotency::Asked;
use crate::api::present;
use crate::api::problem::{Kind, Problem};

/// Shows an app's canary
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/canary", operation_id = "get_canary", tag = "deployments",
    params(("app" = String, Path, description = "Name or id", example = "shop")),
    responses((status = 200, description = "The canary", body = Canary), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<Canary>, Problem> {
    let (id, _) = state.app(&app)?;
    let canary = state.see(|sight| present::canary(sight, id));
    canary.map(axum::Json).ok_or_else(|| Problem::new(Kind::NotFound, "the app has no canary"))
}

/// Gives a canary another part of the requests
///
/// It holds as soon as the edges have it: requests that are under way stay where they are.
#[utoipa::path(
    put, path = "/api/v1/apps/{app}/canary", operation_id = "set_canary", tag = "deployments",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = SetCanary,
    responses((status = 200, description = "The app as it is now", body = App), WriteProblems)
)]
pub(crate) async fn set(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    body: Json<SetCanary>,
) -> Result<Response, Problem> {
    let weight = Weight::new(body.value.percent)
        .map_err(|bad| Problem::field("percent", bad.to_string()))?;
    let command = AppCommand::WeighCanary { weight };
    change(&state, &asked, &body.hash, || state.app(&app).map(|(id, _)| (id, command))).await
}

/// Gives a canary all requests
///
/// It goes on as any deployment that became healthy: the edges switch, the version before drains.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/canary/promote", operation_id = "promote_canary",
    tag = "deployments",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 200, description = "The app as it is now", body = App), WriteProblems)
)]
pub(crate) async fn promote(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let command = AppCommand::PromoteCanary;
    let none = blake3::hash(&[]);
    change(&state, &asked, &none, || state.app(&app).map(|(id, _)| (id, command))).await
}

/// Takes a canary back
///
/// The version that is live has all requests again, and the canary ends as cancelled.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/canary/abort", operation_id = "abort_canary",
    tag = "deployments",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 200, description = "The app as it is now", body = App), WriteProblems)
)]
pub(crate) async fn abort(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let command = AppCommand::AbortCanary;
    let none = blake3::hash(&[]);
    change(&state, &asked, &none, || state.app(&app).map(|(id, _)| (id, command))).await
}
