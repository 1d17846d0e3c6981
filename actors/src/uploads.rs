//! Uploads: what people sent to be built, kept by the server under the digest of its bytes.
//!
//! An upload is whole or not there: it is written beside its place and put there once its digest was
//! seen to be right. Sent again it is there already. It lies in files and not in the journal: it is
//! bulk, and whoever sent it can do so again. Builders ask for it piece by piece ([`serve`]), whichever
//! machine they are on.

mod serve;
#[cfg(test)]
mod tests;
pub mod unpack;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use hythe_core::limits;
use hythe_core::source::UploadDigest;
use hythe_core::sweep::uploads::StoredUpload;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::storage::DiskRoom;
use hythe_store::durable::put_in_place;
use hythe_store::steps::Step;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::docker::images::room_of;

pub(crate) use serve::serve;

/// What the name of an upload begins with that is not whole.
const PARTIAL: &str = "partial-";
/// How long nothing may come of one that is being sent.
const SILENCE: Duration = Duration::from_secs(60);
/// After how many bytes it is looked again whether there is room.
const CHECKED_EVERY: u64 = 4 * 1024 * 1024;
/// The most uploads that are listed: beyond them the folder is not ours.
const MOST_LISTED: usize = 100_000;

/// Why an upload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is too large.
    #[error(
        "an upload has at most {most} bytes; leave out what no build needs with a .hytheignore"
    )]
    TooLarge {
        /// The most bytes.
        most: u64,
    },
    /// Its bytes have another digest.
    #[error("what came has the digest {found}, not {wanted}; send it again")]
    OtherDigest {
        /// What was said.
        wanted: UploadDigest,
        /// What came.
        found: String,
    },
    /// It broke off.
    #[error("the upload broke off: {0}; send it again")]
    BrokeOff(String),
    /// There is no room.
    #[error(
        "the server's disk has no room for it; `hythe gc --dry-run` shows what may go, and `hythe \
         status` how full it is"
    )]
    NoRoom,
    /// Too many are being sent.
    #[error("{} uploads are under way; try again soon", limits::MOST_UPLOADS_AT_ONCE)]
    Busy,
    /// The folder cannot be used.
    #[error("the server cannot keep it: {0}")]
    Folder(io::Error),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        let full =
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full { Self::NoRoom } else { Self::Folder(error) }
    }
}

/// The uploads that a server has.
#[derive(Debug)]
pub struct Uploads {
    folder: PathBuf,
    /// The most bytes of one.
    most: u64,
    taking: Semaphore,
}

/// What is not whole goes when it is dropped.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // In its place already, or never made.
        let _gone = fs::remove_file(&self.0);
    }
}

impl Uploads {
    /// Uses a folder, and removes from it what a server left there half done.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        for found in fs::read_dir(&folder)?.take(MOST_LISTED) {
            let found = found?;
            if found.file_name().to_string_lossy().starts_with(PARTIAL) {
                fs::remove_file(found.path())?;
            }
        }
        let taking = Semaphore::new(limits::MOST_UPLOADS_AT_ONCE);
        Ok(Self { folder, most: limits::MOST_UPLOAD_BYTES, taking })
    }

    fn path(&self, digest: &UploadDigest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    /// How many bytes an upload has; none where it is not there.
    #[must_use]
    pub fn bytes(&self, digest: &UploadDigest) -> Option<u64> {
        fs::metadata(self.path(digest)).ok().filter(fs::Metadata::is_file).map(|data| data.len())
    }

    /// Says that an upload is used now, so that it stays for as long as a new one; answers how many
    /// bytes it has, and none where it is not there.
    #[must_use]
    pub fn touch(&self, digest: &UploadDigest) -> Option<u64> {
        let file = File::options().append(true).open(self.path(digest)).ok()?;
        // Kept for less time then, which is no reason to refuse it.
        let _kept = file.set_modified(SystemTime::now());
        file.metadata().ok().map(|data| data.len())
    }

    /// Takes an upload in; answers how many bytes it has. `said` is how many whoever sends it says
    /// that they are.
    ///
    /// # Errors
    /// [`UploadError`]; nothing of it is kept then.
    pub async fn take<E: std::fmt::Display>(
        &self,
        digest: &UploadDigest,
        said: Option<u64>,
        bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<u64, UploadError> {
        let (_, total) = self.taken(Some(digest), said, bytes).await?;
        Ok(total)
    }

    /// Takes in what is made here; answers under which digest it is kept.
    ///
    /// # Errors
    /// [`UploadError`]; nothing of it is kept then.
    pub async fn keep<E: std::fmt::Display>(
        &self,
        bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<UploadDigest, UploadError> {
        let (digest, _) = self.taken(None, None, bytes).await?;
        Ok(digest)
    }

    async fn taken<E: std::fmt::Display>(
        &self,
        wanted: Option<&UploadDigest>,
        said: Option<u64>,
        mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<(UploadDigest, u64), UploadError> {
        let most = self.most;
        if said.is_some_and(|said| said > most) {
            return Err(UploadError::TooLarge { most });
        }
        let _permit = self.taking.try_acquire().map_err(|_| UploadError::Busy)?;
        self.room(said.unwrap_or(0))?;
        let partial = Partial(self.folder.join(format!("{PARTIAL}{}", Uuid::now_v7())));
        let mut file = tokio::fs::File::create_new(&partial.0).await?;
        let (mut hash, mut total) = (Sha256::new(), 0_u64);
        let mut checked = 0;
        loop {
            let next = tokio::time::timeout(SILENCE, bytes.next()).await;
            let next = next.map_err(|_| UploadError::BrokeOff("nothing came any more".into()))?;
            let Some(piece) = next else { break };
            let piece = piece.map_err(|error| UploadError::BrokeOff(error.to_string()))?;
            total += piece.len() as u64;
            if total > most {
                return Err(UploadError::TooLarge { most });
            }
            // Whoever did not say how much it is.
            if total - checked > CHECKED_EVERY {
                self.room(0)?;
                checked = total;
            }
            hash.update(&piece);
            file.write_all(&piece).await?;
        }
        file.flush().await?;
        file.sync_all().await?;
        drop(file);
        let found = format!("sha256:{}", hex(&hash.finalize()));
        if let Some(wanted) = wanted.filter(|wanted| found != wanted.as_str()) {
            return Err(UploadError::OtherDigest { wanted: wanted.clone(), found });
        }
        let digest = UploadDigest::new(found).map_err(io::Error::other)?;
        let place = self.path(&digest);
        let put = move || put_in_place(&partial.0, &place, Step::UploadKept);
        tokio::task::spawn_blocking(put).await.map_err(io::Error::other)??;
        Ok((digest, total))
    }

    /// Whether so many bytes more leave what is to stay free.
    pub(crate) fn room(&self, more: u64) -> Result<(), UploadError> {
        let DiskRoom { whole, free } = room_of(&self.folder)?;
        let stays_free = limits::UPLOAD_LEAVES_FREE.min(whole / 10);
        if free < more.saturating_add(stays_free) {
            return Err(UploadError::NoRoom);
        }
        Ok(())
    }

    /// A piece of an upload, and how many bytes the whole has; none where it is not there.
    pub(crate) fn piece(
        &self,
        digest: &UploadDigest,
        from: u64,
        most: usize,
    ) -> io::Result<Option<(Vec<u8>, u64)>> {
        let file = match File::open(self.path(digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let total = file.metadata()?.len();
        let left = usize::try_from(total.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut piece = vec![0; most.min(left)];
        file.read_exact_at(&mut piece, from)?;
        Ok(Some((piece, total)))
    }

    /// All uploads, by digest.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn list(&self) -> io::Result<Vec<StoredUpload>> {
        let mut all = Vec::new();
        for found in fs::read_dir(&self.folder)?.take(MOST_LISTED) {
            let found = found?;
            let name = found.file_name();
            // What is not named as an upload is nothing of ours.
            let digest = UploadDigest::new(format!("sha256:{}", name.to_string_lossy()));
            let (Ok(digest), Ok(data)) = (digest, found.metadata()) else { continue };
            let since = data.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let used_at = Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
            all.push(StoredUpload { digest, bytes: data.len(), used_at });
        }
        all.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(all)
    }

    /// Lets go of an upload that was not used since then; answers whether it did.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn remove(&self, upload: &StoredUpload) -> io::Result<bool> {
        let path = self.path(&upload.digest);
        let since = fs::metadata(&path)?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since > Duration::from_millis(upload.used_at.plus(Millis(1)).0) {
            return Ok(false);
        }
        fs::remove_file(path).map(|()| true)
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
