//! Damage done behind the journal's back: found with its place, and never served.

use std::path::Path;

use hythe_core::record::{Sequence, Version};
use redb::{Database, ReadableTable};

use super::fixture::{append, put, stream, take};
use crate::error::StoreError;
use crate::journal::tables::{BLOCKS, CLAIMS, META, POSTINGS, SECRETS};
use crate::journal::{Journal, JournalOptions};
use crate::{VerifyReport, verify};

const EVENTS: u64 = 30;
/// As large as lets three events share a block: blocks begin with events 1, 4, 7 and so on.
const PAYLOAD: usize = 1200;

fn small() -> JournalOptions {
    JournalOptions { index_every: 8, ..JournalOptions::default() }
}

fn filled(dir: &Path) {
    let journal = Journal::open(dir, small()).unwrap();
    for n in 0..EVENTS {
        let claims = if n % 10 == 0 { vec![take(&format!("key/{n}"))] } else { Vec::new() };
        put(
            &journal,
            append(u128::from(n % 3), n / 3, &[&format!("{n:PAYLOAD$}")]).claiming(claims),
        )
        .unwrap();
    }
}

fn edit(dir: &Path, file: &str, work: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(dir.join("journal").join(file)).unwrap();
    let txn = database.begin_write().unwrap();
    work(&txn);
    txn.commit().unwrap();
}

/// The block that begins with an event.
fn block(dir: &Path, at: u64) -> Vec<u8> {
    use redb::ReadableDatabase;
    let database = Database::open(dir.join("journal/journal.redb")).unwrap();
    let table = database.begin_read().unwrap().open_table(BLOCKS).unwrap();
    table.get(at).unwrap().unwrap().value().to_vec()
}

fn set(dir: &Path, at: u64, value: Option<&[u8]>) {
    edit(dir, "journal.redb", |txn| {
        let mut table = txn.open_table(BLOCKS).unwrap();
        match value {
            Some(value) => drop(table.insert(at, value).unwrap()),
            None => drop(table.remove(at).unwrap()),
        }
    });
}

/// Damages a journal and says what `verify` finds.
fn found(damage: impl FnOnce(&Path)) -> (tempfile::TempDir, VerifyReport) {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    damage(dir.path());
    let report = verify(dir.path()).unwrap();
    (dir, report)
}

fn names(report: &VerifyReport, place: &str) -> bool {
    report.problems.iter().any(|problem| problem.place == place)
}

#[test]
fn a_journal_as_it_was_written_is_sound_running_or_not() {
    let (dir, report) = found(|_| ());
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.head, report.events, report.streams), (Sequence(EVENTS), EVENTS, 3));
    assert_eq!((report.claims, report.indexed), (3, Sequence(EVENTS)));
    let journal = Journal::open(dir.path(), small()).unwrap();
    put(&journal, append(0, 10, &["one more"])).unwrap();
    let live = journal.verify().unwrap();
    assert!(live.is_sound(), "{live:?}");
    assert_eq!(live.head, Sequence(EVENTS + 1));
}

#[test]
fn a_flipped_byte_anywhere_in_a_block_is_found_and_never_served() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let whole = block(dir.path(), 16);
    for at in (0..70).chain((70..whole.len() - 70).step_by(97)).chain(whole.len() - 70..whole.len())
    {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        set(dir.path(), 16, Some(&flipped));
        let report = verify(dir.path());
        // The format byte says "newer", which stops the look; everything else is named.
        match report {
            Ok(report) => assert!(names(&report, "event 16"), "byte {at}: {report:?}"),
            Err(error) => assert!(matches!(error, StoreError::Newer { .. }), "{error}"),
        }
    }
    // A byte of the last payload, so that the block after it still has its predecessor's hash.
    let mut flipped = whole;
    let at = flipped.len() - 49;
    flipped[at] ^= 1;
    set(dir.path(), 16, Some(&flipped));
    let journal = Journal::open(dir.path(), small()).unwrap();
    assert_eq!(journal.read(Sequence(0), 15).unwrap().len(), 15);
    let error = journal.read(Sequence(10), 20).unwrap_err();
    assert!(error.to_string().contains("event 16"), "{error}");
    assert_eq!(journal.read(Sequence(18), 100).unwrap().len(), 12);
    // The block has version 6 of each of the three streams.
    for to in 0..3 {
        assert!(journal.read_stream(stream(to), Version(0), 100).is_err());
        assert_eq!(journal.read_stream(stream(to), Version(0), 5).unwrap().len(), 5);
        assert_eq!(journal.read_stream(stream(to), Version(6), 100).unwrap().len(), 4);
    }
}

#[test]
fn a_block_that_is_missing_added_swapped_or_copied_is_found() {
    let (_dir, report) = found(|dir| set(dir, 10, None));
    assert!(names(&report, "event 10"), "{report:?}");

    let (dir, report) = found(|dir| set(dir, 28, None));
    assert!(names(&report, "event 27"), "{report:?}");
    let error = Journal::open(dir.path(), small()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");

    let (_dir, report) = found(|dir| {
        let last = block(dir, 28);
        set(dir, EVENTS + 1, Some(&last));
    });
    assert!(names(&report, &format!("event {}", EVENTS + 1)), "{report:?}");

    let (_dir, report) = found(|dir| {
        let (one, other) = (block(dir, 4), block(dir, 7));
        set(dir, 4, Some(&other));
        set(dir, 7, Some(&one));
    });
    assert!(names(&report, "event 4") && names(&report, "event 7"), "{report:?}");

    // Moved by one, onto what is there.
    let (_dir, report) = found(|dir| {
        let one = block(dir, 4);
        set(dir, 5, Some(&one));
    });
    assert!(names(&report, "event 5"), "{report:?}");
}

/// A block's value with the check sum that it would have in another place.
fn sealed_again(dir: &Path, mut value: Vec<u8>, first: u64, after: u64) -> Vec<u8> {
    let before = block(dir, after);
    let end = &before[before.len() - 48..before.len() - 16];
    value.truncate(value.len() - 16);
    let mut hasher = blake3::Hasher::new();
    hasher.update(end).update(&first.to_le_bytes()).update(&value);
    value.extend_from_slice(&hasher.finalize().as_bytes()[..16]);
    value
}

#[test]
fn a_block_made_to_fit_its_new_place_is_found_by_the_chain() {
    let (_dir, report) = found(|dir| {
        let (one, other) = (block(dir, 4), block(dir, 7));
        let moved = sealed_again(dir, other, 4, 1);
        set(dir, 4, Some(&moved));
        let moved = sealed_again(dir, one, 7, 4);
        set(dir, 7, Some(&moved));
    });
    assert!(!report.is_sound() && report.problems[0].place.starts_with("event "), "{report:?}");

    // Missing, with everything after it moved up.
    let (_dir, report) = found(|dir| {
        for at in (10..28).step_by(3) {
            let moved = sealed_again(dir, block(dir, at + 3), at, at - 3);
            set(dir, at, Some(&moved));
        }
        set(dir, 28, None);
    });
    assert!(!report.is_sound() && report.problems[0].place.starts_with("event "), "{report:?}");

    // Added.
    let (_dir, report) = found(|dir| {
        let added = sealed_again(dir, block(dir, 28), EVENTS + 1, 28);
        set(dir, EVENTS + 1, Some(&added));
    });
    assert!(!report.is_sound() && report.problems[0].place.starts_with("event "), "{report:?}");

    // Changed in one byte of a payload.
    let (_dir, report) = found(|dir| {
        let mut changed = block(dir, 16);
        let at = changed.len() - 49;
        changed[at] ^= 1;
        let changed = sealed_again(dir, changed, 16, 13);
        set(dir, 16, Some(&changed));
    });
    assert!(!report.is_sound() && report.problems[0].place.starts_with("event "), "{report:?}");
}

/// Every block taken away, copied onto the place of the next event, or exchanged with any other.
#[test]
fn every_block_dropped_doubled_or_swapped_is_found() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let places: Vec<_> = (1..=EVENTS).step_by(3).collect();
    let blocks: Vec<_> = places.iter().map(|at| block(dir.path(), *at)).collect();
    let found = |what: String| {
        let report = verify(dir.path()).unwrap();
        assert!(!report.is_sound(), "{what}");
        let event = |problem: &crate::journal::verify::Problem| problem.place.starts_with("event ");
        assert!(report.problems.iter().any(event), "{what}: {report:?}");
    };
    for (number, (at, value)) in places.iter().zip(&blocks).enumerate() {
        set(dir.path(), *at, None);
        found(format!("without the block at {at}"));
        set(dir.path(), *at, Some(value));
        for beside in [at + 1, EVENTS + 1] {
            set(dir.path(), beside, Some(value));
            found(format!("the block at {at} again at {beside}"));
            set(dir.path(), beside, None);
        }
        for (other_at, other) in places.iter().zip(&blocks).skip(number + 1) {
            set(dir.path(), *at, Some(other));
            set(dir.path(), *other_at, Some(value));
            found(format!("the blocks at {at} and {other_at} exchanged"));
            set(dir.path(), *other_at, Some(other));
        }
        set(dir.path(), *at, Some(value));
    }
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

/// Rows beside the log that were taken away, changed or added by something else than the journal.
#[test]
fn what_lies_beside_the_log_is_not_served_once_it_was_touched() {
    fn with_secrets(dir: &Path) {
        let journal = Journal::open(dir, small()).unwrap();
        let scope = uuid::Uuid::from_u128(3);
        let mut kept = append(0, EVENTS / 3, &["with secrets"]);
        kept.secrets = ["ONE", "TWO"]
            .map(|name| crate::SecretChange::Put {
                scope,
                name: name.into(),
                version: 1,
                value: crate::Secret::from("value".to_owned()),
            })
            .into();
        put(&journal, kept).unwrap();
        journal.save_cursor("reader", Sequence(7)).unwrap();
    }
    type Edit = fn(&redb::WriteTransaction);
    let edits: [(&str, Edit); 6] = [
        ("the claims", |txn| drop(txn.open_table(CLAIMS).unwrap().remove("key/0").unwrap())),
        ("the claims", |txn| {
            let mut claims = txn.open_table(CLAIMS).unwrap();
            let owner = claims.get("key/0").unwrap().unwrap().value().to_vec();
            claims.insert("key/1", owner.as_slice()).unwrap();
        }),
        ("the secrets", |txn| drop(txn.open_table(SECRETS).unwrap().pop_last().unwrap())),
        ("the secrets", |txn| {
            let later = 1u64.to_be_bytes();
            txn.open_table(META).unwrap().insert("secrets-changed", later.as_slice()).unwrap();
        }),
        ("the cursors", |txn| {
            let later = 29u64.to_be_bytes();
            txn.open_table(META).unwrap().insert("cursor/reader", later.as_slice()).unwrap();
        }),
        ("the cursors", |txn| {
            drop(txn.open_table(META).unwrap().remove("cursor/reader").unwrap());
        }),
    ];
    for (place, work) in edits {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path());
        with_secrets(dir.path());
        assert!(verify(dir.path()).unwrap().is_sound());
        edit(dir.path(), "journal.redb", work);
        let report = verify(dir.path()).unwrap();
        assert!(names(&report, &format!("journal.redb, {place}")), "{place}: {report:?}");
        let error = Journal::open(dir.path(), small()).unwrap_err().to_string();
        assert!(error.contains("journal.redb") && error.contains(place), "{error}");
        assert!(error.contains("restore a backup"), "{error}");
    }
}

/// An older file in the place of the log: what was served since would be forgotten.
#[test]
fn a_log_that_ends_before_its_index_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let path = dir.path().join("journal/journal.redb");
    let older = std::fs::read(&path).unwrap();
    let journal = Journal::open(dir.path(), small()).unwrap();
    put(&journal, append(0, 10, &["one more"])).unwrap();
    journal.close();
    std::fs::write(&path, older).unwrap();
    assert!(!verify(dir.path()).unwrap().is_sound());
    let error = Journal::open(dir.path(), small()).unwrap_err().to_string();
    assert!(error.contains("index knows event 31"), "{error}");
    std::fs::remove_file(dir.path().join("journal/index.redb")).unwrap();
    let journal = Journal::open(dir.path(), small()).unwrap();
    assert_eq!(journal.head(), Sequence(EVENTS));
}

#[test]
fn a_missing_block_is_no_silent_gap() {
    let (dir, _) = found(|dir| set(dir, 10, None));
    let journal = Journal::open(dir.path(), small()).unwrap();
    let error = journal.read(Sequence(0), 100).unwrap_err();
    assert!(error.to_string().contains("event 10"), "{error}");
    let error = journal.read(Sequence(10), 5).unwrap_err();
    assert!(error.to_string().contains("event 11"), "{error}");
    assert_eq!(journal.read(Sequence(0), 9).unwrap().len(), 9);
    assert!(journal.read_stream(stream(0), Version(0), 100).is_err());
}

#[test]
fn claims_that_the_log_does_not_explain_are_found() {
    let (_dir, report) = found(|dir| {
        edit(dir, "journal.redb", |txn| {
            let mut table = txn.open_table(CLAIMS).unwrap();
            let owner = table.remove("key/0").unwrap().unwrap().value().to_vec();
            table.insert("key/made-up", owner.as_slice()).unwrap();
            table.insert("key/10", owner.as_slice()).unwrap();
        });
    });
    for key in ["key/0", "key/made-up", "key/10"] {
        assert!(names(&report, &format!("claim \"{key}\"")), "{key}: {report:?}");
    }
}

#[test]
fn an_index_that_leads_astray_is_found_and_does_not_mislead() {
    let (dir, report) = found(|dir| {
        edit(dir, "index.redb", |txn| {
            let mut table = txn.open_table(POSTINGS).unwrap();
            let (key, mut row) = {
                let (key, row) = table.pop_first().unwrap().unwrap();
                (key.value(), row.value().to_vec())
            };
            row[10] ^= 1;
            table.insert(key, row.as_slice()).unwrap();
        });
    });
    assert!(names(&report, "the stream index"), "{report:?}");
    let journal = Journal::open(dir.path(), small()).unwrap();
    assert!(journal.stream_version(stream(0)).is_err());
    put(&journal, append(0, 3, &["not on a wrong version"])).unwrap_err();
    // Whoever noticed has it built again, the second of them perhaps once more.
    let began = std::time::Instant::now();
    let goes_on = || {
        let found = journal.stream_version(stream(0)).ok() == Some(Version(10));
        found && put(&journal, append(0, 10, &["it goes on"])).is_ok()
    };
    while !goes_on() {
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "it stays as it is");
        std::thread::yield_now();
    }
    let report = journal.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
}

/// A stream whose last row is gone, or all of it, would look shorter than it is.
#[test]
fn an_index_that_lost_a_row_is_built_again() {
    for last in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path());
        edit(dir.path(), "index.redb", |txn| {
            let mut table = txn.open_table(POSTINGS).unwrap();
            let row = if last { table.pop_last() } else { table.pop_first() };
            drop(row.unwrap().unwrap());
        });
        assert!(names(&verify(dir.path()).unwrap(), "the stream index"));
        let journal = Journal::open(dir.path(), small()).unwrap();
        for to in 0..3 {
            assert_eq!(journal.stream_version(stream(to)).unwrap(), Version(10));
        }
        put(&journal, append(0, 0, &["not once more"])).unwrap_err();
        assert!(journal.verify().unwrap().is_sound());
    }
}

#[test]
fn a_later_format_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    edit(dir.path(), "journal.redb", |txn| {
        let later = 4u32.to_be_bytes();
        txn.open_table(META).unwrap().insert("format", later.as_slice()).unwrap();
    });
    for error in [Journal::open(dir.path(), small()).unwrap_err(), verify(dir.path()).unwrap_err()]
    {
        assert!(error.to_string().contains("newer one"), "{error}");
    }
}
