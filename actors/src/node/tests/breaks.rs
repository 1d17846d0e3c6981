//! The engine or NATS goes away and comes back.

use hythe_core::argv::Argv;
use hythe_core::container::{Mount, MountPath, VolumeName};
use hythe_core::task::Hook;
use hythe_core::time::Millis;
use hythe_core::wire::worker::{EngineState, TaskOrder};

use super::orders::SERVER;
use super::proxy::Proxy;
use super::*;
use crate::docker::tests::{assignment, image};

fn ready(report: &WorkerReport) -> bool {
    matches!(report.engine, EngineState::Ready { .. })
}

#[tokio::test]
async fn an_engine_that_goes_away_is_told_and_what_happened_meanwhile_is_seen() {
    let mut proxy = Proxy::new();
    let mut world = World::with_engine(Some(proxy.host())).await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let mut wanted = assignment(image(&engine, SERVER).await, &[0, 1]);
    wanted.restart = true;
    world.run(worker, &wanted).await;
    world
        .report("both are healthy", |r| r.replicas.iter().filter(|r| healthy(r)).count() == 2)
        .await;

    proxy.cut();
    let report = world.report("the engine is gone", |report| !ready(report)).await;
    let EngineState::Unreachable { message } = &report.engine else { unreachable!() };
    assert!(message.contains("install Docker"), "{message}");
    assert!(report.replicas.iter().all(healthy), "they serve on: {report:#?}");

    let owner = world.place().owner;
    engine.stop(&owner, key(&wanted, 1), Millis(0)).await.unwrap();
    // An order comes while nothing can be done about it.
    let more = assignment(wanted.image.clone(), &[0]);
    world.run(worker, &more).await;
    proxy.mend();
    let report = world
        .report("all run again", |report| {
            ready(report) && report.replicas.len() == 3 && report.replicas.iter().all(healthy)
        })
        .await;
    assert_eq!(replica(&report, key(&wanted, 0)).unwrap().restarts, 0);
    assert_eq!(replica(&report, key(&wanted, 1)).unwrap().restarts, 1);
}

#[tokio::test]
async fn what_ends_with_the_engine_before_it_is_live_runs_on_with_it_and_a_task_does_not() {
    let mut proxy = Proxy::new();
    let mut world = World::with_engine(Some(proxy.host())).await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let release = Hook::Release.index();
    let command = Argv::new(vec!["sleep".into(), "1000".into()]).unwrap();
    let mut wanted = assignment(image(&engine, SERVER).await, &[0]);
    wanted.tasks = vec![TaskOrder { index: release, command, within: Millis::seconds(600) }];
    world.run(worker, &wanted).await;
    let running = |report: &WorkerReport| {
        let is = |index, fine: fn(&ReplicaState) -> bool| {
            replica(report, key(&wanted, index)).is_some_and(|replica| fine(&replica.state))
        };
        is(0, |state| *state == ReplicaState::Healthy)
            && is(release, |state| matches!(state, ReplicaState::Starting { .. }))
    };
    world.report("both run", running).await;
    proxy.cut();
    world.report("the engine is gone", |report| !ready(report)).await;
    let owner = world.place().owner;
    for index in [0, release] {
        engine.stop(&owner, key(&wanted, index), Millis(0)).await.unwrap();
    }
    proxy.mend();
    let ended = |state: &ReplicaState| matches!(state, ReplicaState::Exited { .. });
    let report = world
        .report("it runs again, and the task is over", |report| {
            let of = |index| replica(report, key(&wanted, index));
            assert!(!of(0).is_some_and(|replica| ended(&replica.state)), "{report:#?}");
            ready(report)
                && of(0).is_some_and(|replica| healthy(replica) && replica.restarts == 1)
                && of(release).is_some_and(|replica| ended(&replica.state))
        })
        .await;
    assert_eq!(replica(&report, key(&wanted, release)).unwrap().restarts, 0);
}

#[tokio::test]
async fn an_order_is_held_once_an_engine_that_was_away_says_whether_its_image_is_there() {
    fn holds(report: &WorkerReport, order: &Assignment) -> bool {
        report.assignments.iter().any(|held| held.deployment == order.deployment)
    }
    let mut proxy = Proxy::new();
    let mut world = World::with_engine(Some(proxy.host())).await;
    let (worker, _) = world.hello().await;
    proxy.cut();
    world.report("the engine is gone", |report| !ready(report)).await;
    let nowhere = format!("sha256:{}", "1".repeat(64));
    let reads = assignment(hythe_core::names::ImageId::new(nowhere).unwrap(), &[0]);
    let mut writes = assignment(reads.image.clone(), &[0]);
    let mount = Mount { volume: VolumeName::new("data").unwrap(), read_only: false };
    writes.run.container.volumes.insert(MountPath::new("/data").unwrap(), mount);
    world.run(worker, &writes).await;
    world.run(worker, &reads).await;
    let report = world.report("the later order is held", |report| holds(report, &reads)).await;
    assert!(!holds(&report, &writes), "a version before would end for it: {report:#?}");
    proxy.mend();
    let report = world.report("the order is held", |report| holds(report, &writes)).await;
    assert!(replica(&report, key(&writes, 0)).unwrap().image_missing, "{report:#?}");
}

#[tokio::test]
async fn an_agent_starts_before_its_engine_and_its_nats() {
    let mut proxy = Proxy::new();
    proxy.cut();
    let mut world = World::with_engine(Some(proxy.host())).await;
    let report = world.report("it says hello", |_| true).await;
    assert!(!ready(&report));
    let engine = Engine::new(None).unwrap();
    let wanted = assignment(image(&engine, SERVER).await, &[0]);
    world.run(report.worker, &wanted).await;
    world.report("the order is held", |report| report.assignments.len() == 1).await;
    world.crash();
    world.nats.kill().await;
    world.start();
    proxy.mend();
    let owner = world.place().owner;
    // It knows its orders without being told again.
    let running = async {
        while engine.inventory(&owner).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, running).await.unwrap();
    world.nats.run().await;
    world.replica("it is healthy", key(&wanted, 0), healthy).await;
}

#[tokio::test]
async fn a_nats_that_was_wiped_hears_everything_again() {
    let mut world = World::new().await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let wanted = assignment(image(&engine, SERVER).await, &[0]);
    world.run(worker, &wanted).await;
    world.replica("it is healthy", key(&wanted, 0), healthy).await;
    world.nats.kill_and_wipe().await;
    world.nats.run().await;
    world.bus.ready().await;
    let report = world.report("it tells all it has", |_| true).await;
    assert_eq!(report.assignments.len(), 1);
    assert!(healthy(&report.replicas[0]));
    world.stop_deployment(worker, &wanted, 2).await;
    world.report("nothing is left", |report| report.replicas.is_empty()).await;
}
