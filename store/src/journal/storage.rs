//! Where the journal's two files live: a directory, or whatever a test puts in its place.
//!
//! Everything that reaches the disk goes through a [`redb::StorageBackend`] that a [`Storage`]
//! hands out, so that a test can lose, tear or refuse any single write.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::steps::Step;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, PosixFadviseAdvice, fallocate, posix_fadvise};
use nix::sys::statfs::{EXT4_SUPER_MAGIC, FsType, statfs};
use nix::sys::statvfs::statvfs;
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use super::ahead::Ahead;
use super::overlay::Overlay;
use super::pages::{Health, Keep, Pages};
use super::room::Space;
use crate::durable::put_in_place;
use crate::error::{StoreError, io};

/// What nix has under this name for some targets only.
const XFS_SUPER_MAGIC: FsType = FsType(0x5846_5342);
/// Less room than this, in bytes, is not taken before it is needed.
const ROOMY: u64 = 128 * 1024 * 1024;

/// One of the journal's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The log and what is committed with it: the truth.
    Log,
    /// What is derived from the log: lost, it is built again.
    Index,
}

impl Part {
    const fn file(self) -> &'static str {
        match self {
            Self::Log => "journal.redb",
            Self::Index => "index.redb",
        }
    }

    /// The check sums of its pages: see [`Pages`].
    const fn sums(self) -> &'static str {
        match self {
            Self::Log => "journal.sums",
            Self::Index => "index.sums",
        }
    }
}

/// Hands out the journal's files. Must hand out each only once at a time.
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Opens a file; the index, empty where there was none. Called again after a failure: what is read then
    /// must be what is on the disk, not what was meant to be.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, part: Part) -> io::Result<Box<dyn StorageBackend>>;

    /// What is known of the pages of the file opened last; none where nobody looks.
    fn health(&self, part: Part) -> Option<Arc<Health>> {
        let _ = part;
        None
    }

    /// Whether there is such a file.
    ///
    /// # Errors
    /// What the system says.
    fn has(&self, part: Part) -> io::Result<bool>;

    /// Opens an empty file apart, in which a new one is laid out. What an earlier attempt left
    /// there is gone.
    ///
    /// # Errors
    /// What the system says.
    fn begin(&self, part: Part) -> io::Result<Box<dyn StorageBackend>>;

    /// Puts the file laid out apart in its place, at once and for good.
    ///
    /// # Errors
    /// What the system says.
    fn keep(&self, part: Part) -> io::Result<()>;

    /// Throws a file away.
    ///
    /// # Errors
    /// What the system says.
    fn discard(&self, part: Part) -> io::Result<()>;

    /// Gives up what keeps others out. Called last.
    fn release(&self);

    /// How much room there is; none where there is no bound, or nobody can say.
    ///
    /// # Errors
    /// What the system says.
    fn space(&self) -> io::Result<Option<Space>> {
        Ok(None)
    }

    /// Holds back so many bytes, no more and no less; 0 gives up what is held. Where that fails,
    /// it is as before.
    ///
    /// # Errors
    /// What the system says, such as that there is no room.
    fn hold(&self, bytes: u64) -> io::Result<()> {
        let _ = bytes;
        Ok(())
    }

    /// Where all this is, for messages.
    fn place(&self) -> PathBuf {
        PathBuf::new()
    }
}

/// The journal's own directory, locked against other processes.
#[derive(Debug)]
pub struct Directory {
    dir: PathBuf,
    lock: Mutex<Option<File>>,
    read_only: bool,
    /// Looking only, a discarded file is still there but counts as empty.
    hidden: AtomicBool,
    /// What is known of the files' pages.
    health: Mutex<Vec<(Part, Arc<Health>)>>,
}

impl Directory {
    /// Opens and locks the directory, made (mode 0700) where there is none.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process has it, or what the system says.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(io(format!("make the journal's directory {}", dir.display())))?;
        Self::locked(dir, false)
    }

    /// Opens the directory to look only: nothing in it is changed, and a server is kept out
    /// while it is open.
    ///
    /// # Errors
    /// [`StoreError::Missing`] without a journal there, [`StoreError::InUse`] where a process
    /// writes it, or what the system says.
    pub fn open_read_only(dir: &Path) -> Result<Self, StoreError> {
        if !dir.join(Part::Log.file()).is_file() {
            return Err(StoreError::Missing { dir: dir.into() });
        }
        Self::locked(dir, true)
    }

    fn apart(&self, part: Part) -> PathBuf {
        self.dir.join(part.file()).with_extension("redb.new")
    }

    /// A file with the sums that were kept of its pages.
    fn checked(&self, part: Part, file: Box<dyn StorageBackend>) -> io::Result<Pages> {
        let path = self.dir.join(part.sums());
        // Not synced either: torn or lost, they are as good as none.
        let kept = std::fs::read(&path).ok();
        let keep: Keep = Box::new(move |sums: &[u8]| {
            let mut file = OpenOptions::new();
            file.write(true).create(true).truncate(true).mode(0o600);
            file.open(&path)?.write_all(sums)
        });
        let keep = (!self.read_only).then_some(keep);
        let (pages, health) = Pages::over(file, kept.as_deref(), keep)?;
        let mut all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(of, _)| *of != part);
        all.push((part, health));
        Ok(pages)
    }

    /// The log's file, filled ahead where that spares something: where the file system writes
    /// over what is there instead of writing it elsewhere.
    fn ahead(&self, file: Box<dyn StorageBackend>) -> io::Result<Box<dyn StorageBackend>> {
        let in_place = [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC];
        if !statfs(&self.dir).is_ok_and(|found| in_place.contains(&found.filesystem_type())) {
            return Ok(file);
        }
        let dir = self.dir.clone();
        let roomy = move || room(&dir).is_ok_and(|space| space.free >= ROOMY);
        Ok(Box::new(Ahead::over(file, Box::new(roomy))?))
    }

    /// The file that holds room back: its bytes mean nothing.
    fn reserve(&self) -> PathBuf {
        self.dir.join("reserve")
    }

    fn locked(dir: &Path, read_only: bool) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io(format!("open {}", path.display())))?;
        let taken = if read_only { file.try_lock_shared() } else { file.try_lock() };
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = match holder.trim().parse::<u32>() {
                    Ok(pid) => format!("process {pid}"),
                    Err(_) => "another process".into(),
                };
                return Err(StoreError::InUse { dir: dir.into(), holder });
            }
            Err(TryLockError::Error(error)) => {
                return Err(io(format!("lock {}", path.display()))(error));
            }
        }
        if !read_only {
            // Only said for the message of whoever comes second: losing it does no harm.
            let _ = file.set_len(0).and_then(|()| {
                file.rewind()?;
                writeln!(file, "{}", std::process::id())
            });
        }
        Ok(Self {
            dir: dir.into(),
            lock: Mutex::new(Some(file)),
            read_only,
            hidden: AtomicBool::new(false),
            health: Mutex::default(),
        })
    }
}

fn room(dir: &Path) -> io::Result<Space> {
    let found = statvfs(dir)?;
    let unit = found.fragment_size();
    let bytes = |blocks: u64| blocks.saturating_mul(unit);
    Ok(Space { free: bytes(found.blocks_available()), total: bytes(found.blocks()) })
}

impl Storage for Directory {
    fn open(&self, part: Part) -> io::Result<Box<dyn StorageBackend>> {
        let path = self.dir.join(part.file());
        if self.read_only {
            let absent = match part {
                Part::Log => false,
                Part::Index => self.hidden.load(Ordering::Relaxed) || !path.exists(),
            };
            let overlay = match absent {
                true => Overlay::empty(),
                false => Overlay::over(File::open(path)?)?,
            };
            return Ok(Box::new(self.checked(part, Box::new(overlay))?));
        }
        let fresh = part == Part::Index && !path.exists();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(fresh)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        if fresh {
            File::open(&self.dir)?.sync_all()?;
        }
        // After a failed fsync Linux marks the pages clean and goes on serving them: without
        // this, a reopened journal would read what the disk never took.
        let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        let file = Box::new(FileBackend::new(file).map_err(io::Error::other)?);
        let file: Box<dyn StorageBackend> = match part {
            Part::Log => self.ahead(file)?,
            Part::Index => file,
        };
        Ok(Box::new(self.checked(part, file)?))
    }

    fn health(&self, part: Part) -> Option<Arc<Health>> {
        let all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(of, _)| *of == part).map(|(_, health)| Arc::clone(health))
    }

    fn has(&self, part: Part) -> io::Result<bool> {
        self.dir.join(part.file()).try_exists()
    }

    fn begin(&self, part: Part) -> io::Result<Box<dyn StorageBackend>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.apart(part))?;
        Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
    }

    fn keep(&self, part: Part) -> io::Result<()> {
        File::open(self.apart(part))?.sync_all()?;
        put_in_place(&self.apart(part), &self.dir.join(part.file()), Step::JournalMade)
    }

    fn discard(&self, part: Part) -> io::Result<()> {
        if self.read_only {
            self.hidden.store(true, Ordering::Relaxed);
            return Ok(());
        }
        match std::fs::remove_file(self.dir.join(part.file())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn release(&self) {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Not only closed: a process that is just being started holds a copy until its exec, and
        // with it the lock.
        if let Some(file) = lock {
            let _ = file.unlock();
        }
    }

    fn space(&self) -> io::Result<Option<Space>> {
        room(&self.dir).map(Some)
    }

    fn hold(&self, bytes: u64) -> io::Result<()> {
        if self.read_only {
            return Ok(());
        }
        if bytes == 0 {
            return match std::fs::remove_file(self.reserve()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            };
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.reserve())?;
        let before = file.metadata()?.len();
        if before >= bytes {
            return file.set_len(bytes);
        }
        let length = i64::try_from(bytes).map_err(io::Error::other)?;
        match fallocate(&file, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(()),
            // Such a file system promises nothing: the mark in what is free has to do.
            Err(Errno::EOPNOTSUPP) => self.hold(0),
            Err(error) => {
                match before {
                    0 => self.hold(0)?,
                    before => file.set_len(before)?,
                }
                Err(error.into())
            }
        }
    }

    fn place(&self) -> PathBuf {
        self.dir.clone()
    }
}

/// A backend behind a pointer, which redb's builder does not take as it is.
#[derive(Debug)]
pub(crate) struct Backend(pub(crate) Box<dyn StorageBackend>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}
