//! What a deployment through Hythe costs beside the same done by hand.
//!
//! Ours: from the accepted request to the first 200 of the new version through the edge, git
//! included. Theirs: `docker build` with BuildKit, `docker run`, and the first 200 of the
//! container, without git. The same files, one after the other, in turns; every version says
//! something else, so that an old answer is never taken for a new one.
//!
//! Cold: an early layer changes, so every step runs. Warm: only the page changes.
//!
//! Whoever asks for the new version costs the machine something too: on our side the old version
//! answers until then, and its server makes a process for every request. So both sides are asked
//! every [`ASK_EVERY`], which adds half of that to both.

#![expect(clippy::panic, clippy::expect_used, reason = "a bench that cannot measure stops")]
#![expect(clippy::print_stdout, reason = "benches print what they measured")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hythe_benches::{median, millis, percentile, row};
use hythe_tests::git_server::GitServer;
use hythe_tests::installation::Installation;
use hythe_tests::repository::{Repositories, Repository};

const PAIRS: usize = 12;
/// From one question for the new version to the next.
const ASK_EVERY: Duration = Duration::from_millis(8);

const DOCKERFILE: &str = "FROM busybox\nCOPY dependencies /dependencies\n\
    RUN for n in 1 2 3 4 5 6 7 8; do sha256sum /dependencies > /sum-$n; done && sleep 0.5\n\
    COPY index.html /www/index.html\nEXPOSE 8080\n\
    CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";

fn main() {
    let repositories = Repositories::default();
    let git = GitServer::start(repositories.root());
    let hythe = Installation::start();
    let repository = repositories.create("app", &files("0", "0"));
    let url = format!("{}/app.git", git.url());
    hythe.json(&["deploy", "app", "--repo", &url, "--wait"]);

    let run = repositories.root().display().to_string();
    for cold in [true, false] {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        let mut our_parts = Parts::default();
        let mut their_parts = Parts::default();
        for n in 1..=PAIRS {
            // The engine remembers the layers of an earlier run.
            let [a, b] = ["ours", "theirs"].map(|side| format!("{side}-{cold}-{n}-{run}"));
            let layer = |nonce: &str| if cold { nonce.to_owned() } else { "0".to_owned() };
            ours.push(through_hythe(&hythe, &repository, &layer(&a), &a, &mut our_parts));
            theirs.push(by_hand(&layer(&b), &b, &mut their_parts));
        }
        let what = if cold { "deploy, cold cache" } else { "deploy, one line changed" };
        row(what, millis(median(&ours)), millis(median(&theirs)), "ms median");
        let late = |samples: &[Duration]| millis(percentile(samples, 0.9));
        row(&format!("{what}, p90"), late(&ours), late(&theirs), "ms");
        println!("  {PAIRS} pairs; medians of the parts, in ms");
        println!("  ours:   {our_parts}");
        println!("  theirs: {their_parts}");
    }
    hythe.finish();
}

/// What the whole was made of.
#[derive(Default)]
struct Parts(Vec<(String, Vec<Duration>)>);

impl Parts {
    fn add(&mut self, name: &str, took: Duration) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, samples)) => samples.push(took),
            None => self.0.push((name.to_owned(), vec![took])),
        }
    }
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, samples) in &self.0 {
            write!(f, "{name} {:.0}  ", millis(median(samples)))?;
        }
        Ok(())
    }
}

fn files<'a>(layer: &'a str, page: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("Dockerfile", DOCKERFILE), ("dependencies", layer), ("index.html", page)]
}

fn through_hythe(
    hythe: &Installation,
    repository: &Repository,
    layer: &str,
    page: &str,
    parts: &mut Parts,
) -> Duration {
    repository.commit(&files(layer, page));
    let begin = Instant::now();
    let id = request(hythe);
    parts.add("accepted", begin.elapsed());
    until_served(hythe.edge(), "app.localhost", page);
    let took = begin.elapsed();
    // The old version goes before the next measurement begins.
    let live = hythe.wait_for_status(&id, &["live"]);
    hythe.wait_until("the old version is gone", || hythe.containers().len() == 1);
    for stage in live["stages"].as_array().expect("the stages") {
        if let (Some(name), Some(ms)) = (stage["stage"].as_str(), stage["duration_ms"].as_u64()) {
            parts.add(name, Duration::from_millis(ms));
        }
    }
    took
}

/// Asks for a deployment, without a process in between; says its id.
fn request(hythe: &Installation) -> String {
    let mut stream = TcpStream::connect(hythe.gateway()).expect("the gateway");
    let request = format!(
        "POST /api/v1/apps/app/deployments HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}",
        hythe.gateway(),
        hythe.token(),
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 20"), "{answer}");
    let body: serde_json::Value = serde_json::from_str(body).expect("a document");
    body["id"].as_str().expect("an id").to_owned()
}

fn by_hand(layer: &str, page: &str, parts: &mut Parts) -> Duration {
    let folder = tempfile::TempDir::new().expect("a folder");
    for (name, content) in files(layer, page) {
        std::fs::write(folder.path().join(name), content).expect("a file");
    }
    let begin = Instant::now();
    docker(&["build", "-q", "-t", "hythe-bench-by-hand", "."], folder.path());
    let built = begin.elapsed();
    parts.add("build", built);
    let id =
        docker(&["run", "-d", "--label", "hythe-bench=1", "hythe-bench-by-hand"], folder.path());
    let run = begin.elapsed();
    parts.add("run", run.saturating_sub(built));
    let format = "{{.NetworkSettings.IPAddress}}";
    let address = docker(&["inspect", "-f", format, &id], folder.path());
    until_served(format!("{address}:8080").parse().expect("an address"), "by-hand", page);
    let took = begin.elapsed();
    parts.add("inspect and first 200", took.saturating_sub(run));
    docker(&["rm", "-f", &id], folder.path());
    took
}

fn docker(args: &[&str], folder: &Path) -> String {
    // The distribution's own client knows BuildKit without a plugin.
    let client = if Path::new("/usr/bin/docker").exists() { "/usr/bin/docker" } else { "docker" };
    let output = Command::new(client)
        .args(args)
        .current_dir(folder)
        .env("DOCKER_BUILDKIT", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the docker client runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Asks until the page is served; every try a connection of its own.
fn until_served(address: SocketAddr, host: &str, page: &str) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while Instant::now() < deadline {
        if ask(address, host).is_some_and(|answer| {
            answer.starts_with("HTTP/1.") && answer.contains(" 200 ") && answer.ends_with(page)
        }) {
            return;
        }
        std::thread::sleep(
            std::env::var("ASK")
                .ok()
                .and_then(|a| a.parse().ok())
                .map_or(ASK_EVERY, Duration::from_millis),
        );
    }
    panic!("{page} was not served");
}

fn ask(address: SocketAddr, host: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
