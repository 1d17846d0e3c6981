//! What comes in pieces, put together in files of the server's own.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hythe_core::limits;

use super::store::SiteStoreError;
use crate::backup::place::PART_BYTES;
use crate::docker::images::room_of;

/// How long what nobody goes on with stays.
const PARTIAL_KEPT: Duration = Duration::from_secs(3_600);

/// What a piece made of what came before.
pub(super) enum Joined {
    /// There is more to come.
    Part,
    /// All of it is there.
    Whole(File),
    /// It does not follow on what is there.
    Apart,
}

/// Adds a piece to what came before. A piece that came already says the same again.
pub(super) fn joined(
    folder: &Path,
    path: &Path,
    from: u64,
    total: u64,
    piece: &[u8],
) -> Result<Joined, SiteStoreError> {
    let room = room_of(folder)?;
    if from == 0
        && room.free < total.saturating_add(limits::UPLOAD_LEAVES_FREE.min(room.whole / 10))
    {
        return Err(SiteStoreError::NoRoom);
    }
    let mut options = fs::OpenOptions::new();
    // Only a first piece begins a file: what is not there any more had pieces before.
    let options = options.create(from == 0).truncate(false).read(true).write(true);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Joined::Apart),
        opened => opened?,
    };
    if file.metadata()?.len() < from {
        return Ok(Joined::Apart);
    }
    file.write_all_at(piece, from)?;
    if from.saturating_add(piece.len() as u64) < total {
        return Ok(Joined::Part);
    }
    file.set_len(total)?;
    Ok(Joined::Whole(file))
}

/// The digest of so many bytes of a file.
pub(super) fn digest(file: &File, total: u64) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut failed = None;
    each_part(file, total, |part| match part {
        Ok(part) => {
            hasher.update(&part);
            true
        }
        Err(error) => {
            failed = Some(error);
            false
        }
    });
    failed.map_or_else(|| Ok(hasher.finalize()), Err)
}

/// Gives a file in the parts that places take, for as long as they are wanted.
pub(super) fn each_part(file: &File, total: u64, mut take: impl FnMut(io::Result<Bytes>) -> bool) {
    let mut from = 0;
    while from < total {
        let size = usize::try_from(total - from).unwrap_or(PART_BYTES).min(PART_BYTES);
        let mut part = vec![0; size];
        let read = file.read_exact_at(&mut part, from).map(|()| Bytes::from(part));
        let failed = read.is_err();
        if !take(read) || failed {
            return;
        }
        from += size as u64;
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SiteStoreError> + Send + 'static,
) -> Result<T, SiteStoreError> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

pub(super) fn forget_partial(folder: &Path) -> io::Result<()> {
    for found in fs::read_dir(folder)? {
        let found = found?;
        let age = found.metadata()?.modified()?.elapsed().unwrap_or_default();
        if age > PARTIAL_KEPT {
            fs::remove_file(found.path())?;
        }
    }
    Ok(())
}
