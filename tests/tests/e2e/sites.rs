//! Static sites from a repository to visitors, without a container.

use std::fs;
use std::path::Path;
use std::time::Instant;

use hythe_tests::installation::Installation;
use hythe_tests::object_store::{ACCESS_KEY, ObjectStore, SECRET_KEY};
use serde_json::{Value, json};

use crate::scene::Scene;

/// A site whose page names its script.
fn pages(version: &str) -> Vec<(&'static str, String)> {
    let shared = "body { color: teal }\n".repeat(100);
    vec![
        ("index.html", format!("version {version}")),
        ("about.html", "about".to_owned()),
        ("style.css", shared),
        ("_redirects", "/old /about 301\n".to_owned()),
        ("404.html", "nothing here".to_owned()),
    ]
}

/// How many files lie below a folder.
fn files(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let count = |path: &Path| if path.is_dir() { files(path) } else { 1 };
    entries.flatten().map(|entry| count(&entry.path())).sum()
}

fn build_log(scene: &Scene, deployed: &Value) -> String {
    let id = deployed["deployment"].as_str().unwrap();
    scene.hythe.run(&["logs", "docs", "--build", id]).out
}

/// Two versions, the way back, and an edge on its own; `kept` says where the files lie.
fn come_and_go(scene: &mut Scene, kept: &Path) {
    let repository = scene.repository("docs", &pages("one"));
    repository.commit(&[("assets/app-11aa22bb.js", "one()")]);
    let first = scene.deploy_live("docs");
    assert!(first["image"].is_null(), "{first}");
    scene.assert_serves("docs", "version one");
    assert_eq!(scene.hythe.get("docs", "/about"), (200, "about".to_owned()));
    assert_eq!(scene.hythe.get("docs", "/nope"), (404, "nothing here".to_owned()));
    assert_eq!(scene.hythe.get("docs", "/old").0, 301);
    assert_eq!(scene.hythe.get("docs", "/_redirects").0, 404);
    assert_eq!(scene.hythe.containers(), [] as [String; 0]);
    let shown = scene.hythe.run(&["deployments", "show", first["deployment"].as_str().unwrap()]);
    assert!(shown.out.contains("static site"), "{}{}", shown.out, shown.err);
    let app = scene.hythe.run(&["app", "show", "docs"]);
    assert_eq!(app.code, 0, "{}", app.err);

    let before = files(&kept.join("files"));
    repository.commit(&[("index.html", "version two"), ("assets/app-33cc44dd.js", "two()")]);
    fs::remove_file(repository.folder().join("assets/app-11aa22bb.js")).unwrap();
    repository.commit(&[("note.txt", "the old script is gone")]);
    let second = scene.deploy_live("docs");
    scene.assert_serves("docs", "version two");
    let log = build_log(scene, &second);
    assert!(log.contains("3 of them new"), "{log}");
    // The page, the script and the note; what both versions have lies there once.
    assert_eq!(files(&kept.join("files")), before + 3);
    // A page of before, still open, asks for its script.
    assert_eq!(scene.hythe.get("docs", "/assets/app-11aa22bb.js"), (200, "one()".to_owned()));

    let begun = Instant::now();
    let back = scene.hythe.run(&["rollback", "docs", "--to", "1", "--json"]);
    assert_eq!(back.code, 0, "{}{}", back.out, back.err);
    scene.assert_serves("docs", "version one");
    let took = begun.elapsed().as_secs();
    assert!(took < 30, "a switch of a name took {took} s");
    let id = back.json()["deployment"].as_str().unwrap().to_owned();
    let (_, document) = scene.hythe.deployment(&id);
    let stages: Vec<&str> =
        document["stages"].as_array().unwrap().iter().filter_map(|s| s["stage"].as_str()).collect();
    assert!(!stages.contains(&"queued"), "nothing is built: {document}");

    let refused = scene.hythe.run(&["run", "docs", "--", "true"]);
    assert!(refused.code != 0 && refused.err.contains("static site"), "{}", refused.err);

    // Nobody is needed to serve.
    scene.hythe.kill("edge");
    scene.hythe.wait_until("it serves again", || {
        scene.hythe.get("docs", "/") == (200, "version one".to_owned())
    });
    let stopped = scene.hythe.run(&["stop", "docs"]);
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    scene.hythe.wait_until("it is stopped", || scene.hythe.get("docs", "/").0 == 503);
    let started = scene.hythe.run(&["start", "docs"]);
    assert_eq!(started.code, 0, "{}", started.err);
    scene.hythe.wait_until("it serves once more", || {
        scene.hythe.get("docs", "/") == (200, "version one".to_owned())
    });
}

#[test]
fn what_a_site_names_to_run_is_told_not_to() {
    let scene = Scene::new();
    let mut files = pages("one");
    files.push(("Procfile", "release: bin/migrate\n".to_owned()));
    let _repository = scene.repository("docs", &files);
    let deployed = scene.deploy_live("docs");
    scene.assert_serves("docs", "version one");
    let log = build_log(&scene, &deployed);
    assert!(log.contains("does not run: a static site has no container"), "{log}");
    scene.finish();
}

#[test]
fn a_repository_of_files_is_served_without_a_container() {
    let mut scene = Scene::new();
    let kept = scene.hythe.data().join("sites/kept");
    come_and_go(&mut scene, &kept);

    // A container where one is wanted, and back, without a request lost in between.
    let set = scene.hythe.run(&["app", "set", "docs", "--static", "off"]);
    assert_eq!(set.code, 0, "{}", set.err);
    scene.deploy_live("docs");
    assert_eq!(scene.hythe.containers().len(), 1);
    scene.assert_serves("docs", "version two");
    let set = scene.hythe.run(&["app", "set", "docs", "--static", "on"]);
    assert_eq!(set.code, 0, "{}", set.err);
    scene.deploy_live("docs");
    scene.assert_serves("docs", "version two");
    scene.hythe.wait_until("its container is gone", || scene.hythe.containers().is_empty());
    scene.finish();
}

#[test]
fn an_object_store_keeps_the_files_where_one_is_named() {
    let store = ObjectStore::start();
    let place = store.url("sites");
    let mut hythe = Installation::prepare(&["--sites", &place]);
    hythe.environment(&[("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]);
    hythe.up();
    let mut scene = Scene::of(hythe);
    come_and_go(&mut scene, &store.folder().join("sites"));
    assert_eq!(files(&scene.hythe.data().join("sites/kept")), 0, "nothing of it lies here");
    scene.finish();
}

#[test]
fn what_a_build_leaves_is_looked_at_before_it_is_served() {
    let scene = Scene::new();
    let toml = "[static]\noutput = \"/out\"\n";
    let dockerfile = |line: &str| {
        format!("FROM busybox:1.37\nRUN mkdir /out && echo fine > /out/index.html\nRUN {line}\n")
    };
    let repository = scene
        .repository("docs", &[("Dockerfile", dockerfile("true")), ("hythe.toml", toml.to_owned())]);
    let first = scene.deploy_live("docs");
    assert!(first["image"].is_null(), "{first}");
    scene.assert_serves("docs", "fine");
    for (line, words) in [
        ("ln -s /etc/passwd /out/x", "leads out of the folder: /etc/passwd"),
        ("ln -s ../../../etc/passwd /out/x", "leads out of the folder"),
        ("mkdir /out/n && cd /out/n && seq 1 20001 | xargs touch", "more than 20000 files"),
        ("touch \"/out/$(printf 'a\\001b')\"", "control"),
        ("mkfifo /out/x", "pipe"),
        ("echo '/a' > /out/_redirects", "_redirects line 1"),
        ("rm -r /out", "no folder /out"),
    ] {
        repository.commit(&[("Dockerfile", dockerfile(line).as_str())]);
        let said = scene.deploy("docs");
        assert_eq!(said.code, 1, "{line}: {}{}", said.out, said.err);
        let document = said.json();
        assert_eq!(document["failure"]["stage"], json!("building"), "{document}");
        let message = document["failure"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{line}: {message}");
        scene.assert_serves("docs", "fine");
    }
    scene.finish();
}
