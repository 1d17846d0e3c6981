//! What was seen, not decided: the newest reports of workers, edges and builders, and what was
//! sent to them. Lost with the process, and heard anew after it.

mod gaps;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use self::gaps::Gaps;
use crate::deployment::Placement;
use crate::ids::{AppId, ChallengeId, DeploymentId, EdgeId, WorkerId};
use crate::limits;
use crate::plan::ReplicaKey;
use crate::routes::{Route, RouteTable};
use crate::time::{Millis, Timestamp};
use crate::wire::edge::{Busy, Leaving};
use crate::wire::worker::{EngineState, ReplicaReport, SealingKey, WorkerReport};

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
    /// Why the one that should be in force cannot be, where that does not change by itself.
    pub unpublishable: Option<String>,
    /// Whether there is no connection over which anybody could say anything, or be told.
    pub cut_off: bool,
    /// What was to be sent to a builder or worker and did not get there.
    unsent: BTreeMap<Sent, Unsent>,
    /// The revision that first sent traffic to each deployment that has it.
    pub routed_since: BTreeMap<DeploymentId, u64>,
    /// The same of those that do not take a part of the requests only. What was a canary before has all of
    /// them only since then.
    pub serving_since: BTreeMap<DeploymentId, u64>,
    /// Deployments that lately lost their traffic.
    unrouted: BTreeMap<DeploymentId, Unrouted>,
    /// The revisions of the tables that this control plane had in force.
    revisions: BTreeSet<u64>,
    /// The first of them.
    first_revision: u64,
    /// When somebody last looked at all this.
    looked_at: Option<Timestamp>,
    /// When nobody looked.
    gaps: Gaps,
    /// Since when what workers, builders and edges say gets here. While nothing does, that is the newest
    /// look.
    reached_since: Timestamp,
}

/// A message that did not get to where it was to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unsent {
    /// Why.
    why: String,
    /// When it was last tried.
    at: Timestamp,
}

/// A deployment that a table left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unrouted {
    /// That table.
    revision: u64,
    /// Since when that is known; none before the next look.
    since: Option<Timestamp>,
}

/// A worker's newest inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSeen {
    /// The inventory.
    pub report: WorkerReport,
    /// When it came.
    pub heard_at: Timestamp,
    replicas: BTreeMap<ReplicaKey, usize>,
    /// Since when replicas are as they are, of those that were seen to become so.
    since: BTreeMap<ReplicaKey, Timestamp>,
}

impl WorkerSeen {
    /// An inventory that came just now.
    #[must_use]
    pub fn new(report: WorkerReport, heard_at: Timestamp) -> Self {
        let replicas = report.replicas.iter().enumerate();
        let replicas = replicas.map(|(at, replica)| (replica.key(), at)).collect();
        Self { report, heard_at, replicas, since: BTreeMap::new() }
    }

    /// The same where the newest inventory until now was `before`: what is as it was then is so for as long
    /// as that, all else since now.
    #[must_use]
    pub fn after(mut self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        let since = |replica: &ReplicaReport| match before.replica(replica.key()) {
            Some(was) if was.is_as(replica) => before.since(replica.key()),
            Some(_) => Some(self.heard_at),
            None => match before.report.engine {
                EngineState::Ready { .. } => Some(self.heard_at),
                // It may have been there all the time.
                EngineState::Unreachable { .. } => None,
            },
        };
        let known = |replica: &ReplicaReport| Some((replica.key(), since(replica)?));
        let since = self.report.replicas.iter().filter_map(known).collect();
        self.since = since;
        self
    }

    /// Since when a replica is as it is, where that was seen: it is not known of what became so before
    /// this control plane heard of the worker for the first time.
    #[must_use]
    pub fn since(&self, key: ReplicaKey) -> Option<Timestamp> {
        self.since.get(&key).copied()
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
    /// What it says of requests under way.
    pub carries: Carries,
    /// When it came.
    pub heard_at: Timestamp,
    /// When it was written, by the edge's clock: with another time it is another report.
    pub said_at: Timestamp,
    /// Whether it came while this process listened. One that lay there before may be older than whatever has come
    /// about since, though it was heard only now.
    pub live: bool,
    /// What the fleet's key is sealed with for it; none where it serves no certificates.
    pub sealing_key: Option<SealingKey>,
    /// The challenges that it answers.
    pub challenges: BTreeSet<ChallengeId>,
    /// Deployments that the table leads to and that it has not fetched yet: the version before answers.
    pub behind: BTreeSet<DeploymentId>,
    /// For how long nobody has asked there for apps that may sleep.
    pub unasked: BTreeMap<AppId, Millis>,
    /// Apps that sleep and that somebody asked for there.
    pub wanted: BTreeSet<AppId>,
}

/// What is known of the requests that go on at an edge, to what takes no new ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carries {
    /// These, and no others.
    Known {
        /// Requests to deployments that take no new ones.
        busy: Vec<Busy>,
        /// Requests to replicas that take no new ones.
        leaving: Vec<Leaving>,
    },
    /// A proxy of somebody else's, which asks for its routes now and then ([`crate::poller`]), says
    /// nothing of them: there may be some for as long as they may go on.
    Unknown,
}

impl EdgeSeen {
    /// A report that says nothing of certificates, and nothing that is missing, and that came just now.
    #[must_use]
    pub const fn new(revision: u64, carries: Carries, heard_at: Timestamp) -> Self {
        Self {
            revision,
            carries,
            heard_at,
            said_at: Timestamp(0),
            live: true,
            sealing_key: None,
            challenges: BTreeSet::new(),
            behind: BTreeSet::new(),
            unasked: BTreeMap::new(),
            wanted: BTreeSet::new(),
        }
    }

    /// Whether it is taken for alive.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.is_alive_since(self.heard_at, now)
    }

    /// The same where none of its reports could get here before a moment.
    fn is_alive_since(&self, reached: Timestamp, now: Timestamp) -> bool {
        match self.carries {
            Carries::Known { .. } => now.since(self.heard_at.max(reached)) < limits::EDGE_LEASE,
            // It does not speak by way of NATS.
            Carries::Unknown => now.since(self.heard_at) < limits::POLLER_LEASE,
        }
    }

    /// Whether requests to a deployment that takes no new ones may go on there.
    #[must_use]
    pub fn may_carry(&self, deployment: DeploymentId) -> bool {
        match &self.carries {
            Carries::Known { busy, leaving: _ } => {
                busy.iter().any(|busy| busy.deployment == deployment)
            }
            Carries::Unknown => true,
        }
    }

    /// Whether requests to one of these addresses, which take no new ones, may go on there.
    #[must_use]
    pub fn may_carry_to(&self, addresses: &[SocketAddr]) -> bool {
        match &self.carries {
            Carries::Known { busy: _, leaving } => {
                leaving.iter().any(|leaving| addresses.contains(&leaving.target))
            }
            Carries::Unknown => true,
        }
    }
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
        Self { started_at, reached_since: started_at, ..Self::default() }
    }

    /// Nothing that is said over NATS could get here before this moment, for the connection is new, or
    /// there is none: it counts for nobody's silence, and all have their whole time to be heard of again.
    pub fn unreached_until(&mut self, now: Timestamp) {
        self.reached_since = now;
    }

    /// Takes in the table that is in force from now on.
    pub fn put_in_force(&mut self, table: RouteTable) {
        self.unpublishable = None;
        if self.first_revision == 0 {
            self.first_revision = table.revision;
        }
        self.revisions.insert(table.revision);
        if self.revisions.len() > limits::MOST_REVISIONS {
            self.revisions.pop_first();
        }
        let mut since = BTreeMap::new();
        for deployment in table.routes.values().flat_map(Route::deployments) {
            let known = self.routed_since.get(&deployment).copied();
            since.insert(deployment, known.unwrap_or(table.revision));
            self.unrouted.remove(&deployment);
        }
        let left = Unrouted { revision: table.revision, since: None };
        let out = self.routed_since.keys().filter(|deployment| !since.contains_key(deployment));
        self.unrouted.extend(out.map(|deployment| (*deployment, left)));
        self.routed_since = since;
        let serving = table.routes.values().filter_map(|route| route.backend.deployment());
        let since = |id: &DeploymentId| self.serving_since.get(id).copied();
        self.serving_since = serving.map(|id| (id, since(&id).unwrap_or(table.revision))).collect();
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

    /// Whether it is known how a placed replica is. An agent that has just started, and that its engine does not
    /// answer, has looked at nothing yet: of a replica that it does not name it knows nothing, and that may serve.
    #[must_use]
    pub fn knows(&self, deployment: DeploymentId, place: &Placement) -> bool {
        let key = ReplicaKey { deployment, index: place.index };
        self.workers.get(&place.worker).is_some_and(|seen| match seen.report.engine {
            EngineState::Ready { .. } => true,
            EngineState::Unreachable { .. } => seen.replica(key).is_some(),
        })
    }

    /// How long nothing came that could have come: since `heard_at`, or since the start or the return of
    /// NATS where that is later.
    #[must_use]
    pub fn silence(&self, heard_at: Option<Timestamp>, now: Timestamp) -> Millis {
        now.since(heard_at.unwrap_or_default().max(self.listens_since()))
    }

    /// Since when whoever has something to say can be heard.
    fn listens_since(&self) -> Timestamp {
        self.started_at.max(self.reached_since)
    }

    /// Whether a worker has said something since it can be heard.
    #[must_use]
    pub fn has_heard(&self, worker: WorkerId) -> bool {
        self.workers.get(&worker).is_some_and(|seen| seen.heard_at >= self.listens_since())
    }

    /// The time by which to judge what began at `since`: now, less what went by of it while nobody
    /// looked. A clock that was set forward ends nothing.
    #[must_use]
    pub fn own_time(&self, since: Timestamp, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_sub(self.gaps.after(since).0))
    }

    /// The edges that are taken for alive.
    pub fn live_edges(&self, now: Timestamp) -> impl Iterator<Item = &EdgeSeen> {
        self.edges.values().filter(move |edge| edge.is_alive_since(self.reached_since, now))
    }

    /// Whether every edge that was there before the start, or before a break of the connection, had the
    /// time to be heard of.
    #[must_use]
    pub fn edges_had_time(&self, now: Timestamp) -> bool {
        now.since(self.listens_since()) >= limits::EDGE_LEASE
    }

    /// Whether an edge serves by the table of this revision or a newer one. A number alone does not
    /// say so: an edge may keep to a table of before NATS lost it, which nobody here knows.
    #[must_use]
    pub fn follows(&self, edge: &EdgeSeen, revision: u64) -> bool {
        edge.revision >= revision && self.revisions.contains(&edge.revision)
    }

    /// Whether new requests may still go to a deployment: the table in force leads there, or a live
    /// edge has not said yet that it follows one that does not. Edges that never say so are waited
    /// for no longer than for a switch.
    #[must_use]
    pub fn may_have_traffic(&self, deployment: DeploymentId, now: Timestamp) -> bool {
        if self.routed_since.contains_key(&deployment) {
            return true;
        }
        // What an earlier control plane took out of the table is in none of ours.
        let before = Unrouted { revision: self.first_revision, since: Some(self.started_at) };
        let left = self.unrouted.get(&deployment).copied().unwrap_or(before);
        if left.since.is_some_and(|since| now.since(since) >= limits::SWITCH_WITHIN) {
            return false;
        }
        !self.edges_had_time(now)
            || self.live_edges(now).any(|edge| !self.follows(edge, left.revision))
    }

    /// Since when the table does not lead to a deployment any more; none where it does, and where that
    /// was long ago, or before this control plane.
    pub(crate) fn left_at(&self, deployment: DeploymentId) -> Option<Timestamp> {
        self.unrouted.get(&deployment)?.since
    }

    /// Whether the table in force leads to one of these addresses.
    #[must_use]
    pub fn leads_to(&self, addresses: &[SocketAddr]) -> bool {
        let mut targets = self.table.routes.values().flat_map(Route::targets);
        targets.any(|target| addresses.contains(&target))
    }

    /// Whether there is an edge, and every live one has said that it follows the table in force.
    #[must_use]
    pub fn all_follow(&self, now: Timestamp) -> bool {
        let revision = self.table.revision;
        let mut edges = self.live_edges(now).peekable();
        edges.peek().is_some()
            && self.edges_had_time(now)
            && edges.all(|edge| self.follows(edge, revision))
    }

    /// Keeps the moments in here right where the clock was set, or nobody looked for a while.
    ///
    /// Set back, nothing was heard in the future. Set forward, or after a standstill, nobody could
    /// be heard in the time between: it counts for nobody's silence.
    fn keep_time(&mut self, now: Timestamp) {
        let last = self.looked_at.replace(now).unwrap_or(now);
        let gap = now.since(last);
        let missed = if gap > limits::LOOK_WITHIN { gap } else { Millis(0) };
        self.gaps.note(last, now, missed);
        let put_right = |at: &mut Timestamp| {
            if *at <= last {
                *at = at.plus(missed);
            }
            *at = (*at).min(now);
        };
        put_right(&mut self.started_at);
        put_right(&mut self.reached_since);
        for worker in self.workers.values_mut() {
            put_right(&mut worker.heard_at);
            // For how long something was so is nobody's silence: a gap is a part of it.
            worker.since.values_mut().for_each(|at| *at = (*at).min(now));
        }
        self.edges.values_mut().for_each(|edge| put_right(&mut edge.heard_at));
        self.builds.values_mut().for_each(|build| put_right(&mut build.heard_at));
        for left in self.unrouted.values_mut() {
            put_right(left.since.get_or_insert(now));
        }
    }

    /// Drops what is too old to matter, so that nothing here grows with time. To be called before
    /// each look: it also keeps the moments in here right where the clock was set.
    pub fn forget_old(&mut self, now: Timestamp) {
        self.keep_time(now);
        self.unrouted.retain(|_, left| {
            left.since.is_none_or(|since| now.since(since) < limits::OBSERVED_KEPT)
        });
        let recent = |at: Timestamp| now.since(at) < limits::OBSERVED_KEPT;
        self.sent.retain(|_, at| recent(*at));
        // What is wanted no more is not tried again.
        self.unsent.retain(|_, unsent| recent(unsent.at));
        self.edges.retain(|_, edge| recent(edge.heard_at));
        self.builds.retain(|_, build| recent(build.heard_at));
    }

    /// Something could not be sent, so that it is due at once. What is remembered of how that failed is bounded.
    pub fn could_not_send(&mut self, what: Sent, why: String, at: Timestamp) {
        self.sent.remove(&what);
        if self.unsent.len() < limits::MOST_UNSENT || self.unsent.contains_key(&what) {
            self.unsent.insert(what, Unsent { why, at });
        }
    }

    /// Something was sent, or need not be.
    pub fn has_sent(&mut self, what: &Sent) {
        self.unsent.remove(what);
    }

    /// Why a build command did not get to the builders, where it did not.
    #[must_use]
    pub fn unsent_build(&self, deployment: DeploymentId, generation: u32) -> Option<&str> {
        let unsent = self.unsent.get(&Sent::Build(deployment, generation))?;
        Some(&unsent.why)
    }

    /// Why an order of a generation did not get to a worker, where it did not.
    #[must_use]
    pub fn unsent_order(&self, deployment: DeploymentId, generation: u64) -> Option<&str> {
        self.unsent.iter().find_map(|(what, unsent)| match what {
            Sent::Order(_, of, order) if (*of, *order) == (deployment, generation) => {
                Some(unsent.why.as_str())
            }
            Sent::Order(..) | Sent::Build(..) | Sent::CancelBuild(..) => None,
        })
    }

    /// Whether something may be sent (again).
    #[must_use]
    pub fn due(&self, sent: &Sent, after: Millis, now: Timestamp) -> bool {
        self.sent.get(sent).is_none_or(|at| now.since(*at) >= after || *at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::InstallationId;
    use crate::names::{HostName, WorkerName};
    use crate::routes::Backend;
    use crate::testing::{app_id, at, deployment_id, name, worker_id};
    use crate::wire::worker::ReplicaState;
    use crate::worker::Capacity;
    use uuid::Uuid;

    const START: u64 = 100_000;

    fn table(revision: u64, to: &[u128]) -> RouteTable {
        let route = |n: &u128| {
            let targets = vec![std::net::SocketAddr::from(([10, 0, 0, 1], 80))];
            let backend = Backend::Replicas { deployment: deployment_id(*n), targets };
            let host = HostName::new(format!("app-{n}.localhost")).unwrap();
            (host, Route::new(AppId::new(Uuid::from_u128(*n)), name("shop"), backend))
        };
        RouteTable { revision, routes: to.iter().map(route).collect() }
    }

    fn edge(revision: u64, heard_at: Timestamp) -> EdgeSeen {
        let carries = Carries::Known { busy: Vec::new(), leaving: Vec::new() };
        EdgeSeen::new(revision, carries, heard_at)
    }

    fn edge_id(n: u128) -> EdgeId {
        EdgeId::new(Uuid::from_u128(n))
    }

    #[test]
    fn requests_may_come_until_every_live_edge_follows_a_table_without_the_deployment() {
        let mut observed = Observed::starting_at(at(START));
        observed.put_in_force(table(5, &[1]));
        observed.put_in_force(table(6, &[2]));
        let now = at(START + 20);
        observed.forget_old(now);
        // Both edges' revisions, whether the second one is alive, and what may have traffic.
        let rows: [(u64, u64, bool, bool); 6] = [
            (6, 6, true, false),
            (6, 5, true, true),
            (5, 6, true, true),
            (6, 5, false, false),
            // Of before NATS lost it: nobody knows where it leads.
            (6, 9, true, true),
            (9, 6, false, true),
        ];
        for (first, second, alive, expected) in rows {
            let heard = if alive { now } else { at(START) };
            let edges = [(edge_id(1), edge(first, now)), (edge_id(2), edge(second, heard))];
            observed.edges = BTreeMap::from(edges);
            let may = observed.may_have_traffic(deployment_id(1), now);
            assert_eq!(may, expected, "{first} {second} {alive}");
            assert!(observed.may_have_traffic(deployment_id(2), now), "the table leads there");
        }
        // One that never follows is waited for no longer than for a switch.
        let later = at(START + 20 + limits::SWITCH_WITHIN.0 / 1000);
        observed.edges = BTreeMap::from([(edge_id(1), edge(5, later))]);
        assert!(!observed.may_have_traffic(deployment_id(1), later));
    }

    #[test]
    fn a_proxy_that_asks_lives_longer_and_may_always_carry_requests() {
        let heard = at(START);
        let seen = |carries| EdgeSeen::new(5, carries, heard);
        let known = seen(Carries::Known {
            busy: vec![Busy { deployment: deployment_id(1), requests: 2 }],
            leaving: vec![Leaving { target: ([10, 0, 0, 1], 80).into(), requests: 1 }],
        });
        let unknown = seen(Carries::Unknown);
        for (edge, lease) in [(&known, limits::EDGE_LEASE), (&unknown, limits::POLLER_LEASE)] {
            assert!(edge.is_alive(Timestamp(heard.0 + lease.0 - 1)));
            assert!(!edge.is_alive(heard.plus(lease)));
            assert!(edge.may_carry(deployment_id(1)));
            assert!(edge.may_carry_to(&[([10, 0, 0, 1], 80).into()]));
        }
        assert!(!known.may_carry(deployment_id(2)) && unknown.may_carry(deployment_id(2)));
        let other = [([10, 0, 0, 2], 80).into()];
        assert!(!known.may_carry_to(&other) && unknown.may_carry_to(&other));
    }

    #[test]
    fn after_a_start_nothing_is_taken_for_idle_before_the_edges_had_time_to_be_heard_of() {
        let mut observed = Observed::starting_at(at(START));
        observed.put_in_force(table(5, &[]));
        assert!(observed.may_have_traffic(deployment_id(1), at(START + 1)));
        assert!(!observed.may_have_traffic(deployment_id(1), at(START + 10)));
    }

    #[test]
    fn what_could_not_be_heard_in_a_break_of_the_connection_counts_for_nobodys_silence() {
        let lease = limits::EDGE_LEASE.0 / 1000;
        let mut observed = Observed::starting_at(at(START));
        observed.put_in_force(table(5, &[1]));
        observed.put_in_force(table(6, &[2]));
        let heard = at(START + 20);
        observed.forget_old(heard);
        let poller = EdgeSeen { carries: Carries::Unknown, ..edge(6, heard) };
        observed.edges = BTreeMap::from([(edge_id(1), edge(5, heard)), (edge_id(2), poller)]);
        // One that did not follow yet, and was last heard of before a break of two leases.
        let back = heard.plus(Millis(2 * limits::EDGE_LEASE.0));
        assert!(!observed.may_have_traffic(deployment_id(1), back), "as one that is gone");
        observed.unreached_until(back);
        assert!(observed.may_have_traffic(deployment_id(1), back));
        assert!(!observed.all_follow(back) && !observed.edges_had_time(back));
        let last = back.plus(Millis::seconds(lease - 1));
        assert!(observed.live_edges(last).any(|edge| edge.revision == 5));
        // It stays silent: then it is gone.
        let over = back.plus(limits::EDGE_LEASE);
        assert!(!observed.may_have_traffic(deployment_id(1), over));
        assert!(observed.edges_had_time(over));
        // A proxy that asks does so past NATS.
        let silent = heard.plus(limits::POLLER_LEASE);
        observed.unreached_until(silent);
        assert_eq!(observed.live_edges(silent).count(), 1, "of both the one that is heard by NATS");
    }

    #[test]
    fn nothing_is_silent_while_nats_is_away_and_has_its_time_anew_once_it_is_back() {
        // How long ago it was heard of, since when NATS can be reached (none: never, until now), and
        // how long it counts as silent, all in seconds before now.
        let rows = [
            (Some(5), Some(100), 5),
            (Some(500), Some(100), 100),
            (Some(500), None, 0),
            (None, Some(100), 100),
            (None, Some(2_000), 1_000),
            (None, None, 0),
        ];
        let now = at(START);
        let before = |seconds: u64| at(START - seconds);
        for (heard, reached, silent) in rows {
            let mut observed = Observed::starting_at(before(1_000));
            observed.unreached_until(reached.map_or(now, before));
            let found = observed.silence(heard.map(before), now);
            assert_eq!(found, Millis::seconds(silent), "{heard:?} {reached:?}");
        }
    }

    /// A worker that says of one replica how it is, how often it was started again (all of that in a
    /// row); or nothing of any.
    fn worker(engine: EngineState, said: Option<(ReplicaState, u32)>) -> WorkerReport {
        let replica = |(state, restarts)| ReplicaReport {
            deployment: deployment_id(1),
            app: app_id(1),
            index: 0,
            state,
            endpoint: None,
            restarts,
            in_a_row: restarts,
            log: Vec::new(),
            image_missing: false,
        };
        WorkerReport {
            format: 1,
            worker: worker_id(1),
            installation: InstallationId::new(Uuid::nil()),
            name: WorkerName::new("one").unwrap(),
            capacity: Capacity::default(),
            sealing_key: SealingKey([0; 32]),
            engine,
            assignments: Vec::new(),
            replicas: said.into_iter().map(replica).collect(),
            builds: Vec::new(),
            builder: None,
            at: at(1),
        }
    }

    #[test]
    fn since_when_a_replica_is_as_it_is_is_known_where_it_was_seen_to_become_so() {
        let ready = || EngineState::Ready { version: "1".into() };
        let away = || EngineState::Unreachable { message: "no".into() };
        let check = |text: &str| ReplicaState::Unhealthy { check: text.into() };
        let exited = || ReplicaState::Exited { code: 1, out_of_memory: false };
        let key = ReplicaKey { deployment: deployment_id(1), index: 0 };
        // What is said one second after the other, and since when it is so.
        let rows = [
            (ready(), Some((ReplicaState::Healthy, 0)), None),
            (ready(), Some((ReplicaState::Healthy, 0)), None),
            (ready(), Some((check("one"), 0)), Some(2)),
            (ready(), Some((check("other"), 0)), Some(2)),
            (ready(), Some((ReplicaState::Healthy, 0)), Some(4)),
            (ready(), Some((ReplicaState::Healthy, 1)), Some(5)),
            (ready(), Some((exited(), 3)), Some(6)),
            (ready(), Some((ReplicaState::Creating, 4)), Some(6)),
            (ready(), None, None),
            (ready(), Some((ReplicaState::Healthy, 0)), Some(9)),
            (away(), None, None),
            (ready(), Some((ReplicaState::Healthy, 0)), None),
        ];
        let mut before = None;
        for (second, (engine, said, since)) in (0_u64..).zip(rows) {
            let seen = WorkerSeen::new(worker(engine, said), at(second)).after(before.as_ref());
            assert_eq!(seen.since(key), since.map(at), "{second}");
            before = Some(seen);
        }
    }

    #[test]
    fn nothing_is_so_since_the_future() {
        let mut observed = Observed::starting_at(at(START));
        let ready = || EngineState::Ready { version: "1".into() };
        let said = |restarts| worker(ready(), Some((ReplicaState::Healthy, restarts)));
        let before = WorkerSeen::new(said(0), at(START + 1));
        let seen = WorkerSeen::new(said(1), at(START + 2)).after(Some(&before));
        observed.workers.insert(worker_id(1), seen);
        observed.forget_old(at(START));
        let key = ReplicaKey { deployment: deployment_id(1), index: 0 };
        assert_eq!(observed.workers[&worker_id(1)].since(key), Some(at(START)));
    }

    #[test]
    fn what_went_by_while_nobody_looked_ends_nothing() {
        let mut observed = Observed::starting_at(at(START));
        let began = at(START + 1);
        for look in [0, 1, 2, 3_602, 3_603] {
            observed.forget_old(at(START + look));
        }
        let now = at(START + 3_603);
        assert_eq!(observed.own_time(began, now), at(START + 3));
        assert_eq!(observed.own_time(now, now), now, "what begins now is not given more");
    }

    #[test]
    fn a_clock_that_is_set_makes_nobody_silent_and_keeps_nobody_alive() {
        const DAY: u64 = 24 * 60 * 60;
        let lease = limits::EDGE_LEASE.0 / 1000;
        // Looked at before and after, and whether an edge that was heard of one second before
        // is alive then, and a lease later.
        let rows = [
            (START, START + 2, true, false),
            (START, START + DAY, true, false),
            (START + DAY, START, true, false),
        ];
        for (before, after, alive, alive_later) in rows {
            let mut observed = Observed::starting_at(at(before - 10));
            observed.forget_old(at(before));
            observed.edges.insert(edge_id(1), edge(1, at(before - 1)));
            observed.forget_old(at(before));
            observed.forget_old(at(after));
            assert_eq!(observed.live_edges(at(after)).count() > 0, alive, "{before} {after}");
            for seconds in 0..=lease {
                observed.forget_old(at(after + seconds));
            }
            let later = observed.live_edges(at(after + lease)).count() > 0;
            assert_eq!(later, alive_later, "{before} {after}");
        }
    }
}
