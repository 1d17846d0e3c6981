//! The frozen bytes of every event ever written: what is in a journal somewhere has to stay
//! readable for ever.
//!
//! `golden/events.txt` only grows. A new event, or a new form of one, gets a sample below; then
//! `HYTHE_BLESS=1 cargo test -p hythe-tests golden` appends its line. A line that is there is
//! never changed: where this test fails on one, the change that made it fail is wrong.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::{AppEvent, AppSettings, SettingsChange};
use hythe_core::deployment::{
    BuiltImage, DeploymentEvent, DeploymentSpec, Fault, Outcome, Placement, StageName,
};
use hythe_core::event::Event;
use hythe_core::health::HealthCheck;
use hythe_core::ids::{AppId, DeploymentId, WorkerId};
use hythe_core::installation::{
    BackupPlace, BackupRecipient, Failed, InstallationEvent, Made, Mirror, Restored, Schedule,
};
use hythe_core::names::{
    AppName, BranchName, CommitId, EnvName, HealthPath, HostName, ImageId, RepositoryPath,
    RepositoryUrl, WorkerName,
};
use hythe_core::record::{AggregateKind, Sequence};
use hythe_core::source::{BuildSettings, Reference, Resources, Source};
use hythe_core::time::{Millis, Timestamp};
use hythe_core::worker::{Capacity, WorkerEvent};
use hythe_store::codec::{decode, encode};
use hythe_store::journal::Payload;
use uuid::Uuid;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/events.txt");

pub(crate) fn app() -> AppId {
    AppId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001))
}

pub(crate) fn deployment(n: u128) -> DeploymentId {
    DeploymentId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0100 + n))
}

pub(crate) fn worker() -> WorkerId {
    WorkerId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0002))
}

fn at() -> Timestamp {
    Timestamp(1_790_000_000_123)
}

fn source(reference: Reference) -> Source {
    Source { repository: RepositoryUrl::new("https://git.example/a/shop.git").unwrap(), reference }
}

fn settings() -> AppSettings {
    AppSettings {
        source: Some(source(Reference::Branch(BranchName::new("main").unwrap()))),
        build: BuildSettings {
            dockerfile: Some(RepositoryPath::new("docker/Dockerfile").unwrap()),
        },
        port: Some(3000),
        replicas: 2,
        health: HealthCheck {
            path: Some(HealthPath::new("/healthz").unwrap()),
            interval: Millis(500),
            timeout: Millis(5_000),
            start_within: Millis(60_000),
        },
        resources: Resources { memory_bytes: 512 << 20, cpu_millis: 1_000, processes: 512 },
        domains: BTreeSet::from([HostName::new("shop.example").unwrap()]),
    }
}

pub(crate) fn spec() -> DeploymentSpec {
    let settings = settings();
    let commit = CommitId::new("0123456789abcdef0123456789abcdef01234567").unwrap();
    DeploymentSpec {
        app: app(),
        app_name: AppName::new("shop").unwrap(),
        number: 7,
        source: source(Reference::Commit(commit)),
        build: settings.build,
        port: None,
        env: BTreeMap::from([(EnvName::new("DATABASE_URL").unwrap(), 3)]),
        replicas: 2,
        health: settings.health,
        resources: settings.resources,
        drain_within: Millis(30_000),
        stop_within: Millis(10_000),
    }
}

fn built() -> BuiltImage {
    BuiltImage {
        image: ImageId::new(format!("sha256:{}", "5a".repeat(32))).unwrap(),
        commit: CommitId::new("0123456789abcdef0123456789abcdef01234567").unwrap(),
        port: 8080,
        worker: worker(),
    }
}

fn place() -> BackupPlace {
    BackupPlace::new("s3://bucket/prefix?endpoint=https://s3.example&region=eu-1").unwrap()
}

fn recipient() -> BackupRecipient {
    BackupRecipient::new(format!("age1{}", "q".repeat(58))).unwrap()
}

fn installation() -> Vec<(&'static str, InstallationEvent)> {
    use InstallationEvent as Is;
    let schedule =
        Schedule { to: place(), recipient: recipient(), every: Millis(86_400_000), keep: 7 };
    let made = Made {
        id: app().uuid(),
        to: Some(place()),
        name: "hythe-1.age".into(),
        bytes: 70_000,
        head: Sequence(300),
        hash: "ab".repeat(32),
        took: Millis(250),
        at: at(),
    };
    let failed = Failed { id: app().uuid(), to: None, why: "no room".into(), at: at() };
    let restored = Restored { head: Sequence(300), hash: "ab".repeat(32), at: at() };
    vec![
        ("backup_scheduled", Is::BackupScheduled { schedule, at: at() }),
        ("backup_unscheduled", Is::BackupUnscheduled),
        ("backup_made", Is::BackupMade(made.clone())),
        ("backup_made-handed_out", Is::BackupMade(Made { to: None, ..made })),
        ("backup_failed", Is::BackupFailed(failed)),
        ("backup_became_stale", Is::BackupBecameStale { at: at() }),
        ("mirror_set", Is::MirrorSet(Mirror { to: place(), recipient: recipient() })),
        ("mirror_removed", Is::MirrorRemoved),
        ("mirror_fell_behind", Is::MirrorFellBehind { why: "slow".into() }),
        ("mirror_caught_up", Is::MirrorCaughtUp),
        ("restored", Is::Restored(restored)),
    ]
}

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let env = |name: &str| EnvName::new(name).unwrap();
    let fault = Fault { message: "it failed".into(), log: vec!["last line".into()] };
    let change = SettingsChange {
        source: Some(source(Reference::DefaultBranch)),
        build: Some(BuildSettings::default()),
        port: Some(None),
        replicas: Some(3),
        health: Some(HealthCheck::default()),
        resources: Some(Resources::default()),
        domains: Some(BTreeSet::new()),
    };
    let apps = [
        (
            "created",
            AppEvent::Created {
                id: app(),
                name: AppName::new("shop").unwrap(),
                settings: Box::new(settings()),
            },
        ),
        ("configured", AppEvent::Configured(Box::new(change))),
        ("configured-nothing", AppEvent::Configured(Box::default())),
        (
            "environment_changed",
            AppEvent::EnvironmentChanged {
                set: BTreeMap::from([(env("A"), 1), (env("B"), 300)]),
                remove: BTreeSet::from([env("C")]),
            },
        ),
        (
            "deployment_requested",
            AppEvent::DeploymentRequested { deployment: deployment(1), spec: Box::new(spec()) },
        ),
        (
            "deployment_replaced",
            AppEvent::DeploymentReplaced { deployment: deployment(1), by: deployment(2) },
        ),
        ("deployment_begun", AppEvent::DeploymentBegun { deployment: deployment(1) }),
        (
            "traffic_switched",
            AppEvent::TrafficSwitched { deployment: deployment(2), previous: Some(deployment(1)) },
        ),
        ("traffic_returned", AppEvent::TrafficReturned { from: deployment(2), to: None }),
        (
            "deployment_promoted",
            AppEvent::DeploymentPromoted { deployment: deployment(2), previous: None },
        ),
        ("deployment_settled", AppEvent::DeploymentSettled { deployment: deployment(2) }),
        ("deleted", AppEvent::Deleted { deployments: BTreeSet::from([deployment(1)]) }),
    ];
    let ended = |outcome| DeploymentEvent::Ended { app: app(), outcome };
    let deployments = [
        ("requested", DeploymentEvent::Requested(Box::new(spec()))),
        ("build_queued", DeploymentEvent::BuildQueued { generation: 1, until: at() }),
        ("build_started", DeploymentEvent::BuildStarted { generation: 1, worker: worker() }),
        ("built", DeploymentEvent::Built { built: built(), until: at() }),
        (
            "placed",
            DeploymentEvent::Placed {
                placements: vec![Placement { index: 0, worker: worker() }],
                until: at(),
            },
        ),
        ("became_healthy", DeploymentEvent::BecameHealthy { app: app() }),
        (
            "switch_started",
            DeploymentEvent::SwitchStarted { previous: Some(deployment(1)), until: at() },
        ),
        ("switched", DeploymentEvent::Switched { previous: None, until: at() }),
        ("went_live", DeploymentEvent::WentLive { app: app() }),
        ("ended-superseded", ended(Outcome::Superseded)),
        ("ended-failed", ended(Outcome::Failed { stage: StageName::Starting, fault })),
        ("ended-cancelled", ended(Outcome::Cancelled)),
    ];
    let capacity = Capacity { memory_bytes: 8 << 30, cpu_millis: 4_000 };
    let workers = [
        (
            "registered",
            WorkerEvent::Registered {
                id: worker(),
                name: WorkerName::new("one").unwrap(),
                capacity: capacity.clone(),
            },
        ),
        ("capacity_changed", WorkerEvent::CapacityChanged { capacity }),
        ("lost", WorkerEvent::Lost),
        ("returned", WorkerEvent::Returned),
        ("drain_started", WorkerEvent::DrainStarted),
        ("drain_ended", WorkerEvent::DrainEnded),
        ("removed", WorkerEvent::Removed),
    ];
    let apps = apps.into_iter().map(|(label, event)| (label, Event::App(event)));
    let deployments =
        deployments.into_iter().map(|(label, event)| (label, Event::Deployment(event)));
    let workers = workers.into_iter().map(|(label, event)| (label, Event::Worker(event)));
    let installation =
        installation().into_iter().map(|(label, event)| (label, Event::Installation(event)));
    apps.chain(deployments).chain(workers).chain(installation).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = (0..text.len()).step_by(2);
    digits.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The frozen lines: kind, label, schema, bytes.
fn frozen() -> BTreeMap<(AggregateKind, String), Payload> {
    let text = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    text.lines()
        .map(|line| {
            let [kind, label, schema, bytes] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("not a golden line: {line}");
            };
            let payload = Payload { schema: schema.parse().unwrap(), bytes: unhex(bytes) };
            ((kind.parse().unwrap(), label.to_owned()), payload)
        })
        .collect()
}

#[test]
fn golden_bytes_of_every_event_stay_readable_and_are_written_the_same() {
    let frozen = frozen();
    let mut missing = String::new();
    for (label, event) in samples() {
        let written = encode(&event).unwrap();
        let key = (event.kind(), label.to_owned());
        let Some(payload) = frozen.get(&key) else {
            missing += &format!("{} {label} {} {}\n", key.0, written.schema, hex(&written.bytes));
            continue;
        };
        assert_eq!(decode(event.kind(), payload).unwrap(), event, "reading {key:?}");
        assert_eq!(written.schema, payload.schema, "writing {key:?}");
        assert_eq!(hex(&written.bytes), hex(&payload.bytes), "writing {key:?}");
    }
    if !missing.is_empty() && std::env::var_os("HYTHE_BLESS").is_some() {
        let all = std::fs::read_to_string(GOLDEN).unwrap_or_default() + &missing;
        std::fs::write(GOLDEN, all).unwrap();
        return;
    }
    assert!(missing.is_empty(), "no golden bytes yet for:\n{missing}");
}

#[test]
fn golden_samples_cover_every_event_that_there_is() {
    let sampled: BTreeSet<(AggregateKind, &str)> =
        samples().iter().map(|(_, event)| (event.kind(), event.name())).collect();
    let all: BTreeSet<(AggregateKind, &str)> = Event::NAMES.iter().copied().collect();
    assert_eq!(sampled, all);
}

#[test]
fn golden_lines_without_a_sample_still_decode() {
    for ((kind, label), payload) in frozen() {
        assert!(decode(kind, &payload).is_ok(), "{kind} {label}");
    }
}
