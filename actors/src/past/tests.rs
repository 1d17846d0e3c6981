//! Against the whole view, folded up to the same event.

use std::sync::Arc;

use hythe_core::app::App;
use hythe_core::names::AppName;
use hythe_core::past::NotThen;
use hythe_store::replay;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::aggregate::{AggregateLimits, Hosted, Hosts};
use crate::health::Health;
use crate::testing::{Disk, create, extras, port};

struct World {
    journal: Journal,
    hosts: Hosts,
    past: Past,
    stop: CancellationToken,
}

impl World {
    async fn new() -> Self {
        let journal = Disk::default().journal();
        let stop = CancellationToken::new();
        let hosts =
            Hosts::start(&journal, AggregateLimits::default(), &Health::default(), &stop).await;
        let past = Past::new(&journal);
        Self { journal, hosts, past, stop }
    }

    async fn give(&self, id: Uuid, command: hythe_core::app::AppCommand) -> Sequence {
        let done = <App as Hosted>::host(&self.hosts).command(id, command, extras()).await;
        done.unwrap().sequence.unwrap()
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Book) -> Result<T, PastError> + Send + 'static,
    ) -> Result<T, PastError> {
        self.past.look(look).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn what_was_so_is_what_the_view_said() {
    let world = World::new().await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    world.give(one, create(one, "one")).await;
    world.give(other, create(other, "other")).await;
    for n in 1..=20 {
        world.give(one, port(n)).await;
        let deployment = DeploymentId::new(Uuid::now_v7());
        let asked = hythe_core::app::AppCommand::RequestDeployment {
            deployment,
            source: None,
            no_cache: false,
        };
        world.give(one, asked).await;
        world.give(other, port(100 + n)).await;
    }
    let gone = world.give(one, hythe_core::app::AppCommand::Delete).await;
    let head = world.journal.head();
    for at in 1..=head.0 {
        let at = Sequence(at);
        let whole =
            replay::fold(&world.journal, Sequence(0), Some(at), View::default(), |mut v, e| {
                v.apply(&e);
                v
            });
        let whole = whole.unwrap().state;
        for id in [one, other].map(AppId::new) {
            let piece = world.look(move |book| book.app(id, at)).await.unwrap();
            assert_eq!(piece.apps.get(&id), whole.apps.get(&id), "at {at}");
        }
        let there = world
            .look(move |book| book.chronicle(|c| c.apps.find(&AppName::new("one").unwrap(), at)));
        assert_eq!(there.await.unwrap().is_ok(), at < gone, "at {at}");
    }
    let never = world
        .look(|book| book.chronicle(|c| c.apps.find(&AppName::new("never").unwrap(), Sequence(1))));
    assert_eq!(never.await.unwrap(), Err(NotThen::default()));
}

#[tokio::test]
async fn moments_that_never_were_are_told_apart() {
    let world = World::new().await;
    let now = Timestamp(u64::MAX / 2);
    let find = |moment, now| world.look(move |book| book.find(moment, now));
    let early = Moment::Time(Timestamp(5));
    let empty = find(early, now).await.unwrap_err();
    assert!(matches!(empty, PastError::Before { first: None }), "{empty}");
    let id = Uuid::now_v7();
    world.give(id, create(id, "shop")).await;
    let at = world.journal.read(Sequence(0), 1).unwrap()[0].meta.at;
    let found = find(Moment::Time(at), at).await.unwrap();
    assert_eq!(found, Point { sequence: Sequence(1), time: at });
    let soon = at.plus(CLOCKS_DIFFER);
    assert!(find(Moment::Time(soon), at).await.is_ok(), "clocks differ a little");
    let error = find(Moment::Time(soon.plus(Millis(1))), at).await.unwrap_err();
    assert!(matches!(error, PastError::Future { .. }), "{error}");
    let before = Moment::Time(Timestamp(at.0 - 1));
    let error = find(before, at).await.unwrap_err();
    assert!(matches!(error, PastError::Before { first: Some(first) } if first == at), "{error}");
    let error = find(Moment::Sequence(Sequence(2)), at).await.unwrap_err();
    assert!(matches!(error, PastError::Beyond { head: Sequence(1), .. }), "{error}");
    let error = find(Moment::Sequence(Sequence(0)), at).await.unwrap_err();
    assert!(matches!(error, PastError::Before { .. }), "{error}");
}

#[tokio::test]
async fn whoever_finds_no_room_is_told_to_come_back() {
    let world = World::new().await;
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let (tell, mut inside) = tokio::sync::mpsc::unbounded_channel();
    let mut looking = Vec::new();
    for _ in 0..AT_ONCE {
        let (past, held, tell) = (world.past.clone(), Arc::clone(&held), tell.clone());
        looking.push(tokio::spawn(async move {
            past.look(move |_| {
                tell.send(()).unwrap();
                held.lock().unwrap().recv().unwrap();
                Ok::<_, PastError>(())
            })
            .await
        }));
        inside.recv().await.unwrap();
    }
    let refused = world.look(|_| Ok(())).await.unwrap_err();
    assert!(matches!(refused, PastError::Busy { .. }), "{refused}");
    // All at once: which of them hears first is anybody's guess.
    (0..AT_ONCE).for_each(|_| let_go.send(()).unwrap());
    for task in looking {
        task.await.unwrap().unwrap();
    }
    world.look(|_| Ok(())).await.unwrap();
}
