//! When the engine was away last: what ended then ended with it, and not by itself.

use hythe_core::time::Timestamp;

/// A time in which the engine did not answer, by this machine's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Away {
    since: Option<Timestamp>,
    /// When everything had been looked at again.
    until: Option<Timestamp>,
}

impl Away {
    /// It does not answer, or did not for a moment: nothing is known of it since then.
    pub(crate) fn begin(&mut self, since: Timestamp) {
        if self.since.is_none() || self.until.is_some() {
            *self = Self { since: Some(since), until: None };
        }
    }

    /// Everything on it was looked at.
    pub(crate) fn end(&mut self, now: Timestamp) {
        self.until.get_or_insert(now);
    }

    /// Whether it was away at a moment.
    pub(crate) fn at(self, moment: Timestamp) -> bool {
        let since = self.since.is_some_and(|since| moment >= since);
        since && self.until.is_none_or(|until| moment <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_away_from_when_it_did_not_answer_until_it_was_looked_at() {
        let at = |seconds: u64| Timestamp(1_000_000 + seconds * 1_000);
        let mut away = Away::default();
        assert!(!away.at(at(1)), "it never was");
        away.end(at(2));
        assert!(!away.at(at(1)));
        away.begin(at(10));
        away.begin(at(12));
        assert!(!away.at(at(9)) && away.at(at(10)) && away.at(at(99)), "{away:?}");
        away.end(at(20));
        away.end(at(30));
        assert!(away.at(at(20)) && !away.at(at(21)), "{away:?}");
        away.begin(at(40));
        assert!(!away.at(at(20)) && away.at(at(41)), "the last time counts: {away:?}");
    }
}
