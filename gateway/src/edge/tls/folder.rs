//! The folder `certificates` of the edge's directory: each certificate as it came, its private key
//! sealed, and the keys of the fleet in the boxes that only this edge opens.
//!
//! Invariants: only the edge's own user reads it; a file is either the old one or the new one, whole.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hythe_core::ids::CertificateId;
use hythe_store::steps::Step;

use super::certificate::MOST_BYTES;

/// The keys of the fleet.
const FLEET: &str = "fleet.json";
const ENDING: &str = "json";

/// See the module.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder where it is missing.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// Removes what a death in the middle of writing left: to be called where no other edge may be writing.
    pub(crate) fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".tmp") {
                match fs::remove_file(entry.path()) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }

    /// What was kept of the fleet's keys, where anything was.
    pub(super) fn fleet(&self) -> io::Result<Option<Bytes>> {
        read(&self.path.join(FLEET))
    }

    /// Keeps the fleet's keys. Returns once that is durable.
    pub(super) fn keep_fleet(&self, bytes: &[u8]) -> io::Result<()> {
        self.put(FLEET, bytes)?;
        self.settle(Step::FleetKeyKept)
    }

    /// Which certificates were kept.
    pub(super) fn certificates(&self) -> io::Result<Vec<CertificateId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = PathBuf::from(entry?.file_name());
            let stem = name.file_stem().and_then(|stem| stem.to_str());
            let id = stem.and_then(|stem| stem.parse::<CertificateId>().ok());
            ids.extend(id.filter(|_| name.extension().is_some_and(|end| end == ENDING)));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// What was kept of one.
    pub(super) fn certificate(&self, id: CertificateId) -> io::Result<Option<Bytes>> {
        read(&self.path.join(file(id)))
    }

    /// Keeps certificates. Returns once all are durable.
    pub(super) fn keep(&self, files: &[(CertificateId, Bytes)]) -> io::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        for (id, bytes) in files {
            self.put(&file(*id), bytes)?;
        }
        self.settle(Step::CertificatesKept)
    }

    /// Forgets one.
    pub(super) fn remove(&self, id: CertificateId) -> io::Result<()> {
        match fs::remove_file(self.path.join(file(id))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // For this user only, as all temporary files are.
        let mut new = tempfile::NamedTempFile::new_in(&self.path)?;
        new.write_all(bytes)?;
        new.as_file().sync_all()?;
        #[expect(clippy::disallowed_methods, reason = "`settle` passes its step")]
        new.persist(self.path.join(name)).map_err(|error| error.error)?;
        Ok(())
    }

    /// The renames themselves lie in the folder: without this a power cut may undo them.
    fn settle(&self, step: Step) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        step.passed();
        Ok(())
    }
}

fn file(id: CertificateId) -> String {
    format!("{id}.{ENDING}")
}

/// The first bytes of a file: more than is read of any message.
fn read(path: &Path) -> io::Result<Option<Bytes>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes.into()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_kept_is_found_again_and_read_by_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("certificates");
        let folder = Folder::open(path.clone()).unwrap();
        let [one, two] = [1, 2].map(|n| CertificateId::new(uuid::Uuid::from_u128(n)));
        let bytes = Bytes::from_static;
        folder.keep(&[(two, bytes(b"two")), (one, bytes(b"old"))]).unwrap();
        folder.keep(&[(one, bytes(b"one"))]).unwrap();
        folder.keep_fleet(b"keys").unwrap();
        fs::write(path.join(".tmpabc"), "half").unwrap();
        fs::write(path.join("notes.txt"), "").unwrap();
        let folder = Folder::open(path.clone()).unwrap();
        assert!(path.join(".tmpabc").exists(), "another edge may be writing it");
        folder.clear().unwrap();
        assert_eq!(folder.certificates().unwrap(), [one, two]);
        assert_eq!(folder.certificate(one).unwrap(), Some(bytes(b"one")));
        assert_eq!(folder.fleet().unwrap(), Some(bytes(b"keys")));
        assert!(!path.join(".tmpabc").exists());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join(FLEET))), (0o700, 0o600));
        assert_eq!(mode(&path.join(file(one))), 0o600);
        folder.remove(one).unwrap();
        folder.remove(one).unwrap();
        assert_eq!(folder.certificates().unwrap(), [two]);
        assert_eq!(folder.certificate(one).unwrap(), None);
    }
}
