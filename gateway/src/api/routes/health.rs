//! Whether the server is well, and what it counts.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hythe_actors::bus::BusState;
use hythe_store::NoRoom;

use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{Check, Health, Readiness, WorkerStatus};
use crate::api::layers::OwnBody;
use crate::api::metrics::{MEDIA_TYPE, Now};
use crate::api::present;
use crate::api::problem::{Kind, Problem};

/// The name of what says how many workers there are.
pub(crate) const WORKERS: &str = "workers";

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
pub(crate) async fn ready(State(state): State<ApiState>) -> Response {
    let checks = checks(&state);
    let ready = is_ready(&checks);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = (status, axum::Json(Readiness { ready, checks })).into_response();
    response.extensions_mut().insert(OwnBody);
    response
}

/// The one check that does not keep a server from being ready.
const ROOM: &str = "room";

/// Whether the server can do its work.
pub(crate) fn is_ready(checks: &[Check]) -> bool {
    // Without room it still answers, serves and cleans up: no reason to send people elsewhere.
    checks.iter().all(|check| check.ok || check.name == ROOM)
}

pub(crate) fn checks(state: &ApiState) -> Vec<Check> {
    let check = |name: &str, ok, detail: String| Check { name: name.into(), ok, detail };
    let control = state.control();
    let problems = control.health().problems();
    let journal = check("journal", true, format!("at event {}", control.journal().head()));
    let room = control.journal().room();
    let room = match room.free {
        Some(free) if room.scarce => check(
            ROOM,
            false,
            format!(
                "{}; writes are refused but for what frees room",
                NoRoom { place: room.place, free, needed: room.needed }
            ),
        ),
        Some(_) | None => check(ROOM, !room.scarce, "enough for the journal".into()),
    };
    let parts = check(
        "control",
        problems.is_empty(),
        if problems.is_empty() { "all parts run".into() } else { problems.join("; ") },
    );
    let nats = match &*control.bus().state().borrow() {
        BusState::Ready { .. } => check("nats", true, "connected".into()),
        BusState::Connecting { why } => check("nats", false, format!("not connected: {why}")),
        BusState::Unusable(error) => check("nats", false, error.to_string()),
    };
    let (workers, edges) = state.see(|sight| {
        let workers = present::workers(sight);
        let ready = workers.iter().filter(|worker| worker.status == WorkerStatus::Ready);
        let heard = ready.filter(|worker| worker.seen_at.is_some()).count();
        let ill = workers.iter().find_map(|worker| worker.detail.clone());
        (
            check(
                WORKERS,
                heard > 0,
                match ill {
                    Some(ill) => format!("{heard} of {} are ready: {ill}", workers.len()),
                    None if heard == 0 => {
                        "none was heard of yet; see whether `hythe agent` runs".into()
                    }
                    None => format!("{heard} of {} are ready", workers.len()),
                },
            ),
            match (sight.observed.edges.len(), &sight.observed.unpublishable) {
                (0, _) => check(
                    "edges",
                    false,
                    "none was heard of yet; see whether `hythe edge` runs".into(),
                ),
                (_, Some(why)) => check("edges", false, why.clone()),
                (there, None) => check("edges", true, format!("{there} heard of")),
            },
        )
    });
    vec![journal, room, parts, nats, workers, edges]
}

/// Counts for Prometheus
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "server",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"), ReadProblems)
)]
pub(crate) async fn metrics(State(state): State<ApiState>) -> Result<Response, Problem> {
    let (head, room) = (state.control().journal().head(), state.control().journal().room());
    let nats = state.control().bus().is_ready();
    let at = state.now();
    let text = state.see(|sight| {
        let workers = present::workers(sight).iter().map(|worker| worker.status).collect();
        let installation = &sight.view.installation.state;
        let mirror = present::mirror(installation, &state.control().backups().mirror(), at);
        let now = Now {
            view: sight.view,
            observed: sight.observed,
            workers,
            disks: present::engine_disks(sight.observed),
            head,
            room,
            nats,
            backup_at: installation.made.as_ref().map(|made| made.at),
            mirror_lag: mirror.map(|mirror| mirror.lag_ms),
        };
        state.metrics().text(&now)
    });
    match text {
        Ok(text) => Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response()),
        Err(error) => {
            tracing::error!(%error, "failed to write the metrics");
            Err(Problem::new(Kind::Internal, "the metrics do not encode; see the server's log"))
        }
    }
}
