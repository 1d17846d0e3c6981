//! Builds that are cancelled, repeated, cut off and begun again.

use std::path::PathBuf;
use std::sync::Arc;

use hythe_core::deployment::Fault;
use hythe_core::wire::build::BuildProgress;
use hythe_core::wire::worker::BuildHeld;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::BuilderSettings;
use super::super::ledger::{Ledger, Verdict};
use super::super::publish::now;
use super::world::{Build, World, processes, soon};

/// A build that sleeps in a step of its own, and the text by which its process is known.
async fn sleeping(world: &World, name: &str, seconds: u32) -> (Build, String) {
    // Told apart by its fraction, of which busybox makes nothing.
    let mark = format!("{seconds}.{}", uuid::Uuid::now_v7().as_u128() % 1_000_000_000);
    let text = format!("FROM busybox\nRUN echo asleep; sleep {mark}; echo awake\n");
    world.repository(name, &[("Dockerfile", &text)]);
    let mut build = world.give(world.command(name)).await;
    build.until(" asleep\n").await;
    (build, format!("sleep {mark}"))
}

/// Ends the sleep of a build, which goes on then.
async fn wake(process: &str) {
    // Not the shell around it.
    let sleeps = |path: &PathBuf| {
        std::fs::read_to_string(path.join("cmdline")).is_ok_and(|line| line.starts_with("sleep\0"))
    };
    let path = soon("it to sleep", async {
        loop {
            if let Some(path) = processes(process).into_iter().find(sleeps) {
                return path;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let pid = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
}

#[tokio::test]
async fn a_cancelled_build_is_gone_when_it_says_so() {
    let world = World::new().await;
    let (mut build, process) = sleeping(&world, "app", 600).await;
    assert!(!processes(&process).is_empty(), "its step runs");
    let (deployment, generation) = (build.command.deployment, build.command.generation);
    let held = world.builder().running().await.unwrap();
    assert_eq!(held, [BuildHeld { deployment, generation }]);

    world.builder().cancel(deployment, generation).await.unwrap();
    assert_eq!(build.end().await, BuildProgress::Cancelled);
    assert!(processes(&process).is_empty(), "nothing of it runs any more");
    build.read_to_end().await;
    assert!(build.text().contains("cancelled"), "{}", build.text());
    soon("the list to be empty", async {
        while !world.builder().running().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;

    // Told again, or given out again, it stays so.
    world.builder().cancel(deployment, generation).await.unwrap();
    world.send(&build.command).await;
    assert_eq!(build.end().await, BuildProgress::Cancelled);
}

#[tokio::test]
async fn a_cancel_ends_git_too() {
    let world = World::new().await;
    world.repository("app", &[("Dockerfile", "FROM busybox\n")]);
    world.server.be_silent(true);
    let mut build = world.give(world.command("app")).await;
    build.until("fetching").await;
    let folder = world.settings.data.join("scratch");
    let url = build.command.spec.source.git().unwrap().repository.as_str().to_owned();
    soon("git to run", async {
        while processes(&url).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.builder().cancel(build.command.deployment, 1).await.unwrap();
    assert_eq!(build.end().await, BuildProgress::Cancelled);
    soon("git and its helpers to be gone", async {
        while !processes(&url).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon("its scratch folder to be gone", async {
        while std::fs::read_dir(&folder).unwrap().next().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_cancel_may_come_before_its_build() {
    let world = World::new().await;
    let mut build = world.listen(world.command("app")).await;
    world.builder().cancel(build.command.deployment, 3).await.unwrap();
    assert_eq!(build.report().await, BuildProgress::Cancelled);
    world.send(&build.command).await;
    assert_eq!(build.report().await, BuildProgress::Cancelled);
    assert!(world.builder().running().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_repeated_command_is_answered_and_an_older_one_dropped() {
    let world = World::new().await;
    let (mut build, process) = sleeping(&world, "app", 600).await;
    assert_eq!(build.report().await, BuildProgress::Accepted);
    world.send(&build.command).await;
    assert_eq!(build.report().await, BuildProgress::Running);
    wake(&process).await;
    let built = build.finished().await.unwrap();

    let asked = world.server.requests();
    world.send(&build.command).await;
    assert_eq!(build.report().await, BuildProgress::Finished(Ok(built.clone())));
    assert_eq!(world.server.requests(), asked, "it was not built again");

    build.command.generation = 2;
    world.send(&build.command).await;
    assert_eq!(build.end().await, BuildProgress::Finished(Ok(built)));
    build.command.generation = 1;
    world.send(&build.command).await;
    build.command.generation = 2;
    world.send(&build.command).await;
    assert!(matches!(build.report().await, BuildProgress::Finished(Ok(_))), "only the newer one");
}

#[tokio::test]
async fn what_was_cut_off_is_built_after_a_restart_and_the_log_goes_on() {
    let mut world = World::new().await;
    let (mut build, process) = sleeping(&world, "app", 3).await;
    world.restart().await;
    soon("the step of before to be gone", async {
        while processes(&process).len() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    build.finished().await.unwrap();
    let log = build.text();
    assert!(log.contains("this build begins again"), "{log}");
    assert!(log.contains(" awake"), "{log}");
}

#[tokio::test]
async fn an_end_that_nobody_heard_of_is_reported_after_a_restart() {
    let mut world = World::new().await;
    let mut finished = world.listen(world.command("app")).await;
    let mut cancelled = world.listen(world.command("app")).await;
    world.stop().await;
    let fault = Fault::new("found again");
    let (one, other) = (finished.command.clone(), cancelled.command.clone());
    let elsewhere = tempfile::tempdir().unwrap();
    {
        let path = elsewhere.path().join("builds.redb");
        let ledger = Ledger::open(&path).unwrap();
        for command in [&one, &other] {
            assert_eq!(ledger.accept(command).unwrap(), Verdict::Accepted);
        }
        let progress = BuildProgress::Finished(Err(fault.clone()));
        ledger.end(one.deployment, 1, progress, now()).unwrap();
        assert!(ledger.cancel(other.deployment, 1).unwrap());
    }
    let settings = BuilderSettings { data: elsewhere.path().to_owned(), ..world.settings.clone() };
    world.start(settings).await;
    assert_eq!(finished.end().await, BuildProgress::Finished(Err(fault)));
    assert_eq!(cancelled.end().await, BuildProgress::Cancelled);
}

#[tokio::test]
async fn two_apps_build_at_once_and_no_more_than_there_is_room_for() {
    let world = World::with(|settings| settings.at_once = 2).await;
    let (mut one, process) = sleeping(&world, "one", 600).await;
    let (mut two, _) = sleeping(&world, "two", 600).await;
    world.repository("three", &[("Dockerfile", "FROM busybox\n")]);
    let mut three = world.give(world.command("three")).await;
    let ended = async {
        wake(&process).await;
        one.end().await
    };
    tokio::select! {
        // Its report goes out before its slot is free.
        biased;
        end = ended => assert!(matches!(end, BuildProgress::Finished(Ok(_))), "{end:?}"),
        taken = three.report() => panic!("taken on while two others are built: {taken:?}"),
    }
    three.finished().await.unwrap();
    world.builder().cancel(two.command.deployment, 1).await.unwrap();
    assert_eq!(two.end().await, BuildProgress::Cancelled);
}

#[tokio::test]
async fn where_fewer_may_build_than_before_a_restart_one_waits_and_is_cancelled_at_once() {
    let mut world = World::with(|settings| settings.at_once = 2).await;
    let (mut one, _) = sleeping(&world, "one", 600).await;
    let (mut two, _) = sleeping(&world, "two", 600).await;
    world.stop().await;
    let settings = BuilderSettings { at_once: 1, ..world.settings.clone() };
    world.start(settings).await;
    let builds_again = "this build begins again\nfetching";
    // The older one has the slot.
    one.until(builds_again).await;
    two.until("this build begins again").await;
    world.builder().cancel(two.command.deployment, 1).await.unwrap();
    assert_eq!(two.end().await, BuildProgress::Cancelled);
    two.read_to_end().await;
    assert!(!two.text().contains(builds_again), "{}", two.text());
    world.builder().cancel(one.command.deployment, 1).await.unwrap();
    assert_eq!(one.end().await, BuildProgress::Cancelled);
}

#[tokio::test]
async fn an_engine_that_is_away_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let world = World::with(|settings| settings.engine = socket.clone()).await;
    world.repository("app", &[("Dockerfile", "FROM busybox\n")]);
    let mut build = world.give(world.command("app")).await;
    build.until("does not answer").await;
    std::os::unix::fs::symlink("/var/run/docker.sock", &socket).unwrap();
    build.finished().await.unwrap();
}

#[tokio::test]
async fn a_wiped_nats_server_costs_no_build() {
    let mut world = World::new().await;
    let (mut build, _) = sleeping(&world, "app", 3).await;
    let mut state = world.bus.state();
    let before = state.borrow().epoch().unwrap_or(0);
    world.nats.kill_and_wipe().await;
    world.nats.run().await;
    let newer = |state: &crate::bus::BusState| state.epoch().is_some_and(|epoch| epoch > before);
    soon("the bus", state.wait_for(newer)).await.unwrap();
    assert!(matches!(build.end().await, BuildProgress::Finished(Ok(_))));
    // The next one is taken as well, though the consumer is gone with the store.
    world.repository("next", &[("Dockerfile", "FROM busybox\n")]);
    world.build(world.command("next")).await.1.unwrap();
}

#[test]
fn a_newer_giving_out_overtakes_and_a_cancel_holds_for_all_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(&folder.path().join("builds.redb")).unwrap());
    let mut command = sample();
    let id = command.deployment;
    assert_eq!(ledger.accept(&command).unwrap(), Verdict::Accepted);
    command.generation = 2;
    assert_eq!(ledger.accept(&command).unwrap(), Verdict::Accepted);
    assert!(!ledger.is_open(id, 1).unwrap() && ledger.is_open(id, 2).unwrap());
    let late = BuildProgress::Finished(Err(Fault::new("late")));
    assert_eq!(ledger.end(id, 1, late.clone(), now()).unwrap(), None, "overtaken");
    assert!(ledger.cancel(id, 4).unwrap());
    assert!(!ledger.cancel(id, 2).unwrap(), "that one is over");
    command.generation = 3;
    assert_eq!(ledger.accept(&command).unwrap(), Verdict::Known(BuildProgress::Cancelled));
    command.generation = 5;
    assert_eq!(ledger.accept(&command).unwrap(), Verdict::Accepted);
    assert_eq!(ledger.end(id, 5, late.clone(), now()).unwrap(), Some(late));
    assert_eq!(ledger.unfinished(now()).unwrap().len(), 1);
    ledger.reported(id, 5).unwrap();
    assert!(ledger.unfinished(now()).unwrap().is_empty());
    command.generation = 4;
    assert_eq!(ledger.accept(&command).unwrap(), Verdict::Refused);
}

fn sample() -> hythe_core::wire::build::BuildCommand {
    super::world::command_for("https://git.example/a.git")
}
