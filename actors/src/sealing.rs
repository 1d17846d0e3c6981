//! Environments, logins and what reaches repositories, on their way to a worker: values out of the secret table into a box that
//! only that worker can open.
//!
//! Each container of an app also gets the app's own secret. It is derived, always the same, of what is in a
//! backup: it stands in no event and in no table, and outlives the machine. No build gets it.

use std::collections::BTreeMap;

use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use hythe_core::app::SourceKey;
use hythe_core::argv::Argv;
use hythe_core::ids::{AppId, DeploymentId, InstallationId, RunId};
use hythe_core::installation::{
    Installation, RegistryHost, RegistryLogin, SourcePrefix, SourceUser, SshHost,
};
use hythe_core::names::{AppName, EnvName};
use hythe_core::repository::Location;
use hythe_core::wire::build::{KnownHost, SealedAccess, SealedLogin, SealedLogins, SealedToken};
use hythe_core::wire::run::SealedRun;
use hythe_core::wire::worker::{SealedContent, SealedEnvironment, SealingKey};
use hythe_store::Journal;
use zeroize::{Zeroize, Zeroizing};

use crate::uploads::hex;

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

/// The variable with the app's own secret. Detection writes its name into images.
const OWN_SECRET: &str = "HYTHE_SECRET";

/// Puts the values of `env` and the app's own secret in a box for the worker of `key`, for containers.
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
    let mut variables = values(journal, app, env)?;
    add_own_secret(journal, app, &mut variables)?;
    seal_content(SealedContent { deployment, variables }, key)
}

/// Puts the values of `env` in a box for the worker of `key`, for a build.
///
/// # Errors
/// See [`SealError`].
pub(crate) fn seal_for_build(
    journal: &Journal,
    app: AppId,
    deployment: DeploymentId,
    env: &BTreeMap<EnvName, u64>,
    key: SealingKey,
) -> Result<SealedEnvironment, SealError> {
    if env.is_empty() {
        return Ok(SealedEnvironment::default());
    }
    seal_content(SealedContent { deployment, variables: values(journal, app, env)? }, key)
}

fn seal_content(
    mut content: SealedContent,
    key: SealingKey,
) -> Result<SealedEnvironment, SealError> {
    let plain = postcard::to_stdvec(&content).map(Zeroizing::new);
    content.variables.iter_mut().for_each(|(_, value)| value.zeroize());
    let plain = plain.map_err(|error| SealError::Broken(error.to_string()))?;
    close(&plain, key).map(SealedEnvironment)
}

/// Adds the app's own secret, 64 hexadecimal digits, unless people gave one of that name: so they can change it.
fn add_own_secret(
    journal: &Journal,
    app: AppId,
    variables: &mut Vec<(EnvName, String)>,
) -> Result<(), SealError> {
    if variables.iter().any(|(name, _)| name.as_str() == OWN_SECRET) {
        return Ok(());
    }
    let name = EnvName::new(OWN_SECRET).map_err(|bad| SealError::Broken(bad.to_string()))?;
    let secret = journal.derive_key(&format!("app-secret/{}", app.uuid()));
    let secret = secret.map_err(|error| SealError::Broken(error.to_string()))?;
    variables.push((name, hex(secret.as_slice())));
    Ok(())
}

/// The values of an app's variables.
fn values(
    journal: &Journal,
    app: AppId,
    env: &BTreeMap<EnvName, u64>,
) -> Result<Vec<(EnvName, String)>, SealError> {
    let mut variables = Vec::with_capacity(env.len());
    for (name, version) in env {
        let value = value(journal, app.uuid(), name.as_str(), *version)?
            .ok_or_else(|| SealError::Gone { name: name.clone() })?;
        variables.push((name.clone(), value));
    }
    Ok(variables)
}

/// Puts a command that is run once in a box for the worker of `key`, with the values of `env`, the
/// variables given with it, which go before those, and the app's own secret.
pub(crate) fn seal_run(
    journal: &Journal,
    app: AppId,
    env: &BTreeMap<EnvName, u64>,
    run: RunId,
    (command, given): (Argv, Vec<(EnvName, String)>),
    key: SealingKey,
) -> Result<Vec<u8>, SealError> {
    let mut variables = values(journal, app, env)?;
    variables.retain(|(name, _)| given.iter().all(|(other, _)| other != name));
    variables.extend(given);
    add_own_secret(journal, app, &mut variables)?;
    let mut content = SealedRun { run, command, variables };
    let plain = postcard::to_stdvec(&content).map(Zeroizing::new);
    content.variables.iter_mut().for_each(|(_, value)| value.zeroize());
    close(&plain.map_err(|error| SealError::Broken(error.to_string()))?, key)
}

fn close(plain: &[u8], key: SealingKey) -> Result<Vec<u8>, SealError> {
    let sealed = PublicKey::from(key.0).seal(&mut OsRng, plain);
    sealed.map_err(|error| SealError::Broken(error.to_string()))
}

/// The logins of a build, out of the secret table. Wiped when dropped.
pub(crate) struct Logins {
    content: SealedLogins,
    /// The registries whose password is not there.
    pub(crate) missing: Vec<RegistryHost>,
}

impl Logins {
    /// Reads the passwords of these registries.
    pub(crate) fn read(
        journal: &Journal,
        installation: InstallationId,
        deployment: DeploymentId,
        registries: &BTreeMap<RegistryHost, RegistryLogin>,
    ) -> Result<Self, SealError> {
        let content = SealedLogins { deployment, logins: Vec::with_capacity(registries.len()) };
        let mut this = Self { content, missing: Vec::new() };
        for (host, RegistryLogin { user, version, at: _ }) in registries {
            let Some(password) = value(journal, installation.uuid(), &host.secret(), *version)?
            else {
                this.missing.push(host.clone());
                continue;
            };
            let (host, user) = (host.clone(), user.clone());
            this.content.logins.push(SealedLogin { host, user, password });
        }
        Ok(this)
    }

    /// Puts them in a box for the worker of `key`.
    pub(crate) fn seal(&self, key: SealingKey) -> Result<Vec<u8>, SealError> {
        let plain = postcard::to_stdvec(&self.content).map(Zeroizing::new);
        close(&plain.map_err(|error| SealError::Broken(error.to_string()))?, key)
    }
}

impl Drop for Logins {
    fn drop(&mut self) {
        self.content.logins.iter_mut().for_each(|login| login.password.zeroize());
    }
}

/// What a build reaches its repository with, out of the secret table. Wiped when dropped.
pub(crate) struct Access {
    content: SealedAccess,
    /// What is not there, and what gives it anew.
    pub(crate) missing: Vec<String>,
}

impl Access {
    /// Reads what a repository at this place needs: over https the tokens for its host, over ssh the
    /// app's key and what the host is known by.
    pub(crate) fn read(
        journal: &Journal,
        (installation, state): (InstallationId, &Installation),
        deployment: DeploymentId,
        (app, name, key): (AppId, &AppName, Option<&SourceKey>),
        repository: &Location,
    ) -> Result<Self, SealError> {
        let content = SealedAccess { deployment, tokens: vec![], key: None, hosts: vec![] };
        let mut this = Self { content, missing: Vec::new() };
        for (prefix, token) in state.source_tokens_at(repository) {
            match value(journal, installation.uuid(), &prefix.secret(), token.version)? {
                Some(password) => {
                    let (prefix, user) = (prefix.clone(), token.user.clone());
                    this.content.tokens.push(SealedToken { prefix, user, password });
                }
                None => this.missing.push(format!("hythe source token set {prefix}")),
            }
        }
        let Some(host) = SshHost::of(repository) else { return Ok(this) };
        this.content.hosts = vec![KnownHost { keys: state.keys_of(&host), host }];
        if let Some(key) = key {
            this.content.key = value(journal, app.uuid(), SourceKey::SECRET, key.version)?;
            if this.content.key.is_none() {
                this.missing.push(format!("hythe source key {name} --rotate"));
            }
        }
        Ok(this)
    }

    /// Adds a token that GitHub lent for these repositories.
    pub(crate) fn lend(&mut self, prefix: SourcePrefix, user: SourceUser, token: &str) {
        // One that people gave for the very same serves no more while GitHub lends one.
        self.content.tokens.retain(|token| token.prefix != prefix);
        self.content.tokens.push(SealedToken { prefix, user, password: token.to_owned() });
    }

    /// Whether there is nothing that a builder would need.
    pub(crate) fn is_empty(&self) -> bool {
        self.content.tokens.is_empty() && self.content.hosts.is_empty()
    }

    /// Puts it in a box for the worker of `key`.
    pub(crate) fn seal(&self, key: SealingKey) -> Result<Vec<u8>, SealError> {
        let plain = postcard::to_stdvec(&self.content).map(Zeroizing::new);
        close(&plain.map_err(|error| SealError::Broken(error.to_string()))?, key)
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        self.content.tokens.iter_mut().for_each(|token| token.password.zeroize());
        self.content.key.zeroize();
    }
}

/// A secret's value; none where it is not there.
pub(crate) fn value(
    journal: &Journal,
    scope: uuid::Uuid,
    name: &str,
    version: u64,
) -> Result<Option<String>, SealError> {
    let broken = |error: String| SealError::Broken(error);
    let secret = journal.secret(scope, name, version).map_err(|error| broken(error.to_string()))?;
    let text = secret.map(|secret| std::str::from_utf8(secret.expose()).map(str::to_owned));
    text.transpose().map_err(|error| broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use crypto_box::SecretKey;
    use hythe_store::JournalOptions;
    use uuid::Uuid;

    use super::*;

    const APP: AppId = AppId::new(Uuid::from_u128(1));
    const OTHER: AppId = AppId::new(Uuid::from_u128(2));
    const DEPLOYMENT: DeploymentId = DeploymentId::new(Uuid::from_u128(3));

    fn open(dir: &tempfile::TempDir) -> Journal {
        Journal::open(dir.path(), JournalOptions::default()).unwrap()
    }

    /// What a container of an app would find.
    fn of_container(journal: &Journal, app: AppId) -> Vec<(EnvName, String)> {
        let key = SecretKey::generate(&mut OsRng);
        let public = SealingKey(key.public_key().to_bytes());
        let sealed = seal(journal, app, DEPLOYMENT, &BTreeMap::new(), public).unwrap();
        let content: SealedContent = postcard::from_bytes(&key.unseal(&sealed.0).unwrap()).unwrap();
        assert_eq!(content.deployment, DEPLOYMENT);
        content.variables
    }

    /// What a command that is run once would find.
    fn of_run(journal: &Journal, given: Vec<(EnvName, String)>) -> Vec<(EnvName, String)> {
        let key = SecretKey::generate(&mut OsRng);
        let public = SealingKey(key.public_key().to_bytes());
        let command = Argv::new(vec!["env".to_owned()]).unwrap();
        let run = RunId::new(Uuid::from_u128(4));
        let what = (command, given);
        let sealed = seal_run(journal, APP, &BTreeMap::new(), run, what, public).unwrap();
        let content: SealedRun = postcard::from_bytes(&key.unseal(&sealed).unwrap()).unwrap();
        content.variables
    }

    #[test]
    fn all_containers_of_an_app_have_one_secret_which_no_other_app_has() {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(&dir);
        let own = of_container(&journal, APP);
        let [(name, value)] = &own[..] else { panic!("{} variables", own.len()) };
        assert_eq!(name.as_str(), OWN_SECRET);
        assert!(value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(of_run(&journal, vec![]), own);
        assert_ne!(of_container(&journal, OTHER), own);
        drop(journal);
        assert_eq!(of_container(&open(&dir), APP), own, "a restart changes nothing");
        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(of_container(&open(&elsewhere), APP), own, "another installation");
    }

    #[test]
    fn one_that_people_give_goes_before_the_secret_of_the_app() {
        let dir = tempfile::tempdir().unwrap();
        let given = vec![(EnvName::new(OWN_SECRET).unwrap(), "given".to_owned())];
        assert_eq!(of_run(&open(&dir), given.clone()), given);
    }

    #[test]
    fn a_build_does_not_get_the_secret_of_the_app() {
        let dir = tempfile::tempdir().unwrap();
        let key = SealingKey(SecretKey::generate(&mut OsRng).public_key().to_bytes());
        let env = BTreeMap::new();
        let sealed = seal_for_build(&open(&dir), APP, DEPLOYMENT, &env, key).unwrap();
        assert_eq!(sealed, SealedEnvironment::default());
    }
}
