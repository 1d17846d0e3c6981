//! Registries that builds log in to: list, set, remove.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hythe_actors::aggregate::CommandError;
use hythe_core::installation::{
    Installation, InstallationCommand, RegistryHost, RegistryLogin, RegistryPassword, RegistryUser,
};
use hythe_core::rejection::Rejection;
use hythe_store::{Secret, SecretChange};

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{Registry, RegistryList, SetRegistry};
use crate::api::extract::{Json, SecretJson, Which};
use crate::api::idempotency::Asked;
use crate::api::problem::Problem;
use crate::api::settings;

/// How often a change is tried while others change logins, too.
const TRIES: u32 = 8;

/// Lists the registries that builds log in to
///
/// Without their passwords: nobody can read one back.
#[utoipa::path(
    get, path = "/api/v1/registries", operation_id = "list_registries", tag = "registries",
    responses((status = 200, description = "The registries", body = RegistryList), ReadProblems)
)]
pub(crate) async fn list(State(state): State<ApiState>) -> axum::Json<RegistryList> {
    let items = state.control().read(|view| {
        view.installation.state.registries.iter().map(|(host, login)| shown(host, login)).collect()
    });
    axum::Json(RegistryList { items })
}

fn shown(host: &RegistryHost, login: &RegistryLogin) -> Registry {
    Registry { host: host.to_string(), username: login.user.to_string(), set_at: login.at.into() }
}

/// Gives builds a login to a registry
///
/// Or another one in its place; the password of before is gone then. Builds use it from the next one
/// on, for the images that their Dockerfiles begin with. It is not tried here. There are at most 16.
#[utoipa::path(
    put, path = "/api/v1/registries/{host}", operation_id = "set_registry", tag = "registries",
    params(
        ("host" = String, Path, description = "The registry, as images name it", example = "ghcr.io"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = SetRegistry,
    responses((status = 200, description = "Builds log in there now", body = Registry), WriteProblems)
)]
pub(crate) async fn set(
    State(state): State<ApiState>,
    Which(host): Which,
    asked: Asked,
    SecretJson(Json { value, hash }): SecretJson<SetRegistry>,
) -> Result<Response, Problem> {
    let host: RegistryHost = settings::text("host", &host)?;
    let mut writing = state.writing(&asked, &hash).await?;
    let user: RegistryUser = settings::text("username", &value.username)?;
    let password = RegistryPassword::new(value.password.reveal())
        .map_err(|bad| Problem::field("password", bad.to_string()))?;
    let (scope, name) = (state.control().installation().uuid(), host.secret());
    let mut tries = 1;
    while !writing.done() {
        // Two logins at the same moment would have the same version: the later one is refused, and
        // given again on top of the earlier.
        let version = next_version(&state);
        let value = Secret::new(password.reveal().as_bytes().to_vec());
        let secrets = vec![
            SecretChange::Delete { scope, name: name.clone() },
            SecretChange::Put { scope, name: name.clone(), version, value },
        ];
        let login = RegistryLogin { user: user.clone(), version, at: state.now() };
        let answer = shown(&host, &login);
        let (host, user, at) = (host.clone(), user.clone(), login.at);
        let command = InstallationCommand::SetRegistry { host, user, version, at };
        match writing.attempt::<Installation>(scope, command, secrets).await? {
            Ok(()) => return Ok(writing.answer(axum::Json(answer))),
            Err(CommandError::Rejected(Rejection::Conflict { .. }))
                if tries < TRIES && state.shows(|| Ok(next_version(&state) != version)).await? =>
            {
                tries += 1;
            }
            Err(error) => writing.settle(error).await?,
        }
    }
    let now = state.control().read(|view| {
        let login = view.installation.state.registries.get(&host);
        login.map(|login| shown(&host, login))
    });
    Ok(writing.answer(axum::Json(now.ok_or_else(|| no_login(&host))?)))
}

fn no_login(host: &RegistryHost) -> Problem {
    Problem::not_found(format!("builds do not log in to {host}"))
}

fn next_version(state: &ApiState) -> u64 {
    state.control().read(|view| view.installation.state.registry_version) + 1
}

/// Takes a login away from builds
///
/// Its password is gone then.
#[utoipa::path(
    delete, path = "/api/v1/registries/{host}", operation_id = "remove_registry",
    tag = "registries",
    params(
        ("host" = String, Path, description = "The registry, as images name it", example = "ghcr.io"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is gone"), WriteProblems)
)]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    Which(host): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let host: RegistryHost = settings::text("host", &host)?;
    let mut writing = state.writing_plainly(&asked).await?;
    if writing.done() {
        return Ok(writing.answer(StatusCode::NO_CONTENT));
    }
    if !state.control().read(|view| view.installation.state.registries.contains_key(&host)) {
        return Err(no_login(&host));
    }
    let (scope, name) = (state.control().installation().uuid(), host.secret());
    let command = InstallationCommand::RemoveRegistry { host };
    writing.tell(command, vec![SecretChange::Delete { scope, name }]).await?;
    Ok(writing.answer(StatusCode::NO_CONTENT))
}
