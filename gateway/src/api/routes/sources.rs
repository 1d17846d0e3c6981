//! How builds reach private repositories: tokens, and the hosts that are known over ssh.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hythe_actors::aggregate::CommandError;
use hythe_core::installation::{
    self as core, Installation, InstallationCommand, SourcePassword, SourcePrefix, SourceUser,
    SshHost, SshKey,
};
use hythe_core::rejection::Rejection;
use hythe_store::{Secret, SecretChange};

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{
    SetSourceHost, SetSourceToken, SourceHost, SourceHostList, SourceToken, SourceTokenList,
};
use crate::api::extract::{Json, SecretJson, Which};
use crate::api::idempotency::Asked;
use crate::api::problem::Problem;
use crate::api::settings;

/// How often a change is tried while others change tokens, too.
const TRIES: u32 = 8;

/// Lists the tokens that builds reach private repositories with
///
/// What they are for, and never the tokens themselves: nobody can read one back.
#[utoipa::path(
    get, path = "/api/v1/sources/tokens", operation_id = "list_source_tokens", tag = "sources",
    responses((status = 200, description = "The tokens", body = SourceTokenList), ReadProblems)
)]
pub(crate) async fn tokens(State(state): State<ApiState>) -> axum::Json<SourceTokenList> {
    let items = state.control().read(|view| {
        let tokens = view.installation.state.source_tokens.iter();
        tokens.map(|(prefix, token)| shown(prefix, token)).collect()
    });
    axum::Json(SourceTokenList { items })
}

fn shown(prefix: &SourcePrefix, token: &core::SourceToken) -> SourceToken {
    let (prefix, username) = (prefix.to_string(), token.user.to_string());
    SourceToken { prefix, username, set_at: token.at.into() }
}

/// Gives builds a token for private repositories
///
/// Or another one in its place; the one before is gone then. Builds use it from the next one on, for
/// repositories over https at that host and below that path; of several tokens it is the one for the
/// fewest repositories. It is not tried here. There are at most 64.
#[utoipa::path(
    put, path = "/api/v1/sources/tokens/{prefix}", operation_id = "set_source_token",
    tag = "sources",
    params(
        ("prefix" = String, Path, description = "The repositories: a host, or the beginning of a URL, with its slashes encoded", example = "github.com%2Fteam"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = SetSourceToken,
    responses((status = 200, description = "Builds use it now", body = SourceToken), WriteProblems)
)]
pub(crate) async fn set_token(
    State(state): State<ApiState>,
    Which(prefix): Which,
    asked: Asked,
    SecretJson(Json { value, hash }): SecretJson<SetSourceToken>,
) -> Result<Response, Problem> {
    let prefix = read_prefix(&prefix)?;
    let mut writing = state.writing(&asked, &hash).await?;
    let user: SourceUser = settings::text("username", &value.username)?;
    let password = SourcePassword::new(value.password.reveal())
        .map_err(|bad| Problem::field("password", bad.to_string()))?;
    let (scope, name) = (state.control().installation().uuid(), prefix.secret());
    let mut tries = 1;
    while !writing.done() {
        // Two tokens at the same moment would have the same version: the later one is refused, and
        // given again on top of the earlier.
        let version = next_version(&state);
        let value = Secret::new(password.reveal().as_bytes().to_vec());
        let secrets = vec![
            SecretChange::Delete { scope, name: name.clone() },
            SecretChange::Put { scope, name: name.clone(), version, value },
        ];
        let token = core::SourceToken { user: user.clone(), version, at: state.now() };
        let answer = shown(&prefix, &token);
        let (prefix, user, at) = (prefix.clone(), user.clone(), token.at);
        let command = InstallationCommand::SetSourceToken { prefix, user, version, at };
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
        let token = view.installation.state.source_tokens.get(&prefix);
        token.map(|token| shown(&prefix, token))
    });
    Ok(writing.answer(axum::Json(now.ok_or_else(|| no_token(&prefix))?)))
}

fn no_token(prefix: &SourcePrefix) -> Problem {
    Problem::not_found(format!("builds have no token for {prefix}"))
}

fn read_prefix(typed: &str) -> Result<SourcePrefix, Problem> {
    SourcePrefix::parse(typed).map_err(|bad| Problem::field("prefix", bad.to_string()))
}

fn next_version(state: &ApiState) -> u64 {
    state.control().read(|view| view.installation.state.source_token_version) + 1
}

/// Takes a token away from builds
///
/// It is gone then.
#[utoipa::path(
    delete, path = "/api/v1/sources/tokens/{prefix}", operation_id = "remove_source_token",
    tag = "sources",
    params(
        ("prefix" = String, Path, description = "What it is for, with its slashes encoded", example = "github.com%2Fteam"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is gone"), WriteProblems)
)]
pub(crate) async fn remove_token(
    State(state): State<ApiState>,
    Which(prefix): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let prefix = read_prefix(&prefix)?;
    let mut writing = state.writing_plainly(&asked).await?;
    if writing.done() {
        return Ok(writing.answer(StatusCode::NO_CONTENT));
    }
    if !state.control().read(|view| view.installation.state.source_tokens.contains_key(&prefix)) {
        return Err(no_token(&prefix));
    }
    let (scope, name) = (state.control().installation().uuid(), prefix.secret());
    let command = InstallationCommand::RemoveSourceToken { prefix };
    writing.tell(command, vec![SecretChange::Delete { scope, name }]).await?;
    Ok(writing.answer(StatusCode::NO_CONTENT))
}

/// Lists the hosts that builds know over ssh
///
/// Those that were given; the keys of github.com, gitlab.com, bitbucket.org and codeberg.org are
/// known without.
#[utoipa::path(
    get, path = "/api/v1/sources/hosts", operation_id = "list_source_hosts", tag = "sources",
    responses((status = 200, description = "The hosts", body = SourceHostList), ReadProblems)
)]
pub(crate) async fn hosts(State(state): State<ApiState>) -> axum::Json<SourceHostList> {
    let items = state.control().read(|view| {
        let hosts = view.installation.state.source_hosts.iter();
        hosts.map(|(host, known)| shown_host(host, known)).collect()
    });
    axum::Json(SourceHostList { items })
}

fn shown_host(host: &SshHost, known: &core::SourceHost) -> SourceHost {
    let keys = known.keys.iter().map(ToString::to_string).collect();
    SourceHost { host: host.to_string(), keys, set_at: known.at.into() }
}

/// Makes a host known to builds
///
/// By these keys and no other: a host that shows another one is not talked to. What is given here for
/// a well-known host takes the place of what is known without. At most 64 hosts.
#[utoipa::path(
    put, path = "/api/v1/sources/hosts/{host}", operation_id = "set_source_host", tag = "sources",
    params(
        ("host" = String, Path, description = "The host, with its port where that is not 22", example = "git.example.com"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = SetSourceHost,
    responses((status = 200, description = "Builds know it now", body = SourceHost), WriteProblems)
)]
pub(crate) async fn set_host(
    State(state): State<ApiState>,
    Which(host): Which,
    asked: Asked,
    Json { value, hash }: Json<SetSourceHost>,
) -> Result<Response, Problem> {
    let host = read_host(&host)?;
    let mut writing = state.writing(&asked, &hash).await?;
    if writing.done() {
        let now = state.control().read(|view| {
            let known = view.installation.state.source_hosts.get(&host);
            known.map(|known| shown_host(&host, known))
        });
        return Ok(writing.answer(axum::Json(now.ok_or_else(|| no_keys(&host))?)));
    }
    let keys = value.keys.iter().enumerate().map(|(at, key)| read_key(at, key));
    let keys: Vec<SshKey> = keys.collect::<Result<_, _>>()?;
    let known = core::SourceHost { keys: keys.clone(), at: state.now() };
    let answer = shown_host(&host, &known);
    let command = InstallationCommand::SetSourceHost { host, keys, at: known.at };
    writing.tell(command, vec![]).await?;
    Ok(writing.answer(axum::Json(answer)))
}

fn no_keys(host: &SshHost) -> Problem {
    Problem::not_found(format!("no keys were given for {host}"))
}

fn read_host(typed: &str) -> Result<SshHost, Problem> {
    SshHost::parse(typed).map_err(|bad| Problem::field("host", bad.to_string()))
}

fn read_key(at: usize, typed: &str) -> Result<SshKey, Problem> {
    let field = format!("keys[{at}]");
    let key =
        SshKey::parse(typed).map_err(|bad| Problem::field(field.as_str(), bad.to_string()))?;
    // What looks like a key may still be half of one.
    ssh_key::PublicKey::from_openssh(key.as_str()).map_err(|error| {
        Problem::field(
            field.as_str(),
            format!("is no whole public key ({error}); copy all of its line"),
        )
    })?;
    Ok(key)
}

/// Lets builds forget a host
///
/// A well-known one is known as before.
#[utoipa::path(
    delete, path = "/api/v1/sources/hosts/{host}", operation_id = "remove_source_host",
    tag = "sources",
    params(
        ("host" = String, Path, description = "The host", example = "git.example.com"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is forgotten"), WriteProblems)
)]
pub(crate) async fn remove_host(
    State(state): State<ApiState>,
    Which(host): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let host = read_host(&host)?;
    let mut writing = state.writing_plainly(&asked).await?;
    if writing.done() {
        return Ok(writing.answer(StatusCode::NO_CONTENT));
    }
    if !state.control().read(|view| view.installation.state.source_hosts.contains_key(&host)) {
        return Err(no_keys(&host));
    }
    writing.tell(InstallationCommand::RemoveSourceHost { host }, vec![]).await?;
    Ok(writing.answer(StatusCode::NO_CONTENT))
}
