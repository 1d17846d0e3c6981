//! Looking at the disk while the journal goes on.

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::fixture::{append, put, stream};
use crate::journal::{Journal, JournalOptions};

fn open(dir: &tempfile::TempDir) -> Journal {
    let options = JournalOptions { index_every: 500, ..JournalOptions::default() };
    Journal::open(dir.path(), options).unwrap()
}

#[test]
fn a_journal_under_load_is_sound_on_the_disk_and_goes_on_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    for version in 0..200 {
        put(&journal, append(0, version * 20, &["event"; 20])).unwrap();
    }
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for to in 1..4 {
            let (journal, stop, written) = (&journal, &stop, &written);
            scope.spawn(move || {
                let mut version = 0;
                while !stop.load(Ordering::Relaxed) {
                    put(journal, append(to, version, &["while it is looked at"])).unwrap();
                    version += 1;
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..10 {
            let head = journal.head();
            // Nothing but appends that are acknowledged meanwhile lets the look go on.
            let told = |_: u64| {
                let before = written.load(Ordering::Relaxed);
                while written.load(Ordering::Relaxed) < before + 3 {
                    std::thread::yield_now();
                }
            };
            let report = journal.verify_on_disk(&told).unwrap();
            assert!(report.is_sound(), "{report:?}");
            assert!(report.head >= head && report.events == report.head.0, "{report:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(journal.stream_version(stream(1)).unwrap().0 > 0);
    assert!(journal.verify().unwrap().is_sound());
}

#[test]
fn a_byte_that_flips_under_a_running_journal_is_found_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    for version in 0..300 {
        let text = format!("needle-{version:04}");
        put(&journal, append(0, version, &[&text])).unwrap();
    }
    assert!(journal.verify_on_disk(&|_| {}).unwrap().is_sound());
    let path = dir.path().join("journal/journal.redb");
    let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    // Old pages that are free hold copies of it, too.
    for at in 0..bytes.len() - 11 {
        if &bytes[at..at + 11] == b"needle-0042" {
            file.write_all_at(b"N", at as u64).unwrap();
        }
    }
    let report = journal.verify_on_disk(&|_| {}).unwrap();
    assert!(!report.is_sound());
    let problem = &report.problems[0];
    assert!(problem.place.contains("event") || problem.place.contains("disk"), "{report:?}");
    // What is served is whole, or refused; what comes is taken.
    put(&journal, append(1, 0, &["it goes on"])).unwrap();
}
