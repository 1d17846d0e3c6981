//! What an app is made from and how it is to run: settings that people give.

use serde::{Deserialize, Serialize};

use crate::names::{BranchName, CommitId, RepositoryPath, RepositoryUrl};

/// Where the source lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The git repository.
    pub repository: RepositoryUrl,
    /// Which commit of it.
    pub reference: Reference,
}

/// Which commit of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reference {
    /// The newest commit of whatever branch the repository names as its own.
    DefaultBranch,
    /// The newest commit of a branch (or tag).
    Branch(BranchName),
    /// Exactly this commit.
    Commit(CommitId),
}

/// How the source becomes an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSettings {
    /// The Dockerfile; found by itself where none is given.
    pub dockerfile: Option<RepositoryPath>,
}

/// The most that one replica may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Bytes of memory; swap is not added to it.
    pub memory_bytes: u64,
    /// Thousandths of a CPU.
    pub cpu_millis: u32,
    /// Processes and threads.
    pub processes: u32,
}

impl Default for Resources {
    fn default() -> Self {
        Self { memory_bytes: 512 * 1024 * 1024, cpu_millis: 1_000, processes: 512 }
    }
}

impl Resources {
    /// The least memory that an engine gives a container: 6 MiB.
    pub const LEAST_MEMORY_BYTES: u64 = 6 * 1024 * 1024;
}
