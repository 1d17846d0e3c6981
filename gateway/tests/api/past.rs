//! Looking back: as it was then, what changed, and why.

use serde_json::{Value, json};

use crate::support::Server;

async fn create(server: &Server, name: &str) -> u64 {
    let body = json!({"name": name, "repository": "https://git.example/a"});
    server.post("/api/v1/apps", body).await.is(201);
    head(server)
}

fn head(server: &Server) -> u64 {
    server.control.journal().head().0
}

async fn set(server: &Server, change: Value) -> u64 {
    server.patch("/api/v1/apps/shop", change).await.is(200);
    head(server)
}

async fn get(server: &Server, path: &str) -> Value {
    server.get(&format!("/api/v1/{path}")).await.is(200).json
}

#[tokio::test]
async fn an_app_is_shown_as_it_was() {
    let server = Server::start().await;
    let created = create(&server, "shop").await;
    let three = set(&server, json!({"replicas": 3, "domains": ["shop.example"]})).await;
    let env = json!({"set": {"LEVEL": "hush-hush"}});
    server.patch("/api/v1/apps/shop/env", env).await.is(200);
    let with_env = head(&server);
    let one = set(&server, json!({"replicas": 1})).await;
    server.delete("/api/v1/apps/shop").await.is(204);
    let gone = head(&server);
    create(&server, "shop").await;

    for (at, replicas) in [(created, 1), (three, 3), (with_env, 3), (one, 1)] {
        let app = get(&server, &format!("apps/shop?at={at}")).await;
        assert_eq!(app["settings"]["replicas"], replicas, "at {at}: {app}");
        assert_eq!(app["as_of"]["sequence"], at);
        assert_eq!(app["status"], "never_deployed");
        // The id is as good as the name, and the time that it bears as good as the sequence.
        let (id, time) = (app["id"].as_str().unwrap(), app["as_of"]["time"].as_str().unwrap());
        assert_eq!(get(&server, &format!("apps/{id}?at={at}")).await, app);
        let by_time = get(&server, &format!("apps/{id}?at={time}")).await;
        assert!(by_time["as_of"]["sequence"].as_u64().unwrap() >= at, "{by_time}");
    }
    let variables = get(&server, &format!("apps/shop/env?at={with_env}")).await;
    assert_eq!(variables["items"][0]["name"], "LEVEL");
    assert_eq!(variables["items"][0]["version"], 1);
    assert!(!variables.to_string().contains("hush-hush"));
    assert_eq!(get(&server, &format!("apps/shop/env?at={three}")).await["items"], json!([]));

    let absent = server.get(&format!("/api/v1/apps/shop?at={gone}")).await;
    absent.is_problem(404, "not-found");
    let detail = absent.json["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("the one before ended with event {gone} ")), "{detail}");
    assert!(detail.contains(&format!("came into being with event {}", gone + 1)), "{detail}");
    let never = server.get(&format!("/api/v1/apps/other?at={created}")).await;
    never.is_problem(404, "not-found");
    assert!(never.json["detail"].as_str().unwrap().contains("nor ever later"), "{}", never.text);

    let now = get(&server, "apps/shop").await;
    assert!(now.get("as_of").is_none(), "{now}");
    let list = get(&server, &format!("apps?at={three}")).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["as_of"]["sequence"], three);
    assert_eq!(get(&server, &format!("apps?at={gone}")).await["items"], json!([]));
}

#[tokio::test]
async fn lists_of_the_past_come_in_pages() {
    let server = Server::start().await;
    for n in 0..5 {
        create(&server, &format!("app-{n}")).await;
    }
    let then = head(&server);
    server.delete("/api/v1/apps/app-2").await.is(204);
    create(&server, "app-9").await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(&server, &format!("apps?at={then}&limit=2{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|app| app["name"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["app-0", "app-1", "app-2", "app-3", "app-4"]);
}

#[tokio::test]
async fn a_deployment_and_its_route_are_shown_as_they_were() {
    let server = Server::start().await;
    let created = create(&server, "shop").await;
    set(&server, json!({"domains": ["shop.example"]})).await;
    let asked = server.post("/api/v1/apps/shop/deployments", json!({})).await.is(202).json;
    let id = asked["id"].as_str().unwrap();
    get(&server, &format!("deployments/{id}")).await;
    let stream = hythe_core::record::StreamId {
        kind: hythe_core::record::AggregateKind::Deployment,
        id: id.parse().unwrap(),
    };
    let journal = server.control.journal();
    // Its own history: it begins, and a build is queued.
    let mut moved = journal.watch();
    let own = loop {
        let own = journal.read_stream(stream, hythe_core::record::Version(0), 10).unwrap();
        if own.len() >= 2 {
            break own;
        }
        moved.changed().await.unwrap();
    };
    let at = |n: usize| own[n].sequence.0;
    for (n, status) in [(0, "requested"), (1, "queued")] {
        let deployment = get(&server, &format!("deployments/{id}?at={}", at(n))).await;
        assert_eq!(deployment["status"], status, "{deployment}");
        assert_eq!(deployment["requested_by"], "owner");
        assert_eq!(deployment["waiting_for"], Value::Null, "what it waited for is not kept");
        let list = get(&server, &format!("apps/shop/deployments?at={}", at(n))).await;
        assert_eq!(list["items"][0]["status"], status, "{list}");
    }
    let early = server.get(&format!("/api/v1/deployments/{id}?at={created}")).await;
    early.is_problem(404, "not-found");
    let says = early.json["detail"].as_str().unwrap();
    assert!(says.contains(&format!("began with event {}", at(0))), "{says}");
    assert_eq!(
        get(&server, &format!("apps/shop/deployments?at={created}")).await["items"],
        json!([])
    );
    assert_eq!(get(&server, &format!("apps/shop/replicas?at={}", at(1))).await["items"], json!([]));

    let routes = get(&server, &format!("routes?at={}", at(1))).await;
    let hosts: Vec<_> = routes["items"].as_array().unwrap().iter().map(|r| &r["host"]).collect();
    assert_eq!(hosts, ["shop.localhost", "shop.example"]);
    assert_eq!(routes["items"][0]["state"], "starting");
    let before = get(&server, &format!("routes?at={created}")).await;
    assert_eq!(before["items"].as_array().unwrap().len(), 1, "{before}");
    assert_eq!(before["items"][0]["state"], "down");
    // Without NATS nothing is in force.
    let now = get(&server, "routes").await;
    assert_eq!((&now["items"], &now["revision"]), (&json!([]), &Value::Null));
    assert_eq!(get(&server, &format!("workers?at={created}")).await["items"], json!([]));
    server.get(&format!("/api/v1/workers/nobody?at={created}")).await.is_problem(404, "not-found");
    server.get("/api/v1/workers/nobody").await.is_problem(404, "not-found");
}

#[tokio::test]
async fn moments_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    let empty = server.get("/api/v1/apps?at=now").await;
    empty.is_problem(422, "invalid-field");
    create(&server, "shop").await;
    for (at, word) in [
        ("soon", "10m ago"),
        ("", "10m ago"),
        ("0", "begins with event 1"),
        ("2", "ewest event is 1"),
        ("99999999999999999999", "10m ago"),
        ("2020-01-01", "begins with event 1"),
        ("2999-01-01T00:00:00Z", "not come yet"),
        ("1d", "begins with event 1"),
        ("-5m%20ago%20now", "10m ago"),
    ] {
        for path in
            ["apps/shop", "apps", "apps/shop/env", "routes", "workers", "apps/shop/replicas"]
        {
            let answer = server.get(&format!("/api/v1/{path}?at={at}")).await;
            answer.is_problem(422, "invalid-field");
            assert_eq!(answer.json["field"], "at");
            assert!(
                answer.json["detail"].as_str().unwrap().contains(word),
                "{at}: {}",
                answer.text
            );
        }
    }
    get(&server, "apps/shop?at=now").await;
    get(&server, "apps/shop?at=1").await;
}

fn field<'a>(diff: &'a Value, field: &str) -> &'a Value {
    let changes = diff["changes"].as_array().unwrap();
    changes.iter().find(|change| change["field"] == field).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn a_comparison_says_what_changed_and_who_changed_it() {
    let server = Server::start().await;
    let created = create(&server, "shop").await;
    let up = set(&server, json!({"replicas": 3})).await;
    set(&server, json!({"replicas": 1})).await;
    let env = json!({"set": {"LEVEL": "hush-hush"}});
    server.patch("/api/v1/apps/shop/env", env).await.is(200);
    let with_env = head(&server);
    let port = set(&server, json!({"port": 3000})).await;

    let diff = get(&server, &format!("apps/shop/diff?from={created}&to={port}&events=true")).await;
    let fields: Vec<_> =
        diff["changes"].as_array().unwrap().iter().map(|change| &change["field"]).collect();
    assert_eq!(fields, ["env.LEVEL", "port"], "there and back is no change: {diff}");
    let level = field(&diff, "env.LEVEL");
    assert_eq!((&level["before"], &level["after"]), (&Value::Null, &json!("version 1")));
    assert_eq!(level["by"]["sequence"], with_env);
    assert_eq!(level["origin"]["actor"], "owner");
    assert_eq!(diff["events"].as_array().unwrap().len(), 4, "but four events: {diff}");
    assert!(!diff.to_string().contains("hush-hush"));
    let back = get(&server, &format!("apps/shop/diff?from={up}")).await;
    assert_eq!(field(&back, "replicas")["before"], "3");
    assert!(back.get("events").is_none(), "{back}");
    let nothing = get(&server, &format!("apps/shop/diff?from={port}&to={port}")).await;
    assert_eq!(nothing["changes"], json!([]));

    let first = server.post("/api/v1/apps/shop/deployments", json!({})).await.is(202).json;
    let first = first["id"].as_str().unwrap();
    let mut socket = server.socket("/api/v1/events?after=0&type=build_queued").await.unwrap();
    assert_eq!(crate::support::next(&mut socket).await.unwrap()["id"], first);
    set(&server, json!({"port": 4000})).await;
    let ported = head(&server);
    let second = server.post("/api/v1/apps/shop/deployments", json!({})).await.is(202).json;
    let second = second["id"].as_str().unwrap();
    get(&server, &format!("deployments/{second}")).await;
    for (from, to) in [("%231", "%232"), (first, second), ("%231", second)] {
        let diff = get(&server, &format!("apps/shop/diff?from={from}&to={to}")).await;
        let port = field(&diff, "port");
        assert_eq!((&port["before"], &port["after"]), (&json!("3000"), &json!("4000")), "{diff}");
        assert!(port["by"]["sequence"].as_u64().unwrap() <= ported, "{diff}");
        assert_eq!(port["by"]["type"], "app.configured");
        assert_eq!(diff["from"]["deployment"]["number"], 1);
        let status = field(&diff, "status");
        assert_eq!((&status["before"], &status["after"]), (&json!("queued"), &json!("requested")));
        assert_eq!(status["by"]["type"], "deployment.requested", "its own, not its app's: {diff}");
    }
    let mixed = get(&server, &format!("apps/shop/diff?from={created}&to=%231")).await;
    assert_eq!(field(&mixed, "rolling")["after"], "#1", "{mixed}");
    assert_eq!(field(&mixed, "rolling")["origin"]["actor"], "owner", "{mixed}");

    for (query, wrong) in [
        (format!("from={port}&to={created}"), "to"),
        ("from=%23x".into(), "from"),
        ("from=%2399".into(), "from"),
        ("from=1&to=99999".into(), "to"),
        ("from=soon".into(), "from"),
    ] {
        let answer = server.get(&format!("/api/v1/apps/shop/diff?{query}")).await;
        answer.is_problem(422, "invalid-field");
        assert_eq!(answer.json["field"], wrong, "{query}: {}", answer.text);
    }
    server.get("/api/v1/apps/shop/diff").await.is_problem(422, "invalid-field");
    server.get("/api/v1/apps/nobody/diff?from=1").await.is_problem(404, "not-found");
    server.delete("/api/v1/apps/shop").await.is(204);
    let gone = get(&server, &format!("apps/shop/diff?from={port}")).await;
    assert_eq!(field(&gone, "name")["after"], Value::Null, "{gone}");
    assert_eq!(field(&gone, "name")["by"]["type"], "app.discarded");
}

#[tokio::test]
async fn every_event_says_why() {
    let server = Server::start().await;
    create(&server, "shop").await;
    let asked = server.post("/api/v1/apps/shop/deployments", json!({})).await.is(202);
    let request = asked.headers["x-request-id"].to_str().unwrap().to_owned();
    let id = asked.json["id"].as_str().unwrap();
    let mut socket = server.socket("/api/v1/events?after=0&type=build_queued").await.unwrap();
    let queued = crate::support::next(&mut socket).await.unwrap();
    assert_eq!(queued["id"], id);
    let why = get(&server, &format!("events/{}/why?effects=true", queued["sequence"])).await;
    assert_eq!(why["beginning"], "request");
    let chain = why["chain"].as_array().unwrap();
    assert_eq!(chain[0]["event"]["correlation"], json!(request));
    assert_eq!(chain[0]["event"]["actor"], "owner");
    assert_eq!(chain.last().unwrap()["event"], queued);
    assert_eq!(chain.last().unwrap()["subject"], "deployment #1 of shop");
    assert_eq!(chain[0]["subject"], "app shop");
    assert_eq!(chain[0]["event"]["type"], "app.deployment_requested", "{why}");
    let first = &chain[0]["event"]["sequence"];
    let effects = get(&server, &format!("events/{first}/why?effects=true")).await;
    let effects = effects["effects"].as_array().unwrap();
    assert!(effects.iter().any(|step| step["event"] == queued), "{effects:?}");
    let only = get(&server, &format!("events/{first}/why")).await;
    assert!(only.get("effects").is_none() && only["chain"].as_array().unwrap().len() == 1);
    for none in ["0", "99999", "x", "-1"] {
        server.get(&format!("/api/v1/events/{none}/why")).await.is_problem(404, "not-found");
    }
}
