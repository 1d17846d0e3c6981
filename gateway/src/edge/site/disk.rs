//! The edge's own copy of sites' files: `files/ab/<digest>` and `manifests/<digest>`, in a folder of its own.
//!
//! Invariants: a file is there whole or not; a list is there only once all that it is to bring is. Everything
//! here can be thrown away, and is fetched again.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hythe_core::site::{FileHash, Manifest, SiteFile, SiteId, is_immutable};
use hythe_store::steps::Step;
use tempfile::NamedTempFile;

/// What of a site is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {
    /// All of it: routes lead there.
    Whole,
    /// What pages of it that are still open may ask for: files that are named after their content.
    Immutable,
}

impl Part {
    /// The files that belong to it: digests and bytes, each once.
    pub(crate) fn blobs(self, manifest: &Manifest) -> BTreeSet<(&FileHash, u64)> {
        let files = manifest.files.iter().filter(|(path, _)| self.has(path.as_str()));
        files.flat_map(|(_, file)| SiteFile::blobs(file)).collect()
    }

    /// Whether a file of this name belongs to it.
    pub(crate) fn has(self, path: &str) -> bool {
        self == Self::Whole || is_immutable(path)
    }
}

/// The folder.
#[derive(Debug)]
pub(crate) struct SiteDisk(PathBuf);

impl SiteDisk {
    /// Makes the folder where it is missing.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        let disk = Self(folder);
        fs::create_dir_all(disk.0.join("files"))?;
        fs::create_dir_all(disk.0.join("manifests"))?;
        fs::create_dir_all(disk.aside())?;
        Ok(disk)
    }

    /// Removes what was being written when an edge ended: to be called where no other one may be writing.
    pub(crate) fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.aside()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::create_dir_all(self.aside())
    }

    fn aside(&self) -> PathBuf {
        self.0.join("partial")
    }

    /// Where a file lies.
    pub(crate) fn file(&self, hash: &FileHash) -> PathBuf {
        self.0.join("files").join(hash.as_str().get(..2).unwrap_or_default()).join(hash.as_str())
    }

    fn manifest(&self, id: &SiteId) -> PathBuf {
        self.0.join("manifests").join(id.as_str())
    }

    /// Whether a file of so many bytes is there.
    pub(crate) fn has(&self, hash: &FileHash, bytes: u64) -> bool {
        fs::metadata(self.file(hash)).is_ok_and(|data| data.is_file() && data.len() == bytes)
    }

    /// A new file, to be put in its place once it is whole.
    pub(crate) fn begin(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(self.aside())
    }

    /// Puts a file in its place.
    pub(crate) fn keep(&self, hash: &FileHash, file: NamedTempFile) -> io::Result<()> {
        let place = self.file(hash);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        file.as_file().sync_all()?;
        #[expect(clippy::disallowed_methods, reason = "it counts with the step of its list")]
        file.persist(place).map_err(|error| error.error)?;
        Ok(())
    }

    /// Keeps the list of a site whose files are there.
    pub(crate) fn keep_manifest(&self, id: &SiteId, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.begin()?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        file.persist(self.manifest(id)).map_err(|error| error.error)?;
        Step::SiteFetched.passed();
        Ok(())
    }

    /// The list of a site of which this part is there; none where something of it is missing.
    pub(crate) fn recall(&self, id: &SiteId, part: Part) -> Option<Manifest> {
        let bytes = fs::read(self.manifest(id)).ok()?;
        if blake3::hash(&bytes).to_hex().as_str() != id.as_str() {
            return None;
        }
        let manifest = Manifest::read(&bytes).ok()?;
        let all = part.blobs(&manifest).into_iter().all(|(hash, bytes)| self.has(hash, bytes));
        all.then_some(manifest)
    }

    /// Lets go of what is not needed beyond so many bytes, what was used longest ago first: a version that is
    /// gone back to is there at once.
    pub(crate) fn tidy(
        &self,
        sites: &BTreeSet<SiteId>,
        files: &BTreeSet<FileHash>,
        most: u64,
    ) -> io::Result<()> {
        let mut spare = Vec::new();
        let files: HashSet<&str> = files.iter().map(FileHash::as_str).collect();
        let sites: HashSet<&str> = sites.iter().map(SiteId::as_str).collect();
        for folder in fs::read_dir(self.0.join("files"))? {
            look(&folder?.path(), &files, &mut spare)?;
        }
        look(&self.0.join("manifests"), &sites, &mut spare)?;
        spare.sort_by_key(|(used, _, _)| std::cmp::Reverse(*used));
        let mut kept = 0_u64;
        for (_, bytes, path) in spare {
            kept = kept.saturating_add(bytes);
            if kept > most {
                gone(fs::remove_file(path))?;
            }
        }
        Ok(())
    }
}

/// That something is not there any more is no error: an edge may be tidying whose place this one took.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What in a folder is not needed: when it was written, its bytes and its place.
fn look(
    folder: &Path,
    needed: &HashSet<&str>,
    spare: &mut Vec<(SystemTime, u64, PathBuf)>,
) -> io::Result<()> {
    for found in fs::read_dir(folder)? {
        let found = found?;
        if found.file_name().to_str().is_some_and(|name| needed.contains(name)) {
            continue;
        }
        let data = match found.metadata() {
            Ok(data) => data,
            Err(error) => {
                gone(Err(error))?;
                continue;
            }
        };
        spare.push((data.modified()?, data.len(), found.path()));
    }
    Ok(())
}

/// Opens a file to be read.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}
