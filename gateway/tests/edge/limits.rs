//! Every bound holds.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::support::{App, Client, Running, deployment, replicas, soon, table};

const SHORT: Duration = Duration::from_millis(200);
/// For what must come in time, also on a busy machine; and how often an edge looks whose time is over.
const UNHURRIED: Duration = Duration::from_secs(2);

#[tokio::test]
async fn slow_heads_and_idle_connections_are_ended() {
    let (edge, _data) = Running::tuned(table(1, &[]), |config| config.limits.head_within = SHORT);
    let (patient, _data) = Running::tuned(table(1, &[]), |config| {
        config.limits.head_within = UNHURRIED;
        config.limits.idle = SHORT * 3;
    });
    let began = Instant::now();
    let mut silent = edge.client().await;
    let mut slow = edge.client().await;
    slow.send("GET / HTTP/1.1\r\n").await;
    let mut idle = patient.client().await;
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.answer().await;
    assert_eq!(silent.end().await, "");
    assert_eq!(slow.end().await, "");
    assert!(began.elapsed() >= SHORT);
    assert_eq!(idle.end().await, "");
    assert!(began.elapsed() >= SHORT * 3);
    patient.stop().await;
    // One that trickles gets no more time than one that is silent.
    let mut trickle = edge.client().await;
    let began = Instant::now();
    loop {
        let sent = tokio::io::AsyncWriteExt::write_all(&mut trickle.stream, b"X").await;
        let ended = tokio::time::timeout(SHORT / 10, trickle.end()).await;
        if sent.is_err() || ended.is_ok() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "never ended");
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_client_that_stalls_in_a_body_is_let_go() {
    let (tell, mut asked) = mpsc::unbounded_channel::<Client>();
    let app = App::new(move |client| {
        let tell = tell.clone();
        async move {
            let _ = tell.send(client);
        }
    })
    .await;
    let route = [("a", replicas(deployment(), &[app.at]))];
    let (edge, _data) = Running::tuned(table(1, &route), |config| {
        config.limits.stall = SHORT;
        config.limits.head_within = UNHURRIED;
    });
    let mut sender = edge.client().await;
    sender.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
    let mut app_side = soon(asked.recv()).await.unwrap();
    app_side.until("half").await;
    assert_eq!(sender.end().await, "");
    assert_eq!(app_side.end().await, "");

    let mut taker = edge.client().await;
    taker.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut app_side = soon(asked.recv()).await.unwrap();
    app_side.head().await;
    app_side.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await;
    let piece = vec![b'x'; 1 << 20];
    let refused = async {
        while tokio::io::AsyncWriteExt::write_all(&mut app_side.stream, &piece).await.is_ok() {}
    };
    soon(refused).await;
    edge.stop().await;
}

#[tokio::test]
async fn an_app_that_never_answers_is_given_up_but_not_while_the_body_comes() {
    // A shorter time than its connection's timer may be armed for, and one that this timer keeps.
    tokio::join!(given_up(UNHURRIED * 10), given_up(UNHURRIED));
}

async fn given_up(head_within: Duration) {
    let app = App::new(|mut client| async move {
        client.head().await;
        client.end().await;
    })
    .await;
    let route = [("a", replicas(deployment(), &[app.at]))];
    let (edge, _data) = Running::tuned(table(1, &route), |config| {
        config.limits.answer_within = UNHURRIED;
        config.limits.head_within = head_within;
    });
    let sending = async {
        let mut client = edge.client().await;
        let began = Instant::now();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n").await;
        let mut ticks = tokio::time::interval(SHORT);
        for _ in 0..15 {
            ticks.tick().await;
            client.send("x").await;
        }
        assert_eq!(client.answer().await.status, 504);
        // Longer than it took to give up the one that sent nothing.
        assert!(began.elapsed() > SHORT * 14 + UNHURRIED / 2, "{:?}", began.elapsed());
    };
    let (silent, ()) = tokio::join!(edge.get("a", "/"), sending);
    assert_eq!(silent.status, 504);
    edge.stop().await;
}

#[tokio::test]
async fn heads_have_a_size() {
    let app = App::echo("shop").await;
    let route = [("a", replicas(deployment(), &[app.at]))];
    let (edge, _data) = Running::with(table(1, &route));
    let request =
        |size: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(size));
    for (size, status) in [(16_000, 200), (40_000, 431), (1_000_000, 431)] {
        let mut client = edge.client().await;
        // The edge may hang up while we are still talking.
        let _ =
            tokio::io::AsyncWriteExt::write_all(&mut client.stream, request(size).as_bytes()).await;
        match client.try_answer(false).await {
            Ok(answer) => assert_eq!(answer.status, status, "{size}"),
            Err(got) => assert!(status == 431 && got.is_empty(), "{size}: {got}"),
        }
    }
    let mut client = edge.client().await;
    let many = "X: y\r\n".repeat(200);
    client.send(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).await;
    assert_eq!(client.answer().await.status, 431);
    let mut client = edge.client().await;
    let long = "x".repeat(70_000);
    let _ = tokio::io::AsyncWriteExt::write_all(
        &mut client.stream,
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(),
    )
    .await;
    assert!(client.try_answer(false).await.is_ok_and(|a| a.status == 431 || a.status == 414));
    edge.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let (edge, _data) = Running::tuned(table(1, &[]), |config| config.limits.connections = 2);
    let mut first = edge.client().await;
    let mut second = edge.client().await;
    for client in [&mut first, &mut second] {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.answer().await;
    }
    let mut third = edge.client().await;
    third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let waits = tokio::time::timeout(SHORT, third.answer()).await;
    assert!(waits.is_err(), "a third connection was served");
    drop(first);
    assert_eq!(third.answer().await.status, 404);
    edge.stop().await;
}
