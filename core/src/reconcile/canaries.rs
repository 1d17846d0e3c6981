//! Canaries come to an end by themselves: when their time is over, or when none of their replicas is
//! healthy any more.

use super::Effect;
use super::replicas::is_gone;
use crate::canary::Canary;
use crate::deployment::{Attempt, DeploymentCommand, Fault, Placement, Stage, StageName};
use crate::ids::DeploymentId;
use crate::observed::Observed;
use crate::process::is_process;
use crate::time::Timestamp;
use crate::view::{DeploymentView, View};
use crate::wire::worker::ReplicaState;

pub(super) fn settle(
    id: DeploymentId,
    deployment: &DeploymentView,
    attempt: &Attempt,
    view: &View,
    observed: &Observed,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    let Some(canary) = canary(id, attempt, view) else { return };
    let since = deployment.since();
    let fault = if is_over(&canary, since, observed.own_time(since, now)) {
        Fault::new(format!(
            "nobody promoted it within {}: the version before has all requests again. To give it more \
             time, deploy it with --canary-for",
            canary.within
        ))
    } else if ails(id, attempt, view, observed) {
        let mut fault = Fault::new(
            "none of its replicas was healthy any more while it took its part of the requests; the \
             version before has all of them again. See the log of this one, then deploy again",
        );
        fault.log = last_words(id, attempt, observed);
        fault
    } else {
        return;
    };
    effects.push(Effect::Deployment(id, DeploymentCommand::FailCanary { fault }));
}

/// The canary that a deployment is, where it takes its part.
pub(super) fn canary(id: DeploymentId, attempt: &Attempt, view: &View) -> Option<Canary> {
    if attempt.stage != Stage::Healthy {
        return None;
    }
    let app = view.apps.get(&attempt.spec.app)?.state.active()?;
    app.singing().filter(|canary| canary.deployment == id)
}

/// Whether it has gone on for as long as it may. A clock that was set back by more than that does not say
/// any more how long it was: then it is over, too.
fn is_over(canary: &Canary, since: Timestamp, now: Timestamp) -> bool {
    now >= since.plus(canary.within) || now.plus(canary.within) < since
}

fn web(attempt: &Attempt) -> impl Iterator<Item = &Placement> {
    attempt.placements.iter().filter(|place| !is_process(place.index))
}

/// Whether it is known that no replica is healthy. A site has none, and nothing that could ail.
fn ails(id: DeploymentId, attempt: &Attempt, view: &View, observed: &Observed) -> bool {
    let mut places = web(attempt).peekable();
    let ails = |place: &Placement| {
        if is_gone(view, place.worker) {
            return true;
        }
        // What was not heard of yet may be well.
        observed.knows(id, place)
            && observed
                .replica(id, place)
                .is_none_or(|replica| replica.state != ReplicaState::Healthy)
    };
    places.peek().is_some() && places.all(ails)
}

/// Whether requests to a canary that was taken back may still go on: they have the drain time, as those to a
/// version that was replaced.
pub(super) fn is_finishing(
    view: &View,
    observed: &Observed,
    id: DeploymentId,
    now: Timestamp,
) -> bool {
    let Some(deployment) = view.deployments.get(&id) else { return false };
    let Some(attempt) = deployment.state.attempt() else { return false };
    // Whatever is no canary is healthy without traffic only for the moment before its switch.
    let (
        StageName::Cancelled | StageName::Failed | StageName::Superseded,
        [.., (before, _), (_, since)],
    ) = (attempt.stage.name(), deployment.stages.as_slice())
    else {
        return false;
    };
    let most = attempt.spec.drain_within;
    let in_time = !since.plus(most).is_over(most, now);
    let carries = || observed.live_edges(now).any(|edge| edge.may_carry(id));
    *before == StageName::Healthy && in_time && carries()
}

fn last_words(id: DeploymentId, attempt: &Attempt, observed: &Observed) -> Vec<String> {
    let said = web(attempt).filter_map(|place| observed.replica(id, place));
    said.map(|replica| replica.log.clone()).find(|log| !log.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::AppEvent;
    use crate::canary::Weight;
    use crate::deployment::{BuiltImage, DeploymentEvent};
    use crate::event::Event;
    use crate::names::WorkerName;
    use crate::past::testing::Journal;
    use crate::reconcile::tasks::testing::observed;
    use crate::site::{BuiltSite, SiteId};
    use crate::task::Hook;
    use crate::testing::{app_id, at, built, deployment_id, placements, worker_id};
    use crate::time::Millis;
    use crate::wire::worker::EngineState;
    use crate::worker::{Capacity, WorkerEvent};

    fn site(n: u128) -> SiteId {
        SiteId::new(format!("{n:064x}")).unwrap()
    }

    fn registered() -> WorkerEvent {
        WorkerEvent::Registered {
            id: worker_id(1),
            name: WorkerName::new("one").unwrap(),
            capacity: Capacity::default(),
        }
    }

    /// Why a canary comes to its end that was healthy so long ago, and of whose replica nothing was heard.
    fn told(live_is_site: bool, is_site: bool, after: Millis) -> Option<String> {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.push(worker_id(1).uuid(), Event::Worker(registered()));
        if live_is_site {
            journal.deploy_site(1, 1, site(1));
        } else {
            journal.deploy(1, 1);
        }
        let (deployment, app) = (deployment_id(2), app_id(1));
        let (weight, within) = (Weight::new(10).unwrap(), Millis::seconds(3_600));
        journal.request(1, 2);
        journal.app(1, AppEvent::CanaryAsked { deployment, weight, within });
        let found = BuiltSite { id: site(2), files: 1, bytes: 1 };
        let built = BuiltImage { site: is_site.then(|| Box::new(found)), ..built() };
        let until = at(1_000_000);
        let mut events = vec![
            DeploymentEvent::BuildQueued { generation: 1, until },
            DeploymentEvent::Built { built, until },
        ];
        if !is_site {
            events.push(DeploymentEvent::Placed { placements: placements(1), until });
        }
        events.push(DeploymentEvent::BecameHealthy { app });
        for event in events {
            journal.push(deployment.uuid(), Event::Deployment(event));
        }
        journal.app(1, AppEvent::CanaryStarted { deployment, weight });
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        let of_it = &view.deployments[&deployment];
        let attempt = of_it.state.attempt().unwrap();
        let (mut effects, observed) = (Vec::new(), Observed::default());
        let now = of_it.since().plus(after);
        settle(deployment, of_it, attempt, &view, &observed, now, &mut effects);
        match effects.pop() {
            Some(Effect::Deployment(_, DeploymentCommand::FailCanary { fault })) => {
                Some(fault.message)
            }
            None => None,
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_site_takes_a_part_and_gives_one_for_as_long_as_replicas_do() {
        for (live_is_site, is_site) in [(false, false), (false, true), (true, false), (true, true)]
        {
            assert_eq!(told(live_is_site, is_site, Millis::seconds(3_599)), None);
            let why = told(live_is_site, is_site, Millis::seconds(3_600)).unwrap();
            assert!(why.contains("nobody promoted it"), "{why}");
        }
    }

    #[test]
    fn what_its_agent_has_not_looked_at_yet_may_be_well() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.deploy(1, 1);
        journal.push(worker_id(1).uuid(), Event::Worker(registered()));
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        let id = deployment_id(1);
        let attempt = view.deployments[&id].state.attempt().unwrap();
        // Nothing is said of any replica.
        let ails = |engine: EngineState| {
            let mut seen = observed(Hook::Release, 7, ReplicaState::Creating);
            seen.workers.values_mut().for_each(|worker| worker.report.engine = engine.clone());
            ails(id, attempt, &view, &seen)
        };
        assert!(ails(EngineState::Ready { version: "1".into() }));
        assert!(!ails(EngineState::Unreachable { message: "it was not asked yet".into() }));
    }

    #[test]
    fn its_time_is_over_once_and_however_the_clock_is_set() {
        let canary = Canary {
            deployment: deployment_id(1),
            weight: Weight::new(10).unwrap(),
            within: Millis::seconds(100),
            started: true,
        };
        for (now, over) in
            [(1_000, false), (1_099, false), (1_100, true), (950, false), (899, true)]
        {
            assert_eq!(is_over(&canary, at(1_000), at(now)), over, "{now}");
        }
    }
}
