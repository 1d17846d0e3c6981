//! An app that nobody asks for has no container; whoever asks for it waits for one, and is answered.

use std::process::Command;

use hythe_tests::repository::apps;
use serde_json::{Value, json};

use crate::scene::Scene;

struct Shop {
    scene: Scene,
}

impl Shop {
    fn app(&self) -> Value {
        self.scene.hythe.api("GET", "/api/v1/apps/shop", None).1
    }

    fn falls_asleep(&self) {
        self.scene.hythe.wait_until("the app is asleep", || self.app()["status"] == "asleep");
    }

    fn has_no_container(&self) {
        self.scene
            .hythe
            .wait_until("no container is left", || self.scene.hythe.containers().is_empty());
    }

    fn answers(&self) {
        self.scene.assert_serves("shop", "one");
        let containers = self.scene.hythe.containers();
        assert_eq!(containers.len(), 1, "{containers:?}");
        let given = ["exec", &containers[0], "grep", "-q", "GREETING=hello", "/proc/1/environ"];
        let given = Command::new("docker").args(given).status().unwrap();
        assert!(given.success(), "it has the variables that it was given");
    }

    /// What is told of the newest event of a type.
    fn told(&self, kind: &str) -> String {
        let events = self.scene.hythe.run(&["events", "--after", "0", "--type", kind, "--json"]);
        let last: Value = serde_json::from_str(events.out.lines().last().unwrap()).unwrap();
        self.scene.hythe.run(&["events", "--why", &last["sequence"].to_string()]).out
    }
}

#[test]
fn an_app_that_nobody_asks_for_falls_asleep_and_whoever_asks_is_answered() {
    let scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("one"));
    // What an app was given is there when it wakes.
    assert_eq!(scene.hythe.run(&["app", "create", "shop"]).code, 0);
    assert_eq!(scene.hythe.run(&["env", "set", "shop", "GREETING=hello"]).code, 0);
    scene.deploy_live("shop");
    let mut shop = Shop { scene };
    let set = ["traffic", "set", "shop", "--sleep-after", "5s"];
    assert_eq!(shop.scene.hythe.json(&set)["sleep_after_ms"], 5_000);
    shop.falls_asleep();
    shop.has_no_container();
    let said = shop.scene.hythe.run(&["ps", "shop"]);
    assert!(said.err.contains("asleep since"), "{}{}", said.out, said.err);
    let routes = shop.scene.hythe.run(&["routes"]);
    assert!(routes.out.contains("asleep"), "{}", routes.out);
    shop.answers();
    let told = shop.told("app.fell_asleep");
    assert!(told.contains("nobody had asked for it for "), "{told}");
    let told = shop.told("app.woken");
    assert!(told.contains("somebody asked for it at edge"), "{told}");

    // In the very moment in which it falls asleep: what runs is about to be stopped.
    for _ in 0..3 {
        shop.falls_asleep();
        shop.scene.assert_serves("shop", "one");
        shop.scene.assert_serves("shop", "one");
    }

    // Over restarts of everything, and whatever is asked of it then.
    shop.falls_asleep();
    shop.has_no_container();
    shop.scene.hythe.stop();
    shop.scene.hythe.up();
    assert_eq!(shop.app()["status"], "asleep");
    shop.answers();
    shop.falls_asleep();
    let started = shop.scene.hythe.json(&["start", "shop"]);
    assert_eq!(started["status"], json!("running"), "{started}");
    shop.falls_asleep();
    repository.commit(&[("index.html", "two")]);
    shop.scene.hythe.json(&["deploy", "shop"]);
    shop.scene.assert_serves("shop", "two");
    shop.falls_asleep();
    let never = shop.scene.hythe.json(&["traffic", "set", "shop", "--no-sleep"]);
    assert_eq!(never["sleep_after_ms"], Value::Null, "{never}");
    shop.scene.assert_serves("shop", "two");
    shop.scene.finish();
}
