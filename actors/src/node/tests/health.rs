//! Every kind of health check against real containers, and what follows where one fails.

use hythe_core::argv::Argv;
use hythe_core::health::Probe;
use hythe_core::names::ImageId;
use hythe_core::time::Millis;

use super::orders::SERVER;
use super::*;
use crate::docker::container::container_name;
use crate::docker::tests::{assignment, image, image_of};

fn command(words: &[&str]) -> Probe {
    Probe::Command(Argv::new(words.iter().map(ToString::to_string).collect()).unwrap())
}

fn check_of(replica: &ReplicaReport) -> Option<&str> {
    match &replica.state {
        ReplicaState::Starting { check, .. } | ReplicaState::Unhealthy { check } => Some(check),
        ReplicaState::Creating
        | ReplicaState::Healthy
        | ReplicaState::Exited { .. }
        | ReplicaState::Failed { .. }
        | ReplicaState::Stopping => None,
    }
}

/// Says more and more as long as the file is there.
const SPEAKS_NO_HTTP: &[&str] =
    &["sh", "-c", "echo up; while :; do echo '220 hello' | nc -l -p $PORT; done"];
const SLEEPS: &[&str] = &["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"];

async fn with_check(engine: &Engine, check: &str, command: &[&str]) -> ImageId {
    let command = serde_json::to_string(command).unwrap();
    image_of(engine, &format!("FROM busybox\nHEALTHCHECK {check}\nCMD {command}\n")).await
}

#[tokio::test]
async fn each_kind_of_check_finds_a_good_replica_healthy() {
    let mut world = World::new().await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let good = "--interval=1s --timeout=1s CMD test -d /tmp";
    let bad = "--interval=1s --timeout=1s CMD test -d /nowhere";
    let rows = [
        ("http", image(&engine, SERVER).await, Probe::Default),
        ("another language", image(&engine, SPEAKS_NO_HTTP).await, Probe::Default),
        ("tcp", image(&engine, SERVER).await, Probe::Tcp),
        ("command", image(&engine, SLEEPS).await, command(&["test", "-d", "/tmp"])),
        ("the image's", with_check(&engine, good, SLEEPS).await, Probe::Image),
        ("the image's by default", with_check(&engine, good, SLEEPS).await, Probe::Default),
        ("another than the image's", with_check(&engine, bad, SERVER).await, Probe::Tcp),
        ("the image says none", with_check(&engine, "NONE", SERVER).await, Probe::Default),
        ("none", image(&engine, SLEEPS).await, Probe::None),
    ];
    for (what, image, probe) in rows {
        let mut wanted = assignment(image, &[0]);
        wanted.health.probe = probe;
        world.run(worker, &wanted).await;
        world.replica(what, key(&wanted, 0), healthy).await;
        world.stop_deployment(worker, &wanted, 2).await;
    }
}

#[tokio::test]
async fn a_check_that_fails_says_which_and_what_came_back_and_no_secret() {
    let mut world = World::new().await;
    let (worker, sealing) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let asleep = image(&engine, SLEEPS).await;
    let says = r#"echo "no such table: $KEY"; exit 4"#;
    let shell = format!("--interval=1s CMD {}", says.replace('"', "'"));
    let of_image = with_check(&engine, &shell, SLEEPS).await;
    let rows = [
        (asleep.clone(), Probe::Tcp, "nothing listens on port 8080"),
        (asleep.clone(), command(&["sh", "-c", says]), "exited with 4: no such table: [hidden]"),
        (asleep.clone(), command(&["no-such-program"]), "`no-such-program`"),
        (asleep.clone(), command(&["sleep", "30"]), "`sleep 30` did not end within 1 s"),
        (asleep.clone(), command(&["sleep", "30"]), "still runs since an earlier check"),
        (asleep.clone(), command(&["yes", "y"]), "did not end within 1 s"),
        (asleep, Probe::Image, "the image has no HEALTHCHECK"),
        (of_image, Probe::Default, "the image's HEALTHCHECK exited with 4: no such table"),
    ];
    for (image, probe, words) in rows {
        let mut wanted = assignment(image, &[0]);
        wanted.environment = seal(sealing, wanted.deployment, &[("KEY", "s3cret-canary")]);
        wanted.health.probe = probe;
        wanted.health.timeout = Some(Millis(1_000));
        world.run(worker, &wanted).await;
        let replica = world
            .replica(words, key(&wanted, 0), |replica| {
                check_of(replica).is_some_and(|check| check.contains(words))
            })
            .await;
        let check = check_of(&replica).unwrap();
        assert!(!check.contains("canary") && check.len() < 1_000, "{check}");
        world.stop_deployment(worker, &wanted, 2).await;
    }
}

#[tokio::test]
async fn an_ailing_replica_is_started_again_and_one_at_a_time() {
    let mut world = World::new().await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let script = "touch /tmp/well; trap 'exit 0' TERM; trap 'rm /tmp/well' USR1; \
                  while :; do sleep 0.1; done";
    let mut wanted = assignment(image(&engine, &["sh", "-c", script]).await, &[0, 1]);
    wanted.restart = true;
    wanted.health.probe = command(&["test", "-f", "/tmp/well"]);
    wanted.health.interval = Some(Millis(300));
    wanted.health.retries = Some(1);
    world.run(worker, &wanted).await;
    let all = |report: &WorkerReport, restarts: u32| {
        report.replicas.len() == 2
            && report.replicas.iter().all(|r| healthy(r) && r.restarts == restarts)
    };
    world.report("both are well", |report| all(report, 0)).await;
    let docker = engine.docker().await.unwrap();
    for index in [0, 1] {
        let options = bollard::query_parameters::KillContainerOptionsBuilder::default();
        let name = container_name(key(&wanted, index));
        docker.kill_container(&name, Some(options.signal("USR1").build())).await.unwrap();
    }
    let ill = |report: &WorkerReport| report.replicas.iter().filter(|r| !healthy(r)).count();
    world.report("both ail", |report| ill(report) == 2).await;
    // While one is down the other one, ill as it is, runs: it is all there is.
    let up = |replica: &&ReplicaReport| replica.endpoint.is_some();
    world
        .report("both are well again", |report| {
            assert!(report.replicas.iter().filter(up).count() > 0, "{report:#?}");
            all(report, 1)
        })
        .await;
}

#[tokio::test]
async fn what_ends_again_and_again_is_said_to_do_so() {
    let mut world = World::new().await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let mut wanted = assignment(image(&engine, &["sh", "-c", "sleep 0.2; exit 5"]).await, &[0]);
    wanted.restart = true;
    world.run(worker, &wanted).await;
    let looping = |replica: &ReplicaReport| replica.crash_loop();
    let replica = world.replica("it loops", key(&wanted, 0), looping).await;
    assert_eq!(replica.in_a_row, 3);
    // An agent that starts again knows that.
    world.stop().await;
    world.start();
    world.replica("it still loops", key(&wanted, 0), looping).await;
    // One that is made anew, as after sleep, does not yet.
    (wanted.generation, wanted.replicas) = (2, Vec::new());
    world.run(worker, &wanted).await;
    world.report("it is gone", |report| report.replicas.is_empty()).await;
    (wanted.generation, wanted.replicas) = (3, vec![0]);
    world.run(worker, &wanted).await;
    let anew = |replica: &ReplicaReport| replica.restarts >= 3 && replica.in_a_row == 0;
    world.replica("it begins anew", key(&wanted, 0), anew).await;
}
