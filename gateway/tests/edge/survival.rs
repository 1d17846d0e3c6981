//! The edge as a process of its own, with nobody beside it: it goes on, comes back, and stays small.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hythe_core::ids::AppId;
use hythe_core::routes::{Backend, Route, RouteTable};
use hythe_gateway::up::DataDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::ports::free_addresses;
use crate::support::{App, Client, Running, deployment, message, replicas, soon, table};

/// A `hythe edge`, without NATS unless it is told of one. Ends with the test.
pub struct Process {
    pub child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStderr>>,
}

impl Process {
    pub fn start(data: &Path, at: SocketAddr, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HYTHE_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["edge", "--nats", "nats://127.0.0.1:9", "--edge-http", &at.to_string()])
            .arg("--data")
            .arg(data)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits until it accepts.
    pub async fn serves(mut self) -> Serving {
        let lines = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("it ended");
                if line.contains("serving") && line.contains("addresses=") {
                    return;
                }
            }
        };
        soon(lines).await;
        // What it says further on is to hold it up no more than a service manager would.
        let mut lines = self.lines;
        let reading = tokio::spawn(async move {
            let mut said = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                said.push(line);
            }
            said
        });
        Serving { child: self.child, reading }
    }
}

/// One that accepts.
pub struct Serving {
    pub child: Child,
    reading: tokio::task::JoinHandle<Vec<String>>,
}

impl Serving {
    /// Waits for its end, which is to be a good one, and gives what it said.
    pub async fn ended(mut self) -> Vec<String> {
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        let said = self.reading.await.unwrap();
        assert!(status.expect("it ends").unwrap().success(), "{said:#?}");
        said
    }

    pub async fn stop(self) -> Vec<String> {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.ended().await
    }
}

/// A data folder with this table.
pub fn data_with(table: RouteTable) -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let dir = DataDir::prepare(data.path()).unwrap();
    std::fs::write(dir.edge().join("routes.json"), message(table)).unwrap();
    data
}

/// So many hosts, `app-N.example`, that all lead to one place.
fn large_table(routes: u32, to: SocketAddr) -> RouteTable {
    let backend = |n: u32| Backend::Replicas {
        deployment: hythe_core::ids::DeploymentId::new(Uuid::from_u128(u128::from(n) + 1)),
        targets: vec![to],
    };
    let route = |n: u32| {
        let app = AppId::new(Uuid::from_u128(u128::from(n) + 1));
        Route::new(app, format!("app-{n}").parse().unwrap(), backend(n))
    };
    let routes =
        (0..routes).map(|n| (format!("app-{n}.example").parse().unwrap(), route(n))).collect();
    RouteTable { revision: 1, routes }
}

/// What a process holds in memory, in bytes: `VmRSS` of `/proc/PID/status`.
fn resident(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Killed with ten thousand routes on its disk, it answers again within a second, as a release build does;
/// this one is not optimised and shares the machine with other tests.
#[tokio::test]
async fn one_that_was_killed_is_back_from_what_is_on_its_disk() {
    const ROUTES: u32 = 10_000;
    const WITHIN: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
    let app = App::echo("shop").await;
    let data = data_with(large_table(ROUTES, app.at));
    let [at] = free_addresses();
    let mut edge = Process::start(data.path(), at, &[]).serves().await;
    edge.child.kill().await.unwrap();
    let begun = Instant::now();
    let edge = Process::start(data.path(), at, &[]).serves().await;
    let mut client = Client::to(at).await;
    let last = ROUTES - 1;
    client.send(&format!("GET / HTTP/1.1\r\nHost: app-{last}.example\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 200);
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
    edge.stop().await;
}

/// What an idle connection may cost an edge besides the kernel's own: twice what was measured (a buffer
/// of hyper's of 8 KiB, the futures that drive the connection, and what the allocator rounds up).
const IDLE_CONNECTION: u64 = 32 * 1024;
/// The same while it is being answered: buffers both ways, and a connection to the replica.
const BUSY_CONNECTION: u64 = 128 * 1024;

#[tokio::test]
async fn many_idle_and_some_busy_connections_stay_within_a_bound() {
    const IDLE: u64 = 2_000;
    const BUSY: u64 = 100;
    // Answers each request by a head and nothing more, until the test has looked.
    let app = App::new(|mut client| async move {
        while let Ok(head) = client.until_or_end("\r\n\r\n").await {
            if head.starts_with("GET /busy") {
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n").await;
                client.end().await;
                return;
            }
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| {
            let files = nix::sys::resource::Resource::RLIMIT_NOFILE;
            nix::sys::resource::setrlimit(files, most, most)
        })
        .unwrap();
    let data = data_with(table(1, &[("a", replicas(deployment(), &[app.at]))]));
    let [at] = free_addresses();
    let edge = Process::start(data.path(), at, &[]).serves().await;
    let ask = |path: &'static str| async move {
        let mut client = Client::to(at).await;
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        client
    };
    // What is paid once is none of a connection's.
    for _ in 0..64 {
        assert_eq!(ask("/").await.answer().await.status, 200);
    }
    let before = resident(&edge.child);
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        let mut client = ask("/").await;
        assert_eq!(client.answer().await.status, 200);
        idle.push(client);
    }
    let with_idle = resident(&edge.child).saturating_sub(before);
    assert!(with_idle < IDLE * IDLE_CONNECTION, "{} each", with_idle / IDLE);
    let mut busy = Vec::new();
    for _ in 0..BUSY {
        let mut client = ask("/busy").await;
        client.head().await;
        busy.push(client);
    }
    let with_busy = resident(&edge.child).saturating_sub(before + with_idle);
    assert!(with_busy < BUSY * BUSY_CONNECTION, "{} each", with_busy / BUSY);
    println!("idle: {} bytes each; busy: {} bytes each", with_idle / IDLE, with_busy / BUSY);
    drop((idle, busy));
    edge.stop().await;
}

/// An edge does not look through its routes. A ratio, since this build is not optimised;
/// benches/benches/edge.rs has the times.
#[tokio::test]
async fn ten_thousand_routes_are_looked_up_as_ten_are() {
    const REQUESTS: usize = 300;
    const ROUNDS: usize = 5;
    let app = App::echo("shop").await;
    let (few, _few) = Running::with(large_table(10, app.at));
    let (many, _many) = Running::with(large_table(10_000, app.at));
    let mut clients = [few.client().await, many.client().await];
    let mut took = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (client, took) in clients.iter_mut().zip(&mut took) {
            let begun = Instant::now();
            for _ in 0..REQUESTS {
                client.send("GET / HTTP/1.1\r\nHost: app-7.example\r\n\r\n").await;
                assert_eq!(client.answer().await.status, 200);
            }
            *took = begun.elapsed().min(*took);
        }
    }
    // The best of several rounds each: what is left is noise, and a scan would be a hundredfold.
    assert!(took[1] < took[0] * 3, "{took:?}");
    few.stop().await;
    many.stop().await;
}
