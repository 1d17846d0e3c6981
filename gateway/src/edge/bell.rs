//! A waker of its own for what a task seldom waits for, besides what it mostly does.
//!
//! Invariants: whatever rang is looked at; a look while nothing rang takes no lock and writes nothing. What
//! all connections wait for has locks that all cores share: it is not to be polled with each of their polls.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Relaxed, Release},
};
use std::task::{Context, Wake, Waker};

#[derive(Debug)]
struct Cord {
    rang: AtomicBool,
    /// The task that is to look.
    task: Waker,
}

impl Wake for Cord {
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Release);
        self.task.wake_by_ref();
    }
}

/// What tells one task whether it has to look.
#[derive(Debug, Default)]
pub(crate) struct Bell(Option<Arc<Cord>>);

impl Bell {
    /// Whether it rang since the last look, and what is to be polled with so that it rings again. At a
    /// task's first look it did.
    pub(crate) fn rang(&mut self, cx: &Context<'_>) -> Option<Waker> {
        if let Some(cord) = self.0.as_ref().filter(|cord| cord.task.will_wake(cx.waker())) {
            // Whoever pulls it from now on wakes the task after that: it looks once more.
            let rang = cord.rang.load(Relaxed) && cord.rang.swap(false, AcqRel);
            return rang.then(|| Waker::from(Arc::clone(cord)));
        }
        let cord = Arc::new(Cord { rang: AtomicBool::new(false), task: cx.waker().clone() });
        self.0 = Some(Arc::clone(&cord));
        Some(Waker::from(cord))
    }

    /// Has the next look find that it rang, without waking anybody.
    pub(crate) fn look_again(&self) {
        if let Some(cord) = &self.0 {
            cord.rang.store(true, Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Debug, Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_task_looks_at_first_and_then_when_it_rang() {
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let cx = Context::from_waker(&waker);
        let mut bell = Bell::default();
        let own = bell.rang(&cx).unwrap();
        assert!(bell.rang(&cx).is_none());
        for times in 1..=3 {
            own.wake_by_ref();
            assert_eq!(task.0.load(Relaxed), times, "the task is woken");
            assert!(bell.rang(&cx).is_some());
            assert!(bell.rang(&cx).is_none(), "once");
        }
        waker.wake_by_ref();
        assert!(bell.rang(&cx).is_none(), "what else wakes the task is none of its business");
        bell.look_again();
        assert!(bell.rang(&cx).is_some() && bell.rang(&cx).is_none());
    }

    #[test]
    fn in_another_task_it_rings_there() {
        let tasks = [Arc::new(Task::default()), Arc::new(Task::default())];
        let [one, other] = tasks.clone().map(Waker::from);
        let mut bell = Bell::default();
        let before = bell.rang(&Context::from_waker(&one)).unwrap();
        let cx = Context::from_waker(&other);
        let own = bell.rang(&cx).unwrap();
        assert!(bell.rang(&cx).is_none());
        own.wake();
        assert_eq!(tasks.each_ref().map(|task| task.0.load(Relaxed)), [0, 1]);
        assert!(bell.rang(&cx).is_some());
        // What was not polled since wakes whom it was polled by.
        before.wake();
        assert_eq!(tasks.each_ref().map(|task| task.0.load(Relaxed)), [1, 1]);
        assert!(bell.rang(&cx).is_none());
    }
}
