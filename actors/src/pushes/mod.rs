//! What people push here by git: one bare repository for each app.
//!
//! - A repository is named by its app's id and can be thrown away at any moment: what is deployed was
//!   put among the uploads before it was recorded, and a push to an empty repository sends everything.
//! - References follow from the journal ([`hythe_core::push::tip`]), not the other way round: what
//!   `git` was told is only what was recorded. What a push brings lies under [`INCOMING`] until then.
//! - One push of an app at a time; and whatever changes its repository waits for that.
//! - Git runs as it does for builds (`git/`): argv, an environment of ours alone, no hooks, bounds on
//!   time and bytes, in a process group that ends with whoever waits for it.

mod process;
mod receive;
mod serve;
#[cfg(test)]
mod tests;
mod tidy;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hythe_core::ids::AppId;
use hythe_core::limits;
use hythe_core::names::CommitId;
use hythe_core::source::Pushed;
use hythe_store::steps::Step;
use tokio::sync::{OwnedMutexGuard, Semaphore};

use crate::git::GitSettings;
use crate::uploads::UploadError;

use process::run;
pub(crate) use tidy::look as tidy;

pub use receive::{PushedCommit, Sent};

/// Where a push lies that is not recorded yet.
const INCOMING: &str = "refs/hythe/incoming";
/// How long git may take over what is quick unless the machine is not.
const QUICK: Duration = Duration::from_secs(60);
/// How long a fetch waits for a push of the same app.
const WAIT: Duration = Duration::from_secs(10);
/// What the whole of a repository is, and nothing that git would change of it on its way out.
const ATTRIBUTES: &str = "* -export-ignore -export-subst\n";

/// Why a push was not taken, or a fetch not answered.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// There is no git.
    #[error("the server has no git ({error}); install it there: apt-get install git")]
    NoGit {
        /// What the system said.
        error: io::Error,
    },
    /// It broke off.
    #[error("the push broke off: {0}; push again")]
    BrokeOff(String),
    /// It is too large.
    #[error(
        "a push has at most {most} bytes; take large files out of the history (git filter-repo), or \
         push a shallow clone: git clone --depth 1"
    )]
    TooLarge {
        /// The most bytes.
        most: u64,
    },
    /// There is no room.
    #[error(
        "the server's disk has no room for it; `hythe gc --dry-run` shows what may go, and `hythe \
         status` how full it is"
    )]
    NoRoom,
    /// Too many are under way.
    #[error("{0}; try again soon")]
    Busy(&'static str),
    /// Git does not want it.
    #[error("git says: {0}")]
    Refused(String),
    /// It took too long.
    #[error("git took longer than it may ({within:?}); try again")]
    TimedOut {
        /// How long that is.
        within: Duration,
    },
    /// The files cannot be kept.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The folder cannot be used.
    #[error("the server cannot keep the repository: {0}")]
    Folder(io::Error),
}

impl From<io::Error> for PushError {
    fn from(error: io::Error) -> Self {
        let full =
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full { Self::NoRoom } else { Self::Folder(error) }
    }
}

/// The repositories of a server.
#[derive(Debug)]
pub struct Pushes {
    folder: PathBuf,
    git: GitSettings,
    /// The most bytes of one push.
    most: u64,
    /// One lock for each app that somebody pushes to.
    locks: Mutex<BTreeMap<AppId, Arc<tokio::sync::Mutex<()>>>>,
    receiving: Semaphore,
    serving: Arc<Semaphore>,
}

/// The repository of an app, while nobody else changes it.
#[derive(Debug)]
pub struct Held {
    repository: PathBuf,
    _lock: OwnedMutexGuard<()>,
}

impl Pushes {
    /// Uses a folder, and takes away the locks that a git left there which did not come to its end.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // Git works in it and is told where it lies.
        let folder = folder.canonicalize()?;
        let pushes = Self {
            folder,
            git: GitSettings::default(),
            most: limits::MOST_PUSH_BYTES,
            locks: Mutex::default(),
            receiving: Semaphore::new(limits::MOST_PUSHES_AT_ONCE),
            serving: Arc::new(Semaphore::new(limits::MOST_PUSHES_AT_ONCE)),
        };
        for app in pushes.list()? {
            tidy::unlock(&pushes.repository(app));
        }
        Ok(pushes)
    }

    fn repository(&self, app: AppId) -> PathBuf {
        self.folder.join(format!("{app}.git"))
    }

    fn lock(&self, app: AppId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(app).or_default())
    }

    /// The repository of an app, where nobody else changes it just now.
    #[must_use]
    pub fn hold(&self, app: AppId) -> Option<Held> {
        let lock = self.lock(app).try_lock_owned().ok()?;
        Some(Held { repository: self.repository(app), _lock: lock })
    }

    /// The same, once nobody else does; none where that takes long.
    pub async fn hold_soon(&self, app: AppId) -> Option<Held> {
        let lock = tokio::time::timeout(WAIT, self.lock(app).lock_owned()).await.ok()?;
        Some(Held { repository: self.repository(app), _lock: lock })
    }

    /// Whether the repository of an app has a commit, so that a push may build upon it.
    pub async fn has(&self, app: AppId, commit: &CommitId) -> bool {
        self.has_in(&self.repository(app), commit).await
    }

    async fn has_in(&self, repository: &Path, commit: &CommitId) -> bool {
        if !repository.join("HEAD").exists() {
            return false;
        }
        let object = format!("{commit}^{{commit}}");
        let ran = run(&self.git, repository, &["cat-file", "-e", &object], QUICK).await;
        ran.is_ok_and(|ran| ran.success)
    }

    /// The commits whose parents an app's repository does not have: it says so to who pushes.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn shallow(&self, app: AppId) -> io::Result<Vec<CommitId>> {
        match fs::read_to_string(self.repository(app).join("shallow")) {
            Ok(text) => Ok(text.lines().filter_map(|line| CommitId::new(line).ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Makes the repository, where there is none.
    async fn make(&self, repository: &Path) -> Result<(), PushError> {
        let info = repository.join("info");
        if info.join("attributes").exists() {
            return Ok(());
        }
        // Done again after it was cut off, it does what is left.
        let place = repository.to_string_lossy();
        let args =
            ["init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--", &place];
        let ran = run(&self.git, &self.folder, &args, QUICK).await?;
        if !ran.success {
            return Err(PushError::Refused(ran.said()));
        }
        fs::create_dir_all(&info)?;
        fs::write(info.join("attributes"), ATTRIBUTES)?;
        Ok(())
    }

    /// Brings the branch to where the journal says; whatever else there is goes.
    ///
    /// # Errors
    /// [`PushError`]; then it is as it was.
    pub async fn follow(&self, held: &Held, tip: Option<&Pushed>) -> Result<(), PushError> {
        let repository = &held.repository;
        self.make(repository).await?;
        // Of a git that was cut off: this one is held.
        tidy::unlock(repository);
        let listed = run(&self.git, repository, &["for-each-ref", "--format=%(refname)"], QUICK);
        let listed = listed.await?.or_refused()?;
        let place = tip.map(|tip| format!("{}{}", hythe_core::push::BRANCHES, tip.branch));
        let there = match tip {
            Some(tip) => self.has_in(repository, &tip.commit).await,
            None => false,
        };
        let mut changes = String::new();
        for name in listed.stdout.lines().filter(|name| !there || Some(*name) != place.as_deref()) {
            changes.push_str(&format!("delete {name}\n"));
        }
        if let (Some(tip), Some(place), true) = (tip, &place, there) {
            changes.push_str(&format!("update {place} {}\n", tip.commit));
            let head = ["symbolic-ref", "HEAD", place];
            run(&self.git, repository, &head, QUICK).await?.or_refused()?;
        }
        // A branch may be a folder of another one's name: what goes, goes first.
        let (gone, new): (Vec<&str>, Vec<&str>) =
            changes.lines().partition(|change| change.starts_with("delete"));
        for changes in [gone, new].into_iter().filter(|changes| !changes.is_empty()) {
            let text = changes.join("\n") + "\n";
            let args = ["update-ref", "--no-deref", "--stdin"];
            process::run_with(&self.git, repository, &args, text.into_bytes(), QUICK)
                .await?
                .or_refused()?;
        }
        if there {
            Step::BranchMoved.passed();
        }
        Ok(())
    }
}
