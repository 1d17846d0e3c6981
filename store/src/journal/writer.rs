//! The writer: the one thread that changes the log.
//!
//! It takes all that waits, puts it into one transaction, commits with one fsync, and only then
//! lets anybody see or hear of it. While the disk is busy the next group gathers by itself; the
//! writer never waits for a group to grow.
//!
//! When a commit fails, nobody can say what the disk holds until it is read again. So the database
//! is closed, opened anew and compared with what is known: either the group is there whole, then
//! it succeeded, or it is not, then it failed. Until that works, everything is answered with an
//! error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::steps::Step;
use hythe_core::priority::Priority;
use hythe_core::record::{Recorded, Sequence, Version};

use super::block::Growing;
use super::group::{Staged, Written, stage};
use super::limits::{MOST_GROUP_BYTES, MOST_GROUP_EVENTS};
use super::queue::Job;
use super::reader::View;
use super::room::{Gauge, LOOK_AGAIN};
use super::shared::Shared;
use super::{Append, Appended, cursor, open};
use crate::codec;
use crate::durable::{commit, commit_of};
use crate::error::{AppendError, StoreError, database};
use crate::guard::{LOG, contained};

/// Between two attempts to open a journal again that failed.
const RETRY: Duration = Duration::from_millis(250);

pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// The last block of the log.
    end: Growing,
    buffer: Vec<u8>,
    broken: Option<Broken>,
    gauge: Gauge,
    /// When it wrote last.
    active: Instant,
}

struct Broken {
    why: String,
    tried: Instant,
}

/// Why a commit failed, and what it would have made durable, as far as it came.
struct Failed {
    error: StoreError,
    staged: Option<Box<Staged>>,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { error, staged: None }
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, end: Growing) -> Self {
        let (buffer, gauge) = (Vec::new(), Gauge::default());
        Self { shared, end, buffer, broken: None, gauge, active: Instant::now() }
    }

    /// Runs until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        self.gauge.look(&self.shared);
        loop {
            let timeout = self.next_look();
            let taken = self.shared.queue.take(MOST_GROUP_EVENTS, MOST_GROUP_BYTES, timeout);
            if taken.ended {
                break;
            }
            self.mend();
            if !taken.jobs.is_empty() || self.shared.room.is_scarce() {
                self.gauge.look(&self.shared);
            }
            if taken.jobs.is_empty() {
                if (self.cursors_due() || self.rest_due()) && !self.shared.room.is_scarce() {
                    self.rest();
                }
            } else {
                self.write(taken.jobs);
            }
        }
        // Closing leaves the file at rest by itself.
        self.shared.at_rest.store(true, Ordering::Relaxed);
        self.rest();
    }

    /// When to look without being asked.
    fn next_look(&self) -> Option<Duration> {
        if self.broken.is_some() {
            return Some(RETRY);
        }
        if self.shared.room.is_scarce() {
            return Some(LOOK_AGAIN);
        }
        let cursors = self.lock_cursors().due(self.shared.options.cursor_within);
        // Only a wait for cursors has a least: they may have to be held back.
        let cursors = cursors.map(|due| due.max(Duration::from_millis(1)));
        cursors.into_iter().chain(self.until_rest()).min()
    }

    fn cursors_due(&self) -> bool {
        self.lock_cursors().due(self.shared.options.cursor_within).is_some_and(|due| due.is_zero())
    }

    /// How long until the file is to be at rest, where it is not.
    fn until_rest(&self) -> Option<Duration> {
        let restless = !self.shared.at_rest.load(Ordering::Relaxed);
        restless.then(|| self.shared.options.rest_after.saturating_sub(self.active.elapsed()))
    }

    fn rest_due(&self) -> bool {
        self.until_rest().is_some_and(|due| due.is_zero())
    }

    fn lock_cursors(&self) -> std::sync::MutexGuard<'_, cursor::Cursors> {
        self.shared.cursors.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&mut self, jobs: Vec<Job>) {
        if let Some(broken) = &self.broken {
            let why = format!("the journal is not usable: {}", broken.why);
            for job in jobs {
                answer(job, Err(AppendError::Storage(why.clone())));
            }
            return;
        }
        let mut jobs = if self.shared.room.is_scarce() { self.only_urgent(jobs) } else { jobs };
        if jobs.is_empty() {
            return;
        }
        let began = Instant::now();
        let committed = contained(LOG, || Ok(self.commit(&jobs)));
        match committed.unwrap_or_else(|error| Err(error.into())) {
            Ok(staged) => {
                let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.shared.commit_micros.store(micros, Ordering::Relaxed);
                self.remember(&mut jobs, &staged.answers);
                self.publish(&staged.written, staged.end);
                for (job, told) in jobs.into_iter().zip(staged.answers) {
                    answer(job, told);
                }
            }
            Err(failed) => self.settle(jobs, failed),
        }
    }

    /// Refuses what can wait while there is little room, and makes way for the rest.
    fn only_urgent(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        let (urgent, ordinary): (Vec<_>, Vec<_>) =
            jobs.into_iter().partition(|job| job.append.priority == Priority::Urgent);
        for job in ordinary {
            answer(job, Err(AppendError::NoRoom(self.shared.no_room())));
        }
        if !urgent.is_empty() {
            let bytes: usize = urgent.iter().map(|job| job.bytes).sum();
            self.gauge.make_way(&self.shared, bytes as u64);
        }
        urgent
    }

    /// One transaction for all jobs. On failure says what the transaction held, as far as it came.
    fn commit(&mut self, jobs: &[Job]) -> Result<Staged, Failed> {
        let txn = self.shared.write_log()?;
        let staged = stage(&self.shared, &txn, &mut self.buffer, &self.end, jobs)?;
        if staged.written.is_empty() {
            txn.abort().map_err(database("write the journal"))?;
            return Ok(staged);
        }
        let cursors = if self.cursors_due() {
            let cursors = self.lock_cursors().writable(staged.end.head().0);
            cursor::write(&txn, &cursors)?;
            cursors
        } else {
            Vec::new()
        };
        let committed = contained(LOG, || {
            commit_of(txn, Step::JournalAppended, || names(jobs))
                .map_err(database("commit to the journal"))
        });
        match committed {
            Ok(()) => {
                if !cursors.is_empty() {
                    self.lock_cursors().written(&cursors);
                }
                Ok(staged)
            }
            Err(error) => Err(Failed { error, staged: Some(Box::new(staged)) }),
        }
    }

    /// Keeps what was just committed for those who follow the log.
    fn remember(&self, jobs: &mut [Job], answers: &[Result<Appended, AppendError>]) {
        let mut recent =
            self.shared.recent.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (job, told) in jobs.iter_mut().zip(answers) {
            let Ok(Appended { first, last: _, version }) = told else { continue };
            let Append { stream, events, meta, .. } = &mut job.append;
            let events = std::mem::take(events);
            let before = version.0 - events.len() as u64;
            for (nth, event) in (0..).zip(events) {
                recent.push(Recorded {
                    sequence: Sequence(first.0 + nth),
                    stream: *stream,
                    version: Version(before + nth + 1),
                    meta: meta.clone(),
                    event,
                });
            }
        }
    }

    /// Lets everybody see what is on the disk now.
    fn publish(&mut self, written: &[Written], end: Growing) {
        if written.is_empty() {
            return;
        }
        self.active = Instant::now();
        self.shared.at_rest.store(false, Ordering::Relaxed);
        let every = self.shared.options.index_every;
        let frozen = {
            let mut tail = self.shared.tail_mut();
            for event in written {
                tail.active.push(event.stream, event.version, event.sequence, event.hash);
            }
            if tail.events() > self.shared.options.tail_events {
                self.shared.index_behind.store(true, Ordering::Relaxed);
            }
            tail.active.events >= every && tail.freeze().is_some()
        };
        self.end = end;
        self.shared.head.send_replace(Sequence(self.end.head().0));
        if frozen {
            self.shared.bell.rung.notify_all();
        }
    }

    /// After a failure: finds out what became of the group, and tells.
    fn settle(&mut self, jobs: Vec<Job>, Failed { error, staged }: Failed) {
        let full = matches!(error, StoreError::NoRoom { .. });
        // Given up before the file is opened again: putting it in order may take some room, too.
        let made_way = full && self.gauge.ran_out(&self.shared);
        if full {
            tracing::warn!(%error, "a commit found no room; opening the journal again");
        } else {
            let appends = jobs.len();
            tracing::error!(%error, appends, "a commit failed; opening the journal again");
        }
        let known = self.reopen().map(|()| self.end.head());
        let told = match (known, staged) {
            (Ok(head), Some(staged)) if head == staged.end.head() && !staged.written.is_empty() => {
                for (job, told) in jobs.into_iter().zip(staged.answers) {
                    answer(job, told);
                }
                return;
            }
            // Once at the most: there is nothing left to give up then.
            (Ok(_), _) if made_way => return self.write(jobs),
            (Ok(_), _) if full => AppendError::NoRoom(self.shared.no_room()),
            (Ok(_), _) => AppendError::Storage(error.to_string()),
            (Err(again), _) => AppendError::Storage(format!(
                "{error}; the outcome is unknown until the journal opens again: {again}"
            )),
        };
        for job in jobs {
            answer(job, Err(told.clone()));
        }
    }

    /// Tries to get a broken journal going again, now and then.
    fn mend(&mut self) {
        if self.broken.is_none() && self.shared.log_suspect.load(Ordering::Relaxed) {
            let _ = self.reopen();
            return;
        }
        if self.broken.as_ref().is_some_and(|broken| broken.tried.elapsed() >= RETRY)
            && self.reopen().is_ok()
        {
            tracing::info!(head = self.end.head().0, "the journal is usable again");
        }
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        let mut reopened = contained(LOG, || self.try_reopen());
        // Putting the file in order may take some room, and whoever found none may not have asked
        // for what is held back.
        let full = matches!(reopened, Err(StoreError::NoRoom { .. }));
        if full && self.gauge.ran_out(&self.shared) {
            reopened = contained(LOG, || self.try_reopen());
        }
        let damage = match &reopened {
            Err(StoreError::Damaged { place, what }) => Some((place.clone(), what.clone())),
            Ok(()) | Err(_) => None,
        };
        *self.shared.damage.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = damage;
        match reopened {
            Ok(()) => {
                self.broken = None;
                Ok(())
            }
            Err(error) => {
                self.broken = Some(Broken { why: error.to_string(), tried: Instant::now() });
                Err(error)
            }
        }
    }

    fn try_reopen(&mut self) -> Result<(), StoreError> {
        self.shared.set_log(None);
        // Without the key: what is missing now must not be laid out anew.
        let log = open::log(&*self.shared.storage, None, self.shared.options.cache_bytes)?;
        let end = open::end(&log)?;
        let (known, (found, _)) = (self.end.head(), end.head());
        if found < known.0 {
            let what = format!("{} was durable and the log ends at {found}", known.0);
            return Err(StoreError::damaged_at(found, what));
        }
        let mut written = Vec::new();
        {
            use redb::ReadableDatabase;
            let view = View::new(&log.begin_read().map_err(database("read the journal"))?)?;
            if view.hash_at(known.0)? != Some(known.1) {
                return Err(StoreError::damaged_at(known.0, "it is not what was written"));
            }
            view.walk_stored(known.0, found, |stored, _| {
                written.push(Written {
                    stream: stored.event.stream,
                    version: stored.event.version.0,
                    sequence: stored.event.sequence.0,
                    hash: stored.hash,
                });
                true
            })?;
        }
        // From here on a read that fails is one of the file as it is now.
        self.shared.log_suspect.store(false, Ordering::Relaxed);
        self.shared.set_log(Some(log));
        self.shared.at_rest.store(false, Ordering::Relaxed);
        self.publish(&written, end);
        Ok(())
    }

    /// Nobody appends: writes what cursors wait, in a commit of their own. It costs more than
    /// others, and after it the start after a crash needs no walk through the file.
    fn rest(&mut self) {
        let cursors = self.lock_cursors().writable(self.end.head().0);
        if self.broken.is_some() {
            return;
        }
        if !cursors.is_empty() || !self.shared.at_rest.load(Ordering::Relaxed) {
            let written = contained(LOG, || {
                let mut txn = self.shared.write_log()?;
                txn.set_quick_repair(true);
                cursor::write(&txn, &cursors)?;
                commit(txn, Step::CursorsSaved).map_err(database("commit the cursors"))
            });
            if let Err(error) = written {
                tracing::error!(%error, "the journal's file was not left at rest");
                self.active = Instant::now();
                if matches!(error, StoreError::NoRoom { .. }) {
                    self.gauge.ran_out(&self.shared);
                }
                let _ = self.reopen();
                return;
            }
            self.shared.at_rest.store(true, Ordering::Relaxed);
        }
        self.lock_cursors().written(&cursors);
    }
}

/// The names of all events in a group, as `deployment.built`.
fn names(jobs: &[Job]) -> Vec<String> {
    let named = |job: &Job| {
        let kind = job.append.stream.kind;
        let events =
            job.append.events.iter().filter_map(move |event| codec::decode(kind, event).ok());
        events.map(|event| format!("{}.{}", event.kind(), event.name())).collect::<Vec<_>>()
    };
    jobs.iter().flat_map(named).collect()
}

/// Tells one caller. Whatever it does with it must not stop the writer.
fn answer(job: Job, told: Result<Appended, AppendError>) {
    if catch_unwind(AssertUnwindSafe(|| (job.done)(told))).is_err() {
        tracing::error!("a callback of an append panicked");
    }
}
