//! What a deployment becomes by an event. An event that does not fit changes nothing.

use super::{Attempt, Deployment, DeploymentEvent, Stage};

pub(super) fn evolve(deployment: Deployment, event: &DeploymentEvent) -> Deployment {
    match (deployment, event) {
        (Deployment::Absent, DeploymentEvent::Requested(spec)) => {
            Deployment::Present(Box::new(Attempt {
                spec: (**spec).clone(),
                stage: Stage::Requested,
                built: None,
                placements: Vec::new(),
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
        }
    }
}
