//! Deployments: ask for one, list, show, cancel.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hythe_core::app::{App, AppCommand, AppEvent, SettingsChange};
use hythe_core::canary::Weight;
use hythe_core::deployment::{
    Deployment as Machine, DeploymentCommand, DeploymentEvent, DeploymentSpec, StageName,
};
use hythe_core::event::Event;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::machine::replay;
use hythe_core::record::{Meta, Sequence};
use hythe_core::source::{Source, UploadDigest};
use hythe_core::time::Millis;
use hythe_core::view::{DeploymentView, Then};
use uuid::Uuid;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{
    AtQuery, CreateCanary, CreateDeployment, Deployment, DeploymentPage, PageQuery,
};
use crate::api::extract::{OptionalJson, Params, Which, bounded};
use crate::api::follow::read;
use crate::api::idempotency::{Asked, Before, mark_replayed, once};
use crate::api::plane::{With, problem};
use crate::api::present::{self, Sight};
use crate::api::problem::{Kind, Problem};
use crate::api::settings;

/// Events that asking for a deployment leads to at once.
const MOST_EVENTS_OF_A_REQUEST: usize = 8;

/// Lists an app's deployments
///
/// Newest first: all that are not over, and the last 100 that are.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/deployments", operation_id = "list_deployments",
    tag = "deployments",
    params(("app" = String, Path, description = "Name or id", example = "shop"), PageQuery),
    responses((status = 200, description = "A page of deployments", body = DeploymentPage), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Which(app): Which,
    Params(query): Params<PageQuery>,
) -> Result<axum::Json<DeploymentPage>, Problem> {
    let limit = bounded("limit", query.limit, 50, 200)?;
    let wrong = |_| Problem::field("cursor", "the cursor is the \"next\" of the page before");
    let before: Option<u64> = query.cursor.as_deref().map(str::parse).transpose().map_err(wrong)?;
    if let Some(at) = query.at {
        let page = state.look_back("at", &at, move |then| {
            let id = then.app(&app)?;
            let view = then.book.app(id, then.at())?;
            Ok(page(then.sight(&view), id, before, limit))
        });
        return page.await.map(axum::Json);
    }
    let (id, _) = state.app(&app)?;
    Ok(axum::Json(state.see(|sight| page(sight, id, before, limit))))
}

fn page(sight: Sight<'_>, app: AppId, before: Option<u64>, limit: usize) -> DeploymentPage {
    let ids = sight.view.apps.get(&app).map_or(&[][..], |app| &app.deployments);
    let mut deployments = ids
        .iter()
        .rev()
        .filter_map(|id| present::deployment(sight, *id))
        .filter(|deployment| before.is_none_or(|before| deployment.number < before));
    let items: Vec<_> = deployments.by_ref().take(limit).collect();
    let more = deployments.next().is_some();
    let next = items.last().filter(|_| more).map(|last| last.number.to_string());
    DeploymentPage { items, next, as_of: sight.as_of }
}

/// Deploys an app
///
/// Answers once the request is on disk; follow the deployment, its log or the events from there.
/// One deployment of an app moves at a time; a newer request takes the place of one that waits.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/deployments", operation_id = "create_deployment",
    tag = "deployments",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body(content = Option<CreateDeployment>, description = "May be left out"),
    responses(
        (status = 202, description = "It was asked for", body = Deployment,
            headers(("Location" = String, description = "Where it is"))),
        WriteProblems
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    OptionalJson(body): OptionalJson<CreateDeployment>,
) -> Result<Response, Problem> {
    let once = once(&asked, &body.hash, state.request_key())?;
    if let Some(before) = state.before(once.as_ref()).await? {
        return accepted_before(&state, before).await;
    }
    let (app, now) = state.app(&app)?;
    let canary = body.value.canary.map(|CreateCanary { percent, within_ms }| {
        let weight = Weight::new(percent);
        let weight = weight.map_err(|bad| Problem::field("canary.percent", bad.to_string()))?;
        Ok::<_, Problem>((weight, Millis(within_ms)))
    });
    let canary = canary.transpose()?;
    let local = state.config().local_repositories;
    let wanted = settings::of_deployment(&now.settings, &body.value, local)?;
    let upload = wanted.change.source.as_ref().or(now.settings.source.as_ref());
    if let Some((source, digest)) = upload.and_then(|source| Some((source, source.upload()?)))
        && super::uploads::touch(&state, digest).await?.is_none()
    {
        return Err(gone(source, digest, body.value.upload.is_some()));
    }
    let meta = state.meta(&asked);
    if wanted.change != SettingsChange::default() {
        let command = AppCommand::Configure(Box::new(wanted.change));
        let saved = state.command::<App>(app.uuid(), command, meta.clone(), With::default());
        saved.await.map_err(problem)?;
    }
    let id = Uuid::now_v7();
    let deployment = DeploymentId::new(id);
    let (source, no_cache) = (wanted.source, body.value.no_cache.unwrap_or(false));
    let command = match canary {
        None => AppCommand::RequestDeployment { deployment, source, no_cache },
        Some((weight, within)) => {
            AppCommand::RequestCanary { deployment, source, no_cache, weight, within }
        }
    };
    let claim = once.as_ref().map(|once| once.claim(id)).transpose()?;
    let with = With { claim, secrets: Vec::new() };
    match state.command::<App>(app.uuid(), command, meta.clone(), with).await {
        Ok(done) => {
            let spec = done.events.iter().find_map(|event| requested(event, deployment));
            requested_now(&state, deployment, spec, meta).map(accepted)
        }
        Err(error) => {
            let before = state.before_or(once.as_ref(), error).await?;
            accepted_before(&state, before).await
        }
    }
}

/// What is to be built is not there: what was named now, or what the app was deployed from before.
fn gone(source: &Source, digest: &UploadDigest, named: bool) -> Problem {
    if named {
        let why = format!("this server has no upload {digest}; send it first");
        return Problem::field("upload", why);
    }
    if let Source::Pushed(pushed) = source {
        let (commit, branch) = (&pushed.commit, &pushed.branch);
        let why = format!(
            "the files of commit {commit} that was pushed are not there any more; push it again: git \
             push hythe HEAD:{branch}"
        );
        return Problem::new(Kind::Conflict, why);
    }
    Problem::new(
        Kind::Conflict,
        format!(
            "the upload {digest} that the app was deployed from is not there any more; send the \
             folder again: hythe deploy APP DIR"
        ),
    )
}

pub(super) fn requested(event: &AppEvent, id: DeploymentId) -> Option<&DeploymentSpec> {
    event.requested().filter(|(deployment, _)| *deployment == id).map(|(_, spec)| spec)
}

/// The deployment as it was asked for: its own history begins after the answer.
pub(super) fn requested_now(
    state: &ApiState,
    id: DeploymentId,
    spec: Option<&DeploymentSpec>,
    meta: Meta,
) -> Result<Deployment, Problem> {
    let spec = spec.ok_or_else(|| Problem::new(Kind::Internal, "nothing was asked for"))?;
    let event = DeploymentEvent::Requested(Box::new(spec.clone()));
    let view = DeploymentView {
        state: replay::<Machine>([&event]),
        stages: vec![(StageName::Requested, meta.at)],
        last: Sequence(0),
        begun: Sequence(0),
        assigned: Sequence(0),
        requested: meta,
        then: Then::default(),
    };
    state
        .see(|sight| present::deployment_in(sight, id, &view))
        .ok_or_else(|| Problem::new(Kind::Internal, "nothing was asked for"))
}

pub(super) fn accepted(deployment: Deployment) -> Response {
    let location = [(header::LOCATION, format!("/api/v1/deployments/{}", deployment.id))];
    (StatusCode::ACCEPTED, location, axum::Json(deployment)).into_response()
}

pub(super) async fn accepted_before(state: &ApiState, before: Before) -> Result<Response, Problem> {
    let id = DeploymentId::new(before.resource);
    let deployment = match state.see(|sight| present::deployment(sight, id)) {
        Some(deployment) => deployment,
        None => asked_for(state, id, before.sequence).await?,
    };
    Ok(mark_replayed(accepted(deployment)))
}

/// A deployment as the journal says that it was asked for, by the event at `sequence`.
async fn asked_for(
    state: &ApiState,
    id: DeploymentId,
    sequence: Sequence,
) -> Result<Deployment, Problem> {
    let after = Sequence(sequence.0.saturating_sub(1));
    for recorded in read(state.control().journal(), after, MOST_EVENTS_OF_A_REQUEST).await? {
        if let Event::App(event) = &recorded.event
            && let Some(spec) = requested(event, id)
        {
            return requested_now(state, id, Some(spec), recorded.meta.clone());
        }
    }
    Err(Problem::not_found("this deployment went with its app"))
}

fn shown(state: &ApiState, id: DeploymentId) -> Result<Deployment, Problem> {
    let gone = || Problem::not_found("this deployment ended and went with its app");
    state.see(|sight| present::deployment(sight, id)).ok_or_else(gone)
}

/// Shows a deployment
#[utoipa::path(
    get, path = "/api/v1/deployments/{deployment}", operation_id = "get_deployment",
    tag = "deployments",
    params(("deployment" = uuid::Uuid, Path, description = "Its id"), AtQuery),
    responses((status = 200, description = "The deployment", body = Deployment), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(deployment): Which,
    Params(query): Params<AtQuery>,
) -> Result<axum::Json<Deployment>, Problem> {
    if let Some(at) = query.at {
        let shown = state.look_back("at", &at, move |then| {
            let (id, view) = then.deployment(&deployment)?;
            present::deployment(then.sight(&view), id)
                .ok_or_else(|| Problem::not_found("there was no such deployment then"))
        });
        return shown.await.map(axum::Json);
    }
    let id = state.deployment(&deployment).await?;
    shown(&state, id).map(axum::Json)
}

/// Cancels a deployment
///
/// Possible until the traffic moves to it; the version before goes on serving.
#[utoipa::path(
    post, path = "/api/v1/deployments/{deployment}/cancel", operation_id = "cancel_deployment",
    tag = "deployments",
    params(
        ("deployment" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 200, description = "The deployment as it is now", body = Deployment), WriteProblems)
)]
pub(crate) async fn cancel(
    State(state): State<ApiState>,
    Which(deployment): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let once = once(&asked, &blake3::hash(&[]), state.request_key())?;
    let answer =
        |id: DeploymentId| Ok::<_, Problem>(axum::Json(shown(&state, id)?).into_response());
    if let Some(before) = state.before(once.as_ref()).await? {
        return Ok(mark_replayed(answer(DeploymentId::new(before.resource))?));
    }
    let id = state.deployment(&deployment).await?;
    let claim = once.as_ref().map(|once| once.claim(id.uuid())).transpose()?;
    let with = With { claim, secrets: Vec::new() };
    let command = DeploymentCommand::Cancel;
    match state.command::<Machine>(id.uuid(), command, state.meta(&asked), with).await {
        Ok(_) => answer(id),
        Err(error) => {
            let before = state.before_or(once.as_ref(), error).await?;
            Ok(mark_replayed(answer(DeploymentId::new(before.resource))?))
        }
    }
}
