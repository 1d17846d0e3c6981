//! Fetches one commit of a git repository into a folder of its own.
//!
//! Git runs as a subprocess in its own process group, with argv and an environment that are ours
//! alone: no shell, no prompt, no hooks, no filters, no configuration of this machine. What a
//! person typed stands behind `--`. Time, disk, memory and output are bounded; whoever cancels ends
//! the whole group. Submodules and files of git LFS are fetched where that is asked for, and are named in
//! the build's log where it is not.

mod access;
mod command;
mod fault;
mod fetch;
mod lfs;
mod local;
mod mirrors;
mod ssh;
mod submodules;
#[cfg(test)]
mod tests;
mod through;
mod tree;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use hythe_core::names::{AppName, CommitId, RepositoryUrl};
use hythe_core::source::{Fetches, GitSource};
use tokio::sync::watch;

pub use access::Access;
pub(crate) use command::{
    CONFIG, Group, MOST_ALLOCATED, PIPES_WITHIN, SYNCED, first_bytes, size_up_to,
};
pub use fault::GitError;
pub use fetch::{fetch, resolve};
pub use mirrors::Mirrors;
pub(crate) use tree::few_entries;
pub use tree::{Judge, Seen, look};

/// How this installation fetches.
#[derive(Clone, Debug)]
pub struct GitSettings {
    /// The git program; looked for on `path` when it has no `/`.
    pub program: PathBuf,
    /// The PATH that git gets, for itself and for ssh.
    pub path: OsString,
    /// Folders below which `file://` repositories may lie; none, and `file://` is refused.
    pub local_repos: Vec<PathBuf>,
    /// Variables that go to git as they are: proxies and certificates of this machine.
    pub passed_on: Vec<(OsString, OsString)>,
    /// How long fetching and checking out may take together.
    pub within: Duration,
    /// The most bytes that a repository may take on disk: objects and checkout together.
    pub most_bytes: u64,
}

/// A source, who wants it, and what it may be reached with.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The source.
    pub source: &'a GitSource,
    /// The app that is made from it.
    pub app: &'a AppName,
    /// What it may be reached with.
    pub access: &'a Access,
    /// What is fetched besides the repository's own files.
    pub fetches: Fetches,
    /// How it is to be built, where what cannot be built is not to be checked out.
    pub judge: Option<Judge<'a>>,
    /// Told which commit was fetched, before it is checked out.
    pub found: Option<&'a watch::Sender<Option<CommitId>>>,
}

impl Wanted<'_> {
    /// What was fetched has this name. Where that is a tag which leads to a commit, the checkout says which.
    fn tell(&self, fetched: &str) {
        if let (Some(found), Ok(commit)) = (self.found, CommitId::new(fetched)) {
            found.send_replace(Some(commit));
        }
    }
}

impl Default for GitSettings {
    fn default() -> Self {
        Self {
            program: PathBuf::from("git"),
            path: std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()),
            local_repos: Vec::new(),
            passed_on: proxies(),
            within: Duration::from_secs(10 * 60),
            most_bytes: 2 * 1024 * 1024 * 1024,
        }
    }
}

/// What of this process's environment says how to reach the network.
fn proxies() -> Vec<(OsString, OsString)> {
    const NAMES: [&str; 10] = [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
        "SSL_CERT_FILE",
        "GIT_SSL_CAINFO",
    ];
    NAMES.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect()
}

/// One commit, checked out.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// Its files, without `.git`.
    pub tree: PathBuf,
    /// Which commit.
    pub commit: CommitId,
    /// When it was committed: seconds since the Unix epoch.
    pub committed_at: u64,
    /// The first line of its message.
    pub subject: String,
    /// The submodules that are in it.
    pub submodules: Vec<FetchedSubmodule>,
}

/// A submodule that was fetched.
#[derive(Clone, Debug)]
pub struct FetchedSubmodule {
    /// Where in the tree.
    pub path: String,
    /// From where.
    pub repository: RepositoryUrl,
    /// Which commit of it.
    pub commit: CommitId,
}
