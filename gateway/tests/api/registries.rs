//! Registries that builds log in to: a password goes in and never comes out.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Server};

async fn set(server: &Server, host: &str, body: Value) -> Answer {
    let path = format!("/api/v1/registries/{host}");
    Answer::of(server.asks(Method::PUT, &path).json(&body)).await
}

fn login(password: &str) -> Value {
    json!({"username": "ci", "password": password})
}

#[tokio::test]
async fn a_password_is_kept_replaced_and_forgotten_and_shown_to_nobody() {
    let server = Server::start().await;
    let (canary, second) = ("canary-0cc175b9c0f1b6a831c399e269772661", "canary-92eb5ffee6ae2fec");
    let mut seen = set(&server, "ghcr.io", login(canary)).await.is(200).text;
    let journal = server.control.journal().clone();
    let scope = server.control.installation().uuid();
    let kept = |version| {
        let secret = journal.secret(scope, "registry/ghcr.io", version).unwrap();
        secret.map(|secret| String::from_utf8(secret.expose().to_vec()).unwrap())
    };
    assert_eq!(kept(1).as_deref(), Some(canary));

    // What is refused shows no password either, and changes nothing.
    for body in [
        login(""),
        login(&format!("{canary}\n")),
        login(&canary.repeat(200)),
        json!({"username": "a:b", "password": canary}),
        json!({"username": canary.repeat(20), "password": canary}),
        json!({"username": "ci", "password": [canary]}),
        json!({"username": "ci", "password": canary, "email": canary}),
        json!({"password": canary}),
        json!(canary),
    ] {
        let answer = set(&server, "ghcr.io", body).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        let shown = answer.text.contains(canary);
        assert!(!shown || answer.json["field"] == "username", "{}", answer.text);
    }

    seen += &set(&server, "ghcr.io", login(second)).await.is(200).text;
    assert_eq!((kept(1), kept(2).as_deref()), (None, Some(second)));
    set(&server, "docker.io", login("third-one")).await.is(200);
    for path in ["/api/v1/registries", "/api/v1/events?limit=1000", "/api/v1/status", "/metrics"] {
        seen += &server.get(path).await.is(200).text;
    }
    let list = server.get("/api/v1/registries").await.json;
    let hosts: Vec<_> = list["items"].as_array().unwrap().iter().map(|r| &r["host"]).collect();
    assert_eq!(hosts, ["docker.io", "ghcr.io"]);
    assert!(seen.contains("installation.registry_set"), "{seen}");
    for password in [canary, second] {
        assert!(!seen.contains(password));
        assert!(!server.on_disk(password.as_bytes()));
    }

    server.delete("/api/v1/registries/ghcr.io").await.is(204);
    assert_eq!(kept(2), None);
    server.delete("/api/v1/registries/ghcr.io").await.is_problem(404, "not-found");
    assert_eq!(server.get("/api/v1/registries").await.json["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn logins_at_the_same_moment_all_take_effect_up_to_the_most() {
    let server = Server::start().await;
    let one = |n: usize| {
        let server = &server;
        async move { set(server, &format!("r{n}.example"), login("hush")).await }
    };
    for answer in futures_util::future::join_all((0..6).map(one)).await {
        answer.is(200);
    }
    for n in 6..16 {
        one(n).await.is(200);
    }
    one(16).await.is_problem(409, "conflict");
    one(3).await.is(200);
    server.delete("/api/v1/registries/r3.example").await.is(204);
    one(16).await.is(200);
}

#[tokio::test]
async fn hostile_registries_are_refused() {
    let server = Server::start().await;
    for host in ["GHCR.io", "ghcr", "ghcr.io%2Fteam", "%00", "a%0Ab.example", "-x.example", "[x]"] {
        set(&server, host, login("hush")).await.is_problem(422, "invalid-field");
        let path = format!("/api/v1/registries/{host}");
        server.delete(&path).await.is_problem(422, "invalid-field");
    }
    let path = "/api/v1/registries/ghcr.io";
    let nobody = server.bare(Method::PUT, path).json(&login("hush"));
    Answer::of(nobody).await.is_problem(401, "unauthorized");
    assert_eq!(server.get("/api/v1/registries").await.json["items"], json!([]));
}
