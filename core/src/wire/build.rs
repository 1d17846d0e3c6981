//! Between control plane and build supervisors.

use serde::{Deserialize, Serialize};

use crate::deployment::{BuildOutcome, DeploymentSpec};
use crate::hook::PageUrl;
use crate::ids::{DeploymentId, WorkerId};
use crate::installation::{RegistryHost, RegistryUser, SourcePrefix, SourceUser, SshHost, SshKey};
use crate::time::Timestamp;
use crate::wire::worker::SealedEnvironment;

/// The most bytes of a [`BuildCommand`] on the wire. Builders read no longer ones.
pub const MOST_COMMAND_BYTES: usize = 1024 * 1024;

/// A build to do. Known by deployment and generation: a builder does each once, however often it
/// is told, and answers a repeated one with how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildCommand {
    /// Format of this message; 1.
    pub format: u16,
    /// What is built, and for which deployment.
    pub deployment: DeploymentId,
    /// Counts how often this build was given out, from 1. An older one is refused.
    pub generation: u32,
    /// Everything about the deployment.
    pub spec: DeploymentSpec,
    /// When the build fails.
    pub until: Timestamp,
    /// The environment variables that the build may read, once for each worker that is known. A
    /// builder that finds none for itself, where some are wanted, leaves the build to others.
    #[serde(default)]
    pub secrets: Vec<SealedFor>,
    /// The registries that it logs in to for the images that it begins with, once for each worker
    /// that is known; as above.
    #[serde(default)]
    pub registries: Vec<LoginsFor>,
    /// What it reaches its repository with, where that needs something; as above.
    #[serde(default)]
    pub access: Vec<AccessFor>,
    /// What GitHub Apps have to do with its repository, where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<GitHubAccess>,
    /// Whether the server takes the files of static sites: where not, each gets a container.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sites: bool,
}

/// What GitHub Apps have to do with the repository of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GitHubAccess {
    /// The token for these repositories is one that GitHub lent. The next build has another one, and reaches
    /// the same with it.
    Lent {
        /// Which repositories.
        prefix: SourcePrefix,
        /// Who lent it.
        installation: u64,
    },
    /// No App is installed on it; one could be, there.
    Installable {
        /// GitHub's page for that.
        page: PageUrl,
    },
}

/// What is sealed for one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedFor {
    /// The worker that can open it.
    pub worker: WorkerId,
    /// What it is to know.
    pub environment: SealedEnvironment,
}

/// Logins that are sealed for one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginsFor {
    /// The worker that can open it.
    pub worker: WorkerId,
    /// A [`SealedLogins`] in postcard, in a sealed box as a [`SealedEnvironment`] is.
    pub sealed: Vec<u8>,
}

/// What lies in a [`LoginsFor`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedLogins {
    /// For which deployment: they fit no other.
    pub deployment: DeploymentId,
    /// The logins.
    pub logins: Vec<SealedLogin>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedLogin {
    /// The registry.
    pub host: RegistryHost,
    /// Who logs in.
    pub user: RegistryUser,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for SealedLogins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedLogins({}, {} logins)", self.deployment, self.logins.len())
    }
}

impl std::fmt::Debug for SealedLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedLogin({} at {})", self.user, self.host)
    }
}

/// What is needed to reach a repository, sealed for one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessFor {
    /// The worker that can open it.
    pub worker: WorkerId,
    /// A [`SealedAccess`] in postcard, in a sealed box as a [`SealedEnvironment`] is.
    pub sealed: Vec<u8>,
}

/// What lies in an [`AccessFor`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedAccess {
    /// For which deployment: it fits no other.
    pub deployment: DeploymentId,
    /// The tokens for repositories of that host.
    pub tokens: Vec<SealedToken>,
    /// The app's private key, as OpenSSH writes it.
    pub key: Option<String>,
    /// What the host is known by over ssh.
    pub hosts: Vec<KnownHost>,
}

/// A token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedToken {
    /// What it is for.
    pub prefix: SourcePrefix,
    /// The name that goes with it.
    pub user: SourceUser,
    /// The token.
    pub password: String,
}

/// A host, and what it is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownHost {
    /// The host.
    pub host: SshHost,
    /// Its keys: any of them is good.
    pub keys: Vec<SshKey>,
}

impl std::fmt::Debug for SealedAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedAccess({}, {} tokens)", self.deployment, self.tokens.len())
    }
}

impl std::fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedToken({} for {})", self.user, self.prefix)
    }
}

/// How a build stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildReport {
    /// Format of this message; 1.
    pub format: u16,
    /// Who builds.
    pub worker: WorkerId,
    /// For which deployment.
    pub deployment: DeploymentId,
    /// Which giving out.
    pub generation: u32,
    /// How it stands.
    pub progress: BuildProgress,
    /// When this was written, by the builder's clock.
    pub at: Timestamp,
}

/// How a build stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildProgress {
    /// It was taken on: durably, the builder will report its end.
    Accepted,
    /// It goes on.
    Running,
    /// It ended. Never sent for a build that was cancelled.
    Finished(BuildOutcome),
    /// It was cancelled, and nothing of it runs any more.
    Cancelled,
}
