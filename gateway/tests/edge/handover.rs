//! One edge takes the place of another: nobody is refused, nothing is cut.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hythe_gateway::edge::{Edge, EdgeError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::ports::free_addresses;
use crate::support::{
    App, Client, Running, config, deployment, header, message, no_nats, replicas, soon, table,
};
use crate::survival::{Process, Serving, data_with};

/// How often the edge is replaced, and how long after it was.
const TIMES: usize = 5;
const BETWEEN: Duration = Duration::from_secs(4);
/// A long answer and a slow upload: pieces, and one each.
const PIECES: usize = 200;
const PIECE_EACH: Duration = Duration::from_millis(100);

/// Answers at once, in many pieces, after a body, or as an echo over an upgraded connection.
async fn app() -> App {
    App::new(|mut client| async move {
        while let Ok(head) = client.until_or_end("\r\n\r\n").await {
            let path = head.split(' ').nth(1).unwrap_or_default();
            let sent = match path {
                "/long" => long_answer(&mut client).await,
                "/upload" => {
                    let mut body = [0; PIECES];
                    let read = async {
                        let mut got = 0;
                        while got < body.len() {
                            got += client.read(&mut body[got..]).await;
                        }
                    };
                    read.await;
                    answer(&mut client, "taken").await
                }
                "/echo" => {
                    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                                    Upgrade: echo\r\n\r\n";
                    let _ = client.stream.write_all(switched.as_bytes()).await;
                    let (mut from, mut to) = client.stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                    return;
                }
                _ => answer(&mut client, "ok").await,
            };
            if sent.is_err() {
                return;
            }
        }
    })
    .await
}

async fn answer(client: &mut Client, text: &str) -> std::io::Result<()> {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    client.stream.write_all(answer.as_bytes()).await
}

async fn long_answer(client: &mut Client) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {PIECES}\r\n\r\n");
    client.stream.write_all(head.as_bytes()).await?;
    let mut ticks = tokio::time::interval(PIECE_EACH);
    for _ in 0..PIECES {
        ticks.tick().await;
        client.stream.write_all(b"x").await?;
    }
    Ok(())
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    answers: AtomicUsize,
    failures: Mutex<Vec<String>>,
    enough: AtomicBool,
}

impl Seen {
    fn count(&self, asked: Result<(), String>) {
        match asked {
            Ok(()) => drop(self.answers.fetch_add(1, SeqCst)),
            Err(why) => self.failures.lock().unwrap().push(why),
        }
    }
}

/// One request after the other, over connections that stay open, or each over one of its own.
async fn load(at: SocketAddr, seen: Arc<Seen>, keep: bool) {
    let mut kept: Option<Client> = None;
    while !seen.enough.load(SeqCst) {
        let asked = async {
            let mut client = match kept.take() {
                Some(client) => client,
                None => Client::over(TcpStream::connect(at).await.map_err(|e| e.to_string())?),
            };
            let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
            client.stream.write_all(request).await.map_err(|e| e.to_string())?;
            let answer = client.try_answer(false).await?;
            if (answer.status, answer.body.as_str()) != (200, "ok") {
                return Err(format!("{answer:?}"));
            }
            // What an edge has to say that gives its place away.
            kept = (keep && header(&answer.head, "connection") != Some("close")).then_some(client);
            Ok(())
        };
        seen.count(soon(asked).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn slow_upload(at: SocketAddr) -> Result<(), String> {
    let mut client = Client::to(at).await;
    let head = format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {PIECES}\r\n\r\n");
    client.send(&head).await;
    let mut ticks = tokio::time::interval(PIECE_EACH);
    for _ in 0..PIECES {
        ticks.tick().await;
        client.stream.write_all(b"x").await.map_err(|e| e.to_string())?;
    }
    let answer = client.try_answer(false).await?;
    (answer.body == "taken").then_some(()).ok_or_else(|| format!("{answer:?}"))
}

async fn long_download(at: SocketAddr) -> Result<(), String> {
    let mut client = Client::to(at).await;
    client.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.try_answer(false).await?;
    (answer.body.len() == PIECES).then_some(()).ok_or_else(|| format!("{answer:?}"))
}

async fn upgraded(at: SocketAddr, seen: Arc<Seen>) -> Result<(), String> {
    let mut client = Client::to(at).await;
    client
        .send("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        .await;
    client.head().await;
    let mut round = 0_u8;
    while !seen.enough.load(SeqCst) {
        client.stream.write_all(&[round]).await.map_err(|e| e.to_string())?;
        let mut back = [0];
        soon(client.stream.read_exact(&mut back)).await.map_err(|e| e.to_string())?;
        if back != [round] {
            return Err(format!("{back:?} for {round}"));
        }
        round = round.wrapping_add(1);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_times_an_edge_is_replaced_and_no_request_fails() {
    let app = app().await;
    let data = data_with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let [at] = free_addresses();
    let mut now = Process::start(data.path(), at, &["--take-over"]).serves().await;
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    for keep in [true, true, true, true, false, false] {
        let seen = Arc::clone(&seen);
        clients.spawn(async move {
            load(at, seen, keep).await;
            Ok(())
        });
    }
    clients.spawn(upgraded(at, Arc::clone(&seen)));
    let mut long = JoinSet::new();
    long.spawn(slow_upload(at));
    long.spawn(long_download(at));
    let mut before: Vec<Serving> = Vec::new();
    for _ in 0..TIMES {
        tokio::time::sleep(BETWEEN).await;
        let answers = seen.answers.load(SeqCst);
        let next = Process::start(data.path(), at, &["--take-over"]).serves().await;
        before.push(std::mem::replace(&mut now, next));
        let served = async {
            while seen.answers.load(SeqCst) < answers + 100 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(served).await;
    }
    while let Some(ended) = long.join_next().await {
        ended.unwrap().unwrap();
    }
    seen.enough.store(true, SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap().unwrap();
    }
    let failures = seen.failures.lock().unwrap().clone();
    assert!(failures.is_empty(), "{} of {:?}: {failures:#?}", failures.len(), seen.answers);
    for edge in before {
        edge.ended().await;
    }
    now.stop().await;
}

#[tokio::test]
async fn idle_connections_are_answered_once_more_and_then_end() {
    let app = app().await;
    let (old, data) =
        Running::tuned(table(1, &[("a", replicas(deployment(), &[app.at]))]), |config| {
            config.limits.part_within = Duration::from_secs(2);
        });
    let (mut asks, mut silent) = (old.client().await, old.client().await);
    let mut begun = old.client().await;
    for client in [&mut asks, &mut silent, &mut begun] {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.header("connection"), None);
    }
    // One has begun its next request.
    begun.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    let mut config = config(data.path(), no_nats());
    config.listen = vec![old.at];
    let next = Running::take_over(config).await;
    assert_eq!(next.id, old.id);
    // Its table is the same, before anybody told it.
    assert_eq!(next.get("a", "/").await.body, "ok");
    // The one before may hear a moment later that it is not its own any more; it shows in its answers.
    loop {
        asks.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = asks.answer().await;
        assert_eq!(answer.status, 200);
        if answer.header("connection") == Some("close") {
            break;
        }
    }
    assert_eq!(asks.end().await, "");
    begun.send("\r\n").await;
    let answer = begun.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(begun.end().await, "");
    assert_eq!(silent.end().await, "");
    // It ends by itself.
    old.ended().await.unwrap();
    next.stop().await;
}

#[tokio::test]
async fn however_many_cores_the_next_one_has_everybody_is_served() {
    let app = app().await;
    let (mut now, data) =
        Running::tuned(table(1, &[("a", replicas(deployment(), &[app.at]))]), |config| {
            config.cores = NonZeroUsize::new(3);
        });
    for cores in [1, 4, 2] {
        let mut config = config(data.path(), no_nats());
        config.listen = vec![now.at];
        config.cores = NonZeroUsize::new(cores);
        let next = Running::take_over(config).await;
        // The kernel spreads them over all sockets, those of before included.
        for _ in 0..32 {
            assert_eq!(next.get("a", "/").await.body, "ok");
        }
        let before = std::mem::replace(&mut now, next);
        before.ended().await.unwrap();
    }
    now.stop().await;
}

#[tokio::test]
async fn one_that_cannot_take_over_leaves_the_other_as_it_is() {
    let app = app().await;
    let (old, data) = Running::with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let stranger = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(data.path(), no_nats());
    config.listen = vec![old.at];
    assert_eq!(old.get("a", "/").await.body, "ok");
    let refused = Edge::bind(config.clone()).unwrap_err();
    assert!(matches!(refused, EdgeError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("--take-over"), "{refused}");

    let mut taken = config.clone();
    taken.listen.push(stranger.local_addr().unwrap());
    let refused = soon(Edge::take_over(taken)).await.unwrap_err();
    assert!(matches!(refused, EdgeError::Listen { .. }), "{refused}");
    // What makes no sense is found before anything is taken.
    let mut nonsense = config.clone();
    nonsense.nats.url = "no:address:at all".into();
    let edge = soon(Edge::take_over(nonsense)).await.unwrap();
    soon(Box::pin(edge.run(std::future::pending()))).await.unwrap_err();
    // Its disk has an older table than the one in force.
    std::fs::write(data.path().join("routes.json"), message(table(0, &[]))).unwrap();
    let edge = soon(Edge::take_over(config)).await.unwrap();
    let refused = soon(Box::pin(edge.run(std::future::pending()))).await.unwrap_err();
    assert!(matches!(refused, EdgeError::TakeOver(_)), "{refused}");

    assert_eq!(old.get("a", "/").await.body, "ok");
    old.stop().await;
}

#[tokio::test]
async fn told_to_stop_both_stop() {
    let app = App::new(|mut client| async move {
        client.head().await;
        client.end().await;
    })
    .await;
    let (old, data) =
        Running::tuned(table(1, &[("a", replicas(deployment(), &[app.at]))]), |config| {
            config.limits.stop_within = Duration::from_millis(300);
        });
    // One that is never answered.
    let mut client = old.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let asked = async {
        while app.connections() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(asked).await;
    let mut config = config(data.path(), no_nats());
    config.listen = vec![old.at];
    let next = Running::take_over(config).await;
    assert_eq!(next.get("b", "/").await.status, 404);
    next.tell_to_stop();
    next.ended().await.unwrap();
    old.ended().await.unwrap();
    assert_eq!(client.end().await, "");
}
