//! Stories of the traffic on its way from one version to the next.

use hythe_core::app::{AppCommand, AppSettings};
use hythe_core::deployment::StageName;
use hythe_core::limits;

use super::{SECOND, ask, containers, deploy, fault, live, pass, served, until, world};
use crate::behaviour::{Build, Run};
use crate::engine::EngineDue;
use crate::faults::Profile;
use crate::made;
use crate::world::World;

#[test]
fn the_old_version_serves_until_its_requests_are_over() {
    let mut world = world();
    let first = live(&mut world);
    world.edges[0].begin(1, first);
    let second = deploy(&mut world, Build::Works, Run::Healthy);
    until(&mut world, second, StageName::Draining);
    pass(&mut world, 10 * SECOND);
    assert_eq!(world.truth.stage(second), Some(StageName::Draining));
    assert_eq!((served(&world), containers(&world)), (Some(second), 4));
    world.edges[0].requests.clear();
    until(&mut world, second, StageName::Live);
    pass(&mut world, 20 * SECOND);
    assert_eq!(containers(&world), 2);
}

#[test]
fn a_request_that_never_ends_is_cut_off_when_the_drain_time_is_over() {
    let mut world = world();
    let first = live(&mut world);
    world.edges[0].begin(1, first);
    let second = deploy(&mut world, Build::Works, Run::Healthy);
    until(&mut world, second, StageName::Draining);
    let begun = world.now;
    until(&mut world, second, StageName::Live);
    let took = world.now - begun;
    assert!(took.abs_diff(limits::DRAIN_WITHIN.0) < 3 * SECOND, "{took}");
}

#[test]
fn without_an_edge_the_switch_fails_and_the_traffic_goes_back() {
    let mut world = world();
    let first = live(&mut world);
    world.edges[0].up = false;
    let second = deploy(&mut world, Build::Works, Run::Healthy);
    until(&mut world, second, StageName::Failed);
    assert_eq!(fault(&world, second).0, StageName::Switching);
    pass(&mut world, 20 * SECOND);
    assert_eq!((served(&world), containers(&world)), (Some(first), 2));
}

#[test]
fn what_fails_in_its_switch_runs_until_every_edge_has_turned_back() {
    let mut world = World::new(2, Profile::Calm, 1, 2);
    world.edges_ask_nothing();
    let settings = Box::new(AppSettings { source: Some(made::source()), ..AppSettings::default() });
    ask(&mut world, AppCommand::Create { id: made::app_id(1), name: made::app_name(1), settings });
    pass(&mut world, 10 * SECOND);
    let first = live(&mut world);
    let second = deploy(&mut world, Build::Works, Run::Healthy);
    until(&mut world, second, StageName::Starting);
    // One edge takes no table up any more but goes on telling, the other does everything.
    world.edges[1].deaf = true;
    until(&mut world, second, StageName::Failed);
    world.edges[0].deaf = true;
    pass(&mut world, 30 * SECOND);
    assert!(world.edges[0].routes_to(second), "it has not turned back");
    assert_eq!(containers(&world), 2, "so the failed one runs on");
    world.edges.iter_mut().for_each(|edge| edge.deaf = false);
    pass(&mut world, 30 * SECOND);
    assert!(world.edges.iter().all(|edge| edge.routes_to(first)));
    assert_eq!(containers(&world), 1);
}

#[test]
fn a_version_that_stops_answering_while_it_drains_gives_way_to_the_one_before() {
    let mut world = world();
    let first = live(&mut world);
    world.edges[0].begin(1, first);
    let second = deploy(&mut world, Build::Works, Run::Healthy);
    until(&mut world, second, StageName::Draining);
    let mine = world.machines[0].engine.containers.iter().filter(|(k, _)| k.deployment == second);
    let ends: Vec<EngineDue> = mine.map(|(k, c)| EngineDue::Ends(*k, c.id, c.run)).collect();
    assert_eq!(ends.len(), 2);
    ends.into_iter().for_each(|end| world.engine(0, end));
    until(&mut world, second, StageName::Failed);
    assert_eq!(fault(&world, second).0, StageName::Draining);
    pass(&mut world, 30 * SECOND);
    assert_eq!((served(&world), containers(&world)), (Some(first), 2));
    assert_eq!(world.truth.stage(first), Some(StageName::Live));
}
