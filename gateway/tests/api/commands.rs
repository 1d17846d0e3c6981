//! The `hythe` command against a server of the test's own, where what counts is how both meet.

use std::process::{Command, Stdio};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::support::Server;

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// Its one JSON document.
    #[track_caller]
    fn document(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {:?}", self.out))
    }
}

/// Runs the command beside the server, which needs this thread meanwhile.
async fn hythe(url: String, server: &Server, args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HYTHE_") {
            command.env_remove(name);
        }
    }
    command.args(args).env("HYTHE_URL", url).env("HYTHE_TOKEN", &server.token);
    command.current_dir(server.dir.path()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn a_journal_is_exported_while_its_server_goes_on() {
    let server = Server::start().await;
    for n in 0..50 {
        server.post("/api/v1/apps", json!({"name": format!("app-{n}")})).await.is(201);
    }
    let data = server.dir.path().to_str().unwrap();
    let export = ["--json", "journal", "export", "--data", data, "out.jsonl"];
    let out = hythe(server.url(""), &server, &export).await.document();
    assert_eq!(out["events"], json!(server.control.journal().head().0));
    let plain = hythe(server.url(""), &server, &["journal", "export", "--data", data]).await;
    let file = std::fs::read_to_string(server.dir.path().join("out.jsonl")).unwrap();
    assert_eq!((plain.code, plain.out == file), (0, true), "{}", plain.err);

    // As the hint has it for what a running server's folder cannot be asked.
    let replay = hythe(server.url(""), &server, &["journal", "replay", "--data", data]).await;
    assert_eq!(replay.code, 1, "{}", replay.err);
    assert!(replay.err.contains("hythe journal import --data copy"), "{}", replay.err);
    let import = ["--json", "journal", "import", "--data", "copy", "out.jsonl"];
    assert_eq!(hythe(server.url(""), &server, &import).await.document(), out);
    let replay = ["--json", "journal", "replay", "--data", "copy"];
    assert_eq!(hythe(server.url(""), &server, &replay).await.document()["apps"], 50);

    // Where it cannot be asked, it says so, and what to do.
    let nobody = "http://127.0.0.1:1".to_owned();
    let unasked = hythe(nobody, &server, &["journal", "export", "--data", data]).await;
    assert_eq!((unasked.code, unasked.out.as_str()), (1, ""));
    for word in ["HYTHE_URL", "stop it first"] {
        assert!(unasked.err.contains(word), "{}", unasked.err);
    }
}

#[tokio::test]
async fn what_was_taken_away_or_known_already_is_a_document_too() {
    let server = Server::start().await;
    for args in [
        &["backup", "schedule", "off"][..],
        &["backup", "mirror", "off"],
        &["source", "host", "add", "github.com"],
    ] {
        let args: Vec<_> = ["--json"].iter().chain(args).copied().collect();
        let said = hythe(server.url(""), &server, &args).await.document();
        assert!(said.is_object(), "{args:?}: {said}");
    }
}

/// Answers with the list of apps as it was, and passes on whatever else it is asked.
async fn passed_on(State((real, token)): State<(String, String)>, request: Request) -> Response {
    let url = format!("{real}{}", request.uri());
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let body = answer.text().await.unwrap();
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

#[tokio::test]
async fn an_app_that_is_removed_while_all_are_listed_is_left_out() {
    let server = Server::start().await;
    for name in ["gone", "shop"] {
        server.post("/api/v1/apps", json!({ "name": name })).await.is(201);
    }
    let apps = server.get("/api/v1/apps").await.is(200).json;
    server.delete("/api/v1/apps/gone").await.is(204);
    let earlier = Router::new()
        .route("/api/v1/apps", get(async move || axum::Json(apps)))
        .fallback(passed_on)
        .with_state((server.url(""), server.token.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(axum::serve(listener, earlier).into_future());
    let said = hythe(url.clone(), &server, &["--json", "ps"]).await;
    assert_eq!(said.document(), json!([]));
    let named = hythe(url, &server, &["--json", "ps", "gone"]).await;
    assert_eq!(named.code, 1, "one that was named is missed: {}", named.err);
    serving.abort();
}
