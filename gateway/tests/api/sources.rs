//! How builds reach private repositories: tokens and private keys go in, or are made, and never come
//! out.

use hythe_core::app::SourceKey;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Server};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

async fn put(server: &Server, path: &str, body: Value) -> Answer {
    let path = format!("/api/v1/sources/{path}");
    Answer::of(server.asks(Method::PUT, &path).json(&body)).await
}

fn token(password: &str) -> Value {
    json!({"username": "x-access-token", "password": password})
}

#[tokio::test]
async fn a_token_is_kept_replaced_and_forgotten_and_shown_to_nobody() {
    let server = Server::start().await;
    let (canary, second) = ("canary-0cc175b9c0f1b6a831c399e269772661", "canary-92eb5ffee6ae2fec");
    let path = "tokens/GitHub.com%2Fteam%2F";
    let mut seen = put(&server, path, token(canary)).await.is(200).text;
    let journal = server.control.journal().clone();
    let scope = server.control.installation().uuid();
    let kept = |version| {
        let secret = journal.secret(scope, "source/https://github.com/team", version).unwrap();
        secret.map(|secret| String::from_utf8(secret.expose().to_vec()).unwrap())
    };
    assert_eq!(kept(1).as_deref(), Some(canary));
    for body in [
        token(""),
        token(&format!("{canary}\n")),
        token(&canary.repeat(200)),
        json!({"username": "a:b", "password": canary}),
        json!({"username": "ci", "password": [canary]}),
        json!({"username": "ci", "password": canary, "email": canary}),
        json!({"password": canary}),
    ] {
        let answer = put(&server, path, body).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert!(!answer.text.contains(canary), "{}", answer.text);
    }
    seen += &put(&server, path, token(second)).await.is(200).text;
    assert_eq!((kept(1), kept(2).as_deref()), (None, Some(second)));
    put(&server, "tokens/gitlab.com", token("third-one")).await.is(200);
    for path in
        ["/api/v1/sources/tokens", "/api/v1/events?limit=1000", "/api/v1/status", "/metrics"]
    {
        seen += &server.get(path).await.is(200).text;
    }
    let list = server.get("/api/v1/sources/tokens").await.json;
    let prefixes: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|one| &one["prefix"]).collect();
    assert_eq!(prefixes, ["https://github.com/team", "https://gitlab.com"]);
    assert!(seen.contains("installation.source_token_set"), "{seen}");
    for token in [canary, second] {
        assert!(!seen.contains(token));
        assert!(!server.on_disk(token.as_bytes()));
    }
    server.delete("/api/v1/sources/tokens/github.com%2Fteam").await.is(204);
    assert_eq!(kept(2), None);
    server.delete("/api/v1/sources/tokens/github.com%2Fteam").await.is_problem(404, "not-found");
}

#[tokio::test]
async fn tokens_at_the_same_moment_all_take_effect_up_to_the_most() {
    let server = Server::start().await;
    let one = |n: usize| {
        let server = &server;
        async move { put(server, &format!("tokens/g{n}.example"), token("hush")).await }
    };
    for answer in futures_util::future::join_all((0..6).map(one)).await {
        answer.is(200);
    }
    for n in 6..64 {
        one(n).await.is(200);
    }
    one(64).await.is_problem(409, "conflict");
    one(3).await.is(200);
}

#[tokio::test]
async fn hosts_are_known_by_the_keys_that_were_given() {
    let server = Server::start().await;
    let keys = |keys: &[&str]| json!({"keys": keys});
    let line = format!("[git.example]:2222 {KEY} somebody@there");
    let set = put(&server, "hosts/Git.example:2222", keys(&[&line])).await.is(200);
    assert_eq!(set.json["host"], "git.example:2222");
    assert_eq!(set.json["keys"], json!([KEY]));
    for (host, body) in [
        ("*", keys(&[KEY])),
        ("%40cert-authority%20*", keys(&[KEY])),
        ("a,b", keys(&[KEY])),
        ("git.example%0Aevil.example", keys(&[KEY])),
        ("git.example:x", keys(&[KEY])),
        ("git.example", keys(&[])),
        ("git.example", keys(&[KEY; 9])),
        ("git.example", keys(&["ssh-ed25519 AAAA"])),
        ("git.example", keys(&[&KEY[..KEY.len() - 8]])),
        ("git.example", keys(&[&KEY.replace("ssh-ed25519", "ssh-rsa")])),
        ("git.example", keys(&[&format!("@cert-authority * {KEY}")])),
        ("git.example", keys(&["ssh-ed25519 AAAA\n* ssh-ed25519 AAAA"])),
    ] {
        let answer = put(&server, &format!("hosts/{host}"), body).await;
        answer.is_problem(422, "invalid-field");
    }
    let list = server.get("/api/v1/sources/hosts").await.json;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    server.delete("/api/v1/sources/hosts/git.example:2222").await.is(204);
    server.delete("/api/v1/sources/hosts/git.example:2222").await.is_problem(404, "not-found");
    assert_eq!(server.get("/api/v1/sources/hosts").await.json["items"], json!([]));
}

#[tokio::test]
async fn an_app_has_a_key_of_its_own_whose_private_half_is_shown_to_nobody() {
    let server = Server::start().await;
    for name in ["shop", "blog"] {
        server.post("/api/v1/apps", json!({"name": name})).await.is(201);
    }
    let path = "/api/v1/apps/shop/source-key";
    let none = server.get(path).await;
    none.is_problem(404, "not-found");
    assert!(none.text.contains("hythe source key shop"), "{}", none.text);
    let first = server.post(path, json!({})).await.is(200);
    let public = first.json["public_key"].as_str().unwrap();
    assert!(public.starts_with("ssh-ed25519 AAAA") && public.ends_with(" hythe-shop"), "{public}");
    assert!(first.json["fingerprint"].as_str().unwrap().starts_with("SHA256:"));
    let id = server.get("/api/v1/apps/shop").await.json["id"].as_str().unwrap().parse().unwrap();
    let journal = server.control.journal().clone();
    let kept = |version| {
        let secret = journal.secret(id, SourceKey::SECRET, version).unwrap();
        secret.map(|secret| String::from_utf8(secret.expose().to_vec()).unwrap())
    };
    let private = kept(1).unwrap();
    assert!(private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"), "it is one of ssh's");

    // Asked for again it stays, another app has another one, and a new one takes its place once.
    assert_eq!(server.post(path, json!({})).await.is(200).json, first.json);
    let other = server.post("/api/v1/apps/blog/source-key", json!({})).await.is(200);
    assert_ne!(other.json["fingerprint"], first.json["fingerprint"]);
    let rotate = || {
        let request = server.asks(Method::POST, path).header("idempotency-key", "once");
        Answer::of(request.json(&json!({"rotate": true})))
    };
    let second = rotate().await.is(200);
    assert_eq!(second.json["version"], 2);
    assert_ne!(second.json["public_key"], first.json["public_key"]);
    assert_eq!(rotate().await.is(200).json, second.json);
    assert_eq!(kept(1), None);

    // Asked for by many at the same moment under one key, it is made once, and all see it.
    server.post("/api/v1/apps", json!({"name": "wiki"})).await.is(201);
    let together = (0..16).map(|_| {
        let request = server.asks(Method::POST, "/api/v1/apps/wiki/source-key");
        Answer::of(request.header("idempotency-key", "together").json(&json!({})))
    });
    for answer in futures_util::future::join_all(together).await {
        assert_eq!(answer.is(200).json["version"], 1);
    }
    let newer = kept(2).unwrap();

    let mut seen = String::new();
    for path in [path, "/api/v1/apps/shop", "/api/v1/events?limit=1000", "/metrics"] {
        seen += &server.get(path).await.is(200).text;
    }
    assert!(seen.contains("app.source_key_set"), "{seen}");
    for key in [private, newer] {
        let lines = key.lines().filter(|line| !line.starts_with("-----"));
        for line in lines.filter(|line| line.len() > 60).skip(1) {
            assert!(!seen.contains(line) && !server.on_disk(line.as_bytes()), "{line}");
        }
    }
    server.post(path, json!({"rotate": 1})).await.is_problem(422, "invalid-field");
    server.delete("/api/v1/apps/shop").await;
    server.post(path, json!({})).await.is_problem(404, "not-found");
}

#[tokio::test]
async fn hostile_repositories_are_refused() {
    let server = Server::start().await;
    for prefix in [
        "%00",
        "a%0Ab.example",
        "-x.example",
        "ssh:%2F%2Fgit@github.com",
        "u:p@github.com",
        "github.com%2F..%2Fteam",
        "github.com%2F%252e%252e",
        "github.com%3Fx",
        "file:%2F%2F%2Fetc",
    ] {
        let path = format!("tokens/{prefix}");
        put(&server, &path, token("hush")).await.is_problem(422, "invalid-field");
        let path = format!("/api/v1/sources/{path}");
        server.delete(&path).await.is_problem(422, "invalid-field");
    }
    assert_eq!(server.get("/api/v1/sources/tokens").await.json["items"], json!([]));
}
