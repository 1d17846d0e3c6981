//! The projection: the journal folded into the [`View`] that lists, pages and the reconciler read.
//!
//! It shows nothing that is not on the disk. It is derived: a checkpoint saves the time of folding
//! everything at start-up, and nothing else depends on one. A reader holds the view only while it
//! looks; an event goes in whole or not at all.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use hythe_core::event::Event;
use hythe_core::record::{Recorded, Sequence};
use hythe_core::view::View;
use hythe_store::codec::decode_recorded;
use hythe_store::{Journal, StoreError, replay};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::views::Views;

/// Events taken in under one lock.
const BATCH: usize = 256;
/// Events after which another checkpoint is worth its disk write.
const CHECKPOINT_EVERY: u64 = 10_000;
/// Checkpoints are saved no more often than this while little happens.
const CHECKPOINT_PAUSE: Duration = Duration::from_secs(30);
/// Events after which one is saved earlier, so that a start after a crash has little to fold.
const CHECKPOINT_SOON: u64 = 100_000;
/// All together they take no more than this part of the time.
const CHECKPOINT_SHARE: u32 = 200;

/// When the last checkpoint was saved, and the one that is being saved.
struct Checkpoints {
    at: Sequence,
    when: Instant,
    took: Duration,
    saving: Option<JoinHandle<Duration>>,
}

impl Checkpoints {
    fn after(at: Sequence) -> Self {
        Self { at, when: Instant::now(), took: Duration::ZERO, saving: None }
    }

    /// Begins to save another one where it is due.
    async fn tend(&mut self, projection: &Projection, journal: &Journal) {
        if let Some(done) = self.saving.take_if(|saving| saving.is_finished()) {
            self.took = done.await.unwrap_or_default();
        }
        let head = projection.head();
        if self.saving.is_none() && is_due(head.0 - self.at.0, self.when.elapsed(), self.took) {
            self.saving = Some(projection.save_in_background(journal));
            (self.at, self.when) = (head, Instant::now());
        }
    }
}

/// Whether another checkpoint is due: so many events and so long after the last one, which took
/// so long.
fn is_due(events: u64, since: Duration, took: Duration) -> bool {
    match events {
        CHECKPOINT_SOON.. => since >= took * CHECKPOINT_SHARE,
        CHECKPOINT_EVERY.. => since >= CHECKPOINT_PAUSE,
        0..CHECKPOINT_EVERY => false,
    }
}

/// The view as it is now. Clones share it.
#[derive(Clone)]
pub struct Projection(Arc<Inner>);

struct Inner {
    view: RwLock<View>,
    head: watch::Sender<Sequence>,
}

impl fmt::Debug for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projection").field("head", &self.head()).finish_non_exhaustive()
    }
}

impl Projection {
    /// The name under which it saves its checkpoints.
    pub const CHECKPOINT: &str = "view";

    /// Folds the journal as it is, from the last checkpoint where there is one. Blocks on the disk.
    ///
    /// # Errors
    /// At the first event that cannot be read.
    pub fn open(journal: &Journal) -> Result<Self, StoreError> {
        let begun = Instant::now();
        let checkpoint = journal.load_checkpoint(Self::CHECKPOINT, View::FORMAT);
        let view = checkpoint.and_then(|(at, bytes)| {
            let view: View = postcard::from_bytes(&bytes).ok()?;
            // One that says otherwise was not saved by us.
            (view.head == at).then_some(view)
        });
        let view = view.unwrap_or_default();
        let from = view.head;
        let folded = replay::fold(journal, from, None, view, |mut view, recorded| {
            view.apply(&recorded);
            view
        })?;
        tracing::info!(
            %from, head = %folded.at, events = folded.events, took = ?begun.elapsed(),
            "folded the journal"
        );
        let head = watch::Sender::new(folded.at);
        Ok(Self(Arc::new(Inner { view: RwLock::new(folded.state), head })))
    }

    /// Looks at the view. Others may look at the same time; nothing changes meanwhile. Must not
    /// be called from within itself: a change waiting in between would wait for ever.
    pub fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.0.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last event in the view.
    #[must_use]
    pub fn head(&self) -> Sequence {
        *self.0.head.borrow()
    }

    /// Tells whenever the view has changed.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Sequence> {
        self.0.head.subscribe()
    }

    fn take_in(&self, events: &[Recorded<Event>]) {
        let Some(last) = events.last().map(|recorded| recorded.sequence) else { return };
        let mut view = self.0.view.write().unwrap_or_else(PoisonError::into_inner);
        for recorded in events {
            view.apply(recorded);
        }
        drop(view);
        self.0.head.send_replace(last);
    }

    /// Takes in whatever the journal grows by, until it is closed.
    ///
    /// # Errors
    /// At the first event that cannot be read.
    pub(crate) async fn follow(&self, journal: Journal) -> Result<(), String> {
        let mut grown = journal.watch();
        let mut checkpoints = Checkpoints::after(self.head());
        loop {
            grown.borrow_and_update();
            loop {
                // Fresh events lie in the page cache: reading them does not wait for the disk.
                let page = journal.read(self.head(), BATCH).map_err(|error| error.to_string())?;
                if page.is_empty() {
                    break;
                }
                let events: Result<Vec<_>, _> = page.into_iter().map(decode_recorded).collect();
                self.take_in(&events.map_err(|error| error.to_string())?);
                checkpoints.tend(self, &journal).await;
                tokio::task::yield_now().await;
            }
            if grown.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Saves a checkpoint while events go on being taken in; how long that took.
    fn save_in_background(&self, journal: &Journal) -> JoinHandle<Duration> {
        let (this, journal) = (self.clone(), journal.clone());
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            if let Err(why) = this.save(&journal) {
                tracing::warn!(%why, "failed to save a checkpoint; the next start takes longer");
            }
            begun.elapsed()
        })
    }

    /// Saves a checkpoint. Blocks on the disk.
    ///
    /// # Errors
    /// Says why it could not be saved.
    pub fn save(&self, journal: &Journal) -> Result<(), String> {
        let (at, bytes) = self.read(|view| (view.head, postcard::to_stdvec(view)));
        if at == Sequence(0) {
            return Ok(());
        }
        let bytes = bytes.map_err(|error| error.to_string())?;
        journal
            .save_checkpoint(Self::CHECKPOINT, View::FORMAT, at, &bytes)
            .map_err(|error| error.to_string())
    }
}

impl Views for Projection {
    fn look<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        self.read(look)
    }

    fn head(&self) -> watch::Receiver<Sequence> {
        self.watch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::{AggregateLimits, Hosts};
    use crate::health::Health;
    use crate::testing::{Disk, create, extras, port};
    use hythe_core::app::App;
    use tokio_util::sync::CancellationToken;
    use uuid::Uuid;

    fn replayed(journal: &Journal) -> View {
        let fold = replay::fold(journal, Sequence(0), None, View::default(), |mut view, event| {
            view.apply(&event);
            view
        });
        fold.unwrap().state
    }

    #[test]
    fn a_checkpoint_is_due_by_time_or_soon_where_much_has_happened() {
        let (none, short, long) = (Duration::ZERO, Duration::from_millis(50), CHECKPOINT_PAUSE);
        assert!(!is_due(CHECKPOINT_EVERY - 1, long * 9, none));
        assert!(!is_due(CHECKPOINT_EVERY, long / 2, none) && is_due(CHECKPOINT_EVERY, long, none));
        assert!(is_due(CHECKPOINT_SOON, short, none));
        assert!(!is_due(CHECKPOINT_SOON, short * 199, short));
        assert!(is_due(CHECKPOINT_SOON, short * 200, short));
    }

    #[tokio::test]
    async fn it_equals_the_replay_live_and_from_a_checkpoint() {
        let disk = Disk::default();
        let journal = disk.journal();
        let stop = CancellationToken::new();
        let hosts =
            Hosts::start(&journal, AggregateLimits::default(), &Health::default(), &stop).await;
        let projection = Projection::open(&journal).unwrap();
        let following = tokio::spawn({
            let (projection, journal) = (projection.clone(), journal.clone());
            async move { projection.follow(journal).await }
        });
        let mut last = Sequence(0);
        for n in 1..=30 {
            let id = Uuid::now_v7();
            let host = <App as crate::aggregate::Hosted>::host(&hosts);
            host.command(id, create(id, &format!("app-{n}")), extras()).await.unwrap();
            last = host.command(id, port(n), extras()).await.unwrap().sequence.unwrap();
        }
        projection.watch().wait_for(|head| *head >= last).await.unwrap();
        assert_eq!(projection.read(View::clone), replayed(&journal));
        projection.save(&journal).unwrap();

        let id = Uuid::now_v7();
        let host = <App as crate::aggregate::Hosted>::host(&hosts);
        host.command(id, create(id, "after"), extras()).await.unwrap();
        let (at, _) = journal.load_checkpoint(Projection::CHECKPOINT, View::FORMAT).unwrap();
        assert_eq!(at, last, "the checkpoint is of before");
        let reopened = Projection::open(&journal).unwrap();
        assert_eq!(reopened.read(View::clone), replayed(&journal));
        assert_eq!(reopened.read(|view| view.apps.len()), 31);

        // One that does not decode is as good as none.
        journal.save_checkpoint(Projection::CHECKPOINT, View::FORMAT, last, b"nonsense").unwrap();
        let rebuilt = Projection::open(&journal).unwrap();
        assert_eq!(rebuilt.read(View::clone), replayed(&journal));
        stop.cancel();
        following.abort();
    }
}
