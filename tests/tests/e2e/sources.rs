//! Repositories that cannot be had.

use hythe_tests::git_server::GitServer;
use hythe_tests::repository::apps;

use crate::scene::Scene;

#[test]
fn what_is_wrong_with_a_repository_is_said() {
    let scene = Scene::new();
    scene.repository("shop", &apps::page("one"));
    let private = GitServer::start_private(
        scene.repository("secret", &apps::page("x")).path().parent().unwrap(),
        "user",
        "password",
    );
    let good = scene.url("shop");
    let missing = scene.url("nothing");
    let closed = "http://127.0.0.1:1/shop.git".to_owned();
    let secret = format!("{}/secret.git", private.url());
    let unknown = "0".repeat(40);
    let rows: Vec<(Vec<&str>, &str)> = vec![
        (vec!["--repo", &missing], "not found"),
        (vec!["--repo", &good, "--branch", "no-such-branch"], "no-such-branch"),
        (vec!["--repo", &good, "--commit", &unknown], "commit"),
        (vec!["--repo", &secret], "credentials"),
        (vec!["--repo", &closed], "reach"),
        (vec!["--repo", &good, "--dockerfile", "no/Dockerfile"], "no/Dockerfile"),
    ];
    for (n, (args, words)) in rows.into_iter().enumerate() {
        let name = format!("app-{n}");
        let said = scene.hythe.run(&[&["deploy", &name, "--wait", "--json"], &args[..]].concat());
        assert_eq!(said.code, 1, "{args:?}: {}{}", said.out, said.err);
        let document = said.json();
        assert_eq!(document["failure"]["stage"], "building", "{document}");
        let message = document["failure"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{args:?}: {message:?} should contain {words:?}");
    }
    let local = scene.hythe.run(&["deploy", "local", "--repo", "file:///etc", "--wait"]);
    assert_eq!(local.code, 2, "{}{}", local.out, local.err);
    assert!(local.err.contains("--local-repos"), "{}", local.err);
    scene.finish();
}
