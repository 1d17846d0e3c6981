//! What providers were told of commits.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::deployment::StageName;
use hythe_core::hook::status::CommitState;
use hythe_core::ids::DeploymentId;

use super::{Told, Verdict};
use crate::plant::Plant;
use crate::trace::Short;
use crate::world::World;

/// What truly happened.
#[derive(Debug, Default)]
pub(crate) struct Statuses {
    /// What a provider shows.
    shown: BTreeMap<DeploymentId, CommitState>,
    /// Deployments of which it could not be told everything.
    given_up: BTreeSet<DeploymentId>,
}

impl Statuses {
    pub(crate) fn is_given_up(&mut self, id: DeploymentId) {
        self.given_up.insert(id);
    }
}

impl World {
    /// A provider is told.
    pub(crate) fn judge_status(&mut self, id: DeploymentId, state: CommitState) {
        let late = self.plant == Some(Plant::ProviderHearsLate) && state == CommitState::Success;
        let known = self.truth.statuses.shown.insert(id, state);
        let verdict = invariant_what_is_told_last_stays(id, known, state);
        self.holds("what_is_told_last_stays", verdict);
        if late {
            let verdict = invariant_what_is_told_last_stays(id, Some(state), CommitState::Pending);
            self.holds("what_is_told_last_stays", verdict);
        }
    }

    /// A provider knows of every deployment whose commit is known how it ended, and shows none as under way.
    pub(super) fn invariant_providers_know_how_it_ended(&self) -> Verdict {
        if !self.user.has_statuses {
            return Ok(());
        }
        if self.has_more_to_tell() {
            return Err("there is more to tell".into());
        }
        let statuses = &self.truth.statuses;
        let known = self.truth.told.iter().filter(|(_, told)| told.of_git && told.is_built);
        for (id, told) in known {
            // Of an app that is gone nothing is known any more.
            let app = self.truth.apps.get(&told.app).and_then(|app| app.active());
            let shown = statuses.shown.get(id).copied();
            if app.is_none() || statuses.given_up.contains(id) || shown == ends_as(told) {
                continue;
            }
            let id = Short(id.uuid());
            return Err(format!("{id} is shown as {shown:?}, and ended as {:?}", ends_as(told)));
        }
        Ok(())
    }
}

/// What there is to show of a deployment in the end.
fn ends_as(told: &Told) -> Option<CommitState> {
    if told.was_live {
        return Some(CommitState::Success);
    }
    match told.stage {
        StageName::Failed => Some(CommitState::Failure),
        StageName::Cancelled | StageName::Superseded => Some(CommitState::Cancelled),
        StageName::Requested
        | StageName::Queued
        | StageName::Building
        | StageName::Built
        | StageName::Releasing
        | StageName::Starting
        | StageName::Healthy
        | StageName::Switching
        | StageName::Draining
        | StageName::Live => None,
    }
}

/// Once it is said how it ended, nothing else is.
fn invariant_what_is_told_last_stays(
    id: DeploymentId,
    known: Option<CommitState>,
    state: CommitState,
) -> Verdict {
    match known.filter(|known| *known != CommitState::Pending && *known != state) {
        Some(known) => Err(format!("{} is {state:?} after {known:?}", Short(id.uuid()))),
        None => Ok(()),
    }
}
