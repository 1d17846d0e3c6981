//! Replicas: placed, ordered from the workers, and judged by what the workers report.

use std::collections::BTreeMap;

use super::Effect;
use crate::deployment::{Attempt, DeploymentCommand, Fault, Stage, StageName};
use crate::ids::{DeploymentId, WorkerId};
use crate::limits;
use crate::observed::{Observed, Sent};
use crate::place::{Place, place};
use crate::record::Sequence;
use crate::time::Timestamp;
use crate::view::{DeploymentView, View};
use crate::wire::worker::{EngineState, ReplicaReport, ReplicaState};
use crate::worker::{Capacity, Lease};

/// Places what is built, and says of what starts whether it is healthy or has failed.
pub(super) fn settle(
    id: DeploymentId,
    attempt: &Attempt,
    assigned: Sequence,
    view: &View,
    observed: &Observed,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    match &attempt.stage {
        Stage::Built { .. } => {
            let Some(built) = &attempt.built else { return };
            // Without a registry an image is where it was built.
            let mut places = places(view, observed);
            places.retain(|worker, _| *worker == built.worker);
            if let Some(placements) = place(&places, &attempt.spec.resources, attempt.spec.replicas)
            {
                let command = DeploymentCommand::Place { placements, at: now };
                effects.push(Effect::Deployment(id, command));
            }
        }
        Stage::Starting { .. } => {
            effects.extend(
                verdict(id, attempt, assigned, observed)
                    .map(|command| Effect::Deployment(id, command)),
            );
        }
        Stage::Requested
        | Stage::Queued { .. }
        | Stage::Building { .. }
        | Stage::Healthy
        | Stage::Switching { .. }
        | Stage::Draining { .. }
        | Stage::Live
        | Stage::Ended(_) => {}
    }
}

fn verdict(
    id: DeploymentId,
    attempt: &Attempt,
    assigned: Sequence,
    observed: &Observed,
) -> Option<DeploymentCommand> {
    let mut healthy = 0;
    for place in &attempt.placements {
        let worker = observed.workers.get(&place.worker)?;
        // What it reports under an older order says nothing about this one.
        if worker.generation(id) < assigned.0 {
            continue;
        }
        let Some(replica) = observed.replica(id, place) else { continue };
        match &replica.state {
            ReplicaState::Healthy => healthy += 1,
            ReplicaState::Exited { .. } | ReplicaState::Failed { .. } => {
                return Some(DeploymentCommand::FailStart { fault: ended(replica) });
            }
            ReplicaState::Starting { elapsed, check: _ }
                if *elapsed >= attempt.spec.health.start_within =>
            {
                return Some(DeploymentCommand::FailStart { fault: ended(replica) });
            }
            ReplicaState::Creating
            | ReplicaState::Starting { .. }
            | ReplicaState::Unhealthy { .. }
            | ReplicaState::Stopping => {}
        }
    }
    (healthy == attempt.placements.len()).then_some(DeploymentCommand::BecomeHealthy)
}

fn ended(replica: &ReplicaReport) -> Fault {
    let index = replica.index;
    let message = match &replica.state {
        ReplicaState::Exited { code, out_of_memory: false } => format!(
            "replica {index} exited with code {code} before it was healthy; an app has to keep \
             running and answer on its port"
        ),
        ReplicaState::Exited { code, out_of_memory: true } => format!(
            "replica {index} ran out of memory and was ended with code {code}; give the app more \
             memory"
        ),
        ReplicaState::Failed { message } => format!("replica {index} cannot start: {message}"),
        ReplicaState::Starting { check, elapsed } => {
            format!("replica {index} was not healthy within {elapsed}; its last check: {check}")
        }
        ReplicaState::Creating
        | ReplicaState::Healthy
        | ReplicaState::Unhealthy { .. }
        | ReplicaState::Stopping => format!("replica {index} did not become healthy"),
    };
    Fault { message, log: replica.log.clone() }
}

/// Tells workers what to run and what no longer to run.
pub(super) fn order(view: &View, observed: &Observed, now: Timestamp, effects: &mut Vec<Effect>) {
    for (worker, seen) in &observed.workers {
        // A replica without an order the worker ends by itself; an order to run has to be undone,
        // but not while requests may still come.
        let mut held: BTreeMap<DeploymentId, u64> = seen
            .report
            .assignments
            .iter()
            .filter(|held| !held.stopping)
            .map(|held| (held.deployment, held.generation))
            .collect();
        let running = view.deployments.iter().filter(|(_, view)| runs(view));
        for (id, deployment) in running {
            let Some(attempt) = deployment.state.attempt() else { continue };
            let replicas: Vec<u16> = attempt
                .placements
                .iter()
                .filter(|place| place.worker == *worker)
                .map(|place| place.index)
                .collect();
            if replicas.is_empty() {
                continue;
            }
            held.remove(id);
            let generation = deployment.assigned.0;
            let behind = seen.generation(*id) < generation;
            if behind
                && observed.due(&Sent::Order(*worker, *id, generation), limits::RESEND_AFTER, now)
            {
                effects.push(Effect::SendRun {
                    worker: *worker,
                    deployment: *id,
                    generation,
                    replicas,
                    restart: matches!(attempt.stage, Stage::Live),
                });
            }
        }
        for (deployment, told) in held {
            if had_traffic(view, deployment) && observed.may_have_traffic(deployment, now) {
                continue;
            }
            let newest = view.deployments.get(&deployment).map_or(0, |view| view.last.0);
            let generation = newest.max(told.saturating_add(1));
            let sent = Sent::Order(*worker, deployment, generation);
            if observed.due(&sent, limits::RESEND_AFTER, now) {
                effects.push(Effect::SendStop { worker: *worker, deployment, generation });
            }
        }
    }
}

/// Whether a deployment may ever have had traffic: that is so from when it was healthy. Nothing is
/// known of one that went with its app.
fn had_traffic(view: &View, deployment: DeploymentId) -> bool {
    view.deployments.get(&deployment).is_none_or(|deployment| {
        deployment.stages.iter().any(|(stage, _)| *stage == StageName::Healthy)
    })
}

fn runs(deployment: &DeploymentView) -> bool {
    let stage = deployment.state.attempt().map(|attempt| &attempt.stage);
    match stage {
        Some(
            Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live,
        ) => true,
        Some(
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Ended(_),
        )
        | None => false,
    }
}

/// The workers as places for replicas.
fn places(view: &View, observed: &Observed) -> BTreeMap<WorkerId, Place> {
    let mut places: BTreeMap<WorkerId, Place> = view
        .workers
        .iter()
        .filter_map(|(id, worker)| {
            let member = worker.state.member()?;
            let ready = observed.workers.get(id).is_some_and(|seen| match seen.report.engine {
                EngineState::Ready { .. } => true,
                EngineState::Unreachable { .. } => false,
            });
            let open = ready && member.lease == Lease::Held && !member.draining;
            let used = Capacity::default();
            Some((*id, Place { capacity: member.capacity.clone(), used, open }))
        })
        .collect();
    for deployment in view.deployments.values().filter(|deployment| runs(deployment)) {
        let Some(attempt) = deployment.state.attempt() else { continue };
        for placement in &attempt.placements {
            if let Some(place) = places.get_mut(&placement.worker) {
                let need = &attempt.spec.resources;
                place.used.memory_bytes = place.used.memory_bytes.saturating_add(need.memory_bytes);
                place.used.cpu_millis = place.used.cpu_millis.saturating_add(need.cpu_millis);
            }
        }
    }
    places
}
