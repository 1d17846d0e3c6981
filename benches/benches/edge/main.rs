//! The edge beside nginx, in one run: both in front of the same backend, asked in turns by the same
//! `wrk` over 64 connections that stay open; and the same with TLS 1.3 on both sides. Then a file of 10 kB out
//! of a static site beside nginx's. Then the edge beside itself: with ten routes and with ten
//! thousand, and how long a table of those takes from the bucket into force, under load. haproxy and Caddy are
//! asked in the same turns as nginx, and so is an nginx that does the like of what the edge does when all is
//! switched on.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
#![expect(clippy::print_stdout, reason = "benches print what they measured")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use hythe_actors::bus::{self, Bus, NatsSettings};
use hythe_benches::server::Nats;
use hythe_benches::{figure, median, millis, percentile, row};
use hythe_core::edge::{EdgeSettings, Rate, RouteEdge};
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::routes::{Backend, Route, RouteTable};
use hythe_core::time::Millis;
use hythe_core::wire::edge::{EdgeReport, RouteTableMessage};
use hythe_tests::installation::hythe;
use uuid::Uuid;

use self::peers::Peer;

mod files;
mod peers;
mod tls;

const ROUNDS: usize = 5;
const SECONDS: &str = "5";
const CONNECTIONS: &str = "64";
const FEW: usize = 10;
const MANY: usize = 10_000;
const TABLES: u64 = 20;
/// The host that is asked for: the last of all routes.
const HOST: &str = "shop.bench.example";
const WILDCARD: &str = "*.bench.example";
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let backend = free_address();
    let page = "x".repeat(1_024);
    let serves = format!("location / {{ default_type text/plain; return 200 '{page}'; }}");
    let _backend = Peer::nginx(&folder.path().join("backend"), backend, "", &serves);
    let theirs = free_address();
    let upstream = format!("upstream apps {{ server {backend}; keepalive 256; }}");
    let passes = "location / { proxy_pass http://apps; proxy_http_version 1.1; \
        proxy_set_header Connection ''; proxy_set_header Host $host; \
        proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; }";
    let _nginx = Peer::nginx(&folder.path().join("nginx"), theirs, &upstream, passes);
    let alike = free_address();
    let (before, within) = peers::alike(folder.path(), &upstream);
    let _alike = Peer::nginx(&folder.path().join("alike"), alike, &before, &within);
    let (haproxy, caddy) = (free_address(), free_address());
    let _haproxy = Peer::haproxy(&folder.path().join("haproxy"), haproxy, backend);
    let _caddy = Peer::caddy(&folder.path().join("caddy"), caddy, backend);

    let nats = Nats::start();
    let few = Edge::start(&folder.path().join("few"), &nats, &table(1, FEW, backend, false));
    let many = Edge::start(&folder.path().join("many"), &nats, &table(1, MANY, backend, false));
    let all = Edge::start(&folder.path().join("all"), &nats, &table(1, FEW, backend, true));
    let sides = [theirs, alike, haproxy, caddy, few.at, many.at, all.at];
    let mut seen: [Vec<Seen>; 7] = Default::default();
    for _ in 0..ROUNDS {
        for (side, seen) in sides.iter().zip(&mut seen) {
            seen.push(ask(*side));
        }
    }
    let [theirs, alike, haproxy, caddy, few_seen, many_seen, all_seen] =
        seen.map(|seen| Seen::middle(&seen));
    let peers =
        [("nginx", theirs), ("nginx with the like", alike), ("haproxy", haproxy), ("Caddy", caddy)];
    for (name, ours) in [("plain", few_seen), ("all switched on", all_seen)] {
        for (peer, theirs) in peers {
            row(&format!("requests a second, {name}, {peer}"), ours.rate, theirs.rate, "1/s");
            row(&format!("p99, {name}, {peer}"), ours.p99, theirs.p99, "ms");
        }
    }
    row("10,000 routes beside 10", many_seen.rate, few_seen.rate, "1/s");

    let [theirs, ours] = tls::beside(folder.path(), &nats, backend, (upstream.as_str(), passes));
    row("requests a second over TLS 1.3 beside nginx", ours.rate, theirs.rate, "1/s");
    row("p99 over TLS 1.3 beside nginx", ours.p99, theirs.p99, "ms");
    files::beside(folder.path(), &nats);

    let (took, lost) = apply(&nats, &many, backend);
    figure("a table of 10,000 routes, put until confirmed", millis(median(&took)), "ms");
    figure("the same, p90", millis(percentile(&took, 0.9)), "ms");
    println!("  {lost} while {TABLES} of them came into force");
}

/// Puts tables under load, and waits for each until the edge says that it is in force.
fn apply(nats: &Nats, edge: &Edge, backend: SocketAddr) -> (Vec<Duration>, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let load = Command::new("wrk")
        .args(["-t1", "-c16", "-d20s", "-H"])
        .args([format!("Host: {HOST}"), format!("http://{}/", edge.at)])
        .stdout(Stdio::piped())
        .spawn()
        .expect("wrk starts");
    let took = runtime.block_on(async {
        let url = format!("nats://{}", nats.address());
        let settings = NatsSettings { url, user: None, password: None, logs: None };
        let bus = bus::connect_in_background(&settings, "bench").await.expect("NATS is there");
        tokio::time::timeout(PATIENCE, bus.ready()).await.expect("NATS answers");
        let mut reports = reports(&bus).await;
        let mut took = Vec::new();
        for revision in 2..2 + TABLES {
            let table = table(revision, MANY, backend, false);
            let message = RouteTableMessage { format: 1, table, passwords: BTreeMap::new() };
            let begun = Instant::now();
            bus.put_routes(&message).await.expect("NATS takes it");
            let confirmed = async {
                while reports.next().await.is_none_or(|report| report.revision != revision) {}
            };
            tokio::time::timeout(PATIENCE, confirmed).await.expect("the edge confirms it");
            took.push(begun.elapsed());
        }
        took
    });
    let output = load.wait_with_output().expect("wrk ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let bad = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("Socket errors") || line.starts_with("Non-2xx"));
    let bad: Vec<&str> = bad.collect();
    let lost = if bad.is_empty() { "no request was lost".to_owned() } else { bad.join("; ") };
    (took, lost)
}

struct Reports(async_nats::Subscriber);

impl Reports {
    async fn next(&mut self) -> Option<EdgeReport> {
        serde_json::from_slice(&self.0.next().await?.payload).ok()
    }
}

async fn reports(bus: &Bus) -> Reports {
    Reports(bus.client().subscribe("hythe.report.edge.*").await.expect("NATS takes it"))
}

/// So many routes, all of which lead to the backend. With `all`, whatever can be switched on is.
fn table(revision: u64, routes: usize, backend: SocketAddr, all: bool) -> RouteTable {
    let app = |n: usize| AppId::new(Uuid::from_u128(n as u128 + 1));
    let route = |n: usize| Route {
        app: app(n),
        name: format!("app-{n}").parse().expect("a name"),
        backend: Backend::Replicas {
            deployment: DeploymentId::new(Uuid::from_u128(n as u128 + 1)),
            targets: vec![backend],
        },
        stopped: false,
        asleep: false,
        redirect: None,
        wildcards: BTreeSet::new(),
        mounts: BTreeMap::new(),
        canary: None,
        edge: all.then(|| {
            let settings = EdgeSettings {
                sticky: true,
                rate: Some(Rate { per_second: 1_000_000, burst: 1_000_000 }),
                allow: ["127.0.0.0/8".parse().expect("a range")].into(),
                body_bytes: Some(1 << 20),
                sleep_after: Some(Millis::seconds(3_600)),
                ..EdgeSettings::default()
            };
            Box::new(RouteEdge { settings, ..RouteEdge::usual(app(n)) })
        }),
    };
    let host = |n: usize| match n {
        0 => HOST.to_owned(),
        n => format!("app-{n}.bench.example"),
    };
    let routes = (0..routes).map(|n| (host(n).parse().expect("a host"), route(n))).collect();
    RouteTable { revision, routes }
}

/// What one round of `wrk` saw.
#[derive(Clone, Copy, Debug)]
struct Seen {
    rate: f64,
    /// In milliseconds.
    p99: f64,
}

impl Seen {
    fn middle(seen: &[Self]) -> Self {
        let middle = |of: fn(&Self) -> f64| {
            let mut sorted: Vec<f64> = seen.iter().map(of).collect();
            sorted.sort_by(f64::total_cmp);
            sorted.get(sorted.len() / 2).copied().unwrap_or_default()
        };
        Self { rate: middle(|seen| seen.rate), p99: middle(|seen| seen.p99) }
    }
}

fn ask(at: SocketAddr) -> Seen {
    ask_at(&format!("http://{at}/"))
}

fn ask_at(url: &str) -> Seen {
    let output = Command::new("wrk")
        .args(["-t2", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s"), "--latency", "-H"])
        .args([format!("Host: {HOST}").as_str(), url])
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("Non-2xx"), "{text}");
    let after = |name: &str| {
        let line = text.lines().map(str::trim).find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().last()).unwrap_or_default().to_owned()
    };
    let rate = after("Requests/sec:").parse().expect("a number");
    Seen { rate, p99: milliseconds(&after("99%")) }
}

/// A span as `wrk` writes it.
fn milliseconds(text: &str) -> f64 {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1_000.0)];
    let found = units.iter().find_map(|(unit, each)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * each)
    });
    found.expect("a span")
}

struct Edge {
    at: SocketAddr,
    child: Child,
}

impl Edge {
    fn start(data: &Path, nats: &Nats, table: &RouteTable) -> Self {
        Self::started(data, nats, table, &[])
    }

    fn started(data: &Path, nats: &Nats, table: &RouteTable, more: &[&str]) -> Self {
        std::fs::create_dir_all(data.join("edge")).expect("a folder");
        // Otherwise the folder is taken for somebody else's.
        std::fs::write(data.join("instance"), format!("{}\n", Uuid::now_v7())).expect("a file");
        let message = serde_json::json!({ "format": 1, "table": table });
        std::fs::write(data.join("edge/routes.json"), message.to_string()).expect("a file");
        let at = free_address();
        let child = hythe()
            .arg("edge")
            .arg("--data")
            .arg(data)
            .args(["--edge-http", &at.to_string(), "--nats", &format!("nats://{}", nats.address())])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the edge starts");
        listens(at);
        Self { at, child }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _gone_already = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

fn listens(at: SocketAddr) {
    let begun = Instant::now();
    while TcpStream::connect(at).is_err() {
        assert!(begun.elapsed() < PATIENCE, "nothing listens on {at}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
