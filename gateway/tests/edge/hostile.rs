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

#[tokio::test]
async fn lengths_of_chunks_are_plain_hexadecimal_numbers_and_the_encoding_is_plain_too() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = |encoding: &str| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:{encoding}\r\n\r\n")
    };
    let chunks = |text: &str| format!("{}{text}\r\n\r\n{smuggled}", head(" chunked"));
    let encoded = |encoding: &str| format!("{}0\r\n\r\n{smuggled}", head(encoding));
    let rows = [
        ("a negative size", chunks("-1")),
        ("a prefixed size", chunks("0x0")),
        ("no size", chunks("")),
        ("a size with an underscore", chunks("0_0")),
        ("a size with a comma", chunks("0,0")),
        ("a size that begins with a space", chunks(" 0")),
        ("a size that overflows 64 bits", chunks("10000000000000000")),
        ("a size with NUL", chunks("0\0")),
        ("a parameter of the encoding", encoded(" chunked;q=1")),
        ("an encoding in quotes", encoded(" \"chunked\"")),
        ("an encoding with NUL", encoded(" chunked\0")),
        ("two words", encoded(" chunked chunked")),
        ("no encoding", encoded("")),
        ("a list that does not end with it", encoded(" chunked, gzip")),
        ("another letter that looks the same", encoded(" \u{441}hunked")),
    ];
    for (what, request) in rows {
        let (app, mut heard) = listener().await;
        let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
        let mut client = edge.client().await;
        client.send(&request).await;
        let got = client.end().await;
        let status = got.split(' ').nth(1).unwrap_or("nothing");
        assert!(matches!(status, "400" | "501"), "{what}: {got:?}");
        assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "{what}: {got:?}");
        edge.stop().await;
        while let Ok(rest) = heard.try_recv() {
            assert!(!rest.contains("smuggled"), "{what}: {rest:?}");
        }
    }
}

#[tokio::test]
async fn an_app_gets_one_length_and_the_host_that_the_target_names() {
    let (shop, blog) = (App::echo("shop").await, App::echo("blog").await);
    let (edge, _data) = Running::with(table(
        1,
        &[("a", replicas(deployment(), &[shop.at])), ("b", replicas(deployment(), &[blog.at]))],
    ));
    let mut client = edge.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.to_lowercase().matches("content-length").count(), 1, "{answer:?}");

    client.send("GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.answer().await;
    assert!(answer.body.starts_with("blog\nGET /x HTTP/1.1\r\n"), "{answer:?}");
    assert_eq!(crate::support::header(&answer.body, "host"), Some("b"));
    assert!(!answer.body.contains("http://"), "{answer:?}");
    edge.stop().await;
}

#[tokio::test]
async fn trailers_hold_nothing_that_frames_or_routes_or_says_who_somebody_is() {
    let (tell, mut heard) = mpsc::unbounded_channel();
    let app = App::new(move |mut client| {
        let tell = tell.clone();
        async move {
            client.until("\r\n0\r\n").await;
            let mut trailers = String::new();
            loop {
                let line = client.until("\r\n").await;
                if line == "\r\n" {
                    break;
                }
                trailers.push_str(&line.to_lowercase());
            }
            let _ = tell.send(trailers);
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    })
    .await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
             Trailer: content-length, transfer-encoding, host, x-sum, x-forwarded-user, \
             x_real_ip, forwarded, authorization\r\n\r\n2\r\nhi\r\n0\r\n\
             Content-Length: 40\r\nTransfer-Encoding: chunked\r\nHost: b\r\nX-Sum: 7\r\n\
             X-Forwarded-User: root\r\nX_Real_IP: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n\
             Authorization: Basic YTpi\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.status, 200);
    let trailers = crate::support::soon(heard.recv()).await.unwrap();
    assert_eq!(trailers, "x-sum: 7\r\n");
    edge.stop().await;
}

/// A request over HTTP/2 as its fields say, byte by byte: literals that nothing compresses (RFC 7541, 6.2.2).
fn headers_frame(stream: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    let length = u32::try_from(block.len()).unwrap().to_be_bytes();
    // HEADERS, with END_STREAM and END_HEADERS.
    let mut frame = [&length[1..], &[1, 5, 0, 0, 0, stream]].concat();
    frame.extend(block);
    frame
}

#[tokio::test]
async fn what_http2_forbids_reaches_no_app_as_a_request_of_http1() {
    const SMUGGLED: &str = "x\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let usual =
        [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/smuggled")];
    let with = |more: &[(&'static str, &'static str)]| [&usual[..], more].concat();
    let without = |name: &str| -> Vec<_> {
        usual.iter().filter(|(field, _)| *field != name).copied().collect()
    };
    let instead = |name: &'static str, value: &'static str| -> Vec<(&str, &str)> {
        usual.iter().map(|f| if f.0 == name { (name, value) } else { *f }).collect()
    };
    let rows = [
        ("an encoding", with(&[("transfer-encoding", "chunked")])),
        ("a connection", with(&[("connection", "close")])),
        ("an upgrade", with(&[("upgrade", "websocket")])),
        ("keep-alive", with(&[("keep-alive", "x")])),
        ("a proxy's connection", with(&[("proxy-connection", "x")])),
        ("a length that is not so", with(&[("content-length", "5")])),
        ("two lengths", with(&[("content-length", "0"), ("content-length", "5")])),
        ("an upper case name", with(&[("X-A", "b")])),
        ("a name with a colon", with(&[("x:a", "b")])),
        ("a name with CRLF", with(&[("x\r\ny", "b")])),
        ("a value with CRLF", with(&[("x", SMUGGLED)])),
        ("a value with NUL", with(&[("x", "a\0b")])),
        ("another host", with(&[("host", "b")])),
        ("two methods", with(&[(":method", "GET")])),
        ("two paths", with(&[(":path", "/")])),
        ("two authorities", with(&[(":authority", "b")])),
        ("a field of its own that begins with a colon", with(&[(":x", "y")])),
        ("a field before those", [&[("x", "y")][..], &usual[..]].concat()),
        ("no method", without(":method")),
        ("no path", without(":path")),
        ("a method with CRLF", instead(":method", SMUGGLED)),
        ("a path with CRLF", instead(":path", "/ HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("a path with a space", instead(":path", "/a b")),
        ("an authority with CRLF", instead(":authority", "a\r\nX: y")),
        ("an authority with a user", instead(":authority", "x@a")),
        ("an authority with a path", instead(":authority", "a/b")),
    ];
    let (tell, mut heard) = mpsc::unbounded_channel();
    let app = App::new(move |mut client| {
        let tell = tell.clone();
        async move {
            while let Ok(head) = client.until_or_end("\r\n\r\n").await {
                let _ = tell.send(head);
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for (what, fields) in rows {
        let mut client = edge.client().await;
        client.send_bytes(&[&preface[..], &headers_frame(1, &fields)].concat()).await;
        // What it says of that, if anything, it has said when it answers this.
        let ping = [&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], b"whatever"].concat();
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, &ping).await;
        let _ = client.until_or_end("whatever").await;
        // The next connection is served, and what came before it reached nobody.
        let mut client = edge.client().await;
        let good = headers_frame(1, &instead(":path", "/good"));
        client.send_bytes(&[&preface[..], &good].concat()).await;
        let head = crate::support::soon(heard.recv()).await.unwrap();
        assert!(head.starts_with("GET /good HTTP/1.1\r\n"), "{what}: {head:?}");
    }
    edge.stop().await;
    assert!(heard.try_recv().is_err());
}
