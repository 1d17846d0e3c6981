//! Which of a live deployment's replicas are ended because they fail their checks, to be started
//! again.
//!
//! One that begins to fail leaves the route; some time later ([`limits::AILING_WITHIN`]) it is
//! ended, and starts as one that exited does, with its growing waits. What fails may lie outside of
//! the app, and where no replica is healthy the ailing ones have the traffic. So of a deployment's
//! replicas on a worker one at a time is ended, and the next one only when that one is back, or has
//! shown by ending up in a crash loop that this does not help.

use super::{ContainerState, Plan, ReplicaKey, Seen, Step};
use crate::limits;
use crate::process::is_process;
use crate::time::Millis;
use crate::wire::worker::Assignment;

/// One that ended this long ago is not about to be started: no wait is as long.
const GIVEN_UP: Millis = Millis(2 * limits::RESTART_BACKOFF_MOST.0);

impl Plan {
    pub(super) fn end_ailing(&mut self, assignment: &Assignment, seen: &Seen) {
        // Before it was live, its deployment fails.
        if !assignment.restart {
            return;
        }
        let mut longest: Option<(Millis, ReplicaKey)> = None;
        // Nothing asks a process beside web how it is, and one that starts is nobody's help.
        for index in assignment.replicas.iter().filter(|index| !is_process(**index)) {
            let key = ReplicaKey { deployment: assignment.deployment, index: *index };
            let Some(container) = seen.containers.get(&key) else { continue };
            let looping = container.restarts >= limits::CRASH_LOOP;
            match container.state {
                ContainerState::Running { ails: Some(span), .. } => {
                    if longest.is_none_or(|(most, _)| span > most) {
                        longest = Some((span, key));
                    }
                }
                ContainerState::Running { healthy: false, ails: None } if !looping => return,
                // One that cannot be started is not waited for without end.
                ContainerState::Exited { ago } if !looping && ago < GIVEN_UP => return,
                ContainerState::Running { ails: None, .. }
                | ContainerState::Exited { .. }
                | ContainerState::Created => {}
            }
        }
        match longest {
            Some((span, key)) if span >= limits::AILING_WITHIN => {
                self.steps.push(Step::Stop(key, assignment.stop_within));
            }
            Some((span, _)) => self.wake(Millis(limits::AILING_WITHIN.0.saturating_sub(span.0))),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::tests::{container, key, run};
    use crate::plan::{Container, Desired, plan};
    use crate::testing::deployment_id;

    #[test]
    fn one_ailing_replica_at_a_time_is_ended() {
        let of = |state, restarts| Container { limited: true, ..container(state, restarts) };
        let running = |healthy, ails: Option<u64>| {
            of(ContainerState::Running { healthy, ails: ails.map(Millis::seconds) }, 0)
        };
        let well = || running(true, None);
        let ails = |seconds| running(true, Some(seconds));
        let exited = |restarts| of(ContainerState::Exited { ago: Millis(1) }, restarts);
        let starts =
            |restarts| of(ContainerState::Running { healthy: false, ails: None }, restarts);
        let stop = |index| vec![Step::Stop(key(index), Millis::seconds(7))];
        type Row = (&'static str, bool, [Container; 2], Vec<Step>, Option<u64>);
        let rows: Vec<Row> = vec![
            ("all well", true, [well(), well()], vec![], None),
            ("one has just begun to ail", true, [well(), ails(4)], vec![], Some(6_000)),
            ("one ails", true, [well(), ails(10)], stop(1), None),
            ("never became healthy", true, [well(), running(false, Some(10))], stop(1), None),
            ("before it was live", false, [well(), ails(99)], vec![], None),
            ("both ail", true, [ails(10), ails(11)], stop(1), None),
            ("both ail as long", true, [ails(11), ails(11)], stop(0), None),
            ("the other one is down", true, [exited(2), ails(99)], vec![], Some(3_999)),
            ("the other one starts", true, [starts(1), ails(99)], vec![], None),
            ("the other one never stays up", true, [exited(3), ails(99)], stop(1), Some(7_999)),
            ("nor becomes healthy", true, [starts(3), ails(99)], stop(1), None),
        ];
        for (what, live, [first, second], steps, again) in rows {
            let desired = Desired::from([(deployment_id(1), run(&[0, 1], live))]);
            let containers = [(key(0), first), (key(1), second)].into_iter().collect();
            let planned = plan(&desired, &Seen { containers, networks: BTreeSet::new() });
            assert_eq!(planned.steps, steps, "{what}");
            assert_eq!(planned.look_again, again.map(Millis), "{what}");
        }
    }
}
