//! Where things run: workers, and the replicas of an app.

use axum::extract::State;

use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{ReplicaList, WorkerList};
use crate::api::extract::Which;
use crate::api::present;
use crate::api::problem::Problem;

/// Lists workers
///
/// By name.
#[utoipa::path(
    get, path = "/api/v1/workers", operation_id = "list_workers", tag = "workers",
    responses((status = 200, description = "The workers", body = WorkerList), ReadProblems)
)]
pub(crate) async fn list(State(state): State<ApiState>) -> Result<axum::Json<WorkerList>, Problem> {
    Ok(axum::Json(WorkerList { items: state.see(present::workers) }))
}

/// Lists an app's replicas
///
/// Those that there should be and those that are on their way out, newest deployment first.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/replicas", operation_id = "list_replicas", tag = "workers",
    params(("app" = String, Path, description = "Name or id", example = "shop")),
    responses((status = 200, description = "The replicas", body = ReplicaList), ReadProblems)
)]
pub(crate) async fn replicas(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<ReplicaList>, Problem> {
    let (id, _) = state.app(&app)?;
    Ok(axum::Json(ReplicaList { items: state.see(|sight| present::replicas(sight, id)) }))
}
