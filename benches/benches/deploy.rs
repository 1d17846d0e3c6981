//! What a deployment through Hythe costs beside the same done by hand.
//!
//! Ours: from the accepted request to the first 200 of the new version through the edge, git
//! included. Theirs: `docker build` with BuildKit, `docker run`, and the first 200 of the
//! container, without git. The same files, one after the other, in turns; every version says
//! something else, so that an old answer is never taken for a new one.
//!
//! Cold: an early layer changes, so every step runs. Warm: only the page changes.

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

    for cold in [true, false] {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for n in 1..=PAIRS {
            let [a, b] = ["ours", "theirs"].map(|side| format!("{side}-{cold}-{n}"));
            let layer = |nonce: &str| if cold { nonce.to_owned() } else { "0".to_owned() };
            ours.push(through_hythe(&hythe, &repository, &layer(&a), &a));
            theirs.push(by_hand(&layer(&b), &b));
        }
        let what = if cold { "deploy, cold cache" } else { "deploy, one line changed" };
        row(what, millis(median(&ours)), millis(median(&theirs)), "ms median");
        let late = |samples: &[Duration]| millis(percentile(samples, 0.9));
        row(&format!("{what}, p90"), late(&ours), late(&theirs), "ms");
        println!("  {PAIRS} pairs");
    }
    hythe.finish();
}

fn files<'a>(layer: &'a str, page: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("Dockerfile", DOCKERFILE), ("dependencies", layer), ("index.html", page)]
}

fn through_hythe(
    hythe: &Installation,
    repository: &Repository,
    layer: &str,
    page: &str,
) -> Duration {
    repository.commit(&files(layer, page));
    let empty = serde_json::json!({});
    let begin = Instant::now();
    let (status, body) = hythe.api("POST", "/api/v1/apps/app/deployments", Some(&empty));
    assert!(status < 300, "{body}");
    until_served(hythe.edge(), "app.localhost", page);
    let took = begin.elapsed();
    // The old version goes before the next measurement begins.
    let id = body["id"].as_str().expect("an id").to_owned();
    hythe.wait_for_status(&id, &["live"]);
    hythe.wait_until("the old version is gone", || hythe.containers().len() == 1);
    took
}

fn by_hand(layer: &str, page: &str) -> Duration {
    let folder = tempfile::TempDir::new().expect("a folder");
    for (name, content) in files(layer, page) {
        std::fs::write(folder.path().join(name), content).expect("a file");
    }
    let begin = Instant::now();
    docker(&["build", "-q", "-t", "hythe-bench-by-hand", "."], folder.path());
    let id =
        docker(&["run", "-d", "--label", "hythe-bench=1", "hythe-bench-by-hand"], folder.path());
    let format = "{{.NetworkSettings.IPAddress}}";
    let address = docker(&["inspect", "-f", format, &id], folder.path());
    until_served(format!("{address}:8080").parse().expect("an address"), "by-hand", page);
    let took = begin.elapsed();
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
        std::thread::sleep(Duration::from_millis(3));
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
