//! A private repository on which a GitHub App is installed.

use std::process::Command;
use std::sync::{Arc, Mutex};

use hythe_tests::git_server::{Api, GitServer};
use hythe_tests::repository::apps;
use serde_json::{Value, json};

use crate::scene::Scene;

fn new_key() -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_repository_is_fetched_with_what_github_lends_and_without_an_app_it_is_said_where_to_install_it()
 {
    let scene = Scene::new();
    let shop = scene.repository("shop", &apps::page("lent"));
    let root = shop.path().parent().unwrap();
    std::fs::create_dir(root.join("octo")).unwrap();
    std::os::unix::fs::symlink(shop.path(), root.join("octo/shop.git")).unwrap();
    let (key, lent) = (new_key(), "ghs_canary-7b1e55aa");
    let asked = Arc::new(Mutex::new(Vec::<(String, Value)>::new()));
    let noted = Arc::clone(&asked);
    let api = Api::new(move |method, path, body| {
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        noted.lock().unwrap().push((format!("{method} {path}"), body));
        match (method, path) {
            ("POST", "/app-manifests/abc/conversions") => (
                201,
                json!({
                    "id": 7, "slug": "hythe-one", "client_id": "Iv1.01", "owner": {"login": "octo"},
                    "webhook_secret": "of-no-use", "pem": key,
                }),
            ),
            ("GET", "/repos/octo/shop/installation") => {
                let account = json!({"login": "octo"});
                (200, json!({"id": 5, "account": account, "repository_selection": "selected"}))
            }
            ("POST", "/app/installations/5/access_tokens") => {
                (201, json!({"token": lent, "expires_at": "2099-01-01T00:00:00Z"}))
            }
            ("GET", path) if path.ends_with("/installation") => {
                (404, json!({"message": "Not Found"}))
            }
            ("GET", _) => (200, json!([])),
            _ => (201, json!({"id": 9})),
        }
    });
    let server = GitServer::start_with_api(root, "x-access-token", lent, api);
    let create = ["source", "github-app", "create", "--base-url", &server.url(), "--public-url"];
    let begun = scene.hythe.json(&[&create[..], &["https://hythe.example"]].concat());
    let page = begun["page"].as_str().unwrap();
    let state = page.split("state=").nth(1).unwrap();
    let back = format!("https://hythe.example/github-app/created?code=abc&state={state}");
    let made = scene.hythe.json(&["source", "github-app", "finish", &back]);
    assert_eq!(made["slug"], "hythe-one");

    let url = format!("{}/octo/shop.git", server.url());
    let live = scene.hythe.json(&["deploy", "shop", "--repo", &url, "--wait"]);
    assert_eq!(live["status"], "live", "{live}");
    scene.assert_serves("shop", "lent");
    let narrowed = json!({"permissions": {"contents": "read"}, "repositories": ["shop"]});
    let wanted = ("POST /app/installations/5/access_tokens".to_owned(), narrowed);
    assert!(asked.lock().unwrap().contains(&wanted), "{:?}", asked.lock().unwrap());

    let other = format!("{}/octo/other.git", server.url());
    let refused = scene.hythe.run(&["deploy", "other", "--repo", &other, "--wait", "--json"]);
    assert_eq!(refused.code, 1, "{}{}", refused.out, refused.err);
    let message = refused.json()["failure"]["message"].as_str().unwrap().to_owned();
    let install = format!("{}/github-apps/hythe-one/installations/new", server.url());
    assert!(message.contains(&format!("install the GitHub App on it: {install}")), "{message}");
    assert!(!scene.hythe.logs().contains("canary"), "a token is in no log");

    let gone = scene.hythe.json(&["source", "github-app", "rm", "hythe-one"]);
    assert!(gone["settings_page"].as_str().unwrap().ends_with("/settings/apps/hythe-one"));
    scene.finish();
}
