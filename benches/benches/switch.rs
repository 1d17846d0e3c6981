//! Requests that are lost while one version takes the place of another, under the same load:
//! through Hythe, and in two ways that people have with plain commands. Versions are built before,
//! so that only the switch counts.
//!
//! Stop first: the old container ends, then the new one takes its published port. Start first: the
//! new container starts beside the old one, nginx is told of it as soon as it runs, and the old
//! one is stopped. The app takes a while until it listens, as most do, and ends at once when it
//! is told to.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
#![expect(clippy::print_stdout, reason = "benches print what they measured")]

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hythe_benches::by_hand::{Container, build, folder_of, until_served};
use hythe_benches::load::{Load, Seen, Target};
use hythe_benches::row;
use hythe_tests::git_server::GitServer;
use hythe_tests::installation::Installation;
use hythe_tests::repository::Repositories;

const SWITCHES: usize = 10;
/// Between two switches, and before the first.
const REST: Duration = Duration::from_secs(1);
/// How long a container may take from SIGTERM to SIGKILL, in seconds.
const STOP_SECONDS: u32 = 10;
const IMAGES: [&str; 2] = ["hythe-bench-even", "hythe-bench-odd"];

/// Half a second until it listens, and 50 ms for each answer.
const DOCKERFILE: &str = "FROM node:20-bookworm-slim\nWORKDIR /app\nCOPY server.js page ./\n\
    EXPOSE 8080\nUSER node\nCMD [\"node\", \"server.js\"]\n";
const SERVER: &str = "const page = require('fs').readFileSync('page', 'utf8');\n\
    const server = require('http').createServer((request, response) =>\n\
      setTimeout(() => response.end(page), 50));\n\
    setTimeout(() => server.listen(8080), 500);\n\
    process.on('SIGTERM', () => process.exit(0));\n";

fn main() {
    let pages = ["even", "odd"];
    for (image, page) in IMAGES.iter().zip(pages) {
        build(folder_of(&files(page)).path(), image);
    }
    let hythe = through_hythe(pages);
    let stop_first = stop_first(pages);
    let start_first = start_first(pages);
    for (what, theirs) in [("stop first", &stop_first), ("start first", &start_first)] {
        row(&format!("lost, beside {what}"), share(&hythe), share(theirs), "per 1,000");
    }
    for (what, seen) in [("hythe", hythe), ("stop first", stop_first), ("start first", start_first)]
    {
        println!(
            "  {what}: {} lost of {} in {SWITCHES} switches; {:?}",
            seen.lost.len(),
            seen.lost.len() + seen.took.len(),
            seen.lost.first()
        );
    }
}

fn files(page: &str) -> Vec<(&str, &str)> {
    vec![("Dockerfile", DOCKERFILE), ("server.js", SERVER), ("page", page)]
}

fn share(seen: &Seen) -> f64 {
    let count = |n: usize| f64::from(u32::try_from(n).expect("a number"));
    count(seen.lost.len()) * 1000.0 / count(seen.lost.len() + seen.took.len())
}

fn target(address: SocketAddr, host: &str) -> Target {
    let every = Duration::from_millis(60);
    Target { address, host: host.to_owned(), path: "/", connections: 8, every }
}

/// Switches to and fro under load.
fn under_load(target: &Target, mut switch: impl FnMut(usize)) -> Seen {
    let load = Load::start(target);
    std::thread::sleep(REST);
    for n in 1..=SWITCHES {
        switch(n);
        std::thread::sleep(REST);
    }
    load.finish()
}

fn through_hythe(pages: [&str; 2]) -> Seen {
    let repositories = Repositories::default();
    let git = GitServer::start(repositories.root());
    let hythe = Installation::start();
    let repository = repositories.create("app", &files(pages[0]));
    let url = format!("{}/app.git", git.url());
    hythe.json(&["deploy", "app", "--repo", &url, "--wait"]);
    repository.commit(&files(pages[1]));
    hythe.json(&["deploy", "app", "--wait"]);
    let seen = under_load(&target(hythe.edge(), "app.localhost"), |n| {
        // To the one before: both are built.
        hythe.json(&["rollback", "app", "--wait"]);
        until_served(hythe.edge(), "app.localhost", pages[(n + 1) % 2]);
    });
    hythe.finish();
    seen
}

fn stop_first(pages: [&str; 2]) -> Seen {
    let address = free_address();
    let publish = format!("{address}:8080");
    let start = |n: usize| Container::run_with(&["-p", &publish], IMAGES[n % 2]);
    let mut running = Some(start(0));
    until_served(address, "app", pages[0]);
    under_load(&target(address, "app"), |n| {
        if let Some(old) = running.take() {
            old.stop(STOP_SECONDS);
        }
        running = Some(start(n));
        until_served(address, "app", pages[n % 2]);
    })
}

fn start_first(pages: [&str; 2]) -> Seen {
    let folder = tempfile::TempDir::new().expect("a folder");
    let address = free_address();
    let mut running = Container::run(IMAGES[0]);
    let nginx = Nginx::start(folder.path(), address, running.address());
    until_served(address, "app", pages[0]);
    under_load(&target(address, "app"), |n| {
        let new = Container::run(IMAGES[n % 2]);
        nginx.point_to(new.address());
        std::mem::replace(&mut running, new).stop(STOP_SECONDS);
        until_served(address, "app", pages[n % 2]);
    })
}

/// A proxy that is told where to send requests.
struct Nginx<'a> {
    child: Child,
    folder: &'a Path,
    address: SocketAddr,
}

impl<'a> Nginx<'a> {
    fn start(folder: &'a Path, address: SocketAddr, upstream: SocketAddr) -> Self {
        configure(folder, address, upstream);
        let child = nginx(folder).args(["-g", "daemon off;"]).spawn().expect("nginx starts");
        Self { child, folder, address }
    }

    fn point_to(&self, upstream: SocketAddr) {
        configure(self.folder, self.address, upstream);
        let told = nginx(self.folder).args(["-s", "reload"]).status().expect("nginx runs");
        assert!(told.success());
    }
}

impl Drop for Nginx<'_> {
    fn drop(&mut self) {
        let _gone_already = nginx(self.folder).args(["-s", "stop"]).status();
        let _gone_already = self.child.wait();
    }
}

fn nginx(folder: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn configure(folder: &Path, address: SocketAddr, upstream: SocketAddr) {
    let text = format!(
        "pid nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
         client_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\n\
         uwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n\
         server {{ listen {address}; location / {{ proxy_pass http://{upstream};\n\
         proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), text).expect("nginx's configuration");
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}
