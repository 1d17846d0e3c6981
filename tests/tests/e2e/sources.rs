//! Repositories that cannot be had, and private ones that can.

use hythe_tests::git_server::GitServer;
use hythe_tests::repository::apps;
use hythe_tests::ssh_server::SshServer;

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

#[test]
fn a_tag_is_deployed_by_its_name_and_for_this_once() {
    let scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("one"));
    repository.tag("v1.0");
    repository.commit(&apps::files(&apps::page("two")));
    scene.deploy_live("shop");
    scene.assert_serves("shop", "two");
    scene.hythe.json(&["deploy", "shop", "--tag", "v1.0", "--wait"]);
    scene.assert_serves("shop", "one");
    let missing = scene.hythe.run(&["deploy", "shop", "--tag", "v1", "--wait", "--json"]);
    assert_eq!(missing.code, 1, "{}{}", missing.out, missing.err);
    let message = missing.json()["failure"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("no tag v1; the nearest that it has: v1.0"), "{message}");
    scene.hythe.json(&["deploy", "shop", "--wait"]);
    scene.assert_serves("shop", "two");
    scene.finish();
}

#[test]
fn a_private_repository_is_reached_with_a_token_and_another_one_with_a_key() {
    let scene = Scene::new();
    let canary = "canary-8277e0910d750195b448797616e091ad";
    let root =
        scene.repository("shop", &apps::page("by token")).path().parent().unwrap().to_owned();
    scene.repository("blog", &apps::page("by key"));
    let server = GitServer::start_private(&root, "x-access-token", canary);
    let url = format!("{}/shop.git", server.url());
    let refused = scene.hythe.run(&["deploy", "shop", "--repo", &url]);
    assert_eq!(refused.code, 1, "{}{}", refused.out, refused.err);
    let args = ["source", "token", "set", &server.url(), "--username"];
    assert!(refused.err.contains(&format!("hythe {}", args.join(" "))), "{}", refused.err);
    let args = [&args[..], &["x-access-token", "--password-stdin"]].concat();
    let said = scene.with_input(&args, &format!("{canary}\n"));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    scene.hythe.json(&["deploy", "shop", "--wait"]);
    scene.assert_serves("shop", "by token");

    let server = SshServer::start(&root);
    let url = server.url("blog");
    let refused = scene.hythe.run(&["deploy", "blog", "--repo", &url]);
    assert!(refused.err.contains("hythe source key blog"), "{}{}", refused.out, refused.err);
    let key = scene.hythe.run(&["source", "key", "blog"]);
    assert!(key.code == 0 && key.out.starts_with("ssh-ed25519 "), "{}{}", key.out, key.err);
    server.let_in(key.out.trim());
    let refused = scene.hythe.run(&["deploy", "blog"]);
    let advice = format!("hythe source host add {} --key", server.host());
    assert!(refused.err.contains(&advice), "{}{}", refused.out, refused.err);
    let host = ["source", "host", "add", &server.host(), "--key", &server.host_key()];
    let said = scene.hythe.run(&host);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    scene.hythe.json(&["deploy", "blog", "--wait"]);
    scene.assert_serves("blog", "by key");

    // Another key is not let in any more than a stranger's.
    let rotated = scene.hythe.run(&["source", "key", "blog", "--rotate"]);
    assert_ne!(rotated.out, key.out);
    let refused = scene.hythe.run(&["deploy", "blog", "--no-cache"]);
    assert!(refused.err.contains("did not take the key of blog"), "{}", refused.err);
    server.let_in(rotated.out.trim());
    scene.hythe.json(&["deploy", "blog", "--wait", "--no-cache"]);

    let listed = scene.hythe.run(&["source", "token", "ls"]);
    assert!(listed.out.contains("http://127.0.0.1") && !listed.out.contains(canary));
    let events = scene.hythe.run(&["events", "--after", "0", "--json"]);
    assert!(events.out.contains("source_token_set") && !events.out.contains(canary));
    assert!(!scene.hythe.logs().contains(canary));
    for text in [canary, "BEGIN OPENSSH PRIVATE KEY"] {
        let found = super::deploys::files_with(scene.hythe.data(), text);
        assert!(found.is_empty(), "{text:?} lies in {found:?}");
    }
    scene.finish();
}
