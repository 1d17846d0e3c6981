//! A fault at every single operation, and what must hold after it: whatever was acknowledged is
//! there, nothing else is but what was under way, without a gap.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hythe_core::record::Sequence;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::faulty::{Fault, Faulty};
use super::fixture::{all, append, release, stream, submit, take};
use crate::error::{AppendError, StoreError};
use crate::journal::{Append, Appended, Journal, JournalOptions};
use crate::secrets::key::MasterKey;
use crate::secrets::{Secret, SecretChange};

const ROUNDS: u64 = 6;
const SCOPE: Uuid = Uuid::from_u128(0x5c);

fn open(disk: &Faulty, two_phase: bool) -> Result<Journal, StoreError> {
    let key = MasterKey::from_bytes(Zeroizing::new([7; 32]));
    let options = JournalOptions {
        index_every: 6,
        cursor_within: Duration::ZERO,
        two_phase,
        ..JournalOptions::default()
    };
    Journal::open_on(Arc::new(disk.clone()), key, options)
}

/// What was asked and what came of it.
#[derive(Debug, Default)]
struct History {
    /// By sequence: what was acknowledged.
    acknowledged: BTreeMap<u64, (u128, u64, String)>,
    /// What may be there or not: the answer was that nobody knows, or there was none.
    unknown: Vec<(u128, u64, String)>,
}

impl History {
    fn note(&mut self, asked: &Append, told: &Result<Appended, AppendError>) {
        let events = asked.events.iter().zip(asked.expected.0 + 1..).map(|(event, version)| {
            let text = String::from_utf8(event.bytes.clone()).unwrap();
            (asked.stream.id.as_u128(), version, text)
        });
        match told {
            Ok(done) => self.acknowledged.extend((done.first.0..).zip(events)),
            Err(AppendError::Storage(why)) if why.contains("unknown") => {
                self.unknown.extend(events);
            }
            Err(_) => {}
        }
    }

    /// The promise.
    fn check(&self, journal: &Journal, context: &str) {
        let there = all(journal);
        for (at, event) in &self.acknowledged {
            let at = usize::try_from(*at).unwrap();
            assert_eq!(there.get(at - 1), Some(event), "{context}: acknowledged event {at}");
        }
        for (at, event) in (1u64..).zip(&there) {
            assert!(
                self.acknowledged.contains_key(&at) || self.unknown.contains(event),
                "{context}: nobody wrote event {at}, {event:?}"
            );
        }
        let report = journal.verify().unwrap();
        assert!(report.is_sound(), "{context}: {report:?}");
        assert!(journal.load_cursor("reader") <= journal.head(), "{context}");
        if let Some((at, _)) = journal.load_checkpoint("view", 1) {
            assert!(at <= journal.head(), "{context}");
        }
    }
}

/// One round of everything that writes: three appends at once, a claim, a secret, a cursor, a
/// checkpoint.
fn round(journal: &Journal, number: u64, history: &mut History) {
    let asked: Vec<_> = (0..3u128)
        .filter_map(|to| {
            let version = journal.stream_version(stream(to)).ok()?.0;
            let text = format!("{to}/{version}/{number}");
            let mut asked = append(to, version, &[&text, "second"]);
            if to == 0 {
                asked.claims = vec![release("key"), take(&format!("key/{number}")), take("key")];
                if number == 0 {
                    asked.claims.remove(0);
                }
                let name = format!("NAME{number}");
                let value = Secret::from("value".to_owned());
                asked.secrets =
                    vec![SecretChange::Put { scope: SCOPE, name, version: version + 1, value }];
            }
            Some(asked)
        })
        .collect();
    let waiting: Vec<_> = asked.iter().map(|asked| submit(journal, asked.clone())).collect();
    for (asked, later) in asked.iter().zip(waiting) {
        history.note(asked, &later.wait());
    }
    journal.save_cursor("reader", journal.head()).unwrap();
    if number % 2 == 1 {
        // Fails where the power is off already.
        let _ = journal.save_checkpoint("view", 1, journal.head(), &number.to_be_bytes());
    }
}

fn operations(two_phase: bool) -> u64 {
    let disk = Faulty::new(1);
    let journal = open(&disk, two_phase).unwrap();
    let before = disk.operations();
    let mut history = History::default();
    for number in 0..ROUNDS {
        round(&journal, number, &mut history);
    }
    journal.close();
    disk.operations() - before
}

/// Loses power at one operation; says whether it came to it.
fn lose_power_at(at: u64, seed: u64, two_phase: bool) -> bool {
    let context = format!("power lost at operation {at}, seed {seed}, two phases {two_phase}");
    let disk = Faulty::new(seed);
    let journal = open(&disk, two_phase).unwrap();
    disk.fail_at(at, Fault::Power);
    let mut history = History::default();
    for number in 0..ROUNDS {
        round(&journal, number, &mut history);
        if disk.has_failed() {
            break;
        }
    }
    journal.close();
    let came_to_it = disk.has_failed();
    disk.restart();
    // The power goes again while the journal recovers, now and then.
    if seed.is_multiple_of(3) {
        disk.fail_at(at % 37 + 1, Fault::Power);
        if let Ok(journal) = open(&disk, two_phase) {
            drop(journal);
        }
        disk.restart();
    }
    let journal = open(&disk, two_phase).unwrap_or_else(|error| panic!("{context}: {error}"));
    history.check(&journal, &context);
    round(&journal, 100, &mut history);
    history.check(&journal, &context);
    assert!(
        history.acknowledged.values().any(|(_, _, text)| text.ends_with("/100")),
        "{context}: it goes on"
    );
    came_to_it
}

fn lose_power_everywhere(two_phase: bool, seeds: u64) {
    let mut crashes = 0;
    for at in 1..=operations(two_phase) + 5 {
        for seed in 1..=seeds {
            crashes += u64::from(lose_power_at(at, seed * 1000 + at, two_phase));
        }
    }
    assert!(crashes > 60 * seeds, "{crashes} crashes are too few to mean anything");
}

#[test]
fn losing_power_at_any_operation_loses_nothing_acknowledged() {
    lose_power_everywhere(false, 3);
}

#[test]
fn losing_power_with_two_phases_loses_nothing_either() {
    lose_power_everywhere(true, 1);
}

#[test]
fn losing_power_while_a_journal_is_made_leaves_none_or_a_whole_one() {
    let disk = Faulty::new(1);
    open(&disk, false).unwrap().close();
    for at in 1..=disk.operations() {
        for seed in 1..=4 {
            let disk = Faulty::new(seed * 100 + at);
            disk.fail_at(at, Fault::Power);
            if let Ok(journal) = open(&disk, false) {
                journal.close();
            }
            disk.restart();
            let journal = open(&disk, false)
                .unwrap_or_else(|error| panic!("operation {at}, seed {seed}: {error}"));
            assert_eq!(journal.head(), Sequence(0));
        }
    }
}

#[test]
fn an_error_at_any_operation_is_told_and_survived() {
    for (at, kind) in (1..=operations(false))
        .zip([ErrorKind::StorageFull, ErrorKind::Other, ErrorKind::Interrupted].into_iter().cycle())
    {
        let context = format!("{kind:?} at operation {at}");
        let disk = Faulty::new(at);
        let journal = open(&disk, false).unwrap();
        disk.fail_at(at, Fault::Error(kind));
        let mut history = History::default();
        for number in 0..ROUNDS {
            round(&journal, number, &mut history);
        }
        disk.calm();
        // It mends itself, if need be a little later.
        let began = Instant::now();
        while let Err(error) = journal.verify() {
            assert!(began.elapsed() < Duration::from_secs(20), "{context}: {error}");
            std::thread::sleep(Duration::from_millis(20));
        }
        history.check(&journal, &context);
        round(&journal, 100, &mut history);
        assert!(
            history.acknowledged.values().any(|(_, _, text)| text.ends_with("/100")),
            "{context}: it goes on"
        );
        journal.close();
        disk.restart();
        let journal = open(&disk, false).unwrap_or_else(|error| panic!("{context}: {error}"));
        history.check(&journal, &format!("{context}, reopened"));
    }
}
