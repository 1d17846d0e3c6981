//! A mirror: parts that follow each other, and what they come to.

use super::super::mirror::{Name, Stored};
use super::*;
use crate::journal::record::GENESIS;

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
