//! Whether the server is well, and what it counts.

use axum::extract::State;
use axum::response::Response;

use super::not_yet;
use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{Health, Readiness};
use crate::api::problem::Problem;

/// Says that the process is alive
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz", tag = "server", security(()),
    responses((status = 200, description = "It is alive", body = Health))
)]
pub(crate) async fn alive() -> axum::Json<Health> {
    axum::Json(Health { status: "alive".into(), version: env!("CARGO_PKG_VERSION").into() })
}

/// Says whether the server can do its work
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "server", security(()),
    responses(
        (status = 200, description = "It can", body = Readiness),
        (status = 503, description = "It cannot; the checks say why", body = Readiness)
    )
)]
pub(crate) async fn ready(State(state): State<ApiState>) -> Result<Response, Problem> {
    not_yet()
}

/// Counts for Prometheus
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "server",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"), ReadProblems)
)]
pub(crate) async fn metrics(State(state): State<ApiState>) -> Result<Response, Problem> {
    not_yet()
}
