//! What flows while it flows: bodies both ways, server-sent events, WebSockets, trailers.

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{App, Client, Running, deployment, replicas, soon, table};

/// An app whose connections are played by the test.
pub async fn puppet() -> (App, mpsc::UnboundedReceiver<Client>) {
    let (tell, asked) = mpsc::unbounded_channel();
    let app = App::new(move |client| {
        let tell = tell.clone();
        async move {
            let _ = tell.send(client);
        }
    })
    .await;
    (app, asked)
}

#[tokio::test]
async fn both_bodies_pass_piece_by_piece_and_at_once() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        .await;
    let mut app_side = soon(asked.recv()).await.unwrap();
    app_side.head().await;
    assert_eq!(app_side.chunk().await, "one");
    app_side.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    client.head().await;
    assert_eq!(client.chunk().await, "first");
    // Neither body has ended, and both go on.
    client.send("3\r\ntwo\r\n").await;
    assert_eq!(app_side.chunk().await, "two");
    app_side.send("6\r\nsecond\r\n0\r\n\r\n").await;
    assert_eq!(client.chunks().await, "second");
    edge.stop().await;
}

#[tokio::test]
async fn an_app_that_does_not_read_holds_the_client_back() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    let total = 64 * 1024 * 1024;
    client.send(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {total}\r\n\r\n")).await;
    let mut app_side = soon(asked.recv()).await.unwrap();
    app_side.head().await;
    let piece = vec![b'x'; 64 * 1024];
    let mut taken = 0;
    // Sockets hold a few megabytes; an edge that buffered would take all of it.
    while let Ok(sent) = tokio::time::timeout(std::time::Duration::from_millis(500), async {
        tokio::io::AsyncWriteExt::write(&mut client.stream, &piece).await.unwrap()
    })
    .await
    {
        taken += sent;
        assert!(taken < total, "the edge took everything");
    }
    drop(app_side);
    drop(client);
    edge.stop().await;
}

#[tokio::test]
async fn server_sent_events_come_as_they_are_sent() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n").await;
    let mut app_side = soon(asked.recv()).await.unwrap();
    app_side.head().await;
    // Without a length, ended by closing, as simple servers do it.
    app_side.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").await;
    assert!(client.head().await.contains("text/event-stream"));
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        app_side.send(event).await;
        assert_eq!(client.chunk().await, event);
    }
    drop(app_side);
    assert_eq!(client.chunk().await, "");
    edge.stop().await;
}

#[tokio::test]
async fn an_app_that_breaks_off_is_not_taken_for_one_that_finished() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    for framing in
        ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
    {
        let mut client = edge.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut app_side = soon(asked.recv()).await.unwrap();
        app_side.head().await;
        app_side.send(&format!("HTTP/1.1 200 OK\r\n{framing}")).await;
        client.until("half").await;
        drop(app_side);
        let rest = client.end().await;
        assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn trailers_pass_both_ways_and_their_connections_take_the_next_request() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    let mut before = None;
    for _ in 0..3 {
        client
            .send(
                "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Sum\r\n\
                 Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n",
            )
            .await;
        let mut app_side = match before.take() {
            Some(before) => before,
            None => soon(asked.recv()).await.unwrap(),
        };
        assert!(app_side.head().await.contains("te: trailers"));
        assert_eq!(app_side.chunk().await, "hi");
        app_side.until("0\r\n").await;
        assert_eq!(app_side.head().await.to_lowercase(), "x-sum: 1\r\n\r\n");
        app_side
            .send(
                "HTTP/1.1 200 OK\r\nTrailer: X-Total\r\nTransfer-Encoding: chunked\r\n\r\n\
                 2\r\nho\r\n0\r\nX-Total: 2\r\n\r\n",
            )
            .await;
        client.head().await;
        assert_eq!(client.chunk().await, "ho");
        client.until("0\r\n").await;
        assert_eq!(client.head().await.to_lowercase(), "x-total: 2\r\n\r\n");
        before = Some(app_side);
    }
    edge.stop().await;
    assert_eq!(app.connections(), 1);
}

#[tokio::test]
async fn a_client_may_wait_to_be_told_to_continue() {
    let app = App::echo("shop").await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 100 "));
    client.send("hi").await;
    assert!(client.answer().await.body.ends_with("hi"));
    // Where nobody would take it, nobody asks for it.
    client
        .send("POST / HTTP/1.1\r\nHost: no\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.status, 404);
    edge.stop().await;
}

#[tokio::test]
async fn a_get_with_a_body_keeps_it_and_an_old_client_is_served() {
    let app = App::echo("shop").await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let mut client = edge.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        .await;
    assert!(client.answer().await.body.ends_with("hi"));
    let mut client = edge.client().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let answer = client.answer().await;
    assert!(answer.body.starts_with("shop\nGET / HTTP/1.1\r\n"), "{answer:?}");
    edge.stop().await;
}

#[tokio::test]
async fn websockets_pass_and_end_with_their_app() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let app = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        for _ in 0..3 {
            let message = socket.next().await.unwrap().unwrap();
            socket.send(message).await.unwrap();
        }
        socket.close(None).await.unwrap();
        while socket.next().await.is_some() {}
    });
    let (edge, _data) = Running::with(table(1, &[("ws.example", replicas(deployment(), &[at]))]));
    let stream = TcpStream::connect(edge.at).await.unwrap();
    let request = "ws://ws.example/chat".into_client_request().unwrap();
    let (mut socket, answer) =
        soon(tokio_tungstenite::client_async(request, stream)).await.unwrap();
    assert_eq!(answer.status(), 101);
    for message in [Message::text("hello"), Message::binary(vec![7; 300_000]), Message::text("")] {
        soon(socket.send(message.clone())).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), message);
    }
    assert!(matches!(soon(socket.next()).await, Some(Ok(Message::Close(_)))));
    drop(socket);
    soon(app).await.unwrap();
    edge.stop().await;
}

#[tokio::test]
async fn any_protocol_can_be_switched_to_but_only_when_asked() {
    let (app, mut asked) = puppet().await;
    let (edge, _data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tin-can\r\n\r\n";
    let mut client = edge.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tin-can\r\n\r\n")
        .await;
    let mut app_side = soon(asked.recv()).await.unwrap();
    assert!(app_side.head().await.contains("upgrade: tin-can"));
    // What comes right behind the switch belongs to the new protocol.
    app_side.send(&format!("{switch}early")).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: tin-can"), "{head}");
    client.until("early").await;
    client.send("late").await;
    app_side.until("late").await;
    drop(app_side);
    assert_eq!(client.end().await, "");
    drop(client);

    // An app may decline, and the connection stays an HTTP one.
    let mut client = edge.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tin-can\r\n\r\n")
        .await;
    let mut app_side = soon(asked.recv()).await.unwrap();
    app_side.head().await;
    app_side.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno").await;
    assert_eq!(client.answer().await.body, "no");
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(app_side.head().await.starts_with("GET / "));
    app_side.send(switch).await;
    assert_eq!(client.answer().await.status, 502);
    edge.stop().await;
}
