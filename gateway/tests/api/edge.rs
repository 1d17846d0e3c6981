//! How edges serve an app: what is set holds, is bounded, and tells no password.

use hythe_core::edge::EdgeUser;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Server;

const PATH: &str = "/api/v1/apps/shop/edge";

#[tokio::test]
async fn what_is_set_is_shown_and_what_is_out_of_bounds_is_named() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    let usual = server.get(PATH).await.is(200).json;
    assert_eq!((&usual["maintenance"], &usual["compress"]), (&json!(false), &json!(true)));
    assert_eq!((&usual["rate"], &usual["users"]), (&Value::Null, &json!([])));
    assert_eq!((&usual["https"], &usual["hsts"]), (&json!("redirect"), &Value::Null));

    let change = json!({
        "maintenance": true, "sticky": true, "www": "remove",
        "rate": {"per_second": 20, "burst": 50}, "allow": ["10.0.0.0/8", "::1"],
        "guards": "previews", "wait_ms": 20_000, "body_bytes": 1_000_000,
        "answer_within_ms": 30_000, "sleep_after_ms": 1_800_000, "compress": false, "protocol": "h2c", "access_log": false,
        "https": "both", "hsts": {"max_age": 31_536_000, "subdomains": true, "preload": true},
    });
    let set = server.patch(PATH, change.clone()).await.is(200).json;
    for (field, value) in change.as_object().unwrap() {
        assert_eq!(set[field], *value, "{field}");
    }
    assert_eq!(server.get(PATH).await.is(200).json, set);
    let before = server.control.journal().head();
    server.patch(PATH, change).await.is(200);
    assert_eq!(server.control.journal().head(), before, "the same again changes nothing");
    // What is left out stays; null takes a limit away.
    let set = server.patch(PATH, json!({"rate": null, "maintenance": false})).await.is(200).json;
    assert_eq!((&set["rate"], &set["maintenance"]), (&Value::Null, &json!(false)));
    let set = server.patch(PATH, json!({"hsts": null, "sleep_after_ms": null})).await.is(200).json;
    assert_eq!(set["sleep_after_ms"], Value::Null);
    assert_eq!((&set["hsts"], &set["https"]), (&Value::Null, &json!("both")));
    assert_eq!((&set["sticky"], &set["body_bytes"]), (&json!(true), &json!(1_000_000)));

    for (field, wrong) in [
        ("rate.per_second", json!({"rate": {"per_second": 0, "burst": 1}})),
        ("rate.burst", json!({"rate": {"per_second": 1, "burst": 2_000_000}})),
        ("allow[1]", json!({"allow": ["10.0.0.1", "10.0.0.0/33"]})),
        ("wait", json!({"wait_ms": 900_000})),
        ("body_bytes", json!({"body_bytes": 0})),
        ("answer_within", json!({"answer_within_ms": 10})),
        ("sleep_after", json!({"sleep_after_ms": 1_000})),
        ("hsts.max_age", json!({"hsts": {"max_age": 100_000_000}})),
        ("hsts.preload", json!({"hsts": {"max_age": 300, "subdomains": true, "preload": true}})),
        ("users", json!({"users": {"ada": "short"}})),
        ("users", json!({"users": {"a:b": "long enough"}})),
        ("users", json!({"users": {"ada": "with\na newline"}})),
        ("users", json!({"users": {"nobody": null}})),
    ] {
        let refused = server.patch(PATH, wrong).await.is(422).json;
        assert_eq!(refused["field"], field, "{refused}");
    }
    server.get("/api/v1/apps/nothing/edge").await.is_problem(404, "not-found");
    server.patch("/api/v1/apps/nothing/edge", json!({})).await.is_problem(404, "not-found");
}

#[tokio::test]
async fn of_what_several_people_set_at_once_nothing_is_lost() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    // Hashing takes long, so that all of them have read before the first one writes.
    let changes = [
        json!({"users": {"ada": "correct horse"}}),
        json!({"users": {"eve": "battery staple"}}),
        json!({"users": {"bob": "another horse"}}),
        json!({"sticky": true}),
        json!({"body_bytes": 1_000}),
        json!({"rate": {"per_second": 1, "burst": 2}}),
    ];
    let changed = changes.map(|change| server.patch(PATH, change));
    for answer in futures_util::future::join_all(changed).await {
        answer.is(200);
    }
    let set = server.get(PATH).await.is(200).json;
    assert_eq!(set["users"], json!(["ada", "bob", "eve"]));
    assert_eq!((&set["sticky"], &set["body_bytes"]), (&json!(true), &json!(1_000)));
    assert_eq!(set["rate"], json!({"per_second": 1, "burst": 2}));
}

#[tokio::test]
async fn an_app_is_mounted_at_a_host_of_its_project_and_whoever_asks_hears_why_not() {
    let server = Server::start().await;
    for name in ["shop", "api", "late"] {
        server.post("/api/v1/apps", json!({"name": name})).await.is(201);
    }
    let mount = |app: &str, places: Value| {
        let path = format!("/api/v1/apps/{app}/edge");
        let server = &server;
        async move { server.patch(&path, json!({"mounts": places})).await }
    };
    let at = "shop.localhost/api";
    let set = mount("api", json!({at: "stripped"})).await.is(200).json;
    assert_eq!(set["mounts"], json!([{"at": at, "seen": "stripped"}]));
    let set = mount("api", json!({at: "whole", "shop.localhost/v2": "whole"})).await.is(200).json;
    assert_eq!(set["mounts"].as_array().unwrap().len(), 2);
    for (app, places, why) in [
        ("late", json!({at: "whole"}), "app api is at"),
        ("late", json!({"nowhere.example/x": "whole"}), "o app has the host"),
        ("late", json!({"shop.localhost/../x": "whole"}), " path"),
        ("late", json!({"shop.localhost": "whole"}), "host and a path"),
        ("late", json!({at: null}), "here is none"),
    ] {
        let refused = mount(app, places).await.is(422).json;
        assert_eq!(refused["field"], "mounts", "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains(why), "{refused}");
    }
    let set = mount("api", json!({at: null})).await.is(200).json;
    assert_eq!(set["mounts"], json!([{"at": "shop.localhost/v2", "seen": "whole"}]));
    mount("late", json!({at: "whole"})).await.is(200);
}

#[tokio::test]
async fn a_password_is_kept_hashed_and_in_no_event() {
    let server = Server::start().await;
    let app = server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201).json;
    let id: Uuid = app["id"].as_str().unwrap().parse().unwrap();
    let users = |users: Value| server.patch(PATH, json!({ "users": users }));
    let set = users(json!({"ada": "correct horse", "eve": "battery staple"})).await.is(200);
    assert_eq!(set.json["users"], json!(["ada", "eve"]));
    let version = |user: &str| {
        let user = EdgeUser::new(user).unwrap();
        server.control.read(|view| {
            let app = view.apps.values().next().unwrap().state.active().unwrap();
            app.edge.users.get(&user).copied()
        })
    };
    let hash = |user: &str, version| {
        let secret = server.control.journal().secret(id, &format!("edge/{user}"), version).unwrap();
        secret.map(|secret| secret.expose_str().unwrap().to_owned())
    };
    let first = version("ada").unwrap();
    let kept = hash("ada", first).unwrap();
    assert!(kept.starts_with("$argon2id$v=19$m=8192,t=3,p=1$"), "{kept}");
    // Another password has another version, and the one before is gone.
    users(json!({"ada": "another horse", "eve": null})).await.is(200);
    let second = version("ada").unwrap();
    assert!(second > first && version("eve").is_none());
    assert_eq!((hash("ada", first), hash("eve", first)), (None, None));
    assert_ne!(hash("ada", second).unwrap(), kept);

    let told = server.get("/api/v1/events?limit=100").await.is(200).text.clone();
    let shown = server.get(PATH).await.is(200).text.clone();
    for secret in ["horse", "staple", "argon2"] {
        assert!(!told.contains(secret) && !shown.contains(secret), "{secret}");
    }
    assert!(told.contains("app.edge_set"), "{told}");
    let why = server.get("/api/v1/apps/shop/diff?from=1&to=now").await;
    assert!(!why.text.contains("argon2"), "{}", why.text);
}
