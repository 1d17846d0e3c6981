//! What the server counts, for Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hythe_core::observed::Observed;
use hythe_core::record::Sequence;
use hythe_core::time::Timestamp;
use hythe_core::view::View;
use hythe_core::wire::worker::EngineDisk;
use hythe_store::Room;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::dto::{DeploymentStatus, WorkerStatus};

/// The media type of what [`Metrics::text`] gives.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The methods that are told apart: those that the API has routes for.
const KNOWN: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
/// Seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfWorker {
    worker: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// All counters.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    durations: Durations<Route>,
    commands: Durations<Outcome>,
    sockets: Gauge,
    head: Gauge<u64, AtomicU64>,
    room: Gauge<u64, AtomicU64>,
    scarce: Gauge,
    apps: Gauge,
    deployments: Family<Stage, Gauge>,
    workers: Family<Stage, Gauge>,
    disks: Family<OfWorker, Gauge<u64, AtomicU64>>,
    edges: Gauge,
    nats: Gauge,
    backup: Gauge<f64, AtomicU64>,
    mirror_lag: Gauge<f64, AtomicU64>,
    memory: Gauge,
}

/// What is looked at when somebody asks.
pub(crate) struct Now<'a> {
    pub(crate) view: &'a View,
    pub(crate) observed: &'a Observed,
    pub(crate) workers: Vec<WorkerStatus>,
    /// The disks of the workers' engines, by the workers' names.
    pub(crate) disks: Vec<(String, EngineDisk)>,
    pub(crate) head: Sequence,
    pub(crate) room: Room,
    pub(crate) nats: bool,
    /// When the last backup was made.
    pub(crate) backup_at: Option<Timestamp>,
    /// How far the mirror is behind, in milliseconds, where there is one.
    pub(crate) mirror_lag: Option<u64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let mut registry = Registry::default();
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            commands: Family::new_with_constructor(histogram),
            sockets: Gauge::default(),
            head: Gauge::default(),
            room: Gauge::default(),
            scarce: Gauge::default(),
            apps: Gauge::default(),
            deployments: Family::default(),
            workers: Family::default(),
            disks: Family::default(),
            edges: Gauge::default(),
            nats: Gauge::default(),
            backup: Gauge::default(),
            mirror_lag: Gauge::default(),
            memory: Gauge::default(),
            registry: Registry::default(),
        };
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        let m = &metrics;
        registry.register("hythe_build", "The version that runs", build);
        registry.register("hythe_http_requests", "Requests answered", m.requests.clone());
        let help = "Time from a request to its answer";
        registry.register_with_unit(
            "hythe_http_request_duration",
            help,
            Unit::Seconds,
            m.durations.clone(),
        );
        let help = "Time from a command to its answer, the disk included";
        registry.register_with_unit(
            "hythe_command_duration",
            help,
            Unit::Seconds,
            m.commands.clone(),
        );
        registry.register("hythe_websockets", "WebSockets open now", m.sockets.clone());
        registry.register("hythe_journal_head", "The newest event on disk", m.head.clone());
        let help = "What is free on the journal's file system";
        registry.register_with_unit("hythe_journal_free", help, Unit::Bytes, m.room.clone());
        let help = "1 while only what frees room is written";
        registry.register("hythe_journal_room_scarce", help, m.scarce.clone());
        registry.register("hythe_apps", "Apps that exist", m.apps.clone());
        registry.register("hythe_deployments", "Deployments by stage", m.deployments.clone());
        registry.register("hythe_workers", "Workers by status", m.workers.clone());
        let help = "What is free on the disk that a worker's engine keeps images on";
        registry.register_with_unit("hythe_worker_disk_free", help, Unit::Bytes, m.disks.clone());
        registry.register("hythe_edges", "Edges heard of lately", m.edges.clone());
        registry.register("hythe_nats_connected", "1 while NATS is there", m.nats.clone());
        let help = "When the last backup was made, since the Unix epoch; 0 where none was";
        registry.register_with_unit(
            "hythe_backup_last_timestamp",
            help,
            Unit::Seconds,
            m.backup.clone(),
        );
        let help = "For how long something has been waiting to be mirrored; -1 without a mirror";
        registry.register_with_unit("hythe_mirror_lag", help, Unit::Seconds, m.mirror_lag.clone());
        let help = "Memory that this process has in use";
        registry.register_with_unit("process_resident_memory", help, Unit::Bytes, m.memory.clone());
        Self { registry, ..metrics }
    }

    /// Notes an answer. `route` is a pattern, never an address: there are only so many.
    pub(crate) fn requested(
        &self,
        method: &Method,
        route: &str,
        status: StatusCode,
        took: Duration,
    ) {
        let method = KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other");
        let label = Request { method, route: route.into(), status: status.as_u16() };
        self.requests.get_or_create(&label).inc();
        self.durations.get_or_create(&Route { route: route.into() }).observe(took.as_secs_f64());
    }

    /// Notes a command's answer.
    pub(crate) fn commanded(&self, done: bool, took: Duration) {
        let outcome = if done { "done" } else { "refused" };
        self.commands.get_or_create(&Outcome { outcome }).observe(took.as_secs_f64());
    }

    /// WebSockets open now.
    pub(crate) const fn sockets(&self) -> &Gauge {
        &self.sockets
    }

    /// Everything, as text.
    pub(crate) fn text(&self, now: &Now<'_>) -> Result<String, std::fmt::Error> {
        let Now { view, observed, workers, disks, head, room, nats, backup_at, mirror_lag } = now;
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.head.set(head.0);
        self.room.set(room.free.unwrap_or(0));
        self.scarce.set(i64::from(room.scarce));
        self.apps.set(count(view.names.len()));
        self.edges.set(count(observed.edges.len()));
        self.nats.set(i64::from(*nats));
        let seconds = |millis: u64| Duration::from_millis(millis).as_secs_f64();
        self.backup.set(seconds(backup_at.unwrap_or_default().0));
        self.mirror_lag.set(mirror_lag.map_or(-1.0, seconds));
        self.memory.set(resident_bytes());
        for status in STAGES {
            self.deployments.get_or_create(&Stage { status: status.as_str() }).set(0);
        }
        for attempt in view.deployments.values().filter_map(|view| view.state.attempt()) {
            let status = DeploymentStatus::from(attempt.stage.name()).as_str();
            self.deployments.get_or_create(&Stage { status }).inc();
        }
        for status in WORKER_STATUSES {
            let there = workers.iter().filter(|worker| **worker == status).count();
            self.workers.get_or_create(&Stage { status: status.as_str() }).set(count(there));
        }
        // Only those that are heard of.
        self.disks.clear();
        for (worker, disk) in disks {
            self.disks.get_or_create(&OfWorker { worker: worker.clone() }).set(disk.room.free);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

const STAGES: [DeploymentStatus; 13] = [
    DeploymentStatus::Requested,
    DeploymentStatus::Queued,
    DeploymentStatus::Building,
    DeploymentStatus::Built,
    DeploymentStatus::Starting,
    DeploymentStatus::Healthy,
    DeploymentStatus::Switching,
    DeploymentStatus::Draining,
    DeploymentStatus::Live,
    DeploymentStatus::Superseded,
    DeploymentStatus::Failed,
    DeploymentStatus::Cancelled,
    DeploymentStatus::Releasing,
];

const WORKER_STATUSES: [WorkerStatus; 4] = [
    WorkerStatus::Ready,
    WorkerStatus::Draining,
    WorkerStatus::EngineUnreachable,
    WorkerStatus::Lost,
];

/// Memory that this process has in use; 0 where the system does not tell.
fn resident_bytes() -> i64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<i64>().ok());
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    pages.unwrap_or(0).saturating_mul(page.map_or(4_096, i64::from))
}

#[cfg(test)]
mod tests {
    use hythe_core::wire::storage::DiskRoom;

    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::new();
        let took = Duration::from_millis(3);
        metrics.requested(&Method::GET, "/api/v1/apps/{app}", StatusCode::OK, took);
        metrics.requested(&Method::PUT, "/api/v1/address", StatusCode::OK, took);
        metrics.requested(&"BREW".parse().unwrap(), "other", StatusCode::NOT_FOUND, took);
        metrics.commanded(true, took);
        let (view, observed) = (View::default(), Observed::default());
        let room = DiskRoom { whole: 100, free: 11 };
        let disk = EngineDisk { room, least_free: 1 };
        let now = Now {
            view: &view,
            observed: &observed,
            workers: vec![WorkerStatus::Ready],
            disks: vec![("main".into(), disk)],
            head: Sequence(7),
            room: Room { place: "/".into(), free: Some(9), needed: 10, scarce: true },
            nats: true,
            backup_at: Some(Timestamp(1_500)),
            mirror_lag: Some(250),
        };
        let text = metrics.text(&now).unwrap();
        for line in [
            "hythe_http_requests_total{method=\"GET\",route=\"/api/v1/apps/{app}\",status=\"200\"} 1",
            "hythe_http_requests_total{method=\"PUT\",route=\"/api/v1/address\",status=\"200\"} 1",
            "hythe_http_requests_total{method=\"other\",route=\"other\",status=\"404\"} 1",
            "hythe_command_duration_seconds_count{outcome=\"done\"} 1",
            "hythe_journal_head 7",
            "hythe_journal_free_bytes 9",
            "hythe_journal_room_scarce 1",
            "hythe_deployments{status=\"live\"} 0",
            "hythe_workers{status=\"ready\"} 1",
            "hythe_worker_disk_free_bytes{worker=\"main\"} 11",
            "hythe_nats_connected 1",
            "hythe_backup_last_timestamp_seconds 1.5",
            "hythe_mirror_lag_seconds 0.25",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
