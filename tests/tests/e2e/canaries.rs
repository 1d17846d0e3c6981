//! A new version takes a part of the requests, and then all of them or none.

use std::collections::BTreeMap;

use hythe_tests::repository::{Repository, apps};
use serde_json::Value;

use crate::matrix::load::Load;
use crate::scene::Scene;

fn app(scene: &Scene) -> Repository {
    let repository = scene.repository("shop", &apps::page("one"));
    assert_eq!(scene.hythe.run(&["app", "create", "shop"]).code, 0);
    scene.deploy_live("shop");
    scene.assert_serves("shop", "one");
    repository
}

/// How often each version answers.
fn answers(scene: &Scene, count: usize) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for _ in 0..count {
        let (status, answer) = scene.hythe.get("shop", "/");
        assert_eq!(status, 200, "{answer}");
        *answers.entry(answer.trim().to_owned()).or_default() += 1;
    }
    answers
}

#[test]
fn a_canary_takes_its_part_is_promoted_and_no_request_is_lost() {
    let scene = Scene::new();
    let repository = app(&scene);
    let load = Load::start(scene.hythe.edge(), "shop.localhost");
    repository.commit(&[("index.html", "two")]);
    let begun = scene.hythe.json(&["deploy", "shop", "--canary", "20%"]);
    assert_eq!(begun["canary_percent"], 20, "{begun}");
    scene.hythe.wait_until("the edges have it", || answers(&scene, 10).contains_key("two"));
    let shown = scene.hythe.json(&["canary", "show", "shop"]);
    assert_eq!((&shown["percent"], &shown["started"]), (&Value::from(20), &Value::from(true)));
    // The load of this test takes turns, too.
    let seen = answers(&scene, 100);
    let part = seen.get("two").copied().unwrap_or_default();
    assert!((1..60).contains(&part), "{seen:?}");

    assert_eq!(scene.hythe.run(&["canary", "set", "shop", "90%"]).code, 0);
    scene.hythe.wait_until("most are its own", || answers(&scene, 50).get("two") > Some(&30));
    assert_eq!(scene.hythe.run(&["canary", "promote", "shop"]).code, 0);
    scene.hythe.wait_until("it has all", || {
        let (_, app) = scene.hythe.api("GET", "/api/v1/apps/shop", None);
        app["live"]["id"] == begun["deployment"]
    });
    assert_eq!(answers(&scene, 20), BTreeMap::from([("two".to_owned(), 20)]));
    let refused = scene.hythe.run(&["canary", "promote", "shop"]);
    assert_ne!(refused.code, 0, "{}", refused.out);

    // One that is not wanted leaves no trace.
    repository.commit(&[("index.html", "three")]);
    scene.hythe.json(&["deploy", "shop", "--canary", "50%"]);
    scene.hythe.wait_until("the edges have it", || answers(&scene, 10).contains_key("three"));
    assert_eq!(scene.hythe.run(&["canary", "abort", "shop"]).code, 0);
    scene.hythe.wait_until("it is taken back", || !answers(&scene, 10).contains_key("three"));
    assert_eq!(answers(&scene, 20), BTreeMap::from([("two".to_owned(), 20)]));
    let seen = load.take();
    assert!(seen.answers > 0 && seen.failures.is_empty(), "{seen:?}");
    scene.finish();
}
