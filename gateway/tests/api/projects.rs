//! Projects: apps that belong together, now and then.

use serde_json::{Value, json};

use crate::support::Server;

fn head(server: &Server) -> u64 {
    server.control.journal().head().0
}

async fn get(server: &Server, path: &str) -> Value {
    server.get(&format!("/api/v1/{path}")).await.is(200).json
}

#[tokio::test]
async fn apps_are_in_projects_and_were_in_others() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "blog"})).await.is(201);
    let at_first = head(&server);
    let made = server.post("/api/v1/projects", json!({"name": "web"})).await.is(201).json;
    assert_eq!((&made["name"], &made["apps"]), (&json!("web"), &json!([])));
    let shop = json!({"name": "shop", "project": "web"});
    assert_eq!(server.post("/api/v1/apps", shop).await.is(201).json["project"], "web");
    let apart = head(&server);
    // By its id as well as by its name.
    let id = made["id"].as_str().unwrap();
    server.patch("/api/v1/apps/blog", json!({"project": id})).await.is(200);
    let together = head(&server);

    let names = |list: &Value| -> Vec<(String, Value)> {
        let items = list["items"].as_array().unwrap();
        let one = |item: &Value| (item["name"].as_str().unwrap().to_owned(), item["apps"].clone());
        items.iter().map(one).collect()
    };
    let of = |name: &str, apps: Value| (name.to_owned(), apps);
    for (at, expected) in [
        (at_first, vec![of("default", json!(["blog"]))]),
        (apart, vec![of("default", json!(["blog"])), of("web", json!(["shop"]))]),
        (together, vec![of("default", json!([])), of("web", json!(["blog", "shop"]))]),
    ] {
        assert_eq!(names(&get(&server, &format!("projects?at={at}")).await), expected, "at {at}");
    }
    assert_eq!(names(&get(&server, "projects").await).len(), 2);
    assert_eq!(get(&server, &format!("projects/web?at={apart}")).await["apps"], json!(["shop"]));
    assert_eq!(get(&server, &format!("apps/blog?at={apart}")).await["project"], "default");
    assert_eq!(get(&server, &format!("apps/blog?at={together}")).await["project"], "web");
    server.get(&format!("/api/v1/projects/web?at={at_first}")).await.is_problem(404, "not-found");
    let diff = get(&server, &format!("apps/blog/diff?from={apart}&to={together}")).await;
    let change = &diff["changes"][0];
    assert_eq!(
        (&change["field"], &change["before"], &change["after"]),
        (&json!("project"), &json!("default"), &json!("web"))
    );
    let events = get(&server, "events?aggregate=project:web").await;
    assert_eq!(events["items"][0]["type"], "project.created");
}

#[tokio::test]
async fn a_project_goes_when_nothing_is_in_it() {
    let server = Server::start().await;
    server.post("/api/v1/projects", json!({"name": "web"})).await.is(201);
    server.post("/api/v1/apps", json!({"name": "shop", "project": "web"})).await.is(201);
    let full = server.delete("/api/v1/projects/web").await;
    full.is_problem(409, "conflict");
    assert!(full.json["detail"].as_str().unwrap().contains("move or delete them"), "{}", full.text);
    server.patch("/api/v1/apps/shop", json!({"project": "default"})).await.is(200);
    server.delete("/api/v1/projects/web").await.is(204);
    server.get("/api/v1/projects/web").await.is_problem(404, "not-found");
    server.delete("/api/v1/projects/default").await.is_problem(409, "conflict");
    // The name is free again.
    server.post("/api/v1/projects", json!({"name": "web"})).await.is(201);
    server.post("/api/v1/projects", json!({"name": "web"})).await.is_problem(409, "exists");
    for name in ["default", "", "-x", "Web", "a b", "x\ny"] {
        let refused = server.post("/api/v1/projects", json!({"name": name})).await;
        assert!([409, 422].contains(&refused.status.as_u16()), "{name:?}: {}", refused.text);
    }
    for project in ["nowhere", "", "../x"] {
        let nowhere = json!({"name": "other", "project": project});
        let refused = server.post("/api/v1/apps", nowhere).await;
        assert_eq!(refused.json["field"], "project", "{}", refused.text);
    }
}
