//! Where things run: workers, and the replicas of an app.

use axum::extract::State;

use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{AtQuery, ReplicaList, Worker, WorkerList};
use crate::api::extract::{Params, Which};
use crate::api::present;
use crate::api::problem::Problem;

/// Lists workers
///
/// By name.
#[utoipa::path(
    get, path = "/api/v1/workers", operation_id = "list_workers", tag = "workers",
    params(AtQuery),
    responses((status = 200, description = "The workers", body = WorkerList), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<AtQuery>,
) -> Result<axum::Json<WorkerList>, Problem> {
    if let Some(at) = query.at {
        let list = state.look_back("at", &at, |then| {
            let ids = then.book.chronicle(|chronicle| {
                let all = chronicle.workers.all(then.at(), None);
                all.map(|(_, life)| life.id).collect::<Vec<_>>()
            })?;
            let view = then.book.workers(ids, then.at())?;
            let items = present::workers(then.sight(&view));
            Ok(WorkerList { items, as_of: Some(then.as_of()) })
        });
        return list.await.map(axum::Json);
    }
    Ok(axum::Json(WorkerList { items: state.see(present::workers), as_of: None }))
}

/// Shows a worker
#[utoipa::path(
    get, path = "/api/v1/workers/{worker}", operation_id = "get_worker", tag = "workers",
    params(
        ("worker" = String, Path, description = "Name or id", example = "machine-1"),
        AtQuery,
    ),
    responses((status = 200, description = "The worker", body = Worker), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(worker): Which,
    Params(query): Params<AtQuery>,
) -> Result<axum::Json<Worker>, Problem> {
    if let Some(at) = query.at {
        let shown = state.look_back("at", &at, move |then| {
            let id = then.worker(&worker)?;
            let view = then.book.workers([id], then.at())?;
            present::worker(then.sight(&view), id)
                .ok_or_else(|| Problem::not_found("there was no such worker then"))
        });
        return shown.await.map(axum::Json);
    }
    let found = state.see(|sight| {
        let this_one = sight.view.workers.iter().find(|(id, view)| {
            let name = view.state.member().map(|member| member.name.as_str());
            id.to_string() == worker || name == Some(worker.as_str())
        });
        this_one.and_then(|(id, _)| present::worker(sight, *id))
    });
    let never = "there is no worker of this name or id; `hythe worker ls` shows which there are";
    found.map(axum::Json).ok_or_else(|| Problem::not_found(never))
}

/// Lists an app's replicas
///
/// Those that there should be and those that are on their way out, newest deployment first. Of the
/// past, those that there should have been.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/replicas", operation_id = "list_replicas", tag = "workers",
    params(("app" = String, Path, description = "Name or id", example = "shop"), AtQuery),
    responses((status = 200, description = "The replicas", body = ReplicaList), ReadProblems)
)]
pub(crate) async fn replicas(
    State(state): State<ApiState>,
    Which(app): Which,
    Params(query): Params<AtQuery>,
) -> Result<axum::Json<ReplicaList>, Problem> {
    if let Some(at) = query.at {
        let list = state.look_back("at", &at, move |then| {
            let id = then.app(&app)?;
            let mut view = then.book.app(id, then.at())?;
            let attempts = view.deployments.values().filter_map(|view| view.state.attempt());
            let places = attempts.flat_map(|attempt| &attempt.placements);
            let workers: std::collections::BTreeSet<_> = places.map(|place| place.worker).collect();
            view.workers = then.book.workers(workers, then.at())?.workers;
            let items = present::replicas(then.sight(&view), id);
            Ok(ReplicaList { items, as_of: Some(then.as_of()) })
        });
        return list.await.map(axum::Json);
    }
    let (id, _) = state.app(&app)?;
    let items = state.see(|sight| present::replicas(sight, id));
    Ok(axum::Json(ReplicaList { items, as_of: None }))
}
