//! When nobody looked: the clock was set forward, or the process stood still.
//!
//! What has a deadline was given its time to be used; what went by in a gap nobody could use. Bounded:
//! of many gaps the oldest are forgotten first.

use std::collections::VecDeque;

use crate::time::{Millis, Timestamp};

/// Gaps that are remembered.
const MOST: usize = 64;

/// The gaps since the start, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps(VecDeque<Gap>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    /// When it was over.
    until: Timestamp,
    span: Millis,
}

impl Gaps {
    /// Takes in that somebody looks now, after `last`; `missed`: what went by between both that nobody
    /// could use. A clock that is set back takes as much back of what it was set forward before.
    pub(super) fn note(&mut self, last: Timestamp, now: Timestamp, missed: Millis) {
        let mut back = last.since(now);
        while back > Millis(0) {
            let Some(newest) = self.0.pop_back() else { break };
            if newest.span > back {
                let span = Millis(newest.span.0.saturating_sub(back.0));
                self.0.push_back(Gap { span, ..newest });
            }
            back = Millis(back.0.saturating_sub(newest.span.0));
        }
        for gap in &mut self.0 {
            gap.until = gap.until.min(now);
        }
        if missed > Millis(0) {
            self.0.push_back(Gap { until: now, span: missed });
        }
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// How much of the time after a moment went by in gaps.
    pub(super) fn after(&self, since: Timestamp) -> Millis {
        let spans = self.0.iter().map(|gap| gap.until.since(since).min(gap.span).0);
        Millis(spans.fold(0, u64::saturating_add))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at these moments, in seconds; what was longer than ten apart counts as a gap.
    fn looked(at: &[u64]) -> Gaps {
        let mut gaps = Gaps::default();
        for pair in at.windows(2) {
            let [last, now] = [pair[0], pair[1]].map(|at| Timestamp(at * 1_000));
            let span = now.since(last);
            gaps.note(last, now, if span > Millis::seconds(10) { span } else { Millis(0) });
        }
        gaps
    }

    #[test]
    fn what_began_before_a_gap_is_given_what_it_missed_and_no_more() {
        // When somebody looked, when something began, and how much of its time went by in gaps.
        let rows: [(&str, &[u64], u64, u64); 9] = [
            ("always looked", &[100, 105, 110], 90, 0),
            ("set forward", &[100, 3_700], 90, 3_600),
            ("it began after that", &[100, 3_700, 3_705], 3_700, 0),
            ("it began while nobody looked", &[100, 3_700], 3_690, 10),
            ("twice", &[100, 3_700, 3_705, 7_305], 90, 7_200),
            ("between both", &[100, 3_700, 3_705, 7_305], 3_702, 3_600),
            ("and set back", &[100, 3_700, 3_705, 105], 90, 0),
            ("a little", &[100, 3_700, 3_698], 90, 3_598),
            ("only set back", &[3_700, 100, 105], 90, 0),
        ];
        for (what, at, since, missed) in rows {
            let found = looked(at).after(Timestamp(since * 1_000));
            assert_eq!(found, Millis::seconds(missed), "{what}");
        }
    }

    #[test]
    fn not_more_gaps_are_kept_than_there_is_room_for() {
        let every: Vec<u64> = (0..200).map(|n| n * 20).collect();
        let gaps = looked(&every);
        assert_eq!(gaps.0.len(), MOST);
        assert_eq!(gaps.after(Timestamp(0)), Millis::seconds(20 * 64));
    }
}
