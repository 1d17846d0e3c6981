//! The release command: it runs once, after there is an image and before anything of the version
//! starts. How it ended is told by its worker; a deployment fails with it.

use super::decide::{Decision, NOTHING};
use super::{Attempt, DeploymentEvent, Stage};
use crate::ids::WorkerId;
use crate::limits;
use crate::time::Timestamp;

impl Attempt {
    pub(super) fn release(&self, worker: WorkerId, at: Timestamp) -> Decision {
        match (&self.stage, self.to_release()) {
            (Stage::Built { .. }, Some(release)) => {
                // Beyond its own time, that of its worker to hear of it and to answer.
                let until = at.plus(release.within).plus(limits::START_GRACE);
                Ok(vec![DeploymentEvent::ReleaseStarted { worker, until }])
            }
            (
                Stage::Built { .. }
                | Stage::Requested
                | Stage::Queued { .. }
                | Stage::Building { .. }
                | Stage::Releasing { .. }
                | Stage::Starting { .. }
                | Stage::Healthy
                | Stage::Switching { .. }
                | Stage::Draining { .. }
                | Stage::Live
                | Stage::Ended(_),
                _,
            ) => NOTHING,
        }
    }

    pub(super) fn finish_release(&self, at: Timestamp) -> Decision {
        match self.stage {
            Stage::Releasing { .. } => {
                Ok(vec![DeploymentEvent::Released { until: at.plus(limits::START_GRACE) }])
            }
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Ended(_) => NOTHING,
        }
    }
}
