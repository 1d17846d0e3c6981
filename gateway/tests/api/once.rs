//! The same request twice takes effect once.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, Server};

fn create(server: &Server, key: &str, body: &Value) -> RequestBuilder {
    server.asks(Method::POST, "/api/v1/apps").header("idempotency-key", key).json(body)
}

#[tokio::test]
async fn a_repeat_answers_the_same_and_another_request_is_refused() {
    let server = Server::start().await;
    let body = json!({"name": "shop", "repository": "https://git.example/a"});
    let first = Answer::of(create(&server, "key-1", &body)).await.is(201);
    assert!(!first.headers.contains_key("idempotent-replayed"));
    let again = Answer::of(create(&server, "key-1", &body)).await.is(201);
    assert_eq!(again.json["id"], first.json["id"]);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.headers["location"], first.headers["location"]);

    let other = json!({"name": "other"});
    Answer::of(create(&server, "key-1", &other)).await.is_problem(422, "idempotency-key-reused");
    let elsewhere =
        server.asks(Method::DELETE, "/api/v1/apps/shop").header("idempotency-key", "key-1");
    Answer::of(elsewhere).await.is_problem(422, "idempotency-key-reused");
    for bad in ["", " ", "a b", &"k".repeat(256)] {
        Answer::of(create(&server, bad, &other)).await.is_problem(422, "invalid-field");
    }

    let deploy = || {
        let request = server.asks(Method::POST, "/api/v1/apps/shop/deployments");
        Answer::of(request.header("idempotency-key", "key-2"))
    };
    let one = deploy().await.is(202);
    let two = deploy().await.is(202);
    assert_eq!(one.json["id"], two.json["id"]);
    assert_eq!(two.headers["idempotent-replayed"], "true");
    assert_eq!(server.get("/api/v1/apps/shop").await.json["deployments"], 1);

    let delete = || {
        let request = server.asks(Method::DELETE, "/api/v1/apps/shop");
        Answer::of(request.header("idempotency-key", "key-3"))
    };
    assert!(!delete().await.is(204).headers.contains_key("idempotent-replayed"));
    assert_eq!(delete().await.is(204).headers["idempotent-replayed"], "true");
}

#[tokio::test]
async fn of_many_at_the_same_moment_one_takes_effect() {
    let server = Server::start().await;
    let body = json!({"name": "shop", "repository": "https://git.example/a"});
    let all = (0..16).map(|_| Answer::of(create(&server, "once", &body)));
    let answers = futures_util::future::join_all(all).await;
    for answer in &answers {
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.json["id"], answers[0].json["id"]);
    }
    let fresh = answers.iter().filter(|a| !a.headers.contains_key("idempotent-replayed")).count();
    assert_eq!(fresh, 1);

    let all = (0..16).map(|_| {
        let request = server.asks(Method::POST, "/api/v1/apps/shop/deployments");
        Answer::of(request.header("idempotency-key", "deploy").json(&json!({"branch": "main"})))
    });
    let answers = futures_util::future::join_all(all).await;
    for answer in &answers {
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(answer.json["id"], answers[0].json["id"]);
    }
    assert_eq!(server.get("/api/v1/apps/shop").await.json["deployments"], 1);

    let set = (0..8).map(|_| {
        let request = server.asks(Method::PATCH, "/api/v1/apps/shop/env");
        Answer::of(request.header("idempotency-key", "env").json(&json!({"set": {"A": "1"}})))
    });
    for answer in futures_util::future::join_all(set).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let events = server.get("/api/v1/events?limit=1000&aggregate=app").await.json;
    let changed = events["items"].as_array().unwrap().iter();
    let changed = changed.filter(|event| event["type"] == "app.environment_changed").count();
    assert_eq!(changed, 1);
}

#[tokio::test]
async fn without_a_key_a_name_is_still_taken_once() {
    let server = Server::start().await;
    let all = (0..8).map(|_| server.post("/api/v1/apps", json!({"name": "shop"})));
    let answers = futures_util::future::join_all(all).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.is_problem(409, "exists");
    }
}
