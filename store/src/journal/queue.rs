//! What waits for the writer: bounded in number and bytes, in order of arrival.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Append, Appended};
use crate::error::AppendError;

/// Called once with the answer, on the writer's thread: must not wait or do much.
pub type Done = Box<dyn FnOnce(Result<Appended, AppendError>) + Send>;

/// An append and whom to tell.
pub(crate) struct Job {
    pub(crate) append: Append,
    pub(crate) bytes: usize,
    pub(crate) done: Done,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
    /// Something else than appends wants the writer to look.
    nudged: bool,
}

/// The queue.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    most_jobs: usize,
    most_bytes: usize,
}

/// What the writer got.
pub(crate) struct Taken {
    pub(crate) jobs: Vec<Job>,
    /// Closed, and nothing is left.
    pub(crate) ended: bool,
}

impl Queue {
    pub(crate) fn new(most_jobs: usize, most_bytes: usize) -> Self {
        Self { waiting: Mutex::default(), wake: Condvar::new(), most_jobs, most_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, or gives it back with the reason why not.
    pub(crate) fn push(&self, job: Job, retry_after: Duration) -> Option<(Job, AppendError)> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Some((job, AppendError::Closed));
        }
        if waiting.jobs.len() >= self.most_jobs || waiting.bytes + job.bytes > self.most_bytes {
            return Some((job, AppendError::Busy { retry_after }));
        }
        waiting.bytes += job.bytes;
        waiting.jobs.push_back(job);
        let first = waiting.jobs.len() == 1;
        drop(waiting);
        if first {
            self.wake.notify_one();
        }
        None
    }

    /// Makes the writer look even without an append.
    pub(crate) fn nudge(&self) {
        self.lock().nudged = true;
        self.wake.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Lets nothing more in.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// Waits for jobs, a nudge, the end or the time-out; takes what is there up to the bounds of
    /// one commit. Never waits for more once there is one.
    pub(crate) fn take(&self, events: usize, bytes: usize, timeout: Option<Duration>) -> Taken {
        let mut waiting = self.lock();
        let idle = |w: &mut Waiting| w.jobs.is_empty() && !w.closed && !w.nudged;
        waiting = match timeout {
            Some(timeout) => {
                self.wake
                    .wait_timeout_while(waiting, timeout, idle)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
            None => self.wake.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner),
        };
        let mut taken = Taken { jobs: Vec::new(), ended: false };
        waiting.nudged = false;
        let (mut left_events, mut left_bytes) = (events, bytes);
        while let Some(job) = waiting.jobs.front() {
            let fits = job.append.events.len() <= left_events && job.bytes <= left_bytes;
            if !fits && !taken.jobs.is_empty() {
                break;
            }
            left_events = left_events.saturating_sub(job.append.events.len());
            left_bytes = left_bytes.saturating_sub(job.bytes);
            waiting.bytes -= job.bytes;
            taken.jobs.extend(waiting.jobs.pop_front());
        }
        taken.ended = waiting.closed && taken.jobs.is_empty();
        taken
    }
}
