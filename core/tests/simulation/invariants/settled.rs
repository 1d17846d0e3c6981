//! When nothing breaks any more, everything comes to its end: what is asked in the end of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use hythe_core::app::ActiveApp;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::plan::{ReplicaKey, Wanted};
use hythe_core::process::is_process;
use hythe_core::routes::Backend;
use hythe_core::worker::Lease;

use super::{Breach, Verdict};
use crate::engine::name;
use crate::made;
use crate::trace::Short;
use crate::world::World;

impl World {
    /// The first thing that has not settled yet.
    pub(crate) fn unsettled(&self) -> Option<Breach> {
        type Look = fn(&World) -> Verdict;
        let looks: [(&str, Look); 10] = [
            ("every_deployment_ends", Self::invariant_every_deployment_ends),
            ("scaling_comes_to_its_end", Self::invariant_scaling_comes_to_its_end),
            ("what_runs_is_what_is_wanted", Self::invariant_what_runs_is_what_is_wanted),
            ("nothing_runs_that_nobody_wants", Self::invariant_nothing_runs_that_nobody_wants),
            ("traffic_goes_to_what_is_live", Self::invariant_traffic_goes_to_what_is_live),
            ("everybody_is_known", Self::invariant_everybody_is_known),
            ("every_run_ends", Self::invariant_every_run_ends),
            ("what_is_due_is_dealt_with", Self::invariant_what_is_due_is_dealt_with),
            ("previews_are_those_that_are_wanted", Self::invariant_previews_are_as_wanted),
            ("providers_know_how_it_ended", Self::invariant_providers_know_how_it_ended),
        ];
        let mut looks = looks.into_iter();
        looks.find_map(|(invariant, look)| Some(Breach::new(invariant, look(self).err()?)))
    }

    fn active(&self) -> impl Iterator<Item = (AppId, &ActiveApp)> {
        self.truth.apps.iter().filter_map(|(id, app)| Some((*id, app.active()?)))
    }

    /// Every deployment is live or has ended, and its app knows.
    fn invariant_every_deployment_ends(&self) -> Verdict {
        if let Some((id, stage)) = self.truth.stages().find(|(_, stage)| !stage.settled()) {
            return Err(format!("{} is still {stage}", Short(id.uuid())));
        }
        for (id, app) in self.active() {
            if app.rolling.or(app.waiting).is_some() || app.live != app.serving {
                return Err(format!("{} has not settled: {app:?}", Short(id.uuid())));
            }
        }
        Ok(())
    }

    /// A live deployment has as many replicas as it is to have, of web and of what is beside it, where
    /// a worker may take them.
    fn invariant_scaling_comes_to_its_end(&self) -> Verdict {
        let view = self.journal.fold();
        for live in self.active().filter_map(|(_, app)| app.live) {
            let attempt = view.deployments.get(&live).and_then(|view| view.state.attempt());
            let Some(attempt) = attempt else { continue };
            let on = attempt.built.as_ref().map(|built| built.worker);
            let member = on.and_then(|on| view.workers.get(&on)?.state.member());
            let open = member.is_some_and(|m| m.lease == Lease::Held && !m.draining);
            let (beside, web): (Vec<_>, Vec<_>) =
                attempt.placements.iter().partition(|place| is_process(place.index));
            let processes = attempt.spec.run.processes.values();
            let to_be_beside: u16 = processes.map(|process| process.replicas).sum();
            for (has, wanted) in [(web, attempt.replicas), (beside, to_be_beside)] {
                let (has, wanted) = (has.len(), usize::from(wanted));
                if (open && has != wanted) || has > wanted || !attempt.leaving.is_empty() {
                    let (id, left) = (Short(live.uuid()), attempt.leaving.len());
                    return Err(format!("{id} has {has} replicas of {wanted}, and {left} leave"));
                }
            }
        }
        Ok(())
    }

    /// The replicas of the live deployments, by machine.
    fn wanted(&self) -> BTreeMap<(usize, ReplicaKey), DeploymentId> {
        let live = self.active().filter(|(_, app)| !app.rests()).filter_map(|(_, app)| app.live);
        let view = self.journal.fold();
        live.flat_map(|deployment| {
            let attempt = view.deployments.get(&deployment).and_then(|v| v.state.attempt());
            let placements = attempt.map(|a| a.placements.clone()).unwrap_or_default();
            placements.into_iter().filter_map(move |place| {
                let key = ReplicaKey { deployment, index: place.index };
                let m = self.machines.iter().position(|machine| machine.id == place.worker)?;
                (!self.machines[m].gone).then_some(((m, key), deployment))
            })
        })
        .collect()
    }

    /// Every replica of a live deployment runs and is healthy, on a worker that is there.
    fn invariant_what_runs_is_what_is_wanted(&self) -> Verdict {
        for (m, key) in self.wanted().keys() {
            let machine = &self.machines[*m];
            let runs = machine.engine.containers.get(key).is_some_and(|c| c.runs() && c.good);
            if !runs || !machine.engine.up || machine.assignment(*key).is_none() {
                return Err(format!("replica {} does not run on w{m}", name(*key)));
            }
        }
        Ok(())
    }

    /// No container, network, order or build is left that is of nothing live.
    fn invariant_nothing_runs_that_nobody_wants(&self) -> Verdict {
        let wanted = self.wanted();
        for (m, machine) in self.machines.iter().enumerate().filter(|(_, m)| !m.gone) {
            let mut containers = machine.engine.containers.keys();
            if let Some(key) = containers.find(|key| !wanted.contains_key(&(m, **key))) {
                return Err(format!("replica {} is on w{m}", name(*key)));
            }
            for (deployment, order) in &machine.ledger.wanted {
                let live = wanted.keys().any(|(on, key)| *on == m && key.deployment == *deployment);
                if !live || matches!(order, Wanted::Stop { .. }) {
                    return Err(format!("w{m} holds an order of {}", Short(deployment.uuid())));
                }
            }
            let apps: BTreeSet<AppId> =
                machine.engine.containers.values().map(|container| container.app).collect();
            if apps != machine.engine.networks {
                return Err(format!("w{m} has networks of {:?}", machine.engine.networks));
            }
            if !machine.builder.is_idle() {
                return Err(format!("w{m} still builds"));
            }
        }
        Ok(())
    }

    /// Every edge has the newest table, and it leads to the healthy replicas of what is live.
    fn invariant_traffic_goes_to_what_is_live(&self) -> Verdict {
        let table = &self.control.observed.table;
        if let Some(edge) =
            self.edges.iter().find(|edge| !edge.gone && edge.table.as_ref() != Some(table))
        {
            let (has, newest) = (edge.revision(), table.revision);
            return Err(format!("{} has table {has}, not {newest}", Short(edge.id.uuid())));
        }
        let wanted = self.wanted();
        let mut hosts = BTreeSet::new();
        for (id, app) in self.active().filter(|(_, app)| app.discarded.is_none()) {
            let host = made::host_of(&app.name);
            let proven = app.domains.iter().filter(|(_, domain)| domain.is_trusted());
            hosts.extend(proven.filter_map(|(host, _)| host.exact().cloned()));
            hosts.extend(app.settings.domains.iter().cloned().chain([host.clone()]));
            let route = table.routes.get(&host).ok_or(format!("{host} has no route"))?;
            let live = app.live.filter(|_| !app.rests());
            let Some(live) = live else {
                if route.backend == Backend::Down && route.stopped == app.rests() {
                    continue;
                }
                return Err(format!("{host} leads to {:?}, nothing is live", route.backend));
            };
            let mine = wanted
                .iter()
                .filter(|((_, key), deployment)| **deployment == live && !is_process(key.index));
            let targets: BTreeSet<SocketAddr> = mine
                .filter_map(|((m, key), _)| self.machines[*m].engine.containers.get(key))
                .map(|container| container.address)
                .collect();
            // Of a worker that left for ever nothing is known but what was known.
            let all_there = targets.len() == self.placed(live);
            let led: BTreeSet<SocketAddr> = match &route.backend {
                Backend::Replicas { deployment, targets } if *deployment == live => {
                    targets.iter().copied().collect()
                }
                Backend::Replicas { .. }
                | Backend::Starting
                | Backend::Down
                | Backend::Site { .. } => BTreeSet::new(),
            };
            if all_there && led != targets {
                return Err(format!(
                    "{host} of {} leads to {led:?}, not {targets:?}",
                    Short(id.uuid())
                ));
            }
        }
        if table.routes.keys().eq(&hosts) { Ok(()) } else { Err("other hosts have routes".into()) }
    }

    fn placed(&self, deployment: DeploymentId) -> usize {
        self.attempt(deployment).map_or(0, |attempt| {
            attempt.placements.iter().filter(|place| !is_process(place.index)).count()
        })
    }

    /// The reactor and the projection are at the end of the log, and every worker that is there
    /// is held for it.
    fn invariant_everybody_is_known(&self) -> Verdict {
        let head = self.journal.head();
        let (reacted, seen) = (self.control.reactor.at, self.control.view.head);
        if reacted != head || seen != head {
            return Err(format!("at {head}, reacted to {reacted}, seen {seen}"));
        }
        for machine in self.machines.iter().filter(|machine| !machine.gone) {
            let view = self.control.view.workers.get(&machine.id);
            let member = view.and_then(|view| view.state.member());
            if !member.is_some_and(|member| member.lease == Lease::Held) {
                return Err(format!("{} is not held", Short(machine.id.uuid())));
            }
        }
        Ok(())
    }
}
