//! The table itself, as edges get it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::canary::{Part, PartSite};
use crate::edge::RouteEdge;
use crate::ids::{AppId, DeploymentId};
use crate::mount::{Mounted, PathPrefix};
use crate::names::{AppName, HostName};
use crate::site::SiteId;

/// Everything an edge needs to serve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Names this table. A table with other routes has another, larger revision.
    pub revision: u64,
    /// Routes by host name, without port, lower case.
    pub routes: BTreeMap<HostName, Route>,
}

impl RouteTable {
    /// All routes: those of hosts, and those of what is mounted there.
    pub fn all(&self) -> impl Iterator<Item = &Route> {
        self.routes.values().flat_map(|route| {
            let mounted = route.mounts.values().map(|mounted| &mounted.route);
            std::iter::once(route).chain(mounted)
        })
    }
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
    /// Whether there is nothing because somebody stopped it: the page of 503 says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// Whether it sleeps, or has just been woken and is not there yet: requests wait for it, and the first of
    /// them tells that it is wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asleep: bool,
    /// The host that requests are sent on to, where they are: then nothing behind it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<HostName>,
    /// Hosts right below these lead here too, where they have no route of their own.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub wildcards: BTreeSet<HostName>,
    /// How it is served, where that is other than usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<Box<RouteEdge>>,
    /// Other apps at paths of this host. Nothing is mounted at what is mounted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mounts: BTreeMap<PathPrefix, Mounted>,
    /// What of its requests goes to a new version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Box<Part>>,
}

impl Route {
    /// One that leads to what stands behind it.
    #[must_use]
    pub const fn new(app: AppId, name: AppName, backend: Backend) -> Self {
        Self {
            app,
            name,
            backend,
            stopped: false,
            asleep: false,
            redirect: None,
            wildcards: BTreeSet::new(),
            edge: None,
            mounts: BTreeMap::new(),
            canary: None,
        }
    }

    /// The deployments that take its traffic. Those of what is mounted have routes of their own.
    pub fn deployments(&self) -> impl Iterator<Item = DeploymentId> {
        let part = self.canary.as_ref().map(|part| part.deployment);
        self.backend.deployment().into_iter().chain(part)
    }

    /// The site that takes a part of its requests, where one does.
    #[must_use]
    pub fn part_site(&self) -> Option<&PartSite> {
        self.canary.as_ref()?.site.as_ref()
    }

    /// Where its replicas answer, all of them.
    pub fn targets(&self) -> impl Iterator<Item = SocketAddr> {
        let all = match &self.backend {
            Backend::Replicas { targets, deployment: _ } => targets.as_slice(),
            Backend::Starting | Backend::Down | Backend::Site { .. } => &[],
        };
        let part = self.canary.iter().flat_map(|part| &part.targets);
        all.iter().chain(part).copied()
    }
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
    /// A static site, which the edge serves itself.
    Site {
        /// The deployment that it is of.
        deployment: DeploymentId,
        /// Which site.
        site: SiteId,
        /// Those of the versions before, the newest first: what in them is named after its content is still
        /// served to pages that are open.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        earlier: Vec<SiteId>,
    },
}

impl Backend {
    /// The deployment that takes the traffic, where one does.
    #[must_use]
    pub const fn deployment(&self) -> Option<DeploymentId> {
        match self {
            Self::Replicas { deployment, .. } | Self::Site { deployment, .. } => Some(*deployment),
            Self::Starting | Self::Down => None,
        }
    }
}
