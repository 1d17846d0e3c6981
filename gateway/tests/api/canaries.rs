//! Canaries over the API, as far as they go without workers.

use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn without_a_live_version_or_a_canary_there_is_an_answer_that_says_what_to_do() {
    let server = Server::start().await;
    let app = json!({"name": "shop", "repository": "https://git.example/a"});
    server.post("/api/v1/apps", app).await.is(201);
    server.get("/api/v1/apps/shop/canary").await.is_problem(404, "not-found");
    let path = "/api/v1/apps/shop/deployments";
    let wanted = json!({"canary": {"percent": 10}});
    let refused = server.post(path, wanted).await.is(409).json;
    assert!(refused["detail"].as_str().unwrap().contains("without --canary"), "{refused}");
    for (wrong, field) in [
        (json!({"canary": {"percent": 0}}), "canary.percent"),
        (json!({"canary": {"percent": 100}}), "canary.percent"),
        (json!({"canary": {"percent": 10, "within_ms": 1}}), "canary.within"),
    ] {
        let refused = server.post(path, wrong).await.is(422).json;
        assert_eq!(refused["field"], field, "{refused}");
    }
    for what in ["promote", "abort"] {
        let path = format!("/api/v1/apps/shop/canary/{what}");
        let refused = server.post(&path, json!({})).await.is(409).json;
        assert!(refused["detail"].as_str().unwrap().contains("has no canary"), "{refused}");
    }
}
