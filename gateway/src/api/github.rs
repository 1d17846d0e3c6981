//! How a GitHub App comes about: begun here, made at GitHub, finished here.
//!
//! Invariants: what the browser has to bring back is random, serves once and for an hour, and is compared in
//! constant time; who has it not, or is not the owner, changes nothing. What GitHub gives is on disk before
//! anybody is told of it, and whoever asked may go away meanwhile.

use hythe_actors::github::NotMade;
use hythe_core::github::{GitHubBegun, ManifestCode};
use hythe_core::ids::HookId;
use hythe_core::installation::{GitHubCommand, Installation, InstallationCommand};
use hythe_core::record::Meta;
use hythe_store::{Secret, SecretChange};
use subtle::ConstantTimeEq as _;

use super::ApiState;
use super::idempotency::Once;
use super::plane::{self, With};
use super::problem::{Kind, Problem};

/// Bytes that are brought back, at the most.
const MOST_STATE: usize = 128;

/// What of a state is kept.
pub(crate) fn hashed(state: &str) -> [u8; 32] {
    *blake3::hash(state.as_bytes()).as_bytes()
}

/// What was begun under this state. All are compared, whichever it is.
pub(crate) fn begun(state: &ApiState, returned: &str) -> Result<(HookId, GitHubBegun), Problem> {
    let hash = hashed(returned);
    let found = state.control().read(|view| {
        let mut found = None;
        for (id, begun) in &view.installation.state.github_begun {
            if bool::from(begun.state.ct_eq(&hash)) {
                found = Some((*id, begun.clone()));
            }
        }
        found
    });
    let fresh = found.filter(|(_, begun)| {
        (1..=MOST_STATE).contains(&returned.len()) && state.now() < begun.until
    });
    fresh.ok_or_else(|| {
        Problem::new(
            Kind::Conflict,
            "this address was used before, or is older than an hour, or never was one of this \
             installation; begin again: hythe source github-app create",
        )
    })
}

/// Finishes what was begun. It goes on where whoever asked is gone: a code serves once. The key of the
/// request, where it has one, is claimed with what is made.
pub(crate) async fn finish(
    state: &ApiState,
    meta: Meta,
    (code, returned): (&str, &str),
    once: Option<Once>,
) -> Result<HookId, Problem> {
    let code = ManifestCode::new(code).map_err(|bad| Problem::field("code", bad.to_string()))?;
    let (state, returned) = (state.clone(), returned.to_owned());
    let finishing =
        tokio::spawn(async move { made(&state, meta, (&code, &returned), once.as_ref()).await });
    finishing.await.map_err(|error| {
        tracing::error!(%error, "a GitHub App could not be finished");
        Problem::new(Kind::Internal, "see the server's log")
    })?
}

async fn made(
    state: &ApiState,
    meta: Meta,
    (code, returned): (&ManifestCode, &str),
    once: Option<&Once>,
) -> Result<HookId, Problem> {
    // One at a time: of two with the same state the second finds that it is used.
    let _turn = state.github_turn().await;
    let (id, begun) = begun(state, returned)?;
    let converted = match state.control().github().exchange(&begun.server, code).await {
        Ok(converted) => converted,
        Err(NotMade::Unanswered(why)) => {
            let detail = format!("{} did not answer: {why}; try the same again", begun.server);
            return Err(Problem::new(Kind::Unavailable, detail));
        }
        Err(NotMade::Refused(why)) => {
            give(state, meta, GitHubCommand::GiveUp { id }, With::default()).await?;
            let at = settings(&begun);
            let detail = format!(
                "{why}; the address cannot be used again: begin again with hythe source github-app \
                 create, and delete what may have been made at {at}"
            );
            return Err(Problem::new(Kind::Conflict, detail));
        }
    };
    let secrets = vec![
        put(state, id.app_secret(1), 1, &converted.secret),
        put(state, id.app_key(), 1, &converted.key),
    ];
    let command = GitHubCommand::Make { id, made: Box::new(converted.made), at: state.now() };
    let claim = once.map(|once| once.claim(id.uuid())).transpose()?;
    give(state, meta, command, With { claim, secrets }).await.map_err(|problem| {
        let why = problem.detail.trim_end_matches('.');
        let at = settings(&begun);
        let detail = format!("{why}; delete the App that was made at {at}, and begin again");
        Problem { detail: Problem::new(Kind::Conflict, detail).detail, ..problem }
    })?;
    Ok(id)
}

/// Where the Apps of whoever it was to belong to are listed.
fn settings(begun: &GitHubBegun) -> String {
    let server = &begun.server;
    match &begun.organization {
        Some(organization) => format!("{server}/organizations/{organization}/settings/apps"),
        None => format!("{server}/settings/apps"),
    }
}

/// A secret of an App, to be kept.
pub(crate) fn put(state: &ApiState, name: String, version: u64, value: &str) -> SecretChange {
    let (scope, value) = (state.control().installation().uuid(), value.as_bytes().to_vec());
    SecretChange::Put { scope, name, version, value: Secret::new(value) }
}

/// All versions of it, to be forgotten.
pub(crate) fn forget(state: &ApiState, name: String) -> SecretChange {
    SecretChange::Delete { scope: state.control().installation().uuid(), name }
}

/// Gives the installation a command about Apps.
pub(crate) async fn give(
    state: &ApiState,
    meta: Meta,
    command: GitHubCommand,
    with: With,
) -> Result<(), Problem> {
    let scope = state.control().installation().uuid();
    let command = InstallationCommand::GitHub(command);
    let given = state.command::<Installation>(scope, command, meta, with).await;
    given.map(drop).map_err(plane::problem)
}
