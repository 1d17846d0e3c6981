//! A deployment that takes a part of the requests before it takes all, as its app decides it.
//!
//! It moves like any other until it is healthy; instead of the switch, its part begins then. A newer
//! deployment, a stop or a deletion calls it off as whatever has no traffic of its own.

use super::decide::Decision;
use super::{ActiveApp, AppEvent};
use crate::canary::{Canary, Weight, check};
use crate::ids::DeploymentId;
use crate::rejection::Rejection;
use crate::source::Source;
use crate::time::Millis;

impl ActiveApp {
    /// The canary that takes its part of the requests.
    #[must_use]
    pub fn singing(&self) -> Option<Canary> {
        let wanted = |canary: &Canary| {
            let id = Some(canary.deployment);
            canary.started && self.rolling == id && self.serving != id && self.called_off != id
        };
        self.canary.filter(wanted)
    }

    pub(super) fn request_canary(
        &self,
        deployment: DeploymentId,
        source: Option<Source>,
        no_cache: bool,
        (weight, within): (Weight, Millis),
    ) -> Decision {
        if self.knows(deployment) {
            return Ok(Vec::new());
        }
        check(within)?;
        let name = &self.name;
        if self.live.is_none() || self.stopped.is_some() {
            return Err(Rejection::conflict(format!(
                "no version of {name} is live that could take the other requests; deploy it without \
                 --canary"
            )));
        }
        let container = &self.settings.run.container;
        if container.unrouted {
            return Err(Rejection::conflict(format!(
                "{name} has no address, so there are no requests of which a part could be taken"
            )));
        }
        if !container.volumes.is_empty() {
            return Err(Rejection::conflict(format!(
                "{name} has volumes, and two versions never write to one at the same time; deploy it \
                 without --canary"
            )));
        }
        let mut events = self.request_deployment(deployment, source, no_cache)?;
        events.push(AppEvent::CanaryAsked { deployment, weight, within });
        Ok(events)
    }

    /// What follows for a canary from a newer deployment: it does not hold that up, and there are no two.
    pub(super) fn give_way_to(&self, newer: DeploymentId) -> Option<AppEvent> {
        let canary = self.canary?.deployment;
        let revocable = self.revocable() == Some(canary);
        revocable.then_some(AppEvent::DeploymentCalledOff { deployment: canary, by: Some(newer) })
    }

    /// What becomes of a canary that is healthy, where the deployment is one.
    pub(super) fn begin_canary(&self, deployment: DeploymentId) -> Option<Vec<AppEvent>> {
        let canary = self.canary.filter(|canary| canary.deployment == deployment)?;
        // Without another version it takes all, as there is nobody to take the rest.
        if self.live.is_none() || self.stopped.is_some() {
            return None;
        }
        if canary.started {
            return Some(Vec::new());
        }
        Some(vec![AppEvent::CanaryStarted { deployment, weight: canary.weight }])
    }

    fn canary(&self) -> Result<Canary, Rejection> {
        self.singing().ok_or_else(|| {
            Rejection::conflict(match self.canary {
                Some(_) if self.rolling.is_some() || self.waiting.is_some() => {
                    "the canary takes no requests yet: it is on its way".to_owned()
                }
                Some(_) | None => format!(
                    "{name} has no canary; begin one with: hythe deploy {name} --canary 10%",
                    name = self.name
                ),
            })
        })
    }

    pub(super) fn weigh_canary(&self, weight: Weight) -> Decision {
        let canary = self.canary()?;
        if canary.weight == weight {
            return Ok(Vec::new());
        }
        let deployment = canary.deployment;
        Ok(vec![AppEvent::CanaryWeightSet { deployment, weight }])
    }

    pub(super) fn promote_canary(&self) -> Decision {
        let deployment = self.canary()?.deployment;
        let switched = AppEvent::TrafficSwitched { deployment, previous: self.serving };
        Ok(vec![AppEvent::CanaryPromoted { deployment }, switched])
    }

    pub(super) fn abort_canary(&self) -> Decision {
        let deployment = self.canary()?.deployment;
        Ok(vec![AppEvent::DeploymentCalledOff { deployment, by: None }])
    }

    /// A canary takes this part.
    pub(super) fn canary_weighs(&mut self, deployment: DeploymentId, weight: Weight) {
        if let Some(canary) = self.canary.as_mut().filter(|it| it.deployment == deployment) {
            (canary.started, canary.weight) = (true, weight);
        }
    }

    /// A deployment is over, or not wanted: so is its canary.
    pub(super) fn forget_canary(&mut self, deployment: DeploymentId) {
        if self.canary.is_some_and(|canary| canary.deployment == deployment) {
            self.canary = None;
        }
    }
}
