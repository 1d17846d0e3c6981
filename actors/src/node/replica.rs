//! A container as the node sees it, and what came of watching it.
//!
//! Invariant: how long something is so is measured by a clock that nobody sets. What the engine
//! says about moments is compared with the machine's own clock once, when it is first seen.

use hythe_core::limits;
use hythe_core::process::is_process;
use hythe_core::task::is_task;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::worker::Assignment;
use tokio::time::Instant;

use super::away::Away;
use super::clock;
use super::health::Health;
use super::look::Sight;
use crate::docker::inspect::{Condition, Observed};

/// One that was healthy for this long is not taken to fail in a row.
const STEADY: Millis = limits::RESTART_BACKOFF_MOST;

/// Looks in a row that may say what was so before: more of them say that the clock was set.
const MOST_OVERTAKEN: u8 = 3;

/// A container, and what came of watching it.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) observed: Observed,
    /// Since when it is in this state, by a clock that nobody sets.
    pub(crate) since: Instant,
    pub(crate) health: Health,
    /// Since when it is known to be in this state.
    seen_since: Instant,
    /// Since when its health is this one.
    health_since: Instant,
    /// Whether a check has succeeded in this run.
    pub(crate) was_healthy: bool,
    /// Whether it was healthy for long in this run, or in the one that has ended.
    steady: bool,
    /// Its last lines, as the container wrote them.
    pub(crate) tail: Vec<String>,
    /// Whether it was told that this run has had all the time it may take to become healthy.
    pub(crate) overdue_told: bool,
    /// Whether it ended while the engine was away: an engine that is stopped takes along what runs on it.
    pub(crate) ended_with_engine: bool,
    /// How many looks in a row said what was so before, and were not taken in.
    overtaken: u8,
}

impl Replica {
    /// A replica as it was just seen, and what was known of it before.
    pub(crate) fn new(sight: Sight, before: Option<&Self>) -> Self {
        let now = Instant::now();
        let (span, ran) = match &sight.observed.state {
            Condition::Created => (Millis(0), Millis(0)),
            Condition::Running { since } => (clock::now().since(*since), Millis(0)),
            Condition::Exited { at, ran, .. } => (ended_for(*at), *ran),
        };
        let ended = match sight.observed.state {
            Condition::Exited { .. } => before
                .filter(|before| before.run().is_some() && before.observed.id == sight.observed.id),
            Condition::Created | Condition::Running { .. } => None,
        };
        Self {
            observed: sight.observed,
            since: now.checked_sub(clock::span(span)).unwrap_or(now),
            health: Health::Unknown,
            seen_since: now,
            health_since: now,
            was_healthy: false,
            // Of a run that nobody watched only its length is known.
            steady: ended.map_or(ran >= STEADY, |before| before.is_steady(now)),
            tail: sight.tail.unwrap_or_default(),
            overdue_told: false,
            ended_with_engine: false,
            overtaken: 0,
        }
    }

    /// Whether to leave what is known as it is, and to look again: what was seen now is what was so before. Not for
    /// ever, for after the clock was set every look says so.
    pub(crate) fn is_left_for(&self, seen: &Sight) -> bool {
        self.overtaken < MOST_OVERTAKEN && self.came_after(seen)
    }

    /// A look was not taken in.
    pub(crate) const fn left(&mut self) {
        self.overtaken += 1;
    }

    /// A look said what is known.
    pub(crate) const fn confirmed(&mut self) {
        self.overtaken = 0;
    }

    /// Whether what was seen now is what was so before, by the engine's moments: two looks may overtake each other,
    /// or the clock was set. Another one tells.
    fn came_after(&self, seen: &Sight) -> bool {
        if self.observed.id != seen.observed.id {
            return false;
        }
        match (&self.observed.state, &seen.observed.state) {
            (Condition::Exited { at, .. }, Condition::Running { since }) => since < at,
            (Condition::Running { since }, Condition::Exited { at, .. }) => at < since,
            (Condition::Running { .. } | Condition::Exited { .. }, Condition::Created) => true,
            (
                Condition::Created,
                Condition::Created | Condition::Running { .. } | Condition::Exited { .. },
            )
            | (Condition::Running { .. }, Condition::Running { .. })
            | (Condition::Exited { .. }, Condition::Exited { .. }) => false,
        }
    }

    /// Whether it ended while the engine was away.
    pub(crate) fn ended_in(&self, away: Away) -> bool {
        match self.observed.state {
            Condition::Exited { at, .. } => away.at(at),
            Condition::Created | Condition::Running { .. } => false,
        }
    }

    /// Whether it ended in no way of its own, and is to run on: how a task ended counts, whatever ended it, and so
    /// does the end of what was to run once. How far that came nobody knows, and it is not run twice.
    pub(crate) fn runs_on(&self, assignment: Option<&Assignment>) -> bool {
        let index = self.observed.key.index;
        // What is live is started again however it ended, with its waits.
        self.ended_with_engine
            && !is_task(index)
            && assignment.is_some_and(|of| !of.restart && !runs_once(of, index))
    }

    /// Whether it was to run once, and has.
    pub(crate) fn has_done(&self, assignment: &Assignment) -> bool {
        let well =
            matches!(self.observed.state, Condition::Exited { code: 0, out_of_memory: false, .. });
        well && runs_once(assignment, self.observed.key.index)
    }

    /// A check found something new.
    pub(crate) fn checked(&mut self, health: Health) {
        let now = Instant::now();
        // A check that broke off and began anew does not know what the one before it saw.
        let health = match health {
            Health::Starting { check, .. } if self.was_healthy => Health::Unhealthy { check },
            Health::Unknown
            | Health::Starting { .. }
            | Health::Healthy
            | Health::Unhealthy { .. } => health,
        };
        self.steady = self.is_steady(now);
        self.was_healthy |= health == Health::Healthy;
        if std::mem::discriminant(&self.health) != std::mem::discriminant(&health) {
            self.health_since = now;
        }
        self.health = health;
    }

    pub(crate) fn is_steady(&self, now: Instant) -> bool {
        let healthy = match self.health {
            Health::Healthy => true,
            Health::Unknown => self.was_healthy,
            Health::Starting { .. } | Health::Unhealthy { .. } => false,
        };
        self.steady || healthy && now.duration_since(self.health_since) >= clock::span(STEADY)
    }

    /// For how long it fails its checks, or is not healthy beyond its time for that.
    pub(crate) fn ails_for(&self, assignment: Option<&Assignment>) -> Option<Millis> {
        let index = self.observed.key.index;
        // Nothing asks these how they are.
        if is_task(index) || is_process(index) {
            return None;
        }
        match &self.health {
            Health::Healthy => None,
            Health::Unknown if self.was_healthy => None,
            // Found running, it may have been healthy under the agent before this one: it has its time
            // from when this one began to watch it.
            Health::Unknown | Health::Starting { .. } => {
                let watched = self.elapsed().min(clock::millis(self.seen_since.elapsed()));
                let late = watched.0.checked_sub(self.start_within(assignment?).0);
                late.map(Millis)
            }
            Health::Unhealthy { .. } => Some(clock::millis(self.health_since.elapsed())),
        }
    }

    /// How long it may take to become healthy, or a task to end. A process beside web is healthy once it
    /// has stayed up, and so never late.
    pub(crate) fn start_within(&self, assignment: &Assignment) -> Millis {
        let index = self.observed.key.index;
        if let Some(task) = assignment.task(index) {
            return task.within;
        }
        if is_process(index) {
            return limits::START_GRACE;
        }
        match self.health {
            Health::Starting { within, .. } => within,
            Health::Unknown | Health::Healthy | Health::Unhealthy { .. } => {
                assignment.health.start_within()
            }
        }
    }

    /// For how long it has been in its state.
    pub(crate) fn elapsed(&self) -> Millis {
        clock::millis(self.since.elapsed())
    }

    /// Since when it runs; this names the run.
    pub(crate) const fn run(&self) -> Option<Timestamp> {
        match self.observed.state {
            Condition::Running { since } => Some(since),
            Condition::Created | Condition::Exited { .. } => None,
        }
    }

    /// Whether it runs and is not healthy.
    pub(crate) fn ails(&self) -> bool {
        self.run().is_some() && self.health != Health::Healthy
    }
}

fn runs_once(assignment: &Assignment, index: u16) -> bool {
    assignment.run.part.once && !is_process(index) && !is_task(index)
}

/// How long ago something ended, as of now. What ended in the future did so before the clock was set
/// back: long enough ago for whatever waits for it.
fn ended_for(at: Timestamp) -> Millis {
    let now = clock::now();
    if at > now { STEADY } else { now.since(at) }
}

#[cfg(test)]
mod tests {
    use hythe_core::ids::{AppId, DeploymentId};
    use hythe_core::names::ImageId;
    use hythe_core::plan::ReplicaKey;
    use uuid::Uuid;

    use super::super::health::Finding;
    use super::*;
    use crate::docker::tests::assignment;

    fn sight(state: Condition) -> Sight {
        let key = ReplicaKey { deployment: DeploymentId::new(Uuid::nil()), index: 0 };
        let app = AppId::new(Uuid::nil());
        let observed = Observed {
            id: "c".into(),
            app,
            network: app,
            key,
            state,
            address: None,
            limited: false,
        };
        Sight { observed, tail: None }
    }

    fn running() -> Replica {
        Replica::new(sight(Condition::Running { since: clock::now() }), None)
    }

    fn exited(at: Timestamp, ran: Millis) -> Sight {
        sight(Condition::Exited { at, ran, code: 1, out_of_memory: false })
    }

    fn finding() -> Finding {
        Finding::plain("no".into())
    }

    async fn pass(span: Millis) {
        tokio::time::advance(clock::span(span)).await;
    }

    #[test]
    fn a_look_that_was_overtaken_by_a_later_one_is_noticed() {
        let at = |seconds: u64| Timestamp(seconds * 1_000);
        let ran = |since| sight(Condition::Running { since: at(since) });
        let ended = |when| exited(at(when), Millis(1));
        let known = |sight| Replica::new(sight, None);
        assert!(known(ended(5)).came_after(&ran(4)), "it had not ended yet");
        assert!(!known(ended(5)).came_after(&ran(6)), "it was started again");
        assert!(!known(ran(4)).came_after(&ended(5)));
        assert!(known(ran(6)).came_after(&ended(5)));
        assert!(known(ran(6)).came_after(&sight(Condition::Created)));
        assert!(!known(sight(Condition::Created)).came_after(&ran(6)));
        let mut other = ran(4);
        other.observed.id = "d".into();
        assert!(!known(ended(5)).came_after(&other), "it is another container");
    }

    #[test]
    fn what_is_known_is_left_for_a_look_that_was_overtaken_and_not_for_ever() {
        let at = |seconds: u64| Timestamp(seconds * 1_000);
        let ran = |since| sight(Condition::Running { since: at(since) });
        let mut known = Replica::new(ran(6), None);
        let (older, newer) = (exited(at(5), Millis(1)), exited(at(7), Millis(1)));
        for _ in 0..2 {
            for _ in 0..MOST_OVERTAKEN {
                assert!(known.is_left_for(&older) && !known.is_left_for(&newer));
                known.left();
            }
            assert!(!known.is_left_for(&older), "the clock was set");
            known.confirmed();
        }
        // What is taken in is what later looks are compared with.
        assert!(!Replica::new(older.clone(), Some(&known)).is_left_for(&older));
    }

    #[tokio::test(start_paused = true)]
    async fn only_one_that_was_healthy_for_long_begins_anew() {
        let short = Millis(STEADY.0 - 1);
        let ill = || Health::Unhealthy { check: finding() };
        // Healthy for how long, then ill for how long, and whether its end is one of a row.
        for (well, ails, steady) in
            [(STEADY, Millis(0), true), (short, STEADY, false), (STEADY, STEADY, true)]
        {
            let mut replica = running();
            replica.checked(Health::Healthy);
            pass(well).await;
            replica.checked(ill());
            pass(ails).await;
            let ended = Replica::new(exited(clock::now(), Millis(0)), Some(&replica));
            assert_eq!(ended.is_steady(Instant::now()), steady, "{well} {ails}");
        }
        // Of a run that nobody watched its length is all there is.
        assert!(Replica::new(exited(clock::now(), STEADY), None).is_steady(Instant::now()));
        assert!(!Replica::new(exited(clock::now(), short), None).is_steady(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_ails_from_its_illness_or_from_the_end_of_its_time_on() {
        let image = ImageId::new(format!("sha256:{}", "5a".repeat(32))).unwrap();
        let wanted = assignment(image, &[0]);
        let mut replica = running();
        let late = Millis::seconds(60);
        pass(late).await;
        let of = |replica: &Replica| replica.ails_for(Some(&wanted)).map(|span| span.0 / 1_000);
        assert_eq!(of(&replica), Some(0));
        let (check, within) = (finding(), Millis::seconds(90));
        replica.checked(Health::Starting { check, within });
        assert_eq!(of(&replica), None, "its image asks for more");
        replica.checked(Health::Healthy);
        assert_eq!(of(&replica), None);
        replica.checked(Health::Unhealthy { check: finding() });
        pass(Millis::seconds(3)).await;
        replica.checked(Health::Unhealthy { check: Finding::plain("other".into()) });
        assert_eq!(of(&replica), Some(3), "another finding is no new illness");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_an_agent_finds_running_has_its_time_from_then_on() {
        let image = ImageId::new(format!("sha256:{}", "5a".repeat(32))).unwrap();
        let wanted = assignment(image, &[0]);
        let hours = Millis::seconds(3 * 3_600);
        let begun = Timestamp(clock::now().0 - hours.0);
        let mut replica = Replica::new(sight(Condition::Running { since: begun }), None);
        let ails = |replica: &Replica| replica.ails_for(Some(&wanted)).map(|span| span.0 / 1_000);
        assert_eq!(ails(&replica), None, "nothing is known of it");
        pass(Millis::seconds(59)).await;
        assert_eq!(ails(&replica), None);
        pass(Millis::seconds(3)).await;
        assert_eq!(ails(&replica), Some(2), "nothing could be asked for all that time");
        let (check, within) = (finding(), Millis::seconds(61));
        replica.checked(Health::Starting { check, within });
        assert_eq!(ails(&replica), Some(1), "one check that fails at first ends nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_beside_web_ails_never_and_is_never_late() {
        let mut seen = sight(Condition::Running { since: clock::now() });
        seen.observed.key.index = hythe_core::process::STRIDE;
        let mut replica = Replica::new(seen, None);
        let image = ImageId::new(format!("sha256:{}", "5a".repeat(32))).unwrap();
        let wanted = assignment(image, &[hythe_core::process::STRIDE]);
        pass(Millis::seconds(90)).await;
        assert_eq!(replica.ails_for(Some(&wanted)), None);
        assert!(replica.elapsed() < replica.start_within(&wanted));
        replica.checked(Health::Healthy);
        pass(STEADY).await;
        assert!(replica.is_steady(Instant::now()), "it has stayed up for long");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_back_lets_nothing_wait_for_it() {
        let future = clock::now().plus(Millis::seconds(86_400));
        let ended = Replica::new(exited(future, Millis(1)), None);
        assert!(ended.elapsed() >= limits::RESTART_BACKOFF_MOST);
        let begun = Replica::new(sight(Condition::Running { since: future }), None);
        assert_eq!(begun.elapsed(), Millis(0), "it has all its time to become healthy");
    }
}
