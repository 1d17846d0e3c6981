//! Whether an app sleeps: nobody asked for it for long, and web has no replicas until somebody does.
//!
//! Its live version stays what it is, and so does what runs beside web. Whatever is done with the app that
//! somebody would want to see wakes it, in the same decision: so nothing of one that sleeps is ever on its
//! way, and nothing has to fall back to a version that has no replicas.

use serde::{Deserialize, Serialize};

use super::{ActiveApp, AppEvent};
use crate::edge::EdgeSettings;
use crate::ids::EdgeId;
use crate::time::Millis;

/// Why an app was woken. Append-only: events hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WokenBy {
    /// Somebody asked for it.
    Request {
        /// Where.
        edge: EdgeId,
    },
    /// What was done with it: a start, a deployment, another number of replicas, other settings.
    Change,
    /// It may not sleep as things are now: nobody could wake it, or the installation was restored.
    Circumstances,
}

impl ActiveApp {
    /// After how long it may be put to sleep, as far as that is its own matter; none while it may not.
    #[must_use]
    pub fn may_sleep(&self) -> Option<Millis> {
        let settled = self.live.is_some()
            && self.serving == self.live
            && self.rolling.is_none()
            && self.waiting.is_none();
        let up = self.stopped.is_none() && self.discarded.is_none();
        // To what has no address nobody could come to wake it.
        let routed = !self.settings.run.container.unrouted;
        self.edge.sleep_after.filter(|_| settled && up && routed)
    }

    pub(super) fn fall_asleep(&self, unasked: Millis) -> Vec<AppEvent> {
        let may = !self.asleep && self.may_sleep().is_some_and(|after| unasked >= after);
        may.then_some(AppEvent::FellAsleep { unasked }).into_iter().collect()
    }

    pub(super) fn wake(&self, why: WokenBy) -> Vec<AppEvent> {
        self.asleep.then_some(AppEvent::Woken { why }).into_iter().collect()
    }

    /// What was decided, and that it wakes where that is something that wakes it.
    pub(super) fn woken_by(&self, mut events: Vec<AppEvent>) -> Vec<AppEvent> {
        if self.asleep && events.iter().any(wakes) {
            events.push(AppEvent::Woken { why: WokenBy::Change });
        }
        events
    }
}

fn wakes(event: &AppEvent) -> bool {
    match event {
        AppEvent::DeploymentRequested { .. }
        | AppEvent::DeploymentRepeated { .. }
        | AppEvent::Scaled { .. } => true,
        AppEvent::EdgeSet(listed) => EdgeSettings::of(listed).sleep_after.is_none(),
        AppEvent::Created { .. }
        | AppEvent::Configured(_)
        | AppEvent::EnvironmentChanged { .. }
        | AppEvent::DeploymentReplaced { .. }
        | AppEvent::DeploymentBegun { .. }
        | AppEvent::TrafficSwitched { .. }
        | AppEvent::TrafficReturned { .. }
        | AppEvent::DeploymentPromoted { .. }
        | AppEvent::DeploymentSettled { .. }
        | AppEvent::DeploymentCalledOff { .. }
        | AppEvent::Stopped { .. }
        | AppEvent::Started
        | AppEvent::Discarded { .. }
        | AppEvent::Restored { .. }
        | AppEvent::TriggersSet(_)
        | AppEvent::SourceKeySet(_)
        | AppEvent::CommandRun { .. }
        | AppEvent::CommandEnded { .. }
        | AppEvent::ProcessesScaled { .. }
        | AppEvent::CronSet { .. }
        | AppEvent::CronRemoved { .. }
        | AppEvent::CronRun { .. }
        | AppEvent::CronSkipped { .. }
        | AppEvent::PreviewsSet(_)
        | AppEvent::PreviewWanted { .. }
        | AppEvent::PreviewUnwanted { .. }
        | AppEvent::PreviewCommented { .. }
        | AppEvent::BecamePreview(_)
        | AppEvent::DomainAdded { .. }
        | AppEvent::DomainSet { .. }
        | AppEvent::DomainVerified { .. }
        | AppEvent::DomainFailing { .. }
        | AppEvent::DomainLost { .. }
        | AppEvent::DomainRemoved { .. }
        | AppEvent::CanaryAsked { .. }
        | AppEvent::CanaryStarted { .. }
        | AppEvent::CanaryWeightSet { .. }
        | AppEvent::CanaryPromoted { .. }
        | AppEvent::FellAsleep { .. }
        | AppEvent::Woken { .. }
        | AppEvent::Deleted { .. } => false,
    }
}
