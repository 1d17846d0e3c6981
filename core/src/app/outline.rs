//! What of an app's events others go by: that there is an app, under which name and in which project,
//! and what becomes of its deployments.
//!
//! Whoever asks for no more than that matches on this. So an event that is an app's own business is
//! named here once, and not in the table of each of them; one that is not gets a variant, and each of
//! them has to say what it means to it.

use std::collections::{BTreeMap, BTreeSet};

use super::AppEvent;
use crate::deployment::DeploymentSpec;
use crate::ids::{DeploymentId, ProjectId};
use crate::names::AppName;
use crate::process::ProcessName;

/// What others go by, of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outline<'a> {
    /// The app came into being.
    Created {
        /// Its name.
        name: &'a AppName,
        /// The project that it is in.
        project: ProjectId,
    },
    /// It was put into a project.
    PutInto(ProjectId),
    /// It was deleted, and may be restored.
    Discarded,
    /// It was restored, under this name.
    Restored(&'a AppName),
    /// It is gone, and these deployments are to end with it.
    Deleted(&'a BTreeSet<DeploymentId>),
    /// A deployment was requested, to run with this.
    Requested(DeploymentId, &'a DeploymentSpec),
    /// A waiting deployment gave way to a newer one.
    Replaced(DeploymentId),
    /// A deployment that has no traffic yet is not wanted any more.
    CalledOff {
        /// The deployment.
        deployment: DeploymentId,
        /// The newer one that goes before it, where one does.
        by: Option<DeploymentId>,
    },
    /// It is a deployment's turn.
    Begun(DeploymentId),
    /// A deployment gets the traffic.
    Switched {
        /// The deployment.
        deployment: DeploymentId,
        /// The one that had it before.
        previous: Option<DeploymentId>,
    },
    /// A deployment is live.
    Promoted {
        /// The deployment.
        deployment: DeploymentId,
        /// The one that may go.
        previous: Option<DeploymentId>,
    },
    /// Deployments are to have another number of replicas.
    Scaled {
        /// How many.
        replicas: u16,
        /// Which deployments.
        deployments: &'a BTreeSet<DeploymentId>,
    },
    /// Deployments are to have other numbers of processes beside web.
    ProcessesScaled {
        /// How many.
        processes: &'a BTreeMap<ProcessName, u16>,
        /// Which deployments.
        deployments: &'a BTreeSet<DeploymentId>,
    },
}

impl AppEvent {
    /// What of it others go by; none where it is the app's own business.
    #[must_use]
    pub fn outline(&self) -> Option<Outline<'_>> {
        Some(match self {
            Self::Created { name, settings, .. } => {
                Outline::Created { name, project: settings.project }
            }
            Self::Configured(change) => Outline::PutInto(change.project?),
            Self::Discarded { .. } => Outline::Discarded,
            Self::Restored { name } => Outline::Restored(name),
            Self::Deleted { deployments } => Outline::Deleted(deployments),
            Self::DeploymentRequested { deployment, spec }
            | Self::DeploymentRepeated { deployment, spec, .. } => {
                Outline::Requested(*deployment, spec)
            }
            Self::DeploymentReplaced { deployment, by: _ } => Outline::Replaced(*deployment),
            Self::DeploymentCalledOff { deployment, by } => {
                Outline::CalledOff { deployment: *deployment, by: *by }
            }
            Self::DeploymentBegun { deployment } => Outline::Begun(*deployment),
            Self::TrafficSwitched { deployment, previous } => {
                Outline::Switched { deployment: *deployment, previous: *previous }
            }
            Self::DeploymentPromoted { deployment, previous } => {
                Outline::Promoted { deployment: *deployment, previous: *previous }
            }
            Self::Scaled { replicas, deployments } => {
                Outline::Scaled { replicas: *replicas, deployments }
            }
            Self::ProcessesScaled { processes, deployments } => {
                Outline::ProcessesScaled { processes, deployments }
            }
            Self::EnvironmentChanged { .. }
            | Self::TrafficReturned { .. }
            | Self::DeploymentSettled { .. }
            | Self::Stopped { .. }
            | Self::Started
            | Self::TriggersSet(_)
            | Self::SourceKeySet(_)
            | Self::CommandRun { .. }
            | Self::CommandEnded { .. }
            | Self::CronSet { .. }
            | Self::CronRemoved { .. }
            | Self::CronRun { .. }
            | Self::CronSkipped { .. }
            | Self::PreviewsSet(_)
            | Self::PreviewWanted { .. }
            | Self::PreviewUnwanted { .. }
            | Self::PreviewCommented { .. }
            | Self::BecamePreview(_)
            | Self::DomainAdded { .. }
            | Self::DomainSet { .. }
            | Self::DomainVerified { .. }
            | Self::DomainFailing { .. }
            | Self::DomainLost { .. }
            | Self::DomainRemoved { .. }
            | Self::EdgeSet(_)
            | Self::CanaryAsked { .. }
            | Self::CanaryStarted { .. }
            | Self::CanaryWeightSet { .. }
            | Self::CanaryPromoted { .. }
            | Self::FellAsleep { .. }
            | Self::Woken { .. } => return None,
        })
    }

    /// The deployment that it asks for, where it does, and what that is to run with.
    #[must_use]
    pub fn requested(&self) -> Option<(DeploymentId, &DeploymentSpec)> {
        match self.outline()? {
            Outline::Requested(deployment, spec) => Some((deployment, spec)),
            Outline::Created { .. }
            | Outline::PutInto(_)
            | Outline::Discarded
            | Outline::Restored(_)
            | Outline::Deleted(_)
            | Outline::Replaced(_)
            | Outline::CalledOff { .. }
            | Outline::Begun(_)
            | Outline::Switched { .. }
            | Outline::Promoted { .. }
            | Outline::Scaled { .. }
            | Outline::ProcessesScaled { .. } => None,
        }
    }
}
