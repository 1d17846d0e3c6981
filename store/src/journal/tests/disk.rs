//! What lies on a disk, and the steps that change it: writes, lengths and names of files, and the
//! syncs that make them durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::image::Image;
use crate::journal::storage::Part;

/// A file, whatever its name.
pub(crate) type FileId = u32;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write {
        file: FileId,
        offset: usize,
        data: Arc<[u8]>,
    },
    Len {
        file: FileId,
        len: usize,
    },
    /// All that was done to the file before is durable.
    Sync {
        file: FileId,
    },
    /// A sync failed: this is what the file holds now.
    Failed {
        file: FileId,
        image: Image,
    },
    /// A name was given or taken away.
    Name {
        part: Part,
        file: Option<FileId>,
    },
    /// All names given before are durable.
    SyncNames,
}

/// Files and their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    files: BTreeMap<FileId, Image>,
    log: Option<FileId>,
    index: Option<FileId>,
    /// The check sums that were kept of the files' pages.
    sums: Vec<(Part, Arc<[u8]>)>,
    next: FileId,
}

impl Disk {
    pub(crate) fn named(&self, part: Part) -> Option<FileId> {
        match part {
            Part::Log => self.log,
            Part::Index => self.index,
        }
    }

    pub(crate) fn sums(&self, part: Part) -> Option<Arc<[u8]>> {
        let kept = self.sums.iter().find(|(of, _)| *of == part);
        kept.map(|(_, sums)| Arc::clone(sums))
    }

    pub(crate) fn keep_sums(&mut self, part: Part, sums: &[u8]) {
        self.sums.retain(|(of, _)| *of != part);
        self.sums.push((part, sums.into()));
    }

    pub(crate) fn add(&mut self) -> FileId {
        let file = self.next;
        self.next += 1;
        self.files.insert(file, Image::default());
        file
    }

    pub(crate) fn image(&self, file: FileId) -> Image {
        self.files.get(&file).cloned().unwrap_or_default()
    }

    pub(crate) fn file(&self, file: FileId) -> &Image {
        &self.files[&file]
    }

    pub(crate) fn file_mut(&mut self, file: FileId) -> &mut Image {
        self.next = self.next.max(file + 1);
        self.files.entry(file).or_default()
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Write { file, offset, data } => self.file_mut(*file).write(*offset, data),
            Step::Len { file, len } => self.file_mut(*file).set_len(*len),
            Step::Sync { file } => self.file_mut(*file).settle(),
            Step::Failed { file, image } => *self.file_mut(*file) = image.clone(),
            Step::Name { part, file } => {
                // A file may be there by name with nothing of it written.
                if let Some(file) = file {
                    self.file_mut(*file);
                }
                match part {
                    Part::Log => self.log = *file,
                    Part::Index => self.index = *file,
                }
            }
            Step::SyncNames => {}
        }
    }

    /// Makes copies cheap, and forgets files without a name.
    pub(crate) fn settle(&mut self) {
        let (log, index) = (self.log, self.index);
        self.files.retain(|file, _| Some(*file) == log || Some(*file) == index);
        self.files.values_mut().for_each(Image::settle);
    }
}
