//! Putting a backup back: beside the target first, checked there, and only then moved in place.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hythe_core::priority::Priority;
use hythe_core::record::{Recorded, Sequence, Version};
use hythe_core::time::Timestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::frame::{Begin, Frame, Record};
use super::read::{Contents, Reading};
use super::{BackupError, BackupKey, FILES, failed};
use crate::error::{AppendError, StoreError};
use crate::journal::record::{Event, GENESIS, Hash, chain};
use crate::journal::snapshot::{SealedSecret, SealedSecrets};
use crate::journal::storage::Directory;
use crate::journal::{Append, Journal, JournalOptions, Payload};
use crate::secrets::key::MasterKey;
use crate::window::{self, Told, Window};

/// Where a restoration works.
const BESIDE: &str = "restore.part";
/// What a folder begins with to which a restoration moved what was there before.
const ASIDE: &str = "replaced-";
/// What tells the next start of the server that it was restored.
pub const MARK: &str = "restored";

/// What to do with a server that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Refuse.
    No,
    /// Move it aside, where the backup has everything that it has.
    Older,
    /// Move it aside even where it has events that the backup has not.
    Newer,
}

/// What a restoration came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What was put back.
    pub contents: Contents,
    /// Where what was there before lies now.
    pub aside: Option<PathBuf>,
}

/// The events so far: each must follow from the one before.
pub(super) struct Chain {
    at: u64,
    hash: Hash,
    buffer: Vec<u8>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { at: 0, hash: GENESIS, buffer: Vec::new() }
    }
}

impl Chain {
    pub(super) const fn head(&self) -> (Sequence, Hash) {
        (Sequence(self.at), self.hash)
    }

    /// What writes the same event again, and the event.
    pub(super) fn next(
        &mut self,
        sequence: Sequence,
        record: Record,
    ) -> Result<(Append, Recorded<Payload>), BackupError> {
        let Record { stream, version, meta, schema, payload, claims, hash } = record;
        let payload = Payload { schema, bytes: payload };
        let event = Event {
            sequence: sequence.0,
            stream,
            version: version.0,
            meta: &meta,
            schema: payload.schema,
            payload: &payload.bytes,
        };
        let follows = chain(&mut self.buffer, &self.hash, &event, &claims)?;
        if sequence.0 != self.at + 1 || follows != hash {
            return Err(BackupError::Damaged(format!(
                "the hash of event {sequence} does not follow from it and the one before it"
            )));
        }
        (self.at, self.hash) = (sequence.0, hash);
        let expected = Version(version.0.saturating_sub(1));
        let event =
            Recorded { sequence, stream, version, meta: meta.clone(), event: payload.clone() };
        let events = vec![payload];
        let priority = Priority::Urgent;
        let append =
            Append { stream, expected, events, meta, claims, secrets: Vec::new(), priority };
        Ok((append, event))
    }
}

/// What lies beside the log, as of the parts so far.
#[derive(Default)]
pub(super) struct Beside {
    whole: bool,
    files: BTreeMap<String, Zeroizing<Vec<u8>>>,
    keys: BTreeMap<Uuid, Vec<u8>>,
    pub(super) secrets: BTreeMap<(Uuid, String, u64), Vec<u8>>,
    cursors: BTreeMap<String, Sequence>,
}

impl Beside {
    pub(super) fn take(&mut self, entry: Frame) -> Result<(), BackupError> {
        match entry {
            Frame::Whole => *self = Self { whole: true, ..Self::default() },
            Frame::File { name, bytes } => {
                if !FILES.contains(&name.as_str()) {
                    return Err(BackupError::Damaged("it has a file that no backup has".into()));
                }
                self.files.insert(name, Zeroizing::new(bytes));
            }
            Frame::Key { scope, wrapped } => {
                self.keys.insert(scope, wrapped);
            }
            Frame::KeyGone { scope } => {
                self.keys.remove(&scope);
            }
            Frame::Secret { scope, name, version, sealed } => {
                self.secrets.insert((scope, name, version), sealed);
            }
            Frame::SecretGone { scope, name, version } => {
                self.secrets.remove(&(scope, name, version));
            }
            Frame::Cursor { name, at } => {
                self.cursors.insert(name, at);
            }
            Frame::Begin(_) | Frame::Records(_) | Frame::End(_) => {
                return Err(BackupError::Damaged("an entry is where none can be".into()));
            }
        }
        Ok(())
    }

    pub(super) fn check(&self, begin: &Begin) -> Result<(), BackupError> {
        let incomplete = |what: &str| Err(BackupError::Damaged(what.into()));
        if !self.whole {
            return incomplete("what lies beside the events is not in it");
        }
        if self.files.get(FILES[0]).is_none_or(|key| key.len() != 32) {
            return incomplete("there is no master key in it");
        }
        if self.cursors.values().any(|at| *at > begin.head) {
            return incomplete("somebody has come further in it than its last event");
        }
        Ok(())
    }

    fn master_key(&self) -> Option<MasterKey> {
        let bytes = <[u8; 32]>::try_from(self.files.get(FILES[0])?.as_slice()).ok()?;
        Some(MasterKey::from_bytes(Zeroizing::new(bytes)))
    }

    fn sealed(&self) -> SealedSecrets {
        let secret = |((scope, name, version), sealed): (&(Uuid, String, u64), &Vec<u8>)| {
            let (name, sealed) = (name.clone(), sealed.clone());
            SealedSecret { scope: *scope, name, version: *version, sealed }
        };
        SealedSecrets {
            keys: self.keys.iter().map(|(scope, wrapped)| (*scope, wrapped.clone())).collect(),
            secrets: self.secrets.iter().map(secret).collect(),
        }
    }
}

/// Makes a data directory from a backup, or from the parts of a mirror in their order.
///
/// All of it is built and checked in a folder beside: hashes, claims, that every secret opens, and
/// the state that the events make. What is there already is touched only after that, and only
/// moved aside. The next start of the server finds a mark that it was restored, and sees to it
/// that what was live runs again.
///
/// # Errors
/// What is wrong with the backup, the key or the target; then nothing of the target was changed.
pub fn restore(
    dir: &Path,
    parts: &[impl AsRef<Path>],
    key: &BackupKey,
    replace: Replace,
    now: Timestamp,
) -> Result<Restored, BackupError> {
    take_back(dir)?;
    let there = occupied(dir);
    if let (Some(what), Replace::No) = (&there, replace) {
        return Err(BackupError::Refused(format!(
            "there is a {what} in {} already; choose an empty folder, or give --replace, which \
             moves what is there aside once the backup is verified",
            dir.display()
        )));
    }
    if there.is_none() && !empty(dir)? {
        return Err(BackupError::Refused(format!(
            "{} holds something else already; choose an empty folder",
            dir.display()
        )));
    }
    // Held until the new one is in place: a server must not start in between, and one that runs is
    // refused at once rather than after all the work.
    let lock = lock(dir)?;
    let beside = dir.join(BESIDE);
    remove(&beside)?;
    let doing = || format!("make the folder {}", beside.display());
    DirBuilder::new().recursive(true).mode(0o700).create(&beside).map_err(failed(doing()))?;
    let built = build(&beside, parts, key, now).and_then(|contents| {
        if there.is_some() {
            compare(dir, &contents, replace)?;
        }
        Ok(contents)
    });
    let placed = built.and_then(|contents| {
        let aside = if there.is_some() { Some(move_aside(dir, now)?) } else { None };
        place(&beside, dir)?;
        Ok(Restored { contents, aside })
    });
    drop(lock);
    let tidied = remove(&beside);
    let restored = placed?;
    tidied?;
    Ok(restored)
}

/// Refuses a folder whose restoration was killed before the journal was in its place: a server that began
/// there would be a new one, with nothing in it.
pub(crate) fn came_to_its_end(dir: &Path) -> Result<(), StoreError> {
    let beside = dir.join(BESIDE);
    if dir.join("journal").exists() || !beside.join("journal").exists() {
        return Ok(());
    }
    Err(StoreError::Invalid(format!(
        "open the journal in {}: a restoration did not come to its end there; give it again, or remove \
         {} to begin with a new server",
        dir.display(),
        beside.display()
    )))
}

/// One that was killed while it put its files in place left keys without their journal, which is still
/// beside. They are moved back to it, or they would count as a server that is there.
fn take_back(dir: &Path) -> Result<(), BackupError> {
    let beside = dir.join(BESIDE);
    // The mark is made last of all that is moved.
    let placing = beside.join(MARK).exists() || dir.join(MARK).exists();
    if !placing || came_to_its_end(dir).is_ok() {
        return Ok(());
    }
    for name in FILES.into_iter().chain([MARK]) {
        let (from, to) = (dir.join(name), beside.join(name));
        if from.exists() && !to.exists() {
            #[expect(clippy::disallowed_methods, reason = "no process serves from it yet")]
            std::fs::rename(&from, &to).map_err(failed(format!("move {} back", from.display())))?;
        }
    }
    Ok(())
}

fn occupied(dir: &Path) -> Option<&'static str> {
    let all = ["journal", "master.key", "instance"];
    all.into_iter().find(|name| dir.join(name).exists()).map(|name| match name {
        "journal" => "journal",
        "master.key" => "master key",
        _ => "installation",
    })
}

/// Whether nothing lies in a folder but what a mount point brings along, a log, an earlier
/// attempt and what that moved aside, or the key that is to be used.
fn empty(dir: &Path) -> Result<bool, BackupError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(failed(format!("read {}", dir.display()))(error)),
    };
    for entry in entries {
        let name = entry.map_err(failed(format!("read {}", dir.display())))?.file_name();
        let log = Path::new(&name).extension().is_some_and(|end| end == "log");
        let ours = [BESIDE, "lost+found", super::key::FILE].iter().any(|known| name == **known);
        let aside = name.to_string_lossy().starts_with(ASIDE);
        if !log && !ours && !aside {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Keeps servers out of the journal that is there, while this is held.
fn lock(dir: &Path) -> Result<Option<Directory>, BackupError> {
    let journal = dir.join("journal");
    match Directory::open_read_only(&journal) {
        Ok(lock) => Ok(Some(lock)),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(StoreError::InUse { dir: _, holder }) => Err(BackupError::Refused(format!(
            "{holder} is using {}; stop that server first",
            dir.display()
        ))),
        Err(error) => Err(error.into()),
    }
}

fn build(
    beside: &Path,
    parts: &[impl AsRef<Path>],
    key: &BackupKey,
    now: Timestamp,
) -> Result<Contents, BackupError> {
    // Read once to the end before anything is written: the key of the journal comes last.
    let mut reading = Reading::default();
    for path in parts {
        reading.part(path.as_ref(), key, &mut |_| Ok(()))?;
    }
    let contents = reading.finish()?;
    let Reading { beside: found, .. } = reading;
    let master = found
        .master_key()
        .ok_or_else(|| BackupError::Damaged("there is no master key in it".into()))?;
    let storage = Arc::new(Directory::open(&beside.join("journal"))?);
    let journal = Journal::open_on(storage, master, JournalOptions::default())?;
    let mut writing = Reading::default();
    let mut waiting = Window::default();
    for path in parts {
        writing.part(path.as_ref(), key, &mut |append| {
            let told = window::submit(&journal, &append).map_err(|error| refused(&error))?;
            waiting.add(window::size(&append), told);
            while let Some(told) = waiting.full() {
                settle(&told)?;
            }
            Ok(())
        })?;
    }
    while let Some(told) = waiting.oldest() {
        settle(&told)?;
    }
    journal.put_back(&found.sealed(), &found.cursors.clone().into_iter().collect::<Vec<_>>())?;
    let report = journal.verify()?;
    journal.close();
    if let Some(problem) = report.problems.first() {
        return Err(BackupError::Damaged(format!("{}: {}", problem.place, problem.what)));
    }
    if (report.head, &report.hash) != (contents.head.sequence, &contents.head.hash) {
        let what = "what was written ends with another event than the backup".into();
        return Err(BackupError::Damaged(what));
    }
    for (name, bytes) in &found.files {
        write(&beside.join(name), bytes)?;
    }
    if !found.files.contains_key("instance") {
        write(&beside.join("instance"), format!("{}\n", contents.installation).as_bytes())?;
    }
    let mark = format!("{} {} {}\n", contents.head.sequence, contents.head.hash, now.0);
    write(&beside.join(MARK), mark.as_bytes())?;
    Ok(contents)
}

fn settle(told: &Told) -> Result<(), BackupError> {
    told.recv().unwrap_or(Err(AppendError::Closed)).map(drop).map_err(|error| refused(&error))
}

fn refused(error: &AppendError) -> BackupError {
    StoreError::Database { doing: "restore an event".into(), why: error.to_string() }.into()
}

/// A server of the same installation that is further than the backup would lose events.
fn compare(dir: &Path, contents: &Contents, replace: Replace) -> Result<(), BackupError> {
    if replace != Replace::Older {
        return Ok(());
    }
    // One that cannot be read has nothing to lose that could be named.
    let Ok(journal) = Journal::open_read_only(dir) else { return Ok(()) };
    let (head, backup) = (journal.head(), contents.head.sequence);
    if head <= backup {
        return Ok(());
    }
    Err(BackupError::Refused(format!(
        "the server in {} is at event {head}, and the backup ends at event {backup}: it is older, \
         and {} events would be gone; give --replace-newer to restore it all the same (what is \
         there is moved aside and kept)",
        dir.display(),
        head.0 - backup.0
    )))
}

fn move_aside(dir: &Path, now: Timestamp) -> Result<PathBuf, BackupError> {
    let aside = (0..1000)
        .map(|n| dir.join(format!("{ASIDE}{}", now.0 + n)))
        .find(|aside| !aside.exists())
        .ok_or_else(|| BackupError::Refused("there are too many replaced-… folders".into()))?;
    let doing = || format!("move what is there to {}", aside.display());
    DirBuilder::new().mode(0o700).create(&aside).map_err(failed(doing()))?;
    // The mark of an earlier restoration belongs to what goes.
    for name in ["journal"].into_iter().chain(FILES).chain([MARK]) {
        #[expect(clippy::disallowed_methods, reason = "no process serves from it any more")]
        let moved = std::fs::rename(dir.join(name), aside.join(name));
        match moved {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(doing())(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    sync(&aside)?;
    Ok(aside)
}

fn place(beside: &Path, dir: &Path) -> Result<(), BackupError> {
    let doing = || format!("put the restored server into {}", dir.display());
    // The keys first: a journal without its key would be refused for ever.
    for name in FILES.into_iter().chain([MARK, "journal"]) {
        #[expect(clippy::disallowed_methods, reason = "no process serves from it yet")]
        let moved = std::fs::rename(beside.join(name), dir.join(name));
        match moved {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(doing())(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    sync(dir)
}

fn sync(dir: &Path) -> Result<(), BackupError> {
    let doing = format!("sync {}", dir.display());
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(doing))
}

fn remove(beside: &Path) -> Result<(), BackupError> {
    match std::fs::remove_dir_all(beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed(format!("remove {}", beside.display()))(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let doing = || format!("write {}", path.display());
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(path).map_err(failed(doing()))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed(doing()))
}

/// The mark that a restoration left, where the server has not started since.
#[must_use]
pub fn mark(dir: &Path) -> Option<hythe_core::installation::Restored> {
    let text = std::fs::read_to_string(dir.join(MARK)).ok()?;
    let mut words = text.split_whitespace();
    let head = Sequence(words.next()?.parse().ok()?);
    let hash = words.next().filter(|hash| hash.len() == 64)?.to_owned();
    let at = Timestamp(words.next()?.parse().ok()?);
    Some(hythe_core::installation::Restored { head, hash, at })
}

/// Takes the mark away: the server has noted it.
///
/// # Errors
/// What the system says.
pub fn unmark(dir: &Path) -> Result<(), BackupError> {
    std::fs::remove_file(dir.join(MARK)).map_err(failed("remove the mark of the restoration"))?;
    sync(dir)
}
