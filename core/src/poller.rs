//! A proxy of somebody else's that asks for its routes now and then, such as Traefik: which table it goes
//! by, from when it was given which.
//!
//! It says nothing of itself. What it was given it has taken up after a while
//! ([`limits::POLLER_APPLIES_WITHIN`]), and that it asks again is the sign that it still lives then.

use crate::limits;
use crate::time::Timestamp;

/// Tables that are remembered of one.
const MOST_GIVEN: usize = 64;

/// What one was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Poller {
    /// When it was first given which revision, oldest first. The first is in force.
    given: Vec<(Timestamp, u64)>,
}

impl Poller {
    /// It asks and is given a table; answers by which revision it has gone until now, where that is known.
    pub fn asks(&mut self, now: Timestamp, revision: u64) -> Option<u64> {
        let taken_up = |(at, _): &(Timestamp, u64)| now.since(*at) >= limits::POLLER_APPLIES_WITHIN;
        let in_force = self.given.iter().rposition(taken_up);
        // Times of a clock that was set back since are of no use, but for being in the right order.
        self.given.drain(..in_force.unwrap_or_default());
        let follows = in_force.and_then(|_| self.given.first()).map(|(_, revision)| *revision);
        // One that finds no room is remembered when it is asked for again.
        let room = self.given.len() < MOST_GIVEN;
        if room && self.given.last().is_none_or(|(_, last)| *last != revision) {
            self.given.push((now, revision));
        }
        for (at, _) in &mut self.given {
            *at = (*at).min(now);
        }
        follows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_was_given_counts_after_a_while_and_when_it_asks_again() {
        let mut poller = Poller::default();
        let rows: [(u64, u64, Option<u64>); 10] = [
            (0, 5, None),
            // It asks too often for having taken it up.
            (1_000, 5, None),
            (5_000, 5, Some(5)),
            (10_000, 6, Some(5)),
            (12_000, 7, Some(5)),
            (13_500, 7, Some(6)),
            (15_000, 7, Some(7)),
            (15_000, 7, Some(7)),
            (20_000, 8, Some(7)),
            // The clock was set back: what it goes by is not forgotten.
            (1_000, 8, None),
        ];
        for (at, revision, expected) in rows {
            assert_eq!(poller.asks(Timestamp(at), revision), expected, "at {at}: {revision}");
        }
        assert_eq!(poller.asks(Timestamp(4_000), 8), Some(8));
    }

    #[test]
    fn one_that_asks_all_the_time_is_bounded_and_gets_there() {
        let mut poller = Poller::default();
        let mut newest = None;
        for step in 0..2_000 {
            newest = poller.asks(Timestamp(step * 10), step).or(newest);
            assert!(poller.given.len() <= MOST_GIVEN);
        }
        assert!(newest.is_some_and(|newest| newest > 100), "{newest:?}");
    }
}
