//! The control plane over a real journal and a real nats-server. Workers, builders and edges are
//! made up: code of the test that answers over that NATS as an agent and an edge would.

mod fake;
mod world;

use std::time::Duration;

use futures_util::StreamExt as _;
use hythe_core::app::{App, AppCommand, SettingsChange};
use hythe_core::deployment::{Deployment, DeploymentCommand, Outcome, Stage, StageName};
use hythe_core::event::Event;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::installation::{Installation, InstallationCommand, RegistryHost, RegistryPassword};
use hythe_core::limits;
use hythe_core::names::EnvName;
use hythe_core::past::{beginning, cause};
use hythe_core::record::{Recorded, Sequence};
use hythe_core::routes::Backend;
use hythe_core::source::BuildSettings;
use hythe_core::view::View;
use hythe_core::wire::storage::{DiskRoom, StorageQuestion, StorageWanted};
use hythe_core::wire::subjects;
use hythe_core::wire::worker::EngineDisk;
use hythe_store::SecretChange;
use hythe_store::codec::decode_recorded;
use hythe_store::secrets::Secret;
use uuid::Uuid;

use self::fake::{Builds, Replicas};
use self::world::{WITHIN, World};
use crate::aggregate::Extras;
use crate::bus::connect;
use crate::reactor;
use crate::testing::{create, extras};

fn stage(view: &View, id: DeploymentId) -> Option<Stage> {
    Some(view.deployments.get(&id)?.state.attempt()?.stage.clone())
}

fn failed_in(view: &View, id: DeploymentId) -> Option<(StageName, String, Vec<String>)> {
    match stage(view, id)? {
        Stage::Ended(Outcome::Failed { stage, fault }) => Some((stage, fault.message, fault.log)),
        Stage::Ended(Outcome::Superseded | Outcome::Cancelled) => panic!("it ended otherwise"),
        Stage::Live => panic!("it went live"),
        Stage::Requested
        | Stage::Queued { .. }
        | Stage::Building { .. }
        | Stage::Built { .. }
        | Stage::Releasing { .. }
        | Stage::Starting { .. }
        | Stage::Healthy
        | Stage::Switching { .. }
        | Stage::Draining { .. } => None,
    }
}

async fn live(world: &World, id: DeploymentId) {
    world
        .until("live", |view| match stage(view, id)? {
            Stage::Live => Some(()),
            Stage::Ended(outcome) => panic!("it ended: {outcome:?}"),
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Releasing { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. } => None,
        })
        .await;
}

async fn new_app(world: &World, name: &str) -> AppId {
    let id = Uuid::now_v7();
    world.control().command::<App>(id, create(id, name), extras()).await.unwrap();
    AppId::new(id)
}

async fn deploy(world: &World, app: AppId) -> DeploymentId {
    let deployment = DeploymentId::new(Uuid::now_v7());
    let command = AppCommand::RequestDeployment { deployment, source: None, no_cache: false };
    world.control().command::<App>(app.uuid(), command, extras()).await.unwrap();
    deployment
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_goes_live_and_the_next_one_takes_its_place() {
    let world = World::start().await;
    let app = new_app(&world, "shop").await;
    let name = EnvName::new("TOKEN").unwrap();
    let secret = SecretChange::Put {
        scope: app.uuid(),
        name: name.to_string(),
        version: 1,
        value: Secret::from("s3cret".to_owned()),
    };
    let set = [(name.clone(), 1)].into();
    let command = AppCommand::ChangeEnvironment { set, remove: [].into() };
    let with_secret = Extras { secrets: vec![secret], ..extras() };
    world.control().command::<App>(app.uuid(), command, with_secret).await.unwrap();

    let first = deploy(&world, app).await;
    live(&world, first).await;
    let opened = world.worker.environment(first);
    let [given, own] = &opened[..] else { panic!("{} variables", opened.len()) };
    assert_eq!(*given, (name, "s3cret".to_owned()), "the worker got the value");
    assert_eq!((own.0.as_str(), own.1.len()), ("HYTHE_SECRET", 64));

    let second = deploy(&world, app).await;
    live(&world, second).await;
    assert_eq!(world.worker.environment(second)[1], *own, "the secret outlives a version");
    world
        .until("the first is gone", |view| {
            matches!(stage(view, first)?, Stage::Ended(Outcome::Superseded)).then_some(())
        })
        .await;
    world.worker.until("the first runs no more", |worker| !worker.runs(first)).await;
    assert!(world.worker.look(|worker| worker.runs(second)));
    let table = world.control().bus().routes().await.unwrap().unwrap().table;
    let route = table.routes.values().next().unwrap();
    assert_eq!(route.backend.deployment(), Some(second));

    // Everything that followed says what it followed from.
    let all = world.control().journal().read(Sequence(0), 10_000).unwrap();
    let of_second: Vec<_> = all.iter().filter(|event| event.stream.id == second.uuid()).collect();
    assert!(of_second.len() >= 8);
    for event in &of_second {
        let cause = event.meta.causation.unwrap();
        assert!(cause < event.sequence, "{event:?}");
    }
    let request = &all[usize::try_from(of_second[0].meta.causation.unwrap().0 - 1).unwrap()];
    assert_eq!(request.stream.id, app.uuid());
    assert_eq!(request.meta.correlation, of_second[0].meta.correlation);
    assert!(world.control().readiness().is_ready(), "{:?}", world.control().readiness());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_names_its_stage_and_leaves_the_old_version_serving() {
    let world = World::start().await;
    let app = new_app(&world, "shop").await;
    let good = deploy(&world, app).await;
    live(&world, good).await;
    let cases = [
        (Builds::Fail, Replicas::Healthy, StageName::Building, "the build broke"),
        (Builds::Succeed, Replicas::Exit, StageName::Starting, "exited with code 3"),
        (Builds::Succeed, Replicas::NeverHealthy, StageName::Starting, "was not healthy within"),
    ];
    for (builds, replicas, expected, says) in cases {
        world.worker.behave(builds, replicas);
        let bad = deploy(&world, app).await;
        let (stage, message, log) = world.until("failed", |view| failed_in(view, bad)).await;
        assert_eq!(stage, expected, "{message}");
        assert!(message.contains(says), "{message}");
        assert!(!log.is_empty(), "{message}");
        world.worker.until("it runs no more", |worker| !worker.runs(bad)).await;
        let serving = world.control().read(|view| view.apps[&app].state.active().unwrap().serving);
        assert_eq!(serving, Some(good));
        let table = world.control().bus().routes().await.unwrap().unwrap().table;
        assert!(table.routes.values().all(|r| r.backend.deployment() == Some(good)));
    }

    world.worker.behave(Builds::Accept, Replicas::Healthy);
    // Cancelled while it builds.
    let unwanted = deploy(&world, app).await;
    world
        .until("building", |view| {
            matches!(self::stage(view, unwanted)?, Stage::Building { .. }).then_some(())
        })
        .await;
    let cancel = DeploymentCommand::Cancel;
    world.control().command::<Deployment>(unwanted.uuid(), cancel, extras()).await.unwrap();
    world.worker.until("its build was cancelled", |worker| worker.cancelled(unwanted)).await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_forward_ends_no_build() {
    let world = World::start().await;
    let building = async |deployment| {
        world
            .until("building", |view| {
                matches!(stage(view, deployment)?, Stage::Building { .. }).then_some(())
            })
            .await;
    };
    world.worker.behave(Builds::Accept, Replicas::Healthy);
    let (app, other) = (new_app(&world, "shop").await, new_app(&world, "other").await);
    let slow = deploy(&world, app).await;
    building(slow).await;
    // By more than it may wait for its turn, and then take.
    let most = limits::BUILD_WAIT.0 + limits::BUILD_WITHIN.0;
    world.advance(Duration::from_millis(most) + Duration::from_secs(60));
    // When another one is given out, it was looked at under the new time, too.
    let next = deploy(&world, other).await;
    building(next).await;
    world.worker.behave(Builds::Succeed, Replicas::Healthy);
    world.worker.finish_builds();
    live(&world, slow).await;
    live(&world, next).await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_may_be_killed_and_wiped_at_any_stage() {
    let mut world = World::start().await;
    let app = new_app(&world, "shop").await;
    let first = deploy(&world, app).await;
    live(&world, first).await;

    // During a build: the command, its acceptance and the table are gone with the store.
    world.worker.behave(Builds::Accept, Replicas::Healthy);
    let second = deploy(&world, app).await;
    world
        .until("building", |view| {
            matches!(stage(view, second)?, Stage::Building { .. }).then_some(())
        })
        .await;
    let before = world.control().bus().routes().await.unwrap().unwrap();
    world.nats.kill_and_wipe().await;
    // What is asked meanwhile is taken, and waits.
    let other = new_app(&world, "other").await;
    let waits = deploy(&world, other).await;
    let reasons = world.control().readiness().reasons;
    assert!(reasons.iter().any(|reason| reason.starts_with("nats")), "{reasons:?}");
    world.nats.run().await;
    world.worker.behave(Builds::Succeed, Replicas::Healthy);
    world.worker.finish_builds();
    live(&world, second).await;
    live(&world, waits).await;
    let after = world.control().bus().routes().await.unwrap().unwrap();
    assert!(after.table.revision > before.table.revision);

    // During a start, between two orders.
    world.worker.behave(Builds::Succeed, Replicas::NotYet);
    let third = deploy(&world, app).await;
    world
        .until("starting", |view| {
            matches!(stage(view, third)?, Stage::Starting { .. }).then_some(())
        })
        .await;
    world.nats.kill_and_wipe().await;
    world.nats.run().await;
    world.worker.behave(Builds::Succeed, Replicas::Healthy);
    live(&world, third).await;

    // With nothing to do: the table is put back for edges that look for it.
    let table = world.control().observed(|observed| observed.table.clone());
    let before = world.edge.look().epoch;
    world.nats.kill_and_wipe().await;
    world.nats.run().await;
    let is_back = |edge: &fake::EdgeState| edge.epoch > before && edge.found >= table.revision;
    world.edge.until("the table is back", is_back).await;
    world.close().await;
}

/// Larger than NATS takes, and larger than a builder reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_command_that_is_too_large_ends_the_deployment_and_says_why() {
    let world = World::start().await;
    let app = new_app(&world, "shop").await;
    let installation = world.control().installation().uuid();
    for n in 0..u64::try_from(limits::MOST_REGISTRIES).unwrap() {
        let host: RegistryHost = format!("registry-{n}.example").parse().unwrap();
        let secret = SecretChange::Put {
            scope: installation,
            name: host.secret(),
            version: n + 1,
            value: Secret::from("p".repeat(RegistryPassword::MOST_BYTES)),
        };
        let (user, at) = ("ci".parse().unwrap(), world.control().clock().now());
        let command = InstallationCommand::SetRegistry { host, user, version: n + 1, at };
        let with_secret = Extras { secrets: vec![secret], ..extras() };
        world.control().command::<Installation>(installation, command, with_secret).await.unwrap();
    }
    let names: Vec<_> = (0..4).map(|n| EnvName::new(format!("LONG_{n}")).unwrap()).collect();
    let secrets = names.iter().map(|name| SecretChange::Put {
        scope: app.uuid(),
        name: name.to_string(),
        version: 1,
        value: Secret::from("v".repeat(63 * 1024)),
    });
    let with_secrets = Extras { secrets: secrets.collect(), ..extras() };
    let set = names.iter().map(|name| (name.clone(), 1)).collect();
    let command = AppCommand::ChangeEnvironment { set, remove: [].into() };
    world.control().command::<App>(app.uuid(), command, with_secrets).await.unwrap();
    let secrets = names.into_iter().collect();
    let build = BuildSettings { secrets, ..BuildSettings::default() };
    let change = SettingsChange { build: Some(build), ..SettingsChange::default() };
    let command = AppCommand::Configure(Box::new(change));
    world.control().command::<App>(app.uuid(), command, extras()).await.unwrap();

    let large = deploy(&world, app).await;
    let (stage, message, _) = world.until("it ends", |view| failed_in(view, large)).await;
    assert_eq!(stage, StageName::Building);
    for word in ["too large", "build secrets", "logins to registries", "hythe registry logout"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_may_be_restarted_at_every_stage() {
    let mut world = World::start().await;
    let app = new_app(&world, "shop").await;
    let first = deploy(&world, app).await;
    live(&world, first).await;
    let revision = world.control().observed(|observed| observed.table.revision);

    world.worker.behave(Builds::Accept, Replicas::NotYet);
    let second = deploy(&world, app).await;
    type Reached = fn(&Stage) -> bool;
    let stages: [(Builds, Replicas, Reached); 3] = [
        (Builds::Accept, Replicas::NotYet, |s| matches!(s, Stage::Building { .. })),
        (Builds::Succeed, Replicas::NotYet, |s| matches!(s, Stage::Starting { .. })),
        (Builds::Succeed, Replicas::Healthy, |s| matches!(s, Stage::Live)),
    ];
    for (builds, replicas, reached) in stages {
        world.worker.behave(builds, replicas);
        if builds == Builds::Succeed {
            world.worker.finish_builds();
        }
        world.until("the stage", |view| reached(&stage(view, second)?).then_some(())).await;
        let before = world.control().read(View::clone);
        world.restart().await;
        let after = world.control().read(View::clone);
        assert!(after.head >= before.head);
    }
    live(&world, second).await;
    world
        .until("the first is gone", |view| {
            matches!(stage(view, first)?, Stage::Ended(_)).then_some(())
        })
        .await;
    world.control().bus().ready().await;
    let table = world.control().bus().routes().await.unwrap().unwrap().table;
    assert!(table.revision > revision);
    let backend = &table.routes.values().next().unwrap().backend;
    assert!(matches!(backend, Backend::Replicas { deployment, .. } if *deployment == second));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reactor_that_begins_anew_changes_nothing() {
    let mut world = World::start().await;
    let app = new_app(&world, "shop").await;
    for _ in 0..3 {
        let id = deploy(&world, app).await;
        live(&world, id).await;
    }
    world.settled().await;
    let before = world.control().journal().head();
    world.control().journal().save_cursor(reactor::CURSOR, Sequence(0)).unwrap();
    world.restart().await;
    world.settled().await;
    assert_eq!(world.control().journal().head(), before, "every reaction was taken before");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_published_once_for_integrations() {
    let world = World::start().await;
    let app = new_app(&world, "shop").await;
    let id = deploy(&world, app).await;
    live(&world, id).await;
    world.settled().await;
    let head = world.control().journal().head();
    world.cursor("publisher", head).await;
    let bus = world.control().bus();
    let stream = bus.jetstream().get_stream(subjects::EVENTS).await.unwrap();
    let messages = stream.cached_info().state.messages;
    assert_eq!(messages, head.0);
    let last = stream.get_raw_message(messages).await.unwrap();
    let event: serde_json::Value = serde_json::from_slice(&last.payload).unwrap();
    assert_eq!(event["id"], head.to_string());
    assert_eq!(event["specversion"], "1.0");
    world.close().await;
}

/// Goes from cause to cause up to what began it.
fn origin<'a>(all: &'a [Recorded<Event>], event: &'a Recorded<Event>) -> &'a Recorded<Event> {
    let mut at = event;
    while let Some(before) = cause(at) {
        at = &all[usize::try_from(before.0 - 1).unwrap()];
    }
    at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_leads_back_to_what_began_it() {
    let world = World::start().await;
    let app = new_app(&world, "shop").await;
    let first = deploy(&world, app).await;
    // It waits until the first is live.
    let second = deploy(&world, app).await;
    live(&world, second).await;
    world
        .until("the first is gone", |view| {
            matches!(stage(view, first)?, Stage::Ended(Outcome::Superseded)).then_some(())
        })
        .await;
    world.settled().await;
    let all = world.control().journal().read(Sequence(0), 10_000).unwrap();
    let all: Vec<_> = all.into_iter().map(|event| decode_recorded(event).unwrap()).collect();
    for event in &all {
        let began = origin(&all, event);
        assert!(beginning(began).is_some(), "nothing says why: {event:?}, from {began:?}");
    }
    let asked = |id| {
        let asks = |event: &&Recorded<Event>| match &event.event {
            Event::App(event) => event.requested().is_some_and(|(asked, _)| asked == id),
            Event::Deployment(_)
            | Event::Worker(_)
            | Event::Installation(_)
            | Event::Project(_) => false,
        };
        all.iter().find(asks).unwrap()
    };
    assert_ne!(asked(first).meta.correlation, asked(second).meta.correlation);
    let mut of_second = all.iter().filter(|event| event.stream.id == second.uuid());
    assert!(of_second.clone().count() >= 8);
    let strangers: Vec<_> = of_second
        .by_ref()
        .filter(|event| {
            event.meta.correlation != asked(second).meta.correlation
                || origin(&all, event).sequence != asked(second).sequence
        })
        .collect();
    assert!(strangers.is_empty(), "not because of its own request: {strangers:#?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_disk_becomes_low_is_tidied_up_at_once() {
    let world = World::start().await;
    let bus = connect(&world.nats.settings(), "a worker's storage").await.unwrap();
    let subject = subjects::worker_storage(world.worker.id());
    let mut asked = bus.client().subscribe(subject).await.unwrap();
    bus.client().flush().await.unwrap();
    let room = DiskRoom { whole: 100 << 30, free: 5 << 30 };
    world.worker.has_disk(EngineDisk { room, least_free: 4 << 30 });
    let question = tokio::time::timeout(WITHIN, asked.next()).await.unwrap().unwrap();
    let question: StorageQuestion = serde_json::from_slice(&question.payload).unwrap();
    assert!(matches!(question.wanted, StorageWanted::Survey), "{question:?}");
    world.close().await;
}
