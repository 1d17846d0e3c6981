//! What git's words mean. It says why only as text (which is English, since the environment says so):
//! the table here reads it, and what it does not know is shown as git said it.

use hythe_core::installation::{SourcePrefix, SshHost};
use hythe_core::near::nearest;
use hythe_core::repository::Location;
use hythe_core::source::{GitSource, Reference};

use super::GitError;
use crate::git::Wanted;

/// How many names are told of that may have been meant.
const MOST_NEAR: usize = 3;

/// What git's words mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::git) enum Meaning {
    NotFound,
    NoSuchRef,
    NoSuchObject,
    NeedsCredentials,
    KeyRefused,
    Moved,
    Unreachable,
    Untrusted,
    HostKey,
    HostKeyChanged,
    NoSsh,
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
    ("permission denied (publickey", Meaning::KeyRefused),
    ("too many authentication failures", Meaning::KeyRefused),
    ("returned error: 401", Meaning::NeedsCredentials),
    ("returned error: 403", Meaning::NeedsCredentials),
    ("returned error: 30", Meaning::Moved),
    ("remote host identification has changed", Meaning::HostKeyChanged),
    ("host key verification failed", Meaning::HostKey),
    ("ssh: not found", Meaning::NoSsh),
    ("cannot run ssh", Meaning::NoSsh),
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
pub(in crate::git) fn meaning(stderr: &str) -> Meaning {
    let text = stderr.to_ascii_lowercase();
    PHRASES
        .iter()
        .find(|(phrase, _)| text.contains(phrase))
        .map_or(Meaning::Unknown, |(_, meaning)| *meaning)
}

/// Turns git's words into an error about a source.
pub(in crate::git) fn explain(wanted: Wanted<'_>, stderr: &str) -> GitError {
    let url = wanted.source.repository.as_str().to_owned();
    let app = wanted.app.clone();
    let location = Location::of(&wanted.source.repository);
    let host = location.as_ref().and_then(SshHost::of);
    match meaning(stderr) {
        Meaning::NotFound => GitError::NotFound { hint: hint(wanted, location.as_ref()), url },
        Meaning::NoSuchRef | Meaning::NoSuchObject => no_such(wanted.source),
        Meaning::NeedsCredentials => refused(wanted, location.as_ref()),
        Meaning::KeyRefused => GitError::KeyRefused { url, app },
        Meaning::Moved => GitError::Moved { url },
        Meaning::Unreachable => GitError::Unreachable { url, why: said(stderr) },
        Meaning::Untrusted => GitError::Untrusted { url, why: said(stderr) },
        Meaning::NoSsh => GitError::NoSsh { url },
        Meaning::Protocol => GitError::ProtocolNotAllowed {
            scheme: url.split("://").next().unwrap_or_default().to_owned(),
        },
        meaning @ (Meaning::HostKey | Meaning::HostKeyChanged) => match host {
            Some(host) if meaning == Meaning::HostKey => GitError::HostKeyUnknown { host },
            Some(host) => GitError::HostKeyChanged { host },
            None => GitError::Failed { said: said(stderr) },
        },
        Meaning::OtherHash | Meaning::NoSpace | Meaning::Unknown => {
            GitError::Failed { said: said(stderr) }
        }
    }
}

/// The server wants to know who asks, or somebody else.
fn refused(wanted: Wanted<'_>, location: Option<&Location>) -> GitError {
    let url = wanted.source.repository.as_str().to_owned();
    match location.and_then(|location| wanted.access.token(location)) {
        Some(token) if wanted.access.lent_by(&token.prefix).is_some() => {
            GitError::LoanRefused { url }
        }
        Some(token) => {
            let (prefix, user) = (token.prefix.clone(), token.user.clone());
            GitError::TokenRefused { url, prefix, user }
        }
        None => {
            let place = location.and_then(SourcePrefix::host_of);
            let place = place.map_or_else(|| "HOST".to_owned(), |place| place.to_string());
            GitError::NeedsCredentials { url, place, install: install(wanted) }
        }
    }
}

/// Why a repository that exists may not be found: what it was asked with may not read it.
fn hint(wanted: Wanted<'_>, location: Option<&Location>) -> String {
    let Some(location) = location else { return String::new() };
    match (SshHost::of(location), wanted.access.token(location)) {
        (Some(_), _) => format!(
            ", and whether it has the key that hythe source key {} shows as a deploy key",
            wanted.app
        ),
        (None, Some(token)) => {
            format!(", and whether the token of {} for {} may read it", token.user, token.prefix)
        }
        (None, None) => install(wanted),
    }
}

/// That a GitHub App could be installed on it, where that is so.
fn install(wanted: Wanted<'_>) -> String {
    match wanted.access.installable() {
        Some(page) => format!(", or install the GitHub App on it: {page}"),
        None => String::new(),
    }
}

/// That what was asked for is not there.
pub(in crate::git) fn no_such(source: &GitSource) -> GitError {
    no_such_of(source, "")
}

/// The same, with the nearest of what is there, as `git ls-remote` lists it.
pub(in crate::git) fn no_such_of(source: &GitSource, listed: &str) -> GitError {
    let url = source.repository.as_str().to_owned();
    match &source.reference {
        Reference::DefaultBranch => GitError::Empty { url },
        Reference::Branch(branch) => {
            let near = near(branch.as_str(), listed, false);
            GitError::NoSuchBranch { branch: branch.clone(), url, near }
        }
        Reference::Tag(tag) => {
            let near = near(tag.as_str(), listed, true);
            GitError::NoSuchTag { tag: tag.clone(), url, near }
        }
        Reference::Commit(commit) => GitError::CommitNotFound { commit: commit.clone(), url },
    }
}

/// What was probably meant, in words; nothing where that is not known.
fn near(name: &str, listed: &str, tag: bool) -> String {
    let names = || listed.lines().filter_map(|line| line.split_once('\t')).map(|(_, name)| name);
    let tags = || names().filter_map(|name| name.strip_prefix("refs/tags/"));
    let branches = || names().filter_map(|name| name.strip_prefix("refs/heads/"));
    if tag && branches().any(|branch| branch == name) {
        return format!(", but a branch of that name: --branch {name}");
    }
    let near = if tag {
        nearest(name, tags(), MOST_NEAR)
    } else {
        nearest(name, branches().chain(tags()), MOST_NEAR)
    };
    match (near.is_empty(), tag && !listed.is_empty() && tags().next().is_none()) {
        (false, _) => format!("; the nearest that it has: {}", near.join(", ")),
        (true, true) => ", nor any other tag".to_owned(),
        (true, false) => String::new(),
    }
}

/// The last lines that say something, on one line and without git's own markers.
pub(in crate::git) fn said(stderr: &str) -> String {
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
    fn what_may_have_been_meant_is_named() {
        let listed =
            "0a\trefs/heads/main\n0b\trefs/heads/v2\n0c\trefs/tags/v1.0\n0d\trefs/tags/v1.1\n";
        for (name, tag, expected) in [
            ("v1", true, "; the nearest that it has: v1.1, v1.0"),
            ("v2", true, ", but a branch of that name: --branch v2"),
            ("xyzzy", true, ""),
            ("mian", false, "; the nearest that it has: main"),
            ("xyzzy", false, ""),
        ] {
            assert_eq!(near(name, listed, tag), expected, "{name}");
        }
        assert_eq!(near("v1", "0a\trefs/heads/main\n", true), ", nor any other tag");
        assert_eq!(near("v1", "", true), "", "nothing is known of what it has");
    }

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
                Meaning::KeyRefused
            }),
            ("fatal: unable to access 'http://h/': The requested URL returned error: 301", {
                Meaning::Moved
            }),
            ("ssh -F /dev/null: 1: ssh: not found\nfatal: Could not read from remote", {
                Meaning::NoSsh
            }),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                Meaning::HostKeyChanged,
            ),
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
