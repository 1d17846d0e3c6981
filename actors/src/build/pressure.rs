//! Which build ends where the engine's disk gets full, or where builds take more of it than they may:
//! one at a time, so that one that fills it does not take all others along.
//!
//! Whose files take the room cannot be told: the engine says neither which build a step belongs to nor
//! what a running one has written. So it is the one that began last. Then its room is waited for;
//! only where the disk loses much more meanwhile is the next one ended before that time is over.
//!
//! What a build takes is what the disk lost while it was under way. Where others were, too, no more is
//! known than that one of them took more than it may, once all of them together lost more than all may.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long the room of a build that was ended is waited for.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);
/// What part of the least room may be lost within that time before the next one ends.
const MOST_LOST: u64 = 4;

/// The builds that the engine does for this builder, and what was free when one of them was ended.
#[derive(Debug, Default)]
pub(super) struct Pressure(Mutex<Builds>);

#[derive(Debug, Default)]
struct Builds {
    begun: u64,
    under_way: BTreeMap<u64, Span>,
    ended: Option<Ended>,
}

/// From when one began, or another one was ended for what it took, until now.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// What was free at its beginning, once that was looked at.
    free: Option<u64>,
    /// How many were under way meanwhile, itself among them.
    builds: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Instant,
    free: u64,
}

/// What is free on the engine's disk where it is less than is to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Low {
    pub(super) free: u64,
    pub(super) least: u64,
}

/// What the disk lost while builds were under way, where that is more than they may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) bytes: u64,
    /// How many builds there were meanwhile.
    pub(super) builds: u64,
}

/// One build that the engine does; dropped, it is none any more.
#[derive(Debug)]
pub(super) struct Place<'a> {
    of: &'a Pressure,
    number: u64,
}

impl Pressure {
    fn builds(&self) -> MutexGuard<'_, Builds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more.
    pub(super) fn begins(&self) -> Place<'_> {
        let mut builds = self.builds();
        builds.begun += 1;
        let number = builds.begun;
        for span in builds.under_way.values_mut() {
            span.builds += 1;
        }
        let others = u64::try_from(builds.under_way.len()).unwrap_or(u64::MAX);
        builds.under_way.insert(number, Span { free: None, builds: others.saturating_add(1) });
        Place { of: self, number }
    }

    /// Whether the room of one that was ended is waited for.
    pub(super) fn settles(&self, low: Low, now: Instant) -> bool {
        self.builds().settle(low, now)
    }
}

impl Builds {
    fn is_newest(&self, number: u64) -> bool {
        self.under_way.last_key_value().is_some_and(|(last, _)| *last == number)
    }

    fn settle(&self, Low { free, least }: Low, now: Instant) -> bool {
        self.ended.is_some_and(|ended| {
            let lost = ended.free.saturating_sub(free);
            now.duration_since(ended.at) < SETTLES_WITHIN && lost < least / MOST_LOST
        })
    }
}

impl Place<'_> {
    /// Whether this is the one to end; answers then how many others go on.
    pub(super) fn ends(&self, low: Low, now: Instant) -> Option<usize> {
        let mut builds = self.of.builds();
        if builds.settle(low, now) || !builds.is_newest(self.number) {
            return None;
        }
        builds.under_way.remove(&self.number);
        builds.ended = Some(Ended { at: now, free: low.free });
        Some(builds.under_way.len())
    }

    /// So much is free. Answers, where this is the one to end for what was lost, with how much that is:
    /// more than `most` for each build that there was since some one of them began.
    pub(super) fn takes(&self, free: u64, most: Option<u64>, now: Instant) -> Option<Lost> {
        let mut builds = self.of.builds();
        if let Some(span) = builds.under_way.get_mut(&self.number) {
            span.free.get_or_insert(free);
        }
        let most = most.filter(|_| builds.is_newest(self.number))?;
        let lost = builds.under_way.values().find_map(|span| {
            let bytes = span.free?.saturating_sub(free);
            (bytes > most.saturating_mul(span.builds))
                .then_some(Lost { bytes, builds: span.builds })
        })?;
        builds.under_way.remove(&self.number);
        builds.ended = Some(Ended { at: now, free });
        // The others are looked at from here on: what was lost is not told twice.
        let left = u64::try_from(builds.under_way.len()).unwrap_or(u64::MAX);
        for span in builds.under_way.values_mut() {
            *span = Span { free: Some(free), builds: left };
        }
        Some(lost)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.of.builds().under_way.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ends_at_a_time_and_the_next_one_where_its_room_does_not_come_back() {
        let pressure = Pressure::default();
        let [oldest, middle, newest] = [(); 3].map(|()| pressure.begins());
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let low = |free| Low { free, least: 100 };
        let asked = |place: &Place<'_>, seconds, free| place.ends(low(free), at(seconds));
        assert!(!pressure.settles(low(99), at(0)), "none was ended");
        assert_eq!((asked(&oldest, 0, 99), asked(&middle, 0, 99)), (None, None));
        assert_eq!(asked(&newest, 0, 99), Some(2));
        // Its room is waited for, whether it is gone or not.
        assert!(pressure.settles(low(99), at(1)));
        assert_eq!((asked(&oldest, 1, 99), asked(&middle, 1, 99)), (None, None));
        drop(newest);
        assert_eq!((asked(&oldest, 9, 75), asked(&middle, 9, 75)), (None, None));
        // Not for ever.
        assert_eq!((asked(&oldest, 10, 75), asked(&middle, 10, 75)), (None, Some(1)));
        // Nor while the disk gets full.
        assert_eq!(asked(&oldest, 11, 51), None);
        assert_eq!(asked(&oldest, 11, 50), Some(0));
    }

    #[test]
    fn one_that_is_over_is_ended_by_nobody_and_one_that_comes_later_before_those_of_before() {
        let pressure = Pressure::default();
        let [older, newer] = [(); 2].map(|()| pressure.begins());
        drop(newer);
        let last = pressure.begins();
        let (low, now) = (Low { free: 1, least: 2 }, Instant::now());
        assert_eq!(older.ends(low, now), None);
        drop(last);
        assert_eq!(older.ends(low, now), Some(0));
    }

    #[test]
    fn a_build_ends_that_takes_more_than_it_may_and_of_several_the_newest_once_it_must_be_one_of_them()
     {
        let pressure = Pressure::default();
        let now = Instant::now();
        let takes = |place: &Place<'_>, free| place.takes(free, Some(100), now);
        let alone = pressure.begins();
        // What was free before it began is nobody's.
        assert_eq!((takes(&alone, 1_000), takes(&alone, 900)), (None, None));
        assert_eq!(alone.takes(0, None, now), None, "nothing is said of how much it may take");
        assert_eq!(takes(&alone, 899), Some(Lost { bytes: 101, builds: 1 }));
        drop(alone);
        let [older, newer] = [(); 2].map(|()| pressure.begins());
        assert_eq!((takes(&older, 1_000), takes(&newer, 1_000)), (None, None));
        assert_eq!((takes(&older, 800), takes(&newer, 800)), (None, None), "each may have half");
        assert_eq!(takes(&older, 799), None, "it is not the newest");
        assert_eq!(takes(&newer, 799), Some(Lost { bytes: 201, builds: 2 }));
        // What was lost until then is not held against the other one.
        assert_eq!((takes(&older, 799), takes(&older, 699)), (None, None));
        assert_eq!(takes(&older, 698), Some(Lost { bytes: 101, builds: 1 }));
    }

    #[test]
    fn one_that_is_over_counts_among_those_that_there_were() {
        let pressure = Pressure::default();
        let now = Instant::now();
        let older = pressure.begins();
        assert_eq!(older.takes(1_000, Some(100), now), None);
        let newer = pressure.begins();
        assert_eq!(newer.takes(1_000, Some(100), now), None);
        drop(newer);
        assert_eq!(older.takes(801, Some(100), now), None);
        assert_eq!(older.takes(799, Some(100), now), Some(Lost { bytes: 201, builds: 2 }));
    }
}
