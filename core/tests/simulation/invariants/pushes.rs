//! What is pushed to the branch of an app, and what became of it.

use std::collections::BTreeMap;

use hythe_core::app::AppEvent;
use hythe_core::deployment::StageName;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::names::CommitId;
use hythe_core::source::{Pushed, Source};

use super::Verdict;
use crate::trace::Short;
use crate::world::World;

/// What truly happened; not by the core's own fold.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    /// What each app is made of, where that was pushed.
    sources: BTreeMap<AppId, Pushed>,
    /// Deployments of what was pushed, oldest first, since the app was made of something else.
    deployments: BTreeMap<AppId, Vec<(CommitId, DeploymentId)>>,
}

impl Pushes {
    fn forget(&mut self, app: AppId) {
        self.sources.remove(&app);
        self.deployments.remove(&app);
    }

    fn is_made_of(&mut self, app: AppId, source: &Source) {
        let Source::Pushed(pushed) = source else { return self.forget(app) };
        // One that comes back, with the settings of an earlier version: what came after it counts no more.
        let known = self.deployments.entry(app).or_default();
        if let Some(last) = known.iter().rposition(|(commit, _)| *commit == pushed.commit) {
            known.truncate(last + 1);
        }
        self.sources.insert(app, pushed.clone());
    }
}

impl World {
    /// Takes in what became durable of an app's source and deployments.
    pub(super) fn witness_pushes(&mut self, app: AppId, event: &AppEvent) {
        if let AppEvent::Configured(change) = event
            && let Some(source) = &change.source
        {
            self.truth.pushes.is_made_of(app, source);
        } else if let AppEvent::Deleted { .. } = event {
            self.truth.pushes.forget(app);
        } else if let Some((deployment, spec)) = event.requested()
            && let Source::Pushed(pushed) = &spec.source
        {
            if let AppEvent::DeploymentRequested { .. } = event {
                let source = self.truth.pushes.sources.get(&app);
                let verdict = invariant_what_is_pushed_is_the_source(pushed, source);
                self.holds("what_is_pushed_is_the_source", verdict);
            }
            let known = self.truth.pushes.deployments.entry(app).or_default();
            known.push((pushed.commit.clone(), deployment));
        }
    }

    /// Somebody's push of a commit is about to be recorded.
    pub(crate) fn judge_push(&mut self, app: AppId, commit: &CommitId) {
        let verdict = self.invariant_a_push_is_taken_once(app, commit);
        self.holds("a_push_is_taken_once", verdict);
    }

    /// What was pushed and has not failed is not taken again: the branch stands there, or further on.
    fn invariant_a_push_is_taken_once(&self, app: AppId, commit: &CommitId) -> Verdict {
        let known = self.truth.pushes.deployments.get(&app).into_iter().flatten();
        let came_to_nothing = |id: &DeploymentId| {
            let stage = self.truth.stage(*id);
            matches!(stage, Some(StageName::Failed | StageName::Cancelled))
        };
        // Of what ended long ago nothing is kept to go by.
        let is_kept = |id: &DeploymentId| self.control.view.deployments.contains_key(id);
        let mut stands = known
            .filter(|(of, id)| of == commit && is_kept(id) && !came_to_nothing(id))
            .map(|(_, id)| Short(id.uuid()));
        match stands.next() {
            Some(id) => Err(format!("{commit} is pushed again, and {id} is of it")),
            None => Ok(()),
        }
    }
}

/// That a commit is to be deployed, and that the app is made of it, is durable together.
fn invariant_what_is_pushed_is_the_source(pushed: &Pushed, source: Option<&Pushed>) -> Verdict {
    if source == Some(pushed) {
        return Ok(());
    }
    Err(format!("{pushed:?} is to be deployed, of an app that is made of {source:?}"))
}
