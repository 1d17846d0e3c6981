//! Whose build is next: fair between the projects that wait. (Of one app only one deployment moves
//! at a time, so that within a project apps take turns as they come.)
//!
//! Whoever had fewer turns goes first, and among equals whoever waits for longer. So one with many
//! builds takes turns with the others, and nobody waits for ever: with each turn that the others
//! get, they fall back.

use std::collections::{BTreeMap, BTreeSet};

use crate::deployment::{Attempt, Stage, StageName};
use crate::ids::{DeploymentId, ProjectId};
use crate::observed::{Observed, Sent};
use crate::time::Timestamp;
use crate::view::{DeploymentView, View};
use crate::worker::Lease;

/// Builds at once of a worker that does not say.
const USUAL_AT_ONCE: usize = 2;

/// One that waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting<K, B> {
    /// Whose it is: turns are fair between these.
    pub of: K,
    /// What waits.
    pub build: B,
    /// Since when.
    pub since: Timestamp,
}

/// The order of those that wait. `had`: how many turns each has had since the first of these began
/// to wait, those under way included.
#[must_use]
pub fn in_turn<K: Ord + Copy, B: Ord + Copy>(
    had: &BTreeMap<K, usize>,
    mut waiting: Vec<Waiting<K, B>>,
) -> Vec<B> {
    waiting.sort_by_key(|one| (one.since, one.build));
    let mut turns = had.clone();
    let mut ranked: Vec<(usize, B)> = waiting
        .into_iter()
        .map(|Waiting { of, build, since: _ }| {
            let turn = turns.entry(of).or_insert(0);
            *turn += 1;
            (*turn, build)
        })
        .collect();
    // Stable: among equals the one that waits for longer stays first.
    ranked.sort_by_key(|(turn, _)| *turn);
    ranked.into_iter().map(|(_, build)| build).collect()
}

/// The builds of an installation: which are out with the builders, and which wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Builds that all workers together do at once.
    pub slots: usize,
    /// Given to the builders, whether one has begun with it or not.
    pub out: BTreeSet<DeploymentId>,
    /// Not given out yet, in their order.
    pub waiting: Vec<DeploymentId>,
}

impl Turns {
    /// How it stands.
    #[must_use]
    pub fn of(view: &View, observed: &Observed) -> Self {
        let members = view.workers.iter().filter(|(_, worker)| {
            worker.state.member().is_some_and(|member| member.lease == Lease::Held)
        });
        let builders: BTreeMap<_, usize> = members
            .map(|(id, _)| {
                let builder =
                    observed.workers.get(id).and_then(|seen| seen.report.builder.as_ref());
                (*id, builder.map_or(USUAL_AT_ONCE, |builder| usize::from(builder.at_once)))
            })
            .collect();
        let (mut out, mut waiting) = (BTreeSet::new(), Vec::new());
        for (id, deployment, attempt) in attempts(view) {
            match attempt.stage {
                // One that is with a lost worker holds nobody up.
                Stage::Building { worker, .. } if builders.contains_key(&worker) => {
                    out.insert(id);
                }
                Stage::Queued { generation, .. } => {
                    if observed.sent.contains_key(&Sent::Build(id, generation)) {
                        out.insert(id);
                    } else {
                        let since = first_queued(deployment);
                        waiting.push(Waiting { of: attempt.spec.project, build: id, since });
                    }
                }
                Stage::Building { .. }
                | Stage::Requested
                | Stage::Built { .. }
                | Stage::Starting { .. }
                | Stage::Healthy
                | Stage::Switching { .. }
                | Stage::Draining { .. }
                | Stage::Live
                | Stage::Releasing { .. }
                | Stage::Ended(_) => {}
            }
        }
        let had = match waiting.iter().map(|one| one.since).min() {
            Some(first) => had(view, &out, first),
            None => BTreeMap::new(),
        };
        Self { slots: builders.values().sum(), out, waiting: in_turn(&had, waiting) }
    }

    /// Those of the waiting whose turn it is.
    #[must_use]
    pub fn next(&self) -> &[DeploymentId] {
        let free = self.slots.saturating_sub(self.out.len());
        self.waiting.get(..free.min(self.waiting.len())).unwrap_or_default()
    }

    /// Whether one waits for nothing but others that are with the builders, each of which has an end.
    #[must_use]
    pub fn moves_up(&self, id: DeploymentId) -> bool {
        !self.out.is_empty() && self.out.len() >= self.slots && self.waiting.contains(&id)
    }

    /// Whether one was not given out yet, and will be when those before it are.
    #[must_use]
    pub fn waits(&self, id: DeploymentId) -> bool {
        self.moves_up(id) || self.next().contains(&id)
    }

    /// How many builds come before one that waits.
    #[must_use]
    pub fn before(&self, id: DeploymentId) -> Option<usize> {
        self.waiting.iter().position(|waiting| *waiting == id)
    }
}

/// How many builds of each project began since a moment, or are out.
fn had(view: &View, out: &BTreeSet<DeploymentId>, since: Timestamp) -> BTreeMap<ProjectId, usize> {
    let mut had = BTreeMap::new();
    for (id, deployment, attempt) in attempts(view) {
        let began = deployment
            .stages
            .iter()
            .any(|(stage, at)| *stage == StageName::Building && *at >= since);
        if began || out.contains(&id) {
            *had.entry(attempt.spec.project).or_insert(0) += 1;
        }
    }
    had
}

fn attempts(view: &View) -> impl Iterator<Item = (DeploymentId, &DeploymentView, &Attempt)> {
    view.deployments
        .iter()
        .filter_map(|(id, deployment)| Some((*id, deployment, deployment.state.attempt()?)))
}

/// A build that was lost keeps its place.
fn first_queued(deployment: &DeploymentView) -> Timestamp {
    let queued = deployment.stages.iter().find(|(stage, _)| *stage == StageName::Queued);
    queued.map_or_else(|| deployment.since(), |(_, at)| *at)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::deployment::{DeploymentCommand, DeploymentEvent, DeploymentSpec};
    use crate::event::Event;
    use crate::ids::{CorrelationId, InstallationId};
    use crate::limits;
    use crate::names::{HostName, WorkerName};
    use crate::observed::WorkerSeen;
    use crate::reconcile::{Effect, reconcile};
    use crate::record::{Actor, Meta, Recorded, Sequence, StreamId, Version};
    use crate::testing::{at, deployment_id, spec, worker_id};
    use crate::time::Millis;
    use crate::waiting::waiting_for;
    use crate::wire::worker::{BuilderReport, EngineState, SealingKey, WorkerReport};
    use crate::worker::{Capacity, WorkerEvent};

    fn waiting(of: char, build: u32, since: u64) -> Waiting<char, u32> {
        Waiting { of, build, since: at(since) }
    }

    #[test]
    fn whoever_had_fewer_turns_goes_first() {
        type Row = (&'static [(char, usize)], &'static [(char, u32, u64)], &'static [u32]);
        let rows: [Row; 6] = [
            (&[], &[], &[]),
            (&[], &[('a', 1, 5), ('b', 2, 3)], &[2, 1]),
            // One with many builds takes turns with the others.
            (
                &[],
                &[('a', 1, 1), ('a', 2, 1), ('a', 3, 1), ('b', 4, 2), ('c', 5, 3)],
                &[1, 4, 5, 2, 3],
            ),
            (&[('a', 1)], &[('a', 2, 1), ('a', 3, 1), ('b', 4, 2)], &[4, 2, 3]),
            // One that comes again and again overtakes nobody who waits since before.
            (&[('a', 1), ('b', 1)], &[('a', 2, 1), ('b', 9, 8)], &[2, 9]),
            (&[('a', 1), ('b', 2)], &[('a', 2, 1), ('b', 9, 0)], &[2, 9]),
        ];
        for (had, given, expected) in rows {
            let given = given.iter().map(|(of, build, since)| waiting(*of, *build, *since));
            let had = had.iter().copied().collect();
            assert_eq!(in_turn(&had, given.collect()), expected, "{had:?}");
        }
    }

    #[test]
    fn one_that_waits_gets_its_turn_however_many_come_after() {
        let mut had = BTreeMap::from([('a', 3)]);
        let mut turns = 0;
        loop {
            let next = [waiting('a', 1, 0), waiting('b', 100 + turns, 10), waiting('c', 200, 10)];
            let order = in_turn(&had, next.to_vec());
            if order[0] == 1 {
                break;
            }
            *had.entry(if order[0] == 200 { 'c' } else { 'b' }).or_insert(0) += 1;
            turns += 1;
            assert!(turns < 100, "it starves");
        }
        // The others caught up first, each of them by as much as it was behind.
        assert_eq!(turns, 6);
    }

    /// What happens next.
    fn recorded(view: &View, id: Uuid, event: Event) -> Recorded<Event> {
        let sequence = Sequence(view.head.0 + 1);
        let (actor, correlation) = (Actor::System, CorrelationId::new(Uuid::nil()));
        let meta = Meta { at: at(sequence.0), actor, correlation, causation: None };
        let stream = StreamId { kind: event.kind(), id };
        Recorded { sequence, stream, version: Version(0), meta, event }
    }

    /// A view in which each of these deployments waits for a builder, of a project each, and a
    /// worker that builds one at a time.
    fn view(deployments: &[(u128, u128)]) -> (View, Observed) {
        let mut view = View::default();
        let mut happens = |id: Uuid, event: Event| {
            let recorded = recorded(&view, id, event);
            view.apply(&recorded);
        };
        let (id, name) = (worker_id(1), WorkerName::new("one").unwrap());
        let registered = WorkerEvent::Registered { id, name, capacity: Capacity::default() };
        happens(id.uuid(), Event::Worker(registered));
        for (deployment, project) in deployments {
            let id = deployment_id(*deployment).uuid();
            let project = ProjectId::new(Uuid::from_u128(*project));
            let spec = Box::new(DeploymentSpec { project, ..spec(1) });
            let until = at(0).plus(limits::BUILD_WAIT).plus(spec.build.within);
            happens(id, Event::Deployment(DeploymentEvent::Requested(spec)));
            let queued = DeploymentEvent::BuildQueued { generation: 1, until };
            happens(id, Event::Deployment(queued));
        }
        let mut observed = Observed::starting_at(at(0));
        let report = WorkerReport {
            format: 1,
            worker: id,
            installation: InstallationId::new(Uuid::nil()),
            name: WorkerName::new("one").unwrap(),
            capacity: Capacity::default(),
            sealing_key: SealingKey([0; 32]),
            engine: EngineState::Ready { version: "1".into() },
            assignments: Vec::new(),
            replicas: Vec::new(),
            builds: Vec::new(),
            builder: Some(BuilderReport { at_once: 1, remarks: Vec::new(), disk: None }),
            at: at(1),
        };
        observed.workers.insert(id, WorkerSeen::new(report, at(1)));
        (view, observed)
    }

    #[test]
    fn no_more_builds_are_given_out_than_builders_take_and_the_rest_says_what_it_waits_for() {
        let (view, mut observed) = view(&[(1, 1), (2, 1), (3, 1), (4, 2)]);
        let host = HostName::new("localhost").unwrap();
        let mut given = Vec::new();
        for _ in 0..2 {
            let effects = reconcile(&view, &observed, &host, at(50));
            for effect in &effects {
                observed.sent.extend(effect.sent().map(|sent| (sent, at(50))));
            }
            given.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::SendBuild { deployment, .. } => Some(deployment),
                Effect::Deployment(..)
                | Effect::App(..)
                | Effect::Worker(..)
                | Effect::SendRun { .. }
                | Effect::SendStop { .. }
                | Effect::SendCancelBuild { .. }
                | Effect::PublishRoutes(_) => None,
            }));
        }
        assert_eq!(given, [deployment_id(1)]);
        let says = |n| waiting_for(&view, &observed, deployment_id(n)).unwrap().message;
        assert_eq!(says(1), "a builder");
        let busy = "its turn to be built: 1 of 1 builds at once are under way,";
        // The other project's goes before the rest of the first one's.
        assert_eq!(says(4), format!("{busy} it is next"));
        assert_eq!(says(2), format!("{busy} 1 more is before it"));
        assert_eq!(says(3), format!("{busy} 2 more are before it"));
    }

    #[test]
    fn one_whose_turn_comes_nearer_waits_on_and_one_that_nobody_builds_does_not() {
        let (view, mut observed) = view(&[(1, 1), (2, 1), (3, 1)]);
        let host = HostName::new("localhost").unwrap();
        let late = at(0).plus(limits::BUILD_WAIT).plus(spec(1).build.within).plus(Millis(1));
        let told = |observed: &Observed, id| {
            let effects = reconcile(&view, observed, &host, late);
            let told = effects.into_iter().find_map(|effect| match effect {
                Effect::Deployment(of, command) if of == deployment_id(id) => Some(command),
                Effect::Deployment(..)
                | Effect::SendBuild { .. }
                | Effect::App(..)
                | Effect::Worker(..)
                | Effect::SendRun { .. }
                | Effect::SendStop { .. }
                | Effect::SendCancelBuild { .. }
                | Effect::PublishRoutes(_) => None,
            });
            told.unwrap()
        };
        // None is with a builder.
        assert!(matches!(told(&observed, 3), DeploymentCommand::Expire { .. }));
        observed.sent.insert(Sent::Build(deployment_id(1), 1), late);
        assert_eq!(told(&observed, 3), DeploymentCommand::WaitOn { at: late });
        assert!(matches!(told(&observed, 1), DeploymentCommand::Expire { .. }));
        // Given that time anew, it is not late once its turn has come.
        let mut waited = view.clone();
        let until = late.plus(limits::BUILD_WAIT).plus(spec(1).build.within);
        let again = DeploymentEvent::BuildQueued { generation: 1, until };
        waited.apply(&recorded(&waited, deployment_id(3).uuid(), Event::Deployment(again)));
        observed.sent.remove(&Sent::Build(deployment_id(1), 1));
        observed.sent.insert(Sent::Build(deployment_id(3), 1), late);
        let effects = reconcile(&waited, &observed, &host, late.plus(Millis::seconds(60)));
        let of_it = |effect: &Effect| matches!(effect, Effect::Deployment(id, _) if *id == deployment_id(3));
        assert!(!effects.iter().any(of_it), "{effects:?}");
    }

    #[test]
    fn one_whose_turn_comes_late_has_its_whole_time_all_the_same() {
        let (mut view, mut observed) = view(&[(1, 1), (2, 1)]);
        let host = HostName::new("localhost").unwrap();
        let within = spec(1).build.within;
        let of_second = |view: &View, observed: &Observed, now| {
            let effects = reconcile(view, observed, &host, now).into_iter();
            let of_it = |effect: &Effect| match effect {
                Effect::Deployment(of, _) | Effect::SendBuild { deployment: of, .. } => {
                    *of == deployment_id(2)
                }
                Effect::App(..)
                | Effect::Worker(..)
                | Effect::SendRun { .. }
                | Effect::SendStop { .. }
                | Effect::SendCancelBuild { .. }
                | Effect::PublishRoutes(_) => false,
            };
            effects.filter(of_it).collect::<Vec<_>>()
        };
        let wait_on =
            |at| vec![Effect::Deployment(deployment_id(2), DeploymentCommand::WaitOn { at })];
        // What is left is just its time, and the one before it is with the builder.
        let short = at(0).plus(limits::BUILD_WAIT);
        observed.sent.insert(Sent::Build(deployment_id(1), 1), short);
        assert_eq!(of_second(&view, &observed, Timestamp(short.0 - 1)), []);
        assert_eq!(of_second(&view, &observed, short), wait_on(short));
        // The same where its turn has come by then: it is given out with the new deadline, not before.
        observed.sent.remove(&Sent::Build(deployment_id(1), 1));
        let accepted = DeploymentEvent::BuildStarted { generation: 1, worker: worker_id(2) };
        view.apply(&recorded(&view, deployment_id(1).uuid(), Event::Deployment(accepted)));
        assert_eq!(of_second(&view, &observed, short), wait_on(short));
        let until = short.plus(limits::BUILD_WAIT).plus(within);
        let again = DeploymentEvent::BuildQueued { generation: 1, until };
        view.apply(&recorded(&view, deployment_id(2).uuid(), Event::Deployment(again)));
        let given = Effect::SendBuild { deployment: deployment_id(2), generation: 1, until };
        assert_eq!(of_second(&view, &observed, short), [given]);
    }
}
