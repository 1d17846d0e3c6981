//! One build from its acceptance to its report.
//!
//! Everything between is repeatable: scratch folders are the build's own, the image's name derives
//! from app and deployment, and the ledger decides which end counts. So a build that was cut off
//! anywhere is simply done again.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::ClientVersion;
use hythe_core::deployment::{BuiltImage, Fault};
use hythe_core::detect::{self, BuildPlan};
use hythe_core::limits;
use hythe_core::names::{CommitId, ImageId};
use hythe_core::source::Reference;
use hythe_core::time::Millis;
use hythe_core::wire::build::{BuildCommand, BuildProgress};
use hythe_core::wire::log::LogFrame;
use hythe_core::wire::subjects;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::BuilderSettings;
use super::buildkit::{self, NoImage, Request};
use super::context::{self, Context};
use super::engine::{
    self, Engine, LABEL_APP, LABEL_COMMIT, LABEL_DEPLOYMENT, LABEL_INSTANCE, LABEL_SOURCE,
};
use super::ledger::Ledger;
use super::log::BuildLog;
use super::publish::{Reporter, now};
use crate::git::{self, GitError};

/// How often a build is begun again because the engine went away under it.
const ENGINE_TRIES: u32 = 3;
/// From one question whether the engine is back to the next.
const ENGINE_ASKED_EVERY: Duration = Duration::from_secs(1);
/// How long a cancelled build may take to end in order, before it is dropped where it stands.
const CANCEL_WITHIN: Duration = Duration::from_secs(5);
/// The port of an app that says nothing about it.
const DEFAULT_PORT: u16 = 8080;

/// What all builds of this builder share.
#[derive(Debug)]
pub(crate) struct Builder {
    pub(crate) settings: BuilderSettings,
    pub(crate) engine: Engine,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) reporter: Reporter,
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
    /// Its slot, if it has one already.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

/// A build under way: where its log goes, and what it is doing now.
struct Work<'a> {
    builder: &'a Builder,
    command: &'a BuildCommand,
    cancel: &'a CancellationToken,
    log: &'a BuildLog,
    scratch: PathBuf,
    doing: &'a Mutex<&'static str>,
}

impl Builder {
    /// Sees a build through, its report included.
    pub(crate) async fn see_through(self: Arc<Self>, mut job: Job) {
        let (deployment, generation) = (job.command.deployment, job.command.generation);
        let slot = job.slot.take();
        // A cancel may have come between the ledger's yes and this.
        let open = self.ledger.with(move |ledger| ledger.is_open(deployment, generation)).await;
        if open.is_ok_and(|open| !open) {
            return;
        }
        let progress = {
            let work = Box::pin(self.work(&job, slot));
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
    async fn work(
        &self,
        job: &Job,
        slot: Option<OwnedSemaphorePermit>,
    ) -> (BuildProgress, BuildLog) {
        let command = &job.command;
        let (deployment, generation) = (command.deployment, command.generation);
        let first = if job.resumed { self.next_line(command).await } else { 1 };
        let log = BuildLog::start(self.reporter.jetstream.clone(), deployment, generation, first);
        if job.resumed {
            log.say("the builder was restarted; this build begins again").await;
        }
        let doing = Mutex::new("waiting for its turn");
        let scratch = self.settings.scratch().join(format!("{deployment}-{generation}"));
        let work =
            Work { builder: self, command, cancel: &job.cancel, log: &log, scratch, doing: &doing };
        let left = command.until.since(now());
        let mut building = Box::pin(work.build(slot));
        let outcome = tokio::select! {
            outcome = &mut building => outcome,
            () = job.cancel.cancelled() => {
                // It sees the cancel itself, and ends what it runs.
                let _ = timeout(CANCEL_WITHIN, &mut building).await;
                Err(NoImage::Cancelled)
            }
            () = sleep(Duration::from_millis(left.0)) => {
                job.cancel.cancel();
                let _ = timeout(CANCEL_WITHIN, &mut building).await;
                let doing = *doing.lock().unwrap_or_else(PoisonError::into_inner);
                Err(NoImage::Failed(Fault::new(format!(
                    "the build was not done in the time it had; it was {doing}"
                ))))
            }
        };
        drop(building);
        let progress = match outcome {
            Ok(built) => BuildProgress::Finished(Ok(built)),
            Err(NoImage::Failed(fault)) => {
                log.say(format!("the build failed: {}", fault.message)).await;
                BuildProgress::Finished(Err(fault))
            }
            Err(NoImage::Engine(why)) => {
                let fault = Fault::new(format!("the engine of this builder is not usable: {why}"));
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

    /// The number after that of the newest line which readers have of this build.
    async fn next_line(&self, command: &BuildCommand) -> u64 {
        let subject = subjects::build_log(command.deployment);
        let last = async {
            let logs = self.reporter.jetstream.get_stream_no_info(subjects::LOGS).await.ok()?;
            let message = logs.get_last_raw_message_by_subject(&subject).await.ok()?;
            let frame: LogFrame = serde_json::from_slice(&message.payload).ok()?;
            let source = hythe_core::wire::log::LogSource::Build {
                deployment: command.deployment,
                generation: command.generation,
            };
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

/// A fault from a refusal or error.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(why: impl ToString) -> NoImage {
    NoImage::Failed(Fault::new(why.to_string()))
}

impl From<GitError> for NoImage {
    fn from(error: GitError) -> Self {
        if matches!(error, GitError::Cancelled) { Self::Cancelled } else { failed(error) }
    }
}

impl Work<'_> {
    fn doing(&self, what: &'static str) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    async fn build(&self, slot: Option<OwnedSemaphorePermit>) -> Result<BuiltImage, NoImage> {
        let _slot = match slot {
            Some(slot) => slot,
            None => Arc::clone(&self.builder.slots).acquire_owned().await.map_err(failed)?,
        };
        if self.cancel.is_cancelled() {
            return Err(NoImage::Cancelled);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match self.once().await {
                Err(NoImage::Engine(why)) if tries < ENGINE_TRIES => {
                    let text =
                        format!("the engine went away ({why}); waiting for it, to begin again");
                    self.log.say(text).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Waits until the engine answers.
    async fn engine(&self) -> Result<ClientVersion, NoImage> {
        self.doing("waiting for the engine");
        let mut told = false;
        loop {
            let error = tokio::select! {
                answer = self.builder.engine.greet() => match answer {
                    Ok(version) => return Ok(version),
                    Err(error) => error,
                },
                () = self.cancel.cancelled() => return Err(NoImage::Cancelled),
            };
            if !told {
                told = true;
                let socket = self.builder.settings.engine.display();
                self.log
                    .say(format!(
                        "the engine at {socket} does not answer ({error}); waiting for it"
                    ))
                    .await;
            }
            tokio::select! {
                () = sleep(ENGINE_ASKED_EVERY) => {}
                () = self.cancel.cancelled() => return Err(NoImage::Cancelled),
            }
        }
    }

    async fn once(&self) -> Result<BuiltImage, NoImage> {
        let begun = Instant::now();
        let version = self.engine().await?;
        self.doing("fetching the source");
        if let Some(built) = self.reuse().await? {
            return Ok(built);
        }
        let checkout = self.fetch().await?;
        let fetched = begun.elapsed();
        let (commit, digest) = (checkout.commit.clone(), self.digest(&checkout.commit));
        let context = self.plan(checkout).await?;

        self.doing("building the image");
        self.log.say("building the image").await;
        let spec = &self.command.spec;
        let name = engine::name(spec.app, self.command.deployment);
        let labels = HashMap::from([
            (LABEL_APP.to_owned(), spec.app.to_string()),
            (LABEL_DEPLOYMENT.to_owned(), self.command.deployment.to_string()),
            (LABEL_INSTANCE.to_owned(), self.builder.settings.installation.to_string()),
            (LABEL_COMMIT.to_owned(), commit.to_string()),
            (LABEL_SOURCE.to_owned(), digest),
        ]);
        let request = Request { name: &name, labels };
        let engine = &self.builder.engine;
        let building = Instant::now();
        let id = buildkit::build(engine, &version, request, context, self.log, self.cancel).await?;
        let built = building.elapsed();
        let built_image = self.look(id.as_str(), commit).await?;
        let text = format!(
            "built {} in {} (source {}, image {}); the app will be asked on port {}",
            short(&id),
            shown(begun.elapsed()),
            shown(fetched),
            shown(built),
            built_image.port,
        );
        self.log.say(text).await;
        Ok(built_image)
    }

    /// Uses an image that was made from the same commit in the same way, where there is one.
    async fn reuse(&self) -> Result<Option<BuiltImage>, NoImage> {
        let spec = &self.command.spec;
        let instance = self.builder.settings.installation.to_string();
        let engine = &self.builder.engine;
        let images = engine.images_of(&instance, spec.app).await.map_err(broken)?;
        if images.is_empty() {
            return Ok(None);
        }
        let commit = match &spec.source.reference {
            Reference::Commit(commit) => commit.clone(),
            Reference::DefaultBranch | Reference::Branch(_) => {
                let scratch = self.folder("resolve").await?;
                let git = &self.builder.settings.git;
                git::resolve(git, &spec.source, &scratch, self.cancel).await?
            }
        };
        let Some(image) = images.get(&self.digest(&commit)) else { return Ok(None) };
        let tagged = engine.tag(image, spec.app, self.command.deployment).await;
        if let Err(error) = tagged {
            // It may have been removed since; then it is built.
            tracing::info!(%image, %error, "an earlier image cannot be used again");
            return Ok(None);
        }
        let built = self.look(image.as_str(), commit.clone()).await?;
        let text = format!(
            "commit {} was built in the same way before: using {} again",
            short_commit(&commit),
            short(image)
        );
        self.log.say(text).await;
        Ok(Some(built))
    }

    async fn fetch(&self) -> Result<git::Checkout, NoImage> {
        let source = &self.command.spec.source;
        let what = match &source.reference {
            Reference::DefaultBranch => "its default branch".to_owned(),
            Reference::Branch(branch) => format!("branch {branch}"),
            Reference::Commit(commit) => format!("commit {}", short_commit(commit)),
        };
        self.log.say(format!("fetching {} ({what})", source.repository)).await;
        let begun = Instant::now();
        let scratch = self.folder("source").await?;
        let git = &self.builder.settings.git;
        let checkout = git::fetch(git, source, &scratch, self.cancel).await?;
        let text = format!(
            "fetched commit {} \u{201c}{}\u{201d} in {}",
            short_commit(&checkout.commit),
            checkout.subject,
            shown(begun.elapsed())
        );
        self.log.say(text).await;
        Ok(checkout)
    }

    /// Finds out how to build, and prepares what the engine needs for it.
    async fn plan(&self, checkout: git::Checkout) -> Result<Context, NoImage> {
        self.doing("looking at the source");
        let settings = self.command.spec.build.clone();
        let base = self.builder.settings.static_image.clone();
        let found = tokio::task::spawn_blocking(move || {
            let entries = context::list(&checkout.tree).map_err(|error| {
                failed(format!("the files of the repository cannot be used: {error}"))
            })?;
            let notes = context::left_alone(&checkout.tree);
            let plan = detect::detect(&context::listing(&entries), &settings).map_err(failed)?;
            let context =
                Context::new(&checkout.tree, entries, &plan, &base, checkout.committed_at)
                    .map_err(failed)?;
            Ok::<_, NoImage>((plan, notes, context))
        });
        let (plan, notes, context) = found.await.map_err(failed)??;
        for note in notes {
            self.log.say(note).await;
        }
        let text = match plan {
            BuildPlan::Dockerfile { path } => format!("building by {path}"),
            BuildPlan::Static(site) => format!(
                "no Dockerfile, but an index.html: {} will be served as it is, by {}",
                site.folder.map_or("the repository".to_owned(), |folder| format!("{folder}/")),
                self.builder.settings.static_image,
            ),
        };
        self.log.say(text).await;
        Ok(context)
    }

    /// A new folder for one purpose.
    async fn folder(&self, purpose: &str) -> Result<PathBuf, NoImage> {
        let folder = self.scratch.join(purpose);
        let made = folder.clone();
        let done = tokio::task::spawn_blocking(move || {
            remove(&made);
            std::fs::create_dir_all(&made)
        });
        done.await
            .map_err(failed)?
            .map_err(|error| failed(format!("the builder has no room for the source: {error}")))?;
        Ok(folder)
    }

    /// What the image says about itself.
    async fn look(&self, image: &str, commit: CommitId) -> Result<BuiltImage, NoImage> {
        let found = self.builder.engine.image(image).await.map_err(broken)?;
        let Some(found) = found else {
            return Err(NoImage::Engine("the image that it built is not there".to_owned()));
        };
        let port = self.command.spec.port.or(found.ports.first().copied()).unwrap_or(DEFAULT_PORT);
        Ok(BuiltImage { image: found.id, commit, port, worker: self.builder.settings.worker })
    }

    /// A name for all that goes into an image: the same again gives the same image.
    fn digest(&self, commit: &CommitId) -> String {
        let spec = &self.command.spec;
        let parts = [
            detect::RULES.to_string(),
            spec.app.to_string(),
            commit.to_string(),
            spec.build.dockerfile.as_ref().map_or(String::new(), ToString::to_string),
            self.builder.settings.static_image.clone(),
        ];
        let digest = Sha256::digest(parts.join("\n").as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn broken(error: bollard::errors::Error) -> NoImage {
    NoImage::Engine(error.to_string())
}

fn short_commit(commit: &CommitId) -> &str {
    commit.as_str().get(..10).unwrap_or(commit.as_str())
}

fn short(image: &ImageId) -> &str {
    image.as_str().get(..19).unwrap_or(image.as_str())
}

fn shown(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
