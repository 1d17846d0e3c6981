//! The journal: everything that happened, in one order, once.
//!
//! **What must hold.** Whoever was told that an append succeeded finds it for ever. Nothing is
//! visible before it is on the disk. What is on the disk is a gapless prefix of what was accepted,
//! in the order of acceptance. No record is handed out whose hash does not follow from its bytes
//! and its predecessor. Everything else (the stream index, checkpoints) is derived and can be
//! thrown away.
//!
//! One thread writes the log ([`writer`]), another the index ([`indexer`]); callers read on their
//! own threads, in short transactions.

mod ahead;
mod block;
mod checkpoint;
pub mod claims;
mod cursor;
mod group;
mod indexer;
pub mod limits;
mod open;
pub mod options;
mod overlay;
pub mod pages;
mod postings;
mod queue;
mod reader;
mod recent;
pub mod record;
mod room;
mod shared;
pub mod snapshot;
pub mod storage;
pub(crate) mod summary;
pub(crate) mod tables;
mod tail;
mod varint;
pub mod verify;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::priority::Priority;
use hythe_core::record::{Meta, Recorded, Sequence, StreamId, Version};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;
use zeroize::Zeroizing;

use self::block::Growing;
use self::claims::ClaimOwner;
use self::cursor::Cursors;
pub use self::options::JournalOptions;
use self::queue::{Job, Queue};
use self::record::Stored;
use self::shared::{Bell, Shared};
use self::storage::{Directory, Part, Storage};
use self::tail::Tail;
use crate::error::{AppendError, StoreError, io};
use crate::guard::{LOG, contained};
use crate::secrets::key::MasterKey;
use crate::secrets::vault::Vault;
use crate::secrets::{Secret, SecretChange};

pub use self::queue::Done;
pub use self::room::{NoRoom, Room, Space};

/// An event's bytes, and the number of the schema that they follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Which schema.
    pub schema: u16,
    /// The bytes, at most [`limits::MOST_PAYLOAD_BYTES`].
    pub bytes: Vec<u8>,
}

/// Events for one stream, and what goes with them: all of it is done, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Which stream.
    pub stream: StreamId,
    /// The stream's version before; appends queued earlier count.
    pub expected: Version,
    /// What happened, at least one event.
    pub events: Vec<Payload>,
    /// When, who, why.
    pub meta: Meta,
    /// Unique keys taken or given back.
    pub claims: Vec<ClaimChange>,
    /// Secrets kept or removed.
    pub secrets: Vec<SecretChange>,
    /// Whether it may use the room that is kept back while there is little.
    pub priority: Priority,
}

/// Where an append's events are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The first event.
    pub first: Sequence,
    /// The last event. All in between belong to this append.
    pub last: Sequence,
    /// The stream's version afterwards.
    pub version: Version,
}

/// The journal. Cheap to clone; closed by [`Journal::close`] or with the last clone.
#[derive(Clone)]
pub struct Journal {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("head", &self.head()).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the journal of a data directory, made where there is none: the log and the index in
    /// `journal/`, the master key in `master.key`.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process has it, [`StoreError::MasterKey`] where the
    /// key is missing, unsafe or another one, [`StoreError::Newer`] where a later version wrote
    /// it, [`StoreError::Damaged`] where it is not what was written, [`StoreError::Invalid`] where a
    /// restoration or an import into the directory was killed half way, or what the system says.
    pub fn open(dir: &Path, options: JournalOptions) -> Result<Self, StoreError> {
        crate::backup::came_to_its_end(dir)?;
        crate::export::came_to_its_end(dir)?;
        let storage = Directory::open(&dir.join("journal"))?;
        let path = dir.join("master.key");
        let there = storage.has(Part::Log).map_err(io("look for the journal's file"))?;
        let key = if there { MasterKey::load(&path)? } else { MasterKey::load_or_create(&path)? };
        Self::open_on(Arc::new(storage), key, options)
    }

    /// Opens a journal on any storage.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(
        storage: Arc<dyn Storage>,
        key: MasterKey,
        options: JournalOptions,
    ) -> Result<Self, StoreError> {
        let (shared, end) = contained(LOG, || prepare(storage, Some(key), options))?;
        let handle = Arc::new(Handle { shared, threads: Mutex::default() });
        let writer = writer::Writer::new(Arc::clone(&handle.shared), end);
        handle.spawn("journal-writer", move || writer.run())?;
        let shared = Arc::clone(&handle.shared);
        handle.spawn("journal-index", move || indexer::run(&shared))?;
        Ok(Self { handle })
    }

    /// Opens the journal of a data directory to look at it only: changes nothing there, not even
    /// to repair what a crash left. Appends are answered with "closed", secrets cannot be read.
    ///
    /// # Errors
    /// As [`Journal::open`], and [`StoreError::Missing`] where there is none.
    pub fn open_read_only(dir: &Path) -> Result<Self, StoreError> {
        let storage = Arc::new(Directory::open_read_only(&dir.join("journal"))?);
        let (shared, _) = contained(LOG, || prepare(storage, None, JournalOptions::default()))?;
        shared.queue.close();
        Ok(Self { handle: Arc::new(Handle { shared, threads: Mutex::default() }) })
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Hands an append to the writer and returns at once. `done` is called exactly once: when the
    /// append is on the disk or cannot be, on the writer's thread, or here where it is not even
    /// queued. It must not wait. Appends of one thread keep their order.
    pub fn submit(&self, append: Append, done: Done) {
        let bytes = match group::check_size(&append) {
            Ok(bytes) => bytes,
            Err(error) => return done(Err(error)),
        };
        let retry_after = self.retry_after();
        if self.shared().index_behind.load(Ordering::Relaxed) {
            return done(Err(AppendError::Busy { retry_after }));
        }
        if append.priority == Priority::Ordinary && self.shared().room.is_scarce() {
            return done(Err(AppendError::NoRoom(self.shared().no_room())));
        }
        if let Some((job, error)) =
            self.shared().queue.push(Job { append, bytes, done }, retry_after)
        {
            (job.done)(Err(error));
        }
    }

    /// A few commits from now.
    fn retry_after(&self) -> Duration {
        let micros = self.shared().commit_micros.load(Ordering::Relaxed);
        Duration::from_micros(micros.saturating_mul(4))
            .clamp(Duration::from_millis(20), Duration::from_secs(2))
    }

    /// Appends and waits until it is on the disk.
    ///
    /// # Errors
    /// Says why the append did not happen.
    pub async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (tell, told) = oneshot::channel();
        // Nobody listening any more is no reason to stop.
        self.submit(append, Box::new(move |answer| drop(tell.send(answer))));
        told.await.unwrap_or(Err(AppendError::Closed))
    }

    /// The last event that is on the disk.
    #[must_use]
    pub fn head(&self) -> Sequence {
        *self.shared().head.borrow()
    }

    /// How it stands with the room on the journal's file system. Asks the system; does not wait.
    #[must_use]
    pub fn room(&self) -> Room {
        self.shared().room_now()
    }

    /// Tells whenever the head moves.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Sequence> {
        self.shared().head.subscribe()
    }

    /// Waits until an event is on the disk.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`].
    pub async fn wait_for(&self, sequence: Sequence, timeout: Duration) -> Result<(), StoreError> {
        let mut head = self.watch();
        match tokio::time::timeout(timeout, head.wait_for(|head| *head >= sequence)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::TimedOut { sequence, waited: timeout }),
        }
    }

    /// The events after `from`, oldest first, at most `most`. May be fewer though more are there,
    /// so as to bound memory; none means that `from` is the head.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] at the first record that is not what was written.
    pub fn read(&self, from: Sequence, most: usize) -> Result<Vec<Recorded<Payload>>, StoreError> {
        self.shared().watched(|| self.shared().read(from, most))
    }

    /// As [`Journal::read`], with claims and hashes.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub fn read_stored(&self, from: Sequence, most: usize) -> Result<Vec<Stored>, StoreError> {
        self.read_stored_to(from, self.head(), most)
    }

    /// As [`Journal::read_stored`], up to an event that a [`snapshot`](Self::snapshot) named: what
    /// is on the disk is there for one moment before [`Journal::head`] tells of it.
    pub(crate) fn read_stored_to(
        &self,
        from: Sequence,
        upto: Sequence,
        most: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        self.shared().watched(|| self.shared().read_stored(from, upto, most))
    }

    /// A stream's events after a version, oldest first, at most `most`. May be fewer though more
    /// are there; none means that there are no more.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the log or its index is not what was written.
    pub fn read_stream(
        &self,
        stream: StreamId,
        after: Version,
        most: usize,
    ) -> Result<Vec<Recorded<Payload>>, StoreError> {
        self.shared().watched(|| self.shared().read_stream(stream, after, most))
    }

    /// The last durable version of a stream; 0 where it has no event.
    ///
    /// # Errors
    /// As [`Journal::read_stream`].
    pub fn stream_version(&self, stream: StreamId) -> Result<Version, StoreError> {
        self.shared().version_of(&stream).map(Version)
    }

    /// Who holds a key, if anybody.
    ///
    /// # Errors
    /// What the database says.
    pub fn claim(&self, key: &ClaimKey) -> Result<Option<ClaimOwner>, StoreError> {
        self.shared().watched(|| self.shared().claim(key))
    }

    /// One version of a secret, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Secret`] where the ciphertext does not open.
    pub fn secret(
        &self,
        scope: Uuid,
        name: &str,
        version: u64,
    ) -> Result<Option<Secret>, StoreError> {
        self.shared().watched(|| self.shared().secret(scope, name, version))
    }

    /// A key of this installation for one purpose, always the same.
    ///
    /// # Errors
    /// [`StoreError::Closed`] where the journal was opened without its key.
    pub fn derive_key(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        let vault = self.shared().vault.as_ref().ok_or(StoreError::Closed)?;
        Ok(vault.master().derive(&format!("derived/{purpose}")))
    }

    /// Keeps a projection's state as of the event `at`, in place of the one before. Waits for the
    /// disk.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] where there is no such event, or what the database says.
    pub fn save_checkpoint(
        &self,
        name: &str,
        format: u32,
        at: Sequence,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        self.shared().watched(|| self.shared().save_checkpoint(name, format, at, bytes))
    }

    /// The last checkpoint under a name, where it is whole, of this format and of this journal.
    #[must_use]
    pub fn load_checkpoint(&self, name: &str, format: u32) -> Option<(Sequence, Vec<u8>)> {
        self.shared().load_checkpoint(name, format)
    }

    /// Notes how far somebody has come. Reaches the disk within
    /// [`JournalOptions::cursor_within`]; a crash before sets it back.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a name that is empty, too long or one too many.
    pub fn save_cursor(&self, name: &str, at: Sequence) -> Result<(), StoreError> {
        let mut cursors = self.shared().cursors.lock().unwrap_or_else(PoisonError::into_inner);
        let first = cursors.set(name, at.0)?;
        drop(cursors);
        if first {
            self.shared().queue.nudge();
        }
        Ok(())
    }

    /// How far somebody has come; 0 where nothing was noted.
    #[must_use]
    pub fn load_cursor(&self, name: &str) -> Sequence {
        let cursors = self.shared().cursors.lock().unwrap_or_else(PoisonError::into_inner);
        Sequence(cursors.get(name))
    }

    /// Writes what waits, stops the threads and lets the files go. Later calls are answered with
    /// "closed". Waits for the disk; not to be called from a callback of [`Journal::submit`].
    pub fn close(&self) {
        self.handle.close();
    }
}

/// Opens both files and puts together what the threads and callers share.
fn prepare(
    storage: Arc<dyn Storage>,
    key: Option<MasterKey>,
    options: JournalOptions,
) -> Result<(Arc<Shared>, Growing), StoreError> {
    let log = match open::log(&*storage, key.as_ref(), options.cache_bytes) {
        // What a crash on a full disk left may need some room to be put in order.
        Err(StoreError::NoRoom { .. }) if storage.hold(0).is_ok() => {
            open::log(&*storage, key.as_ref(), options.cache_bytes)?
        }
        other => other?,
    };
    let end = open::end(&log)?;
    let (head, _) = end.head();
    let cursors = Cursors::load(&log)?;
    let every = options.index_every.max(1);
    let (index, segment) = indexer::prepare(&*storage, options.cache_bytes, every, &log, head)?;
    let shared = Shared {
        queue: Queue::new(options.queue_appends, options.queue_bytes),
        storage,
        vault: key.map(Vault::new),
        log: RwLock::new(Some(log)),
        index: RwLock::new(Some(index)),
        tail: RwLock::new(Tail::of(segment)),
        recent: RwLock::default(),
        head: watch::Sender::new(Sequence(head)),
        cursors: Mutex::new(cursors),
        bell: Bell::default(),
        index_behind: AtomicBool::new(false),
        log_suspect: AtomicBool::new(false),
        index_suspect: AtomicBool::new(false),
        index_damaged: AtomicBool::new(false),
        damage: Mutex::default(),
        commit_micros: AtomicU64::new(0),
        at_rest: AtomicBool::new(false),
        room: room::Known::default(),
        options,
    };
    Ok((Arc::new(shared), end))
}

impl Handle {
    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(work)
            .map_err(io("start a thread of the journal"))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    fn close(&self) {
        let threads: Vec<_> =
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        let here = std::thread::current().id();
        if threads.iter().any(|thread| thread.thread().id() == here) {
            // The last clone was let go in a callback: a thread cannot wait for its own end.
            let shared = Arc::clone(&self.shared);
            std::thread::spawn(move || close(&shared, threads));
        } else {
            close(&self.shared, threads);
        }
    }
}

fn close(shared: &Shared, threads: Vec<JoinHandle<()>>) {
    shared.queue.close();
    // In the order of their making: what the writer leaves, the indexer takes.
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread of the journal panicked");
        }
        *shared.bell.closing.lock().unwrap_or_else(PoisonError::into_inner) = true;
        shared.bell.rung.notify_all();
    }
    shared.set_log(None);
    shared.set_index(None);
    shared.storage.release();
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
pub(crate) mod tests;
