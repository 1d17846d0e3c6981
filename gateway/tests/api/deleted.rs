//! Deleted apps, and having them back.

use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn what_was_deleted_comes_back_as_it_was() {
    let server = Server::start().await;
    let shop = json!({"name": "shop", "replicas": 3, "domains": ["shop.example"]});
    let id = server.post("/api/v1/apps", shop).await.is(201).json["id"].clone();
    server.patch("/api/v1/apps/shop/env", json!({"set": {"LEVEL": "debug"}})).await.is(200);
    server.delete("/api/v1/apps/shop").await.is(204);

    // It is gone for everything but coming back.
    let gone = server.get("/api/v1/apps/shop").await;
    gone.is_problem(404, "not-found");
    assert!(gone.text.contains("hythe app restore shop"), "{}", gone.text);
    let by_id = format!("/api/v1/apps/{}", id.as_str().unwrap());
    server.patch(&by_id, json!({"replicas": 1})).await.is_problem(404, "not-found");
    let listed = server.get("/api/v1/apps").await.is(200).json;
    assert_eq!(listed["items"], json!([]));
    let deleted = server.get("/api/v1/deleted-apps").await.is(200).json;
    assert_eq!((&deleted["items"][0]["id"], &deleted["items"][0]["name"]), (&id, &json!("shop")));

    let back = server.post("/api/v1/apps/shop/restore", json!({})).await.is(200).json;
    assert_eq!((&back["id"], &back["settings"]["replicas"]), (&id, &json!(3)));
    assert_eq!(
        (&back["stopped"], &back["settings"]["domains"]),
        (&json!(false), &json!(["shop.example"]))
    );
    let env = server.get("/api/v1/apps/shop/env").await.is(200).json;
    assert_eq!(env["items"][0]["name"], "LEVEL");
    let listed = server.get("/api/v1/apps").await.is(200).json;
    assert_eq!(listed["items"][0]["id"], id);
    // Once more changes nothing.
    server.post("/api/v1/apps/shop/restore", json!({})).await.is(200);
    server.post("/api/v1/apps/never/restore", json!({})).await.is_problem(404, "not-found");
}

#[tokio::test]
async fn what_another_app_has_by_now_is_not_taken_from_it() {
    let server = Server::start().await;
    let named = |name: &str, domain: &str| json!({"name": name, "domains": [domain]});
    let first = server.post("/api/v1/apps", named("shop", "a.example")).await.is(201).json;
    server.delete("/api/v1/apps/shop").await.is(204);
    let second = server.post("/api/v1/apps", named("shop", "b.example")).await.is(201).json;
    // The name means the one that is there; the one before is meant by its id.
    let id = first["id"].as_str().unwrap();
    let refused = server.post(&format!("/api/v1/apps/{id}/restore"), json!({})).await;
    refused.is_problem(409, "exists");
    assert!(refused.text.contains("remove that one"), "{}", refused.text);
    assert_eq!(server.get("/api/v1/apps/shop").await.is(200).json["id"], second["id"]);

    // With the name free, its domain may still be another app's.
    server.delete("/api/v1/apps/shop?now=true").await.is(204);
    server.post("/api/v1/apps", named("other", "a.example")).await.is(201);
    server.post(&format!("/api/v1/apps/{id}/restore"), json!({})).await.is_problem(409, "conflict");
    server.delete("/api/v1/apps/other?now=true").await.is(204);
    server.post(&format!("/api/v1/apps/{id}/restore"), json!({})).await.is(200);

    // For good.
    server.delete("/api/v1/apps/shop").await.is(204);
    server.delete("/api/v1/apps/shop?now=true").await.is(204);
    server.post("/api/v1/apps/shop/restore", json!({})).await.is_problem(404, "not-found");
    let deleted = server.get("/api/v1/deleted-apps").await.is(200).json;
    assert_eq!(deleted["items"], json!([]));
}
