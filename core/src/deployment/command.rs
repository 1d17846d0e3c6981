//! What a deployment can be asked to do. `decide` says what comes of it.

use std::collections::BTreeMap;

use super::{BuildOutcome, DeploymentSpec, Fault, Placement};
use crate::ids::{DeploymentId, WorkerId};
use crate::process::ProcessName;
use crate::time::Timestamp;

/// What a deployment can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeploymentCommand {
    /// Comes into being.
    Request(Box<DeploymentSpec>),
    /// It is its turn.
    Begin {
        /// Now.
        at: Timestamp,
    },
    /// A builder has taken the build on.
    AcceptBuild {
        /// Of which giving out.
        generation: u32,
        /// Who.
        worker: WorkerId,
    },
    /// The builder was not heard of for too long.
    LoseBuild {
        /// Of which giving out.
        generation: u32,
    },
    /// The build ended.
    FinishBuild {
        /// Of which giving out.
        generation: u32,
        /// How.
        outcome: BuildOutcome,
        /// Now.
        at: Timestamp,
    },
    /// The image that it was to take over is gone.
    MissImage {
        /// Now.
        at: Timestamp,
    },
    /// It is to have so many replicas.
    Scale {
        /// How many.
        replicas: u16,
    },
    /// Processes beside web are to have so many replicas; of those that it does not have, nothing
    /// follows.
    ScaleProcesses {
        /// How many.
        processes: BTreeMap<ProcessName, u16>,
    },
    /// Live, it gets other places: as many as it is to have.
    Rescale {
        /// One per replica.
        placements: Vec<Placement>,
        /// Now.
        at: Timestamp,
    },
    /// No request to the replicas that are too many is under way any more.
    FinishLeaving,
    /// Its release command is to run.
    Release {
        /// Where.
        worker: WorkerId,
        /// Now.
        at: Timestamp,
    },
    /// Its release command has ended well.
    FinishRelease {
        /// Now.
        at: Timestamp,
    },
    /// Its post-deploy command is to run.
    PostDeploy {
        /// Where.
        worker: WorkerId,
        /// Now.
        at: Timestamp,
    },
    /// Its post-deploy command has ended well.
    FinishPostDeploy,
    /// Its post-deploy command has failed, or will not run.
    FailPostDeploy {
        /// Why.
        fault: Fault,
    },
    /// Workers were chosen.
    Place {
        /// One per replica.
        placements: Vec<Placement>,
        /// Now.
        at: Timestamp,
    },
    /// All replicas are healthy.
    BecomeHealthy,
    /// A replica cannot start, or its release command has failed.
    FailStart {
        /// Why.
        fault: Fault,
    },
    /// The app has given it the traffic.
    Switch {
        /// The version before.
        previous: Option<DeploymentId>,
        /// Now.
        at: Timestamp,
    },
    /// Every live edge confirmed.
    ConfirmSwitch {
        /// Now.
        at: Timestamp,
    },
    /// No request to the version before is under way any more.
    FinishDrain,
    /// The version before has the traffic again: this one stopped answering.
    LoseTraffic {
        /// Why.
        fault: Fault,
    },
    /// Its build goes on waiting for its turn: those before it are under way, and each of them has an
    /// end.
    WaitOn {
        /// Now.
        at: Timestamp,
    },
    /// Ends what has gone on for too long.
    Expire {
        /// Now.
        at: Timestamp,
        /// What it was waiting for, as far as can be told.
        waiting_for: Fault,
    },
    /// Somebody wants it gone.
    Cancel,
    /// Another version takes its place.
    Supersede,
    /// As a canary it is over: it ails, or nobody promoted it in time.
    FailCanary {
        /// Why.
        fault: Fault,
    },
}
