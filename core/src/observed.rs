//! What was seen, not decided: the newest reports of workers, edges and builders, and what was
//! sent to them. Lost with the process, and heard anew after it.

use std::collections::BTreeMap;

use crate::deployment::Placement;
use crate::ids::{DeploymentId, EdgeId, WorkerId};
use crate::limits;
use crate::plan::ReplicaKey;
use crate::routes::{Route, RouteTable};
use crate::time::{Millis, Timestamp};
use crate::wire::edge::Busy;
use crate::wire::worker::{ReplicaReport, WorkerReport};

/// What was seen since this control plane started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// When it started: nobody is late who had no chance to be heard yet.
    pub started_at: Timestamp,
    /// The newest inventory of each worker.
    pub workers: BTreeMap<WorkerId, WorkerSeen>,
    /// The newest report of each edge.
    pub edges: BTreeMap<EdgeId, EdgeSeen>,
    /// The newest sign of life of each build.
    pub builds: BTreeMap<DeploymentId, BuildSeen>,
    /// When what was sent last.
    pub sent: BTreeMap<Sent, Timestamp>,
    /// The table in force; the one found in the bucket after a start.
    pub table: RouteTable,
    /// The revision that first sent traffic to each deployment that has it.
    pub routed_since: BTreeMap<DeploymentId, u64>,
}

/// A worker's newest inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSeen {
    /// The inventory.
    pub report: WorkerReport,
    /// When it came.
    pub heard_at: Timestamp,
    replicas: BTreeMap<ReplicaKey, usize>,
}

impl WorkerSeen {
    /// An inventory that came just now.
    #[must_use]
    pub fn new(report: WorkerReport, heard_at: Timestamp) -> Self {
        let key = |r: &ReplicaReport| ReplicaKey { deployment: r.deployment, index: r.index };
        let replicas = report.replicas.iter().enumerate().map(|(at, r)| (key(r), at)).collect();
        Self { report, heard_at, replicas }
    }

    /// One replica of it.
    #[must_use]
    pub fn replica(&self, key: ReplicaKey) -> Option<&ReplicaReport> {
        self.report.replicas.get(*self.replicas.get(&key)?)
    }

    /// The generation of what it was told of a deployment; 0 where it knows nothing of it.
    #[must_use]
    pub fn generation(&self, deployment: DeploymentId) -> u64 {
        let held = self.report.assignments.iter().find(|held| held.deployment == deployment);
        held.map_or(0, |held| held.generation)
    }
}

/// An edge's newest report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeSeen {
    /// The revision in force there.
    pub revision: u64,
    /// Requests to deployments that take no new ones.
    pub busy: Vec<Busy>,
    /// When it came.
    pub heard_at: Timestamp,
}

/// A build's newest sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildSeen {
    /// Which giving out.
    pub generation: u32,
    /// Who builds.
    pub worker: WorkerId,
    /// When it came.
    pub heard_at: Timestamp,
}

/// Something that was sent, so that it is not sent again at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sent {
    /// A build command.
    Build(DeploymentId, u32),
    /// An order to run or to stop, of a generation.
    Order(WorkerId, DeploymentId, u64),
    /// An order to end a build.
    CancelBuild(WorkerId, DeploymentId, u32),
}

impl Observed {
    /// Nothing seen yet.
    #[must_use]
    pub fn starting_at(started_at: Timestamp) -> Self {
        Self { started_at, ..Self::default() }
    }

    /// Takes in the table that is in force from now on.
    pub fn put_in_force(&mut self, table: RouteTable) {
        let mut since = BTreeMap::new();
        for deployment in table.routes.values().filter_map(|r| r.backend.deployment()) {
            let known = self.routed_since.get(&deployment).copied();
            since.insert(deployment, known.unwrap_or(table.revision));
        }
        self.routed_since = since;
        self.table = table;
    }

    /// The routes in force.
    #[must_use]
    pub const fn routes(&self) -> &BTreeMap<crate::names::HostName, Route> {
        &self.table.routes
    }

    /// A placed replica as its worker sees it.
    #[must_use]
    pub fn replica(&self, deployment: DeploymentId, place: &Placement) -> Option<&ReplicaReport> {
        self.workers.get(&place.worker)?.replica(ReplicaKey { deployment, index: place.index })
    }

    /// How long it is since `heard_at`, or since the start where that is later.
    #[must_use]
    pub fn silence(&self, heard_at: Option<Timestamp>, now: Timestamp) -> Millis {
        now.since(heard_at.unwrap_or_default().max(self.started_at))
    }

    /// Drops what is too old to matter, so that nothing here grows with time.
    pub fn forget_old(&mut self, now: Timestamp) {
        let recent = |at: Timestamp| now.since(at) < limits::OBSERVED_KEPT;
        self.sent.retain(|_, at| recent(*at));
        self.edges.retain(|_, edge| recent(edge.heard_at));
        self.builds.retain(|_, build| recent(build.heard_at));
    }

    /// Whether something may be sent (again).
    #[must_use]
    pub fn due(&self, sent: &Sent, after: Millis, now: Timestamp) -> bool {
        self.sent.get(sent).is_none_or(|at| now.since(*at) >= after || *at > now)
    }
}
