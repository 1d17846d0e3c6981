//! Secrets through the journal: kept, removed, and found nowhere in the clear.

use std::path::Path;

use hythe_core::record::Sequence;
use tempfile::TempDir;
use uuid::Uuid;

use super::fixture::{append, put};
use crate::error::{AppendError, StoreError};
use crate::journal::{Append, Journal, JournalOptions};
use crate::secrets::{Secret, SecretChange};

const SCOPE: Uuid = Uuid::from_u128(0x5c);

fn open(dir: &TempDir) -> Journal {
    Journal::open(dir.path(), JournalOptions::default()).unwrap()
}

fn keep(name: &str, version: u64, value: &str) -> SecretChange {
    let value = Secret::from(value.to_owned());
    SecretChange::Put { scope: SCOPE, name: name.into(), version, value }
}

fn with(mut append: Append, secrets: Vec<SecretChange>) -> Append {
    append.secrets = secrets;
    append
}

fn text(journal: &Journal, name: &str, version: u64) -> Option<String> {
    let secret = journal.secret(SCOPE, name, version).unwrap()?;
    secret.expose_str().map(str::to_owned)
}

#[test]
fn secrets_come_and_go_with_their_append() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let both = vec![keep("A", 1, "one"), keep("A", 2, "two"), keep("B", 1, "three")];
    put(&journal, with(append(1, 0, &["set"]), both)).unwrap();
    assert_eq!(text(&journal, "A", 1).as_deref(), Some("one"));
    assert_eq!(text(&journal, "A", 2).as_deref(), Some("two"));
    assert_eq!(text(&journal, "A", 3), None);
    // A refused append leaves no secret behind.
    put(&journal, with(append(1, 0, &["no"]), vec![keep("C", 1, "x")])).unwrap_err();
    assert_eq!(text(&journal, "C", 1), None);
    let again = put(&journal, with(append(1, 1, &["no"]), vec![keep("A", 2, "x")]));
    assert!(matches!(again, Err(AppendError::Invalid { .. })));
    let gone = SecretChange::Delete { scope: SCOPE, name: "A".into() };
    put(&journal, with(append(1, 1, &["unset"]), vec![gone])).unwrap();
    assert_eq!(text(&journal, "A", 1), None);
    drop(journal);
    let journal = open(&dir);
    assert_eq!(text(&journal, "B", 1).as_deref(), Some("three"));
    let gone = SecretChange::DeleteScope { scope: SCOPE };
    put(&journal, with(append(1, 2, &["end"]), vec![gone])).unwrap();
    assert_eq!(text(&journal, "B", 1), None);
    assert_eq!(journal.head(), Sequence(3));
}

#[test]
fn the_value_is_nowhere_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let canary = "canary-4c1f-never-on-disk";
    let append = with(append(1, 0, &["set"]), vec![keep("TOKEN", 1, canary)]);
    assert!(!format!("{append:?}").contains(canary));
    put(&journal, append).unwrap();
    let key = journal.derive_key("sealing").unwrap();
    drop(journal);
    let mut files = 0;
    let mut folders = vec![dir.path().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let found = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
            assert!(!found(canary.as_bytes()), "{}", path.display());
            assert!(!found(&canary.as_bytes()[7..16]), "{}", path.display());
            assert!(!found(&*key), "{}", path.display());
        }
    }
    assert!(files >= 4, "log, index, lock and key");
}

#[test]
fn a_journal_without_its_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let key = dir.path().join("master.key");
    let kept = std::fs::read(&key).unwrap();
    let refused = |dir: &Path| Journal::open(dir, JournalOptions::default()).unwrap_err();
    std::fs::remove_file(&key).unwrap();
    assert!(refused(dir.path()).to_string().contains("missing"));
    assert!(!key.exists(), "no new key beside an old journal");
    std::fs::write(&key, [7; 32]).unwrap();
    assert!(matches!(refused(dir.path()), StoreError::MasterKey { .. }));
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert!(refused(dir.path()).to_string().contains("not the key"));
    std::fs::write(&key, kept).unwrap();
    drop(open(&dir));
}
