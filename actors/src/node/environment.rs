//! What a replica finds in its environment, and how its secrets are kept out of what is reported.
//!
//! Invariants: values leave the sealed box only on their way into a container. `PORT` is what the
//! edge uses, whatever the app's own settings say.

use std::path::Path;

use crypto_box::SecretKey;
use hythe_core::ids::DeploymentId;
use hythe_core::names::EnvName;
use hythe_core::plan::ReplicaKey;
use hythe_core::wire::worker::{Assignment, SealedContent, SealedEnvironment, SealingKey};
use hythe_store::durable::put_in_place;
use hythe_store::steps::Step;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::docker::files;
use crate::mask::Mask;

/// Shorter values are not masked: they are in ordinary words.
const LEAST_MASKED: usize = 6;
/// Names that Hythe sets; the app's own settings of them are ignored.
const OWN: [&str; 4] = ["PORT", "HYTHE_APP", "HYTHE_DEPLOYMENT", "HYTHE_REPLICA"];

/// Why an environment cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// It was sealed for another key.
    #[error("its environment was sealed for another key of this worker; deploy it again")]
    Sealed,
    /// It is for another deployment.
    #[error("its environment belongs to another deployment")]
    Foreign,
    /// A file is to hold a value that there is not.
    #[error("{0}")]
    File(String),
    /// There is no memory to open it in.
    #[error("open what was sealed for this worker: {0}")]
    Memory(String),
    /// The key's file cannot be used.
    #[error("use the sealing key in {path}: {why}")]
    Key {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
}

/// The pair of keys that environments are sealed with for this worker, or the fleet's key for an edge.
#[derive(Clone)]
pub struct Keys {
    secret: SecretKey,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    /// Reads the secret key, or mints one and writes it for this user only.
    ///
    /// # Errors
    /// Where the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, EnvironmentError> {
        let fault = |why: String| EnvironmentError::Key { path: path.display().to_string(), why };
        match std::fs::read(path) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                let key = <[u8; 32]>::try_from(bytes.as_slice())
                    .map_err(|_| fault("it does not hold 32 bytes".into()))?;
                Ok(Self { secret: SecretKey::from_bytes(key) })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).map_err(|error| fault(error.to_string()))?;
                // Written beside it first: half a key would lock this worker out.
                let fresh = path.with_extension("new");
                let write = || {
                    let mut options = std::fs::OpenOptions::new();
                    options.write(true).create(true).truncate(true).mode(0o600);
                    let mut file = options.open(&fresh)?;
                    file.write_all(&key)?;
                    file.sync_all()?;
                    put_in_place(&fresh, path, Step::SealingKeyMinted)
                };
                write().map_err(|error| fault(error.to_string()))?;
                let secret = SecretKey::from_bytes(key);
                key.zeroize();
                Ok(Self { secret })
            }
            Err(error) => Err(fault(error.to_string())),
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> SealingKey {
        SealingKey(self.secret.public_key().to_bytes())
    }

    /// Opens the environment of an assignment.
    pub(crate) fn open_environment(
        &self,
        assignment: &Assignment,
    ) -> Result<Environment, EnvironmentError> {
        self.open_sealed(&assignment.environment, assignment.deployment)
    }

    /// Opens a box that was sealed for these keys.
    ///
    /// # Errors
    /// Where it was sealed for others.
    pub fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvironmentError> {
        self.secret.unseal(sealed).map(Zeroizing::new).map_err(|_| EnvironmentError::Sealed)
    }

    /// Opens what was sealed for a deployment.
    pub(crate) fn open_sealed(
        &self,
        SealedEnvironment(sealed): &SealedEnvironment,
        deployment: DeploymentId,
    ) -> Result<Environment, EnvironmentError> {
        if sealed.is_empty() {
            return Ok(Environment { variables: Vec::new() });
        }
        let bytes = self.unseal(sealed)?;
        let content: SealedContent =
            postcard::from_bytes(&bytes).map_err(|_| EnvironmentError::Sealed)?;
        if content.deployment != deployment {
            return Err(EnvironmentError::Foreign);
        }
        let variables = content
            .variables
            .into_iter()
            .map(|(name, value)| (name.as_str().to_owned(), Zeroizing::new(value)))
            .collect();
        Ok(Environment { variables })
    }
}

/// An environment that was opened.
pub(crate) struct Environment {
    variables: Vec<(String, Zeroizing<String>)>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.variables.len())
    }
}

impl Environment {
    /// As the engine takes it, `NAME=value`, with what Hythe sets.
    pub(crate) fn for_container(&self, assignment: &Assignment, key: ReplicaKey) -> Vec<String> {
        let own = [
            assignment.port.to_string(),
            assignment.app_name.to_string(),
            key.deployment.to_string(),
            assignment.run.name(key.index),
        ];
        let in_files = assignment.run.inside.in_files();
        let given = self.variables.iter().filter(|(name, _)| {
            let in_file = in_files.iter().any(|other| other.as_str() == name);
            !OWN.contains(&name.as_str()) && !in_file
        });
        given
            .map(|(name, value)| format!("{name}={}", value.as_str()))
            .chain(OWN.iter().zip(own).map(|(name, value)| format!("{name}={value}")))
            .collect()
    }

    /// The values that stand in files of the container; none where none do.
    pub(crate) fn archive(
        &self,
        assignment: &Assignment,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, EnvironmentError> {
        let value = |name: &EnvName| {
            let found = self.variables.iter().find(|(known, _)| known == name.as_str());
            found.map(|(_, value)| value.as_str())
        };
        files::archive(&assignment.run.inside, value).map_err(EnvironmentError::File)
    }

    /// What people should know about it, for the replica's log.
    pub(crate) fn remarks(&self, assignment: &Assignment) -> Vec<String> {
        let given = self.variables.iter().filter(|(name, value)| {
            name == OWN[0] && value.as_str() != assignment.port.to_string()
        });
        given
            .map(|_| {
                format!(
                    "the variable PORT is set by Hythe ({}); the app's own setting of it is ignored",
                    assignment.port
                )
            })
            .collect()
    }

    /// Finds its values in texts.
    pub(crate) fn masker(&self) -> Mask {
        Mask::of(self.variables.iter().map(|(_, value)| value.as_str()), LEAST_MASKED)
    }

    /// Names and values.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
