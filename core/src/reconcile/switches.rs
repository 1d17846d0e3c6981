//! Switches: confirmed when every live edge has the new route, over when the old requests are.

use super::Effect;
use crate::deployment::{Attempt, DeploymentCommand, Stage};
use crate::ids::DeploymentId;
use crate::limits;
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

/// Whether there is an edge, and every one that is alive sends new requests to `id`.
fn confirmed(id: DeploymentId, observed: &Observed, now: Timestamp) -> bool {
    let Some(revision) = observed.routed_since.get(&id) else { return false };
    let mut alive = alive(observed, now).peekable();
    alive.peek().is_some() && all_heard(observed, now) && alive.all(|e| e.revision >= *revision)
}

fn drained(id: DeploymentId, previous: DeploymentId, observed: &Observed, now: Timestamp) -> bool {
    let idle = |edge: &EdgeSeen| edge.busy.iter().all(|busy| busy.deployment != previous);
    confirmed(id, observed, now) && alive(observed, now).all(idle)
}

fn alive(observed: &Observed, now: Timestamp) -> impl Iterator<Item = &EdgeSeen> {
    observed.edges.values().filter(move |edge| now.since(edge.heard_at) < limits::EDGE_LEASE)
}

/// After a start, edges that were there before get the time to be heard of.
fn all_heard(observed: &Observed, now: Timestamp) -> bool {
    now.since(observed.started_at) >= limits::EDGE_LEASE
}
