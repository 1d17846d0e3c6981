//! Looking at everything while the journal goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::fixture::{append, put, stream};
use crate::journal::{Journal, JournalOptions};

fn open(dir: &tempfile::TempDir) -> Journal {
    let options = JournalOptions { index_every: 500, ..JournalOptions::default() };
    Journal::open(dir.path(), options).unwrap()
}

#[test]
fn a_journal_under_load_is_sound_and_goes_on_meanwhile() {
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
            let report = journal.verify_telling(&told).unwrap();
            assert!(report.is_sound(), "{report:?}");
            assert!(report.head >= head && report.events == report.head.0, "{report:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(journal.stream_version(stream(1)).unwrap().0 > 0);
    assert!(journal.verify().unwrap().is_sound());
}
