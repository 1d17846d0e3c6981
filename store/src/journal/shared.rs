//! What the writer, the indexer and every caller share, and the looking up in it.
//!
//! Order of the locks: `tail` is never held while anything is read from a file, and no two locks
//! of this struct are held at once, but for a database's to begin a transaction.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hythe_core::claims::ClaimKey;
use hythe_core::record::{Recorded, Sequence, StreamId};
use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};
use tokio::sync::watch;
use uuid::Uuid;

use super::Payload;
use super::claims::ClaimOwner;
use super::cursor::Cursors;
use super::options::JournalOptions;
use super::postings::Lookup;
use super::queue::Queue;
use super::reader::View;
use super::recent::Recent;
use super::room::{Known, NoRoom};
use super::storage::{Part, Storage};
use super::tables::{CLAIMS, SECRET_KEYS, SECRETS};
use super::tail::Tail;
use crate::error::{StoreError, database};
use crate::guard::{INDEX, LOG, contained, let_go};
use crate::secrets::Secret;
use crate::secrets::vault::Vault;

/// The log, as errors say that it is being opened again.
const JOURNAL: &str = "journal";

/// What the indexer waits for.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    pub(crate) closing: Mutex<bool>,
    pub(crate) rung: Condvar,
}

pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) options: JournalOptions,
    /// Absent where the journal is only looked at.
    pub(crate) vault: Option<Vault>,
    /// Absent once closed, and after a failure until it can be opened again.
    pub(crate) log: RwLock<Option<Database>>,
    /// Likewise.
    pub(crate) index: RwLock<Option<Database>>,
    pub(crate) tail: RwLock<Tail>,
    pub(crate) recent: RwLock<Recent>,
    pub(crate) head: watch::Sender<Sequence>,
    pub(crate) queue: Queue,
    pub(crate) cursors: Mutex<Cursors>,
    pub(crate) bell: Bell,
    /// The index file is so far behind that the tail would grow beyond its bound.
    pub(crate) index_behind: AtomicBool,
    /// A read failed at the disk. The database refuses everything from then on, until its file is
    /// opened again by the thread that owns it.
    pub(crate) log_suspect: AtomicBool,
    /// Likewise.
    pub(crate) index_suspect: AtomicBool,
    /// Why the log cannot be opened again: place and what is wrong there.
    pub(crate) damage: Mutex<Option<(String, String)>>,
    /// The index led astray, or does not read: it is to be built again.
    pub(crate) index_damaged: AtomicBool,
    /// How long the last commit took, in microseconds.
    pub(crate) commit_micros: AtomicU64,
    /// Whether a start after a crash would need no walk through the log's file.
    pub(crate) at_rest: AtomicBool,
    /// How it stands with the room.
    pub(crate) room: Known,
}

impl Shared {
    pub(crate) fn tail(&self) -> RwLockReadGuard<'_, Tail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tail_mut(&self) -> RwLockWriteGuard<'_, Tail> {
        self.tail.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_log(&self, log: Option<Database>) {
        let mut place = self.log.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *place, log);
        drop(place);
        let_go(LOG, before);
    }

    pub(crate) fn set_index(&self, index: Option<Database>) {
        let mut place = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *place, index);
        drop(place);
        let_go(INDEX, before);
    }

    /// What to tell whoever is refused for want of room.
    pub(crate) fn no_room(&self) -> NoRoom {
        self.room.refusal(&*self.storage)
    }

    /// Why a file is not open.
    fn absent(&self, what: &'static str) -> StoreError {
        match self.queue.is_closed() {
            true => StoreError::Closed,
            false => {
                let damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
                match &*damage {
                    Some((place, found)) if what == JOURNAL => {
                        StoreError::damaged(place.clone(), found.clone())
                    }
                    Some(_) | None => StoreError::Reopening { what },
                }
            }
        }
    }

    /// Does something with the files. Has them opened again where the disk failed, and the index
    /// built again where it is damaged.
    pub(crate) fn watched<T>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let result = contained(LOG, work);
        let Err(error) = &result else { return result };
        if let StoreError::Io { doing, source } | StoreError::NoRoom { doing, source } = error {
            tracing::error!(doing, error = %source, "the disk failed");
            self.log_suspect.store(true, Ordering::Relaxed);
            self.index_suspect.store(true, Ordering::Relaxed);
        } else if let StoreError::Damaged { place, what } = error
            && place == INDEX
        {
            tracing::error!(what, "the stream index is damaged; building it again");
            self.index_damaged.store(true, Ordering::Relaxed);
        } else {
            return result;
        }
        self.queue.nudge();
        self.bell.rung.notify_all();
        result
    }

    /// The events after one, where they are in memory or there are none.
    pub(crate) fn remembered(
        &self,
        from: u64,
        upto: u64,
        most: usize,
    ) -> Result<Option<Vec<Recorded<Payload>>>, StoreError> {
        // Whoever follows hears of a log that is closed or damaged as whoever reads its file.
        let closed = self.log.read().unwrap_or_else(PoisonError::into_inner).is_none();
        if closed {
            return Err(self.absent(JOURNAL));
        }
        if from >= upto {
            return Ok(Some(Vec::new()));
        }
        Ok(self.recent.read().unwrap_or_else(PoisonError::into_inner).after(from, upto, most))
    }

    /// A view of the log as of now. To be short-lived: it keeps space from being used again.
    pub(crate) fn read_log(&self) -> Result<ReadTransaction, StoreError> {
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        let log = log.as_ref().ok_or_else(|| self.absent(JOURNAL))?;
        log.begin_read().map_err(database("read the journal"))
    }

    /// The log as of now. To be short-lived likewise.
    pub(crate) fn view(&self) -> Result<View, StoreError> {
        View::new(&self.read_log()?)
    }

    pub(crate) fn write_log(&self) -> Result<WriteTransaction, StoreError> {
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        let log = log.as_ref().ok_or_else(|| self.absent(JOURNAL))?;
        // On what was only looked at nothing may be built.
        let health = self.storage.health(Part::Log);
        if let Some(damage) = health.and_then(|health| health.damage()) {
            return Err(StoreError::damaged(LOG, damage));
        }
        let mut txn = log.begin_write().map_err(database("write the journal"))?;
        txn.set_two_phase_commit(self.options.two_phase);
        Ok(txn)
    }

    /// Does something with the index while nobody can take it away.
    pub(crate) fn with_index<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let index = index.as_ref().ok_or_else(|| self.absent("stream index"))?;
        contained(INDEX, || work(index))
    }

    /// Looks something up in the index as of now.
    pub(crate) fn looked_up<T>(
        &self,
        look: impl FnOnce(&Lookup) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let lookup = self.with_index(Lookup::new)?;
        contained(INDEX, || look(&lookup))
    }

    /// The last durable version of a stream; 0 where it has no event.
    pub(crate) fn version_of(&self, stream: &StreamId) -> Result<u64, StoreError> {
        if let Some(version) = self.tail().version(stream) {
            return Ok(version);
        }
        self.watched(|| self.indexed_version(stream))
    }

    fn indexed_version(&self, stream: &StreamId) -> Result<u64, StoreError> {
        let last = self.looked_up(|index| index.last(stream))?;
        let Some((version, sequence)) = last else { return Ok(0) };
        // The index is derived: one wrong row must not let a version be given out twice.
        self.view()?.fetch(stream, &[(version, sequence)])?;
        Ok(version)
    }

    pub(crate) fn claim(&self, key: &ClaimKey) -> Result<Option<ClaimOwner>, StoreError> {
        let doing = "read the claims";
        let txn = self.read_log()?;
        let table = txn.open_table(CLAIMS).map_err(database(doing))?;
        let value = table.get(key.0.as_str()).map_err(database(doing))?;
        value.map(|value| ClaimOwner::decode(&key.0, value.value())).transpose()
    }

    pub(crate) fn secret(
        &self,
        scope: Uuid,
        name: &str,
        version: u64,
    ) -> Result<Option<Secret>, StoreError> {
        let doing = "read a secret";
        let vault = self.vault.as_ref().ok_or(StoreError::Closed)?;
        let txn = self.read_log()?;
        let keys = txn.open_table(SECRET_KEYS).map_err(database(doing))?;
        let secrets = txn.open_table(SECRETS).map_err(database(doing))?;
        vault.read(&keys, &secrets, (scope, name, version))
    }
}
