//! The log, the aggregates, the projection and the claims say the same.

use std::collections::BTreeMap;

use hythe_core::claims::ClaimKey;
use hythe_core::record::{AggregateKind, Sequence, StreamId};
use uuid::Uuid;

use super::Verdict;
use crate::aggregate::Hosted;
use crate::plant::Plant;
use crate::world::World;

impl World {
    /// Somebody was told that this event is durable.
    pub(crate) fn acknowledged(&mut self, sequence: Sequence) {
        self.truth.acknowledged = self.truth.acknowledged.max(sequence);
        if self.planted(Plant::LosesClaims) {
            self.journal.claims.pop_first();
        }
    }

    /// What was durable once, and so what anybody was told of, is durable.
    pub(super) fn invariant_nothing_durable_is_lost(&self) -> Verdict {
        let (log, witness) = (&self.journal.log, &self.truth.witness);
        if log.len() < witness.len() || self.journal.head() < self.truth.acknowledged {
            let acknowledged = self.truth.acknowledged;
            let (there, were) = (log.len(), witness.len());
            return Err(format!("{there} events of {were}, acknowledged {acknowledged}"));
        }
        match witness.iter().zip(log).find(|(was, is)| was != is) {
            Some((was, is)) => Err(format!("{is:?} was {was:?}")),
            None => Ok(()),
        }
    }

    /// Folding the log gives every aggregate that waits for nothing, and the
    /// projection as far as it has come.
    pub(super) fn invariant_log_and_state_agree(&self) -> Verdict {
        if !self.control.up {
            return Ok(());
        }
        let hosts = &self.control.hosts;
        self.agree(&hosts.apps)?;
        self.agree(&hosts.deployments)?;
        self.agree(&hosts.workers)?;
        self.agree(&hosts.installations)?;
        self.agree(&hosts.projects)?;
        let view = &self.control.view;
        if view.head == self.journal.head() && view != self.journal.fold() {
            return Err(format!("the projection at {} is no fold of the log", view.head));
        }
        Ok(())
    }

    fn agree<M: Hosted>(
        &self,
        instances: &BTreeMap<Uuid, crate::aggregate::Instance<M>>,
    ) -> Verdict {
        for (id, instance) in instances.iter().filter(|(_, instance)| instance.at_rest()) {
            let (replayed, _) = self.replayed::<M>(*id);
            if instance.ahead != replayed {
                let kind = M::KIND;
                return Err(format!(
                    "{kind} {id} is {:?}, by its log {replayed:?}",
                    instance.ahead
                ));
            }
        }
        Ok(())
    }

    /// Each app holds its name and its domains, each worker and project its name, and nobody holds more.
    pub(super) fn invariant_claims_and_names_agree(&self) -> Verdict {
        let view = self.journal.fold();
        let mut wanted: BTreeMap<ClaimKey, StreamId> = BTreeMap::new();
        let mut there = 0;
        for (id, app) in &view.apps {
            let app = app.state.active().filter(|app| app.discarded.is_none());
            let Some(app) = app else { continue };
            there += 1;
            let stream = StreamId { kind: AggregateKind::App, id: id.uuid() };
            wanted.insert(ClaimKey::app_name(&app.name), stream);
            let domains = app.settings.domains.iter();
            wanted.extend(domains.map(|domain| (ClaimKey::domain(domain), stream)));
            let proven = app.domains.trusted();
            wanted.extend(proven.map(|(host, _)| (ClaimKey::custom_domain(host), stream)));
            if view.names.get(&app.name) != Some(id) {
                return Err(format!("{} leads to {:?}", app.name, view.names.get(&app.name)));
            }
        }
        for (id, project) in &view.projects {
            let Some(project) = project.state.active() else { continue };
            let stream = StreamId { kind: AggregateKind::Project, id: id.uuid() };
            wanted.insert(ClaimKey::project_name(&project.name), stream);
        }
        for (id, worker) in &view.workers {
            let Some(member) = worker.state.member() else { continue };
            let stream = StreamId { kind: AggregateKind::Worker, id: id.uuid() };
            wanted.insert(ClaimKey::worker_name(&member.name), stream);
        }
        if wanted == self.journal.claims && view.names.len() == there {
            return Ok(());
        }
        Err(format!("{:?} are held, should be {wanted:?}", self.journal.claims))
    }
}
