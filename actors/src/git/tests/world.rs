//! What these tests share: a git server, a folder for mirrors, and who asks.

use std::path::{Path, PathBuf};

use hythe_core::installation::{SourcePrefix, SourceUser};
use hythe_core::names::{AppName, CommitId, RepositoryUrl, TagName};
use hythe_core::source::{Fetches, GitSource, Reference};
use hythe_core::wire::build::SealedToken;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::{Access, Checkout, GitError, GitSettings, Mirrors, Wanted, fetch};
use crate::build::tests::git_server::GitServer;
use crate::build::tests::repository::{Repositories, Repository};

pub(super) const USER: &str = "x-access-token";

pub(super) struct World {
    pub(super) repositories: Repositories,
    pub(super) server: GitServer,
    pub(super) settings: GitSettings,
    pub(super) mirrors: Mirrors,
    pub(super) folder: TempDir,
    /// What is fetched besides the repository's own files.
    pub(super) fetches: Fetches,
}

/// A checkout that goes with this.
pub(super) struct Fetched {
    pub(super) checkout: Checkout,
    #[expect(dead_code, reason = "removed when it is dropped")]
    scratch: TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        Self::of(GitServer::start)
    }

    pub(super) fn private(password: &str) -> Self {
        Self::of(|root| GitServer::start_private(root, USER, password))
    }

    fn of(serve: impl FnOnce(&Path) -> GitServer) -> Self {
        let repositories = Repositories::default();
        let server = serve(repositories.root());
        let folder = TempDir::new().unwrap();
        let mirrors = Mirrors::open(&folder.path().join("mirrors")).unwrap();
        let (settings, fetches) = (GitSettings::default(), Fetches::default());
        Self { repositories, server, settings, mirrors, folder, fetches }
    }

    pub(super) fn repository(&self, name: &str, files: &[(&str, &str)]) -> Repository {
        self.repositories.create(name, files)
    }

    /// What reaches everything of the server.
    pub(super) fn token(&self, password: &str) -> Access {
        let token = SealedToken {
            prefix: SourcePrefix::parse(&self.server.url()).unwrap(),
            user: SourceUser::new(USER).unwrap(),
            password: password.to_owned(),
        };
        Access::new(vec![token], None, Vec::new()).unwrap()
    }

    pub(super) async fn fetch(
        &self,
        name: &str,
        reference: Reference,
    ) -> Result<Fetched, GitError> {
        self.fetch_with(name, reference, &Access::default()).await
    }

    pub(super) async fn fetch_with(
        &self,
        name: &str,
        reference: Reference,
        access: &Access,
    ) -> Result<Fetched, GitError> {
        let url = format!("{}/{name}.git", self.server.url());
        let source = GitSource { repository: RepositoryUrl::new(url).unwrap(), reference };
        let app = AppName::new("shop").unwrap();
        let (fetches, judge, found) = (self.fetches, None, None);
        let wanted = Wanted { source: &source, app: &app, access, fetches, judge, found };
        let scratch = TempDir::new().unwrap();
        let (mirrors, cancel) = (Some(&self.mirrors), CancellationToken::new());
        let checkout = fetch(&self.settings, mirrors, wanted, scratch.path(), &cancel).await?;
        Ok(Fetched { checkout, scratch })
    }

    /// The folders of all mirrors.
    pub(super) fn mirrors(&self) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(self.folder.path().join("mirrors")).unwrap();
        let mut folders: Vec<_> = folders.map(|entry| entry.unwrap().path()).collect();
        folders.retain(|path| path.is_dir());
        folders
    }
}

impl Fetched {
    pub(super) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.checkout.tree.join(path)).unwrap()
    }

    pub(super) fn commit(&self) -> &str {
        self.checkout.commit.as_str()
    }
}

pub(super) fn commit(id: &str) -> Reference {
    Reference::Commit(CommitId::new(id).unwrap())
}

pub(super) fn tag(name: &str) -> Reference {
    Reference::Tag(TagName::new(name).unwrap())
}

pub(super) fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = std::process::Command::new("git");
    command.args(["-c", "user.name=T", "-c", "user.email=t@example.invalid"]).args(args);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
