//! A made-up worker and a made-up edge: they answer over the real NATS as told, and do nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crypto_box::SecretKey;
use crypto_box::aead::OsRng;
use hythe_core::declared::Declared;
use hythe_core::deployment::{BuildOutcome, BuiltImage, Fault};
use hythe_core::ids::{DeploymentId, EdgeId, InstallationId, WorkerId};
use hythe_core::names::{CommitId, EnvName, ImageId, WorkerName};
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::build::{BuildCommand, BuildProgress, BuildReport};
use hythe_core::wire::edge::EdgeReport;
use hythe_core::wire::subjects;
use hythe_core::wire::worker::{
    Assignment, BuildHeld, BuilderReport, EngineDisk, EngineState, Held, Order, ReplicaReport,
    ReplicaState, SealedContent, SealingKey, WorkerMessage, WorkerReport,
};
use hythe_core::worker::Capacity;
use hythe_store::steps::Step;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::world::WITHIN;
use crate::bus::{Bus, ConsumerSpec, NatsSettings, Verdict, connect_in_background};

const HEARTBEAT: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builds {
    Succeed,
    Fail,
    /// Taken on and never ended.
    Accept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replicas {
    Healthy,
    Exit,
    NeverHealthy,
    NotYet,
}

#[derive(Clone)]
enum Told {
    Run(Box<Assignment>),
    Stop(u64),
}

#[derive(Clone)]
pub(super) struct WorkerState {
    builds: Builds,
    replicas: Replicas,
    told: BTreeMap<DeploymentId, Told>,
    /// What is being built, by generation.
    building: BTreeMap<DeploymentId, u32>,
    cancelled: BTreeSet<DeploymentId>,
    environments: BTreeMap<DeploymentId, Vec<(EnvName, String)>>,
    /// Each deployment's replicas behave as was set when they were ordered, until they are to
    /// be something else.
    outcomes: BTreeMap<DeploymentId, Replicas>,
    /// What its engine's disk is like.
    disk: Option<EngineDisk>,
}

impl WorkerState {
    pub(super) fn runs(&self, id: DeploymentId) -> bool {
        matches!(self.told.get(&id), Some(Told::Run(_)))
    }

    pub(super) fn cancelled(&self, id: DeploymentId) -> bool {
        self.cancelled.contains(&id)
    }
}

pub(super) struct FakeWorker {
    shared: Arc<Worker>,
    _stop: DropGuard,
}

struct Worker {
    id: WorkerId,
    installation: InstallationId,
    bus: Bus,
    key: SecretKey,
    state: Mutex<WorkerState>,
    changes: watch::Sender<u64>,
}

impl FakeWorker {
    pub(super) async fn start(nats: &NatsSettings, installation: InstallationId) -> Self {
        let shared = Arc::new(Worker {
            id: WorkerId::new(Uuid::now_v7()),
            installation,
            bus: connect_in_background(nats, "a made-up worker").await.unwrap(),
            key: SecretKey::generate(&mut OsRng),
            state: Mutex::new(WorkerState {
                builds: Builds::Succeed,
                replicas: Replicas::Healthy,
                told: BTreeMap::new(),
                building: BTreeMap::new(),
                cancelled: BTreeSet::new(),
                environments: BTreeMap::new(),
                outcomes: BTreeMap::new(),
                disk: None,
            }),
            changes: watch::Sender::new(0),
        });
        let stop = CancellationToken::new();
        for (durable, filter) in [
            (format!("worker-{}", shared.id), subjects::worker_orders(shared.id)),
            ("builders-default".into(), subjects::build_commands(subjects::DEFAULT_POOL)),
        ] {
            let (worker, stop) = (Arc::clone(&shared), stop.clone());
            let stream = subjects::COMMANDS.into();
            let spec =
                ConsumerSpec { stream, durable, filter, ahead: 1, settled: Step::OrderSettled };
            tokio::spawn(async move {
                let handler = |delivery: crate::bus::Delivery| {
                    let worker = Arc::clone(&worker);
                    async move {
                        match delivery.json::<WorkerMessage>() {
                            Ok(message) => worker.order(message.order).await,
                            Err(_) => worker.build(delivery.json().unwrap()).await,
                        }
                        Verdict::Done
                    }
                };
                worker.bus.consume(spec, stop, handler).await;
            });
        }
        let (worker, stopped) = (Arc::clone(&shared), stop.clone());
        let mut changes = shared.changes.subscribe();
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            loop {
                worker.report().await;
                drop(tokio::time::timeout(HEARTBEAT, changes.changed()).await);
            }
        }));
        Self { shared, _stop: stop.drop_guard() }
    }

    pub(super) fn behave(&self, builds: Builds, replicas: Replicas) {
        self.shared.change(|state| {
            (state.builds, state.replicas) = (builds, replicas);
            for outcome in state.outcomes.values_mut().filter(|o| **o == Replicas::NotYet) {
                *outcome = replicas;
            }
        });
    }

    /// Ends every build that was only taken on.
    pub(super) fn finish_builds(&self) {
        let worker = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let building = worker.look(|state| state.building.clone());
            for (deployment, generation) in building {
                worker.bus.ready().await;
                worker.finish(deployment, generation, worker.good()).await;
            }
        });
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&WorkerState) -> T) -> T {
        self.shared.look(look)
    }

    pub(super) fn id(&self) -> WorkerId {
        self.shared.id
    }

    /// From now on it says so of its engine's disk.
    pub(super) fn has_disk(&self, disk: EngineDisk) {
        self.shared.change(|state| state.disk = Some(disk));
    }

    pub(super) fn environment(&self, id: DeploymentId) -> Vec<(EnvName, String)> {
        self.look(|state| state.environments.get(&id).cloned().unwrap_or_default())
    }

    pub(super) async fn until(&self, what: &str, is: impl Fn(&WorkerState) -> bool) {
        let mut changes = self.shared.changes.subscribe();
        let wait = async {
            while !self.look(&is) {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(WITHIN, wait).await.unwrap_or_else(|_| panic!("{what}"));
    }
}

impl Worker {
    fn look<T>(&self, look: impl FnOnce(&WorkerState) -> T) -> T {
        look(&self.state.lock().unwrap())
    }

    fn change(&self, change: impl FnOnce(&mut WorkerState)) {
        change(&mut self.state.lock().unwrap());
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn good(&self) -> BuildOutcome {
        Ok(BuiltImage {
            image: ImageId::new(format!("sha256:{}", "ab".repeat(32))).unwrap(),
            commit: CommitId::new("0123456789".repeat(4)).unwrap(),
            port: 8080,
            worker: self.id,
            site: None,
            declared: Declared::default(),
        })
    }

    async fn build_report(&self, deployment: DeploymentId, generation: u32, is: BuildProgress) {
        let report = BuildReport {
            format: 1,
            worker: self.id,
            deployment,
            generation,
            progress: is,
            at: Timestamp(1),
        };
        let subject = subjects::build_report(deployment);
        while self.bus.publish(Step::WorkerReported, &subject, &report, None).await.is_err() {
            self.bus.ready().await;
        }
    }

    async fn finish(&self, deployment: DeploymentId, generation: u32, outcome: BuildOutcome) {
        self.build_report(deployment, generation, BuildProgress::Finished(outcome)).await;
        self.change(|state| state.building.retain(|id, _| *id != deployment));
    }

    async fn build(&self, command: BuildCommand) {
        let BuildCommand { deployment, generation, .. } = command;
        self.change(|state| state.building.extend([(deployment, generation)]));
        self.build_report(deployment, generation, BuildProgress::Accepted).await;
        let broken = Fault { message: "the build broke".into(), log: vec!["no such file".into()] };
        match self.look(|state| state.builds) {
            Builds::Succeed => self.finish(deployment, generation, self.good()).await,
            Builds::Fail => self.finish(deployment, generation, Err(broken)).await,
            Builds::Accept => {}
        }
    }

    async fn order(&self, order: Order) {
        match order {
            Order::Run(assignment) => self.change(|state| {
                let id = assignment.deployment;
                let sealed = &assignment.environment.0;
                if !sealed.is_empty() {
                    let plain = self.key.unseal(sealed).unwrap();
                    let content: SealedContent = postcard::from_bytes(&plain).unwrap();
                    assert_eq!(content.deployment, id);
                    state.environments.insert(id, content.variables);
                }
                state.outcomes.entry(id).or_insert(state.replicas);
                state.told.insert(id, Told::Run(assignment));
            }),
            Order::Stop { deployment, generation, .. } => {
                self.change(|state| drop(state.told.insert(deployment, Told::Stop(generation))));
            }
            Order::CancelBuild { deployment, generation } => {
                self.change(|state| {
                    state.building.remove(&deployment);
                    state.cancelled.insert(deployment);
                });
                self.build_report(deployment, generation, BuildProgress::Cancelled).await;
            }
        }
    }

    async fn report(&self) {
        let state = self.look(WorkerState::clone);
        let mut replicas = Vec::new();
        let mut assignments = Vec::new();
        for (deployment, told) in &state.told {
            let (generation, stopping) = match told {
                Told::Run(assignment) => (assignment.generation, false),
                Told::Stop(generation) => (*generation, true),
            };
            assignments.push(Held { deployment: *deployment, generation, stopping });
            let Told::Run(assignment) = told else { continue };
            let outcome = state.outcomes.get(deployment).copied().unwrap_or(state.replicas);
            replicas.extend(assignment.replicas.iter().map(|index| ReplicaReport {
                deployment: *deployment,
                app: assignment.app,
                index: *index,
                state: replica_state(outcome),
                endpoint: Some(([127, 0, 0, 1], 40_000 + *index).into()),
                restarts: 0,
                in_a_row: 0,
                log: vec!["its last words".into()],
                image_missing: false,
            }));
        }
        let held = |(deployment, generation): (&DeploymentId, &u32)| BuildHeld {
            deployment: *deployment,
            generation: *generation,
        };
        let report = WorkerReport {
            format: 1,
            worker: self.id,
            installation: self.installation,
            name: WorkerName::new("made-up").unwrap(),
            capacity: Capacity { memory_bytes: 64 << 30, cpu_millis: 64_000 },
            sealing_key: SealingKey(*self.key.public_key().as_bytes()),
            engine: EngineState::Ready { version: "27.0".into() },
            assignments,
            replicas,
            builds: state.building.iter().map(held).collect(),
            builder: Some(BuilderReport {
                at_once: u16::MAX,
                remarks: Vec::new(),
                disk: state.disk,
            }),
            at: Timestamp(1),
        };
        // Where NATS is away, the next one says it all.
        drop(
            self.bus
                .publish(Step::WorkerReported, &subjects::worker_report(self.id), &report, None)
                .await,
        );
        for (deployment, generation) in state.building {
            if self.bus.is_ready() {
                self.build_report(deployment, generation, BuildProgress::Running).await;
            }
        }
    }
}

fn replica_state(outcome: Replicas) -> ReplicaState {
    let check = || "connection refused".to_owned();
    match outcome {
        Replicas::Healthy => ReplicaState::Healthy,
        Replicas::Exit => ReplicaState::Exited { code: 3, out_of_memory: false },
        Replicas::NeverHealthy => {
            ReplicaState::Starting { check: check(), elapsed: Millis::seconds(3_600), within: None }
        }
        Replicas::NotYet => {
            ReplicaState::Starting { check: check(), elapsed: Millis(1), within: None }
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EdgeState {
    /// The revision in the bucket when it looked last; 0 where there was none.
    pub(super) found: u64,
    /// Under which connection that was.
    pub(super) epoch: u64,
    in_force: u64,
}

/// Takes up whatever table is newest, and says so.
pub(super) struct FakeEdge {
    state: watch::Receiver<EdgeState>,
    _stop: DropGuard,
}

impl FakeEdge {
    pub(super) async fn start(nats: &NatsSettings) -> Self {
        let bus = connect_in_background(nats, "a made-up edge").await.unwrap();
        let edge = EdgeId::new(Uuid::now_v7());
        let (tell, state) = watch::channel(EdgeState::default());
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            let mut now = EdgeState::default();
            loop {
                let epoch = bus.state().borrow().epoch();
                if let (Some(epoch), Ok(found)) = (epoch, bus.routes().await) {
                    now.epoch = epoch;
                    now.found = found.map_or(0, |message| message.table.revision);
                    now.in_force = now.in_force.max(now.found);
                    tell.send_replace(now);
                }
                let report = EdgeReport {
                    format: 1,
                    edge,
                    revision: now.in_force,
                    busy: Vec::new(),
                    leaving: Vec::new(),
                    at: Timestamp(1),
                    sealing_key: None,
                    challenges: BTreeSet::new(),
                    ended: false,
                    behind: BTreeSet::new(),
                    unasked: BTreeMap::new(),
                    wanted: BTreeSet::new(),
                };
                drop(
                    bus.publish(Step::WorkerReported, &subjects::edge_report(edge), &report, None)
                        .await,
                );
                tokio::time::sleep(HEARTBEAT).await;
            }
        }));
        Self { state, _stop: stop.drop_guard() }
    }

    pub(super) fn look(&self) -> EdgeState {
        *self.state.borrow()
    }

    pub(super) async fn until(&self, what: &str, is: impl Fn(&EdgeState) -> bool) {
        let mut state = self.state.clone();
        let wait = state.wait_for(|state| is(state));
        tokio::time::timeout(WITHIN, wait).await.unwrap_or_else(|_| panic!("{what}")).unwrap();
    }
}
