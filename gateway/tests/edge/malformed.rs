//! Bytes that nobody thought of: whatever comes, it is answered or the connection ends, in bounded time,
//! and the edge serves the next one.
//!
//! Each round is of a seed, so that one that fails can be had again.

use std::net::SocketAddr;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{App, Running, deployment, replicas, soon, table};

/// Connections of each kind; ten times as many in a soak.
const ROUNDS: u64 = 200;

fn rounds() -> std::ops::Range<u64> {
    let times = if std::env::var_os("HYTHE_SOAK").is_some() { 10 } else { 1 };
    0..ROUNDS * times
}

/// How often something panicked on a serving thread, which ends only the one connection and would go
/// unnoticed otherwise.
fn panics() -> &'static AtomicUsize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |what| {
            if std::thread::current().name().is_some_and(|name| name.starts_with("edge-")) {
                PANICS.fetch_add(1, SeqCst);
            }
            usual(what);
        }));
    });
    &PANICS
}

/// SplitMix64: small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.roll() % (most.max(1) as u64)).unwrap()
    }

    fn of<'a, T: ?Sized>(&mut self, some: &[&'a T]) -> &'a T {
        some[self.below(some.len())]
    }
}

/// Requests that are as they should be, to begin with.
const REQUESTS: [&str; 7] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a/b?c=d HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nCookie: a=b; c=d\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a:80\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, X\r\nUpgrade: websocket\r\nX: y\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n\r\n",
];

/// What is put into them: what parsers have stumbled over.
const ODD: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"\r\n ",
    b"\xff\xfe",
    b"\xc3\x28",
    b"Content-Length: 3\r\n",
    b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Host: b\r\n",
    b"Host: \r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"-1\r\n",
    b"HTTP/1.0",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b"%00%0d%0a",
    b"[::1%25eth0]",
];

fn mutated(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = dice.of(&REQUESTS).as_bytes().to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        match dice.below(5) {
            0 => {
                let odd = dice.of(&ODD);
                drop(bytes.splice(at..at, odd.iter().copied()));
            }
            1 => drop(bytes.drain(at..(at + 1 + dice.below(8)).min(bytes.len()))),
            2 => bytes[at] ^= 1 << dice.below(8),
            3 => {
                let piece = bytes[at..].to_vec();
                bytes.extend(piece);
            }
            _ => bytes.truncate(at.max(1)),
        }
        if bytes.is_empty() {
            bytes.push(b'G');
        }
    }
    bytes
}

fn random(dice: &mut Dice) -> Vec<u8> {
    (0..=dice.below(2_000)).map(|_| dice.roll().to_le_bytes()[0]).collect()
}

/// A preface and frames of HTTP/2, of which something is wrong.
fn frames(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for _ in 0..=dice.below(8) {
        let length = dice.below(64);
        let claimed = if dice.below(4) == 0 { dice.below(1 << 24) } else { length };
        bytes.extend(&u32::try_from(claimed).unwrap().to_be_bytes()[1..]);
        bytes.extend([dice.below(12), dice.below(64)].map(|byte| u8::try_from(byte).unwrap()));
        bytes.extend(u32::try_from(dice.below(8)).unwrap().to_be_bytes());
        bytes.extend((0..length).map(|_| dice.roll().to_le_bytes()[0]));
    }
    bytes
}

/// A header of the PROXY protocol, of which something is wrong, and a request.
fn proxied(dice: &mut Dice) -> Vec<u8> {
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x15\xb3\0\x50";
    let text = b"PROXY TCP4 192.0.2.1 198.51.100.2 5555 80\r\n";
    let mut bytes = if dice.below(2) == 0 { binary.to_vec() } else { text.to_vec() };
    for _ in 0..dice.below(4) {
        let at = dice.below(bytes.len());
        bytes[at] = dice.roll().to_le_bytes()[0];
    }
    bytes.extend(dice.of(&REQUESTS).as_bytes());
    bytes
}

/// Sends bytes in pieces of any size, says that no more will come, and waits for the end.
async fn thrown_at(at: SocketAddr, bytes: &[u8], dice: &mut Dice) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let mut rest = bytes;
    while !rest.is_empty() {
        let size = if dice.below(3) == 0 { rest.len() } else { 1 + dice.below(rest.len().min(40)) };
        let (piece, after) = rest.split_at(size);
        // It may have hung up already.
        if stream.write_all(piece).await.is_err() {
            return;
        }
        rest = after;
        tokio::task::yield_now().await;
    }
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut got = Vec::new();
    // Reset or ended: either is an end.
    let _ = stream.read_to_end(&mut got).await;
}

async fn edge_survives(proxy_protocol: bool, make: fn(&mut Dice) -> Vec<u8>) {
    let app = App::echo("shop").await;
    let (edge, _data) =
        Running::tuned(table(1, &[("a", replicas(deployment(), &[app.at]))]), |config| {
            config.limits.head_within = Duration::from_secs(2);
            config.limits.stall = Duration::from_secs(2);
            config.limits.answer_within = Duration::from_secs(2);
            config.limits.half_open = Duration::from_secs(2);
            if proxy_protocol {
                config.proxy_protocol = true;
                config.trusted = vec!["127.0.0.0/8".parse().unwrap()];
            }
        });
    let panics = panics();
    for seed in rounds() {
        let mut dice = Dice(seed);
        let bytes = make(&mut dice);
        let thrown = thrown_at(edge.at, &bytes, &mut dice);
        let within = tokio::time::timeout(Duration::from_secs(15), thrown).await;
        let text = String::from_utf8_lossy(&bytes);
        assert!(within.is_ok(), "seed {seed}: {text:?}");
        assert_eq!(panics.load(SeqCst), 0, "seed {seed}: {text:?}");
    }
    let hello = if proxy_protocol { "PROXY UNKNOWN\r\n" } else { "" };
    let mut client = edge.client().await;
    client.send(&format!("{hello}GET /after HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    assert!(client.answer().await.body.starts_with("shop\nGET /after "));
    soon(edge.stop()).await;
}

#[tokio::test]
async fn requests_that_were_tampered_with() {
    edge_survives(false, mutated).await;
}

#[tokio::test]
async fn random_bytes() {
    edge_survives(false, random).await;
}

#[tokio::test]
async fn frames_of_http2_that_make_no_sense() {
    edge_survives(false, frames).await;
}

#[tokio::test]
async fn headers_of_the_proxy_protocol_that_were_tampered_with() {
    edge_survives(true, proxied).await;
}
