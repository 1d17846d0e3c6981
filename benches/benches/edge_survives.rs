//! What an edge costs to have and to lose, beside nginx where that has the same: memory of idle and busy
//! connections and of ten thousand routes, the time from a crash to the first answer, and what a
//! replacement of the process under load takes and loses.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
#![expect(clippy::print_stdout, reason = "benches print what they measured")]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hythe_benches::load::{Load, Target};
use hythe_benches::{figure, median, millis, percentile, resident_mb, row};
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::routes::{Backend, Route, RouteTable};
use hythe_tests::installation::hythe;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uuid::Uuid;

const IDLE: usize = 10_000;
const BUSY: usize = 500;
const FEW: usize = 10;
const MANY: usize = 10_000;
const CRASHES: usize = 10;
const REPLACEMENTS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(60);
/// The host that is asked for: the last of all routes.
const HOST: &str = "shop.bench.example";

fn main() {
    getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most))
        .expect("open files");
    let folder = tempfile::tempdir().expect("a folder");
    let backend = Backends::start();

    let edge = Edge::new(&folder.path().join("memory"), FEW, backend.at);
    let ours = held(edge.at, || resident_mb(edge.child.id()));
    drop(edge);
    let nginx = Nginx::start(&folder.path().join("nginx"), FEW, backend.at);
    let theirs = held(nginx.at, || nginx.resident_mb());
    drop(nginx);
    let each = |mb: f64, count: usize| mb * 1024.0 / f64::from(u32::try_from(count).unwrap_or(1));
    row("an idle connection", each(ours.idle, IDLE), each(theirs.idle, IDLE), "KiB");
    row("a busy connection", each(ours.busy, BUSY), each(theirs.busy, BUSY), "KiB");
    row("10,000 idle and 500 busy, all of it", ours.all, theirs.all, "MB");

    let few = Edge::new(&folder.path().join("few"), FEW, backend.at);
    let mut many = Edge::new(&folder.path().join("many"), MANY, backend.at);
    let ours = resident_mb(many.child.id()) - resident_mb(few.child.id());
    drop(few);
    let few = Nginx::start(&folder.path().join("nginx-few"), FEW, backend.at);
    let base = few.resident_mb();
    drop(few);
    let nginx = Nginx::start(&folder.path().join("nginx-many"), MANY, backend.at);
    row("10,000 routes", ours, nginx.resident_mb() - base, "MB");
    drop(nginx);

    let back: Vec<_> = (0..CRASHES).map(|_| many.crash()).collect();
    figure("killed, until it answers again, 10,000 routes", millis(median(&back)), "ms");
    figure("the same, p90", millis(percentile(&back, 0.9)), "ms");

    let load = Load::start(&Target {
        address: many.at,
        host: HOST.to_owned(),
        path: "/",
        connections: 64,
        every: Duration::from_millis(5),
    });
    let took: Vec<_> = (0..REPLACEMENTS).map(|_| many.replace()).collect();
    let seen = load.finish();
    figure("replaced under load, until the old one has ended", millis(median(&took)), "ms");
    figure("p99 of requests meanwhile", millis(percentile(&seen.took, 0.99)), "ms");
    println!(
        "  {} of {} requests were lost over {REPLACEMENTS} replacements {:?}",
        seen.lost.len(),
        seen.took.len() + seen.lost.len(),
        seen.lost.first()
    );
}

/// Resident memory that connections took, in MB.
struct Held {
    idle: f64,
    busy: f64,
    all: f64,
}

/// Opens connections that ask once and lie idle, and others that wait for the end of an answer.
fn held(at: SocketAddr, resident: impl Fn() -> f64) -> Held {
    // What is paid once is none of a connection's.
    for _ in 0..64 {
        drop(ask(at, "/"));
    }
    let before = resident();
    let idle: Vec<_> = (0..IDLE).map(|_| ask(at, "/")).collect();
    let with_idle = resident();
    let busy: Vec<_> = (0..BUSY).map(|_| ask(at, "/busy")).collect();
    let with_busy = resident();
    drop((idle, busy));
    Held { idle: with_idle - before, busy: with_busy - with_idle, all: with_busy }
}

/// Asks, and waits for the head of the answer.
fn ask(at: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it takes it");
    let mut answer = [0; 1024];
    let got = stream.read(&mut answer).expect("it answers");
    assert!(answer.get(..got).is_some_and(|answer| answer.starts_with(b"HTTP/1.1 200")));
    stream
}

/// Answers with two bytes, or (`/busy`) with a head that promises more than comes.
struct Backends {
    at: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Backends {
    fn start() -> Self {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener =
            runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let at = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut head = [0; 4096];
                    // Requests here come one after the other, each in one piece.
                    while let Ok(got @ 1..) = stream.read(&mut head).await {
                        let busy = head.get(..got).is_some_and(|h| h.starts_with(b"GET /busy"));
                        let answer: &[u8] = if busy {
                            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok"
                        } else {
                            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                        };
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { at, _runtime: runtime }
    }
}

fn host(n: usize) -> String {
    if n == 0 { HOST.to_owned() } else { format!("app-{n}.bench.example") }
}

struct Edge {
    at: SocketAddr,
    data: PathBuf,
    child: Child,
}

impl Edge {
    fn new(data: &Path, routes: usize, backend: SocketAddr) -> Self {
        let route = |n: usize| {
            let id = Uuid::from_u128(n as u128 + 1);
            let name = format!("app-{n}").parse().expect("a name");
            let deployment = DeploymentId::new(id);
            let backend = Backend::Replicas { deployment, targets: vec![backend] };
            Route::new(AppId::new(id), name, backend)
        };
        let routes = (0..routes).map(|n| (host(n).parse().expect("a host"), route(n))).collect();
        let table = RouteTable { revision: 1, routes };
        std::fs::create_dir_all(data.join("edge")).expect("a folder");
        std::fs::write(data.join("instance"), format!("{}\n", Uuid::now_v7())).expect("a file");
        let message = serde_json::json!({ "format": 1, "table": table });
        std::fs::write(data.join("edge/routes.json"), message.to_string()).expect("a file");
        let at = free_address();
        let child = Self::spawn(data, at);
        answers(at);
        Self { at, data: data.to_owned(), child }
    }

    fn spawn(data: &Path, at: SocketAddr) -> Child {
        hythe()
            .args(["edge", "--take-over", "--nats", "nats://127.0.0.1:9"])
            .args(["--edge-http", &at.to_string()])
            .arg("--data")
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the edge starts")
    }

    /// Kills it and starts it again; how long it takes from then to the first answer.
    fn crash(&mut self) -> Duration {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        let begun = Instant::now();
        self.child = Self::spawn(&self.data, self.at);
        answers(self.at);
        begun.elapsed()
    }

    /// Has another process take its place; how long it takes until the old one has ended, which it does with
    /// its last connection.
    fn replace(&mut self) -> Duration {
        let begun = Instant::now();
        let next = Self::spawn(&self.data, self.at);
        let mut old = std::mem::replace(&mut self.child, next);
        assert!(old.wait().expect("it ends").success());
        begun.elapsed()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _gone_already = self.child.wait();
    }
}

/// An nginx with a server of its own for each host.
struct Nginx {
    at: SocketAddr,
    child: Child,
}

impl Nginx {
    fn start(folder: &Path, routes: usize, backend: SocketAddr) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let at = free_address();
        let mut conf = format!(
            "daemon off; worker_processes auto; pid {pid}; error_log {log} crit;\n\
             worker_rlimit_nofile 20000; events {{ worker_connections 16384; }}\n\
             http {{ access_log off; keepalive_timeout 600s; keepalive_requests 1000000;\n\
             server_names_hash_max_size 65536; server_names_hash_bucket_size 128;\n\
             proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $host;\n\
             proxy_buffering off;\n",
            pid = folder.join("pid").display(),
            log = folder.join("error.log").display(),
        );
        for n in 0..routes {
            // Options of a socket are said once.
            let options = if n == 0 { " reuseport backlog=4096" } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(
                conf,
                "upstream app{n} {{ server {backend}; keepalive 16; }}\n\
                 server {{ listen {at}{options}; server_name {}; \
                 location / {{ proxy_pass http://app{n}; }} }}",
                host(n)
            );
        }
        conf.push_str("}\n");
        let path = folder.join("nginx.conf");
        std::fs::write(&path, conf).expect("a file");
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts; scripts/bench installs it");
        answers(at);
        Self { at, child }
    }

    /// Of its workers and itself together.
    fn resident_mb(&self) -> f64 {
        let pid = self.child.id();
        let children = format!("/proc/{pid}/task/{pid}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let workers = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        workers.chain([pid]).map(resident_mb).sum()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that its workers end with it.
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or_default());
        let _gone_already = kill(pid, Signal::SIGTERM);
        let _gone_already = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// Waits for the first answer of whatever it may be.
fn answers(at: SocketAddr) {
    let begun = Instant::now();
    loop {
        let asked = TcpStream::connect(at).and_then(|mut stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            write!(stream, "GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")?;
            stream.read(&mut [0; 512])
        });
        if matches!(asked, Ok(1..)) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "nobody answers on {at}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
