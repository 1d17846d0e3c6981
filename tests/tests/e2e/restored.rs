//! A machine that is lost with everything on it, and the one that takes its place.

use std::process::Command;

use hythe_tests::installation::{Said, hythe};
use hythe_tests::repository::apps;

use crate::scene::Scene;

pub(crate) fn docker(args: &[&str]) -> Said {
    Command::new("docker").args(args).output().unwrap().into()
}

/// The machine is gone: processes, data, containers, networks and the images named.
fn lose_the_machine(scene: &mut Scene, images: &[&str]) {
    scene.hythe.stop();
    for id in scene.hythe.containers() {
        assert_eq!(docker(&["rm", "-f", &id]).code, 0);
    }
    for id in scene.hythe.networks() {
        assert_eq!(docker(&["network", "rm", &id]).code, 0);
    }
    for image in images {
        let gone = docker(&["rmi", "-f", image]);
        assert_eq!(gone.code, 0, "{}", gone.err);
    }
    for entry in std::fs::read_dir(scene.hythe.data()).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
}

fn offline(args: &[&str]) -> Said {
    Said::from(hythe().args(args).output().unwrap())
}

#[test]
fn what_was_live_runs_again_on_an_empty_machine() {
    let mut scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("one"));
    let document = scene.deploy_live("shop");
    // Newer than what is live: a restoration brings back what was, not what came after.
    repository.commit(&apps::files(&apps::page("two")));
    let image = document["image"].as_str().unwrap().to_owned();
    let outside = tempfile::tempdir().unwrap();
    let path = |name: &str| outside.path().join(name).to_str().unwrap().to_owned();
    let (key, file) = (path("k.key"), path("b.age"));
    assert_eq!(offline(&["backup", "key", &key]).code, 0);
    let made = scene.hythe.json(&["backup", &file, "--key-file", &key]);

    lose_the_machine(&mut scene, &[&image]);
    let data = scene.hythe.data().to_str().unwrap().to_owned();
    let back = offline(&["restore", &file, "--key-file", &key, "--data", &data, "--json"]);
    assert_eq!(back.code, 0, "{}", back.err);
    assert_eq!(back.json()["head"], made["head"]);

    scene.hythe.up();
    scene.hythe.wait_until("the app answers again", || {
        scene.hythe.get("shop", "/") == (200, "one".to_owned())
    });
    let (_, listed) = scene.hythe.api("GET", "/api/v1/apps/shop/deployments", None);
    let again = &listed["items"][0];
    assert_eq!(again["commit"], document["commit"], "{listed}");
    scene.hythe.wait_for_status(again["id"].as_str().unwrap(), &["live"]);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "once: {listed}");
    scene.hythe.wait_until("one container runs", || scene.hythe.containers().len() == 1);
    let workers = scene.hythe.json(&["worker", "ls"]);
    assert_eq!(workers.as_array().unwrap().len(), 1, "the old one is let go: {workers}");
    let status = scene.hythe.json(&["status"]);
    assert!(status["restored_at"].is_string(), "{status}");
    scene.finish();
}

#[test]
fn a_static_site_answers_again_on_an_empty_machine_and_once_its_files_were_lost() {
    let mut scene = Scene::new();
    scene.repository("docs", &[("index.html", "version one".into())]);
    let first = scene.deploy_live("docs");
    assert!(first["image"].is_null(), "{first}");
    let outside = tempfile::tempdir().unwrap();
    let path = |name: &str| outside.path().join(name).to_str().unwrap().to_owned();
    let (key, file) = (path("k.key"), path("b.age"));
    assert_eq!(offline(&["backup", "key", &key]).code, 0);
    scene.hythe.json(&["backup", &file, "--key-file", &key]);
    lose_the_machine(&mut scene, &[]);
    let data = scene.hythe.data().to_str().unwrap().to_owned();
    let back = offline(&["restore", &file, "--key-file", &key, "--data", &data, "--json"]);
    assert_eq!(back.code, 0, "{}", back.err);

    scene.hythe.up();
    scene.hythe.wait_until("the site answers again", || {
        scene.hythe.get("docs", "/") == (200, "version one".to_owned())
    });
    let deployments = |scene: &Scene| {
        let (_, listed) = scene.hythe.api("GET", "/api/v1/apps/docs/deployments", None);
        listed["items"].as_array().unwrap().clone()
    };
    let listed = deployments(&scene);
    scene.hythe.wait_for_status(listed[0]["id"].as_str().unwrap(), &["live"]);
    let listed = deployments(&scene);
    assert_eq!((listed.len(), &listed[0]["commit"]), (2, &first["commit"]), "{listed:?}");

    // The folder with the files is lost, and that of the edge stays: no restoration says so.
    scene.hythe.stop();
    std::fs::remove_dir_all(scene.hythe.data().join("sites")).unwrap();
    scene.hythe.up();
    scene.hythe.wait_until("it is deployed anew", || {
        let listed = deployments(&scene);
        listed.len() == 3 && listed[0]["status"] == "live"
    });
    assert_eq!(scene.hythe.get("docs", "/"), (200, "version one".to_owned()));
    let told = |scene: &Scene| scene.hythe.json(&["status"])["warnings"].to_string();
    scene.hythe.wait_until("nothing is said of it any more", || !told(&scene).contains("docs"));
    scene.finish();
}
