//! When a domain is looked at again, and what a look means for it.
//!
//! A domain that was proven does not flap: its record has to be absent at [`limits::DOMAIN_FAILURES`]
//! scheduled looks in a row before that is said, and for [`limits::DOMAIN_GRACE`] after that before it
//! leads nowhere. Looks that decide nothing change nothing, however many there are: who owns a name
//! that cannot be looked up is not known, and nobody else can prove it meanwhile either.

use super::{Domain, DomainNews, Trust, Verdict};
use crate::limits;
use crate::time::{Millis, Timestamp};

/// When it is to be looked at next; none where only somebody asking makes it so.
///
/// `last` is when it was looked at last, as far as that is known; `failures` how often in a row its
/// record was absent. `jitter` spreads domains that are due together: 0 to 1,000.
#[must_use]
pub fn next_check(
    domain: &Domain,
    last: Option<Timestamp>,
    failures: u32,
    started: Timestamp,
    jitter: u16,
) -> Option<Timestamp> {
    let every = match &domain.trust {
        Trust::Pending => {
            let last = last.unwrap_or(domain.added);
            let age = last.since(domain.added);
            if age > limits::DOMAIN_PENDING {
                return None;
            }
            if age < Millis::seconds(3_600) { Millis::seconds(60) } else { Millis::seconds(3_600) }
        }
        Trust::Verified { .. } if failures == 0 => limits::DOMAIN_CHECKED_EVERY,
        Trust::Verified { .. } | Trust::Failing { .. } => limits::DOMAIN_DOUBTED_EVERY,
        Trust::Lost { .. } => return None,
    };
    let jitter = u64::from(jitter.min(1_000));
    Some(match last {
        // Up to a tenth sooner, so that what was added together does not stay together.
        Some(last) => last.plus(Millis(every.0 - every.0 * jitter / 10_000)),
        // Not known since the server started: soon, and not all at once.
        None => {
            let spread = every.0.min(limits::DOMAIN_FIRST_WITHIN.0);
            started.plus(Millis(spread * jitter / 1_000))
        }
    })
}

/// What a look means for a domain, and how often in a row its record was absent then.
///
/// `scheduled` is whether the look was due: those that somebody asks for may follow each other closely,
/// and take nothing away.
#[must_use]
pub fn what_it_means(
    trust: &Trust,
    verdict: Verdict,
    why: &str,
    failures: u32,
    scheduled: bool,
    now: Timestamp,
) -> (Option<DomainNews>, u32) {
    match (verdict, trust) {
        (Verdict::Proven, Trust::Pending | Trust::Failing { .. } | Trust::Lost { .. }) => {
            (Some(DomainNews::Verified), 0)
        }
        (Verdict::Proven, Trust::Verified { .. }) => (None, 0),
        // Somebody still has it: that is no row of absences.
        (Verdict::Divided, _) => (None, 0),
        (Verdict::Unheard, _) => (None, failures),
        (Verdict::Absent, Trust::Pending | Trust::Lost { .. }) => (None, 0),
        (Verdict::Absent, Trust::Verified { .. } | Trust::Failing { .. }) if !scheduled => {
            (None, failures)
        }
        (Verdict::Absent, Trust::Verified { .. }) => {
            let failures = failures.saturating_add(1);
            let failing = failures >= limits::DOMAIN_FAILURES;
            (failing.then(|| DomainNews::Failing { why: why.to_owned() }), failures)
        }
        (Verdict::Absent, Trust::Failing { since, .. }) => {
            let over = now.since(*since) >= limits::DOMAIN_GRACE;
            (over.then(|| DomainNews::Lost { why: why.to_owned() }), failures.saturating_add(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DomainMode, DomainToken};
    use crate::testing::at;

    const HOUR: u64 = 3_600_000;

    fn domain(trust: Trust) -> Domain {
        let token = DomainToken::new("a".repeat(64)).unwrap();
        Domain { token, mode: DomainMode::Main, added: at(0), trust }
    }

    fn failing(since: u64) -> Trust {
        Trust::Failing { verified: at(0), since: Timestamp(since), why: "gone".into() }
    }

    #[test]
    fn a_domain_is_looked_at_often_while_it_is_new_and_seldom_once_it_is_proven() {
        let from = at(0).0;
        let due = |trust: Trust, last: Option<u64>, failures, jitter| {
            let last = last.map(|last| Timestamp(from + last));
            let next = next_check(&domain(trust), last, failures, at(0), jitter);
            next.map(|next| next.0 - from)
        };
        let verified = || Trust::Verified { at: at(0) };
        assert_eq!(due(Trust::Pending, Some(0), 0, 0), Some(60_000));
        assert_eq!(due(Trust::Pending, Some(0), 0, 1_000), Some(54_000));
        assert_eq!(due(Trust::Pending, Some(2 * HOUR), 0, 0), Some(3 * HOUR));
        assert_eq!(due(Trust::Pending, Some(8 * 24 * HOUR), 0, 0), None);
        assert_eq!(due(verified(), Some(0), 0, 0), Some(12 * HOUR));
        assert_eq!(due(verified(), Some(0), 0, 500), Some(12 * HOUR * 95 / 100));
        assert_eq!(due(verified(), Some(0), 1, 0), Some(HOUR));
        assert_eq!(due(failing(0), Some(0), 3, 0), Some(HOUR));
        assert_eq!(due(Trust::Lost { at: at(0), why: String::new() }, Some(0), 0, 0), None);
        // After a start, all of them within ten minutes.
        assert_eq!(due(verified(), None, 0, 0), Some(0));
        assert_eq!(due(verified(), None, 0, 1_000), Some(600_000));
    }

    #[test]
    fn a_record_that_is_gone_is_doubted_for_long_and_one_that_is_back_is_taken_at_once() {
        let verified = Trust::Verified { at: at(0) };
        let look = |trust: &Trust, verdict, failures, scheduled, now| {
            what_it_means(trust, verdict, "gone", failures, scheduled, Timestamp(now))
        };
        let failing_news = Some(DomainNews::Failing { why: "gone".into() });
        assert_eq!(look(&verified, Verdict::Absent, 0, true, 0), (None, 1));
        assert_eq!(look(&verified, Verdict::Absent, 1, true, 0), (None, 2));
        assert_eq!(look(&verified, Verdict::Absent, 2, true, 0), (failing_news, 3));
        assert_eq!(look(&verified, Verdict::Absent, 2, false, 0), (None, 2), "asked for by hand");
        assert_eq!(look(&verified, Verdict::Unheard, 2, true, 0), (None, 2));
        assert_eq!(look(&verified, Verdict::Divided, 2, true, 0), (None, 0));
        assert_eq!(look(&verified, Verdict::Proven, 2, true, 0), (None, 0));
        let grace = limits::DOMAIN_GRACE.0;
        let lost = Some(DomainNews::Lost { why: "gone".into() });
        assert_eq!(look(&failing(0), Verdict::Absent, 3, true, grace - 1), (None, 4));
        assert_eq!(look(&failing(0), Verdict::Absent, 4, true, grace), (lost, 5));
        assert_eq!(look(&failing(0), Verdict::Unheard, 4, true, 9 * grace), (None, 4));
        assert_eq!(look(&failing(0), Verdict::Absent, 4, false, 9 * grace), (None, 4));
        for trust in [failing(0), Trust::Pending, Trust::Lost { at: at(0), why: String::new() }] {
            let (news, failures) = look(&trust, Verdict::Proven, 9, false, 0);
            assert_eq!((news, failures), (Some(DomainNews::Verified), 0));
        }
        assert_eq!(look(&Trust::Pending, Verdict::Absent, 0, true, 9 * grace), (None, 0));
    }
}
