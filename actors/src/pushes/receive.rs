//! Taking a push in: what it brings, and the files of its commit.

use std::fmt::Display;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use hythe_core::names::CommitId;
use hythe_core::source::UploadDigest;
use hythe_store::steps::Step;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, ChildStdout};

use super::process::{self, Ran, full, git, run, spawn, words};
use super::{Held, INCOMING, PushError, Pushes, QUICK, tidy};
use crate::git::{Group, few_entries, first_bytes};
use crate::uploads::Uploads;

/// How long nothing may come of a push that is being sent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long git may take over what came, and over the files of a commit.
const WITHIN: Duration = Duration::from_secs(10 * 60);
/// After how many bytes it is looked again whether there is room.
const CHECKED_EVERY: u64 = 4 * 1024 * 1024;
/// Of a push that is too large so many times the most is read: who sends it hears why only then.
const READ_TIMES: u64 = 4;
/// Bytes of an archive that are read at once.
const PIECE: usize = 64 * 1024;
/// The most characters of a commit's subject that are shown.
const MOST_SUBJECT: usize = 100;

/// What somebody pushes, but for the pack that follows.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The commit.
    pub commit: CommitId,
    /// The commits whose parents are not sent along.
    pub shallow: Vec<CommitId>,
}

/// A commit that was received.
#[derive(Clone, Debug)]
pub struct PushedCommit {
    /// The first line of its message.
    pub subject: String,
    /// Its files.
    pub upload: UploadDigest,
}

impl Sent {
    /// The same for `git receive-pack`, which puts it where nothing follows from it.
    fn head(&self) -> Vec<u8> {
        let mut head = String::new();
        let mut line = |text: String| head.push_str(&format!("{:04x}{text}", text.len() + 4));
        for commit in &self.shallow {
            line(format!("shallow {commit}\n"));
        }
        let (nothing, commit) = ("0".repeat(40), &self.commit);
        line(format!("{nothing} {commit} {INCOMING}\0report-status quiet object-format=sha1"));
        head.push_str("0000");
        head.into_bytes()
    }
}

impl Pushes {
    /// Takes in what was pushed. Nothing follows from it yet.
    ///
    /// # Errors
    /// [`PushError`]; nothing of it counts then. What is still being sent was read to its end, where
    /// that is not the error.
    pub async fn receive<E: Display>(
        &self,
        held: &Held,
        uploads: &Uploads,
        sent: &Sent,
        mut pack: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<(), PushError> {
        let begun = self.begin(held, uploads).await;
        let (mut group, _permit) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                // Who still sends does not hear why.
                self.feed(None, Vec::new(), uploads, &mut pack).await?;
                return Err(error);
            }
        };
        let (input, stdout, stderr) =
            (group.child.stdin.take(), group.child.stdout.take(), group.child.stderr.take());
        let (stdout, stderr) =
            (tokio::spawn(first_bytes(stdout)), tokio::spawn(first_bytes(stderr)));
        self.feed(input, sent.head(), uploads, &mut pack).await?;
        let ran = process::end(&mut group, WITHIN).await?;
        let text = async |reading: tokio::task::JoinHandle<String>| {
            let read = tokio::time::timeout(QUICK, reading).await;
            read.ok().and_then(Result::ok).unwrap_or_default()
        };
        let (stdout, stderr) = (text(stdout).await, text(stderr).await);
        self.taken(&Ran { stdout, stderr, ..ran })?;
        Step::PushReceived.passed();
        let kind = ["cat-file", "-t", sent.commit.as_str()];
        let kind = run(&self.git, &held.repository, &kind, QUICK).await?.or_refused()?;
        if kind.stdout.trim() != "commit" {
            let kind = words(&kind.stdout);
            return Err(PushError::Refused(format!("what was pushed is a {kind}, not a commit")));
        }
        Ok(())
    }

    async fn begin(
        &self,
        held: &Held,
        uploads: &Uploads,
    ) -> Result<(Group, tokio::sync::SemaphorePermit<'_>), PushError> {
        let permit = self.receiving.try_acquire();
        let permit = permit.map_err(|_| PushError::Busy("too many pushes are under way"))?;
        uploads.room(0)?;
        let repository = &held.repository;
        self.make(repository).await?;
        // It is held: no git that takes locks runs here, and one that was cut off left its own.
        tidy::unlock(repository);
        // What an earlier push left there that was cut off.
        let args = ["update-ref", "--no-deref", "-d", INCOMING];
        run(&self.git, repository, &args, QUICK).await?.or_refused()?;
        let most = format!("receive.maxInputSize={}", self.most);
        let mut args = vec!["-c", &most];
        for setting in [
            "receive.unpackLimit=1",
            "receive.autogc=false",
            "receive.shallowUpdate=true",
            "receive.fsckObjects=true",
            // What old histories have and nobody can change.
            "receive.fsck.badTimezone=ignore",
            "receive.fsck.missingSpaceBeforeDate=ignore",
            "receive.fsck.zeroPaddedFilemode=ignore",
        ] {
            args.extend(["-c", setting]);
        }
        let place = repository.to_string_lossy();
        args.extend(["receive-pack", "--stateless-rpc", &place]);
        let mut command = git(&self.git, repository, &args);
        command.stdin(Stdio::piped());
        Ok((spawn(command)?, permit))
    }

    /// Hands on what comes, to its end, also where git has had enough before.
    async fn feed<E: Display>(
        &self,
        mut input: Option<ChildStdin>,
        head: Vec<u8>,
        uploads: &Uploads,
        pack: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    ) -> Result<(), PushError> {
        write(&mut input, &head).await;
        let (mut total, mut checked) = (0_u64, 0);
        let mut refused = None;
        loop {
            let next = tokio::time::timeout(SILENCE, pack.next()).await;
            let next = next.map_err(|_| PushError::BrokeOff("nothing came any more".into()))?;
            let Some(piece) = next else { break };
            let piece = piece.map_err(|error| PushError::BrokeOff(error.to_string()))?;
            total += piece.len() as u64;
            if total > self.most.saturating_mul(READ_TIMES) {
                break;
            }
            if total > self.most && refused.is_none() {
                refused = Some(PushError::TooLarge { most: self.most });
            }
            if total - checked > CHECKED_EVERY && input.is_some() {
                refused = refused.or(uploads.room(0).err().map(PushError::from));
                checked = total;
            }
            if refused.is_some() {
                // Git ends with what it reads. Who still sends would not hear why.
                input = None;
            }
            write(&mut input, &piece).await;
        }
        refused.map_or(Ok(()), Err)
    }

    /// What git made of it.
    fn taken(&self, ran: &Ran) -> Result<(), PushError> {
        let lines: Vec<&str> = packets(&ran.stdout);
        let fine = lines.iter().any(|line| line.trim_end() == format!("ok {INCOMING}"));
        if ran.success && fine {
            return Ok(());
        }
        let said = format!("{}\n{}", ran.stderr, lines.join("\n"));
        if full(&said) {
            return Err(PushError::NoRoom);
        }
        if said.contains("exceeds maximum allowed size") {
            return Err(PushError::TooLarge { most: self.most });
        }
        // Where it was to lie is nothing to whoever pushed.
        Err(PushError::Refused(words(&said.replace(INCOMING, "the commit"))))
    }

    /// Puts the files of a commit that was received among the uploads.
    ///
    /// # Errors
    /// [`PushError`].
    pub async fn keep(
        &self,
        held: &Held,
        uploads: &Uploads,
        commit: &CommitId,
    ) -> Result<PushedCommit, PushError> {
        let repository = &held.repository;
        let log = ["log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%s"];
        let log = [&log[..], &[commit.as_str(), "--"]].concat();
        let subject = run(&self.git, repository, &log, QUICK).await?.or_refused()?;
        let subject = subject.stdout.trim().chars().filter(|c| !c.is_control());
        let subject = subject.take(MOST_SUBJECT).collect();
        let few = few_entries(&self.git, repository, commit.as_str()).await;
        few.map_err(|why| PushError::Refused(why.to_string()))?;
        let files = Box::pin(self.files(repository, commit)?);
        let upload = tokio::time::timeout(WITHIN, uploads.keep(files)).await;
        let upload = upload.map_err(|_| PushError::TimedOut { within: WITHIN })??;
        Ok(PushedCommit { subject, upload })
    }

    /// The files of a commit as a tar archive; an error at its end where git failed.
    fn files(
        &self,
        repository: &Path,
        commit: &CommitId,
    ) -> Result<impl Stream<Item = Result<Bytes, String>> + use<>, PushError> {
        let command = git(&self.git, repository, &["archive", "--format=tar", commit.as_str()]);
        let mut group = spawn(command)?;
        let stdout = group.child.stdout.take();
        let said = tokio::spawn(first_bytes(group.child.stderr.take()));
        let at = stdout.map(|stdout| Archive { stdout, group, said });
        Ok(stream::unfold(at, |at| async move {
            let mut at = at?;
            let mut piece = vec![0; PIECE];
            match at.stdout.read(&mut piece).await {
                Ok(0) => at.ended().await.map(|why| (Err(why), None)),
                Ok(read) => {
                    piece.truncate(read);
                    Some((Ok(Bytes::from(piece)), Some(at)))
                }
                Err(error) => Some((Err(error.to_string()), None)),
            }
        }))
    }
}

/// Gives git a piece, for as long as it reads.
async fn write(input: &mut Option<ChildStdin>, piece: &[u8]) {
    if let Some(pipe) = input
        && !matches!(tokio::time::timeout(SILENCE, pipe.write_all(piece)).await, Ok(Ok(())))
    {
        *input = None;
    }
}

struct Archive {
    stdout: ChildStdout,
    group: Group,
    said: tokio::task::JoinHandle<String>,
}

impl Archive {
    /// Why it is not whole, where it is not.
    async fn ended(mut self) -> Option<String> {
        let success = self.group.wait().await.is_ok_and(|status| status.success());
        if success {
            return None;
        }
        Some(words(&self.said.await.unwrap_or_default()))
    }
}

/// The lines of what `receive-pack` answers.
fn packets(mut text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    while let Some((length, rest)) = text.split_at_checked(4) {
        match usize::from_str_radix(length, 16) {
            Ok(0) => text = rest,
            Ok(length @ 4..) => {
                let Some((line, rest)) = rest.split_at_checked(length - 4) else { break };
                lines.push(line);
                text = rest;
            }
            Ok(_) | Err(_) => break,
        }
    }
    lines
}
