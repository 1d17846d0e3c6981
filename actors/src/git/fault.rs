//! What went wrong with a fetch, in words for the person who gave the URL.

mod explain;

use std::io;
use std::time::Duration;

use hythe_core::installation::{SourcePrefix, SourceUser, SshHost};
use hythe_core::limits::{MOST_SUBMODULE_DEPTH, MOST_SUBMODULES};
use hythe_core::names::{AppName, BranchName, CommitId, TagName};

pub(super) use self::explain::{Meaning, explain, meaning, no_such, no_such_of, said};

/// Why a commit could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no repository at the URL.
    #[error("the repository {url} was not found; check its spelling{hint}")]
    NotFound {
        /// The URL.
        url: String,
        /// What else it may be.
        hint: String,
    },
    /// The repository has no commit yet.
    #[error("{url} has no commit yet; push one, or name the branch to build")]
    Empty {
        /// The URL.
        url: String,
    },
    /// It has no such branch or tag.
    #[error("{url} has no branch or tag {branch}{near}")]
    NoSuchBranch {
        /// What was asked for.
        branch: BranchName,
        /// The URL.
        url: String,
        /// What it has instead.
        near: String,
    },
    /// It has no such tag.
    #[error("{url} has no tag {tag}{near}")]
    NoSuchTag {
        /// What was asked for.
        tag: TagName,
        /// The URL.
        url: String,
        /// What it has instead.
        near: String,
    },
    /// Nothing says how it is built.
    #[error("{why}")]
    NotBuildable {
        /// What was looked for, and what to do.
        why: String,
    },
    /// What it says of submodules cannot be used.
    #[error("its submodules cannot be fetched: {why}")]
    BadSubmodules {
        /// What is wrong.
        why: String,
    },
    /// There are too many, or they lie too deep.
    #[error(
        "its submodules are more than are fetched: at most {MOST_SUBMODULES}, at most \
         {MOST_SUBMODULE_DEPTH} within each other; {path} is one more"
    )]
    ManySubmodules {
        /// The first that is too much.
        path: String,
    },
    /// One of them cannot be had.
    #[error("the submodule {path} cannot be fetched: {error}")]
    Submodule {
        /// Where it would be.
        path: String,
        /// Why.
        error: Box<GitError>,
    },
    /// There is no git-lfs.
    #[error(
        "the builder has no git-lfs to fetch the files with that git LFS keeps elsewhere; install \
         git-lfs on it, or do without them: hythe app set APP --no-lfs"
    )]
    NoLfs,
    /// git-lfs could not fetch a file.
    #[error(
        "a file that git LFS keeps elsewhere cannot be fetched: {said}. Its server is taken to be \
         that of the repository, and is asked with the same token or key"
    )]
    Lfs {
        /// The last lines that git-lfs wrote.
        said: String,
    },
    /// It has no such commit.
    #[error("{url} has no commit {commit}, or no branch leads to it any more")]
    CommitNotFound {
        /// What was asked for.
        commit: CommitId,
        /// The URL.
        url: String,
    },
    /// It is private, or is not there: servers do not tell which.
    #[error(
        "{url} is private or does not exist: its server asks for credentials, and Hythe has none \
         for it. Check the URL, or give Hythe a token that may read it: \
         hythe source token set {place} --username NAME --password-stdin{install}"
    )]
    NeedsCredentials {
        /// The URL.
        url: String,
        /// What a token would be for.
        place: String,
        /// Where a GitHub App could be installed on it.
        install: String,
    },
    /// What GitHub lent does not open it.
    #[error(
        "{url} was not given out, though GitHub lent a token for it; deploy again, and see at GitHub \
         whether the App is still installed on it"
    )]
    LoanRefused {
        /// The URL.
        url: String,
    },
    /// The token that there is does not open it.
    #[error(
        "{url} was not given out: its server was told the token of {user} for {prefix} and did not \
         take it for this repository. It may have expired, or may not read it; give Hythe another \
         one: hythe source token set {prefix} --username NAME --password-stdin"
    )]
    TokenRefused {
        /// The URL.
        url: String,
        /// What the token is for.
        prefix: SourcePrefix,
        /// The name that goes with it.
        user: SourceUser,
    },
    /// Its server says that it is elsewhere.
    #[error(
        "{url} has moved: its server sends on to another address, which a token does not go along \
         to; use the repository's new URL"
    )]
    Moved {
        /// The URL.
        url: String,
    },
    /// The app has no key for ssh.
    #[error(
        "{url} is reached over ssh, and {app} has no key for that: run hythe source key {app}, give \
         the key that it shows to the repository as a deploy key, and deploy again"
    )]
    NoDeployKey {
        /// The URL.
        url: String,
        /// The app.
        app: AppName,
    },
    /// The host does not take it.
    #[error(
        "{url} did not take the key of {app}: give the key that hythe source key {app} shows to the \
         repository as a deploy key (it needs to read only), and deploy again"
    )]
    KeyRefused {
        /// The URL.
        url: String,
        /// The app.
        app: AppName,
    },
    /// Its host does not answer.
    #[error("the host of {url} cannot be reached: {why}")]
    Unreachable {
        /// The URL.
        url: String,
        /// What git said.
        why: String,
    },
    /// Its certificate is not trusted here.
    #[error("the certificate of {url} is not trusted by the builder: {why}")]
    Untrusted {
        /// The URL.
        url: String,
        /// What git said.
        why: String,
    },
    /// ssh does not know the host.
    #[error(
        "the key of the host {host} is not known. See what it has with: ssh-keyscan {at}; compare \
         it with what the host's owner publishes, and add it: \
         hythe source host add {host} --key 'ssh-ed25519 AAAA…'",
        at = scanned(host)
    )]
    HostKeyUnknown {
        /// The host.
        host: SshHost,
    },
    /// The host shows another key than it should.
    #[error(
        "the host {host} shows another key than the one that it is known by: somebody may be in \
         between, and nothing was sent to it. If its owner says that the key has changed, add the \
         new one: hythe source host add {host} --key 'ssh-ed25519 AAAA…'"
    )]
    HostKeyChanged {
        /// The host.
        host: SshHost,
    },
    /// There is no ssh.
    #[error("the builder has no ssh to reach {url} with; install openssh-client on it")]
    NoSsh {
        /// The URL.
        url: String,
    },
    /// The URL's protocol is not allowed.
    #[error("{scheme}:// is not allowed; use https:// or ssh://")]
    ProtocolNotAllowed {
        /// The protocol.
        scheme: String,
    },
    /// `file://` outside of the allowed folders.
    #[error(
        "file://{path} is not allowed: it lies in none of the folders that the builder was started \
         with as --local-repos"
    )]
    LocalNotAllowed {
        /// The path.
        path: String,
    },
    /// It is too large.
    #[error("the repository takes more than {} MiB; that is the builder's limit", most / 1_048_576)]
    TooLarge {
        /// The limit in bytes.
        most: u64,
    },
    /// It took too long.
    #[error("fetching took longer than {} s; that is the builder's limit", within.as_secs())]
    TimedOut {
        /// The limit.
        within: Duration,
    },
    /// There is no git.
    #[error("the builder cannot run {program}: {error}; install git on it")]
    NoGit {
        /// What was run.
        program: String,
        /// Why it did not run.
        error: io::Error,
    },
    /// Somebody cancelled.
    #[error("fetching was cancelled")]
    Cancelled,
    /// Something else; git's own words.
    #[error("git failed: {said}")]
    Failed {
        /// The last lines that git wrote.
        said: String,
    },
    /// The machine's fault.
    #[error("the builder could not use its scratch folder: {0}")]
    Io(#[from] io::Error),
}

/// A host as `ssh-keyscan` takes it.
fn scanned(host: &SshHost) -> String {
    match host.as_str().rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => format!("-p {port} {name}"),
        Some(_) | None => host.to_string(),
    }
}
