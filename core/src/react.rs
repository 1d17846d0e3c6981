//! What an event of one aggregate means for another.
//!
//! Run over the journal in order, from a durable cursor. Every command given here is idempotent,
//! so replaying a reaction is harmless.

use crate::app::{AppCommand, AppEvent, Outline};
use crate::deployment::{DeploymentCommand, DeploymentEvent, Outcome};
use crate::event::Event;
use crate::ids::{AppId, CorrelationId, DeploymentId};
use crate::installation::InstallationEvent;
use crate::project::ProjectEvent;
use crate::record::{Recorded, Sequence};
use crate::time::Timestamp;
use crate::worker::WorkerEvent;

/// A command for another aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// For an app.
    App(AppId, AppCommand),
    /// For a deployment.
    Deployment(DeploymentId, DeploymentCommand),
}

/// What follows from an event, in this order.
#[must_use]
pub fn react(recorded: &Recorded<Event>, now: Timestamp) -> Vec<Reaction> {
    match &recorded.event {
        Event::App(event) => of_app(event, now),
        Event::Deployment(event) => {
            let deployment = DeploymentId::new(recorded.stream.id);
            of_deployment(deployment, event).into_iter().collect()
        }
        Event::Worker(event) => match event {
            WorkerEvent::Registered { .. }
            | WorkerEvent::CapacityChanged { .. }
            | WorkerEvent::Lost
            | WorkerEvent::Returned
            | WorkerEvent::DrainStarted
            | WorkerEvent::DrainEnded
            | WorkerEvent::Removed => Vec::new(),
        },
        Event::Installation(event) => match event {
            InstallationEvent::BackupScheduled { .. }
            | InstallationEvent::BackupUnscheduled
            | InstallationEvent::BackupMade(_)
            | InstallationEvent::BackupFailed(_)
            | InstallationEvent::BackupBecameStale { .. }
            | InstallationEvent::MirrorSet(_)
            | InstallationEvent::MirrorRemoved
            | InstallationEvent::MirrorFellBehind { .. }
            | InstallationEvent::MirrorCaughtUp
            | InstallationEvent::Restored(_)
            | InstallationEvent::RegistrySet { .. }
            | InstallationEvent::RegistryRemoved { .. }
            | InstallationEvent::HookAdded { .. }
            | InstallationEvent::HookRotated { .. }
            | InstallationEvent::HookRemoved { .. }
            | InstallationEvent::AddressSet { .. }
            | InstallationEvent::AddressRemoved
            | InstallationEvent::SourceTokenSet { .. }
            | InstallationEvent::SourceTokenRemoved { .. }
            | InstallationEvent::SourceHostSet { .. }
            | InstallationEvent::SourceHostRemoved { .. }
            | InstallationEvent::StatusesSet { .. }
            | InstallationEvent::ToldSet { .. }
            | InstallationEvent::DomainSettingsSet(_)
            | InstallationEvent::GitHub(_)
            | InstallationEvent::Certificate(_) => Vec::new(),
        },
        Event::Project(event) => match event {
            ProjectEvent::Created { .. } | ProjectEvent::Deleted => Vec::new(),
        },
    }
}

/// The deployment whose own request a reaction follows from, where the event itself may belong to
/// another one's: that a deployment's turn has come is said together with the end of the one
/// before, which is when it begins but not why.
#[must_use]
pub fn in_the_name_of(event: &Event) -> Option<DeploymentId> {
    match event {
        Event::App(event) => match event.outline()? {
            Outline::Begun(deployment) => Some(deployment),
            Outline::Created { .. }
            | Outline::PutInto(_)
            | Outline::Discarded
            | Outline::Restored(_)
            | Outline::Deleted(_)
            | Outline::Requested(..)
            | Outline::Replaced(_)
            | Outline::CalledOff { .. }
            | Outline::Switched { .. }
            | Outline::Promoted { .. }
            | Outline::Scaled { .. }
            | Outline::ProcessesScaled { .. } => None,
        },
        Event::Deployment(_) | Event::Worker(_) | Event::Installation(_) | Event::Project(_) => {
            None
        }
    }
}

/// Correlation and causation of what follows from an event. `own` is the first event of the
/// deployment in whose name it happens ([`in_the_name_of`]), where there is one.
#[must_use]
pub fn follows_from<A, B>(
    recorded: &Recorded<A>,
    own: Option<&Recorded<B>>,
) -> (CorrelationId, Sequence) {
    match own {
        Some(own) => (own.meta.correlation, own.sequence),
        None => (recorded.meta.correlation, recorded.sequence),
    }
}

fn of_app(event: &AppEvent, now: Timestamp) -> Vec<Reaction> {
    use DeploymentCommand as Command;
    let to = Reaction::Deployment;
    let Some(outline) = event.outline() else { return Vec::new() };
    match outline {
        Outline::Requested(deployment, spec) => {
            vec![to(deployment, Command::Request(Box::new(spec.clone())))]
        }
        Outline::Replaced(deployment) | Outline::CalledOff { deployment, by: Some(_) } => {
            vec![to(deployment, Command::Supersede)]
        }
        Outline::CalledOff { deployment, by: None } => vec![to(deployment, Command::Cancel)],
        Outline::Scaled { replicas, deployments } => {
            let scale = |deployment: &DeploymentId| to(*deployment, Command::Scale { replicas });
            deployments.iter().map(scale).collect()
        }
        Outline::ProcessesScaled { processes, deployments } => {
            let scale = |deployment: &DeploymentId| {
                to(*deployment, Command::ScaleProcesses { processes: processes.clone() })
            };
            deployments.iter().map(scale).collect()
        }
        Outline::Begun(deployment) => vec![to(deployment, Command::Begin { at: now })],
        Outline::Switched { deployment, previous } => {
            vec![to(deployment, Command::Switch { previous, at: now })]
        }
        Outline::Promoted { deployment: _, previous } => {
            previous.into_iter().map(|previous| to(previous, Command::Supersede)).collect()
        }
        // One that is moving may refuse to be cancelled; with its app gone it ends all the same.
        Outline::Deleted(deployments) => {
            deployments.iter().map(|deployment| to(*deployment, Command::Supersede)).collect()
        }
        Outline::Created { .. }
        | Outline::PutInto(_)
        | Outline::Discarded
        | Outline::Restored(_) => Vec::new(),
    }
}

fn of_deployment(deployment: DeploymentId, event: &DeploymentEvent) -> Option<Reaction> {
    match event {
        DeploymentEvent::BecameHealthy { app } => {
            Some(Reaction::App(*app, AppCommand::SwitchTraffic { deployment }))
        }
        DeploymentEvent::WentLive { app } => {
            Some(Reaction::App(*app, AppCommand::Promote { deployment }))
        }
        DeploymentEvent::Ended {
            app,
            outcome: Outcome::Superseded | Outcome::Failed { .. } | Outcome::Cancelled,
        } => Some(Reaction::App(*app, AppCommand::Settle { deployment })),
        DeploymentEvent::Requested(_)
        | DeploymentEvent::BuildQueued { .. }
        | DeploymentEvent::BuildStarted { .. }
        | DeploymentEvent::Built { .. }
        | DeploymentEvent::Placed { .. }
        | DeploymentEvent::SwitchStarted { .. }
        | DeploymentEvent::Switched { .. }
        | DeploymentEvent::BuildSkipped { .. }
        | DeploymentEvent::ImageMissed { .. }
        | DeploymentEvent::ProcessesScaled { .. }
        | DeploymentEvent::Declared(_)
        | DeploymentEvent::Scaled { .. }
        | DeploymentEvent::Rescaled { .. }
        | DeploymentEvent::ReplicasLeft
        | DeploymentEvent::ReleaseStarted { .. }
        | DeploymentEvent::Released { .. }
        | DeploymentEvent::PostDeployStarted { .. }
        | DeploymentEvent::PostDeployed
        | DeploymentEvent::PostDeployFailed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::past::testing::Journal;
    use crate::testing::deployment_id;
    use uuid::Uuid;

    #[test]
    fn a_deployment_that_waited_begins_because_it_was_asked_for() {
        let mut journal = Journal::default();
        let deployment = deployment_id(2);
        let begun = AppEvent::DeploymentBegun { deployment };
        assert_eq!(in_the_name_of(&Event::App(begun.clone())), Some(deployment));
        let promoted = AppEvent::DeploymentPromoted { deployment, previous: None };
        assert_eq!(in_the_name_of(&Event::App(promoted)), None);
        journal.request(1, 2);
        let own = journal.events.last().unwrap().clone();
        journal.app(1, begun);
        let mut event = journal.events.last().unwrap().clone();
        let (mine, others) = (own.meta.correlation, CorrelationId::new(Uuid::from_u128(9)));
        assert_eq!(follows_from(&event, Some(&own)), (mine, own.sequence), "of one request");
        event.meta.correlation = others;
        assert_eq!(follows_from(&event, Some(&own)), (mine, own.sequence), "of another one's");
        let nothing: Option<&Recorded<Event>> = None;
        assert_eq!(follows_from(&event, nothing), (others, event.sequence), "of nobody's");
    }
}
