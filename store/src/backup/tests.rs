//! Backups made while writes go on, put back, and every way in which one can be off.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hythe_core::app::{AppEvent, SettingsChange};
use hythe_core::event::Event;
use hythe_core::installation::{BackupPlace, InstallationEvent, Mirror};
use hythe_core::priority::Priority;
use hythe_core::record::{StreamId, Version};
use tempfile::TempDir;

use super::*;
use crate::codec;
use crate::export;
use crate::journal::tests::fixture::{meta, put, take};
use crate::journal::{Append, Journal, JournalOptions};
use crate::replay::fold;
use crate::secrets::{Secret, SecretChange};

mod damaged;
mod mirrored;

const AT: Timestamp = Timestamp(1_790_000_000_000);
const CANARY: &str = "canary-71aa-in-no-backup";

fn scope(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

fn installation() -> InstallationId {
    InstallationId::new(scope(0x1))
}

/// A server's data directory.
struct Server {
    dir: TempDir,
    journal: Journal,
}

impl Server {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
        std::fs::write(dir.path().join("instance"), format!("{}\n", installation())).unwrap();
        std::fs::write(dir.path().join("owner.token"), "hythe_0123456789abcdef\n").unwrap();
        Self { dir, journal }
    }

    fn append(&self, app: u128, expected: u64, port: u16, secrets: Vec<SecretChange>) {
        let change = SettingsChange { port: Some(Some(port)), ..SettingsChange::default() };
        let event = Event::App(AppEvent::Configured(Box::new(change)));
        put(&self.journal, Append { secrets, ..append(app, expected, &event) }).unwrap();
    }

    fn about(&self) -> About {
        About::read(self.dir.path(), installation(), "1.2.3", AT).unwrap()
    }

    fn backup(&self, key: &BackupKey, to: &Path) -> Part {
        let file = std::fs::File::create(to).unwrap();
        let (about, view) = (self.about(), View::default());
        backup(&self.journal, &about, key.recipient(), view, |_| file).unwrap().0
    }

    fn state(&self) -> String {
        state_of(&self.journal)
    }
}

fn state_of(journal: &Journal) -> String {
    let folded = fold(journal, Sequence(0), None, View::default(), |mut view, event| {
        view.apply(&event);
        view
    });
    state_hash(&folded.unwrap().state).unwrap().to_hex().to_string()
}

fn append(app: u128, expected: u64, event: &Event) -> Append {
    Append {
        stream: StreamId { kind: event.kind(), id: scope(app) },
        expected: Version(expected),
        events: vec![codec::encode(event).unwrap()],
        meta: meta(),
        claims: vec![take(&format!("{app}/{expected}"))],
        secrets: Vec::new(),
        priority: Priority::Ordinary,
    }
}

fn keep(n: u128, name: &str, version: u64, value: &str) -> SecretChange {
    let value = Secret::from(value.to_owned());
    SecretChange::Put { scope: scope(n), name: name.into(), version, value }
}

fn secret(journal: &Journal, n: u128, name: &str, version: u64) -> Option<String> {
    let found = journal.secret(scope(n), name, version).unwrap()?;
    found.expose_str().map(str::to_owned)
}

fn server() -> Server {
    let server = Server::new();
    server.append(1, 0, 80, vec![keep(1, "TOKEN", 1, CANARY)]);
    server.append(1, 1, 81, vec![keep(1, "TOKEN", 2, "second"), keep(1, "GONE", 1, "gone")]);
    server.append(2, 0, 82, vec![keep(2, "TOKEN", 1, "other")]);
    server.append(1, 2, 83, vec![SecretChange::Delete { scope: scope(1), name: "GONE".into() }]);
    let to = BackupPlace::new("file:///srv/mirror").unwrap();
    let mirror = Mirror { to, recipient: BackupKey::generate().recipient().clone() };
    let set = Event::Installation(InstallationEvent::MirrorSet(mirror));
    put(&server.journal, append(9, 0, &set)).unwrap();
    server.journal.save_cursor("reactor", Sequence(3)).unwrap();
    server
}

fn restored(parts: &[PathBuf], key: &BackupKey) -> (TempDir, Restored) {
    let dir = tempfile::tempdir().unwrap();
    let back = restore(dir.path(), parts, key, Replace::No, AT).unwrap();
    (dir, back)
}

#[test]
fn a_backup_comes_back_as_the_same_server() {
    let (server, key) = (server(), BackupKey::generate());
    // What waits to be noted is noted with the next commit.
    let journal = &server.journal;
    while journal.snapshot(None).unwrap().cursors.is_empty() {
        std::thread::yield_now();
    }
    let file = server.dir.path().join("b.age");
    let part = server.backup(&key, &file);
    assert_eq!(part.head.sequence, Sequence(5));
    assert_eq!(part.state_hash, Some(server.state()));
    for found in [CANARY, "hythe_0123456789abcdef"] {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(found.len()).any(|window| window == found.as_bytes()), "{found}");
    }

    let (dir, back) = restored(std::slice::from_ref(&file), &key);
    assert_eq!(back.aside, None);
    assert_eq!(back.contents.head, part.head);
    assert_eq!(Some(&back.contents.state_hash), part.state_hash.as_ref());
    assert!(back.contents.state_compared);
    assert_eq!((back.contents.secrets, back.contents.installation), (3, installation()));
    let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
    assert_eq!(state_of(&journal), server.state());
    assert_eq!(secret(&journal, 1, "TOKEN", 1).as_deref(), Some(CANARY));
    assert_eq!(secret(&journal, 1, "TOKEN", 2).as_deref(), Some("second"));
    assert_eq!(secret(&journal, 2, "TOKEN", 1).as_deref(), Some("other"));
    assert_eq!(secret(&journal, 1, "GONE", 1), None);
    assert_eq!(journal.load_cursor("reactor"), Sequence(3));
    assert!(journal.claim(&hythe_core::claims::ClaimKey("1/0".into())).unwrap().is_some());
    assert_eq!(*journal.derive_key("x").unwrap(), *server.journal.derive_key("x").unwrap());
    for name in ["owner.token", "instance"] {
        let (old, new) = (server.dir.path().join(name), dir.path().join(name));
        assert_eq!(std::fs::read(old).unwrap(), std::fs::read(new).unwrap());
    }
    let mark = mark(dir.path()).unwrap();
    assert_eq!((mark.head, mark.hash, mark.at), (Sequence(5), part.head.hash, AT));
    unmark(dir.path()).unwrap();
    assert_eq!(super::mark(dir.path()), None);
    // It goes on as the old one would have.
    put(&journal, append(1, 3, &Event::App(AppEvent::Configured(Box::default())))).unwrap();
}

#[test]
fn an_export_of_it_imports_to_the_same_state() {
    let server = server();
    let mut out = Vec::new();
    let moved = export::export(&server.journal, &mut out).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let back = export::import(dir.path(), out.as_slice()).unwrap();
    assert_eq!(back, moved);
    let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
    assert_eq!(state_of(&journal), server.state());
}

#[test]
fn an_empty_journal_comes_back_too() {
    let (server, key) = (Server::new(), BackupKey::generate());
    let file = server.dir.path().join("b.age");
    assert_eq!(server.backup(&key, &file).head.sequence, Sequence(0));
    let (dir, _) = restored(&[file], &key);
    assert_eq!(Journal::open(dir.path(), JournalOptions::default()).unwrap().head(), Sequence(0));
}

#[test]
fn what_is_on_the_disk_and_not_told_of_yet_is_in_it() {
    let (server, key) = (server(), BackupKey::generate());
    let (head, state) = (server.journal.head(), server.state());
    // As between a commit and the moment when everybody hears of it.
    server.journal.shared().head.send_replace(Sequence(head.0 - 1));
    let file = server.dir.path().join("b.age");
    assert_eq!(server.backup(&key, &file).head.sequence, head);
    let (dir, _) = restored(&[file], &key);
    let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
    assert_eq!(state_of(&journal), state);
}

#[test]
fn it_is_of_one_moment_whatever_goes_on() {
    let (server, key) = (Arc::new(server()), BackupKey::generate());
    let stop = Arc::new(AtomicBool::new(false));
    let writing = std::thread::spawn({
        let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
        move || {
            // Each event replaces the one secret: with event n of the stream goes version n.
            let mut version = 0;
            while !stop.load(Ordering::Relaxed) {
                let name = || "ONLY".to_owned();
                let gone = SecretChange::Delete { scope: scope(3), name: name() };
                let value = (version + 1).to_string();
                let new = keep(3, "ONLY", version + 1, &value);
                server.append(3, version, 80, vec![gone, new]);
                version += 1;
            }
        }
    });
    for round in 0..8 {
        let file = server.dir.path().join("b.age");
        let before = server.journal.head();
        // The state as of some event before the end, as a server that runs has it.
        let view = fold(&server.journal, Sequence(0), Some(before), View::default(), |mut v, e| {
            v.apply(&e);
            v
        });
        let (out, about) = (std::fs::File::create(&file).unwrap(), server.about());
        let view = view.unwrap().state;
        let (part, _) = backup(&server.journal, &about, key.recipient(), view, |_| out).unwrap();
        assert!(part.head.sequence >= before);
        let (dir, back) = restored(&[file], &key);
        assert!(back.contents.state_compared, "round {round}");
        let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
        let stream = StreamId { kind: hythe_core::record::AggregateKind::App, id: scope(3) };
        let version = journal.stream_version(stream).unwrap().0;
        let expected = (version > 0).then(|| version.to_string());
        assert_eq!(secret(&journal, 3, "ONLY", version.max(1)), expected, "round {round}");
        assert_eq!(back.contents.secrets, 3 + usize::from(version > 0));
    }
    stop.store(true, Ordering::Relaxed);
    writing.join().unwrap();
}

#[test]
fn what_is_there_is_never_lost() {
    let (server, key) = (server(), BackupKey::generate());
    let file = server.dir.path().join("b.age");
    let part = server.backup(&key, &file);
    // Something else than a server.
    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("thesis.tex"), "x").unwrap();
    let error =
        restore(foreign.path(), &[&file], &key, Replace::Older, AT).unwrap_err().to_string();
    assert!(error.contains("something else"), "{error}");
    // A server that runs.
    let target = self::server();
    let dir = target.dir.path().to_owned();
    let refused = |replace| restore(&dir, &[&file], &key, replace, AT).unwrap_err().to_string();
    assert!(refused(Replace::No).contains("--replace"));
    let error = refused(Replace::Older);
    assert!(error.contains("stop that server"), "{error}");
    // One that is stopped, and further than the backup.
    target.append(1, 3, 90, Vec::new());
    let state = target.state();
    target.journal.close();
    let error = refused(Replace::Older);
    assert!(error.contains("at event 6") && error.contains("--replace-newer"), "{error}");
    let journal = Journal::open(&dir, JournalOptions::default()).unwrap();
    assert_eq!(state_of(&journal), state, "nothing was touched");
    drop(journal);
    // A backup that is damaged takes nothing with it.
    let cut = server.dir.path().join("cut.age");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 10]).unwrap();
    assert!(restore(&dir, &[&cut], &key, Replace::Newer, AT).is_err());
    let journal = Journal::open(&dir, JournalOptions::default()).unwrap();
    assert_eq!(state_of(&journal), state, "nothing was touched");
    drop(journal);

    let back = restore(&dir, &[&file], &key, Replace::Newer, AT).unwrap();
    let journal = Journal::open(&dir, JournalOptions::default()).unwrap();
    assert_eq!(Some(state_of(&journal)), part.state_hash);
    let aside = back.aside.unwrap();
    let journal = Journal::open(&aside, JournalOptions::default()).unwrap();
    assert_eq!(state_of(&journal), state, "it is kept, and works");
}

#[test]
fn a_restoration_killed_among_its_last_moves_is_no_server_and_can_be_repeated() {
    let (server, key) = (server(), BackupKey::generate());
    let file = server.dir.path().join("b.age");
    let part = server.backup(&key, &file);
    // In the order in which they are moved into their place.
    let names = ["master.key", "instance", "owner.token", "restored", "journal"];
    for moved in 0..names.len() {
        let (dir, _) = restored(std::slice::from_ref(&file), &key);
        let (dir, beside) = (dir.path(), dir.path().join("restore.part"));
        std::fs::create_dir(&beside).unwrap();
        std::fs::create_dir(dir.join("replaced-1")).unwrap();
        for name in &names[moved..] {
            std::fs::rename(dir.join(name), beside.join(name)).unwrap();
        }
        let error = Journal::open(dir, JournalOptions::default()).unwrap_err().to_string();
        assert!(error.contains("did not come to its end"), "{moved}: {error}");
        assert!(!dir.join("journal").exists(), "{moved}: no new one was begun");
        let back = restore(dir, &[&file], &key, Replace::No, AT).unwrap();
        assert_eq!(Some(&back.contents.state_hash), part.state_hash.as_ref(), "{moved}");
        let journal = Journal::open(dir, JournalOptions::default()).unwrap();
        assert_eq!(state_of(&journal), server.state(), "{moved}");
        assert!(!beside.exists() && dir.join("replaced-1").exists(), "{moved}");
    }
}

#[test]
fn a_key_that_is_there_is_none_of_a_restoration_that_was_killed_early() {
    let (server, key) = (server(), BackupKey::generate());
    let file = server.dir.path().join("b.age");
    server.backup(&key, &file);
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("restore.part/journal")).unwrap();
    std::fs::write(dir.path().join("master.key"), [9; 32]).unwrap();
    let refused = restore(dir.path(), &[&file], &key, Replace::No, AT).unwrap_err().to_string();
    assert!(refused.contains("master key"), "{refused}");
    let back = restore(dir.path(), &[&file], &key, Replace::Older, AT).unwrap();
    let kept = std::fs::read(back.aside.unwrap().join("master.key")).unwrap();
    assert_eq!(kept, [9; 32]);
}
