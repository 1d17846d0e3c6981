//! Where the files of sites lie.
//!
//! Below the place: `files/ab/<digest>`, `variants/ab/<digest>` (which compressed forms a file has, written
//! last of all that belongs to it), `manifests/<digest>`, and whose the place is ([`super::owner`]).
//!
//! What comes in several pieces is put together in a file, and goes on from there in parts: bounds of memory
//! hold for all that come at once. Whatever a builder brings has been used by it just now, so that housekeeping
//! leaves it alone until the list that names it is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use hythe_core::ids::{DeploymentId, InstallationId};
use hythe_core::installation::BackupPlace;
use hythe_core::limits;
use hythe_core::site::{FileHash, Manifest, SiteFile, SiteId, Variants};
use hythe_core::wire::site::{KnownFile, SiteObject};
use hythe_store::steps::Step;
use tokio::sync::{RwLock, Semaphore, mpsc};

use super::owner::{Claim, Owner, claim, shared};
use super::partial::{Joined, blocking, digest, each_part, joined};
use crate::backup::place::PART_BYTES;
use crate::backup::{Place, PlaceError};
use crate::clock::Clock;
use crate::docker::images::room_of;

/// Files of a list that are looked for at once.
const AT_ONCE: usize = 32;
/// Files that are put together at once.
const MOST_PARTIAL: usize = 64;
/// MiB of what came in pieces that are in memory at once, on their way to the place.
const MOST_IN_MEMORY: u32 = 64;
/// Bytes that a file takes of that at the most: four parts, read ahead and on their way.
const STREAMED_BYTES: u64 = 4 * PART_BYTES as u64;

/// Why something of a site was not taken or given. Every message is a sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum SiteStoreError {
    /// The place refused.
    #[error("the server cannot {0}")]
    Place(#[from] PlaceError),
    /// The disk refused.
    #[error("the server cannot keep it: {0}")]
    Disk(#[from] io::Error),
    /// There is no room.
    #[error(
        "the server's disk has no room for the site's files; `hythe status` shows how full it is"
    )]
    NoRoom,
    /// What came is something else.
    #[error("what came is not what was said: {0}; it is to be sent again")]
    Other(String),
    /// A piece does not follow on what is there: the server was started anew since, or has forgotten it.
    #[error("what came before this piece is not there any more; it is to be sent again")]
    Apart,
    /// Files that a list names are not there.
    #[error("{0} of the site's files are not there; they are to be sent again")]
    Missing(usize),
    /// The place is another installation's, or nobody knows whose.
    #[error("the server cannot use the place for sites: {0}")]
    Owned(String),
}

impl SiteStoreError {
    /// Whether it may go well where the whole object is sent again, from its first byte.
    pub(super) const fn is_sent_again(&self) -> bool {
        match self {
            Self::Other(_) | Self::Apart => true,
            Self::Place(_) | Self::Disk(_) | Self::NoRoom | Self::Missing(_) | Self::Owned(_) => {
                false
            }
        }
    }
}

/// What is kept of sites.
#[derive(Debug)]
pub struct Sites {
    pub(super) place: Place,
    /// Where what comes is put together.
    pub(super) partial: PathBuf,
    joining: Semaphore,
    /// In MiB; held until what came is at its place.
    memory: Semaphore,
    /// What is put together now: one question after the other about the same.
    under_way: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    clock: Clock,
    /// Held to write a list, or to let things go: never both at once.
    pub(super) tidying: RwLock<()>,
    /// Who uses the place, where others could, too.
    owner: Option<Owner>,
    /// Whose it was when that was looked at last; none where it could not be.
    claimed: Mutex<Option<Claim>>,
    /// Live sites that are not there.
    gone: Mutex<BTreeSet<SiteId>>,
}

impl Sites {
    /// Uses a place; `folder` is the server's own for what is on its way, and for everything where no place is
    /// given. Nothing is asked of the place yet.
    ///
    /// # Errors
    /// Where a folder cannot be made, or the place cannot be used.
    pub fn open(
        place: Option<&BackupPlace>,
        folder: &Path,
        installation: InstallationId,
    ) -> Result<Self, SiteStoreError> {
        let (kept, partial) = (folder.join("kept"), folder.join("partial"));
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let make = |folder: &Path| fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        make(&partial)?;
        let owner = place.map(|_| Owner::of(installation, folder)).transpose()?;
        let place = match place {
            Some(place) => Place::open(place)?,
            None => {
                make(&kept)?;
                Place::in_folder(&fs::canonicalize(&kept)?)?
            }
        };
        Ok(Self {
            place,
            partial,
            joining: Semaphore::new(MOST_PARTIAL),
            memory: Semaphore::new(MOST_IN_MEMORY as usize),
            under_way: Mutex::default(),
            clock: Clock::system(),
            tidying: RwLock::new(()),
            owner,
            claimed: Mutex::default(),
            gone: Mutex::default(),
        })
    }

    /// Whose the place is: taken where it is nobody's, and looked at anew each time, as another server may have
    /// taken it meanwhile.
    ///
    /// # Errors
    /// It is another installation's, or that cannot be found out.
    pub async fn claim(&self) -> Result<Claim, SiteStoreError> {
        let Some(owner) = &self.owner else { return Ok(Claim::Own) };
        let claimed = claim(&self.place, owner, self.clock.now()).await;
        // Whoever reads finds out by itself where the place is away.
        let known = claimed.as_ref().ok().copied();
        *self.claimed.lock().unwrap_or_else(PoisonError::into_inner) = known;
        claimed
    }

    /// Finds out whose the place is, where that is not known since the last look at it.
    async fn claimed(&self) -> Result<(), SiteStoreError> {
        let known = *self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            self.claim().await?;
        }
        Ok(())
    }

    /// Why nothing is tidied up and what to do about it, where several servers of this installation use the place.
    #[must_use]
    pub fn shared(&self) -> Option<String> {
        let known = *self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        known.and_then(|claim| shared(&self.place, claim))
    }

    /// Notes which live sites are not there.
    pub(crate) fn note_gone(&self, gone: BTreeSet<SiteId>) {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = gone;
    }

    /// The live sites that were not there at the last look.
    #[must_use]
    pub fn gone(&self) -> BTreeSet<SiteId> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which of these sites are not there. One that cannot be asked for is not known to be gone.
    pub(crate) async fn missing(&self, sites: BTreeSet<SiteId>) -> BTreeSet<SiteId> {
        let look = |site: SiteId| async move {
            let gone = self.has(&site).await.is_ok_and(|there| !there);
            gone.then_some(site)
        };
        let looks = stream::iter(sites).map(look).buffer_unordered(AT_ONCE);
        looks.filter_map(std::future::ready).collect().await
    }

    /// Which of these files are there.
    ///
    /// # Errors
    /// Where the place cannot be read.
    pub async fn known(&self, hashes: &[FileHash]) -> Result<Vec<KnownFile>, SiteStoreError> {
        let names: Vec<String> =
            hashes.iter().map(|hash| name(&SiteObject::Variants(hash.clone()))).collect();
        let found = stream::iter(names).map(|name| async move {
            let found = self.place.read(&name, 0..u64::from(u16::MAX)).await?;
            // One that cannot be read is written anew.
            Ok::<_, SiteStoreError>(
                found.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()),
            )
        });
        found.buffered(AT_ONCE).try_collect().await
    }

    /// Takes a piece in; the last one makes it whole.
    ///
    /// # Errors
    /// [`SiteStoreError`]; nothing of it counts then.
    pub async fn take(
        &self,
        object: &SiteObject,
        by: DeploymentId,
        (from, total): (u64, u64),
        piece: Bytes,
    ) -> Result<(), SiteStoreError> {
        let most = match object {
            SiteObject::File(_) => limits::MOST_SITE_FILE_BYTES,
            SiteObject::Variants(_) => u64::from(u16::MAX),
            SiteObject::Manifest(_) => limits::MOST_MANIFEST_BYTES as u64,
        };
        let end = from.saturating_add(piece.len() as u64);
        if total > most || end > total {
            return Err(SiteStoreError::Other(format!("it would have {} bytes", total.max(end))));
        }
        self.claimed().await?;
        if from == 0 && end == total {
            return self.keep(object, piece).await;
        }
        let partial = format!("{by}-{}", name(object).replace('/', "-"));
        // Paths with equal bytes are one object, and a question may be asked again while it is answered.
        let _alone = self.alone(&partial).lock_owned().await;
        // Each further piece finds nothing to follow on, and ends here, too.
        if from == 0 && matches!(object, SiteObject::File(_)) && self.is_new(object, total).await? {
            return Ok(());
        }
        let path = self.partial.join(partial);
        let joined = {
            let _permit = self.joining.acquire().await.map_err(io::Error::other)?;
            let (folder, path) = (self.partial.clone(), path.clone());
            blocking(move || joined(&folder, &path, from, total, &piece)).await?
        };
        match joined {
            Joined::Part => Ok(()),
            Joined::Whole(file) => {
                let kept = self.keep_whole(object, file, total).await;
                if let Err(SiteStoreError::Place(_) | SiteStoreError::Disk(_)) = kept {
                    // What it is put together from is whole: its last piece may come again.
                    return kept;
                }
                // Begun again where it was something else.
                let gone = blocking(move || fs::remove_file(path).map_err(SiteStoreError::from));
                if let Err(error) = gone.await {
                    tracing::warn!(%error, "what a file was put together in stays for a while");
                }
                kept
            }
            // The answer to the piece that made it whole was lost.
            Joined::Apart if self.is_new(object, total).await? => Ok(()),
            Joined::Apart => Err(SiteStoreError::Apart),
        }
    }

    /// What is held while one question about this is answered.
    fn alone(&self, partial: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, held| Arc::strong_count(held) > 1);
        Arc::clone(under_way.entry(partial.to_owned()).or_default())
    }

    /// Whether it is there with this size, and was brought so short a time ago that housekeeping leaves it
    /// alone for long enough to finish a build. What is older is written again, which makes it new.
    async fn is_new(&self, object: &SiteObject, bytes: u64) -> Result<bool, SiteStoreError> {
        let Some((there, used_at)) = self.place.size_and_age(&name(object)).await? else {
            return Ok(false);
        };
        let age = self.clock.now().since(used_at);
        Ok(there == bytes && age.0 < limits::SITE_FILE_KEPT.0 / 2)
    }

    async fn keep(&self, object: &SiteObject, bytes: Bytes) -> Result<(), SiteStoreError> {
        let (of, read) = (object.clone(), bytes.clone());
        let manifest = blocking(move || checked(&of, &read)).await?;
        let Some(manifest) = manifest else {
            let file = matches!(object, SiteObject::File(_));
            if file && self.is_new(object, bytes.len() as u64).await? {
                return Ok(());
            }
            return self.put(object, bytes).await;
        };
        let _nothing_goes = self.tidying.read().await;
        self.all_there(&manifest).await?;
        self.put(object, bytes).await
    }

    /// The same for what was put together in a file.
    async fn keep_whole(
        &self,
        object: &SiteObject,
        file: File,
        total: u64,
    ) -> Result<(), SiteStoreError> {
        let most = match object {
            SiteObject::File(_) => total.min(STREAMED_BYTES),
            SiteObject::Variants(_) | SiteObject::Manifest(_) => total,
        };
        let mib = u32::try_from(most.div_ceil(1 << 20)).unwrap_or(MOST_IN_MEMORY);
        let room = self.memory.acquire_many(mib.min(MOST_IN_MEMORY)).await;
        let _room = room.map_err(io::Error::other)?;
        let file = Arc::new(file);
        let SiteObject::File(hash) = object else {
            let size = usize::try_from(total).map_err(io::Error::other)?;
            let whole = blocking(move || {
                let mut whole = vec![0; size];
                file.read_exact_at(&mut whole, 0)?;
                Ok(Bytes::from(whole))
            });
            return self.keep(object, whole.await?).await;
        };
        let read = Arc::clone(&file);
        let found = blocking(move || digest(&read, total).map_err(SiteStoreError::from)).await?;
        if hash.as_str() != found.to_hex().as_str() {
            return Err(SiteStoreError::Other(format!("its digest is {found}")));
        }
        // Another build may have brought it meanwhile.
        if self.is_new(object, total).await? {
            return Ok(());
        }
        let (sender, mut parts) = mpsc::channel(1);
        let reading = tokio::task::spawn_blocking(move || {
            each_part(&file, total, |part| sender.blocking_send(part).is_ok());
        });
        let name = name(object);
        let put = Step::SiteObjectKept.take(self.place.put_stream(&name, &mut parts)).await;
        // Where that failed, nobody reads on.
        drop(parts);
        reading.await.map_err(io::Error::other)?;
        match put? {
            sent if sent == total => Ok(()),
            sent => Err(SiteStoreError::Other(format!("{sent} of {total} bytes were kept"))),
        }
    }

    async fn put(&self, object: &SiteObject, bytes: Bytes) -> Result<(), SiteStoreError> {
        Step::SiteObjectKept.take(self.place.put(&name(object), bytes)).await?;
        Ok(())
    }

    /// Whether all that a list names is there.
    async fn all_there(&self, manifest: &Manifest) -> Result<(), SiteStoreError> {
        let blobs = manifest.files.values().flat_map(SiteFile::blobs);
        let blobs: BTreeSet<(String, u64)> =
            blobs.map(|(hash, bytes)| (name(&SiteObject::File(hash.clone())), bytes)).collect();
        let look = |(name, bytes): (String, u64)| async move {
            Ok::<_, PlaceError>(self.place.size(&name).await? == Some(bytes))
        };
        let there = stream::iter(blobs).map(look).buffer_unordered(AT_ONCE);
        let missing =
            there.try_fold(0, |missing, there| async move { Ok(missing + usize::from(!there)) });
        match missing.await? {
            0 => Ok(()),
            missing => Err(SiteStoreError::Missing(missing)),
        }
    }

    /// A piece, and how many bytes the whole has; none where it is not there.
    ///
    /// # Errors
    /// Where the place cannot be read.
    pub async fn piece(
        &self,
        object: &SiteObject,
        from: u64,
        most: u32,
    ) -> Result<Option<(Bytes, u64)>, SiteStoreError> {
        let end = from.saturating_add(u64::from(most));
        Ok(self.place.read(&name(object), from..end).await?)
    }

    /// Whether a site is there.
    ///
    /// # Errors
    /// Where the place cannot be asked.
    pub async fn has(&self, site: &SiteId) -> Result<bool, SiteStoreError> {
        Ok(self.place.size(&name(&SiteObject::Manifest(site.clone()))).await?.is_some())
    }

    /// Whether so many bytes more leave free what is to stay free, where the server's own disk holds them.
    ///
    /// # Errors
    /// Where they do not.
    pub fn room(&self, more: u64) -> Result<(), SiteStoreError> {
        let room = room_of(&self.partial)?;
        let stays_free = limits::UPLOAD_LEAVES_FREE.min(room.whole / 10);
        if room.free < more.saturating_add(stays_free) {
            return Err(SiteStoreError::NoRoom);
        }
        Ok(())
    }
}

/// What something is called.
pub(super) fn name(object: &SiteObject) -> String {
    let spread = |folder: &str, hash: &FileHash| {
        let hash = hash.as_str();
        format!("{folder}/{}/{hash}", hash.get(..2).unwrap_or_default())
    };
    match object {
        SiteObject::File(hash) => spread("files", hash),
        SiteObject::Variants(hash) => spread("variants", hash),
        SiteObject::Manifest(id) => format!("manifests/{id}"),
    }
}

/// Whether that is what it is called by; of a list, what it says.
fn checked(object: &SiteObject, bytes: &[u8]) -> Result<Option<Manifest>, SiteStoreError> {
    let other = |why: String| SiteStoreError::Other(why);
    let is = |wanted: &str| {
        let found = blake3::hash(bytes).to_hex();
        if wanted == found.as_str() { Ok(()) } else { Err(other(format!("its digest is {found}"))) }
    };
    match object {
        SiteObject::File(hash) => is(hash.as_str()).map(|()| None),
        SiteObject::Variants(_) => {
            let read = serde_json::from_slice::<Variants>(bytes);
            read.map(|_| None).map_err(|error| other(error.to_string()))
        }
        SiteObject::Manifest(id) => {
            is(id.as_str())?;
            let manifest = Manifest::read(bytes).map_err(other)?;
            manifest.check().map_err(|bad| other(bad.to_string()))?;
            Ok(Some(manifest))
        }
    }
}
