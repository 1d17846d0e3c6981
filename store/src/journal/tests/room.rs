//! A disk that is full: a real one, and one whose quota ends at any single write.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hythe_core::priority::Priority;
use redb::StorageBackend;
use zeroize::Zeroizing;

use super::fixture::{all, append, put, stream};
use super::machine::Machine;
use crate::error::AppendError;
use crate::journal::storage::{Part, Storage};
use crate::journal::{Append, Journal, JournalOptions, Space};
use crate::secrets::key::MasterKey;

/// Longer than anything takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A small file system in memory, gone with the test. Needs root, as the engine does.
struct Small {
    dir: tempfile::TempDir,
}

impl Small {
    fn mount(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .status();
        assert!(mounted.is_ok_and(|status| status.success()), "a tmpfs can be mounted (as root)");
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = File::options().append(true).create(true).open(self.filler()).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What is open in it still is let go of with this process.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

fn urgent(mut append: Append) -> Append {
    append.priority = Priority::Urgent;
    append
}

fn version(journal: &Journal) -> u64 {
    journal.stream_version(stream(1)).unwrap().0
}

/// Appends one event that can wait, as soon as that is possible again.
fn put_at_last(journal: &Journal, context: &str) {
    let began = Instant::now();
    while let Err(error) = put(journal, append(1, version(journal), &["again"])) {
        assert!(began.elapsed() < PATIENCE, "{context}: {error}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_full_disk_refuses_what_can_wait_and_takes_what_frees_until_there_is_room() {
    let disk = Small::mount("8m");
    let journal = Journal::open(disk.path(), JournalOptions::default()).unwrap();
    put(&journal, append(1, 0, &["before"])).unwrap();
    assert!(!journal.room().scarce);
    let reserve = disk.path().join("journal/reserve");
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 512 * 1024, "a sixteenth is held");

    disk.fill();
    assert!(journal.room().scarce);
    // It is looked at now and then only: one or two may find a page that is free in the file.
    let mut before = 1;
    let error = loop {
        match put(&journal, append(1, before, &["can wait"])) {
            Ok(_) => before += 1,
            Err(error) => break error,
        }
        assert!(before < 10_000, "it ends some time");
    };
    let AppendError::NoRoom(no_room) = &error else { panic!("{error}") };
    assert_eq!(no_room.place, disk.path().join("journal"));
    assert!(error.to_string().contains("0 bytes are free and 768.0 KiB are needed"), "{error}");

    // There is not a byte left but what was held back.
    let mut taken = 0_u64;
    let text = "frees something ".repeat(250);
    let none_left = loop {
        match put(&journal, urgent(append(1, version(&journal), &[&text]))) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 10_000, "it ends some time");
    };
    assert!(taken >= 10, "{taken}");
    assert!(!reserve.exists());
    assert!(matches!(none_left, AppendError::NoRoom(_)), "{none_left}");
    assert_eq!(all(&journal).len() as u64, before + taken, "reading needs no room");
    assert!(journal.verify().unwrap().is_sound());

    disk.make_room();
    put_at_last(&journal, "room again");
    assert!(!journal.room().scarce);
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 512 * 1024, "it is held again");
    assert!(journal.verify().unwrap().is_sound());
    let there = all(&journal);
    journal.close();
    let journal = Journal::open(disk.path(), JournalOptions::default()).unwrap();
    assert_eq!(all(&journal), there);
}

#[test]
fn a_journal_opens_on_a_disk_that_became_full_while_it_was_closed() {
    let disk = Small::mount("8m");
    let journal = Journal::open(disk.path(), JournalOptions::default()).unwrap();
    put(&journal, append(1, 0, &["before"])).unwrap();
    // As a crash leaves it: the files as they are while it is open.
    let copy = Small::mount("8m");
    for name in ["master.key", "journal/journal.redb", "journal/index.redb"] {
        let to = copy.path().join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(disk.path().join(name), to).unwrap();
    }
    let held = File::create(copy.path().join("journal/reserve")).unwrap();
    held.set_len(0).and_then(|()| (&held).write_all(&[0; 512 * 1024])).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(copy.path().join("master.key"), mode).unwrap();
    copy.fill();
    let opened = Journal::open(copy.path(), JournalOptions::default()).unwrap();
    assert_eq!(all(&opened), all(&journal));
    copy.make_room();
    put_at_last(&opened, "room again");
}

/// A disk with a quota, which does not show in what is free: writes on the log fail from one of
/// them on.
#[derive(Clone, Debug)]
struct Quota {
    disk: Machine,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Writes that still succeed; none where there is no quota.
    left: Option<u64>,
    holding: bool,
}

/// How many writes what is held back is good for.
const HELD_WRITES: u64 = 200;

impl State {
    fn write(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => Err(io::ErrorKind::QuotaExceeded.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Storage for Quota {
    fn open(&self, part: Part) -> io::Result<Box<dyn StorageBackend>> {
        let inner = self.disk.open(part)?;
        let state = (part == Part::Log).then(|| Arc::clone(&self.state));
        Ok(Box::new(Within { inner, state }))
    }

    fn has(&self, part: Part) -> io::Result<bool> {
        self.disk.has(part)
    }

    fn begin(&self, part: Part) -> io::Result<Box<dyn StorageBackend>> {
        self.disk.begin(part)
    }

    fn keep(&self, part: Part) -> io::Result<()> {
        self.disk.keep(part)
    }

    fn discard(&self, part: Part) -> io::Result<()> {
        self.disk.discard(part)
    }

    fn release(&self) {
        self.disk.release();
    }

    fn space(&self) -> io::Result<Option<Space>> {
        Ok(Some(Space { free: 1 << 30, total: 1 << 40 }))
    }

    fn hold(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if bytes == 0 {
            if std::mem::take(&mut state.holding) {
                state.left = state.left.map(|left| left + HELD_WRITES);
            }
            return Ok(());
        }
        if state.left.is_some() && !state.holding {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        state.holding = true;
        Ok(())
    }
}

#[derive(Debug)]
struct Within {
    inner: Box<dyn StorageBackend>,
    state: Option<Arc<Mutex<State>>>,
}

impl Within {
    fn write_one(&self) -> io::Result<()> {
        self.state.as_ref().map_or(Ok(()), |state| state.lock().unwrap().write())
    }
}

impl StorageBackend for Within {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write_one()?;
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_one()?;
        self.inner.write(offset, data)
    }
}

fn quota_ends_after(writes: u64) {
    let context = format!("the quota ends after {writes} writes");
    let disk = Quota { disk: Machine::new(writes), state: Arc::default() };
    let key = MasterKey::from_bytes(Zeroizing::new([7; 32]));
    let options = JournalOptions::default();
    let journal = Journal::open_on(Arc::new(disk.clone()), key, options).unwrap();
    put(&journal, append(1, 0, &["before"])).unwrap();
    disk.state.lock().unwrap().left = Some(writes);

    let mut written = vec!["before".to_owned()];
    let refused = loop {
        let text = format!("event {}", written.len());
        match put(&journal, append(1, written.len() as u64, &[&text])) {
            Ok(_) => written.push(text),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::NoRoom(_)), "{context}: {refused}");
    // Some of what was held back may have gone into opening the file again.
    for _ in 0..3 {
        let text = format!("urgent {}", written.len());
        put(&journal, urgent(append(1, written.len() as u64, &[&text])))
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        written.push(text);
    }
    let texts = |journal: &Journal| all(journal).into_iter().map(|(_, _, text)| text);
    assert!(texts(&journal).eq(written.iter().cloned()), "{context}");

    disk.state.lock().unwrap().left = None;
    put_at_last(&journal, &context);
    assert!(journal.verify().unwrap().is_sound(), "{context}");
    assert!(texts(&journal).take(written.len()).eq(written), "{context}");
    assert!(disk.state.lock().unwrap().holding, "{context}: some is held back again");
}

#[test]
fn a_quota_may_end_at_any_write() {
    // Most of the time is spent waiting until another try makes sense.
    std::thread::scope(|scope| {
        for writes in 0..40 {
            scope.spawn(move || quota_ends_after(writes));
        }
    });
}
