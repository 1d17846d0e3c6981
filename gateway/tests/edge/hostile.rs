//! Requests meant to confuse: what of them reaches an app is one whole request, or nothing.

use tokio::sync::mpsc;

use crate::support::{App, Running, deployment, replicas, table};

/// An app that answers everything and tells every byte it was sent.
async fn listener() -> (App, mpsc::UnboundedReceiver<String>) {
    let (tell, heard) = mpsc::unbounded_channel();
    let app = App::new(move |mut client| {
        let tell = tell.clone();
        async move {
            let Ok(head) = client.until_or_end("\r\n\r\n").await else { return };
            if head.contains("chunked") && client.until_or_end("0\r\n\r\n").await.is_err() {
                return;
            }
            client.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
            let _ = tell.send(client.end().await);
        }
    })
    .await;
    (app, heard)
}

#[tokio::test]
async fn nothing_is_smuggled() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let post =
        |headers: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let rows = [
        ("two lengths", post("Content-Length: 0\r\nContent-Length: 40\r\n", smuggled)),
        ("a list of lengths", post("Content-Length: 0, 40\r\n", smuggled)),
        ("a signed length", post("Content-Length: +0\r\n", smuggled)),
        ("a negative length", post("Content-Length: -1\r\n", smuggled)),
        ("a hexadecimal length", post("Content-Length: 0x0\r\n", smuggled)),
        ("an empty length", post("Content-Length: \r\n", smuggled)),
        ("a huge length", post("Content-Length: 99999999999999999999\r\n", smuggled)),
        ("a folded header", post("X: 1\r\n Content-Length: 40\r\n", smuggled)),
        ("a folded encoding", post("Transfer-Encoding:\r\n chunked\r\n", smuggled)),
        ("space before the colon", post("Transfer-Encoding : chunked\r\n", smuggled)),
        ("space before the name", post(" Transfer-Encoding: chunked\r\n", smuggled)),
        ("an unknown encoding", post("Transfer-Encoding: xchunked\r\n", smuggled)),
        ("chunked, but not last", post("Transfer-Encoding: chunked, identity\r\n", smuggled)),
        ("identity", post("Transfer-Encoding: identity\r\n", smuggled)),
        ("a vertical tab", post("Transfer-Encoding: \x0bchunked\r\n", smuggled)),
        ("a NUL", post("X: a\0b\r\n", smuggled)),
        ("a bare CR", post("X: a\rContent-Length: 40\r\n", smuggled)),
        ("an empty name", post(": x\r\n", smuggled)),
        ("no colon", post("Nonsense\r\n", smuggled)),
        ("a bad chunk size", post(chunked, &format!("zz\r\n\r\n{smuggled}"))),
        ("a signed chunk size", post(chunked, &format!("+0\r\n\r\n{smuggled}"))),
        ("a huge chunk size", post(chunked, &format!("fffffffffffffffff\r\n\r\n{smuggled}"))),
        ("a bare LF in a chunk's extension", post(chunked, &format!("0;a\nb\r\n\r\n{smuggled}"))),
        ("a bare CR in a chunk's extension", post(chunked, &format!("0;a\rb\r\n\r\n{smuggled}"))),
        (
            "an endless chunk extension",
            post(chunked, &format!("0;{}\r\n\r\n{smuggled}", "x".repeat(40_000))),
        ),
        (
            "a second encoding",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", smuggled),
        ),
        ("a tab before the colon", post("Transfer-Encoding\t: chunked\r\n", smuggled)),
        ("a NUL in a name", post("X\0: 1\r\n", smuggled)),
        ("a NUL in the target", format!("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n{smuggled}")),
        ("a space in the target", format!("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n{smuggled}")),
        (
            "a host within the target",
            format!("GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n{smuggled}"),
        ),
        ("a chunk without its end", post(chunked, &format!("1\r\nab\r\n0\r\n\r\n{smuggled}"))),
        (
            "HTTP/1.0 in chunks",
            format!("POST / HTTP/1.0\r\nHost: a\r\n{chunked}\r\n0\r\n\r\n{smuggled}"),
        ),
        ("no version", format!("GET /\r\nHost: a\r\n\r\n{smuggled}")),
        ("HTTP/2.0", format!("GET / HTTP/2.0\r\nHost: a\r\n\r\n{smuggled}")),
        ("two spaces", format!("GET  / HTTP/1.1\r\nHost: a\r\n\r\n{smuggled}")),
        ("a bad method", format!("G(T / HTTP/1.1\r\nHost: a\r\n\r\n{smuggled}")),
        ("CONNECT", format!("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n{smuggled}")),
    ];
    for (what, request) in rows {
        let (app, mut heard) = listener().await;
        let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
        let mut client = edge.client().await;
        client.send(&request).await;
        let got = client.end().await;
        let status = got.split(' ').nth(1).unwrap_or("nothing");
        assert!(matches!(status, "400" | "501" | "505"), "{what}: {got:?}");
        assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "{what}: {got:?}");
        edge.stop().await;
        while let Ok(rest) = heard.try_recv() {
            assert!(!rest.contains("smuggled"), "{what}: {rest:?}");
        }
    }
}

#[tokio::test]
async fn ambiguous_lengths_are_made_plain_and_end_the_connection() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: Chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n",
    ] {
        let app = App::echo("shop").await;
        let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
        let mut client = edge.client().await;
        client
            .send(&format!(
                "POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n2\r\nhi\r\n0\r\n\r\n{smuggled}"
            ))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 200, "{headers}");
        assert!(!answer.body.to_lowercase().contains("content-length"), "{answer:?}");
        assert_eq!(
            answer.body.to_lowercase().matches("transfer-encoding").count(),
            1,
            "{answer:?}"
        );
        assert_eq!(client.end().await, "", "{headers}");
        edge.stop().await;
    }
}

#[tokio::test]
async fn lines_that_end_in_lf_alone_reach_no_app_as_they_are() {
    let app = App::echo("shop").await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    client.send("GET / HTTP/1.1\nHost: a\nX: 1\n\n").await;
    let answer = client.answer().await;
    if answer.status == 200 {
        let head = answer.body.strip_prefix("shop\n").unwrap();
        assert_eq!(head.matches('\n').count(), head.matches("\r\n").count(), "{head:?}");
    } else {
        assert_eq!(answer.status, 400);
    }
    edge.stop().await;
}

#[tokio::test]
async fn what_traces_a_request_passes_through() {
    let app = App::echo("shop").await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let lines =
        [format!("traceparent: {trace}"), "tracestate: a=1".into(), "X-Request-Id: theirs".into()];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let answer = edge.ask("a", &lines).await;
    let got = |name| crate::support::header(&answer.body, name);
    assert_eq!((got("traceparent"), got("tracestate")), (Some(trace), Some("a=1")));
    // A stranger's id is not taken for ours, and app and client get the same one.
    assert_ne!(got("x-request-id"), Some("theirs"));
    assert_eq!(got("x-request-id"), answer.header("x-request-id"));
    edge.stop().await;
}

#[tokio::test]
async fn what_stands_behind_a_request_is_a_request_of_its_own() {
    let (shop, blog) = (App::echo("shop").await, App::echo("blog").await);
    let (edge, _data) = Running::with(table(
        1,
        &[("a", replicas(deployment(), &[shop.at])), ("b", replicas(deployment(), &[blog.at]))],
    ));
    let mut client = edge.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: b\r\n\r\n").await;
    assert!(client.answer().await.body.starts_with("shop\nGET / "));
    assert!(client.answer().await.body.starts_with("blog\nGET /next "));
    edge.stop().await;
}

#[tokio::test]
async fn an_unusable_host_is_refused_and_never_shown() {
    let app = App::echo("shop").await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let long = format!("Host: {}\r\n", "a".repeat(10_000));
    for hosts in [
        "",
        "Host:\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a, b\r\n",
        "Host: a b\r\n",
        "Host: a/../b\r\n",
        "Host: a@b\r\n",
        "Host: a:x\r\n",
        "Host: a:99999\r\n",
        "Host: ..\r\n",
        "Host: <script>alert(1)</script>\r\n",
        "Host: $(id)\r\n",
        "Host: \u{e4}\r\n",
        "Host: \u{7f}\r\n",
        long.as_str(),
    ] {
        let mut client = edge.client().await;
        client.send(&format!("GET / HTTP/1.1\r\n{hosts}Accept: text/html\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400, "{hosts:?}: {answer:?}");
        assert!(!answer.body.contains("script>alert"), "{answer:?}");
    }
    assert_eq!(app.connections(), 0);
    edge.stop().await;
}
