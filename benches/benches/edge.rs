//! The edge beside nginx, in one run: both in front of the same backend, asked in turns by the same
//! `wrk` over 64 connections that stay open; and the same with TLS 1.3 on both sides. Then a file of 10 kB out
//! of a static site beside nginx's. Then the edge beside itself: with ten routes and with ten
//! thousand, and how long a table of those takes from the bucket into force, under load.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
#![expect(clippy::print_stdout, reason = "benches print what they measured")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use crypto_box::SecretKey;
use crypto_box::aead::OsRng;
use futures_util::StreamExt as _;
use hythe_actors::bus::{self, Bus, NatsSettings};
use hythe_benches::server::Nats;
use hythe_benches::{figure, median, millis, percentile, row};
use hythe_core::edge::{EdgeSettings, Rate, RouteEdge};
use hythe_core::ids::{AppId, CertificateId, DeploymentId};
use hythe_core::routes::{Backend, Route, RouteTable};
use hythe_core::site::{FileHash, MANIFEST_FORMAT, Manifest, SiteFile, SiteId, SitePath, Variants};
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::certificate::{CertificateMessage, FleetKeyMessage, SealedKey};
use hythe_core::wire::edge::{EdgeReport, RouteTableMessage};
use hythe_tests::installation::hythe;
use uuid::Uuid;

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
    let _backend = Nginx::start(&folder.path().join("backend"), backend, "", &serves);
    let theirs = free_address();
    let upstream = format!("upstream apps {{ server {backend}; keepalive 256; }}");
    let passes = "location / { proxy_pass http://apps; proxy_http_version 1.1; \
        proxy_set_header Connection ''; proxy_set_header Host $host; \
        proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; }";
    let _nginx = Nginx::start(&folder.path().join("nginx"), theirs, &upstream, passes);

    let nats = Nats::start();
    let few = Edge::start(&folder.path().join("few"), &nats, &table(1, FEW, backend, false));
    let many = Edge::start(&folder.path().join("many"), &nats, &table(1, MANY, backend, false));
    let all = Edge::start(&folder.path().join("all"), &nats, &table(1, FEW, backend, true));
    let sides = [theirs, few.at, many.at, all.at];
    let mut seen: [Vec<Seen>; 4] = Default::default();
    for _ in 0..ROUNDS {
        for (side, seen) in sides.iter().zip(&mut seen) {
            seen.push(ask(*side));
        }
    }
    let [theirs, few_seen, many_seen, all_seen] = seen.map(|seen| Seen::middle(&seen));
    row("requests a second beside nginx", few_seen.rate, theirs.rate, "1/s");
    row("p99 beside nginx", few_seen.p99, theirs.p99, "ms");
    row("all switched on, beside nginx", all_seen.rate, theirs.rate, "1/s");
    row("p99, all switched on, beside nginx", all_seen.p99, theirs.p99, "ms");
    row("10,000 routes beside 10", many_seen.rate, few_seen.rate, "1/s");

    let [theirs, ours] = over_tls(folder.path(), &nats, backend, (upstream.as_str(), passes));
    row("requests a second over TLS 1.3 beside nginx", ours.rate, theirs.rate, "1/s");
    row("p99 over TLS 1.3 beside nginx", ours.p99, theirs.p99, "ms");
    beside_files(folder.path(), &nats);

    let (took, lost) = apply(&nats, &many, backend);
    figure("a table of 10,000 routes, put until confirmed", millis(median(&took)), "ms");
    figure("the same, p90", millis(percentile(&took, 0.9)), "ms");
    println!("  {lost} while {TABLES} of them came into force");
}

/// nginx and the edge with the same certificate, asked in turns.
fn over_tls(
    folder: &Path,
    nats: &Nats,
    backend: SocketAddr,
    (upstream, passes): (&str, &str),
) -> [Seen; 2] {
    let certificate = Certificate::new();
    let files = folder.join("tls");
    std::fs::create_dir_all(&files).expect("a folder");
    std::fs::write(files.join("chain.pem"), &certificate.chain).expect("a file");
    std::fs::write(files.join("key.pem"), certificate.key.serialize_pem()).expect("a file");
    let inside = format!(
        "ssl_certificate {files}/chain.pem; ssl_certificate_key {files}/key.pem; \
         ssl_protocols TLSv1.3; {passes}",
        files = files.display()
    );
    let theirs = free_address();
    let _nginx = Nginx::listening(&folder.join("nginx-tls"), theirs, " ssl", upstream, &inside);
    let data = folder.join("edge-tls");
    certificate.keep(&data.join("edge"));
    let ours = free_address();
    let domain = HOST.split_once('.').map_or(HOST, |(_, domain)| domain);
    // `wrk` names no host, as it connects to an address: the domain's certificate is shown then.
    let more = ["--edge-https", &ours.to_string(), "--base-domain", domain];
    let _edge = Edge::started(&data, nats, &table(1, FEW, backend, false), &more);
    listens(ours);
    let mut seen: [Vec<Seen>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (side, seen) in [theirs, ours].iter().zip(&mut seen) {
            seen.push(ask_at(&format!("https://{side}/")));
        }
    }
    seen.map(|seen| Seen::middle(&seen))
}

/// One for all hosts that are asked for here, signed by itself.
struct Certificate {
    chain: String,
    key: rcgen::KeyPair,
}

impl Certificate {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec![WILDCARD.to_owned()]).expect("a name");
        let chain = params.self_signed(&key).expect("a certificate").pem();
        Self { chain, key }
    }

    /// Writes it where an edge finds it, sealed as the control plane does.
    fn keep(&self, data: &Path) {
        let folder = data.join("certificates");
        std::fs::create_dir_all(&folder).expect("a folder");
        let (own, fleet) = (SecretKey::from_bytes([1; 32]), [2_u8; 32]);
        let boxed = own.public_key().seal(&mut OsRng, &fleet).expect("a box");
        let id = CertificateId::new(Uuid::now_v7());
        let bound = CertificateMessage::bound_to(id, 1);
        let plain = self.key.serialize_der();
        let payload = Payload { msg: &plain, aad: &bound };
        let cipher = XChaCha20Poly1305::new_from_slice(&fleet).expect("32 bytes");
        let text = cipher.encrypt(&XNonce::from([3; 24]), payload).expect("a ciphertext");
        let message = CertificateMessage {
            format: 1,
            id,
            version: 1,
            names: [WILDCARD.parse().expect("a name")].into(),
            chain: self.chain.clone(),
            key: SealedKey([&[3; 24][..], &text].concat()),
            not_after: Timestamp(u64::MAX),
        };
        let keys = [FleetKeyMessage { format: 1, sealed: boxed }];
        let write = |path: std::path::PathBuf, bytes: Vec<u8>| {
            std::fs::write(path, bytes).expect("a file");
        };
        write(data.join("sealing.key"), own.to_bytes().to_vec());
        write(folder.join("fleet.json"), serde_json::to_vec(&keys).expect("JSON"));
        write(folder.join(format!("{id}.json")), serde_json::to_vec(&message).expect("JSON"));
    }
}

/// A file of 10 kB that the edge serves out of a static site, beside nginx that serves it from its disk.
fn beside_files(folder: &Path, nats: &Nats) {
    let files = folder.join("files");
    std::fs::create_dir_all(&files).expect("a folder");
    let page = "<p>ten kilobytes of a page</p>\n".repeat(330);
    std::fs::write(files.join("index.html"), &page).expect("a file");
    let theirs = free_address();
    let root = format!("root {}; location / {{ }}", files.display());
    let opened = "sendfile on; tcp_nopush on; open_file_cache max=100 inactive=60s;";
    let _nginx = Nginx::start(&folder.join("nginx-files"), theirs, opened, &root);
    let ours = Edge::start(&folder.join("site"), nats, &site(&folder.join("site/edge"), &page));
    let mut seen: [Vec<Seen>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (side, seen) in [theirs, ours.at].iter().zip(&mut seen) {
            seen.push(ask(*side));
        }
    }
    let [theirs, ours] = seen.map(|seen| Seen::middle(&seen));
    row("a static file of 10 kB beside nginx", ours.rate, theirs.rate, "1/s");
    row("p99, a static file of 10 kB beside nginx", ours.p99, theirs.p99, "ms");
}

/// Puts a site of one page where an edge keeps them; gives the table that leads there.
fn site(data: &Path, page: &str) -> RouteTable {
    let digest = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    let hash = FileHash::new(digest(page.as_bytes())).expect("a digest");
    let file =
        SiteFile { hash: hash.clone(), bytes: page.len() as u64, variants: Variants::default() };
    let manifest = Manifest {
        format: MANIFEST_FORMAT,
        single_page: false,
        redirects: Vec::new(),
        headers: Vec::new(),
        files: [(SitePath::new("index.html").expect("a path"), file)].into(),
    };
    let manifest = serde_json::to_vec(&manifest).expect("JSON");
    let id = SiteId::new(digest(&manifest)).expect("a digest");
    let (lists, files) = (data.join("sites/manifests"), data.join("sites/files"));
    let folder = files.join(hash.as_str().get(..2).expect("two digits"));
    for folder in [&lists, &folder] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    std::fs::write(lists.join(id.as_str()), manifest).expect("a file");
    std::fs::write(folder.join(hash.as_str()), page).expect("a file");
    let deployment = DeploymentId::new(Uuid::from_u128(1));
    let backend = Backend::Site { deployment, site: id, earlier: Vec::new() };
    let route =
        Route::new(AppId::new(Uuid::from_u128(1)), "site".parse().expect("a name"), backend);
    RouteTable { revision: 1, routes: [(HOST.parse().expect("a host"), route)].into() }
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

struct Nginx(Child);

impl Nginx {
    fn start(folder: &Path, at: SocketAddr, outside: &str, inside: &str) -> Self {
        Self::listening(folder, at, "", outside, inside)
    }

    fn listening(folder: &Path, at: SocketAddr, how: &str, outside: &str, inside: &str) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let path = folder.join("nginx.conf");
        let conf = format!(
            "daemon off; worker_processes auto; pid {pid}; error_log {log} crit;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; keepalive_requests 1000000; {outside}\n\
             server {{ listen {at} reuseport{how}; {inside} }} }}\n",
            pid = folder.join("pid").display(),
            log = folder.join("error.log").display(),
        );
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
        listens(at);
        Self(child)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that its workers end with it.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap_or_default());
        let _gone_already = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _gone_already = self.0.wait();
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
