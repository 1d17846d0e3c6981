//! What a worker was told, durable before it is acknowledged.
//!
//! One redb file. Entries are JSON, as on the wire: they grow with it, and an agent that was
//! updated still reads what the one before it wrote. An entry that cannot be read is an error, not
//! a gap: a replica without an order would be stopped.
//!
//! Invariants: of each deployment the newest generation ever told is kept for ever, and an older
//! order is refused. Where reading a log stands is written behind, at most a second late.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use hythe_core::ids::{DeploymentId, WorkerId};
use hythe_core::plan::{Desired, ReplicaKey, Wanted};
use hythe_store::durable::commit;
use hythe_store::steps::Step;
use redb::{ReadableTable, TableDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::position::Position;
use crate::ledger_file::LedgerFile;

type Key16 = [u8; 16];
type Key18 = [u8; 18];

const IDENTITY: TableDefinition<&str, Key16> = TableDefinition::new("identity");
const WANTED: TableDefinition<Key16, &[u8]> = TableDefinition::new("wanted");
const GENERATIONS: TableDefinition<Key16, u64> = TableDefinition::new("generations");
const RESTARTS: TableDefinition<Key18, &[u8]> = TableDefinition::new("restarts");
const POSITIONS: TableDefinition<Key18, &[u8]> = TableDefinition::new("positions");
/// The key of this worker's id.
const WORKER: &str = "worker";

/// How often a replica was started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restarts {
    /// In all.
    pub(crate) total: u32,
    /// In a row, without having run for long in between.
    pub(crate) in_a_row: u32,
}

/// The ledger's file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use the agent's ledger: {0}")]
pub struct LedgerError(String);

impl<E: Into<redb::Error>> From<E> for LedgerError {
    fn from(error: E) -> Self {
        let error = error.into();
        if matches!(error, redb::Error::DatabaseAlreadyOpen) {
            Self("another agent uses this data folder; stop it first".into())
        } else {
            Self(error.to_string())
        }
    }
}

/// The ledger. Calls block for as long as an fsync takes; [`Ledger::with`] moves one to a thread
/// for that.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: LedgerFile,
    /// Positions that are not written yet.
    positions: Mutex<BTreeMap<ReplicaKey, Position>>,
}

impl Ledger {
    /// Opens the file, made where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = LedgerFile::open(path)?;
        let write = file.begin_write()?;
        write.open_table(IDENTITY)?;
        write.open_table(WANTED)?;
        write.open_table(GENERATIONS)?;
        write.open_table(RESTARTS)?;
        write.open_table(POSITIONS)?;
        commit(write, Step::LedgerMade)?;
        Ok(Self { file, positions: Mutex::default() })
    }

    /// Runs one call on a thread that may block.
    pub(crate) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl FnOnce(&Self) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let ledger = Arc::clone(self);
        tokio::task::spawn_blocking(move || call(&ledger))
            .await
            .map_err(|error| LedgerError(error.to_string()))?
    }

    /// This worker's id; `fresh` becomes it where there is none yet.
    pub(crate) fn worker(&self, fresh: WorkerId) -> Result<WorkerId, LedgerError> {
        let write = self.file.begin_write()?;
        let id = {
            let mut table = write.open_table(IDENTITY)?;
            let known = table.get(WORKER)?.map(|value| value.value());
            match known {
                Some(bytes) => WorkerId::new(uuid::Uuid::from_bytes(bytes)),
                None => {
                    table.insert(WORKER, fresh.uuid().into_bytes())?;
                    fresh
                }
            }
        };
        commit(write, Step::WorkerMinted)?;
        Ok(id)
    }

    /// Takes an order. False where a newer one about its deployment was taken before.
    pub(crate) fn accept(
        &self,
        deployment: DeploymentId,
        wanted: &Wanted,
    ) -> Result<bool, LedgerError> {
        let key = deployment.uuid().into_bytes();
        let write = self.file.begin_write()?;
        {
            let mut generations = write.open_table(GENERATIONS)?;
            let known = generations.get(key)?.map(|value| value.value());
            if known.is_some_and(|known| known > wanted.generation()) {
                return Ok(false);
            }
            generations.insert(key, wanted.generation())?;
            write.open_table(WANTED)?.insert(key, encode(wanted)?.as_slice())?;
        }
        commit(write, Step::OrderAccepted)?;
        Ok(true)
    }

    /// Everything that is wanted.
    pub(crate) fn desired(&self) -> Result<Desired, LedgerError> {
        let read = self.file.begin_read()?;
        let mut desired = Desired::new();
        for row in read.open_table(WANTED)?.iter()? {
            let (key, value) = row?;
            let deployment = DeploymentId::new(uuid::Uuid::from_bytes(key.value()));
            desired.insert(deployment, decode(value.value())?);
        }
        Ok(desired)
    }

    /// Forgets an order to stop that is carried out, and all about its replicas but the
    /// generation. False where there is a newer order.
    pub(crate) fn forget(
        &self,
        deployment: DeploymentId,
        generation: u64,
    ) -> Result<bool, LedgerError> {
        let key = deployment.uuid().into_bytes();
        let write = self.file.begin_write()?;
        {
            let mut wanted = write.open_table(WANTED)?;
            let known =
                wanted.get(key)?.map(|value| decode::<Wanted>(value.value())).transpose()?;
            match known {
                Some(Wanted::Stop { generation: known, .. }) if known == generation => {
                    wanted.remove(key)?;
                }
                Some(Wanted::Stop { .. } | Wanted::Run(_)) => return Ok(false),
                None => {}
            }
            let of_it = |row: &Key18| row[..16] == key;
            write.open_table(RESTARTS)?.retain(|row, _| !of_it(&row))?;
            write.open_table(POSITIONS)?.retain(|row, _| !of_it(&row))?;
        }
        commit(write, Step::OrderForgotten)?;
        self.unwritten().retain(|key, _| key.deployment != deployment);
        Ok(true)
    }

    /// How often each replica was started again.
    pub(crate) fn restarts(&self) -> Result<BTreeMap<ReplicaKey, Restarts>, LedgerError> {
        let read = self.file.begin_read()?;
        let mut found = BTreeMap::new();
        for row in read.open_table(RESTARTS)?.iter()? {
            let (key, value) = row?;
            found.insert(replica(key.value()), decode(value.value())?);
        }
        Ok(found)
    }

    /// Remembers how often a replica was started again.
    pub(crate) fn restarted(&self, key: ReplicaKey, restarts: Restarts) -> Result<(), LedgerError> {
        let write = self.file.begin_write()?;
        write.open_table(RESTARTS)?.insert(row(key), encode(&restarts)?.as_slice())?;
        commit(write, Step::RestartCounted)?;
        Ok(())
    }

    /// Where reading a replica's log stands.
    pub(crate) fn position(&self, key: ReplicaKey) -> Result<Option<Position>, LedgerError> {
        if let Some(position) = self.unwritten().get(&key) {
            return Ok(Some(position.clone()));
        }
        let read = self.file.begin_read()?;
        let found = read.open_table(POSITIONS)?.get(row(key))?;
        found.map(|value| decode(value.value())).transpose()
    }

    /// Remembers where reading a replica's log stands; written by the next [`Ledger::flush`].
    pub(crate) fn note_position(&self, key: ReplicaKey, position: Position) {
        self.unwritten().insert(key, position);
    }

    /// Writes the positions that were noted.
    pub(crate) fn flush(&self) -> Result<(), LedgerError> {
        let noted = self.unwritten().clone();
        if noted.is_empty() {
            return Ok(());
        }
        let write = self.file.begin_write()?;
        {
            let mut table = write.open_table(POSITIONS)?;
            for (key, position) in &noted {
                table.insert(row(*key), encode(position)?.as_slice())?;
            }
        }
        commit(write, Step::PositionsSaved)?;
        self.unwritten().retain(|key, position| noted.get(key) != Some(position));
        Ok(())
    }

    fn unwritten(&self) -> std::sync::MutexGuard<'_, BTreeMap<ReplicaKey, Position>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row(key: ReplicaKey) -> Key18 {
    let mut row = [0; 18];
    row[..16].copy_from_slice(key.deployment.uuid().as_bytes());
    row[16..].copy_from_slice(&key.index.to_be_bytes());
    row
}

fn replica(row: Key18) -> ReplicaKey {
    let mut deployment = [0; 16];
    deployment.copy_from_slice(&row[..16]);
    ReplicaKey {
        deployment: DeploymentId::new(uuid::Uuid::from_bytes(deployment)),
        index: u16::from_be_bytes([row[16], row[17]]),
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, LedgerError> {
    serde_json::from_slice(bytes).map_err(|error| {
        LedgerError(format!("an entry cannot be read, was it written by a newer Hythe? {error}"))
    })
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, LedgerError> {
    serde_json::to_vec(value).map_err(|error| LedgerError(error.to_string()))
}

#[cfg(test)]
pub(super) mod tests {
    use hythe_core::time::Millis;

    use super::*;

    fn stop(generation: u64) -> Wanted {
        Wanted::Stop { generation, stop_within: Millis(1) }
    }

    #[test]
    fn older_orders_are_refused_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let deployment = DeploymentId::new(uuid::Uuid::now_v7());
        {
            let ledger = Ledger::open(&path).unwrap();
            assert!(ledger.accept(deployment, &stop(5)).unwrap());
            assert!(!ledger.accept(deployment, &stop(4)).unwrap());
            assert!(ledger.accept(deployment, &stop(5)).unwrap(), "a repeated one is no harm");
            assert!(ledger.accept(deployment, &stop(7)).unwrap());
            assert!(!ledger.forget(deployment, 5).unwrap());
            assert!(ledger.forget(deployment, 7).unwrap());
        }
        let ledger = Ledger::open(&path).unwrap();
        assert!(ledger.desired().unwrap().is_empty());
        assert!(!ledger.accept(deployment, &stop(6)).unwrap());
    }

    #[test]
    fn the_id_stays_and_a_second_agent_is_told_to_leave() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::open(&path).unwrap();
        let id = WorkerId::new(uuid::Uuid::now_v7());
        assert_eq!(ledger.worker(id).unwrap(), id);
        assert_eq!(ledger.worker(WorkerId::new(uuid::Uuid::now_v7())).unwrap(), id);
        let error = Ledger::open(&path).unwrap_err();
        assert!(error.to_string().contains("another agent"), "{error}");
    }

    #[test]
    fn positions_and_restarts_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let deployment = DeploymentId::new(uuid::Uuid::now_v7());
        let key = ReplicaKey { deployment, index: 300 };
        let position = Position { container: "c".into(), counted: 7, ..Position::default() };
        let restarts = Restarts { total: 3, in_a_row: 1 };
        {
            let ledger = Ledger::open(&path).unwrap();
            ledger.note_position(key, position.clone());
            assert_eq!(ledger.position(key).unwrap().as_ref(), Some(&position));
            ledger.flush().unwrap();
            ledger.restarted(key, restarts).unwrap();
        }
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.position(key).unwrap(), Some(position));
        assert_eq!(ledger.restarts().unwrap(), BTreeMap::from([(key, restarts)]));
        ledger.accept(deployment, &stop(1)).unwrap();
        ledger.forget(deployment, 1).unwrap();
        assert_eq!(ledger.position(key).unwrap(), None);
        assert!(ledger.restarts().unwrap().is_empty());
    }

    /// A small file system in memory, gone with the test. Needs root, as starting an engine does.
    pub(in crate::node) struct Small(tempfile::TempDir);

    impl Small {
        pub(in crate::node) fn path(&self) -> &Path {
            self.0.path()
        }

        /// Leaves no room; the file that takes it.
        pub(in crate::node) fn fill(&self) -> std::fs::File {
            use std::io::Write as _;
            let mut file = std::fs::File::create(self.0.path().join("filler")).unwrap();
            while file.write_all(&[1; 4096]).is_ok() {}
            file
        }

        pub(in crate::node) fn mount() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut mount = std::process::Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(dir.path());
            assert!(mount.status().unwrap().success(), "a tmpfs can be mounted (as root)");
            Self(dir)
        }
    }

    impl Drop for Small {
        fn drop(&mut self) {
            let mut unmount = std::process::Command::new("umount");
            // Lazily: what still is open there ends with this process.
            let _ = unmount.arg("--lazy").arg(self.0.path()).status();
        }
    }

    #[test]
    fn a_disk_that_was_full_does_not_stop_it_for_good() {
        let disk = Small::mount();
        let ledger = Ledger::open(&disk.path().join("ledger")).unwrap();
        let first = DeploymentId::new(uuid::Uuid::now_v7());
        assert!(ledger.accept(first, &stop(1)).unwrap());
        drop(disk.fill());
        let mut accepted = 1;
        let refused = loop {
            match ledger.accept(DeploymentId::new(uuid::Uuid::now_v7()), &stop(1)) {
                Ok(_) => accepted += 1,
                Err(error) => break error,
            }
            assert!(accepted < 10_000, "it ends some time");
        };
        assert!(refused.to_string().contains("No space left"), "{refused}");
        std::fs::remove_file(disk.path().join("filler")).unwrap();
        assert!(ledger.accept(DeploymentId::new(uuid::Uuid::now_v7()), &stop(1)).unwrap());
        assert_eq!(ledger.desired().unwrap().len(), accepted + 1);
        assert!(ledger.desired().unwrap().contains_key(&first));
    }
}
