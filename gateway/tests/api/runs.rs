//! Commands that are run once: what is refused before one runs. That one runs is seen end to end.

use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn a_command_is_read_with_care_and_needs_a_live_version() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    let path = "/api/v1/apps/shop/runs";
    assert_eq!(server.get(path).await.is(200).json, json!({"items": []}));
    let canary = "canary-0cc175b9c0f1b6a831c399e269772661";
    for (body, field) in [
        (json!({"command": []}), "command"),
        (json!({"command": ["ls", "a\u{0}b"]}), "command"),
        (json!({"command": ["ls", canary.repeat(200)]}), "command"),
        (json!({"command": vec!["ls"; 65]}), "command"),
        (json!({"command": ["ls"], "env": {"A B": canary}}), "env"),
        (json!({"command": ["ls"], "env": {"PORT": "1"}}), "env"),
        (json!({"command": ["ls"], "env": {"A": [canary]}}), "env.A"),
        (json!({"command": ["ls"], "timeout_ms": 1}), "timeout_ms"),
        (json!({"command": ["ls"], "timeout_ms": 86_400_001}), "timeout_ms"),
        (json!({"command": ["ls"], "shell": true}), "shell"),
        (
            json!({"command": ["ls"], "detach": true, "terminal": {"columns": 80, "rows": 24}}),
            "terminal",
        ),
    ] {
        let answer = server.post(path, body).await;
        assert_eq!((answer.status.as_u16(), &answer.json["field"]), (422, &json!(field)));
        assert!(!answer.text.contains(canary), "{}", answer.text);
    }
    let refused = server.post(path, json!({"command": ["psql", canary]})).await;
    refused.is_problem(409, "conflict");
    assert!(refused.text.contains("No version of shop is live"), "{}", refused.text);
    assert!(!server.on_disk(canary.as_bytes()));
    let events = server.get("/api/v1/events?limit=1000").await.is(200).text;
    assert!(!events.contains("command_run"), "{events}");

    let run = "/api/v1/runs/019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f";
    server.get(&format!("{run}/attach")).await.is_problem(400, "upgrade-failed");
    server.get("/api/v1/runs/x/logs").await.is_problem(404, "not-found");
    server.post(&format!("{run}/stop"), json!({})).await.is_problem(404, "not-found");
    assert!(server.socket(&format!("{run}/attach")).await.is_err());
}
