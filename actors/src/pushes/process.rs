//! One git process on an app's repository.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::PushError;
use crate::git::{CONFIG, GitSettings, Group, MOST_ALLOCATED, PIPES_WITHIN, SYNCED, first_bytes};

/// The most characters of git's own words that are passed on.
const MOST_SAID: usize = 400;

/// How it ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) success: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ran {
    /// What git said, in one line.
    pub(super) fn said(&self) -> String {
        words(&self.stderr)
    }

    pub(super) fn or_refused(self) -> Result<Self, PushError> {
        match full(&self.stderr) {
            _ if self.success => Ok(self),
            true => Err(PushError::NoRoom),
            false => Err(PushError::Refused(self.said())),
        }
    }
}

/// What git said, in one line of plain characters: it quotes what people sent.
pub(super) fn words(said: &str) -> String {
    let lines = said.lines().map(|line| line.trim_start_matches("fatal: ").trim());
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let plain = lines.join("; ");
    plain.chars().filter(|c| !c.is_control()).take(MOST_SAID).collect()
}

/// Whether it was the disk.
pub(super) fn full(said: &str) -> bool {
    said.contains("No space left on device") || said.contains("Disk quota exceeded")
}

/// A git that is not started yet.
pub(super) fn git(settings: &GitSettings, folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(&settings.program);
    command
        .env_clear()
        .env("PATH", &settings.path)
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOC_LIMIT", MOST_ALLOCATED)
        // Nothing of it goes anywhere else.
        .env("GIT_ALLOW_PROTOCOL", "none");
    if folder.join("HEAD").exists() {
        // Named, and not looked for in the folders around it.
        command.env("GIT_DIR", folder);
    }
    for setting in CONFIG.iter().chain(&[SYNCED, "core.attributesFile=/dev/null"]) {
        command.arg("-c").arg(setting);
    }
    command.args(args).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    command
}

pub(super) fn spawn(command: Command) -> Result<Group, PushError> {
    Group::spawn(command).map_err(|error| PushError::NoGit { error })
}

/// Runs git and waits for its end.
pub(super) async fn run(
    settings: &GitSettings,
    folder: &Path,
    args: &[&str],
    within: Duration,
) -> Result<Ran, PushError> {
    run_with(settings, folder, args, Vec::new(), within).await
}

/// The same, with something to read, which is little.
pub(super) async fn run_with(
    settings: &GitSettings,
    folder: &Path,
    args: &[&str],
    input: Vec<u8>,
    within: Duration,
) -> Result<Ran, PushError> {
    let mut command = git(settings, folder, args);
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut group = spawn(command)?;
    let pipe = group.child.stdin.take();
    let feeding = async move {
        if let Some(mut pipe) = pipe {
            // Where git does not read it, how it ends says why.
            let _ended = pipe.write_all(&input).await;
        }
    };
    let (_, ran) = tokio::join!(feeding, end(&mut group, within));
    ran
}

/// Waits for the end of git.
pub(super) async fn end(group: &mut Group, within: Duration) -> Result<Ran, PushError> {
    let stdout = tokio::spawn(first_bytes(group.child.stdout.take()));
    let stderr = tokio::spawn(first_bytes(group.child.stderr.take()));
    let Ok(status) = tokio::time::timeout(within, group.wait()).await else {
        group.kill();
        group.wait().await?;
        return Err(PushError::TimedOut { within });
    };
    let success = status?.success();
    let texts = async { (stdout.await, stderr.await) };
    let Ok((stdout, stderr)) = tokio::time::timeout(PIPES_WITHIN, texts).await else {
        group.kill();
        return Err(PushError::Refused("it left a process behind".to_owned()));
    };
    Ok(Ran { success, stdout: stdout.unwrap_or_default(), stderr: stderr.unwrap_or_default() })
}
