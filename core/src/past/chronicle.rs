//! The chronicle: which event was the newest at a time, and which apps and workers there were.
//!
//! Taken in event by event, in order. It grows with the apps and workers that there ever were, and
//! by one mark for each [`MARK_EVERY`] events; it is derived, and never kept on a disk.

use std::collections::BTreeMap;

use crate::app::{AppEvent, Outline};
use crate::event::Event;
use crate::ids::{AppId, ProjectId, WorkerId};
use crate::names::{AppName, ProjectName, WorkerName};
use crate::project::ProjectEvent;
use crate::record::{Recorded, Sequence};
use crate::time::Timestamp;
use crate::worker::WorkerEvent;

/// Events between two marks.
const MARK_EVERY: u64 = 256;

/// An event, and the time that it bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The event.
    pub sequence: Sequence,
    /// The time that it bears.
    pub time: Timestamp,
}

impl Point {
    fn of<E>(recorded: &Recorded<E>) -> Self {
        Self { sequence: recorded.sequence, time: recorded.meta.at }
    }
}

/// From when to when something was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life<I> {
    /// What.
    pub id: I,
    /// The event by which it came into being.
    pub born: Point,
    /// The event that ended it.
    pub gone: Option<Point>,
}

impl<I> Life<I> {
    /// Whether it was there after an event.
    #[must_use]
    pub fn holds(&self, at: Sequence) -> bool {
        self.born.sequence <= at && self.gone.is_none_or(|gone| gone.sequence > at)
    }
}

/// Why something was not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotThen {
    /// When the one before had ended, where there was one.
    pub gone: Option<Point>,
    /// When it came into being later, where it did.
    pub later: Option<Point>,
}

/// All things of one kind that there ever were.
#[derive(Clone, Debug)]
pub struct Lives<N, I> {
    by_name: BTreeMap<N, Vec<Life<I>>>,
    names: BTreeMap<I, N>,
}

impl<N, I> Default for Lives<N, I> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new(), names: BTreeMap::new() }
    }
}

impl<N: Ord + Clone, I: Ord + Copy> Lives<N, I> {
    fn begin(&mut self, name: &N, id: I, born: Point) {
        self.names.insert(id, name.clone());
        self.by_name.entry(name.clone()).or_default().push(Life { id, born, gone: None });
    }

    fn end(&mut self, id: I, gone: Point) {
        let lives = self.names.get(&id).and_then(|name| self.by_name.get_mut(name));
        if let Some(life) = lives.into_iter().flatten().rev().find(|life| life.id == id) {
            life.gone.get_or_insert(gone);
        }
    }

    /// Those that bore a name, oldest first. No two of them at once.
    #[must_use]
    pub fn named(&self, name: &N) -> &[Life<I>] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// One of them as it was last, and its name.
    #[must_use]
    pub fn life(&self, id: I) -> Option<(&N, &Life<I>)> {
        let name = self.names.get(&id)?;
        Some((name, self.named(name).iter().rfind(|life| life.id == id)?))
    }

    /// The one that bore a name after an event.
    ///
    /// # Errors
    /// [`NotThen`] where there was none.
    pub fn find(&self, name: &N, at: Sequence) -> Result<I, NotThen> {
        absent_or(self.named(name).iter(), at)
    }

    /// Whether one was there after an event.
    ///
    /// # Errors
    /// [`NotThen`] where it was not.
    pub fn there(&self, id: I, at: Sequence) -> Result<I, NotThen> {
        let named = self.names.get(&id).map_or(&[][..], |name| self.named(name));
        absent_or(named.iter().filter(|life| life.id == id), at)
    }

    /// All that were there after an event, by name, from a name on.
    pub fn all(
        &self,
        at: Sequence,
        after: Option<&N>,
    ) -> impl Iterator<Item = (&N, &Life<I>)> + use<'_, N, I> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, |after| Excluded(after.clone()));
        let named = self.by_name.range((from, Unbounded));
        named.filter_map(move |(name, lives)| {
            Some((name, lives.iter().rev().find(|life| life.holds(at))?))
        })
    }
}

fn absent_or<'a, I: Copy + 'a>(
    lives: impl Iterator<Item = &'a Life<I>>,
    at: Sequence,
) -> Result<I, NotThen> {
    let mut absent = NotThen::default();
    for life in lives {
        if life.holds(at) {
            return Ok(life.id);
        }
        if life.born.sequence > at {
            absent.later = Some(life.born);
            break;
        }
        absent.gone = life.gone;
    }
    Err(absent)
}

/// Where to look for the newest event at a time: among those after `from` up to `upto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// All up to here bear no later time.
    pub from: Sequence,
    /// The first that bears a later time is not beyond the one after this.
    pub upto: Sequence,
}

/// What the journal says about when; see the module.
#[derive(Clone, Debug, Default)]
pub struct Chronicle {
    first: Option<Timestamp>,
    newest: Option<Point>,
    /// The latest time that any event bears so far.
    latest: Timestamp,
    /// The same after each [`MARK_EVERY`] events: they only grow, so that they can be searched.
    marks: Vec<Timestamp>,
    /// All apps that there ever were.
    pub apps: Lives<AppName, AppId>,
    /// All workers that there ever were.
    pub workers: Lives<WorkerName, WorkerId>,
    /// All projects that there ever were, but the one that is always there.
    pub projects: Lives<ProjectName, ProjectId>,
}

impl Chronicle {
    /// Takes in the next event. One that is in it already changes nothing.
    pub fn note(&mut self, recorded: &Recorded<Event>) {
        if recorded.sequence <= self.seen() {
            return;
        }
        let point = Point::of(recorded);
        self.first.get_or_insert(point.time);
        self.newest = Some(point);
        self.latest = self.latest.max(point.time);
        if recorded.sequence.0.is_multiple_of(MARK_EVERY) {
            self.marks.push(self.latest);
        }
        match &recorded.event {
            Event::App(event) => self.note_app(AppId::new(recorded.stream.id), event, point),
            Event::Worker(event) => {
                self.note_worker(WorkerId::new(recorded.stream.id), event, point);
            }
            Event::Project(event) => {
                self.note_project(ProjectId::new(recorded.stream.id), event, point);
            }
            Event::Deployment(_) | Event::Installation(_) => {}
        }
    }

    fn note_app(&mut self, id: AppId, event: &AppEvent, point: Point) {
        let Some(outline) = event.outline() else { return };
        match outline {
            Outline::Created { name, .. } | Outline::Restored(name) => {
                self.apps.begin(name, id, point);
            }
            Outline::Discarded | Outline::Deleted(_) => self.apps.end(id, point),
            Outline::PutInto(_)
            | Outline::Requested(..)
            | Outline::Replaced(_)
            | Outline::CalledOff { .. }
            | Outline::Begun(_)
            | Outline::Switched { .. }
            | Outline::Promoted { .. }
            | Outline::Scaled { .. }
            | Outline::ProcessesScaled { .. } => {}
        }
    }

    fn note_project(&mut self, id: ProjectId, event: &ProjectEvent, point: Point) {
        match event {
            ProjectEvent::Created { name, .. } => self.projects.begin(name, id, point),
            ProjectEvent::Deleted => self.projects.end(id, point),
        }
    }

    fn note_worker(&mut self, id: WorkerId, event: &WorkerEvent, point: Point) {
        match event {
            WorkerEvent::Registered { name, .. } => self.workers.begin(name, id, point),
            WorkerEvent::Removed => self.workers.end(id, point),
            WorkerEvent::CapacityChanged { .. }
            | WorkerEvent::Lost
            | WorkerEvent::Returned
            | WorkerEvent::DrainStarted
            | WorkerEvent::DrainEnded => {}
        }
    }

    /// The last event that is in it.
    #[must_use]
    pub fn seen(&self) -> Sequence {
        self.newest.map_or(Sequence(0), |newest| newest.sequence)
    }

    /// The time of the first event.
    #[must_use]
    pub const fn first(&self) -> Option<Timestamp> {
        self.first
    }

    /// The latest time that any event bears.
    #[must_use]
    pub const fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Where the newest event at a time is.
    #[must_use]
    pub fn window(&self, time: Timestamp) -> Window {
        let whole = self.marks.partition_point(|latest| *latest <= time) as u64;
        let (from, next) = (whole * MARK_EVERY, (whole + 1) * MARK_EVERY);
        Window { from: Sequence(from), upto: Sequence(next.min(self.seen().0)) }
    }
}

/// The newest event at a time, among those after `from` in their order; `from` where the first of
/// them is later already.
pub fn newest_by(
    from: Sequence,
    events: impl IntoIterator<Item = Point>,
    time: Timestamp,
) -> Sequence {
    let not_later = events.into_iter().take_while(|point| point.time <= time);
    not_later.last().map_or(from, |point| point.sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::past::testing::Journal;
    use crate::testing::at;

    /// The definition, word by word.
    fn by_definition(times: &[u64], time: u64) -> Sequence {
        let until = times.iter().position(|bears| *bears > time).unwrap_or(times.len());
        Sequence(until as u64)
    }

    fn find(journal: &Journal, time: Timestamp) -> Sequence {
        let mut chronicle = Chronicle::default();
        journal.events.iter().for_each(|event| chronicle.note(event));
        let window = chronicle.window(time);
        let inside = journal.events.iter().map(Point::of);
        let inside = inside.filter(|p| p.sequence > window.from && p.sequence <= window.upto);
        newest_by(window.from, inside, time)
    }

    #[test]
    fn the_newest_event_at_a_time() {
        for (times, time, expected, why) in [
            (&[][..], 5, 0, "nothing was ever written"),
            (&[10, 20, 30], 9, 0, "before the beginning"),
            (&[10, 20, 30], 10, 1, "the very moment counts"),
            (&[10, 20, 30], 29, 2, "in between"),
            (&[10, 20, 30], 99, 3, "after the end"),
            (&[10, 20, 20, 20, 30], 20, 4, "all of one moment"),
            (&[10, 20, 19, 21], 20, 3, "a clock that went back a little"),
            (&[10, 90, 20, 30], 25, 1, "a clock that ran ahead hides what follows it"),
            (&[10, 90, 20, 30], 90, 4, "until its time has come"),
            (&[10, 20, 5, 30], 6, 0, "a clock far behind does not move the beginning"),
            (&[10, 20, 5, 30], 20, 3, "nor does it hide anything"),
        ] {
            let found = find(&Journal::of_times(times), Timestamp(time));
            assert_eq!(found, Sequence(expected), "{why}");
            assert_eq!(found, by_definition(times, time), "{why}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_marks_lead_to_what_the_definition_says(
            steps in proptest::collection::vec(-50_i64..60, 0..2_000),
            time in 0_u64..20_000,
        ) {
            let mut clock = 1_000_i64;
            let times: Vec<u64> = steps.into_iter().map(|step| {
                clock = (clock + step).max(0);
                clock.unsigned_abs()
            }).collect();
            let found = find(&Journal::of_times(&times), Timestamp(time));
            proptest::prop_assert_eq!(found, by_definition(&times, time));
        }
    }

    #[test]
    fn a_name_leads_to_whoever_bore_it_then() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.create(2, "other");
        journal.delete(1);
        journal.create(3, "shop");
        let mut chronicle = Chronicle::default();
        journal.events.iter().for_each(|event| chronicle.note(event));
        let shop = crate::testing::name("shop");
        let id = crate::testing::app_id;
        let found = |seq| chronicle.apps.find(&shop, Sequence(seq));
        let point = |seq| Some(Point { sequence: Sequence(seq), time: at(seq) });
        assert_eq!(found(0), Err(NotThen { gone: None, later: point(1) }));
        assert_eq!(found(1), Ok(id(1)));
        assert_eq!(found(2), Ok(id(1)), "still there");
        assert_eq!(found(3), Err(NotThen { gone: point(3), later: point(4) }));
        assert_eq!(found(4), Ok(id(3)), "another app of the same name");
        assert_eq!(chronicle.apps.there(id(1), Sequence(4)).unwrap_err().gone, point(3));
        let never = chronicle.apps.find(&crate::testing::name("never"), Sequence(4));
        assert_eq!(never, Err(NotThen::default()));
        let all = |seq, after: Option<&str>| -> Vec<String> {
            let after = after.map(crate::testing::name);
            let all = chronicle.apps.all(Sequence(seq), after.as_ref());
            all.map(|(name, _)| name.to_string()).collect()
        };
        assert_eq!(all(2, None), ["other", "shop"]);
        assert_eq!(all(3, None), ["other"]);
        assert_eq!(all(4, Some("other")), ["shop"]);
    }
}
