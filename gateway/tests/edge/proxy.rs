//! Routing, keep-alive, retries, headers, pages, shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hythe_core::routes::Backend;
use tokio::sync::mpsc;

use crate::support::{App, Client, Running, deployment, header, nobody, replicas, soon, table};

#[tokio::test]
async fn requests_reach_the_app_of_their_host() {
    let (shop, blog) = (App::echo("shop").await, App::echo("blog").await);
    let (edge, _data) = Running::with(table(
        7,
        &[
            ("shop.example", replicas(deployment(), &[shop.at])),
            ("blog.example", replicas(deployment(), &[blog.at])),
            ("new.example", Backend::Starting),
            ("old.example", Backend::Down),
        ],
    ));
    for (host, status, begins) in [
        ("shop.example", 200, "shop\n"),
        ("blog.example", 200, "blog\n"),
        ("SHOP.Example", 200, "shop\n"),
        ("shop.example.", 200, "shop\n"),
        ("shop.example:8080", 200, "shop\n"),
        ("new.example", 503, "503 Starting"),
        ("old.example", 503, "503 Not running"),
        ("no.example", 404, "404 No such app"),
        ("example", 404, "404 No such app"),
        ("[::1]:80", 404, "404 No such app"),
    ] {
        let answer = edge.get(host, "/").await;
        assert_eq!(answer.status, status, "{host}: {answer:?}");
        assert!(answer.body.starts_with(begins), "{host}: {answer:?}");
    }
    assert_eq!(edge.get("new.example", "/").await.header("retry-after"), Some("3"));

    let mut client = edge.client().await;
    client.send("GET http://blog.example/a?b HTTP/1.1\r\nHost: shop.example\r\n\r\n").await;
    let answer = client.answer().await;
    assert!(answer.body.starts_with("blog\nGET /a?b HTTP/1.1\r\n"), "{answer:?}");
    assert_eq!(header(&answer.body, "host"), Some("blog.example"));
    edge.stop().await;
}

#[tokio::test]
async fn an_edge_without_a_table_asks_for_patience_and_answers_its_supervisor() {
    let data = tempfile::tempdir().unwrap();
    let edge = Running::start(crate::support::config(data.path(), crate::support::no_nats()));
    let answer = edge.get("shop.example", "/").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")));
    let probe = edge.get("hythe-edge.internal", "/.well-known/hythe/edge").await;
    let body: serde_json::Value = serde_json::from_str(&probe.body).unwrap();
    assert_eq!(body, serde_json::json!({ "edge": edge.id, "revision": 0 }));
    assert_eq!(edge.get("hythe-edge.internal", "/").await.status, 503);
    edge.stop().await;
}

#[tokio::test]
async fn browsers_programs_and_people_get_pages_they_can_read() {
    let (edge, _data) = Running::with(table(1, &[]));
    for (accept, kind, holds) in [
        (
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/html; charset=utf-8",
            "<h1>No such app",
        ),
        ("application/json", "application/problem+json", "\"code\":\"no-such-app\""),
        ("*/*", "text/plain; charset=utf-8", "404 No such app (no.example)"),
    ] {
        let mut client = edge.client().await;
        client
            .send(&format!("GET / HTTP/1.1\r\nHost: no.example\r\nAccept: {accept}\r\n\r\n"))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.header("content-type"), Some(kind));
        assert!(answer.body.contains(holds), "{answer:?}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn connections_are_used_again_on_both_sides() {
    let app = App::echo("shop").await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    for _ in 0..20 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
        assert!(client.answer().await.body.ends_with("hi"));
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = client.answer_to_head().await;
        assert!(head.header("content-length").is_some(), "{head:?}");
    }
    // Pipelined, and on a further connection.
    client.send(&"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3)).await;
    for _ in 0..3 {
        assert_eq!(client.answer().await.status, 200);
    }
    assert_eq!(edge.get("a", "/").await.status, 200);
    assert_eq!(app.connections(), 1);
    edge.stop().await;
}

/// An app that answers `count` requests per connection and then closes it without a word.
async fn fickle(count: usize, heads: mpsc::UnboundedSender<String>) -> App {
    App::new(move |mut client| {
        let heads = heads.clone();
        async move {
            for _ in 0..count {
                let head = client.head().await;
                let length = header(&head, "content-length").map_or(0, |l| l.parse().unwrap());
                if length > 0 {
                    client.until("end").await;
                }
                heads.send(head).unwrap();
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
            // One more request is taken and never answered.
            client.head().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_that_died_in_the_pool_costs_no_repeatable_request() {
    let (tell, mut heads) = mpsc::unbounded_channel();
    let app = fickle(1, tell).await;
    let (edge, _data) = Running::tuned(
        table(1, &[("a", replicas(deployment(), &[app.at]))]),
        // Nothing is sure: what cannot be repeated goes on a new connection.
        |config| config.limits.pool_sure_for = std::time::Duration::ZERO,
    );
    let mut client = edge.client().await;
    for _ in 0..5 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
        client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nend").await;
        assert_eq!(client.answer().await.status, 200);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
    }
    for method in ["GET", "PUT", "POST"].into_iter().cycle().take(15) {
        assert!(heads.recv().await.unwrap().starts_with(method));
    }
    edge.stop().await;
    assert!(heads.try_recv().is_err(), "a request came twice");
}

#[tokio::test]
async fn a_request_that_is_sent_again_says_what_it_said_before() {
    let (tell, mut heads) = mpsc::unbounded_channel::<String>();
    let app = App::new(move |mut client| {
        let tell = tell.clone();
        async move {
            // The first request of each connection is answered, the second one only read.
            for answered in [true, false] {
                let Ok(head) = client.until_or_end("\r\n\r\n").await else { return };
                tell.send(head).unwrap();
                if answered {
                    client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                }
            }
        }
    })
    .await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    client
        .send(
            "DELETE /x%2F?y HTTP/1.1\r\nHost: A:81\r\nX-Two: 1\r\nCookie: c=d\r\nX-Two: 2\r\n\
             X-Empty:\r\nX-Bytes: \u{e4}\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.status, 200);
    soon(heads.recv()).await.unwrap();
    let before = soon(heads.recv()).await.unwrap();
    let again = soon(heads.recv()).await.unwrap();
    assert!(before.starts_with("DELETE /x%2F?y HTTP/1.1\r\n"), "{before}");
    assert_eq!(before.matches("x-two: ").count(), 2, "{before}");
    assert_eq!(header(&before, "x-empty"), Some(""));
    assert_eq!(header(&before, "x-request-id").map(str::len), Some(32));
    assert_eq!(again, before);
    edge.stop().await;
}

#[tokio::test]
async fn a_request_that_a_new_connection_swallowed_is_not_sent_again() {
    let app = App::new(|mut client| async move {
        client.head().await;
    })
    .await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    assert_eq!(edge.get("a", "/").await.status, 502);
    assert_eq!(app.connections(), 1);
    edge.stop().await;
}

#[tokio::test]
async fn replicas_share_the_work_and_stand_in_for_each_other() {
    let (one, two) = (App::echo("one").await, App::echo("two").await);
    let nobody = nobody();
    let dead = nobody.at;
    let (edge, _data) = Running::with(table(
        1,
        &[
            ("a", replicas(deployment(), &[one.at, two.at])),
            ("b", replicas(deployment(), &[dead, one.at, dead])),
            ("c", replicas(deployment(), &[dead])),
        ],
    ));
    let mut ones = 0;
    for _ in 0..20 {
        let answer = edge.get("a", "/").await;
        assert_eq!(answer.status, 200);
        ones += usize::from(answer.body.starts_with("one"));
    }
    assert_eq!(ones, 10);
    for _ in 0..10 {
        assert_eq!(edge.get("b", "/").await.status, 200);
        // With a body, too: nothing of it was sent.
        let mut client = edge.client().await;
        client.send("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nhi").await;
        assert!(client.answer().await.body.ends_with("hi"));
    }
    assert_eq!(edge.get("c", "/").await.status, 502);
    edge.stop().await;
}

#[tokio::test]
async fn headers_pass_as_they_should() {
    let app = App::new(|mut client| async move {
        let head = client.head().await;
        let answer = "HTTP/1.1 200 OK\r\nConnection: close, X-Private\r\nX-Private: 1\r\n\
            Keep-Alive: timeout=1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nX-Pass: 1\r\n";
        client.send(&format!("{answer}Content-Length: {}\r\n\r\n{head}", head.len())).await;
    })
    .await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    client
        .send(
            "GET /x%2F..//y?z HTTP/1.1\r\nHost: A:81\r\nConnection: keep-alive, X-Secret\r\n\
             X-Secret: 1\r\nX-Forwarded-For: 6.6.6.6\r\nX-Pass: 1\r\nAccept-Encoding: br\r\n\r\n",
        )
        .await;
    let answer = client.answer().await;
    let got = |name| header(&answer.body, name);
    assert!(answer.body.starts_with("GET /x%2F..//y?z HTTP/1.1\r\n"), "{answer:?}");
    assert_eq!(got("host"), Some("A:81"));
    assert_eq!(got("connection"), None);
    assert_eq!(got("x-secret"), None);
    assert_eq!(got("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(got("x-forwarded-host"), Some("A:81"));
    assert_eq!(got("x-forwarded-proto"), Some("http"));
    assert_eq!(got("x-forwarded-port"), Some(edge.at.port().to_string().as_str()));
    assert_eq!(got("forwarded"), Some("for=127.0.0.1;host=\"A:81\";proto=http"));
    assert_eq!(got("x-request-id").map(str::len), Some(32));
    assert_eq!((got("x-pass"), got("accept-encoding")), (Some("1"), Some("br")));

    assert_eq!((answer.header("x-private"), answer.header("keep-alive")), (None, None));
    assert_eq!((answer.header("connection"), answer.header("x-pass")), (None, Some("1")));
    assert_eq!(answer.head.matches("set-cookie").count(), 2);
    // The app's wish to close concerns the edge, not the client.
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    edge.stop().await;
}

#[tokio::test]
async fn a_stopping_edge_finishes_what_it_began() {
    let (tell, mut asked) = mpsc::unbounded_channel::<Client>();
    let app = App::new(move |mut client| {
        let tell = tell.clone();
        async move {
            client.head().await;
            tell.send(client).ok().unwrap();
        }
    })
    .await;
    let (edge, data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut idle = edge.client().await;
    idle.send("GET / HTTP/1.1\r\nHost: nobody\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 404);
    let mut busy = edge.client().await;
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut app_side = asked.recv().await.unwrap();

    edge.tell_to_stop();
    assert_eq!(idle.end().await, "");
    app_side.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    assert_eq!(answer.header("connection"), Some("close"));
    let at = edge.at;
    edge.ended().await.unwrap();
    assert!(soon(tokio::net::TcpStream::connect(at)).await.is_err());
    assert!(data.path().join("edge.id").exists());
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_at_the_app() {
    let (tell, mut asked) = mpsc::unbounded_channel::<Client>();
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let app = App::new(move |mut client| {
        let (tell, count) = (tell.clone(), Arc::clone(&count));
        async move {
            client.head().await;
            count.fetch_add(1, Ordering::SeqCst);
            tell.send(client).ok().unwrap();
        }
    })
    .await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut app_side = asked.recv().await.unwrap();
    drop(client);
    assert_eq!(app_side.end().await, "");
    assert_eq!(begun.load(Ordering::SeqCst), 1);
    edge.stop().await;
}
