//! Cron jobs: what is taken and refused, and what is shown of them. That one runs is seen end to end.

use serde_json::json;

use crate::support::Server;

const PATH: &str = "/api/v1/apps/shop/crons/tidy";

#[tokio::test]
async fn a_job_is_set_shown_paused_and_removed() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    assert_eq!(server.get("/api/v1/apps/shop/crons").await.is(200).json, json!({"items": []}));
    let wanted = json!({"schedule": "30 3 * * mon", "time_zone": "Europe/Berlin", "command": ["tidy", "up"]});
    let set = server.put(PATH, wanted.clone()).await.is(200).json;
    let expected = json!({
        "name": "tidy",
        "schedule": "30 3 * * mon",
        "time_zone": "Europe/Berlin",
        "command": ["tidy", "up"],
        "timeout_ms": 3_600_000,
        "overlap": "skip",
        "paused": false,
        "next_at": null,
        "waits": "no version is live",
        "runs": [],
        "skipped": null,
    });
    assert_eq!(set, expected);
    assert_eq!(server.get(PATH).await.is(200).json, expected);
    server.put(PATH, wanted).await.is(200);
    let paused = server.post(&format!("{PATH}/pause"), json!({})).await.is(200).json;
    assert_eq!((&paused["paused"], &paused["waits"]), (&json!(true), &json!("it is paused")));
    let on = server.post(&format!("{PATH}/resume"), json!({})).await.is(200).json;
    assert_eq!(on, expected);
    let other = json!({"schedule": "@hourly", "command": ["x"], "timeout_ms": 1000, "overlap": "replace", "paused": true});
    let set = server.put(PATH, other).await.is(200).json;
    assert_eq!((&set["overlap"], &set["time_zone"]), (&json!("replace"), &json!("UTC")));

    // Nothing of it runs without a version.
    let refused = server.post(&format!("{PATH}/run"), json!({})).await;
    refused.is_problem(409, "conflict");
    assert!(refused.text.contains("No version of shop is live"), "{}", refused.text);

    let told = server.get("/api/v1/events?limit=1000").await.is(200).text;
    assert_eq!(told.matches("cron_set").count(), 4, "setting what is set is no event: {told}");
    let then = server.get("/api/v1/apps/shop/diff?from=1&to=2").await.is(200).text;
    assert!(then.contains("crons.tidy.schedule"), "{then}");

    let server = server.again().await;
    assert_eq!(server.get(PATH).await.is(200).json, set);
    server.delete(PATH).await.is(204);
    server.get(PATH).await.is_problem(404, "not-found");
    server.delete(PATH).await.is_problem(404, "not-found");
    server.post(&format!("{PATH}/run"), json!({})).await.is_problem(404, "not-found");
    server.post(&format!("{PATH}/pause"), json!({})).await.is_problem(404, "not-found");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_field() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    let with = |field: &str, value: serde_json::Value| {
        let mut body = json!({"schedule": "* * * * *", "command": ["x"]});
        body[field] = value;
        body
    };
    for (body, field, why) in [
        (with("schedule", json!("every day")), "schedule", "five fields"),
        (with("schedule", json!("61 * * * *")), "schedule", "61"),
        (with("schedule", json!("0 0 30 2 *")), "schedule", "no such day"),
        (with("schedule", json!("* * * * * *")), "schedule", "five fields"),
        (with("time_zone", json!("Mars/Olympus")), "time_zone", "Europe/Berlin"),
        (with("time_zone", json!("../../etc/passwd")), "time_zone", "tz database"),
        (with("command", json!([])), "command", "program"),
        (with("timeout_ms", json!(1)), "timeout_ms", "1000"),
        (with("overlap", json!("maybe")), "overlap", "skip"),
        (with("shell", json!(true)), "shell", "shell"),
    ] {
        let answer = server.put(PATH, body).await;
        assert_eq!((answer.status.as_u16(), &answer.json["field"]), (422, &json!(field)));
        assert!(answer.text.contains(why), "{}", answer.text);
    }
    let fine = with("schedule", json!("@daily"));
    let odd = server.put("/api/v1/apps/shop/crons/No%20name", fine.clone()).await;
    odd.is_problem(422, "invalid-field");
    server.put("/api/v1/apps/nothing/crons/tidy", fine.clone()).await.is_problem(404, "not-found");
    for n in 0..16 {
        let path = format!("/api/v1/apps/shop/crons/job{n}");
        server.put(&path, fine.clone()).await.is(200);
    }
    let refused = server.put(PATH, fine).await;
    refused.is_problem(409, "conflict");
    assert!(refused.text.contains("16 cron jobs"), "{}", refused.text);
}
