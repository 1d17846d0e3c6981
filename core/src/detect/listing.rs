//! What a checkout consists of: paths and kinds, without anything that is in the files.

use std::collections::BTreeMap;

/// What lies at a path; links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, wherever it leads.
    Link,
}

/// The files of a checkout: paths relative to its root, with `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileListing(BTreeMap<String, FileKind>);

impl FileListing {
    /// What lies at a path.
    #[must_use]
    pub fn kind(&self, path: &str) -> Option<FileKind> {
        self.0.get(path).copied()
    }

    /// Whether there is nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same but for one path.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.0.remove(path);
        self
    }

    /// Adds one.
    pub(super) fn add(&mut self, path: &str, kind: FileKind) {
        self.0.insert(path.to_owned(), kind);
    }

    /// A file, or a link that may lead to one.
    pub(super) fn has_file(&self, path: &str) -> bool {
        matches!(self.kind(path), Some(FileKind::File | FileKind::Link))
    }

    /// All files below a folder, by their paths in it and in order; all there are for `""`.
    pub(super) fn files_below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let end = prefix.clone();
        self.0
            .range(prefix.clone()..)
            .take_while(move |(path, _)| path.starts_with(&end))
            .filter(|(_, kind)| **kind != FileKind::Folder)
            .filter_map(move |(path, _)| path.get(prefix.len()..))
    }

    /// Names of a few files that are those of a Dockerfile but for upper and lower case or an
    /// ending.
    pub(super) fn like_dockerfiles(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(path, kind)| {
                let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
                **kind == FileKind::File && name.contains("dockerfile") && !name.ends_with("ignore")
            })
            .map(|(path, _)| path.as_str())
            .take(3)
            .collect()
    }
}

impl<S: Into<String>> FromIterator<(S, FileKind)> for FileListing {
    fn from_iter<I: IntoIterator<Item = (S, FileKind)>>(files: I) -> Self {
        Self(files.into_iter().map(|(path, kind)| (path.into(), kind)).collect())
    }
}
