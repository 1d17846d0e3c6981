//! The post-deploy command: it runs once, after the version went live. However it ends, the version
//! stays as it is; where a newer one takes its place meanwhile, it goes on to its end.

use serde::{Deserialize, Serialize};

use super::decide::{Decision, NOTHING};
use super::{Attempt, DeploymentEvent, Fault, Placement, Stage};
use crate::ids::WorkerId;
use crate::limits;
use crate::run::HookSettings;
use crate::task::Hook;
use crate::time::{Millis, Timestamp};

/// How a deployment's post-deploy command stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PostDeploy {
    /// It has not run.
    #[default]
    Outstanding,
    /// It runs.
    Runs {
        /// Where.
        worker: WorkerId,
        /// When it fails.
        until: Timestamp,
    },
    /// It has ended well.
    Done,
    /// It has failed, or was not run in time.
    Failed(Fault),
}

impl PostDeploy {
    /// When it fails, while it runs.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Runs { until, worker: _ } => Some(*until),
            Self::Outstanding | Self::Done | Self::Failed(_) => None,
        }
    }
}

impl Attempt {
    /// What is to run now that it is live, where that has not begun yet.
    #[must_use]
    pub fn to_post_deploy(&self) -> Option<&HookSettings> {
        match (&self.stage, &self.post_deploy) {
            (Stage::Live, PostDeploy::Outstanding) => self.hook(Hook::PostDeploy),
            (
                Stage::Live
                | Stage::Requested
                | Stage::Queued { .. }
                | Stage::Building { .. }
                | Stage::Built { .. }
                | Stage::Releasing { .. }
                | Stage::Starting { .. }
                | Stage::Healthy
                | Stage::Switching { .. }
                | Stage::Draining { .. }
                | Stage::Ended(_),
                PostDeploy::Outstanding
                | PostDeploy::Runs { .. }
                | PostDeploy::Done
                | PostDeploy::Failed(_),
            ) => None,
        }
    }

    /// Where its post-deploy command runs, while it does: also after its own end.
    #[must_use]
    pub const fn post_deploying(&self) -> Option<Placement> {
        match self.post_deploy {
            PostDeploy::Runs { worker, until: _ } => {
                Some(Placement { index: Hook::PostDeploy.index(), worker })
            }
            PostDeploy::Outstanding | PostDeploy::Done | PostDeploy::Failed(_) => None,
        }
    }

    /// How long may pass from the start of that command until it is over: beyond its own time, that
    /// of its worker to hear of it and to answer.
    #[must_use]
    pub fn post_deploy_given(&self) -> Millis {
        let within = self.hook(Hook::PostDeploy).map_or(0, |hook| hook.within.0);
        Millis(within.saturating_add(limits::START_GRACE.0))
    }

    pub(super) fn post_deploy(&self, worker: WorkerId, at: Timestamp) -> Decision {
        if self.to_post_deploy().is_none() {
            return NOTHING;
        }
        let until = at.plus(self.post_deploy_given());
        Ok(vec![DeploymentEvent::PostDeployStarted { worker, until }])
    }

    pub(super) fn finish_post_deploy(&self) -> Decision {
        let runs = self.post_deploying().is_some();
        Ok(runs.then_some(DeploymentEvent::PostDeployed).into_iter().collect())
    }

    pub(super) fn fail_post_deploy(&self, fault: Fault) -> Decision {
        let open = self.post_deploying().is_some() || self.to_post_deploy().is_some();
        let failed = open.then(|| DeploymentEvent::PostDeployFailed { fault: fault.bounded() });
        Ok(failed.into_iter().collect())
    }

    /// What an event makes of it; it may come after the deployment's own end.
    pub(super) fn apply_post_deploy(&mut self, event: &DeploymentEvent) {
        let now = match event {
            DeploymentEvent::PostDeployStarted { worker, until } => {
                PostDeploy::Runs { worker: *worker, until: *until }
            }
            DeploymentEvent::PostDeployed => PostDeploy::Done,
            DeploymentEvent::PostDeployFailed { fault } => PostDeploy::Failed(fault.clone()),
            DeploymentEvent::Requested(_)
            | DeploymentEvent::BuildQueued { .. }
            | DeploymentEvent::BuildStarted { .. }
            | DeploymentEvent::Built { .. }
            | DeploymentEvent::Placed { .. }
            | DeploymentEvent::BecameHealthy { .. }
            | DeploymentEvent::SwitchStarted { .. }
            | DeploymentEvent::Switched { .. }
            | DeploymentEvent::WentLive { .. }
            | DeploymentEvent::Ended { .. }
            | DeploymentEvent::BuildSkipped { .. }
            | DeploymentEvent::ImageMissed { .. }
            | DeploymentEvent::Scaled { .. }
            | DeploymentEvent::Rescaled { .. }
            | DeploymentEvent::ReplicasLeft
            | DeploymentEvent::ReleaseStarted { .. }
            | DeploymentEvent::Released { .. }
            | DeploymentEvent::ProcessesScaled { .. }
            | DeploymentEvent::Declared(_) => return,
        };
        self.post_deploy = now;
    }
}
