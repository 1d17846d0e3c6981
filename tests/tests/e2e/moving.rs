//! An app that ran elsewhere before: what its repository says to that place is taken over.

use std::path::Path;

use hythe_tests::installation::Said;

use crate::scene::Scene;

const FLY: &str = r#"
app = "shop-of-before"
primary_region = "ams"
[build]
dockerfile = "ops/Dockerfile.live"
[build.args]
SHELF = "upper"
[env]
GREETING = "from fly"
[http_service]
internal_port = 9090
[[http_service.checks]]
interval = "500ms"
timeout = "2s"
path = "/index.html"
[[vm]]
memory = "64mb"
"#;

/// Serves what its variable says, on a port that no image names.
const DOCKERFILE: &str = "FROM busybox\nARG SHELF\nRUN mkdir -p /www && echo $SHELF > /shelf\n\
    CMD [\"sh\", \"-c\", \"mkdir -p /tmp/www; echo $GREETING $(cat /shelf) > /tmp/www/index.html; \
    exec httpd -f -p 9090 -h /tmp/www\"]\n";

fn a_linked_folder_needs_no_name(scene: &Scene, folder: &Path) {
    let config = tempfile::tempdir().unwrap();
    let inside = folder.join("ops");
    let said = |folder: &Path, args: &[&str]| -> Said {
        let mut command = scene.hythe.command(args);
        command.current_dir(folder).env("XDG_CONFIG_HOME", config.path());
        command.output().unwrap().into()
    };
    let refused = said(folder, &["link", "shpo"]);
    assert_eq!((refused.code, refused.err.contains("no app")), (1, true), "{}", refused.err);
    let refused = said(folder, &["env", "ls"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    let linked = said(folder, &["link", "shop"]);
    assert_eq!((linked.code, linked.out.contains("linked to shop")), (0, true), "{}", linked.err);
    for folder in [folder, &inside] {
        let listed = said(folder, &["env", "ls"]);
        assert_eq!((listed.code, listed.out.contains("GREETING")), (0, true), "{}", listed.err);
        let ran = said(folder, &["run", "--", "cat", "/shelf"]);
        assert_eq!((ran.code, ran.out.as_str()), (0, "upper\n"), "{}", ran.err);
    }
    let elsewhere = said(config.path(), &["env", "ls"]);
    assert_eq!(elsewhere.code, 2, "{}", elsewhere.out);
    assert_eq!(said(&inside, &["unlink"]).code, 0);
    assert_eq!(said(folder, &["link"]).code, 1);
}

#[test]
fn an_app_moves_over_with_its_settings() {
    let scene = Scene::new();
    let files = vec![("ops/Dockerfile.live", DOCKERFILE.to_owned()), ("fly.toml", FLY.to_owned())];
    let repository = scene.repository("shop", &files);
    let folder = repository.folder().to_str().unwrap().to_owned();

    let document = scene.hythe.json(&["import", &folder, "--write", "--app", "shop"]);
    let left = document["left"].as_array().unwrap();
    assert!(left.iter().any(|left| left["key"] == "primary_region"), "{document}");
    let app = scene.hythe.json(&["app", "show", "shop"]);
    let settings = &app["settings"];
    assert_eq!((&settings["port"], &settings["health_interval_ms"]), (&9090.into(), &500.into()));
    assert_eq!(settings["memory_bytes"], 64 * 1024 * 1024, "{settings}");

    let text = std::fs::read_to_string(repository.folder().join("hythe.toml")).unwrap();
    repository.commit(&[("hythe.toml", &text)]);
    scene.deploy_live("shop");
    scene.assert_serves("shop", "from fly upper");

    a_linked_folder_needs_no_name(&scene, repository.folder());

    // Once more changes nothing, and what a person wrote stays.
    let again = scene.hythe.run(&["import", &folder, "--write", "--app", "shop"]);
    assert_eq!((again.code, again.err.contains("already")), (1, true), "{}", again.err);
    scene.finish();
}
