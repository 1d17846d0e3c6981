//! Where requests go, and what ends while they go there.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use hythe_core::canary::Part;
use hythe_core::deployment::{DeploymentCommand, Placement, Stage, StageName};
use hythe_core::ids::{DeploymentId, WorkerId};
use hythe_core::limits;
use hythe_core::plan::ReplicaKey;
use hythe_core::process::is_process;
use hythe_core::routes::{Backend, Route, RouteTable};
use hythe_core::wire::edge::EdgeReport;
use hythe_core::wire::worker::ReplicaState;

use super::Verdict;
use crate::made;
use crate::trace::Short;
use crate::world::World;

impl World {
    /// The control plane heard of an edge.
    pub(crate) fn judge_heard(&mut self, report: &EdgeReport) {
        if let Some(e) = self.edges.iter().position(|edge| edge.id == report.edge) {
            let life = self.edges[e].life;
            self.truth.heard[e] = (life, self.control.life, self.now);
        }
    }

    /// Edges that serve, and of which this control plane has heard within their lease.
    fn live_edges(&self) -> impl Iterator<Item = &crate::edge::Edge> {
        let lease = limits::EDGE_LEASE.0 - 500;
        self.edges.iter().zip(&self.truth.heard).filter_map(move |(edge, heard)| {
            let (life, control, at) = *heard;
            let heard = life == edge.life && control == self.control.life;
            (edge.up && heard && self.now - at < lease).then_some(edge)
        })
    }

    /// The control plane publishes a table.
    pub(crate) fn judge_table(&mut self, table: &RouteTable) {
        let verdict = self.invariant_no_route_leads_to_a_process_beside_web(table);
        self.holds("no_route_leads_to_a_process_beside_web", verdict);
        let verdict = self.invariant_tables_lead_to_healthy_replicas(table);
        self.holds("tables_lead_to_healthy_replicas", verdict);
        let verdict = self.invariant_a_domain_leads_to_who_has_proven_it(table);
        self.holds("a_domain_leads_to_who_has_proven_it", verdict);
        self.truth.tables.insert(table.revision, table.clone());
    }

    /// A host that is no app's own leads to the app that it is set for, or that has proven it and has not
    /// lost it since; the same holds of all hosts below one.
    fn invariant_a_domain_leads_to_who_has_proven_it(&self, table: &RouteTable) -> Verdict {
        for (host, route) in &table.routes {
            let app = self.control.view.apps.get(&route.app).and_then(|app| app.state.active());
            let Some(app) = app else { return Err(format!("{host} leads to no app")) };
            let proven = |wanted: &str| {
                let mut domains = app.domains.iter();
                domains.any(|(host, domain)| host.to_string() == wanted && domain.is_trusted())
            };
            let own = *host == made::host_of(&app.name) || app.settings.domains.contains(host);
            let below = route.wildcards.iter().find(|below| !proven(&format!("*.{below}")));
            if !(own || proven(host.as_str())) || below.is_some() {
                let (app, below) = (Short(route.app.uuid()), below.unwrap_or(host));
                return Err(format!("{below} leads to {app}, which has not proven it"));
            }
        }
        Ok(())
    }

    /// No table has a target that is beside web, whatever it may be taken for.
    fn invariant_no_route_leads_to_a_process_beside_web(&self, table: &RouteTable) -> Verdict {
        let containers = self.machines.iter().flat_map(|machine| &machine.engine.containers);
        let beside_web =
            containers.filter(|(key, container)| is_process(key.index) && container.runs());
        let led: BTreeSet<SocketAddr> = table.routes.values().flat_map(Route::targets).collect();
        let mut led = beside_web.filter(|(_, container)| led.contains(&container.address));
        match led.next() {
            Some((key, _)) => Err(format!("a route leads to {}", crate::engine::name(*key))),
            None => Ok(()),
        }
    }

    /// Every target of a table was healthy by the newest word of its worker. Two exceptions: of a
    /// deployment without a healthy replica, ailing ones; and where not every worker was heard of
    /// yet, what was in the table in force. A deployment that was never healthy is in no table.
    fn invariant_tables_lead_to_healthy_replicas(&self, table: &RouteTable) -> Verdict {
        let observed = &self.control.observed;
        for (host, route) in &table.routes {
            if let Some(part) = &route.canary {
                self.canaries_are_fit(part).map_err(|why| format!("{host}: {why}"))?;
            }
            let Backend::Replicas { deployment, targets } = &route.backend else { continue };
            let told = self.truth.told.get(deployment);
            if !told.is_some_and(|told| told.was_healthy) || targets.is_empty() {
                return Err(format!("{host} leads to what was never healthy, or nowhere"));
            }
            // Under another host perhaps, or served in another way: domains and settings come and go.
            if observed.table.routes.values().any(|kept| kept.backend == route.backend) {
                continue;
            }
            // Whatever else is there of it has no part in this.
            let attempt = self.attempt(*deployment).into_iter();
            let places = attempt.flat_map(|one| one.placements.iter().chain(&one.leaving));
            let web = places.filter(|place| !is_process(place.index));
            let seen: Vec<_> =
                web.filter_map(|place| observed.replica(*deployment, place)).collect();
            let none_healthy = seen.iter().all(|replica| replica.state != ReplicaState::Healthy);
            for target in targets {
                let fit = seen.iter().any(|replica| {
                    let healthy = replica.state == ReplicaState::Healthy;
                    let ails = matches!(replica.state, ReplicaState::Unhealthy { .. });
                    replica.endpoint == Some(*target) && (healthy || (ails && none_healthy))
                });
                if !fit {
                    let id = Short(deployment.uuid());
                    return Err(format!("{host} leads to {target} of {id}, which is not fit"));
                }
            }
        }
        Ok(())
    }

    /// What takes a part of the requests is healthy, each replica of it, where it was heard of; and it is
    /// neither live nor over.
    fn canaries_are_fit(&self, part: &Part) -> Verdict {
        let id = Short(part.deployment.uuid());
        let Some(attempt) = self.attempt(part.deployment) else {
            return Err(format!("canary {id} is nobody"));
        };
        if attempt.stage != Stage::Healthy || part.targets.is_empty() {
            return Err(format!("canary {id} is {}", attempt.stage.name()));
        }
        let observed = &self.control.observed;
        let mut kept = observed.table.routes.values().filter_map(|route| route.canary.as_ref());
        if kept.any(|kept| kept.targets == part.targets) {
            return Ok(());
        }
        let places = attempt.placements.iter().filter(|place| !is_process(place.index));
        let seen: Vec<_> =
            places.filter_map(|place| observed.replica(part.deployment, place)).collect();
        let fit = |target: &SocketAddr| {
            let mut seen = seen.iter();
            seen.any(|one| one.endpoint == Some(*target) && one.state == ReplicaState::Healthy)
        };
        match part.targets.iter().find(|target| !fit(target)) {
            Some(target) => Err(format!("canary {id} leads to {target}, which is not fit")),
            None => Ok(()),
        }
    }

    /// An edge has taken a table up.
    pub(crate) fn judge_applied(&mut self, e: usize, old: u64) {
        let verdict = self.invariant_edges_never_go_back(e, old);
        self.holds("edges_never_go_back", verdict);
        let verdict = self.invariant_edges_serve_what_was_published(e);
        self.holds("edges_serve_what_was_published", verdict);
    }

    /// An edge takes up newer tables only, over all its lives.
    fn invariant_edges_never_go_back(&self, e: usize, old: u64) -> Verdict {
        let new = self.edges[e].revision();
        if new > old { Ok(()) } else { Err(format!("e{e} went from {old} to {new}")) }
    }

    /// What an edge serves is a table that the control plane published, unchanged.
    fn invariant_edges_serve_what_was_published(&self, e: usize) -> Verdict {
        let Some(table) = &self.edges[e].table else { return Ok(()) };
        if self.truth.tables.get(&table.revision) == Some(table) {
            return Ok(());
        }
        Err(format!("e{e} serves a table {} that nobody published", table.revision))
    }

    /// The reconciler gives a command to a deployment.
    pub(crate) fn judge_command(&mut self, id: DeploymentId, command: &DeploymentCommand) {
        let Some(attempt) = self.attempt(id).cloned() else { return };
        let overdue = attempt.stage.until().is_some_and(|until| self.control_now() >= until);
        let previous = match &attempt.stage {
            Stage::Draining { previous, .. } => *previous,
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Releasing { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Live
            | Stage::Ended(_) => None,
        };
        let goes_live =
            matches!(command, DeploymentCommand::FinishDrain | DeploymentCommand::Expire { .. });
        if goes_live && previous.is_some() {
            let verdict = self.invariant_what_goes_live_has_the_traffic(id);
            self.holds("what_goes_live_has_the_traffic", verdict);
        }
        if matches!(command, DeploymentCommand::FinishLeaving) {
            let until = attempt.leave_until.unwrap_or_default();
            let in_time = !until.is_over(attempt.spec.drain_within, self.control_now());
            let leaving = &attempt.leaving;
            let verdict = self.invariant_replicas_leave_after_their_requests(id, leaving, in_time);
            self.holds("replicas_leave_after_their_requests", verdict);
            return;
        }
        if matches!(command, DeploymentCommand::ConfirmSwitch { .. }) {
            let verdict = self.invariant_a_switch_is_confirmed_by_every_edge(id);
            self.holds("a_switch_is_confirmed_by_every_edge", verdict);
        }
        if matches!(command, DeploymentCommand::FinishDrain)
            && !overdue
            && let Some(previous) = previous
        {
            let verdict = self.invariant_requests_finish_before_the_old_version_ends(previous);
            self.holds("requests_finish_before_the_old_version_ends", verdict);
        }
    }

    /// A replica that is too many goes once no live edge sends anything there, and before its time is
    /// over only when nothing is under way.
    fn invariant_replicas_leave_after_their_requests(
        &self,
        id: DeploymentId,
        leaving: &[Placement],
        in_time: bool,
    ) -> Verdict {
        let observed = &self.control.observed;
        let web = leaving.iter().filter(|place| !is_process(place.index));
        let told: Vec<SocketAddr> =
            web.filter_map(|place| observed.replica(id, place)?.endpoint).collect();
        if observed.leads_to(&told) {
            return Err(format!("the table leads to what leaves of {}", Short(id.uuid())));
        }
        for place in leaving {
            let key = ReplicaKey { deployment: id, index: place.index };
            let machine = self.machines.iter().find(|machine| machine.id == place.worker);
            let container = machine.and_then(|machine| machine.engine.containers.get(&key));
            let Some(address) = container.filter(|one| one.runs()).map(|one| one.address) else {
                continue;
            };
            let used = |edge: &&crate::edge::Edge| {
                edge.leads_to(address) || (in_time && edge.is_busy_at(address))
            };
            if in_time && let Some(edge) = self.live_edges().find(used) {
                let (edge, key) = (Short(edge.id.uuid()), crate::engine::name(key));
                return Err(format!("{edge} uses replica {key}"));
            }
        }
        Ok(())
    }

    /// A switch counts as made only when every live edge sends new requests to the new version.
    fn invariant_a_switch_is_confirmed_by_every_edge(&self, id: DeploymentId) -> Verdict {
        match self.live_edges().find(|edge| !edge.serves(id)) {
            Some(edge) => Err(format!(
                "{} at {} does not lead to {}",
                Short(edge.id.uuid()),
                edge.revision(),
                Short(id.uuid())
            )),
            None => Ok(()),
        }
    }

    /// The version before, which could serve, gives way to no other than the one that has the
    /// traffic.
    fn invariant_what_goes_live_has_the_traffic(&self, id: DeploymentId) -> Verdict {
        let routes = self.control.observed.table.routes.values();
        let app = self.truth.told.get(&id).map(|told| told.app);
        let mut led = routes.filter(|route| Some(route.app) == app);
        match led.find_map(|route| route.backend.deployment().filter(|other| *other != id)) {
            Some(other) => Err(format!(
                "{} goes live while the traffic is with {}",
                Short(id.uuid()),
                Short(other.uuid())
            )),
            None => Ok(()),
        }
    }

    /// Before its time is over, the version before goes only when no live edge has requests to it.
    fn invariant_requests_finish_before_the_old_version_ends(
        &self,
        previous: DeploymentId,
    ) -> Verdict {
        let left: usize = self.live_edges().map(|edge| edge.requests_to(previous)).sum();
        if left == 0 {
            return Ok(());
        }
        Err(format!("{left} requests to {} are under way", Short(previous.uuid())))
    }

    /// The reconciler has decided that a worker is to run nothing of a deployment any more. Where it
    /// was stopped, requests to it have their time.
    pub(crate) fn judge_rest(&mut self, deployment: DeploymentId) {
        let app = self.truth.told.get(&deployment).map(|told| told.app);
        let app = app.and_then(|app| self.control.view.apps.get(&app)?.state.active());
        let resting = app.filter(|app| app.is_resting(deployment));
        let in_time = resting.is_some_and(|app| {
            let given = app.settings.drain_within;
            app.stopped.is_some_and(|stop| !stop.until.is_over(given, self.control_now()))
        });
        if in_time {
            let verdict = self.invariant_requests_finish_before_the_old_version_ends(deployment);
            self.holds("requests_finish_before_the_old_version_ends", verdict);
        }
    }

    /// The control plane orders that a worker runs nothing of a deployment any more.
    pub(crate) fn judge_stop(&mut self, worker: WorkerId, deployment: DeploymentId) {
        let verdict = self.invariant_nothing_is_stopped_that_has_traffic(worker, deployment);
        self.holds("nothing_is_stopped_that_has_traffic", verdict);
    }

    /// Nothing is stopped to which a live edge sends new requests, nor what is live. Where the
    /// deployment runs on other workers, what those have is not meant.
    fn invariant_nothing_is_stopped_that_has_traffic(
        &self,
        worker: WorkerId,
        deployment: DeploymentId,
    ) -> Verdict {
        let placements = self.attempt(deployment).map(|attempt| &attempt.placements);
        let here = placements.is_none_or(|all| all.iter().any(|place| place.worker == worker));
        let told = self.truth.told.get(&deployment);
        let app = told.and_then(|told| self.truth.apps.get(&told.app)?.active());
        let resting = app.is_some_and(|app| app.is_resting(deployment));
        let followed = app.is_some_and(|app| ![app.live, app.serving].contains(&Some(deployment)));
        // One whose app was deleted is about to end; it rested before.
        let live = self.truth.stage(deployment) == Some(StageName::Live) && app.is_some();
        // What writes to a volume ends before the next one starts.
        let gives_way = self.truth.writes(deployment);
        if here && live && !resting && !followed && !gives_way {
            return Err(format!("{} is live", Short(deployment.uuid())));
        }
        let machine = self.machines.iter().find(|machine| machine.id == worker);
        let containers = machine.iter().flat_map(|machine| &machine.engine.containers);
        let of_this = containers.filter(|(key, _)| key.deployment == deployment);
        let addresses: Vec<_> = of_this.map(|(_, container)| container.address).collect();
        let leads = |edge: &&crate::edge::Edge| {
            if here {
                edge.routes_to(deployment)
            } else {
                addresses.iter().any(|address| edge.leads_to(*address))
            }
        };
        match self.live_edges().find(leads) {
            Some(edge) => Err(format!(
                "{} at {} leads to {}",
                Short(edge.id.uuid()),
                edge.revision(),
                Short(deployment.uuid())
            )),
            None => Ok(()),
        }
    }
}
