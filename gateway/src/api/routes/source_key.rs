//! An app's key for its repository over ssh: made here, its private half shown to nobody.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hythe_core::app::{ActiveApp, App, AppCommand, SourceKey as Made};
use hythe_core::ids::AppId;
use hythe_core::installation::SshKey;
use hythe_store::{Secret, SecretChange};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{MakeSourceKey, SourceKey};
use crate::api::extract::{Json, Which};
use crate::api::idempotency::{Asked, mark_replayed, once};
use crate::api::plane::With;
use crate::api::problem::{Kind, Problem};

/// Shows an app's key for its repository
///
/// Its public half. The private one never leaves the server but sealed, for the worker that fetches.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/source-key", operation_id = "get_source_key", tag = "sources",
    params(("app" = String, Path, description = "Name or id", example = "shop")),
    responses((status = 200, description = "The key", body = SourceKey), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<SourceKey>, Problem> {
    let (_, app) = state.app(&app)?;
    shown(&app)?.map(axum::Json).ok_or_else(|| {
        Problem::not_found(format!("{0} has no key yet: hythe source key {0}", app.name))
    })
}

fn shown(app: &ActiveApp) -> Result<Option<SourceKey>, Problem> {
    let Some(Made { key, version, at }) = &app.source_key else { return Ok(None) };
    let public = PublicKey::from_openssh(key.as_str()).map_err(broken)?;
    Ok(Some(SourceKey {
        public_key: format!("{key} hythe-{}", app.name),
        fingerprint: public.fingerprint(HashAlg::Sha256).to_string(),
        version: *version,
        made_at: (*at).into(),
    }))
}

/// Gives an app a key for its repository
///
/// Where it has one already, it keeps that, unless another one is asked for; the one before is gone
/// then, and builds use the new one from the next on. The key belongs to this app alone: its public
/// half goes to the repository as a deploy key that may read.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/source-key", operation_id = "make_source_key",
    tag = "sources",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = MakeSourceKey,
    responses((status = 200, description = "The key", body = SourceKey), WriteProblems)
)]
pub(crate) async fn make(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    body: Json<MakeSourceKey>,
) -> Result<Response, Problem> {
    let once = once(&asked, &body.hash, state.request_key())?;
    let answer = |id: AppId| {
        let (_, app) = state.app(&id.to_string())?;
        let key = shown(&app)?.ok_or_else(|| Problem::not_found("this app has no key"))?;
        Ok::<_, Problem>(axum::Json(key).into_response())
    };
    if let Some(before) = state.before(once.as_ref()).await? {
        return Ok(mark_replayed(answer(AppId::new(before.resource))?));
    }
    let (id, app) = state.app(&app)?;
    if app.source_key.is_some() && !body.value.rotate {
        return answer(id);
    }
    let (public, private) = pair().map_err(broken)?;
    let key = SshKey::parse(&public).map_err(broken)?;
    let (scope, name, version) = (id.uuid(), Made::SECRET.to_owned(), app.next_source_key());
    let value = Secret::new(private.as_bytes().to_vec());
    let secrets = vec![
        SecretChange::Delete { scope, name: name.clone() },
        SecretChange::Put { scope, name, version, value },
    ];
    let claim = once.as_ref().map(|once| once.claim(scope)).transpose()?;
    let command = AppCommand::SetSourceKey(Made { key, version, at: state.now() });
    let with = With { claim, secrets };
    match state.command::<App>(scope, command, state.meta(&asked), with).await {
        Ok(_) => answer(id),
        Err(error) => {
            let before = state.before_or(once.as_ref(), error).await?;
            Ok(mark_replayed(answer(AppId::new(before.resource))?))
        }
    }
}

/// A new pair: both halves as OpenSSH writes them.
fn pair() -> Result<(String, Zeroizing<String>), String> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(|error| error.to_string())?;
    let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
    let key = PrivateKey::new(pair, "").map_err(|error| error.to_string())?;
    let public = key.public_key().to_openssh().map_err(|error| error.to_string())?;
    let private = key.to_openssh(LineEnding::LF).map_err(|error| error.to_string())?;
    Ok((public, private))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn broken(error: impl ToString) -> Problem {
    tracing::error!(error = error.to_string(), "a key cannot be made or read");
    Problem::new(Kind::Internal, "the key cannot be made or read; see the server's log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_fits_together_and_each_is_another() {
        let (public, private) = pair().unwrap();
        let read = PrivateKey::from_openssh(private.as_bytes()).unwrap();
        assert_eq!(read.public_key().to_openssh().unwrap(), public);
        assert!(SshKey::parse(&public).is_ok());
        assert_ne!(pair().unwrap().0, public);
    }
}
