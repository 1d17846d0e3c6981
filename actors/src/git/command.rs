//! One git process: its argv, its environment, its bounds and its end.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::local::{Reach, Remote};
use super::{GitError, GitSettings, lfs};

/// The most that is kept of what git writes; the rest is read and dropped.
const MOST_OUTPUT: usize = 256 * 1024;
/// From one look at the size on disk to the next.
const SIZE_EVERY: Duration = Duration::from_millis(500);
/// How long what git left behind may hold on to its output once git itself has ended.
pub(crate) const PIPES_WITHIN: Duration = Duration::from_secs(2);

/// What lies in a scratch folder is removed after a crash, not read.
const NOT_SYNCED: &str = "core.fsync=none";
/// What lies in a mirror is read after it.
pub(crate) const SYNCED: &str = "core.fsync=committed";

/// The most memory that git takes at once: a delta of a few bytes may say that it makes many gigabytes.
pub(crate) const MOST_ALLOCATED: &str = "1g";

/// Settings that hold for every git process here, whatever its version knows of them.
pub(crate) const CONFIG: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.symlinks=true",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    // One pack whose growth can be watched instead of many loose files.
    "fetch.unpackLimit=1",
    "protocol.version=2",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=60",
    "advice.detachedHead=false",
    // Larger files go from pack to disk piece by piece.
    "core.bigFileThreshold=64m",
];

/// Everything that git processes for one source share.
#[derive(Clone, Debug)]
pub(super) struct Git<'a> {
    pub(super) settings: &'a GitSettings,
    pub(super) remote: &'a Remote<'a>,
    /// Holds all that this build fetches: what counts for how much room it takes.
    whole: &'a Path,
    /// Holds `git` and `home`, both for this repository alone.
    scratch: PathBuf,
    /// Where the files are checked out.
    tree: PathBuf,
    objects: Objects<'a>,
    pub(super) cancel: &'a CancellationToken,
    pub(super) deadline: Instant,
}

/// Where objects lie besides `scratch`.
#[derive(Clone, Copy, Debug)]
enum Objects<'a> {
    /// Nowhere.
    Here,
    /// They are fetched into this mirror.
    Into(&'a Path),
    /// They are read from this mirror.
    From(&'a Path),
}

/// How a git process ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) success: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl<'a> Git<'a> {
    /// Works in `scratch`.
    pub(super) fn new(
        settings: &'a GitSettings,
        remote: &'a Remote<'a>,
        scratch: &'a Path,
        cancel: &'a CancellationToken,
        deadline: Instant,
    ) -> Self {
        let (own, tree) = (scratch.to_owned(), scratch.join("tree"));
        let objects = Objects::Here;
        Self { settings, remote, whole: scratch, scratch: own, tree, objects, cancel, deadline }
    }

    /// The same within the same bounds, for another checkout.
    pub(super) fn at(&self, scratch: PathBuf, tree: PathBuf) -> Self {
        Self { scratch, tree, objects: Objects::Here, ..self.clone() }
    }

    /// The same for another repository.
    pub(super) fn of(&self, remote: &'a Remote<'a>, scratch: PathBuf, tree: PathBuf) -> Self {
        Self { remote, ..self.at(scratch, tree) }
    }

    /// The same, but objects are written to a mirror.
    pub(super) fn writing(&self, folder: &'a Path) -> Self {
        Self { objects: Objects::Into(folder), ..self.clone() }
    }

    /// The same, but those of a mirror are read, too.
    pub(super) fn reading(&self, folder: &'a Path) -> Self {
        Self { objects: Objects::From(folder), ..self.clone() }
    }

    /// Where the files are checked out.
    pub(super) fn tree(&self) -> PathBuf {
        self.tree.clone()
    }

    /// Where git and its home lie.
    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Where git keeps its objects.
    pub(super) fn git_dir(&self) -> PathBuf {
        match self.objects {
            Objects::Into(mirror) => mirror.join("git"),
            Objects::Here | Objects::From(_) => self.scratch.join("git"),
        }
    }

    /// How many bytes the packs have that it reads.
    pub(super) fn packed(&self) -> u64 {
        let mut folders = vec![self.git_dir()];
        if let Objects::From(mirror) = self.objects {
            folders.push(mirror.join("git"));
        }
        let packs =
            folders.into_iter().filter_map(|git| std::fs::read_dir(git.join("objects/pack")).ok());
        packs.flatten().flatten().filter_map(|pack| Some(pack.metadata().ok()?.len())).sum()
    }

    /// What counts for how much room is taken.
    fn sized(&self) -> Vec<PathBuf> {
        match self.objects {
            Objects::Here => vec![self.whole.to_owned()],
            Objects::Into(mirror) | Objects::From(mirror) => {
                vec![mirror.to_owned(), self.whole.to_owned()]
            }
        }
    }

    /// What git and ssh take for the user's own folder.
    pub(super) fn home(&self) -> PathBuf {
        self.scratch.join("home")
    }

    /// Runs git and waits for its end.
    pub(super) async fn run(&self, args: &[&str]) -> Result<Ran, GitError> {
        self.run_command(self.command(args, None)).await
    }

    /// The same, with the filter of git LFS.
    pub(super) async fn run_with_lfs(&self, args: &[&str]) -> Result<Ran, GitError> {
        if !lfs::installed(&self.settings.path) {
            return Err(GitError::NoLfs);
        }
        let config = lfs::config(&self.remote.url, &self.scratch);
        self.run_command(self.command(args, Some(&config))).await
    }

    async fn run_command(&self, command: Command) -> Result<Ran, GitError> {
        if self.cancel.is_cancelled() {
            return Err(GitError::Cancelled);
        }
        let mut group = Group::spawn(command).map_err(|error| GitError::NoGit {
            program: self.settings.program.display().to_string(),
            error,
        })?;
        let stdout = tokio::spawn(first_bytes(group.child.stdout.take()));
        let stderr = tokio::spawn(first_bytes(group.child.stderr.take()));
        let status = self.watch(&mut group).await?;
        let text = async { (stdout.await, stderr.await) };
        let (stdout, stderr) = match tokio::time::timeout(PIPES_WITHIN, text).await {
            Ok((stdout, stderr)) => (stdout.unwrap_or_default(), stderr.unwrap_or_default()),
            // Something of git's lives on and holds the pipes, so the group is still git's.
            Err(_) => {
                group.kill();
                (String::new(), "git left a process behind".to_owned())
            }
        };
        Ok(Ran { success: status.success(), stdout, stderr })
    }

    /// Waits for the end, whichever comes: its own, a cancel, the deadline, or too large a disk.
    async fn watch(&self, group: &mut Group) -> Result<std::process::ExitStatus, GitError> {
        let mut sizes = tokio::time::interval_at(Instant::now() + SIZE_EVERY, SIZE_EVERY);
        sizes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let most = self.settings.most_bytes;
        let error = loop {
            tokio::select! {
                status = group.wait() => return Ok(status?),
                () = self.cancel.cancelled() => break GitError::Cancelled,
                () = tokio::time::sleep_until(self.deadline) => {
                    break GitError::TimedOut { within: self.settings.within };
                }
                _ = sizes.tick() => {
                    let folders = self.sized();
                    let size = tokio::task::spawn_blocking(move || size_up_to(folders, most));
                    if size.await.is_ok_and(|size| size > most) {
                        break GitError::TooLarge { most };
                    }
                }
            }
        };
        group.kill();
        group.wait().await?;
        Err(error)
    }

    /// Whether what lies on disk now is more than allowed.
    pub(super) async fn check_size(&self) -> Result<(), GitError> {
        let (folders, most) = (self.sized(), self.settings.most_bytes);
        let size = tokio::task::spawn_blocking(move || size_up_to(folders, most)).await;
        if size.is_ok_and(|size| size > most) {
            return Err(GitError::TooLarge { most });
        }
        Ok(())
    }

    fn command(&self, args: &[&str], lfs: Option<&[String]>) -> Command {
        let settings = self.settings;
        let mut command = Command::new(&settings.program);
        command.env_clear().envs(settings.passed_on.iter().map(|(name, value)| (name, value)));
        command
            .env("PATH", &settings.path)
            .env("HOME", self.home())
            .env("LC_ALL", "C")
            .env("GIT_DIR", self.git_dir())
            .env("GIT_WORK_TREE", self.tree())
            .env("GIT_TERMINAL_PROMPT", "0")
            // Empty means: no program to ask with, and no other is looked for.
            .env("GIT_ASKPASS", "")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", self.global_config())
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_ALLOC_LIMIT", MOST_ALLOCATED)
            .env("GIT_ALLOW_PROTOCOL", self.remote.protocol);
        if lfs.is_none() {
            command.env("GIT_LFS_SKIP_SMUDGE", "1");
        }
        match &self.remote.reach {
            Reach::Open => {}
            Reach::Token(token, location) => {
                command.envs(token.environment(location));
            }
            Reach::Ssh(ssh) => {
                command.env("GIT_SSH_COMMAND", ssh.command(&self.home()));
                command.env("GIT_SSH_VARIANT", "ssh");
            }
        }
        let synced = match self.objects {
            Objects::Into(_) => SYNCED,
            Objects::Here | Objects::From(_) => NOT_SYNCED,
        };
        for setting in CONFIG.iter().chain([&synced]) {
            command.arg("-c").arg(setting);
        }
        for setting in lfs.unwrap_or_default() {
            command.arg("-c").arg(setting);
        }
        command.args(args).current_dir(&self.scratch);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        command
    }

    /// Git reads a repository of another user's only where a configuration file says so, and does
    /// not take it from the command line. For local repositories there is such a file.
    pub(super) fn global_config(&self) -> PathBuf {
        match self.remote.folder {
            Some(_) => self.home().join("gitconfig"),
            None => PathBuf::from("/dev/null"),
        }
    }
}

/// A child that leads its own process group; dropped before its end, the whole group is killed.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) child: Child,
    leader: Option<Pid>,
}

impl Group {
    pub(crate) fn spawn(mut command: Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let leader = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .filter(|id| *id > 1)
            .map(Pid::from_raw);
        Ok(Self { child, leader })
    }

    pub(crate) async fn wait(&mut self) -> io::Result<std::process::ExitStatus> {
        self.child.wait().await
    }

    pub(crate) fn kill(&self) {
        if let Some(leader) = self.leader {
            // Gone already is as good.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Once it was waited for, the number may be somebody else's.
        if self.child.id().is_some() {
            self.kill();
        }
    }
}

/// Reads all of it, keeps the beginning.
pub(crate) async fn first_bytes(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut kept = Vec::new();
    let mut piece = vec![0; 8 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut piece).await {
        let room = MOST_OUTPUT.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(piece.get(..room).unwrap_or_default());
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Bytes of all files below some folders; stops counting once there are more than `most`.
pub(crate) fn size_up_to(mut folders: Vec<PathBuf>, most: u64) -> u64 {
    let mut size = 0;
    while let Some(folder) = folders.pop() {
        // What vanishes meanwhile takes no room.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() {
                folders.push(entry.path());
            }
            size += data.len();
            if size > most {
                return size;
            }
        }
    }
    size
}
