//! What one build may reach private repositories with, and how git and ssh get to see it.
//!
//! A token goes to git in its environment, for its own host and for this process only: it is in no
//! argument, no file and no URL, and git does not follow a server that sends on to another one. A
//! private key lies in memory that ssh reads by the file descriptor of this process: it is on no
//! disk. Both are gone with the build.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hythe_core::hook::PageUrl;
use hythe_core::installation::{SourcePrefix, SourceUser, SshHost, SshKey};
use hythe_core::repository::Location;
use hythe_core::wire::build::{GitHubAccess, KnownHost, SealedToken};
use rustix::fs::MemfdFlags;
use zeroize::Zeroizing;

use super::local::Reach;

/// What one build may use.
#[derive(Clone, Debug, Default)]
pub struct Access {
    inner: Arc<Inner>,
    github: Option<Arc<GitHubAccess>>,
}

#[derive(Debug, Default)]
struct Inner {
    tokens: Vec<Token>,
    key: Option<KeyFile>,
    hosts: Vec<KnownHost>,
}

/// A token, and what it is for.
pub(super) struct Token {
    pub(super) prefix: SourcePrefix,
    pub(super) user: SourceUser,
    password: Zeroizing<String>,
    /// The two as they are sent, without their encoding.
    pair: Zeroizing<String>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({} for {})", self.user, self.prefix)
    }
}

impl Access {
    /// Takes over what was sealed for a build.
    ///
    /// # Errors
    /// There is no memory for the key.
    pub fn new(
        tokens: Vec<SealedToken>,
        key: Option<Zeroizing<String>>,
        hosts: Vec<KnownHost>,
    ) -> io::Result<Self> {
        let tokens = tokens.into_iter().map(|SealedToken { prefix, user, password }| Token {
            pair: Zeroizing::new(format!("{user}:{password}")),
            prefix,
            user,
            password: Zeroizing::new(password),
        });
        let (tokens, key) = (tokens.collect(), key.map(KeyFile::new).transpose()?);
        Ok(Self { inner: Arc::new(Inner { tokens, key, hosts }), github: None })
    }

    /// The same, and what GitHub Apps have to do with the repository.
    #[must_use]
    pub fn with_github(self, github: Option<GitHubAccess>) -> Self {
        Self { github: github.map(Arc::new), ..self }
    }

    /// Who lent the token for these repositories, where GitHub did.
    pub(super) fn lent_by(&self, prefix: &SourcePrefix) -> Option<u64> {
        match self.github.as_deref()? {
            GitHubAccess::Lent { prefix: own, installation } => {
                (own == prefix).then_some(*installation)
            }
            GitHubAccess::Installable { page: _ } => None,
        }
    }

    /// Where people install a GitHub App on the repository, where none is and one could be.
    pub(super) fn installable(&self) -> Option<&PageUrl> {
        match self.github.as_deref()? {
            GitHubAccess::Lent { .. } => None,
            GitHubAccess::Installable { page } => Some(page),
        }
    }

    /// What is to be kept out of logs.
    pub fn hidden(&self) -> impl Iterator<Item = &str> + Clone {
        let tokens = self.inner.tokens.iter();
        let tokens = tokens.flat_map(|token| [token.password.as_str(), token.pair.as_str()]);
        // Its first and last line are those of every key.
        let key = self.inner.key.iter().flat_map(|key| key.text.lines());
        tokens.chain(key.filter(|line| !line.starts_with("-----")))
    }

    /// The token for a repository: of several the one that is for the fewest.
    pub(super) fn token(&self, repository: &Location) -> Option<&Token> {
        let tokens = self.inner.tokens.iter().filter(|token| token.prefix.covers(repository));
        tokens.max_by_key(|token| token.prefix.as_str().len())
    }

    /// The file of the private key, where there is one.
    pub(super) fn key(&self) -> Option<&Path> {
        self.inner.key.as_ref().map(|key| key.path.as_path())
    }

    /// What tells two ways to reach a repository apart.
    pub(super) fn reached_with<'a>(&'a self, reach: &'a Reach<'_>) -> Vec<Cow<'a, str>> {
        if let Reach::Token(token, _) = reach
            && let Some(id) = self.lent_by(&token.prefix)
        {
            // The next token of the same installation is another one, and opens the same.
            let prefix = token.prefix.as_str();
            return vec!["installation".into(), prefix.into(), id.to_string().into()];
        }
        let parts: Vec<&str> = match reach {
            Reach::Open => vec!["open"],
            Reach::Token(token, _) => vec!["token", token.prefix.as_str(), token.pair.as_str()],
            Reach::Ssh(_) => vec!["key", self.inner.key.as_ref().map_or("", |key| &key.text)],
        };
        parts.into_iter().map(Cow::Borrowed).collect()
    }

    /// What a host is known by; nothing where it is not.
    pub(super) fn keys_of(&self, host: &SshHost) -> &[SshKey] {
        let known = self.inner.hosts.iter().find(|known| known.host == *host);
        known.map_or(&[], |known| &known.keys)
    }
}

impl Token {
    /// The environment by which git sends it to the host of this repository and to no other.
    pub(super) fn environment(&self, repository: &Location) -> Vec<(OsString, OsString)> {
        let Some(host) = SourcePrefix::host_of(repository) else { return Vec::new() };
        let encoded = Zeroizing::new(STANDARD.encode(self.pair.as_bytes()));
        let settings = [
            (format!("http.{host}/.extraHeader"), format!("Authorization: Basic {}", *encoded)),
            // The header would go along to wherever a server sends on to.
            ("http.followRedirects".to_owned(), "false".to_owned()),
        ];
        let mut variables = vec![("GIT_CONFIG_COUNT".into(), settings.len().to_string().into())];
        for (at, (name, value)) in settings.into_iter().enumerate() {
            variables.push((format!("GIT_CONFIG_KEY_{at}").into(), name.into()));
            variables.push((format!("GIT_CONFIG_VALUE_{at}").into(), value.into()));
        }
        variables
    }
}

/// A private key in memory that has a path while this process lives.
struct KeyFile {
    #[expect(dead_code, reason = "the path is that of this file")]
    file: File,
    path: PathBuf,
    text: Zeroizing<String>,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyFile(…)")
    }
}

impl KeyFile {
    fn new(text: Zeroizing<String>) -> io::Result<Self> {
        let file = rustix::fs::memfd_create("hythe-source-key", MemfdFlags::CLOEXEC)?;
        let mut file = File::from(file);
        // ssh takes no key that others may read.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        // Not by `self`: ssh is another process, and closes all descriptors that it inherits.
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        Ok(Self { file, path: PathBuf::from(path), text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_token_of_an_installation_reaches_the_same_mirror() {
        let prefix = SourcePrefix::new("https://github.com/octo/shop").unwrap();
        let access = |password: &str, installation: Option<u64>| {
            let token = SealedToken {
                prefix: prefix.clone(),
                user: SourceUser::new("x-access-token").unwrap(),
                password: password.to_owned(),
            };
            let lent = installation
                .map(|installation| GitHubAccess::Lent { prefix: prefix.clone(), installation });
            Access::new(vec![token], None, Vec::new()).unwrap().with_github(lent)
        };
        let lies = Location { path: "octo/shop.git".into(), ..prefix.location().unwrap() };
        let reached = |access: &Access| {
            let token = access.token(&lies).unwrap();
            let reach = Reach::Token(token, lies.clone());
            access.reached_with(&reach).into_iter().map(Cow::into_owned).collect::<Vec<_>>()
        };
        let first = reached(&access("ghs_1", Some(5)));
        assert_eq!(first, reached(&access("ghs_2", Some(5))));
        assert_ne!(first, reached(&access("ghs_1", Some(6))), "another installation");
        assert_ne!(reached(&access("a", None)), reached(&access("b", None)), "tokens of people");
    }
}
