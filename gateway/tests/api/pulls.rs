//! What providers are told of previews: one comment, as each API wants it, kept up to date and found
//! again; and at GitHub a deployment.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::hooks::{COMMIT, Hook};
use crate::previews::{app_is, closed, pull, until};
use crate::statuses::{Api, Asked, TOKEN, go_live};
use crate::support::Server;

const HOSTILE: &str = "](https://evil.example) <img src=x onerror=alert(1)> @everyone ``` | x";

macro_rules! sample {
    ($name:literal, $from:literal, $to:literal) => {
        serde_json::from_str::<Value>(
            &include_str!(concat!("../payloads/", $name, ".json")).replace($from, $to),
        )
        .unwrap()
    };
}

/// A pull request of GitHub's, of a repository that is reached without encryption.
fn of_github(change: impl FnOnce(&mut Value)) -> Value {
    let text = pull(change).to_string();
    let text = text.replace("https://github.com/Octo-Org/shop", "http://git.test/Octo-Org/shop");
    serde_json::from_str(&text).unwrap()
}

/// A server with an app of this repository that has previews, whose provider is told.
async fn told(
    provider: &'static str,
    user: &str,
    path: &str,
    (of, api): (&str, &Api),
) -> (Server, Hook) {
    let server = Server::start().await;
    let repository = format!("http://git.test/{path}");
    let shop = json!({"name": "shop", "repository": repository, "branch": "main"});
    server.post("/api/v1/apps", shop).await.is(201);
    let token = json!({"username": user, "password": TOKEN});
    server.put("/api/v1/sources/tokens/http:%2F%2Fgit.test", token).await.is(200);
    let address = json!({"url": "https://hythe.example"});
    server.put("/api/v1/address", address).await.is(200);
    server.patch("/api/v1/apps/shop/previews", json!({"on": true})).await.is(200);
    let hook = Hook::new(&server, "shop", provider).await;
    let path = format!("/api/v1/hooks/{}/{of}", hook.id);
    let set = server.put(&path, json!({"api": api.url()})).await.is(200);
    assert_eq!(set.json, json!({"api": api.url()}));
    let shown = server.get(&format!("/api/v1/hooks/{}", hook.id)).await.is(200).json;
    assert_eq!(shown[of], api.url());
    (server, hook)
}

/// The deployment of the preview that is newest.
async fn deployment(server: &Server) -> String {
    let listed = until(server, "is deployed", |items| items[0]["deployment"].is_object()).await;
    listed[0]["deployment"]["id"].as_str().unwrap().to_owned()
}

fn text(asked: &Asked) -> &str {
    let body = &asked.body;
    body["body"].as_str().or(body["content"]["raw"].as_str()).unwrap_or_default()
}

/// What is asked next that says this.
async fn says(api: &mut Api, word: &str) -> Asked {
    loop {
        let asked = api.next().await;
        if text(&asked).contains(word) {
            return asked;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_comment_tells_of_a_preview_in_every_providers_way() {
    let github = "/api/repos/Octo-Org/shop/issues";
    let gitea = "/api/repos/gitea/shop/issues";
    let gitlab = "/api/projects/mike%2Fshop/merge_requests/1/notes";
    let bitbucket = "/api/repositories/team/shop/pullrequests/1/comments";
    let rows = [
        (
            ("github", "me", "Octo-Org/shop", "pull_request", of_github(|_| {})),
            (format!("{github}/2/comments"), format!("{github}/comments/7"), Method::PATCH),
            "?per_page=100&page=1",
        ),
        (
            (
                "gitea",
                "me",
                "gitea/shop",
                "pull_request",
                sample!("gitea_pull_request", "git.example:3000", "git.test"),
            ),
            (format!("{gitea}/1/comments"), format!("{gitea}/comments/7"), Method::PATCH),
            "",
        ),
        (
            (
                "gitlab",
                "me",
                "mike/shop",
                "Merge Request Hook",
                sample!("gitlab_merge_request", "https://gitlab.com", "http://git.test"),
            ),
            (gitlab.to_owned(), format!("{gitlab}/7"), Method::PUT),
            "?per_page=100&page=1&order_by=created_at&sort=asc",
        ),
        (
            (
                "bitbucket",
                "x-token-auth",
                "team/shop",
                "pullrequest:created",
                sample!("bitbucket_pullrequest", "https://bitbucket.org", "http://git.test"),
            ),
            (bitbucket.to_owned(), format!("{bitbucket}/7"), Method::PUT),
            "?pagelen=100&page=1",
        ),
    ];
    for ((provider, user, path, event, mut body), (made_at, edited_at, by), page) in rows {
        for at in ["/pull_request/title", "/object_attributes/title", "/pullrequest/title"] {
            if let Some(title) = body.pointer_mut(at) {
                *title = HOSTILE.into();
            }
        }
        let mut api = Api::start().await;
        let list = if provider == "bitbucket" { json!({"values": []}) } else { json!([]) };
        api.answers([Some((200, list)), Some((201, json!({"id": 7})))]);
        let (server, hook) = told(provider, user, path, ("comments", &api)).await;
        hook.tells(&server, event, "d-1", &body).await.is(202);
        let listed = api.next().await;
        assert_eq!((&listed.method, &listed.path), (&Method::GET, &format!("{made_at}{page}")));
        let made = api.next().await;
        assert_eq!((&made.method, &made.path), (&Method::POST, &made_at), "{provider}");
        assert!(text(&made).contains("**Building**"), "{}", made.body);
        let id = deployment(&server).await;
        go_live(&server, id.parse().unwrap()).await;
        let live = says(&mut api, "**Live**").await;
        assert_eq!((&live.method, &live.path), (&by, &edited_at), "{provider}");
        for part in [
            "<http://shop-pr-".to_owned(),
            format!("`{}`", &COMMIT[..12]),
            format!("[deployment #1](https://hythe.example/deployments/{id})"),
        ] {
            assert!(text(&live).contains(&part), "{part}: {}", live.body);
        }
        // The comment is known, whoever asks: nothing is looked for again.
        let server = server.again().await;
        server
            .delete(&format!("/api/v1/apps/shop/previews/{}", number(&server).await))
            .await
            .is(204);
        let gone = says(&mut api, "**Gone**").await;
        assert_eq!((&gone.method, &gone.path), (&by, &edited_at), "{provider}");
        assert!(text(&gone).contains("somebody removed it"), "{}", gone.body);
        for asked in [listed, made, live, gone] {
            assert!(asked.header("user-agent").starts_with("hythe/"));
            let words = ["evil", "img", "@everyone", "```"];
            assert!(!words.iter().any(|word| text(&asked).contains(word)), "{}", asked.body);
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
    }
}

async fn number(server: &Server) -> u64 {
    let listed = until(server, "is there", |items| items.len() == 1).await;
    listed[0]["number"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_whose_maker_died_is_found_and_one_that_was_removed_is_made_again() {
    let mut api = Api::start().await;
    api.answers([Some((200, json!([]))), None]);
    let (server, hook) = told("github", "me", "Octo-Org/shop", ("comments", &api)).await;
    hook.tells(&server, "pull_request", "d-1", &of_github(|_| {})).await.is(202);
    assert_eq!(api.next().await.method, Method::GET);
    let made = api.next().await;
    assert_eq!(made.method, Method::POST, "and never answered");
    let marker = text(&made).lines().last().unwrap().to_owned();
    assert!(marker.starts_with("[//]: # (hythe-preview-"), "{marker}");
    let foreign = json!({"id": 3, "body": "looks good"});
    let copied = json!({"id": 12, "body": text(&made)});
    let ours = json!({"id": 9, "body": text(&made)});
    api.answers([Some((200, json!([foreign, copied, ours])))]);
    let server = server.again().await;
    assert_eq!(api.next().await.method, Method::GET);
    let edited = api.next().await;
    assert_eq!(edited.path, "/api/repos/Octo-Org/shop/issues/comments/9");
    let known = |view: &hythe_core::view::View| {
        let (_, app) = view.app_named(&"shop".parse().unwrap()).unwrap();
        app.state.active().unwrap().previews.open[&2].comment
    };
    let mut seen = server.control.seen();
    while server.control.read(known) != Some(9) {
        seen.changed().await.unwrap();
    }

    let id = deployment(&server).await;
    while api.asked.try_recv().is_ok() {}
    api.answers([Some((404, json!({"message": "Not Found"}))), Some((201, json!({"id": 21})))]);
    go_live(&server, id.parse().unwrap()).await;
    let removed = api.next().await;
    assert_eq!(removed.method, Method::PATCH, "it is tried first");
    assert_eq!(api.next().await.method, Method::POST);
    while server.control.read(known) != Some(21) {
        seen.changed().await.unwrap();
    }
    hook.tells(&server, "pull_request", "d-2", &of_github(closed)).await.is(202);
    let gone = says(&mut api, "**Gone**").await;
    assert_eq!(gone.path, "/api/repos/Octo-Org/shop/issues/comments/21");
    assert!(text(&gone).contains("was merged"), "{}", gone.body);
    assert!(!server.on_disk(TOKEN.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_not_known_that_there_is_a_comment_the_next_server_sees_to_it() {
    let mut api = Api::start().await;
    // It never says which comment it is.
    let (server, hook) = told("github", "me", "Octo-Org/shop", ("comments", &api)).await;
    hook.tells(&server, "pull_request", "d-1", &of_github(|_| {})).await.is(202);
    deployment(&server).await;
    let journal = server.control.journal();
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    while journal.load_cursor("pulls") < journal.head() {
        looks.tick().await;
    }
    while api.asked.try_recv().is_ok() {}
    let others = json!([{"id": 9, "body": "looks good"}]);
    api.answers([Some((200, others)), Some((201, json!({"id": 10})))]);
    let server = server.again().await;
    let looked = api.next().await;
    assert_eq!(looked.method, Method::GET, "nothing of it is new in the journal");
    let made = api.next().await;
    assert_eq!(
        (&made.method, made.path.as_str()),
        (&Method::POST, "/api/repos/Octo-Org/shop/issues/2/comments")
    );
    let known = |view: &hythe_core::view::View| {
        let (_, app) = view.app_named(&"shop".parse().unwrap()).unwrap();
        app.state.active().unwrap().previews.open[&2].comment
    };
    let mut seen = server.control.seen();
    while server.control.read(known) != Some(10) {
        seen.changed().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_that_fails_says_at_what_and_no_more() {
    let mut api = Api::start().await;
    api.answers([Some((200, json!([]))), Some((201, json!({"id": 7})))]);
    let (server, hook) = told("github", "me", "Octo-Org/shop", ("comments", &api)).await;
    hook.tells(&server, "pull_request", "d-1", &of_github(|_| {})).await.is(202);
    let id = deployment(&server).await.parse().unwrap();
    let fault = hythe_core::deployment::Fault {
        message: "the secret step failed".into(),
        log: vec!["a line".into()],
    };
    let at = server.control.clock().now();
    let command = hythe_core::deployment::DeploymentCommand::FinishBuild {
        generation: 1,
        outcome: Err(fault),
        at,
    };
    crate::statuses::given_out(&server, id).await;
    crate::statuses::order(&server, id, command).await;
    let failed = says(&mut api, "**Failed** to build").await;
    assert!(!text(&failed).contains("secret step"), "{}", failed.body);
    let listed = until(&server, "has failed", |items| items[0]["status"] == "failed").await;
    assert_eq!(listed[0]["status_detail"], "to build");
}

#[tokio::test(flavor = "multi_thread")]
async fn github_is_told_of_deployments_of_previews() {
    let mut api = Api::start().await;
    api.answers([Some((200, json!([]))), Some((201, json!({"id": 42})))]);
    let (server, hook) = told("github", "me", "Octo-Org/shop", ("deployments", &api)).await;
    hook.tells(&server, "pull_request", "d-1", &of_github(|_| {})).await.is(202);
    let at = "/api/repos/Octo-Org/shop/deployments";
    let listed = api.next().await;
    let query = format!("?environment=shop-pr-2&per_page=100&sha={COMMIT}");
    assert_eq!((&listed.method, &listed.path), (&Method::GET, &format!("{at}{query}")));
    let made = api.next().await;
    assert_eq!((&made.method, made.path.as_str()), (&Method::POST, at));
    let id = deployment(&server).await;
    assert_eq!(
        made.body,
        json!({"ref": COMMIT, "task": "deploy", "auto_merge": false, "required_contexts": [],
               "payload": {"hythe": id}, "environment": "shop-pr-2",
               "description": "Deployed by Hythe", "transient_environment": true,
               "production_environment": false})
    );
    let page = format!("https://hythe.example/deployments/{id}");
    let begun = api.next().await;
    assert_eq!(begun.path, format!("{at}/42/statuses"));
    assert_eq!(begun.body, json!({"state": "in_progress", "auto_inactive": true, "log_url": page}));
    let ours = || Some((200, json!([{"id": 42, "payload": {"hythe": id.clone()}}])));
    api.answers([ours(), Some((201, json!({}))), ours()]);
    go_live(&server, id.parse().unwrap()).await;
    assert_eq!(api.next().await.method, Method::GET, "which one it is is asked, and not guessed");
    let live = api.next().await;
    assert_eq!(
        live.body,
        json!({"state": "success", "auto_inactive": true, "log_url": page,
               "environment_url": "http://shop-pr-2.localhost"})
    );
    hook.tells(&server, "pull_request", "d-2", &of_github(closed)).await.is(202);
    assert_eq!(api.next().await.path, format!("{at}?environment=shop-pr-2&per_page=100"));
    let ended = api.next().await;
    assert_eq!((&ended.path, &ended.body["state"]), (&begun.path, &json!("inactive")));
    app_is(&server, "shop-pr-2", false).await;

    let other = json!({"name": "other", "repository": "http://git.test/a/b"});
    server.post("/api/v1/apps", other).await.is(201);
    let others = Hook::new(&server, "other", "gitlab").await;
    let path = format!("/api/v1/hooks/{}/deployments", others.id);
    server.put(&path, json!({"api": api.url()})).await.is_problem(409, "conflict");
    server.delete(&format!("/api/v1/hooks/{}/deployments", hook.id)).await.is(204);
    server.delete("/api/v1/hooks/x/comments").await.is_problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_next_commit_overtakes_is_under_way_at_github_no_more() {
    let mut api = Api::start().await;
    let answers = [(200, json!([])), (201, json!({"id": 42})), (201, json!({}))];
    api.answers(answers.map(Some));
    let (server, hook) = told("github", "me", "Octo-Org/shop", ("deployments", &api)).await;
    hook.tells(&server, "pull_request", "d-1", &of_github(|_| {})).await.is(202);
    // It is looked for, made, and under way.
    for _ in 0..3 {
        api.next().await;
    }
    let id = deployment(&server).await;
    let known = json!([{"id": 42, "payload": {"hythe": id}}]);
    api.answers([
        Some((200, json!([]))),
        Some((200, known)),
        Some((201, json!({}))),
        Some((201, json!({"id": 43}))),
    ]);
    let next = "2".repeat(40);
    let pushed = of_github(|body| {
        body["action"] = "synchronize".into();
        body["pull_request"]["head"]["sha"] = next.clone().into();
        body["pull_request"]["updated_at"] = "2024-05-15T15:25:00Z".into();
    });
    hook.tells(&server, "pull_request", "d-2", &pushed).await.is(202);
    until(&server, "moves on", |items| items[0]["commit"] == next.as_str()).await;
    let shop = "/api/v1/apps/shop-pr-2";
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    while server.get(shop).await.json["deployments"] != 2 {
        looks.tick().await;
    }
    server.post(&format!("/api/v1/deployments/{id}/cancel"), json!({})).await;
    let at = "/api/repos/Octo-Org/shop/deployments";
    let mut asked = Vec::new();
    for _ in 0..5 {
        let Asked { method, path, body, .. } = api.next().await;
        asked.push((method, path, body["state"].clone()));
    }
    let list = |sha: &str| format!("{at}?environment=shop-pr-2&per_page=100&sha={sha}");
    let expected = [
        (Method::GET, list(&next), Value::Null),
        (Method::GET, list(COMMIT), Value::Null),
        (Method::POST, format!("{at}/42/statuses"), json!("inactive")),
        (Method::POST, at.to_owned(), Value::Null),
        (Method::POST, format!("{at}/43/statuses"), json!("in_progress")),
    ];
    assert_eq!(asked, expected);
}
