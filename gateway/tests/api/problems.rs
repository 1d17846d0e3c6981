//! What goes wrong is said in problem documents.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Server};

#[tokio::test]
async fn an_app_that_was_probably_meant_is_named() {
    let server = Server::start().await;
    for name in ["shop", "gateway", "deleted"] {
        server.post("/api/v1/apps", json!({"name": name})).await.is(201);
    }
    server.delete("/api/v1/apps/deleted").await.is(204);
    let long = "shop".repeat(500);
    for (asked, meant) in [
        ("shp", Some("did you mean shop?")),
        ("gatway", Some("did you mean gateway?")),
        // What was deleted is not proposed, nor what is like nothing.
        ("deletet", None),
        ("xyzzy", None),
        // By an id, nobody mistypes a name.
        ("019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f", None),
        // No name, and as long as an address may be.
        (long.as_str(), None),
    ] {
        let refused = server.get(&format!("/api/v1/apps/{asked}")).await;
        refused.is_problem(404, "not-found");
        assert!(refused.text.contains("hythe app ls"), "{asked}: {}", refused.text);
        match meant {
            Some(meant) => assert!(refused.text.contains(meant), "{asked}: {}", refused.text),
            None => assert!(!refused.text.contains("did you"), "{asked}: {}", refused.text),
        }
    }
}

#[tokio::test]
async fn whatever_is_wrong_is_a_problem_document() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    let post = |path: &str| server.asks(Method::POST, path);
    let long = "x".repeat(3 << 20);
    for (request, status, slug) in [
        (server.asks(Method::GET, "/api/v1/nothing"), 404, "not-found"),
        (server.asks(Method::GET, "/api"), 404, "not-found"),
        (server.asks(Method::GET, "/assets/nothing.js"), 404, "not-found"),
        (server.asks(Method::GET, "/../../etc/passwd"), 404, "not-found"),
        (server.asks(Method::GET, "/%2e%2e/%2e%2e/etc/passwd"), 404, "not-found"),
        (server.asks(Method::GET, "/api/v1/apps/nobody"), 404, "not-found"),
        (server.asks(Method::GET, "/api/v1/apps/%ff"), 404, "not-found"),
        (server.asks(Method::GET, "/api/v1/deployments/x"), 404, "not-found"),
        (
            server.asks(Method::GET, "/api/v1/deployments/019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f"),
            404,
            "not-found",
        ),
        (server.asks(Method::PUT, "/api/v1/apps"), 405, "method-not-allowed"),
        (server.asks(Method::POST, "/healthz"), 405, "method-not-allowed"),
        (server.asks(Method::POST, "/"), 405, "method-not-allowed"),
        (post("/api/v1/apps").body("{"), 415, "unsupported-media-type"),
        (
            post("/api/v1/apps").header("content-type", "text/plain").body("{}"),
            415,
            "unsupported-media-type",
        ),
        (
            post("/api/v1/apps").header("content-type", "application/json").body("{"),
            400,
            "malformed",
        ),
        (
            post("/api/v1/apps").header("content-type", "application/json").body(""),
            400,
            "malformed",
        ),
        (post("/api/v1/apps").json(&json!({})), 422, "invalid-field"),
        (post("/api/v1/apps").json(&json!({"name": 1})), 422, "invalid-field"),
        (post("/api/v1/apps").json(&json!({"name": "a", "port": 0})), 422, "invalid-field"),
        (post("/api/v1/apps").json(&json!({"name": "a", "x": 1})), 422, "invalid-field"),
        (post("/api/v1/apps").json(&json!({"name": long})), 413, "too-large"),
        (post("/api/v1/apps").json(&json!({"name": "shop"})), 409, "exists"),
        (post("/api/v1/apps/shop/deployments"), 409, "conflict"),
        (server.asks(Method::GET, "/api/v1/apps?limit=0"), 422, "invalid-field"),
        (server.asks(Method::GET, "/api/v1/apps?limit=x"), 422, "invalid-field"),
        (server.asks(Method::GET, "/api/v1/apps?nothing=1"), 422, "invalid-field"),
        (server.asks(Method::GET, "/api/v1/apps?cursor=--"), 422, "invalid-field"),
        (server.asks(Method::GET, "/api/v1/events?after=99999"), 422, "invalid-field"),
        (server.asks(Method::GET, "/api/v1/events?aggregate=x"), 422, "invalid-field"),
        (server.asks(Method::GET, "/api/v1/apps/shop/logs?cursor=x"), 422, "invalid-field"),
        (server.asks(Method::GET, "/api/v1/apps/shop/logs?tail=99999"), 422, "invalid-field"),
    ] {
        Answer::of(request).await.is_problem(status, slug);
    }
}

#[tokio::test]
async fn a_wrong_field_is_named_and_methods_that_work_are_too() {
    let server = Server::start().await;
    for (body, field) in [
        (json!({"name": "-a"}), "name"),
        (json!({"name": "a", "repository": "ext::sh"}), "repository"),
        (json!({"name": "a", "repository": "file:///srv/a"}), "repository"),
        (json!({"name": "a", "branch": "main"}), "repository"),
        (json!({"name": "a", "repository": "https://h/a", "commit": "HEAD"}), "commit"),
        (json!({"name": "a", "dockerfile": "../x"}), "dockerfile"),
        (json!({"name": "a", "port": 0}), "port"),
        (json!({"name": "a", "port": 70000}), "port"),
        (json!({"name": "a", "replicas": 65}), "replicas"),
        (json!({"name": "a", "memory_bytes": 1}), "memory_bytes"),
        (json!({"name": "a", "cpu_millis": 1}), "cpu_millis"),
        (json!({"name": "a", "health_path": "x"}), "health_path"),
        (json!({"name": "a", "health_interval_ms": 1}), "health_interval_ms"),
        (json!({"name": "a", "health_retries": 0}), "health_retries"),
        (json!({"name": "a", "health": {"type": "http", "path": "x"}}), "health.path"),
        (json!({"name": "a", "domains": ["ok.example", "NO"]}), "domains[1]"),
        (json!({"name": "a", "nothing": true}), "nothing"),
    ] {
        let answer = server.post("/api/v1/apps", body).await;
        answer.is_problem(422, "invalid-field");
        assert_eq!(answer.json["field"], field, "{}", answer.text);
    }
    let answer = Answer::of(server.asks(Method::PUT, "/api/v1/apps")).await;
    assert!(answer.headers["allow"].to_str().unwrap().contains("POST"));
}
