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

use super::mirror::{Name, Stored};
use super::*;
use crate::codec;
use crate::export;
use crate::journal::record::GENESIS;
use crate::journal::tests::fixture::{meta, put, take};
use crate::journal::{Append, Journal, JournalOptions};
use crate::replay::fold;
use crate::secrets::{Secret, SecretChange};

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

/// Refused, with this in the message, and nothing is left in the target.
fn refused(bytes: &[u8], key: &BackupKey, word: &str) {
    let from = tempfile::tempdir().unwrap();
    let file = from.path().join("b.age");
    std::fs::write(&file, bytes).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let error = restore(dir.path(), &[&file], key, Replace::No, AT).unwrap_err().to_string();
    assert!(error.contains(word), "{word:?} is not in: {error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{error}");
    let looked = inspect(&[&file], key).unwrap_err().to_string();
    assert_eq!(looked, error, "looking and restoring agree");
}

#[test]
fn another_key_and_every_length_and_every_kind_of_damage_are_refused() {
    let (server, key) = (server(), BackupKey::generate());
    let file = server.dir.path().join("b.age");
    server.backup(&key, &file);
    let whole = std::fs::read(&file).unwrap();
    refused(&whole, &BackupKey::generate(), "another key");
    let public = BackupKey::parse(key.recipient().as_str()).unwrap();
    refused(&whole, &public, "public half");
    refused(b"", &key, "");
    refused(b"{\"hythe_journal\":1}\n", &key, "no age file");
    // Every length: looked at only, which reads the same.
    let cut = server.dir.path().join("cut.age");
    for len in (0..whole.len()).step_by(7).chain(whole.len() - 64..whole.len()) {
        std::fs::write(&cut, &whole[..len]).unwrap();
        assert!(inspect(&[&cut], &key).is_err(), "{len} of {} bytes", whole.len());
    }
    refused(&whole[..whole.len() - 1], &key, "");
    refused(&whole[..whole.len() / 2], &key, "");
    for at in (0..whole.len()).step_by(11) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&cut, &flipped).unwrap();
        assert!(inspect(&[&cut], &key).is_err(), "byte {at}");
    }
    let mut longer = whole;
    longer.push(0);
    std::fs::write(&cut, &longer).unwrap();
    assert!(inspect(&[&cut], &key).is_err());
}

/// An age file with this inside.
fn sealed(inside: &[u8], key: &BackupKey) -> Vec<u8> {
    use std::io::Write as _;
    let recipient = key::recipient(key.recipient()).unwrap();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
    let mut out = encryptor.wrap_output(Vec::new()).unwrap();
    out.write_all(inside).unwrap();
    out.finish().unwrap()
}

fn opened(bytes: &[u8], key: &BackupKey) -> Vec<u8> {
    use std::io::Read as _;
    let decryptor = age::Decryptor::new_buffered(bytes).unwrap();
    let mut reader = decryptor.decrypt(std::iter::once(key.identity().unwrap() as _)).unwrap();
    let mut inside = Vec::new();
    reader.read_to_end(&mut inside).unwrap();
    inside
}

fn frames(mut inside: &[u8]) -> Vec<frame::Frame> {
    frame::read_head(&mut inside).unwrap();
    let mut frames = Vec::new();
    while !inside.is_empty() {
        frames.push(frame::read(&mut inside).unwrap());
    }
    frames
}

fn remade(frames: &[frame::Frame], key: &BackupKey) -> Vec<u8> {
    let mut inside = Vec::new();
    frame::write_head(&mut inside).unwrap();
    frames.iter().for_each(|one| frame::write(&mut inside, one).unwrap());
    sealed(&inside, key)
}

#[test]
fn a_backup_that_somebody_with_the_key_changed_does_not_add_up() {
    use frame::Frame;
    let (server, key) = (server(), BackupKey::generate());
    let file = server.dir.path().join("b.age");
    server.backup(&key, &file);
    let inside = opened(&std::fs::read(&file).unwrap(), &key);
    let good = frames(&inside);
    let change = |with: &dyn Fn(&mut Vec<Frame>)| {
        let mut frames = good.clone();
        with(&mut frames);
        assert_ne!(frames, good);
        remade(&frames, &key)
    };
    let mut newer = inside;
    newer[16] = 2;
    refused(&sealed(&newer, &key), &key, "format 2");
    refused(&sealed(b"something else that is long enough", &key), &key, "none of Hythe's");
    // Cut at a frame and sealed anew: whole for age, and not for us.
    refused(&change(&|frames| drop(frames.pop())), &key, "cut short");
    refused(&change(&|frames| frames.push(frames[1].clone())), &key, "after its end");
    refused(&change(&|frames| drop(frames.remove(0))), &key, "beginning");
    refused(&change(&|frames| drop(frames.remove(1))), &key, "");
    refused(
        &change(&|frames| {
            let Frame::Records(records) = &mut frames[1] else { panic!("records come first") };
            records.swap(1, 2);
        }),
        &key,
        "does not follow",
    );
    refused(
        &change(&|frames| {
            let Frame::Records(records) = &mut frames[1] else { panic!("records come first") };
            records[1].payload.push(0);
        }),
        &key,
        "does not follow",
    );
    let wrong_state = change(&|frames| {
        let Some(Frame::End(end)) = frames.last_mut() else { panic!("it ends") };
        end.state = Some((View::FORMAT, [7; 32]));
    });
    refused(&wrong_state, &key, "another state");
    let outside = change(&|frames| {
        for one in frames.iter_mut() {
            if let Frame::File { name, bytes: _ } = one {
                *name = "../../etc/passwd".into();
            }
        }
    });
    refused(&outside, &key, "no backup has");
    let moved = change(&|frames| {
        for one in frames.iter_mut() {
            if let Frame::Secret { version, .. } = one {
                *version += 7;
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(&file, moved).unwrap();
    let error = restore(dir.path(), &[&file], &key, Replace::No, AT).unwrap_err().to_string();
    assert!(error.contains("changed or moved"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    // A state in another form than ours is not compared, and said not to be.
    let other_form = change(&|frames| {
        let Some(Frame::End(end)) = frames.last_mut() else { panic!("it ends") };
        end.state = Some((View::FORMAT + 1, [7; 32]));
    });
    std::fs::write(&file, other_form).unwrap();
    assert!(!inspect(&[&file], &key).unwrap().state_compared);
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

/// A mirror in a folder, as the part of the server that ships it keeps it.
struct Mirrored {
    dir: TempDir,
    at: (Sequence, [u8; 32]),
    known: Option<(Known, Sequence)>,
    turn: u64,
}

impl Mirrored {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), at: (Sequence(0), GENESIS), known: None, turn: 0 }
    }

    fn ship(&mut self, server: &Server, key: &BackupKey) {
        self.turn += 1;
        let (about, recipient) = (server.about(), key.recipient());
        let known = self.known.as_ref().map(|(known, at)| (known, *at));
        let done = segment(&server.journal, &about, recipient, self.at, known, Vec::new()).unwrap();
        let name = Name {
            after: self.at.0,
            upto: done.part.head.sequence,
            turn: self.turn,
            hash: Name::hash(&done.part.head.hash),
        };
        std::fs::write(self.dir.path().join(name.to_string()), &done.out).unwrap();
        self.at = (done.part.head.sequence, done.hash);
        let known = done.known.or_else(|| self.known.take().map(|(known, _)| known)).unwrap();
        self.known = Some((known, done.part.secrets_changed));
    }

    fn stored(&self) -> Vec<Stored> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| Stored {
                name: Name::parse(entry.file_name().to_str().unwrap()).unwrap(),
                bytes: entry.metadata().unwrap().len(),
            })
            .collect()
    }

    fn parts(&self) -> Vec<PathBuf> {
        let whole = mirror::whole(&self.stored());
        whole.iter().map(|name| self.dir.path().join(name.to_string())).collect()
    }
}

#[test]
fn a_mirror_follows_event_by_event_and_secret_by_secret() {
    let (server, key, mut mirror) = (Server::new(), BackupKey::generate(), Mirrored::new());
    mirror.ship(&server, &key);
    server.append(1, 0, 80, vec![keep(1, "A", 1, "one")]);
    mirror.ship(&server, &key);
    server.append(1, 1, 81, Vec::new());
    mirror.ship(&server, &key);
    server.append(1, 2, 82, vec![keep(1, "B", 1, "two"), keep(2, "C", 1, "three")]);
    mirror.ship(&server, &key);
    server.append(
        1,
        3,
        83,
        vec![
            SecretChange::Delete { scope: scope(1), name: "A".into() },
            SecretChange::DeleteScope { scope: scope(2) },
            keep(1, "B", 2, "four"),
        ],
    );
    mirror.ship(&server, &key);
    assert_eq!(mirror.parts().len(), 5);
    let check = |mirror: &Mirrored| {
        let (dir, back) = restored(&mirror.parts(), &key);
        assert_eq!(back.contents.head.sequence, server.journal.head());
        let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
        assert_eq!(state_of(&journal), server.state());
        assert_eq!(secret(&journal, 1, "A", 1), None);
        assert_eq!(secret(&journal, 2, "C", 1), None);
        assert_eq!(secret(&journal, 1, "B", 1).as_deref(), Some("two"));
        assert_eq!(secret(&journal, 1, "B", 2).as_deref(), Some("four"));
        assert_eq!(back.contents.secrets, 2);
        put(
            &journal,
            Append {
                secrets: vec![keep(2, "C", 1, "again")],
                ..append(2, 0, &Event::App(AppEvent::Configured(Box::default())))
            },
        )
        .unwrap();
    };
    check(&mirror);
    // Any beginning of it is a server of an earlier moment.
    for parts in 1..5 {
        let (dir, back) = restored(&mirror.parts()[..parts], &key);
        let journal = Journal::open(dir.path(), JournalOptions::default()).unwrap();
        assert_eq!(back.contents.head.sequence.0, parts as u64 - 1);
        assert_eq!(secret(&journal, 1, "A", 1).is_some(), parts > 1, "{parts}");
    }
    // The shipper starts anew, says everything again, and what was before is merged.
    mirror.known = None;
    mirror.ship(&server, &key);
    let (about, recipient) = (server.about(), key.recipient());
    let from = (Sequence(0), GENESIS);
    let merged =
        records_only(&server.journal, &about, recipient, from, mirror.at, Vec::new()).unwrap();
    let hash = Name::hash(&hex::encode(mirror.at.1));
    let name = Name { after: Sequence(0), upto: mirror.at.0, turn: 0, hash };
    std::fs::write(mirror.dir.path().join(name.to_string()), merged).unwrap();
    for gone in mirror::superfluous(&mirror.stored()) {
        std::fs::remove_file(mirror.dir.path().join(gone.to_string())).unwrap();
    }
    check(&mirror);
    // A part that is missing in the middle ends it there, or leaves what says nothing of itself.
    let parts = mirror.parts();
    assert!(inspect(&parts[parts.len() - 1..], &key).is_err());
    assert!(inspect(&[] as &[PathBuf], &key).is_err());
    let other = Server::new();
    let foreign = other.dir.path().join("b.age");
    other.backup(&key, &foreign);
    let mut mixed = parts;
    mixed.push(foreign);
    assert!(inspect(&mixed, &key).is_err(), "of another history");
}
