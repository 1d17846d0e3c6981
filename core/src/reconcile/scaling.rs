//! Scaling in place: a live deployment gets replicas, or lets some go, while the others stay as they
//! are. What is too many loses its new requests first, and is stopped when the old ones are over.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::replicas::is_gone;
use crate::deployment::{Attempt, DeploymentCommand, Placement};
use crate::ids::{DeploymentId, WorkerId};
use crate::limits;
use crate::observed::Observed;
use crate::place::{Place, place};
use crate::time::Timestamp;
use crate::view::View;
use crate::wire::worker::ReplicaState;

/// Other places for a live deployment that does not have as many replicas as it is to have. Those
/// with the highest numbers go, and those on their way out come back first.
pub(super) fn rescale(
    attempt: &Attempt,
    places: impl FnOnce() -> BTreeMap<WorkerId, Place>,
    now: Timestamp,
) -> Option<DeploymentCommand> {
    let wanted = attempt.replicas;
    let had = u16::try_from(attempt.placements.len()).unwrap_or(u16::MAX);
    if had == wanted {
        return None;
    }
    let mut placements: Vec<Placement> =
        attempt.placements.iter().take(usize::from(wanted)).cloned().collect();
    for index in had..wanted {
        placements.extend(attempt.leaving.iter().find(|place| place.index == index).cloned());
    }
    let first = u16::try_from(placements.len()).unwrap_or(u16::MAX);
    let missing = wanted.saturating_sub(first);
    if missing > 0 {
        // Without a registry an image is where it was built.
        let worker = attempt.built.as_ref()?.worker;
        let mut places = places();
        places.retain(|id, _| *id == worker);
        let more = place(&places, &attempt.spec.resources, missing)?;
        placements.extend(
            more.into_iter().map(|place| Placement { index: first + place.index, ..place }),
        );
    }
    Some(DeploymentCommand::Rescale { placements, at: now })
}

/// Lets go what is too many once no request goes there any more, or its time is over.
pub(super) fn finish(
    id: DeploymentId,
    attempt: &Attempt,
    view: &View,
    observed: &Observed,
    now: Timestamp,
) -> Option<DeploymentCommand> {
    let until = attempt.leave_until.filter(|_| !attempt.leaving.is_empty())?;
    let unheard = |place: &Placement| {
        !observed.workers.contains_key(&place.worker) && !is_gone(view, place.worker)
    };
    if attempt.leaving.iter().any(unheard) {
        // Where it answers is not known yet, nor whether the table leads there.
        return None;
    }
    let given = attempt.spec.drain_within;
    let over = until.is_over(given, now);
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for place in &attempt.leaving {
        match observed.replica(id, place).map(|replica| (replica.endpoint, &replica.state)) {
            Some((Some(endpoint), _)) => addresses.push(endpoint),
            Some((None, ReplicaState::Exited { .. } | ReplicaState::Failed { .. })) => {}
            // Nobody knows where it answers, as after a start of its agent: perhaps it is in use.
            Some((
                None,
                ReplicaState::Creating
                | ReplicaState::Starting { .. }
                | ReplicaState::Healthy
                | ReplicaState::Unhealthy { .. }
                | ReplicaState::Stopping,
            ))
            | None => {
                if !over {
                    return None;
                }
            }
        }
    }
    if !addresses.is_empty() {
        // An edge that never follows is waited for no longer than for a switch.
        let follow_by = until.plus(limits::SWITCH_WITHIN);
        let most = crate::time::Millis(given.0.saturating_add(limits::SWITCH_WITHIN.0));
        let follow = observed.all_follow(now) || follow_by.is_over(most, now);
        // What is too many serves on while none of the others is healthy.
        if observed.leads_to(&addresses) || !follow {
            return None;
        }
        // With the whole deployment out of the table, edges no longer tell its replicas apart.
        let busy = observed.live_edges(now).any(|edge| {
            edge.leaving.iter().any(|leaving| addresses.contains(&leaving.target))
                || edge.busy.iter().any(|busy| busy.deployment == id)
        });
        if busy && !over {
            return None;
        }
    }
    Some(DeploymentCommand::FinishLeaving)
}
