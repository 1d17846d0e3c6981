//! Single stories in the simulated world: what is done and broken is written down, and only the
//! moments within a story are left to the seed.

mod jobs;

use std::collections::BTreeSet;

use hythe_core::app::{App, AppCommand, AppEvent, AppSettings, SettingsChange};
use hythe_core::deployment::{
    Deployment, DeploymentCommand, DeploymentEvent, Fault, Outcome, PostDeploy, StageName,
};
use hythe_core::event::Event;
use hythe_core::ids::DeploymentId;
use hythe_core::limits;
use hythe_core::plan::ReplicaKey;
use hythe_core::process::{STRIDE, is_process};
use hythe_core::record::Actor;
use hythe_core::routes::Backend;
use hythe_core::run::RunSettings;
use hythe_core::task::Hook;

use crate::aggregate::Waiter;
use crate::behaviour::{Behaviour, Build, Once, Run};
use crate::engine::EngineDue;
use crate::faults::Profile;
use crate::made;
use crate::network::Node;
use crate::worker::{Busy, Target};
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
