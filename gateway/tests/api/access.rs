//! Who gets in.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Server};

/// Every operation of the document, with something in place of its parameters.
fn operations() -> Vec<(Method, String, bool)> {
    let document = serde_json::to_value(hythe_gateway::api::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let open = operation["security"] == json!([{}]);
            let path = path
                .replace("{app}", "shop")
                .replace("{worker}", "machine-1")
                .replace("{sequence}", "1")
                .replace("{run}", "019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f")
                .replace("{deployment}", "019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f");
            operations.push((method.to_uppercase().parse().unwrap(), path, open));
        }
    }
    assert!(operations.len() >= 20, "{operations:?}");
    operations
}

#[tokio::test]
async fn every_operation_wants_the_owner_token_but_health_and_signing_in() {
    let server = Server::start().await;
    for (method, path, open) in operations() {
        for (what, request) in [
            ("none", server.bare(method.clone(), &path)),
            ("a wrong one", server.bare(method.clone(), &path).bearer_auth("hythe_wrong")),
            ("an empty one", server.bare(method.clone(), &path).header("authorization", "Bearer ")),
            ("another scheme", server.bare(method.clone(), &path).basic_auth("a", Some("b"))),
            (
                "a made-up session",
                server.bare(method.clone(), &path).header("cookie", "hythe_session=AAAA"),
            ),
        ] {
            let answer = Answer::of(request).await;
            if open {
                assert_ne!(answer.status, 401, "{method} {path} with {what}: {}", answer.text);
            } else if answer.status == 429 {
                // This test tries more often than anybody should.
                answer.is_problem(429, "too-many-attempts");
                assert!(answer.headers.contains_key("retry-after"));
            } else {
                answer.is_problem(401, "unauthorized");
                assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"hythe\"");
            }
        }
        // The right one gets in however many wrong ones came before.
        let answer = Answer::of(server.asks(method.clone(), &path)).await;
        assert!(![401, 403, 429].contains(&answer.status.as_u16()), "{method} {path}");
        // Not ready without NATS, and no table of routes.
        let waits = path == "/readyz" || path.starts_with("/v1/traefik/");
        assert!(answer.status.as_u16() < 500 || waits, "{}", answer.text);
    }
}

#[tokio::test]
async fn many_wrong_tokens_have_to_wait_and_the_right_one_has_not() {
    let server = Server::start().await;
    let wrong = || Answer::of(server.bare(Method::GET, "/api/v1/apps").bearer_auth("wrong"));
    let mut refused = 0;
    while wrong().await.status == 401 {
        refused += 1;
        assert!(refused < 1_000);
    }
    wrong().await.is_problem(429, "too-many-attempts");
    server.get("/api/v1/apps").await.is(200);
}

#[tokio::test]
async fn a_browser_signs_in_and_out() {
    let server = Server::start().await;
    let own = server.url("");
    let wrong = server.bare(Method::POST, "/api/v1/session").json(&json!({"token": "wrong"}));
    let wrong = Answer::of(wrong).await;
    wrong.is_problem(401, "unauthorized");
    assert!(!wrong.headers.contains_key("set-cookie"));

    let body = json!({"token": server.token});
    let foreign = server.bare(Method::POST, "/api/v1/session").json(&body);
    Answer::of(foreign.header("origin", "http://evil.example"))
        .await
        .is_problem(403, "foreign-origin");

    let signed_in = server.bare(Method::POST, "/api/v1/session").json(&body).header("origin", &own);
    let signed_in = Answer::of(signed_in).await.is(200);
    assert!(!signed_in.text.contains(&server.token));
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap();
    for word in ["hythe_session=", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = |method, path: &str| server.bare(method, path).header("cookie", &cookie);

    let session = Answer::of(with(Method::GET, "/api/v1/session")).await.is(200);
    assert_eq!(session.json["actor"], "owner");
    assert_eq!(session.json["url_pattern"], "http://{app}.localhost:8080");
    assert!(session.json["expires_at"].is_string());

    // Reading is harmless; writing needs to come from the own page.
    let create = || with(Method::POST, "/api/v1/apps").json(&json!({"name": "shop"}));
    for request in [
        create(),
        create().header("origin", "http://evil.example"),
        create().header("origin", "null"),
        create().header("sec-fetch-site", "same-site"),
    ] {
        Answer::of(request).await.is_problem(403, "foreign-origin");
    }
    Answer::of(create().header("origin", &own)).await.is(201);

    // A socket, too.
    let socket = |origin: &str| {
        let headers = [("cookie", cookie.clone()), ("origin", origin.to_owned())];
        let server = &server;
        async move {
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            server.socket_with("/api/v1/events", &headers).await
        }
    };
    assert!(socket(&own).await.is_ok());
    assert!(socket("http://evil.example").await.is_err());

    let out = with(Method::DELETE, "/api/v1/session").header("sec-fetch-site", "same-origin");
    let out = Answer::of(out).await.is(204);
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    Answer::of(with(Method::GET, "/api/v1/session")).await.is_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_socket_takes_the_token_as_a_subprotocol() {
    let server = Server::start().await;
    let right = format!("hythe.v1, hythe.bearer.{}", server.token);
    let protocol = |list: &str| [("sec-websocket-protocol", list.to_owned())];
    for (list, fine) in [(right.as_str(), true), ("hythe.v1, hythe.bearer.wrong", false)] {
        let headers = protocol(list);
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(server.socket_with("/api/v1/events", &headers).await.is_ok(), fine);
    }
    // Not where no socket is asked for: it would lie in logs of proxies.
    let plain = server.bare(Method::GET, "/api/v1/apps").header("sec-websocket-protocol", right);
    Answer::of(plain).await.is_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_name_made_to_point_here_is_refused() {
    let server = Server::start().await;
    for path in ["/", "/healthz", "/api/v1/apps"] {
        let request = server.asks(Method::GET, path).header("host", "evil.example");
        Answer::of(request).await.is_problem(421, "foreign-host");
        let request = server.asks(Method::GET, path).header("host", "localhost:7070");
        assert_eq!(Answer::of(request).await.status, 200);
    }
}

#[tokio::test]
async fn every_answer_is_safe_for_browsers() {
    let server = Server::start().await;
    for path in ["/", "/apps/shop", "/healthz", "/api/v1/nothing"] {
        let answer = Answer::of(server.bare(Method::GET, path)).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        assert_eq!(answer.headers["cross-origin-opener-policy"], "same-origin");
    }
    let page = Answer::of(server.bare(Method::GET, "/apps/shop")).await.is(200);
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.text.to_lowercase().contains("<!doctype html>"));
}
