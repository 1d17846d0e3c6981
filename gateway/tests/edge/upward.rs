//! Connections to replicas, which whoever uses them drives: between requests, and where a request does not end
//! with the answer's head.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::streams::puppet;
use crate::support::{App, Client, Running, deployment, replicas, soon, table};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// More than all sockets on the way hold.
const LARGE: usize = 64 * 1024 * 1024;

/// An edge that closes no connection to the app for its age.
fn edge(app: &App) -> (Running, tempfile::TempDir) {
    let table = table(1, &[("a", replicas(deployment(), &[app.at]))]);
    Running::tuned(table, |config| {
        config.limits.pool_idle_for = Duration::from_secs(600);
        config.limits.pool_sure_for = Duration::from_secs(600);
    })
}

#[tokio::test]
async fn what_its_replica_closed_takes_no_request() {
    let (tell, mut heads) = mpsc::unbounded_channel::<String>();
    let app = App::new(move |mut client| {
        let tell = tell.clone();
        async move {
            let head = client.head().await;
            client.send(OK).await;
            tell.send(head).unwrap();
        }
    })
    .await;
    let (edge, _data) = edge(&app);
    let mut client = edge.client().await;
    // The end is seen before anything is sent, so that what cannot be sent twice gets through as well.
    let methods = ["GET", "POST", "GET", "DELETE", "POST", "POST"];
    for method in methods {
        client.send(&format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")).await;
        assert_eq!(client.answer().await.body, "ok", "{method}");
    }
    edge.stop().await;
    assert_eq!(app.connections(), methods.len());
    for method in methods {
        assert!(heads.try_recv().is_ok_and(|head| head.starts_with(method)), "{method}");
    }
    assert!(heads.try_recv().is_err(), "a request came twice");
}

#[tokio::test]
async fn what_its_replica_closes_or_speaks_on_unasked_is_closed() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = edge(&app);
    let mut client = edge.client().await;
    for unasked in ["", "x", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"] {
        client.send(GET).await;
        let mut app_side = soon(asked.recv()).await.unwrap();
        app_side.head().await;
        app_side.send(OK).await;
        assert_eq!(client.answer().await.body, "ok");
        if unasked.is_empty() {
            app_side.stream.shutdown().await.unwrap();
        } else {
            app_side.send(unasked).await;
        }
        assert_eq!(app_side.end().await, "", "{unasked:?}");
    }
    edge.stop().await;
    assert_eq!(app.connections(), 3);
}

#[tokio::test]
async fn after_answers_of_any_form_it_takes_the_next_request() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = edge(&app);
    let mut client = edge.client().await;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let whole = format!("{chunked}2\r\nok\r\n0\r\n\r\n");
    let begin = format!("{chunked}1\r\no\r\n");
    let summed = format!("{chunked}2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n");
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{}", "o".repeat(200_000));
    let rest = "o".repeat(100_000);
    let forms: [(&str, &[&str], usize); 13] = [
        ("GET", &[OK], 2),
        ("GET", &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok"], 2),
        ("GET", &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", "k"], 2),
        ("GET", &[&whole], 2),
        ("GET", &[&begin, "1\r\nk\r\n", "0\r\n", "\r\n"], 2),
        ("GET", &[&summed], 2),
        ("GET", &[&begin, "1\r\nk\r\n", "0\r\nX-Sum: 1\r\n", "\r\n"], 2),
        ("GET", &[&long, &rest], 300_000),
        ("GET", &["HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", OK], 2),
        ("GET", &["HTTP/1.1 204 No Content\r\n\r\n"], 0),
        ("GET", &["HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"], 0),
        ("HEAD", &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"], 0),
        ("POST", &["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], 0),
    ];
    let mut app_side: Option<Client> = None;
    for (method, pieces, length) in forms.iter().chain(&forms) {
        let body = if *method == "POST" { "Content-Length: 2\r\n\r\nhi" } else { "\r\n" };
        client.send(&format!("{method} / HTTP/1.1\r\nHost: a\r\n{body}")).await;
        let mut side = match app_side.take() {
            Some(before) => before,
            None => soon(asked.recv()).await.unwrap(),
        };
        assert!(side.head().await.starts_with(*method));
        if *method == "POST" {
            side.until("hi").await;
        }
        for piece in *pieces {
            side.send(piece).await;
            // Its one core has come round by the time that it answers this.
            assert_eq!(edge.get("nobody", "/").await.status, 404);
        }
        let answer = match *method {
            "HEAD" => client.answer_to_head().await,
            _ => client.answer().await,
        };
        assert_eq!(answer.body.len(), *length, "{method} {pieces:?}");
        app_side = Some(side);
    }
    edge.stop().await;
    assert_eq!(app.connections(), 1);
}

#[tokio::test]
async fn a_body_goes_on_while_its_client_takes_nothing_of_the_answer() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = edge(&app);
    let mut client = edge.client().await;
    client.send(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n")).await;
    let mut app_side = soon(asked.recv()).await.unwrap();
    app_side.head().await;
    app_side.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")).await;
    client.head().await;
    let (mut from, mut to) = app_side.stream.into_split();
    let answering = tokio::spawn(async move {
        to.write_all(&vec![b'y'; LARGE]).await.unwrap();
        to
    });
    let listening = tokio::spawn(async move {
        let mut got = vec![0; LARGE];
        from.read_exact(&mut got).await.unwrap();
        assert!(got == vec![b'x'; LARGE], "something else came");
    });
    client.send_bytes(&vec![b'x'; LARGE]).await;
    soon(listening).await.unwrap();
    let mut left = LARGE;
    let (mut piece, said) = (vec![0; 256 * 1024], vec![b'y'; 256 * 1024]);
    while left > 0 {
        let count = soon(client.read(&mut piece)).await;
        assert!(piece[..count] == said[..count], "something else came");
        left = left.checked_sub(count).unwrap();
    }
    let _open = soon(answering).await.unwrap();
    client.send(&GET.replace("Host: a", "Host: nobody")).await;
    assert_eq!(client.answer().await.status, 404);
    edge.stop().await;
}

#[tokio::test]
async fn an_answer_that_does_not_wait_for_the_request_is_passed_on() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = edge(&app);
    for head in ["Connection: close\r\n", ""] {
        let mut client = edge.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin").await;
        let mut app_side = soon(asked.recv()).await.unwrap();
        app_side.until("begin").await;
        let answer =
            format!("HTTP/1.1 413 Content Too Large\r\n{head}Content-Length: 3\r\n\r\nbig");
        app_side.send(&answer).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (413, "big"));
        // Of what was not sent to its end, nothing is used again.
        assert_eq!(app_side.end().await, "");
        assert_eq!(client.end().await, "");
    }
    edge.stop().await;
}

#[tokio::test]
async fn one_that_was_used_before_can_be_switched_to_another_protocol() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = edge(&app);
    let mut client = edge.client().await;
    client.send(GET).await;
    let mut app_side = soon(asked.recv()).await.unwrap();
    app_side.head().await;
    app_side.send(OK).await;
    assert_eq!(client.answer().await.body, "ok");
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tin-can\r\n\r\n")
        .await;
    assert!(app_side.head().await.contains("upgrade: tin-can"));
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tin-can\r\n\r\n";
    app_side.send(&format!("{switch}early")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.until("early").await;
    for word in ["one", "two", "three"] {
        client.send(word).await;
        app_side.until(word).await;
        app_side.send(word).await;
        client.until(word).await;
    }
    drop(client);
    assert_eq!(app_side.end().await, "");
    drop(app_side);
    edge.stop().await;
    assert_eq!(app.connections(), 1);
}

#[tokio::test]
async fn an_endless_answer_is_held_back_by_its_client_and_ends_with_it() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = edge(&app);
    let mut client = edge.client().await;
    client.send(GET).await;
    let mut app_side = soon(asked.recv()).await.unwrap();
    app_side.head().await;
    app_side.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n").await;
    client.head().await;
    assert_eq!(client.chunk().await, "a");
    app_side.send("7fffffff\r\n").await;
    let piece = vec![b'x'; 64 * 1024];
    let mut taken = 0;
    // Sockets hold some megabytes; an edge that read ahead would take all of it.
    while let Ok(sent) =
        tokio::time::timeout(Duration::from_millis(500), app_side.stream.write(&piece)).await
    {
        taken += sent.unwrap();
        assert!(taken < LARGE, "the edge took everything");
    }
    drop(client);
    assert_eq!(app_side.end().await, "");
    edge.stop().await;
}
