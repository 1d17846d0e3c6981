//! What a deployment becomes by an event. An event that does not fit changes nothing.

use super::{Attempt, Deployment, DeploymentEvent, Placement, PostDeploy, Stage};
use crate::task::Hook;

pub(super) fn evolve(deployment: Deployment, event: &DeploymentEvent) -> Deployment {
    match (deployment, event) {
        (Deployment::Absent, DeploymentEvent::Requested(spec)) => {
            Deployment::Present(Box::new(Attempt {
                spec: (**spec).clone(),
                stage: Stage::Requested,
                built: None,
                placements: Vec::new(),
                replicas: spec.replicas,
                leaving: Vec::new(),
                leave_until: None,
                rebuilt: false,
                released: false,
                post_deploy: PostDeploy::Outstanding,
            }))
        }
        (Deployment::Absent, _before_any_request) => Deployment::Absent,
        (Deployment::Present(mut attempt), event) => {
            attempt.apply(event);
            Deployment::Present(attempt)
        }
    }
}

impl Attempt {
    fn apply(&mut self, event: &DeploymentEvent) {
        self.apply_post_deploy(event);
        if matches!(self.stage, Stage::Ended(_)) {
            return;
        }
        match event {
            DeploymentEvent::Requested(_) => {}
            DeploymentEvent::BuildQueued { generation, until } => {
                self.stage = Stage::Queued { generation: *generation, until: *until };
            }
            DeploymentEvent::BuildStarted { generation, worker } => {
                if let Some(until) = self.stage.until() {
                    let (generation, worker) = (*generation, *worker);
                    self.stage = Stage::Building { generation, worker, until };
                }
            }
            DeploymentEvent::Built { built, until } => {
                self.built = Some(built.clone());
                self.stage = Stage::Built { until: *until };
            }
            DeploymentEvent::Placed { placements, until } => {
                self.placements.clone_from(placements);
                self.stage = Stage::Starting { until: *until };
            }
            DeploymentEvent::BecameHealthy { .. } => self.stage = Stage::Healthy,
            DeploymentEvent::SwitchStarted { previous, until } => {
                self.stage = Stage::Switching { previous: *previous, until: *until };
            }
            DeploymentEvent::Switched { previous, until } => {
                self.stage = Stage::Draining { previous: *previous, until: *until };
            }
            DeploymentEvent::WentLive { .. } => self.stage = Stage::Live,
            DeploymentEvent::Ended { outcome, .. } => self.stage = Stage::Ended(outcome.clone()),
            DeploymentEvent::BuildSkipped { until } => {
                if let Some((_, built)) = self.spec.origin.earlier() {
                    self.built = Some(built.clone());
                    self.stage = Stage::Built { until: *until };
                }
            }
            DeploymentEvent::Scaled { replicas } => self.replicas = *replicas,
            DeploymentEvent::ProcessesScaled { processes } => {
                self.spec.run.scale_processes(processes);
            }
            DeploymentEvent::Declared(declared) => self.spec.run.take_on(declared),
            DeploymentEvent::Rescaled { placements, until } => {
                let before = std::mem::replace(&mut self.placements, placements.clone());
                let all = before.into_iter().chain(std::mem::take(&mut self.leaving));
                let stays = |place: &Placement| placements.contains(place);
                self.leaving = all.filter(|place| !stays(place)).collect();
                self.leave_until = (!self.leaving.is_empty()).then_some(*until);
            }
            DeploymentEvent::ReplicasLeft => {
                self.leaving.clear();
                self.leave_until = None;
            }
            DeploymentEvent::ImageMissed { until } => {
                self.built = None;
                self.placements.clear();
                self.rebuilt = true;
                self.stage = Stage::Queued { generation: 1, until: *until };
            }
            DeploymentEvent::ReleaseStarted { worker, until } => {
                self.placements = vec![Placement { index: Hook::Release.index(), worker: *worker }];
                self.stage = Stage::Releasing { worker: *worker, until: *until };
            }
            DeploymentEvent::Released { until } => {
                self.placements.clear();
                self.released = true;
                self.stage = Stage::Built { until: *until };
            }
            DeploymentEvent::PostDeployStarted { .. }
            | DeploymentEvent::PostDeployed
            | DeploymentEvent::PostDeployFailed { .. } => {}
        }
    }
}
