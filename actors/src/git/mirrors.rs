//! Mirrors: what earlier builds fetched of a repository, so that the next one fetches only what is
//! new.
//!
//! - A mirror belongs to one URL and to what that is reached with: whoever comes with another token
//!   or key, or with none, has another mirror. Its name is a hash of both, under a secret of this
//!   builder's own, so that nothing can be learned from it.
//! - Nothing of a mirror is used by a build whose own fetch, with its own access, did not have the
//!   server give out the very commit first (`through.rs`). A token that was taken away opens nothing
//!   any more, whatever lies here.
//! - Only fetches write to it, one at a time; checkouts read meanwhile, and while one does nothing
//!   is removed. Who would have to wait for long fetches without it.
//! - It can be thrown away at any moment, and is where anything seems wrong with it: a fetch that
//!   was cut off by the end of this process, a file that cannot be read. It holds no credentials.
//! - Which of them go because they were not used for long, or because there is too much, housekeeping
//!   says, as for the rest of the build cache (`build/cache.rs`).

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hythe_core::time::Timestamp;
use hythe_core::wire::storage::{CacheId, CacheRecord};
use hythe_store::durable::put_in_place;
use hythe_store::steps::Step;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use zeroize::Zeroizing;

use super::command::size_up_to;

/// How long a build waits for another one that fetches the same repository, before it fetches
/// without the mirror.
const WAIT: Duration = Duration::from_secs(60);
/// What the names of mirrors begin with: BuildKit's records have other ones.
const PREFIX: &str = "mirror";
/// What the names of folders begin with that are being removed.
const GONE: &str = "gone-";
/// In a mirror: whose it is; written whenever it is used.
const ABOUT: &str = "repository";
/// In a mirror: it is being written to.
const WRITING: &str = "writing";

/// The mirrors of one builder. Clones are the same ones.
#[derive(Clone, Debug)]
pub struct Mirrors {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    secret: Zeroizing<[u8; 32]>,
    /// One lock for each mirror that somebody uses.
    locks: Mutex<BTreeMap<String, Arc<RwLock<()>>>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mirrors({})", self.folder.display())
    }
}

/// A mirror that nobody else uses just now.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) folder: PathBuf,
    /// Whether there was nothing in it.
    pub(super) fresh: bool,
    pub(super) lock: OwnedRwLockWriteGuard<()>,
}

impl Mirrors {
    /// Opens the folder, made where there is none, and throws away what cannot be trusted.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn open(folder: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let secret = secret(&folder.join("secret"))?;
        let inner = Inner { folder: folder.to_owned(), secret, locks: Mutex::default() };
        let mirrors = Self { inner: Arc::new(inner) };
        for entry in std::fs::read_dir(folder)?.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let cut_off = name.starts_with(PREFIX) && path.join(WRITING).exists();
            if (cut_off || name.starts_with(GONE))
                && let Err(error) = mirrors.throw_away(&path)
            {
                tracing::warn!(folder = %path.display(), %error, "some of a mirror stays behind");
            }
        }
        Ok(mirrors)
    }

    /// The name of a repository's mirror, for who reaches it with this.
    pub(super) fn name(&self, url: &str, reached_with: &[&str]) -> String {
        let mut digest = Sha256::new_with_prefix(self.inner.secret.as_slice());
        for part in [url].iter().chain(reached_with) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let length = 64 - PREFIX.len();
        format!("{PREFIX}{}", digest.get(..length).unwrap_or(&digest))
    }

    /// A mirror, once nobody else uses it; none where that takes too long.
    pub(super) async fn hold(&self, name: &str) -> Option<Held> {
        let lock = tokio::time::timeout(WAIT, self.lock(name).write_owned()).await.ok()?;
        let folder = self.inner.folder.join(name);
        let fresh = !tokio::fs::try_exists(&folder).await.unwrap_or(false);
        Some(Held { folder, fresh, lock })
    }

    fn lock(&self, name: &str) -> Arc<RwLock<()>> {
        let mut locks = self.inner.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(name.to_owned()).or_default())
    }

    /// The mirrors that there are, as a part of the build cache.
    ///
    /// # Errors
    /// Their folder cannot be read.
    pub(crate) fn records(&self) -> io::Result<Vec<CacheRecord>> {
        let mut records = Vec::new();
        for entry in std::fs::read_dir(&self.inner.folder)?.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let (Ok(id), folder) = (CacheId::new(name), entry.path()) else { continue };
            let about = folder.join(ABOUT);
            let used = std::fs::metadata(&about).and_then(|about| about.modified());
            let used = used.ok().and_then(|used| used.duration_since(UNIX_EPOCH).ok());
            let used = used.and_then(|used| u64::try_from(used.as_millis()).ok());
            let of = std::fs::read_to_string(&about).unwrap_or_default();
            records.push(CacheRecord {
                id,
                what: format!("mirror of {}", of.chars().take(110).collect::<String>()),
                bytes: size_up_to(vec![folder], u64::MAX),
                used_at: Timestamp(used.unwrap_or(0)),
                in_use: self.lock(name).try_write().is_err(),
            });
        }
        Ok(records)
    }

    /// Throws a mirror away, unless it is used or not there; answers how many bytes that gave.
    ///
    /// # Errors
    /// Some of it stays behind.
    pub(crate) fn remove(&self, id: &CacheId) -> io::Result<u64> {
        let folder = self.inner.folder.join(id.as_str());
        let lock = self.lock(id.as_str());
        let Ok(_held) = lock.try_write() else { return Ok(0) };
        if !id.as_str().starts_with(PREFIX) || !folder.exists() {
            return Ok(0);
        }
        let bytes = size_up_to(vec![folder.clone()], u64::MAX);
        self.throw_away(&folder)?;
        Ok(bytes)
    }

    /// Throws away a folder that nobody uses. Half of a mirror is never taken for one.
    fn throw_away(&self, folder: &Path) -> io::Result<()> {
        let gone = self.inner.folder.join(format!("{GONE}{}", uuid::Uuid::now_v7().simple()));
        #[expect(clippy::disallowed_methods, reason = "what is not moved is thrown away later")]
        std::fs::rename(folder, &gone)?;
        std::fs::remove_dir_all(gone)
    }
}

/// What is done to a mirror before and after a fetch, by who holds it.
impl Held {
    /// Says that it is used, and being written to from now on.
    pub(super) fn begin(&self, url: &str) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        std::fs::write(self.folder.join(WRITING), "")?;
        std::fs::write(self.folder.join(ABOUT), url)?;
        tidy(&self.folder.join("git"))
    }

    /// Keeps what was fetched for the next fetch to build upon, and no more than `most` of those.
    pub(super) fn keep(&self, fetched: &str, most: usize) -> io::Result<()> {
        let kept = self.folder.join("git/refs/kept");
        std::fs::create_dir_all(&kept)?;
        std::fs::write(kept.join(fetched), format!("{fetched}\n"))?;
        let mut all: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(&kept)? {
            let entry = entry?;
            if entry.file_name() != fetched {
                all.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        all.sort();
        let too_many = (all.len() + 1).saturating_sub(most);
        for (_, path) in all.into_iter().take(too_many) {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }

    /// It is not written to any more.
    pub(super) fn end(&self) -> io::Result<()> {
        std::fs::remove_file(self.folder.join(WRITING))
    }

    /// How many packs it consists of.
    pub(super) fn packs(&self) -> usize {
        let packs = std::fs::read_dir(self.folder.join("git/objects/pack"));
        let ends = |entry: &std::fs::DirEntry| {
            entry.path().extension().is_some_and(|extension| extension == "pack")
        };
        packs.map_or(0, |packs| packs.flatten().filter(ends).count())
    }
}

/// Removes what a git that was ended left behind: halves of packs, and locks.
fn tidy(git: &Path) -> io::Result<()> {
    for folder in [git.to_owned(), git.join("objects/pack")] {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let left = name.ends_with(".lock")
                || ["tmp_", ".tmp-", "shallow_"].iter().any(|begin| name.starts_with(begin));
            if left && entry.file_type()?.is_file() {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

/// Reads the secret, or makes one that only this user can read. Where it is lost, all mirrors have
/// other names from then on, and the old ones go for not being used.
fn secret(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    if let Ok(bytes) = std::fs::read(path).map(Zeroizing::new)
        && bytes.len() == secret.len()
    {
        secret.copy_from_slice(&bytes);
        return Ok(secret);
    }
    getrandom::fill(secret.as_mut_slice()).map_err(io::Error::other)?;
    let fresh = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    io::Write::write_all(&mut file, secret.as_slice())?;
    file.sync_all()?;
    put_in_place(&fresh, path, Step::MirrorsMade)?;
    Ok(secret)
}
