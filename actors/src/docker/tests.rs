//! With the real engine. Every test makes objects under ids of its own and removes only those.

use hythe_core::health::HealthCheck;
use hythe_core::ids::{AppId, DeploymentId, InstallationId, RunId, WorkerId};
use hythe_core::inside::Inside;
use hythe_core::names::{AppName, ImageId};
use hythe_core::plan::ReplicaKey;
use hythe_core::source::Resources;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::run::RunOpening;
use hythe_core::wire::worker::{Assignment, SealedEnvironment};
use uuid::Uuid;

use super::container::container_name;
use super::inspect::Condition;
use super::labels::Owner;
use super::{Engine, EngineError};

/// What a test has on the engine; removed at its end, also when it fails.
pub(crate) struct Place {
    pub(crate) engine: Engine,
    pub(crate) owner: Owner,
}

impl Place {
    pub(crate) fn new() -> Self {
        let owner = Owner {
            installation: InstallationId::new(Uuid::now_v7()),
            worker: WorkerId::new(Uuid::now_v7()),
        };
        Self { engine: Engine::new(None).unwrap(), owner }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (engine, owner) = (self.engine.clone(), self.owner);
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(clean(&engine, &owner));
        });
        let _ = cleaned.join();
    }
}

async fn clean(engine: &Engine, owner: &Owner) {
    // A client of one runtime does not serve another.
    let engine = Engine::new(Some(engine.socket())).unwrap();
    for container in engine.inventory(owner).await.unwrap_or_default() {
        let _ = engine.stop(owner, container.key, Millis(0)).await;
        let _ = engine.remove(owner, container.key).await;
    }
    for app in engine.networks(owner).await.unwrap_or_default() {
        let _ = engine.remove_network(owner, app).await;
    }
}

/// A tiny image made from busybox with this command: made once, found by its id afterwards.
pub(crate) async fn image(engine: &Engine, command: &[&str]) -> ImageId {
    let command = serde_json::to_string(command).unwrap();
    image_of(engine, &format!("FROM busybox\nLABEL hythe.test=node\nCMD {command}\n")).await
}

/// The exit code of a replica's container, once it has ended.
pub(crate) async fn exit_code(engine: &Engine, owner: &Owner, key: ReplicaKey) -> i64 {
    let docker = engine.docker().await.unwrap();
    let options = bollard::query_parameters::WaitContainerOptionsBuilder::default().build();
    let name = container_name(key);
    let mut waiting = Box::pin(docker.wait_container(&name, Some(options)));
    let ended = futures_util::StreamExt::next(&mut waiting);
    // What it ended with is looked up: to bollard every code but 0 is an error.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.expect("it ends");
    let seen = engine.observe_replica(owner, key).await.unwrap().unwrap();
    let Condition::Exited { code, .. } = seen.state else { panic!("{seen:?}") };
    code
}

/// The image of a Dockerfile: made once.
pub(crate) async fn image_of(engine: &Engine, dockerfile: &str) -> ImageId {
    let docker = engine.docker().await.unwrap();
    let name = format!("hythe-test-node:{:x}", short_hash(dockerfile));
    if let Ok(found) = docker.inspect_image(&name).await {
        return ImageId::new(found.id.unwrap()).unwrap();
    }
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(dockerfile.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, "Dockerfile", dockerfile.as_bytes()).unwrap();
    let context = tar.into_inner().unwrap();
    let options = bollard::query_parameters::BuildImageOptionsBuilder::default().t(&name).build();
    let body = bollard::body_full(context.into());
    let mut build = Box::pin(docker.build_image(options, None, Some(body)));
    while let Some(step) = futures_util::StreamExt::next(&mut build).await {
        step.unwrap();
    }
    let found = docker.inspect_image(&name).await.unwrap();
    ImageId::new(found.id.unwrap()).unwrap()
}

fn short_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

pub(crate) fn assignment(image: ImageId, replicas: &[u16]) -> Assignment {
    Assignment {
        deployment: DeploymentId::new(Uuid::now_v7()),
        app: AppId::new(Uuid::now_v7()),
        app_name: AppName::new("shop").unwrap(),
        generation: 1,
        replicas: replicas.to_vec(),
        image,
        port: 8080,
        environment: SealedEnvironment::default(),
        health: HealthCheck::default(),
        resources: Resources { memory_bytes: 64 * 1024 * 1024, cpu_millis: 500, processes: 64 },
        tasks: Vec::new(),
        run: hythe_core::run::RunSettings::default(),
        stop_within: Millis(1_000),
        restart: false,
    }
}

const SLEEPER: &[&str] = &["sleep", "1000"];

#[tokio::test]
async fn a_container_made_twice_is_one_and_as_hard_as_it_should_be() {
    let place = Place::new();
    let (engine, owner) = (&place.engine, &place.owner);
    let wanted = assignment(image(engine, SLEEPER).await, &[0]);
    let key = ReplicaKey { deployment: wanted.deployment, index: 0 };
    let network = engine.ensure_network(owner, wanted.app).await.unwrap();
    let environment = vec!["A=b c".to_owned(), "PORT=8080".to_owned()];
    let first = engine.create(owner, &wanted, 0, &network, environment.clone()).await.unwrap();
    let second = engine.create(owner, &wanted, 0, &network, environment).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(engine.inventory(owner).await.unwrap()[0].state, Condition::Created);

    engine.start(owner, key).await.unwrap();
    engine.start(owner, key).await.unwrap();
    let docker = engine.docker().await.unwrap();
    let found = docker.inspect_container(&first, None).await.unwrap();
    let config = found.config.unwrap();
    let host = found.host_config.unwrap();
    assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
    let mut capabilities = host.cap_add.unwrap();
    capabilities.sort();
    let expected =
        ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];
    assert!(
        capabilities.iter().map(|name| name.trim_start_matches("CAP_")).eq(expected),
        "{capabilities:?}"
    );
    assert!(host.security_opt.unwrap().iter().any(|option| option.starts_with("no-new-priv")));
    assert_eq!(host.privileged, Some(false));
    assert_eq!(host.init, Some(true));
    assert_eq!(host.pids_limit, Some(64));
    assert_eq!((host.memory, host.memory_swap), (Some(64 << 20), Some(64 << 20)));
    assert_eq!(host.nano_cpus.unwrap_or(0), 0, "no CPU limit during the start");
    assert_eq!(host.network_mode.as_deref(), Some(network.as_str()));
    assert_eq!(host.pid_mode.as_deref().unwrap_or(""), "");
    assert_eq!(host.uts_mode.as_deref().unwrap_or(""), "");
    assert_eq!(host.ipc_mode.as_deref(), Some("private"));
    assert!(host.binds.unwrap_or_default().is_empty());
    assert!(host.mounts.unwrap_or_default().is_empty());
    assert!(host.devices.unwrap_or_default().is_empty());
    assert!(host.port_bindings.unwrap_or_default().is_empty());
    assert_eq!(host.log_config.unwrap().config.unwrap()["max-size"], "100m");
    let labels = config.labels.unwrap();
    assert_eq!(labels["hythe.app"], wanted.app.to_string());
    assert_eq!(labels["hythe.deployment"], wanted.deployment.to_string());
    assert_eq!(labels["hythe.replica"], "0");
    assert_eq!(labels["hythe.generation"], "1");
    assert_eq!(labels["hythe.app.name"], "shop");
    assert!(config.env.unwrap().contains(&"A=b c".to_owned()));

    engine.limit(owner, key, &wanted.resources).await.unwrap();
    let seen = engine.observe_replica(owner, key).await.unwrap().unwrap();
    assert!(seen.limited);
    assert!(matches!(seen.state, Condition::Running { .. }));
    let address = seen.address.unwrap().to_string();
    assert!(address.starts_with("10.2"), "{address} is not from the pool");

    assert!(matches!(engine.remove(owner, key).await, Err(EngineError::Conflict { .. })));
    engine.stop(owner, key, Millis(500)).await.unwrap();
    engine.stop(owner, key, Millis(500)).await.unwrap();
    engine.remove(owner, key).await.unwrap();
    engine.remove(owner, key).await.unwrap();
    engine.remove_network(owner, wanted.app).await.unwrap();
    engine.remove_network(owner, wanted.app).await.unwrap();
    assert!(engine.inventory(owner).await.unwrap().is_empty());
    assert!(engine.networks(owner).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_network_stays_while_a_command_is_on_it_or_about_to_be() {
    let place = Place::new();
    let (engine, owner) = (&place.engine, &place.owner);
    let wanted = assignment(image(engine, SLEEPER).await, &[]);
    let (app, groups) = (wanted.app, AppId::new(Uuid::now_v7()));
    for network in [None, Some(groups)] {
        let opening = RunOpening {
            run: RunId::new(Uuid::now_v7()),
            app,
            app_name: wanted.app_name.clone(),
            network,
            deployment: wanted.deployment,
            image: wanted.image.clone(),
            port: 8080,
            resources: wanted.resources.clone(),
            inside: Inside::default(),
            within: Millis(60_000),
            stop_within: Millis(500),
            terminal: None,
            detached: true,
            bare: false,
            sealed: Vec::new(),
        };
        let (on, command) = (network.unwrap_or(app), SLEEPER.iter().map(ToString::to_string));
        let until = Timestamp(u64::MAX);
        let made = engine.make_one_off(owner, &opening, until, command.collect(), Vec::new());
        let id = made.await.unwrap();
        // As the node does that knows of no order for it: before it is started, and after.
        engine.remove_network(owner, on).await.unwrap();
        engine.start_one_off(&id).await.unwrap();
        engine.remove_network(owner, on).await.unwrap();
        assert!(engine.networks(owner).await.unwrap().contains(&on));
        // What it wrote may stay for days: that is on no network.
        engine.stop_one_off(&id, Millis(0)).await.unwrap();
        engine.remove_network(owner, on).await.unwrap();
        assert!(engine.networks(owner).await.unwrap().is_empty());
        engine.remove_one_off(&id).await.unwrap();
    }
}

#[tokio::test]
async fn what_belongs_to_others_is_left_alone() {
    let (ours, theirs) = (Place::new(), Place::new());
    let engine = &ours.engine;
    let wanted = assignment(image(engine, SLEEPER).await, &[0]);
    let key = ReplicaKey { deployment: wanted.deployment, index: 0 };
    let network = engine.ensure_network(&theirs.owner, wanted.app).await.unwrap();
    engine.create(&theirs.owner, &wanted, 0, &network, Vec::new()).await.unwrap();
    engine.start(&theirs.owner, key).await.unwrap();

    let own = engine.ensure_network(&ours.owner, wanted.app).await.unwrap();
    assert_ne!(own, network);
    let refusals = [
        engine.create(&ours.owner, &wanted, 0, &own, Vec::new()).await.map(|_id| ()),
        engine.start(&ours.owner, key).await,
        engine.limit(&ours.owner, key, &wanted.resources).await,
        engine.stop(&ours.owner, key, Millis(0)).await,
        engine.remove(&ours.owner, key).await,
    ];
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert!(matches!(error, EngineError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains(&theirs.owner.worker.to_string()), "{error}");
    }
    assert!(engine.inventory(&ours.owner).await.unwrap().is_empty());
    engine.remove_network(&ours.owner, wanted.app).await.unwrap();
    assert_eq!(engine.networks(&theirs.owner).await.unwrap().len(), 1);
    let seen = engine.observe_replica(&theirs.owner, key).await.unwrap().unwrap();
    assert!(matches!(seen.state, Condition::Running { .. }));
}

#[tokio::test]
async fn forty_apps_get_forty_networks_and_one_each() {
    let place = Place::new();
    let mut apps: Vec<AppId> = (0..39).map(|_| AppId::new(Uuid::now_v7())).collect();
    apps.push(apps[0]);
    let made = apps.iter().map(|app| place.engine.ensure_network(&place.owner, *app));
    for name in futures_util::future::join_all(made).await {
        name.unwrap();
    }
    assert_eq!(place.engine.networks(&place.owner).await.unwrap().len(), 39);
    let docker = place.engine.docker().await.unwrap();
    let all = docker.list_networks(None).await.unwrap();
    let named = |network: &&bollard::models::Network| {
        place.owner.owns(&network.labels.clone().unwrap_or_default())
    };
    assert_eq!(all.iter().filter(named).count(), 39);
}

#[tokio::test]
async fn a_missing_image_and_a_missing_program_are_told() {
    let place = Place::new();
    let (engine, owner) = (&place.engine, &place.owner);
    let nowhere = ImageId::new(format!("sha256:{}", "0".repeat(64))).unwrap();
    let wanted = assignment(nowhere, &[0]);
    let network = engine.ensure_network(owner, wanted.app).await.unwrap();
    let error = engine.create(owner, &wanted, 0, &network, Vec::new()).await.unwrap_err();
    assert!(error.not_found() && error.to_string().contains("image"), "{error}");

    let wanted = assignment(image(engine, &["/no/such/program"]).await, &[0]);
    let key = ReplicaKey { deployment: wanted.deployment, index: 0 };
    let network = engine.ensure_network(owner, wanted.app).await.unwrap();
    engine.create(owner, &wanted, 0, &network, Vec::new()).await.unwrap();
    // With an init process the program's absence shows as its exit code; without one, as an error.
    if engine.start(owner, key).await.is_ok() {
        assert_eq!(exit_code(engine, owner, key).await, 127);
    }
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let host = format!("unix://{}", path.display());
    let engine = Engine::new(Some(&host)).unwrap();
    let error = engine.probe().await.unwrap_err();
    assert!(error.engine_down() && error.to_string().contains("install Docker"), "{error}");

    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let error = engine.probe().await.unwrap_err();
    assert!(error.engine_down() && error.to_string().contains("start the engine"), "{error}");

    assert!(matches!(Engine::new(Some("tcp://h:1")), Err(EngineError::Address { .. })));
}
