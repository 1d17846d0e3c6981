//! Deployments that fail: the version before keeps serving, and the reason says what happened.

use hythe_tests::repository::{Repository, apps};
use serde_json::{Value, json};

use crate::scene::Scene;

/// An app whose good version serves, whatever comes after it.
struct Shop {
    scene: Scene,
    repository: Repository,
    /// What the good version says.
    good: String,
}

impl Shop {
    fn open() -> Self {
        let scene = Scene::new();
        let repository = scene.repository("shop", &apps::page("good"));
        scene.deploy_live("shop");
        Self { scene, repository, good: "good".to_owned() }
    }

    fn set(&self, settings: &Value) {
        let (status, body) = self.scene.hythe.api("PATCH", "/api/v1/apps/shop", Some(settings));
        assert_eq!(status, 200, "{body}");
    }

    /// Deploys a bad version and then a better one; says the document of the bad one.
    fn fails(&mut self, bad: &[(&'static str, String)], settings: &Value) -> Value {
        let Self { scene, repository, good } = &*self;
        self.set(settings);
        repository.commit(&apps::files(bad));
        let said = scene.deploy("shop");
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
        scene.assert_serves("shop", good);
        let document = said.json();
        assert_eq!(document["status"], "failed", "{document}");
        let hythe = &scene.hythe;
        hythe.wait_until("only the good version runs", || hythe.containers().len() == 1);
        // What was wrong can be put right. A good version has its time to start, also on a busy machine.
        self.set(&json!({ "health_start_within_ms": 60_000 }));
        let better = format!("better than {good}");
        repository.commit(&apps::files(&apps::page(&better)));
        scene.deploy_live("shop");
        scene.assert_serves("shop", &better);
        hythe.wait_until("only the better version runs", || hythe.containers().len() == 1);
        self.good = better;
        document
    }
}

fn assert_failure(document: &Value, stage: &str, words: &str, line: &str) {
    let failure = &document["failure"];
    assert_eq!(failure["stage"], json!(stage), "{document}");
    let message = failure["message"].as_str().unwrap_or_default();
    assert!(message.contains(words), "{message:?} should contain {words:?}");
    assert!(failure["log"].to_string().contains(line), "{failure} should show {line:?}");
}

#[test]
fn what_fails_says_why_and_the_version_before_serves_on() {
    let mut shop = Shop::open();
    let document = shop.fails(&apps::failing_build(), &json!({}));
    assert_failure(&document, "building", "exit", "the-step-speaks");
    // One that exits.
    let document = shop.fails(&apps::exits(), &json!({}));
    assert_failure(&document, "starting", "exited with code 3", "last-words");
    // One that never listens.
    let settings = json!({ "health_start_within_ms": 3_000 });
    let document = shop.fails(&apps::never_healthy(), &settings);
    assert_failure(&document, "starting", "not healthy within", "still-thinking");
    // One that answers, but never well; long enough for an answer to come, also on a busy machine.
    let settings = json!({ "health_start_within_ms": 6_000, "health_path": "/index.html" });
    let document = shop.fails(&apps::always_not_found(), &settings);
    assert_failure(&document, "starting", "404", "no-luck");
    shop.scene.finish();
}

#[test]
fn cancelling_a_build_ends_it_for_real() {
    let scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("good"));
    scene.deploy_live("shop");
    repository.commit(&apps::files(&apps::slow_build("slow", 613)));
    let id = scene.begin("shop");
    scene.hythe.wait_until("the step runs", || process_with("sleep 613"));
    let said = scene.hythe.run(&["cancel", &id]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    scene.hythe.wait_for_status(&id, &["cancelled"]);
    scene.hythe.wait_until("the step is gone", || !process_with("sleep 613"));
    scene.assert_serves("shop", "good");
    repository.commit(&apps::files(&apps::page("next")));
    scene.deploy_live("shop");
    scene.finish();
}

/// Whether a process with this command line runs on this machine.
pub(crate) fn process_with(words: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let mut lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.any(|line| line.trim() == words)
}

#[test]
fn cancelling_during_the_start_leaves_nothing_of_it() {
    let scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("good"));
    let live = scene.deploy_live("shop");
    repository.commit(&apps::files(&apps::never_healthy()));
    let id = scene.begin("shop");
    scene.hythe.wait_for_status(&id, &["starting"]);
    scene.hythe.wait_until("its replica runs", || scene.hythe.containers().len() == 2);
    assert_eq!(scene.hythe.run(&["cancel", &id]).code, 0);
    scene.hythe.wait_for_status(&id, &["cancelled"]);
    scene.hythe.wait_until("its replica is gone", || scene.hythe.containers().len() == 1);
    scene.assert_serves("shop", "good");
    let late = scene.hythe.run(&["cancel", live["deployment"].as_str().unwrap()]);
    assert_eq!(late.code, 1, "what is live cannot be cancelled: {}", late.out);
    assert!(late.err.contains("is live"), "{}", late.err);
    scene.finish();
}

#[test]
fn a_newer_request_takes_the_place_of_a_waiting_one() {
    let scene = Scene::new();
    // Nothing that a cache has: the step takes its time.
    let slow = format!("slow {}", uuid::Uuid::now_v7());
    scene.repository("shop", &apps::slow_build(&slow, 4));
    let first = scene.begin("shop");
    scene.hythe.wait_for_status(&first, &["building"]);
    let second = scene.begin("shop");
    let third = scene.begin("shop");
    scene.hythe.wait_for_status(&second, &["superseded"]);
    scene.hythe.wait_for_status(&third, &["live"]);
    assert_eq!(scene.hythe.deployment(&first).0, "superseded");
    scene.finish();
}
