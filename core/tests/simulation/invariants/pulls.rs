//! Previews of pull requests: which ones are wanted, and what was made of them.

use std::collections::BTreeMap;

use hythe_core::app::AppEvent;
use hythe_core::hook::{Head, PullRequest};
use hythe_core::ids::AppId;
use hythe_core::preview::{Forks, PreviewOf, PreviewSettings};
use hythe_core::time::Timestamp;

use super::Verdict;
use crate::made;
use crate::plant::Plant;
use crate::trace::Short;
use crate::world::World;

/// A pull request, as one app knows it.
type Pull = (AppId, u64);

/// What was said of it last.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// The app that its preview is.
    app: AppId,
    revision: u64,
}

/// What truly happened; not by the core's own fold.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    settings: BTreeMap<AppId, PreviewSettings>,
    open: BTreeMap<Pull, Wanted>,
    /// When each changed last, as the provider says.
    newest: BTreeMap<Pull, Timestamp>,
    /// When each was closed, as far as the app has taken that in.
    closed: BTreeMap<Pull, Timestamp>,
    /// Every commit that was to have a preview in an app, and whether it was a fork's.
    commits: BTreeMap<(AppId, u64), bool>,
    /// Previews that there are, and at which commit.
    made: BTreeMap<AppId, u64>,
}

impl Pulls {
    /// An app has taken in that a pull request was closed.
    pub(crate) fn is_closed(&mut self, app: AppId, number: u64, at: Timestamp) {
        let known = self.closed.entry((app, number)).or_default();
        *known = at.max(*known);
    }
}

impl World {
    /// Takes in what became durable of an app's previews, and of a preview.
    pub(super) fn witness_pulls(&mut self, app: AppId, event: &AppEvent) {
        let pulls = &mut self.truth.pulls;
        if let AppEvent::PreviewsSet(settings) = event {
            pulls.settings.insert(app, (**settings).clone());
        } else if let AppEvent::PreviewWanted { pull, app: preview, revision, .. } = event {
            let wanted = Wanted { app: *preview, revision: *revision };
            let pull = self.plant_in_pull(app, pull);
            self.witness_wanted(app, &pull, wanted);
        } else if let AppEvent::PreviewUnwanted { number, at, .. } = event {
            pulls.open.remove(&(app, *number));
            pulls.newest.insert((app, *number), *at);
        } else if let AppEvent::BecamePreview(of) = event {
            if of.fork {
                self.count("preview of a fork");
            }
            let verdict = self.invariant_previews_are_of_what_was_wanted(app, of);
            self.holds("previews_are_of_what_was_wanted", verdict);
            let verdict = invariant_forks_are_given_nothing(of);
            self.holds("forks_are_given_nothing", verdict);
            self.truth.pulls.made.insert(app, of.revision);
        } else if let AppEvent::Deleted { .. } = event {
            pulls.made.remove(&app);
        }
    }

    fn witness_wanted(&mut self, app: AppId, pull: &PullRequest, wanted: Wanted) {
        let of = (app, pull.number);
        let verdict = self.invariant_previews_keep_to_their_most(of);
        self.holds("previews_keep_to_their_most", verdict);
        let verdict = self.invariant_forks_get_in_where_they_may(app, pull);
        self.holds("forks_get_in_where_they_may", verdict);
        let known = self.truth.pulls.newest.get(&of).copied();
        let verdict = invariant_what_is_told_late_changes_nothing(pull, known);
        self.holds("what_is_told_late_changes_nothing", verdict);
        let closed = self.truth.pulls.closed.get(&of).copied();
        let verdict = invariant_what_was_closed_gets_no_preview(pull, closed);
        self.holds("what_was_closed_gets_no_preview", verdict);
        let pulls = &mut self.truth.pulls;
        pulls.commits.insert((wanted.app, wanted.revision), pull.is_fork());
        pulls.newest.insert(of, pull.at);
        pulls.open.insert(of, wanted);
    }

    /// For planted faults: what is witnessed is another pull request than the one in the log.
    fn plant_in_pull(&mut self, app: AppId, pull: &PullRequest) -> PullRequest {
        let mut pull = pull.clone();
        if self.plant == Some(Plant::TooManyPreviews) {
            let wanted = Wanted { app, revision: 0 };
            for number in 100..102 {
                self.truth.pulls.open.insert((app, number), wanted);
            }
        }
        if self.plant == Some(Plant::ForksGetIn) {
            pull.head = Head::Fork(made::other_repository());
        }
        if self.plant == Some(Plant::LateIsNew) {
            let known = self.truth.pulls.newest.get(&(app, pull.number));
            pull.at = known.map_or(pull.at, |known| Timestamp(known.0 - 1));
        }
        if self.plant == Some(Plant::ClosedComesBack) {
            let at = Timestamp(pull.at.0 + 1);
            self.truth.pulls.is_closed(app, pull.number, at);
        }
        pull
    }

    /// There are never more than may be when one is added.
    fn invariant_previews_keep_to_their_most(&self, (app, number): Pull) -> Verdict {
        let pulls = &self.truth.pulls;
        let most = pulls.settings.get(&app).map_or(0, |settings| settings.most);
        let there = pulls.open.keys().filter(|(of, _)| *of == app).count();
        if pulls.open.contains_key(&(app, number)) || there < usize::from(most) {
            return Ok(());
        }
        Err(format!("{} has {there} previews, and gets one more", Short(app.uuid())))
    }

    /// Commits from another repository have a preview only where that is allowed, and none have one where
    /// previews are off.
    fn invariant_forks_get_in_where_they_may(&self, app: AppId, pull: &PullRequest) -> Verdict {
        let settings = self.truth.pulls.settings.get(&app).filter(|settings| settings.on);
        let Some(settings) = settings else {
            return Err(format!("{} has no previews, and gets one", Short(app.uuid())));
        };
        match settings.forks {
            Forks::Never if pull.is_fork() => {
                Err(format!("{} gets a preview of a fork", Short(app.uuid())))
            }
            Forks::Never | Forks::Allowed => Ok(()),
        }
    }

    /// A preview is the one app that was decided on for its pull request, and goes from one commit that was
    /// wanted to a newer one.
    fn invariant_previews_are_of_what_was_wanted(&self, app: AppId, of: &PreviewOf) -> Verdict {
        let pulls = &self.truth.pulls;
        let before = pulls.made.get(&app).copied().unwrap_or_default();
        let wanted = pulls.commits.get(&(app, of.revision)) == Some(&of.fork);
        if wanted && of.revision > before {
            return Ok(());
        }
        Err(format!("{} becomes {of:?} after {before}", Short(app.uuid())))
    }

    /// Every pull request that is to have a preview has one app, at its newest commit, and no other app is
    /// a preview.
    pub(super) fn invariant_previews_are_as_wanted(&self) -> Verdict {
        let left = self.provider.under_way();
        if left > 0 {
            return Err(format!("{left} deliveries are under way"));
        }
        let pulls = &self.truth.pulls;
        let wanted: BTreeMap<AppId, u64> =
            pulls.open.values().map(|wanted| (wanted.app, wanted.revision)).collect();
        if wanted == pulls.made && wanted.len() == pulls.open.len() {
            return Ok(());
        }
        Err(format!("{:?} are there, wanted are {:?}", pulls.made, pulls.open))
    }
}

/// Whoever opens a pull request from another repository chooses what runs: it gets nothing secret.
fn invariant_forks_are_given_nothing(of: &PreviewOf) -> Verdict {
    if of.fork && !(of.copied.is_empty() && of.key.is_none()) {
        return Err(format!("{of:?} was given something"));
    }
    Ok(())
}

/// What came before something that is known already changes nothing any more.
fn invariant_what_is_told_late_changes_nothing(
    pull: &PullRequest,
    known: Option<Timestamp>,
) -> Verdict {
    match known.filter(|known| pull.at < *known) {
        Some(known) => Err(format!("#{} is of {:?}, known is {known:?}", pull.number, pull.at)),
        None => Ok(()),
    }
}

/// A pull request that was closed gets a preview only when it is opened again.
fn invariant_what_was_closed_gets_no_preview(
    pull: &PullRequest,
    closed: Option<Timestamp>,
) -> Verdict {
    match closed.filter(|closed| pull.at < *closed) {
        Some(closed) => Err(format!("#{} of {:?} was closed {closed:?}", pull.number, pull.at)),
        None => Ok(()),
    }
}
