//! The work of one build: source, plan, image.
//!
//! Nothing here outlives the future that does it: dropped, git's process group is killed and the
//! engine's connections are cut. Told to cancel, it ends in order and says so.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::ClientVersion;
use hythe_core::declared::Declared;
use hythe_core::deployment::{BuiltImage, Fault};
use hythe_core::detect::{self, Mirror, SiteFiles};
use hythe_core::names::{BuildTarget, CommitId, ImageId};
use hythe_core::site::serves_files;
use hythe_core::source::{BuildSettings, Fetches, Pushed, Source};
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::build::BuildCommand;
use hythe_core::wire::storage::ImageName;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::buildkit::{self, NoImage, Request};
use super::context::Context;
use super::engine::{
    LABEL_APP, LABEL_COMMIT, LABEL_DECLARED, LABEL_DEPLOYMENT, LABEL_INSTANCE, LABEL_SOURCE,
};
use super::image_notes;
use super::log::BuildLog;
use super::planning::Planned;
use super::publish::now;
use super::reach;
use super::run::{Builder, CANCEL_WITHIN, remove};
use super::secrets::Opened;
use crate::docker::images::image_name;
use crate::git::GitError;
use crate::uploads::hex;

/// How often a build is begun again because the engine went away under it.
const ENGINE_TRIES: u32 = 3;
/// From one question whether the engine is back to the next.
const ENGINE_ASKED_EVERY: Duration = Duration::from_secs(1);
/// The build argument by which BuildKit names cache mounts.
const CACHE_MOUNTS: &str = "BUILDKIT_CACHE_MOUNT_NS";
/// The port of an app that says nothing about it.
const DEFAULT_PORT: u16 = 8080;

/// A build under way: where its log goes, and what it is doing now.
pub(super) struct Work<'a> {
    pub(super) builder: &'a Builder,
    pub(super) command: &'a BuildCommand,
    pub(super) cancel: &'a CancellationToken,
    pub(super) log: &'a BuildLog,
    pub(super) scratch: PathBuf,
    pub(super) doing: &'a Mutex<&'static str>,
    pub(super) opened: &'a Opened,
}

/// What there is to build from.
pub(super) enum Found {
    /// Nothing has to be built.
    Earlier(BuiltImage),
    /// Files, and the version of the engine that is to build them.
    Fetched(ClientVersion, Tree),
    /// An image of a registry, by its digest and as a build that adds nothing to it.
    Image(ClientVersion, CommitId, Context),
}

/// The files of a source.
pub(super) struct Tree {
    /// Where they lie.
    pub(super) folder: PathBuf,
    /// Of which commit, or of which upload.
    pub(super) version: CommitId,
    /// The time that they bear, in seconds since the Unix epoch.
    pub(super) time: u64,
}

/// A fault from a refusal or error.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn failed(why: impl ToString) -> NoImage {
    NoImage::Failed(Fault::new(why.to_string()))
}

impl From<GitError> for NoImage {
    fn from(error: GitError) -> Self {
        if matches!(error, GitError::Cancelled) { Self::Cancelled } else { failed(error) }
    }
}

impl Work<'_> {
    pub(super) fn doing(&self, what: &'static str) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// Builds, from the source to the image.
    pub(super) async fn build(&self) -> Result<BuiltImage, NoImage> {
        if self.cancel.is_cancelled() {
            return Err(NoImage::Cancelled);
        }
        let within = self.command.spec.build.within;
        let mut building = Box::pin(self.tries());
        let fault = tokio::select! {
            outcome = &mut building => return outcome,
            () = sleep(Duration::from_millis(within.0)) => Fault::new(format!(
                "the build was not done within {within}, which is as long as a build of this app \
                 may take (--build-timeout); it was {}",
                self.was_doing()
            )),
        };
        // It sees that, and ends what it runs.
        self.cancel.cancel();
        let _ = timeout(CANCEL_WITHIN, building).await;
        Err(NoImage::Failed(fault))
    }

    /// Lets the engine build for as long as the machine has room for it.
    async fn watched(
        &self,
        building: impl Future<Output = Result<ImageId, NoImage>>,
    ) -> Result<ImageId, NoImage> {
        let guard = &self.builder.guard;
        let place = guard.begins();
        let mut building = Box::pin(building);
        let fault = tokio::select! {
            outcome = &mut building => return outcome,
            fault = guard.watch(&self.builder.engine, &place) => fault,
        };
        self.cancel.cancel();
        let _ = timeout(CANCEL_WITHIN, building).await;
        Err(NoImage::Failed(fault))
    }

    /// What it does now, or did last.
    pub(super) fn was_doing(&self) -> &'static str {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tries(&self) -> Result<BuiltImage, NoImage> {
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

    /// Waits until the engine answers, and asks for the app's images.
    pub(super) async fn engine(
        &self,
    ) -> Result<(ClientVersion, HashMap<String, ImageId>), NoImage> {
        let instance = self.builder.settings.installation.to_string();
        let engine = &self.builder.engine;
        let ask = || async {
            let version = engine.greet().await?;
            let images = if self.command.spec.build.no_cache {
                HashMap::new()
            } else {
                engine.images_of(&instance, self.command.spec.app).await?
            };
            Ok::<_, bollard::errors::Error>((version, images))
        };
        let mut told = false;
        loop {
            let error = tokio::select! {
                answer = ask() => match answer {
                    Ok(found) => return Ok(found),
                    Err(error) => error,
                },
                () = self.cancel.cancelled() => return Err(NoImage::Cancelled),
            };
            if !told {
                self.doing("waiting for the engine");
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
        // Known before anything is fetched, so that what cannot be is said at once.
        let serves = self.command.sites && serves_files(&self.command.spec).map_err(failed)?;
        let guard = &self.builder.guard;
        let mut readying = Box::pin(guard.make_ready(&self.builder.engine));
        let mut fetching = Box::pin(self.source());
        let mut ready = false;
        let found = loop {
            tokio::select! {
                found = &mut fetching => break found?,
                () = &mut readying, if !ready => ready = true,
            }
        };
        let fetched = begun.elapsed();
        let (version, commit, planned) = match found {
            Found::Earlier(built) => return Ok(built),
            Found::Fetched(version, tree) => {
                let commit = tree.version.clone();
                (version, commit, self.plan(tree, serves).await?)
            }
            Found::Image(version, digest, context) => {
                (version, digest, Planned { context, site: None, declared: Declared::default() })
            }
        };
        let Planned { context, site, declared } = planned;
        let mut digest = self.digest(&commit);
        if site.is_some() {
            // A builder that dies may leave it: then it is no image that a container could be of.
            digest.push_str("-site");
        }

        if !ready {
            readying.await;
        }
        guard.admit(&self.builder.engine).await.map_err(NoImage::Failed)?;
        let pulls = matches!(self.command.spec.source, Source::Image(_));
        let (doing, how) = match (pulls, self.command.spec.build.no_cache) {
            (true, _) => ("pulling the image", "pulling the image"),
            (false, true) => (
                "building the image",
                "building the image, without anything that earlier builds left",
            ),
            (false, false) => ("building the image", "building the image"),
        };
        let spec = &self.command.spec;
        let name = image_name(ImageName { app: spec.app, deployment: self.command.deployment });
        let labels = HashMap::from([
            (LABEL_APP.to_owned(), spec.app.to_string()),
            (LABEL_DEPLOYMENT.to_owned(), self.command.deployment.to_string()),
            (LABEL_INSTANCE.to_owned(), self.builder.settings.installation.to_string()),
            (LABEL_COMMIT.to_owned(), commit.to_string()),
            (LABEL_SOURCE.to_owned(), digest),
            // Also where it says nothing: the image that it is made of may be one of another app.
            (LABEL_DECLARED.to_owned(), serde_json::to_string(&declared).map_err(failed)?),
        ]);
        let settings = &spec.build;
        let app = spec.app.to_string();
        let given = settings.args.iter().filter(|_| !pulls);
        let mut args: BTreeMap<&str, &str> =
            given.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // Cache mounts of apps that name them alike stay apart.
        args.insert(CACHE_MOUNTS, &app);
        if let Some(allowed) = guard.kept_to() {
            self.doing("looking at what the Dockerfile fetches");
            reach::check(&context, &args, allowed).await.map_err(failed)?;
        }
        self.doing(doing);
        self.log.say(how).await;
        let request = Request {
            name: &name,
            labels,
            target: settings.target.as_ref().filter(|_| !pulls).map(BuildTarget::as_str),
            args,
            no_cache: settings.no_cache,
            secrets: self.opened.secrets.clone(),
            logins: self.opened.logins.clone(),
        };
        let engine = &self.builder.engine;
        let (building, from) = (Instant::now(), now());
        let built = buildkit::build(engine, &version, request, context, self.log, self.cancel);
        let built = self.watched(built).await;
        self.note_span(from);
        let id = built?;
        let built = building.elapsed();
        if let Some(files) = site {
            return self.served(id, commit, &files).await;
        }
        let built_image = self.look(id.as_str(), commit).await?;
        let text = format!(
            "{} {} in {} (source {}, image {}); the app will be asked on port {}",
            if pulls { "pulled" } else { "built" },
            short(&id),
            shown(begun.elapsed()),
            shown(fetched),
            shown(built),
            built_image.port,
        );
        self.log.say(text).await;
        Ok(built_image)
    }

    /// What there is to build from.
    async fn source(&self) -> Result<Found, NoImage> {
        match &self.command.spec.source {
            Source::Git(git) => self.git_source(git).await,
            Source::Upload(upload) => {
                self.upload_source(upload, upload.version().map_err(failed)?).await
            }
            Source::Pushed(Pushed { commit, upload, .. }) => {
                self.upload_source(upload, commit.clone()).await
            }
            Source::Image(image) => self.image_source(image).await,
        }
    }

    /// What was built, served by the edges. Its image has done what it was for.
    async fn served(
        &self,
        image: ImageId,
        commit: CommitId,
        files: &SiteFiles,
    ) -> Result<BuiltImage, NoImage> {
        let site = self.site(image.as_str(), files).await;
        self.builder.engine.untag(self.command.spec.app, self.command.deployment).await;
        let worker = self.builder.settings.worker;
        let (site, declared) = (Some(Box::new(site?)), Declared::default());
        Ok(BuiltImage { image, commit, port: 0, worker, site, declared })
    }

    /// Notes when BuildKit built for us. Nobody waits for it: what is not noted is only kept longer.
    fn note_span(&self, from: Timestamp) {
        let (ledger, until) = (Arc::clone(&self.builder.ledger), now());
        tokio::spawn(async move {
            if let Err(error) = ledger.with(move |ledger| ledger.built(from, until)).await {
                tracing::warn!(%error, "what this build leaves in the cache stays for ever");
            }
        });
    }

    /// Uses an image that was made from the same commit in the same way, where there is one.
    pub(super) async fn reuse(
        &self,
        images: &HashMap<String, ImageId>,
        commit: CommitId,
    ) -> Result<Option<BuiltImage>, NoImage> {
        let Some(image) = images.get(&self.digest(&commit)) else { return Ok(None) };
        let engine = &self.builder.engine;
        let app = self.command.spec.app;
        if let Err(error) = engine.tag(image, app, self.command.deployment).await {
            // It may have been removed since; then it is built.
            tracing::info!(%image, %error, "an earlier image cannot be used again");
            return Ok(None);
        }
        let built = self.look(image.as_str(), commit.clone()).await?;
        let what = match &self.command.spec.source {
            Source::Git(_) | Source::Pushed(_) => {
                format!("commit {} was built in the same way", short_commit(&commit))
            }
            Source::Upload(upload) => {
                format!("upload {} was built in the same way", upload.short())
            }
            Source::Image(image) => format!("{} was pulled", image.exactly(&commit)),
        };
        let text = format!("{what} before: using {} again", short(image));
        self.log.say(text).await;
        Ok(Some(built))
    }

    /// A new folder for one purpose.
    pub(super) async fn folder(&self, purpose: &str) -> Result<PathBuf, NoImage> {
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
        for note in image_notes::notes(&found, &self.command.spec) {
            self.log.say(note).await;
        }
        let port = self.command.spec.port.or(found.ports.first().copied()).unwrap_or(DEFAULT_PORT);
        let worker = self.builder.settings.worker;
        let declared = found.declared;
        Ok(BuiltImage { image: found.id, commit, port, worker, site: None, declared })
    }

    /// A name for all that goes into an image: the same again gives the same image.
    fn digest(&self, commit: &CommitId) -> String {
        let spec = &self.command.spec;
        let BuildSettings {
            dockerfile,
            context,
            target,
            args,
            secrets,
            within: _,
            no_cache: _,
            fetches: Fetches { submodules, lfs },
            site: _,
        } = &spec.build;
        if let Source::Image(image) = &spec.source {
            return hex(&Sha256::digest(format!("{}\n{}", spec.app, image.exactly(commit))));
        }
        let mut parts = vec![
            detect::RULES.to_string(),
            spec.app.to_string(),
            commit.to_string(),
            dockerfile.as_ref().map_or(String::new(), ToString::to_string),
            self.builder.settings.base_images.mirror().map_or(String::new(), Mirror::to_string),
        ];
        // None of these holds a line end.
        parts.extend(context.iter().map(|folder| format!("context {folder}")));
        parts.extend(target.iter().map(|target| format!("target {target}")));
        parts.extend(args.iter().map(|(name, value)| format!("arg {name}={value}")));
        parts.extend(secrets.iter().map(|name| {
            let version = spec.env.get(name).copied().unwrap_or_default();
            format!("secret {name} {version}")
        }));
        // An image that was made for a container is none that a site could be.
        let serves = self.command.sites && serves_files(spec).unwrap_or_default();
        parts.extend(serves.then(|| "served".to_owned()));
        parts.extend(submodules.then(|| "submodules".to_owned()));
        parts.extend(lfs.then(|| "lfs".to_owned()));
        parts.extend(spec.source.git().is_none().then(|| "upload".to_owned()));
        hex(&Sha256::digest(parts.join("\n").as_bytes()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn broken(error: bollard::errors::Error) -> NoImage {
    NoImage::Engine(error.to_string())
}

pub(super) fn short_commit(commit: &CommitId) -> &str {
    commit.as_str().get(..10).unwrap_or(commit.as_str())
}

fn short(image: &ImageId) -> &str {
    image.as_str().get(..19).unwrap_or(image.as_str())
}

pub(super) fn shown(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
