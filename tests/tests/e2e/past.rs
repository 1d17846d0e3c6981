//! Looking back at real deployments: as it was, what changed, and why.

use std::collections::BTreeMap;

use hythe_tests::repository::apps;
use serde_json::{Value, json};

use crate::scene::Scene;

fn events(scene: &Scene, more: &[&str]) -> Vec<Value> {
    let said = scene.hythe.run(&[&["events", "--json"], more].concat());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_was_live_then_and_who_made_it_otherwise() {
    let scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("one"));
    let first = scene.deploy_live("shop");
    let then = events(&scene, &["--type", "app.deployment_promoted"]);
    let then = then.last().unwrap()["sequence"].to_string();
    let set = scene.hythe.run(&["env", "set", "shop", "LEVEL=debug"]);
    assert_eq!(set.code, 0, "{}", set.err);
    repository.commit(&[("index.html", "two")]);
    let second = scene.hythe.json(&["deploy", "shop", "--wait"]);
    scene.assert_serves("shop", "two");

    let app = scene.hythe.json(&["app", "show", "shop", "--at", &then]);
    assert_eq!(app["live"]["id"], first["deployment"]);
    assert_eq!(app["live"]["commit"], first["commit"]);
    assert_eq!(app["as_of"]["sequence"].to_string(), then);
    let routes = scene.hythe.json(&["routes", "--at", &then]);
    assert_eq!(routes[0]["deployment"]["id"], first["deployment"], "{routes}");
    let routes = scene.hythe.json(&["routes"]);
    assert_eq!(routes[0]["deployment"]["id"], second["deployment"], "{routes}");
    assert!(!routes[0]["targets"].as_array().unwrap().is_empty(), "{routes}");
    let workers = scene.hythe.json(&["worker", "ls", "--at", &then]);
    let name = workers[0]["name"].as_str().unwrap();
    let worker = scene.hythe.json(&["worker", "show", name, "--at", &then]);
    assert_eq!(worker["id"], workers[0]["id"]);
    let replicas = scene.hythe.json(&["ps", "shop", "--at", &then]);
    assert_eq!(replicas[0]["deployment"]["id"], first["deployment"], "{replicas}");

    let diff = scene.hythe.json(&["app", "diff", "shop", &then, "now"]);
    let changes: BTreeMap<_, _> = diff["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["field"].as_str().unwrap(), change))
        .collect();
    let live = changes["live"];
    assert_eq!((&live["before"], &live["after"]), (&json!("#1"), &json!("#2")));
    assert_eq!(live["origin"]["actor"], "owner");
    assert_eq!(live["origin"]["type"], "app.deployment_requested");
    assert_eq!(changes["live.commit"]["after"], second["commit"]);
    assert_eq!(changes["env.LEVEL"]["by"]["actor"], "owner");
    assert!(!diff.to_string().contains("debug"));

    // From every event, cause by cause, back to something that has a name.
    let all = events(&scene, &["--from", "1"]);
    let of_second = &second["deployment"];
    let mut explained = 0;
    for event in &all {
        let why =
            scene.hythe.api("GET", &format!("/api/v1/events/{}/why", event["sequence"]), None);
        let (status, why) = why;
        assert_eq!(status, 200, "{why}");
        assert_ne!(why["beginning"], "unknown", "{why}");
        if event["id"] == *of_second {
            assert_eq!(why["beginning"], "request", "{why}");
            explained += 1;
        }
    }
    assert!(explained >= 8, "{all:#?}");
    let last = all.iter().rev().find(|event| event["id"] == *of_second).unwrap();
    let story = scene.hythe.run(&["events", "--why", &last["sequence"].to_string()]);
    assert!(story.out.starts_with("It began with a request of the owner"), "{}", story.out);
    assert!(story.out.contains("deployment #2 was asked for"), "{}", story.out);
    scene.finish();
}
