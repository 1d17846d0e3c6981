//! The journal is looked at while the server goes on.

use serde_json::{Value, json};

use crate::support::Server;

/// Looks at everything, and waits for what it comes to.
async fn looked_at(server: &Server) -> Value {
    let begun = server.post("/api/v1/journal/verification", json!({})).await.is(202);
    assert!(begun.json["head"].is_u64(), "{}", begun.json);
    loop {
        let look = server.get("/api/v1/journal/verification").await.is(200).json;
        if look["state"] != "running" {
            assert_eq!(look["state"], "done", "{look}");
            return look["report"].clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_running_server_looks_at_its_journal_and_goes_on() {
    let server = Server::start().await;
    server.get("/api/v1/journal/verification").await.is(404);
    for name in ["one", "needle-in-the-haystack", "three"] {
        server.post("/api/v1/apps", json!({ "name": name })).await.is(201);
    }
    let report = looked_at(&server).await;
    assert_eq!((&report["ok"], &report["events"]), (&json!(true), &json!(3)), "{report}");

    server.post("/api/v1/apps", json!({"name": "four"})).await.is(201);
    assert_eq!(looked_at(&server).await["events"], json!(4));
}
