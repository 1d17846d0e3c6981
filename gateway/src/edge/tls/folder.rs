//! The folder `certificates` of the edge's directory: each certificate as it came, its private key
//! sealed, and the keys of the fleet in the boxes that only this edge opens. Beside them what the edge came by
//! itself, in the same form, and what it needs for that: what it may do (`alone.json`, sealed, as it came), how
//! it went (`tries.json`), and its accounts at authorities (`account-…`), whose keys lie there as they are.
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
/// What the edge may do alone, as it came.
const ALONE: &str = "alone.json";
/// How it went with what it ordered alone.
const TRIES: &str = "tries.json";
/// What the name of a certificate of its own begins with; the rest is that of the one that it stands in for.
const OWN: &str = "own-";

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
        self.ids("")
    }

    /// Those of them for which there is one of the edge's own.
    pub(super) fn own_certificates(&self) -> io::Result<Vec<CertificateId>> {
        self.ids(OWN)
    }

    fn ids(&self, before: &str) -> io::Result<Vec<CertificateId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = PathBuf::from(entry?.file_name());
            let stem = name.file_stem().and_then(|stem| stem.to_str());
            let id = stem.and_then(|stem| stem.strip_prefix(before));
            let id = id.and_then(|id| id.parse::<CertificateId>().ok());
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
        self.forget(&file(id))
    }

    /// What was kept of one of the edge's own.
    pub(super) fn own(&self, id: CertificateId) -> io::Result<Option<Bytes>> {
        read(&self.path.join(format!("{OWN}{}", file(id))))
    }

    /// Keeps one of the edge's own. Returns once that is durable.
    pub(super) fn keep_own(&self, id: CertificateId, bytes: &[u8]) -> io::Result<()> {
        self.put(&format!("{OWN}{}", file(id)), bytes)?;
        self.settle(Step::CertificatesKept)
    }

    /// Forgets one of the edge's own.
    pub(super) fn remove_own(&self, id: CertificateId) -> io::Result<()> {
        self.forget(&format!("{OWN}{}", file(id)))
    }

    /// What was kept of what the edge may do alone.
    pub(super) fn alone(&self) -> io::Result<Option<Bytes>> {
        read(&self.path.join(ALONE))
    }

    /// Keeps what the edge may do alone; nothing is that it may do nothing.
    pub(super) fn keep_alone(&self, bytes: Option<&[u8]>) -> io::Result<()> {
        match bytes {
            Some(bytes) => self.put(ALONE, bytes)?,
            None => self.forget(ALONE)?,
        }
        self.settle(Step::AloneKept)
    }

    /// What was kept of how it went.
    pub(super) fn tries(&self) -> io::Result<Option<Bytes>> {
        read(&self.path.join(TRIES))
    }

    /// Keeps how it went.
    pub(super) fn keep_tries(&self, bytes: &[u8]) -> io::Result<()> {
        self.put(TRIES, bytes)?;
        self.settle(Step::AloneKept)
    }

    /// What was kept of an account at an authority.
    pub(super) fn account(&self, directory: &str) -> io::Result<Option<Bytes>> {
        read(&self.path.join(account(directory)))
    }

    /// Keeps an account; nothing is that the authority does not know it any more.
    pub(super) fn keep_account(&self, directory: &str, bytes: Option<&[u8]>) -> io::Result<()> {
        match bytes {
            Some(bytes) => self.put(&account(directory), bytes)?,
            None => self.forget(&account(directory))?,
        }
        self.settle(Step::AloneKept)
    }

    fn forget(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
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

/// A file's name for each directory: they are URLs.
fn account(directory: &str) -> String {
    format!("account-{}.{ENDING}", blake3::hash(directory.as_bytes()).to_hex())
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
        folder.keep_own(two, b"own").unwrap();
        folder.keep_alone(Some(b"terms")).unwrap();
        folder.keep_tries(b"tries").unwrap();
        let (here, there) = ("https://ca.example/dir", "https://other.example/dir");
        folder.keep_account(here, Some(b"account")).unwrap();
        fs::write(path.join(".tmpabc"), "half").unwrap();
        fs::write(path.join("notes.txt"), "").unwrap();
        let folder = Folder::open(path.clone()).unwrap();
        assert!(path.join(".tmpabc").exists(), "another edge may be writing it");
        folder.clear().unwrap();
        assert_eq!(folder.certificates().unwrap(), [one, two]);
        assert_eq!(folder.certificate(one).unwrap(), Some(bytes(b"one")));
        assert_eq!(folder.fleet().unwrap(), Some(bytes(b"keys")));
        assert_eq!(folder.own_certificates().unwrap(), [two]);
        assert_eq!(folder.own(two).unwrap(), Some(bytes(b"own")));
        assert_eq!(folder.alone().unwrap(), Some(bytes(b"terms")));
        assert_eq!(folder.tries().unwrap(), Some(bytes(b"tries")));
        assert_eq!(folder.account(here).unwrap(), Some(bytes(b"account")));
        assert_eq!(folder.account(there).unwrap(), None);
        assert!(!path.join(".tmpabc").exists());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join(FLEET))), (0o700, 0o600));
        assert_eq!(mode(&path.join(file(one))), 0o600);
        assert_eq!(mode(&path.join(account(here))), 0o600);
        folder.keep_alone(None).unwrap();
        folder.keep_account(here, None).unwrap();
        assert_eq!((folder.alone().unwrap(), folder.account(here).unwrap()), (None, None));
        folder.remove_own(two).unwrap();
        assert_eq!(folder.own_certificates().unwrap(), []);
        folder.remove(one).unwrap();
        folder.remove(one).unwrap();
        assert_eq!(folder.certificates().unwrap(), [two]);
        assert_eq!(folder.certificate(one).unwrap(), None);
    }
}
