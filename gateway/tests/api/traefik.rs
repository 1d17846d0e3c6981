//! What a Traefik that asks for its routes gets.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Server};

const PROXY: &str = "/v1/traefik/proxy-config";

#[tokio::test]
async fn a_document_has_a_tag_and_is_not_sent_again() {
    let server = Server::start().await;
    let first = server.get(PROXY).await.is(200);
    assert_eq!(first.json, json!({}), "nothing is routed, and nothing is empty");
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
        ("/v1/traefik/config".to_owned(), "worker_id"),
        ("/v1/traefik/config?worker_id=".to_owned(), "worker_id"),
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
