//! Webhooks: made with a secret that is shown once, and what providers tell through them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Answer, Server};

pub(crate) const COMMIT: &str = "1481a2de7b2a7d02428ad93446ab166be7793fbb";

macro_rules! sample {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../payloads/", $name, ".json")))
            .unwrap()
    };
}

fn tag(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// A webhook of a repository, as its provider knows it.
pub(crate) struct Hook {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) secret: String,
    provider: &'static str,
}

impl Hook {
    pub(crate) async fn new(server: &Server, app: &str, provider: &'static str) -> Self {
        let made = server.post("/api/v1/hooks", json!({"app": app, "provider": provider})).await;
        Self::of(&made.is(201).json, provider)
    }

    /// That of a GitHub App.
    pub(crate) fn of_app(id: &str, secret: &str) -> Self {
        let path = format!("/hooks/github/{id}");
        Self { id: id.to_owned(), path, secret: secret.to_owned(), provider: "github" }
    }

    fn of(made: &Value, provider: &'static str) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (id, path) = (text(&made["hook"]["id"]), text(&made["hook"]["setup"]["path"]));
        Self { id, path, secret: text(&made["secret"]), provider }
    }

    /// A delivery, signed as the provider does.
    pub(crate) fn signed(
        &self,
        server: &Server,
        event: &str,
        id: &str,
        body: &str,
    ) -> RequestBuilder {
        let request = server.bare(Method::POST, &self.path);
        let hex = hex::encode(tag(self.secret.as_bytes(), &[body.as_bytes()]));
        let request = match self.provider {
            "github" => request
                .header("x-github-event", event)
                .header("x-github-delivery", id)
                .header("x-hub-signature-256", format!("sha256={hex}")),
            "gitea" => request
                .header("x-gitea-event", event)
                .header("x-gitea-delivery", id)
                .header("x-gitea-signature", hex),
            "bitbucket" => request
                .header("x-event-key", event)
                .header("x-request-uuid", id)
                .header("x-hub-signature", format!("sha256={hex}")),
            "gitlab" => request
                .header("x-gitlab-event", event)
                .header("x-gitlab-event-uuid", id)
                .header("x-gitlab-token", &self.secret),
            other => panic!("{other}"),
        };
        request.header("content-type", "application/json").body(body.to_owned())
    }

    pub(crate) async fn tells(
        &self,
        server: &Server,
        event: &str,
        id: &str,
        body: &Value,
    ) -> Answer {
        Answer::of(self.signed(server, event, id, &body.to_string())).await
    }

    pub(crate) async fn deliveries(&self, server: &Server) -> Vec<Value> {
        let path = format!("/api/v1/hooks/{}/deliveries", self.id);
        server.get(&path).await.is(200).json["items"].as_array().unwrap().clone()
    }
}

pub(crate) async fn app(server: &Server, name: &str, repository: &str) {
    let body = json!({"name": name, "repository": repository});
    server.post("/api/v1/apps", body).await.is(201);
}

/// How many deployments of an app were asked for.
async fn count(server: &Server, app: &str) -> u64 {
    let app = server.get(&format!("/api/v1/apps/{app}")).await.is(200);
    app.json["deployments"].as_u64().unwrap()
}

/// A deployment that a delivery asked for.
async fn asked(server: &Server, app: &Value) -> Value {
    let id = app["deployment"].as_str().unwrap();
    server.get(&format!("/api/v1/deployments/{id}")).await.is(200).json
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_push_deploys_the_commit_that_was_pushed_whoever_tells_of_it() {
    for (provider, repository, event, body, sender) in [
        ("github", "https://github.com/octo-org/shop", "push", sample!("github_push"), "octocat"),
        ("gitlab", "git@gitlab.com:mike/shop.git", "Push Hook", sample!("gitlab_push"), "jsmith"),
        (
            "bitbucket",
            "https://bitbucket.org/team/shop",
            "repo:push",
            sample!("bitbucket_push"),
            "emmap1",
        ),
        ("gitea", "http://git.example:3000/gitea/shop.git", "push", sample!("gitea_push"), "gitea"),
    ] {
        let server = Server::start().await;
        let body_of_app = json!({"name": "shop", "repository": repository, "branch": "main"});
        server.post("/api/v1/apps", body_of_app).await.is(201);
        let hook = Hook::new(&server, "shop", provider).await;
        let told = hook.tells(&server, event, "d-1", &body).await.is(202);
        assert_eq!(told.json["outcome"], "deployed", "{}", told.text);
        assert_eq!(told.json["sender"], sender);
        let id = &told.json["apps"][0]["deployment"];
        let found = asked(&server, &told.json["apps"][0]).await;
        assert_eq!(found["source"]["commit"], COMMIT, "{found}");
        assert_eq!(found["requested_by"], format!("webhook/{provider}/{sender}"));
        let events = server.get("/api/v1/events?who=webhook").await.is(200);
        assert!(events.text.contains("app.deployment_requested"), "{}", events.text);
        // The same once more: as when a provider did not hear the answer.
        let again = hook.tells(&server, event, "d-1", &body).await.is(202);
        assert_eq!(again.json["outcome"], "repeated", "{}", again.text);
        assert_eq!(&again.json["apps"][0]["deployment"], id);
        assert_eq!(count(&server, "shop").await, 1);
        let other = hook.tells(&server, event, "d-2", &body).await.is(202);
        assert_eq!(other.json["outcome"], "deployed", "another delivery is another one");
        assert_eq!(count(&server, "shop").await, 2);
    }
}

#[tokio::test]
async fn what_is_signed_wrong_changes_nothing_and_is_seen() {
    let server = Server::start().await;
    app(&server, "shop", "https://github.com/octo-org/shop").await;
    let hook = Hook::new(&server, "shop", "github").await;
    let body = sample!("github_push").to_string();
    let head = server.control.journal().head();
    let bare = || server.bare(Method::POST, &hook.path).header("content-type", "application/json");
    let wrong = Hook {
        secret: "another".into(),
        path: hook.path.clone(),
        id: hook.id.clone(),
        provider: "github",
    };
    let changed = hook.signed(&server, "push", "d-1", &body).body(body.replace("main", "mair"));
    for request in [
        bare().body(body.clone()),
        bare().header("x-hub-signature-256", "sha256=00").body(body.clone()),
        wrong.signed(&server, "push", "d-1", &body),
        changed,
    ] {
        Answer::of(request).await.is_problem(401, "unauthorized");
    }
    assert_eq!(server.control.journal().head(), head, "the journal does not grow by it");
    let seen = hook.deliveries(&server).await;
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|one| one["outcome"] == "refused"), "{seen:?}");
    assert!(seen.iter().any(|one| one["reason"].as_str().unwrap().contains("not signed")));
    // Whoever goes on has to wait; the one with the secret has not, by the same address either.
    let mut refused = 4;
    while Answer::of(wrong.signed(&server, "push", "x", &body)).await.status == 401 {
        refused += 1;
        assert!(refused < 100);
    }
    let waits = Answer::of(wrong.signed(&server, "push", "x", &body)).await;
    waits.is_problem(429, "too-many-attempts");
    assert!(waits.headers.contains_key("retry-after"));
    let seen = hook.deliveries(&server).await;
    assert!(seen.len() <= 20, "{}", seen.len());
    let right = Answer::of(hook.signed(&server, "push", "d-2", &body)).await.is(202);
    assert_eq!(right.json["outcome"], "deployed", "{}", right.text);
    // Nobody reads what is long and maybe wrong, again and again.
    let long = body.replacen('{', &format!("{{{}", " ".repeat(64 * 1024)), 1);
    let waits = Answer::of(hook.signed(&server, "push", "d-3", &long)).await;
    waits.is_problem(429, "too-many-attempts");
    assert_eq!(count(&server, "shop").await, 1);
    let path = format!("/hooks/gitlab/{}", hook.id);
    for path in [path.as_str(), "/hooks/github/019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f", "/hooks/x/y"]
    {
        let nobody = server.bare(Method::POST, path).body("{}");
        Answer::of(nobody).await.is_problem(404, "not-found");
    }
}

#[tokio::test]
async fn one_repository_feeds_many_apps_and_each_says_what_deploys_it() {
    let server = Server::start().await;
    for name in ["web", "api", "docs", "off", "tags", "next"] {
        app(&server, name, "git@github.com:octo-org/shop.git").await;
    }
    app(&server, "other", "https://github.com/octo-org/other").await;
    server.patch("/api/v1/apps/next", json!({"branch": "next"})).await.is(200);
    let set = |app: &'static str, change: Value| {
        let server = &server;
        async move { server.patch(&format!("/api/v1/apps/{app}/triggers"), change).await.is(200) }
    };
    set("docs", json!({"watch_paths": ["site/**"]})).await;
    set("web", json!({"watch_paths": ["apps/web/**", "libs/**"]})).await;
    set("off", json!({"deploy_on": "off"})).await;
    set("tags", json!({"deploy_on": "tag", "tags": "v*"})).await;
    let hook = Hook::new(&server, "web", "github").await;
    let told = hook.tells(&server, "push", "d-1", &sample!("github_push")).await.is(202).json;
    let outcomes = |told: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let apps = told["apps"].as_array().unwrap();
        apps.iter().map(|app| (text(&app["name"]), text(&app["outcome"]))).collect()
    };
    let expected = |deployed: &[&str]| -> Vec<(String, String)> {
        let names = ["api", "docs", "next", "off", "tags", "web"];
        let outcome = |name| if deployed.contains(name) { "deployed" } else { "skipped" };
        names.iter().map(|name| ((*name).to_owned(), outcome(name).to_owned())).collect()
    };
    assert_eq!(outcomes(&told), expected(&["api", "web"]));
    let why = told["apps"][1]["reason"].as_str().unwrap();
    assert!(why.contains("none of the 3 files that it changes is watched (site/**)"), "{why}");
    let tagged = hook.tells(&server, "push", "d-2", &sample!("github_tag")).await.is(202).json;
    assert_eq!(outcomes(&tagged), expected(&["tags"]));
    let mut of_tag = tagged["apps"].as_array().unwrap().iter();
    let deployed = asked(&server, of_tag.find(|app| app["name"] == "tags").unwrap()).await;
    assert_eq!(deployed["source"]["commit"], COMMIT, "the commit, and not the tag itself");
    // By force nobody knows which files are different: so all is built.
    let mut forced = sample!("github_push");
    forced["forced"] = true.into();
    let told = hook.tells(&server, "push", "d-3", &forced).await.is(202).json;
    assert_eq!(outcomes(&told), expected(&["api", "docs", "web"]));
    assert!(told["apps"][1]["reason"].as_str().unwrap().contains("by force"), "{told}");
    let shown = server.get(&format!("/api/v1/hooks/{}", hook.id)).await.is(200).json;
    assert_eq!(shown["apps"].as_array().unwrap().len(), 6);
    assert_eq!(count(&server, "other").await, 0);
}

#[tokio::test]
async fn what_deploys_nothing_says_why() {
    let server = Server::start().await;
    app(&server, "shop", "https://github.com/octo-org/shop").await;
    let hook = Hook::new(&server, "shop", "github").await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = sample!("github_push");
        change(&mut body);
        body
    };
    let skips = with(&|body| {
        for at in ["/commits/1/message", "/head_commit/message"] {
            *body.pointer_mut(at).unwrap() = "docs [skip ci]".into();
        }
    });
    let elsewhere = with(&|body| {
        for field in ["clone_url", "ssh_url", "html_url"] {
            body["repository"][field] = "https://github.com/octo-org/another".into();
        }
    });
    let unmoved = with(&|body| body["before"] = body["after"].clone());
    for (n, (event, body, outcome, word)) in [
        ("ping", sample!("github_ping"), "ignored", "set up"),
        ("pull_request", sample!("github_pull_request"), "skipped", "hythe preview on shop"),
        ("issues", json!({}), "ignored", "events of this kind"),
        ("push", sample!("github_deleted"), "skipped", "deleted"),
        ("push", skips, "skipped", "[skip ci]"),
        ("push", unmoved, "skipped", "changes nothing"),
        ("push", elsewhere, "ignored", "another repository"),
        ("push", with(&|body| body["ref"] = "refs/heads/next".into()), "skipped", "another branch"),
        ("push", sample!("github_tag"), "skipped", "tag"),
    ]
    .into_iter()
    .enumerate()
    {
        let told = hook.tells(&server, event, &format!("d-{n}"), &body).await.is(200).json;
        assert_eq!(told["outcome"], outcome, "{told}");
        let why = told["reason"].as_str().or(told["apps"][0]["reason"].as_str()).unwrap();
        assert!(why.contains(word), "{why}");
    }
    for body in ["", "nonsense", "[]", r#"{"ref":"refs/heads/main"}"#] {
        let answer = Answer::of(hook.signed(&server, "push", "bad", body)).await;
        answer.is_problem(400, "malformed");
    }
    assert_eq!(count(&server, "shop").await, 0);
    let seen = hook.deliveries(&server).await;
    assert_eq!(seen.len(), 13);
    assert!(seen[0]["reason"].as_str().unwrap().contains("not what the provider documents"));
}

#[tokio::test]
async fn the_secret_is_shown_once_and_another_one_ends_it() {
    let server = Server::start().await;
    app(&server, "shop", "https://gitlab.example/mike/shop.git").await;
    let made = server.post("/api/v1/hooks", json!({"app": "shop"})).await.is(201).json;
    let hook = Hook::of(&made, "gitlab");
    assert!(hook.secret.starts_with("whsec_"), "GitLab can sign with it");
    assert_eq!(made["hook"]["setup"]["url"], Value::Null);
    server.put("/api/v1/address", json!({"url": "https://hythe.example.com/"})).await.is(200);
    let path = format!("/api/v1/hooks/{}", hook.id);
    let shown = server.get(&path).await.is(200).json;
    assert_eq!(shown["setup"]["url"], format!("https://hythe.example.com{}", hook.path));
    server.post("/api/v1/hooks", json!({"app": "shop"})).await.is_problem(409, "conflict");
    let body = json!({"object_kind": "note"});
    hook.tells(&server, "Note Hook", "a", &body).await.is(200);
    let rotated = server.post(&format!("{path}/rotate"), json!({})).await.is(200).json;
    let next = Hook::of(&rotated, "gitlab");
    assert_ne!(next.secret, hook.secret);
    hook.tells(&server, "Note Hook", "b", &body).await.is_problem(401, "unauthorized");
    next.tells(&server, "Note Hook", "c", &body).await.is(200);
    let mut seen = shown.to_string();
    for path in ["/api/v1/hooks", "/api/v1/hooks?app=shop", "/api/v1/events?limit=1000", &path] {
        seen += &server.get(path).await.is(200).text;
    }
    for secret in [&hook.secret, &next.secret] {
        assert!(!seen.contains(secret.as_str()) && !server.on_disk(secret.as_bytes()));
    }
    server.delete(&path).await.is(204);
    next.tells(&server, "Note Hook", "d", &body).await.is_problem(404, "not-found");
    server.delete(&path).await.is_problem(404, "not-found");
    server.delete("/api/v1/address").await.is(204);
    assert_eq!(server.get("/api/v1/address").await.is(200).json["url"], Value::Null);
}

#[tokio::test]
async fn gitlab_may_sign_and_github_may_send_a_form() {
    let server = Server::start().await;
    app(&server, "shop", "git@gitlab.com:mike/shop.git").await;
    let hook = Hook::new(&server, "shop", "gitlab").await;
    let key = STANDARD.decode(hook.secret.strip_prefix("whsec_").unwrap()).unwrap();
    let body = sample!("gitlab_push").to_string();
    let signed = |id: &str, at: u64| {
        let signature = tag(&key, &[format!("{id}.{at}.").as_bytes(), body.as_bytes()]);
        server
            .bare(Method::POST, &hook.path)
            .header("content-type", "application/json")
            .header("x-gitlab-event", "Push Hook")
            .header("webhook-id", id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", format!("v1,{}", STANDARD.encode(signature)))
            .body(body.clone())
    };
    assert_eq!(Answer::of(signed("m-1", now())).await.is(202).json["id"], "m-1");
    assert_eq!(Answer::of(signed("m-1", now())).await.is(202).json["outcome"], "repeated");
    Answer::of(signed("m-2", now() - 3_600)).await.is_problem(401, "unauthorized");

    app(&server, "form", "https://github.com/octo-org/shop").await;
    let hook = Hook::new(&server, "form", "github").await;
    let payload = sample!("github_push").to_string();
    let form = format!(
        "payload={}",
        url::form_urlencoded::byte_serialize(payload.as_bytes()).collect::<String>()
    );
    let request = hook.signed(&server, "push", "f-1", &form);
    let mut request = request.build().unwrap();
    let kind = "application/x-www-form-urlencoded".parse().unwrap();
    request.headers_mut().insert("content-type", kind);
    let response = reqwest::Client::new().execute(request).await.unwrap();
    assert_eq!(response.status(), 202);
    assert_eq!(count(&server, "form").await, 1);
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_by_name() {
    let server = Server::start().await;
    app(&server, "shop", "https://git.example/a/shop").await;
    server.post("/api/v1/hooks", json!({"app": "shop"})).await.is_problem(422, "invalid-field");
    let svn = json!({"app": "shop", "provider": "svn"});
    server.post("/api/v1/hooks", svn).await.is_problem(422, "invalid-field");
    server.post("/api/v1/hooks", json!({"app": "none"})).await.is_problem(404, "not-found");
    server.post("/api/v1/apps", json!({"name": "bare"})).await.is(201);
    server.post("/api/v1/hooks", json!({"app": "bare"})).await.is_problem(409, "conflict");
    let path = "/api/v1/apps/shop/triggers";
    for (change, field) in [
        (json!({"watch_paths": ["../x"]}), "watch_paths"),
        (json!({"watch_paths": ["a["]}), "watch_paths"),
        (json!({"watch_paths": vec!["a"; 65]}), "watch_paths"),
        (json!({"deploy_on": "push", "tags": "v*"}), "tags"),
        (json!({"tags": "[" }), "tags"),
    ] {
        let answer = server.patch(path, change).await;
        answer.is_problem(422, "invalid-field");
        assert_eq!(answer.json["field"], field, "{}", answer.text);
    }
    // With other settings it changes together with them, or none of it does.
    let both = |tags: &str| json!({"replicas": 3, "triggers": {"deploy_on": "tag", "tags": tags}});
    let refused = server.patch("/api/v1/apps/shop", both("[")).await;
    refused.is_problem(422, "invalid-field");
    assert_eq!(refused.json["field"], "triggers.tags", "{}", refused.text);
    let few = json!({"replicas": 0, "triggers": {"deploy_on": "off"}});
    server.patch("/api/v1/apps/shop", few).await.is_problem(422, "invalid-field");
    let shop = server.get("/api/v1/apps/shop").await.is(200).json;
    assert_eq!(
        (&shop["settings"]["replicas"], &shop["triggers"]["deploy_on"]),
        (&json!(1), &json!("push"))
    );
    let shop = server.patch("/api/v1/apps/shop", both("v*")).await.is(200).json;
    assert_eq!(
        (&shop["settings"]["replicas"], &shop["triggers"]["tags"]),
        (&json!(3), &json!("v*"))
    );
    server.patch(path, json!({"deploy_on": "push"})).await.is(200);
    server.patch(path, json!({"deploy_on": "friday"})).await.is_problem(422, "invalid-field");
    assert_eq!(server.get(path).await.is(200).json["deploy_on"], "push");
    server.patch(path, json!({"deploy_on": "tag"})).await.is(200);
    assert_eq!(server.get(path).await.is(200).json["tags"], "*");
    server.put("/api/v1/address", json!({"url": "hythe"})).await.is_problem(422, "invalid-field");
    let large = server.bare(Method::POST, &Hook::new(&server, "shop", "gitea").await.path);
    let large = large.header("x-gitea-signature", "00").body(vec![b' '; 25 * 1024 * 1024 + 1]);
    Answer::of(large).await.is_problem(413, "too-large");
}

#[tokio::test]
async fn an_outsiders_host_name_is_fine_for_deliveries() {
    let server = Server::start().await;
    app(&server, "shop", "https://github.com/octo-org/shop").await;
    let hook = Hook::new(&server, "shop", "github").await;
    let body = sample!("github_push").to_string();
    let request = hook.signed(&server, "push", "d-1", &body).header("host", "hythe.example.com");
    Answer::of(request).await.is(202);
}
