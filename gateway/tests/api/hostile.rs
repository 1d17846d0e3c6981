//! Whatever people put into a field: a problem document, never a failure.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Server};

fn corpus() -> Vec<String> {
    let mut corpus: Vec<String> = [
        "",
        " ",
        "-",
        "--",
        "-rf",
        "--upload-pack=touch x",
        "-oProxyCommand=x",
        "..",
        "../..",
        "../../etc/passwd",
        "/etc/passwd",
        "a\nb",
        "a\r\nX-Evil: 1",
        "a\0b",
        "\u{1b}[31m",
        "$(id)",
        "`id`",
        "${HOME}",
        "a;id",
        "a|id",
        "a&&id",
        "'; DROP TABLE apps; --",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "%00",
        "%2e%2e%2f",
        "ext::sh -c id",
        "file:///etc/passwd",
        "git://h/a",
        "https://user:password@h/a",
        "\u{202e}evil",
        "\u{feff}",
        "ａｐｐ",
        "a\u{0301}",
        "𝕬",
    ]
    .map(Into::into)
    .into();
    corpus.push("a".repeat(100_000));
    corpus.push("é".repeat(50_000));
    corpus
}

/// A word of each text that must not come back whole.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[tokio::test]
async fn every_text_of_every_body() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "base", "repository": "https://h/a"})).await.is(201);
    let fields = ["name", "repository", "branch", "commit", "dockerfile", "health_path"];
    for text in corpus() {
        for field in fields {
            let mut body = json!({"name": "valid", "repository": "https://h/a"});
            body[field] = json!(text);
            let mut bodies = vec![(Method::POST, "/api/v1/apps", body.clone())];
            body.as_object_mut().unwrap().remove("name");
            if field != "name" {
                bodies.push((Method::PATCH, "/api/v1/apps/base", body.clone()));
            }
            if !["name", "health_path"].contains(&field) {
                bodies.push((Method::POST, "/api/v1/apps/base/deployments", body));
            }
            for (method, path, body) in bodies {
                let answer = Answer::of(server.asks(method.clone(), path).json(&body)).await;
                let taken = answer.status.is_success();
                // What git or HTTP allow there is no attack.
                let fine = match field {
                    "branch" => {
                        [
                            "-", "$", "`", "<", "{", "%", "a", "'", "\u{202e}", "\u{feff}", "ａ",
                            "𝕬", "é",
                        ]
                        .iter()
                        .any(|begin| text.starts_with(begin))
                            && !text.starts_with('-')
                    }
                    "dockerfile" => {
                        !text.starts_with(['-', '/', '.'])
                            && !text.is_empty()
                            && !text.chars().any(char::is_control)
                    }
                    "health_path" => text.starts_with('/'),
                    "name" | "repository" | "commit" => false,
                    other => panic!("{other}"),
                };
                assert!(!taken || fine, "{method} {path} {field}={:?}", short(&text));
                if !taken {
                    answer.is_problem(422, "invalid-field");
                    assert_eq!(answer.json["field"], field, "{}", answer.text);
                    assert!(answer.text.len() < 4_096, "{field}: {} bytes", answer.text.len());
                } else if path == "/api/v1/apps" {
                    server.delete("/api/v1/apps/valid").await.is(204);
                }
            }
        }
        let answer = server.patch("/api/v1/apps/base", json!({"domains": [text]})).await;
        answer.is_problem(422, "invalid-field");
        let answer =
            server.patch("/api/v1/apps/base/env", json!({"set": {text.as_str(): "x"}})).await;
        answer.is_problem(422, "invalid-field");
        let answer = server.patch("/api/v1/apps/base/env", json!({"remove": [text]})).await;
        answer.is_problem(422, "invalid-field");
        assert!(answer.text.len() < 4_096);
    }
}

#[tokio::test]
async fn every_text_of_every_address() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "base"})).await.is(201);
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    // Two dots are resolved by every client before they are sent.
    let sent = |text: &&String| !text.is_empty() && *text != ".." && text.len() < 1_000;
    for text in corpus().iter().filter(sent) {
        let text = encode(text);
        for path in [
            format!("/api/v1/apps/{text}"),
            format!("/api/v1/apps/{text}/env"),
            format!("/api/v1/apps/{text}/logs"),
            format!("/api/v1/deployments/{text}"),
            format!("/api/v1/workers/{text}"),
            format!("/api/v1/events/{text}/why"),
            format!("/api/v1/apps/{text}?at=1"),
            format!("/api/v1/workers/{text}?at=1"),
            format!("/api/v1/deployments/{text}?at=1"),
            format!("/{text}"),
        ] {
            let answer = Answer::of(server.asks(Method::GET, &path)).await;
            answer.is_problem(404, "not-found");
        }
        for path in [
            format!("/api/v1/apps?cursor={text}"),
            format!("/api/v1/apps?limit={text}"),
            format!("/api/v1/events?after={text}"),
            format!("/api/v1/events?aggregate={text}"),
            format!("/api/v1/events?app={text}"),
            format!("/api/v1/events?type={text}"),
            format!("/api/v1/events?who={text}"),
            format!("/api/v1/events?who=worker:{text}"),
            format!("/api/v1/events?aggregate=deployment:{text}"),
            format!("/api/v1/events?since={text}"),
            format!("/api/v1/events?until={text}"),
            format!("/api/v1/events?correlation={text}"),
            format!("/api/v1/events?last={text}"),
            format!("/api/v1/apps?at={text}"),
            format!("/api/v1/routes?at={text}"),
            format!("/api/v1/apps/base/diff?from={text}"),
            format!("/api/v1/apps/base/diff?from=1&to={text}"),
        ] {
            let answer = Answer::of(server.asks(Method::GET, &path)).await;
            answer.is_problem(422, "invalid-field");
        }
    }
}

#[tokio::test]
async fn ten_megabytes_are_refused_and_the_server_goes_on() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "base"})).await.is(201);
    let big = "x".repeat(10 << 20);
    let bodies: [(Method, &str, Value); 4] = [
        (Method::POST, "/api/v1/apps", json!({"name": big})),
        (Method::PATCH, "/api/v1/apps/base", json!({"repository": big})),
        (Method::POST, "/api/v1/apps/base/deployments", json!({"branch": big})),
        (Method::PATCH, "/api/v1/apps/base/env", json!({"set": {"A": big}})),
    ];
    for (method, path, body) in bodies {
        // The answer comes before all was sent: a client may see the connection break instead.
        match server.asks(method, path).json(&body).send().await {
            Ok(answer) => assert_eq!(answer.status(), 413),
            Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
        }
    }
    let deep = "[".repeat(200_000);
    let request =
        server.asks(Method::POST, "/api/v1/apps").header("content-type", "application/json");
    Answer::of(request.body(deep)).await.is_problem(422, "invalid-field");
    server.get("/api/v1/apps").await.is(200);
}
