//! What providers are told of commits: each field as its API wants it, newest first, and not lost.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use hythe_core::declared::Declared;
use hythe_core::deployment::{
    BuiltImage, Deployment, DeploymentCommand, Fault, Placement, StageName,
};
use hythe_core::ids::{DeploymentId, WorkerId};
use hythe_core::names::{CommitId, ImageId};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::hooks::{COMMIT, Hook, app};
use crate::support::Server;

const WITHIN: Duration = Duration::from_secs(20);
pub(crate) const TOKEN: &str = "s3cret-of-the-provider";

/// What a provider was asked.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    headers: HeaderMap,
    pub(crate) body: Value,
}

impl Asked {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }
}

/// How it answers, in order; 201 once there is nothing more. None: not at all.
type Answers = Arc<Mutex<VecDeque<Option<(StatusCode, Value)>>>>;

/// A stand-in for a provider's API.
pub(crate) struct Api {
    address: SocketAddr,
    pub(crate) asked: mpsc::Receiver<Asked>,
    answers: Answers,
}

impl Api {
    pub(crate) async fn start() -> Self {
        let (tell, asked) = mpsc::channel(64);
        let answers = Answers::default();
        let state = (tell, Arc::clone(&answers));
        let router = axum::Router::new().fallback(answer).with_state(state);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked, answers }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    pub(crate) fn answers(&self, all: impl IntoIterator<Item = Option<(u16, Value)>>) {
        let all = all
            .into_iter()
            .map(|one| one.map(|(status, body)| (StatusCode::from_u16(status).unwrap(), body)));
        self.answers.lock().unwrap().extend(all);
    }

    pub(crate) async fn next(&mut self) -> Asked {
        let asked = tokio::time::timeout(WITHIN, self.asked.recv()).await;
        asked.expect("the provider is told").unwrap()
    }
}

async fn answer(
    State((tell, answers)): State<(mpsc::Sender<Asked>, Answers)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, axum::Json<Value>) {
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    tell.send(Asked { method, path: uri.to_string(), headers, body }).await.unwrap();
    let answer = answers.lock().unwrap().pop_front();
    match answer {
        None => (StatusCode::CREATED, axum::Json(json!({}))),
        Some(Some((status, body))) => (status, axum::Json(body)),
        Some(None) => std::future::pending().await,
    }
}

/// A server with an app of this repository, whose provider is told; and the hook.
async fn told(provider: &'static str, user: &str, path: &str, api: &Api) -> (Server, Hook) {
    let server = Server::start().await;
    app(&server, "shop", &format!("http://git.test/{path}")).await;
    let token = json!({"username": user, "password": TOKEN});
    server.put("/api/v1/sources/tokens/http:%2F%2Fgit.test", token).await.is(200);
    let address = json!({"url": "https://hythe.example"});
    server.put("/api/v1/address", address).await.is(200);
    let hook = Hook::new(&server, "shop", provider).await;
    let statuses = format!("/api/v1/hooks/{}/statuses", hook.id);
    let set = server.put(&statuses, json!({"api": api.url()})).await.is(200);
    assert_eq!(set.json, json!({"api": api.url(), "items": []}));
    (server, hook)
}

async fn deploy(server: &Server) -> DeploymentId {
    deploy_app(server, "shop").await
}

async fn deploy_app(server: &Server, app: &str) -> DeploymentId {
    let path = format!("/api/v1/apps/{app}/deployments");
    let asked = server.post(&path, json!({"commit": COMMIT})).await;
    asked.is(202).json["id"].as_str().unwrap().parse().unwrap()
}

async fn cancel(server: &Server, id: DeploymentId) {
    server.post(&format!("/api/v1/deployments/{id}/cancel"), json!({})).await.is(200);
}

/// What was told, once there is so much of it.
async fn items(server: &Server, hook: &Hook, count: usize) -> Vec<Value> {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..1_000 {
        looks.tick().await;
        let told = server.get(&format!("/api/v1/hooks/{}/statuses", hook.id)).await.is(200);
        let items = told.json["items"].as_array().unwrap();
        if items.len() >= count {
            return items.clone();
        }
    }
    panic!("{count} are not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_is_told_what_its_api_wants() {
    for (provider, user, path, told_at, words) in [
        (
            "github",
            "me",
            "Octo/Shop",
            format!("/api/repos/Octo/Shop/statuses/{COMMIT}"),
            ["pending", "error"],
        ),
        (
            "gitea",
            "me",
            "octo/shop",
            format!("/api/repos/octo/shop/statuses/{COMMIT}"),
            ["pending", "warning"],
        ),
        (
            "gitlab",
            "me",
            "a/b/shop",
            format!("/api/projects/a%2Fb%2Fshop/statuses/{COMMIT}"),
            ["running", "canceled"],
        ),
        (
            "bitbucket",
            "x-token-auth",
            "octo/shop",
            format!("/api/repositories/octo/shop/commit/{COMMIT}/statuses/build"),
            ["INPROGRESS", "STOPPED"],
        ),
    ] {
        let mut api = Api::start().await;
        let (server, hook) = told(provider, user, path, &api).await;
        let id = deploy(&server).await;
        let asked = [api.next().await, {
            cancel(&server, id).await;
            api.next().await
        }];
        let page = format!("https://hythe.example/deployments/{id}");
        for (asked, word) in asked.iter().zip(words) {
            assert_eq!((&asked.method, asked.path.as_str()), (&Method::POST, told_at.as_str()));
            assert_eq!(asked.header("content-type"), "application/json");
            assert!(asked.header("user-agent").starts_with("hythe/"));
            assert_eq!(asked.body["state"], word, "{provider}");
            let (context, link) = match provider {
                "gitlab" => ("name", "target_url"),
                "bitbucket" => ("key", "url"),
                _ => ("context", "target_url"),
            };
            assert_eq!(asked.body[context], "hythe/shop");
            assert_eq!(asked.body[link], page);
            let said = asked.body["description"].as_str().unwrap();
            assert!(said.contains("#1"), "{said}");
            match provider {
                "github" => {
                    assert_eq!(asked.header("authorization"), format!("Bearer {TOKEN}"));
                    assert_eq!(asked.header("accept"), "application/vnd.github+json");
                    assert_eq!(asked.header("x-github-api-version"), "2022-11-28");
                }
                "gitea" => assert_eq!(asked.header("authorization"), format!("token {TOKEN}")),
                "gitlab" => assert_eq!(asked.header("private-token"), TOKEN),
                _ => assert_eq!(asked.header("authorization"), format!("Bearer {TOKEN}")),
            }
        }
        let items = items(&server, &hook, 2).await;
        assert_eq!([&items[0]["state"], &items[1]["state"]], ["cancelled", "pending"]);
        assert!(items.iter().all(|item| item["refused"].is_null()), "{items:?}");
        assert_eq!(items[0]["commit"], COMMIT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_is_asked_again_and_one_that_refuses_is_not() {
    let mut api = Api::start().await;
    let busy = || Some((503, json!({"message": "later"})));
    api.answers([
        busy(),
        busy(),
        Some((201, json!({}))),
        Some((401, json!({"message": "Bad credentials"}))),
    ]);
    let (server, hook) = told("github", "me", "octo/shop", &api).await;
    let id = deploy(&server).await;
    for _ in 0..3 {
        assert_eq!(api.next().await.body["state"], "pending");
    }
    let fault = Fault { message: "the secret step failed".into(), log: vec!["a line".into()] };
    let command = DeploymentCommand::FinishBuild {
        generation: 1,
        outcome: Err(fault),
        at: server.control.clock().now(),
    };
    given_out(&server, id).await;
    order(&server, id, command).await;
    let failed = api.next().await.body;
    assert_eq!(failed["state"], "failure");
    // Whoever may read the repository reads this: nothing of the log or the reason is in it.
    assert_eq!(failed["description"], "deployment #1 failed to build");
    let items = items(&server, &hook, 2).await;
    let refused = items[0]["refused"].as_str().unwrap();
    assert!(refused.contains("401") && refused.contains("Bad credentials"), "{refused}");
    assert!(refused.contains("may the token write statuses"), "{refused}");
    assert!(items[1]["refused"].is_null(), "{items:?}");
    assert!(api.asked.try_recv().is_err(), "a refusal is not asked again");
    assert!(!server.on_disk(TOKEN.as_bytes()));
}

pub(crate) async fn order(server: &Server, id: DeploymentId, command: DeploymentCommand) {
    let control = &server.control;
    let by = control.read(|view| view.deployments[&id].requested.clone());
    control.command::<Deployment>(id.uuid(), command, by.into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_told_when_the_server_ended_is_told_by_the_next_one() {
    let mut api = Api::start().await;
    api.answers([None]);
    let (server, hook) = told("gitea", "me", "octo/shop", &api).await;
    let id = deploy(&server).await;
    assert_eq!(api.next().await.body["state"], "pending", "and never answered");
    let server = server.again().await;
    assert_eq!(api.next().await.body["state"], "pending");
    cancel(&server, id).await;
    assert_eq!(api.next().await.body["state"], "warning");

    // Told no more; that another one's was told shows that those of before were passed over.
    app(&server, "other", "http://git.test/octo/other").await;
    let others = Hook::new(&server, "other", "gitea").await;
    let path = |hook: &Hook| format!("/api/v1/hooks/{}/statuses", hook.id);
    server.put(&path(&others), json!({"api": api.url()})).await.is(200);
    server.delete(&path(&hook)).await.is(204);
    let id = deploy(&server).await;
    cancel(&server, id).await;
    deploy_app(&server, "other").await;
    assert_eq!(api.next().await.body["context"], "hythe/other");
    assert!(server.get(&path(&hook)).await.is(200).json["api"].is_null());

    // And again: what came about meanwhile is past.
    server.put(&path(&hook), json!({"api": api.url()})).await.is(200);
    deploy(&server).await;
    let next = api.next().await;
    assert!(next.body["description"].as_str().unwrap().contains("#3"), "{}", next.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_live_is_told_and_stays_so_when_the_next_one_comes() {
    let mut api = Api::start().await;
    let (server, _hook) = told("gitea", "me", "octo/shop", &api).await;
    for number in ["#1", "#2"] {
        let id = deploy(&server).await;
        let begun = api.next().await.body;
        assert_eq!(begun["state"], "pending");
        go_live(&server, id).await;
        let live = api.next().await.body;
        assert_eq!(live["state"], "success");
        assert!(live["description"].as_str().unwrap().contains(number), "{live}");
        stage(&server, id, StageName::Live).await;
    }
    let next = deploy(&server).await;
    let begun = api.next().await.body;
    assert!(begun["description"].as_str().unwrap().contains("#3"), "not of the first one: {begun}");
    cancel(&server, next).await;
    assert_eq!(api.next().await.body["state"], "warning");
}

/// Waits until it is given out to builders: what they say before that is not listened to.
pub(crate) async fn given_out(server: &Server, id: DeploymentId) {
    stage(server, id, StageName::Queued).await;
}

/// Says all that builder, workers and edges say of a version that goes live.
pub(crate) async fn go_live(server: &Server, id: DeploymentId) {
    given_out(server, id).await;
    let worker = WorkerId::new(Uuid::now_v7());
    let image = BuiltImage {
        image: ImageId::new(format!("sha256:{}", "5a".repeat(32))).unwrap(),
        commit: CommitId::new(COMMIT).unwrap(),
        port: 8080,
        worker,
        site: None,
        declared: Declared::default(),
    };
    let at = server.control.clock().now();
    let placements = vec![Placement { index: 0, worker }];
    let built = DeploymentCommand::FinishBuild { generation: 1, outcome: Ok(image), at };
    for command in [
        DeploymentCommand::AcceptBuild { generation: 1, worker },
        built,
        DeploymentCommand::Place { placements, at },
        DeploymentCommand::BecomeHealthy,
    ] {
        order(server, id, command).await;
    }
    stage(server, id, StageName::Switching).await;
    order(server, id, DeploymentCommand::ConfirmSwitch { at }).await;
    order(server, id, DeploymentCommand::FinishDrain).await;
}

async fn stage(server: &Server, id: DeploymentId, wanted: StageName) {
    let mut seen = server.control.seen();
    let there = |view: &hythe_core::view::View| {
        view.deployments[&id].stages.iter().any(|(stage, _)| *stage == wanted)
    };
    let wait = async {
        while !server.control.read(there) {
            seen.changed().await.unwrap();
        }
    };
    tokio::time::timeout(WITHIN, wait).await.expect("it comes to that stage");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_says_what_to_do() {
    let server = Server::start().await;
    app(&server, "shop", "https://git.test/octo/shop").await;
    let hook = Hook::new(&server, "shop", "bitbucket").await;
    let path = format!("/api/v1/hooks/{}/statuses", hook.id);
    server.put(&path, json!({"api": "git.test"})).await.is_problem(422, "invalid-field");
    server.put("/api/v1/hooks/x/statuses", json!({})).await.is_problem(404, "not-found");

    let usual = server.put(&path, json!({})).await.is(200);
    assert_eq!(usual.json["api"], "https://api.bitbucket.org/2.0");
    deploy(&server).await;
    let told = items(&server, &hook, 1).await;
    let why = told[0]["refused"].as_str().unwrap();
    assert!(why.contains("hythe source token set git.test"), "{why}");

    let token = json!({"username": "me", "password": TOKEN});
    server.put("/api/v1/sources/tokens/git.test", token).await.is(200);
    server.put(&path, json!({"api": "http://127.0.0.1:1"})).await.is(200);
    deploy(&server).await;
    let told = items(&server, &hook, 2).await;
    let why = told[0]["refused"].as_str().unwrap();
    assert!(why.contains("not encrypted"), "{why}");
}
