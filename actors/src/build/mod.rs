//! The build supervisor: takes builds on, sees each through, and says how it ended.
//!
//! - A build is in the ledger before anybody hears that it was accepted, and the message that
//!   brought it is acknowledged only then. Whatever is killed, it is built and reported.
//! - Each build is known by deployment and generation and is done once; a repeated command is
//!   answered with how it stands.
//! - Only as many commands are fetched as there are free slots, so that what one builder cannot
//!   begin is there for another, and what only waits is not taken for what is built.
//! - Whoever ends a build (a cancel, its deadline, the end of this process) ends what it runs:
//!   git's process group, and the engine's build by cutting its connections.
//!
//! The supervisor is one actor that only keeps the list of what runs; nothing in its handlers
//! waits. The ledger's transactions are what puts commands, cancels and ends in order.

mod access;
mod buildkit;
mod cache;
mod cgroup;
mod checkout;
mod context;
mod copy;
mod dockerignore;
mod engine;
mod fetching;
mod firewall;
mod guard;
mod image_notes;
mod intake;
mod ledger;
mod left_alone;
mod log;
mod planning;
mod pressure;
mod publish;
mod reach;
mod registries;
mod run;
mod secrets;
mod session;
mod site;
mod sources;
mod steps;
mod supervisor;
#[cfg(test)]
pub(crate) mod tests;
mod texts;
mod transfer;
mod upload;
mod work;

use std::path::PathBuf;

use hythe_core::detect::BaseImages;
use hythe_core::ids::{InstallationId, WorkerId};
use hythe_core::wire::subjects::DEFAULT_POOL;

use crate::git::GitSettings;

pub use cgroup::BuildLimits;
pub use firewall::{Confinement, Network};
pub use guard::GuardSettings;
pub use ledger::LedgerError;
pub use supervisor::{BuildSupervisor, BuilderError};
pub use texts::read_texts;

#[cfg(test)]
pub(crate) use checkout::paths as checkout_listing;

/// How many builds a machine does at once unless told otherwise: what is left of it is for apps.
#[must_use]
pub fn builds_at_once() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).max(1)
}

/// How this builder works.
#[derive(Clone, Debug)]
pub struct BuilderSettings {
    /// The worker that it belongs to.
    pub worker: WorkerId,
    /// The installation: images bear it as a label.
    pub installation: InstallationId,
    /// A folder of its own: the ledger, mirrors of repositories, and the scratch folders of builds.
    pub data: PathBuf,
    /// The engine's Unix socket.
    pub engine: PathBuf,
    /// The pool of builders whose commands it takes.
    pub pool: String,
    /// Builds at once; at least one.
    pub at_once: usize,
    /// What builds are kept to.
    pub guard: GuardSettings,
    /// Where the images come from that apps without a Dockerfile are built on.
    pub base_images: BaseImages,
    /// The file of the key that environments are sealed with for its worker.
    pub sealing_key: PathBuf,
    /// How sources are fetched.
    pub git: GitSettings,
}

impl BuilderSettings {
    /// The usual settings: half as many builds at once as there are processors, at least one.
    #[must_use]
    pub fn new(worker: WorkerId, installation: InstallationId, data: PathBuf) -> Self {
        Self {
            worker,
            installation,
            sealing_key: data.join("sealing.key"),
            data,
            engine: PathBuf::from("/var/run/docker.sock"),
            pool: DEFAULT_POOL.to_owned(),
            at_once: builds_at_once(),
            guard: GuardSettings::default(),
            base_images: BaseImages::default(),
            git: GitSettings::default(),
        }
    }

    fn mirrors(&self) -> PathBuf {
        self.data.join("mirrors")
    }

    fn scratch(&self) -> PathBuf {
        self.data.join("scratch")
    }
}
