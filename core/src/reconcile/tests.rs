//! The whole core against a small made-up world: a worker that carries out `plan`, an edge that
//! takes up tables, and a builder. Each scenario steps until nothing moves any more.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use uuid::Uuid;

use super::{Effect, reconcile};
use crate::app::{App, AppCommand, AppSettings};
use crate::deployment::{Deployment, DeploymentCommand, Fault, Outcome, Stage, StageName};
use crate::event::Event;
use crate::ids::{AppId, CorrelationId, DeploymentId, EdgeId, InstallationId, WorkerId};
use crate::limits;
use crate::machine::Machine;
use crate::names::{HostName, WorkerName};
use crate::observed::{BuildSeen, EdgeSeen, Observed, WorkerSeen};
use crate::plan::{Container, ContainerState, Desired, ReplicaKey, Seen, Step, Wanted, plan};
use crate::react::{Reaction, react};
use crate::record::{Actor, AggregateKind, Meta, Recorded, Sequence, StreamId, Version};
use crate::rejection::Rejection;
use crate::routes::{Backend, RouteTable};
use crate::testing::{app_id, built, deployment_id, name, source, worker_id};
use crate::time::{Millis, Timestamp};
use crate::view::View;
use crate::wire::edge::Busy;
use crate::wire::worker::{
    Assignment, EngineState, Held, ReplicaReport, ReplicaState, SealedEnvironment, SealingKey,
    WorkerReport,
};
use crate::worker::{Capacity, Worker, WorkerCommand};

/// What the made-up app does when it is run.
#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    Healthy,
    NeverHealthy,
    Exits,
}

struct World {
    now: Timestamp,
    apps: BTreeMap<AppId, App>,
    deployments: BTreeMap<DeploymentId, Deployment>,
    workers: BTreeMap<WorkerId, Worker>,
    log: Vec<Recorded<Event>>,
    reacted: usize,
    view: View,
    observed: Observed,
    desired: Desired,
    seen: Seen,
    behaviour: BTreeMap<DeploymentId, Behaviour>,
    build: Result<(), Fault>,
    builder_alive: bool,
    worker_alive: bool,
    edge_alive: bool,
    busy: Vec<Busy>,
    builds_sent: Vec<(DeploymentId, u32)>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: Timestamp(1_000_000),
            apps: BTreeMap::new(),
            deployments: BTreeMap::new(),
            workers: BTreeMap::new(),
            log: Vec::new(),
            reacted: 0,
            view: View::default(),
            observed: Observed::starting_at(Timestamp(1_000_000)),
            desired: Desired::new(),
            seen: Seen::default(),
            behaviour: BTreeMap::new(),
            build: Ok(()),
            builder_alive: true,
            worker_alive: true,
            edge_alive: true,
            busy: Vec::new(),
            builds_sent: Vec::new(),
        };
        let capacity = Capacity { memory_bytes: 8 << 30, cpu_millis: 4000 };
        let join = WorkerCommand::Register { id: worker_id(1), name: worker_name(), capacity };
        world.worker(worker_id(1), join).unwrap();
        let settings =
            Box::new(AppSettings { source: Some(source()), replicas: 2, ..Default::default() });
        world.app(AppCommand::Create { id: app_id(1), name: name("shop"), settings }).unwrap();
        world
    }

    fn record(&mut self, kind: AggregateKind, id: Uuid, event: Event) {
        let sequence = Sequence(self.log.len() as u64 + 1);
        let meta = Meta {
            at: self.now,
            actor: Actor::System,
            correlation: CorrelationId::new(Uuid::nil()),
            causation: None,
        };
        let stream = StreamId { kind, id };
        let recorded = Recorded { sequence, stream, version: Version(0), meta, event };
        self.view.apply(&recorded);
        self.log.push(recorded);
    }

    fn app(&mut self, command: AppCommand) -> Result<usize, Rejection> {
        let state = self.apps.entry(app_id(1)).or_default();
        let events = state.decide(command)?;
        *state = events.iter().fold(std::mem::take(state), App::evolve);
        for event in &events {
            self.record(AggregateKind::App, app_id(1).uuid(), Event::App(event.clone()));
        }
        Ok(events.len())
    }

    fn deployment(
        &mut self,
        id: DeploymentId,
        command: DeploymentCommand,
    ) -> Result<usize, Rejection> {
        let state = self.deployments.entry(id).or_default();
        let events = state.decide(command)?;
        *state = events.iter().fold(std::mem::take(state), Deployment::evolve);
        for event in &events {
            self.record(AggregateKind::Deployment, id.uuid(), Event::Deployment(event.clone()));
        }
        Ok(events.len())
    }

    fn worker(&mut self, id: WorkerId, command: WorkerCommand) -> Result<usize, Rejection> {
        let state = self.workers.entry(id).or_default();
        let events = state.decide(command)?;
        *state = events.iter().fold(std::mem::take(state), Worker::evolve);
        for event in &events {
            self.record(AggregateKind::Worker, id.uuid(), Event::Worker(event.clone()));
        }
        Ok(events.len())
    }

    fn request(&mut self, n: u128, behaviour: Behaviour) -> DeploymentId {
        let deployment = deployment_id(n);
        self.behaviour.insert(deployment, behaviour);
        self.app(AppCommand::RequestDeployment { deployment, source: None }).unwrap();
        deployment
    }

    fn react(&mut self) {
        while let Some(recorded) = self.log.get(self.reacted).cloned() {
            self.reacted += 1;
            for reaction in react(&recorded, self.now) {
                let result = match reaction {
                    Reaction::App(_, command) => self.app(command),
                    Reaction::Deployment(id, command) => self.deployment(id, command),
                };
                result.unwrap_or_else(|why| panic!("a reaction was refused: {why}"));
            }
        }
    }

    /// One round of everybody, a second later.
    fn step(&mut self) {
        self.now = self.now.plus(Millis::seconds(1));
        self.react();
        self.hear();
        for effect in reconcile(&self.view, &self.observed, &base(), self.now) {
            if let Some(sent) = effect.sent() {
                self.observed.sent.insert(sent, self.now);
            }
            self.carry_out(effect);
        }
        self.react();
        self.act();
        self.invariants();
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Deployment(id, command) => drop(self.deployment(id, command).unwrap()),
            Effect::Worker(id, command) => drop(self.worker(id, command).unwrap()),
            Effect::SendBuild { deployment, generation, until: _ } => {
                self.builds_sent.push((deployment, generation));
                if !self.builder_alive {
                    return;
                }
                let worker = worker_id(1);
                let accept = DeploymentCommand::AcceptBuild { generation, worker };
                self.deployment(deployment, accept).unwrap();
                let outcome = self.build.clone().map(|()| built());
                let at = self.now;
                let finish = DeploymentCommand::FinishBuild { generation, outcome, at };
                self.deployment(deployment, finish).unwrap();
            }
            Effect::SendRun { worker: _, deployment, generation, replicas, restart } => {
                let attempt = self.view.deployments[&deployment].state.attempt().unwrap();
                let spec = attempt.spec.clone();
                let built = attempt.built.clone().unwrap();
                let assignment = Assignment {
                    deployment,
                    app: spec.app,
                    app_name: spec.app_name,
                    generation,
                    replicas,
                    image: built.image,
                    port: built.port,
                    environment: SealedEnvironment::default(),
                    health: spec.health,
                    resources: spec.resources,
                    stop_within: spec.stop_within,
                    restart,
                };
                self.told(deployment, Wanted::Run(Box::new(assignment)));
            }
            Effect::SendStop { worker: _, deployment, generation } => {
                let stop_within = limits::STOP_WITHIN;
                self.told(deployment, Wanted::Stop { generation, stop_within });
            }
            Effect::SendCancelBuild { .. } => {}
            Effect::PublishRoutes(routes) => {
                let revision = self.observed.table.revision.max(100) + 1;
                self.observed.put_in_force(RouteTable { revision, routes });
            }
        }
    }

    fn told(&mut self, deployment: DeploymentId, wanted: Wanted) {
        let known = self.desired.get(&deployment).map_or(0, Wanted::generation);
        if self.worker_alive && wanted.generation() > known {
            self.desired.insert(deployment, wanted);
        }
    }

    /// The worker carries out its plan.
    fn act(&mut self) {
        if !self.worker_alive {
            return;
        }
        for step in plan(&self.desired, &self.seen, self.now).steps {
            match step {
                Step::Create(key) => {
                    self.seen.networks.insert(app_id(1));
                    let container = Container {
                        app: app_id(1),
                        state: self.behave(key),
                        restarts: 0,
                        limited: false,
                    };
                    assert!(self.seen.containers.insert(key, container).is_none(), "doubled");
                }
                Step::Start(key) => {
                    let state = self.behave(key);
                    let container = self.seen.containers.get_mut(&key).unwrap();
                    container.state = state;
                    container.restarts += 1;
                }
                Step::Limit(key) => self.seen.containers.get_mut(&key).unwrap().limited = true,
                Step::Stop(key, _) => {
                    let at = self.now;
                    self.seen.containers.get_mut(&key).unwrap().state =
                        ContainerState::Exited { at };
                }
                Step::Remove(key) => drop(self.seen.containers.remove(&key)),
                Step::RemoveNetwork(app) => drop(self.seen.networks.remove(&app)),
                Step::Forget(deployment) => drop(self.desired.remove(&deployment)),
            }
        }
    }

    fn behave(&self, key: ReplicaKey) -> ContainerState {
        match self.behaviour[&key.deployment] {
            Behaviour::Healthy => ContainerState::Running { healthy: true },
            Behaviour::NeverHealthy => ContainerState::Running { healthy: false },
            Behaviour::Exits => ContainerState::Exited { at: self.now },
        }
    }

    /// The control plane hears of worker and edge.
    fn hear(&mut self) {
        if self.worker_alive {
            let replicas =
                self.seen.containers.iter().map(|(key, container)| report(*key, container));
            let report = WorkerReport {
                format: 1,
                worker: worker_id(1),
                installation: InstallationId::new(Uuid::nil()),
                name: worker_name(),
                capacity: Capacity { memory_bytes: 8 << 30, cpu_millis: 4000 },
                sealing_key: SealingKey([0; 32]),
                engine: EngineState::Ready { version: "1".into() },
                assignments: self
                    .desired
                    .iter()
                    .map(|(deployment, wanted)| Held {
                        deployment: *deployment,
                        generation: wanted.generation(),
                        stopping: matches!(wanted, Wanted::Stop { .. }),
                    })
                    .collect(),
                replicas: replicas.collect(),
                builds: Vec::new(),
                at: self.now,
            };
            self.observed.workers.insert(worker_id(1), WorkerSeen::new(report, self.now));
        }
        if self.edge_alive {
            let edge = EdgeSeen {
                revision: self.observed.table.revision,
                busy: self.busy.clone(),
                heard_at: self.now,
            };
            self.observed.edges.insert(EdgeId::new(Uuid::nil()), edge);
        }
    }

    fn settle(&mut self) {
        for _ in 0..400 {
            self.step();
        }
    }

    fn stage(&self, id: DeploymentId) -> StageName {
        self.deployments[&id].attempt().unwrap().stage.name()
    }

    fn backend(&self) -> Option<DeploymentId> {
        let host = HostName::new("shop.localhost").unwrap();
        self.observed.table.routes.get(&host)?.backend.deployment()
    }

    fn fault(&self, id: DeploymentId) -> (StageName, Fault) {
        match &self.deployments[&id].attempt().unwrap().stage {
            Stage::Ended(Outcome::Failed { stage, fault }) => (*stage, fault.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn invariants(&self) {
        let live = self.deployments.values().filter(|deployment| {
            deployment.attempt().is_some_and(|attempt| attempt.stage == Stage::Live)
        });
        // Between a promotion and its reaction there are two; `react` has run here.
        assert!(live.count() <= 1, "two live deployments of one app");
        // Folding everything anew after each step would take the tests most of their time.
        if !(self.now.0 / 1000).is_multiple_of(50) {
            return;
        }
        for (id, deployment) in &self.deployments {
            let events = self.log.iter().filter(|r| r.stream.id == id.uuid()).filter_map(|r| {
                match &r.event {
                    Event::Deployment(event) => Some(event),
                    Event::App(_) | Event::Worker(_) => None,
                }
            });
            assert_eq!(&crate::machine::replay::<Deployment>(events), deployment);
        }
        let mut view = View::default();
        self.log.iter().for_each(|recorded| view.apply(recorded));
        assert_eq!(view, self.view, "the view is a fold of the log");
    }
}

fn report(key: ReplicaKey, container: &Container) -> ReplicaReport {
    let (state, log) = match container.state {
        ContainerState::Created => (ReplicaState::Creating, vec![]),
        ContainerState::Running { healthy: true } => (ReplicaState::Healthy, vec![]),
        ContainerState::Running { healthy: false } => {
            let check = "connection refused".into();
            let elapsed = Millis::seconds(60);
            (ReplicaState::Starting { check, elapsed }, vec!["booting".into()])
        }
        ContainerState::Exited { .. } => {
            (ReplicaState::Exited { code: 3, out_of_memory: false }, vec!["boom".into()])
        }
    };
    ReplicaReport {
        deployment: key.deployment,
        app: container.app,
        index: key.index,
        state,
        endpoint: Some(SocketAddr::from(([10, 0, 0, u8::try_from(key.index).unwrap()], 8080))),
        restarts: container.restarts,
        log,
    }
}

fn base() -> HostName {
    HostName::new("localhost").unwrap()
}

fn worker_name() -> WorkerName {
    WorkerName::new("one").unwrap()
}

#[test]
fn a_deployment_goes_live_and_the_next_takes_its_place() {
    let mut world = World::new();
    let first = world.request(1, Behaviour::Healthy);
    world.settle();
    assert_eq!(world.stage(first), StageName::Live);
    assert_eq!(world.backend(), Some(first));
    let second = world.request(2, Behaviour::Healthy);
    world.settle();
    assert_eq!((world.stage(first), world.stage(second)), (StageName::Superseded, StageName::Live));
    assert_eq!(world.backend(), Some(second));
    assert_eq!(world.seen.containers.len(), 2, "the old replicas are gone");
    assert_eq!(world.desired.len(), 1, "and forgotten");
    assert_eq!(world.builds_sent.len(), 2, "each build was sent once");
}

#[test]
fn a_version_that_fails_never_gets_traffic_and_says_why() {
    let rows = [
        (Behaviour::Exits, "exited with code 3", "boom"),
        (Behaviour::NeverHealthy, "its last check: connection refused", "booting"),
    ];
    for (behaviour, words, line) in rows {
        let mut world = World::new();
        let good = world.request(1, Behaviour::Healthy);
        world.settle();
        let bad = world.request(2, behaviour);
        world.settle();
        let (stage, fault) = world.fault(bad);
        assert_eq!(stage, StageName::Starting);
        assert!(fault.message.contains(words), "{}", fault.message);
        assert_eq!(fault.log, [line]);
        assert_eq!((world.stage(good), world.backend()), (StageName::Live, Some(good)));
        assert_eq!(world.seen.containers.len(), 2, "its replicas are gone");
        let next = world.request(3, Behaviour::Healthy);
        world.settle();
        assert_eq!(world.backend(), Some(next));
    }
}

#[test]
fn a_failing_build_is_a_failed_deployment() {
    let mut world = World::new();
    world.build = Err(Fault::new("step 3 failed"));
    let bad = world.request(1, Behaviour::Healthy);
    world.settle();
    assert_eq!(world.fault(bad), (StageName::Building, Fault::new("step 3 failed")));
    let host = HostName::new("shop.localhost").unwrap();
    assert_eq!(world.observed.table.routes[&host].backend, Backend::Down);
}

#[test]
fn the_old_version_serves_until_every_edge_confirmed_and_its_requests_are_over() {
    let mut world = World::new();
    let first = world.request(1, Behaviour::Healthy);
    world.settle();
    world.busy = vec![Busy { deployment: first, requests: 1 }];
    let second = world.request(2, Behaviour::Healthy);
    for _ in 0..10 {
        world.step();
    }
    assert_eq!(world.stage(second), StageName::Draining);
    assert_eq!(world.backend(), Some(second));
    assert_eq!(world.seen.containers.len(), 4, "the old replicas finish their requests");
    world.busy.clear();
    world.settle();
    assert_eq!(world.stage(second), StageName::Live);
    assert_eq!(world.seen.containers.len(), 2);
}

#[test]
fn a_request_that_never_ends_is_cut_off_when_the_drain_time_is_over() {
    let mut world = World::new();
    let first = world.request(1, Behaviour::Healthy);
    world.settle();
    world.busy = vec![Busy { deployment: first, requests: 1 }];
    let second = world.request(2, Behaviour::Healthy);
    world.settle();
    assert_eq!(world.stage(second), StageName::Live);
}

#[test]
fn without_an_edge_the_switch_fails_and_the_traffic_goes_back() {
    let mut world = World::new();
    let first = world.request(1, Behaviour::Healthy);
    world.settle();
    world.edge_alive = false;
    let second = world.request(2, Behaviour::Healthy);
    world.settle();
    assert_eq!(world.fault(second).0, StageName::Switching);
    assert_eq!(world.backend(), Some(first));
    assert_eq!(world.seen.containers.len(), 2);
}

#[test]
fn a_builder_that_is_never_heard_of_fails_the_build_in_time() {
    let mut world = World::new();
    world.builder_alive = false;
    let bad = world.request(1, Behaviour::Healthy);
    for _ in 0..(limits::BUILD_WITHIN.0 / 1000 + 10) {
        world.step();
    }
    assert_eq!(world.fault(bad).0, StageName::Queued);
}

#[test]
fn a_build_that_falls_silent_is_asked_after_and_then_given_out_anew() {
    let mut world = World::new();
    world.builder_alive = false;
    let id = world.request(1, Behaviour::Healthy);
    world.step();
    world
        .deployment(id, DeploymentCommand::AcceptBuild { generation: 1, worker: worker_id(1) })
        .unwrap();
    for _ in 0..8 {
        world.step();
        let seen = BuildSeen { generation: 1, worker: worker_id(1), heard_at: world.now };
        world.observed.builds.insert(id, seen);
    }
    let sent_before = world.builds_sent.len();
    for _ in 0..(limits::BUILD_SILENCE.0 / 1000 + 2) {
        world.step();
    }
    assert!(world.builds_sent.len() > sent_before, "it is asked after");
    for _ in 0..(limits::BUILD_LEASE.0 / 1000) {
        world.step();
    }
    assert_eq!(world.builds_sent.last(), Some(&(id, 2)), "it is given out anew");
}

#[test]
fn deleting_an_app_ends_everything_of_it() {
    let mut world = World::new();
    world.request(1, Behaviour::Healthy);
    world.settle();
    world.request(2, Behaviour::NeverHealthy);
    world.step();
    world.app(AppCommand::Delete).unwrap();
    world.settle();
    assert!(world.seen.containers.is_empty() && world.seen.networks.is_empty());
    assert!(world.desired.is_empty() && world.view.deployments.is_empty());
    assert!(world.observed.table.routes.is_empty());
}

#[test]
fn a_restarted_control_plane_takes_nothing_down_before_it_has_heard_of_the_workers() {
    let mut world = World::new();
    let first = world.request(1, Behaviour::Healthy);
    world.settle();
    let table = world.observed.table.clone();
    for kept in [Some(table), None] {
        world.observed = Observed::starting_at(world.now);
        if let Some(table) = kept {
            world.observed.put_in_force(table);
        }
        world.worker_alive = false;
        for _ in 0..5 {
            world.step();
            assert!(world.observed.table.revision == 0 || world.backend() == Some(first));
        }
        world.worker_alive = true;
        world.settle();
        assert_eq!(world.backend(), Some(first));
        assert_eq!(world.stage(first), StageName::Live);
        assert_eq!(world.seen.containers.len(), 2, "nothing was doubled");
    }
}

#[test]
fn a_replica_that_exits_is_started_again_only_once_the_deployment_was_live() {
    let mut world = World::new();
    let first = world.request(1, Behaviour::Healthy);
    world.settle();
    let key = ReplicaKey { deployment: first, index: 0 };
    let at = world.now.plus(Millis(500));
    world.seen.containers.get_mut(&key).unwrap().state = ContainerState::Exited { at };
    world.step();
    assert_eq!(world.seen.containers[&key].restarts, 0, "not before its backoff");
    world.settle();
    assert_eq!(world.seen.containers[&key].restarts, 1);
    assert_eq!(world.stage(first), StageName::Live);
    assert_eq!(world.backend(), Some(first), "the other replica served meanwhile");
}

#[test]
fn a_worker_that_falls_silent_is_lost_and_comes_back() {
    let mut world = World::new();
    let first = world.request(1, Behaviour::Healthy);
    world.settle();
    world.worker_alive = false;
    world.settle();
    let lost = world.log.iter().filter(|recorded| recorded.event.name() == "lost").count();
    assert_eq!(lost, 1);
    assert_eq!(world.backend(), Some(first), "its containers may serve on without its agent");
}

#[test]
fn with_seeds_of_interleavings_every_deployment_ends() {
    for seed in 0u64..32 {
        let mut world = World::new();
        let mut random = seed;
        let mut next = |most: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % most
        };
        for n in 1..=8u128 {
            let behaviour = match next(3) {
                0 => Behaviour::Exits,
                1 => Behaviour::NeverHealthy,
                _ => Behaviour::Healthy,
            };
            let id = world.request(n, behaviour);
            for _ in 0..next(12) {
                world.step();
            }
            if next(4) == 0 {
                let _refused_when_too_late = world.deployment(id, DeploymentCommand::Cancel);
            }
            world.edge_alive = next(5) != 0;
            world.worker_alive = next(5) != 0;
        }
        (world.edge_alive, world.worker_alive) = (true, true);
        world.settle();
        world.settle();
        for (id, deployment) in &world.deployments {
            let stage = deployment.attempt().unwrap().stage.name();
            assert!(stage.settled(), "seed {seed}: {id} is {stage}");
        }
        let app = world.apps[&app_id(1)].active().unwrap().clone();
        assert_eq!((app.rolling, app.waiting), (None, None), "seed {seed}");
        assert_eq!(
            world.seen.containers.len(),
            if app.live.is_some() { 2 } else { 0 },
            "seed {seed}"
        );
        assert_eq!(world.backend(), app.live, "seed {seed}");
    }
}
