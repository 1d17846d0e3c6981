//! What courses set up and take away again: projects, registries, webhooks, tokens.

use serde_json::{Value, json};

use super::world::{APP, World};

/// Makes a project; says its name.
pub(super) fn new_project(world: &mut World) -> String {
    let name = format!("project-{}", world.next());
    let body = json!({ "name": name });
    let (status, document) = world.insist("POST", "/api/v1/projects", &body);
    // A repeated one may find that the first one was heard.
    assert!(status < 300 || status == 409, "{status} {document}");
    name
}

pub(super) fn delete_project(world: &mut World, name: &str) {
    let path = format!("/api/v1/projects/{name}");
    let (status, document) = world.insist("DELETE", &path, &Value::Null);
    assert!(status < 300 || status == 404, "{status} {document}");
}

/// Gives builds a login; says where it is found.
pub(super) fn new_registry(world: &mut World) -> String {
    let path = format!("/api/v1/registries/r{}.example", world.next());
    let body = json!({ "username": "ci", "password": "of no use" });
    let (status, document) = world.insist("PUT", &path, &body);
    assert!(status < 300, "{status} {document}");
    path
}

pub(super) fn remove_registry(world: &mut World, path: &str) {
    // A repeated one may find that the first one was heard.
    let (status, document) = world.insist("DELETE", path, &Value::Null);
    assert!(status < 300 || status == 404, "{status} {document}");
}

/// Gives an app's repository a webhook; says where it is found.
pub(super) fn new_hook(world: &mut World) -> String {
    let body = json!({ "app": APP, "provider": "gitea" });
    let (status, document) = world.insist("POST", "/api/v1/hooks", &body);
    // A repeated one may find that the first one was heard.
    assert!(status < 300 || status == 409, "{status} {document}");
    let there = world.look("/api/v1/hooks");
    let id = there["items"][0]["id"].as_str().expect("there is one");
    format!("/api/v1/hooks/{id}")
}

pub(super) fn remove_hook(world: &mut World, path: &str) {
    // A repeated one may find that the first one was heard.
    let (status, document) = world.insist("DELETE", path, &Value::Null);
    assert!(status < 300 || status == 404, "{status} {document}");
}

/// Gives builds a token, a host and a key, and takes away what can be.
pub(super) fn sources(world: &mut World) {
    let n = world.next();
    let token = format!("/api/v1/sources/tokens/git{n}.example");
    let host = format!("/api/v1/sources/hosts/git{n}.example");
    let key = format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}", "A".repeat(43));
    let body = json!({ "username": "ci", "password": "of no use" });
    for (method, path, body) in [
        ("PUT", &token, body),
        ("PUT", &host, json!({ "keys": [key] })),
        ("POST", &"/api/v1/apps/shop/source-key".to_owned(), json!({ "rotate": true })),
        ("DELETE", &token, Value::Null),
        ("DELETE", &host, Value::Null),
    ] {
        let (status, document) = world.insist(method, path, &body);
        // A repeated one may find that the first one was heard.
        let heard = method == "DELETE" && status == 404;
        assert!(status < 300 || heard, "{method} {path}: {status} {document}");
    }
    let apps = "/api/v1/sources/github-apps";
    let begin = json!({ "address": "https://hythe.example" });
    let (status, begun) = world.insist("POST", apps, &begin);
    assert!(status < 300, "{status} {begun}");
    // Of a repeated one the first may have been heard, too.
    let all = world.look(apps)["begun"].as_array().cloned().unwrap_or_default();
    assert!(!all.is_empty(), "it is begun");
    for begun in all {
        let path = format!("{apps}/{}", begun["id"].as_str().unwrap());
        let (status, document) = world.insist("DELETE", &path, &Value::Null);
        assert!(status < 300 || status == 404, "{status} {document}");
    }
}
