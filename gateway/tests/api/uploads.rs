//! What is sent to be built, and images in place of repositories.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Answer, Server};

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

async fn send(server: &Server, digest: &str, bytes: &'static [u8]) -> Answer {
    let path = format!("/api/v1/uploads/{digest}");
    Answer::of(server.asks(Method::PUT, &path).body(bytes)).await
}

#[tokio::test]
async fn an_upload_is_kept_under_its_digest_and_deployed() {
    let server = Server::start().await;
    let bytes = b"an archive, for all that the server knows";
    let wanted = digest(bytes);
    let path = format!("/api/v1/uploads/{wanted}");
    server.get(&path).await.is_problem(404, "not-found");
    assert_eq!(Answer::of(server.bare(Method::PUT, &path).body(&bytes[..])).await.status, 401);
    server.post("/api/v1/apps", json!({ "name": "shop" })).await.is(201);
    let deployments = "/api/v1/apps/shop/deployments";
    let early = server.post(deployments, json!({ "upload": wanted })).await;
    early.is_problem(422, "invalid-field");
    assert_eq!(early.json["field"], "upload");

    let expected = json!({ "digest": wanted, "bytes": bytes.len() });
    assert_eq!(send(&server, &wanted, bytes).await.is(201).json, expected);
    assert_eq!(send(&server, &wanted, bytes).await.is(200).json, expected);
    assert_eq!(server.get(&path).await.is(200).json, expected);
    for (wrong, body) in [(digest(b"other"), &bytes[..]), (wanted.clone() + "0", b"x")] {
        let answer = send(&server, &wrong, body).await;
        answer.is_problem(422, "invalid-field");
        assert_eq!(answer.json["field"], "digest");
        assert_ne!(server.get(&format!("/api/v1/uploads/{wrong}")).await.status, 200);
    }
    let deployed = server.post(deployments, json!({ "upload": wanted })).await.is(202).json;
    assert_eq!(deployed["source"]["upload"], wanted.as_str());
    assert_eq!(deployed["source"]["repository"], Value::Null);

    let server = server.again().await;
    let app = server.get("/api/v1/apps/shop").await.is(200).json;
    assert_eq!(app["settings"]["upload"], wanted.as_str());
    server.post(deployments, json!({})).await.is(202);
    let kept = server.get("/api/v1/housekeeping").await.is(200).json;
    assert_eq!(kept["uploads"]["count"], 1);
    assert_eq!(kept["uploads"]["going"], json!([]));
    std::fs::remove_dir_all(server.dir.path().join("uploads")).unwrap();
    let gone = server.post(deployments, json!({})).await;
    gone.is_problem(409, "conflict");
    assert!(
        gone.json["detail"].as_str().unwrap().contains("hythe deploy APP DIR"),
        "{}",
        gone.text
    );
    let back = json!({ "repository": "https://git.example/shop.git" });
    let back = server.post(deployments, back).await.is(202).json;
    assert_eq!(back["source"]["repository"], "https://git.example/shop.git");
    assert!(back["source"].get("upload").is_none(), "{back}");
}

#[tokio::test]
async fn an_app_can_be_an_image_and_images_are_checked() {
    let server = Server::start().await;
    let new = json!({ "name": "web", "image": "nginx:1.29" });
    let app = server.post("/api/v1/apps", new).await.is(201).json;
    assert_eq!(app["settings"]["image"], "nginx:1.29");
    assert_eq!(app["settings"]["repository"], Value::Null);
    let path = "/api/v1/apps/web";
    let changed = server.patch(path, json!({ "image": "ghcr.io/team/web:2" })).await.is(200).json;
    assert_eq!(changed["settings"]["image"], "ghcr.io/team/web:2");
    let deployed = server.post(&format!("{path}/deployments"), json!({})).await.is(202).json;
    assert_eq!(deployed["source"]["image"], "ghcr.io/team/web:2");
    let fixed = format!("ghcr.io/team/web:2@sha256:{}", "ab".repeat(32));
    let body = json!({ "image": fixed });
    let deployed = server.post(&format!("{path}/deployments"), body).await.is(202).json;
    assert_eq!(deployed["source"]["digest"], format!("sha256:{}", "ab".repeat(32)));
    for image in ["", "Nginx", "a b", "http://x/a", "169.254.169.254/a", "a@sha256:00"] {
        for (method, path) in
            [(Method::PATCH, path.to_owned()), (Method::POST, format!("{path}/deployments"))]
        {
            let body = json!({ "image": image });
            let refused = Answer::of(server.asks(method, &path).json(&body)).await;
            refused.is_problem(422, "invalid-field");
            assert_eq!(refused.json["field"], "image", "{image}");
        }
    }
    let both = json!({ "image": "nginx", "repository": "https://git.example/a.git" });
    assert_eq!(server.patch(path, both).await.is(422).json["field"], "image");
    let branch = server.patch(path, json!({ "branch": "main" })).await.is(422);
    assert_eq!(branch.json["field"], "repository");
    let hook = server.post("/api/v1/hooks", json!({ "app": "web" })).await;
    hook.is_problem(409, "conflict");
    let events = server.get("/api/v1/events?limit=1000").await.is(200).text;
    assert!(events.contains("\"source\":{\"image\":\"ghcr.io/team/web:2\"}"), "{events}");
}
