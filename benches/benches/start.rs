//! How long a server with 10,000 apps takes to start, after it was stopped and after it was
//! killed, by the length of its history: at work, and after a second in which nothing was asked of
//! it; and what one aggregate of many takes to come back.
//!
//! Arguments: how many events each, as in `-- 100000 1000000`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure stops")]

use std::time::{Duration, Instant};

use hythe_benches::server::{Nats, Server};
use hythe_benches::{figure, history, median, millis, percentile};
use hythe_core::record::{AggregateKind, StreamId, Version};
use hythe_store::{Journal, JournalOptions};
use hythe_tests::installation::curl;
use serde_json::json;

const APPS: u64 = 10_000;
const STARTS: usize = 5;
/// How long nothing is asked of a server before it is killed at rest.
const QUIET: Duration = Duration::from_secs(1);

fn main() {
    let mut lengths: Vec<u64> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    if lengths.is_empty() {
        lengths = vec![100_000, 1_000_000, 5_000_000];
    }
    let nats = Nats::start();
    for events in lengths {
        let data = tempfile::TempDir::new_in(".").unwrap();
        history::write(data.path(), APPS, events);
        start(data.path(), &nats, events);
        activate(data.path(), events);
    }
}

fn start(data: &std::path::Path, nats: &Nats, events: u64) {
    // The first start folds everything and leaves a checkpoint when it is stopped.
    let (server, first) = Server::start(data, nats);
    server.stop();
    let (mut clean, mut resident) = (Vec::new(), 0.0f64);
    let (mut at_work, mut at_rest) = (Vec::new(), Vec::new());
    for round in 0..STARTS {
        let (server, took) = Server::start(data, nats);
        clean.push(took);
        std::thread::sleep(Duration::from_millis(500));
        resident = resident.max(server.resident_mb());
        // Something has to be under way for a crash to be one.
        change(&server, round);
        server.kill();
        let (server, took) = Server::start(data, nats);
        at_work.push(took);
        resident = resident.max(server.resident_mb());
        change(&server, round);
        std::thread::sleep(QUIET);
        server.kill();
        let (server, took) = Server::start(data, nats);
        at_rest.push(took);
        resident = resident.max(server.resident_mb());
        server.stop();
    }
    let label = |what: &str| format!("{events} events, {what}");
    figure(&label("start without a checkpoint"), millis(first), "ms");
    figure(&label("start after a stop"), millis(median(&clean)), "ms");
    figure(&label("  the slowest"), millis(percentile(&clean, 1.0)), "ms");
    for (what, took) in [("at work", at_work), ("at rest", at_rest)] {
        figure(&label(&format!("start after kill -9 {what}")), millis(median(&took)), "ms");
        figure(&label("  the slowest"), millis(percentile(&took, 1.0)), "ms");
    }
    figure(&label("resident at most"), resident, "MB");
}

fn change(server: &Server, round: usize) {
    let url = format!("http://{}/api/v1/apps/app-{round}", server.address());
    let bearer = format!("Authorization: Bearer {}", server.token());
    for port in 0..20 {
        let body = json!({ "port": 2000 + port }).to_string();
        let args = ["-X", "PATCH", &url, "-H", &bearer, "-H", "Content-Type: application/json"];
        let said = curl(&[&args[..], &["--data-binary", &body, "-w", "%{http_code}"]].concat());
        assert!(said.out.ends_with("200"), "{}{}", said.out, said.err);
    }
}

/// Reads one stream of many, none of which was read before.
fn activate(data: &std::path::Path, events: u64) {
    let journal = Journal::open(data, JournalOptions::default()).unwrap();
    let (mut took, mut longest) = (Vec::new(), 0);
    for app in (0..APPS).step_by(5) {
        let stream = StreamId { kind: AggregateKind::App, id: history::id(app) };
        let began = Instant::now();
        let found = journal.read_stream(stream, Version(0), 100).unwrap();
        took.push(began.elapsed());
        longest = longest.max(found.len());
    }
    let label = |what: &str| format!("{events} events, a stream of {longest}, {what}");
    figure(&label("p50"), millis(median(&took)), "ms");
    figure(&label("p99"), millis(percentile(&took, 0.99)), "ms");
    journal.close();
}
