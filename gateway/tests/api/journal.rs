//! The journal is looked at while the server goes on.

use std::os::unix::fs::FileExt as _;

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
async fn a_running_server_finds_a_byte_that_flipped_on_its_disk() {
    let server = Server::start().await;
    server.get("/api/v1/journal/verification").await.is(404);
    for name in ["one", "needle-in-the-haystack", "three"] {
        server.post("/api/v1/apps", json!({ "name": name })).await.is(201);
    }
    let report = looked_at(&server).await;
    assert_eq!((&report["ok"], &report["events"]), (&json!(true), &json!(3)), "{report}");

    let path = server.dir.path().join("journal/journal.redb");
    let bytes = std::fs::read(&path).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let pattern = b"needle-in-the-haystack";
    for at in 0..bytes.len() - pattern.len() {
        if bytes[at..].starts_with(pattern) {
            file.write_all_at(b"N", at as u64).unwrap();
        }
    }
    let report = looked_at(&server).await;
    assert_eq!(report["ok"], false, "{report}");
    assert!(report["problems"][0]["place"].is_string(), "{report}");
    server.get("/api/v1/apps/one").await.is(200);
    server.post("/api/v1/apps", json!({"name": "four"})).await.is(201);
}
