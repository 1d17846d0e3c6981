//! `kill -9` of every part, during a build and during a switch: the deployment ends as it would
//! have, nothing is doubled, and the version before serves meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hythe_tests::repository::{Repository, apps};

use crate::scene::Scene;

/// An app that serves a page, and another one that takes eight seconds.
const DOCKERFILE: &str = "FROM busybox\nCOPY index.html /www/index.html\nCOPY slow /www/cgi-bin/slow\n\
                          RUN chmod +x /www/cgi-bin/slow\nEXPOSE 8080\n\
                          CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";
const SLOW: &str = "#!/bin/sh\necho 'Content-Type: text/plain'\necho\nsleep 8\necho slow\n";

/// Kills `part` while the second version builds, and again while the third one takes over.
fn killed(part: &str) {
    let scene = Scene::new();
    let files = [
        ("Dockerfile", DOCKERFILE.to_owned()),
        ("index.html", "one".to_owned()),
        ("slow", SLOW.to_owned()),
    ];
    let repository = scene.repository("shop", &files);
    scene.deploy_live("shop");
    killed_during_a_build(&scene, &repository, part);
    killed_during_a_switch(&scene, &repository, part);
    scene.finish();
}

fn killed_during_a_build(scene: &Scene, repository: &Repository, part: &str) {
    // Nothing that a cache has: the step takes its time.
    let second = format!("two {}", uuid::Uuid::now_v7());
    let step = format!("RUN echo working on {second} && sleep 4\nEXPOSE");
    let dockerfile = DOCKERFILE.replace("EXPOSE", &step);
    repository.commit(&[("Dockerfile", dockerfile.as_str()), ("index.html", second.as_str())]);
    let mut cli = scene.deploy_in_background("shop");
    scene.hythe.wait_until("the build runs", || newest_is(scene, "building"));
    scene.hythe.kill(part);
    let status = cli.wait().unwrap();
    assert!(status.success(), "{status}\n{}", scene.hythe.logs());
    scene.hythe.wait_until("the new version serves", || {
        scene.hythe.get("shop", "/") == (200, second.clone())
    });
    scene.hythe.wait_until("nothing is doubled", || scene.hythe.containers().len() == 1);
}

/// Requests to the old version hold up the switch.
fn killed_during_a_switch(scene: &Scene, repository: &Repository, part: &str) {
    repository.commit(&[("Dockerfile", DOCKERFILE), ("index.html", "three")]);

    // A request under way keeps the old version draining for some seconds.
    let id = scene.begin("shop");
    scene.hythe.wait_until("the new version is about to take over", || {
        let wanted = ["starting", "healthy", "switching", "draining", "live"];
        wanted.contains(&status(scene, &id).as_str())
    });
    let mut request = TcpStream::connect(scene.hythe.edge()).unwrap();
    request.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    request
        .write_all(
            b"GET /cgi-bin/slow HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
    scene.hythe.wait_until("it switches", || {
        ["switching", "draining", "live"].contains(&status(scene, &id).as_str())
    });
    scene.hythe.kill(part);
    scene.hythe.wait_for_status(&id, &["live"]);
    scene.hythe.wait_until("the new version serves", || {
        scene.hythe.get("shop", "/") == (200, "three".to_owned())
    });
    scene.hythe.wait_until("nothing is doubled", || scene.hythe.containers().len() == 1);
    let mut answer = String::new();
    let read = request.read_to_string(&mut answer);
    // Only the death of the edge itself may cost the request that it carries.
    if part != "edge" {
        assert!(read.is_ok() && answer.starts_with("HTTP/1.1 200"), "{read:?} {answer}");
        assert!(answer.contains("slow"), "{answer}");
    }
}

fn status(scene: &Scene, id: &str) -> String {
    scene.hythe.deployment(id).0
}

fn newest_is(scene: &Scene, wanted: &str) -> bool {
    let (_, listed) = scene.hythe.api("GET", "/api/v1/apps/shop/deployments", None);
    listed.to_string().contains(&format!("\"status\":\"{wanted}\""))
}

#[test]
fn the_server_dies_during_a_build_and_a_switch() {
    killed("server");
}

#[test]
fn the_agent_dies_during_a_build_and_a_switch() {
    killed("agent");
}

#[test]
fn the_edge_dies_during_a_build_and_a_switch() {
    killed("edge");
}

#[test]
fn nats_dies_during_a_build_and_a_switch() {
    killed("nats");
}

#[test]
fn up_dies_and_the_next_one_goes_on_without_doubling_anything() {
    let mut scene = Scene::new();
    scene.repository("shop", &apps::page("one"));
    scene.deploy_live("shop");
    let edge = scene.hythe.pid("edge").unwrap();
    scene.hythe.kill_up();
    scene.assert_serves("shop", "one");
    scene.hythe.up();
    scene.assert_serves("shop", "one");
    assert_eq!(scene.hythe.containers().len(), 1);
    let now = scene.hythe.pid("edge").unwrap();
    assert!(now == edge || !hythe_tests::installation::alive(edge), "two edges run");
    scene.hythe.json(&["deploy", "shop", "--wait"]);
    scene.finish();
}

#[test]
fn a_stopped_installation_takes_up_its_work_again() {
    let mut scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("one"));
    scene.deploy_live("shop");
    let second = format!("two {}", uuid::Uuid::now_v7());
    repository.commit(&apps::files(&apps::slow_build(&second, 5)));
    let id = scene.begin("shop");
    scene.hythe.wait_for_status(&id, &["building"]);
    scene.hythe.stop();
    scene.hythe.verify();
    scene.hythe.up();
    scene.hythe.wait_for_status(&id, &["live"]);
    scene.assert_serves("shop", &second);
    scene.finish();
}

#[test]
fn a_nats_whose_store_is_wiped_costs_nothing() {
    let mut scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("one"));
    scene.deploy_live("shop");
    scene.hythe.stop();
    let store = scene.hythe.data().join("nats/store");
    assert!(store.is_dir(), "the store of NATS lies elsewhere now");
    std::fs::remove_dir_all(store).unwrap();
    scene.hythe.up();
    scene.hythe.wait_until("the app serves again", || scene.hythe.get("shop", "/").0 == 200);
    repository.commit(&apps::files(&apps::page("two")));
    scene.deploy_live("shop");
    scene.assert_serves("shop", "two");
    scene.finish();
}
