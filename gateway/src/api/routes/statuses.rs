//! What providers are told of commits: show it, begin, end.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hythe_core::hook::ApiAddress;
use hythe_core::ids::HookId;
use hythe_core::installation::InstallationCommand;

use super::hooks::{id, no_such_hook};
use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{CommitStatuses, SetCommitStatuses, ToldStatus};
use crate::api::extract::{Json, Which};
use crate::api::idempotency::Asked;
use crate::api::problem::{Kind, Problem};
use crate::api::settings;

/// Shows what a webhook's provider is told of commits
///
/// The last 50 since the server started, the newest first, with what came of each.
#[utoipa::path(
    get, path = "/api/v1/hooks/{hook}/statuses", operation_id = "list_statuses", tag = "hooks",
    params(("hook" = uuid::Uuid, Path, description = "Its id")),
    responses((status = 200, description = "What it is told", body = CommitStatuses), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(hook): Which,
) -> Result<axum::Json<CommitStatuses>, Problem> {
    shown(&state, id(&hook)?).map(axum::Json)
}

/// Tells a webhook's provider how commits fare
///
/// Of each commit of its repository that is deployed from now on: that it is under way, is live, or is
/// not. The token is the one for the repository (`PUT /api/v1/sources/tokens/{prefix}`), which must be
/// one that may write statuses. Everybody who can read the repository sees them.
#[utoipa::path(
    put, path = "/api/v1/hooks/{hook}/statuses", operation_id = "set_statuses", tag = "hooks",
    params(
        ("hook" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = SetCommitStatuses,
    responses((status = 200, description = "It is told from now on", body = CommitStatuses), WriteProblems)
)]
pub(crate) async fn set(
    State(state): State<ApiState>,
    Which(hook): Which,
    asked: Asked,
    Json { value, hash }: Json<SetCommitStatuses>,
) -> Result<Response, Problem> {
    let id = id(&hook)?;
    let mut writing = state.writing(&asked, &hash).await?;
    if !writing.done() {
        let api = match value.api {
            Some(api) => settings::text("api", api.strip_suffix('/').unwrap_or(&api))?,
            None => usual(&state, id)?,
        };
        writing.tell(InstallationCommand::SetStatuses { id, api: Some(api) }, vec![]).await?;
    }
    Ok(writing.answer(axum::Json(shown(&state, id)?)))
}

/// Tells a webhook's provider no more how commits fare
#[utoipa::path(
    delete, path = "/api/v1/hooks/{hook}/statuses", operation_id = "remove_statuses", tag = "hooks",
    params(
        ("hook" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is told no more"), WriteProblems)
)]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    Which(hook): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let id = id(&hook)?;
    let mut writing = state.writing_plainly(&asked).await?;
    if !writing.done() {
        shown(&state, id)?;
        writing.tell(InstallationCommand::SetStatuses { id, api: None }, vec![]).await?;
    }
    Ok(writing.answer(StatusCode::NO_CONTENT))
}

/// Where the provider has its API, as far as the repository's host tells.
pub(super) fn usual(state: &ApiState, id: HookId) -> Result<ApiAddress, Problem> {
    let found = |view: &hythe_core::view::View| view.installation.state.hooks.get(&id).cloned();
    let hook = state.control().read(found).ok_or_else(no_such_hook)?;
    ApiAddress::usual(hook.provider, &hook.repository).ok_or_else(|| {
        let (provider, host) = (hook.provider, hook.repository.host());
        let detail =
            format!("where {provider} has its API at {host} cannot be told; say it as `api`");
        Problem::new(Kind::Conflict, detail)
    })
}

fn shown(state: &ApiState, id: HookId) -> Result<CommitStatuses, Problem> {
    let hook = |view: &hythe_core::view::View| {
        let installation = &view.installation.state;
        // What an App is installed on is told of without being said so.
        let app = installation.github_apps.get(&id).map(|app| Some(app.api().to_string()));
        app.or_else(|| {
            let hook = installation.hooks.get(&id)?;
            Some(hook.statuses.as_ref().map(ToString::to_string))
        })
    };
    let api = state.control().read(hook).ok_or_else(no_such_hook)?;
    let told = state.control().statuses().of(id).into_iter().map(|told| ToldStatus {
        at: told.at.into(),
        app: told.app.to_string(),
        deployment: told.deployment,
        commit: told.commit.to_string(),
        state: told.state,
        refused: told.refused,
    });
    Ok(CommitStatuses { api, items: told.collect() })
}
