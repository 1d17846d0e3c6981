//! What a deployment through Hythe costs beside the same done by hand.
//!
//! Ours: from the accepted request to the first 200 of the new version through the edge, git
//! included. Theirs: `docker build` with BuildKit, `docker run`, and the first 200 of the
//! container, without git. The same files, one after the other, in turns; every version says
//! something else, so that an old answer is never taken for a new one.
//!
//! Apart: theirs once more, in a network of its own, which is what Hythe gives every app so that none reaches
//! another; by hand containers share the default bridge. An engine pays for that at each start.
//!
//! Cold: an early layer changes, so every step runs. Warm: only the page changes.
//!
//! Unchanged: nothing at all is different. Ours counts until the deployment is live, for its page
//! says the same as before; theirs builds from its cache, runs, and has its first 200.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
#![expect(clippy::print_stdout, reason = "benches print what they measured")]

use std::time::{Duration, Instant};

use hythe_benches::by_hand::{
    Container, Network, build, folder_of, request, until_hythe_serves, until_served,
};
use hythe_benches::{median, millis, percentile, row};
use hythe_tests::git_server::GitServer;
use hythe_tests::installation::Installation;
use hythe_tests::repository::{Repositories, Repository};

const PAIRS: usize = 12;
/// What the other side calls its image.
const BY_HAND: &str = "hythe-bench-by-hand";

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
    let network = Network::create("hythe-bench-apart");
    for cold in [true, false] {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        let mut apart = Vec::new();
        let mut our_parts = Parts::default();
        let mut their_parts = Parts::default();
        let mut apart_parts = Parts::default();
        for n in 1..=PAIRS {
            // The engine remembers the layers of an earlier run.
            let sides = ["ours", "theirs", "apart"];
            let [a, b, c] = sides.map(|side| format!("{side}-{cold}-{n}-{run}"));
            let layer = |nonce: &str| if cold { nonce.to_owned() } else { "0".to_owned() };
            ours.push(through_hythe(&hythe, &repository, &layer(&a), &a, &mut our_parts));
            theirs.push(by_hand(&layer(&b), &b, Container::run, &mut their_parts));
            let run_apart = |image: &str| network.run(image);
            apart.push(by_hand(&layer(&c), &c, run_apart, &mut apart_parts));
        }
        let what = if cold { "deploy, cold cache" } else { "deploy, one line changed" };
        row(what, millis(median(&ours)), millis(median(&theirs)), "ms median");
        let late = |samples: &[Duration]| millis(percentile(samples, 0.9));
        row(&format!("{what}, p90"), late(&ours), late(&theirs), "ms");
        let apart = millis(median(&apart));
        row(&format!("{what}, beside apart"), millis(median(&ours)), apart, "ms median");
        println!("  {PAIRS} pairs; medians of the parts, in ms");
        println!("  ours:   {our_parts}");
        println!("  theirs: {their_parts}");
        println!("  apart:  {apart_parts}");
    }
    unchanged(&hythe, &repository);
    hythe.finish();
}

fn unchanged(hythe: &Installation, repository: &Repository) {
    let files = files("same", "same");
    repository.commit(&files);
    hythe.json(&["deploy", "app", "--wait"]);
    let folder = folder_of(&files);
    build(folder.path(), BY_HAND);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let begin = Instant::now();
        hythe.wait_for_status(&request(hythe, "app"), &["live"]);
        ours.push(begin.elapsed());
        hythe.wait_until("the old version is gone", || hythe.containers().len() == 1);

        let begin = Instant::now();
        build(folder.path(), BY_HAND);
        let container = Container::run(BY_HAND);
        until_served(container.address(), "by-hand", "same");
        theirs.push(begin.elapsed());
    }
    let what = "deploy, nothing changed, until live";
    row(what, millis(median(&ours)), millis(median(&theirs)), "ms median");
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
    let id = request(hythe, "app");
    parts.add("accepted", begin.elapsed());
    until_hythe_serves(hythe, &id, "app.localhost", page);
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

fn by_hand(
    layer: &str,
    page: &str,
    run: impl Fn(&str) -> Container,
    parts: &mut Parts,
) -> Duration {
    let folder = folder_of(&files(layer, page));
    let begin = Instant::now();
    build(folder.path(), BY_HAND);
    let built = begin.elapsed();
    parts.add("build", built);
    let container = run(BY_HAND);
    let run = begin.elapsed();
    parts.add("run", run.saturating_sub(built));
    until_served(container.address(), "by-hand", page);
    let took = begin.elapsed();
    parts.add("inspect and first 200", took.saturating_sub(run));
    took
}
