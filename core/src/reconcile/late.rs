//! What has waited too long, and what only seems to: nobody is late who could not be heard, and what went
//! by while nobody looked counts for nothing.

use crate::app::ActiveApp;
use crate::deployment::{Attempt, Stage};
use crate::limits;
use crate::observed::Observed;
use crate::time::{Millis, Timestamp};
use crate::view::DeploymentView;

/// The moment by which a deployment has waited too long, where it has.
///
/// A clock that was set back by more than all the time that the stage was given does not say any
/// more how long that was, and its deadline may be days away: then the wait is over, too. Where it
/// was set back within the stage, no more counts than what such a stage is ever given. One that was set
/// forward takes nothing of it.
pub(super) fn overdue(
    deployment: &DeploymentView,
    attempt: &Attempt,
    observed: &Observed,
    now: Timestamp,
) -> Option<Timestamp> {
    let (until, most) = (attempt.stage.until()?, most(attempt)?);
    let since = given_at(deployment, attempt, until, most);
    let given = until.since(since).min(most);
    let own = observed.own_time(since, now);
    let over = own >= until || own >= since.plus(given);
    let set_back = now.plus(given) < since;
    (over || set_back).then(|| now.max(until))
}

/// When the time was given that a stage has until then.
fn given_at(
    deployment: &DeploymentView,
    attempt: &Attempt,
    until: Timestamp,
    most: Millis,
) -> Timestamp {
    match attempt.stage {
        // What waits on for its turn is given that time anew, in the stage that it is in.
        Stage::Queued { .. } => deployment.since().max(Timestamp(until.0.saturating_sub(most.0))),
        Stage::Requested
        | Stage::Building { .. }
        | Stage::Built { .. }
        | Stage::Releasing { .. }
        | Stage::Starting { .. }
        | Stage::Healthy
        | Stage::Switching { .. }
        | Stage::Draining { .. }
        | Stage::Live
        | Stage::Ended(_) => deployment.since(),
    }
}

/// Until when by the clock as it is now the stage has its time, where that is not over: later than what was
/// recorded where the clock was set forward since.
pub(super) fn has_until(
    deployment: &DeploymentView,
    attempt: &Attempt,
    observed: &Observed,
    now: Timestamp,
) -> Option<Timestamp> {
    let (until, most) = (attempt.stage.until()?, most(attempt)?);
    let own = observed.own_time(given_at(deployment, attempt, until, most), now);
    (own < until).then(|| now.plus(until.since(own)))
}

/// Whether whoever has to say how a stage goes had no chance to yet, since this control plane started or
/// since NATS is back: deadlines may have passed meanwhile.
pub(super) fn unheard(attempt: &Attempt, observed: &Observed, now: Timestamp) -> bool {
    let lease = match attempt.stage {
        // How it ended may lie in JetStream, and a builder that is asked after answers within this time.
        Stage::Queued { .. } | Stage::Building { .. } => limits::BUILD_LEASE,
        Stage::Built { .. } | Stage::Releasing { .. } | Stage::Starting { .. } => {
            limits::WORKER_LEASE
        }
        // Without a table to go by the first one waits for the workers, and then the edges follow it.
        Stage::Switching { .. } => Millis(limits::WORKER_LEASE.0 + limits::EDGE_LEASE.0),
        Stage::Requested
        | Stage::Healthy
        | Stage::Draining { .. }
        | Stage::Live
        | Stage::Ended(_) => return false,
    };
    observed.silence(None, now) < lease
}

/// Whether an app that was deleted is to go for good, which nothing undoes. A clock that was set forward
/// does not say so, also where it was before this control plane started: time has to be seen to pass.
pub(super) fn is_spent(app: &ActiveApp, observed: &Observed, now: Timestamp) -> bool {
    let Some(discarded) = app.discarded else { return false };
    let since = Timestamp(discarded.until.0.saturating_sub(limits::DISCARDED_KEPT.0));
    now.since(observed.started_at) >= limits::EXPIRES_AFTER
        && app.is_spent(observed.own_time(since, now))
}

/// The most that a stage is given, where there is an end to it.
fn most(attempt: &Attempt) -> Option<Millis> {
    match attempt.stage {
        Stage::Queued { .. } | Stage::Building { .. } => {
            let within = attempt.spec.build.within.0;
            Some(Millis(within.saturating_add(limits::BUILD_WAIT.0)))
        }
        Stage::Built { .. } => Some(limits::START_GRACE),
        Stage::Releasing { .. } => {
            let within = attempt.to_release()?.within.0;
            Some(Millis(within.saturating_add(limits::START_GRACE.0)))
        }
        Stage::Starting { .. } => Some(attempt.start_most()),
        Stage::Switching { .. } => Some(attempt.switch_most()),
        Stage::Draining { .. } => Some(attempt.spec.drain_within),
        Stage::Requested | Stage::Healthy | Stage::Live | Stage::Ended(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::AppEvent;
    use crate::deployment::Deployment;
    use crate::past::testing::Journal;
    use crate::testing::{app_id, at, deployment_id, worker_id};
    use crate::view::View;

    const BEGAN: u64 = 1_000;
    const GIVEN: u64 = 60;

    /// A deployment that came to a stage at [`BEGAN`] and has [`GIVEN`] for it.
    fn deployment(stage: Stage) -> DeploymentView {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.request(1, 1);
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        let mut deployment = view.deployments.remove(&deployment_id(1)).unwrap();
        let Deployment::Present(attempt) = &mut deployment.state else { panic!("it is there") };
        deployment.stages.push((stage.name(), at(BEGAN)));
        attempt.stage = stage;
        deployment
    }

    /// Somebody who started at the first of these moments and looked at all of them.
    fn looked(moments: impl IntoIterator<Item = u64>) -> Observed {
        let mut moments = moments.into_iter().peekable();
        let mut observed = Observed::starting_at(at(*moments.peek().unwrap()));
        moments.for_each(|moment| observed.forget_old(at(moment)));
        observed
    }

    #[test]
    fn a_clock_that_is_set_forward_takes_nothing_of_a_stages_time() {
        let until = at(BEGAN + GIVEN);
        let stages = [
            Stage::Building { generation: 1, worker: worker_id(1), until },
            Stage::Built { until },
            Stage::Starting { until },
            Stage::Switching { previous: None, until },
            Stage::Draining { previous: None, until },
        ];
        let day = 24 * 3_600;
        for stage in stages {
            let (of, name) = (deployment(stage.clone()), stage.name());
            // A drain has no more than its app says.
            let given = most(of.state.attempt().unwrap()).unwrap().0.min(GIVEN * 1_000) / 1_000;
            let is_over = |moments: Vec<u64>| {
                let now = at(*moments.last().unwrap());
                let observed = looked(moments);
                overdue(&of, of.state.attempt().unwrap(), &observed, now).is_some()
            };
            let steady: Vec<u64> = (BEGAN - 10..BEGAN + given).collect();
            assert!(!is_over(steady.clone()), "{name}");
            assert!(is_over([steady, vec![BEGAN + given]].concat()), "{name}");
            let forward: Vec<u64> = (BEGAN - 10..=BEGAN + 10).collect();
            let forward = |upto: u64| {
                let after = BEGAN + 11 + day..=BEGAN + upto + day;
                forward.iter().copied().chain(after).collect::<Vec<_>>()
            };
            // The second in which it was set counts as missed, too.
            assert!(!is_over(forward(given)), "{name}");
            assert!(is_over(forward(given + 1)), "{name}");
        }
    }

    #[test]
    fn what_is_given_out_has_until_the_same_moment_by_a_clock_that_was_set_forward() {
        let until = at(BEGAN + GIVEN);
        let day = 24 * 3_600;
        for stage in [
            Stage::Queued { generation: 1, until },
            Stage::Building { generation: 1, worker: worker_id(1), until },
        ] {
            let of = deployment(stage);
            let has = |moments: Vec<u64>| {
                let now = at(*moments.last().unwrap());
                has_until(&of, of.state.attempt().unwrap(), &looked(moments), now)
            };
            assert_eq!(has((BEGAN..=BEGAN + 10).collect()), Some(until));
            assert_eq!(has((BEGAN..=BEGAN + GIVEN).collect()), None);
            let forward = (BEGAN..=BEGAN + 10).chain([BEGAN + 10 + day]).collect();
            assert_eq!(has(forward), Some(at(BEGAN + GIVEN + day)));
            let spent =
                (BEGAN..=BEGAN + 10).chain(BEGAN + 10 + day..=BEGAN + GIVEN + day).collect();
            assert_eq!(has(spent), None);
        }
    }

    #[test]
    fn nobody_is_late_who_could_not_be_heard_yet() {
        let until = at(BEGAN + GIVEN);
        let both = Millis(limits::WORKER_LEASE.0 + limits::EDGE_LEASE.0);
        let rows = [
            (Stage::Queued { generation: 1, until }, Some(limits::BUILD_LEASE)),
            (
                Stage::Building { generation: 1, worker: worker_id(1), until },
                Some(limits::BUILD_LEASE),
            ),
            (Stage::Built { until }, Some(limits::WORKER_LEASE)),
            (Stage::Releasing { worker: worker_id(1), until }, Some(limits::WORKER_LEASE)),
            (Stage::Starting { until }, Some(limits::WORKER_LEASE)),
            (Stage::Switching { previous: None, until }, Some(both)),
            // What went on then had all of its time.
            (Stage::Draining { previous: None, until }, None),
        ];
        let (start, back) = (at(50_000), at(60_000));
        for (stage, lease) in rows {
            let of = deployment(stage.clone());
            let attempt = of.state.attempt().unwrap();
            let started = Observed::starting_at(start);
            let mut reached = started.clone();
            reached.unreached_until(back);
            for (observed, since) in [(&started, start), (&reached, back)] {
                let is_unheard = |span: u64| unheard(attempt, observed, since.plus(Millis(span)));
                match lease {
                    Some(lease) => {
                        assert!(is_unheard(0) && is_unheard(lease.0 - 1), "{stage:?}");
                        assert!(!is_unheard(lease.0), "{stage:?}");
                    }
                    None => assert!(!is_unheard(0), "{stage:?}"),
                }
            }
        }
    }

    #[test]
    fn what_was_deleted_goes_once_its_time_was_seen_to_pass() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        let deleted = 100_000;
        let until = at(deleted).plus(limits::DISCARDED_KEPT);
        journal.app(1, AppEvent::Discarded { until, drained: at(deleted) });
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        let app = view.apps[&app_id(1)].state.active().unwrap();
        let (day, year, hour) = (24 * 3_600, 365 * 24 * 3_600, 3_600);
        // When somebody looked, and whether it is to go at the last look.
        let rows: [(&str, Vec<u64>, bool); 6] = [
            ("a day later", (deleted..=deleted + day).collect(), true),
            ("a moment before", (deleted..deleted + day).collect(), false),
            ("set forward", vec![deleted, deleted + 1, deleted + year], false),
            (
                "and all of an hour later",
                (deleted..deleted + 2).chain(deleted + year..=deleted + year + 2 * hour).collect(),
                false,
            ),
            ("just started", (deleted + day..=deleted + day + 60).collect(), false),
            ("started for an hour", (deleted + day..=deleted + day + hour).collect(), true),
        ];
        for (what, moments, spent) in rows {
            let now = at(*moments.last().unwrap());
            assert_eq!(is_spent(app, &looked(moments), now), spent, "{what}");
        }
    }
}
