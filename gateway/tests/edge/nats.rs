//! Tables come and reports go through a real nats-server, and the edge does without one.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer;
use futures_util::StreamExt;
use hythe_actors::bus::{self, Bus, NatsSettings};
use hythe_core::edge::EdgeSettings;
use hythe_core::routes::{Backend, RouteTable};
use hythe_core::time::Millis;
use hythe_core::wire::edge::{Busy, EdgeReport, ROUTES_KEY, RouteTableMessage};
use hythe_core::wire::subjects;
use tokio::sync::mpsc;

use crate::ports::free_addresses;
use crate::support::{
    App, Client, PATIENCE, Running, config, deployment, message, no_nats, replicas, served, soon,
    table,
};

/// Less than from one heartbeat to the next.
const AT_ONCE: Duration = Duration::from_millis(1_500);

fn nats_server() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.hythe/tools/bin/nats-server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("nats-server"))
        .chain([tools])
        .find(|path| path.is_file())
        .expect("no nats-server on PATH or in .hythe/tools/bin: `make setup` installs it")
}

/// A nats-server with JetStream that can die, lose its store, and come back.
pub struct Nats {
    port: u16,
    store: tempfile::TempDir,
    server: Child,
}

impl Nats {
    pub async fn start() -> Self {
        let [address] = free_addresses();
        let port = address.port();
        let store = tempfile::tempdir().unwrap();
        let server = Self::spawn(port, store.path());
        Self { port, store, server }
    }

    fn spawn(port: u16, store: &Path) -> Child {
        let mut command = Command::new(nats_server());
        command.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(store);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    pub fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Back again, having forgotten everything.
    pub fn restart_empty(&mut self) {
        self.kill();
        self.store = tempfile::tempdir().unwrap();
        self.server = Self::spawn(self.port, self.store.path());
    }

    pub fn settings(&self) -> NatsSettings {
        let url = format!("nats://127.0.0.1:{}", self.port);
        NatsSettings { url, user: None, password: None, logs: None }
    }

    pub async fn control(&self) -> Control {
        let bus = bus::connect_in_background(&self.settings(), "test").await.unwrap();
        soon(bus.ready()).await;
        Control { bus }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The control plane's side.
pub struct Control {
    pub bus: Bus,
}

impl Control {
    pub async fn put(&self, table: RouteTable) {
        self.bus
            .put_routes(&RouteTableMessage { format: 1, table, passwords: Default::default() })
            .await
            .unwrap();
    }

    pub async fn reports(&self) -> Reports {
        let stream = self.bus.jetstream().get_stream(subjects::REPORTS).await.unwrap();
        let consumer = stream
            .create_consumer(consumer::pull::OrderedConfig {
                filter_subject: "hythe.report.edge.*".into(),
                ..Default::default()
            })
            .await
            .unwrap();
        Reports(consumer.messages().await.unwrap())
    }
}

pub struct Reports(consumer::pull::Ordered);

impl Reports {
    pub async fn next(&mut self) -> EdgeReport {
        let message = soon(self.0.next()).await.unwrap().unwrap();
        let report: EdgeReport = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(message.subject.as_str(), format!("hythe.report.edge.{}", report.edge));
        report
    }

    pub async fn until(&mut self, wanted: impl Fn(&EdgeReport) -> bool) -> EdgeReport {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let report = self.next().await;
            if wanted(&report) {
                return report;
            }
            assert!(tokio::time::Instant::now() < deadline, "last report: {report:?}");
        }
    }

    pub async fn revision(&mut self, revision: u64) -> EdgeReport {
        self.until(|report| report.revision == revision).await
    }
}

#[tokio::test]
async fn requests_wait_for_an_app_that_starts_as_many_and_as_long_as_they_may() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let app = App::echo("shop").await;
    let data = tempfile::tempdir().unwrap();
    let settings = EdgeSettings { wait: Millis(60_000), ..EdgeSettings::default() };
    let starting = served(&[("a", Backend::Starting)], &settings);
    std::fs::write(data.path().join("routes.json"), message(starting.clone())).unwrap();
    let mut config = config(data.path(), nats.settings());
    config.limits.waiting = 1;
    let edge = Running::start(config);
    let mut waiting = edge.client().await;
    waiting.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let in_flight = "hythe_edge_requests_in_flight{host=\"a\",app=\"shop\"} 1";
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !edge.get("hythe-edge.internal", "/metrics").await.body.contains(in_flight) {
        assert!(tokio::time::Instant::now() < deadline, "it never came to wait");
    }
    let beyond = edge.get("a", "/second").await;
    assert_eq!((beyond.status, beyond.header("retry-after")), (503, Some("3")));
    let mut there = served(&[("a", replicas(deployment(), &[app.at]))], &settings);
    there.revision = 2;
    control.put(there).await;
    let answer = waiting.answer().await;
    assert!(answer.body.starts_with("shop\nGET /first "), "{answer:?}");
    edge.stop().await;

    // Over time, they get the page.
    let short = EdgeSettings { wait: Millis(50), ..EdgeSettings::default() };
    let (edge, _data) = Running::with(served(&[("a", Backend::Starting)], &short));
    assert_eq!(edge.get("a", "/").await.status, 503);
    edge.stop().await;
}

#[tokio::test]
async fn tables_come_in_are_kept_and_are_confirmed() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let (one, two) = (App::echo("one").await, App::echo("two").await);
    let data = tempfile::tempdir().unwrap();
    let edge = Running::start(config(data.path(), nats.settings()));
    let mut reports = control.reports().await;
    let first = reports.next().await;
    assert_eq!((first.revision, first.edge.to_string()), (0, edge.id.clone()));

    control.put(table(3, &[("a", replicas(deployment(), &[one.at]))])).await;
    reports.revision(3).await;
    assert!(edge.get("a", "/").await.body.starts_with("one"));

    let newer = table(5, &[("a", replicas(deployment(), &[two.at]))]);
    control.put(newer.clone()).await;
    let report = reports.revision(5).await;
    assert_eq!(report.busy, []);
    assert!(edge.get("a", "/").await.body.starts_with("two"));
    // On disk before it was confirmed.
    let kept = std::fs::read(data.path().join("routes.json")).unwrap();
    assert_eq!(kept, message(newer));

    // What cannot be read, or is older, changes nothing; what comes after is taken.
    let bucket = control.bus.routes_bucket().await.unwrap();
    bucket.put(ROUTES_KEY, "{\"format\":1,\"table\":".into()).await.unwrap();
    bucket.put(ROUTES_KEY, "{\"format\":9}".into()).await.unwrap();
    control.put(table(4, &[])).await;
    bucket.delete(ROUTES_KEY).await.unwrap();
    let heartbeat = reports.next().await;
    assert_eq!(heartbeat.revision, 5);
    assert!(edge.get("a", "/").await.body.starts_with("two"));
    control.put(table(6, &[("a", replicas(deployment(), &[one.at]))])).await;
    reports.revision(6).await;
    assert!(edge.get("a", "/").await.body.starts_with("one"));
    edge.stop().await;
}

#[tokio::test]
async fn who_is_busy_with_an_old_deployment_is_told_until_it_has_ended() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let (tell, mut asked) = mpsc::unbounded_channel::<Client>();
    let app = App::new(move |mut client| {
        let tell = tell.clone();
        async move {
            client.head().await;
            let _ = tell.send(client);
        }
    })
    .await;
    let next = App::echo("next").await;
    let data = tempfile::tempdir().unwrap();
    let edge = Running::start(config(data.path(), nats.settings()));
    let mut reports = control.reports().await;
    let (old, new) = (deployment(), deployment());
    control.put(table(1, &[("a", replicas(old, &[app.at]))])).await;
    reports.revision(1).await;

    // One whose answer is still to come, one whose answer has begun, one that is upgraded.
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    let mut clients = Vec::new();
    let mut sides = Vec::new();
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n"; 2].into_iter().chain([upgrade]) {
        let mut client = edge.client().await;
        client.send(request).await;
        clients.push(client);
        sides.push(soon(asked.recv()).await.unwrap());
    }
    sides[1].send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
    sides[2].send("HTTP/1.1 101 Y\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n").await;
    clients[1].head().await;
    clients[2].head().await;

    control.put(table(2, &[("a", replicas(new, &[next.at]))])).await;
    let busy = |requests| vec![Busy { deployment: old, requests }];
    let report = reports.revision(2).await;
    assert_eq!(report.busy, busy(3));
    assert!(edge.get("a", "/").await.body.starts_with("next"));

    sides[0].send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(clients[0].answer().await.status, 200);
    reports.until(|report| report.busy == busy(2)).await;
    sides[1].send("0\r\n\r\n").await;
    clients[1].chunks().await;
    reports.until(|report| report.busy == busy(1)).await;
    let ended = tokio::time::Instant::now();
    clients.clear();
    assert_eq!(sides[2].end().await, "");
    sides.pop();
    reports.until(|report| report.busy.is_empty()).await;
    let mut took = ended.elapsed();
    // The last one is told at once, not with the next heartbeat; a busy machine may be late with that, but
    // not each time.
    for revision in [3, 5, 7, 9] {
        if took < AT_ONCE {
            break;
        }
        control.put(table(revision, &[("a", replicas(old, &[app.at]))])).await;
        reports.revision(revision).await;
        let mut client = edge.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut side = soon(asked.recv()).await.unwrap();
        control.put(table(revision + 1, &[("a", replicas(new, &[next.at]))])).await;
        reports.until(|report| report.busy == busy(1)).await;
        let ended = tokio::time::Instant::now();
        side.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
        reports.until(|report| report.busy.is_empty()).await;
        took = ended.elapsed();
        sides.push(side);
    }
    assert!(took < AT_ONCE, "{took:?}");
    // No connection to the old deployment stays open.
    for side in &mut sides {
        side.end().await;
    }
    edge.stop().await;
}

#[tokio::test]
async fn the_table_on_disk_serves_without_nats_and_nats_is_found_when_it_comes() {
    let app = App::echo("kept").await;
    let data = tempfile::tempdir().unwrap();
    let kept = message(table(8, &[("a", replicas(deployment(), &[app.at]))]));
    std::fs::write(data.path().join("routes.json"), &kept).unwrap();
    let edge = Running::start(config(data.path(), no_nats()));
    assert!(edge.get("a", "/").await.body.starts_with("kept"));
    let id = edge.id.clone();
    edge.stop().await;

    // A broken table on disk is no reason not to start.
    std::fs::write(data.path().join("routes.json"), &kept[..kept.len() / 2]).unwrap();
    let mut nats = Nats::start().await;
    nats.kill();
    let edge = Running::start(config(data.path(), nats.settings()));
    assert_eq!(edge.id, id);
    assert_eq!(edge.get("a", "/").await.status, 503);
    nats.restart_empty();
    let control = nats.control().await;
    let mut reports = control.reports().await;
    control.put(table(9, &[("a", replicas(deployment(), &[app.at]))])).await;
    reports.revision(9).await;
    assert!(edge.get("a", "/").await.body.starts_with("kept"));
    edge.stop().await;
}

#[tokio::test]
async fn a_nats_that_lost_everything_costs_nothing() {
    let mut nats = Nats::start().await;
    let control = nats.control().await;
    let (one, two) = (App::echo("one").await, App::echo("two").await);
    let data = tempfile::tempdir().unwrap();
    let edge = Running::start(config(data.path(), nats.settings()));
    control.put(table(1, &[("a", replicas(deployment(), &[one.at]))])).await;
    control.reports().await.revision(1).await;

    for revision in [2, 4] {
        nats.restart_empty();
        assert!(edge.get("a", "/").await.body.starts_with("one"));
        let control = nats.control().await;
        // Again the bucket is missing for a while, and its count starts from 1.
        let mut reports = control.reports().await;
        reports.revision(revision - 1).await;
        control.put(table(revision, &[("a", replicas(deployment(), &[two.at]))])).await;
        reports.revision(revision).await;
        assert!(edge.get("a", "/").await.body.starts_with("two"));
        control.put(table(revision + 1, &[("a", replicas(deployment(), &[one.at]))])).await;
        reports.revision(revision + 1).await;
        assert!(edge.get("a", "/").await.body.starts_with("one"));
    }
    edge.stop().await;
}

/// Deployments follow each other as the control plane does it: the old one's app ends as soon as
/// the edge has reported that nobody is busy with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switches_under_load_cost_no_request() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let data = tempfile::tempdir().unwrap();
    let mut two_cores = config(data.path(), nats.settings());
    two_cores.cores = std::num::NonZeroUsize::new(2);
    let edge = Running::start(two_cores);
    let mut reports = control.reports().await;
    let mut app = App::echo("v0").await;
    control.put(table(1, &[("a", replicas(deployment(), &[app.at]))])).await;
    reports.revision(1).await;

    let done = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicU64::new(0));
    let load: Vec<_> = (0..8_u32)
        .map(|number| {
            let (done, served, at) = (Arc::clone(&done), Arc::clone(&served), edge.at);
            tokio::spawn(async move {
                let mut client = Client::to(at).await;
                while !done.load(Ordering::SeqCst) {
                    let request = if number % 2 == 0 {
                        "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
                    } else {
                        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
                    };
                    client.send(request).await;
                    let answer = client.answer().await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for revision in 2..22 {
        let before = served.load(Ordering::SeqCst);
        let next = App::echo("next").await;
        let backend = replicas(deployment(), &[next.at]);
        control.put(table(revision, &[("a", backend)])).await;
        reports.until(|report| report.revision == revision && report.busy.is_empty()).await;
        // From here on nothing may reach the old one: it refuses.
        drop(std::mem::replace(&mut app, next));
        while served.load(Ordering::SeqCst) < before + 50 {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::SeqCst);
    for client in load {
        soon(client).await.unwrap();
    }
    assert!(served.load(Ordering::SeqCst) > 1_000);
    edge.stop().await;
}

#[tokio::test]
async fn what_an_edge_still_carries_that_gave_its_place_away_is_told_without_a_gap() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let (tell, mut asked) = mpsc::unbounded_channel::<Client>();
    let app = App::new(move |mut client| {
        let tell = tell.clone();
        async move {
            client.head().await;
            let _ = tell.send(client);
        }
    })
    .await;
    let next = App::echo("next").await;
    let data = tempfile::tempdir().unwrap();
    let edge = Running::start(config(data.path(), nats.settings()));
    let mut reports = control.reports().await;
    let old = deployment();
    control.put(table(1, &[("a", replicas(old, &[app.at]))])).await;
    reports.revision(1).await;
    let mut client = edge.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut side = soon(asked.recv()).await.unwrap();

    let mut config = config(data.path(), nats.settings());
    config.listen = vec![edge.at];
    let successor = Running::take_over(config).await;
    assert_eq!(successor.id, edge.id);
    // What is under way there is told under another id, and the successor keeps silent until it is.
    let other = reports.until(|report| report.edge.to_string() != edge.id).await;
    assert_eq!((other.revision, other.busy), (1, vec![]));
    let second = table(2, &[("a", replicas(deployment(), &[next.at]))]);
    control.put(second.clone()).await;
    let busy = vec![Busy { deployment: old, requests: 1 }];
    let told = reports.until(|report| report.edge == other.edge && report.revision == 2).await;
    assert_eq!(told.busy, busy);
    let of_it = |report: &EdgeReport| report.edge.to_string() == successor.id;
    let own = reports.until(|report| of_it(report) && report.revision == 2).await;
    assert_eq!(own.busy, []);
    // Both follow the table, and only one writes it down.
    assert!(successor.get("a", "/").await.body.starts_with("next"));
    assert_eq!(std::fs::read(data.path().join("routes.json")).unwrap(), message(second));

    side.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    let last = reports.until(|report| report.edge == other.edge && report.ended).await;
    assert_eq!(last.busy, []);
    edge.ended().await.unwrap();
    let heartbeat = reports.next().await;
    assert!(of_it(&heartbeat) && !heartbeat.ended, "{heartbeat:?}");
    successor.stop().await;
}
