//! Work for a journal that a [`Model`] keeps account of.
//!
//! Everything here leaves the same notes on the same machine every time: groups are made by
//! holding the writer up until they are complete, and the index and the cursors are waited for.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::record::StreamId;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::fixture::{append, stream};
use super::machine::Machine;
use super::model::{CHECKPOINT, CURSOR, Lane, Model, label};
use crate::error::{AppendError, StoreError};
use crate::journal::{Append, Appended, Journal, JournalOptions};
use crate::secrets::key::MasterKey;
use crate::secrets::{Secret, SecretChange};

/// How the journals of these tests are opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) two_phase: bool,
    /// Events until the index goes to its file.
    pub(crate) index_every: usize,
    pub(crate) cache_bytes: usize,
    /// Whether the file is left at rest after everything.
    pub(crate) rests: bool,
}

impl Setting {
    pub(crate) const PLAIN: Self =
        Self { two_phase: false, index_every: 6, cache_bytes: 1024 * 1024, rests: false };
    /// Every read goes to the disk.
    pub(crate) const UNCACHED: Self = Self { cache_bytes: 0, ..Self::PLAIN };

    pub(crate) fn open(self, machine: &Machine) -> Result<Journal, StoreError> {
        let options = JournalOptions {
            index_every: self.index_every,
            cursor_within: Duration::ZERO,
            rest_after: if self.rests { Duration::ZERO } else { NEVER },
            cache_bytes: self.cache_bytes,
            two_phase: self.two_phase,
            ..JournalOptions::default()
        };
        let journal = Journal::open_on(Arc::new(machine.clone()), key(), options)?;
        if self.rests {
            come_to_rest(&journal, machine);
        }
        Ok(journal)
    }
}

pub(crate) fn key() -> MasterKey {
    MasterKey::from_bytes(Zeroizing::new([7; 32]))
}

pub(crate) const SCOPE: Uuid = Uuid::from_u128(0x5c);
pub(crate) const OTHER_SCOPE: Uuid = Uuid::from_u128(0x5d);

const LANE: Lane = 0;
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

type Told = (usize, Result<Appended, AppendError>);

/// Waits until the journal has come so far, or something fails.
fn wait(journal: &Journal, machine: &Machine, done: impl Fn(&Journal) -> bool) {
    let began = Instant::now();
    while !done(journal) && !machine.is_failing() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never comes to rest");
        match began.elapsed() < Duration::from_millis(1) {
            true => std::thread::yield_now(),
            false => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Waits until the log's file is at rest.
fn come_to_rest(journal: &Journal, machine: &Machine) {
    wait(journal, machine, |journal| journal.shared().at_rest.load(Ordering::Relaxed));
}

/// A journal at work, and the account of it.
pub(crate) struct Work<'a> {
    pub(crate) journal: &'a Journal,
    pub(crate) machine: &'a Machine,
    pub(crate) model: &'a mut Model,
}

impl Work<'_> {
    /// An append of so many events to a stream, as the model's next one.
    pub(crate) fn next(&self, ahead: usize, to: u128, version: u64, events: usize) -> Append {
        let label = label(LANE, self.model.next(LANE) + ahead);
        let texts: Vec<_> = (0..events).map(|n| format!("{label}{n} of {to}")).collect();
        append(to, version, &texts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn version(&self, of: StreamId) -> Option<u64> {
        self.journal.stream_version(of).ok().map(|version| version.0)
    }

    /// Appends in two commits: the first alone, the others together.
    pub(crate) fn put(&mut self, appends: Vec<Append>) {
        let (go, wait) = mpsc::channel::<()>();
        let mut hold = Some(wait);
        let mut waiting = Vec::new();
        for append in appends {
            let number = self.model.next(LANE);
            self.model.ask(LANE, append.clone(), self.machine.position());
            let (tell, told) = mpsc::channel::<Told>();
            let (machine, held) = (self.machine.clone(), hold.take());
            let first = held.is_some();
            self.journal.submit(
                append,
                Box::new(move |answer| {
                    tell.send((machine.position(), answer)).unwrap();
                    // Nothing comes; it ends when the group is complete.
                    held.map(|held| held.recv());
                }),
            );
            if first {
                self.hear(number, &told);
            } else {
                waiting.push((number, told));
            }
        }
        drop(go);
        for (number, told) in waiting {
            self.hear(number, &told);
        }
        if self.journal.shared().options.rest_after.is_zero() {
            come_to_rest(self.journal, self.machine);
        }
    }

    fn hear(&mut self, number: usize, told: &mpsc::Receiver<Told>) {
        let (at, answer) = told.recv().expect("every append is answered");
        self.model.tell((LANE, number), at, answer);
        // What it set off must not depend on who is faster.
        self.settle_index();
    }

    /// Waits until the indexer has nothing to do, unless something fails.
    pub(crate) fn settle_index(&self) {
        self.wait(|journal| journal.shared().tail().frozen.is_none());
    }

    fn wait(&self, done: impl Fn(&Journal) -> bool) {
        wait(self.journal, self.machine, done);
    }

    pub(crate) fn cursor(&mut self) {
        let head = self.journal.head();
        if head.0 == 0 {
            return;
        }
        self.model.cursor_set(head.0, self.machine.position());
        self.journal.save_cursor(CURSOR, head).unwrap();
        self.wait(|journal| journal.shared().cursors.lock().unwrap().due(Duration::ZERO).is_none());
        if !self.machine.is_failing() {
            self.model.cursor_durable(self.machine.position());
        }
    }

    pub(crate) fn checkpoint(&mut self, bytes: &[u8]) {
        let head = self.journal.head();
        self.model.checkpoint_begun(head.0, bytes, self.machine.position());
        if self.journal.save_checkpoint(CHECKPOINT, 1, head, bytes).is_ok() {
            self.model.checkpoint_durable(self.machine.position());
        }
    }

    /// Two rounds of everything that writes.
    pub(crate) fn everything(&mut self) {
        (0..2).for_each(|round| self.round(round));
    }

    pub(crate) fn round(&mut self, round: u64) {
        self.appends(round);
        self.claims(round);
        self.secrets(round);
        self.cursor();
        self.checkpoint(&round.to_be_bytes());
    }

    /// Appends of several events to several streams, in one group.
    pub(crate) fn appends(&mut self, round: u64) {
        // A stream that cannot be read now is left out: the numbers go on without it.
        let streams = (0..4u128).filter_map(|to| Some((to, self.version(stream(to))?)));
        let appends = streams.enumerate().map(|(ahead, (to, version))| {
            let events = 1 + usize::try_from((u64::try_from(to).unwrap() + round) % 3).unwrap();
            self.next(ahead, to, version, events)
        });
        let appends = appends.collect();
        self.put(appends);
    }

    /// Keys taken, given back, and refused.
    pub(crate) fn claims(&mut self, round: u64) {
        let Some(version) = self.version(stream(0)) else { return };
        let mut first = self.next(0, 0, version, 2);
        first.claims = vec![take("key", round), take(&format!("key/{round}"), round)];
        if round > 0 {
            first.claims.insert(0, release("key"));
            first.claims.push(release(&format!("key/{}", round - 1)));
        }
        let Some(version) = self.version(stream(1)) else { return };
        let mut refused = self.next(1, 1, version, 1);
        refused.claims = vec![take(&format!("none/{round}"), round), take("key", round)];
        let mut last = self.next(2, 1, version, 1);
        last.claims = vec![take(&format!("other/{round}"), round)];
        self.put(vec![first, refused, last]);
    }

    /// Secrets kept, replaced and removed, one by one and a whole scope.
    pub(crate) fn secrets(&mut self, round: u64) {
        let Some(version) = self.version(stream(2)) else { return };
        let mut append = self.next(0, 2, version, 1);
        append.secrets = vec![keep(SCOPE, "NAME", round), keep(OTHER_SCOPE, "OTHER", round)];
        match round % 3 {
            0 => {}
            1 => {
                let name = "NAME".into();
                append.secrets.insert(0, SecretChange::Delete { scope: SCOPE, name });
            }
            _ => append.secrets.insert(0, SecretChange::DeleteScope { scope: OTHER_SCOPE }),
        }
        self.put(vec![append]);
    }
}

fn take(key: &str, round: u64) -> ClaimChange {
    ClaimChange::Take { key: ClaimKey(key.into()), note: round.to_be_bytes().to_vec() }
}

fn release(key: &str) -> ClaimChange {
    ClaimChange::Release { key: ClaimKey(key.into()) }
}

fn keep(scope: Uuid, name: &str, round: u64) -> SecretChange {
    let value = Secret::from(format!("value {round} of {name}"));
    SecretChange::Put { scope, name: name.into(), version: round + 1, value }
}
