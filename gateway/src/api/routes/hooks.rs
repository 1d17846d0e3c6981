//! Webhooks: list, make, show, give another secret, remove; and what came through them.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hythe_core::hook::{Provider, RepositoryKey, UnknownProvider};
use hythe_core::ids::HookId;
use hythe_core::installation::{Installation, InstallationCommand};
use hythe_core::source::Source;
use hythe_store::{Secret, SecretChange};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{CreateHook, DeliveryList, Hook, HookList, HookQuery, HookWithSecret};
use crate::api::extract::{Json, Params, Which};
use crate::api::idempotency::{Asked, mark_replayed, once};
use crate::api::plane::With;
use crate::api::present;
use crate::api::problem::{Kind, Problem};
use crate::hooks::verify::SIGNING_TOKEN;

const SECRET_BYTES: usize = 32;

/// Lists webhooks
///
/// Without their secrets: nobody can read one back.
#[utoipa::path(
    get, path = "/api/v1/hooks", operation_id = "list_hooks", tag = "hooks",
    params(HookQuery),
    responses((status = 200, description = "The webhooks", body = HookList), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<HookQuery>,
) -> Result<axum::Json<HookList>, Problem> {
    let repository = match &query.app {
        None => None,
        Some(app) => Some(repository_of(&state, app)?),
    };
    let items = state.see(|sight| {
        let of = |hook: &hythe_core::hook::Hook| {
            repository.as_ref().is_none_or(|repository| *repository == hook.repository)
        };
        present::hooks(sight, of)
    });
    Ok(axum::Json(HookList { items }))
}

/// Makes a webhook
///
/// For an app's repository: it serves every app of it. The answer has the secret, this once, and says
/// what to enter at the provider.
#[utoipa::path(
    post, path = "/api/v1/hooks", operation_id = "create_hook", tag = "hooks",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once; the secret is shown the first time", max_length = 255)),
    request_body = CreateHook,
    responses(
        (status = 201, description = "It takes deliveries now", body = HookWithSecret,
            headers(("Location" = String, description = "Where it is"))),
        WriteProblems
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    asked: Asked,
    body: Json<CreateHook>,
) -> Result<Response, Problem> {
    let once = once(&asked, &body.hash, state.request_key())?;
    let replayed = |id: Uuid| Ok(mark_replayed(created(&state, HookId::new(id), None)?));
    if let Some(before) = state.before(once.as_ref()).await? {
        return replayed(before.resource);
    }
    let repository = repository_of(&state, &body.value.app)?;
    let provider = provider(body.value.provider.as_deref(), &repository)?;
    let id = HookId::new(Uuid::now_v7());
    let secret = mint(provider)?;
    let claim = once.as_ref().map(|once| once.claim(id.uuid())).transpose()?;
    let with = With { claim, secrets: vec![put(&state, id, 1, &secret)] };
    let command = InstallationCommand::AddHook { id, provider, repository, at: state.now() };
    let scope = state.control().installation().uuid();
    match state.command::<Installation>(scope, command, state.meta(&asked), with).await {
        Ok(_) => created(&state, id, Some(&secret)),
        Err(error) => replayed(state.before_or(once.as_ref(), error).await?.resource),
    }
}

fn created(state: &ApiState, id: HookId, secret: Option<&str>) -> Result<Response, Problem> {
    let hook = shown(state, id)?;
    let location = [(header::LOCATION, format!("/api/v1/hooks/{id}"))];
    let secret = secret.map(ToOwned::to_owned);
    Ok((StatusCode::CREATED, location, axum::Json(HookWithSecret { hook, secret })).into_response())
}

/// Shows a webhook
///
/// What to enter at the provider, and which apps it serves.
#[utoipa::path(
    get, path = "/api/v1/hooks/{hook}", operation_id = "get_hook", tag = "hooks",
    params(("hook" = uuid::Uuid, Path, description = "Its id")),
    responses((status = 200, description = "The webhook", body = Hook), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(hook): Which,
) -> Result<axum::Json<Hook>, Problem> {
    shown(&state, id(&hook)?).map(axum::Json)
}

/// Gives a webhook another secret
///
/// Deliveries with the one before are refused from now on. The answer has the new one, this once.
#[utoipa::path(
    post, path = "/api/v1/hooks/{hook}/rotate", operation_id = "rotate_hook", tag = "hooks",
    params(
        ("hook" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once; the secret is shown the first time", max_length = 255),
    ),
    responses((status = 200, description = "It has another secret now", body = HookWithSecret), WriteProblems)
)]
pub(crate) async fn rotate(
    State(state): State<ApiState>,
    Which(hook): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let id = id(&hook)?;
    let mut writing = state.writing_plainly(&asked).await?;
    let answer = |secret: Option<String>| {
        Ok::<_, Problem>(axum::Json(HookWithSecret { hook: shown(&state, id)?, secret }))
    };
    if writing.done() {
        return Ok(writing.answer(answer(None)?));
    }
    let found = |view: &hythe_core::view::View| {
        view.installation.state.hooks.get(&id).map(|hook| (hook.version + 1, hook.provider))
    };
    let (version, provider) = state.control().read(found).ok_or_else(no_such_hook)?;
    let secret = mint(provider)?;
    let secrets = vec![forget(&state, id), put(&state, id, version, &secret)];
    let command = InstallationCommand::RotateHook { id, version, at: state.now() };
    writing.tell(command, secrets).await?;
    // Where the same request was quicker, this secret is none.
    let secret = (!writing.done()).then(|| secret.to_string());
    Ok(writing.answer(answer(secret)?))
}

/// Removes a webhook
///
/// What comes through it from now on finds nothing; its secret is gone.
#[utoipa::path(
    delete, path = "/api/v1/hooks/{hook}", operation_id = "remove_hook", tag = "hooks",
    params(
        ("hook" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is gone"), WriteProblems)
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
        let command = InstallationCommand::RemoveHook { id };
        writing.tell(command, vec![forget(&state, id)]).await?;
        state.deliveries().forget(id);
    }
    Ok(writing.answer(StatusCode::NO_CONTENT))
}

/// Lists what came through a webhook
///
/// Newest first: the last 100 that were signed, with what came of them, and the last 20 that were
/// not. After a restart of the server only those are known that deployed something. A GitHub App is one,
/// under its own id.
#[utoipa::path(
    get, path = "/api/v1/hooks/{hook}/deliveries", operation_id = "list_deliveries", tag = "hooks",
    params(("hook" = uuid::Uuid, Path, description = "Its id")),
    responses((status = 200, description = "The deliveries", body = DeliveryList), ReadProblems)
)]
pub(crate) async fn deliveries(
    State(state): State<ApiState>,
    Which(hook): Which,
) -> Result<axum::Json<DeliveryList>, Problem> {
    let id = id(&hook)?;
    let app = state.control().read(|view| view.installation.state.github_apps.contains_key(&id));
    if !app {
        shown(&state, id)?;
    }
    let remembered = state.deliveries().of(id);
    let items = state.see(|sight| present::deliveries(sight, id, remembered));
    Ok(axum::Json(DeliveryList { items }))
}

pub(super) fn id(text: &str) -> Result<HookId, Problem> {
    text.parse().map_err(|_not_an_id| no_such_hook())
}

pub(super) fn no_such_hook() -> Problem {
    Problem::not_found("there is no webhook of this id; `hythe hook ls` shows which there are")
}

fn shown(state: &ApiState, id: HookId) -> Result<Hook, Problem> {
    state.see(|sight| present::hook(sight, id)).ok_or_else(no_such_hook)
}

fn repository_of(state: &ApiState, app: &str) -> Result<RepositoryKey, Problem> {
    let (_, app) = state.app(app)?;
    let name = &app.name;
    let Some(source) = app.settings.source.as_ref().and_then(Source::git) else {
        let detail = format!("{name} has no repository yet: hythe app set {name} --repo URL");
        return Err(Problem::new(Kind::Conflict, detail));
    };
    RepositoryKey::of(&source.repository).ok_or_else(|| {
        let detail = format!("{name} is deployed from a folder: nobody tells of pushes to it");
        Problem::new(Kind::Conflict, detail)
    })
}

fn provider(given: Option<&str>, repository: &RepositoryKey) -> Result<Provider, Problem> {
    let wrong = |unknown: UnknownProvider| Problem::field("provider", unknown.to_string());
    let given = given.map(|given| given.parse().map_err(wrong)).transpose()?;
    given.or_else(|| Provider::of_host(repository.host())).ok_or_else(|| {
        let host = repository.host();
        Problem::field(
            "provider",
            format!(
                "whose server {host} is cannot be told; say github, gitlab, bitbucket or gitea"
            ),
        )
    })
}

/// A new secret, in the form that the provider takes it in.
fn mint(provider: Provider) -> Result<Zeroizing<String>, Problem> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(&mut *bytes).map_err(|error| {
        tracing::error!(%error, "no randomness for a webhook's secret");
        Problem::new(Kind::Internal, "the system has no randomness to give; see the server's log")
    })?;
    Ok(Zeroizing::new(match provider {
        Provider::GitLab => format!("{SIGNING_TOKEN}{}", STANDARD.encode(*bytes)),
        Provider::GitHub | Provider::Bitbucket | Provider::Gitea => hex::encode(*bytes),
    }))
}

fn put(state: &ApiState, id: HookId, version: u64, secret: &str) -> SecretChange {
    let scope = state.control().installation().uuid();
    let value = Secret::new(secret.as_bytes().to_vec());
    SecretChange::Put { scope, name: id.secret(), version, value }
}

fn forget(state: &ApiState, id: HookId) -> SecretChange {
    SecretChange::Delete { scope: state.control().installation().uuid(), name: id.secret() }
}
