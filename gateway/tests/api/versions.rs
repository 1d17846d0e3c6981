//! Going back, stopping and scaling, as far as nothing has to run for it.

use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_what_can() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    for (path, body, status, kind, says) in [
        ("rollback", json!({}), 409, "conflict", "no other version of shop"),
        ("rollback", json!({"to": "7"}), 404, "not-found", "no such deployment"),
        ("rollback", json!({"to": "latest"}), 422, "invalid-field", "number or the id"),
        ("redeploy", json!({}), 409, "conflict", "hythe deploy shop"),
        ("restart", json!({}), 409, "conflict", "hythe deploy shop"),
        ("stop", json!({}), 409, "conflict", "nothing to stop"),
        ("scale", json!({"replicas": 0}), 422, "invalid-field", "hythe stop shop"),
        ("scale", json!({"replicas": 65}), 422, "invalid-field", "1 to 64"),
    ] {
        let refused = server.post(&format!("/api/v1/apps/shop/{path}"), body).await;
        refused.is_problem(status, kind);
        assert!(refused.text.to_lowercase().contains(says), "{path}: {}", refused.text);
    }
    let unknown = server.post("/api/v1/apps/shop/rollback", json!({"version": 3})).await;
    assert_eq!(unknown.status.as_u16(), 422, "{}", unknown.text);
}

#[tokio::test]
async fn scaling_holds_for_an_app_that_was_never_deployed() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    let scaled = server.post("/api/v1/apps/shop/scale", json!({"replicas": 3})).await.is(200).json;
    assert_eq!(scaled["settings"]["replicas"], 3);
    assert_eq!(
        server.post("/api/v1/apps/shop/start", json!({})).await.is(200).json["stopped"],
        false
    );
    let events = server.get("/api/v1/events?aggregate=app:shop").await.is(200).json;
    let told: Vec<_> = events["items"].as_array().unwrap().iter().map(|e| &e["type"]).collect();
    assert_eq!(told, ["app.created", "app.scaled"]);
}
