//! What it costs to go back: from the accepted request until the version of before has the traffic
//! and counts as live, and beside it the least that this can cost by hand, which is `docker run` of
//! an image that is there and its first 200.
//!
//! Ours starts a replica of the earlier image, checks it, moves the traffic at the edge, waits for
//! the requests to the other version, and writes all of it down; nothing is built.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]

use std::time::{Duration, Instant};

use hythe_benches::by_hand::{Container, until_served};
use hythe_benches::{median, millis, percentile, row};
use hythe_tests::git_server::GitServer;
use hythe_tests::installation::Installation;
use hythe_tests::repository::{Repositories, apps};

const PAIRS: usize = 20;
/// What a small app may take from the request until it is live.
const MOST: Duration = Duration::from_secs(2);

fn main() {
    let repositories = Repositories::default();
    let git = GitServer::start(repositories.root());
    let hythe = Installation::start();
    let repository = repositories.create("app", &apps::files(&apps::page("page-0")));
    let url = format!("{}/app.git", git.url());
    hythe.json(&["deploy", "app", "--repo", &url, "--wait"]);
    repository.commit(&[("index.html", "page-1")]);
    let second = hythe.json(&["deploy", "app", "--wait"]);
    let image = second["image"].as_str().expect("an image");

    let (mut served, mut live, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..PAIRS {
        let page = format!("page-{}", n % 2);
        let begin = Instant::now();
        let (status, accepted) = hythe.api("POST", "/api/v1/apps/app/rollback", None);
        assert_eq!(status, 202, "{accepted}");
        until_served(hythe.edge(), "app.localhost", &page);
        served.push(begin.elapsed());
        let id = accepted["id"].as_str().expect("an id");
        let done = hythe.wait_for_status(id, &["live"]);
        let total = done["durations_ms"]["total"].as_u64().expect("how long it took");
        live.push(Duration::from_millis(total));
        hythe.wait_until("the other version is gone", || hythe.containers().len() == 1);
        theirs.push(by_hand(image));
    }
    row("rollback, until served", millis(median(&served)), millis(median(&theirs)), "ms median");
    let late = |samples: &[Duration]| millis(percentile(samples, 0.9));
    row("rollback, until served, p90", late(&served), late(&theirs), "ms");
    row("rollback, until live", millis(median(&live)), millis(MOST), "ms median, and the target");
    row("rollback, until live, p90", late(&live), millis(MOST), "ms, and the target");
    hythe.finish();
    assert!(percentile(&live, 0.9) <= MOST, "a rollback takes too long");
}

fn by_hand(image: &str) -> Duration {
    let begin = Instant::now();
    let container = Container::run(image);
    until_served(container.address(), "by-hand", "page-1");
    begin.elapsed()
}
