//! The same request twice takes effect once.

use hythe_core::record::{Actor, Sequence};
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

/// A write, with another body for the same address.
type Case = (Method, String, Option<Value>, Option<Value>);

/// All writes with a key take effect once under it. That the document names them all is seen in
/// `document.rs`.
#[tokio::test]
async fn every_other_write_takes_effect_once_under_its_key_and_refuses_another_request() {
    let server = Server::start().await;
    server
        .post("/api/v1/apps", json!({"name": "shop", "repository": "https://github.com/a/b"}))
        .await
        .is(201);
    let hook = server.post("/api/v1/hooks", json!({"app": "shop"})).await.is(201).json;
    let hook = format!("/api/v1/hooks/{}", hook["hook"]["id"].as_str().unwrap());
    let place = format!("file://{}", server.dir.path().join("place").display());
    std::fs::create_dir(server.dir.path().join("place")).unwrap();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    let api = |path: &str| format!("/api/v1/{path}");
    let put =
        |path: String, body: Value, other: Value| (Method::PUT, path, Some(body), Some(other));
    let remove = |path: String| (Method::DELETE, path, None, None);
    let cron = json!({"schedule": "0 3 * * *", "command": ["tidy"]});
    let other_cron = json!({"schedule": "0 4 * * *", "command": ["tidy"]});
    let login = |password: &str| json!({"username": "ci", "password": password});
    let told = |api: &str| json!({ "api": api });
    let (told_a, told_b) = (told("https://api.github.com"), told("https://git.example/api/v3"));
    let every = |ms: u64| json!({"to": place, "every_ms": ms, "keep": 3});
    let cases: Vec<Case> = vec![
        put(
            api("address"),
            json!({"url": "https://a.example"}),
            json!({"url": "https://b.example"}),
        ),
        remove(api("address")),
        put(api("apps/shop/crons/tidy"), cron, other_cron),
        (Method::POST, api("apps/shop/crons/tidy/pause"), None, None),
        (Method::POST, api("apps/shop/crons/tidy/resume"), None, None),
        remove(api("apps/shop/crons/tidy")),
        (
            Method::PATCH,
            api("apps/shop/triggers"),
            Some(json!({"deploy_on": "off"})),
            Some(json!({"deploy_on": "push"})),
        ),
        (
            Method::PATCH,
            api("apps/shop/previews"),
            Some(json!({"on": true, "set": {"A": "secret-1"}})),
            Some(json!({"on": true, "set": {"A": "secret-2"}})),
        ),
        put(api("registries/ghcr.io"), login("one"), login("two")),
        remove(api("registries/ghcr.io")),
        put(api("sources/tokens/github.com"), login("one"), login("two")),
        remove(api("sources/tokens/github.com")),
        put(api("sources/hosts/git.example"), json!({"keys": [key]}), json!({"keys": [key, key]})),
        remove(api("sources/hosts/git.example")),
        put(format!("{hook}/statuses"), told_a.clone(), told_b.clone()),
        remove(format!("{hook}/statuses")),
        put(format!("{hook}/comments"), told_a.clone(), told_b.clone()),
        remove(format!("{hook}/comments")),
        put(format!("{hook}/deployments"), told_a, told_b),
        remove(format!("{hook}/deployments")),
        (Method::POST, format!("{hook}/rotate"), None, None),
        put(api("backups/schedule"), every(3_600_000), every(7_200_000)),
        remove(api("backups/schedule")),
        put(api("backups/mirror"), json!({"to": place}), json!({"to": place, "recipient": null})),
        remove(api("backups/mirror")),
        (
            Method::POST,
            api("backups"),
            Some(json!({"to": place})),
            Some(json!({"to": "file:///x"})),
        ),
        (Method::POST, api("housekeeping"), None, None),
        (Method::POST, api("journal/verification"), None, None),
        remove(hook),
    ];
    for (n, (method, path, body, other)) in cases.into_iter().enumerate() {
        let what = format!("{method} {path}");
        let ask = |path: &str, body: &Option<Value>| {
            let request =
                server.asks(method.clone(), path).header("idempotency-key", format!("k{n}"));
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let first = Answer::of(ask(&path, &body)).await;
        assert!(first.status.is_success(), "{what}: {}", first.text);
        assert!(!first.headers.contains_key("idempotent-replayed"), "{what}");
        // What goes on by itself, such as a backup by the schedule, is no effect of the request.
        let head = owners(&server);
        let again = Answer::of(ask(&path, &body)).await;
        assert_eq!(again.status, first.status, "{what}: {}", again.text);
        assert_eq!(again.headers["idempotent-replayed"], "true", "{what}");
        assert_eq!(owners(&server), head, "{what} took effect twice");
        if path.ends_with("/rotate") {
            let secret = first.json["secret"].as_str().unwrap();
            assert!(again.json.get("secret").is_none_or(Value::is_null), "shown once: {what}");
            assert!(!server.on_disk(secret.as_bytes()), "it is kept in clear text");
        } else if !path.contains("backups/") {
            assert_eq!(again.json, first.json, "{what}");
        }
        let elsewhere = match &other {
            Some(_) => Answer::of(ask(&path, &other)).await,
            None => Answer::of(ask(&format!("{path}?other"), &body)).await,
        };
        elsewhere.is_problem(422, "idempotency-key-reused");
    }
    // A backup and a key of what is no command are known to each other.
    let create = |key: &str| create(&server, key, &json!({"name": "late"}));
    let keys: Vec<String> = (0..29).map(|n| format!("k{n}")).collect();
    for key in &keys {
        Answer::of(create(key)).await.is_problem(422, "idempotency-key-reused");
    }
}

/// Events that followed from requests.
fn owners(server: &Server) -> usize {
    let all = server.control.journal().read(Sequence(0), 10_000).unwrap();
    all.iter().filter(|event| event.meta.actor == Actor::Owner).count()
}

#[tokio::test]
async fn a_backup_that_was_made_is_known_by_its_key_after_a_restart() {
    let server = Server::start().await;
    let place = tempfile::tempdir().unwrap();
    let body = json!({"to": format!("file://{}", place.path().display())});
    let ask = |server: &Server| {
        let request = server.asks(Method::POST, "/api/v1/backups");
        Answer::of(request.header("idempotency-key", "once").json(&body))
    };
    let first = ask(&server).await.is(200);
    let server = server.again().await;
    let again = ask(&server).await.is(200);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.json, first.json);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "it was made once");
}

#[tokio::test]
async fn an_upload_takes_its_key_for_itself() {
    let server = Server::start().await;
    let put = |bytes: &'static [u8]| {
        use sha2::Digest as _;
        let digest = hex::encode(sha2::Sha256::digest(bytes));
        let request = server.asks(Method::PUT, &format!("/api/v1/uploads/sha256:{digest}"));
        Answer::of(request.header("idempotency-key", "up").body(bytes))
    };
    put(b"one").await.is(201);
    let again = put(b"one").await.is(201);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    put(b"two").await.is_problem(422, "idempotency-key-reused");
}
