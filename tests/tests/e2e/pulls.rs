//! Images of a registry that are deployed as they are, whatever their tags mean later.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::Command;

use hythe_tests::registry::{Auth, Below, Registry};
use serde_json::{Value, json};

use crate::scene::Scene;

/// Where an image of the registry says what it is.
const PAGE: &str = "/from-the-registry";

/// Busybox, told to serve its own files.
fn below() -> Below {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("busybox.tar");
    let done = Command::new("docker").args(["save", "busybox", "-o"]).arg(&saved).status().unwrap();
    assert!(done.success());
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut archive = tar::Archive::new(std::fs::File::open(&saved).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().to_str().unwrap().to_owned(), bytes);
    }
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let layers = manifest[0]["Layers"].as_array().unwrap().iter();
    Below {
        layers: layers.map(|layer| files[layer.as_str().unwrap()].clone()).collect(),
        config: json!({
            "ExposedPorts": { "8081/tcp": {} },
            "Cmd": ["httpd", "-f", "-p", "8081", "-h", "/"],
        }),
    }
}

#[test]
fn an_image_is_deployed_and_comes_back_as_it_was_when_its_tag_has_moved() {
    let scene = Scene::new();
    let password = "canary-45c48cce2e2d7fbdea1afc51c7c6ad26";
    let registry = Registry::start(Auth::Bearer, "ci", password, "none");
    let (below, image) = (below(), registry.image());
    let first = registry.push(&below, "one");

    let refused = scene.hythe.run(&["deploy", "shop", "--image", &image]);
    assert_eq!(refused.code, 1, "{}{}", refused.out, refused.err);
    assert!(refused.err.contains("hythe registry login"), "{}", refused.err);
    let args = ["registry", "login", &registry.host(), "--username", "ci", "--password-stdin"];
    assert_eq!(scene.with_input(&args, &format!("{password}\n")).code, 0);

    let deployed = scene.hythe.json(&["deploy", "shop", "--wait"]);
    assert_eq!(scene.hythe.get("shop", PAGE), (200, "one".to_owned()));
    let id = deployed["deployment"].as_str().unwrap();
    let (_, shown) = scene.hythe.api("GET", &format!("/api/v1/deployments/{id}"), None);
    assert_eq!(shown["source"]["image"], image.as_str(), "{shown}");
    assert_eq!(shown["source"]["digest"], first.as_str(), "{shown}");
    assert_eq!(shown["port"], 8081, "{shown}");
    assert!(shown["commit"].is_null() && shown["source"]["repository"].is_null(), "{shown}");

    let second = registry.push(&below, "two");
    let again = scene.hythe.run(&["redeploy", "shop"]);
    assert_eq!(again.code, 0, "{}{}", again.out, again.err);
    assert_eq!(scene.hythe.get("shop", PAGE), (200, "one".to_owned()), "the tag has moved");
    scene.hythe.json(&["deploy", "shop", "--wait"]);
    assert_eq!(scene.hythe.get("shop", PAGE), (200, "two".to_owned()));
    let listed = scene.hythe.run(&["deployments", "ls", "shop"]);
    for digest in [&first, &second] {
        assert!(listed.out.contains(&digest[..17]), "{digest}: {}", listed.out);
    }

    // Back, although the engine has lost the image: it is pulled again by its digest.
    scene.hythe.wait_until("the version before is gone", || scene.hythe.containers().len() == 1);
    let images = shown["image"].as_str().unwrap().to_owned();
    let removed = Command::new("docker").args(["image", "rm", "-f", &images]).status().unwrap();
    assert!(removed.success());
    let number = shown["number"].to_string();
    let back = scene.hythe.run(&["rollback", "shop", "--to", &number]);
    assert_eq!(back.code, 0, "{}{}", back.out, back.err);
    assert_eq!(scene.hythe.get("shop", PAGE), (200, "one".to_owned()));
    assert!(!scene.hythe.logs().contains(password));
    scene.finish();
}

#[test]
fn an_image_that_is_not_there_or_is_none_is_said() {
    let scene = Scene::new();
    let registry = Registry::start(Auth::Nobody, "", "", "x");
    let missing = format!("{}/team/base:2", registry.host());
    let said = scene.hythe.run(&["deploy", "shop", "--image", &missing, "--wait", "--json"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let document = said.json();
    assert_eq!(document["failure"]["stage"], "building", "{document}");
    let message = document["failure"]["message"].as_str().unwrap();
    assert!(message.contains("there is no image") && message.contains(&missing), "{message}");
    for image in ["Not An Image", "169.254.169.254/latest", "a:b:c"] {
        let said = scene.hythe.run(&["deploy", "shop", "--image", image]);
        assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    }
    scene.finish();
}
