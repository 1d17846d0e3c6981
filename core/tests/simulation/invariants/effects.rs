//! An effect happens once, and only by the newest order; replicas come after the release command.

use hythe_core::argv::Argv;
use hythe_core::ids::DeploymentId;
use hythe_core::plan::ReplicaKey;
use hythe_core::process::{ProcessName, STRIDE, is_process};
use hythe_core::task::is_task;
use hythe_core::wire::worker::Assignment;

use super::Verdict;
use crate::engine::name;
use crate::plant::Plant;
use crate::trace::Short;
use crate::world::World;

impl World {
    /// A builder begins a build that it was not at work on before.
    pub(crate) fn judge_build(&mut self, m: usize, deployment: DeploymentId, generation: u32) {
        let begun = self.truth.builds.entry((m, deployment, generation)).or_default();
        *begun += 1;
        let verdict = invariant_a_build_begins_once(*begun, deployment, generation);
        self.holds("a_build_begins_once", verdict);
    }

    /// An agent begins to create a container.
    pub(crate) fn judge_creates(&mut self, m: usize, key: ReplicaKey, generation: u64) {
        let newest = self.truth.orders.get(&(m, key.deployment)).copied().unwrap_or_default();
        let verdict = invariant_only_the_newest_order_counts(key, generation, newest);
        self.holds("only_the_newest_order_counts", verdict);
    }

    /// An order about a deployment reached a worker.
    pub(crate) fn judge_ordered(&mut self, m: usize, deployment: DeploymentId, generation: u64) {
        let newest = self.truth.orders.entry((m, deployment)).or_default();
        *newest = (*newest).max(generation);
    }

    /// An engine made a container.
    pub(crate) fn judge_created(&mut self, m: usize, key: ReplicaKey, generation: u64) {
        let there = self.truth.containers.entry((m, key)).or_default();
        *there += 1;
        let verdict = invariant_a_replica_has_one_container(*there, key, generation);
        self.holds("a_replica_has_one_container", verdict);
        let verdict = self.invariant_nothing_starts_before_it_is_released(key);
        self.holds("nothing_starts_before_it_is_released", verdict);
    }

    /// An engine made a container of a process beside web.
    pub(crate) fn judge_process(&mut self, key: ReplicaKey, assignment: &Assignment) {
        if !is_process(key.index) {
            return;
        }
        let elsewhere = self.plant == Some(Plant::ProcessesSwapPlaces);
        let index = if elsewhere { key.index + STRIDE } else { key.index };
        let process = assignment.run.process(index);
        let runs = process.map(|(process, own)| (process.clone(), own.command.clone()));
        let verdict = self.invariant_processes_run_what_their_version_says(key, runs.as_ref());
        self.holds("processes_run_what_their_version_says", verdict);
    }

    /// A task's program begins to run.
    pub(crate) fn judge_task(&mut self, key: ReplicaKey) {
        let begun = self.truth.tasks.entry(key).or_default();
        *begun += 1;
        let verdict = invariant_a_task_runs_once(*begun, key);
        self.holds("a_task_runs_once", verdict);
        self.count("task begun");
    }

    /// A container begins to run.
    pub(crate) fn judge_started(&mut self, m: usize, key: ReplicaKey) {
        let writes = |key: &ReplicaKey| {
            !is_task(key.index) && !is_process(key.index) && self.truth.writes(key.deployment)
        };
        if !writes(&key) {
            return;
        }
        let containers = &self.machines[m].engine.containers;
        let app = containers.get(&key).map(|container| container.app);
        let others: Vec<(ReplicaKey, bool)> = containers
            .iter()
            .filter(|(other, container)| {
                other.deployment != key.deployment && Some(container.app) == app && writes(other)
            })
            .map(|(other, container)| (*other, container.runs()))
            .collect();
        if !others.is_empty() {
            self.count("writer after another");
        }
        let verdict = invariant_two_versions_never_write_to_one_volume(key, &others);
        self.holds("two_versions_never_write_to_one_volume", verdict);
    }

    /// Replicas of a version with a release command come into being when that has ended well.
    fn invariant_nothing_starts_before_it_is_released(&self, key: ReplicaKey) -> Verdict {
        let told = self.truth.told.get(&key.deployment);
        if is_task(key.index) || told.is_none_or(|told| !told.to_release) {
            return Ok(());
        }
        Err(format!("replica {} is created before the release", name(key)))
    }

    /// What runs beside web is what the settings of its version say, and what its repository says where
    /// those say nothing.
    fn invariant_processes_run_what_their_version_says(
        &self,
        key: ReplicaKey,
        runs: Option<&(ProcessName, Argv)>,
    ) -> Verdict {
        let told = self.truth.told.get(&key.deployment);
        let said = |process: &ProcessName| {
            let told = told?;
            let of_repository = told.says.processes.get(process).map(|of| &of.command);
            told.own.get(process).or(of_repository)
        };
        match runs {
            Some((process, command)) if said(process) == Some(command) => Ok(()),
            Some(_) | None => Err(format!("replica {} runs {runs:?}", name(key))),
        }
    }

    /// A container is gone from an engine.
    pub(crate) fn judge_removed(&mut self, m: usize, key: ReplicaKey) {
        let there = self.truth.containers.entry((m, key)).or_default();
        *there = there.saturating_sub(1);
    }
}

/// Whatever dies, is told late or is seen late: one has ended before the other begins.
fn invariant_two_versions_never_write_to_one_volume(
    key: ReplicaKey,
    others: &[(ReplicaKey, bool)],
) -> Verdict {
    match others.iter().find(|(_, runs)| *runs) {
        Some((other, _)) => Err(format!("{} begins while {} runs", name(key), name(*other))),
        None => Ok(()),
    }
}

/// Whatever dies and is started again meanwhile, but for an engine that loses its containers.
fn invariant_a_task_runs_once(begun: u32, key: ReplicaKey) -> Verdict {
    if begun == 1 { Ok(()) } else { Err(format!("task {} begun {begun} times", name(key))) }
}

/// A builder takes each giving-out of a build on once, however often it is told.
fn invariant_a_build_begins_once(begun: u32, deployment: DeploymentId, generation: u32) -> Verdict {
    if begun == 1 {
        return Ok(());
    }
    Err(format!("build {generation} of {} begun {begun} times", Short(deployment.uuid())))
}

/// Nothing is created by an order after a newer one was heard.
fn invariant_only_the_newest_order_counts(key: ReplicaKey, by: u64, newest: u64) -> Verdict {
    if by >= newest {
        return Ok(());
    }
    Err(format!("replica {} is created by order {by} after order {newest}", name(key)))
}

/// On one engine there is at most one container of a replica.
fn invariant_a_replica_has_one_container(there: u32, key: ReplicaKey, by: u64) -> Verdict {
    if there == 1 {
        return Ok(());
    }
    Err(format!("replica {} has {there} containers, the last by order {by}", name(key)))
}
