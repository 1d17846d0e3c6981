//! Unpacks an archive that somebody sent into an empty folder.
//!
//! An archive is hostile. Invariants: nothing is written outside of the folder, whatever the archive
//! says: a path has only plain parts, none of them leads through a link, and nothing is written twice. A
//! link stays one and leads to somewhere in the folder. There are files, folders and links, and no owners,
//! times, devices or sockets; and no more bytes and entries than the bounds say, however well they are
//! packed. `.git` is left out.

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use hythe_core::limits;
use tar::{Archive, Entry};
use tokio_util::sync::CancellationToken;

/// How a file packed by gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What in a source is never sent to a build.
const GIT: &str = ".git";
/// Bytes of an archive for each entry beyond its content, at the most: headers, and long paths.
const MOST_OVERHEAD: u64 = 16 * 1024;
/// Bytes of what describes one entry: its long name, or its attributes.
const MOST_DESCRIBED: u64 = 64 * 1024;
/// Why a sparse file is refused.
const SPARSE: &str = "is a sparse file; pack it without tar's option --sparse";

/// The most that an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of its files together.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes: limits::MOST_UNPACKED_BYTES, entries: limits::MOST_UPLOAD_ENTRIES }
    }
}

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It says something that it must not.
    #[error("the archive holds {}, which {why}", shown(path))]
    Entry {
        /// Where.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is too large.
    #[error("the archive holds more than {0}; leave out what no build needs")]
    TooMuch(String),
    /// It is none.
    #[error("it is no tar archive, packed by gzip or not: {0}")]
    NoArchive(io::Error),
    /// The folder cannot be written.
    #[error("unpacking {}: {error}", shown(path))]
    Folder {
        /// Where.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// It was called off.
    #[error("it was cancelled")]
    Cancelled,
}

fn shown(path: &str) -> String {
    path.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// How much was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of its files together.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: usize,
}

/// Unpacks an archive, packed by gzip or not, into a folder that is there and empty. Blocks.
///
/// # Errors
/// [`UnpackError`]; what was unpacked before stays for whoever made the folder to remove.
pub fn unpack(
    mut archive: File,
    folder: &Path,
    bounds: Bounds,
    cancel: &CancellationToken,
) -> Result<Unpacked, UnpackError> {
    let mut begin = Vec::new();
    (&mut archive).take(2).read_to_end(&mut begin).map_err(UnpackError::NoArchive)?;
    let zipped = begin == GZIP;
    names_are_short(rewound(&mut archive, zipped)?, bounds, cancel)?;
    all(rewound(&mut archive, zipped)?, folder, bounds, cancel)
}

/// What is in an archive, from its beginning.
fn rewound(archive: &mut File, zipped: bool) -> Result<Box<dyn Read + '_>, UnpackError> {
    archive.seek(SeekFrom::Start(0)).map_err(UnpackError::NoArchive)?;
    let archive = BufReader::new(archive);
    Ok(if zipped { Box::new(MultiGzDecoder::new(archive)) } else { Box::new(archive) })
}

/// The most bytes of an archive: also what is read past, such as the content of what is left out.
fn most(bounds: Bounds) -> u64 {
    let entries = u64::try_from(bounds.entries).unwrap_or(u64::MAX).saturating_add(1);
    bounds.bytes.saturating_add(entries.saturating_mul(MOST_OVERHEAD))
}

/// Looks whether what describes an entry is short: whoever reads the entries has each of those in memory
/// as a whole before it is seen. What is looked at here are the headers as they lie one after the other, so
/// an archive is refused where whoever reads the entries would find the next one elsewhere.
fn names_are_short(
    archive: impl Read,
    bounds: Bounds,
    cancel: &CancellationToken,
) -> Result<(), UnpackError> {
    let mut archive = Archive::new(archive.take(most(bounds)));
    let mut said = Said::default();
    for entry in archive.entries().map_err(UnpackError::NoArchive)?.raw(true) {
        if cancel.is_cancelled() {
            return Err(UnpackError::Cancelled);
        }
        // Whoever unpacks gets no further than here, and says why.
        let Ok(mut entry) = entry else { return Ok(()) };
        let kind = entry.header().entry_type();
        let attributes = kind.is_pax_local_extensions() || kind.is_pax_global_extensions();
        if kind.is_gnu_longname() || kind.is_gnu_longlink() || attributes {
            if entry.size() > MOST_DESCRIBED {
                let most = MOST_DESCRIBED / 1024;
                return Err(UnpackError::TooMuch(format!("{most} KiB that say what one entry is")));
            }
            if attributes {
                said = said_in(&mut entry);
            }
            if kind.is_pax_global_extensions() && !said.sizes.is_empty() {
                return Err(refused(&entry, "gives all that follows one size"));
            }
            continue;
        }
        // Its map goes on behind its header.
        if kind.is_gnu_sparse() || said.sparse {
            return Err(refused(&entry, SPARSE));
        }
        let size = entry.size();
        if said.sizes.drain(..).any(|said| said != Some(size)) {
            return Err(refused(&entry, "has two sizes; pack it with another program"));
        }
    }
    Ok(())
}

fn refused(entry: &Entry<'_, impl Read>, why: &str) -> UnpackError {
    let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    UnpackError::Entry { path, why: why.to_owned() }
}

/// What attributes say of the entry that follows.
#[derive(Debug, Default)]
struct Said {
    /// Its sizes; `None` stands for one that is no number.
    sizes: Vec<Option<u64>>,
    /// That its content begins with a map of what is in it, and that its name is another one.
    sparse: bool,
}

fn said_in(entry: &mut Entry<'_, impl Read>) -> Said {
    let mut said = Said::default();
    // Where they cannot be read, whoever unpacks gets no further, or takes none of what follows.
    let Ok(Some(attributes)) = entry.pax_extensions() else { return said };
    for attribute in attributes.map_while(Result::ok) {
        said.sparse |= attribute.key_bytes().starts_with(b"GNU.sparse.");
        if attribute.key_bytes() == b"size" {
            said.sizes.push(attribute.value().ok().and_then(|size| size.parse().ok()));
        }
    }
    said
}

fn all(
    archive: impl Read,
    folder: &Path,
    bounds: Bounds,
    cancel: &CancellationToken,
) -> Result<Unpacked, UnpackError> {
    let mut archive = Archive::new(archive.take(most(bounds)));
    let mut into = Unpacking { folder, bounds, done: Unpacked::default(), seen: 0, folders: 0 };
    for entry in archive.entries().map_err(UnpackError::NoArchive)? {
        if cancel.is_cancelled() {
            return Err(UnpackError::Cancelled);
        }
        into.take(&mut entry.map_err(UnpackError::NoArchive)?)?;
    }
    if into.done.entries == 0 {
        return Err(UnpackError::NoArchive(io::Error::other("there is nothing in it")));
    }
    Ok(into.done)
}

struct Unpacking<'a> {
    folder: &'a Path,
    bounds: Bounds,
    done: Unpacked,
    /// Entries of whatever kind.
    seen: usize,
    /// Folders that were made, also for what only lies in them.
    folders: usize,
}

impl Unpacking<'_> {
    fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), UnpackError> {
        let raw = entry.path_bytes();
        let path = String::from_utf8_lossy(&raw).into_owned();
        let refuse = |why: &str| UnpackError::Entry { path: path.clone(), why: why.to_owned() };
        self.seen += 1;
        if self.seen > self.bounds.entries {
            return Err(UnpackError::TooMuch(format!("{} entries", self.bounds.entries)));
        }
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        if std::str::from_utf8(&raw).is_err() {
            return Err(refuse("has a name that is not UTF-8"));
        }
        let parts = parts(&path).map_err(|why| refuse(&why))?;
        if parts.contains(&GIT) {
            return Ok(());
        }
        let Some((name, above)) = parts.split_last() else {
            // The folder itself.
            return if kind.is_dir() { Ok(()) } else { Err(refuse("has no name")) };
        };
        let parent = self.folder_for(above, &path)?;
        let place = parent.join(name);
        self.done.entries += 1;
        if kind.is_dir() {
            self.folder_for(&parts, &path).map(drop)
        } else if kind.is_file() || kind.is_contiguous() {
            self.file(entry, &place, &path)
        } else if kind.is_symlink() {
            link(entry, above.len(), &place, &path)
        } else if kind.is_hard_link() {
            self.same(entry, &place, &path)
        } else if kind.is_character_special() || kind.is_block_special() {
            Err(refuse("is a device"))
        } else if kind.is_fifo() {
            Err(refuse("is a pipe"))
        } else if kind.is_gnu_sparse() {
            Err(refuse(SPARSE))
        } else {
            Err(refuse("is neither a file nor a folder nor a link"))
        }
    }

    /// The folder of these parts, made where it is not there, and never reached through a link.
    fn folder_for(&mut self, parts: &[&str], path: &str) -> Result<PathBuf, UnpackError> {
        let mut folder = self.folder.to_owned();
        for part in parts {
            folder.push(part);
            match fs::symlink_metadata(&folder) {
                Ok(data) if data.is_dir() => {}
                Ok(_) => {
                    let why = "lies below something that is no folder".to_owned();
                    return Err(UnpackError::Entry { path: path.to_owned(), why });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.folders += 1;
                    if self.folders > self.bounds.entries {
                        let most = self.bounds.entries;
                        return Err(UnpackError::TooMuch(format!("{most} folders")));
                    }
                    fs::create_dir(&folder).map_err(|error| failed(path, error))?;
                }
                Err(error) => return Err(failed(path, error)),
            }
        }
        Ok(folder)
    }

    fn file(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        place: &Path,
        path: &str,
    ) -> Result<(), UnpackError> {
        let runnable = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
        let size = entry.size();
        let mut file = create(place, runnable, path)?;
        let left = self.bounds.bytes.saturating_sub(self.done.bytes);
        if size > left {
            return Err(self.too_much());
        }
        let copied = io::copy(entry, &mut file).map_err(|error| failed(path, error))?;
        if copied != size {
            let why = "is shorter than the archive says: the archive is cut off".to_owned();
            return Err(UnpackError::Entry { path: path.to_owned(), why });
        }
        self.done.bytes += copied;
        Ok(())
    }

    /// A file that the archive has under another name already.
    fn same(
        &mut self,
        entry: &Entry<'_, impl Read>,
        place: &Path,
        path: &str,
    ) -> Result<(), UnpackError> {
        let refuse = |why: &str| UnpackError::Entry { path: path.to_owned(), why: why.to_owned() };
        let target = entry.link_name_bytes().unwrap_or_default();
        let target = std::str::from_utf8(&target).map_err(|_| refuse("leads to no UTF-8 name"))?;
        let parts = parts(target).map_err(|why| refuse(&format!("leads to what {why}")))?;
        let Some((name, above)) = parts.split_last() else { return Err(refuse("leads nowhere")) };
        let other = self.folder_for(above, path)?.join(name);
        let data = fs::symlink_metadata(&other).ok().filter(fs::Metadata::is_file);
        let Some(data) = data else {
            return Err(refuse("is a second name of a file that did not come before it"));
        };
        if data.len() > self.bounds.bytes.saturating_sub(self.done.bytes) {
            return Err(self.too_much());
        }
        let runnable = std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o100 != 0;
        let mut from = File::open(&other).map_err(|error| failed(path, error))?;
        let mut into = create(place, runnable, path)?;
        self.done.bytes += io::copy(&mut from, &mut into).map_err(|error| failed(path, error))?;
        Ok(())
    }

    fn too_much(&self) -> UnpackError {
        UnpackError::TooMuch(format!("{} MiB of files", self.bounds.bytes / (1024 * 1024)))
    }
}

/// The parts of a path: what is left of it without `.`.
fn parts(path: &str) -> Result<Vec<&str>, String> {
    let most = limits::MOST_UPLOAD_PATH;
    if path.len() > most {
        return Err(format!("has a path of more than {most} bytes"));
    }
    if path.starts_with('/') {
        return Err("has a path that begins with /".into());
    }
    if path.chars().any(char::is_control) {
        return Err("has a control character in its path".into());
    }
    let mut parts = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            return Err("leads out of the folder".into());
        }
        if part.len() > 255 {
            return Err("has a name of more than 255 bytes".into());
        }
        parts.push(part);
    }
    Ok(parts)
}

fn create(place: &Path, runnable: bool, path: &str) -> Result<File, UnpackError> {
    let mode = if runnable { 0o755 } else { 0o644 };
    let made = File::options().write(true).create_new(true).mode(mode).open(place);
    made.map_err(|error| twice(path, error))
}

fn link(
    entry: &Entry<'_, impl Read>,
    depth: usize,
    place: &Path,
    path: &str,
) -> Result<(), UnpackError> {
    let refuse = |why: &str| UnpackError::Entry { path: path.to_owned(), why: why.to_owned() };
    let target = entry.link_name_bytes().unwrap_or_default();
    let target = std::str::from_utf8(&target).map_err(|_| refuse("leads to no UTF-8 name"))?;
    if !stays_inside(target, depth) {
        return Err(refuse(&format!("is a link that leads out of the folder: {}", shown(target))));
    }
    symlink(target, place).map_err(|error| twice(path, error))
}

/// Whether a link that lies so deep in a folder leads to somewhere in it, by what it says. It goes up only
/// at its beginning: what it names on its way may be a link itself, and lead from elsewhere up.
#[must_use]
pub fn stays_inside(target: &str, depth: usize) -> bool {
    let fine = !target.is_empty()
        && target.len() <= limits::MOST_UPLOAD_PATH
        && !target.starts_with('/')
        && !target.chars().any(char::is_control);
    let (mut depth, mut down) = (depth, false);
    fine && target.split('/').all(|part| {
        match part {
            "" | "." => {}
            ".." if down => return false,
            ".." => match depth.checked_sub(1) {
                Some(above) => depth = above,
                None => return false,
            },
            _ => down = true,
        }
        true
    })
}

fn twice(path: &str, error: io::Error) -> UnpackError {
    if error.kind() == io::ErrorKind::AlreadyExists {
        let why = "is in it more than once".to_owned();
        return UnpackError::Entry { path: path.to_owned(), why };
    }
    failed(path, error)
}

fn failed(path: &str, error: io::Error) -> UnpackError {
    UnpackError::Folder { path: path.to_owned(), error }
}
