//! Compose files: what they come to as apps, and what apps have of it.

use serde_json::{Value, json};

use crate::support::Server;

const FILE: &str = "services:\n  web:\n    build: web\n    ports: [\"80:3000\"]\n    environment: {KEY: \"${KEY}\"}\n    \
                    depends_on: [db]\n  db:\n    image: postgres:16\n    volumes: [\"data:/data\"]\n    \
                    privileged: true\nvolumes: {data: }\n";

fn asked(file: &str) -> Value {
    json!({
        "file": file,
        "variables": {"KEY": "hush-hush"},
        "sources": {"web": {"upload": format!("sha256:{}", "ab".repeat(32))}},
    })
}

fn actions(plan: &Value) -> Vec<(&str, &str)> {
    let services = plan["services"].as_array().unwrap().iter();
    services.map(|one| (one["app"].as_str().unwrap(), one["action"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_file_is_compared_with_what_is_there_and_nothing_is_changed() {
    let server = Server::start().await;
    let before = server.control.journal().head();
    let path = "/api/v1/projects/shop/compose";
    let plan = server.post(path, asked(FILE)).await.is(200).json;
    assert_eq!(actions(&plan), [("shop-db", "create"), ("shop-web", "create")]);
    assert_eq!((&plan["project"], &plan["project_id"]), (&json!("shop"), &Value::Null));
    let (db, web) = (&plan["services"][0], &plan["services"][1]);
    assert_eq!((&db["url"], &db["image"]), (&Value::Null, &json!("postgres:16")));
    assert_eq!(db["settings"]["volumes"]["/data"]["volume"], "data");
    assert_eq!(
        (&web["settings"]["port"], &web["settings"]["routed"]),
        (&json!(3000), &json!(true))
    );
    assert_eq!((&web["context"], &web["after"]), (&json!("web"), &json!(["db"])));
    assert_eq!(web["variables"]["KEY"], "hush-hush");
    let left: Vec<u64> =
        plan["left"].as_array().unwrap().iter().map(|one| one["line"].as_u64().unwrap()).collect();
    assert_eq!(left, [4, 10], "{plan}");
    assert_eq!(server.control.journal().head(), before, "nothing happened");

    let mut without = asked(FILE);
    without["sources"] = json!({});
    let plan = server.post(path, without).await.is(200).json;
    assert_eq!(plan["services"][1]["needs_source"], true);

    // What it comes to is carried out by whoever asked, and is as it should be then.
    let project = server.post("/api/v1/projects", json!({"name": "shop"})).await.is(201).json;
    let group = json!({"project": "shop", "service": "db"});
    let new = json!({"name": "shop-db", "project": "shop", "group": group});
    server.post("/api/v1/apps", new).await.is(201);
    let plan = server.post(path, asked(FILE)).await.is(200).json;
    assert_eq!(actions(&plan), [("shop-db", "update"), ("shop-web", "create")]);
    let settings = &plan["services"][0]["settings"];
    let app = server.patch("/api/v1/apps/shop-db", settings.clone()).await.is(200).json;
    assert_eq!(app["settings"]["group"]["project"], project["id"]);
    assert_eq!((&app["url"], &app["settings"]["routed"]), (&json!(""), &json!(false)));
    let two = server.patch("/api/v1/apps/shop-db", json!({"replicas": 2})).await;
    two.is_problem(422, "invalid-field");
    assert!(two.text.contains("writes to a volume"), "{}", two.text);

    // A variable that stood in a file that there is no more is to be removed; what was set besides stays.
    let inside = json!({"files": {
        "/run/secrets/key": {"variable": "SECRET_FILE_key", "mode": "444", "uid": 0, "gid": 0},
    }});
    server.patch("/api/v1/apps/shop-db", json!({"inside": inside})).await.is(200);
    let set = json!({"set": {"SECRET_FILE_key": "hush-hush", "OWN": "x"}});
    server.patch("/api/v1/apps/shop-db/env", set).await.is(200);
    let plan = server.post(path, asked(FILE)).await.is(200).json;
    let db = &plan["services"][0];
    assert_eq!((&db["removed"], &db["kept"]), (&json!(["SECRET_FILE_key"]), &json!(["OWN"])));
    assert_eq!(db["settings"]["inside"], Value::Null, "{db}");

    // One that is in the file no more is told of, and a name that another app has is refused.
    let other = "services:\n  api: {image: x}\n";
    let plan = server.post(path, asked(other)).await.is(200).json;
    assert_eq!(plan["orphans"], json!([{"service": "db", "app": "shop-db"}]));
    server.post("/api/v1/apps", json!({"name": "shop-api"})).await.is(201);
    let taken = server.post(path, asked(other)).await;
    taken.is_problem(409, "exists");
    assert!(taken.text.contains("shop-api"), "{}", taken.text);
}

#[tokio::test]
async fn what_runs_once_and_further_names_are_of_the_group() {
    let server = Server::start().await;
    let path = "/api/v1/projects/shop/compose";
    let project = server.post("/api/v1/projects", json!({"name": "shop"})).await.is(201).json;
    let file = "services:\n  web:\n    image: x\n    ports: [80]\n    container_name: front\n    depends_on: {job: \
                {condition: service_completed_successfully}}\n  job: {image: y, command: go}\n";
    let plan = server.post(path, json!({"file": file})).await.is(200).json;
    let (job, web) = (&plan["services"][0]["settings"], &plan["services"][1]["settings"]);
    let id = &project["id"];
    assert_eq!(job["group"], json!({"project": id, "service": "job", "once": true}));
    assert_eq!((&job["routed"], &job["health_start_within_ms"]), (&json!(false), &json!(600_000)));
    assert_eq!(web["group"], json!({"project": id, "service": "web", "names": ["front"]}));
    assert_eq!(plan["services"][1]["after"], json!(["job"]));

    server.post("/api/v1/apps", json!({"name": "shop-job", "project": "shop"})).await.is(201);
    let app = server.patch("/api/v1/apps/shop-job", job.clone()).await.is(200).json;
    assert_eq!(app["settings"]["group"], job["group"]);
    let routed = server.patch("/api/v1/apps/shop-job", json!({"routed": true})).await;
    routed.is_problem(422, "invalid-field");
    assert_eq!(routed.json["field"], "group.once", "{}", routed.text);
    let bad = json!({"group": {"project": "shop", "service": "job", "names": ["a b"]}});
    let refused = server.patch("/api/v1/apps/shop-job", bad).await;
    refused.is_problem(422, "invalid-field");
    assert_eq!(refused.json["field"], "group.names", "{}", refused.text);
    let app = server.patch("/api/v1/apps/shop-job", json!({"group": null})).await.is(200).json;
    assert_eq!(app["settings"]["group"], Value::Null);
}

#[tokio::test]
async fn what_lies_beside_a_file_is_kept_in_a_volume_or_given_as_texts() {
    let server = Server::start().await;
    let path = "/api/v1/projects/shop/compose";
    let file = "services:\n  web:\n    image: x\n    volumes: [\"./data:/data\", \"./conf.d:/etc/web/conf.d\"]\n";
    let mut asked = json!({
        "file": file,
        "files": {"conf.d/a.conf": "on"},
        "mounted": {
            "data": {"kind": "nothing"},
            "conf.d": {"kind": "folder", "files": ["a.conf", "logo.png"]},
        },
    });
    let plan = server.post(path, asked.clone()).await.is(200).json;
    let web = &plan["services"][0];
    let volumes = json!({"/data": {"volume": "folder-data", "read_only": false}});
    assert_eq!(web["settings"]["volumes"], volumes);
    assert_eq!(web["variables"], json!({"CONFIG_FILE_etc_web_conf_d_a_conf": "on"}));
    let files = web["settings"]["inside"]["files"].as_object().unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["/etc/web/conf.d/a.conf"]);
    let left = plan["left"].to_string();
    assert!(left.contains("kept in the volume folder-data") && left.contains("logo.png"), "{left}");
    asked["mounted"]["data"] = json!({"kind": "socket"});
    server.post(path, asked).await.is(422);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_line_and_without_values() {
    let server = Server::start().await;
    let path = "/api/v1/projects/shop/compose";
    for (file, words) in [
        ("services:\n  a: {image: x, depends_on: [b]}\n", "line 2: services.a.depends_on"),
        ("services: [", "cannot be read as YAML"),
        ("services:\n  a: {image: \"x:${KEY:?why}${NO:?such}\"}\n", "line 2: the variable NO"),
        ("services:\n  a:\n    extends: b\n    image: x\n", "line 3: services.a.extends"),
    ] {
        let problem = server.post(path, asked(file)).await;
        problem.is_problem(422, "invalid-field");
        assert_eq!(problem.json["field"], "file");
        // A sentence of its own.
        let detail = problem.json["detail"].as_str().unwrap().replacen("Line", "line", 1);
        assert!(detail.contains(words) && !detail.contains("hush"), "{detail}");
    }
    let default = server.post("/api/v1/projects/default/compose", asked(FILE)).await;
    default.is_problem(422, "invalid-field");
    let mut wrong = asked(FILE);
    wrong["sources"]["web"] = json!({"repository": "ext::sh", "content": "ab"});
    server.post(path, wrong).await.is_problem(422, "invalid-field");
    let mut wrong = asked(FILE);
    wrong["sources"]["web"] = json!({"repository": "https://git.example/a.git"});
    server.post(path, wrong).await.is_problem(422, "invalid-field");

    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    for (change, field) in [
        (json!({"volumes": {"data": {"volume": "d"}}}), "volumes"),
        (json!({"volumes": {"/../etc": {"volume": "d"}}}), "volumes"),
        (json!({"volumes": {"/data": {"volume": "/etc"}}}), "volumes./data.volume"),
        (json!({"group": {"project": "none", "service": "a"}}), "group.project"),
        (json!({"entrypoint": []}), "entrypoint"),
        (json!({"inside": {"user": "a b"}}), "inside.user"),
        (json!({"inside": {"tmpfs": {"/proc": {}}}}), "inside.tmpfs"),
        (json!({"inside": {"ulimits": {"nice": {"soft": 1, "hard": 1}}}}), "inside.ulimits"),
        (json!({"inside": {"hosts": {"a": "169.254.169.254"}}}), "inside.hosts"),
        (
            json!({"inside": {"read_only": true, "files": {"/a": {"variable": "A"}}}}),
            "inside.files",
        ),
    ] {
        let refused = server.patch("/api/v1/apps/shop", change.clone()).await;
        let status = refused.status.as_u16();
        assert!(status == 422 || status == 404, "{change}: {}", refused.text);
        assert_eq!(refused.json["field"], field, "{change}: {}", refused.text);
    }
}

#[tokio::test]
async fn what_several_files_say_comes_to_settings_that_hold_no_value() {
    let server = Server::start().await;
    let mut file = asked(
        "include: [db.yaml]\nservices:\n  web:\n    extends: {file: base.yaml, service: small}\n    image: x\n    \
         secrets: [key]\nsecrets: {key: {environment: KEY}}\n",
    );
    file["files"] = json!({
        "db.yaml": "services:\n  db: {image: y, privileged: true}\n",
        "base.yaml": "services:\n  small: {user: \"1000\", tmpfs: \"/tmp:size=1m\", ulimits: {nofile: 99}}\n",
    });
    let path = "/api/v1/projects/shop/compose";
    let plan = server.post(path, file).await.is(200).json;
    assert_eq!(actions(&plan), [("shop-db", "create"), ("shop-web", "create")]);
    assert_eq!(
        (&plan["left"][0]["file"], &plan["left"][0]["line"]),
        (&json!("db.yaml"), &json!(2))
    );
    let web = &plan["services"][1];
    assert_eq!(web["variables"], json!({"SECRET_FILE_key": "hush-hush"}));
    let inside = json!({
        "user": "1000",
        "tmpfs": {"/tmp": {"size_bytes": 1 << 20}},
        "ulimits": {"nofile": {"soft": 99, "hard": 99}},
        "files": {
            "/run/secrets/key": {"variable": "SECRET_FILE_key", "mode": "444", "uid": 0, "gid": 0},
        },
    });
    assert_eq!(web["settings"]["inside"], inside);
    server.post("/api/v1/apps", json!({"name": "shop-web"})).await.is(201);
    let change = json!({"inside": inside});
    let app = server.patch("/api/v1/apps/shop-web", change).await.is(200).json;
    assert_eq!(app["settings"]["inside"], inside);
    let app = server.patch("/api/v1/apps/shop-web", json!({"inside": null})).await.is(200).json;
    assert_eq!(app["settings"]["inside"], Value::Null);
}
