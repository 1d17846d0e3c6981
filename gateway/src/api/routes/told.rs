//! What providers are told besides how commits fare: of previews, in comments, and of deployments.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hythe_core::hook::{ApiAddress, Telling};
use hythe_core::ids::HookId;
use hythe_core::installation::InstallationCommand;

use super::hooks::{id, no_such_hook};
use super::statuses::usual;
use crate::api::ApiState;
use crate::api::doc::WriteProblems;
use crate::api::dto::{SetCommitStatuses, Told};
use crate::api::extract::{Json, Which};
use crate::api::idempotency::Asked;
use crate::api::problem::Problem;
use crate::api::settings;
use crate::api::writing::Writing;

/// Tells a webhook's provider of previews
///
/// In one comment on each pull request, which is kept up to date: where the preview is, or why there is
/// none. The token is the one for the repository, which must be one that may write comments. Everybody
/// who can read the repository sees them.
#[utoipa::path(
    put, path = "/api/v1/hooks/{hook}/comments", operation_id = "set_comments", tag = "hooks",
    params(
        ("hook" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = SetCommitStatuses,
    responses((status = 200, description = "It is told from now on", body = Told), WriteProblems)
)]
pub(crate) async fn comment(
    State(state): State<ApiState>,
    Which(hook): Which,
    asked: Asked,
    Json { value, hash }: Json<SetCommitStatuses>,
) -> Result<Response, Problem> {
    let writing = state.writing(&asked, &hash).await?;
    set(&state, writing, &hook, Telling::Comments, value).await
}

/// Tells a webhook's provider no more of previews
#[utoipa::path(
    delete, path = "/api/v1/hooks/{hook}/comments", operation_id = "remove_comments", tag = "hooks",
    params(
        ("hook" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is told no more"), WriteProblems)
)]
pub(crate) async fn uncomment(
    State(state): State<ApiState>,
    Which(hook): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    unset(&state, &asked, &hook, Telling::Comments).await
}

/// Tells GitHub of deployments
///
/// Of each deployment of its repository from now on, with the address once it is live: of an app in an
/// environment of its name, of a preview in a transient one. The token must be one that may write
/// deployments.
#[utoipa::path(
    put, path = "/api/v1/hooks/{hook}/deployments", operation_id = "set_told_deployments",
    tag = "hooks",
    params(
        ("hook" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = SetCommitStatuses,
    responses((status = 200, description = "It is told from now on", body = Told), WriteProblems)
)]
pub(crate) async fn deploy(
    State(state): State<ApiState>,
    Which(hook): Which,
    asked: Asked,
    Json { value, hash }: Json<SetCommitStatuses>,
) -> Result<Response, Problem> {
    let writing = state.writing(&asked, &hash).await?;
    set(&state, writing, &hook, Telling::Deployments, value).await
}

/// Tells GitHub no more of deployments
#[utoipa::path(
    delete, path = "/api/v1/hooks/{hook}/deployments", operation_id = "remove_told_deployments",
    tag = "hooks",
    params(
        ("hook" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is told no more"), WriteProblems)
)]
pub(crate) async fn undeploy(
    State(state): State<ApiState>,
    Which(hook): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    unset(&state, &asked, &hook, Telling::Deployments).await
}

async fn set(
    state: &ApiState,
    mut writing: Writing<'_>,
    hook: &str,
    what: Telling,
    value: SetCommitStatuses,
) -> Result<Response, Problem> {
    let id = id(hook)?;
    let api: ApiAddress = match value.api {
        Some(api) => settings::text("api", api.strip_suffix('/').unwrap_or(&api))?,
        None => usual(state, id)?,
    };
    let shown = api.to_string();
    if !writing.done() {
        writing.tell(InstallationCommand::SetTold { id, what, api: Some(api) }, vec![]).await?;
    }
    Ok(writing.answer(axum::Json(Told { api: Some(shown) })))
}

async fn unset(
    state: &ApiState,
    asked: &Asked,
    hook: &str,
    what: Telling,
) -> Result<Response, Problem> {
    let id = id(hook)?;
    let mut writing = state.writing_plainly(asked).await?;
    if !writing.done() {
        there(state, id)?;
        writing.tell(InstallationCommand::SetTold { id, what, api: None }, vec![]).await?;
    }
    Ok(writing.answer(StatusCode::NO_CONTENT))
}

fn there(state: &ApiState, id: HookId) -> Result<(), Problem> {
    let there = state.control().read(|view| view.installation.state.hooks.contains_key(&id));
    if there { Ok(()) } else { Err(no_such_hook()) }
}
