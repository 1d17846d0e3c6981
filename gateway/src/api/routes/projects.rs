//! Projects: list, create, show, delete.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hythe_core::ids::ProjectId;
use hythe_core::names::ProjectName;
use hythe_core::project::{Project as Machine, ProjectCommand};
use uuid::Uuid;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{AtQuery, CreateProject, Project, ProjectList};
use crate::api::extract::{Json, Params, Which};
use crate::api::idempotency::{Asked, mark_replayed, once};
use crate::api::plane::With;
use crate::api::present;
use crate::api::problem::{Kind, Problem};
use crate::api::settings;

/// Lists projects
///
/// The one that is always there first, then by name.
#[utoipa::path(
    get, path = "/api/v1/projects", operation_id = "list_projects", tag = "projects",
    params(AtQuery),
    responses((status = 200, description = "The projects", body = ProjectList), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<AtQuery>,
) -> Result<axum::Json<ProjectList>, Problem> {
    if let Some(at) = query.at {
        let list = state.look_back("at", &at, |then| {
            let view = then.book.projects(then.at())?;
            let items = present::projects(then.sight(&view));
            Ok(ProjectList { items, as_of: Some(then.as_of()) })
        });
        return list.await.map(axum::Json);
    }
    Ok(axum::Json(ProjectList { items: state.see(present::projects), as_of: None }))
}

/// Creates a project
#[utoipa::path(
    post, path = "/api/v1/projects", operation_id = "create_project", tag = "projects",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    request_body = CreateProject,
    responses(
        (status = 201, description = "It exists now", body = Project,
            headers(("Location" = String, description = "Where it is"))),
        WriteProblems
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    asked: Asked,
    body: Json<CreateProject>,
) -> Result<Response, Problem> {
    let once = once(&asked, &body.hash, state.request_key())?;
    if let Some(before) = state.before(once.as_ref()).await? {
        return Ok(mark_replayed(created(&state, before.resource)?));
    }
    let name: ProjectName = settings::text("name", &body.value.name)?;
    let id = Uuid::now_v7();
    let command = ProjectCommand::Create { id: ProjectId::new(id), name };
    let claim = once.as_ref().map(|once| once.claim(id)).transpose()?;
    let with = With { claim, secrets: Vec::new() };
    match state.command::<Machine>(id, command, state.meta(&asked), with).await {
        Ok(_) => created(&state, id),
        Err(error) => {
            let before = state.before_or(once.as_ref(), error).await?;
            Ok(mark_replayed(created(&state, before.resource)?))
        }
    }
}

fn created(state: &ApiState, id: Uuid) -> Result<Response, Problem> {
    let gone = || Problem::not_found("this project was deleted in the meantime");
    let project =
        state.see(|sight| present::project(sight, ProjectId::new(id))).ok_or_else(gone)?;
    let location = [(header::LOCATION, format!("/api/v1/projects/{}", project.id))];
    Ok((StatusCode::CREATED, location, axum::Json(project)).into_response())
}

/// Shows a project
#[utoipa::path(
    get, path = "/api/v1/projects/{project}", operation_id = "get_project", tag = "projects",
    params(("project" = String, Path, description = "Name or id", example = "web"), AtQuery),
    responses((status = 200, description = "The project", body = Project), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(project): Which,
    Params(query): Params<AtQuery>,
) -> Result<axum::Json<Project>, Problem> {
    if let Some(at) = query.at {
        let shown = state.look_back("at", &at, move |then| {
            let id = then.project(&project)?;
            let view = then.book.projects(then.at())?;
            present::project(then.sight(&view), id)
                .ok_or_else(|| Problem::not_found("there was no such project then"))
        });
        return shown.await.map(axum::Json);
    }
    let id = state.project("project", &project)?;
    let gone = || Problem::not_found("this project was deleted in the meantime");
    state.see(|sight| present::project(sight, id)).map(axum::Json).ok_or_else(gone)
}

/// Deletes a project
///
/// Only one that no app is in: move or delete its apps first.
#[utoipa::path(
    delete, path = "/api/v1/projects/{project}", operation_id = "delete_project",
    tag = "projects",
    params(
        ("project" = String, Path, description = "Name or id", example = "web"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is gone"), WriteProblems)
)]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    Which(project): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let once = once(&asked, &blake3::hash(&[]), state.request_key())?;
    let replayed = || mark_replayed(StatusCode::NO_CONTENT.into_response());
    if state.before(once.as_ref()).await?.is_some() {
        return Ok(replayed());
    }
    let id = state.project("project", &project)?;
    if id == ProjectId::DEFAULT {
        return Err(Problem::new(
            Kind::Conflict,
            "the default project is always there: apps that are in no other one are in it",
        ));
    }
    let apps = state.see(|sight| present::project(sight, id)).map_or(0, |shown| shown.apps.len());
    if apps > 0 {
        return Err(Problem::new(
            Kind::Conflict,
            format!("{apps} apps are in this project; move or delete them first"),
        ));
    }
    let claim = once.as_ref().map(|once| once.claim(id.uuid())).transpose()?;
    let with = With { claim, secrets: Vec::new() };
    let command = ProjectCommand::Delete;
    match state.command::<Machine>(id.uuid(), command, state.meta(&asked), with).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) => state.before_or(once.as_ref(), error).await.map(|_| replayed()),
    }
}
