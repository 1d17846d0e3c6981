//! Release commands: once before each version, with its image and environment; where one fails, the
//! version before stays as it is.

use std::process::Command;

use hythe_tests::repository::{Repository, apps};
use serde_json::{Value, json};

use crate::matrix::load::Load;
use crate::scene::Scene;

/// An app with commands that run once for each deployment.
pub(crate) struct Shop {
    pub(crate) scene: Scene,
    repository: Repository,
}

impl Shop {
    /// An app of which `one` is live, deployed without any.
    pub(crate) fn new() -> Self {
        let scene = Scene::new();
        let repository = scene.repository("shop", &apps::page("one"));
        scene.deploy_live("shop");
        Self { scene, repository }
    }

    /// Sets the release command, a line for a shell, and commits `two`.
    fn release(&self, line: &str, more: &[&str]) {
        self.hook("release", line, more);
        self.commit("two");
    }

    /// Sets a command that runs once, a line for a shell.
    pub(crate) fn hook(&self, hook: &str, line: &str, more: &[&str]) {
        let (option, command) = (format!("--{hook}-command"), json!(["sh", "-c", line]));
        let command = command.to_string();
        let set = [&["app", "set", "shop", &option, &command], more].concat();
        let said = self.scene.hythe.run(&set);
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(said.out.contains(&format!("{hook:<11} sh -c")), "{}", said.out);
    }

    pub(crate) fn commit(&self, page: &'static str) {
        self.commit_files(&[("index.html", page)]);
    }

    pub(crate) fn commit_files(&self, files: &[(&str, &str)]) {
        self.repository.commit(files);
    }

    fn log(&self, id: &str) -> String {
        let said = self.scene.hythe.run(&["logs", "shop", "--build", id]);
        assert_eq!(said.code, 0, "{}", said.err);
        said.out
    }

    /// Whether a deployment came to its release.
    fn was_released(&self, id: &Value) -> bool {
        let (_, document) = self.scene.hythe.deployment(id.as_str().unwrap());
        document["stages"].as_array().unwrap().iter().any(|entry| entry["stage"] == "releasing")
    }

    /// The container of a command that runs once, while it does.
    pub(crate) fn task(&self) -> Option<String> {
        let filter = format!("label=hythe.instance={}", self.scene.hythe.id());
        let filters = ["--filter", &filter, "--filter", "label=hythe.task"];
        let output = Command::new("docker").args(["ps", "--quiet"]).args(filters).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().next().map(str::to_owned)
    }

    pub(crate) fn one_container_is_left(&self) {
        self.scene.hythe.wait_until("nothing of it is left", || {
            self.scene.hythe.containers().len() == 1 && self.task().is_none()
        });
    }

    /// Deploys `two`, whose release command fails, and says why; `one` does not notice.
    fn fails(&self) -> Value {
        let load = Load::start(self.scene.hythe.edge(), "shop.localhost");
        let before = self.scene.hythe.containers();
        let said = self.scene.hythe.run(&["deploy", "shop", "--json"]);
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
        let document = said.json();
        assert_eq!(document["failure"]["stage"], "releasing", "{document}");
        self.one_container_is_left();
        assert_eq!(self.scene.hythe.containers(), before);
        self.scene.assert_serves("shop", "one");
        let seen = load.take();
        assert!(seen.answers > 0 && seen.failures.is_empty(), "{seen:?}");
        document["failure"].clone()
    }
}

fn message(failure: &Value) -> &str {
    failure["message"].as_str().unwrap()
}

#[test]
fn a_release_command_runs_before_a_version_and_not_with_a_restart() {
    let shop = Shop::new();
    assert_eq!(shop.scene.hythe.run(&["env", "set", "shop", "GREETING=hello"]).code, 0);
    shop.release("echo migrating: $GREETING from $HYTHE_REPLICA, $(cat /www/index.html)", &[]);
    let done = shop.scene.hythe.run(&["deploy", "shop"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert!(done.err.contains("migrating: hello from release, two"), "{}", done.err);
    shop.scene.assert_serves("shop", "two");
    shop.one_container_is_left();
    let second = shop.scene.hythe.json(&["deployments", "ls", "shop"])[0]["id"].clone();
    assert!(shop.was_released(&second));
    let log = shop.log(second.as_str().unwrap());
    assert_eq!(log.matches("migrating: hello from release, two").count(), 1, "{log}");
    let of_app = shop.scene.hythe.run(&["logs", "shop"]).out;
    assert!(of_app.contains("release | migrating: hello from release, two"), "{of_app}");

    let restarted = shop.scene.hythe.json(&["restart", "shop"]);
    assert!(!shop.was_released(&restarted["deployment"]));
    let redeployed = shop.scene.hythe.json(&["redeploy", "shop"]);
    assert!(shop.was_released(&redeployed["deployment"]), "{redeployed}");
    // The version of then had none; what comes back of it comes back with its settings.
    let back = shop.scene.hythe.json(&["rollback", "shop", "--to", "1"]);
    assert!(!shop.was_released(&back["deployment"]));
    let forward = shop.scene.hythe.json(&["rollback", "shop", "--to", "2"]);
    assert!(shop.was_released(&forward["deployment"]), "{forward}");
    shop.scene.assert_serves("shop", "two");
    shop.scene.finish();
}

#[test]
fn a_release_command_that_fails_or_is_ended_changes_nothing_and_says_why() {
    let shop = Shop::new();
    shop.release("echo cannot-migrate; exit 7", &[]);
    let failure = shop.fails();
    let words = "the release command `sh -c echo cannot-migrate; exit 7` exited with code 7";
    assert!(message(&failure).contains(words), "{failure}");
    assert!(failure["log"].to_string().contains("cannot-migrate"), "{failure}");

    let command = json!(["/no/such/program"]).to_string();
    let set = ["app", "set", "shop", "--release-command", &command];
    assert_eq!(shop.scene.hythe.run(&set).code, 0);
    let failure = shop.fails();
    let words = "`/no/such/program` exited with code 127, which mostly means";
    assert!(message(&failure).contains(words), "{failure}");

    // One that takes too long.
    let more = ["--release-timeout", "2s", "--stop", "1s"];
    shop.hook("release", "echo still-migrating; sleep 600", &more);
    let failure = shop.fails();
    assert!(message(&failure).contains("was not done within 2.0 s and was ended"), "{failure}");
    assert!(failure["log"].to_string().contains("still-migrating"), "{failure}");

    // One that is cancelled.
    shop.hook("release", "sleep 600", &["--release-timeout", "10m"]);
    let id = shop.scene.begin("shop");
    shop.scene.hythe.wait_until("it runs", || shop.task().is_some());
    let document = shop.scene.hythe.wait_for_status(&id, &["releasing"]);
    let waits = document["waiting_for"].as_str().unwrap();
    assert!(waits.contains("the release command `sh -c sleep 600` on worker"), "{waits}");
    assert_eq!(shop.scene.hythe.run(&["cancel", "shop"]).code, 0);
    shop.scene.hythe.wait_for_status(&id, &["cancelled"]);
    shop.one_container_is_left();
    shop.scene.assert_serves("shop", "one");

    assert_eq!(shop.scene.hythe.run(&["app", "set", "shop", "--no-release-command"]).code, 0);
    shop.scene.deploy_live("shop");
    shop.scene.assert_serves("shop", "two");
    shop.scene.finish();
}

/// A release command has the hardening and the limits of a replica, and not its name.
fn is_kept_in(container: &str) {
    let output = Command::new("docker").args(["inspect", container]).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let host = &document[0]["HostConfig"];
    assert_eq!((&host["Privileged"], &host["CapDrop"]), (&json!(false), &json!(["ALL"])));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
    for limit in ["Memory", "NanoCpus", "PidsLimit"] {
        assert!(host[limit].as_i64().unwrap_or(0) > 0, "{limit}: {host}");
    }
    let networks = document[0]["NetworkSettings"]["Networks"].as_object().unwrap();
    assert_eq!(networks.len(), 1);
    let named =
        networks.values().any(|network| network["Aliases"].to_string().contains("\"shop\""));
    assert!(!named, "who asks for the app must not come here: {networks:?}");
}

#[test]
fn a_release_command_goes_on_and_runs_once_when_server_and_agent_are_killed() {
    let shop = Shop::new();
    shop.release("echo it-begins; sleep 8; echo it-ends", &[]);
    let id = shop.scene.begin("shop");
    shop.scene.hythe.wait_until("it runs", || shop.task().is_some());
    is_kept_in(&shop.task().unwrap());
    shop.scene.hythe.kill("agent");
    shop.scene.hythe.kill("server");
    shop.scene.assert_serves("shop", "one");
    shop.scene.hythe.wait_for_status(&id, &["live"]);
    shop.scene.hythe.wait_until("the new version serves", || {
        shop.scene.hythe.get("shop", "/") == (200, "two".to_owned())
    });
    shop.one_container_is_left();
    let log = shop.log(&id);
    for words in ["it-begins", "it-ends"] {
        assert_eq!(log.matches(words).count(), 1, "{log}");
    }
    shop.scene.finish();
}
