//! An installation and repositories to deploy from.

use std::io::Write as _;
use std::process::{Child, Stdio};

use hythe_tests::git_server::GitServer;
use hythe_tests::installation::{Installation, Said};
use hythe_tests::repository::{Repositories, Repository, apps};
use serde_json::Value;

/// An installation and repositories to deploy from.
pub(crate) struct Scene {
    pub(crate) hythe: Installation,
    repositories: Repositories,
    git: GitServer,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::of(Installation::start())
    }

    pub(crate) fn of(hythe: Installation) -> Self {
        let repositories = Repositories::default();
        let git = GitServer::start(repositories.root());
        Self { hythe, repositories, git }
    }

    /// One with an app `shop` that is live and has a variable.
    pub(crate) fn with_shop() -> Self {
        let scene = Self::new();
        scene.repository("shop", &apps::page("one"));
        for args in [
            &["app", "create", "shop", "--repo", &scene.url("shop")][..],
            &["env", "set", "shop", "GREETING=hello there"],
        ] {
            let said = scene.hythe.run(args);
            assert_eq!(said.code, 0, "{}", said.err);
        }
        scene.deploy_live("shop");
        scene
    }

    /// A repository with an app in it.
    pub(crate) fn repository(&self, name: &str, files: &[(&'static str, String)]) -> Repository {
        self.repositories.create(name, &apps::files(files))
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{name}.git", self.git.url())
    }

    /// `hythe deploy NAME --repo …/NAME.git`, waited for.
    pub(crate) fn deploy(&self, name: &str) -> Said {
        self.hythe.run(&["deploy", name, "--repo", &self.url(name), "--wait", "--json"])
    }

    /// The same, which must go live; says its document.
    pub(crate) fn deploy_live(&self, name: &str) -> Value {
        let said = self.deploy(name);
        assert_eq!(said.code, 0, "{}{}\n{}", said.out, said.err, self.hythe.logs());
        let document = said.json();
        assert_eq!(document["status"], "live", "{document}");
        document
    }

    /// Begins a deployment without waiting; says its id.
    pub(crate) fn begin(&self, name: &str) -> String {
        let args = ["deploy", name, "--repo", &self.url(name), "--detach", "--json"];
        let said = self.hythe.run(&args);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        said.json()["deployment"].as_str().unwrap().to_owned()
    }

    /// `hythe deploy … --wait --json` in the background.
    pub(crate) fn deploy_in_background(&self, name: &str) -> Child {
        let args = ["deploy", name, "--repo", &self.url(name), "--wait", "--json"];
        self.hythe.command(&args).spawn().unwrap()
    }

    /// A command that reads something secret.
    pub(crate) fn with_input(&self, args: &[&str], input: &str) -> Said {
        let mut command = self.hythe.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// The app's page must be this.
    pub(crate) fn assert_serves(&self, name: &str, content: &str) {
        assert_eq!(self.hythe.get(name, "/"), (200, content.to_owned()));
    }

    pub(crate) fn finish(self) {
        self.hythe.finish();
    }
}
