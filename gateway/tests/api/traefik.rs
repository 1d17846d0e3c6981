//! What a Traefik that asks for its routes gets.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Nats, Server};

const WITHIN: Duration = Duration::from_secs(20);
const PROXY: &str = "/v1/traefik/proxy-config";

#[tokio::test(flavor = "multi_thread")]
async fn a_document_has_a_tag_and_is_not_sent_again() {
    let nats = Nats::start().await;
    let server = Server::start_with(nats.settings.clone()).await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    let mut changes = server.control.observations();
    let routed = async {
        while server.control.observed(|observed| observed.table.revision) == 0 {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(WITHIN, routed).await.expect("a table is in force");
    let first = server.get(PROXY).await.is(200);
    assert_eq!(first.json, json!({}), "it does not answer yet, and nothing is empty");
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let again =
        |tags: String| Answer::of(server.asks(Method::GET, PROXY).header("if-none-match", tags));
    for tags in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
        let same = again(tags.clone()).await.is(304);
        assert_eq!(same.headers["etag"], tag, "{tags}");
    }
    again("\"other\"".to_owned()).await.is(200);
    Answer::of(server.bare(Method::GET, PROXY)).await.is_problem(401, "unauthorized");
}

#[tokio::test]
async fn what_it_asks_for_is_checked() {
    let server = Server::start().await;
    for (path, field) in [
        (format!("{PROXY}?worker_id=one"), "worker_id"),
        (format!("{PROXY}?instance=a%20b"), "instance"),
        (format!("{PROXY}?cert_resolver="), "cert_resolver"),
        (format!("{PROXY}?entrypoints=web,,x"), "entrypoints"),
        (format!("{PROXY}?entrypoints={}", "a".repeat(65)), "entrypoints"),
        (format!("{PROXY}?entrypoints={}", ["a"; 17].join(",")), "entrypoints"),
    ] {
        let problem = server.get(&path).await;
        problem.is_problem(422, "invalid-field");
        assert_eq!(problem.json["field"], field, "{path}");
    }
    let gone = server.get("/v1/traefik/config?worker_id=nobody").await;
    gone.is_problem(404, "not-found");
    assert!(gone.json["detail"].as_str().unwrap().contains("hythe worker ls"), "{}", gone.json);
}

#[tokio::test]
async fn it_is_told_nothing_rather_than_something_half_known() {
    let server = Server::start().await;
    for path in ["/v1/traefik/config", "/v1/traefik/proxy-config"] {
        // It keeps what it has.
        server.get(path).await.is_problem(503, "unavailable");
    }
}
