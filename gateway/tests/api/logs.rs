//! Logs, from a real NATS.

use std::time::Duration;

use hythe_core::ids::DeploymentId;
use hythe_core::wire::log::{LogFrame, LogLine, LogSource, LogStream};
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use serde_json::json;

use crate::support::{Nats, Server, next};

async fn frame(nats: &Nats, deployment: DeploymentId, first: u64, texts: &[&str], ended: bool) {
    let line = |(at, text): (u64, &&str)| LogLine {
        at: (first + at) * 1_000_000_000,
        stream: LogStream::Stdout,
        text: (*text).into(),
    };
    let frame = LogFrame {
        format: 1,
        source: LogSource::Build { deployment, generation: 1 },
        first,
        lines: (0..).zip(texts).map(line).collect(),
        ended,
    };
    let id = format!("{deployment}-{first}");
    nats.bus
        .publish(Step::BuildLogPublished, &subjects::build_log(deployment), &frame, Some(&id))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_builds_log_by_pages_and_as_it_comes_with_its_gaps_and_its_end() {
    let nats = Nats::start().await;
    let server = Server::start_with(nats.settings.clone()).await;
    let app = json!({"name": "shop", "repository": "https://git.example/a"});
    server.post("/api/v1/apps", app).await.is(201);
    let asked = server.post("/api/v1/apps/shop/deployments", json!({})).await.is(202).json;
    let text = asked["id"].as_str().unwrap();
    let deployment: DeploymentId = text.parse().unwrap();
    let path = format!("/api/v1/deployments/{text}/logs");

    let empty = server.get(&path).await.is(200).json;
    assert_eq!((&empty["items"], &empty["more"]), (&json!([]), &json!(false)));
    frame(&nats, deployment, 1, &["one", "two", "three"], false).await;
    let page = server.get(&format!("{path}?limit=2")).await.is(200).json;
    assert_eq!(page["items"][1]["text"], "two");
    assert_eq!(page["items"][1]["at"], "1970-01-01T00:00:02.000Z");
    assert_eq!(page["more"], true);
    let cursor = page["next"].as_str().unwrap();
    let page = server.get(&format!("{path}?cursor={cursor}")).await.is(200).json;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["items"][0]["text"], "three");
    let tail = server.get(&format!("{path}?tail=1")).await.is(200).json;
    assert_eq!(tail["items"][0]["text"], "three");

    let mut socket = server.socket(&format!("{path}?cursor={cursor}")).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap()["text"], "three");
    frame(&nats, deployment, 6, &["six"], true).await;
    assert_eq!(next(&mut socket).await.unwrap(), json!({"type": "gap", "lost": 2}));
    assert_eq!(next(&mut socket).await.unwrap()["text"], "six");
    assert_eq!(next(&mut socket).await.unwrap()["type"], "end");
    // The builder has said all; that the build is over is said by the deployment.
    server.post(&format!("/api/v1/deployments/{text}/cancel"), json!({})).await.is(200);
    let note = next(&mut socket).await.unwrap();
    assert_eq!(note["type"], "note");
    assert!(note["text"].as_str().unwrap().contains("cancelled"), "{note}");
    assert_eq!(next(&mut socket).await, None);
}

#[tokio::test]
async fn the_log_of_what_is_never_built_ends_at_once() {
    let nats = Nats::start().await;
    let server = Server::start_with(nats.settings.clone()).await;
    let app = json!({"name": "shop", "repository": "https://git.example/a"});
    server.post("/api/v1/apps", app).await.is(201);
    server.post("/api/v1/apps/shop/deployments", json!({})).await.is(202);
    // It waits for its turn.
    let asked = server.post("/api/v1/apps/shop/deployments", json!({})).await.is(202).json;
    let path = format!("/api/v1/deployments/{}", asked["id"].as_str().unwrap());
    let mut socket = server.socket(&format!("{path}/logs")).await.unwrap();
    server.post(&format!("{path}/cancel"), json!({})).await.is(200);
    // Whoever waits for a rollback reads this to its end, too.
    let soon = tokio::time::timeout(Duration::from_millis(2_500), next(&mut socket)).await;
    let note = soon.expect("no lines are waited for").unwrap();
    assert!(note["text"].as_str().unwrap().contains("cancelled"), "{note}");
    assert_eq!(next(&mut socket).await, None);
}

#[tokio::test]
async fn without_nats_a_log_is_a_problem_and_the_rest_goes_on() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    server.get("/api/v1/apps/shop/logs").await.is_problem(503, "unavailable");
    let ready = server.get("/readyz").await.is(503);
    assert_eq!(ready.json["ready"], false);
    assert!(ready.text.contains("nats"), "{}", ready.text);
    server.get("/healthz").await.is(200);
    server.get("/metrics").await.is(200);
}
