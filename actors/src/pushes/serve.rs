//! Fetching back what was pushed.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use hythe_core::ids::AppId;
use hythe_core::source::Pushed;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::ChildStdout;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::process::{git, run, spawn};
use super::{PushError, Pushes, QUICK};
use crate::git::{Group, first_bytes};

/// How long one fetch may take.
const WITHIN: Duration = Duration::from_secs(30 * 60);
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// What of a repository is nobody's business.
const HIDDEN: [&str; 2] = ["-c", "uploadpack.hideRefs=refs/hythe"];
/// The versions of git's protocol that there are.
const PROTOCOLS: [&str; 3] = ["version=0", "version=1", "version=2"];

impl Pushes {
    /// What `git fetch` is told first.
    ///
    /// # Errors
    /// [`PushError`].
    pub async fn offered(
        &self,
        app: AppId,
        tip: Option<&Pushed>,
        protocol: Option<&str>,
    ) -> Result<Vec<u8>, PushError> {
        let held = self.hold_soon(app).await;
        let held = held.ok_or(PushError::Busy("somebody pushes to this app"))?;
        self.follow(&held, tip).await?;
        let place = held.repository.to_string_lossy();
        let args = ["upload-pack", "--stateless-rpc", "--http-backend-info-refs", &place];
        let mut command = git(&self.git, &held.repository, &[&HIDDEN[..], &args].concat());
        speak(&mut command, protocol);
        let mut group = spawn(command)?;
        let ran = super::process::end(&mut group, QUICK).await?.or_refused()?;
        Ok(ran.stdout.into_bytes())
    }

    /// Answers what `git fetch` asks then. What comes ends early where git fails.
    ///
    /// # Errors
    /// [`PushError`].
    pub async fn served(
        &self,
        app: AppId,
        protocol: Option<&str>,
        asked: Vec<u8>,
    ) -> Result<impl Stream<Item = Result<Bytes, std::io::Error>> + Send + use<>, PushError> {
        let permit = Arc::clone(&self.serving).try_acquire_owned();
        let permit = permit.map_err(|_| PushError::Busy("too many fetches are under way"))?;
        let repository = self.repository(app);
        // An app that was never pushed to has none.
        run(&self.git, &repository, &["rev-parse", "--git-dir"], QUICK).await?.or_refused()?;
        let place = repository.to_string_lossy();
        let args = [&HIDDEN[..], &["upload-pack", "--stateless-rpc", &place]].concat();
        let mut command = git(&self.git, &repository, &args);
        command.stdin(Stdio::piped());
        speak(&mut command, protocol);
        let mut group = spawn(command)?;
        let pipes = (group.child.stdin.take(), group.child.stdout.take());
        let said = tokio::spawn(first_bytes(group.child.stderr.take()));
        if let Some(mut input) = pipes.0 {
            tokio::spawn(async move {
                // Where git does not read it, it says why.
                let _ended = input.write_all(&asked).await;
            });
        }
        let until = Instant::now() + WITHIN;
        let at = pipes.1.map(|stdout| Answer { stdout, group, said, until, _permit: permit });
        Ok(stream::unfold(at, |at| async move {
            let mut at = at?;
            let mut piece = vec![0; PIECE];
            match tokio::time::timeout_at(at.until, at.stdout.read(&mut piece)).await {
                Ok(Ok(0)) => at.ended().await.map(|error| (Err(error), None)),
                Ok(Ok(read)) => {
                    piece.truncate(read);
                    Some((Ok(Bytes::from(piece)), Some(at)))
                }
                Ok(Err(error)) => Some((Err(error), None)),
                Err(_) => Some((Err(std::io::ErrorKind::TimedOut.into()), None)),
            }
        }))
    }
}

/// Says which version of the protocol the client speaks, where it is one.
fn speak(command: &mut tokio::process::Command, protocol: Option<&str>) {
    if let Some(protocol) = protocol.filter(|protocol| PROTOCOLS.contains(protocol)) {
        command.env("GIT_PROTOCOL", protocol);
    }
}

struct Answer {
    stdout: ChildStdout,
    group: Group,
    said: tokio::task::JoinHandle<String>,
    until: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Answer {
    async fn ended(mut self) -> Option<std::io::Error> {
        if self.group.wait().await.is_ok_and(|status| status.success()) {
            return None;
        }
        let said = super::process::words(&self.said.await.unwrap_or_default());
        tracing::debug!(said, "a fetch was not answered to its end");
        Some(std::io::Error::other("git upload-pack failed"))
    }
}
