//! How deployments come into the view and leave it, and which of them give way to another.

use std::collections::BTreeSet;

use super::{Asked, DeploymentView, Then, View};
use crate::app::ActiveApp;
use crate::deployment::{Deployment, DeploymentEvent, Stage, StageName};
use crate::event::Event;
use crate::ids::{AppId, DeploymentId};
use crate::limits;
use crate::machine::Machine;
use crate::process::is_process;
use crate::record::{Recorded, Sequence};
use crate::time::Timestamp;

impl View {
    /// Where a live deployment was ended to make room for another one, and that has failed or is
    /// to be built again first: it is to run again, by a new order.
    pub(super) fn run_again(
        &mut self,
        live: Option<DeploymentId>,
        next: DeploymentId,
        now: Sequence,
    ) {
        let Some(live) = live.filter(|live| *live != next) else { return };
        let started =
            |of: &DeploymentView| of.stages.iter().any(|(stage, _)| *stage == StageName::Starting);
        if self.excludes(live, next)
            && self.deployments.get(&next).is_some_and(started)
            && let Some(deployment) = self.deployments.get_mut(&live)
        {
            deployment.assigned = now;
        }
    }

    /// Whether two deployments of an app must not run at the same time.
    fn excludes(&self, one: DeploymentId, other: DeploymentId) -> bool {
        let container = |id| Some(&self.deployments.get(&id)?.state.attempt()?.spec.run.container);
        let both = container(one).zip(container(other));
        both.is_some_and(|(one, other)| one.excludes(other))
    }

    /// The live deployment of an app that ends before the one that follows it starts, for both write to
    /// the same volume, and since when it is to.
    #[must_use]
    pub fn giving_way(&self, app: &ActiveApp) -> Option<(DeploymentId, Timestamp)> {
        let (live, next) = (app.live?, app.rolling?);
        let follows = self.deployments.get(&next).filter(|_| live != next)?;
        let since = match follows.state.attempt()?.stage {
            Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live => {
                // One whose image was missed starts twice.
                let mut stages = follows.stages.iter().rev();
                stages.find(|(stage, _)| *stage == StageName::Starting).map(|(_, at)| *at)
            }
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Releasing { .. }
            | Stage::Ended(_) => None,
        };
        // On another worker there is another volume: nothing has to end for it.
        let web = |id| {
            let attempt = self.deployments.get(&id)?.state.attempt()?;
            let mut places = attempt.placements.iter().filter(|place| !is_process(place.index));
            places.next().map(|place| place.worker)
        };
        let beside = web(live) == web(next);
        since.filter(|_| beside && self.excludes(live, next)).map(|since| (live, since))
    }

    pub(super) fn apply_deployment(
        &mut self,
        id: DeploymentId,
        event: &DeploymentEvent,
        recorded: &Recorded<Event>,
    ) {
        // Its first event is a reaction; whoever asked did so through the app.
        let asked = self.requests.remove(&id);
        let view = self.deployments.entry(id).or_insert_with(|| {
            let nobody = || Asked { meta: recorded.meta.clone(), then: Then::default() };
            let Asked { meta, then } = asked.unwrap_or_else(nobody);
            DeploymentView {
                state: Deployment::default(),
                stages: Vec::new(),
                begun: recorded.sequence,
                last: recorded.sequence,
                assigned: Sequence(0),
                requested: meta,
                then,
            }
        });
        view.state = std::mem::take(&mut view.state).evolve(event);
        view.last = recorded.sequence;
        let Some(attempt) = view.state.attempt() else {
            self.deployments.remove(&id);
            return;
        };
        let stage = attempt.stage.name();
        if view.stages.last().is_none_or(|(last, _)| *last != stage) {
            view.stages.push((stage, recorded.meta.at));
        }
        let app = attempt.spec.app;
        match event {
            DeploymentEvent::Placed { .. }
            | DeploymentEvent::WentLive { .. }
            | DeploymentEvent::Rescaled { .. }
            | DeploymentEvent::ReleaseStarted { .. }
            | DeploymentEvent::ReplicasLeft => {
                view.assigned = recorded.sequence;
            }
            DeploymentEvent::Requested(_) => {
                if let Some(app) = self.apps.get_mut(&app) {
                    app.deployments.push(id);
                }
            }
            DeploymentEvent::PostDeployStarted { .. } => view.assigned = recorded.sequence,
            DeploymentEvent::PostDeployed | DeploymentEvent::PostDeployFailed { .. } => {
                view.assigned = recorded.sequence;
                if view.state.ended() {
                    self.trim(app, id);
                }
            }
            DeploymentEvent::Ended { .. } if attempt.post_deploying().is_some() => {
                // Its replicas go, and that stays.
                view.assigned = recorded.sequence;
            }
            DeploymentEvent::Ended { .. } => self.trim(app, id),
            DeploymentEvent::ImageMissed { .. } => {
                let live = self.apps.get(&app).and_then(|app| app.state.active()?.live);
                self.run_again(live, id, recorded.sequence);
            }
            DeploymentEvent::BuildQueued { .. }
            | DeploymentEvent::BuildStarted { .. }
            | DeploymentEvent::Built { .. }
            | DeploymentEvent::BecameHealthy { .. }
            | DeploymentEvent::SwitchStarted { .. }
            | DeploymentEvent::Switched { .. }
            | DeploymentEvent::BuildSkipped { .. }
            | DeploymentEvent::Released { .. }
            | DeploymentEvent::ProcessesScaled { .. }
            | DeploymentEvent::Declared(_)
            | DeploymentEvent::Scaled { .. } => {}
        }
    }

    /// Keeps the lists bounded once a deployment has ended.
    fn trim(&mut self, app: AppId, ended: DeploymentId) {
        let Some(app) = self.apps.get_mut(&app) else {
            self.drop_if_ended(ended);
            return;
        };
        let deployments = &self.deployments;
        let is_over = |id: &DeploymentId| deployments.get(id).is_none_or(|view| view.state.ended());
        let over = app.deployments.iter().filter(|id| is_over(id)).count();
        if over <= limits::MOST_ENDED_KEPT {
            return;
        }
        let newest = app.deployments.iter().rev();
        let were_live = newest.filter(|id| {
            deployments.get(id).is_some_and(|view| view.state.ended() && view.was_live())
        });
        let stay: BTreeSet<_> = were_live.take(limits::MOST_LIVE_KEPT).copied().collect();
        let goes = |id: &DeploymentId| is_over(id) && !stay.contains(id);
        if let Some(position) = app.deployments.iter().position(goes) {
            let oldest = app.deployments.remove(position);
            self.deployments.remove(&oldest);
        }
    }

    pub(super) fn drop_if_ended(&mut self, deployment: DeploymentId) {
        if self.deployments.get(&deployment).is_some_and(|view| view.state.ended()) {
            self.deployments.remove(&deployment);
        }
    }
}
