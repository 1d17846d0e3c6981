//! What a deployment waits for, in words: for lists, and for the reason when it waited too long.

use crate::deployment::{Attempt, Fault, Stage};
use crate::ids::DeploymentId;
use crate::observed::Observed;
use crate::record::AggregateKind;
use crate::view::View;
use crate::wire::worker::{EngineState, ReplicaReport, ReplicaState};

/// What a deployment waits for, with log lines where they say more; none once it is settled.
#[must_use]
pub fn waiting_for(view: &View, observed: &Observed, id: DeploymentId) -> Option<Fault> {
    let deployment = view.deployments.get(&id)?;
    let attempt = deployment.state.attempt()?;
    match &attempt.stage {
        Stage::Requested => {
            Some(Fault::new("its turn: another deployment of this app is on its way"))
        }
        Stage::Queued { .. } => Some(Fault::new(builders(observed))),
        Stage::Building { worker, .. } => {
            let name = worker_name(view, *worker);
            Some(Fault::new(format!("the build on {name}")))
        }
        Stage::Built { .. } => Some(Fault::new(places(view, observed, attempt))),
        Stage::Starting { .. } => Some(replicas(view, observed, id, attempt)),
        Stage::Healthy => Some(Fault::new(format!("the {} to switch", AggregateKind::App))),
        Stage::Switching { .. } => Some(Fault::new(edges(observed))),
        Stage::Draining { previous, .. } => {
            let left: u64 = observed
                .edges
                .values()
                .flat_map(|edge| &edge.busy)
                .filter(|busy| Some(busy.deployment) == *previous)
                .map(|busy| busy.requests)
                .sum();
            Some(Fault::new(format!("{left} requests to the version before")))
        }
        Stage::Live | Stage::Ended(_) => None,
    }
}

fn builders(observed: &Observed) -> String {
    match observed.workers.values().find_map(|worker| unreachable(&worker.report.engine)) {
        Some(message) => format!("a builder; an engine cannot be reached: {message}"),
        None if observed.workers.is_empty() => {
            "a builder; none was heard of yet: see whether `hythe agent` runs".into()
        }
        None => "a builder".into(),
    }
}

fn unreachable(engine: &EngineState) -> Option<&str> {
    match engine {
        EngineState::Ready { .. } => None,
        EngineState::Unreachable { message } => Some(message),
    }
}

fn worker_name(view: &View, id: crate::ids::WorkerId) -> String {
    let member = view.workers.get(&id).and_then(|worker| worker.state.member());
    member.map_or_else(|| id.to_string(), |member| member.name.to_string())
}

fn places(view: &View, observed: &Observed, attempt: &Attempt) -> String {
    let Some(built) = &attempt.built else {
        return "a worker".into();
    };
    let name = worker_name(view, built.worker);
    match observed.workers.get(&built.worker).map(|worker| &worker.report.engine) {
        None => format!("worker {name}, which has the image and is not heard of"),
        Some(EngineState::Unreachable { message }) => {
            format!("worker {name}, whose engine cannot be reached: {message}")
        }
        Some(EngineState::Ready { .. }) => {
            format!("room on worker {name}, which has the image")
        }
    }
}

fn replicas(view: &View, observed: &Observed, id: DeploymentId, attempt: &Attempt) -> Fault {
    let late = attempt.placements.iter().find_map(|place| match observed.replica(id, place) {
        Some(replica) if replica.state == ReplicaState::Healthy => None,
        Some(replica) => Some(replica_state(replica)),
        None => Some(Fault::new(format!(
            "replica {} to be created on {}",
            place.index,
            worker_name(view, place.worker)
        ))),
    });
    late.unwrap_or_else(|| Fault::new("all replicas to be confirmed"))
}

/// One replica in words, with its last lines.
#[must_use]
pub fn replica_state(replica: &ReplicaReport) -> Fault {
    let index = replica.index;
    let message = match &replica.state {
        ReplicaState::Creating => format!("replica {index} to start"),
        ReplicaState::Starting { check, elapsed: _ } => {
            format!("replica {index} to become healthy; its last check: {check}")
        }
        ReplicaState::Healthy => format!("replica {index}, which is healthy"),
        ReplicaState::Unhealthy { check } => {
            format!("replica {index} to become healthy again; its last check: {check}")
        }
        ReplicaState::Exited { code, out_of_memory: false } => {
            format!("replica {index}, which exited with code {code}")
        }
        ReplicaState::Exited { code, out_of_memory: true } => {
            format!("replica {index}, which ran out of memory and exited with code {code}")
        }
        ReplicaState::Failed { message } => {
            format!("replica {index}, which cannot start: {message}")
        }
        ReplicaState::Stopping => format!("replica {index}, which is stopping"),
    };
    Fault { message, log: replica.log.clone() }
}

fn edges(observed: &Observed) -> String {
    if observed.edges.is_empty() {
        return "an edge; none was heard of: see whether `hythe edge` runs".into();
    }
    let behind = observed
        .edges
        .iter()
        .filter(|(_, edge)| edge.revision < observed.table.revision)
        .map(|(id, _)| id.to_string())
        .collect::<Vec<_>>();
    format!("edges to take up the route table: {}", behind.join(", "))
}
