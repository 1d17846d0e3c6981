//! Stories of builds.

use hythe_core::app::{AppCommand, AppSettings};
use hythe_core::deployment::{Fault, StageName};
use hythe_core::limits;
use hythe_core::routes::Backend;

use super::{SECOND, ask, backend, containers, deploy, fault, pass, until, world};
use crate::behaviour::{Build, Run};
use crate::faults::Profile;
use crate::made;
use crate::world::World;

#[test]
fn a_failing_build_is_a_failed_deployment() {
    let mut world = world();
    let bad = deploy(&mut world, Build::Fails, Run::Healthy);
    until(&mut world, bad, StageName::Failed);
    assert_eq!(fault(&world, bad), (StageName::Building, Fault::new("step 3 failed")));
    pass(&mut world, SECOND);
    assert_eq!(backend(&world), Backend::Down);
}

#[test]
fn a_builder_that_is_never_heard_of_fails_the_build_in_time() {
    let mut world = world();
    world.machines[0].up = false;
    let bad = deploy(&mut world, Build::Works, Run::Healthy);
    until(&mut world, bad, StageName::Queued);
    let begun = world.now;
    until(&mut world, bad, StageName::Failed);
    assert_eq!(fault(&world, bad).0, StageName::Queued);
    let took = world.now - begun;
    let given = limits::BUILD_WAIT.0 + limits::BUILD_WITHIN.0;
    assert!(took.abs_diff(given) < 3 * SECOND, "{took}");
}

#[test]
fn a_build_that_falls_silent_is_given_out_anew() {
    let mut world = World::new(3, Profile::Calm, 2, 1);
    let settings = Box::new(AppSettings { source: Some(made::source()), ..AppSettings::default() });
    ask(&mut world, AppCommand::Create { id: made::app_id(1), name: made::app_name(1), settings });
    pass(&mut world, 10 * SECOND);
    let id = deploy(&mut world, Build::Works, Run::Healthy);
    until(&mut world, id, StageName::Building);
    let builder = world.machines.iter().position(|m| !m.builder.is_idle()).unwrap();
    world.worker_goes(builder);
    until(&mut world, id, StageName::Live);
    assert_eq!(world.counts["\"build given out anew\""], 1);
    assert_eq!(containers(&world) + world.machines[1].engine.containers.len(), 1);
}
