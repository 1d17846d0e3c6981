//! Switches: confirmed when every live edge has the new route, over when the old requests are.

use std::collections::BTreeSet;

use super::Effect;
use crate::deployment::{Attempt, DeploymentCommand, Fault, Stage};
use crate::ids::DeploymentId;
use crate::observed::{EdgeSeen, Observed};
use crate::time::Timestamp;
use crate::view::View;

pub(super) fn advance(
    id: DeploymentId,
    attempt: &Attempt,
    view: &View,
    observed: &Observed,
    has_traffic: &Option<BTreeSet<DeploymentId>>,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    if !is_routed(attempt, view) {
        // No edge has anything to confirm, and none carries requests of its.
        let command = match attempt.stage {
            Stage::Switching { .. } => Some(DeploymentCommand::ConfirmSwitch { at: now }),
            Stage::Draining { .. } => Some(DeploymentCommand::FinishDrain),
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => None,
        };
        effects.extend(command.map(|command| Effect::Deployment(id, command)));
        return;
    }
    // The table in force may lead there while the one that follows it does not any more.
    let stays = has_traffic.as_ref().is_some_and(|deployments| deployments.contains(&id));
    let command = match attempt.stage {
        // Where there is no version before, an edge that was not heard of yet leads nobody astray.
        Stage::Switching { previous, .. } => (stays
            && confirmed(id, observed, now)
            && (previous.is_none() || observed.edges_had_time(now)))
        .then_some(DeploymentCommand::ConfirmSwitch { at: now }),
        Stage::Draining { previous: None, .. } => Some(DeploymentCommand::FinishDrain),
        Stage::Draining { previous: Some(previous), .. } => (stays
            && drained(id, previous, observed, now))
        .then_some(DeploymentCommand::FinishDrain),
        Stage::Requested
        | Stage::Queued { .. }
        | Stage::Building { .. }
        | Stage::Built { .. }
        | Stage::Starting { .. }
        | Stage::Healthy
        | Stage::Live
        | Stage::Releasing { .. }
        | Stage::Ended(_) => None,
    };
    effects.extend(command.map(|command| Effect::Deployment(id, command)));
}

/// Whether an address leads to its app: as that is set now, for that is what the table goes by.
fn is_routed(attempt: &Attempt, view: &View) -> bool {
    let app = view.apps.get(&attempt.spec.app).and_then(|app| app.state.active());
    app.is_none_or(|app| !app.settings.run.container.unrouted)
}

/// What ends a deployment that has waited too long. `has_traffic`: the deployments that are to
/// have traffic, where that is known.
///
/// Requests to the version before are cut off, but only where the new one has the traffic: where
/// it lost its replicas meanwhile, the version before serves again, and goes on to.
pub(super) fn overdue(
    id: DeploymentId,
    attempt: &Attempt,
    observed: &Observed,
    has_traffic: &Option<BTreeSet<DeploymentId>>,
    at: Timestamp,
    waiting_for: Fault,
) -> Option<DeploymentCommand> {
    if let Stage::Draining { .. } = attempt.stage {
        let has_traffic = has_traffic.as_ref()?;
        if !has_traffic.contains(&id) {
            let fault = Fault::new(
                "its replicas stopped answering right after the switch; the version before has \
                 the traffic again. See the log of this one, then deploy again",
            );
            return Some(DeploymentCommand::LoseTraffic { fault });
        }
        if !observed.serving_since.contains_key(&id) {
            return None;
        }
    }
    Some(DeploymentCommand::Expire { at, waiting_for })
}

/// Whether there is an edge, and every one that is alive sends new requests to `id`.
fn confirmed(id: DeploymentId, observed: &Observed, now: Timestamp) -> bool {
    let Some(revision) = observed.serving_since.get(&id) else { return false };
    let mut alive = observed.live_edges(now).peekable();
    let serves = |edge: &EdgeSeen| observed.follows(edge, *revision) && !edge.behind.contains(&id);
    alive.peek().is_some() && alive.all(serves)
}

fn drained(id: DeploymentId, previous: DeploymentId, observed: &Observed, now: Timestamp) -> bool {
    confirmed(id, observed, now)
        && observed.edges_had_time(now)
        && observed.live_edges(now).all(|edge| !edge.may_carry(previous))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use uuid::Uuid;

    use super::*;
    use crate::deployment::Deployment;
    use crate::ids::EdgeId;
    use crate::limits;
    use crate::names::HostName;
    use crate::observed::Carries;
    use crate::routes::{Backend, Route, RouteTable};
    use crate::testing::{deployment_id, run, spec};

    /// What is told of a switch so long after the start of a control plane that has heard of one edge,
    /// which follows.
    fn told(previous: Option<DeploymentId>, after: u64) -> Vec<Effect> {
        told_by(previous, after, BTreeSet::new())
    }

    fn told_by(
        previous: Option<DeploymentId>,
        after: u64,
        behind: BTreeSet<DeploymentId>,
    ) -> Vec<Effect> {
        let (id, now) = (deployment_id(2), Timestamp(1_000_000 + after));
        let request = DeploymentCommand::Request(Box::new(spec(1)));
        let deployment = run::<Deployment>(vec![request]).0;
        let mut attempt = deployment.attempt().unwrap().clone();
        attempt.stage = Stage::Switching { previous, until: now.plus(limits::SWITCH_WITHIN) };
        let mut observed = Observed::starting_at(Timestamp(1_000_000));
        let targets = vec![SocketAddr::from(([10, 0, 0, 1], 80))];
        let backend = Backend::Replicas { deployment: id, targets };
        let (app, name) = (spec(1).app, spec(1).app_name);
        let route = Route::new(app, name, backend);
        let routes = [(HostName::new("shop.localhost").unwrap(), route)].into();
        observed.put_in_force(RouteTable { revision: 5, routes });
        let carries = Carries::Known { busy: vec![], leaving: vec![] };
        let edge = EdgeSeen { behind, ..EdgeSeen::new(5, carries, now) };
        observed.edges.insert(EdgeId::new(Uuid::from_u128(1)), edge);
        let mut effects = Vec::new();
        advance(id, &attempt, &View::default(), &observed, &Some([id].into()), now, &mut effects);
        effects
    }

    #[test]
    fn only_where_there_is_a_version_before_are_edges_waited_for_that_may_still_speak_up() {
        let before = Some(deployment_id(1));
        assert_eq!(told(None, 10).len(), 1);
        assert_eq!(told(before, limits::EDGE_LEASE.0 - 1), []);
        assert_eq!(told(before, limits::EDGE_LEASE.0).len(), 1);
    }

    #[test]
    fn an_edge_that_still_fetches_a_site_has_not_switched_to_it() {
        let after = limits::EDGE_LEASE.0;
        assert_eq!(told_by(None, after, [deployment_id(2)].into()), []);
        assert_eq!(told_by(None, after, [deployment_id(3)].into()).len(), 1);
    }
}
