//! Durable commands over HTTP beside the same server whose data folder lies in memory, so that
//! nothing is ever synced: 64 connections that change the settings of apps, one event a request,
//! spread over many apps and on a single one; by itself, and (`-- building`) while an image is
//! built that keeps every core busy.
//!
//! Connections that never rest take all that two cores give, and wait for one another: how long one
//! command takes is seen besides at a steady rate, counted from the moment at which each was due.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure stops")]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use hythe_benches::by_hand::client;
use hythe_benches::server::{Nats, Server};
use hythe_benches::{figure, history, millis, percentile, row};
use tokio::net::TcpStream;

const CONNECTIONS: u64 = 64;
const APPS: u64 = 1_000;
const ROUNDS: usize = 3;
/// Commands a second, all connections together, at the steady rate.
const STEADY: u32 = 2_000;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(4);

fn main() {
    let building = std::env::args().any(|text| text == "building");
    let _build = building.then(Build::start);
    let when = if building { ", while building" } else { "" };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let nats = [Nats::start(), Nats::start()];
    let folders =
        [tempfile::TempDir::new_in(".").unwrap(), tempfile::TempDir::new_in("/dev/shm").unwrap()];
    let servers: Vec<Server> = folders
        .iter()
        .zip(&nats)
        .map(|(folder, nats)| {
            history::write(folder.path(), APPS, APPS);
            Server::start(folder.path(), nats).0
        })
        .collect();
    for (what, apps) in [("many apps", APPS), ("one hot app", 1)] {
        let mut rates = [Vec::new(), Vec::new()];
        let mut late = Vec::new();
        let mut steady = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (at, server) in servers.iter().enumerate() {
                let token: Arc<str> = server.token().into();
                let run = Run { address: server.address(), token, apps, every: None };
                let latencies = runtime.block_on(run.clone().measure());
                rates[at].push(per_second(latencies.len()));
                if at == 0 {
                    late.push(percentile(&latencies, 0.99));
                }
                let every = Some(Duration::from_secs(CONNECTIONS) / STEADY);
                let latencies = runtime.block_on(Run { every, ..run }.measure());
                steady[at].push(millis(percentile(&latencies, 0.99)));
            }
        }
        let [durable, memory] = rates.map(middle);
        row(&format!("commands, {what}{when}"), durable, memory, "per second");
        late.sort_unstable();
        figure(&format!("  p99, {what}{when}"), millis(late[late.len() / 2]), "ms");
        let [durable, memory] = steady.map(middle);
        row(&format!("  p99 at {STEADY}/s, {what}{when}"), durable, memory, "ms");
    }
    for server in servers {
        server.stop();
    }
}

fn middle(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn per_second(requests: usize) -> f64 {
    f64::from(u32::try_from(requests).unwrap()) / MEASURED.as_secs_f64()
}

#[derive(Clone)]
struct Run {
    address: SocketAddr,
    token: Arc<str>,
    apps: u64,
    /// From one command of a connection to its next; none where it never rests.
    every: Option<Duration>,
}

impl Run {
    /// How long each request took that was answered while it was measured.
    async fn measure(self) -> Vec<Duration> {
        let begin = Instant::now() + WARM_UP;
        let counter = Arc::new(AtomicU64::new(0));
        let connections = u32::try_from(CONNECTIONS).unwrap();
        let connections: Vec<_> = (0..connections)
            .map(|place| {
                let first = begin - WARM_UP + self.every.unwrap_or_default() * place / connections;
                tokio::spawn(self.clone().connection(Arc::clone(&counter), first, begin))
            })
            .collect();
        let mut latencies = Vec::new();
        for connection in connections {
            latencies.extend(connection.await.unwrap());
        }
        latencies
    }

    async fn connection(
        self,
        counter: Arc<AtomicU64>,
        first: Instant,
        begin: Instant,
    ) -> Vec<Duration> {
        let mut due = first;
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut latencies = Vec::new();
        while begin.elapsed() < MEASURED {
            let n = counter.fetch_add(1, Ordering::Relaxed);
            let request = Request::patch(format!("/api/v1/apps/{}", history::name(n % self.apps)))
                .header("host", self.address.to_string())
                .header("authorization", format!("Bearer {}", self.token))
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from(format!("{{\"port\":{}}}", 1024 + n % 60_000))))
                .unwrap();
            if let Some(every) = self.every {
                tokio::time::sleep_until(due.into()).await;
                due += every;
            }
            let sent = self.every.map_or_else(Instant::now, |every| due - every);
            let response = send.send_request(request).await.unwrap();
            let status = response.status();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(status.is_success(), "{status}: {body:?}");
            if sent >= begin && begin.elapsed() < MEASURED {
                latencies.push(sent.elapsed());
            }
        }
        latencies
    }
}

/// A build that keeps two cores busy until it is dropped.
struct Build {
    child: Child,
    _files: tempfile::TempDir,
}

impl Build {
    fn start() -> Self {
        let files = tempfile::TempDir::new().unwrap();
        let work = "FROM busybox\n\
                    RUN (gzip -9 </dev/urandom >/dev/null & gzip -9 </dev/urandom >/dev/null & wait)\n";
        std::fs::write(files.path().join("Dockerfile"), work).unwrap();
        let child = Command::new(client())
            .env("DOCKER_BUILDKIT", "1")
            .args(["build", "--no-cache"])
            .arg(files.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let build = Self { child, _files: files };
        let begin = Instant::now();
        while !busy() {
            assert!(begin.elapsed() < Duration::from_secs(30), "the build does not come to work");
            std::thread::sleep(Duration::from_millis(50));
        }
        build
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        // The client passes it on: the engine ends the build.
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _gone_already = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
        let _gone_already = self.child.wait();
    }
}

/// Whether both of the build's processes run.
fn busy() -> bool {
    let found = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        line.starts_with("gzip\0-9")
    });
    found.count() >= 2
}
