//! The labels by which Hythe knows what is its own.
//!
//! Invariant: an object is ours only where [`INSTANCE`] and [`WORKER`] both say so.

use std::collections::HashMap;

use hythe_core::ids::{AppId, DeploymentId, InstallationId, WorkerId};
use hythe_core::plan::ReplicaKey;

/// The installation.
pub const INSTANCE: &str = "hythe.instance";
/// The worker.
pub const WORKER: &str = "hythe.worker";
/// The app's id.
pub const APP: &str = "hythe.app";
/// Whose network a container is on, where that is not its app's own: a group's.
pub const NETWORK: &str = "hythe.network";
/// Which volume one is.
pub const VOLUME: &str = "hythe.volume";
/// Whose volume it is: an app's, or that of a project.
pub const VOLUME_OF: &str = "hythe.volume.of";
/// The app's name.
pub const APP_NAME: &str = "hythe.app.name";
/// The deployment.
pub const DEPLOYMENT: &str = "hythe.deployment";
/// The replica's number.
pub const REPLICA: &str = "hythe.replica";
/// What runs in it, where that is a task and no replica.
pub const TASK: &str = "hythe.task";
/// Which process beside web runs in it, where one does.
pub const PROCESS: &str = "hythe.process";
/// The generation of the assignment that it was made for.
pub const GENERATION: &str = "hythe.generation";
/// Which run of a command a container is, where it is no replica's.
pub const RUN: &str = "hythe.run";
/// The deployment whose version such a command is run in.
pub const RUN_OF: &str = "hythe.run.deployment";
/// Whether such a command goes on without whoever began it.
pub const RUN_DETACHED: &str = "hythe.run.detached";
/// When such a command is ended, in milliseconds since the Unix epoch.
pub const RUN_UNTIL: &str = "hythe.run.until";
/// How many milliseconds such a command has from SIGTERM to SIGKILL.
pub const RUN_STOP_WITHIN: &str = "hythe.run.stop-within";

/// Labels as the engine's API has them.
pub type Labels = HashMap<String, String>;

/// Whose objects are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The installation.
    pub installation: InstallationId,
    /// The worker.
    pub worker: WorkerId,
}

impl Owner {
    /// The labels of everything of ours.
    #[must_use]
    pub fn labels(&self) -> Labels {
        HashMap::from([
            (INSTANCE.to_owned(), self.installation.to_string()),
            (WORKER.to_owned(), self.worker.to_string()),
        ])
    }

    /// Whether labels say that an object is ours.
    #[must_use]
    pub fn owns(&self, labels: &Labels) -> bool {
        self.labels().iter().all(|(name, value)| labels.get(name) == Some(value))
    }

    /// A filter for lists and events that lets only what is ours through.
    #[must_use]
    pub fn filter(&self) -> HashMap<String, Vec<String>> {
        let wanted = self.labels().iter().map(|(name, value)| format!("{name}={value}")).collect();
        HashMap::from([("label".to_owned(), wanted)])
    }
}

/// Who a stranger's object belongs to, for messages.
#[must_use]
pub fn owner_of(labels: Option<&Labels>) -> String {
    match labels.and_then(|labels| labels.get(WORKER)) {
        Some(worker) => format!("it belongs to worker {worker}"),
        None => "it was not made by Hythe".to_owned(),
    }
}

/// Whose network a container is on, where that is not its app's own.
#[must_use]
pub fn network(labels: &Labels) -> Option<AppId> {
    labels.get(NETWORK)?.parse().ok()
}

/// Which replica a container is, from its labels.
#[must_use]
pub fn replica(labels: &Labels) -> Option<(AppId, ReplicaKey)> {
    Some((
        labels.get(APP)?.parse().ok()?,
        ReplicaKey {
            deployment: labels.get(DEPLOYMENT)?.parse::<DeploymentId>().ok()?,
            index: labels.get(REPLICA)?.parse().ok()?,
        },
    ))
}
