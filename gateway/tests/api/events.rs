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
