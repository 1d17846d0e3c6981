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
use crate::process::is_process;
use crate::time::Timestamp;
use crate::view::View;
use crate::wire::worker::ReplicaState;

/// Other places for a live deployment that does not have as many replicas as it is to have, of web and
/// of the processes beside it. Those with the highest numbers of each go, and those on their way out
/// come back first.
pub(super) fn rescale(
    attempt: &Attempt,
    places: impl FnOnce() -> BTreeMap<WorkerId, Place>,
    now: Timestamp,
) -> Option<DeploymentCommand> {
    let has = |index| attempt.placements.iter().find(|place| place.index == index);
    if attempt.placements.iter().map(|place| place.index).eq(attempt.wanted()) {
        return None;
    }
    let leaves = |index| attempt.leaving.iter().find(|place| place.index == index);
    let known = |index| has(index).or_else(|| leaves(index));
    let mut placements: Vec<Placement> = attempt.wanted().filter_map(known).cloned().collect();
    let mut missing = attempt.wanted().filter(|index| known(*index).is_none()).peekable();
    if missing.peek().is_some() {
        // Without a registry an image is where it was built.
        let worker = attempt.built.as_ref()?.worker;
        let mut places = places();
        places.retain(|id, _| *id == worker);
        let needs = missing.map(|index| (index, attempt.resources(index)));
        placements.extend(place(&places, needs)?);
        placements.sort_by_key(|place| place.index);
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
    // No request ever goes to a process beside web.
    for place in attempt.leaving.iter().filter(|place| !is_process(place.index)) {
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
        // What is too many serves on while none of the others is healthy, and for an edge that has not
        // fetched what comes after this version: a switch has an end.
        let behind = observed.live_edges(now).flat_map(|edge| &edge.behind);
        let app_of =
            |next: &DeploymentId| Some(view.deployments.get(next)?.state.attempt()?.spec.app);
        let serves_on = behind.filter_map(app_of).any(|app| app == attempt.spec.app);
        if observed.leads_to(&addresses) || serves_on || !follow {
            return None;
        }
        // With the whole deployment out of the table, edges no longer tell its replicas apart.
        let busy = observed
            .live_edges(now)
            .any(|edge| edge.may_carry_to(&addresses) || edge.may_carry(id));
        if busy && !over {
            return None;
        }
    }
    Some(DeploymentCommand::FinishLeaving)
}
