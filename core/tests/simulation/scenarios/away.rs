//! Stories of what was away and comes back, and of clocks that are set.

use hythe_core::deployment::StageName;
use hythe_core::ids::DeploymentId;
use hythe_core::limits;

use super::{DAY, MINUTE, SECOND, containers, deploy, live, pass, served, until, world};
use crate::behaviour::{Build, Run};
use crate::network::Node;
use crate::world::World;

#[test]
fn a_restarted_control_plane_takes_nothing_down_before_it_has_heard_of_the_workers() {
    for wiped in [false, true] {
        let mut world = world();
        let first = live(&mut world);
        let life = world.machines[0].life;
        world.machines[0].cut = true;
        if wiped {
            world.nats_dies(true);
        }
        world.control_dies();
        world.control_starts();
        world.nats_is_back();
        pass(&mut world, 20 * SECOND);
        let known = world.control.observed.table.revision > 0;
        assert_eq!(known, !wiped, "without a table to go by it waits");
        assert!(world.edges[0].routes_to(first));
        world.mend(Node::AgentLink(0));
        pass(&mut world, MINUTE);
        assert_eq!(served(&world), Some(first));
        assert_eq!((containers(&world), world.machines[0].life), (2, life), "nothing is doubled");
    }
}

#[test]
fn an_edge_with_a_table_that_nobody_knows_takes_the_next_one_up() {
    let mut world = world();
    live(&mut world);
    // The table is lost with NATS and the control plane, and the clock is set back: the new tables
    // would have smaller numbers than the one that the edge has.
    let old = world.edges[0].revision();
    world.nats_dies(true);
    world.control.skew = -DAY;
    world.machines[0].skew = -DAY;
    world.control_dies();
    let second = deploy_when_up(&mut world);
    until(&mut world, second, StageName::Live);
    assert!(world.edges[0].routes_to(second) && world.edges[0].revision() > old);
}

fn deploy_when_up(world: &mut World) -> DeploymentId {
    while !world.control.up {
        assert!(world.step().is_ok());
    }
    deploy(world, Build::Works, Run::Healthy)
}

#[test]
fn a_clock_that_is_set_holds_nothing_up() {
    for jump in [DAY, -DAY] {
        let mut world = world();
        let first = live(&mut world);
        // In the middle of waiting for a request that never ends.
        world.edges[0].begin(1, first);
        let second = deploy(&mut world, Build::Works, Run::Healthy);
        until(&mut world, second, StageName::Draining);
        world.control.skew = jump;
        pass(&mut world, 2 * limits::DRAIN_WITHIN.0);
        assert_eq!(world.truth.stage(second), Some(StageName::Live), "{jump}");
        let lost = world.journal.log.iter().filter(|r| r.event.name() == "lost").count();
        assert_eq!(lost, 0, "nobody was silent");
        // And with an edge that died for ever just before.
        world.edges[0].up = false;
        world.control.skew = 0;
        pass(&mut world, 10 * SECOND);
        assert_eq!(world.control.observed.live_edges(world.control_now()).count(), 0, "{jump}");
    }
}

#[test]
fn a_worker_that_falls_silent_is_lost_and_comes_back() {
    let mut world = world();
    let first = live(&mut world);
    world.machines[0].cut = true;
    pass(&mut world, 2 * limits::WORKER_LEASE.0);
    let named = |world: &World, name: &str| {
        world.journal.log.iter().filter(|recorded| recorded.event.name() == name).count()
    };
    assert_eq!(named(&world, "lost"), 1);
    assert_eq!(served(&world), Some(first), "its containers may serve on without its agent");
    world.mend(Node::AgentLink(0));
    pass(&mut world, 10 * SECOND);
    assert_eq!(named(&world, "returned"), 1);
}
