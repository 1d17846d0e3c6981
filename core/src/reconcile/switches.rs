//! Switches: confirmed when every live edge has the new route, over when the old requests are.

use super::Effect;
use crate::deployment::{Attempt, DeploymentCommand, Fault, Stage};
use crate::ids::DeploymentId;
use crate::observed::{EdgeSeen, Observed};
use crate::time::Timestamp;

pub(super) fn advance(
    id: DeploymentId,
    attempt: &Attempt,
    observed: &Observed,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    let command = match attempt.stage {
        Stage::Switching { .. } => {
            confirmed(id, observed, now).then_some(DeploymentCommand::ConfirmSwitch { at: now })
        }
        Stage::Draining { previous: None, .. } => Some(DeploymentCommand::FinishDrain),
        Stage::Draining { previous: Some(previous), .. } => {
            drained(id, previous, observed, now).then_some(DeploymentCommand::FinishDrain)
        }
        Stage::Requested
        | Stage::Queued { .. }
        | Stage::Building { .. }
        | Stage::Built { .. }
        | Stage::Starting { .. }
        | Stage::Healthy
        | Stage::Live
        | Stage::Ended(_) => None,
    };
    effects.extend(command.map(|command| Effect::Deployment(id, command)));
}

/// What ends a deployment that has waited too long. `routed`: whether the table in force is the
/// one that should be.
///
/// Requests to the version before are cut off, but only where the new one has the traffic: where
/// it lost its replicas meanwhile, the version before serves again, and goes on to.
pub(super) fn overdue(
    id: DeploymentId,
    attempt: &Attempt,
    observed: &Observed,
    routed: bool,
    at: Timestamp,
    waiting_for: Fault,
) -> Option<DeploymentCommand> {
    if let Stage::Draining { .. } = attempt.stage {
        if !routed {
            return None;
        }
        if !observed.routed_since.contains_key(&id) {
            let fault = Fault::new(
                "its replicas stopped answering right after the switch; the version before has \
                 the traffic again. See the log of this one, then deploy again",
            );
            return Some(DeploymentCommand::LoseTraffic { fault });
        }
    }
    Some(DeploymentCommand::Expire { at, waiting_for })
}

/// Whether there is an edge, and every one that is alive sends new requests to `id`.
fn confirmed(id: DeploymentId, observed: &Observed, now: Timestamp) -> bool {
    let Some(revision) = observed.routed_since.get(&id) else { return false };
    let mut alive = observed.live_edges(now).peekable();
    alive.peek().is_some()
        && observed.edges_had_time(now)
        && alive.all(|edge| observed.follows(edge, *revision))
}

fn drained(id: DeploymentId, previous: DeploymentId, observed: &Observed, now: Timestamp) -> bool {
    let idle = |edge: &EdgeSeen| edge.busy.iter().all(|busy| busy.deployment != previous);
    confirmed(id, observed, now) && observed.live_edges(now).all(idle)
}
