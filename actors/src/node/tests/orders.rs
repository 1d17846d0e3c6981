//! Orders carried out, replicas reported.

use hythe_core::container::{Mount, MountPath, VolumeName};
use hythe_core::time::Millis;
use hythe_core::wire::worker::{EngineState, ReplicaState, SealedEnvironment};

use super::*;
use crate::docker::inspect::Condition;
use crate::docker::tests::{assignment, image};

/// Serves what its environment holds on PORT.
pub(super) const SERVER: &[&str] = &[
    "sh",
    "-c",
    "mkdir -p /www; env > /www/index.html; echo serving; exec httpd -f -p $PORT -h /www",
];

#[tokio::test]
async fn a_replica_becomes_healthy_and_stops_and_nothing_is_left() {
    let mut world = World::new().await;
    let (worker, sealing) = world.hello().await;
    assert_eq!(mode(&world.data.path().join("agent")), 0o700);
    assert_eq!(mode(&world.data.path().join("agent/sealing.key")), 0o600);
    let engine = Engine::new(None).unwrap();
    let mut wanted = assignment(image(&engine, SERVER).await, &[0, 1]);
    let variables = [("GREETING", "hello there"), ("PORT", "1")];
    wanted.environment = seal(sealing, wanted.deployment, &variables);
    world.run(worker, &wanted).await;

    let report = world
        .report("both are healthy", |report| {
            report.replicas.len() == 2 && report.replicas.iter().all(healthy)
        })
        .await;
    assert_eq!(report.assignments.len(), 1);
    assert_eq!((report.assignments[0].generation, report.assignments[0].stopping), (1, false));
    assert!(matches!(report.engine, EngineState::Ready { .. }));
    let endpoint = report.replicas[1].endpoint.unwrap();
    assert_eq!(endpoint.port(), 8080);
    let page = get(endpoint).await;
    for line in ["GREETING=hello there", "PORT=8080", "HYTHE_APP=shop", "HYTHE_REPLICA=1"] {
        assert!(page.lines().any(|found| found == line), "{line} is not in {page}");
    }
    assert!(page.contains(&format!("HYTHE_DEPLOYMENT={}", wanted.deployment)));
    // Health came first, the CPU limit after it.
    let (engine, owner) = (world.place().engine.clone(), world.place().owner);
    let mut limited = false;
    for _ in 0..100 {
        limited = engine.inventory(&owner).await.unwrap().iter().all(|seen| seen.limited);
        if limited {
            break;
        }
        tokio::task::yield_now().await;
        world.report("it is a heartbeat later", |_| true).await;
    }
    assert!(limited);

    world.stop_deployment(worker, &wanted, 2).await;
    world.report("nothing is left", |r| r.replicas.is_empty() && r.assignments.is_empty()).await;
    assert!(engine.inventory(&owner).await.unwrap().is_empty());
    while !engine.networks(&owner).await.unwrap().is_empty() {
        world.report("it is a heartbeat later", |_| true).await;
    }

    // An older order comes late, and another is for somebody else.
    world.run(worker, &wanted).await;
    let mut other = wanted.clone();
    other.generation = 9;
    let message = WorkerMessage {
        format: FORMAT,
        worker: WorkerId::new(Uuid::now_v7()),
        order: Order::Run(Box::new(other)),
    };
    world
        .bus
        .publish(Step::RunSent, &subjects::worker_orders(worker), &message, None)
        .await
        .unwrap();
    let last = assignment(wanted.image.clone(), &[7]);
    world.run(worker, &last).await;
    let report = world
        .report("the last order is held", |report| {
            report.assignments.iter().any(|held| held.deployment == last.deployment)
        })
        .await;
    assert_eq!(report.assignments.len(), 1, "{report:#?}");
}

async fn get(address: std::net::SocketAddr) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}

#[tokio::test]
async fn an_exit_is_reported_with_its_last_lines_and_no_secret() {
    let mut world = World::new().await;
    let (worker, sealing) = world.hello().await;
    // The engine does not order what comes on two streams at once.
    let script =
        "for i in $(seq 1 30); do echo line $i; done; sleep 0.3; echo key $KEY >&2; exit 3";
    let engine = Engine::new(None).unwrap();
    let mut wanted = assignment(image(&engine, &["sh", "-c", script]).await, &[0]);
    wanted.environment = seal(sealing, wanted.deployment, &[("KEY", "s3cret-canary")]);
    world.run(worker, &wanted).await;
    let replica = world
        .replica("it has exited", key(&wanted, 0), |replica| {
            matches!(replica.state, ReplicaState::Exited { .. })
        })
        .await;
    assert_eq!(replica.state, ReplicaState::Exited { code: 3, out_of_memory: false });
    assert_eq!(replica.log.len(), 20, "{replica:#?}");
    assert!(replica.log.contains(&"line 30".to_owned()), "{replica:#?}");
    assert!(replica.log.contains(&"key [hidden]".to_owned()), "{replica:#?}");
    assert_eq!(replica.restarts, 0);

    // Once it is live it is started again, each time later.
    wanted.generation = 2;
    wanted.restart = true;
    world.run(worker, &wanted).await;
    let replica = world.replica("it was restarted", key(&wanted, 0), |r| r.restarts == 2).await;
    assert_eq!(replica.restarts, 2);
}

#[tokio::test]
async fn what_had_its_network_removed_while_it_was_down_runs_again() {
    let mut world = World::new().await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let mut wanted = assignment(image(&engine, SERVER).await, &[0]);
    wanted.restart = true;
    world.run(worker, &wanted).await;
    world.replica("it is healthy", key(&wanted, 0), healthy).await;
    // As somebody does who tidies up the engine: a network of what does not run counts as unused.
    world.crash();
    let owner = world.place().owner;
    engine.stop(&owner, key(&wanted, 0), Millis(0)).await.unwrap();
    engine.remove_network(&owner, wanted.app).await.unwrap();
    world.start();
    let running = async {
        loop {
            let seen = engine.observe_replica(&owner, key(&wanted, 0)).await.unwrap();
            if seen.is_some_and(|seen| matches!(seen.state, Condition::Running { .. })) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, running).await.expect("it runs again");
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let mut world = World::new().await;
    let (worker, sealing) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let nowhere = format!("sha256:{}", "1".repeat(64));
    let missing = assignment(hythe_core::names::ImageId::new(nowhere).unwrap(), &[0]);
    world.run(worker, &missing).await;
    let failed = |replica: &ReplicaReport| matches!(replica.state, ReplicaState::Failed { .. });
    let replica = world.replica("its image is missing", key(&missing, 0), failed).await;
    let ReplicaState::Failed { message } = replica.state else { unreachable!() };
    assert!(message.contains("image is not on this worker"), "{message}");

    let sleeper = image(&engine, &["sleep", "1000"]).await;
    let mut sealed = assignment(sleeper, &[0]);
    let stranger = crypto_box::SecretKey::generate(&mut crypto_box::aead::OsRng).public_key();
    sealed.environment = seal(SealingKey(stranger.to_bytes()), sealed.deployment, &[("A", "b")]);
    world.run(worker, &sealed).await;
    let replica = world.replica("its key is another", key(&sealed, 0), failed).await;
    let ReplicaState::Failed { message } = replica.state else { unreachable!() };
    assert!(message.contains("another key"), "{message}");

    sealed.generation = 2;
    let other = hythe_core::ids::DeploymentId::new(Uuid::now_v7());
    sealed.environment = seal(sealing, other, &[("A", "b")]);
    world.run(worker, &sealed).await;
    let replica = world
        .replica("its environment is another's", key(&sealed, 0), |replica| {
            matches!(&replica.state, ReplicaState::Failed { message }
                if message.contains("another deployment"))
        })
        .await;
    assert!(failed(&replica));

    // A better order mends it.
    sealed.generation = 3;
    sealed.environment = SealedEnvironment::default();
    sealed.health.start_within = Some(Millis(700));
    world.run(worker, &sealed).await;
    let replica = world
        .replica("it is overdue", key(&sealed, 0), |replica| {
            matches!(&replica.state, ReplicaState::Starting { elapsed, .. }
                if *elapsed >= Millis(700))
        })
        .await;
    let ReplicaState::Starting { check, .. } = replica.state else { unreachable!() };
    assert!(check.contains("nothing listens on port 8080"), "{check}");
}

#[tokio::test]
async fn an_agent_that_was_killed_holds_no_order_before_it_knows_again_whether_its_image_is_there()
{
    let mut world = World::new().await;
    let (worker, _) = world.hello().await;
    let nowhere = format!("sha256:{}", "1".repeat(64));
    let mut before = assignment(hythe_core::names::ImageId::new(nowhere).unwrap(), &[0]);
    let mount = Mount { volume: VolumeName::new("data").unwrap(), read_only: false };
    before.run.container.volumes.insert(MountPath::new("/data").unwrap(), mount);
    let deployment = hythe_core::ids::DeploymentId::new(Uuid::now_v7());
    let next = Assignment { deployment, generation: 2, ..before.clone() };
    world.run(worker, &before).await;
    world.run(worker, &next).await;
    let holds =
        |report: &WorkerReport| report.assignments.iter().any(|held| held.deployment == deployment);
    let misses = |report: &WorkerReport| {
        replica(report, key(&next, 0)).is_some_and(|replica| replica.image_missing)
    };
    let report = world.report("the order is held", holds).await;
    assert!(misses(&report), "{report:#?}");

    world.crash();
    let killed = crate::node::clock::now();
    world.start();
    let again = |report: &WorkerReport| report.at >= killed && holds(report);
    let report = world.report("the order is held again", again).await;
    assert!(misses(&report), "the version before would end for it: {report:#?}");
}

#[tokio::test]
async fn a_deaf_replica_is_killed_when_its_time_is_over() {
    let mut world = World::new().await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let polite = ["sh", "-c", "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done"];
    let deaf = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"];
    for (command, code) in [(polite, 7), (deaf, 137)] {
        let mut wanted = assignment(image(&engine, &command).await, &[0]);
        wanted.stop_within = Millis(2_000);
        world.run(worker, &wanted).await;
        world
            .replica("it says that it is up", key(&wanted, 0), |r| r.log.contains(&"up".into()))
            .await;
        let docker = engine.docker().await.unwrap();
        let name = crate::docker::container::container_name(key(&wanted, 0));
        let begun = std::time::Instant::now();
        world.stop_deployment(worker, &wanted, 2).await;
        let options = bollard::query_parameters::WaitContainerOptionsBuilder::default();
        let mut wait = Box::pin(docker.wait_container(&name, Some(options.build())));
        let ended = match wait.next().await.unwrap() {
            Ok(ended) => ended.status_code,
            Err(bollard::errors::Error::DockerContainerWaitError { code, .. }) => code,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(ended, code);
        // That the polite one was not killed, its code says.
        let waited = begun.elapsed() >= Duration::from_millis(1_900);
        assert!(waited || code != 137, "{:?}", begun.elapsed());
        world.report("it is gone", |report| report.replicas.is_empty()).await;
    }
}

#[tokio::test]
async fn an_agent_that_starts_again_adopts_what_it_finds() {
    let mut world = World::new().await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let mut wanted = assignment(image(&engine, SERVER).await, &[0]);
    wanted.restart = true;
    world.run(worker, &wanted).await;
    world.replica("it is healthy", key(&wanted, 0), healthy).await;
    let owner = world.place().owner;
    let mut before = engine.inventory(&owner).await.unwrap();
    while !before[0].limited {
        world.report("it is a heartbeat later", |_| true).await;
        before = engine.inventory(&owner).await.unwrap();
    }
    world.stop().await;
    let alone = engine.inventory(&owner).await.unwrap();
    assert_eq!(before, alone, "it runs on without its agent");

    world.start();
    let report = world.report("the agent is back", |_| true).await;
    assert_eq!(report.worker, worker);
    assert!(healthy(&report.replicas[0]), "never less than healthy: {report:#?}");
    assert_eq!(engine.inventory(&owner).await.unwrap(), before);

    // Killed from outside while no agent looked: the next one starts it again.
    world.stop().await;
    engine.stop(&owner, key(&wanted, 0), Millis(0)).await.unwrap();
    world.start();
    let replica =
        world.replica("it runs again", key(&wanted, 0), |r| healthy(r) && r.restarts == 1).await;
    assert_eq!(replica.restarts, 1);

    // An order that comes while no agent is there waits for it.
    world.stop().await;
    world.stop_deployment(worker, &wanted, 5).await;
    world.start();
    world.report("nothing is left", |r| r.replicas.is_empty() && r.assignments.is_empty()).await;
    assert!(engine.inventory(&owner).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_replica_that_falls_ill_is_reported_and_one_removed_by_hand_comes_back() {
    let mut world = World::new().await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let script = "mkdir -p /www; echo ok > /www/up; httpd -f -p $PORT -h /www & \
                  trap 'rm /www/up' USR1; trap 'exit 0' TERM; while :; do sleep 0.1; done";
    let mut wanted = assignment(image(&engine, &["sh", "-c", script]).await, &[0]);
    wanted.restart = true;
    let path = hythe_core::names::HealthPath::new("/up").unwrap();
    wanted.health.probe = hythe_core::health::Probe::Http { path, statuses: None };
    wanted.health.interval = Some(Millis(100));
    world.run(worker, &wanted).await;
    world.replica("it is healthy", key(&wanted, 0), healthy).await;
    let docker = engine.docker().await.unwrap();
    let name = crate::docker::container::container_name(key(&wanted, 0));
    let kill = |signal: &str| {
        let options = bollard::query_parameters::KillContainerOptionsBuilder::default();
        docker.kill_container(&name, Some(options.signal(signal).build()))
    };
    kill("USR1").await.unwrap();
    let replica = world
        .replica("it is ill", key(&wanted, 0), |replica| {
            matches!(replica.state, ReplicaState::Unhealthy { .. })
        })
        .await;
    let ReplicaState::Unhealthy { check } = replica.state else { unreachable!() };
    assert!(check.contains("GET /up with 404"), "{check}");

    let options = bollard::query_parameters::RemoveContainerOptionsBuilder::default().force(true);
    docker.remove_container(&name, Some(options.build())).await.unwrap();
    world.replica("it is back", key(&wanted, 0), healthy).await;
    let owner = world.place().owner;
    let seen = engine.inventory(&owner).await.unwrap();
    assert!(matches!(seen[0].state, Condition::Running { .. }));
}
