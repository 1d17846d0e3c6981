//! The route table: which host leads to which replicas. Computed here, served by the edges.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ids::{AppId, DeploymentId};
use crate::names::{AppName, HostName};

/// Everything an edge needs to serve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Names this table. A table with other routes has another, larger revision.
    pub revision: u64,
    /// Routes by host name, without port, lower case.
    pub routes: BTreeMap<HostName, Route>,
}

/// Where one host leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The app behind it.
    pub app: AppId,
    /// Its name, for pages and logs.
    pub name: AppName,
    /// What stands behind it now.
    pub backend: Backend,
}

/// What stands behind a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backend {
    /// Healthy replicas of one deployment; never empty.
    Replicas {
        /// The deployment that they belong to.
        deployment: DeploymentId,
        /// Where they answer.
        targets: Vec<SocketAddr>,
    },
    /// The app's first deployment is on its way: the edge answers 503 with a page saying so.
    Starting,
    /// The app has nothing to answer with: the edge answers 503 with a page saying so.
    Down,
}

impl Backend {
    /// The deployment that takes the traffic, where one does.
    #[must_use]
    pub const fn deployment(&self) -> Option<DeploymentId> {
        match self {
            Self::Replicas { deployment, .. } => Some(*deployment),
            Self::Starting | Self::Down => None,
        }
    }
}
