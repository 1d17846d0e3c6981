//! Stories of what runs beside web.

use std::collections::BTreeSet;

use hythe_core::app::{AppCommand, SettingsChange};
use hythe_core::deployment::StageName;
use hythe_core::ids::DeploymentId;
use hythe_core::limits;
use hythe_core::plan::ReplicaKey;
use hythe_core::process::{STRIDE, is_process};
use hythe_core::run::RunSettings;

use super::{
    MINUTE, SECOND, ask, containers, deploy, fall_ill, fault, live, pass, runs, served, targets,
    until, world,
};
use crate::behaviour::{Build, Run};
use crate::engine::EngineDue;
use crate::made;
use crate::world::World;

/// The app has a worker beside web, in so many replicas; it holds from the next deployment on.
fn beside_web(world: &mut World, replicas: u16) {
    let processes = made::beside_web(replicas);
    let run = Some(RunSettings { processes, ..RunSettings::default() });
    let change = SettingsChange { run, ..SettingsChange::default() };
    ask(world, AppCommand::Configure(Box::new(change)));
    pass(world, SECOND);
}

/// What runs beside web, by deployment.
fn workers(world: &World) -> Vec<DeploymentId> {
    let containers = world.machines[0].engine.containers.iter();
    let beside_web = containers.filter(|(key, one)| is_process(key.index) && one.runs());
    beside_web.map(|(key, _)| key.deployment).collect()
}

#[test]
fn a_process_beside_web_comes_and_goes_with_its_version_and_gets_no_traffic() {
    let mut world = world();
    let first = live(&mut world);
    beside_web(&mut world, 2);
    assert_eq!(workers(&world), [], "not before it is deployed");
    let second = deploy(&mut world, Build::Works, Run::Healthy);
    until(&mut world, second, StageName::Starting);
    let begun = world.now;
    until(&mut world, second, StageName::Healthy);
    assert!(world.now - begun >= limits::PROCESS_UP_FOR.0, "it has to stay up");
    assert_eq!(served(&world), Some(first));
    until(&mut world, second, StageName::Live);
    pass(&mut world, MINUTE);
    assert_eq!(workers(&world), [second, second]);
    assert_eq!((targets(&world), containers(&world)), (2, 4));
    beside_web(&mut world, 1);
    let third = live(&mut world);
    assert_eq!((workers(&world), containers(&world)), (vec![third], 3));
    assert_eq!(targets(&world), 2);
}

/// The only replica of the worker ends.
fn worker_ends(world: &mut World, deployment: DeploymentId) -> ReplicaKey {
    let key = ReplicaKey { deployment, index: STRIDE };
    while !world.machines[0].engine.containers.get(&key).is_some_and(|one| one.runs()) {
        assert!(world.step().is_ok());
    }
    let one = &world.machines[0].engine.containers[&key];
    let end = EngineDue::Ends(key, one.id, one.run);
    world.engine(0, end);
    key
}

#[test]
fn a_process_that_does_not_stay_up_fails_its_deployment_by_name() {
    let mut world = world();
    beside_web(&mut world, 1);
    let good = live(&mut world);
    let bad = deploy(&mut world, Build::Works, Run::NeverHealthy);
    until(&mut world, bad, StageName::Starting);
    worker_ends(&mut world, bad);
    until(&mut world, bad, StageName::Failed);
    let (stage, fault) = fault(&world, bad);
    assert_eq!(stage, StageName::Starting);
    let expected = "process worker.0 (`work`) exited with code 3 before it had stayed up for";
    assert!(fault.message.starts_with(expected), "{}", fault.message);
    assert_eq!(fault.log, ["boom"]);
    pass(&mut world, 20 * SECOND);
    assert_eq!((served(&world), workers(&world)), (Some(good), vec![good]));
    assert_eq!(containers(&world), 3);
}

#[test]
fn a_process_that_exits_is_started_again_and_others_do_not_wait_for_it() {
    let mut world = world();
    beside_web(&mut world, 1);
    let first = live(&mut world);
    let key = worker_ends(&mut world, first);
    let run = runs(&world, key);
    let ill = fall_ill(&mut world, 1);
    pass(&mut world, MINUTE);
    assert_eq!((runs(&world, key), workers(&world)), (run + 1, vec![first]));
    let [(web, before)] = ill[..] else { panic!("one of them") };
    assert_eq!(runs(&world, web), before + 1);
    assert_eq!(world.truth.stage(first), Some(StageName::Live));
}

#[test]
fn processes_are_scaled_in_place_and_none_is_a_number() {
    let mut world = world();
    beside_web(&mut world, 1);
    let first = live(&mut world);
    let mut web = 2;
    for (replicas, more) in [(3, None), (0, Some(1)), (2, Some(3))] {
        let processes = [(made::worker_process(), replicas)].into();
        ask(&mut world, AppCommand::Scale { replicas: more, processes, known: BTreeSet::new() });
        pass(&mut world, MINUTE);
        web = more.unwrap_or(web);
        assert_eq!(workers(&world), vec![first; usize::from(replicas)]);
        assert_eq!(targets(&world), usize::from(web));
    }
    let at = world.control_now();
    ask(&mut world, AppCommand::Stop { at });
    pass(&mut world, MINUTE);
    assert_eq!(containers(&world), 0);
    ask(&mut world, AppCommand::Start);
    pass(&mut world, MINUTE);
    assert_eq!(workers(&world), [first, first], "as it was scaled");
}
