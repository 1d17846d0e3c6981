//! Which build ends where the engine's disk gets full: one at a time, so that one that fills it does
//! not take all others along.
//!
//! Whose files take the room cannot be told: the engine says neither which build a step belongs to nor
//! what a running one has written. So it is the one that began last. Then its room is waited for;
//! only where the disk loses much more meanwhile is the next one ended before that time is over.

use std::collections::BTreeSet;
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
    under_way: BTreeSet<u64>,
    ended: Option<Ended>,
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
        builds.under_way.insert(number);
        Place { of: self, number }
    }

    /// Whether the room of one that was ended is waited for.
    pub(super) fn settles(&self, low: Low, now: Instant) -> bool {
        self.builds().settle(low, now)
    }
}

impl Builds {
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
        if builds.settle(low, now) || builds.under_way.last() != Some(&self.number) {
            return None;
        }
        builds.under_way.remove(&self.number);
        builds.ended = Some(Ended { at: now, free: low.free });
        Some(builds.under_way.len())
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
}
