//! An agent's builder: takes a command into its ledger before it says so, builds each once, and
//! answers a repeated command with how it stands.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::deployment::Fault;
use hythe_core::ids::DeploymentId;
use hythe_core::limits;
use hythe_core::wire::FORMAT;
use hythe_core::wire::build::{BuildCommand, BuildProgress, BuildReport};
use hythe_core::wire::worker::{BuildHeld, BuilderReport};

use crate::behaviour::{Behaviour, Build, Says};
use crate::made;
use crate::network::{Body, Node, To};
use crate::plant::Plant;
use crate::schedule::Due;
use crate::trace::Short;
use crate::world::World;

/// Builds at once.
const AT_ONCE: usize = 2;

/// What its worker says of it.
pub(crate) fn report() -> BuilderReport {
    BuilderReport { at_once: u16::try_from(AT_ONCE).unwrap(), remarks: Vec::new(), disk: None }
}

/// How a build stands in the ledger.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Open(Box<BuildCommand>),
    Cancelled { reported: bool },
    Ended { progress: BuildProgress, reported: bool },
}

/// A builder: its ledger, and what its process works on.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    ledger: BTreeMap<DeploymentId, (u32, State)>,
    running: BTreeSet<(DeploymentId, u32)>,
}

/// Something in a builder.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BuilderDue {
    Beat(DeploymentId, u32),
    /// The work is done, or its time is over.
    Done(DeploymentId, u32, bool),
    /// The end is said until it was heard.
    Report(DeploymentId, u32),
}

impl Builder {
    pub(crate) fn held(&self) -> Vec<BuildHeld> {
        let held = self.running.iter();
        held.map(|(deployment, generation)| BuildHeld {
            deployment: *deployment,
            generation: *generation,
        })
        .collect()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }
}

impl World {
    /// A builder that has room, any of them.
    pub(crate) fn free_builder(&mut self) -> Option<usize> {
        let free: Vec<usize> = (0..self.machines.len())
            .filter(|m| self.linked(Node::Agent(*m)))
            .filter(|m| self.machines[*m].builder.running.len() < AT_ONCE)
            .collect();
        (!free.is_empty()).then(|| free[self.random.usize(..free.len())])
    }

    pub(crate) fn builder_starts(&mut self, m: usize) {
        let builder = &mut self.machines[m].builder;
        builder.running.clear();
        let unfinished: Vec<(DeploymentId, u32, State)> = builder
            .ledger
            .iter()
            .map(|(deployment, (generation, state))| (*deployment, *generation, state.clone()))
            .collect();
        for (deployment, generation, state) in unfinished {
            match state {
                State::Open(command) => self.begin_build(m, &command),
                State::Cancelled { reported: false } | State::Ended { reported: false, .. } => {
                    self.tell_end(m, deployment, generation, 50);
                }
                State::Cancelled { reported: true } | State::Ended { reported: true, .. } => {}
            }
        }
    }

    /// A command: durable first, answered then.
    pub(crate) fn take_build(&mut self, m: usize, command: &BuildCommand) {
        let (deployment, generation) = (command.deployment, command.generation);
        let known = self.machines[m].builder.ledger.get(&deployment).cloned();
        let known = known.filter(|_| self.plant != Some(Plant::BuilderForgets));
        let progress = match known {
            Some((known, State::Cancelled { .. })) if known >= generation => {
                BuildProgress::Cancelled
            }
            Some((known, _)) if known > generation => {
                self.count("old build refused");
                return;
            }
            Some((known, state)) if known == generation => match state {
                State::Open(_) => BuildProgress::Running,
                State::Ended { progress, .. } => progress,
                State::Cancelled { .. } => BuildProgress::Cancelled,
            },
            Some(_) | None => {
                let open = State::Open(Box::new(command.clone()));
                self.machines[m].builder.ledger.insert(deployment, (generation, open));
                self.judge_build(m, deployment, generation);
                self.begin_build(m, command);
                BuildProgress::Accepted
            }
        };
        self.progress(m, deployment, generation, progress);
    }

    fn progress(
        &mut self,
        m: usize,
        deployment: DeploymentId,
        generation: u32,
        progress: BuildProgress,
    ) -> bool {
        let (worker, at) = (self.machines[m].id, self.machine_now(m));
        let report = BuildReport { format: FORMAT, worker, deployment, generation, progress, at };
        self.send(Node::Agent(m), To::Control, Body::Progress(report))
    }

    fn begin_build(&mut self, m: usize, command: &BuildCommand) {
        let BuildCommand { deployment, generation, until, ref spec, .. } = *command;
        let life = self.machines[m].life;
        // A newer giving-out takes the place of those before it.
        self.machines[m].builder.running.retain(|(of, _)| *of != deployment);
        self.machines[m].builder.running.insert((deployment, generation));
        self.machines[m].node.changed = true;
        self.note(format_args!("w{m} builds {} {generation}", Short(deployment.uuid())));
        let behaviour = self.behaviours.get(&deployment).copied().unwrap_or(Behaviour::GOOD);
        let left = until.since(self.machine_now(m)).min(spec.build.within).0;
        let takes = self.random.u64(50..25_000);
        let works = behaviour.build == Build::Works && takes < left;
        let after = if behaviour.build == Build::Hangs { left } else { takes.min(left) };
        self.after(after, Due::Builder(m, life, BuilderDue::Done(deployment, generation, works)));
        let beat = Due::Builder(m, life, BuilderDue::Beat(deployment, generation));
        self.after(limits::BUILD_HEARTBEAT.0, beat);
    }

    /// Ends a build and all before it, durably.
    pub(crate) fn cancel_build(&mut self, m: usize, deployment: DeploymentId, generation: u32) {
        let builder = &mut self.machines[m].builder;
        let tell = match builder.ledger.get(&deployment) {
            Some((known, _)) if *known > generation => false,
            Some((known, State::Ended { .. })) if *known == generation => false,
            Some((known, State::Cancelled { reported })) if *known == generation => !reported,
            Some(_) | None => {
                let cancelled = State::Cancelled { reported: false };
                builder.ledger.insert(deployment, (generation, cancelled));
                true
            }
        };
        if tell {
            builder.running.retain(|(of, known)| *of != deployment || *known > generation);
            self.machines[m].node.changed = true;
            let after = self.random.u64(1..5_000);
            self.tell_end(m, deployment, generation, after);
        }
    }

    fn tell_end(&mut self, m: usize, deployment: DeploymentId, generation: u32, after: u64) {
        let life = self.machines[m].life;
        self.after(after, Due::Builder(m, life, BuilderDue::Report(deployment, generation)));
    }

    pub(crate) fn builder(&mut self, m: usize, due: BuilderDue) {
        match due {
            BuilderDue::Beat(deployment, generation) => {
                if !self.machines[m].builder.running.contains(&(deployment, generation)) {
                    return;
                }
                // One that is lost is made good by the next.
                let _lost = !self.progress(m, deployment, generation, BuildProgress::Running);
                let life = self.machines[m].life;
                let beat = Due::Builder(m, life, BuilderDue::Beat(deployment, generation));
                self.after(limits::BUILD_HEARTBEAT.0, beat);
            }
            BuilderDue::Done(deployment, generation, works) => {
                let worker = self.machines[m].id;
                let behaviour = self.behaviours.get(&deployment).copied();
                let silent = self.plant == Some(Plant::BuilderPassesOver);
                let says = behaviour.filter(|_| !silent).map_or(Says::NOTHING, |of| of.says);
                let builder = &mut self.machines[m].builder;
                if !builder.running.remove(&(deployment, generation)) {
                    return;
                }
                if works {
                    self.image_gone.remove(&deployment);
                }
                let fault = Fault::new("step 3 failed");
                let outcome = if works { Ok(made::built(worker, says)) } else { Err(fault) };
                let progress = BuildProgress::Finished(outcome);
                let ended = State::Ended { progress, reported: false };
                builder.ledger.insert(deployment, (generation, ended));
                self.machines[m].node.changed = true;
                self.tell_end(m, deployment, generation, 1);
            }
            BuilderDue::Report(deployment, generation) => self.say_end(m, deployment, generation),
        }
    }

    fn say_end(&mut self, m: usize, deployment: DeploymentId, generation: u32) {
        let progress = match self.machines[m].builder.ledger.get(&deployment) {
            Some((known, State::Ended { progress, .. })) if *known == generation => {
                progress.clone()
            }
            Some((known, State::Cancelled { .. })) if *known == generation => {
                BuildProgress::Cancelled
            }
            Some(_) | None => return,
        };
        if !self.progress(m, deployment, generation, progress) {
            return self.tell_end(m, deployment, generation, 1_000);
        }
        match self.machines[m].builder.ledger.get_mut(&deployment) {
            Some((_, State::Ended { reported, .. } | State::Cancelled { reported })) => {
                *reported = true;
            }
            Some((_, State::Open(_))) | None => {}
        }
    }
}
