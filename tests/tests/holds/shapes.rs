//! The frozen form of what lies on disks beside events, and of what roles of two versions say to
//! each other.
//!
//! `golden/shapes.txt` only grows: `HYTHE_BLESS=1 cargo test -p hythe-tests shapes` appends what is
//! new. A line that is there is never changed. The form of the view's checkpoints is frozen under
//! `View::FORMAT`: where a type inside it changes, that number is raised, and checkpoints of before
//! are built again instead of being misread.

use std::collections::BTreeMap;

use hythe_core::argv::Argv;
use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::deployment::{Fault, Origin, Outcome, StageName};
use hythe_core::event::Event;
use hythe_core::health::Probe;
use hythe_core::hook::{PageUrl, Provider, SenderName, Webhook};
use hythe_core::ids::{CorrelationId, EdgeId, InstallationId, WorkerId};
use hythe_core::inside::Inside;
use hythe_core::installation::SourcePrefix;
use hythe_core::names::{AppName, BranchName, CommitId, ImageId, TagName};
use hythe_core::one_off::OneOffEnd;
use hythe_core::record::{Actor, Meta, Recorded, Sequence, StreamId, Version};
use hythe_core::run::RunSettings;
use hythe_core::source::{
    BuildSettings, Fetches, ImageRef, Pushed, Reference, Resources, Source, UploadDigest,
};
use hythe_core::task::Hook;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::view::View;
use hythe_core::wire::FORMAT;
use hythe_core::wire::build::{
    AccessFor, BuildCommand, BuildProgress, GitHubAccess, LoginsFor, SealedFor,
};
use hythe_core::wire::log::{LogFrame, LogLine, LogSource, LogStream};
use hythe_core::wire::run::{
    Body, Packet, RunAnswer, RunEnded, RunOpening, RunQuestion, RunSaid, RunSeen, RunWanted,
    TerminalSize,
};
use hythe_core::wire::worker::{Assignment, Order, SealedEnvironment, TaskOrder, WorkerMessage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::golden::{app, deployment, hook, run, samples, spec, with_processes, worker};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/shapes.txt");

/// Label → what was frozen, and what is written now.
#[derive(Default)]
struct Shapes {
    frozen: BTreeMap<String, String>,
    missing: String,
}

impl Shapes {
    fn load() -> Self {
        let text = std::fs::read_to_string(GOLDEN).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let frozen = lines.map(|(label, form)| (label.to_owned(), form.to_owned())).collect();
        Self { frozen, missing: String::new() }
    }

    fn check(&mut self, label: &str, now: &str) {
        match self.frozen.get(label) {
            Some(frozen) => assert_eq!(now, frozen, "{label} is written otherwise than before"),
            None => self.missing += &format!("{label} {now}\n"),
        }
    }

    /// Positions and fields, as the journal and checkpoints keep them.
    fn bytes<T: Serialize + DeserializeOwned + PartialEq>(&mut self, label: &str, value: &T) {
        let bytes = postcard::to_stdvec(value).unwrap();
        self.check(label, &crate::golden::hex(&bytes));
        assert!(postcard::from_bytes::<T>(&bytes).unwrap() == *value, "{label} comes back");
    }

    /// Names and fields, as they go from role to role and into agents' ledgers. A later version
    /// may add fields: they are passed over.
    fn json<T: Serialize + DeserializeOwned + PartialEq>(&mut self, label: &str, value: &T) {
        let text = serde_json::to_string(value).unwrap();
        self.check(label, &text);
        let mut with_more: serde_json::Value = serde_json::from_str(&text).unwrap();
        with_more["field_of_a_later_version"] = serde_json::json!({"a": [1]});
        assert!(serde_json::from_value::<T>(with_more).unwrap() == *value, "{label} comes back");
    }

    fn settle(self) {
        if !self.missing.is_empty() && std::env::var_os("HYTHE_BLESS").is_some() {
            let all = std::fs::read_to_string(GOLDEN).unwrap_or_default() + &self.missing;
            std::fs::write(GOLDEN, all).unwrap();
            return;
        }
        assert!(self.missing.is_empty(), "not frozen yet:\n{}", self.missing);
    }
}

#[test]
fn shapes_within_records_stay_as_they_are() {
    let mut shapes = Shapes::load();
    let webhook = Webhook {
        provider: Provider::GitHub,
        hook: hook(),
        sender: SenderName::cleaned("octocat"),
    };
    for (label, actor) in [
        ("owner", Actor::Owner),
        ("system", Actor::System),
        ("worker", Actor::Worker(worker())),
        ("webhook", Actor::Webhook(webhook)),
    ] {
        shapes.bytes(&format!("actor/{label}"), &actor);
    }
    let key = ClaimKey("app-name/shop".into());
    let take = ClaimChange::Take { key: key.clone(), note: vec![1, 2, 3] };
    shapes.bytes("claim/take", &take);
    shapes.bytes("claim/release", &ClaimChange::Release { key });
    let commit = CommitId::new("0123456789abcdef0123456789abcdef01234567").unwrap();
    let pushed = commit.clone();
    shapes.bytes("reference/default", &Reference::DefaultBranch);
    let branch = BranchName::new("main").unwrap();
    shapes.bytes("reference/branch", &Reference::Branch(branch.clone()));
    shapes.bytes("reference/commit", &Reference::Commit(commit));
    shapes.bytes("reference/tag", &Reference::Tag(TagName::new("v1.2").unwrap()));
    let digest = UploadDigest::new(format!("sha256:{}", "01".repeat(32))).unwrap();
    let image = ImageRef::new("ghcr.io/team/shop:1.2").unwrap();
    let pushed = Pushed { branch, commit: pushed, upload: digest.clone() };
    let sources = [
        ("upload", Source::Upload(digest)),
        ("image", Source::Image(image)),
        ("pushed", Source::Pushed(pushed)),
    ];
    for (name, source) in sources {
        shapes.bytes(&format!("source/{name}"), &source);
        shapes.json(&format!("source/{name}/json"), &source);
    }
    let fetches = Fetches { submodules: true, lfs: true };
    let fetching = BuildSettings { fetches, ..spec().build };
    shapes.bytes("build-settings/fetching", &fetching);
    shapes.json("build-settings/fetching/json", &fetching);
    let fault = Fault { message: "it failed".into(), log: vec!["last line".into()] };
    for stage in [
        StageName::Requested,
        StageName::Queued,
        StageName::Building,
        StageName::Built,
        StageName::Starting,
        StageName::Healthy,
        StageName::Switching,
        StageName::Draining,
        StageName::Live,
        StageName::Superseded,
        StageName::Failed,
        StageName::Cancelled,
        StageName::Releasing,
    ] {
        let outcome = Outcome::Failed { stage, fault: fault.clone() };
        shapes.bytes(&format!("failed-at/{stage:?}").to_lowercase(), &outcome);
    }
    shapes.settle();
}

/// Every state that the samples lead to: of a deployment, one for each of its stages.
fn view() -> View {
    let mut view = View::default();
    let mut versions: BTreeMap<Uuid, u64> = BTreeMap::new();
    let mut take = |id: Uuid, event: &Event| {
        let version = versions.entry(id).or_insert(0);
        *version += 1;
        let sequence = Sequence(view.head.0 + 1);
        view.apply(&Recorded {
            sequence,
            stream: StreamId { kind: event.kind(), id },
            version: Version(*version),
            meta: Meta {
                at: Timestamp(1_790_000_000_000 + sequence.0),
                actor: Actor::Worker(worker()),
                correlation: CorrelationId::new(Uuid::from_u128(7)),
                causation: Some(Sequence(1)),
            },
            event: event.clone(),
        });
    };
    let of = |kind: &str| {
        let samples = samples().into_iter();
        let events = samples.filter(|(_, event)| event.kind().name() == kind);
        events.collect::<Vec<_>>()
    };
    for (label, event) in of("app") {
        if label != "deleted" {
            take(app().uuid(), &event);
        }
    }
    let path = of("deployment");
    let ends = path.iter().position(|(label, _)| label.starts_with("ended")).unwrap();
    for length in 1..=ends {
        let id = deployment(1_000 + length as u128).uuid();
        path[..length].iter().for_each(|(_, event)| take(id, event));
    }
    for (at, (_, end)) in path[ends..].iter().enumerate() {
        let id = deployment(2_000 + at as u128).uuid();
        take(id, &path[0].1);
        take(id, end);
    }
    let id = WorkerId::new(Uuid::from_u128(0x99)).uuid();
    for (label, event) in of("worker") {
        if label != "removed" {
            take(id, &event);
        }
    }
    for (label, event) in of("project") {
        if label != "deleted" {
            take(Uuid::from_u128(0x77), &event);
        }
    }
    view
}

#[test]
fn shapes_of_checkpoints_are_bound_to_their_format() {
    let mut shapes = Shapes::load();
    let view = view();
    assert!(view.deployments.len() > 5 && view.workers.len() == 1 && view.apps.len() == 1);
    assert_eq!(view.projects.len(), 1);
    // Where this fails: raise `View::FORMAT`, so that older checkpoints are built again.
    shapes.bytes(&format!("view/{}", View::FORMAT), &view);
    shapes.settle();
}

/// An order to run a release command and nothing else.
fn releasing() -> Assignment {
    let spec = spec();
    let command = Argv::new(vec!["bin/migrate".into()]).unwrap();
    let (index, within) = (Hook::Release.index(), Millis(300_000));
    Assignment {
        deployment: deployment(1),
        app: spec.app,
        app_name: spec.app_name,
        generation: 9,
        replicas: Vec::new(),
        tasks: vec![TaskOrder { index, command, within }],
        image: ImageId::new(format!("sha256:{}", "5a".repeat(32))).unwrap(),
        port: 8080,
        environment: SealedEnvironment(vec![1, 2, 3]),
        health: spec.health,
        resources: spec.resources,
        run: spec.run,
        stop_within: spec.stop_within,
        restart: false,
    }
}

#[test]
fn shapes_between_roles_stay_as_they_are_and_may_gain_fields() {
    let mut shapes = Shapes::load();
    let spec = spec();
    let spec_again = spec.clone();
    let (deployment, format) = (deployment(1), FORMAT);
    let until = Timestamp(1_790_000_000_123);
    let sealed =
        vec![SealedFor { worker: worker(), environment: SealedEnvironment(vec![1, 2, 3]) }];
    let registries = vec![LoginsFor { worker: worker(), sealed: vec![4, 5, 6] }];
    let access = vec![AccessFor { worker: worker(), sealed: vec![7, 8, 9] }];
    shapes.json(
        "wire/build-command/4",
        &BuildCommand {
            format,
            deployment,
            generation: 2,
            spec,
            until,
            secrets: sealed,
            registries: registries.clone(),
            access: access.clone(),
            github: None,
            sites: false,
        },
    );
    let lent = GitHubAccess::Lent {
        prefix: SourcePrefix::new("https://github.com/a/shop").unwrap(),
        installation: 300,
    };
    let page = PageUrl::new("https://github.com/apps/hythe/installations/new").unwrap();
    for (label, github) in [("5", lent), ("6", GitHubAccess::Installable { page })] {
        shapes.json(
            &format!("wire/build-command/{label}"),
            &BuildCommand {
                format,
                deployment,
                generation: 2,
                spec: spec_again.clone(),
                until,
                secrets: Vec::new(),
                registries: registries.clone(),
                access: access.clone(),
                github: Some(github),
                sites: false,
            },
        );
    }
    let worker = worker();
    let stop = Order::Stop { deployment, generation: 9, stop_within: Millis(10_000) };
    shapes.json("wire/stop", &WorkerMessage { format, worker, order: stop });
    let release = Order::Run(Box::new(releasing()));
    shapes.json("wire/run-release", &WorkerMessage { format, worker, order: release });
    let beside_web = Assignment {
        replicas: vec![0, 1_024, 1_025],
        tasks: Vec::new(),
        run: with_processes(true),
        ..releasing()
    };
    let beside_web = Order::Run(Box::new(beside_web));
    shapes.json("wire/run-processes", &WorkerMessage { format, worker, order: beside_web });
    let cancel = Order::CancelBuild { deployment, generation: 2 };
    shapes.json("wire/cancel-build", &WorkerMessage { format, worker, order: cancel });
    let lines = [LogStream::Stdout, LogStream::Stderr, LogStream::Hythe].map(|stream| LogLine {
        at: 1,
        stream,
        text: "line".into(),
    });
    let source = LogSource::Replica { app: app(), deployment, index: 3 };
    shapes.json(
        "wire/log-frame",
        &LogFrame { format, source, first: 7, lines: lines.to_vec(), ended: false },
    );
    let source = LogSource::Access { app: app(), edge: EdgeId::new(Uuid::from_u128(7)) };
    shapes.json(
        "wire/access-frame",
        &LogFrame { format, source, first: 7, lines: lines.to_vec(), ended: false },
    );
    let opening = RunOpening {
        run: run(),
        app: app(),
        app_name: AppName::new("shop").unwrap(),
        network: None,
        deployment,
        image: ImageId::new(format!("sha256:{}", "ab".repeat(32))).unwrap(),
        port: 8080,
        resources: Resources::default(),
        inside: Inside::default(),
        within: Millis(3_600_000),
        stop_within: Millis(10_000),
        terminal: Some(TerminalSize { columns: 80, rows: 24 }),
        detached: false,
        bare: true,
        sealed: vec![7, 8, 9],
    };
    let installation = InstallationId::new(Uuid::from_u128(5));
    for (label, wanted) in [
        ("open", RunWanted::Open(Box::new(opening))),
        ("list", RunWanted::List),
        ("stop", RunWanted::Stop(run())),
        ("log", RunWanted::Log { run: run(), reader: run() }),
    ] {
        let question = RunQuestion { format, installation, wanted };
        shapes.json(&format!("wire/run-question/{label}"), &question);
    }
    let ended = OneOffEnd::Exited { code: 3, out_of_memory: false };
    let seen = RunSeen { run: run(), app: app(), ended: Some(ended), until };
    for (label, said) in [
        ("done", RunSaid::Done),
        ("runs", RunSaid::Runs(vec![seen])),
        ("refused", RunSaid::Refused { why: "so".into() }),
    ] {
        let answer = RunAnswer { format, worker, said };
        shapes.json(&format!("wire/run-answer/{label}"), &answer);
    }
    let end = RunEnded { end: ended, code: 3, message: None };
    let packet =
        Packet { number: 1, received: 2, used: 3, again: true, body: Body::Ended(end) }.encode();
    shapes.check("wire/run-packet", &crate::golden::hex(&packet));
    // A server of before says less.
    let before = &shapes.frozen["wire/build-command"];
    let command: BuildCommand = serde_json::from_str(before).unwrap();
    assert_eq!((command.spec.origin, command.spec.run), (Origin::Build, RunSettings::default()));
    let before: BuildCommand =
        serde_json::from_str(&shapes.frozen["wire/build-command/2"]).unwrap();
    assert_eq!((before.secrets.len(), before.registries.len()), (1, 0));
    let probe = command.spec.health.probe;
    let asked = matches!(&probe, Probe::Http { path, .. } if path.as_str() == "/healthz");
    assert!(asked, "{probe:?}");
    shapes.settle();
    // What a later version may say and this one does not know is an error, never another meaning.
    for unknown in [r#""explode""#, r#"{"explode":{}}"#, "7", "null"] {
        assert!(serde_json::from_str::<BuildProgress>(unknown).is_err(), "{unknown}");
        assert!(serde_json::from_str::<Order>(unknown).is_err(), "{unknown}");
    }
}
