//! What moves the bytes of a connection to a replica: over HTTP/1 whoever waits for what it brings, otherwise a
//! task of its own.
//!
//! A task would cost each request the way to it and back. Invariants: a connection is polled where it rang, and
//! always with its own waker, so that it is of no account which task does it; what rings wakes whoever waits
//! for the connection, and is remembered where nobody does, until it is settled. Where it has to go on while
//! nobody waits for what it brings, it is handed over to a task. One that panics ends alone: whoever polls it may
//! be what serves a whole core.

use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::BoxFuture;
use futures_util::task::AtomicWaker;
use tokio_util::task::AbortOnDropHandle;

/// Drives one connection. Dropping it closes the connection, unless a task drives it for others as well.
#[derive(Debug)]
pub(crate) enum Driver {
    /// Whoever waits.
    Held(Held),
    /// A task.
    Task { _task: Arc<AbortOnDropHandle<()>> },
}

/// A connection that stands still unless it is polled.
pub(crate) struct Held {
    /// None once it is over.
    moving: Option<BoxFuture<'static, hyper::Result<()>>>,
    cord: Arc<Cord>,
    /// The end of the cord that the connection pulls.
    waker: Waker,
}

#[derive(Debug)]
struct Cord {
    to: SocketAddr,
    /// Whether the connection has to be polled.
    rang: AtomicBool,
    /// Who waits for it.
    waits: AtomicWaker,
}

impl Wake for Cord {
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Release);
        self.waits.wake();
    }
}

impl Driver {
    /// A connection, to `to`, that is driven by whoever waits for what it brings.
    pub(crate) fn held(
        connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
        to: SocketAddr,
    ) -> Self {
        // One that was never polled has nothing to ring for.
        let rang = AtomicBool::new(true);
        let cord = Arc::new(Cord { to, rang, waits: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&cord));
        Self::Held(Held { moving: Some(Box::pin(connection)), cord, waker })
    }

    /// One that a task drives, for as long as anybody has its handle.
    pub(crate) fn by(task: Arc<AbortOnDropHandle<()>>) -> Self {
        Self::Task { _task: task }
    }

    /// Polls what only comes by this connection.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        what: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Self::Held(held) = self else { return what(cx) };
        held.go_on();
        if held.moving.is_none() {
            return what(cx);
        }
        // Nobody but the connection brings it, which was polled just now: a waker in it would have the task
        // look twice.
        let polled = what(&mut Context::from_waker(Waker::noop()));
        if polled.is_pending() {
            held.cord.waits.register(cx.waker());
            // Whatever rang before it could wake this task. One that rings while it is polled has had enough
            // for now, and others are to have their turn.
            if held.cord.rang.load(Acquire) {
                cx.waker().wake_by_ref();
            }
        }
        polled
    }

    /// Sees what has come about since, while nobody waited.
    pub(crate) fn notice(&mut self) {
        if let Self::Held(held) = self {
            held.go_on();
        }
    }

    /// Nobody waits any more: what rings wakes no task, nor keeps one in memory. Where it came round to the end
    /// of what it was used for, all that rang before is settled.
    pub(crate) fn rest(&self, settled: bool) {
        if let Self::Held(held) = self {
            drop(held.cord.waits.take());
            if settled {
                held.cord.rang.store(false, Release);
            }
        }
    }

    /// It has something to do, whether it rings for that or not.
    pub(crate) fn stir(&self) {
        if let Self::Held(held) = self {
            held.cord.rang.store(true, Release);
        }
    }

    /// Has a task go on with it, whether anybody waits or not.
    pub(crate) fn hand_over(&mut self) {
        let Self::Held(held) = self else { return };
        let Some(moving) = held.moving.take() else { return };
        let task = spawn(moving, held.cord.to);
        *self = Self::by(task);
    }
}

impl Held {
    fn go_on(&mut self) {
        let rang = self.cord.rang.load(Relaxed) && self.cord.rang.swap(false, AcqRel);
        let Some(moving) = self.moving.as_mut().filter(|_| rang) else { return };
        let (waker, to) = (&self.waker, self.cord.to);
        // After a panic it is not polled any more, so that nothing sees what that left half done.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            moving.as_mut().poll(&mut Context::from_waker(waker))
        }));
        match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(ended)) => tell(ended, to),
            Err(_) => tracing::error!(%to, "a connection to a replica ended with a panic"),
        }
        // Whoever waits for what it still had to bring is told so by that.
        let over = self.moving.take();
        if catch_unwind(AssertUnwindSafe(|| drop(over))).is_err() {
            tracing::error!(%to, "what was left of a connection to a replica ended with a panic");
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cord, over) = (&self.cord, self.moving.is_none());
        f.debug_struct("Held").field("cord", cord).field("over", &over).finish_non_exhaustive()
    }
}

/// A task that drives a connection, to `to`, until the last handle is dropped.
pub(crate) fn spawn(
    connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
    to: SocketAddr,
) -> Arc<AbortOnDropHandle<()>> {
    let task = tokio::spawn(async move { tell(connection.await, to) });
    Arc::new(AbortOnDropHandle::new(task))
}

fn tell(ended: hyper::Result<()>, to: SocketAddr) {
    if let Err(error) = ended {
        tracing::debug!(%to, %error, "connection to a replica ended");
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::oneshot;

    use super::*;

    #[derive(Debug, Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// A connection that a test plays.
    #[derive(Debug, Default)]
    struct Played {
        polls: usize,
        waker: Option<Waker>,
        over: bool,
    }

    impl Played {
        fn ring(shared: &Mutex<Self>) {
            let waker = shared.lock().unwrap().waker.clone();
            waker.unwrap().wake();
        }
    }

    fn to() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 80))
    }

    fn played() -> (Arc<Mutex<Played>>, Driver) {
        let shared = Arc::new(Mutex::new(Played::default()));
        let inside = Arc::clone(&shared);
        let connection = poll_fn(move |cx: &mut Context<'_>| {
            let mut played = inside.lock().unwrap();
            played.polls += 1;
            played.waker = Some(cx.waker().clone());
            if played.over { Poll::Ready(Ok::<_, hyper::Error>(())) } else { Poll::Pending }
        });
        (shared, Driver::held(connection, to()))
    }

    fn wait(driver: &mut Driver, waker: &Waker) {
        let polled = driver.poll(&mut Context::from_waker(waker), |_| Poll::<()>::Pending);
        assert!(polled.is_pending());
    }

    #[test]
    fn it_is_polled_where_it_rang_and_wakes_who_waits() {
        let (shared, mut driver) = played();
        let polls = || shared.lock().unwrap().polls;
        let tasks = [Arc::new(Task::default()), Arc::new(Task::default())];
        let woken = || tasks.each_ref().map(|task| task.0.load(Relaxed));
        let [one, other] = tasks.clone().map(Waker::from);

        wait(&mut driver, &one);
        assert_eq!(polls(), 1, "at first it has to be polled");
        wait(&mut driver, &one);
        assert_eq!((polls(), woken()), (1, [0, 0]), "nothing rang");
        Played::ring(&shared);
        assert_eq!((polls(), woken()), (1, [1, 0]));
        wait(&mut driver, &other);
        assert_eq!(polls(), 2);
        Played::ring(&shared);
        assert_eq!(woken(), [1, 1], "who waits now");

        let got = driver.poll(&mut Context::from_waker(&other), |_| Poll::Ready(7));
        assert_eq!((got, polls()), (Poll::Ready(7), 3));
        Played::ring(&shared);
        assert_eq!((polls(), woken()), (3, [1, 1]), "nobody waits");
        driver.notice();
        driver.notice();
        assert_eq!(polls(), 4, "once for what rang meanwhile");

        wait(&mut driver, &one);
        let (before, so_far) = (Arc::strong_count(&tasks[0]), polls());
        driver.rest(false);
        assert_eq!(Arc::strong_count(&tasks[0]), before - 1);
        Played::ring(&shared);
        assert_eq!(woken(), [1, 1]);
        driver.rest(false);
        driver.notice();
        assert_eq!(polls(), so_far + 1);
        Played::ring(&shared);
        driver.rest(true);
        driver.notice();
        assert_eq!(polls(), so_far + 1, "what rang before is settled");
        driver.stir();
        driver.notice();
        assert_eq!(polls(), so_far + 2);
    }

    #[test]
    fn one_that_rings_while_it_is_polled_is_polled_again_in_another_turn() {
        let polls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&polls);
        let connection = poll_fn(move |cx: &mut Context<'_>| {
            count.fetch_add(1, Relaxed);
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        let mut driver = Driver::held(connection, to());
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        for times in 1..=3 {
            wait(&mut driver, &waker);
            assert_eq!(polls.load(Relaxed), times);
            assert!(task.0.load(Relaxed) >= times, "the task has its next turn");
        }
    }

    #[test]
    fn one_that_is_over_is_gone_before_anybody_looks_for_what_it_brought() {
        let (shared, mut driver) = played();
        shared.lock().unwrap().over = true;
        let waker = Waker::from(Arc::new(Task::default()));
        let mut cx = Context::from_waker(&waker);
        let left = driver.poll(&mut cx, |_| Poll::Ready(Arc::strong_count(&shared)));
        assert_eq!(left, Poll::Ready(1));
        let asked = driver.poll(&mut cx, |cx| Poll::Ready(cx.waker().will_wake(&waker)));
        assert_eq!(asked, Poll::Ready(true), "from here on others bring it");
        driver.notice();
        driver.hand_over();
        assert!(matches!(driver, Driver::Held(_)), "there is nothing to hand over");
    }

    #[test]
    fn one_that_panics_ends_alone() {
        let held = Arc::new(());
        let inside = Arc::clone(&held);
        let connection = poll_fn(move |_: &mut Context<'_>| -> Poll<hyper::Result<()>> {
            panic!("with {} held", Arc::strong_count(&inside))
        });
        let mut driver = Driver::held(connection, to());
        driver.notice();
        assert_eq!(Arc::strong_count(&held), 1, "it is gone with all that it had");
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(driver.poll(&mut cx, |_| Poll::Ready(7)), Poll::Ready(7));
        driver.stir();
        driver.notice();
    }

    #[tokio::test]
    async fn a_task_goes_on_with_it_until_it_is_dropped() {
        let (begin, begun) = oneshot::channel();
        let (say, said) = oneshot::channel();
        let connection = async move {
            let _ = begun.await;
            let _ = say.send(());
            std::future::pending::<hyper::Result<()>>().await
        };
        let mut driver = Driver::held(connection, to());
        driver.hand_over();
        begin.send(()).unwrap();
        said.await.unwrap();

        let (held, mut closed) = oneshot::channel::<()>();
        let connection = async move {
            let _held = held;
            std::future::pending::<hyper::Result<()>>().await
        };
        let mut driver = Driver::held(connection, to());
        driver.hand_over();
        assert!(closed.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        drop(driver);
        assert!(closed.await.is_err());
    }
}
