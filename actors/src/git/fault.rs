//! What went wrong with a fetch, in words for the person who gave the URL.
//!
//! Git says why only as text (which is English, since the environment says so). The table here
//! reads it; what it does not know is shown as git said it.

use std::io;
use std::time::Duration;

use hythe_core::names::{BranchName, CommitId};
use hythe_core::source::{Reference, Source};

/// Why a commit could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no repository at the URL.
    #[error("the repository {url} was not found; check its spelling")]
    NotFound {
        /// The URL.
        url: String,
    },
    /// The repository has no commit yet.
    #[error("{url} has no commit yet; push one, or name the branch to build")]
    Empty {
        /// The URL.
        url: String,
    },
    /// It has no such branch or tag.
    #[error("{url} has no branch or tag {branch}")]
    NoSuchBranch {
        /// What was asked for.
        branch: BranchName,
        /// The URL.
        url: String,
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
         for it. Check the URL, make the repository readable for everyone, or give the builder's \
         ssh key access and use the ssh:// URL"
    )]
    NeedsCredentials {
        /// The URL.
        url: String,
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
        "the host key of {url} is not known to the builder; add it to the builder's known hosts \
         once you have checked it"
    )]
    HostKeyUnknown {
        /// The URL.
        url: String,
    },
    /// ssh has no key.
    #[error("this builder has no ssh key set up; use the https:// URL")]
    SshNotSetUp,
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

/// What git's words mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    NotFound,
    NoSuchRef,
    NoSuchObject,
    NeedsCredentials,
    Unreachable,
    Untrusted,
    HostKey,
    Protocol,
    OtherHash,
    NoSpace,
    Unknown,
}

/// Phrases of git, curl and ssh, in lower case; the first that occurs counts.
const PHRASES: &[(&str, Meaning)] = &[
    ("couldn't find remote ref", Meaning::NoSuchRef),
    ("mismatched algorithms", Meaning::OtherHash),
    ("not our ref", Meaning::NoSuchObject),
    ("unadvertised object", Meaning::NoSuchObject),
    ("no such remote ref", Meaning::NoSuchObject),
    ("could not read username", Meaning::NeedsCredentials),
    ("could not read password", Meaning::NeedsCredentials),
    ("authentication failed", Meaning::NeedsCredentials),
    ("permission denied (publickey", Meaning::NeedsCredentials),
    ("returned error: 401", Meaning::NeedsCredentials),
    ("returned error: 403", Meaning::NeedsCredentials),
    ("host key verification failed", Meaning::HostKey),
    ("certificate", Meaning::Untrusted),
    ("not allowed", Meaning::Protocol),
    ("is not supported", Meaning::Protocol),
    ("no space left", Meaning::NoSpace),
    ("could not resolve host", Meaning::Unreachable),
    ("failed to connect", Meaning::Unreachable),
    ("couldn't connect", Meaning::Unreachable),
    ("could not connect", Meaning::Unreachable),
    ("connection refused", Meaning::Unreachable),
    ("connection timed out", Meaning::Unreachable),
    ("connection reset", Meaning::Unreachable),
    ("no route to host", Meaning::Unreachable),
    ("network is unreachable", Meaning::Unreachable),
    ("operation too slow", Meaning::Unreachable),
    ("returned error: 5", Meaning::Unreachable),
    ("empty reply from server", Meaning::Unreachable),
    ("not found", Meaning::NotFound),
    ("does not appear to be a git repository", Meaning::NotFound),
    ("not valid: is this a git repository", Meaning::NotFound),
    ("does not exist", Meaning::NotFound),
];

/// Reads what git wrote to standard error.
pub(super) fn meaning(stderr: &str) -> Meaning {
    let text = stderr.to_ascii_lowercase();
    PHRASES
        .iter()
        .find(|(phrase, _)| text.contains(phrase))
        .map_or(Meaning::Unknown, |(_, meaning)| *meaning)
}

/// Turns git's words into an error about a source.
pub(super) fn explain(source: &Source, stderr: &str) -> GitError {
    let url = source.repository.as_str().to_owned();
    match meaning(stderr) {
        Meaning::NotFound => GitError::NotFound { url },
        Meaning::NoSuchRef | Meaning::NoSuchObject => no_such(source),
        Meaning::NeedsCredentials => GitError::NeedsCredentials { url },
        Meaning::Unreachable => GitError::Unreachable { url, why: said(stderr) },
        Meaning::Untrusted => GitError::Untrusted { url, why: said(stderr) },
        Meaning::HostKey => GitError::HostKeyUnknown { url },
        Meaning::Protocol => GitError::ProtocolNotAllowed {
            scheme: url.split("://").next().unwrap_or_default().to_owned(),
        },
        Meaning::OtherHash | Meaning::NoSpace | Meaning::Unknown => {
            GitError::Failed { said: said(stderr) }
        }
    }
}

/// That what was asked for is not there.
pub(super) fn no_such(source: &Source) -> GitError {
    let url = source.repository.as_str().to_owned();
    match &source.reference {
        Reference::DefaultBranch => GitError::Empty { url },
        Reference::Branch(branch) => GitError::NoSuchBranch { branch: branch.clone(), url },
        Reference::Commit(commit) => GitError::CommitNotFound { commit: commit.clone(), url },
    }
}

/// The last lines that say something, on one line and without git's own markers.
fn said(stderr: &str) -> String {
    let lines: Vec<&str> = stderr
        .lines()
        .map(|line| line.trim_start_matches("fatal: ").trim_start_matches("error: ").trim())
        .filter(|line| !line.is_empty())
        .collect();
    let from = lines.len().saturating_sub(3);
    let text: String = lines.get(from..).unwrap_or_default().join("; ");
    if text.is_empty() { "it gave no reason".to_owned() } else { text.chars().take(400).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_words_are_understood() {
        let rows = [
            ("fatal: repository 'http://h/x.git/' not found\n", Meaning::NotFound),
            ("fatal: '/x' does not appear to be a git repository", Meaning::NotFound),
            ("fatal: couldn't find remote ref refs/heads/x", Meaning::NoSuchRef),
            ("fatal: remote error: upload-pack: not our ref 0123", Meaning::NoSuchObject),
            ("error: Server does not allow request for unadvertised object 0", {
                Meaning::NoSuchObject
            }),
            ("fatal: could not read Username for 'http://h': terminal prompts disabled", {
                Meaning::NeedsCredentials
            }),
            ("git@h: Permission denied (publickey).\nfatal: Could not read from remote", {
                Meaning::NeedsCredentials
            }),
            ("fatal: unable to access 'https://h/': The requested URL returned error: 403", {
                Meaning::NeedsCredentials
            }),
            ("fatal: unable to access 'https://h/': Could not resolve host: h", {
                Meaning::Unreachable
            }),
            ("fatal: unable to access 'https://h/': The requested URL returned error: 502", {
                Meaning::Unreachable
            }),
            ("Host key verification failed.\nfatal: Could not read from remote repository.", {
                Meaning::HostKey
            }),
            ("fatal: unable to access 'https://h/': SSL certificate problem: self-signed", {
                Meaning::Untrusted
            }),
            ("fatal: transport 'ext' not allowed", Meaning::Protocol),
            ("fatal: mismatched algorithms: client sha1; server sha256", Meaning::OtherHash),
            ("fatal: something new", Meaning::Unknown),
            ("", Meaning::Unknown),
        ];
        for (words, expected) in rows {
            assert_eq!(meaning(words), expected, "{words}");
        }
    }
}
