//! `git push`, from a folder of somebody's to the app that serves.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use hythe_tests::installation::{Said, binary};
use hythe_tests::repository::{Repository, apps};

use crate::scene::Scene;

/// Git as somebody runs it who has set up the remote, and nothing else.
pub(crate) fn git(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("HYTHE_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

struct Pushing<'a> {
    scene: &'a Scene,
    repository: Repository,
}

impl Pushing<'_> {
    fn push(&self, what: &str) -> Said {
        let mut command = git(self.repository.folder(), &["push", "hythe", what]);
        command.env("HYTHE_TOKEN", self.scene.hythe.token()).output().unwrap().into()
    }

    fn live(&self, content: &str) -> Said {
        let said = self.push("main");
        assert_eq!(said.code, 0, "{}\n{}", said.err, self.scene.hythe.logs());
        self.scene.assert_serves("shop", content);
        said
    }
}

#[test]
fn a_push_is_live_once_git_is_done_and_a_broken_one_says_why() {
    let scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("one"));
    let folder = repository.folder().to_owned();
    let remote = scene.hythe.command(&["git", "remote", "shop", "--json"]);
    let remote: Said = { remote }.current_dir(&folder).output().unwrap().into();
    assert_eq!(remote.code, 0, "{}{}", remote.out, remote.err);
    assert_eq!(remote.json()["remote"], "hythe");
    let config = fs::read_to_string(folder.join(".git/config")).unwrap();
    assert!(!config.contains(&scene.hythe.token()), "{config}");
    assert!(config.contains(binary().to_str().unwrap()), "{config}");
    let pushing = Pushing { scene: &scene, repository };

    let wrong = git(&folder, &["push", "hythe", "main"]).env("HYTHE_TOKEN", "wrong").output();
    let wrong: Said = wrong.unwrap().into();
    assert!(wrong.code != 0 && wrong.err.contains("Authentication failed"), "{}", wrong.err);

    let said = pushing.live("one");
    for words in ["shop is a new app", "-----> Building", "COPY index.html", "is live: http://shop"]
    {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    let commit = pushing.repository.commit(&apps::files(&apps::page("two")));
    let elsewhere = pushing.push("HEAD:feature");
    assert!(elsewhere.code != 0 && elsewhere.err.contains("push HEAD:main"), "{}", elsewhere.err);
    pushing.live("two");
    let listed = scene.hythe.run(&["deployments", "shop"]);
    let shown = scene.hythe.run(&["deployments", "show", "shop"]);
    assert!(shown.out.contains(&commit), "{}{}", listed.err, shown.out);

    pushing.repository.commit(&apps::files(&apps::failing_build()));
    let said = pushing.push("main");
    assert_ne!(said.code, 0, "{}", said.err);
    for words in ["the-step-speaks", "=====! shop #3 failed (building)", "serves as it did"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    scene.assert_serves("shop", "two");

    let back = scene.hythe.run(&["rollback", "shop", "--to", "1"]);
    assert_eq!(back.code, 0, "{}{}", back.out, back.err);
    scene.assert_serves("shop", "one");
    let mended = pushing.repository.commit(&apps::files(&apps::page("three")));
    let said = pushing.live("three");
    assert!(said.err.contains(&mended[..10]), "{}", said.err);
    scene.finish();
}
