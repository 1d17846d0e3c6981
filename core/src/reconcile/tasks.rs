//! What a worker's report of a command that runs once comes to, whichever command that is.

use super::exits;
use crate::deployment::Fault;
use crate::ids::WorkerId;
use crate::limits;
use crate::observed::Observed;
use crate::run::HookSettings;
use crate::task::Hook;
use crate::time::Timestamp;
use crate::wire::worker::{ReplicaReport, ReplicaState};

/// How it ended; nothing while it goes on within its time.
pub(super) fn ended(
    hook: Hook,
    settings: &HookSettings,
    report: &ReplicaReport,
) -> Option<Result<(), Fault>> {
    let failed = match &report.state {
        ReplicaState::Exited { code: 0, out_of_memory: _ } => return Some(Ok(())),
        ReplicaState::Exited { .. } | ReplicaState::Failed { .. } => true,
        ReplicaState::Starting { elapsed, check: _, within: _ } => *elapsed >= settings.within,
        ReplicaState::Creating
        | ReplicaState::Healthy
        | ReplicaState::Unhealthy { .. }
        | ReplicaState::Stopping => false,
    };
    failed.then(|| Err(fault(hook, settings, report)))
}

/// Whether its worker had no chance to say how it ended since this control plane started, or since NATS
/// is back.
pub(super) fn unheard(worker: WorkerId, observed: &Observed, now: Timestamp) -> bool {
    !observed.has_heard(worker) && observed.silence(None, now) < limits::WORKER_LEASE
}

fn fault(hook: Hook, settings: &HookSettings, report: &ReplicaReport) -> Fault {
    let HookSettings { command, within } = settings;
    let it = format!("the {} command `{command}`", hook.as_str());
    let message = match &report.state {
        ReplicaState::Exited { code, out_of_memory: true } => {
            format!(
                "{it} ran out of memory and was ended with code {code}; give the app more memory \
                 (`hythe app set … --memory SIZE`)"
            )
        }
        ReplicaState::Exited { code, out_of_memory: false } => {
            match exits::meaning(*code, &report.log) {
                Some(meaning) => format!("{it} exited with code {code}, {meaning}"),
                None => format!("{it} exited with code {code}"),
            }
        }
        ReplicaState::Failed { message } => format!("{it} cannot start: {message}"),
        ReplicaState::Creating
        | ReplicaState::Starting { .. }
        | ReplicaState::Healthy
        | ReplicaState::Unhealthy { .. }
        | ReplicaState::Stopping => {
            format!("{it} was not done within {within} and was ended")
        }
    };
    Fault { message, log: report.log.clone() }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::ids::InstallationId;
    use crate::names::WorkerName;
    use crate::observed::WorkerSeen;
    use crate::testing::{app_id, at, deployment_id, worker_id};
    use crate::wire::worker::{EngineState, Held, SealingKey, WorkerReport};
    use crate::worker::Capacity;

    /// A worker with room, which holds an order of this generation and says so of a command.
    pub(in crate::reconcile) fn observed(
        hook: Hook,
        generation: u64,
        state: ReplicaState,
    ) -> Observed {
        let deployment = deployment_id(1);
        let task = ReplicaReport {
            deployment,
            app: app_id(1),
            index: hook.index(),
            state,
            endpoint: None,
            restarts: 0,
            in_a_row: 0,
            log: vec!["last words".into()],
            image_missing: false,
        };
        let report = WorkerReport {
            format: 1,
            worker: worker_id(1),
            installation: InstallationId::new(uuid::Uuid::nil()),
            name: WorkerName::new("one").unwrap(),
            capacity: Capacity::default(),
            sealing_key: SealingKey([0; 32]),
            engine: EngineState::Ready { version: "1".into() },
            assignments: vec![Held { deployment, generation, stopping: false }],
            replicas: vec![task],
            builds: Vec::new(),
            builder: None,
            at: at(1),
        };
        let mut observed = Observed::starting_at(at(0));
        observed.workers.insert(worker_id(1), WorkerSeen::new(report, at(1)));
        observed
    }
}
