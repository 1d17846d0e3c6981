//! The files of a checkout, as a sorted list. Links are listed, never followed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use hythe_core::detect::{FileKind, FileListing};

/// The most files in one checkout.
const MOST_FILES: usize = 500_000;
/// The most bytes of a file that is looked at for a note to its owner.
const MOST_NOTE_BYTES: u64 = 1024 * 1024;

/// One entry of a checkout.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// What it is.
    pub(crate) kind: FileKind,
    /// Whether its owner may run it.
    pub(crate) runnable: bool,
    /// How many bytes it has.
    pub(crate) size: u64,
}

/// Lists a checkout, sorted by path.
///
/// # Errors
/// When it cannot be read, has too many files, or a name that is not text.
pub(crate) fn list(root: &Path) -> io::Result<Vec<Entry>> {
    use std::os::unix::fs::PermissionsExt;
    let mut entries = Vec::new();
    let mut folders = vec![(root.to_owned(), String::new())];
    while let Some((folder, above)) = folders.pop() {
        for found in fs::read_dir(&folder)? {
            let found = found?;
            let name = found.file_name();
            let Some(name) = name.to_str() else {
                return Err(io::Error::other(format!("the file name {name:?} is not UTF-8")));
            };
            let path = if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
            let data = found.metadata()?;
            let kind = if data.is_dir() {
                folders.push((found.path(), path.clone()));
                FileKind::Folder
            } else if data.is_symlink() {
                FileKind::Link
            } else {
                FileKind::File
            };
            let runnable = data.permissions().mode() & 0o100 != 0;
            entries.push(Entry { path, kind, runnable, size: data.len() });
            if entries.len() > MOST_FILES {
                return Err(io::Error::other(format!("it has more than {MOST_FILES} files")));
            }
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// The same for `detect`.
pub(crate) fn listing(entries: &[Entry]) -> FileListing {
    entries.iter().map(|entry| (entry.path.clone(), entry.kind)).collect()
}

/// What of a repository is not fetched, in words for its log.
pub(crate) fn left_alone(root: &Path) -> Vec<&'static str> {
    let mut notes = Vec::new();
    if fs::symlink_metadata(root.join(".gitmodules")).is_ok_and(|data| data.is_file()) {
        notes.push("note: this repository has submodules; Hythe does not fetch them yet");
    }
    let path = root.join(".gitattributes");
    let plain = fs::symlink_metadata(&path).is_ok_and(|data| data.is_file());
    let mut text = String::new();
    let read = |file: File| file.take(MOST_NOTE_BYTES).read_to_string(&mut text);
    if plain && File::open(&path).and_then(read).is_ok() && text.contains("filter=lfs") {
        notes.push("note: this repository uses git LFS; Hythe does not fetch its large files yet");
    }
    notes
}
