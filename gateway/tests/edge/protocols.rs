//! HTTP/2 on both sides, the PROXY protocol, compression: by real sockets.

use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hythe_core::edge::{EdgeSettings, Protocol};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{App, Running, deployment, header, replicas, served, soon, table};

type Sent = http_body_util::combinators::BoxBody<Bytes, Infallible>;

/// A client that speaks HTTP/2 without having asked.
async fn http2(at: SocketAddr) -> SendRequest<Sent> {
    let stream = soon(TcpStream::connect(at)).await.unwrap();
    let http = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = soon(http.handshake(TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn whole(text: &str) -> Sent {
    Full::new(Bytes::from(text.to_owned())).boxed()
}

fn with_trailers(text: &str) -> Sent {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    // What only the edge says to an app.
    trailers.insert("x-forwarded-user", "root".parse().unwrap());
    let frames = [Frame::data(Bytes::from(text.to_owned())), Frame::trailers(trailers)];
    let frames = frames.map(Ok::<_, Infallible>);
    StreamBody::new(futures_util::stream::iter(frames)).boxed()
}

/// An app that speaks HTTP/2 without TLS and nothing else. It answers with what it was sent, and with
/// trailers, as gRPC does.
async fn h2c_app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = |request: Request<Incoming>| async move {
                assert_eq!(request.version(), Version::HTTP_2);
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap();
                let forged = |all: &HeaderMap| all.contains_key("x-forwarded-user");
                assert!(!body.trailers().is_some_and(forged));
                let sum = body.trailers().and_then(|all| all.get("x-sum")).cloned();
                let told = format!(
                    "{} {} te={:?} connection={:?} sum={sum:?} {}",
                    head.method,
                    head.uri,
                    head.headers.get("te"),
                    head.headers.get("connection"),
                    String::from_utf8_lossy(&body.to_bytes()),
                );
                let answer = Response::builder().header("content-type", "application/grpc");
                Ok::<_, Infallible>(answer.body(with_trailers(&told)).unwrap())
            };
            let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    at
}

#[tokio::test]
async fn clients_may_speak_http2_and_many_requests_share_a_connection() {
    let app = App::echo("shop").await;
    let (edge, _data) =
        Running::with(table(1, &[("a.example", replicas(deployment(), &[app.at]))]));
    let sender = http2(edge.at).await;
    let asking = (0..50).map(|n| {
        let mut sender = sender.clone();
        async move {
            let request = Request::post(format!("http://a.example/{n}?x"))
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .header("te", "trailers")
                .body(whole("hi"))
                .unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.starts_with(&format!("shop\nPOST /{n}?x HTTP/1.1\r\n")), "{body}");
            assert_eq!(header(&body, "host"), Some("a.example"));
            assert_eq!(header(&body, "cookie"), Some("a=1; b=2"));
            assert_eq!(header(&body, "x-forwarded-for"), Some("127.0.0.1"));
            assert!(body.ends_with("hi"), "{body}");
        }
    });
    soon(futures_util::future::join_all(asking)).await;
    // What a client says twice, it says the same.
    let mut sender = sender;
    let request = Request::get("http://a.example/").header("host", "b.example");
    let answer = soon(sender.send_request(request.body(whole("")).unwrap())).await.unwrap();
    assert_eq!(answer.status(), 400);
    let request = Request::get("http://nobody.example/").body(whole("")).unwrap();
    assert_eq!(soon(sender.send_request(request)).await.unwrap().status(), 404);
    edge.stop().await;
}

#[tokio::test]
async fn who_says_apart_that_a_request_is_over_costs_its_app_no_connection() {
    let app = App::echo("shop").await;
    let (edge, _data) =
        Running::with(table(1, &[("a.example", replicas(deployment(), &[app.at]))]));
    let mut sender = http2(edge.at).await;
    for _ in 0..3 {
        // All that was announced, and then an empty piece that ends it.
        let pieces = [Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"hi")))];
        let body = StreamBody::new(futures_util::stream::iter(pieces)).boxed();
        let request = Request::post("http://a.example/").header("content-length", "2");
        let answer = soon(sender.send_request(request.body(body).unwrap())).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = soon(answer.into_body().collect()).await.unwrap().to_bytes();
        assert!(body.ends_with(b"hi"), "{body:?}");
    }
    edge.stop().await;
    assert_eq!(app.connections(), 1);
}

#[tokio::test]
async fn a_client_that_resets_its_streams_leaves_nothing_behind() {
    let app = App::new(|mut client| async move {
        client.head().await;
        client.end().await;
    })
    .await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let sender = http2(edge.at).await;
    for _ in 0..3 {
        let mut sender = sender.clone();
        let before = app.connections();
        let request = Request::get("http://a/").body(whole("")).unwrap();
        let asking = tokio::spawn(async move { sender.send_request(request).await.map(drop) });
        soon(async {
            while app.connections() == before {
                tokio::task::yield_now().await;
            }
        })
        .await;
        asking.abort();
    }
    let gone = "hythe_edge_requests_in_flight{host=\"a\",app=\"shop\"} 0";
    soon(async { while !edge.get("hythe-edge.internal", "/metrics").await.body.contains(gone) {} })
        .await;
    edge.stop().await;
}

#[tokio::test]
async fn an_app_that_asks_for_it_is_spoken_to_in_http2_with_trailers_both_ways() {
    let at = h2c_app().await;
    let settings = EdgeSettings { protocol: Protocol::H2c, ..EdgeSettings::default() };
    let (edge, _data) =
        Running::with(served(&[("a.example", replicas(deployment(), &[at]))], &settings));
    let mut sender = http2(edge.at).await;
    for _ in 0..3 {
        let request = Request::post("http://a.example/greeter.Greeter/Hello")
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(with_trailers("hi"))
            .unwrap();
        let answer = soon(sender.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = soon(answer.into_body().collect()).await.unwrap();
        assert_eq!(body.trailers().unwrap()["x-sum"], "7");
        let body = body.to_bytes();
        let told = "POST http://a.example/greeter.Greeter/Hello te=Some(\"trailers\") \
            connection=None sum=Some(\"7\") hi";
        assert_eq!(String::from_utf8_lossy(&body), told);
    }
    // Those who speak HTTP/1.1 reach it, too.
    let mut client = edge.client().await;
    client
        .send("POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert!(answer.body.starts_with("POST http://a.example/x "), "{answer:?}");
    assert!(answer.body.ends_with(" hi"), "{answer:?}");
    edge.stop().await;
}

#[tokio::test]
async fn only_trusted_peers_say_whose_connection_it_is_and_those_have_to() {
    let app = App::echo("shop").await;
    let to = || table(1, &[("a", replicas(deployment(), &[app.at]))]);
    let get = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
    let (edge, _data) = Running::tuned(to(), |config| {
        config.trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.proxy_protocol = true;
    });
    let mut client = edge.client().await;
    client.send(&format!("PROXY TCP4 192.0.2.1 198.51.100.2 5555 8443\r\n{get}")).await;
    let answer = client.answer().await;
    // What comes inside is the client's own word, and that is not believed.
    assert_eq!(header(&answer.body, "x-forwarded-for"), Some("192.0.2.1"), "{answer:?}");
    assert_eq!(header(&answer.body, "x-forwarded-port"), Some("8443"), "{answer:?}");
    client.send(get).await;
    assert_eq!(client.answer().await.status, 200);
    let mut silent = edge.client().await;
    silent.send(get).await;
    assert_eq!(silent.end().await, "", "it was served without having said whose it is");
    edge.stop().await;

    let (edge, _data) = Running::tuned(to(), |config| config.proxy_protocol = true);
    let mut stranger = edge.client().await;
    stranger.send(get).await;
    assert_eq!(header(&stranger.answer().await.body, "x-forwarded-for"), Some("127.0.0.1"));
    let mut liar = edge.client().await;
    liar.send(&format!("PROXY TCP4 192.0.2.1 198.51.100.2 5555 80\r\n{get}")).await;
    assert_eq!(liar.answer().await.status, 400);
    edge.stop().await;
}

/// An app that answers with what the path says.
async fn texts() -> App {
    App::new(|mut client| async move {
        while let Ok(head) = client.until_or_end("\r\n\r\n").await {
            let text = "all work and no play ".repeat(500);
            let length = text.len();
            let answer = match head.split(' ').nth(1).unwrap() {
                "/text" => format!(
                    "Content-Type: text/html\r\nETag: \"v1\"\r\nContent-Length: {length}\r\n\r\n{text}"
                ),
                "/picture" => {
                    format!("Content-Type: image/png\r\nContent-Length: {length}\r\n\r\n{text}")
                }
                "/small" => "Content-Type: text/html\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
                path => panic!("{path}"),
            };
            if client.stream.write_all(format!("HTTP/1.1 200 OK\r\n{answer}").as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_gets_smaller_is_compressed_for_those_who_take_it() {
    let app = texts().await;
    let to = || replicas(deployment(), &[app.at]);
    let (edge, _data) = Running::with(table(1, &[("a", to())]));
    let sender = http2(edge.at).await;
    let ask = |path: &'static str, accept: &'static str, method: &'static str| {
        let mut sender = sender.clone();
        async move {
            let request = Request::builder().method(method).uri(format!("http://a{path}"));
            let request = request.header("accept-encoding", accept).body(whole("")).unwrap();
            let answer = soon(sender.send_request(request)).await.unwrap();
            let (head, body) = answer.into_parts();
            let coding = head.headers.get("content-encoding").cloned();
            let body = soon(body.collect()).await.unwrap().to_bytes();
            (head.headers, coding.map(|coding| coding.to_str().unwrap().to_owned()), body)
        }
    };
    let text = "all work and no play ".repeat(500);
    for (accept, coding) in [("gzip", "gzip"), ("br", "br"), ("gzip, br, zstd", "zstd")] {
        let (headers, used, body) = ask("/text", accept, "GET").await;
        assert_eq!(used.as_deref(), Some(coding));
        assert_eq!(headers["vary"], "accept-encoding");
        assert_eq!(headers["etag"], "W/\"v1\"");
        assert!(!headers.contains_key("content-length"));
        let mut plain = String::new();
        match coding {
            "gzip" => flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut plain).unwrap(),
            "br" => brotli::Decompressor::new(&body[..], 4_096).read_to_string(&mut plain).unwrap(),
            _ => zstd::stream::read::Decoder::new(&body[..])
                .unwrap()
                .read_to_string(&mut plain)
                .unwrap(),
        };
        assert!(plain == text && body.len() < text.len() / 10, "{coding}: {} bytes", body.len());
    }
    for (path, accept) in [("/text", "identity"), ("/picture", "gzip"), ("/small", "gzip")] {
        let (headers, used, _) = ask(path, accept, "GET").await;
        assert_eq!(used, None, "{path}");
        assert!(headers.contains_key("content-length"), "{path}");
    }
    edge.stop().await;
    let as_is = EdgeSettings { compress: false, ..EdgeSettings::default() };
    let (edge, _data) = Running::with(served(&[("a", to())], &as_is));
    let mut client = edge.client().await;
    client.send("GET /text HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.header("content-encoding"), answer.body.as_str()), (None, text.as_str()));
    edge.stop().await;
}

#[tokio::test]
async fn a_compressed_answer_that_comes_in_pieces_is_not_held_back() {
    let (tell, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let app = App::new(move |client| {
        let tell = tell.clone();
        async move {
            let _ = tell.send(client);
        }
    })
    .await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").await;
    let mut app_side = soon(asked.recv()).await.unwrap();
    app_side.head().await;
    app_side.send("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert!(client.head().await.contains("content-encoding: gzip"));
    for _ in 0..3 {
        app_side.send("9\r\n{\"a\": 1}\n\r\n").await;
        // A chunk for each piece: whatever it looks like, it came before the next one was sent.
        let size = client.until("\r\n").await;
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        assert!(size > 0);
        let mut left = size + 2;
        while left > 0 {
            let mut piece = vec![0; left];
            left -= soon(client.read(&mut piece)).await;
        }
    }
    app_side.send("0\r\n\r\n").await;
    assert!(client.until_or_end("\r\n0\r\n\r\n").await.is_ok());
    edge.stop().await;
}
