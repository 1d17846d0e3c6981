//! What is to be done about a job that is due.
//!
//! Of the times that came while nobody looked only the last may still run, and only where it is not
//! long ago; the others are told as missed. What waits, for the run before or for a worker, waits for
//! that long and no longer.

use super::{Cron, CronSkip, CronSkipped, Overlap};
use crate::limits;
use crate::time::Timestamp;

/// The times at which a job came due since it was looked at before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The first of them.
    pub first: Timestamp,
    /// The last but one, where there are several.
    pub last_but_one: Option<Timestamp>,
    /// The last.
    pub last: Timestamp,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attending {
    /// Nothing: it was done with, or is not to run.
    Over,
    /// It does not run, which is to be told.
    LeaveOut(CronSkipped),
    /// What goes on has to end first.
    GiveWay,
    /// It is to run.
    Run,
}

impl Due {
    /// Whether the last time is so long ago that it does not run any more. One that lies as far ahead was
    /// due by a clock that was set back since: to wait until it comes round would hold the job up.
    #[must_use]
    pub fn is_late(&self, now: Timestamp) -> bool {
        now.since(self.last).max(self.last.since(now)) > limits::CRON_LATE
    }

    /// The times that do not run whatever goes on now.
    #[must_use]
    pub fn missed(&self, now: Timestamp) -> Option<CronSkipped> {
        let last = if self.is_late(now) { self.last } else { self.last_but_one? };
        Some(CronSkipped { first: self.first, last: last.max(self.first), why: CronSkip::Missed })
    }

    /// What is to be done about the last time. `waits_for`: why it did not run yet.
    #[must_use]
    pub fn attend(&self, cron: &Cron, now: Timestamp, waits_for: CronSkip) -> Attending {
        let goes_on = cron.open().next().is_some();
        if cron.settings.paused || cron.is_done_with(self.last) {
            Attending::Over
        } else if self.is_late(now) {
            Attending::LeaveOut(self.left_out(waits_for))
        } else if !goes_on {
            Attending::Run
        } else {
            match cron.settings.overlap {
                Overlap::Skip => Attending::LeaveOut(self.left_out(CronSkip::Overlap)),
                Overlap::Replace => Attending::GiveWay,
                Overlap::Allow => Attending::Run,
            }
        }
    }

    /// That the last time does not run.
    #[must_use]
    pub const fn left_out(&self, why: CronSkip) -> CronSkipped {
        CronSkipped { first: self.last, last: self.last, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cron::CronSettings;
    use crate::cron::tests::{OVER, ran, settings};
    use crate::testing::{at, run_id};

    const LATE: u64 = limits::CRON_LATE.0 / 1_000;

    fn due(first: u64, last_but_one: Option<u64>, last: u64) -> Due {
        Due { first: at(first), last_but_one: last_but_one.map(at), last: at(last) }
    }

    #[test]
    fn of_what_came_while_nobody_looked_the_last_may_run() {
        let missed = |first, last| {
            Some(CronSkipped { first: at(first), last: at(last), why: CronSkip::Missed })
        };
        for (due, now, expected) in [
            (due(100, None, 100), 100, None),
            (due(100, None, 100), 100 + LATE, None),
            (due(100, None, 100), 101 + LATE, missed(100, 100)),
            (due(100, Some(100), 400), 401, missed(100, 100)),
            (due(100, Some(700), 1_000), 1_001, missed(100, 700)),
            (due(100, Some(700), 1_000), 1_001 + LATE, missed(100, 1_000)),
            // A schedule that was set anew meanwhile may have had its last time but one before.
            (due(100, Some(40), 400), 401, missed(100, 100)),
        ] {
            assert_eq!(due.missed(at(now)), expected, "{due:?} at {now}");
        }
    }

    #[test]
    fn what_goes_on_decides_by_the_overlap_that_was_set() {
        let due = due(100, None, 100);
        let skipped = |why| Attending::LeaveOut(due.left_out(why));
        let tells = |change: fn(&mut CronSettings), runs: &[(u128, bool)], now| {
            let mut cron = Cron::new(settings(), at(50));
            change(&mut cron.settings);
            for (n, over) in runs {
                cron.ran(ran(*n, None));
                if *over {
                    cron.ended(run_id(*n), OVER);
                }
            }
            due.attend(&cron, at(now), CronSkip::TooMany)
        };
        let goes_on: &[(u128, bool)] = &[(1, true), (2, false)];
        for (change, runs, now, expected) in [
            ((|_| {}) as fn(&mut CronSettings), [].as_slice(), 101, Attending::Run),
            (|_| {}, &[(1, true)], 101, Attending::Run),
            (|_| {}, goes_on, 101, skipped(CronSkip::Overlap)),
            (|set| set.overlap = Overlap::Allow, goes_on, 101, Attending::Run),
            (|set| set.overlap = Overlap::Replace, goes_on, 101, Attending::GiveWay),
            (|set| set.paused = true, goes_on, 101, Attending::Over),
            // It waited for as long as it may.
            (|_| {}, &[], 101 + LATE, skipped(CronSkip::TooMany)),
            (|set| set.paused = true, &[], 101 + LATE, Attending::Over),
        ] {
            assert_eq!(tells(change, runs, now), expected, "{runs:?} at {now}");
        }
        let mut done = Cron::new(settings(), at(50));
        done.ran(ran(1, Some(100)));
        assert_eq!(due.attend(&done, at(101), CronSkip::NoWorker), Attending::Over);
    }

    #[test]
    fn what_waits_while_the_clock_is_set_back_does_not_wait_until_its_time_comes_round() {
        let (due, cron) = (due(1_000, None, 1_000), Cron::new(settings(), at(50)));
        let attend = |now| due.attend(&cron, at(now), CronSkip::NoWorker);
        assert_eq!(attend(1_000 - LATE), Attending::Run);
        let left_out = Attending::LeaveOut(due.left_out(CronSkip::NoWorker));
        assert_eq!(attend(999 - LATE), left_out);
    }
}
