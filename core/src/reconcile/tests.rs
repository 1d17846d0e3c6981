//! Processes beside web: what is routed, what fails a start, and what scaling asks for.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::app::AppEvent;
use crate::deployment::{DeploymentEvent, Placement};
use crate::event::Event;
use crate::ids::InstallationId;
use crate::names::WorkerName;
use crate::observed::WorkerSeen;
use crate::past::testing::Journal;
use crate::routes::{Backend, RouteTable};
use crate::testing::{app_id, at, built, deployment_id, spec_with_worker, worker, worker_id};
use crate::time::Millis;
use crate::wire::worker::{
    BuildHeld, EngineState, Held, ReplicaReport, ReplicaState, SealingKey, WorkerReport,
};
use crate::worker::{Capacity, WorkerEvent};

mod sleepers;

const DEPLOYMENT: u128 = 1;

fn places(indices: &[u16]) -> Vec<Placement> {
    indices.iter().map(|index| Placement { index: *index, worker: worker_id(1) }).collect()
}

/// An app with one replica of web and two of a worker, live or in its start.
fn journal(live: bool) -> Journal {
    let mut journal = Journal::default();
    journal.create(1, "shop");
    let joined = WorkerEvent::Registered {
        id: worker_id(1),
        name: WorkerName::new("one").unwrap(),
        capacity: Capacity { memory_bytes: 8 << 30, cpu_millis: 4_000 },
    };
    journal.push(worker_id(1).uuid(), Event::Worker(joined));
    let (deployment, until, app) = (deployment_id(DEPLOYMENT), at(1_000_000), app_id(1));
    let spec = Box::new(spec_with_worker(1, 2));
    let requested = AppEvent::DeploymentRequested { deployment, spec: spec.clone() };
    journal.app(1, requested);
    journal.app(1, AppEvent::DeploymentBegun { deployment });
    let mut push = |event| journal.push(deployment.uuid(), Event::Deployment(event));
    push(DeploymentEvent::Requested(spec));
    push(DeploymentEvent::BuildQueued { generation: 1, until });
    push(DeploymentEvent::Built { built: built(), until });
    push(DeploymentEvent::Placed { placements: places(&[0, 1_024, 1_025]), until });
    if live {
        push(DeploymentEvent::BecameHealthy { app });
        journal.app(1, AppEvent::TrafficSwitched { deployment, previous: None });
        let live = DeploymentEvent::WentLive { app };
        journal.push(deployment.uuid(), Event::Deployment(live));
        journal.app(1, AppEvent::DeploymentPromoted { deployment, previous: None });
    }
    journal
}

fn view(journal: &Journal) -> View {
    let mut view = View::default();
    journal.events.iter().for_each(|event| view.apply(event));
    view
}

/// Each answers under its own number, whether it should answer or not.
fn endpoint(index: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], index + 1))
}

fn observed(view: &View, states: &[(u16, ReplicaState)]) -> Observed {
    let deployment = deployment_id(DEPLOYMENT);
    let replica = |(index, state): &(u16, ReplicaState)| ReplicaReport {
        deployment,
        app: app_id(1),
        index: *index,
        state: state.clone(),
        endpoint: Some(endpoint(*index)),
        restarts: 0,
        in_a_row: 0,
        log: vec!["last words".into()],
        image_missing: false,
    };
    let generation = view.deployments[&deployment].assigned.0;
    let report = WorkerReport {
        format: 1,
        worker: worker_id(1),
        installation: InstallationId::new(uuid::Uuid::nil()),
        name: WorkerName::new("one").unwrap(),
        capacity: Capacity::default(),
        sealing_key: SealingKey([0; 32]),
        engine: EngineState::Ready { version: "1".into() },
        assignments: vec![Held { deployment, generation, stopping: false }],
        replicas: states.iter().map(replica).collect(),
        builds: Vec::new(),
        builder: None,
        at: at(1),
    };
    let mut observed = Observed::starting_at(at(0));
    observed.workers.insert(worker_id(1), WorkerSeen::new(report, at(1)));
    observed
}

fn commands(view: &View, observed: &Observed) -> Vec<DeploymentCommand> {
    let base = HostName::new("localhost").unwrap();
    let effects = reconcile(view, observed, &base, at(2));
    let of_deployments = effects.into_iter().filter_map(|effect| match effect {
        Effect::Deployment(_, command) => Some(command),
        Effect::App(..)
        | Effect::Worker(..)
        | Effect::SendBuild { .. }
        | Effect::SendRun { .. }
        | Effect::SendStop { .. }
        | Effect::SendCancelBuild { .. }
        | Effect::PublishRoutes(_) => None,
    });
    of_deployments.collect()
}

/// The table that there is to be.
fn put_in_force(view: &View, observed: &mut Observed) {
    let base = HostName::new("localhost").unwrap();
    for effect in reconcile(view, observed, &base, at(2)) {
        if let Effect::PublishRoutes(routes) = effect {
            observed.put_in_force(RouteTable { revision: 1, routes });
        }
    }
}

fn starting(seconds: u64) -> ReplicaState {
    let elapsed = Millis::seconds(seconds);
    ReplicaState::Starting { check: "no".into(), elapsed, within: None }
}

const fn exited(code: i64, out_of_memory: bool) -> ReplicaState {
    ReplicaState::Exited { code, out_of_memory }
}

fn any_state() -> impl Strategy<Value = ReplicaState> {
    prop_oneof![
        4 => Just(ReplicaState::Healthy),
        1 => Just(ReplicaState::Creating),
        1 => Just(starting(3)),
        2 => Just(ReplicaState::Unhealthy { check: "no".into() }),
        1 => Just(exited(1, false)),
        1 => Just(ReplicaState::Stopping),
    ]
}

#[test]
fn it_is_said_why_the_worker_that_has_the_image_takes_nothing() {
    let mut journal = Journal::default();
    journal.create(1, "shop");
    let worker = worker_id(1).uuid();
    let joined = WorkerEvent::Registered {
        id: worker_id(1),
        name: WorkerName::new("one").unwrap(),
        capacity: Capacity::default(),
    };
    journal.push(worker, Event::Worker(joined));
    journal.request(1, DEPLOYMENT);
    let (deployment, until) = (deployment_id(DEPLOYMENT), at(1_000_000));
    let queued = DeploymentEvent::BuildQueued { generation: 1, until };
    for event in [queued, DeploymentEvent::Built { built: built(), until }] {
        journal.push(deployment.uuid(), Event::Deployment(event));
    }
    let rows = [
        (None, "room on worker one"),
        (Some(WorkerEvent::DrainStarted), "takes nothing new"),
        (Some(WorkerEvent::Lost), "not heard of for too long"),
        (Some(WorkerEvent::Removed), "has left"),
    ];
    for (event, words) in rows {
        if let Some(event) = event {
            journal.push(worker, Event::Worker(event));
        }
        let view = view(&journal);
        let waits = waiting_for(&view, &observed(&view, &[]), deployment).unwrap().message;
        assert!(waits.contains(words), "{waits}");
    }
}

#[test]
fn what_cannot_start_for_its_worker_is_away_says_so() {
    let view = view(&journal(false));
    let waits = |observed: &Observed| {
        waiting_for(&view, observed, deployment_id(DEPLOYMENT)).unwrap().message
    };
    let mut seen = observed(&view, &[(0, ReplicaState::Creating)]);
    assert!(waits(&seen).ends_with(" to start"), "{}", waits(&seen));
    let engine = EngineState::Unreachable { message: "connection refused".into() };
    seen.workers.values_mut().for_each(|worker| worker.report.engine = engine.clone());
    let why = ", on one, whose engine cannot be reached: connection refused";
    assert!(waits(&seen).ends_with(why), "{}", waits(&seen));
    let nothing = waits(&Observed::starting_at(at(0)));
    assert!(nothing.ends_with(" to be created on one, which is not heard of"), "{nothing}");

    let mut scaled = self::journal(true);
    let id = deployment_id(DEPLOYMENT);
    let more = DeploymentEvent::Scaled { replicas: 3 };
    scaled.push(id.uuid(), Event::Deployment(more));
    let scaled = self::view(&scaled);
    let waits = waiting_for(&scaled, &seen, id).unwrap().message;
    assert_eq!(waits, format!("room for 2 more replicas{why}").replace(", on", " on"));
}

#[test]
fn what_its_agent_has_not_looked_at_yet_serves_on() {
    let live = view(&journal(true));
    let mut seen = observed(&live, &[(0, ReplicaState::Healthy)]);
    put_in_force(&live, &mut seen);
    let targets = |engine: EngineState, states: &[(u16, ReplicaState)]| {
        let mut now = observed(&live, states);
        now.put_in_force(seen.table.clone());
        now.workers.values_mut().for_each(|worker| worker.report.engine = engine.clone());
        let base = HostName::new("localhost").unwrap();
        let routes = routes(&live, &now, &base, now.routes());
        routes.values().flat_map(Route::targets).collect::<Vec<_>>()
    };
    let away = || EngineState::Unreachable { message: "it was not asked yet".into() };
    let ready = || EngineState::Ready { version: "1".into() };
    assert_eq!(targets(away(), &[]), [endpoint(0)], "nothing is known of it");
    assert_eq!(targets(ready(), &[]), [], "it is not there");
    assert_eq!(targets(away(), &[(0, ReplicaState::Creating)]), [], "it is known not to run");
}

proptest! {
    /// However many there are of each, where they are, and however they are said to be.
    #[test]
    fn no_route_ever_leads_to_a_process(
        placed in prop::collection::btree_map(
            prop_oneof![0u16..4, 1_024u16..1_030, 2_048u16..2_052],
            any_state(),
            0..12,
        ),
        leaving in prop::collection::btree_set(prop_oneof![4u16..6, 1_030u16..1_033], 0..4),
        left in any_state(),
    ) {
        let mut journal = journal(true);
        let all: Vec<u16> = placed.keys().copied().chain(leaving.iter().copied()).collect();
        let only: Vec<u16> = placed.keys().copied().collect();
        for placements in [all, only] {
            let rescaled =
                DeploymentEvent::Rescaled { placements: places(&placements), until: at(9_000) };
            let id = deployment_id(DEPLOYMENT).uuid();
            journal.push(id, Event::Deployment(rescaled));
        }
        let view = view(&journal);
        let gone = leaving.iter().map(|index| (*index, left.clone()));
        let states: Vec<_> = placed.clone().into_iter().chain(gone).collect();
        let observed = observed(&view, &states);
        let base = HostName::new("localhost").unwrap();
        let table = routes(&view, &observed, &base, &BTreeMap::new());
        let web: Vec<SocketAddr> = (0..crate::process::STRIDE).map(endpoint).collect();
        let healthy: Vec<_> = placed
            .iter()
            .filter(|(index, state)| **index < 4 && **state == ReplicaState::Healthy)
            .map(|(index, _)| endpoint(*index))
            .collect();
        prop_assert_eq!(table.len(), 1);
        for route in table.values() {
            match &route.backend {
                Backend::Replicas { targets, .. } => {
                    prop_assert!(targets.iter().all(|target| web.contains(target)));
                    prop_assert!(healthy.is_empty() || *targets == healthy);
                }
                Backend::Starting | Backend::Down | Backend::Site { .. } => {
                    prop_assert!(healthy.is_empty());
                }
            }
        }
    }
}

#[test]
fn a_start_waits_for_processes_and_fails_with_one_that_ends() {
    let view = view(&journal(false));
    let well = || ReplicaState::Healthy;
    // How web and two workers are, and what of that fails it; an empty text: all is well.
    let rows: Vec<([ReplicaState; 3], Option<&str>)> = vec![
        ([well(), well(), well()], Some("")),
        ([well(), well(), starting(1)], None),
        // However long: nothing asks it how it is.
        ([well(), starting(9_999), well()], None),
        ([starting(1), well(), well()], None),
        (
            [well(), well(), exited(7, false)],
            Some("process worker.1 (`work`) exited with code 7 before it had stayed up"),
        ),
        ([well(), exited(137, true), well()], Some("process worker.0 ran out of memory")),
        ([exited(1, false), well(), well()], Some("replica 0 exited with code 1")),
        ([exited(127, false), well(), well()], Some("before it was healthy, which mostly means")),
        (
            [well(), ReplicaState::Failed { message: "no such file".into() }, well()],
            Some("process worker.0 cannot start: no such file"),
        ),
    ];
    for (states, expected) in rows {
        let states: Vec<_> = [0, 1_024, 1_025].into_iter().zip(states).collect();
        let found = commands(&view, &observed(&view, &states));
        match (found.as_slice(), expected) {
            ([], None) => {}
            ([DeploymentCommand::BecomeHealthy], Some("")) => {}
            ([DeploymentCommand::FailStart { fault }], Some(words)) if !words.is_empty() => {
                assert!(fault.message.contains(words), "{}", fault.message);
                assert_eq!(fault.log, ["last words"]);
            }
            (found, _) => panic!("{states:?}: {found:?}"),
        }
    }
}

#[test]
fn what_is_scaled_keeps_its_places_and_leaves_without_waiting_for_requests() {
    let mut journal = journal(true);
    let id = deployment_id(DEPLOYMENT).uuid();
    let well = [(0, ReplicaState::Healthy), (1_024, ReplicaState::Healthy)];
    let name = worker(0).0;
    for (workers, web, expected) in [
        (1, 2, &[0, 1, 1_024][..]),
        (3, 2, &[0, 1, 1_024, 1_025, 1_026]),
        (0, 1, &[0]),
        (1, 1, &[0, 1_024]),
    ] {
        let processes = BTreeMap::from([(name.clone(), workers)]);
        let scaled = [
            DeploymentEvent::ProcessesScaled { processes },
            DeploymentEvent::Scaled { replicas: web },
        ];
        for event in scaled {
            journal.push(id, Event::Deployment(event));
        }
        let before = view(&journal);
        let found = commands(&before, &observed(&before, &well));
        let [DeploymentCommand::Rescale { placements, .. }] = found.as_slice() else {
            panic!("{expected:?}: {found:?}");
        };
        assert_eq!(*placements, places(expected));
        let placements = placements.clone();
        let rescaled = DeploymentEvent::Rescaled { placements, until: at(9_000) };
        journal.push(id, Event::Deployment(rescaled));
    }
    // The worker that left and came back, and the one of web that is too many.
    let after = view(&journal);
    let attempt = after.deployments[&deployment_id(DEPLOYMENT)].state.attempt().unwrap();
    let left: Vec<u16> = attempt.leaving.iter().map(|place| place.index).collect();
    assert_eq!(left, [1, 1_025, 1_026]);
    journal.push(id, Event::Deployment(DeploymentEvent::ReplicasLeft));
    let processes = BTreeMap::from([(name, 0)]);
    journal.push(id, Event::Deployment(DeploymentEvent::ProcessesScaled { processes }));
    let rescaled = DeploymentEvent::Rescaled { placements: places(&[0]), until: at(9_000) };
    journal.push(id, Event::Deployment(rescaled));
    let only_workers = view(&journal);
    // There is no edge that could say that nothing is under way.
    let mut seen = observed(&only_workers, &well);
    assert_eq!(commands(&only_workers, &seen), [], "the table that is in force may lead to it");
    put_in_force(&only_workers, &mut seen);
    assert_eq!(commands(&only_workers, &seen), [DeploymentCommand::FinishLeaving]);
}

/// Whether its worker is told to start again what exits of a deployment; none where it is told nothing.
fn told_to_restart(view: &View, deployment: DeploymentId) -> Option<bool> {
    let mut seen = observed(view, &[]);
    seen.workers.values_mut().for_each(|worker| worker.report.assignments.clear());
    let base = HostName::new("localhost").unwrap();
    reconcile(view, &seen, &base, at(2)).into_iter().find_map(|effect| match effect {
        Effect::SendRun { deployment: of, restart, .. } => (of == deployment).then_some(restart),
        Effect::App(..)
        | Effect::Deployment(..)
        | Effect::Worker(..)
        | Effect::SendBuild { .. }
        | Effect::SendStop { .. }
        | Effect::SendCancelBuild { .. }
        | Effect::PublishRoutes(_) => None,
    })
}

#[test]
fn what_exits_of_a_canary_that_takes_its_part_is_started_again() {
    let mut journal = journal(true);
    let (next, app, until) = (deployment_id(2), app_id(1), at(1_000_000));
    let weight = crate::canary::Weight::new(10).unwrap();
    journal.request(1, 2);
    journal
        .app(1, AppEvent::CanaryAsked { deployment: next, weight, within: Millis::seconds(600) });
    let mut push = |event| journal.push(next.uuid(), Event::Deployment(event));
    push(DeploymentEvent::BuildQueued { generation: 1, until });
    push(DeploymentEvent::Built { built: built(), until });
    push(DeploymentEvent::Placed { placements: places(&[0, 1]), until });
    assert_eq!(told_to_restart(&view(&journal), next), Some(false), "its start is judged");
    journal.push(next.uuid(), Event::Deployment(DeploymentEvent::BecameHealthy { app }));
    journal.app(1, AppEvent::CanaryStarted { deployment: next, weight });
    assert_eq!(told_to_restart(&view(&journal), next), Some(true));
    assert_eq!(told_to_restart(&view(&journal), deployment_id(DEPLOYMENT)), Some(true));
}

#[test]
fn whoever_has_built_it_is_not_told_to_stop_building() {
    let view = view(&journal(false));
    let deployment = deployment_id(DEPLOYMENT);
    let built = view.deployments[&deployment].state.attempt().unwrap().built.clone().unwrap();
    let told = |worker| {
        let mut observed = observed(&view, &[]);
        let seen = observed.workers.remove(&worker_id(1)).unwrap();
        // What it said last was said while it built.
        let builds = vec![BuildHeld { deployment, generation: 1 }];
        let report = WorkerReport { worker, builds, ..seen.report };
        observed.workers.insert(worker, WorkerSeen::new(report, at(1)));
        let base = HostName::new("localhost").unwrap();
        let effects = reconcile(&view, &observed, &base, at(2));
        effects.iter().any(|effect| matches!(effect, Effect::SendCancelBuild { .. }))
    };
    assert!(!told(built.worker));
    assert!(told(worker_id(7)), "another one builds what nobody wants any more");
}

#[test]
fn what_hangs_on_others_waits_for_nats_while_that_is_away() {
    let waits = |live| {
        let view = view(&journal(live));
        let mut seen = observed(&view, &[(0, ReplicaState::Creating)]);
        [false, true].map(|cut_off| {
            seen.cut_off = cut_off;
            waiting_for(&view, &seen, deployment_id(DEPLOYMENT)).map(|fault| fault.message)
        })
    };
    let [connected, away] = waits(false).map(Option::unwrap);
    assert!(connected.contains("to start"), "{connected}");
    assert!(away.starts_with("NATS, which is not connected"), "{away}");
    let [connected, away] = waits(true);
    assert_eq!(connected, away, "it is live, whoever is heard of");
}

#[test]
fn of_what_could_not_be_sent_only_whoever_waits_for_it_speaks_and_only_until_it_is_sent() {
    let view = view(&journal(false));
    let deployment = deployment_id(DEPLOYMENT);
    let newest = view.deployments[&deployment].assigned.0;
    let why = || "publish to a worker: no space".to_owned();
    let waits = |seen: &Observed| waiting_for(&view, seen, deployment).unwrap().message;
    let order = |of, generation| Sent::Order(worker_id(1), of, generation);
    let rows = [
        ("its own", order(deployment, newest), true),
        ("one of before", order(deployment, newest - 1), false),
        ("another one's", order(deployment_id(2), newest), false),
        ("its build, which is over", Sent::Build(deployment, 1), false),
        ("the end of its build", Sent::CancelBuild(worker_id(1), deployment, 1), false),
    ];
    for (what, sent, told) in rows {
        let mut seen = observed(&view, &[]);
        seen.sent.insert(sent, at(1));
        seen.could_not_send(sent, why(), at(1));
        assert!(!seen.sent.contains_key(&sent), "{what}: it is due");
        assert_eq!(waits(&seen).contains(&format!("failed to {}", why())), told, "{what}");
        seen.has_sent(&sent);
        assert!(!waits(&seen).contains("failed to"), "{what}: it was sent");
        seen.could_not_send(sent, why(), at(1));
        seen.forget_old(at(1).plus(crate::limits::OBSERVED_KEPT));
        assert!(!waits(&seen).contains("failed to"), "{what}: it is tried no more");
    }
    let mut seen = observed(&view, &[]);
    for n in 0..2 * u128::try_from(crate::limits::MOST_UNSENT).unwrap() {
        seen.could_not_send(order(deployment_id(n + 2), 1), why(), at(1));
    }
    seen.could_not_send(order(deployment, newest), why(), at(1));
    assert!(!waits(&seen).contains("failed to"), "no more are remembered");
}
