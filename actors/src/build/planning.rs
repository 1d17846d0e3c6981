//! From the files of a source to how they are built.

use hythe_core::declared::Declared;
use hythe_core::detect::{self, BuildPlan, Detected, SiteFiles};
use hythe_core::site::SiteMode;
use hythe_core::source::Source;

use super::buildkit::NoImage;
use super::checkout;
use super::context::Context;
use super::left_alone::{self, Left};
use super::texts::read_texts;
use super::work::{Tree, Work, failed};

/// How it is built.
pub(super) struct Planned {
    pub(super) context: Context,
    /// The files of the image that edges can serve, where they are to.
    pub(super) site: Option<SiteFiles>,
    /// What its repository says runs besides.
    pub(super) declared: Declared,
}

impl Work<'_> {
    /// Finds out how to build, and prepares what the engine needs for it.
    pub(super) async fn plan(&self, tree: Tree, serves: bool) -> Result<Planned, NoImage> {
        self.doing("looking at the source");
        let settings = self.command.spec.build.clone();
        let images = self.builder.settings.base_images.clone();
        let app = self.command.spec.app_name.clone();
        let left = match &self.command.spec.source {
            Source::Git(_) => Some(Left::NotAskedFor(settings.fetches)),
            Source::Pushed(_) => Some(Left::NotPushed),
            Source::Upload(_) | Source::Image(_) => None,
        };
        let found = tokio::task::spawn_blocking(move || {
            let entries = checkout::list(&tree.folder).map_err(|error| {
                failed(format!("the files of the source cannot be used: {error}"))
            })?;
            let files = checkout::listing(&entries);
            let texts = read_texts(&tree.folder, &detect::wanted(&files, &settings));
            let Detected { plan, context, found, site, declared } =
                detect::detect(&files, &texts, &settings, &images).map_err(failed)?;
            let context =
                Context::new(&tree.folder, &entries, context.as_ref(), &plan, &images, tree.time)
                    .map_err(failed)?;
            let notes = left.map_or_else(Vec::new, |left| {
                left_alone::notes(&tree.folder, &context, left, &app)
            });
            Ok::<_, NoImage>((plan, found, notes, Planned { context, site, declared }))
        });
        let (plan, found, notes, mut planned) = found.await.map_err(failed)??;
        for note in notes {
            self.log.say(note).await;
        }
        let text = match plan {
            BuildPlan::Dockerfile { path } => {
                let declared = &planned.declared;
                let named = declared.processes.keys().map(ToString::to_string);
                let hooks = declared.hooks().map(|(hook, _)| hook.as_str().to_owned());
                let named = named.chain(hooks);
                let named = named.collect::<Vec<_>>().join(", ");
                if !named.is_empty() {
                    self.log.say(format!("the repository says what runs besides: {named}")).await;
                }
                format!("building by {path}")
            }
            BuildPlan::Static(site) => format!(
                "no Dockerfile, but an index.html: {} will be served as it is",
                site.folder.map_or("the repository".to_owned(), |folder| format!("{folder}/")),
            ),
            BuildPlan::Preset { .. } => {
                for reason in &found.reasons {
                    self.log.say(format!("found: {reason}")).await;
                }
                format!("no Dockerfile: building by one that is made for {found}")
            }
        };
        self.log.say(text).await;
        if self.command.spec.build.site == SiteMode::On && planned.site.is_none() {
            return Err(failed(format!(
                "the app is to be a static site (--static on), and its build leaves no files to serve: with a \
                 Dockerfile, name the image's folder by output in [static] of hythe.toml; else set it back \
                 (hythe app set {} --static auto)",
                self.command.spec.app_name
            )));
        }
        planned.site = planned.site.filter(|_| serves);
        let spec = &self.command.spec;
        let not_run = if planned.declared.is_empty() {
            None
        } else if planned.site.is_some() {
            let app = &spec.app_name;
            Some(format!(
                "a static site has no container; to have one: hythe app set {app} --static off"
            ))
        } else {
            let grouped = spec.run.container.group.is_some();
            grouped.then(|| "the Compose file says what does".to_owned())
        };
        if let Some(why) = not_run {
            let what = "what the repository says runs besides, before or after does not run";
            self.log.say(format!("note: {what}: {why}")).await;
        }
        Ok(planned)
    }
}
