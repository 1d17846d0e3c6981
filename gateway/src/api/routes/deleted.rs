//! Deleting apps, and having them back.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hythe_core::app::{App as Machine, AppCommand};
use hythe_store::SecretChange;

use super::apps::change;
use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{App, DeleteQuery, DeletedApp, DeletedAppList};
use crate::api::extract::{Params, Which};
use crate::api::idempotency::{Asked, mark_replayed, once};
use crate::api::plane::With;
use crate::api::problem::{Kind, Problem};

/// The most that a list of deleted apps holds: those deleted last.
const MOST: usize = 200;

/// Deletes an app
///
/// Its replicas stop once the requests under way have ended, and its name and domains are free. For a
/// day it can be restored, with its settings, variables and versions; then, or with `now=true` at
/// once, it goes for good. Volumes stay, and images until housekeeping lets them go.
#[utoipa::path(
    delete, path = "/api/v1/apps/{app}", operation_id = "delete_app", tag = "apps",
    params(
        ("app" = String, Path, description = "Name or id; with `now=true` also those of a deleted app", example = "shop"),
        DeleteQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is deleted; its replicas stop now"), WriteProblems)
)]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    Which(app): Which,
    Params(query): Params<DeleteQuery>,
    asked: Asked,
) -> Result<Response, Problem> {
    let hash = blake3::hash(&[u8::from(query.now)]);
    let once = once(&asked, &hash, state.request_key())?;
    let replayed = || mark_replayed(StatusCode::NO_CONTENT.into_response());
    if state.before(once.as_ref()).await?.is_some() {
        return Ok(replayed());
    }
    let id = match state.app(&app) {
        Ok((id, _)) => id,
        Err(missing) if query.now => state.deleted_app(&app).ok_or(missing)?,
        Err(missing) => return Err(missing),
    };
    let claim = once.as_ref().map(|once| once.claim(id.uuid())).transpose()?;
    let (command, secrets) = if query.now {
        (AppCommand::Delete, vec![SecretChange::DeleteScope { scope: id.uuid() }])
    } else {
        (AppCommand::Discard { at: state.now() }, Vec::new())
    };
    let with = With { claim, secrets };
    match state.command::<Machine>(id.uuid(), command, state.meta(&asked), with).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) => state.before_or(once.as_ref(), error).await.map(|_| replayed()),
    }
}

/// Restores a deleted app
///
/// As it was, running or stopped. Refused where another app has its name or one of its domains by now.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/restore", operation_id = "restore_app", tag = "apps",
    params(
        ("app" = String, Path, description = "Name or id; of several with the name the one deleted last", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 200, description = "The app as it is now", body = App), WriteProblems)
)]
pub(crate) async fn restore(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let command = || {
        let id = match state.deleted_app(&app) {
            Some(id) => id,
            // One that is there needs nothing.
            None => state.app(&app).map(|(id, _)| id).map_err(|_missing| {
                Problem::not_found(
                    "there is no deleted app of this name or id; `hythe app ls --deleted` shows \
                     which there are",
                )
            })?,
        };
        Ok((id, AppCommand::Restore))
    };
    change(&state, &asked, &blake3::hash(&[]), command).await.map_err(named_anew)
}

fn named_anew(problem: Problem) -> Problem {
    let taken = Problem::new(
        Kind::Exists,
        "another app has this name by now; remove that one, then restore this one",
    );
    if problem.problem_type == taken.problem_type { taken } else { problem }
}

/// Lists deleted apps
///
/// Those that can be restored, the one deleted last first; 200 at the most.
#[utoipa::path(
    get, path = "/api/v1/deleted-apps", operation_id = "list_deleted_apps", tag = "apps",
    responses((status = 200, description = "The deleted apps", body = DeletedAppList), ReadProblems)
)]
pub(crate) async fn list(State(state): State<ApiState>) -> axum::Json<DeletedAppList> {
    let mut items: Vec<DeletedApp> = state.see(|sight| {
        let apps = sight.view.apps.values();
        let deleted = apps.filter_map(|view| {
            let app = view.state.active()?;
            let discard = app.discarded?;
            Some(DeletedApp {
                id: app.id,
                name: app.name.to_string(),
                deployments: app.deployments,
                updated_at: view.updated_at.into(),
                until: discard.until.into(),
            })
        });
        deleted.collect()
    });
    items.sort_by_key(|app| std::cmp::Reverse((app.until, app.id)));
    items.truncate(MOST);
    axum::Json(DeletedAppList { items })
}
