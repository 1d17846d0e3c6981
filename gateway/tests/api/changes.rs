//! What is written can be read, and what is secret cannot.

use serde_json::{Value, json};

use crate::support::Server;

const REPOSITORY: &str = "https://git.example/shop.git";

#[tokio::test]
async fn an_app_from_its_creation_to_its_end() {
    let server = Server::start().await;
    let made = server
        .post("/api/v1/apps", json!({"name": "shop", "repository": REPOSITORY, "branch": "main"}))
        .await
        .is(201);
    let id = made.json["id"].as_str().unwrap().to_owned();
    assert_eq!(made.headers["location"], format!("/api/v1/apps/{id}"));
    assert_eq!(made.json["url"], "http://shop.localhost:8080");
    assert_eq!(made.json["status"], "never_deployed");
    assert_eq!(made.json["settings"]["branch"], "main");
    assert_eq!(made.json["settings"]["replicas"], 1);
    assert!(made.json["created_at"].as_str().unwrap().ends_with('Z'));

    for which in ["shop", &id] {
        let shown = server.get(&format!("/api/v1/apps/{which}")).await.is(200);
        assert_eq!(shown.json, made.json);
    }

    let change = json!({"replicas": 3, "port": 3000, "health_path": "/up", "branch": null,
        "domains": ["shop.example"], "memory_bytes": 1 << 28});
    let changed = server.patch("/api/v1/apps/shop", change).await.is(200);
    let settings = &changed.json["settings"];
    assert_eq!(settings["replicas"], 3);
    assert_eq!(settings["port"], 3000);
    assert_eq!(settings["branch"], Value::Null);
    assert_eq!(settings["repository"], REPOSITORY);
    assert_eq!(settings["domains"], json!(["shop.example"]));
    let back = json!({"port": null, "health_path": null});
    let changed = server.patch("/api/v1/apps/shop", back).await.is(200);
    assert_eq!(changed.json["settings"]["port"], Value::Null);
    assert_eq!(changed.json["settings"]["health_path"], Value::Null);
    assert_eq!(changed.json["settings"]["replicas"], 3);

    let other = json!({"name": "other", "domains": ["shop.example"]});
    let taken = server.post("/api/v1/apps", other).await;
    taken.is_problem(409, "conflict");
    assert_eq!(taken.json["field"], "domains");

    server.delete("/api/v1/apps/shop").await.is(204);
    server.get("/api/v1/apps/shop").await.is_problem(404, "not-found");
    server.delete("/api/v1/apps/shop").await.is_problem(404, "not-found");
    // The name and the domain are free again.
    server.post("/api/v1/apps", json!({"name": "shop", "domains": ["shop.example"]})).await.is(201);
}

#[tokio::test]
async fn what_is_fetched_is_set_shown_and_taken_back() {
    let server = Server::start().await;
    let new = json!({"name": "shop", "repository": REPOSITORY, "tag": "v1", "submodules": true});
    let settings = server.post("/api/v1/apps", new).await.is(201).json["settings"].clone();
    assert_eq!((&settings["tag"], &settings["branch"]), (&json!("v1"), &Value::Null));
    assert_eq!((&settings["submodules"], &settings["lfs"]), (&json!(true), &json!(false)));
    let change = json!({"branch": "main", "submodules": false, "lfs": true});
    let settings = server.patch("/api/v1/apps/shop", change).await.is(200).json["settings"].clone();
    assert_eq!((&settings["tag"], &settings["branch"]), (&Value::Null, &json!("main")));
    assert_eq!((&settings["submodules"], &settings["lfs"]), (&json!(false), &json!(true)));
    let asked = server.post("/api/v1/apps/shop/deployments", json!({"tag": "v2"})).await.is(202);
    let source = &asked.json["source"];
    assert_eq!((&source["tag"], &source["branch"]), (&json!("v2"), &Value::Null));
    let settings = server.get("/api/v1/apps/shop").await.is(200).json["settings"].clone();
    assert_eq!(settings["branch"], "main", "a tag is for one deployment");
    let both = json!({"branch": "main", "tag": "v2"});
    let refused = server.post("/api/v1/apps/shop/deployments", both).await;
    refused.is_problem(422, "invalid-field");
    assert_eq!(refused.json["field"], "tag");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = Server::start().await;
    for n in 0..5 {
        server.post("/api/v1/apps", json!({"name": format!("app-{n}")})).await.is(201);
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/apps?limit=2".to_owned();
    loop {
        let page = server.get(&path).await.is(200).json;
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|app| app["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(items.len(), 2);
        path = format!("/api/v1/apps?limit=2&cursor={next}");
    }
    assert_eq!(names, ["app-0", "app-1", "app-2", "app-3", "app-4"]);
}

#[tokio::test]
async fn a_deployment_is_asked_for_shown_and_cancelled() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    let body = json!({"repository": REPOSITORY, "branch": "main", "port": 80,
        "dockerfile": "docker/Dockerfile"});
    let asked = server.post("/api/v1/apps/shop/deployments", body).await.is(202);
    let id = asked.json["id"].as_str().unwrap().to_owned();
    assert_eq!(asked.headers["location"], format!("/api/v1/deployments/{id}"));
    assert_eq!(asked.json["number"], 1);
    assert_eq!(asked.json["source"]["branch"], "main");
    assert_eq!(asked.json["url"], "http://shop.localhost:8080");
    assert_eq!(asked.json["requested_by"], "owner");

    // At once, though its own history begins a moment later.
    let shown = server.get(&format!("/api/v1/deployments/{id}")).await.is(200);
    assert_eq!(shown.json["app"]["name"], "shop");
    assert_eq!(shown.json["stages"][0]["stage"], "requested");
    // What was given is saved.
    let app = server.get("/api/v1/apps/shop").await.is(200).json;
    assert_eq!(app["settings"]["repository"], REPOSITORY);
    assert_eq!(app["settings"]["dockerfile"], "docker/Dockerfile");
    assert_eq!(app["status"], "deploying");
    assert_eq!(app["rolling"]["id"], *id);

    let second = server.post("/api/v1/apps/shop/deployments", json!({})).await.is(202);
    assert_eq!(second.json["number"], 2);
    let second = second.json["id"].as_str().unwrap();
    let waits = server.get(&format!("/api/v1/deployments/{second}")).await.is(200).json;
    assert_eq!(waits["status"], "requested");
    assert!(waits["waiting_for"].as_str().unwrap().contains("its turn"), "{waits}");

    let list = server.get("/api/v1/apps/shop/deployments?limit=1").await.is(200).json;
    assert_eq!(list["items"][0]["number"], 2);
    assert_eq!(list["next"], "2");
    let list = server.get("/api/v1/apps/shop/deployments?limit=1&cursor=2").await.is(200).json;
    assert_eq!((&list["items"][0]["number"], &list["next"]), (&json!(1), &Value::Null));

    let path = format!("/api/v1/deployments/{second}/cancel");
    let cancelled = server.post(&path, json!({})).await.is(200).json;
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["settled"], true);
    server.post(&path, json!({})).await.is(200);
}

#[tokio::test]
async fn a_value_goes_in_and_never_comes_out() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop", "repository": REPOSITORY})).await.is(201);
    let canary = "canary-5d41402abc4b2a76b9719d911017c592";
    let mut seen = String::new();
    let set = json!({"set": {"PASSWORD": canary, "B": "2"}});
    let changed = server.patch("/api/v1/apps/shop/env", set).await.is(200);
    let names: Vec<_> = changed.json["items"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[1]["name"], "PASSWORD");
    assert!(names[1]["set_at"].is_string());
    seen += &changed.text;

    // What is refused shows no value either.
    for body in [
        json!({"set": {"A": [canary]}}),
        json!({"set": canary}),
        json!({"set": {"A": format!("{canary}\0")}}),
        json!({"set": {"A": canary.repeat(4_000)}}),
        json!({"set": {"A": canary, "B": 3}}),
        json!({"remove": {"x": canary}}),
        json!({"set": {"A": canary}, "remove": ["NOBODY"]}),
        json!({"set": {"A": canary}, "remove": ["A"]}),
    ] {
        let answer = server.patch("/api/v1/apps/shop/env", body).await;
        assert!(answer.status.is_client_error(), "{}", answer.text);
        seen += &answer.text;
    }

    server.post("/api/v1/apps/shop/deployments", json!({})).await.is(202);
    let removed = server.patch("/api/v1/apps/shop/env", json!({"remove": ["B"]})).await.is(200);
    assert_eq!(removed.json["items"].as_array().unwrap().len(), 1);
    for path in [
        "/api/v1/apps",
        "/api/v1/apps/shop",
        "/api/v1/apps/shop/env",
        "/api/v1/apps/shop/deployments",
        "/api/v1/events?limit=1000",
        "/metrics",
    ] {
        seen += &server.get(path).await.is(200).text;
    }
    assert!(seen.contains("PASSWORD"));
    assert!(!seen.contains(canary));
    assert!(!server.on_disk(canary.as_bytes()));

    // It is there, though, until the app goes.
    let app = server.get("/api/v1/apps/shop").await.json["id"].as_str().unwrap().parse().unwrap();
    let version = names[1]["version"].as_u64().unwrap();
    let journal = server.control.journal().clone();
    let secret = journal.secret(app, "PASSWORD", version).unwrap().unwrap();
    assert_eq!(secret.expose(), canary.as_bytes());
    server.delete("/api/v1/apps/shop").await.is(204);
    assert!(journal.secret(app, "PASSWORD", version).unwrap().is_some(), "it can be restored");
    server.delete("/api/v1/apps/shop?now=true").await.is(204);
    assert!(journal.secret(app, "PASSWORD", version).unwrap().is_none());
}

#[tokio::test]
async fn an_environment_is_bounded_as_a_whole() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    let value = "v".repeat(60 * 1024);
    for n in 0..4 {
        let body = json!({"set": {format!("V{n}"): value}});
        server.patch("/api/v1/apps/shop/env", body).await.is(200);
    }
    let body = json!({"set": {"V4": value}});
    server.patch("/api/v1/apps/shop/env", body).await.is_problem(422, "invalid-field");
    // In place of another it fits.
    let body = json!({"set": {"V4": value}, "remove": ["V0"]});
    server.patch("/api/v1/apps/shop/env", body).await.is(200);
    let many: serde_json::Map<_, _> = (0..901).map(|n| (format!("N{n}"), json!(""))).collect();
    let answer = server.patch("/api/v1/apps/shop/env", json!({"set": many})).await;
    answer.is_problem(422, "invalid-field");
}

#[tokio::test]
async fn changes_of_an_environment_at_the_same_moment_all_take_effect() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    let all = (0..6)
        .map(|n| server.patch("/api/v1/apps/shop/env", json!({"set": {format!("N{n}"): "x"}})));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let env = server.get("/api/v1/apps/shop/env").await.is(200).json;
    assert_eq!(env["items"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn commands_that_run_once_are_set_shown_and_taken_away() {
    let server = Server::start().await;
    for hook in ["release", "post_deploy"] {
        let (command, within) = (format!("{hook}_command"), format!("{hook}_within_ms"));
        let app = format!("/api/v1/apps/{}", hook.replace('_', "-"));
        let new = json!({"name": hook.replace('_', "-"), &command: ["bin/task", "--all"]});
        let made = server.post("/api/v1/apps", new).await.is(201);
        let settings = &made.json["settings"];
        assert_eq!(settings[&command], json!(["bin/task", "--all"]));
        assert_eq!(settings[&within], 600_000);

        let minute = json!({&within: 60_000});
        let changed = server.patch(&app, minute.clone()).await.is(200);
        let settings = &changed.json["settings"];
        assert_eq!(settings[&command], json!(["bin/task", "--all"]));
        assert_eq!(settings[&within], 60_000);
        for (wrong, field) in [
            (json!({&command: []}), &command),
            (json!({&command: ["a\u{0}b"]}), &command),
            (json!({&within: 10}), &within),
            (json!({&within: 99_000_000}), &within),
        ] {
            let refused = server.patch(&app, wrong.clone()).await;
            let said = (refused.status.as_u16(), &refused.json["field"]);
            assert_eq!(said, (422, &json!(field)), "{wrong}");
        }

        let nothing = json!({&command: null});
        let changed = server.patch(&app, nothing).await.is(200);
        assert_eq!(changed.json["settings"][&command], Value::Null);
        assert_eq!(changed.json["settings"][&within], Value::Null);
        let refused = server.patch(&app, minute).await;
        let said = (refused.status.as_u16(), &refused.json["field"]);
        assert_eq!(said, (422, &json!(within)));
    }
}

#[tokio::test]
async fn processes_beside_web_are_set_scaled_shown_and_taken_away() {
    let server = Server::start().await;
    let worker = json!({"command": ["bin/jobs"], "memory_bytes": 1 << 28});
    let made = json!({"name": "shop", "process_types": {"worker": worker}});
    let made = server.post("/api/v1/apps", made).await.is(201);
    let expected = json!({"command": ["bin/jobs"], "replicas": 1, "memory_bytes": 1 << 28,
        "cpu_millis": null});
    assert_eq!(made.json["settings"]["process_types"], json!({"worker": expected}));
    assert_eq!(made.json["processes"], json!([]), "nothing is live");
    let change = json!({"process_types": {
        "worker": {"replicas": 2, "memory_bytes": null},
        "clock": {"command": ["tick"], "replicas": 0},
    }});
    let changed = server.patch("/api/v1/apps/shop", change).await.is(200);
    let types = &changed.json["settings"]["process_types"];
    assert_eq!((&types["worker"]["replicas"], &types["clock"]["replicas"]), (&json!(2), &json!(0)));
    assert_eq!(types["worker"]["memory_bytes"], Value::Null);

    let scale = json!({"replicas": 3, "processes": {"clock": 1}});
    let scaled = server.post("/api/v1/apps/shop/scale", scale).await.is(200);
    assert_eq!(scaled.json["settings"]["replicas"], 3);
    assert_eq!(scaled.json["settings"]["process_types"]["clock"]["replicas"], 1);
    assert_eq!(scaled.json["settings"]["process_types"]["worker"]["replicas"], 2);
    let gone = json!({"process_types": {"clock": null}});
    let gone = server.patch("/api/v1/apps/shop", gone).await.is(200);
    assert_eq!(gone.json["settings"]["process_types"]["clock"], Value::Null);

    for (body, field, words) in [
        (json!({"clock": null}), "process_types.clock", "no process clock"),
        (json!({"clock": {}}), "process_types.clock.command", "say what it runs"),
        (json!({"web": {"command": ["x"]}}), "process_types.web", "the app's own"),
        (json!({"release": {"command": ["x"]}}), "process_types.release", "runs once"),
        (json!({"A b": {"command": ["x"]}}), "process_types", "lower-case letters"),
        (json!({"worker": {"replicas": 65}}), "process_types.worker.replicas", "0 to 64"),
        (json!({"worker": {"memory_bytes": 1}}), "process_types.worker.memory", "6 MiB"),
    ] {
        let refused = server.patch("/api/v1/apps/shop", json!({"process_types": body})).await;
        refused.is_problem(422, "invalid-field");
        assert_eq!(refused.json["field"], field, "{}", refused.json);
        assert!(refused.json.to_string().contains(words), "{}", refused.json);
    }
    for (body, field) in [
        (json!({}), "replicas"),
        (json!({"processes": {"other": 1}}), "processes.other"),
        (json!({"processes": {"worker": 65}}), "processes.worker"),
        (json!({"processes": {"A b": 1}}), "processes"),
    ] {
        let refused = server.post("/api/v1/apps/shop/scale", body).await;
        refused.is_problem(422, "invalid-field");
        assert_eq!(refused.json["field"], field, "{}", refused.json);
    }
}
