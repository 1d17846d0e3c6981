//! Whether an app runs, and in how many replicas.
//!
//! Stopping ends what is on its way and has no traffic yet. What has some goes on to its end, and is
//! stopped then. A deployment that was asked for after the stop starts the app once it is live; until
//! then, and where it fails, the app stays as it is. What sleeps and is stopped sleeps no more: started,
//! it runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ActiveApp, AppEvent, WokenBy};
use crate::ids::DeploymentId;
use crate::limits;
use crate::process::ProcessName;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// That an app was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// When requests that were under way are cut off.
    pub until: Timestamp,
    /// The deployment that was taking the traffic over at that moment: it starts nothing.
    pub during: Option<DeploymentId>,
}

impl ActiveApp {
    /// Whether nothing is to run and to have traffic.
    #[must_use]
    pub fn rests(&self) -> bool {
        self.stopped.is_some() && self.serving == self.live
    }

    /// Whether a deployment is the live one and is to have no replicas: also while another one, that
    /// was asked for after the stop, takes the traffic.
    #[must_use]
    pub fn is_resting(&self, deployment: DeploymentId) -> bool {
        let stopped = self.stopped.is_some_and(|stop| {
            let taking_over = stop.during.is_some() && self.serving == stop.during;
            self.serving == self.live || !taking_over
        });
        stopped && self.live == Some(deployment)
    }

    pub(super) fn stop(&self, at: Timestamp) -> Result<Vec<AppEvent>, Rejection> {
        if self.stopped.is_some() && self.rolling.is_none() && self.waiting.is_none() {
            return Ok(Vec::new());
        }
        let known = [self.live, self.rolling, self.waiting];
        if known.iter().all(Option::is_none) {
            let name = &self.name;
            return Err(Rejection::conflict(format!(
                "nothing of {name} runs: there is nothing to stop"
            )));
        }
        let until = at.plus(self.settings.drain_within);
        Ok(self.with_all_called_off(AppEvent::Stopped { until }))
    }

    /// This, and that nothing is wanted any more of what has no traffic yet.
    pub(super) fn with_all_called_off(&self, event: AppEvent) -> Vec<AppEvent> {
        let called_off = self.waiting.into_iter().chain(self.revocable());
        let called_off =
            called_off.map(|deployment| AppEvent::DeploymentCalledOff { deployment, by: None });
        std::iter::once(event).chain(called_off).collect()
    }

    pub(super) fn start(&self) -> Vec<AppEvent> {
        let started = self.stopped.map(|_| AppEvent::Started);
        started.into_iter().chain(self.wake(WokenBy::Change)).collect()
    }

    pub(super) fn scale(
        &self,
        replicas: Option<u16>,
        processes: BTreeMap<ProcessName, u16>,
        known: &BTreeSet<ProcessName>,
    ) -> Result<Vec<AppEvent>, Rejection> {
        let most = limits::MOST_REPLICAS;
        if let Some(replicas) = replicas.filter(|replicas| *replicas == 0 || *replicas > most) {
            let name = &self.name;
            return Err(Rejection::invalid(
                "replicas",
                format!("is 1 to {most}; got {replicas}. To run none: hythe stop {name}"),
            ));
        }
        if let Some(replicas) = replicas {
            self.settings.run.container.check(replicas)?;
        }
        let run = &self.settings.run;
        for (name, replicas) in &processes {
            if run.wanted_of(name).is_none() && !known.contains(name) {
                return Err(self.has_no(name, known));
            }
            if *replicas > most {
                let why = format!("is 0 to {most}; got {replicas}");
                return Err(Rejection::invalid(format!("processes.{name}"), why));
            }
        }
        let more = processes.keys().filter(|name| run.wanted_of(name).is_none()).count();
        let most = limits::MOST_PROCESSES;
        if run.counts.of.len() + more > most {
            let why = format!("are at most {most} of a repository's that are scaled");
            return Err(Rejection::invalid("processes", why));
        }
        let deployments: BTreeSet<DeploymentId> =
            [self.live, self.rolling, self.waiting].into_iter().flatten().collect();
        let nobody = deployments.is_empty();
        let mut events = Vec::new();
        if let Some(replicas) = replicas.filter(|n| !nobody || *n != self.settings.replicas) {
            events.push(AppEvent::Scaled { replicas, deployments: deployments.clone() });
        }
        let other = |(name, replicas): (&ProcessName, &u16)| run.wanted_of(name) != Some(*replicas);
        if processes.iter().any(|of| !nobody || other(of)) {
            events.push(AppEvent::ProcessesScaled { processes, deployments });
        }
        Ok(events)
    }

    fn has_no(&self, process: &ProcessName, known: &BTreeSet<ProcessName>) -> Rejection {
        let known: BTreeSet<_> = self.settings.run.processes.keys().chain(known).collect();
        let known: Vec<_> = known.into_iter().map(ToString::to_string).collect();
        let app = &self.name;
        let known = match known.as_slice() {
            [] => format!(
                "it has none besides web; for one: hythe process set {app} {process} -- CMD, or name it in the \
                 repository's Procfile"
            ),
            known => format!("besides web there are: {}", known.join(", ")),
        };
        Rejection::invalid(
            format!("processes.{process}"),
            format!("{app} has no process {process}; {known}"),
        )
    }

    /// The deployment that has the traffic and is not live yet.
    pub(super) fn taking_over(&self) -> Option<DeploymentId> {
        self.rolling.filter(|rolling| self.serving == Some(*rolling))
    }

    /// Whether a deployment that goes live ends the stop: it was asked for after it.
    pub(super) fn wakes(&self, deployment: DeploymentId) -> bool {
        self.stopped.is_some_and(|stop| stop.during != Some(deployment))
    }
}
