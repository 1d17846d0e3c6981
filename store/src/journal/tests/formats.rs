//! Journals as earlier versions left them: they open, are sound, give back what was written, and
//! go on.

use std::path::Path;

use hythe_core::claims::ClaimKey;
use hythe_core::record::{AggregateKind, Sequence, StreamId, Version};
use uuid::Uuid;

use super::fixture::{append, put, take};
use crate::journal::{Journal, JournalOptions};
use crate::{export, verify};

/// What `export` said when the fixture was made.
const HEAD: &str = "260ad0bc51d6878e4c4d5846e4505fbdf6616d1f5033d5ec16abd8738ed66c7a";

/// The same of format 2, which has one event more.
const HEAD_2: &str = "8c8e0a68b085cfd225bd392e086335102c53be3a529a59f886c9fda0cc54731f";

/// A copy of a journal that an earlier version wrote: 199 events in four streams, three claims
/// taken and one given back, a secret, a cursor and a checkpoint.
fn left_by_format_1() -> tempfile::TempDir {
    left_by("format-1")
}

/// Another, in blocks, with an event more that took a claim.
fn left_by_format_2() -> tempfile::TempDir {
    left_by("format-2")
}

fn left_by(format: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format);
    std::fs::create_dir(dir.path().join("journal")).unwrap();
    for file in ["master.key", "journal/journal.redb", "journal/index.redb"] {
        std::fs::copy(from.join(file), dir.path().join(file)).unwrap();
    }
    let key = dir.path().join("master.key");
    std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    dir
}

fn exported(journal: &Journal) -> String {
    let mut lines = Vec::new();
    export::export(journal, &mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

fn deployment(number: u128) -> StreamId {
    StreamId {
        kind: AggregateKind::Deployment,
        id: Uuid::from_u128(0xabc0_0000_0000_0000_0000 + number),
    }
}

#[test]
fn a_journal_of_format_1_is_looked_at_without_changing_it() {
    let dir = left_by_format_1();
    let before = std::fs::read(dir.path().join("journal/journal.redb")).unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.head, report.hash.as_str()), (Sequence(199), HEAD));
    assert_eq!((report.events, report.streams, report.claims, report.secrets), (199, 4, 2, 1));
    let expected = include_str!("../../../fixtures/format-1/export.jsonl");
    assert_eq!(exported(&Journal::open_read_only(dir.path()).unwrap()), expected);
    assert!(before == std::fs::read(dir.path().join("journal/journal.redb")).unwrap());
}

#[test]
fn a_journal_of_format_1_opens_and_goes_on() {
    let dir = left_by_format_1();
    let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
    let secret = journal.secret(Uuid::from_u128(9), "TOKEN", 1).unwrap().unwrap();
    assert_eq!(secret.expose(), b"kept since format 1");
    assert_eq!(journal.load_cursor("reactor"), Sequence(120));
    let checkpoint = journal.load_checkpoint("view", 3).unwrap();
    assert_eq!(checkpoint, (Sequence(150), b"state at 150".to_vec()));
    assert!(journal.claim(&ClaimKey("name/0".into())).unwrap().is_some());
    put(&journal, append(1, 0, &["not with this"]).claiming(vec![take("name/0")])).unwrap_err();

    for version in 0..40 {
        put(&journal, append(1, version, &["one more"])).unwrap();
    }
    let old = deployment(1);
    let version = journal.stream_version(old).unwrap();
    let mut further = append(0, version.0, &["further"]);
    further.stream = old;
    put(&journal, further).unwrap();
    let events = journal.read_stream(old, Version(0), 1000).unwrap();
    assert_eq!(events.len() as u64, version.0 + 1);
    assert_eq!(events.last().unwrap().event.bytes, b"further");
    let across = journal.read_stored(Sequence(190), 20).unwrap();
    assert_eq!(across.first().unwrap().event.sequence, Sequence(191));
    assert_eq!(across.len(), 20);
    journal.close();

    let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
    let report = journal.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.head, Sequence(240));
    // What was there is exported as it ever was, hashes included, and imports to the same end.
    let lines = exported(&journal);
    let old_lines = include_str!("../../../fixtures/format-1/export.jsonl");
    assert!(lines.lines().skip(1).take(199).eq(old_lines.lines().skip(1)));
    let copy = tempfile::tempdir().unwrap();
    let moved = export::import(copy.path(), lines.as_bytes()).unwrap();
    assert_eq!(moved.hash, report.hash);
}

#[test]
fn a_journal_of_format_2_opens_and_goes_on() {
    let dir = left_by_format_2();
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.head, report.hash.as_str()), (Sequence(200), HEAD_2));
    let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
    assert_eq!(exported(&journal), include_str!("../../../fixtures/format-2/export.jsonl"));
    let secret = journal.secret(Uuid::from_u128(9), "TOKEN", 1).unwrap().unwrap();
    assert_eq!(secret.expose(), b"kept since format 2");
    assert_eq!(journal.load_cursor("reactor"), Sequence(120));
    let checkpoint = journal.load_checkpoint("view", 3).unwrap();
    assert_eq!(checkpoint, (Sequence(150), b"state at 150".to_vec()));
    put(&journal, append(8, 0, &["not with this"]).claiming(vec![take("name/0")])).unwrap_err();
    put(&journal, append(8, 0, &["but this"]).claiming(vec![take("name/8")])).unwrap();
    journal.save_cursor("reactor", Sequence(201)).unwrap();
    journal.close();
    let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
    let report = journal.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.head, report.claims), (Sequence(201), 4));
}

/// What wrote format 1 must not open it any more: it would not see the blocks. Nor must what wrote
/// format 2: it would change claims and not their sum.
#[test]
fn a_journal_that_was_opened_has_the_new_format() {
    use redb::ReadableDatabase;
    for dir in [left_by_format_1(), left_by_format_2()] {
        Journal::open(dir.path(), JournalOptions::default()).unwrap().close();
        let log = redb::Database::open(dir.path().join("journal/journal.redb")).unwrap();
        let meta = log.begin_read().unwrap().open_table(crate::journal::tables::META).unwrap();
        assert_eq!(meta.get("format").unwrap().unwrap().value(), 3u32.to_be_bytes());
    }
}
