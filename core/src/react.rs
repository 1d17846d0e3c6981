//! What an event of one aggregate means for another.
//!
//! Run over the journal in order, from a durable cursor. Every command given here is idempotent,
//! so replaying a reaction is harmless.

use crate::app::{AppCommand, AppEvent};
use crate::deployment::{DeploymentCommand, DeploymentEvent, Outcome};
use crate::event::Event;
use crate::ids::{AppId, DeploymentId};
use crate::record::Recorded;
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
    }
}

fn of_app(event: &AppEvent, now: Timestamp) -> Vec<Reaction> {
    use DeploymentCommand as Command;
    let to = |deployment: &DeploymentId, command| Reaction::Deployment(*deployment, command);
    match event {
        AppEvent::DeploymentRequested { deployment, spec } => {
            vec![to(deployment, Command::Request(spec.clone()))]
        }
        AppEvent::DeploymentReplaced { deployment, by: _ } => {
            vec![to(deployment, Command::Supersede)]
        }
        AppEvent::DeploymentBegun { deployment } => {
            vec![to(deployment, Command::Begin { at: now })]
        }
        AppEvent::TrafficSwitched { deployment, previous } => {
            vec![to(deployment, Command::Switch { previous: *previous, at: now })]
        }
        AppEvent::DeploymentPromoted { deployment: _, previous } => {
            previous.iter().map(|previous| to(previous, Command::Supersede)).collect()
        }
        // One that is moving may refuse to be cancelled; with its app gone it ends all the same.
        AppEvent::Deleted { deployments } => {
            deployments.iter().map(|deployment| to(deployment, Command::Supersede)).collect()
        }
        AppEvent::Created { .. }
        | AppEvent::Configured(_)
        | AppEvent::EnvironmentChanged { .. }
        | AppEvent::TrafficReturned { .. }
        | AppEvent::DeploymentSettled { .. } => Vec::new(),
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
        | DeploymentEvent::Switched { .. } => None,
    }
}
