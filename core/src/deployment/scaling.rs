//! Scaling: how many replicas a deployment is to have is said at any time; a live one gets other places
//! then, and what has none any more leaves once its requests are over.

use std::collections::BTreeMap;

use super::decide::{Decision, NOTHING};
use super::{Attempt, DeploymentEvent, Placement, Stage};
use crate::limits;
use crate::process::ProcessName;
use crate::time::Timestamp;

impl Attempt {
    pub(super) fn scale(&self, replicas: u16) -> Decision {
        let ended = matches!(self.stage, Stage::Ended(_));
        // The app's settings may have no volume any more, while this one still writes to one.
        let alone = replicas > 1 && self.spec.run.container.is_exclusive();
        let same = replicas == self.replicas;
        if ended || alone || same || replicas == 0 || replicas > limits::MOST_REPLICAS {
            return NOTHING;
        }
        Ok(vec![DeploymentEvent::Scaled { replicas }])
    }

    pub(super) fn scale_processes(&self, mut processes: BTreeMap<ProcessName, u16>) -> Decision {
        let ended = matches!(self.stage, Stage::Ended(_));
        processes.retain(|name, replicas| {
            // What it has besides is not known before it is built.
            let may_have = self.built.is_none() || self.spec.run.processes.contains_key(name);
            let same = self.spec.run.wanted_of(name) == Some(*replicas);
            may_have && !same && *replicas <= limits::MOST_REPLICAS
        });
        if ended || processes.is_empty() {
            return NOTHING;
        }
        Ok(vec![DeploymentEvent::ProcessesScaled { processes }])
    }

    pub(super) fn rescale(&self, placements: Vec<Placement>, at: Timestamp) -> Decision {
        let fits = placements.iter().map(|place| place.index).eq(self.wanted());
        // Scaled again meanwhile, or not live any more.
        if !fits || !self.is_live() || placements == self.placements {
            return NOTHING;
        }
        let until = at.plus(self.spec.drain_within);
        Ok(vec![DeploymentEvent::Rescaled { placements, until }])
    }

    pub(super) fn finish_leaving(&self) -> Decision {
        if !self.is_live() || self.leaving.is_empty() {
            return NOTHING;
        }
        Ok(vec![DeploymentEvent::ReplicasLeft])
    }

    const fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live)
    }
}
