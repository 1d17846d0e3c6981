//! Events by pages, and as they happen.

use serde_json::{Value, json};

use crate::support::{Server, next};

async fn create(server: &Server, name: &str) -> Value {
    let body = json!({"name": name, "repository": "https://git.example/a"});
    server.post("/api/v1/apps", body).await.is(201).json
}

#[tokio::test]
async fn pages_lead_through_the_journal() {
    let server = Server::start().await;
    for n in 0..5 {
        create(&server, &format!("app-{n}")).await;
    }
    let mut after = 0;
    let mut seen = Vec::new();
    loop {
        let page = server.get(&format!("/api/v1/events?after={after}&limit=2")).await.is(200).json;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|event| event["sequence"].as_u64().unwrap()));
        after = page["next"].as_u64().unwrap();
        if after == page["head"].as_u64().unwrap() {
            break;
        }
        assert_eq!(items.len(), 2);
    }
    assert_eq!(seen, (1..=after).collect::<Vec<_>>());
    let first = &server.get("/api/v1/events?limit=1").await.json["items"][0];
    assert_eq!(first["type"], "app.created");
    assert_eq!(first["says"], "app-0 was created");
    assert_eq!(first["actor"], "owner");
    assert_eq!(first["version"], 1);
    assert_eq!(first["data"]["name"], "app-0");
}

#[tokio::test]
async fn filters_leave_out_what_is_not_wanted() {
    let server = Server::start().await;
    let shop = create(&server, "shop").await["id"].as_str().unwrap().to_owned();
    create(&server, "other").await;
    let asked = server.post("/api/v1/apps/shop/deployments", json!({})).await.is(202);
    let deployment = asked.json["id"].as_str().unwrap();
    server.get(&format!("/api/v1/deployments/{deployment}")).await.is(200);
    for which in ["shop", &shop] {
        let page = server.get(&format!("/api/v1/events?app={which}&limit=1000")).await.is(200);
        let items = page.json["items"].as_array().unwrap();
        let of = |id: &str| items.iter().filter(|event| event["id"] == id).count();
        assert!(of(&shop) >= 3, "{}", page.text);
        assert!(of(deployment) >= 1, "{}", page.text);
        assert_eq!(of(&shop) + of(deployment), items.len());
    }
    let page = server.get("/api/v1/events?aggregate=worker").await.is(200).json;
    assert_eq!(page["items"], json!([]));
    assert_eq!(page["next"], page["head"]);
}

#[tokio::test]
async fn a_socket_resumes_where_it_was() {
    let server = Server::start().await;
    create(&server, "one").await;
    let mut socket = server.socket("/api/v1/events?after=0").await.unwrap();
    let first = next(&mut socket).await.unwrap();
    assert_eq!(first["sequence"], 1);
    create(&server, "two").await;
    assert_eq!(next(&mut socket).await.unwrap()["data"]["name"], "two");
    drop(socket);
    create(&server, "three").await;
    create(&server, "four").await;
    let mut socket = server.socket("/api/v1/events?after=2").await.unwrap();
    for (sequence, name) in [(3, "three"), (4, "four")] {
        let event = next(&mut socket).await.unwrap();
        assert_eq!((&event["sequence"], &event["data"]["name"]), (&json!(sequence), &json!(name)));
    }
    // Without a cursor: only what happens from now on.
    let mut fresh = server.socket("/api/v1/events?app=four").await.unwrap();
    create(&server, "five").await;
    server.patch("/api/v1/apps/four", json!({"replicas": 2})).await.is(200);
    let event = next(&mut fresh).await.unwrap();
    assert_eq!((&event["type"], &event["sequence"]), (&json!("app.configured"), &json!(6)));
}

#[tokio::test]
async fn a_wrong_cursor_is_a_problem_before_the_upgrade() {
    let server = Server::start().await;
    let refused = server.socket("/api/v1/events?after=99").await.unwrap_err();
    let tokio_tungstenite::tungstenite::Error::Http(response) = refused else {
        panic!("{refused}");
    };
    assert_eq!(response.status(), 422);
}

#[tokio::test]
async fn sockets_are_closed_when_the_server_stops() {
    let server = Server::start().await;
    let mut socket = server.socket("/api/v1/events").await.unwrap();
    server.stop();
    assert_eq!(next(&mut socket).await, None);
}

#[tokio::test]
async fn every_filter_leaves_out_what_it_says() {
    let server = Server::start().await;
    create(&server, "shop").await;
    create(&server, "other").await;
    server.patch("/api/v1/apps/shop", json!({"replicas": 2})).await.is(200);
    let request = server.patch("/api/v1/apps/other", json!({"replicas": 3})).await.is(200);
    let request = request.headers["x-request-id"].to_str().unwrap().to_owned();
    server.delete("/api/v1/apps/shop?now=true").await.is(204);
    let third = server.get("/api/v1/events?after=2&limit=1").await.json["items"][0].clone();
    let time = third["time"].as_str().unwrap();
    for (query, expected) in [
        ("".to_owned(), &[1, 2, 3, 4, 5][..]),
        ("type=configured".into(), &[3, 4]),
        ("type=app.created,app.deleted".into(), &[1, 2, 5]),
        ("type=app.*".into(), &[1, 2, 3, 4, 5]),
        ("type=worker.*".into(), &[]),
        ("who=owner".into(), &[1, 2, 3, 4, 5]),
        ("who=system".into(), &[]),
        ("who=worker".into(), &[]),
        (format!("correlation={request}"), &[4]),
        ("app=shop".into(), &[1, 3, 5]),
        ("aggregate=app:other".into(), &[2, 4]),
        ("since=3".into(), &[3, 4, 5]),
        ("until=3".into(), &[1, 2, 3]),
        ("since=2&until=4&app=shop".into(), &[3]),
        ("since=2020-01-01".into(), &[1, 2, 3, 4, 5]),
        ("until=2020-01-01".into(), &[]),
        ("last=2".into(), &[4, 5]),
        ("last=2&before=4".into(), &[2, 3]),
        ("last=2&app=shop".into(), &[3, 5]),
        ("last=9&until=3&since=2".into(), &[2, 3]),
        ("last=1&until=4&type=created".into(), &[2]),
    ] {
        let page = server.get(&format!("/api/v1/events?{query}")).await.is(200);
        let items = page.json["items"].as_array().unwrap();
        let found: Vec<_> = items.iter().map(|e| e["sequence"].as_u64().unwrap()).collect();
        assert_eq!(found, expected, "{query}: {}", page.text);
        let more = ["last=2", "last=2&before=4", "last=2&app=shop", "last=1&until=4&type=created"];
        let may_go_on = more.contains(&query.as_str());
        assert!(page.json["done"] == json!(true) || may_go_on, "{query}: {}", page.text);
    }
    let until = server.get(&format!("/api/v1/events?until={time}")).await.is(200).json;
    let last = until["items"].as_array().unwrap().last().unwrap().clone();
    assert!(last["sequence"].as_u64().unwrap() >= 3, "all that bear that time: {until}");
    for (query, field) in [
        ("type=app.nothing", "type"),
        ("who=me", "who"),
        ("correlation=x", "correlation"),
        ("until=2999-01-01", "until"),
        ("since=x", "since"),
        ("last=0", "last"),
        ("aggregate=deployment:x", "aggregate"),
    ] {
        let answer = server.get(&format!("/api/v1/events?{query}")).await;
        answer.is_problem(422, "invalid-field");
        assert_eq!(answer.json["field"], field, "{query}: {}", answer.text);
    }
    server.get("/api/v1/events?app=never-there").await.is_problem(404, "not-found");
    server.get("/api/v1/events?who=worker:never").await.is_problem(404, "not-found");
}

#[tokio::test]
async fn a_follower_hears_how_far_it_came_and_where_it_ends() {
    let server = Server::start().await;
    for n in 0..3 {
        create(&server, &format!("app-{n}")).await;
    }
    let path = "/api/v1/events?after=0&type=deleted&progress=true";
    let mut socket = server.socket(path).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(json!({"cursor": 3})));
    server.delete("/api/v1/apps/app-1?now=true").await.is(204);
    assert_eq!(next(&mut socket).await.unwrap()["sequence"], 4);
    // One that is to end ends, also where its last stretch has nothing that is wanted.
    let mut bounded = server.socket("/api/v1/events?since=2&until=3&type=app.*").await.unwrap();
    for sequence in [2, 3] {
        assert_eq!(next(&mut bounded).await.unwrap()["sequence"], sequence);
    }
    assert_eq!(next(&mut bounded).await, None);
    let mut nothing = server.socket("/api/v1/events?since=2&until=3&type=worker.*").await.unwrap();
    assert_eq!(next(&mut nothing).await, None);
    let mut later = server.socket("/api/v1/events?since=4&until=6&type=created").await.unwrap();
    create(&server, "app-4").await;
    create(&server, "app-5").await;
    create(&server, "app-6").await;
    for sequence in [5, 6] {
        assert_eq!(next(&mut later).await.unwrap()["sequence"], sequence);
    }
    assert_eq!(next(&mut later).await, None);
}
