//! Aggregates over a real journal on a disk that can be held up and can fail.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use hythe_core::app::{App, AppEvent};
use hythe_core::claims::ClaimChange;
use hythe_core::ids::ProjectId;
use hythe_core::machine::Machine;
use hythe_core::names::ProjectName;
use hythe_core::project::ProjectCommand;
use hythe_core::record::{AggregateKind, StreamId, Version};
use hythe_core::rejection::Rejection;
use hythe_store::Journal;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::load::load;
use super::{AggregateLimits, Answer, CommandError, Host, Hosted, Hosts};
use crate::health::Health;
use crate::testing::{Disk, create, extras, port};

const WITHIN: Duration = Duration::from_secs(20);

struct World {
    disk: Disk,
    journal: Journal,
    hosts: Hosts,
    stop: CancellationToken,
}

impl World {
    async fn new(limits: AggregateLimits) -> Self {
        let disk = Disk::default();
        let journal = disk.journal();
        let stop = CancellationToken::new();
        let hosts = Hosts::start(&journal, limits, &Health::default(), &stop).await;
        Self { disk, journal, hosts, stop }
    }

    async fn app(&self, id: Uuid, command: hythe_core::app::AppCommand) -> Answer<App> {
        self.hosts.apps.command(id, command, extras()).await
    }

    async fn wait_for_active(&self, active: usize) {
        let mut watch = self.hosts.apps.active();
        let wait = watch.wait_for(|now| *now == active);
        tokio::time::timeout(WITHIN, wait).await.unwrap().unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.disk.release();
        self.stop.cancel();
    }
}

fn busy(answer: &Answer<App>) -> bool {
    matches!(answer, Err(CommandError::Busy { .. }))
}

#[tokio::test]
async fn an_aggregate_decides_ahead_of_the_disk_and_answers_behind_it() {
    let world = World::new(AggregateLimits::default()).await;
    let id = Uuid::now_v7();
    world.app(id, create(id, "shop")).await.unwrap();
    let before = world.disk.syncs();
    world.disk.hold();
    // The first may be in a commit of its own; all others wait for the next, together.
    let answers = join_all((1..=100).map(|n| world.app(id, port(n))));
    // So does a refusal, and what is so already because of one of them.
    let refused = world.app(id, create(id, "shop"));
    let same = world.app(id, port(100));
    let waiting = async { tokio::join!(answers, refused, same) };
    tokio::pin!(waiting);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "answered before the disk had it: {early:?}");
    world.disk.release();
    let (answers, refused, same) = waiting.await;
    assert_eq!(refused, Err(Rejection::Exists { what: "app".into() }.into()));
    let same = same.unwrap();
    assert_eq!((same.sequence, same.version), (None, Version(101)));
    let mut versions: Vec<u64> = answers.into_iter().map(|a| a.unwrap().version.0).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=101).collect::<Vec<_>>());
    let commits = world.disk.syncs() - before;
    assert!(commits < 30, "{commits} commits for 100 commands");
}

#[tokio::test]
async fn a_taken_name_takes_back_what_was_decided_on_top_of_it() {
    let world = World::new(AggregateLimits::default()).await;
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    world.app(one, create(one, "shop")).await.unwrap();
    world.disk.hold();
    let three = Uuid::now_v7();
    let mut holds_up = Box::pin(world.app(three, create(three, "three")));
    assert!(futures_util::poll!(&mut holds_up).is_pending());
    world.disk.holds_something().await;
    let taken = world.app(two, create(two, "shop"));
    let on_top = world.app(two, port(1));
    let again = world.app(two, create(two, "other"));
    let all = async { tokio::join!(taken, on_top, again) };
    tokio::pin!(all);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut all).await.is_err());
    world.disk.release();
    let (taken, on_top, again) = all.await;
    let Err(CommandError::ClaimTaken { key, owner }) = taken else { panic!("{taken:?}") };
    assert_eq!(key.0, "app-name/shop");
    assert_eq!(owner.stream, StreamId { kind: AggregateKind::App, id: one });
    assert_eq!(owner.note, one.as_bytes());
    assert!(busy(&on_top), "{on_top:?}");
    assert!(busy(&again), "a refusal that rested on what never happened: {again:?}");

    let created = loop {
        match world.app(two, create(two, "other")).await {
            Err(CommandError::Busy { retry_after }) => tokio::time::sleep(retry_after).await,
            other => break other.unwrap(),
        }
    };
    assert_eq!(created.version, Version(1));
}

#[tokio::test]
async fn after_a_failed_commit_the_aggregate_is_what_the_disk_says() {
    let world = World::new(AggregateLimits::default()).await;
    let id = Uuid::now_v7();
    world.app(id, create(id, "shop")).await.unwrap();
    world.disk.hold();
    let commands = join_all((1..=20).map(|n| world.app(id, port(n))));
    tokio::pin!(commands);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut commands).await.is_err());
    world.disk.fail(true);
    world.disk.release();
    for answer in commands.await {
        assert!(
            matches!(answer, Err(CommandError::Unavailable(_) | CommandError::Busy { .. })),
            "{answer:?}"
        );
    }
    world.disk.fail(false);
    let done = loop {
        match world.app(id, port(99)).await {
            Err(CommandError::Busy { retry_after }) => tokio::time::sleep(retry_after).await,
            Err(CommandError::Unavailable(_)) => tokio::task::yield_now().await,
            other => break other.unwrap(),
        }
    };
    assert_eq!(done.version, Version(2), "nothing of what failed is there");
    let loaded = load::<App>(&world.journal, id).unwrap();
    assert_eq!(loaded.version, Version(2));
    assert_eq!(loaded.state.active().unwrap().settings.port, Some(99));
}

#[tokio::test]
async fn one_that_is_asked_nothing_leaves_and_comes_back_as_it_was() {
    let limits = AggregateLimits { idle: Duration::from_millis(40), ..Default::default() };
    let world = World::new(limits).await;
    let id = Uuid::now_v7();
    world.app(id, create(id, "shop")).await.unwrap();
    world.app(id, port(1)).await.unwrap();
    world.wait_for_active(0).await;
    let again = world.app(id, port(1)).await.unwrap();
    assert_eq!((again.sequence, again.version), (None, Version(2)));

    // One that has ended, or never began, leaves at once.
    let slow = World::new(AggregateLimits::default()).await;
    let missing = slow.app(id, port(1)).await;
    assert_eq!(missing, Err(Rejection::not_found("app").into()));
    slow.wait_for_active(0).await;
    slow.app(id, create(id, "shop")).await.unwrap();
    slow.app(id, hythe_core::app::AppCommand::Delete).await.unwrap();
    slow.wait_for_active(0).await;
}

#[tokio::test]
async fn nothing_is_lost_between_an_instance_and_its_successor() {
    let limits = AggregateLimits { idle: Duration::ZERO, ..Default::default() };
    let world = World::new(limits).await;
    let id = Uuid::now_v7();
    world.app(id, create(id, "shop")).await.unwrap();
    let mut version = 1;
    for round in 0..50_u16 {
        let answers = join_all((1..=4).map(|n| world.app(id, port(round * 4 + n)))).await;
        for answer in answers {
            answer.unwrap();
            version += 1;
        }
    }
    assert_eq!(load::<App>(&world.journal, id).unwrap().version, Version(version));
}

#[tokio::test]
async fn whoever_finds_no_room_is_told_at_once() {
    let limits = AggregateLimits { commands: 12, commands_of_one: 8, ..Default::default() };
    let world = World::new(limits).await;
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    world.app(one, create(one, "one")).await.unwrap();
    world.app(two, create(two, "two")).await.unwrap();
    world.disk.hold();
    let mut of_one: FuturesUnordered<_> = (1..=100).map(|n| world.app(one, port(n))).collect();
    for _ in 0..92 {
        let answer = of_one.next().await.unwrap();
        assert!(busy(&answer), "{answer:?}");
    }
    let mut of_two: FuturesUnordered<_> = (1..=10).map(|n| world.app(two, port(n))).collect();
    for _ in 0..6 {
        let answer = of_two.next().await.unwrap();
        assert!(busy(&answer), "{answer:?}");
    }
    world.disk.release();
    let done: Vec<_> = of_one.collect().await;
    assert_eq!(done.len(), 8);
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let done: Vec<_> = of_two.collect().await;
    assert_eq!(done.len(), 4);
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    assert_eq!(world.hosts.apps.total.available_permits(), 12, "all room was given back");
}

#[tokio::test]
async fn when_memory_is_full_those_at_rest_make_room() {
    let limits = AggregateLimits { active: 4, ..Default::default() };
    let world = World::new(limits).await;
    for n in 0..10 {
        let id = Uuid::now_v7();
        let create = || create(id, &format!("app-{n}"));
        let mut answer = world.app(id, create()).await;
        while let Err(CommandError::Busy { retry_after }) = answer {
            tokio::time::sleep(retry_after).await;
            answer = world.app(id, create()).await;
        }
        answer.unwrap();
        assert!(*world.hosts.apps.active().borrow() <= 4);
    }
}

#[tokio::test]
async fn draining_answers_what_is_under_way_and_takes_nothing_new() {
    let world = World::new(AggregateLimits::default()).await;
    let id = Uuid::now_v7();
    world.app(id, create(id, "shop")).await.unwrap();
    let project = ProjectId::new(Uuid::now_v7());
    let made = ProjectCommand::Create { id: project, name: ProjectName::new("shops").unwrap() };
    world.hosts.projects.command(project.uuid(), made, extras()).await.unwrap();
    world.disk.hold();
    let mut under_way = Box::pin(join_all((1..=5).map(|n| world.app(id, port(n)))));
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut under_way).await.is_err());
    let drain = world.hosts.drain();
    tokio::pin!(drain);
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut drain).await.is_err());
    let late = world.app(id, port(77)).await;
    assert!(matches!(late, Err(CommandError::Unavailable(_))), "{late:?}");
    let late = world.hosts.projects.command(id, ProjectCommand::Delete, extras()).await;
    assert!(matches!(late, Err(CommandError::Unavailable(_))), "{late:?}");
    world.disk.release();
    tokio::time::timeout(WITHIN, drain).await.unwrap();
    assert!(under_way.await.iter().all(Result::is_ok));
    assert_eq!(*world.hosts.apps.active().borrow(), 0);
    assert_eq!(*world.hosts.projects.active().borrow(), 0);
}

/// A machine whose `decide` may panic, which no real one's does.
#[derive(Clone, Debug, Default, PartialEq)]
struct Bomb;

impl Machine for Bomb {
    const KIND: AggregateKind = AggregateKind::App;
    type Command = bool;
    type Event = AppEvent;

    fn decide(&self, explode: bool) -> Result<Vec<AppEvent>, Rejection> {
        assert!(!explode, "it was told to");
        Ok(vec![AppEvent::DeploymentSettled {
            deployment: hythe_core::ids::DeploymentId::new(Uuid::nil()),
        }])
    }

    fn evolve(self, _event: &AppEvent) -> Self {
        self
    }

    fn claims(&self, _event: &AppEvent) -> Vec<ClaimChange> {
        Vec::new()
    }

    fn priority(_command: &bool) -> hythe_core::priority::Priority {
        hythe_core::priority::Priority::Ordinary
    }

    fn ended(&self) -> bool {
        false
    }
}

impl Hosted for Bomb {
    fn host(_hosts: &Hosts) -> &Host<Self> {
        unreachable!("asked directly")
    }
}

#[tokio::test]
async fn one_that_panics_is_started_again_and_takes_nobody_with_it() {
    let journal = Disk::default().journal();
    let stop = CancellationToken::new();
    let total = std::sync::Arc::new(tokio::sync::Semaphore::new(100));
    let limits = AggregateLimits::default();
    let host = Host::<Bomb>::start(&journal, limits, &total, &Health::default(), &stop);
    host.started().await;
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    host.command(one, false, extras()).await.unwrap();
    host.command(two, false, extras()).await.unwrap();
    let error = host.command(one, true, extras()).await.unwrap_err();
    assert!(matches!(error, CommandError::Unavailable(_)), "{error}");
    assert_eq!(host.command(two, false, extras()).await.unwrap().version, Version(2));
    let again = loop {
        match host.command(one, false, extras()).await {
            Err(CommandError::Busy { retry_after }) => tokio::time::sleep(retry_after).await,
            // The command came before the word of the failure.
            Err(CommandError::Unavailable(_)) => tokio::task::yield_now().await,
            other => break other.unwrap(),
        }
    };
    assert_eq!(again.version, Version(2));
    assert_eq!(total.available_permits(), 100);
    stop.cancel();
}
