//! Apps: list, create, show, change.

use std::ops::Bound;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hythe_core::app::{App as Machine, AppCommand};
use hythe_core::ids::AppId;
use hythe_core::names::AppName;
use uuid::Uuid;

use super::domains::not_ours;
use super::triggers;
use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{App, AppDiff, AppPage, AtQuery, CreateApp, DiffQuery, PageQuery, UpdateApp};
use crate::api::extract::{Json, Params, Which, bounded};
use crate::api::idempotency::{Asked, mark_replayed, once};
use crate::api::past;
use crate::api::plane::With;
use crate::api::present;
use crate::api::problem::Problem;
use crate::api::settings;

/// Lists apps
///
/// By name.
#[utoipa::path(
    get, path = "/api/v1/apps", operation_id = "list_apps", tag = "apps",
    params(PageQuery),
    responses((status = 200, description = "A page of apps", body = AppPage), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<PageQuery>,
) -> Result<axum::Json<AppPage>, Problem> {
    let limit = bounded("limit", query.limit, 50, 200)?;
    let after: Option<AppName> =
        query.cursor.as_deref().map(|cursor| settings::text("cursor", cursor)).transpose()?;
    if let Some(at) = query.at {
        return list_then(&state, &at, after, limit).await.map(axum::Json);
    }
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let page = state.see(|sight| {
        let mut names = sight.view.names.range((start, Bound::Unbounded));
        let items: Vec<App> =
            names.by_ref().filter_map(|(_, id)| present::app(sight, *id)).take(limit).collect();
        let more = names.next().is_some();
        let next = items.last().filter(|_| more).map(|app| app.name.clone());
        AppPage { items, next, as_of: None }
    });
    Ok(axum::Json(page))
}

async fn list_then(
    state: &ApiState,
    at: &str,
    after: Option<AppName>,
    limit: usize,
) -> Result<AppPage, Problem> {
    let page = state.look_back("at", at, move |then| {
        let (ids, next) = then.book.chronicle(|chronicle| {
            let all = chronicle.apps.all(then.at(), after.as_ref());
            past::page(all.map(|(name, life)| (name.clone(), life.id)), limit)
        })?;
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            let view = then.book.app_in_brief(id, None, then.at())?;
            items.extend(present::app(then.sight(&view), id));
        }
        Ok(AppPage { items, next, as_of: Some(then.as_of()) })
    });
    page.await
}

/// Creates an app
///
/// Nothing runs until it is deployed.
#[utoipa::path(
    post, path = "/api/v1/apps", operation_id = "create_app", tag = "apps",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    request_body = CreateApp,
    responses(
        (status = 201, description = "It exists now", body = App,
            headers(("Location" = String, description = "Where it is"))),
        WriteProblems
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    asked: Asked,
    body: Json<CreateApp>,
) -> Result<Response, Problem> {
    let once = once(&asked, &body.hash, state.request_key())?;
    if let Some(app) = state.before(once.as_ref()).await? {
        return Ok(mark_replayed(created(&state, app.resource)?));
    }
    let name: AppName = settings::text("name", &body.value.name)?;
    let mut new = body.value;
    if let Some(group) = &mut new.group {
        group.project = state.project("group.project", &group.project)?.to_string();
    }
    let mut settings = settings::of_new_app(&new, state.config().local_repositories)?;
    settings.domains.iter().try_for_each(|host| not_ours(&state, "domains", host))?;
    if let Some(project) = &new.project {
        settings.project = state.project("project", project)?;
    }
    let id = Uuid::now_v7();
    let command = AppCommand::Create { id: AppId::new(id), name, settings: Box::new(settings) };
    let claim = once.as_ref().map(|once| once.claim(id)).transpose()?;
    let with = With { claim, secrets: Vec::new() };
    match state.command::<Machine>(id, command, state.meta(&asked), with).await {
        Ok(_) => created(&state, id),
        Err(error) => {
            let app = state.before_or(once.as_ref(), error).await?;
            Ok(mark_replayed(created(&state, app.resource)?))
        }
    }
}

fn created(state: &ApiState, id: Uuid) -> Result<Response, Problem> {
    let app = shown(state, AppId::new(id))?;
    let location = [(header::LOCATION, format!("/api/v1/apps/{}", app.id))];
    Ok((StatusCode::CREATED, location, axum::Json(app)).into_response())
}

fn was_none() -> Problem {
    Problem::not_found("there was no such app then")
}

/// Compares an app at two moments
///
/// Or two of its deployments. Says what is different, which event made it so, and who began that.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/diff", operation_id = "diff_app", tag = "apps",
    params(("app" = String, Path, description = "Name or id", example = "shop"), DiffQuery),
    responses((status = 200, description = "What changed", body = AppDiff), ReadProblems)
)]
pub(crate) async fn diff(
    State(state): State<ApiState>,
    Which(app): Which,
    Params(query): Params<DiffQuery>,
) -> Result<axum::Json<AppDiff>, Problem> {
    crate::api::diff::diff(&state, app, query).await.map(axum::Json)
}

pub(super) fn shown(state: &ApiState, id: AppId) -> Result<App, Problem> {
    let gone = || Problem::not_found("this app was deleted in the meantime");
    state.see(|sight| present::app(sight, id)).ok_or_else(gone)
}

/// Shows an app
#[utoipa::path(
    get, path = "/api/v1/apps/{app}", operation_id = "get_app", tag = "apps",
    params(("app" = String, Path, description = "Name or id", example = "shop"), AtQuery),
    responses((status = 200, description = "The app", body = App), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(app): Which,
    Params(query): Params<AtQuery>,
) -> Result<axum::Json<App>, Problem> {
    if let Some(at) = query.at {
        let shown = state.look_back("at", &at, move |then| {
            let id = then.app(&app)?;
            let view = then.book.app_in_brief(id, None, then.at())?;
            present::app(then.sight(&view), id).ok_or_else(was_none)
        });
        return shown.await.map(axum::Json);
    }
    let (id, _) = state.app(&app)?;
    shown(&state, id).map(axum::Json)
}

/// Changes an app's settings
///
/// They hold from the next deployment on; domains and what deploys it by itself at once.
#[utoipa::path(
    patch, path = "/api/v1/apps/{app}", operation_id = "update_app", tag = "apps",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = UpdateApp,
    responses((status = 200, description = "The app as it is now", body = App), WriteProblems)
)]
pub(crate) async fn update(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    body: Json<UpdateApp>,
) -> Result<Response, Problem> {
    let command = || {
        let (id, now) = state.app(&app)?;
        let local = state.config().local_repositories;
        let mut wanted = body.value.clone();
        if let Some(Some(group)) = &mut wanted.group {
            group.project = state.project("group.project", &group.project)?.to_string();
        }
        let mut change = settings::change_of(&now.settings, &wanted, local)?;
        let domains = change.domains.iter().flatten();
        let mut new = domains.filter(|host| !now.settings.domains.contains(*host));
        new.try_for_each(|host| not_ours(&state, "domains", host))?;
        let project = wanted.project.as_deref();
        change.project = project.map(|project| state.project("project", project)).transpose()?;
        let change = Box::new(change);
        let Some(wanted) = &wanted.triggers else { return Ok((id, AppCommand::Configure(change))) };
        let triggers = triggers::changed(now.triggers, wanted).map_err(|mut problem| {
            problem.field = problem.field.map(|field| format!("triggers.{field}").into());
            problem
        })?;
        let triggers = Box::new(triggers);
        Ok((id, AppCommand::ConfigureWithTriggers { change, triggers }))
    };
    change(&state, &asked, &body.hash, command).await
}

/// Gives an app one command, once, and answers with the app as it is then. What it is and to whom is
/// asked for only where the same request did not take effect before.
pub(super) async fn change(
    state: &ApiState,
    asked: &Asked,
    body: &blake3::Hash,
    command: impl FnOnce() -> Result<(AppId, AppCommand), Problem>,
) -> Result<Response, Problem> {
    let once = once(asked, body, state.request_key())?;
    let answer =
        |id: Uuid| Ok::<_, Problem>(axum::Json(shown(state, AppId::new(id))?).into_response());
    if let Some(before) = state.before(once.as_ref()).await? {
        return Ok(mark_replayed(answer(before.resource)?));
    }
    let (id, command) = command()?;
    let claim = once.as_ref().map(|once| once.claim(id.uuid())).transpose()?;
    let with = With { claim, secrets: Vec::new() };
    match state.command::<Machine>(id.uuid(), command, state.meta(asked), with).await {
        Ok(_) => answer(id.uuid()),
        Err(error) => {
            Ok(mark_replayed(answer(state.before_or(once.as_ref(), error).await?.resource)?))
        }
    }
}
