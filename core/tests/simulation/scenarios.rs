//! Single stories in the simulated world: what is done and broken is written down, and only the
//! moments within a story are left to the seed.

mod away;
mod builds;
mod jobs;
mod processes;
mod replicas;
mod switches;
mod tasks;
mod volumes;

use hythe_core::app::{App, AppCommand, AppEvent, AppSettings};
use hythe_core::deployment::{DeploymentEvent, Fault, Outcome, StageName};
use hythe_core::event::Event;
use hythe_core::ids::DeploymentId;
use hythe_core::plan::ReplicaKey;
use hythe_core::record::Actor;
use hythe_core::routes::Backend;

use crate::aggregate::Waiter;
use crate::behaviour::{Behaviour, Build, Run};
use crate::engine::EngineDue;
use crate::faults::Profile;
use crate::made;
use crate::world::World;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * 60 * 1000;

/// A calm world of one worker and one edge with one app of two replicas.
fn world() -> World {
    world_of(1)
}

fn world_of(seed: u64) -> World {
    let mut world = World::new(seed, Profile::Calm, 1, 1);
    world.edges_ask_nothing();
    let settings = Box::new(AppSettings {
        source: Some(made::source()),
        replicas: 2,
        ..AppSettings::default()
    });
    let create = AppCommand::Create { id: made::app_id(1), name: made::app_name(1), settings };
    ask(&mut world, create);
    // After a start, edges get their time to be heard of.
    pass(&mut world, 10 * SECOND);
    world
}

fn ask(world: &mut World, command: AppCommand) {
    let meta = world.meta(Actor::Owner, None);
    world.command::<App>(made::app_id(1).uuid(), command, meta, Waiter::User("asks"));
}

fn pass(world: &mut World, span: u64) {
    let until = world.now + span;
    while world.now < until {
        let holds = world.step();
        assert!(holds.is_ok(), "{holds:?}");
    }
}

/// Steps until a deployment is in a stage.
fn until(world: &mut World, id: DeploymentId, stage: StageName) {
    let most = world.now + 60 * MINUTE;
    while world.truth.stage(id) != Some(stage) {
        assert!(world.now < most, "{id} is {:?}", world.truth.stage(id));
        let holds = world.step();
        assert!(holds.is_ok(), "{holds:?}");
    }
}

fn deploy(world: &mut World, build: Build, run: Run) -> DeploymentId {
    world.deploy(made::app_id(1), Behaviour { build, run, ..Behaviour::GOOD })
}

fn live(world: &mut World) -> DeploymentId {
    let id = deploy(world, Build::Works, Run::Healthy);
    until(world, id, StageName::Live);
    pass(world, MINUTE);
    id
}

fn backend(world: &World) -> Backend {
    world.control.observed.table.routes[&made::host_of(&made::app_name(1))].backend.clone()
}

fn served(world: &World) -> Option<DeploymentId> {
    backend(world).deployment()
}

fn fault(world: &World, id: DeploymentId) -> (StageName, Fault) {
    let ended = world.journal.log.iter().filter(|recorded| recorded.stream.id == id.uuid());
    let mut outcomes = ended.filter_map(|recorded| match &recorded.event {
        Event::Deployment(DeploymentEvent::Ended { outcome, .. }) => Some(outcome.clone()),
        Event::App(_)
        | Event::Deployment(_)
        | Event::Worker(_)
        | Event::Installation(_)
        | Event::Project(_) => None,
    });
    match outcomes.next() {
        Some(Outcome::Failed { stage, fault }) => (stage, fault),
        other => panic!("{id} has not failed: {other:?}"),
    }
}

fn containers(world: &World) -> usize {
    world.machines[0].engine.containers.len()
}

/// From now on these replicas of the first machine fail their checks, until they are started again.
fn fall_ill(world: &mut World, most: usize) -> Vec<(ReplicaKey, u64)> {
    let containers = world.machines[0].engine.containers.iter().take(most);
    let ill: Vec<_> = containers.map(|(key, c)| (*key, c.id, c.run)).collect();
    for (key, id, run) in &ill {
        world.engine(0, EngineDue::Turns(*key, *id, *run, false));
    }
    ill.into_iter().map(|(key, _, run)| (key, run)).collect()
}

fn runs(world: &World, key: ReplicaKey) -> u64 {
    world.machines[0].engine.containers[&key].run
}

fn targets(world: &World) -> usize {
    match backend(world) {
        Backend::Replicas { targets, .. } => targets.len(),
        Backend::Starting | Backend::Down | Backend::Site { .. } => 0,
    }
}

#[test]
fn a_deployment_goes_live_and_the_next_takes_its_place() {
    let mut world = world();
    let first = live(&mut world);
    assert_eq!((served(&world), containers(&world)), (Some(first), 2));
    let second = live(&mut world);
    assert_eq!(world.truth.stage(first), Some(StageName::Superseded));
    assert_eq!((served(&world), containers(&world)), (Some(second), 2));
    assert_eq!(world.machines[0].ledger.wanted.len(), 1, "the old order is forgotten");
    assert!(!world.counts.contains_key("\"build given out anew\""));
}

#[test]
fn a_version_that_fails_never_gets_traffic_and_says_why() {
    let rows = [
        (Run::ExitsAtOnce, "exited with code 3", Some("boom")),
        (Run::NeverHealthy, "its last check: connection refused", Some("booting")),
        (Run::CannotBeMade, "cannot start: no such file", None),
    ];
    for (run, words, line) in rows {
        let mut world = world();
        let good = live(&mut world);
        let bad = deploy(&mut world, Build::Works, run);
        until(&mut world, bad, StageName::Failed);
        let (stage, fault) = fault(&world, bad);
        assert_eq!(stage, StageName::Starting);
        assert!(fault.message.contains(words), "{}", fault.message);
        assert_eq!(fault.log.first().map(String::as_str), line);
        pass(&mut world, 20 * SECOND);
        assert_eq!((served(&world), containers(&world)), (Some(good), 2));
        let next = live(&mut world);
        assert_eq!(served(&world), Some(next));
    }
}

#[test]
fn deleting_an_app_ends_everything_of_it() {
    let mut world = world();
    live(&mut world);
    let second = deploy(&mut world, Build::Works, Run::NeverHealthy);
    until(&mut world, second, StageName::Starting);
    ask(&mut world, AppCommand::Delete);
    pass(&mut world, MINUTE);
    let machine = &world.machines[0];
    assert!(machine.engine.containers.is_empty() && machine.engine.networks.is_empty());
    assert!(machine.ledger.wanted.is_empty() && world.control.view.deployments.is_empty());
    assert!(world.control.observed.table.routes.is_empty());
}

#[test]
fn of_deployments_that_wait_the_newest_takes_its_turn() {
    let mut world = world();
    let ids: Vec<DeploymentId> =
        (0..4).map(|_| deploy(&mut world, Build::Works, Run::Healthy)).collect();
    until(&mut world, ids[3], StageName::Live);
    pass(&mut world, MINUTE);
    let stages: Vec<_> = ids.iter().filter_map(|id| world.truth.stage(*id)).collect();
    let gone = StageName::Superseded;
    assert_eq!(stages, [gone, gone, gone, StageName::Live]);
    let replaced = world.journal.log.iter().filter(|recorded| {
        matches!(recorded.event, Event::App(AppEvent::DeploymentReplaced { .. }))
    });
    assert_eq!(replaced.count(), 2);
}
