//! Folders and archives that are sent from the command line, from there to the app that serves.

use std::fs;
use std::path::Path;

use hythe_tests::repository::apps;
use serde_json::Value;

use crate::scene::Scene;

fn write(folder: &Path, files: &[(&'static str, String)]) {
    for (path, content) in files {
        fs::write(folder.join(path), content).unwrap();
    }
}

fn deploy(scene: &Scene, args: &[&str]) -> Value {
    let said = scene.hythe.run(&[&["deploy", "shop", "--wait", "--json"], args].concat());
    assert_eq!(said.code, 0, "{args:?}: {}{}\n{}", said.out, said.err, scene.hythe.logs());
    said.json()
}

fn log(scene: &Scene, deployed: &Value) -> String {
    let id = deployed["deployment"].as_str().unwrap();
    scene.hythe.run(&["logs", "shop", "--build", id]).out
}

#[test]
fn a_folder_is_deployed_and_the_same_again_needs_no_build() {
    let mut scene = Scene::new();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    write(dir.path(), &apps::page("one"));
    fs::create_dir(dir.path().join(".git")).unwrap();
    fs::write(dir.path().join(".git/config"), "not sent").unwrap();
    let first = deploy(&scene, &[folder]);
    scene.assert_serves("shop", "one");
    assert!(first["commit"].is_null(), "{first}");

    let again = deploy(&scene, &["--path", folder]);
    assert_eq!(again["image"], first["image"]);
    assert!(log(&scene, &again).contains("was built in the same way before"));

    write(dir.path(), &[("index.html", "two".to_owned())]);
    deploy(&scene, &[folder]);
    scene.assert_serves("shop", "two");
    let back = scene.hythe.run(&["rollback", "shop", "--to", "1"]);
    assert_eq!(back.code, 0, "{}{}", back.out, back.err);
    scene.assert_serves("shop", "one");

    // The rollback made the first one the app's own again; the server has it also after a restart.
    scene.hythe.stop();
    scene.hythe.verify();
    scene.hythe.up();
    let anew = deploy(&scene, &["--no-cache"]);
    assert!(log(&scene, &anew).contains("fetching upload sha256:"));
    scene.assert_serves("shop", "one");

    let shown = scene.hythe.run(&["deployments", "show", "shop"]);
    assert!(shown.out.contains("upload") && shown.out.contains("sha256:"), "{}", shown.out);
    let shown = scene.hythe.run(&["app", "show", "shop"]);
    assert!(shown.out.contains("sha256:"), "{}", shown.out);
    let diff = scene.hythe.run(&["app", "diff", "shop", "#1", "#3"]);
    assert!(diff.out.contains("upload"), "{}{}", diff.out, diff.err);
    let kept = scene.hythe.run(&["gc", "--dry-run"]);
    assert!(kept.out.contains("uploads: 2"), "{}{}", kept.out, kept.err);
    scene.finish();
}

#[test]
fn an_archive_is_deployed_and_what_cannot_be_sent_is_said() {
    let scene = Scene::new();
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    write(&source, &apps::page("from an archive"));
    let archive = dir.path().join("shop.tar");
    let mut tar = tar::Builder::new(fs::File::create(&archive).unwrap());
    tar.append_dir_all(".", &source).unwrap();
    tar.finish().unwrap();
    deploy(&scene, &[archive.to_str().unwrap()]);
    scene.assert_serves("shop", "from an archive");

    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", outside.join("link")).unwrap();
    let (outside, archive) = (outside.to_str().unwrap(), archive.to_str().unwrap());
    for (args, words) in [
        (vec!["deploy", "."], "name the app first"),
        (vec!["deploy", "shop", "/no/such/folder"], "cannot be read"),
        (vec!["deploy", "shop", outside], "leads out of the folder"),
        (vec!["deploy", "shop", archive, "--repo", "https://git.example/a.git"], "--repo"),
        (vec!["deploy", "none"], "hythe deploy none DIR"),
    ] {
        let said = scene.hythe.run(&args);
        assert_eq!(said.code, 2, "{args:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(words), "{args:?}: {}", said.err);
    }
    scene.finish();
}

/// Kills `part` while an upload is on its way to the builder, or shortly after.
fn killed_during_a_fetch(scene: &Scene, part: &str) {
    let dir = tempfile::tempdir().unwrap();
    let page = format!("sent before {part} died");
    write(dir.path(), &apps::page(&page));
    // Nothing makes it smaller, so that there are some hundred pieces.
    let mut noise = fs::File::open("/dev/urandom").unwrap();
    let mut large = fs::File::create(dir.path().join("large")).unwrap();
    std::io::copy(&mut std::io::Read::take(&mut noise, 48 * 1024 * 1024), &mut large).unwrap();
    let folder = dir.path().to_str().unwrap();
    let said = scene.hythe.run(&["deploy", "shop", folder, "--detach", "--json"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let id = said.json()["deployment"].as_str().unwrap().to_owned();
    // On a busy machine it may have come further before it is looked at.
    let later = ["building", "built", "starting", "healthy", "switching", "draining", "live"];
    scene.hythe.wait_for_status(&id, &later);
    scene.hythe.kill(part);
    scene.hythe.wait_for_status(&id, &["live"]);
    scene.hythe.wait_until("it serves", || scene.hythe.get("shop", "/") == (200, page.clone()));
    scene.hythe.wait_until("nothing is doubled", || scene.hythe.containers().len() == 1);
}

#[test]
fn agent_server_and_nats_die_during_a_fetch() {
    let scene = Scene::new();
    for part in ["agent", "server", "nats"] {
        killed_during_a_fetch(&scene, part);
    }
    scene.finish();
}
