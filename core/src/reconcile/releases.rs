//! Release commands: placed where the image is, and judged by what that worker reports.

use std::collections::BTreeMap;

use super::tasks;
use crate::deployment::{Attempt, DeploymentCommand, Fault};
use crate::ids::{DeploymentId, WorkerId};
use crate::observed::Observed;
use crate::place::{Place, place};
use crate::plan::ReplicaKey;
use crate::record::Sequence;
use crate::task::Hook;
use crate::time::Timestamp;
use crate::view::View;
use crate::waiting::worker_name;
use crate::wire::worker::ReplicaState;

/// Gives it a place as large as a replica's, where there is one.
pub(super) fn begin(
    attempt: &Attempt,
    places: &BTreeMap<WorkerId, Place>,
    now: Timestamp,
) -> Option<DeploymentCommand> {
    let need = (Hook::Release.index(), attempt.spec.resources.clone());
    let placed = place(places, [need])?;
    let worker = placed.first()?.worker;
    Some(DeploymentCommand::Release { worker, at: now })
}

/// What its worker's report comes to.
pub(super) fn verdict(
    id: DeploymentId,
    attempt: &Attempt,
    worker: WorkerId,
    assigned: Sequence,
    observed: &Observed,
    now: Timestamp,
) -> Option<DeploymentCommand> {
    let release = attempt.to_release()?;
    let seen = observed.workers.get(&worker)?;
    // What it reports under an older order says nothing about this one.
    if seen.generation(id) < assigned.0 {
        return None;
    }
    let report = seen.replica(ReplicaKey { deployment: id, index: Hook::Release.index() })?;
    if report.image_missing && attempt.takes_over() {
        return Some(DeploymentCommand::MissImage { at: now });
    }
    Some(match tasks::ended(Hook::Release, release, report)? {
        Ok(()) => DeploymentCommand::FinishRelease { at: now },
        Err(fault) => DeploymentCommand::FailStart { fault },
    })
}

/// What a deployment waits for whose release command runs.
pub(crate) fn waiting(
    view: &View,
    observed: &Observed,
    id: DeploymentId,
    attempt: &Attempt,
    worker: WorkerId,
) -> Fault {
    let on = worker_name(view, worker);
    let command =
        attempt.to_release().map_or_else(String::new, |release| format!(" `{}`", release.command));
    let key = ReplicaKey { deployment: id, index: Hook::Release.index() };
    let Some(seen) = observed.workers.get(&worker) else {
        return Fault::new(format!(
            "the release command{command} on worker {on}, which is not heard of"
        ));
    };
    let report = seen.replica(key);
    let how = match report.map(|report| &report.state) {
        Some(ReplicaState::Starting { elapsed, .. }) => format!(", which has run for {elapsed}"),
        Some(ReplicaState::Stopping) => ", which is being ended".into(),
        Some(ReplicaState::Exited { .. } | ReplicaState::Failed { .. }) => {
            ", which has ended".into()
        }
        Some(ReplicaState::Creating | ReplicaState::Healthy | ReplicaState::Unhealthy { .. })
        | None => " to start".into(),
    };
    let message = format!("the release command{command} on worker {on}{how}");
    Fault { message, log: report.map(|report| report.log.clone()).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::{Deployment, DeploymentEvent, DeploymentSpec};
    use crate::machine::replay;
    use crate::run::{HookSettings, RunSettings};
    use crate::testing::{at, built, deployment_id, spec, worker_id};
    use crate::time::Millis;

    /// A deployment whose release command runs, by order 7.
    fn attempt() -> Attempt {
        let command = crate::argv::Argv::new(vec!["rake".into(), "db:migrate".into()]).unwrap();
        let release = HookSettings { command, within: Millis::seconds(60) };
        let hooks = [(Hook::Release, release)].into();
        let run = RunSettings { hooks, ..RunSettings::default() };
        let spec = DeploymentSpec { run, ..spec(1) };
        let until = at(500);
        let deployment: Deployment = replay(&[
            DeploymentEvent::Requested(Box::new(spec)),
            DeploymentEvent::Built { built: built(), until },
            DeploymentEvent::ReleaseStarted { worker: worker_id(1), until },
        ]);
        deployment.attempt().unwrap().clone()
    }

    fn observed(generation: u64, state: ReplicaState) -> Observed {
        tasks::testing::observed(Hook::Release, generation, state)
    }

    #[test]
    fn how_it_ended_is_the_end_of_the_stage_and_the_reason_names_the_command() {
        let running = |seconds| ReplicaState::Starting {
            check: "it is not over yet".into(),
            elapsed: Millis::seconds(seconds),
            within: None,
        };
        let exited = |code, out_of_memory| ReplicaState::Exited { code, out_of_memory };
        let cannot = ReplicaState::Failed { message: "no such file".into() };
        // Under which order, how it is, and what the reason says; nothing where it goes on.
        let rows = [
            (7, ReplicaState::Creating, None),
            (7, running(59), None),
            (7, ReplicaState::Stopping, None),
            (6, exited(1, false), None),
            (7, exited(1, false), Some("`rake db:migrate` exited with code 1")),
            (7, exited(127, false), Some("`rake db:migrate` exited with code 127, which")),
            (7, exited(137, true), Some("`rake db:migrate` ran out of memory")),
            (7, cannot, Some("`rake db:migrate` cannot start: no such file")),
            (7, running(60), Some("`rake db:migrate` was not done within 1 min 0 s")),
        ];
        let attempt = attempt();
        let verdict = |observed: &Observed| {
            let (id, order) = (deployment_id(1), Sequence(7));
            verdict(id, &attempt, worker_id(1), order, observed, at(2))
        };
        for (generation, state, expected) in rows {
            let told = verdict(&observed(generation, state.clone()));
            match (told, expected) {
                (None, None) => {}
                (Some(DeploymentCommand::FailStart { fault }), Some(words)) => {
                    assert!(fault.message.contains(words), "{}", fault.message);
                    assert_eq!(fault.log, ["last words"]);
                }
                (told, _) => panic!("{state:?} under {generation}: {told:?}"),
            }
        }
        let well = verdict(&observed(7, exited(0, false)));
        assert_eq!(well, Some(DeploymentCommand::FinishRelease { at: at(2) }));
        assert_eq!(verdict(&Observed::starting_at(at(0))), None);
    }

    #[test]
    fn it_says_what_it_waits_for() {
        let view = View::default();
        let of = |observed: &Observed| {
            waiting(&view, observed, deployment_id(1), &attempt(), worker_id(1)).message
        };
        let runs = ReplicaState::Starting {
            check: String::new(),
            elapsed: Millis::seconds(5),
            within: None,
        };
        assert!(of(&observed(7, runs)).contains("`rake db:migrate` on worker"));
        assert!(of(&observed(7, ReplicaState::Creating)).ends_with("to start"));
        assert!(of(&Observed::default()).ends_with("not heard of"));
    }
}
