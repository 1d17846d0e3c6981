//! Whether a repository may be reached at all, by what means, and under which URL git gets to see it.
//!
//! A `file://` URL is resolved here, once, and git is given the resolved path: what was checked is
//! what is used. Git decodes `%xx` in URLs, so this does too before it looks.

use std::path::{Path, PathBuf};

use hythe_core::installation::SshHost;
use hythe_core::repository::Location;

use super::access::Token;
use super::ssh::Ssh;
use super::{GitError, GitSettings, Wanted};

/// What git is told about where to fetch from.
#[derive(Debug)]
pub(super) struct Remote<'a> {
    /// The URL for git.
    pub(super) url: String,
    /// What `GIT_ALLOW_PROTOCOL` is.
    pub(super) protocol: &'static str,
    /// A repository on this machine.
    pub(super) folder: Option<PathBuf>,
    /// What it is reached with.
    pub(super) reach: Reach<'a>,
}

/// What a repository is reached with.
#[derive(Debug)]
pub(super) enum Reach<'a> {
    /// Nothing.
    Open,
    /// A token, at this place.
    Token(&'a Token, Location),
    /// A key.
    Ssh(Ssh<'a>),
}

/// Checks that an installation's settings allow a repository, and looks for what reaches it.
pub(super) fn remote<'a>(
    settings: &GitSettings,
    wanted: Wanted<'a>,
) -> Result<Remote<'a>, GitError> {
    let text = wanted.source.repository.as_str();
    let by = |protocol, reach| Ok(Remote { url: text.to_owned(), protocol, folder: None, reach });
    match text.split_once("://") {
        Some(("https", _)) => by("https", token(wanted)),
        // A server may send us on from http to https; never the other way.
        Some(("http", _)) => by("http:https", token(wanted)),
        Some(("file", path)) => local(settings, path),
        Some(("ssh", _)) | None => by("ssh", Reach::Ssh(ssh(wanted)?)),
        Some((scheme, _)) => Err(GitError::ProtocolNotAllowed { scheme: scheme.to_owned() }),
    }
}

fn token(wanted: Wanted<'_>) -> Reach<'_> {
    let location = Location::of(&wanted.source.repository);
    let found = location.and_then(|location| Some((wanted.access.token(&location)?, location)));
    found.map_or(Reach::Open, |(token, location)| Reach::Token(token, location))
}

fn ssh(wanted: Wanted<'_>) -> Result<Ssh<'_>, GitError> {
    let url = || wanted.source.repository.as_str().to_owned();
    let location = Location::of(&wanted.source.repository);
    let host = location.as_ref().and_then(SshHost::of);
    let host = host.ok_or_else(|| GitError::NotFound { url: url(), hint: String::new() })?;
    let key = wanted.access.key();
    let key = key.ok_or_else(|| GitError::NoDeployKey { url: url(), app: wanted.app.clone() })?;
    let keys = wanted.access.keys_of(&host);
    if keys.is_empty() {
        return Err(GitError::HostKeyUnknown { host });
    }
    Ok(Ssh { host, key, keys })
}

fn local<'a>(settings: &GitSettings, path: &str) -> Result<Remote<'a>, GitError> {
    let refused = || GitError::LocalNotAllowed { path: path.to_owned() };
    let decoded = decode(path).ok_or_else(refused)?;
    // Whether a path exists outside of the allowed folders is nobody's business, so both a
    // missing one and a foreign one are refused alike there.
    let folder = Path::new(&decoded).canonicalize().ok();
    let within = |folder: &Path| {
        settings
            .local_repos
            .iter()
            .any(|allowed| allowed.canonicalize().is_ok_and(|allowed| folder.starts_with(allowed)))
    };
    match folder {
        Some(folder) if within(&folder) => {
            let url = folder.to_str().ok_or_else(refused)?.replace('%', "%25");
            let url = format!("file://{url}");
            Ok(Remote { url, protocol: "file", folder: Some(folder), reach: Reach::Open })
        }
        Some(_) => Err(refused()),
        None if settings
            .local_repos
            .iter()
            .any(|allowed| Path::new(&decoded).starts_with(allowed)) =>
        {
            Err(GitError::NotFound { url: format!("file://{path}"), hint: String::new() })
        }
        None => Err(refused()),
    }
}

/// Resolves `%xx`; `None` where that gives no text.
fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&pair).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok().filter(|byte| *byte != 0)?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use hythe_core::names::{AppName, RepositoryUrl};
    use hythe_core::source::{Fetches, GitSource, Reference};

    use super::*;
    use crate::git::Access;

    #[test]
    fn files_are_reached_only_below_the_allowed_folders() {
        let root = tempfile::tempdir().unwrap();
        let (good, evil) = (root.path().join("repos"), root.path().join("secret"));
        std::fs::create_dir_all(good.join("a b.git")).unwrap();
        std::fs::create_dir_all(evil.join("x.git")).unwrap();
        std::os::unix::fs::symlink(evil.join("x.git"), good.join("link.git")).unwrap();
        let settings = GitSettings { local_repos: vec![good.clone()], ..GitSettings::default() };
        let (app, access) = (AppName::new("shop").unwrap(), Access::default());
        let try_it = |settings: &GitSettings, path: &str| {
            let repository = RepositoryUrl::new(format!("file://{path}")).unwrap();
            let source = GitSource { repository, reference: Reference::DefaultBranch };
            let fetches = Fetches::default();
            let (judge, found) = (None, None);
            let wanted =
                Wanted { source: &source, app: &app, access: &access, fetches, judge, found };
            let Remote { url, protocol, .. } = remote(settings, wanted)?;
            Ok::<_, GitError>((url, protocol))
        };
        let good = good.display();

        let found = try_it(&settings, &format!("{good}/a%20b.git")).unwrap();
        assert_eq!(
            found.0,
            format!(
                "file://{}/a b.git",
                root.path().canonicalize().unwrap().join("repos").display()
            )
        );
        assert_eq!(found.1, "file");

        for (path, what) in [
            (format!("{good}/link.git"), "a link that leads out"),
            (format!("{good}/%2e%2e/secret/x.git"), "an encoded climb"),
            (format!("{}", evil.join("x.git").display()), "another folder"),
            ("/etc".to_owned(), "the system"),
            ("/nowhere/at/all".to_owned(), "nothing, elsewhere"),
            (format!("{good}%00/x"), "a NUL"),
        ] {
            let refused = try_it(&settings, &path).unwrap_err();
            assert!(matches!(refused, GitError::LocalNotAllowed { .. }), "{what}: {refused}");
        }
        let missing = try_it(&settings, &format!("{good}/none.git")).unwrap_err();
        assert!(matches!(missing, GitError::NotFound { .. }), "{missing}");
        let off = try_it(&GitSettings::default(), &format!("{good}/a%20b.git")).unwrap_err();
        assert!(matches!(off, GitError::LocalNotAllowed { .. }), "{off}");
    }
}
