//! Stories of release and post-deploy commands.

use hythe_core::app::{AppCommand, SettingsChange};
use hythe_core::deployment::{PostDeploy, StageName};
use hythe_core::ids::DeploymentId;
use hythe_core::task::Hook;

use super::{MINUTE, SECOND, ask, containers, fault, live, pass, served, until, world};
use crate::behaviour::{Behaviour, Once};
use crate::made;
use crate::world::World;

/// The app gets a command that runs once; what is deployed from then on does so.
fn hook(world: &mut World, hook: Hook, behaviour: Behaviour) -> DeploymentId {
    let run = Some(made::with_hooks(&[hook]));
    let change = SettingsChange { run, ..SettingsChange::default() };
    ask(world, AppCommand::Configure(Box::new(change)));
    pass(world, SECOND);
    world.deploy(made::app_id(1), behaviour)
}

fn release(world: &mut World, release: Once) -> DeploymentId {
    hook(world, Hook::Release, Behaviour { release, ..Behaviour::GOOD })
}

fn post_deploy(world: &mut World, post_deploy: Once) -> DeploymentId {
    hook(world, Hook::PostDeploy, Behaviour { post_deploy, ..Behaviour::GOOD })
}

#[test]
fn a_release_command_runs_before_anything_starts_and_leaves_nothing() {
    let mut world = world();
    let first = live(&mut world);
    let second = release(&mut world, Once::Works);
    until(&mut world, second, StageName::Releasing);
    assert_eq!(served(&world), Some(first));
    until(&mut world, second, StageName::Live);
    pass(&mut world, MINUTE);
    assert_eq!((served(&world), containers(&world)), (Some(second), 2));
    assert_eq!(world.counts["\"task begun\""], 1);
}

#[test]
fn a_release_command_that_fails_leaves_the_version_before_as_it_is_and_says_why() {
    let rows = [
        (Once::Fails, "`migrate` exited with code 3", "boom"),
        (Once::Hangs, "`migrate` was not done within 1 min 0 s", "booting"),
    ];
    for (how, words, line) in rows {
        let mut world = world();
        let good = live(&mut world);
        let bad = release(&mut world, how);
        until(&mut world, bad, StageName::Failed);
        let (stage, fault) = fault(&world, bad);
        assert_eq!(stage, StageName::Releasing);
        assert!(fault.message.contains(words), "{}", fault.message);
        assert_eq!(fault.log, [line]);
        pass(&mut world, 20 * SECOND);
        assert_eq!((served(&world), containers(&world)), (Some(good), 2));
        assert_eq!(world.counts["\"task begun\""], 1);
    }
}

#[test]
fn a_release_command_goes_on_while_server_and_agent_are_away_and_runs_once() {
    let mut world = world();
    live(&mut world);
    let second = release(&mut world, Once::Works);
    until(&mut world, second, StageName::Releasing);
    world.agent_dies(0);
    world.control_dies();
    until(&mut world, second, StageName::Live);
    assert_eq!(world.counts["\"task begun\""], 1);
}

/// How it stands, as far as the control plane knows: after its death, nothing at first.
fn post_deployed(world: &World, id: DeploymentId) -> PostDeploy {
    world.attempt(id).map(|attempt| attempt.post_deploy.clone()).unwrap_or_default()
}

/// Runs until the post-deploy command of a deployment is over.
fn until_over(world: &mut World, id: DeploymentId) -> PostDeploy {
    for _ in 0..600 {
        match post_deployed(world, id) {
            over @ (PostDeploy::Done | PostDeploy::Failed(_)) => return over,
            PostDeploy::Outstanding | PostDeploy::Runs { .. } => pass(world, SECOND),
        }
    }
    panic!("it goes on for ever")
}

#[test]
fn a_post_deploy_command_runs_once_when_a_version_is_live_and_leaves_nothing() {
    let mut world = world();
    live(&mut world);
    let second = post_deploy(&mut world, Once::Works);
    until(&mut world, second, StageName::Draining);
    assert!(!world.counts.contains_key("\"task begun\""), "not before it is live");
    until(&mut world, second, StageName::Live);
    assert_eq!(until_over(&mut world, second), PostDeploy::Done);
    pass(&mut world, MINUTE);
    assert_eq!((served(&world), containers(&world)), (Some(second), 2));
    assert_eq!(world.counts["\"task begun\""], 1);
}

#[test]
fn a_post_deploy_command_that_fails_undoes_nothing_and_says_why() {
    let rows = [
        (Once::Fails, "`warm-up` exited with code 3", "boom"),
        (Once::Hangs, "`warm-up` was not done within 1 min 0 s", "booting"),
    ];
    for (how, words, line) in rows {
        let mut world = world();
        live(&mut world);
        let second = post_deploy(&mut world, how);
        until(&mut world, second, StageName::Live);
        let PostDeploy::Failed(fault) = until_over(&mut world, second) else { panic!("{how:?}") };
        assert!(fault.message.contains(words), "{}", fault.message);
        assert_eq!(fault.log, [line]);
        pass(&mut world, 20 * SECOND);
        assert_eq!((served(&world), containers(&world)), (Some(second), 2));
        assert_eq!(world.truth.stage(second), Some(StageName::Live));
        assert_eq!(world.counts["\"task begun\""], 1);
    }
}

#[test]
fn a_post_deploy_command_goes_on_while_server_and_agent_are_away_and_runs_once() {
    let mut world = world();
    live(&mut world);
    let second = post_deploy(&mut world, Once::Works);
    until(&mut world, second, StageName::Live);
    world.agent_dies(0);
    world.control_dies();
    assert_eq!(until_over(&mut world, second), PostDeploy::Done);
    assert_eq!(world.counts["\"task begun\""], 1);
}

#[test]
fn a_post_deploy_command_outlives_its_version_and_ends_with_its_app() {
    let mut world = world();
    let first = post_deploy(&mut world, Once::Hangs);
    until(&mut world, first, StageName::Live);
    pass(&mut world, 10 * SECOND);
    let second = post_deploy(&mut world, Once::Hangs);
    until(&mut world, second, StageName::Live);
    until(&mut world, first, StageName::Superseded);
    pass(&mut world, 10 * SECOND);
    assert!(matches!(post_deployed(&world, first), PostDeploy::Runs { .. }));
    // Two replicas of the second, and the command of each.
    assert_eq!((served(&world), containers(&world)), (Some(second), 4));
    let PostDeploy::Failed(fault) = until_over(&mut world, first) else { panic!("it hangs") };
    assert!(fault.message.contains("was not done within"), "{}", fault.message);
    let at = world.control_now();
    ask(&mut world, AppCommand::Stop { at });
    let PostDeploy::Failed(fault) = until_over(&mut world, second) else { panic!("it hangs") };
    assert!(fault.message.ends_with("was ended, for the app was stopped"), "{}", fault.message);
    pass(&mut world, MINUTE);
    assert_eq!(containers(&world), 0);
    assert_eq!(world.counts["\"task begun\""], 2);
}
