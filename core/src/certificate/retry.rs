//! What a failed order means: when it is tried again, and at which authority.
//!
//! Let's Encrypt allows five failed validations per account, host and hour, and 300 new orders in three
//! hours (`https://letsencrypt.org/docs/rate-limits/`, November 2026): a proof that failed is tried at
//! most four times in an hour, and then less and less.

use serde::{Deserialize, Serialize};

use crate::time::{Millis, Timestamp};

/// Failures at one authority before the next one is asked.
const BEFORE_NEXT: u32 = 3;
/// Before the next authority is asked.
const TO_NEXT: Millis = Millis::seconds(60);
/// Longer than any wait.
const LONGEST: Millis = Millis::seconds(60 * 3_600);
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// What kind of failure it is. Append-only: postcard stores a variant's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FailureKind {
    /// The authority could not be asked, or has troubles of its own.
    Unreachable,
    /// It does not sign for these names, or not for this account; trying again does not help.
    Refused,
    /// It did not find the proof.
    Proof,
    /// It was asked too often.
    RateLimited,
    /// The hook that sets DNS records failed.
    Hook,
    /// Not every edge said in time that it gives the proof.
    Edge,
    /// What it answered makes no sense.
    Senseless,
}

impl FailureKind {
    /// The name in JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Proof => "proof",
            Self::RateLimited => "rate_limited",
            Self::Hook => "hook",
            Self::Edge => "edge",
            Self::Senseless => "senseless",
        }
    }

    /// What an ACME problem of this type means (RFC 8555, 6.7), without the prefix that all have.
    #[must_use]
    pub fn of_problem(kind: &str) -> Self {
        match kind {
            "rateLimited" => Self::RateLimited,
            "rejectedIdentifier"
            | "unsupportedIdentifier"
            | "caa"
            | "externalAccountRequired"
            | "userActionRequired"
            | "unsupportedContact"
            | "invalidContact"
            | "invalidProfile" => Self::Refused,
            "unauthorized" | "connection" | "dns" | "tls" | "incorrectResponse" => Self::Proof,
            "malformed" | "badCSR" | "badPublicKey" | "badSignatureAlgorithm" | "orderNotReady" => {
                Self::Senseless
            }
            // badNonce, serverInternal, accountDoesNotExist, and what is not known.
            _it_may_go_better => Self::Unreachable,
        }
    }

    /// Whether the authority is to blame, so that another may do better.
    const fn is_of_authority(self) -> bool {
        match self {
            Self::Unreachable
            | Self::Refused
            | Self::Proof
            | Self::RateLimited
            | Self::Senseless => true,
            Self::Hook | Self::Edge => false,
        }
    }

    /// Whether asking this authority again is of no use.
    const fn is_final(self) -> bool {
        match self {
            Self::Refused | Self::RateLimited => true,
            Self::Unreachable | Self::Proof | Self::Hook | Self::Edge | Self::Senseless => false,
        }
    }

    /// The first and the longest wait.
    const fn waits(self) -> (u64, u64) {
        match self {
            Self::Unreachable | Self::Edge => (MINUTE, HOUR),
            Self::Proof | Self::Hook | Self::Senseless => (10 * MINUTE, 24 * HOUR),
            Self::RateLimited => (HOUR, 24 * HOUR),
            Self::Refused => (12 * HOUR, 48 * HOUR),
        }
    }
}

/// How it went until now; forgotten with the first success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Failures in a row.
    failures: u32,
    /// Those at the authority that is asked now.
    here: u32,
    /// Authorities that were given up.
    given_up: u32,
    /// Before then it is not tried again.
    pub next: Timestamp,
}

impl Tries {
    /// Of names that the journal says fail, when the server starts: how often is not known, so it is
    /// taken for more than once.
    #[must_use]
    pub const fn since_before(kind: FailureKind, started: Timestamp) -> Self {
        let (first, _) = kind.waits();
        Self { failures: 2, here: 0, given_up: 0, next: started.plus(Millis(first)) }
    }

    /// Whether it is tried now. What lies further ahead than any wait is of a clock that was set back.
    #[must_use]
    pub fn is_due(self, now: Timestamp) -> bool {
        self.next <= now || self.next.since(now) > LONGEST
    }

    /// How often it failed in a row.
    #[must_use]
    pub const fn failures(self) -> u32 {
        self.failures
    }

    /// Which of so many authorities is asked now; none of none.
    #[must_use]
    pub fn authority(self, of: usize) -> Option<usize> {
        usize::try_from(self.given_up).unwrap_or(0).checked_rem(of)
    }

    /// After one more failure. `authorities` is how many there are; `jitter`, 0 to 1,000, spreads what
    /// failed together.
    #[must_use]
    pub fn failed(
        self,
        kind: FailureKind,
        authorities: usize,
        jitter: u16,
        now: Timestamp,
    ) -> Self {
        let failures = self.failures.saturating_add(1);
        let here = self.here.saturating_add(u32::from(kind.is_of_authority()));
        let turns = here >= BEFORE_NEXT || kind.is_final();
        let turned =
            Self { failures, here: 0, given_up: self.given_up.saturating_add(1), next: now };
        // In the first round the next authority is asked soon; after it, none is asked sooner than it
        // would be were it alone.
        let fresh = usize::try_from(turned.given_up).unwrap_or(usize::MAX) < authorities;
        if turns && authorities > 1 && fresh {
            return Self { next: now.plus(spread(TO_NEXT, jitter)), ..turned };
        }
        let (first, most) = kind.waits();
        let doublings = failures.saturating_sub(1).min(16);
        let wait = Millis(first.saturating_mul(1 << doublings).min(most));
        let next = now.plus(spread(wait, jitter));
        if turns && authorities > 1 {
            Self { next, ..turned }
        } else {
            Self { failures, here, given_up: self.given_up, next }
        }
    }
}

/// Up to a fifth longer.
pub(super) fn spread(wait: Millis, jitter: u16) -> Millis {
    Millis(wait.0 + wait.0 / 5_000 * u64::from(jitter.min(1_000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [FailureKind; 7] = [
        FailureKind::Unreachable,
        FailureKind::Refused,
        FailureKind::Proof,
        FailureKind::RateLimited,
        FailureKind::Hook,
        FailureKind::Edge,
        FailureKind::Senseless,
    ];

    #[test]
    fn what_problems_mean() {
        for (kind, means) in [
            ("rateLimited", FailureKind::RateLimited),
            ("caa", FailureKind::Refused),
            ("rejectedIdentifier", FailureKind::Refused),
            ("connection", FailureKind::Proof),
            ("unauthorized", FailureKind::Proof),
            ("badNonce", FailureKind::Unreachable),
            ("serverInternal", FailureKind::Unreachable),
            ("badCSR", FailureKind::Senseless),
            ("something new", FailureKind::Unreachable),
        ] {
            assert_eq!(FailureKind::of_problem(kind), means, "{kind}");
        }
    }

    #[test]
    fn an_authority_that_fails_is_left_for_the_next_and_come_back_to() {
        let mut tries = Tries::default();
        let mut asked = Vec::new();
        for _ in 0..8 {
            asked.push(tries.authority(2).unwrap());
            tries = tries.failed(FailureKind::Unreachable, 2, 0, tries.next);
        }
        assert_eq!(asked, [0, 0, 0, 1, 1, 1, 0, 0]);
        let refused = Tries::default().failed(FailureKind::Refused, 2, 0, Timestamp(0));
        assert_eq!((refused.authority(2), refused.next), (Some(1), Timestamp(MINUTE)));
        // Both refuse: a person has to do something, and it is tried twice a day.
        let both = refused.failed(FailureKind::Refused, 2, 0, Timestamp(0));
        assert_eq!((both.authority(2), both.next), (Some(0), Timestamp(24 * HOUR)));
        assert!(!both.is_due(Timestamp(1)) && both.is_due(both.next));
        let ahead = both.failed(FailureKind::Proof, 2, 0, Timestamp(900 * HOUR));
        assert!(ahead.is_due(Timestamp(0)), "the clock was set back");
        // An edge's silence is no fault of an authority.
        let mut quiet = Tries::default();
        for _ in 0..9 {
            quiet = quiet.failed(FailureKind::Edge, 2, 0, quiet.next);
        }
        assert_eq!(quiet.authority(2), Some(0));
        assert_eq!(Tries::default().authority(0), None);
    }

    proptest! {
        #[test]
        fn an_authority_is_never_asked_for_a_proof_more_than_four_times_in_an_hour(
            kinds in proptest::collection::vec(0_usize..7, 1..40), jitter in 0_u16..=1_000,
            authorities in 1_usize..4,
        ) {
            let mut tries = Tries::default();
            let mut proofs: Vec<(usize, Timestamp)> = Vec::new();
            for kind in kinds {
                let kind = KINDS[kind];
                let now = tries.next;
                let at = tries.authority(authorities).unwrap();
                if kind == FailureKind::Proof {
                    proofs.push((at, now));
                    let lately = proofs.iter().filter(|(other, then)| {
                        *other == at && now.since(*then) < Millis(HOUR)
                    });
                    prop_assert!(lately.count() <= 4);
                }
                let next = tries.failed(kind, authorities, jitter, now);
                prop_assert!(next.next.since(now) >= Millis(MINUTE));
                prop_assert!(next.next.since(now) <= Millis(60 * HOUR));
                tries = next;
            }
        }
    }
}
