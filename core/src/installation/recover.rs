//! What must be done so that a restored installation runs again what it ran.
//!
//! A backup holds decisions, not images, not files of static sites and not machines. Where a machine came back
//! empty, its new agent has the old one's name, and the images of what was live are nowhere. So a worker whose
//! name another one has come up with is let go, and each app whose live version cannot run where
//! it was placed is deployed anew from the commit that it was built from: once, as part of the
//! restoration. Where the workers are still there with what they ran, nothing is to be done.
//!
//! The files of sites lie in one place, which can be lost or be another one without a restoration. So a live site
//! that is not there is deployed anew at any time, once for each version that was live.

use std::collections::BTreeSet;

use crate::deployment::{Attempt, Stage};
use crate::ids::{AppId, DeploymentId, WorkerId};
use crate::limits;
use crate::observed::Observed;
use crate::record::Sequence;
use crate::site::SiteId;
use crate::source::Source;
use crate::time::Timestamp;
use crate::view::{AppView, View};
use crate::wire::worker::{EngineState, ReplicaState};
use crate::worker::Lease;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Another worker has its name, and it is not heard of.
    LetGo(WorkerId),
    /// Deploy this source of an app: what ran can run no more where it was.
    Deploy {
        /// The app.
        app: AppId,
        /// What was live.
        live: DeploymentId,
        /// Its source, at the version that was live.
        source: Source,
        /// Why.
        cause: Cause,
    },
}

/// Why something is deployed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The installation was restored, which this event says.
    Restored(Sequence),
    /// The files of the site are not there.
    FilesGone,
}

/// What there is to do for an installation that was restored a short while ago, and for sites whose files are
/// not there; nothing else.
///
/// After a restoration an app counts as seen to once a deployment of it was requested because of the
/// restoration, or by anybody after it. `gone`: the sites of [`live_sites`] that are not there.
#[must_use]
pub fn recover(
    view: &View,
    observed: &Observed,
    gone: &BTreeSet<SiteId>,
    now: Timestamp,
) -> Vec<Recovery> {
    let restored = restored_lately(view, now);
    let mut todo = Vec::new();
    if restored.is_some() {
        todo.extend(replaced(view, observed, now).into_iter().map(Recovery::LetGo));
    }
    if (restored.is_some() || !gone.is_empty()) && ready(view, observed) {
        let seen = (view, observed);
        let apps = view.apps.iter();
        todo.extend(apps.filter_map(|(id, app)| deploy(*id, app, restored, gone, seen)));
    }
    todo
}

/// The restoration that what does not run may be due to.
fn restored_lately(view: &View, now: Timestamp) -> Option<Sequence> {
    let restored = view.installation.restored_at?;
    let at = view.installation.state.restored.as_ref().map_or(now, |restored| restored.at);
    // What fails later fails for other reasons.
    (now.since(at) <= limits::RECOVER_WITHIN).then_some(restored)
}

/// The sites that apps lead to, and whose they are.
#[must_use]
pub fn live_sites(view: &View) -> Vec<(AppId, SiteId)> {
    let live = view.apps.iter().filter_map(|(id, app)| {
        let active = app.state.active().filter(|active| active.discarded.is_none())?;
        let attempt = view.deployments.get(&active.live?)?.state.attempt()?;
        Some((*id, attempt.built.as_ref()?.site.as_ref()?.id.clone()))
    });
    live.collect()
}

/// Members that are not heard of while a worker that is none has come up under their name.
fn replaced(view: &View, observed: &Observed, now: Timestamp) -> Vec<WorkerId> {
    let strangers = observed.workers.iter().filter(|(id, _)| !view.workers.contains_key(id));
    let mut replaced: Vec<WorkerId> = strangers
        .filter_map(|(_, seen)| {
            let holder = view.workers.iter().find(|(_, worker)| {
                worker.state.member().is_some_and(|member| member.name == seen.report.name)
            });
            let (id, _) = holder?;
            let heard = observed.workers.get(id).map(|worker| worker.heard_at);
            (observed.silence(heard, now) >= limits::REPLACED_AFTER).then_some(*id)
        })
        .collect();
    replaced.sort_unstable();
    replaced.dedup();
    replaced
}

/// Whether there is a worker that can build and run.
fn ready(view: &View, observed: &Observed) -> bool {
    view.workers.iter().any(|(id, worker)| {
        let held = worker.state.member().is_some_and(|m| m.lease == Lease::Held && !m.draining);
        let seen = observed.workers.get(id);
        held && seen.is_some_and(|seen| match seen.report.engine {
            EngineState::Ready { .. } => true,
            EngineState::Unreachable { .. } => false,
        })
    })
}

fn deploy(
    id: AppId,
    app: &AppView,
    restored: Option<Sequence>,
    gone: &BTreeSet<SiteId>,
    (view, observed): (&View, &Observed),
) -> Option<Recovery> {
    let active = app.state.active().filter(|active| active.discarded.is_none())?;
    let live = active.live?;
    if active.rolling.is_some() || active.waiting.is_some() || active.stopped.is_some() {
        return None;
    }
    let seen_to = |restored: &Sequence| {
        let mut of_app = app.deployments.iter().filter_map(|id| view.deployments.get(id));
        of_app.any(|deployment| deployment.begun > *restored)
    };
    let attempt = view.deployments.get(&live)?.state.attempt()?;
    match attempt.stage {
        Stage::Live => {}
        Stage::Requested
        | Stage::Queued { .. }
        | Stage::Building { .. }
        | Stage::Built { .. }
        | Stage::Starting { .. }
        | Stage::Healthy
        | Stage::Switching { .. }
        | Stage::Draining { .. }
        | Stage::Releasing { .. }
        | Stage::Ended(_) => return None,
    }
    let built = attempt.built.as_ref()?;
    let cause = match &built.site {
        // Nothing of it is placed.
        Some(site) => gone.contains(&site.id).then_some(Cause::FilesGone)?,
        None => {
            let restored = restored.filter(|restored| !seen_to(restored))?;
            cannot_run(live, attempt, view, observed).then_some(Cause::Restored(restored))?
        }
    };
    let source = attempt.spec.source.at(&built.commit);
    Some(Recovery::Deploy { app: id, live, source, cause })
}

/// Whether a replica's worker is gone, or says that it cannot be created there. One that it only
/// has not come to yet is waited for.
fn cannot_run(live: DeploymentId, attempt: &Attempt, view: &View, observed: &Observed) -> bool {
    attempt.placements.iter().any(|place| {
        let member = view.workers.get(&place.worker).and_then(|worker| worker.state.member());
        if member.is_none_or(|member| member.lease == Lease::Lost) {
            return true;
        }
        // Told of something that was lost with the end of the history: it would take no order of
        // ours for this one.
        let last = view.deployments.get(&live).map_or(0, |deployment| deployment.last.0);
        let told = observed.workers.get(&place.worker).map_or(0, |seen| seen.generation(live));
        if told > last {
            return true;
        }
        observed.replica(live, place).is_some_and(|replica| match replica.state {
            ReplicaState::Failed { .. } => true,
            ReplicaState::Creating
            | ReplicaState::Starting { .. }
            | ReplicaState::Healthy
            | ReplicaState::Unhealthy { .. }
            | ReplicaState::Exited { .. }
            | ReplicaState::Stopping => false,
        })
    })
}
