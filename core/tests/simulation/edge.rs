//! An edge: serves from its last table, kept on its disk, and says which one that is and who is
//! still busy outside of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use hythe_core::ids::{DeploymentId, EdgeId};
use hythe_core::limits;
use hythe_core::routes::{Backend, RouteTable};
use hythe_core::wire::FORMAT;
use hythe_core::wire::edge::{Busy, EdgeReport, Leaving};

use crate::made;
use crate::network::{Body, Node, To};
use crate::plant::Plant;
use crate::schedule::Due;
use crate::trace::Short;
use crate::world::World;

/// Heartbeats from one comparison with the bucket to the next.
const COMPARE_EVERY: u64 = 3;

/// An edge.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) id: EdgeId,
    pub(crate) up: bool,
    pub(crate) gone: bool,
    /// Cut off from NATS.
    pub(crate) cut: bool,
    /// It takes no table up, and goes on telling.
    pub(crate) deaf: bool,
    pub(crate) life: u32,
    /// The table in force, and on the disk.
    pub(crate) table: Option<RouteTable>,
    /// Where in which bucket the last value was that it looked at.
    seen: Option<(u32, u64)>,
    /// Requests under way.
    pub(crate) requests: BTreeMap<u64, (DeploymentId, SocketAddr)>,
    asked: u64,
    beats: u64,
}

/// Something at an edge.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EdgeDue {
    /// The bucket tells of a value.
    Watched,
    Beat,
    Report,
    /// Somebody asks for a host.
    Request,
    /// A request has ended.
    Ended(u64),
}

impl Edge {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            id: made::edge_id(number),
            up: false,
            gone: false,
            cut: false,
            deaf: false,
            life: 0,
            table: None,
            seen: None,
            requests: BTreeMap::new(),
            asked: 0,
            beats: 0,
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.table.as_ref().map_or(0, |table| table.revision)
    }

    /// Where requests for a deployment go, if any do.
    pub(crate) fn routes_to(&self, wanted: DeploymentId) -> bool {
        self.table
            .iter()
            .flat_map(|table| table.routes.values())
            .any(|route| route.deployments().any(|deployment| deployment == wanted))
    }

    /// Whether requests for a deployment's app go there, but for what a canary takes.
    pub(crate) fn serves(&self, wanted: DeploymentId) -> bool {
        let routes = self.table.iter().flat_map(|table| table.routes.values());
        routes.into_iter().any(|route| route.backend.deployment() == Some(wanted))
    }

    /// Whether some host leads to this address.
    pub(crate) fn leads_to(&self, address: SocketAddr) -> bool {
        let routes = self.table.iter().flat_map(|table| table.routes.values());
        routes.into_iter().any(|route| route.targets().any(|target| target == address))
    }

    pub(crate) fn requests_to(&self, wanted: DeploymentId) -> usize {
        self.requests.values().filter(|(deployment, _)| *deployment == wanted).count()
    }

    /// Whether some request is under way to this address.
    pub(crate) fn is_busy_at(&self, address: SocketAddr) -> bool {
        self.requests.values().any(|(_, to)| *to == address)
    }

    /// A request begins, to the first target of a deployment.
    pub(crate) fn begin(&mut self, request: u64, deployment: DeploymentId) {
        let routes = self.table.iter().flat_map(|table| table.routes.values());
        let target = routes.into_iter().find_map(|route| match &route.backend {
            Backend::Replicas { deployment: of, targets } if *of == deployment => {
                targets.first().copied()
            }
            Backend::Replicas { .. } | Backend::Starting | Backend::Down | Backend::Site { .. } => {
                None
            }
        });
        let target = target.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        self.requests.insert(request, (deployment, target));
    }
}

impl World {
    pub(crate) fn edge_starts(&mut self, e: usize) {
        let edge = &mut self.edges[e];
        if edge.gone {
            return;
        }
        edge.up = true;
        edge.seen = None;
        let life = edge.life;
        self.after(5, Due::Edge(e, life, EdgeDue::Watched));
        self.after(20, Due::Edge(e, life, EdgeDue::Beat));
        self.after(100, Due::Edge(e, life, EdgeDue::Request));
    }

    /// It dies with its requests; its table stays on the disk.
    pub(crate) fn edge_dies(&mut self, e: usize, for_ever: bool) -> bool {
        let left = self.edges.iter().filter(|edge| !edge.gone).count();
        if self.edges[e].gone || (for_ever && left < 2) {
            return false;
        }
        let edge = &mut self.edges[e];
        edge.up = false;
        edge.gone = for_ever;
        edge.life += 1;
        edge.requests.clear();
        let after = self.random.u64(100..40_000);
        self.after(after, Due::Back(Node::Edge(e)));
        true
    }

    /// For stories of their own: nobody asks for anything.
    pub(crate) fn edges_ask_nothing(&mut self) {
        self.quiet = true;
    }

    pub(crate) fn edge_linked(&mut self, e: usize) {
        let (after, life) = (self.random.u64(1..300), self.edges[e].life);
        self.after(after, Due::Edge(e, life, EdgeDue::Watched));
        self.after(after, Due::Edge(e, life, EdgeDue::Report));
    }

    pub(crate) fn edge(&mut self, e: usize, due: EdgeDue) {
        match due {
            EdgeDue::Watched => self.read_bucket(e),
            EdgeDue::Beat => {
                let life = self.edges[e].life;
                self.after(limits::EDGE_HEARTBEAT.0, Due::Edge(e, life, EdgeDue::Beat));
                self.edges[e].beats += 1;
                if self.edges[e].beats.is_multiple_of(COMPARE_EVERY) {
                    self.read_bucket(e);
                }
                self.edge_reports(e);
            }
            EdgeDue::Report => self.edge_reports(e),
            EdgeDue::Request => self.request(e),
            EdgeDue::Ended(request) => {
                let edge = &mut self.edges[e];
                let Some((deployment, to)) = edge.requests.remove(&request) else { return };
                let last = edge.requests_to(deployment) == 0 && !edge.routes_to(deployment);
                if last || (!edge.is_busy_at(to) && !edge.leads_to(to)) {
                    self.edge_reports(e);
                }
            }
        }
    }

    fn read_bucket(&mut self, e: usize) {
        let planted = self.calm && self.plant == Some(Plant::EdgeIsDeaf);
        if planted || self.edges[e].deaf || !self.linked(Node::Edge(e)) {
            return;
        }
        let Some(value) = self.nats.bucket.clone() else { return };
        let edge = &mut self.edges[e];
        if edge.seen == Some(value.place) {
            return;
        }
        edge.seen = Some(value.place);
        let (old, new) = (edge.revision(), value.table.revision);
        if new <= old && self.plant != Some(Plant::EdgeGoesBack) {
            if new < old {
                self.count("older table refused");
            }
            return;
        }
        let mut table = value.table;
        if self.planted(Plant::EdgeRoutesElsewhere) {
            for route in table.routes.values_mut() {
                if let Backend::Replicas { targets, .. } = &mut route.backend {
                    targets.push(SocketAddr::from(([10, 9, 9, 9], 1)));
                }
            }
        }
        self.edges[e].table = Some(table);
        self.note(format_args!("e{e} has table {new} in force"));
        self.judge_applied(e, old);
        let life = self.edges[e].life;
        self.after(1, Due::Edge(e, life, EdgeDue::Report));
    }

    fn edge_reports(&mut self, e: usize) {
        let edge = &self.edges[e];
        let mut busy: BTreeMap<DeploymentId, u64> = BTreeMap::new();
        let mut leaving: BTreeMap<SocketAddr, u64> = BTreeMap::new();
        for (deployment, to) in edge.requests.values() {
            if !edge.routes_to(*deployment) {
                *busy.entry(*deployment).or_default() += 1;
            } else if !edge.leads_to(*to) {
                *leaving.entry(*to).or_default() += 1;
            }
        }
        let leaving =
            leaving.into_iter().map(|(target, requests)| Leaving { target, requests }).collect();
        let busy =
            busy.into_iter().map(|(deployment, requests)| Busy { deployment, requests }).collect();
        let (edge, revision, life) = (edge.id, edge.revision(), edge.life);
        let at = self.clock(0);
        let report = EdgeReport {
            format: FORMAT,
            edge,
            revision,
            busy,
            leaving,
            at,
            sealing_key: None,
            challenges: BTreeSet::new(),
            ended: false,
            behind: BTreeSet::new(),
            unasked: BTreeMap::new(),
            wanted: BTreeSet::new(),
        };
        if !self.send(Node::Edge(e), To::Control, Body::Edge(report)) && self.nats.up {
            self.after(500, Due::Edge(e, life, EdgeDue::Report));
        }
    }

    /// Somebody asks for one of the hosts.
    fn request(&mut self, e: usize) {
        if self.quiet {
            return;
        }
        let (after, life) = (self.random.u64(500..6_000), self.edges[e].life);
        self.after(after, Due::Edge(e, life, EdgeDue::Request));
        let edge = &self.edges[e];
        let Some(table) = &edge.table else { return };
        let targets: Vec<(DeploymentId, SocketAddr)> = table
            .routes
            .values()
            .flat_map(|route| {
                let all = match &route.backend {
                    Backend::Replicas { deployment, targets } => Some((*deployment, targets)),
                    Backend::Starting | Backend::Down | Backend::Site { .. } => None,
                };
                let part = route.canary.as_ref().map(|part| (part.deployment, &part.targets));
                all.into_iter().chain(part)
            })
            .flat_map(|(id, targets)| targets.iter().map(move |target| (id, *target)))
            .collect();
        if targets.is_empty() {
            return;
        }
        let (deployment, to) = targets[self.random.usize(..targets.len())];
        self.edges[e].asked += 1;
        let request = self.edges[e].asked;
        self.edges[e].requests.insert(request, (deployment, to));
        self.count("request");
        let span = match self.random.u32(..60) {
            // One that nobody ends, such as a WebSocket.
            0 => return self.note(format_args!("e{e} begins a request without end")),
            1..5 => self.random.u64(5_000..60_000),
            _ => self.random.u64(1..400),
        };
        self.after(span, Due::Edge(e, life, EdgeDue::Ended(request)));
        if span > 4_000 {
            let id = Short(deployment.uuid());
            self.note(format_args!("e{e} begins a request of {span} ms to {id}"));
        }
    }
}
