//! Whether an app runs, and in how many replicas: stop, start, scale.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use hythe_core::app::{ActiveApp, AppCommand};
use hythe_core::process::ProcessName;

use super::apps::change;
use crate::api::ApiState;
use crate::api::doc::WriteProblems;
use crate::api::dto::{App, ScaleApp};
use crate::api::extract::{Json, Which};
use crate::api::idempotency::Asked;
use crate::api::problem::Problem;
use crate::api::settings;

/// Stops an app
///
/// Its address answers 503 with a page that says so; requests that are under way may end within the
/// drain time, then its replicas are stopped. It stays so, over restarts of anything, until it is
/// started or a deployment of it goes live. What is on its way and has no traffic yet is cancelled.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/stop", operation_id = "stop_app", tag = "apps",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 200, description = "The app as it is now", body = App), WriteProblems)
)]
pub(crate) async fn stop(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    give(&state, &app, &asked, &blake3::hash(&[]), AppCommand::Stop { at: state.now() }).await
}

/// Starts a stopped app
///
/// The version that was live when it was stopped, as it was. One that is asleep is woken, and one that runs is
/// left as it is.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/start", operation_id = "start_app", tag = "apps",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 200, description = "The app as it is now", body = App), WriteProblems)
)]
pub(crate) async fn start(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    give(&state, &app, &asked, &blake3::hash(&[]), AppCommand::Start).await
}

/// Scales an app
///
/// In place: the live version gets replicas, or lets those with the highest numbers go once their
/// requests have ended; the others stay as they are. It is saved as the app's setting too. Processes
/// beside web are scaled by their names; 0 stops all of one.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/scale", operation_id = "scale_app", tag = "apps",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = ScaleApp,
    responses((status = 200, description = "The app as it is now", body = App), WriteProblems)
)]
pub(crate) async fn scale(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    body: Json<ScaleApp>,
) -> Result<Response, Problem> {
    let ScaleApp { replicas, processes } = &body.value;
    if replicas.is_none() && processes.is_empty() {
        let why = "say how many replicas: of web, or of a process beside it";
        return Err(Problem::field("replicas", why));
    }
    let named = |(name, replicas): (&String, &u16)| {
        Ok::<_, Problem>((settings::text("processes", name)?, *replicas))
    };
    let processes = processes.iter().map(named).collect::<Result<_, _>>()?;
    change(&state, &asked, &body.hash, || {
        let (id, active) = state.app(&app)?;
        let known = known(&state, &active);
        Ok((id, AppCommand::Scale { replicas: *replicas, processes, known }))
    })
    .await
}

/// The processes of what is live or on its way, those included that only its repository names.
fn known(state: &ApiState, app: &ActiveApp) -> BTreeSet<ProcessName> {
    let versions = [app.live, app.rolling, app.waiting].into_iter().flatten();
    state.see(|sight| {
        let attempts = versions.filter_map(|id| sight.view.deployments.get(&id)?.state.attempt());
        attempts.flat_map(|attempt| attempt.spec.run.processes.keys().cloned()).collect()
    })
}

async fn give(
    state: &ApiState,
    app: &str,
    asked: &Asked,
    body: &blake3::Hash,
    command: AppCommand,
) -> Result<Response, Problem> {
    change(state, asked, body, || state.app(app).map(|(id, _)| (id, command))).await
}
