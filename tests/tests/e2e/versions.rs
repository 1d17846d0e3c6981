//! Going back to an earlier version, deploying again, restarting: without a build, and without a
//! request lost.

use std::process::Command;

use hythe_tests::repository::Repository;
use serde_json::{Value, json};

use crate::matrix::load::Load;
use crate::scene::Scene;

/// Answers with what is in the repository and in its environment.
const DOCKERFILE: &str = "FROM busybox\nCOPY index.html /page\nEXPOSE 8080\n\
    CMD [\"sh\", \"-c\", \"mkdir -p /tmp/w && echo $(cat /page) $GREETING > /tmp/w/index.html && \
    exec httpd -f -p 8080 -h /tmp/w\"]\n";

struct Shop {
    scene: Scene,
    repository: Repository,
}

impl Shop {
    /// An app of which `one hello` is live.
    fn new() -> Self {
        let scene = Scene::new();
        let files = [("Dockerfile", DOCKERFILE.to_owned()), ("index.html", "one".to_owned())];
        let repository = scene.repository("shop", &files);
        assert_eq!(scene.hythe.run(&["app", "create", "shop"]).code, 0);
        assert_eq!(scene.hythe.run(&["env", "set", "shop", "GREETING=hello"]).code, 0);
        assert_eq!(scene.hythe.run(&["app", "set", "shop", "--domain", "one.example"]).code, 0);
        scene.deploy_live("shop");
        let shop = Self { scene, repository };
        shop.serves("one hello");
        shop
    }

    /// `two goodbye` is live in two replicas, and leads from another domain.
    fn second(&self) -> Value {
        self.repository.commit(&[("index.html", "two")]);
        assert_eq!(
            self.scene.hythe.run(&["env", "set", "shop", "GREETING=goodbye", "MORE=1"]).code,
            0
        );
        let set = ["app", "set", "shop", "--domain", "two.example", "--replicas", "2"];
        assert_eq!(self.scene.hythe.run(&set).code, 0);
        let second = self.scene.hythe.json(&["deploy", "shop"]);
        self.serves("two goodbye");
        second
    }

    fn serves(&self, words: &str) {
        self.scene.assert_serves("shop", words);
    }

    fn load(&self) -> Load {
        Load::start(self.scene.hythe.edge(), "shop.localhost")
    }

    fn app(&self) -> Value {
        self.scene.hythe.api("GET", "/api/v1/apps/shop", None).1
    }

    fn variables(&self) -> Vec<String> {
        let (_, env) = self.scene.hythe.api("GET", "/api/v1/apps/shop/env", None);
        let items = env["items"].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What is told of the newest event of a type.
    fn told(&self, kind: &str) -> String {
        let events = self.scene.hythe.run(&["events", "--after", "0", "--type", kind, "--json"]);
        let last: Value = serde_json::from_str(events.out.lines().last().unwrap()).unwrap();
        self.scene.hythe.run(&["events", "--why", &last["sequence"].to_string()]).out
    }

    fn show(&self, id: &Value) -> Value {
        let path = format!("/api/v1/deployments/{}", id.as_str().unwrap());
        self.scene.hythe.api("GET", &path, None).1
    }
}

fn no_request_was_lost(load: &Load) {
    let seen = load.take();
    assert!(seen.answers > 0 && seen.failures.is_empty(), "{seen:?}");
}

/// That nothing was built for it, and what it was made of is the same.
fn is_a_repetition(done: &Value, of: &Value) {
    assert_eq!(done["status"], "live", "{done}");
    assert_eq!((&done["image"], &done["commit"]), (&of["image"], &of["commit"]), "{done} {of}");
    let stages = done["durations_ms"].as_object().unwrap();
    assert!(!stages.contains_key("building") && !stages.contains_key("queued"), "{done}");
}

#[test]
fn a_rollback_brings_all_of_it_back_without_a_build() {
    let shop = Shop::new();
    let first = shop.show(&shop.app()["live"]["id"]);
    let second = shop.second();
    let load = shop.load();
    let back = shop.scene.hythe.json(&["rollback", "shop"]);
    is_a_repetition(&back, &first);
    shop.serves("one hello");
    let app = shop.app();
    assert_eq!(app["settings"]["domains"], json!(["one.example"]), "{app}");
    assert_eq!(app["settings"]["replicas"], 1, "{app}");
    assert_eq!(
        app["settings"]["commit"],
        Value::Null,
        "the next deployment takes the newest commit"
    );
    assert_eq!(shop.variables(), ["GREETING"]);
    let shown = shop.show(&back["deployment"]);
    assert_eq!(shown["takes_over"]["number"], 1, "{shown}");
    let told = shop.told("app.deployment_repeated");
    assert!(told.contains("a rollback to #1 was asked for"), "{told}");

    // And forward again, by number; then what runs goes back, and the settings stay.
    let forward = shop.scene.hythe.json(&["rollback", "shop", "--to", "2"]);
    is_a_repetition(&forward, &second);
    shop.serves("two goodbye");
    assert_eq!(shop.variables(), ["GREETING", "MORE"]);
    shop.scene.hythe.json(&["rollback", "shop", "--to", "1", "--keep-settings"]);
    shop.serves("one hello");
    let app = shop.app();
    assert_eq!(app["settings"]["domains"], json!(["two.example"]), "{app}");
    assert_eq!(shop.variables(), ["GREETING", "MORE"]);
    no_request_was_lost(&load);
    drop(load);
    shop.scene.finish();
}

#[test]
fn a_rollback_says_what_is_in_its_way_and_goes_before_what_is_on_its_way() {
    let shop = Shop::new();
    let refused = |args: &[&str], says: &str| {
        let said = shop.scene.hythe.run(&[&["rollback", "shop"], args].concat());
        assert!(said.code == 1 && said.err.contains(says), "{args:?}: {}", said.err);
    };
    refused(&[], "No other version of shop was live");
    refused(&["--to", "1"], "is live already");
    refused(&["--to", "7"], "no such deployment");
    shop.second();
    // The domain of then leads elsewhere.
    let other = ["app", "create", "other"];
    assert_eq!(shop.scene.hythe.run(&other).code, 0);
    let taken = ["app", "set", "other", "--domain", "one.example"];
    assert_eq!(shop.scene.hythe.run(&taken).code, 0);
    refused(&[], "leads to another app");
    assert_eq!(shop.scene.hythe.run(&["app", "set", "other", "--no-domains"]).code, 0);
    // One that is on its way.
    let slow = DOCKERFILE.replace("EXPOSE", "RUN sleep 600\nEXPOSE");
    shop.repository.commit(&[("Dockerfile", &slow)]);
    let moving = shop.scene.begin("shop");
    shop.scene.hythe.wait_for_status(&moving, &["building"]);
    refused(&[], "hythe cancel shop");
    let restart = shop.scene.hythe.run(&["restart", "shop"]);
    assert!(restart.code == 1 && restart.err.contains("is on its way"), "{}", restart.err);
    shop.scene.hythe.json(&["rollback", "shop", "--to", "1"]);
    shop.serves("one hello");
    assert_eq!(shop.scene.hythe.deployment(&moving).0, "superseded");
    shop.scene.finish();
}

#[test]
fn a_rollback_whose_image_is_gone_builds_it_again_and_says_so() {
    let shop = Shop::new();
    let first = shop.show(&shop.app()["live"]["id"]);
    shop.second();
    shop.scene
        .hythe
        .wait_until("the first replica is gone", || shop.scene.hythe.containers().len() == 2);
    let image = first["image"].as_str().unwrap();
    let removed = Command::new("docker").args(["rmi", "-f", image]).output().unwrap();
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    let back = shop.scene.hythe.json(&["rollback", "shop"]);
    assert_eq!((&back["status"], &back["commit"]), (&json!("live"), &first["commit"]), "{back}");
    shop.serves("one hello");
    let shown = shop.show(&back["deployment"]);
    assert_eq!(shown["takes_over"]["rebuilt"], true, "{shown}");
    let told = shop.told("deployment.image_missed");
    assert!(told.contains("it is built again from its commit"), "{told}");
    shop.scene.finish();
}

#[test]
fn a_restart_changes_nothing_and_a_redeployment_takes_what_was_set() {
    let shop = Shop::new();
    let first = shop.show(&shop.app()["live"]["id"]);
    // Neither a newer commit nor a variable is for a restart.
    shop.repository.commit(&[("index.html", "two")]);
    assert_eq!(shop.scene.hythe.run(&["env", "set", "shop", "GREETING=again"]).code, 0);
    let load = shop.load();
    let before = shop.scene.hythe.containers();
    let restarted = shop.scene.hythe.json(&["restart", "shop"]);
    is_a_repetition(&restarted, &first);
    shop.serves("one hello");
    shop.scene.hythe.wait_until("only new replicas run", || {
        let now = shop.scene.hythe.containers();
        now.len() == 1 && now != before
    });
    let redeployed = shop.scene.hythe.json(&["redeploy", "shop"]);
    is_a_repetition(&redeployed, &first);
    shop.serves("one again");
    // A restart is no version to go back to.
    shop.scene.hythe.json(&["restart", "shop"]);
    shop.scene.hythe.json(&["rollback", "shop"]);
    shop.serves("one hello");
    no_request_was_lost(&load);
    drop(load);
    shop.scene.finish();
}

#[test]
fn a_stopped_app_says_so_and_stays_so_until_it_is_started_or_deployed() {
    let mut shop = Shop::new();
    let image = shop.show(&shop.app()["live"]["id"])["image"].clone();
    let stopped = shop.scene.hythe.json(&["stop", "shop"]);
    assert_eq!((&stopped["status"], &stopped["stopped"]), (&json!("stopped"), &json!(true)));
    assert!(shop.scene.hythe.containers().is_empty());
    let (status, page) = shop.scene.hythe.get("shop", "/");
    assert!(status == 503 && page.contains("stopped"), "{status} {page}");
    let routes = shop.scene.hythe.run(&["routes"]);
    assert!(routes.out.contains("stopped"), "{}", routes.out);
    let restart = shop.scene.hythe.run(&["restart", "shop"]);
    assert!(restart.code == 1 && restart.err.contains("hythe start shop"), "{}", restart.err);
    // Over restarts of everything.
    shop.scene.hythe.stop();
    shop.scene.hythe.up();
    shop.scene.hythe.wait_until("the edge says so again", || {
        shop.scene.hythe.get("shop", "/").1.contains("stopped")
    });
    assert!(shop.scene.hythe.containers().is_empty());
    assert_eq!(shop.app()["status"], "stopped");

    let started = shop.scene.hythe.json(&["start", "shop"]);
    assert_eq!((&started["status"], &started["stopped"]), (&json!("running"), &json!(false)));
    shop.serves("one hello");
    assert_eq!(shop.show(&shop.app()["live"]["id"])["image"], image);
    shop.scene.hythe.json(&["start", "shop"]);

    // One that fails leaves it stopped; one that goes live starts it.
    shop.scene.hythe.json(&["stop", "shop"]);
    shop.repository.commit(&[("Dockerfile", "FROM busybox\nCMD [\"false\"]\n")]);
    assert_eq!(shop.scene.hythe.run(&["deploy", "shop"]).code, 1);
    assert_eq!(shop.app()["status"], "stopped");
    assert!(shop.scene.hythe.get("shop", "/").1.contains("stopped"));
    shop.repository.commit(&[("Dockerfile", DOCKERFILE), ("index.html", "new")]);
    shop.scene.hythe.json(&["deploy", "shop"]);
    shop.serves("new hello");
    assert_eq!(shop.app()["stopped"], false);
    for (kind, words) in [("app.stopped", "it was stopped"), ("app.started", "it was started")] {
        let told = shop.told(kind);
        assert!(told.contains(words), "{words}: {told}");
    }
    shop.scene.finish();
}

#[test]
fn stopping_ends_what_is_on_its_way_and_lets_requests_finish() {
    let shop = Shop::new();
    // It goes on until it is told to end.
    let cgi = "#!/bin/sh\\necho Content-Type: text/plain\\necho\\ntouch /tmp/asked\\n\
               while [ ! -f /tmp/end ]; do sleep 0.1; done\\necho done\\n";
    let line = format!(
        "mkdir -p /tmp/w/cgi-bin && printf '{cgi}' > /tmp/w/cgi-bin/slow && \
         chmod +x /tmp/w/cgi-bin/slow && echo slow > /tmp/w/index.html && \
         exec httpd -f -p 8080 -h /tmp/w"
    );
    let line = serde_json::to_string(&line).unwrap();
    let dockerfile = format!("FROM busybox\nEXPOSE 8080\nCMD [\"sh\", \"-c\", {line}]\n");
    shop.repository.commit(&[("Dockerfile", &dockerfile)]);
    shop.scene.hythe.json(&["deploy", "shop"]);
    shop.scene
        .hythe
        .wait_until("the version before is gone", || shop.scene.hythe.containers().len() == 1);
    let [id] = &shop.scene.hythe.containers()[..] else { panic!("one container") };
    let within = |command: &[&str]| {
        let output = Command::new("docker").args(["exec", id]).args(command).output().unwrap();
        output.status.success()
    };
    let slow = DOCKERFILE.replace("EXPOSE", "RUN sleep 600\nEXPOSE");
    shop.repository.commit(&[("Dockerfile", &slow)]);
    let moving = shop.scene.begin("shop");
    shop.scene.hythe.wait_for_status(&moving, &["building"]);
    let edge = shop.scene.hythe.edge();
    let host = [("Host", "shop.localhost")];
    let asked =
        std::thread::spawn(move || hythe_tests::http::ask(edge, "GET", "/cgi-bin/slow", &host, ""));
    // Under way at the edge before anything is stopped.
    shop.scene.hythe.wait_until("the script runs", || within(&["test", "-f", "/tmp/asked"]));
    let stopping = shop.scene.hythe.command(&["stop", "shop"]).spawn().unwrap();
    shop.scene.hythe.wait_for_status(&moving, &["cancelled"]);
    shop.scene.hythe.wait_until("no new request gets there", || {
        shop.scene.hythe.get("shop", "/").1.contains("stopped")
    });
    assert!(within(&["touch", "/tmp/end"]), "it runs until its request has ended");
    assert_eq!(asked.join().unwrap(), Some((200, "done\n".to_owned())));
    let stopped = stopping.wait_with_output().unwrap();
    assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    assert!(shop.scene.hythe.containers().is_empty());
    shop.scene.finish();
}

#[test]
fn scaling_starts_and_stops_replicas_and_leaves_the_others_alone() {
    let shop = Shop::new();
    let [first] = &shop.scene.hythe.containers()[..] else { panic!("one replica") };
    let load = shop.load();
    let scaled = shop.scene.hythe.json(&["scale", "shop", "3"]);
    assert_eq!((&scaled["status"], &scaled["replicas_healthy"]), (&json!("running"), &json!(3)));
    let three = shop.scene.hythe.containers();
    assert!(three.len() == 3 && three.contains(first), "{three:?}");
    let (_, table) = shop.scene.hythe.api("GET", "/api/v1/routes", None);
    let targets = table["items"][0]["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 3, "{table}");
    shop.scene.hythe.json(&["scale", "shop", "1"]);
    assert_eq!(shop.scene.hythe.containers(), std::slice::from_ref(first));
    assert_eq!(shop.app()["deployments"], 1, "no deployment was needed");
    assert_eq!(shop.app()["settings"]["replicas"], 1);
    // It is remembered, by the next deployment and by a restart.
    shop.scene.hythe.json(&["scale", "shop", "2"]);
    let restarted = shop.scene.hythe.json(&["restart", "shop"]);
    assert_eq!(shop.show(&restarted["deployment"])["replicas"], 2);
    no_request_was_lost(&load);
    drop(load);
    let refused =
        shop.scene.hythe.api("POST", "/api/v1/apps/shop/scale", Some(&json!({"replicas": 0})));
    assert!(refused.0 == 422 && refused.1.to_string().contains("hythe stop shop"), "{refused:?}");
    shop.scene.finish();
}
