//! Environments on their way to a worker: values out of the secret table into a box that only that
//! worker can open.

use std::collections::BTreeMap;

use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::names::EnvName;
use hythe_core::wire::worker::{SealedContent, SealedEnvironment, SealingKey};
use hythe_store::Journal;
use zeroize::{Zeroize, Zeroizing};

/// Why an environment could not be sealed. Never says a value.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A value is not there (any more).
    #[error("the value of {name} is gone; set it again and deploy")]
    Gone {
        /// The variable.
        name: EnvName,
    },
    /// The store or the cipher failed.
    #[error("seal the environment: {0}")]
    Broken(String),
}

/// Puts the values of `env` in a box for the worker of `key`.
///
/// # Errors
/// See [`SealError`].
pub fn seal(
    journal: &Journal,
    app: AppId,
    deployment: DeploymentId,
    env: &BTreeMap<EnvName, u64>,
    key: SealingKey,
) -> Result<SealedEnvironment, SealError> {
    if env.is_empty() {
        return Ok(SealedEnvironment::default());
    }
    let broken = |error: String| SealError::Broken(error);
    let mut content = SealedContent { deployment, variables: Vec::with_capacity(env.len()) };
    for (name, version) in env {
        let secret = journal
            .secret(app.uuid(), name.as_str(), *version)
            .map_err(|error| broken(error.to_string()))?
            .ok_or_else(|| SealError::Gone { name: name.clone() })?;
        let value =
            std::str::from_utf8(secret.expose()).map_err(|error| broken(error.to_string()))?;
        content.variables.push((name.clone(), value.to_owned()));
    }
    let plain = postcard::to_stdvec(&content).map(Zeroizing::new);
    content.variables.iter_mut().for_each(|(_, value)| value.zeroize());
    let plain = plain.map_err(|error| broken(error.to_string()))?;
    let sealed = PublicKey::from(key.0).seal(&mut OsRng, &plain);
    sealed.map(SealedEnvironment).map_err(|error| broken(error.to_string()))
}
