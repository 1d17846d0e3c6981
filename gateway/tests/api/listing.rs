//! What a token reaches: each provider asked in its own way, page by page.

use reqwest::Method;
use serde_json::{Value, json};

use crate::hooks::{COMMIT, Hook};
use crate::statuses::{Api, TOKEN};
use crate::support::Server;

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// One with a token, and a webhook whose provider is told of things there.
async fn with_token(provider: &'static str, api: &str) -> Server {
    let server = Server::start().await;
    let token = json!({"username": "me", "password": TOKEN});
    server.put("/api/v1/sources/tokens/http:%2F%2Fgit.test", token).await.is(200);
    let app = json!({"name": "shop", "repository": "http://git.test/team/shop.git"});
    server.post("/api/v1/apps", app).await.is(201);
    let hook = Hook::new(&server, "shop", provider).await;
    let path = format!("/api/v1/hooks/{}/statuses", hook.id);
    server.put(&path, json!({"api": api})).await.is(200);
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_lists_what_a_token_reaches() {
    let hub = json!([
        {"clone_url": "http://git.test/team/shop.git", "default_branch": "main", "private": true},
        {"clone_url": "http://git.test/other/x.git", "default_branch": null, "private": false},
        {"clone_url": "--upload-pack=x"},
    ]);
    let lab = json!([{"http_url_to_repo": "http://git.test/team/shop.git",
                      "default_branch": "main", "visibility": "internal"}]);
    let bucket = json!({"values": [{"links": {"html": {"href": "http://git.test/team/shop.git"}},
                        "mainbranch": {"name": "main"}, "is_private": true}]});
    let shop = json!({"url": "http://git.test/team/shop.git", "default_branch": "main",
                      "private": true});
    let branch = |commit: Value| json!([{"name": "main", "commit": commit}]);
    let pushed = json!({"values": [{"name": "main", "target": {"hash": COMMIT}}]});
    for (provider, answer, asked, branches, of) in [
        (
            "github",
            hub.clone(),
            "/api/user/repos?sort=full_name&per_page=50&page=1",
            branch(json!({"sha": COMMIT})),
            "/api/repos/team/shop/branches?per_page=50&page=1",
        ),
        (
            "gitea",
            hub,
            "/api/user/repos?limit=50&page=1",
            branch(json!({"id": COMMIT})),
            "/api/repos/team/shop/branches?limit=50&page=1",
        ),
        (
            "gitlab",
            lab,
            "/api/projects?membership=true&simple=true&order_by=path&sort=asc&per_page=50&page=1",
            branch(json!({"id": COMMIT})),
            "/api/projects/team%2Fshop/repository/branches?per_page=50&page=1",
        ),
        (
            "bitbucket",
            bucket,
            "/api/repositories/team?role=member&pagelen=50&page=1",
            pushed,
            "/api/repositories/team/shop/refs/branches?pagelen=50&page=1",
        ),
    ] {
        let mut api = Api::start().await;
        let server = with_token(provider, &api.url()).await;
        // Gitea's pages may be shorter than was asked for: only an empty one is the last.
        let pages = |page: Value| {
            let end = (provider == "gitea").then(|| Some((200, json!([]))));
            std::iter::once(Some((200, page))).chain(end)
        };
        api.answers(pages(answer).chain(pages(branches)));
        let to = format!("provider={provider}&api={}", encoded(&api.url()));
        let path =
            format!("/api/v1/sources/repositories?at={}&{to}", encoded("http://git.test/team"));
        let listed = server.get(&path).await.is(200).json;
        assert_eq!(listed, json!({"items": [shop], "more": false}), "{provider}");
        let request = api.next().await;
        assert_eq!((&request.method, request.path.as_str()), (&Method::GET, asked));
        assert_eq!(request.body, Value::Null);
        match provider {
            "github" => assert_eq!(request.header("authorization"), format!("Bearer {TOKEN}")),
            "gitea" => assert_eq!(request.header("authorization"), format!("token {TOKEN}")),
            "gitlab" => assert_eq!(request.header("private-token"), TOKEN),
            _ => assert!(request.header("authorization").starts_with("Basic ")),
        }
        if provider == "gitea" {
            assert_eq!(api.next().await.path, asked.replace("page=1", "page=2"));
        }
        let repository = encoded("http://git.test/team/shop.git");
        let path = format!("/api/v1/sources/branches?repository={repository}&{to}");
        let listed = server.get(&path).await.is(200).json;
        let main = json!({"items": [{"name": "main", "commit": COMMIT}], "more": false});
        assert_eq!(listed, main, "{provider}");
        assert_eq!(api.next().await.path, of);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pages_are_read_and_what_cannot_be_listed_says_why() {
    let mut api = Api::start().await;
    let server = with_token("github", &api.url()).await;
    let one = json!({"name": "main", "commit": {"sha": COMMIT}});
    let full = || Some((200, Value::Array(vec![one.clone(); 50])));
    api.answers([full(), full(), Some((200, json!([one.clone()])))]);
    let to = format!("provider=github&api={}", encoded(&api.url()));
    let repository = encoded("http://git.test/team/shop.git");
    let path = format!("/api/v1/sources/branches?repository={repository}&{to}");
    let listed = server.get(&path).await.is(200).json;
    assert_eq!(listed["items"].as_array().unwrap().len(), 101);
    for page in 1..=3 {
        assert!(api.next().await.path.ends_with(&format!("&page={page}")));
    }
    api.answers([Some((401, json!({"message": "Bad credentials"})))]);
    let refused = server.get(&path).await;
    refused.is_problem(409, "conflict");
    assert!(refused.text.contains("may the token read repositories"), "{}", refused.text);
    // Where nobody said that a provider is, no token goes.
    let elsewhere = Api::start().await;
    let to = format!("provider=github&api={}", encoded(&elsewhere.url()));
    let stolen = format!("/api/v1/sources/branches?repository={repository}&{to}");
    let team = encoded("http://git.test/team");
    let all = format!("/api/v1/sources/repositories?at={team}&{to}");
    for path in [stolen.as_str(), all.as_str()] {
        let answer = server.get(path).await;
        answer.is_problem(422, "invalid-field");
        assert_eq!(answer.json["field"], "api", "{}", answer.text);
    }
    for (path, field) in [
        ("/api/v1/sources/repositories?at=git.example", "provider"),
        ("/api/v1/sources/repositories?at=", "at"),
        ("/api/v1/sources/repositories?at=git.example&provider=svn", "provider"),
        ("/api/v1/sources/branches?repository=x", "repository"),
    ] {
        let answer = server.get(path).await;
        answer.is_problem(422, "invalid-field");
        assert_eq!(answer.json["field"], field, "{}", answer.text);
    }
    let none = server.get("/api/v1/sources/repositories?at=github.com/team").await;
    none.is_problem(409, "conflict");
    assert!(none.text.contains("hythe source token set github.com"), "{}", none.text);
}
