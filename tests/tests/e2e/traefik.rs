//! Traefik in front: it cannot be had here, so a thread asks as its HTTP provider does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hythe_tests::repository::apps;
use serde_json::{Value, json};

use crate::scene::Scene;

/// What a document says of where an app answers.
fn servers(document: &Value) -> Vec<&str> {
    let servers = document["http"]["services"]["hythe-shop"]["loadBalancer"]["servers"].as_array();
    servers.into_iter().flatten().filter_map(|server| server["url"].as_str()).collect()
}

#[test]
fn a_switch_waits_until_a_traefik_that_asks_has_taken_it_up() {
    let scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("one"));
    scene.deploy_live("shop");
    let set = ["app", "set", "shop", "--domain", "shop.example", "--drain", "2s"];
    assert_eq!(scene.hythe.run(&set).code, 0);

    let worker = scene.hythe.json(&["worker", "ls"])[0]["name"].as_str().unwrap().to_owned();
    let of_worker = format!("/v1/traefik/config?worker_id={worker}&instance=one");
    let of_proxy = "/v1/traefik/proxy-config?cert_resolver=le";
    let ask = |path: &str| {
        let (status, document) = scene.hythe.api("GET", path, None);
        assert_eq!(status, 200, "{document}");
        document
    };
    scene.hythe.wait_until("its domain is routed", || !servers(&ask(of_proxy)).is_empty());
    let (near, far) = (ask(&of_worker), ask(of_proxy));
    assert_eq!(near["http"]["routers"]["hythe-shop"]["rule"], "Host(`shop.localhost`)");
    assert_eq!(far["http"]["routers"]["hythe-shop"]["rule"], "Host(`shop.example`)");
    assert_eq!(far["http"]["routers"]["hythe-shop"]["tls"], json!({"certResolver": "le"}));
    assert_eq!(servers(&near), servers(&far));
    // The edge, and these two once they have asked for long enough.
    scene.hythe.wait_until("both count as edges", || {
        ask(&of_worker);
        ask(of_proxy);
        let ready = scene.hythe.api("GET", "/readyz", None).1.to_string();
        ready.contains("3 heard of")
    });

    repository.commit(&[("index.html", "two")]);
    let over = AtomicBool::new(false);
    let (live, leads_to) = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Not for ever, should the rest panic.
            let until = Instant::now() + Duration::from_secs(240);
            while !over.load(Ordering::Relaxed) && Instant::now() < until {
                ask(&of_worker);
                ask(of_proxy);
            }
        });
        let live = scene.deploy("shop");
        let leads_to = ask(of_proxy);
        // It goes while they still ask: whoever asks no more is waited for half a minute.
        let gone = scene.hythe.run(&["app", "rm", "shop", "--now", "--yes"]);
        let containers = || scene.hythe.containers();
        scene.hythe.wait_until("its containers are gone", || containers().is_empty());
        over.store(true, Ordering::Relaxed);
        assert_eq!(gone.code, 0, "{}{}", gone.out, gone.err);
        (live, leads_to)
    });
    assert_eq!(live.code, 0, "{}{}", live.out, live.err);
    let took = &live.json()["durations_ms"];
    // What it was given it goes by after three seconds, and of requests under way it says nothing.
    assert!(took["switching"].as_u64().unwrap() >= 3_000, "{took}");
    assert!(took["draining"].as_u64().unwrap() >= 2_000, "{took}");
    let now = servers(&leads_to);
    assert!(!now.is_empty() && now != servers(&far), "it leads to the new version: {leads_to}");
    scene.finish();
}
