//! Stories of replicas that exit and that fail their checks.

use hythe_core::deployment::StageName;

use super::{DAY, MINUTE, SECOND, fall_ill, live, pass, runs, served, targets, world};
use crate::engine::EngineDue;
use crate::world::World;

#[test]
fn a_replica_that_ended_in_the_future_is_started_again() {
    let mut world = world();
    let first = live(&mut world);
    world.machines[0].skew = DAY;
    let mut mine = world.machines[0].engine.containers.iter();
    let (key, container) = mine.next().unwrap();
    let (key, end) = (*key, EngineDue::Ends(*key, container.id, container.run));
    world.engine(0, end);
    world.machines[0].skew = 0;
    pass(&mut world, MINUTE);
    assert_eq!(key.deployment, first);
    assert!(world.machines[0].engine.containers[&key].runs());
    assert_eq!(world.machines[0].restarts(key), 1);
}

#[test]
fn a_replica_that_exits_is_started_again_once_the_deployment_was_live() {
    let mut world = world();
    let first = live(&mut world);
    assert!(world.a_replica_changes(0, true));
    pass(&mut world, 500);
    let running = |world: &World| {
        world.machines[0].engine.containers.values().filter(|container| container.runs()).count()
    };
    assert_eq!(running(&world), 1, "not before its backoff");
    assert_eq!(served(&world), Some(first), "the other replica serves meanwhile");
    pass(&mut world, 20 * SECOND);
    assert_eq!(running(&world), 2);
    assert_eq!(world.truth.stage(first), Some(StageName::Live));
}

#[test]
fn what_ails_leaves_the_route_and_is_started_again() {
    let mut world = world();
    live(&mut world);
    let ill = fall_ill(&mut world, 1);
    pass(&mut world, 5 * SECOND);
    let [(key, run)] = ill[..] else { panic!("one of them") };
    assert_eq!((targets(&world), runs(&world, key)), (1, run), "it is given time");
    pass(&mut world, MINUTE);
    assert_eq!((targets(&world), runs(&world, key)), (2, run + 1));
}

#[test]
fn where_all_ail_they_serve_and_are_started_again_one_at_a_time() {
    let mut world = world();
    live(&mut world);
    let ill = fall_ill(&mut world, 2);
    let until = world.now + 2 * MINUTE;
    while world.now < until {
        assert!(world.step().is_ok());
        let up = world.machines[0].engine.containers.values().filter(|c| c.runs()).count();
        assert!(up > 0, "one of them runs");
        assert!(targets(&world) > 0, "and has the traffic");
    }
    for (key, run) in ill {
        assert_eq!(runs(&world, key), run + 1);
    }
    assert_eq!(targets(&world), 2);
}
