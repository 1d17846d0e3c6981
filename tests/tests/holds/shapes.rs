//! The frozen form of what lies on disks beside events, and of what roles of two versions say to
//! each other.
//!
//! `golden/shapes.txt` only grows: `HYTHE_BLESS=1 cargo test -p hythe-tests shapes` appends what is
//! new. A line that is there is never changed. The form of the view's checkpoints is frozen under
//! `View::FORMAT`: where a type inside it changes, that number is raised, and checkpoints of before
//! are built again instead of being misread.

use std::collections::BTreeMap;

use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::deployment::{Fault, Outcome, StageName};
use hythe_core::event::Event;
use hythe_core::ids::{CorrelationId, WorkerId};
use hythe_core::names::{BranchName, CommitId};
use hythe_core::record::{Actor, Meta, Recorded, Sequence, StreamId, Version};
use hythe_core::source::Reference;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::view::View;
use hythe_core::wire::FORMAT;
use hythe_core::wire::build::{BuildCommand, BuildProgress};
use hythe_core::wire::log::{LogFrame, LogLine, LogSource, LogStream};
use hythe_core::wire::worker::{Order, WorkerMessage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::golden::{app, deployment, samples, spec, worker};

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
    for (label, actor) in
        [("owner", Actor::Owner), ("system", Actor::System), ("worker", Actor::Worker(worker()))]
    {
        shapes.bytes(&format!("actor/{label}"), &actor);
    }
    let key = ClaimKey("app-name/shop".into());
    let take = ClaimChange::Take { key: key.clone(), note: vec![1, 2, 3] };
    shapes.bytes("claim/take", &take);
    shapes.bytes("claim/release", &ClaimChange::Release { key });
    let commit = CommitId::new("0123456789abcdef0123456789abcdef01234567").unwrap();
    shapes.bytes("reference/default", &Reference::DefaultBranch);
    let branch = BranchName::new("main").unwrap();
    shapes.bytes("reference/branch", &Reference::Branch(branch));
    shapes.bytes("reference/commit", &Reference::Commit(commit));
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
    view
}

#[test]
fn shapes_of_checkpoints_are_bound_to_their_format() {
    let mut shapes = Shapes::load();
    let view = view();
    assert!(view.deployments.len() > 5 && view.workers.len() == 1 && view.apps.len() == 1);
    // Where this fails: raise `View::FORMAT`, so that older checkpoints are built again.
    shapes.bytes(&format!("view/{}", View::FORMAT), &view);
    shapes.settle();
}

#[test]
fn shapes_between_roles_stay_as_they_are_and_may_gain_fields() {
    let mut shapes = Shapes::load();
    let spec = spec();
    let (deployment, format) = (deployment(1), FORMAT);
    let until = Timestamp(1_790_000_000_123);
    shapes.json(
        "wire/build-command",
        &BuildCommand { format, deployment, generation: 2, spec, until },
    );
    let worker = worker();
    let stop = Order::Stop { deployment, generation: 9, stop_within: Millis(10_000) };
    shapes.json("wire/stop", &WorkerMessage { format, worker, order: stop });
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
    shapes.settle();
    // What a later version may say and this one does not know is an error, never another meaning.
    for unknown in [r#""explode""#, r#"{"explode":{}}"#, "7", "null"] {
        assert!(serde_json::from_str::<BuildProgress>(unknown).is_err(), "{unknown}");
        assert!(serde_json::from_str::<Order>(unknown).is_err(), "{unknown}");
    }
}
