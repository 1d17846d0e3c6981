//! The journal is looked at while the server goes on.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Server};

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

#[tokio::test]
async fn an_export_is_guarded_and_whole() {
    let server = Server::start().await;
    let long = "x".repeat(200);
    for n in 0..400 {
        let body = json!({"name": format!("app-{n}"), "domains": [format!("a{n}.example")], "build_args": {"LONG": long}});
        server.post("/api/v1/apps", body).await.is(201);
    }
    let path = "/api/v1/journal/export";
    Answer::of(server.bare(Method::GET, path)).await.is_problem(401, "unauthorized");
    let answer = server.get(path).await.is(200);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> =
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let head = server.control.journal().head().0;
    assert_eq!((&lines[0]["head"], lines.len() as u64), (&json!(head), head + 1));
    assert_eq!(lines.last().unwrap()["hash"], lines[0]["hash"]);
    assert!(answer.text.len() > 4 * 64 * 1024, "it came in several chunks");
    let dir = tempfile::tempdir().unwrap();
    let back = hythe_store::export::import(dir.path(), answer.text.as_bytes()).unwrap();
    assert_eq!(back.head.0, head);
}
