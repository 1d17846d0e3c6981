//! The files of a checkout, as a sorted list. Links are listed, never followed.

use std::fs;
use std::io;
use std::path::Path;

use hythe_core::detect::{FileKind, FileListing};

/// The most files in one checkout.
const MOST_FILES: usize = 500_000;

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

/// Paths and kinds alone.
#[cfg(test)]
pub(crate) fn paths(root: &Path) -> io::Result<Vec<(String, FileKind)>> {
    Ok(list(root)?.into_iter().map(|entry| (entry.path, entry.kind)).collect())
}
