//! One build from its acceptance to its report.
//!
//! Everything between is repeatable: scratch folders are the build's own, the image's name derives
//! from app and deployment, and the ledger decides which end counts. So a build that was cut off
//! anywhere is simply done again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hythe_core::deployment::Fault;
use hythe_core::limits;
use hythe_core::wire::build::{BuildCommand, BuildProgress};
use hythe_core::wire::log::{LogFrame, LogSource};
use hythe_core::wire::subjects;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::BuilderSettings;
use super::buildkit::NoImage;
use super::engine::Engine;
use super::guard::Guard;
use super::ledger::Ledger;
use super::log::BuildLog;
use super::publish::{Reporter, now};
use super::secrets::{self, Opened};
use super::work::{Work, failed};
use crate::git::Mirrors;
use crate::node::Keys;

/// How long a cancelled build may take to end in order, before it is dropped where it stands.
pub(super) const CANCEL_WITHIN: Duration = Duration::from_secs(5);

/// What all builds of this builder share.
#[derive(Debug)]
pub(crate) struct Builder {
    pub(crate) settings: BuilderSettings,
    pub(crate) engine: Engine,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) reporter: Reporter,
    /// What opens the boxes that are sealed for this worker.
    pub(crate) keys: Keys,
    /// What builds are kept to.
    pub(crate) guard: Guard,
    /// What was fetched before.
    pub(crate) mirrors: Mirrors,
    /// One permit per build at once.
    pub(crate) slots: Arc<Semaphore>,
}

/// One build.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) command: BuildCommand,
    /// Ends it.
    pub(crate) cancel: CancellationToken,
    /// Whether it goes on after a restart of this process.
    pub(crate) resumed: bool,
    /// Its slot, if there was one when it was taken on.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

impl Builder {
    /// Sees a build through, its report included.
    pub(crate) async fn see_through(self: Arc<Self>, job: Job) {
        let (deployment, generation) = (job.command.deployment, job.command.generation);
        // A cancel may have come between the ledger's yes and this.
        let open = self.ledger.with(move |ledger| ledger.is_open(deployment, generation)).await;
        if open.is_ok_and(|open| !open) {
            return;
        }
        if job.resumed {
            // That it was taken on may never have left the builder before.
            self.reporter.alive(deployment, generation, BuildProgress::Running).await;
        }
        let progress = {
            let work = Box::pin(self.work(&job));
            let beats = self.beat(&job);
            tokio::select! {
                (progress, log) = work => {
                    // The last lines and the report go out side by side: neither waits.
                    let (end, ()) = tokio::join!(self.end(&job, progress), log.end());
                    end
                }
                () = beats => return,
            }
        };
        if let Some(progress) = progress {
            self.reporter.ended(deployment, generation, progress).await;
            let kept =
                self.ledger.with(move |ledger| ledger.reported(deployment, generation)).await;
            if let Err(error) = kept {
                tracing::warn!(%deployment, %error, "the report of a build will be repeated");
            }
        }
    }

    /// Writes an end into the ledger; answers with what is to be reported.
    async fn end(&self, job: &Job, progress: BuildProgress) -> Option<BuildProgress> {
        let (deployment, generation) = (job.command.deployment, job.command.generation);
        let kept = progress.clone();
        let counts = self
            .ledger
            .with(move |ledger| ledger.end(deployment, generation, kept, now()))
            .await
            .unwrap_or_else(|error| {
                // Reported all the same: a restart would build once more, which harms nobody.
                tracing::error!(%deployment, %error, "a build's end was not written down");
                Some(progress)
            });
        // Where a newer giving-out counts, the name is that one's by now.
        if matches!(counts, Some(BuildProgress::Cancelled)) {
            self.engine.untag(job.command.spec.app, deployment).await;
        }
        counts
    }

    /// Signs of life, for ever.
    async fn beat(&self, job: &Job) {
        let every = Duration::from_millis(limits::BUILD_HEARTBEAT.0);
        let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (deployment, generation) = (job.command.deployment, job.command.generation);
            self.reporter.alive(deployment, generation, BuildProgress::Running).await;
        }
    }

    /// Builds within its deadline, unless it is cancelled, and cleans up.
    async fn work(&self, job: &Job) -> (BuildProgress, BuildLog) {
        let command = &job.command;
        let (deployment, generation) = (command.deployment, command.generation);
        let first = if job.resumed { self.next_line(command).await } else { 1 };
        let (mut opened, fault) = match secrets::open(command, self.settings.worker, &self.keys) {
            Some(Ok(opened)) => (opened, None),
            Some(Err(error)) => (Opened::default(), Some(error.to_string())),
            // The intake takes none such.
            None => (Opened::default(), Some("its secrets are not for this worker".to_owned())),
        };
        let (mask, remarks) =
            (std::mem::take(&mut opened.mask), std::mem::take(&mut opened.remarks));
        let jetstream = self.reporter.jetstream.clone();
        let log = BuildLog::start(jetstream, deployment, generation, first, mask);
        if job.resumed {
            log.say("the builder was restarted; this build begins again").await;
        }
        for remark in remarks {
            log.say(remark).await;
        }
        let doing = Mutex::new("waiting for its turn");
        let scratch = self.settings.scratch().join(format!("{deployment}-{generation}"));
        // Cancelled from without, or because a limit was met.
        let cancel = job.cancel.child_token();
        let work = Work {
            builder: self,
            command,
            cancel: &cancel,
            log: &log,
            scratch,
            doing: &doing,
            opened: &opened,
        };
        let left = command.until.since(now());
        let mut building = Box::pin(async {
            let _slot = match job.slot {
                Some(_) => None,
                None => Some(self.slot(&cancel).await?),
            };
            work.doing("about to begin");
            match fault {
                None => work.build().await,
                Some(why) => Err(NoImage::Failed(Fault::new(why))),
            }
        });
        let outcome = tokio::select! {
            outcome = &mut building => outcome,
            () = job.cancel.cancelled() => {
                // It sees the cancel itself, and ends what it runs.
                let _ = timeout(CANCEL_WITHIN, &mut building).await;
                Err(NoImage::Cancelled)
            }
            () = sleep(Duration::from_millis(left.0)) => {
                cancel.cancel();
                let _ = timeout(CANCEL_WITHIN, &mut building).await;
                Err(NoImage::Failed(Fault::new(format!(
                    "the build was not done in the time it had; it was {}",
                    work.was_doing()
                ))))
            }
        };
        drop(building);
        let progress = match outcome {
            Ok(built) => BuildProgress::Finished(Ok(built)),
            Err(NoImage::Failed(Fault { message, log: lines })) => {
                let fault = Fault { message: log.fit(&message), log: lines };
                log.say(format!("the build failed: {}", fault.message)).await;
                BuildProgress::Finished(Err(fault))
            }
            Err(NoImage::Engine(why)) => {
                let why = format!("the engine of this builder is not usable: {why}");
                let fault = Fault::new(log.fit(&why));
                log.say(fault.message.clone()).await;
                BuildProgress::Finished(Err(fault))
            }
            Err(NoImage::Cancelled) => {
                log.say("the build was cancelled").await;
                BuildProgress::Cancelled
            }
        };
        // Not waited for: a large checkout takes a while to remove. A restart removes the rest.
        let scratch = work.scratch;
        tokio::task::spawn_blocking(move || remove(&scratch));
        (progress, log)
    }

    /// The next free slot.
    async fn slot(&self, cancel: &CancellationToken) -> Result<OwnedSemaphorePermit, NoImage> {
        tokio::select! {
            slot = Arc::clone(&self.slots).acquire_owned() => slot.map_err(failed),
            () = cancel.cancelled() => Err(NoImage::Cancelled),
        }
    }

    /// The number after that of the newest line which readers have of this build.
    async fn next_line(&self, command: &BuildCommand) -> u64 {
        let subject = subjects::build_log(command.deployment);
        let last = async {
            let logs = self.reporter.jetstream.get_stream_no_info(subjects::LOGS).await.ok()?;
            let message = logs.get_last_raw_message_by_subject(&subject).await.ok()?;
            let frame: LogFrame = serde_json::from_slice(&message.payload).ok()?;
            let source =
                LogSource::Build { deployment: command.deployment, generation: command.generation };
            if frame.source == source { Some(frame.first + frame.lines.len() as u64) } else { None }
        };
        timeout(CANCEL_WITHIN, last).await.ok().flatten().unwrap_or(1)
    }
}

/// Removes a scratch folder; nothing there is as good.
pub(crate) fn remove(folder: &std::path::Path) {
    match std::fs::remove_dir_all(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "a scratch folder stays behind");
        }
    }
}
