//! Made-up values for the tests of this crate.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::argv::Argv;
use crate::declared::Declared;
use crate::deployment::{BuiltImage, DeploymentSpec, Placement};
use crate::health::HealthCheck;
use crate::ids::{AppId, DeploymentId, RunId, WorkerId};
use crate::names::{AppName, CommitId, ImageId, RepositoryUrl};
use crate::process::{ProcessName, ProcessSettings};
use crate::source::{BuildSettings, GitSource, Reference, Resources, Source};
use crate::time::{Millis, Timestamp};

pub(crate) fn app_id(n: u128) -> AppId {
    AppId::new(Uuid::from_u128(0x0a00 + n))
}

pub(crate) fn deployment_id(n: u128) -> DeploymentId {
    DeploymentId::new(Uuid::from_u128(0x0d00 + n))
}

pub(crate) fn worker_id(n: u128) -> WorkerId {
    WorkerId::new(Uuid::from_u128(0x0e00 + n))
}

pub(crate) fn run_id(n: u128) -> RunId {
    RunId::new(Uuid::from_u128(0x0f00 + n))
}

pub(crate) fn name(text: &str) -> AppName {
    AppName::new(text).unwrap()
}

pub(crate) fn source() -> Source {
    Source::Git(GitSource {
        repository: RepositoryUrl::new("https://git.example/shop.git").unwrap(),
        reference: Reference::DefaultBranch,
    })
}

pub(crate) fn spec(replicas: u16) -> DeploymentSpec {
    DeploymentSpec {
        app: app_id(1),
        app_name: name("shop"),
        project: crate::ids::ProjectId::DEFAULT,
        number: 1,
        source: source(),
        build: BuildSettings::default(),
        port: None,
        env: BTreeMap::new(),
        replicas,
        health: HealthCheck::default(),
        resources: Resources::default(),
        drain_within: Millis::seconds(30),
        stop_within: Millis::seconds(10),
        run: crate::run::RunSettings::default(),
        origin: crate::deployment::Origin::Build,
    }
}

/// A process beside web, in so many replicas.
pub(crate) fn worker(replicas: u16) -> (ProcessName, ProcessSettings) {
    let command = Argv::new(vec!["work".into()]).unwrap();
    let settings = ProcessSettings { command, replicas, memory_bytes: None, cpu_millis: None };
    (ProcessName::new("worker").unwrap(), settings)
}

/// The same as [`spec`] with such a process.
pub(crate) fn spec_with_worker(replicas: u16, workers: u16) -> DeploymentSpec {
    let processes = BTreeMap::from([worker(workers)]);
    let run = crate::run::RunSettings { processes, ..crate::run::RunSettings::default() };
    DeploymentSpec { run, ..spec(replicas) }
}

pub(crate) fn image() -> ImageId {
    ImageId::new(format!("sha256:{}", "ab".repeat(32))).unwrap()
}

pub(crate) fn built() -> BuiltImage {
    BuiltImage {
        image: image(),
        commit: CommitId::new("c".repeat(40).replace('c', "0")).unwrap(),
        port: 8080,
        worker: worker_id(1),
        site: None,
        declared: Declared::default(),
    }
}

pub(crate) fn placements(replicas: u16) -> Vec<Placement> {
    (0..replicas).map(|index| Placement { index, worker: worker_id(1) }).collect()
}

pub(crate) const fn at(seconds: u64) -> Timestamp {
    Timestamp(seconds * 1000)
}

/// Gives the commands one after the other; says the last state and all that happened.
pub(crate) fn run<M: crate::machine::Machine>(commands: Vec<M::Command>) -> (M, Vec<M::Event>) {
    let mut state = M::default();
    let mut history = Vec::new();
    for command in commands {
        let events = state.decide(command).unwrap_or_default();
        state = events.iter().fold(state, M::evolve);
        history.extend(events);
    }
    (state, history)
}

/// Whatever is accepted, the history alone gives the same state, also from postcard bytes.
pub(crate) fn replays_to_the_same_state<M>(
    commands: Vec<M::Command>,
) -> Result<(), proptest::test_runner::TestCaseError>
where
    M: crate::machine::Machine,
    M::Event: serde::Serialize + serde::de::DeserializeOwned,
{
    let (state, history) = run::<M>(commands);
    let replayed: M = crate::machine::replay(&history);
    proptest::prop_assert_eq!(&replayed, &state);
    let bytes = postcard::to_allocvec(&history).unwrap();
    let decoded: Vec<M::Event> = postcard::from_bytes(&bytes).unwrap();
    proptest::prop_assert_eq!(&decoded, &history);
    let json = serde_json::to_string(&history).unwrap();
    let decoded: Vec<M::Event> = serde_json::from_str(&json).unwrap();
    proptest::prop_assert_eq!(decoded, history);
    Ok(())
}
