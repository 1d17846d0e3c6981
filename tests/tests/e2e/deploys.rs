//! Deployments that go well.

use hythe_tests::installation::Installation;
use hythe_tests::repository::apps;
use serde_json::{Value, json};

use crate::scene::Scene;

#[test]
fn the_first_deployment_serves_and_the_second_takes_its_place() {
    let scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("one"));
    let first = scene.deploy_live("shop");
    scene.assert_serves("shop", "one");
    for field in ["app", "deployment", "status", "url", "image", "commit", "durations_ms"] {
        assert!(!first[field].is_null(), "{field} is missing: {first}");
    }
    assert!(first["url"].as_str().unwrap().starts_with("http://shop.localhost"), "{first}");
    assert!(first["durations_ms"].as_object().unwrap().values().any(Value::is_u64), "{first}");

    let commit = repository.commit(&[("index.html", "two")]);
    let second = scene.hythe.json(&["deploy", "shop", "--wait"]);
    assert_eq!((&second["status"], &second["commit"]), (&json!("live"), &json!(commit)));
    scene.assert_serves("shop", "two");
    assert_eq!(scene.hythe.deployment(first["deployment"].as_str().unwrap()).0, "superseded");
    scene.hythe.wait_until("the old replica is gone", || scene.hythe.containers().len() == 1);

    let listed = scene.hythe.run(&["app", "ls", "--json"]);
    assert!(listed.out.contains("http://shop.localhost"), "{}", listed.out);
    let replicas = scene.hythe.run(&["ps", "--json"]);
    assert!(replicas.out.contains("healthy"), "{}", replicas.out);
    scene.finish();
}

#[test]
fn a_commit_of_old_and_another_branch_can_be_deployed() {
    let scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("one"));
    let first = scene.deploy_live("shop");
    let old = first["commit"].as_str().unwrap().to_owned();
    repository.commit(&[("index.html", "two")]);
    scene.hythe.json(&["deploy", "shop", "--repo", &scene.url("shop"), "--branch", "main"]);
    scene.assert_serves("shop", "two");
    let back =
        scene.hythe.json(&["deploy", "shop", "--repo", &scene.url("shop"), "--commit", &old]);
    assert_eq!(back["commit"], json!(old));
    scene.assert_serves("shop", "one");
    scene.finish();
}

#[test]
fn two_apps_build_at_once() {
    let scene = Scene::of(Installation::start_with(&["--builds", "2"]));
    // The first one goes on until the second has begun, on a busy machine too.
    let steps = [("left", 12), ("right", 4)].map(|(name, seconds)| {
        // Told apart by its fraction, of which busybox makes nothing; and no cache has it.
        let step = format!("sleep {seconds}.{}", uuid::Uuid::now_v7().as_u128() % 1_000_000_000);
        let mut files = apps::slow_build(name, seconds);
        files[0].1 = files[0].1.replace(&format!("sleep {seconds}"), &step);
        scene.repository(name, &files);
        step
    });
    let ids = ["left", "right"].map(|name| scene.begin(name));
    // Not their status: one that waits for its turn is being built, too.
    scene.hythe.wait_until("the steps of both run", || {
        steps.iter().all(|step| super::failures::process_with(step))
    });
    for (id, name) in ids.iter().zip(["left", "right"]) {
        scene.hythe.wait_for_status(id, &["live"]);
        scene.assert_serves(name, name);
    }
    scene.finish();
}

#[test]
fn environment_variables_reach_the_app_and_nobody_else() {
    let scene = Scene::new();
    let canary = "canary-3f9a-value";
    let dockerfile = "FROM busybox\nEXPOSE 8080\nCMD [\"sh\", \"-c\", \"mkdir -p /tmp/w && \
                      echo $GREETING > /tmp/w/index.html && exec httpd -f -p $PORT -h /tmp/w\"]\n";
    scene.repository("shop", &[("Dockerfile", dockerfile.to_owned())]);
    assert_eq!(scene.hythe.run(&["app", "create", "shop"]).code, 0);
    let set = scene.hythe.run(&["env", "set", "shop", &format!("GREETING={canary}")]);
    assert_eq!(set.code, 0, "{}{}", set.out, set.err);
    scene.deploy_live("shop");
    scene.assert_serves("shop", canary);

    let shown = scene.hythe.run(&["env", "ls", "shop", "--json"]);
    assert!(shown.out.contains("GREETING") && !shown.out.contains(canary), "{}", shown.out);
    let events = scene.hythe.run(&["events", "--after", "0", "--json"]);
    assert!(events.out.contains("environment_changed") && !events.out.contains(canary));
    let found = files_with(scene.hythe.data(), canary);
    assert!(found.is_empty(), "the value lies in {found:?}");
    scene.finish();
}

/// Files below a folder that hold a text.
pub(crate) fn files_with(folder: &std::path::Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path)
            .unwrap_or_default()
            .windows(text.len())
            .any(|part| part == text.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

#[test]
fn containers_are_hardened() {
    let scene = Scene::new();
    scene.repository("shop", &apps::page("one"));
    let document = scene.deploy_live("shop");
    let [id] = &scene.hythe.containers()[..] else { panic!("one container") };
    let output = std::process::Command::new("docker").args(["inspect", id]).output().unwrap();
    let inspected: Value = serde_json::from_slice(&output.stdout).unwrap();
    let container = &inspected[0];
    let host = &container["HostConfig"];
    assert_eq!(host["Privileged"], json!(false));
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["Init"], json!(true));
    assert!(host["SecurityOpt"].to_string().contains("no-new-privileges"), "{host}");
    assert!(host["Memory"].as_u64().unwrap() > 0 && host["PidsLimit"].as_i64().unwrap() > 0);
    assert!(host["Binds"].is_null() || host["Binds"] == json!([]), "{host}");
    assert_ne!(host["NetworkMode"], json!("host"));
    let labels = &container["Config"]["Labels"];
    assert_eq!(labels["hythe.deployment"], document["deployment"]);
    assert!(labels["hythe.app"].is_string() && labels["hythe.replica"].is_string(), "{labels}");
    scene.finish();
}

#[test]
fn the_log_of_app_and_build_can_be_read() {
    let scene = Scene::new();
    let dockerfile = "FROM busybox\nRUN echo built-line-1 && echo built-line-2\nEXPOSE 8080\n\
                      COPY index.html /www/index.html\n\
                      CMD [\"sh\", \"-c\", \"for n in 1 2 3; do echo said-$n; done; \
                      exec httpd -f -p 8080 -h /www\"]\n";
    let files = [("Dockerfile", dockerfile.to_owned()), ("index.html", "x".to_owned())];
    scene.repository("shop", &files);
    let document = scene.deploy_live("shop");
    let mut said = String::new();
    scene.hythe.wait_until("the app's lines are there", || {
        said = scene.hythe.run(&["logs", "shop"]).out;
        said.contains("said-3")
    });
    for n in 1..=3 {
        assert_eq!(said.matches(&format!("said-{n}")).count(), 1, "no loss, no doubles: {said}");
    }
    let id = document["deployment"].as_str().unwrap();
    let built = scene.hythe.run(&["logs", "shop", "--build", id]);
    assert!(built.out.contains("built-line-2"), "{}{}", built.out, built.err);
    scene.finish();
}

#[test]
fn a_static_folder_needs_no_dockerfile() {
    let scene = Scene::new();
    scene.repository("site", &[("index.html", "plain".to_owned())]);
    scene.deploy_live("site");
    scene.assert_serves("site", "plain");
    scene.finish();
}

#[test]
fn a_repeated_request_with_the_same_key_is_one_deployment() {
    let scene = Scene::new();
    scene.repository("shop", &apps::page("one"));
    scene.deploy_live("shop");
    let url = format!("http://{}/api/v1/apps/shop/deployments", scene.hythe.gateway());
    let bearer = format!("Authorization: Bearer {}", scene.hythe.token());
    let ask = || {
        let args = ["-X", "POST", &url, "-H", &bearer, "-H", "Idempotency-Key: once-only"];
        let args = [&args[..], &["-H", "Content-Type: application/json", "-d", "{}"]].concat();
        let said = hythe_tests::installation::curl(&args);
        said.json()["id"].as_str().unwrap_or_else(|| panic!("{}", said.out)).to_owned()
    };
    let (first, second) = (ask(), ask());
    assert_eq!(first, second);
    scene.hythe.wait_for_status(&first, &["live"]);
    let (_, listed) = scene.hythe.api("GET", "/api/v1/apps/shop/deployments", None);
    assert_eq!(listed.to_string().matches("\"number\"").count(), 2, "{listed}");
    scene.finish();
}
