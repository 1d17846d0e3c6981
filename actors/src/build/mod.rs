//! The build supervisor: takes builds on, sees each through, and says how it ended.
//!
//! - A build is in the ledger before anybody hears that it was accepted, and the message that
//!   brought it is acknowledged only then. Whatever is killed, it is built and reported.
//! - Each build is known by deployment and generation and is done once; a repeated command is
//!   answered with how it stands.
//! - Only as many commands are fetched as there are free slots, so that what one builder cannot
//!   begin is there for another.
//! - Whoever ends a build (a cancel, its deadline, the end of this process) ends what it runs:
//!   git's process group, and the engine's build by cutting its connections.
//!
//! The supervisor is one actor that only keeps the list of what runs; nothing in its handlers
//! waits. The ledger's transactions are what puts commands, cancels and ends in order.

mod buildkit;
mod checkout;
mod context;
mod dockerignore;
mod engine;
mod intake;
mod ledger;
mod log;
mod publish;
mod run;
mod session;
mod steps;
mod supervisor;
#[cfg(test)]
mod tests;
mod transfer;
mod work;

use std::path::PathBuf;

use hythe_core::detect::StaticSite;
use hythe_core::ids::{InstallationId, WorkerId};
use hythe_core::wire::subjects::DEFAULT_POOL;

use crate::git::GitSettings;

pub use ledger::LedgerError;
pub use supervisor::{BuildSupervisor, BuilderError};

/// How this builder works.
#[derive(Clone, Debug)]
pub struct BuilderSettings {
    /// The worker that it belongs to.
    pub worker: WorkerId,
    /// The installation: images bear it as a label.
    pub installation: InstallationId,
    /// A folder of its own: the ledger, and the scratch folders of builds.
    pub data: PathBuf,
    /// The engine's Unix socket.
    pub engine: PathBuf,
    /// The pool of builders whose commands it takes.
    pub pool: String,
    /// Builds at once; at least one.
    pub at_once: usize,
    /// The image that serves static files: busybox's `httpd` and `sh` must be in it.
    pub static_image: String,
    /// How sources are fetched.
    pub git: GitSettings,
}

impl BuilderSettings {
    /// The usual settings: two builds at once, or half as many as there are processors.
    #[must_use]
    pub fn new(worker: WorkerId, installation: InstallationId, data: PathBuf) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            worker,
            installation,
            data,
            engine: PathBuf::from("/var/run/docker.sock"),
            pool: DEFAULT_POOL.to_owned(),
            at_once: (processors / 2).max(2),
            static_image: StaticSite::BASE_IMAGE.to_owned(),
            git: GitSettings::default(),
        }
    }

    fn scratch(&self) -> PathBuf {
        self.data.join("scratch")
    }
}
