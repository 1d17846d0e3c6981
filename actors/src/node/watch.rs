//! Watches the engine: whether it answers, and what happens to our containers.
//!
//! Invariant: after every break the node hears that the engine is up again, and takes inventory;
//! events from before that moment are repeated, so none falls between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::future::FutureExt as _;
use futures_util::stream::{Stream, StreamExt as _};
use hythe_core::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};

use super::clock;
use crate::docker::labels::Owner;
use crate::docker::{Engine, EngineError};

/// From one sign of life to the next: a stream of events that says nothing may be a dead one.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// First and longest wait before an engine that is down is tried again.
const AGAIN_FIRST: Duration = Duration::from_millis(200);
const AGAIN_MOST: Duration = Duration::from_secs(5);
/// Bundles of events that the node has not taken yet.
const AHEAD: usize = 4;
/// Events in one bundle.
const MOST_IN_BUNDLE: usize = 256;
/// How far back events are asked for, in seconds.
const OVERLAP_SECONDS: u64 = 2;

/// What is told to the node.
#[derive(Debug)]
pub(crate) enum News {
    /// The engine answers (again): look at everything.
    Up {
        /// Its version.
        version: String,
        /// Since when it may have been away: its last sign of life before events broke off; none at first.
        since: Option<Timestamp>,
    },
    /// It does not.
    Down {
        /// Why, and what to do.
        message: String,
        /// Since when: its last sign of life. An engine that stops goes on with its events for as long as it
        /// ends what runs on it, and answers nothing else.
        since: Timestamp,
    },
    /// Something happened to these containers, by id. The permit is given back when it is handled.
    Touched(BTreeSet<String>, OwnedSemaphorePermit),
}

/// Watches for as long as it is not dropped.
pub(crate) async fn watch(engine: Engine, owner: Owner, mut tell: impl FnMut(News) + Send) {
    let gate = Arc::new(Semaphore::new(AHEAD));
    let mut pace = Pace(AGAIN_FIRST);
    // When it was asked for the newest sign of life that came.
    let mut alive = None;
    loop {
        let asked = clock::now();
        let since = (asked.0 / 1000).saturating_sub(OVERLAP_SECONDS);
        let (error, listened) = match engine.probe().await {
            Ok(version) => {
                tell(News::Up { version, since: alive });
                let newest = alive.insert(asked);
                let begun = Instant::now();
                let heard = listen(&engine, &owner, since, &gate, newest, &mut tell).await;
                // Of a stream that ended, the next probe says whether it was the engine or only that.
                (heard.err(), begun.elapsed())
            }
            Err(error) => (Some(error), Duration::ZERO),
        };
        let down = error.is_some();
        if let Some(error) = error {
            tell(News::Down { message: error.to_string(), since: alive.unwrap_or(asked) });
        }
        tokio::time::sleep(pace.after(listened, down)).await;
    }
}

/// How long to wait before the engine is asked again: longer each time that it cannot be listened to for long.
#[derive(Debug)]
struct Pace(Duration);

impl Pace {
    fn after(&mut self, listened: Duration, down: bool) -> Duration {
        if listened >= AGAIN_MOST {
            self.0 = AGAIN_FIRST;
            if !down {
                return Duration::ZERO;
            }
        }
        let wait = self.0;
        self.0 = (wait * 2).min(AGAIN_MOST);
        wait
    }
}

/// Passes events on until the stream ends; the error is that of a sign of life that did not come.
async fn listen(
    engine: &Engine,
    owner: &Owner,
    since: u64,
    gate: &Arc<Semaphore>,
    alive: &mut Timestamp,
    tell: &mut (impl FnMut(News) + Send),
) -> Result<(), EngineError> {
    let mut filter = owner.filter();
    filter.insert("type".to_owned(), vec!["container".to_owned()]);
    let options =
        EventsOptionsBuilder::default().since(&since.to_string()).filters(&filter).build();
    let mut events = Box::pin(engine.docker().await?.events(Some(options)));
    let mut probe = tokio::time::interval(PROBE_EVERY);
    probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
    probe.reset();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = probe.tick() => {
                let asked = clock::now();
                engine.alive().await?;
                *alive = asked;
                continue;
            }
        };
        let mut touched = BTreeSet::new();
        let open = gather(event, &mut events, &mut touched);
        if !touched.is_empty()
            && let Ok(permit) = Arc::clone(gate).acquire_owned().await
        {
            tell(News::Touched(touched, permit));
        }
        if !open {
            return Ok(());
        }
    }
}

/// Takes an event and all that are there already. False where the stream has ended.
fn gather(
    first: Option<Result<EventMessage, bollard::errors::Error>>,
    events: &mut (impl Stream<Item = Result<EventMessage, bollard::errors::Error>> + Unpin),
    touched: &mut BTreeSet<String>,
) -> bool {
    let mut next = first;
    for _ in 0..MOST_IN_BUNDLE {
        let Some(Ok(event)) = next else { return false };
        touched.extend(container(event));
        match events.next().now_or_never() {
            Some(event) => next = event,
            None => return true,
        }
    }
    if let Some(Ok(event)) = next {
        touched.extend(container(event));
        return true;
    }
    false
}

/// The container that an event is about, where it may have changed by it.
fn container(event: EventMessage) -> Option<String> {
    let action = event.action.unwrap_or_default();
    // Whoever makes one looks at it once it was started.
    let idle = ["exec_", "top", "resize", "attach", "health_status", "create"];
    if idle.iter().any(|prefix| action.starts_with(prefix)) {
        return None;
    }
    event.actor?.id
}

#[cfg(test)]
mod tests {
    use hythe_core::ids::{InstallationId, WorkerId};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;
    use uuid::Uuid;

    use super::*;

    /// Answers one connection after the other with these, and is gone.
    async fn engine(listener: UnixListener, answers: &[&str]) {
        for body in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4_096];
            assert!(stream.read(&mut asked).await.unwrap() > 0);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_engine_is_away_since_its_last_sign_of_life() {
        const VERSION: &str = r#"{"Version":"1"}"#;
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        // Its events break off twice. It is back at once, and then it is not.
        tokio::spawn(async move { engine(listener, &[VERSION, "", VERSION, ""]).await });
        let owner = Owner {
            installation: InstallationId::new(Uuid::from_u128(1)),
            worker: WorkerId::new(Uuid::from_u128(2)),
        };
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let engine = Engine::new(socket.to_str()).unwrap();
        let watching = tokio::spawn(watch(engine, owner, move |news| {
            let _ = told.send((clock::now(), news));
        }));
        let (first, news) = heard.recv().await.unwrap();
        assert!(matches!(news, News::Up { since: None, .. }), "{news:?}");
        let (second, news) = heard.recv().await.unwrap();
        let News::Up { since: Some(since), .. } = news else { panic!("{news:?}") };
        assert!(since <= first, "{since:?} {first:?}");
        let (_, news) = heard.recv().await.unwrap();
        let News::Down { since, .. } = news else { panic!("{news:?}") };
        assert!(first < since && since <= second, "{first:?} {since:?} {second:?}");
        watching.abort();
    }

    #[test]
    fn an_engine_that_cannot_be_listened_to_is_asked_less_and_less_often() {
        let mut pace = Pace(AGAIN_FIRST);
        let long = Duration::from_secs(3_600);
        // How long it was listened to, whether it was found down then, and how long is waited, in milliseconds.
        let rows = [
            (Duration::ZERO, false, 200),
            (Duration::from_millis(1), false, 400),
            (Duration::ZERO, true, 800),
            (long, false, 0),
            (Duration::ZERO, true, 200),
            (long, true, 200),
            (Duration::ZERO, true, 400),
        ];
        for (listened, down, waits) in rows {
            let waited = pace.after(listened, down);
            assert_eq!(waited, Duration::from_millis(waits), "{listened:?} {down}");
        }
        for _ in 0..10 {
            assert!(pace.after(Duration::ZERO, true) <= AGAIN_MOST);
        }
    }
}
