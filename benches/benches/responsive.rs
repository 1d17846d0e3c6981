//! How quickly the control plane and a running app answer while two builds use all the processors
//! that they may have, beside the same questions to the same machine at rest.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]

use std::net::SocketAddr;
use std::time::Duration;

use hythe_benches::by_hand::request;
use hythe_benches::load::{Load, Seen, Target};
use hythe_benches::{figure, millis, percentile, row};
use hythe_tests::git_server::GitServer;
use hythe_tests::installation::Installation;
use hythe_tests::repository::{Repositories, apps};
use serde_json::Value;

const MEASURED: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(10);
const BUILDS: [&str; 2] = ["busy-1", "busy-2"];

/// A build that never ends by itself and keeps two processors busy.
const FLAT_OUT: &str = "FROM busybox\n\
    RUN echo at work && (gzip -9 </dev/urandom >/dev/null & gzip -9 </dev/urandom >/dev/null & wait)\n";

fn main() {
    let repositories = Repositories::default();
    let git = GitServer::start(repositories.root());
    let hythe = Installation::start_with(&["--builds", "2"]);
    let _page = repositories.create("app", &apps::files(&apps::page("page")));
    hythe.json(&["deploy", "app", "--repo", &format!("{}/app.git", git.url()), "--wait"]);

    let idle = measure(&hythe);
    let building: Vec<String> = BUILDS
        .iter()
        .map(|name| {
            let _repository = repositories.create(name, &[("Dockerfile", FLAT_OUT)]);
            let url = format!("{}/{name}.git", git.url());
            let body = serde_json::json!({ "name": name, "repository": url });
            let (status, said) = hythe.api("POST", "/api/v1/apps", Some(&body));
            assert!(status < 300, "{said}");
            request(&hythe, name)
        })
        .collect();
    hythe.wait_until("both builds are at work", || {
        building.iter().all(|id| log_of(&hythe, id).contains("at work"))
    });
    let busy = measure(&hythe);
    for id in &building {
        assert_eq!(
            hythe.api("GET", &format!("/api/v1/deployments/{id}"), None).1["status"],
            "building"
        );
        let (status, said) = hythe.api("POST", &format!("/api/v1/deployments/{id}/cancel"), None);
        assert!(status < 300, "{said}");
        hythe.wait_for_status(id, &["cancelled"]);
    }
    for ((what, busy), (_, idle)) in busy.iter().zip(&idle) {
        for part in [0.5, 0.99] {
            let of = |seen: &Seen| millis(percentile(&seen.took, part));
            row(&format!("{what}, p{}", part * 100.0), of(busy), of(idle), "ms");
        }
        let lost = u32::try_from(busy.lost.len()).expect("a number");
        figure(&format!("{what}, lost while building"), f64::from(lost), "requests");
    }
    hythe.finish();
}

/// The lines of a build so far.
fn log_of(hythe: &Installation, id: &str) -> String {
    let (_, document) = hythe.api("GET", &format!("/api/v1/deployments/{id}/logs"), None);
    let lines = document["items"].as_array().cloned().unwrap_or_default();
    let texts: Vec<&str> = lines.iter().filter_map(|line: &Value| line["text"].as_str()).collect();
    // The step's own name has the words, too; what it says is a line of them.
    texts.iter().filter(|text| !text.contains("RUN")).copied().collect::<Vec<_>>().join("\n")
}

fn measure(hythe: &Installation) -> Vec<(&'static str, Seen)> {
    let target = |address: SocketAddr, host: &str, path| Target {
        address,
        host: host.to_owned(),
        path,
        connections: 1,
        every: EVERY,
    };
    let health = target(hythe.gateway(), &hythe.gateway().to_string(), "/healthz");
    let proxied = target(hythe.edge(), "app.localhost", "/");
    let loads = [("health", Load::start(&health)), ("proxied", Load::start(&proxied))];
    std::thread::sleep(MEASURED);
    loads.map(|(what, load)| (what, load.finish())).into()
}
