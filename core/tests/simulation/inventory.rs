//! What a node reports: everything that it was told and everything that it sees.

use std::net::SocketAddr;

use hythe_core::plan::{ReplicaKey, Wanted};
use hythe_core::process::is_process;
use hythe_core::task::is_task;
use hythe_core::time::Timestamp;
use hythe_core::wire::FORMAT;
use hythe_core::wire::worker::{
    EngineState, Held, ReplicaReport, ReplicaState, SealingKey, WorkerReport,
};

use crate::engine::Condition;
use crate::made;
use crate::network::{Body, Node, To};
use crate::plant::Plant;
use crate::schedule::Due;
use crate::worker::{Busy, Known, Machine, NodeDue, Target};
use crate::world::World;

impl World {
    pub(crate) fn report_soon(&mut self, m: usize) {
        let (after, life) = (self.random.u64(1..20), self.machines[m].life);
        self.after(after, Due::Node(m, life, NodeDue::Report));
    }

    /// Sends the newest inventory, unless there is nothing new; one that was not taken is made
    /// anew later.
    pub(crate) fn report(&mut self, m: usize) {
        let machine = &self.machines[m];
        // After a start or a break, not before everything was looked at.
        if !machine.node.changed || (machine.node.engine_up && !machine.node.complete) {
            return;
        }
        let mut report = machine.inventory(self.machine_now(m));
        if self.plant == Some(Plant::TasksEndWell) {
            for task in report.replicas.iter_mut().filter(|replica| is_task(replica.index)) {
                if let ReplicaState::Exited { code, .. } = &mut task.state {
                    *code = 0;
                }
            }
        }
        let life = machine.life;
        self.machines[m].node.changed = false;
        if !self.send(Node::Agent(m), To::Control, Body::Inventory(report)) {
            self.machines[m].node.changed = true;
            self.after(500, Due::Node(m, life, NodeDue::Report));
        }
    }
}

impl Machine {
    fn inventory(&self, now: Timestamp) -> WorkerReport {
        let engine = if self.node.engine_up {
            EngineState::Ready { version: "1".into() }
        } else {
            EngineState::Unreachable { message: "connection refused".into() }
        };
        let held = self.ledger.wanted.iter().map(|(deployment, wanted)| Held {
            deployment: *deployment,
            generation: wanted.generation(),
            stopping: matches!(wanted, Wanted::Stop { .. }),
        });
        WorkerReport {
            format: FORMAT,
            worker: self.id,
            installation: made::installation(),
            name: made::worker_name(usize::try_from(self.id.uuid().as_u128() & 0xff).unwrap()),
            capacity: made::capacity(),
            sealing_key: SealingKey([0; 32]),
            engine,
            assignments: held.collect(),
            replicas: self.replicas(now),
            builds: self.builder.held(),
            builder: Some(crate::builder::report()),
            at: now,
        }
    }

    fn replicas(&self, now: Timestamp) -> Vec<ReplicaReport> {
        let there = self.node.replicas.iter().map(|(key, known)| {
            let state = self.state_of(*key, known, now);
            ReplicaReport {
                deployment: key.deployment,
                app: known.seen.app,
                index: key.index,
                log: last_lines(&state),
                state,
                endpoint: self.endpoint(*key, known),
                restarts: self.restarts(*key),
                in_a_row: self.ledger.restarts.get(key).map_or(0, |(in_a_row, _)| *in_a_row),
                image_missing: self.image_missing(*key),
            }
        });
        let mut reports: Vec<ReplicaReport> = there.collect();
        for wanted in self.ledger.wanted.values() {
            let Wanted::Run(run) = wanted else { continue };
            for index in run.indices() {
                let key = ReplicaKey { deployment: run.deployment, index };
                if self.node.replicas.contains_key(&key) {
                    continue;
                }
                reports.push(ReplicaReport {
                    deployment: key.deployment,
                    app: run.app,
                    index: key.index,
                    state: self.not_running(key),
                    endpoint: None,
                    restarts: 0,
                    in_a_row: 0,
                    log: Vec::new(),
                    image_missing: self.image_missing(key),
                });
            }
        }
        reports
    }

    fn endpoint(&self, key: ReplicaKey, known: &Known) -> Option<SocketAddr> {
        let answers = known.seen.runs() && self.assignment(key).is_some() && !is_process(key.index);
        answers.then_some(known.seen.address)
    }

    fn image_missing(&self, key: ReplicaKey) -> bool {
        let setback = self.node.setbacks.get(&Target::Replica(key));
        setback.is_some_and(|setback| setback.image_missing)
    }

    fn not_running(&self, key: ReplicaKey) -> ReplicaState {
        let setback = self.node.setbacks.get(&Target::Replica(key));
        if setback.is_some_and(|setback| setback.refused) {
            ReplicaState::Failed { message: "no such file".into() }
        } else {
            ReplicaState::Creating
        }
    }

    fn state_of(&self, key: ReplicaKey, known: &Known, now: Timestamp) -> ReplicaState {
        match known.seen.condition {
            Condition::Created => self.not_running(key),
            Condition::Exited { .. } => match self.not_running(key) {
                failed @ ReplicaState::Failed { .. } => failed,
                ReplicaState::Creating
                | ReplicaState::Starting { .. }
                | ReplicaState::Healthy
                | ReplicaState::Unhealthy { .. }
                | ReplicaState::Exited { .. }
                | ReplicaState::Stopping => {
                    ReplicaState::Exited { code: known.seen.code, out_of_memory: false }
                }
            },
            Condition::Running { since } => {
                let stops = self.node.busy.get(&Target::Replica(key)) == Some(&Busy::Stops);
                if stops || self.assignment(key).is_none() {
                    return ReplicaState::Stopping;
                }
                if is_task(key.index) {
                    let (check, elapsed) = ("it is not over yet".into(), now.since(since));
                    return ReplicaState::Starting { check, elapsed, within: None };
                }
                match (known.health.map(|(good, _)| good), known.was_healthy) {
                    (Some(true), _) | (None, true) => ReplicaState::Healthy,
                    (Some(false), true) if !is_process(key.index) => {
                        ReplicaState::Unhealthy { check: "it answered 500".into() }
                    }
                    (Some(false) | None, _) => ReplicaState::Starting {
                        check: "connection refused".into(),
                        elapsed: now.since(since),
                        within: None,
                    },
                }
            }
        }
    }
}

/// What the app wrote before.
fn last_lines(state: &ReplicaState) -> Vec<String> {
    match state {
        ReplicaState::Exited { .. } => vec!["boom".into()],
        ReplicaState::Starting { .. } => vec!["booting".into()],
        ReplicaState::Creating
        | ReplicaState::Healthy
        | ReplicaState::Unhealthy { .. }
        | ReplicaState::Failed { .. }
        | ReplicaState::Stopping => Vec::new(),
    }
}
