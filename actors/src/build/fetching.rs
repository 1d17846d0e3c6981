//! The source of a build that is a repository of git.

use std::time::Duration;

use hythe_core::names::CommitId;
use hythe_core::source::{Fetches, GitSource, Reference};
use hythe_store::steps::Step;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::buildkit::NoImage;
use super::work::{Found, Tree, Work, short_commit, shown};
use crate::git;

/// How long a fetch takes before the server is asked beside it which commit is wanted.
const ASKED_BESIDE: Duration = Duration::from_secs(1);

impl Work<'_> {
    /// Fetches the source, and meanwhile looks for an image that makes it needless: asking first
    /// would cost every build of a new commit a round trip.
    pub(super) async fn git_source(&self, source: &GitSource) -> Result<Found, NoImage> {
        let (tell, mut found) = watch::channel(None);
        let mut fetch = Box::pin(self.fetch(source, &tell));
        let mut fetched = None;
        let (version, images) = {
            let mut engine = Box::pin(self.engine());
            loop {
                tokio::select! {
                    engine = &mut engine => break engine?,
                    checkout = &mut fetch, if fetched.is_none() => fetched = Some(checkout?),
                }
            }
        };
        let known = match &source.reference {
            Reference::Commit(commit) => Some(commit.clone()),
            Reference::DefaultBranch | Reference::Branch(_) | Reference::Tag(_)
                if fetched.is_some() || images.is_empty() =>
            {
                None
            }
            Reference::DefaultBranch | Reference::Branch(_) | Reference::Tag(_) => tokio::select! {
                // What is wrong with the source, the fetch says.
                commit = self.named(source, &mut found) => commit,
                checkout = &mut fetch => { fetched = Some(checkout?); None }
            },
        };
        if let Some(commit) = known
            && let Some(built) = self.reuse(&images, commit).await?
        {
            return Ok(Found::Earlier(built));
        }
        let checkout = match fetched {
            Some(checkout) => checkout,
            None => fetch.await?,
        };
        Ok(match self.reuse(&images, checkout.commit.clone()).await? {
            Some(built) => Found::Earlier(built),
            None => {
                let git::Checkout { tree, commit, committed_at, .. } = checkout;
                Found::Fetched(version, Tree { folder: tree, version: commit, time: committed_at })
            }
        })
    }

    /// Which commit is wanted now: the fetch says so before it checks anything out. Asked is only beside one that
    /// takes long; for the server and for this machine that is half as much work as the fetch.
    async fn named(
        &self,
        source: &GitSource,
        found: &mut watch::Receiver<Option<CommitId>>,
    ) -> Option<CommitId> {
        let mut told = Box::pin(async {
            let commit = found.wait_for(Option::is_some).await;
            commit.ok().and_then(|commit| commit.clone())
        });
        tokio::select! {
            commit = &mut told => return commit,
            () = sleep(ASKED_BESIDE) => {}
        }
        tokio::select! {
            commit = told => commit,
            commit = Box::pin(self.resolve(source)) => commit.ok(),
        }
    }

    async fn resolve(&self, source: &GitSource) -> Result<CommitId, NoImage> {
        let scratch = self.folder("resolve").await?;
        let git = &self.builder.settings.git;
        Ok(git::resolve(git, self.wanted(source, None), &scratch, self.cancel).await?)
    }

    /// The source, and what it may be reached with.
    fn wanted<'a>(
        &'a self,
        source: &'a GitSource,
        found: Option<&'a watch::Sender<Option<CommitId>>>,
    ) -> git::Wanted<'a> {
        let spec = &self.command.spec;
        git::Wanted {
            source,
            app: &spec.app_name,
            access: &self.opened.access,
            fetches: spec.build.fetches,
            // Files of submodules and of git LFS are not in the tree.
            judge: (spec.build.fetches == Fetches::default()).then_some(git::Judge {
                build: &spec.build,
                images: &self.builder.settings.base_images,
            }),
            found,
        }
    }

    async fn fetch(
        &self,
        source: &GitSource,
        found: &watch::Sender<Option<CommitId>>,
    ) -> Result<git::Checkout, NoImage> {
        self.doing("fetching the source");
        let what = match &source.reference {
            Reference::DefaultBranch => "its default branch".to_owned(),
            Reference::Branch(branch) => format!("branch {branch}"),
            Reference::Tag(tag) => format!("tag {tag}"),
            Reference::Commit(commit) => format!("commit {}", short_commit(commit)),
        };
        self.log.say(format!("fetching {} ({what})", source.repository)).await;
        let begun = Instant::now();
        let scratch = self.folder("source").await?;
        let (git, mirrors) = (&self.builder.settings.git, Some(&self.builder.mirrors));
        let wanted = self.wanted(source, Some(found));
        let fetched = git::fetch(git, mirrors, wanted, &scratch, self.cancel);
        let checkout = Step::SourceFetched.take(fetched).await?;
        let text = format!(
            "fetched commit {} \u{201c}{}\u{201d} in {}",
            short_commit(&checkout.commit),
            checkout.subject,
            shown(begun.elapsed())
        );
        self.log.say(text).await;
        for git::FetchedSubmodule { path, repository, commit } in &checkout.submodules {
            let commit = short_commit(commit);
            self.log.say(format!("fetched submodule {path}: {commit} of {repository}")).await;
        }
        Ok(checkout)
    }
}
