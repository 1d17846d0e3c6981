//! Workers and replicas as people see them.

use std::collections::BTreeSet;

use hythe_core::deployment::Placement;
use hythe_core::ids::{AppId, DeploymentId, WorkerId};
use hythe_core::observed::Observed;
use hythe_core::plan::ReplicaKey;
use hythe_core::process::{self, is_process};
use hythe_core::run::RunSettings;
use hythe_core::task::is_task;
use hythe_core::waiting::replica_state;
use hythe_core::wire::worker::ReplicaState as Seen;
use hythe_core::wire::worker::{EngineDisk, EngineState, ReplicaReport};
use hythe_core::worker::{Lease, Member};

use super::{Sight, reference_to};
use crate::api::dto::{Replica, ReplicaState, Worker, WorkerStatus};

/// All workers, by name.
pub(crate) fn workers(sight: Sight<'_>) -> Vec<Worker> {
    let mut workers: Vec<_> = sight
        .view
        .workers
        .values()
        .filter_map(|worker| Some(shown(sight, worker.state.member()?, worker.joined_at)))
        .collect();
    workers.sort_by(|one, other| one.name.cmp(&other.name));
    workers
}

/// The disks that the workers' engines keep images on, by the workers' names.
pub(crate) fn engine_disks(observed: &Observed) -> Vec<(String, EngineDisk)> {
    let disks = observed.workers.values().filter_map(|seen| {
        let disk = seen.report.builder.as_ref()?.disk?;
        Some((seen.report.name.to_string(), disk))
    });
    let mut disks: Vec<_> = disks.collect();
    disks.sort_by(|(one, _), (other, _)| one.cmp(other));
    disks
}

/// One worker, where it belongs to the installation.
pub(crate) fn worker(sight: Sight<'_>, id: WorkerId) -> Option<Worker> {
    let worker = sight.view.workers.get(&id)?;
    Some(shown(sight, worker.state.member()?, worker.joined_at))
}

fn shown(sight: Sight<'_>, member: &Member, joined_at: hythe_core::time::Timestamp) -> Worker {
    let seen = sight.observed.workers.get(&member.id);
    let engine = seen.map(|seen| &seen.report.engine);
    let (status, detail) = match (member.lease, engine) {
        (Lease::Lost, _) => (
            WorkerStatus::Lost,
            Some("it is not heard of; see whether `hythe agent` runs there".into()),
        ),
        (Lease::Held, Some(EngineState::Unreachable { message })) => {
            (WorkerStatus::EngineUnreachable, Some(message.clone()))
        }
        (Lease::Held, Some(EngineState::Ready { .. }) | None) if member.draining => {
            (WorkerStatus::Draining, None)
        }
        (Lease::Held, Some(EngineState::Ready { .. }) | None) => (WorkerStatus::Ready, None),
    };
    let builder = seen.and_then(|seen| seen.report.builder.as_ref());
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Worker {
        id: member.id,
        name: member.name.to_string(),
        status,
        detail,
        memory_bytes: member.capacity.memory_bytes,
        cpu_millis: member.capacity.cpu_millis,
        engine: match engine {
            Some(EngineState::Ready { version }) => Some(version.clone()),
            Some(EngineState::Unreachable { .. }) | None => None,
        },
        replicas: seen.map_or(0, |seen| count(seen.report.replicas.len())),
        builds: seen.map_or(0, |seen| count(seen.report.builds.len())),
        builds_at_once: builder.map(|builder| builder.at_once),
        build_remarks: builder.map(|builder| builder.remarks.clone()).unwrap_or_default(),
        seen_at: seen.map(|seen| seen.heard_at.into()),
        joined_at: joined_at.into(),
        as_of: sight.as_of,
    }
}

/// The replicas of an app: wanted ones and ones on their way out, newest deployment first.
pub(crate) fn replicas(sight: Sight<'_>, app: AppId) -> Vec<Replica> {
    let mut known: BTreeSet<(DeploymentId, u16, WorkerId)> = BTreeSet::new();
    let view = sight.view.apps.get(&app);
    let active = view.and_then(|view| view.state.active());
    let rests = active.and_then(|app| app.live.filter(|live| app.is_resting(*live)));
    let deployments = view.into_iter().flat_map(|view| &view.deployments);
    for id in deployments.filter(|id| Some(**id) != rests) {
        let attempt = sight.view.deployments.get(id).and_then(|view| view.state.attempt());
        if let Some(attempt) = attempt.filter(|attempt| !over(attempt)) {
            let asleep = active.is_some_and(|app| app.asleep && app.live == Some(*id));
            let wanted = |place: &&Placement| !asleep || is_process(place.index);
            let places = attempt.placements.iter().filter(|place| !is_task(place.index));
            let places = places.filter(wanted);
            known.extend(places.map(|place| (*id, place.index, place.worker)));
        }
    }
    for (worker, seen) in &sight.observed.workers {
        let of_app = seen
            .report
            .replicas
            .iter()
            .filter(|replica| replica.app == app && !is_task(replica.index));
        known.extend(of_app.map(|replica| (replica.deployment, replica.index, *worker)));
    }
    // By number as they are known: web comes before what is beside it.
    let shown = known.into_iter().filter_map(|which| Some((which.1, one(sight, which)?)));
    let mut replicas: Vec<_> = shown.collect();
    replicas.sort_by_key(|(index, replica)| (std::cmp::Reverse(replica.deployment.number), *index));
    replicas.into_iter().map(|(_, replica)| replica).collect()
}

/// The name of the process beside web that a number is of, where it is of one.
pub(crate) fn process_of(run: &RunSettings, index: u16) -> Option<String> {
    let name = run.process(index).map(|(name, _)| name.to_string());
    name.or_else(|| is_process(index).then(|| "process".into()))
}

fn over(attempt: &hythe_core::deployment::Attempt) -> bool {
    matches!(attempt.stage, hythe_core::deployment::Stage::Ended(_))
}

fn one(sight: Sight<'_>, which: (DeploymentId, u16, WorkerId)) -> Option<Replica> {
    let (deployment, index, worker_id) = which;
    let member = sight.view.workers.get(&worker_id).and_then(|worker| worker.state.member());
    let key = ReplicaKey { deployment, index };
    let seen = sight.observed.workers.get(&worker_id);
    let report = seen.and_then(|seen| seen.replica(key));
    let state = report.map_or(ReplicaState::Unknown, state);
    let attempt = sight.view.deployments.get(&deployment)?.state.attempt()?;
    let run = &attempt.spec.run;
    Some(Replica {
        deployment: reference_to(sight, deployment)?,
        process: process_of(run, index).unwrap_or_else(|| process::WEB.into()),
        index: process::number(index),
        worker_id,
        worker: member.map(|member| member.name.to_string()),
        state,
        detail: report.and_then(|report| detail(run, report)),
        since: seen.and_then(|seen| seen.since(key)).map(Into::into),
        log: report.map(|report| report.log.clone()).unwrap_or_default(),
        healthy: state == ReplicaState::Healthy,
        endpoint: report.and_then(|report| report.endpoint).map(|at| at.to_string()),
        restarts: report.map_or(0, |report| report.restarts),
        restarts_in_a_row: report.map_or(0, |report| report.in_a_row),
    })
}

fn state(report: &ReplicaReport) -> ReplicaState {
    if report.crash_loop() {
        return ReplicaState::CrashLoop;
    }
    match report.state {
        Seen::Creating => ReplicaState::Creating,
        Seen::Starting { .. } => ReplicaState::Starting,
        Seen::Healthy => ReplicaState::Healthy,
        Seen::Unhealthy { .. } => ReplicaState::Unhealthy,
        Seen::Exited { .. } => ReplicaState::Exited,
        Seen::Failed { .. } => ReplicaState::Failed,
        Seen::Stopping => ReplicaState::Stopping,
    }
}

fn detail(run: &RunSettings, report: &ReplicaReport) -> Option<String> {
    if report.crash_loop() {
        return Some(replica_state(run, report).message);
    }
    match &report.state {
        Seen::Creating | Seen::Healthy | Seen::Stopping => None,
        Seen::Starting { check, .. } | Seen::Unhealthy { check } => {
            Some(format!("its last check: {check}"))
        }
        Seen::Exited { .. } | Seen::Failed { .. } => Some(replica_state(run, report).message),
    }
}
