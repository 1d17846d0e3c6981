//! Appending, refusing, claiming, reading, reopening: on a real directory.

use std::time::Duration;

use hythe_core::claims::ClaimKey;
use hythe_core::record::{Sequence, Version};
use tempfile::TempDir;

use super::fixture::{all, append, put, release, stream, submit, take};
use crate::error::{AppendError, StoreError};
use crate::journal::limits::{MOST_EVENTS, MOST_PAYLOAD_BYTES};
use crate::journal::{Journal, JournalOptions};

fn open(dir: &TempDir) -> Journal {
    let options = JournalOptions { index_every: 8, ..JournalOptions::default() };
    Journal::open(dir.path(), options).unwrap()
}

#[test]
fn appends_are_numbered_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let first = put(&journal, append(1, 0, &["a", "b"])).unwrap();
    assert_eq!((first.first, first.last, first.version), (Sequence(1), Sequence(2), Version(2)));
    put(&journal, append(2, 0, &["c"])).unwrap();
    put(&journal, append(1, 2, &["d"])).unwrap();
    assert_eq!(journal.head(), Sequence(4));
    let told = |s: u128, v: u64, t: &str| (s, v, t.to_owned());
    let expected = [told(1, 1, "a"), told(1, 2, "b"), told(2, 1, "c"), told(1, 3, "d")];
    assert_eq!(all(&journal), expected);
    let events = journal.read_stream(stream(1), Version(1), 10).unwrap();
    assert_eq!(events.iter().map(|e| e.sequence.0).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(journal.read(Sequence(4), 10).unwrap(), []);
    assert_eq!(journal.read(Sequence(99), 10).unwrap(), []);
    assert_eq!(journal.read_stream(stream(3), Version(0), 10).unwrap(), []);
}

#[test]
fn a_wrong_version_is_refused_and_says_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    put(&journal, append(1, 0, &["a"])).unwrap();
    for wrong in [0, 2] {
        assert_eq!(
            put(&journal, append(1, wrong, &["b"])),
            Err(AppendError::WrongVersion { expected: Version(wrong), actual: Version(1) })
        );
    }
    assert_eq!(journal.head(), Sequence(1));
}

#[test]
fn what_is_queued_counts_and_a_refusal_harms_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    // Held up in a callback, the writer lets a group gather.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    journal.submit(append(9, 0, &["first"]), Box::new(move |_| _ = wait.recv()));
    let answers = [
        submit(&journal, append(1, 0, &["a"]).claiming(vec![take("k")])),
        submit(&journal, append(2, 0, &["no"]).claiming(vec![take("k")])),
        submit(&journal, append(1, 0, &["no"])),
        submit(&journal, append(1, 1, &["b"]).claiming(vec![release("k")])),
        submit(&journal, append(2, 0, &["c"]).claiming(vec![take("k")])),
    ];
    go.send(()).unwrap();
    let answers = answers.map(super::fixture::Later::wait);
    assert_eq!(answers.each_ref().map(Result::is_ok), [true, false, false, true, true]);
    assert!(matches!(&answers[1], Err(AppendError::ClaimTaken { key, owner })
        if key.0 == "k" && owner.stream == stream(1) && owner.sequence == Sequence(2)));
    let texts: Vec<_> = all(&journal).into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(texts, ["first", "a", "b", "c"]);
    let owner = journal.claim(&ClaimKey("k".into())).unwrap().unwrap();
    assert_eq!((owner.stream, owner.note), (stream(2), b"note".to_vec()));
}

#[test]
fn a_claim_is_taken_once_even_by_its_holder_and_given_back_by_it_only() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    put(&journal, append(1, 0, &["a"]).claiming(vec![take("k")])).unwrap();
    let again = put(&journal, append(1, 1, &["b"]).claiming(vec![take("k")]));
    assert!(matches!(again, Err(AppendError::ClaimTaken { .. })));
    put(&journal, append(2, 0, &["c"]).claiming(vec![release("k")])).unwrap();
    assert_eq!(journal.claim(&ClaimKey("k".into())).unwrap().unwrap().stream, stream(1));
    put(&journal, append(1, 1, &["d"]).claiming(vec![release("k"), take("k"), take("j")])).unwrap();
    assert_eq!(journal.claim(&ClaimKey("k".into())).unwrap().unwrap().sequence, Sequence(3));
    // Half of an append's claims are none of them.
    let half = put(&journal, append(3, 0, &["e"]).claiming(vec![take("new"), take("j")]));
    assert!(matches!(half, Err(AppendError::ClaimTaken { .. })));
    assert_eq!(journal.claim(&ClaimKey("new".into())).unwrap(), None);
}

#[test]
fn everything_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    for round in 0..10 {
        for to in 0..5 {
            put(&journal, append(to, round, &["x"])).unwrap();
        }
    }
    put(&journal, append(7, 0, &["y"]).claiming(vec![take("k")])).unwrap();
    journal.save_cursor("reactor", Sequence(17)).unwrap();
    let before = all(&journal);
    journal.close();
    assert!(matches!(journal.read(Sequence(0), 1), Err(StoreError::Closed)));
    assert_eq!(put(&journal, append(8, 0, &["late"])), Err(AppendError::Closed));
    let journal = open(&dir);
    assert_eq!(all(&journal), before);
    assert_eq!(journal.head(), Sequence(51));
    assert_eq!(journal.load_cursor("reactor"), Sequence(17));
    assert_eq!(journal.load_cursor("other"), Sequence(0));
    assert!(journal.claim(&ClaimKey("k".into())).unwrap().is_some());
    for to in 0..5 {
        assert_eq!(journal.stream_version(stream(to)).unwrap(), Version(10));
        let events = journal.read_stream(stream(to), Version(3), 5).unwrap();
        assert_eq!(events.iter().map(|e| e.version.0).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
    }
    put(&journal, append(3, 10, &["z"])).unwrap();
}

/// So many that several threads fetch them. Fails: one is left out or out of its order.
#[test]
fn a_long_stream_among_others_is_read_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let among = vec!["other"; 50];
    let mut waiting = Vec::new();
    for version in 0..150 {
        waiting.push(submit(&journal, append(1, version, &[&version.to_string()])));
        waiting.push(submit(&journal, append(2, 50 * version, &among)));
    }
    for later in waiting {
        later.wait().unwrap();
    }
    for (after, most, upto) in [(0, 1000, 150), (0, 100, 100), (20, 1000, 150), (149, 1, 150)] {
        let events = journal.read_stream(stream(1), Version(after), most).unwrap();
        let versions: Vec<_> = events.iter().map(|event| event.version.0).collect();
        assert_eq!(versions, (after + 1..=upto).collect::<Vec<_>>());
        for event in events {
            assert_eq!(event.event.bytes, (event.version.0 - 1).to_string().as_bytes());
        }
    }
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    for error in [
        Journal::open(dir.path(), JournalOptions::default()).unwrap_err(),
        Journal::open_read_only(dir.path()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::InUse { .. }));
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    }
    drop(journal);
    let journal = Journal::open_read_only(dir.path()).unwrap();
    assert_eq!(put(&journal, append(1, 0, &["a"])), Err(AppendError::Closed));
    assert!(matches!(
        Journal::open(dir.path(), JournalOptions::default()),
        Err(StoreError::InUse { .. })
    ));
}

#[test]
fn a_full_queue_is_busy_and_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = JournalOptions { queue_appends: 3, ..JournalOptions::default() };
    let journal = Journal::open(dir.path(), options).unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (held, holding) = std::sync::mpsc::channel::<()>();
    journal.submit(
        append(9, 0, &["first"]),
        Box::new(move |_| {
            held.send(()).unwrap();
            _ = wait.recv();
        }),
    );
    holding.recv().unwrap();
    let waiting: Vec<_> = (0..3).map(|to| submit(&journal, append(to, 0, &["x"]))).collect();
    let busy = put(&journal, append(4, 0, &["x"]));
    assert!(matches!(busy, Err(AppendError::Busy { retry_after }) if !retry_after.is_zero()));
    go.send(()).unwrap();
    for later in waiting {
        later.wait().unwrap();
    }
    assert_eq!(journal.head(), Sequence(4));
}

#[test]
fn what_is_too_large_or_empty_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let large = "x".repeat(MOST_PAYLOAD_BYTES + 1);
    let many = vec!["x"; MOST_EVENTS + 1];
    let five = vec![&large[1..]; 5];
    for too_large in [
        append(1, 0, &[&large]),
        append(1, 0, &many),
        append(1, 0, &five),
        append(1, 0, &["x"]).claiming(vec![take(&"k".repeat(513))]),
    ] {
        assert!(matches!(put(&journal, too_large), Err(AppendError::TooLarge { .. })));
    }
    assert!(matches!(put(&journal, append(1, 0, &[])), Err(AppendError::Invalid { .. })));
    put(&journal, append(1, 0, &[&large[1..]])).unwrap();
}

#[tokio::test]
async fn one_can_wait_for_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let short = Duration::from_millis(20);
    assert!(matches!(journal.wait_for(Sequence(1), short).await, Err(StoreError::TimedOut { .. })));
    let waiting = {
        let journal = journal.clone();
        tokio::spawn(async move { journal.wait_for(Sequence(1), Duration::from_secs(10)).await })
    };
    journal.append(append(1, 0, &["a"])).await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[test]
fn eight_threads_on_eight_hot_streams_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    std::thread::scope(|scope| {
        for thread in 0..8u128 {
            let journal = &journal;
            scope.spawn(move || {
                let waiting: Vec<_> = (0..250)
                    .map(|n| submit(journal, append(thread, n, &[&format!("{thread}/{n}")])))
                    .collect();
                let mut before = Sequence(0);
                for later in waiting {
                    let done = later.wait().unwrap();
                    assert!(done.first > before, "submissions of one thread keep their order");
                    before = done.first;
                }
            });
        }
    });
    assert_eq!(journal.head(), Sequence(2000));
    for thread in 0..8u128 {
        let events = journal.read_stream(stream(thread), Version(0), 1000).unwrap();
        assert_eq!(events.len(), 250);
        for (n, event) in events.iter().enumerate() {
            assert_eq!(event.event.bytes, format!("{thread}/{n}").into_bytes());
        }
    }
}

#[test]
fn a_checkpoint_counts_only_for_its_format_and_its_history() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    put(&journal, append(1, 0, &["a", "b"])).unwrap();
    assert_eq!(journal.load_checkpoint("lists", 1), None);
    journal.save_checkpoint("lists", 1, Sequence(2), b"state").unwrap();
    assert!(journal.save_checkpoint("lists", 1, Sequence(3), b"state").is_err());
    assert_eq!(journal.load_checkpoint("lists", 1), Some((Sequence(2), b"state".to_vec())));
    assert_eq!(journal.load_checkpoint("lists", 2), None);
    drop(journal);
    // The same index beside another log.
    let [log, index, aside] =
        ["journal.redb", "index.redb", "aside"].map(|name| dir.path().join("journal").join(name));
    std::fs::remove_file(&log).unwrap();
    std::fs::rename(&index, &aside).unwrap();
    let journal = open(&dir);
    put(&journal, append(2, 0, &["c", "d"])).unwrap();
    drop(journal);
    std::fs::rename(&aside, &index).unwrap();
    let journal = open(&dir);
    assert_eq!(journal.load_checkpoint("lists", 1), None);
    assert_eq!(journal.stream_version(stream(1)).unwrap(), Version(0));
    assert_eq!(journal.stream_version(stream(2)).unwrap(), Version(2));
}

#[test]
fn a_lost_or_broken_index_is_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("journal/index.redb");
    let journal = open(&dir);
    for n in 0..50 {
        put(&journal, append(n % 3, u64::try_from(n / 3).unwrap(), &["x"])).unwrap();
    }
    drop(journal);
    let whole = std::fs::read(&index).unwrap();
    let breakages: [&dyn Fn(); 4] = [
        &|| std::fs::remove_file(&index).unwrap(),
        &|| std::fs::write(&index, b"not a database at all").unwrap(),
        &|| std::fs::write(&index, &whole[..whole.len() / 2]).unwrap(),
        &|| std::fs::write(&index, []).unwrap(),
    ];
    for breakage in breakages {
        breakage();
        let looked = Journal::open_read_only(dir.path()).unwrap();
        assert_eq!(looked.read_stream(stream(1), Version(0), 100).unwrap().len(), 17);
        drop(looked);
        let journal = open(&dir);
        assert_eq!(journal.read_stream(stream(1), Version(0), 100).unwrap().len(), 17);
        assert_eq!(journal.stream_version(stream(0)).unwrap(), Version(17));
    }
}

#[test]
fn the_last_clone_may_go_in_a_callback() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let (tell, told) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let last = journal.clone();
    journal.submit(
        append(1, 0, &["a"]),
        Box::new(move |answer| {
            _ = wait.recv();
            drop(last);
            tell.send(answer).unwrap();
        }),
    );
    drop(journal);
    go.send(()).unwrap();
    told.recv().unwrap().unwrap();
    // It closes on a thread of its own.
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while Journal::open(dir.path(), JournalOptions::default()).is_err() {
        assert!(std::time::Instant::now() < deadline, "it never closed");
        std::thread::yield_now();
    }
}

/// Opens a copy of the log's file as it is, as after a crash at this moment; whether that takes a
/// walk through it.
fn needs_a_walk(dir: &TempDir) -> bool {
    let copy = dir.path().join("copy.redb");
    std::fs::copy(dir.path().join("journal/journal.redb"), &copy).unwrap();
    let mut builder = redb::Database::builder();
    match builder.set_repair_callback(redb::RepairSession::abort).open(&copy) {
        Ok(_) => false,
        Err(redb::DatabaseError::RepairAborted) => true,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_crash_of_a_journal_at_rest_is_followed_by_no_walk() {
    let dir = tempfile::tempdir().unwrap();
    let never = JournalOptions { rest_after: Duration::from_secs(3600), ..Default::default() };
    let journal = Journal::open(dir.path(), never).unwrap();
    put(&journal, append(1, 0, &["a"])).unwrap();
    assert!(needs_a_walk(&dir), "nothing has left it at rest");
    journal.close();

    let soon = JournalOptions { rest_after: Duration::from_millis(5), ..Default::default() };
    let journal = Journal::open(dir.path(), soon).unwrap();
    put(&journal, append(1, 1, &["b"])).unwrap();
    let began = std::time::Instant::now();
    while !journal.shared().at_rest.load(std::sync::atomic::Ordering::Relaxed) {
        assert!(began.elapsed() < Duration::from_secs(60), "it never comes to rest");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(!needs_a_walk(&dir));
    put(&journal, append(1, 2, &["c"])).unwrap();
    assert_eq!(all(&journal).len(), 3);
}
