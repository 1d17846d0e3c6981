//! From a signed delivery of a push until its build has begun: the delivery is checked, a deployment is on
//! disk, the build is given out, and a builder has said that it has it.
//!
//! Beside two raw parts of the same: the time until the delivery is answered with 202, and `git fetch` of the
//! very commit by hand. The repository holds nothing that could be built, so that each build ends as soon as
//! it was fetched and the next delivery meets an idle builder.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
#![expect(clippy::print_stdout, reason = "benches print what they measured")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use hythe_benches::{figure, median, millis, percentile, row};
use hythe_tests::git_server::GitServer;
use hythe_tests::installation::Installation;
use hythe_tests::repository::Repositories;
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, client};

/// The first ones warm everything up and do not count.
const WARMING: usize = 5;
const DELIVERIES: usize = 120;
const PATIENCE: Duration = Duration::from_secs(60);

/// What happened to which deployment, and when that was heard.
type Heard = (String, String, Instant);

fn main() {
    let repositories = Repositories::default();
    let repository = repositories.create("shop", &[("README", "nothing to build\n")]);
    let git = GitServer::start(repositories.root());
    let hythe = Installation::start();
    let url = format!("{}/shop.git", git.url());
    hythe.json(&["app", "create", "shop", "--repo", &url]);
    let hook = hythe.json(&["hook", "add", "shop", "--provider", "github"]);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (path, secret) = (text(&hook["hook"]["setup"]["path"]), text(&hook["secret"]));
    let address = hythe.gateway().to_string();
    let heard = follow(&address, &hythe.token());
    let by_hand = TempDir::new().expect("a folder");
    run(by_hand.path(), &["init", "-q", "--bare"]);

    let (mut begun, mut answered, mut fetched) = (Vec::new(), Vec::new(), Vec::new());
    let mut before = repository.commit(&[("README", "before\n")]);
    for n in 0..WARMING + DELIVERIES {
        let commit = repository.commit(&[("README", &format!("change {n}\n"))]);
        let body = push(&url, &before, &commit).to_string();
        before.clone_from(&commit);
        let began = Instant::now();
        let deployment = deliver(&address, &path, &secret, n, &body);
        let answer = began.elapsed();
        let start = until(&heard, &deployment, "deployment.build_started");
        until(&heard, &deployment, "deployment.ended");
        let fetch = Instant::now();
        run(by_hand.path(), &["fetch", "-q", "--depth", "1", &url, &commit]);
        if n >= WARMING {
            begun.push(start.duration_since(began));
            answered.push(answer);
            fetched.push(fetch.elapsed());
        }
    }
    println!("{DELIVERIES} deliveries, each to an idle builder");
    for (what, part) in [("p50", 0.5), ("p99", 0.99)] {
        let of = |samples: &[Duration]| millis(percentile(samples, part));
        row(&format!("begun, beside git fetch by hand, {what}"), of(&begun), of(&fetched), "ms");
        row(&format!("begun, beside the answer alone, {what}"), of(&begun), of(&answered), "ms");
    }
    figure("delivery to answer, median", millis(median(&answered)), "ms");
    hythe.finish();
}

/// A delivery of a push, as GitHub writes it.
fn push(url: &str, before: &str, after: &str) -> Value {
    let commit = json!({
        "id": after, "message": "change", "added": [], "removed": [], "modified": ["README"],
    });
    json!({
        "ref": "refs/heads/main", "before": before, "after": after, "created": false,
        "deleted": false, "forced": false, "commits": [commit], "head_commit": commit,
        "repository": {"clone_url": url, "html_url": url, "default_branch": "main"},
        "pusher": {"name": "octocat"}, "sender": {"login": "octocat"},
    })
}

/// Sends it, and waits for the answer; says which deployment it asked for.
fn deliver(address: &str, path: &str, secret: &str, n: usize, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(body.as_bytes());
    let tag: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nx-github-event: push\r\n\
         x-github-delivery: bench-{n}\r\nx-hub-signature-256: sha256={tag}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_nodelay(true).expect("a socket");
    stream.write_all(format!("{head}{body}").as_bytes()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is answered");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let from = answer.find('{').expect("a document");
    let to = answer.rfind('}').expect("its end");
    let said: Value = serde_json::from_str(&answer[from..=to]).expect("JSON");
    said["apps"][0]["deployment"].as_str().expect("a deployment").to_owned()
}

/// Hears what happens to deployments, as it happens.
fn follow(address: &str, token: &str) -> Receiver<Heard> {
    let mut request =
        format!("ws://{address}/api/v1/events").into_client_request().expect("a request");
    let bearer = format!("Bearer {token}").parse().expect("a header");
    request.headers_mut().insert("authorization", bearer);
    let stream = TcpStream::connect(address).expect("the gateway listens");
    let (mut socket, _) = client(request, stream).expect("a WebSocket");
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        while let Ok(message) = socket.read() {
            let now = Instant::now();
            let Message::Text(text) = message else { continue };
            let Ok(event) = serde_json::from_str::<Value>(&text) else { continue };
            let text = |at: &str| event[at].as_str().unwrap_or_default().to_owned();
            if tell.send((text("id"), text("type"), now)).is_err() {
                return;
            }
        }
    });
    heard
}

/// When this was heard of that deployment.
fn until(heard: &Receiver<Heard>, deployment: &str, wanted: &str) -> Instant {
    loop {
        let (id, what, at) =
            heard.recv_timeout(PATIENCE).unwrap_or_else(|_| unheard(deployment, wanted));
        if id == deployment && what == wanted {
            return at;
        }
    }
}

#[expect(clippy::panic, reason = "a bench that cannot measure stops")]
fn unheard(deployment: &str, wanted: &str) -> Heard {
    panic!("{wanted} of {deployment} was not heard of");
}

fn run(folder: &Path, args: &[&str]) {
    let done = Command::new("git")
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .status()
        .expect("git runs");
    assert!(done.success(), "git {args:?}");
}
