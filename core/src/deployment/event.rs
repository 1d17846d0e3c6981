//! What can happen to a deployment: facts, as the journal holds them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BuiltImage, DeploymentSpec, Fault, Outcome, Placement};
use crate::declared::Declared;
use crate::ids::{AppId, DeploymentId, WorkerId};
use crate::process::ProcessName;
use crate::time::Timestamp;

/// What can happen to a deployment. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeploymentEvent {
    /// It came into being.
    Requested(Box<DeploymentSpec>),
    /// A build is wanted.
    BuildQueued {
        /// Counts from 1.
        generation: u32,
        /// When the build fails.
        until: Timestamp,
    },
    /// A builder has taken it on.
    BuildStarted {
        /// Which giving out.
        generation: u32,
        /// Who.
        worker: WorkerId,
    },
    /// There is an image.
    Built {
        /// The image.
        built: BuiltImage,
        /// When waiting for a place fails.
        until: Timestamp,
    },
    /// Its replicas have their places and start.
    Placed {
        /// One per replica.
        placements: Vec<Placement>,
        /// When starting fails.
        until: Timestamp,
    },
    /// All replicas are healthy.
    BecameHealthy {
        /// The app that switches now.
        app: AppId,
    },
    /// The app has given it the traffic; the edges take it up.
    SwitchStarted {
        /// The version before.
        previous: Option<DeploymentId>,
        /// When switching fails.
        until: Timestamp,
    },
    /// Every live edge sends new requests here.
    Switched {
        /// The version before.
        previous: Option<DeploymentId>,
        /// When its requests are cut off.
        until: Timestamp,
    },
    /// It is live.
    WentLive {
        /// The app that promotes it now.
        app: AppId,
    },
    /// It is over.
    Ended {
        /// The app.
        app: AppId,
        /// How.
        outcome: Outcome,
    },
    /// It takes the image of an earlier deployment.
    BuildSkipped {
        /// When waiting for a place fails.
        until: Timestamp,
    },
    /// That image was gone: it is built anew, from the commit that it was made from.
    ImageMissed {
        /// When the build fails.
        until: Timestamp,
    },
    /// It is to have another number of replicas.
    Scaled {
        /// How many.
        replicas: u16,
    },
    /// Live, it has other places. Replicas that have none any more get no new requests.
    Rescaled {
        /// One per replica.
        placements: Vec<Placement>,
        /// When requests to those that have none are cut off.
        until: Timestamp,
    },
    /// The replicas that were too many may go.
    ReplicasLeft,
    /// Its release command runs.
    ReleaseStarted {
        /// Where.
        worker: WorkerId,
        /// When it fails.
        until: Timestamp,
    },
    /// Its release command has ended well.
    Released {
        /// When waiting for a place fails.
        until: Timestamp,
    },
    /// Live, it has its post-deploy command run.
    PostDeployStarted {
        /// Where.
        worker: WorkerId,
        /// When that fails.
        until: Timestamp,
    },
    /// Its post-deploy command has ended well.
    PostDeployed,
    /// Its post-deploy command has failed, or was not run; the version stays as it is.
    PostDeployFailed {
        /// Why.
        fault: Fault,
    },
    /// Processes beside web are to have other numbers of replicas.
    ProcessesScaled {
        /// How many.
        processes: BTreeMap<ProcessName, u16>,
    },
    /// Its repository says so of processes beside web, and of its release command.
    Declared(Box<Declared>),
}
