//! Previews, as far as they are decided and made without a worker: what a pull request leads to, told by
//! each provider, told twice, and across the end of the server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::hooks::{COMMIT, Hook, app};
use crate::support::Server;

const CANARY: &str = "canary-5d1f0c77b1e94ce2";

macro_rules! sample {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../payloads/", $name, ".json")))
            .unwrap()
    };
}

/// A pull request of GitHub's.
pub(crate) fn pull(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = sample!("github_pull_request");
    change(&mut body);
    body
}

pub(crate) fn number(body: &mut Value, number: u64) {
    body["number"] = number.into();
    body["pull_request"]["number"] = number.into();
}

fn forked(body: &mut Value) {
    for (field, url) in [
        ("clone_url", "https://github.com/mallory/shop.git"),
        ("ssh_url", "git@github.com:mallory/shop.git"),
        ("html_url", "https://github.com/mallory/shop"),
    ] {
        body["pull_request"]["head"]["repo"][field] = url.into();
    }
}

pub(crate) fn closed(body: &mut Value) {
    body["action"] = "closed".into();
    body["pull_request"]["state"] = "closed".into();
    body["pull_request"]["merged"] = true.into();
    body["pull_request"]["updated_at"] = "2024-05-15T15:30:00Z".into();
}

/// A server with an app that has previews, and the hook.
async fn with_previews(change: Value) -> (Server, Hook) {
    let server = Server::start().await;
    app(&server, "shop", "https://github.com/octo-org/shop").await;
    let hook = Hook::new(&server, "shop", "github").await;
    let mut settings = json!({"on": true});
    settings.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    server.patch("/api/v1/apps/shop/previews", settings).await.is(200);
    (server, hook)
}

/// Waits until the app's previews are so.
pub(crate) async fn until(
    server: &Server,
    what: &str,
    holds: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let mut last = Value::Null;
    for _ in 0..1_000 {
        looks.tick().await;
        last = server.get("/api/v1/apps/shop/previews").await.is(200).json["items"].clone();
        if holds(last.as_array().unwrap()) {
            return last.as_array().unwrap().clone();
        }
    }
    panic!("{what}: {last}");
}

/// Waits until an app is there, or is not.
pub(crate) async fn app_is(server: &Server, name: &str, there: bool) -> Value {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..1_000 {
        looks.tick().await;
        let answer = server.get(&format!("/api/v1/apps/{name}")).await;
        if (answer.status == 200) == there {
            return answer.json;
        }
    }
    panic!("{name} there: {there}");
}

/// What goes does so at once, and not after a day.
async fn nothing_is_kept(server: &Server) {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..1_000 {
        looks.tick().await;
        let deleted = server.get("/api/v1/deleted-apps").await.is(200).json;
        if deleted["items"] == json!([]) {
            return;
        }
    }
    panic!("a preview is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_has_an_app_of_its_own_as_long_as_it_is_open() {
    let (server, hook) = with_previews(json!({})).await;
    let told = hook.tells(&server, "pull_request", "d-1", &pull(|_| {})).await.is(202).json;
    assert_eq!((&told["outcome"], &told["reference"]), (&json!("deployed"), &json!("#2")));
    assert_eq!(told["commit"], COMMIT);
    app_is(&server, "shop-pr-2", true).await;
    until(&server, "is deployed", |items| items[0]["deployment"].is_object()).await;
    let preview = app_is(&server, "shop-pr-2", true).await;
    assert_eq!(preview["preview"], json!({"app": "shop", "number": 2}));
    assert_eq!(preview["settings"]["commit"], COMMIT);
    assert_eq!((&preview["settings"]["replicas"], &preview["deployments"]), (&json!(1), &json!(1)));
    assert_eq!(preview["triggers"]["deploy_on"], "off");
    let id = preview["latest"]["id"].as_str().unwrap();
    let deployment = server.get(&format!("/api/v1/deployments/{id}")).await.is(200).json;
    assert_eq!(deployment["requested_by"], "webhook/github/octocat");
    let listed = until(&server, "is listed", |items| items[0]["deployment"].is_object()).await;
    assert_eq!(listed[0]["app"], "shop-pr-2");
    assert_eq!(listed[0]["url"], "http://shop-pr-2.localhost:8080");
    assert_eq!((&listed[0]["status"], &listed[0]["title"]), (&json!("building"), &json!("Update")));
    let deliveries = format!("/api/v1/hooks/{}/deliveries", hook.id);
    let seen = server.get(&deliveries).await.is(200).json;
    assert!(seen.to_string().contains("shop"), "{seen}");

    // Once more, as when the answer was not heard; and another delivery of the same.
    let again = hook.tells(&server, "pull_request", "d-1", &pull(|_| {})).await.is(202).json;
    assert_eq!(again["outcome"], "repeated", "{again}");
    let same = hook.tells(&server, "pull_request", "d-2", &pull(|_| {})).await.is(200).json;
    assert_eq!(same["outcome"], "skipped", "{same}");
    assert_eq!(app_is(&server, "shop-pr-2", true).await["deployments"], 1);

    // A push to the branch is no concern of the preview, and a commit of the pull request is.
    let next = "2".repeat(40);
    let pushed = pull(|body| {
        body["action"] = "synchronize".into();
        body["pull_request"]["head"]["sha"] = next.clone().into();
        body["pull_request"]["updated_at"] = "2024-05-15T15:25:00Z".into();
    });
    hook.tells(&server, "pull_request", "d-3", &pushed).await.is(202);
    until(&server, "moves on", |items| items[0]["commit"] == next.as_str()).await;
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    while app_is(&server, "shop-pr-2", true).await["deployments"] != 2 {
        looks.tick().await;
    }
    assert_eq!(app_is(&server, "shop-pr-2", true).await["settings"]["commit"], next);
    // What was told before comes late.
    let late = hook.tells(&server, "pull_request", "d-4", &pull(|_| {})).await.is(200).json;
    assert_eq!(late["outcome"], "skipped", "{late}");

    let told = hook.tells(&server, "pull_request", "d-5", &pull(closed)).await.is(202).json;
    assert_eq!(told["outcome"], "removed", "{told}");
    app_is(&server, "shop-pr-2", false).await;
    assert!(until(&server, "is gone", <[Value]>::is_empty).await.is_empty());
    nothing_is_kept(&server).await;
    let late = hook.tells(&server, "pull_request", "d-6", &pushed).await.is(200).json;
    assert_eq!(late["outcome"], "skipped", "what comes after the end opens nothing: {late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_tells_of_the_same() {
    for (provider, repository, event, body, preview, built) in [
        (
            "gitlab",
            "git@gitlab.com:mike/shop.git",
            "Merge Request Hook",
            sample!("gitlab_merge_request"),
            "shop-pr-1",
            json!({"commit": COMMIT}),
        ),
        (
            "bitbucket",
            "https://bitbucket.org/team/shop",
            "pullrequest:created",
            sample!("bitbucket_pullrequest"),
            "shop-pr-1",
            // It says the first digits of the commit alone.
            json!({"branch": "branch2"}),
        ),
        (
            "gitea",
            "http://git.example:3000/gitea/shop",
            "pull_request",
            sample!("gitea_pull_request"),
            "shop-pr-1",
            json!({"commit": COMMIT}),
        ),
    ] {
        let server = Server::start().await;
        let shop = json!({"name": "shop", "repository": repository, "branch": "main"});
        server.post("/api/v1/apps", shop).await.is(201);
        let hook = Hook::new(&server, "shop", provider).await;
        server.patch("/api/v1/apps/shop/previews", json!({"on": true})).await.is(200);
        let told = hook.tells(&server, event, "d-1", &body).await.is(202).json;
        assert_eq!(told["outcome"], "deployed", "{provider}: {told}");
        let made = app_is(&server, preview, true).await;
        assert_eq!(made["settings"]["repository"], repository, "{provider}");
        for field in ["commit", "branch"] {
            assert_eq!(made["settings"][field], built[field], "{provider}: {made}");
        }
        let listed = until(&server, "is listed", |items| items.len() == 1).await;
        assert_eq!(listed[0]["fork"], false, "{provider}");
        assert!(listed[0]["page"].is_string(), "{provider}: {listed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_gets_none_unless_it_is_allowed_and_then_nothing_secret() {
    let (server, hook) = with_previews(json!({"env": "all", "set": {"ONLY": CANARY}})).await;
    let set = json!({"set": {"SECRET": CANARY, "LEVEL": CANARY}});
    server.patch("/api/v1/apps/shop/env", set).await.is(200);
    server.post("/api/v1/apps/shop/source-key", json!({})).await.is(200);
    let told = hook.tells(&server, "pull_request", "d-1", &pull(forked)).await.is(200).json;
    assert_eq!(told["outcome"], "skipped", "{told}");
    assert!(told["apps"][0]["reason"].as_str().unwrap().contains("--forks allowed"), "{told}");

    server.patch("/api/v1/apps/shop/previews", json!({"forks": "allowed"})).await.is(200);
    hook.tells(&server, "pull_request", "d-2", &pull(forked)).await.is(202);
    let made = app_is(&server, "shop-pr-2", true).await;
    assert_eq!(made["settings"]["repository"], "https://github.com/mallory/shop.git");
    assert_eq!(server.get("/api/v1/apps/shop-pr-2/env").await.is(200).json["items"], json!([]));
    let key = server.get("/api/v1/apps/shop-pr-2/source-key").await;
    assert_eq!(key.status, 404, "{}", key.text);

    // One of the repository itself is given what was chosen.
    hook.tells(&server, "pull_request", "d-3", &pull(|body| number(body, 3))).await.is(202);
    app_is(&server, "shop-pr-3", true).await;
    let env = server.get("/api/v1/apps/shop-pr-3/env").await.is(200).json;
    let names: Vec<_> = env["items"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["LEVEL", "ONLY", "SECRET"]);
    server.get("/api/v1/apps/shop-pr-3/source-key").await.is(200);
    let journal = server.control.journal();
    let id = server.control.read(|view| view.app_named(&"shop-pr-3".parse().unwrap()).unwrap().0);
    for name in ["LEVEL", "ONLY", "SECRET"] {
        let value = journal.secret(id.uuid(), name, 1).unwrap().unwrap();
        assert_eq!(value.expose(), CANARY.as_bytes(), "{name}");
    }
    assert!(!server.on_disk(CANARY.as_bytes()));
    let events = server.get("/api/v1/events?limit=1000").await.is(200).text;
    let shown = server.get("/api/v1/apps/shop/previews").await.is(200).text;
    assert!(!events.contains(CANARY) && !shown.contains(CANARY));

    // Forks no more: theirs goes, the other one stays.
    server.patch("/api/v1/apps/shop/previews", json!({"forks": "never"})).await.is(200);
    app_is(&server, "shop-pr-2", false).await;
    app_is(&server, "shop-pr-3", true).await;
    // And with the app itself go all.
    server.delete("/api/v1/apps/shop").await.is(204);
    app_is(&server, "shop-pr-3", false).await;
    assert!(journal.secret(id.uuid(), "SECRET", 1).unwrap().is_none(), "its values with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_as_many_as_there_may_be_and_the_next_one_is_refused_with_a_reason() {
    let (server, hook) = with_previews(json!({"most": 1})).await;
    app(&server, "shop-pr-2", "https://github.com/octo-org/other").await;
    hook.tells(&server, "pull_request", "d-1", &pull(|_| {})).await.is(202);
    let listed = until(&server, "has another name", |items| items[0]["app"].is_string()).await;
    let name = listed[0]["app"].as_str().unwrap();
    assert!(name.starts_with("shop-pr-2-"), "another app has the first name: {name}");
    let second = pull(|body| number(body, 3));
    let told = hook.tells(&server, "pull_request", "d-2", &second).await.is(200).json;
    assert_eq!(told["outcome"], "refused", "{told}");
    assert!(told["apps"][0]["reason"].as_str().unwrap().contains("--most"), "{told}");
    // With the first one gone there is room.
    server.delete("/api/v1/apps/shop/previews/2").await.is(204);
    app_is(&server, name, false).await;
    server.delete("/api/v1/apps/shop/previews/2").await.is_problem(404, "not-found");
    hook.tells(&server, "pull_request", "d-3", &second).await.is(202);
    app_is(&server, "shop-pr-3", true).await;
    // One that is deleted as an app is not made again by itself.
    server.delete("/api/v1/apps/shop-pr-3").await.is(204);
    assert!(until(&server, "is gone", <[Value]>::is_empty).await.is_empty());
    app_is(&server, "shop-pr-3", false).await;
    nothing_is_kept(&server).await;
    server.get("/api/v1/apps/shop").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wanted_when_the_server_ended_is_made_by_the_next_one() {
    let (server, hook) = with_previews(json!({})).await;
    for n in 0..5 {
        let body = pull(|body| number(body, 10 + n));
        hook.tells(&server, "pull_request", &format!("d-{n}"), &body).await.is(202);
    }
    let server = server.again().await;
    for n in 0..5 {
        let made = app_is(&server, &format!("shop-pr-{}", 10 + n), true).await;
        assert_eq!(made["deployments"], 1, "{made}");
        let body = pull(|body| number(body, 10 + n));
        let again = hook.tells(&server, "pull_request", &format!("d-{n}"), &body).await.is(202);
        assert_eq!(again.json["outcome"], "repeated", "{}", again.text);
    }
    server.patch("/api/v1/apps/shop/previews", json!({"on": false})).await.is(200);
    let server = server.again().await;
    for n in 0..5 {
        app_is(&server, &format!("shop-pr-{}", 10 + n), false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_make_no_sense_are_refused_by_name() {
    let server = Server::start().await;
    app(&server, "shop", "https://github.com/octo-org/shop").await;
    let path = "/api/v1/apps/shop/previews";
    let usual = server.get(path).await.is(200).json;
    assert_eq!(
        usual["settings"],
        json!({"on": false, "most": 10, "forks": "never", "drafts": false, "env": "none",
               "env_names": [], "set": [], "keep_ms": null})
    );
    for (change, field) in [
        (json!({"most": 0}), "most"),
        (json!({"most": 51}), "most"),
        (json!({"keep_ms": 1}), "keep"),
        (json!({"env": "all", "env_names": ["A"]}), "env_names"),
        (json!({"env": "some"}), "env_names"),
        (json!({"env_names": ["A B"]}), "env_names[0]"),
        (json!({"unset": ["A"]}), "unset"),
        (json!({"set": {"1A": "x"}}), "set"),
    ] {
        let answer = server.patch(path, change).await;
        answer.is_problem(422, "invalid-field");
        assert_eq!(answer.json["field"], field, "{}", answer.text);
    }
    let keep = json!({"keep_ms": 3_600_000, "set": {"A": "x"}, "env_names": ["B"]});
    let set = server.patch(path, keep).await.is(200).json;
    assert_eq!(
        (&set["settings"]["keep_ms"], &set["settings"]["env"]),
        (&json!(3_600_000), &json!("some"))
    );
    let back = json!({"keep_ms": null, "unset": ["A"], "env": "none"});
    assert_eq!(server.patch(path, back).await.is(200).json, usual);
    server.get("/api/v1/apps/none/previews").await.is_problem(404, "not-found");
}
