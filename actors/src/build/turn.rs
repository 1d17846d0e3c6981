//! A build's turn on this builder: as many build at once as there are slots, in the order in which
//! they were taken on.
//!
//! One more than that may be taken on *ahead*. What it can do without building it does at once, which
//! is fetching its source and finding out how to build it, so that neither holds up the builds after
//! it. The time for which it waits is not part of the time that a build may take.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hythe_core::limits;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep};

type Acquiring =
    Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send + Sync>>;

/// The slots of a builder.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    /// One permit per build at once.
    building: Arc<Semaphore>,
    /// One permit per build that may wait for one of those.
    ahead: Arc<Semaphore>,
}

impl Slots {
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            building: Arc::new(Semaphore::new(at_once.max(1))),
            ahead: Arc::new(Semaphore::new(limits::BUILDS_AHEAD)),
        }
    }

    /// A free slot, as soon as there is one.
    pub(crate) async fn free(&self) -> Result<Turn, AcquireError> {
        let slot = Arc::clone(&self.building).acquire_owned().await?;
        Ok(Turn::new(Standing::Come { _slot: slot }))
    }

    /// Leave to take one on ahead, as soon as there is.
    pub(crate) async fn ahead(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.ahead).acquire_owned().await
    }

    /// A place in the queue for a slot: before whoever asks for one from now on. `leave` is kept until
    /// the turn has come.
    pub(crate) fn queue(&self, leave: Option<OwnedSemaphorePermit>) -> Turn {
        let mut acquiring: Acquiring = Box::pin(Arc::clone(&self.building).acquire_owned());
        // Its first poll is what puts it into the queue.
        Turn::new(match acquiring.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(slot)) => Standing::Come { _slot: slot },
            Poll::Ready(Err(_)) | Poll::Pending => Standing::Waits { acquiring, _leave: leave },
        })
    }
}

/// One build's turn; dropped, its slot is free for the next.
pub(crate) struct Turn {
    standing: tokio::sync::Mutex<Standing>,
    come: watch::Sender<bool>,
    waited: Mutex<Waited>,
}

enum Standing {
    Come { _slot: OwnedSemaphorePermit },
    Waits { acquiring: Acquiring, _leave: Option<OwnedSemaphorePermit> },
}

/// For how long a build had nothing to do but wait.
#[derive(Default)]
struct Waited {
    before: Duration,
    since: Option<Instant>,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

impl Turn {
    fn new(standing: Standing) -> Self {
        let come = watch::Sender::new(matches!(standing, Standing::Come { .. }));
        let (standing, waited) = (tokio::sync::Mutex::new(standing), Mutex::default());
        Self { standing, come, waited }
    }

    /// Whether it may build without waiting.
    pub(crate) async fn has_come(&self) -> bool {
        let mut standing = self.standing.lock().await;
        if let Standing::Waits { acquiring, .. } = &mut *standing {
            match acquiring.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(slot)) => self.comes(&mut standing, slot),
                Poll::Ready(Err(_)) | Poll::Pending => return false,
            }
        }
        true
    }

    /// Waits until it builds.
    pub(crate) async fn begun(&self) {
        let mut come = self.come.subscribe();
        // Its sender is here as long as this is.
        let _ = come.wait_for(|come| *come).await;
    }

    fn comes(&self, standing: &mut Standing, slot: OwnedSemaphorePermit) {
        *standing = Standing::Come { _slot: slot };
        self.come.send_replace(true);
    }

    /// Waits until the build may begin, and stops the clock of [`Self::overdue`] meanwhile.
    pub(crate) async fn come(&self) -> Result<(), AcquireError> {
        let mut standing = self.standing.lock().await;
        if let Standing::Waits { acquiring, .. } = &mut *standing {
            self.waiting(|waited| waited.since = Some(Instant::now()));
            let slot = acquiring.await?;
            self.waiting(|waited| {
                waited.before += waited.since.take().map_or(Duration::ZERO, |at| at.elapsed());
            });
            self.comes(&mut standing, slot);
        }
        Ok(())
    }

    /// Answers once the build took this long, without the time for which it waited.
    pub(crate) async fn overdue(&self, within: Duration) {
        let begun = Instant::now();
        loop {
            let waited = self.waiting(|waited| {
                waited.before + waited.since.map_or(Duration::ZERO, |at| at.elapsed())
            });
            let left = (within + waited).saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }

    fn waiting<T>(&self, look: impl FnOnce(&mut Waited) -> T) -> T {
        look(&mut self.waited.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn who_was_taken_on_ahead_goes_before_whoever_asks_later() {
        let slots = Slots::new(1);
        let first = slots.free().await.unwrap();
        assert!(first.has_come().await);
        let leave = slots.ahead().await.unwrap();
        let second = slots.queue(Some(leave));
        assert!(timeout(SOON, slots.ahead()).await.is_err(), "one ahead at a time");
        let mut third = Box::pin(slots.free());
        assert!(timeout(SOON, &mut third).await.is_err());
        assert!(!second.has_come().await);
        assert!(timeout(SOON, second.come()).await.is_err());
        assert!(timeout(SOON, second.begun()).await.is_err());
        drop(first);
        second.come().await.unwrap();
        second.begun().await;
        assert!(second.has_come().await);
        drop(timeout(SOON, slots.ahead()).await.expect("the leave is given back").unwrap());
        assert!(timeout(SOON, &mut third).await.is_err());
        drop(second);
        third.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_gives_up_holds_nobody_up() {
        let slots = Slots::new(1);
        let first = slots.free().await.unwrap();
        let second = slots.queue(None);
        let third = slots.queue(None);
        drop(first);
        assert!(second.has_come().await, "without having waited for it");
        second.begun().await;
        drop(second);
        // The slot was its own already.
        drop(third);
        timeout(SOON, slots.free()).await.expect("the slot is free").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_is_not_part_of_what_a_build_may_take() {
        let slots = Slots::new(1);
        let first = slots.free().await.unwrap();
        let turn = slots.queue(None);
        let begun = Instant::now();
        let work = async {
            sleep(Duration::from_secs(3)).await;
            turn.come().await.unwrap();
            assert_eq!(begun.elapsed().as_secs(), 100);
            sleep(Duration::from_secs(3_600)).await;
        };
        let other = async {
            sleep(Duration::from_secs(100)).await;
            drop(first);
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(work, other) } => panic!("it was not stopped"),
            () = turn.overdue(Duration::from_secs(10)) => {}
        }
        assert_eq!(begun.elapsed().as_secs(), 107);
    }
}
