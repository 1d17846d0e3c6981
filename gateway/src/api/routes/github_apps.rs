//! GitHub Apps: begin one, finish it, list, show, give another secret or key, remove.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hythe_actors::github::AppAt;
use hythe_core::github as core;
use hythe_core::github::manifest::START;
use hythe_core::ids::HookId;
use hythe_core::installation::{GitHubCommand, Installation, InstallationCommand};
use hythe_core::limits;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{
    BeginGitHubApp, FinishGitHubApp, GitHubApp, GitHubAppBegun, GitHubAppList, GitHubAppSeen,
    GitHubInstallation, SetGitHubAppKey,
};
use crate::api::extract::{Json, Which};
use crate::api::github::{finish as finished, forget, give, hashed, put};
use crate::api::idempotency::{Asked, mark_replayed, once};
use crate::api::plane::With;
use crate::api::problem::{Kind, Problem};
use crate::api::settings;

const STATE_BYTES: usize = 32;
const SECRET_BYTES: usize = 32;
/// Bytes of a private key.
const MOST_KEY: usize = 16 * 1024;

/// Begins a GitHub App
///
/// The answer has the address of a page, this once: a browser goes from there to GitHub, where the App is
/// made, and back. It is good for one App and for an hour.
#[utoipa::path(
    post, path = "/api/v1/sources/github-apps", operation_id = "begin_github_app", tag = "sources",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once; the page is shown the first time", max_length = 255)),
    request_body = BeginGitHubApp,
    responses(
        (status = 201, description = "It can be made now", body = GitHubAppBegun,
            headers(("Location" = String, description = "Where it will be"))),
        WriteProblems
    )
)]
pub(crate) async fn begin(
    State(state): State<ApiState>,
    asked: Asked,
    body: Json<BeginGitHubApp>,
) -> Result<Response, Problem> {
    let once = once(&asked, &body.hash, state.request_key())?;
    let replayed = |id: Uuid| Ok(mark_replayed(created(&state, HookId::new(id), None)?));
    if let Some(before) = state.before(once.as_ref()).await? {
        return replayed(before.resource);
    }
    let id = HookId::new(Uuid::now_v7());
    let secret = random::<STATE_BYTES>()?;
    let begun = wanted(&state, id, &body.value, &secret)?;
    let claim = once.as_ref().map(|once| once.claim(id.uuid())).transpose()?;
    let with = With { claim, secrets: Vec::new() };
    let command = GitHubCommand::Begin { id, begun: Box::new(begun) };
    let command = InstallationCommand::GitHub(command);
    let scope = state.control().installation().uuid();
    match state.command::<Installation>(scope, command, state.meta(&asked), with).await {
        Ok(_) => created(&state, id, Some(&secret)),
        Err(error) => replayed(state.before_or(once.as_ref(), error).await?.resource),
    }
}

/// What was asked for, checked.
fn wanted(
    state: &ApiState,
    id: HookId,
    body: &BeginGitHubApp,
    secret: &str,
) -> Result<core::GitHubBegun, Problem> {
    let BeginGitHubApp { organization, server, name, address } = body;
    let server = match server {
        Some(server) => core::GitHubServer::parse(server)
            .map_err(|bad| Problem::field("server", bad.to_string()))?,
        None => core::GitHubServer::dot_com(),
    };
    let organization = organization.as_deref();
    let organization = organization.map(|text| settings::text("organization", text)).transpose()?;
    let name = match name {
        Some(name) => settings::text("name", name)?,
        // Its end is random: the beginning is the time.
        None => {
            let id = id.uuid().simple().to_string();
            settings::text("name", &format!("hythe-{}", id.get(24..).unwrap_or(&id)))?
        }
    };
    let address = match address {
        Some(address) => settings::text("address", address.strip_suffix('/').unwrap_or(address))?,
        None => {
            let known = state.control().read(|view| view.installation.state.address.clone());
            known.ok_or_else(|| {
                Problem::new(
                    Kind::Conflict,
                    "where GitHub reaches this server is not known; say it: hythe address set \
                     https://HOST, or hythe source github-app create --public-url https://HOST",
                )
            })?
        }
    };
    let (at, state) = (state.now(), hashed(secret));
    let until = at.plus(limits::GITHUB_APP_WITHIN);
    Ok(core::GitHubBegun { server, organization, name, address, state, at, until })
}

fn created(state: &ApiState, id: HookId, secret: Option<&str>) -> Result<Response, Problem> {
    let begun = state.control().read(|view| {
        let begun = view.installation.state.github_begun.get(&id)?;
        Some(shown_begun(id, begun, secret))
    });
    let begun = begun.ok_or_else(|| {
        let detail =
            "this App was begun before, and made or given up since: hythe source github-app ls";
        Problem::new(Kind::Conflict, detail)
    })?;
    let location = [(header::LOCATION, format!("/api/v1/sources/github-apps/{id}"))];
    Ok((StatusCode::CREATED, location, axum::Json(begun)).into_response())
}

fn shown_begun(id: HookId, begun: &core::GitHubBegun, secret: Option<&str>) -> GitHubAppBegun {
    GitHubAppBegun {
        id,
        server: begun.server.to_string(),
        organization: begun.organization.as_ref().map(ToString::to_string),
        name: begun.name.to_string(),
        page: secret.map(|secret| format!("{}{START}?state={secret}", begun.address)),
        expires_at: begun.until.into(),
    }
}

fn random<const BYTES: usize>() -> Result<Zeroizing<String>, Problem> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    getrandom::fill(&mut *bytes).map_err(|error| {
        tracing::error!(%error, "no randomness for a GitHub App");
        Problem::new(Kind::Internal, "the system has no randomness to give; see the server's log")
    })?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

/// Finishes a GitHub App
///
/// With what GitHub sent the browser back with. The App is there then, and can be installed on
/// repositories. Where GitHub does not answer, the same can be sent again; where it refuses, it has to be
/// begun anew. What GitHub sent serves once: a repeat is answered with the App only where it has the key of the
/// request that made it.
#[utoipa::path(
    post, path = "/api/v1/sources/github-apps/finish", operation_id = "finish_github_app",
    tag = "sources",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    request_body = FinishGitHubApp,
    responses((status = 200, description = "It is there", body = GitHubApp), WriteProblems)
)]
pub(crate) async fn finish(
    State(state): State<ApiState>,
    asked: Asked,
    Json { value, hash }: Json<FinishGitHubApp>,
) -> Result<Response, Problem> {
    let once = once(&asked, &hash, state.request_key())?;
    let replayed = |id: Uuid| {
        shown(&state, HookId::new(id)).map(|app| mark_replayed(axum::Json(app).into_response()))
    };
    if let Some(before) = state.before(once.as_ref()).await? {
        return replayed(before.resource);
    }
    let returned = (value.code.reveal(), value.state.reveal());
    match finished(&state, state.meta(&asked), returned, once.clone()).await {
        Ok(id) => shown(&state, id).map(|app| axum::Json(app).into_response()),
        // The same request may have been quicker.
        Err(problem) => match state.before(once.as_ref()).await? {
            Some(before) => replayed(before.resource),
            None => Err(problem),
        },
    }
}

/// Lists GitHub Apps
///
/// And those that somebody is about to make.
#[utoipa::path(
    get, path = "/api/v1/sources/github-apps", operation_id = "list_github_apps", tag = "sources",
    responses((status = 200, description = "The Apps", body = GitHubAppList), ReadProblems)
)]
pub(crate) async fn list(State(state): State<ApiState>) -> axum::Json<GitHubAppList> {
    let now = state.now();
    let list = state.control().read(|view| {
        let installation = &view.installation.state;
        let begun = installation.github_begun.iter().filter(|(_, begun)| now < begun.until);
        GitHubAppList {
            items: installation.github_apps.iter().map(|(id, app)| present(*id, app)).collect(),
            begun: begun.map(|(id, begun)| shown_begun(*id, begun, None)).collect(),
        }
    });
    axum::Json(list)
}

/// Shows a GitHub App
///
/// And where it is installed, asked of GitHub at that moment.
#[utoipa::path(
    get, path = "/api/v1/sources/github-apps/{app}", operation_id = "get_github_app",
    tag = "sources", params(("app" = uuid::Uuid, Path, description = "Its id")),
    responses((status = 200, description = "The App", body = GitHubAppSeen), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<GitHubAppSeen>, Problem> {
    let (id, app) = find(&state, &app)?;
    let asked = state.control().github().installations(&AppAt::of(id, &app)).await;
    let ((installed, more), refused) = match asked {
        Ok(found) => (found, None),
        Err(why) => ((Vec::new(), false), Some(why)),
    };
    let installations = installed.into_iter().map(|one| GitHubInstallation {
        id: one.id.to_string(),
        account: one.account.to_string(),
        selected: one.selected,
        suspended: one.suspended,
    });
    let (app, installations) = (present(id, &app), installations.collect());
    Ok(axum::Json(GitHubAppSeen { app, installations, more, refused }))
}

/// Gives a GitHub App's webhook another secret
///
/// GitHub is told of it. Until it knows, deliveries that are signed with the one before are taken, too.
/// Where GitHub could not be told, the same can be asked for again, with the same key or without one, and goes
/// on there.
#[utoipa::path(
    post, path = "/api/v1/sources/github-apps/{app}/rotate-secret",
    operation_id = "rotate_github_app_secret", tag = "sources",
    params(
        ("app" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 200, description = "It has another secret now", body = GitHubApp), WriteProblems)
)]
pub(crate) async fn rotate(
    State(state): State<ApiState>,
    Which(which): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let mut writing = state.writing_plainly(&asked).await?;
    let _turn = state.github_turn().await;
    let (id, app) = find(&state, &which)?;
    // The key is claimed by the first event: by that it is told, where there is nothing to mint.
    let only_told = !app.told && !writing.done();
    if app.told && !writing.done() {
        let secret = random::<SECRET_BYTES>()?;
        let (version, name) = (app.secret + 1, id.app_secret(app.secret + 1));
        let secrets =
            vec![forget(&state, name.clone()), put(&state, name, version, secret.as_str())];
        let command = GitHubCommand::MintSecret { id, version, at: state.now() };
        writing.tell(InstallationCommand::GitHub(command), secrets).await?;
    }
    let (_, app) = find(&state, &which)?;
    if app.told {
        return Ok(writing.answer(axum::Json(shown(&state, id)?)));
    }
    let version = app.secret;
    let scope = state.control().installation().uuid();
    let kept = state.control().journal().secret(scope, &id.app_secret(version), version);
    let kept = kept.ok().flatten();
    let secret = kept.as_ref().and_then(|kept| std::str::from_utf8(kept.expose()).ok());
    let secret = secret.ok_or_else(|| {
        tracing::error!(app = %id, "the secret of a GitHub App is not there");
        Problem::new(Kind::Unavailable, "the App's new secret cannot be read; see the server's log")
    })?;
    let github = state.control().github();
    github.tell_secret(&AppAt::of(id, &app), &app.hook_url(id), secret).await.map_err(|why| {
        let detail = format!(
            "GitHub was not told of the new secret: {why}. Deliveries with the one before are taken \
             meanwhile; ask for the same again"
        );
        Problem::new(Kind::Unavailable, detail)
    })?;
    let secrets = vec![forget(&state, id.app_secret(version + 1))];
    let command = GitHubCommand::NoteTold { id, version };
    if only_told {
        writing.tell(InstallationCommand::GitHub(command), secrets).await?;
    } else {
        give(&state, state.meta(&asked), command, With { claim: None, secrets }).await?;
    }
    Ok(writing.answer(axum::Json(shown(&state, id)?)))
}

/// Gives a GitHub App another private key
///
/// One that was generated on its page at GitHub. GitHub is asked with it first: a key that it does not take
/// changes nothing.
#[utoipa::path(
    put, path = "/api/v1/sources/github-apps/{app}/key", operation_id = "set_github_app_key",
    tag = "sources",
    params(
        ("app" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = SetGitHubAppKey,
    responses((status = 200, description = "It has this key now", body = GitHubApp), WriteProblems)
)]
pub(crate) async fn set_key(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    Json { value, hash }: Json<SetGitHubAppKey>,
) -> Result<Response, Problem> {
    let mut writing = state.writing(&asked, &hash).await?;
    if writing.done() {
        let (id, _) = find(&state, &app)?;
        return Ok(writing.answer(axum::Json(shown(&state, id)?)));
    }
    let pem = value.private_key.reveal();
    if pem.is_empty() || pem.len() > MOST_KEY {
        let why = format!("is a private key in PEM, of at most {} KiB", MOST_KEY / 1024);
        return Err(Problem::field("private_key", why));
    }
    let _turn = state.github_turn().await;
    let (id, app) = find(&state, &app)?;
    let fits = state.control().github().is_key_of(&AppAt::of(id, &app), pem).await;
    fits.map_err(|why| {
        let at = app.settings_page();
        Problem::field("private_key", format!("cannot be used: {why}; generate one at {at}"))
    })?;
    let (version, name) = (app.key + 1, id.app_key());
    let secrets = vec![forget(&state, name.clone()), put(&state, name, version, pem)];
    let command = GitHubCommand::SetKey { id, version, at: state.now() };
    writing.tell(InstallationCommand::GitHub(command), secrets).await?;
    state.control().github().forget(id);
    Ok(writing.answer(axum::Json(shown(&state, id)?)))
}

/// Removes a GitHub App
///
/// Its key and its secret are gone, and what it is told of from now on finds nothing. At GitHub it has to be
/// deleted by its owner, on its settings' page.
#[utoipa::path(
    delete, path = "/api/v1/sources/github-apps/{app}", operation_id = "remove_github_app",
    tag = "sources",
    params(
        ("app" = uuid::Uuid, Path, description = "Its id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is gone"), WriteProblems)
)]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let mut writing = state.writing_plainly(&asked).await?;
    if writing.done() {
        return Ok(writing.answer(StatusCode::NO_CONTENT));
    }
    let id: HookId = app.parse().map_err(|_not_an_id| no_such_app())?;
    let there = state.control().read(|view| {
        let installation = &view.installation.state;
        installation.github_apps.contains_key(&id) || installation.github_begun.contains_key(&id)
    });
    if !there {
        return Err(no_such_app());
    }
    let names = [id.app_secret(0), id.app_secret(1), id.app_key()];
    let secrets = names.into_iter().map(|name| forget(&state, name)).collect();
    writing.tell(InstallationCommand::GitHub(GitHubCommand::Remove { id }), secrets).await?;
    state.control().github().forget(id);
    state.deliveries().forget(id);
    Ok(writing.answer(StatusCode::NO_CONTENT))
}

fn no_such_app() -> Problem {
    Problem::not_found(
        "there is no GitHub App of this id; `hythe source github-app ls` shows which there are",
    )
}

fn find(state: &ApiState, app: &str) -> Result<(HookId, core::GitHubApp), Problem> {
    let id: HookId = app.parse().map_err(|_not_an_id| no_such_app())?;
    let app = state.control().read(|view| view.installation.state.github_apps.get(&id).cloned());
    app.map(|app| (id, app)).ok_or_else(no_such_app)
}

fn shown(state: &ApiState, id: HookId) -> Result<GitHubApp, Problem> {
    let app = state.control().read(|view| view.installation.state.github_apps.get(&id).cloned());
    app.map(|app| present(id, &app)).ok_or_else(no_such_app)
}

fn present(id: HookId, app: &core::GitHubApp) -> GitHubApp {
    GitHubApp {
        id,
        app_id: app.made.app.to_string(),
        slug: app.made.slug.to_string(),
        owner: app.made.owner.to_string(),
        server: app.server.to_string(),
        page: app.page(),
        install_page: app.install_page(),
        settings_page: app.settings_page(),
        hook_url: app.hook_url(id),
        created_at: app.at.into(),
        secret_set_at: app.secret_at.into(),
        secret_told: app.told,
        key_set_at: app.key_at.into(),
    }
}
