//! Whether a repository may be reached at all, and under which URL git gets to see it.
//!
//! A `file://` URL is resolved here, once, and git is given the resolved path: what was checked is
//! what is used. Git decodes `%xx` in URLs, so this does too before it looks.

use std::path::{Path, PathBuf};

use hythe_core::names::RepositoryUrl;

use super::{GitError, GitSettings};

/// What git is told about where to fetch from.
#[derive(Debug)]
pub(super) struct Remote {
    /// The URL for git.
    pub(super) url: String,
    /// What `GIT_ALLOW_PROTOCOL` is.
    pub(super) protocol: &'static str,
    /// A repository on this machine.
    pub(super) folder: Option<PathBuf>,
}

/// Checks that an installation's settings allow a repository.
pub(super) fn remote(settings: &GitSettings, url: &RepositoryUrl) -> Result<Remote, GitError> {
    let text = url.as_str();
    let network = |protocol| Ok(Remote { url: text.to_owned(), protocol, folder: None });
    match text.split_once("://") {
        Some(("https", _)) => network("https"),
        // A server may send us on from http to https; never the other way.
        Some(("http", _)) => network("http:https"),
        Some(("file", path)) => local(settings, path),
        Some(("ssh", _)) | None if settings.ssh.is_some() => network("ssh"),
        Some(("ssh", _)) | None => Err(GitError::SshNotSetUp),
        Some((scheme, _)) => Err(GitError::ProtocolNotAllowed { scheme: scheme.to_owned() }),
    }
}

fn local(settings: &GitSettings, path: &str) -> Result<Remote, GitError> {
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
            Ok(Remote { url: format!("file://{url}"), protocol: "file", folder: Some(folder) })
        }
        Some(_) => Err(refused()),
        None if settings
            .local_repos
            .iter()
            .any(|allowed| Path::new(&decoded).starts_with(allowed)) =>
        {
            Err(GitError::NotFound { url: format!("file://{path}") })
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
    use super::*;

    #[test]
    fn files_are_reached_only_below_the_allowed_folders() {
        let root = tempfile::tempdir().unwrap();
        let (good, evil) = (root.path().join("repos"), root.path().join("secret"));
        std::fs::create_dir_all(good.join("a b.git")).unwrap();
        std::fs::create_dir_all(evil.join("x.git")).unwrap();
        std::os::unix::fs::symlink(evil.join("x.git"), good.join("link.git")).unwrap();
        let settings = GitSettings { local_repos: vec![good.clone()], ..GitSettings::default() };
        let try_it = |settings: &GitSettings, path: &str| {
            remote(settings, &RepositoryUrl::new(format!("file://{path}")).unwrap())
        };
        let good = good.display();

        let found = try_it(&settings, &format!("{good}/a%20b.git")).unwrap();
        assert_eq!(
            found.url,
            format!(
                "file://{}/a b.git",
                root.path().canonicalize().unwrap().join("repos").display()
            )
        );
        assert_eq!(found.protocol, "file");

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
