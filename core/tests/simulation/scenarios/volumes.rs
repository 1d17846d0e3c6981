//! Stories of what writes to a volume.

use hythe_core::app::{AppCommand, SettingsChange};
use hythe_core::deployment::{Deployment, DeploymentCommand, StageName};
use hythe_core::plan::ReplicaKey;
use hythe_core::record::Actor;
use hythe_core::routes::Backend;
use hythe_core::run::RunSettings;

use super::{
    MINUTE, SECOND, ask, backend, containers, deploy, live, pass, served, until, world, world_of,
};
use crate::aggregate::Waiter;
use crate::behaviour::{Build, Run};
use crate::made;
use crate::worker::{Busy, Target};
use crate::world::World;

/// The app writes to a volume from now on.
fn writes(world: &mut World) {
    let run = RunSettings { container: made::writes(), ..RunSettings::default() };
    let change = SettingsChange { run: Some(run), replicas: Some(1), ..SettingsChange::default() };
    ask(world, AppCommand::Configure(Box::new(change)));
}

#[test]
fn what_writes_to_a_volume_ends_before_the_next_one_and_runs_again_where_that_fails() {
    let mut world = world();
    writes(&mut world);
    let first = live(&mut world);
    let second = live(&mut world);
    assert_eq!((served(&world), containers(&world)), (Some(second), 1));
    let third = deploy(&mut world, Build::Works, Run::NeverHealthy);
    until(&mut world, third, StageName::Starting);
    pass(&mut world, 10 * SECOND);
    assert_eq!(backend(&world), Backend::Starting, "nothing serves meanwhile");
    until(&mut world, third, StageName::Failed);
    pass(&mut world, MINUTE);
    assert_eq!((served(&world), containers(&world)), (Some(second), 1));
    assert_eq!(world.truth.stage(first), Some(StageName::Superseded));
}

#[test]
fn what_is_just_being_started_keeps_the_version_before_from_its_volume() {
    for seed in 1..=16 {
        let mut world = world_of(seed);
        writes(&mut world);
        let first = live(&mut world);
        let second = deploy(&mut world, Build::Works, Run::Healthy);
        let target = Target::Replica(ReplicaKey { deployment: second, index: 0 });
        let most = world.now + 10 * MINUTE;
        while !matches!(world.machines[0].node.busy.get(&target), Some(Busy::Starts(_))) {
            assert!(world.now < most, "seed {seed}: it never starts");
            pass(&mut world, 1);
        }
        // The version before is to run again before anybody could have seen this one.
        let meta = world.meta(Actor::Owner, None);
        let cancel = DeploymentCommand::Cancel;
        world.command::<Deployment>(second.uuid(), cancel, meta, Waiter::User("cancels"));
        pass(&mut world, MINUTE);
        assert_eq!(world.truth.stage(second), Some(StageName::Cancelled));
        assert_eq!((served(&world), containers(&world)), (Some(first), 1), "seed {seed}");
    }
}
