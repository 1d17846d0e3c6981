//! Out and in again, and every way in which a file can be off.

use hythe_core::app::{AppEvent, SettingsChange};
use hythe_core::event::Event;
use hythe_core::record::{AggregateKind, Sequence, StreamId, Version};
use uuid::Uuid;

use super::*;
use crate::journal::tests::fixture::{append, meta, put, take};
use crate::replay::fold;

fn event(expected: u64, event: &Event) -> Append {
    Append {
        stream: StreamId { kind: event.kind(), id: Uuid::from_u128(5) },
        expected: Version(expected),
        events: vec![codec::encode(event).unwrap()],
        meta: meta(),
        claims: vec![take(&format!("key/{expected}"))],
        secrets: Vec::new(),
        priority: Default::default(),
    }
}

fn configured(port: Option<Option<u16>>) -> Event {
    let change = SettingsChange { port, ..SettingsChange::default() };
    Event::App(AppEvent::Configured(Box::new(change)))
}

fn events() -> Vec<Event> {
    vec![configured(Some(Some(80))), configured(Some(None)), configured(None)]
}

fn exported() -> String {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
    for (n, what) in events().iter().enumerate() {
        put(&journal, event(n as u64, what)).unwrap();
    }
    // Bytes that are no event of this version go along as they are.
    put(&journal, append(7, 0, &["\u{0}\u{ff}odd", "more"]).claiming(vec![take("k")])).unwrap();
    let mut out = Vec::new();
    let moved = export(&journal, &mut out).unwrap();
    assert_eq!(moved.head, Sequence(5));
    String::from_utf8(out).unwrap()
}

#[test]
fn an_export_imports_to_the_same_hash_and_the_same_lines() {
    let text = exported();
    let dir = tempfile::tempdir().unwrap();
    import(dir.path(), text.as_bytes()).unwrap();
    let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
    let mut again = Vec::new();
    export(&journal, &mut again).unwrap();
    assert_eq!(String::from_utf8(again).unwrap(), text);
    assert!(journal.claim(&ClaimKey("k".into())).unwrap().is_some());
    let folded = fold(&journal, Sequence(0), Some(Sequence(3)), Vec::new(), |mut seen, event| {
        seen.push(event.event);
        seen
    });
    assert_eq!(folded.unwrap().state, events());
    assert!(import(dir.path(), text.as_bytes()).is_err(), "there is a journal already");
    assert!(fold(&journal, Sequence(0), None, (), |(), _| ()).is_err());
}

/// What the first version exported: events in the form that they had then, without their bytes.
#[test]
fn an_export_of_the_first_schema_imports_to_the_same_hash() {
    let then = serde_json::json!({"app": {"Configured": {
        "source": null, "build": {"dockerfile": "Dockerfile"}, "port": 80, "replicas": 2,
        "health": null, "resources": null, "domains": []
    }}});
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
    let written = codec::first_from_json(&then).unwrap();
    assert_eq!(written.schema, 1);
    let append = Append { events: vec![written.clone()], ..event(0, &configured(None)) };
    put(&journal, append).unwrap();
    let mut now = Vec::new();
    let moved = export(&journal, &mut now).unwrap();
    let now = String::from_utf8(now).unwrap();
    let mut lines: Vec<serde_json::Value> =
        now.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_ne!(lines[1]["event"], then, "it is told in today's form");
    lines[1]["event"] = then;
    let before: String = lines.iter().map(|line| format!("{line}\n")).collect();
    for text in [now, before] {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(import(dir.path(), text.as_bytes()).unwrap(), moved);
        let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
        assert_eq!(journal.read(Sequence(0), 1).unwrap()[0].event, written);
    }
}

#[test]
fn an_import_killed_while_it_moved_its_files_can_be_repeated() {
    let text = exported();
    let dir = tempfile::tempdir().unwrap();
    let moved = import(dir.path(), text.as_bytes()).unwrap();
    // The key was in its place, the journal not yet.
    let beside = dir.path().join("import.part");
    std::fs::create_dir(&beside).unwrap();
    std::fs::rename(dir.path().join("journal"), beside.join("journal")).unwrap();
    let error = Journal::open(dir.path(), JournalOptions::default()).unwrap_err().to_string();
    assert!(error.contains("an import did not come to its end"), "{error}");
    assert!(!dir.path().join("journal").exists(), "no new journal under that key");
    assert_eq!(import(dir.path(), text.as_bytes()).unwrap(), moved);
    assert!(!beside.exists());
    Journal::open(dir.path(), JournalOptions::default()).unwrap();
    // A key that is not the import's stays.
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("master.key"), [7; 32]).unwrap();
    import(other.path(), text.as_bytes()).unwrap_err();
    assert!(other.path().join("master.key").exists());
}

#[test]
fn an_empty_journal_round_trips() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut out = Vec::new();
    export(&Journal::open(from.path(), JournalOptions::default()).unwrap(), &mut out).unwrap();
    assert_eq!(import(to.path(), out.as_slice()).unwrap().head, Sequence(0));
}

#[test]
fn whatever_is_off_is_refused_with_its_line_and_leaves_nothing() {
    let text = exported();
    let lines: Vec<_> = text.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        joined(&lines)
    };
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    let cases = [
        (String::new(), 1),
        ("{}\n".into(), 1),
        (without(0), 1),
        (without(2), 3),
        (without(5), 6),
        (joined(&swapped), 3),
        (joined(&[lines.as_slice(), &[lines[5]]].concat()), 7),
        (text.replacen("\"owner\"", "\"system\"", 1).replacen("\"Owner\"", "\"System\"", 1), 2),
        (text.replacen("\"port\":80", "\"port\":81", 1), 2),
        (text.replacen("\"port\":null", "\"port\":9", 1), 3),
        (text.replacen("key/1", "key/9", 1), 3),
        (text.replacen("\"schema\":2", "\"schema\":1", 1), 2),
        (text.replacen("\"sequence\":4", "\"sequence\":4,\"new\":1", 1), 5),
    ];
    for (at, (case, line)) in cases.iter().enumerate() {
        assert_ne!(*case, text, "case {at} changes nothing");
        let dir = tempfile::tempdir().unwrap();
        let error = import(dir.path(), case.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line}:")), "case {at}: {error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "case {at}");
    }
    assert_eq!(AggregateKind::ALL.len(), 5, "a new kind wants a line in this test");
}
