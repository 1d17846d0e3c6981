//! The edge's own directory: who it is and the last table it served.
//!
//! Invariants: one process at a time writes to a directory, the one that has the lock, which can pass on to
//! another; a file is either the old one or the new one, whole, whatever happens in between.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hythe_actors::node::Keys;
use hythe_core::ids::EdgeId;
use hythe_core::wire::edge::RouteTableMessage;
use hythe_store::steps::Step;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use super::EdgeError;
use super::tls::Folder;

/// The format of [`RouteTableMessage`] that this edge understands.
pub(crate) const TABLE_FORMAT: u16 = 1;

/// An edge's directory, locked while this lives or until the lock is given away.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: PathBuf,
    /// The lock, while it is this process' own. Held while a table comes into force, and while it is decided
    /// whose the directory is.
    turn: Mutex<Option<File>>,
    /// Whether no other edge uses it: otherwise what looks left over may be being written.
    fresh: bool,
}

impl Disk {
    /// Opens the directory, making it where it is missing, and locks it.
    pub(crate) fn open(directory: &Path) -> Result<Self, EdgeError> {
        let broken = |source| EdgeError::Data { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(broken)?;
        let path = directory.join("edge.lock");
        let lock = File::create(&path).map_err(|source| EdgeError::Data { path, source })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self::held(directory, lock, true)),
            Err(TryLockError::WouldBlock) => Err(EdgeError::InUse { path: directory.to_owned() }),
            Err(TryLockError::Error(source)) => Err(broken(source)),
        }
    }

    /// The same, with the lock that another process had: both have it until that one lets go of it.
    pub(crate) fn inherit(directory: &Path, lock: File) -> Result<Self, EdgeError> {
        let path = directory.join("edge.lock");
        let same = lock.metadata().and_then(|given| {
            let there = fs::metadata(&path)?;
            Ok((given.dev(), given.ino()) == (there.dev(), there.ino()))
        });
        match same {
            Ok(true) => Ok(Self::held(directory, lock, false)),
            Ok(false) => Err(EdgeError::TakeOver(io::Error::other(format!(
                "the lock that it gave is not {}",
                path.display()
            )))),
            Err(source) => Err(EdgeError::Data { path, source }),
        }
    }

    fn held(directory: &Path, lock: File, fresh: bool) -> Self {
        Self { directory: directory.to_owned(), turn: Mutex::new(Some(lock)), fresh }
    }

    /// Whether no other edge uses it, so that what is left over can be cleared.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Waits until nobody else puts a table in force or decides whose the directory is; gives the lock, where
    /// this process has it.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, Option<File>> {
        self.turn.lock().await
    }

    /// Who this edge is; minted at the first start.
    pub(crate) fn identity(&self) -> Result<EdgeId, EdgeError> {
        let path = self.directory.join("edge.id");
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| EdgeError::Identity { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let id = EdgeId::new(Uuid::now_v7());
                self.replace("edge.id", format!("{id}\n").as_bytes(), Step::EdgeMinted)
                    .map_err(|source| EdgeError::Data { path, source })?;
                Ok(id)
            }
            Err(source) => Err(EdgeError::Data { path, source }),
        }
    }

    /// What is sealed for this edge is opened with; minted at the first start.
    pub(crate) fn sealing_keys(&self) -> Result<Keys, EdgeError> {
        Ok(Keys::open(&self.directory.join("sealing.key"))?)
    }

    /// Where its certificates are kept.
    pub(crate) fn certificates(&self) -> Result<Folder, EdgeError> {
        let path = self.directory.join("certificates");
        let folder = Folder::open(path.clone()).and_then(|folder| {
            if self.fresh {
                folder.clear()?;
            }
            Ok(folder)
        });
        folder.map_err(|source| EdgeError::Data { path, source })
    }

    /// The last table kept, as bytes; `None` where there is none.
    pub(crate) fn table(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.directory.join("routes.json")) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps a table for the next start. Returns once it is durable.
    pub(crate) fn keep_table(&self, bytes: &[u8]) -> io::Result<()> {
        self.replace("routes.json", bytes, Step::TableKept)
    }

    fn replace(&self, name: &str, bytes: &[u8], step: Step) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        file.persist(self.directory.join(name)).map_err(|error| error.error)?;
        // The rename itself lies in the directory: without this it may be undone by a power cut.
        File::open(&self.directory)?.sync_all()?;
        step.passed();
        Ok(())
    }
}

/// Reads a table message.
///
/// # Errors
/// What is wrong with it, for the log.
pub(crate) fn parse_table(bytes: &[u8]) -> Result<RouteTableMessage, String> {
    let json = hythe_actors::bus::unpack(bytes).map_err(|error| error.to_string())?;
    let message: RouteTableMessage =
        serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    if message.format == TABLE_FORMAT {
        Ok(message)
    } else {
        Err(format!("its format is {}, this edge reads {TABLE_FORMAT}", message.format))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_keeps_its_identity_and_its_directory_to_itself() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::open(directory.path()).unwrap();
        let id = disk.identity().unwrap();
        assert!(matches!(Disk::open(directory.path()), Err(EdgeError::InUse { .. })));
        drop(disk);
        let disk = Disk::open(directory.path()).unwrap();
        assert_eq!(disk.identity().unwrap(), id);
        fs::write(directory.path().join("edge.id"), "nonsense").unwrap();
        assert!(matches!(disk.identity(), Err(EdgeError::Identity { .. })));
    }

    #[test]
    fn a_table_is_replaced_whole_and_leaves_no_scraps() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::open(directory.path()).unwrap();
        assert_eq!(disk.table().unwrap(), None);
        disk.keep_table(b"one").unwrap();
        disk.keep_table(b"two").unwrap();
        assert_eq!(disk.table().unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn tables_of_another_format_are_refused() {
        let table =
            |format| format!(r#"{{"format":{format},"table":{{"revision":1,"routes":{{}}}}}}"#);
        assert!(parse_table(table(1).as_bytes()).is_ok());
        for bad in [table(2), String::new(), "{}".into(), table(1).replace("{}", "{\"A b\":1}")] {
            assert!(parse_table(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
