//! What an edge does alone, where nothing is heard of the control plane: whether it orders a certificate, for
//! which names, how they are proven, and how long it waits after a failure.
//!
//! Only what the control plane should have renewed long ago is ordered: it does so with a third of the life
//! left, an edge with a sixth of it or less. Each edge at another moment, since an authority signs for the
//! same names a few times a week only (Let's Encrypt: five times,
//! `https://letsencrypt.org/docs/rate-limits/`, November 2026), and the first that is through may be the one
//! whose certificate the others never need.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::renewal::{part, share};
use super::retry::spread;
use super::{CertificateName, CertificateNames, ChallengeKind, FailureKind, is_local};
use crate::ids::{CertificateId, EdgeId};
use crate::time::{Millis, Timestamp};
use crate::wire::certificate::{AloneTerms, Signed};

/// Orders that one edge begins within an hour.
const MOST_AN_HOUR: usize = 20;
const HOUR: Millis = Millis::seconds(3_600);
/// Each wait is so many times the one before; the longest, in first ones. With a first one of twenty minutes:
/// two tries in an hour, five in the first day, two a day after that.
const GROWS: u64 = 3;
const LONGEST: u64 = 36;

/// After so many failures in a row a certificate waits for all others that are due: hosts that lead elsewhere by
/// now would take all the orders of an hour, for ever.
const HOPELESS: u32 = 3;

/// How patient an edge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlonePace {
    /// How long nothing is heard of the control plane before an edge orders anything.
    pub silence: Millis,
    /// The first wait after an order that failed.
    pub first_wait: Millis,
}

impl Default for AlonePace {
    fn default() -> Self {
        Self { silence: Millis::seconds(3_600), first_wait: Millis::seconds(20 * 60) }
    }
}

/// Whether nothing was heard of the control plane for too long.
#[must_use]
pub const fn is_silent(heard: Timestamp, pace: AlonePace, now: Timestamp) -> bool {
    heard.plus(pace.silence).is_over(pace.silence, now)
}

/// When an edge orders a certificate alone: with a sixth of its life left, or up to a twelfth of it later.
#[must_use]
pub fn alone_at(
    edge: EdgeId,
    id: CertificateId,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Timestamp {
    let life = not_after.since(not_before).0;
    let both = [id.uuid().into_bytes(), edge.uuid().into_bytes()].concat();
    let later = part(life / 12, share(&both));
    Timestamp(not_after.0.saturating_sub(life / 6)).plus(Millis(later))
}

/// Whether what an edge came by itself gives way to what the control plane has.
#[must_use]
pub const fn gives_way(own_not_after: Timestamp, not_after: Timestamp) -> bool {
    not_after.0 >= own_not_after.0
}

/// A certificate that an edge serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AloneHeld {
    /// Which one.
    pub id: CertificateId,
    /// What it is for.
    pub names: BTreeSet<CertificateName>,
    /// Who signed it, and since when it is good.
    pub signed: Signed,
    /// Until when it is good; where the edge has come by a later one itself, until when that is.
    pub not_after: Timestamp,
}

/// How it went until now with one certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AloneTries {
    /// Failures in a row.
    pub failures: u32,
    /// Before then it is not tried again.
    pub next: Timestamp,
}

impl AloneTries {
    /// Whether it is tried now. What lies further ahead than any wait is of a clock that was set back.
    #[must_use]
    pub fn is_due(self, pace: AlonePace, now: Timestamp) -> bool {
        let longest = spread(Millis(pace.first_wait.0.saturating_mul(LONGEST)), 1_000);
        self.next <= now || self.next.since(now) > longest
    }

    /// After one more failure. `jitter` is 0 to 1,000.
    #[must_use]
    pub fn failed(self, kind: FailureKind, pace: AlonePace, jitter: u16, now: Timestamp) -> Self {
        let failures = self.failures.saturating_add(1);
        let least = match kind {
            FailureKind::Unreachable
            | FailureKind::Proof
            | FailureKind::Hook
            | FailureKind::Edge
            | FailureKind::Senseless => 1,
            FailureKind::RateLimited => GROWS * GROWS,
            FailureKind::Refused => LONGEST,
        };
        let grown = GROWS.saturating_pow(failures.saturating_sub(1).min(16));
        let times = grown.max(least).min(LONGEST);
        let wait = spread(Millis(pace.first_wait.0.saturating_mul(times)), jitter);
        Self { failures, next: now.plus(wait) }
    }
}

/// What is to be ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AloneOrder {
    /// In place of which certificate.
    pub id: CertificateId,
    /// For what: the names of that one that are no wildcards.
    pub names: CertificateNames,
    /// The directory of the authority.
    pub directory: String,
    /// How it may be proven, the first first.
    pub ways: Vec<ChallengeKind>,
}

/// What an edge knows when it decides.
#[derive(Clone, Copy, Debug)]
pub struct Alone<'a> {
    /// Which edge.
    pub edge: EdgeId,
    /// What the control plane said last.
    pub terms: &'a AloneTerms,
    /// How patient it is.
    pub pace: AlonePace,
    /// Whether it listens for TLS. One that does not serves no certificate, and orders none.
    pub tls: bool,
    /// How it went until now.
    pub tries: &'a BTreeMap<CertificateId, AloneTries>,
    /// When it began orders lately.
    pub begun: &'a [Timestamp],
}

impl Alone<'_> {
    /// What is to be ordered now, of several the one that is over first, those that failed over and over last;
    /// none where nothing is due.
    #[must_use]
    pub fn next(&self, held: &[AloneHeld], now: Timestamp) -> Option<AloneOrder> {
        if !self.tls || !is_silent(self.terms.at, self.pace, now) {
            return None;
        }
        let lately = self.begun.iter().filter(|at| now.since(**at) < HOUR && **at <= now);
        if lately.count() >= MOST_AN_HOUR {
            return None;
        }
        let turn = |one: &AloneHeld| {
            let failures = self.tries.get(&one.id).map_or(0, |tries| tries.failures);
            (failures >= HOPELESS, one.not_after)
        };
        let due = held.iter().filter_map(|one| Some((turn(one), self.order(one, now)?)));
        due.min_by_key(|(turn, _)| *turn).map(|(_, order)| order)
    }

    fn order(&self, held: &AloneHeld, now: Timestamp) -> Option<AloneOrder> {
        let AloneHeld { id, names, signed, not_after } = held;
        if !self.terms.may_ask(&signed.directory)
            || alone_at(self.edge, *id, signed.not_before, *not_after) > now
        {
            return None;
        }
        let tries = self.tries.get(id).copied().unwrap_or_default();
        let ways = ways(&self.terms.challenges, tries.failures);
        if !tries.is_due(self.pace, now) || ways.is_empty() {
            return None;
        }
        let directory = signed.directory.clone();
        Some(AloneOrder { id: *id, names: provable(names)?, directory, ways })
    }
}

/// The names that an edge can prove.
fn provable(names: &BTreeSet<CertificateName>) -> Option<CertificateNames> {
    let exact = names.iter().filter(|name| !name.is_wildcard() && !is_local(name.name()));
    CertificateNames::new(exact.cloned().collect()).ok()
}

/// How they are proven: within TLS, else over HTTP; after a failure the other way round, for what stands in front
/// may let only one of them pass.
fn ways(allowed: &[ChallengeKind], failures: u32) -> Vec<ChallengeKind> {
    let can = [ChallengeKind::TlsAlpn01, ChallengeKind::Http01].into_iter();
    let mut ways: Vec<ChallengeKind> = can.filter(|kind| allowed.contains(kind)).collect();
    if failures % 2 == 1 {
        ways.reverse();
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::certificate::LentAccount;
    use proptest::prelude::*;
    use uuid::Uuid;

    const DAY: u64 = 24 * 3_600_000;
    const MINUTE: u64 = 60_000;
    const DIRECTORY: &str = "https://ca.example/dir";
    /// Of 90 days from day 0 on, it has a sixth left after day 75, and a twelfth after day 82.5.
    const END: u64 = 90 * DAY;

    fn terms() -> AloneTerms {
        AloneTerms {
            at: Timestamp(DAY),
            directories: [DIRECTORY.to_owned()].into(),
            accounts: BTreeMap::new(),
            email: None,
            challenges: ChallengeKind::USUAL.to_vec(),
            roots: None,
        }
    }

    fn held(id: u128, names: &str, end: u64) -> AloneHeld {
        let names = names.parse::<CertificateNames>().unwrap();
        let directory = DIRECTORY.to_owned();
        AloneHeld {
            id: CertificateId::new(Uuid::from_u128(id)),
            names: names.as_set().clone(),
            signed: Signed { directory, not_before: Timestamp(end.saturating_sub(END)) },
            not_after: Timestamp(end),
        }
    }

    fn edge(id: u128) -> EdgeId {
        EdgeId::new(Uuid::from_u128(id))
    }

    fn asked(
        terms: &AloneTerms,
        tls: bool,
        tries: &BTreeMap<CertificateId, AloneTries>,
        begun: &[Timestamp],
        held: &[AloneHeld],
        now: u64,
    ) -> Option<AloneOrder> {
        let pace = AlonePace::default();
        let alone = Alone { edge: edge(1), terms, pace, tls, tries, begun };
        alone.next(held, Timestamp(now))
    }

    #[test]
    fn it_orders_only_what_is_late_and_only_where_it_may() {
        let late = END - 5 * DAY;
        let one = || held(1, "shop.example", END);
        type Change = fn(&mut AloneTerms, &mut AloneHeld);
        let cases: [(&str, u64, Change, bool); 12] = [
            ("late and alone", late, |_, _| {}, true),
            ("over already", END + DAY, |_, _| {}, true),
            ("the control plane would have renewed it now", END - 30 * DAY, |_, _| {}, false),
            ("a sixth is left and a bit", END - 15 * DAY - 1, |_, _| {}, false),
            ("heard a moment ago", late, |terms, _| terms.at = Timestamp(END - 5 * DAY), false),
            (
                "heard an hour ago but for a minute",
                late,
                |terms, _| terms.at = Timestamp(END - 5 * DAY - 59 * MINUTE),
                false,
            ),
            (
                "heard an hour ago",
                late,
                |terms, _| terms.at = Timestamp(END - 5 * DAY - 60 * MINUTE),
                true,
            ),
            (
                "of a clock that was days ahead",
                late,
                |terms, _| terms.at = Timestamp(END + 5 * DAY),
                true,
            ),
            ("nobody agreed to terms", late, |terms, _| terms.directories.clear(), false),
            (
                "of an authority where it is lent an account",
                late,
                |terms, _| {
                    terms.directories.clear();
                    terms.accounts.insert(DIRECTORY.to_owned(), LentAccount("{}".to_owned()));
                },
                true,
            ),
            (
                "of another authority",
                late,
                |_, held| held.signed.directory = "https://other.example/dir".into(),
                false,
            ),
            (
                "only DNS records may prove it",
                late,
                |terms, _| terms.challenges = vec![ChallengeKind::Dns01],
                false,
            ),
        ];
        for (desc, now, change, expected) in cases {
            let (mut terms, mut held) = (terms(), one());
            change(&mut terms, &mut held);
            let order = asked(&terms, true, &BTreeMap::new(), &[], &[held], now);
            assert_eq!(order.is_some(), expected, "{desc}");
        }
    }

    #[test]
    fn names_that_nobody_can_prove_here_are_left_out() {
        for (names, expected) in [
            ("shop.example", Some("shop.example")),
            ("shop.example,www.shop.example", Some("shop.example,www.shop.example")),
            ("apps.example,*.apps.example", Some("apps.example")),
            ("*.apps.example", None),
            ("shop.localhost", None),
        ] {
            let one = held(1, names, END);
            let order = asked(&terms(), true, &BTreeMap::new(), &[], &[one], END);
            let ordered = order.map(|order| order.names.to_string());
            assert_eq!(ordered.as_deref(), expected, "{names}");
        }
    }

    #[test]
    fn it_is_proven_within_tls_or_over_http_and_the_other_way_after_a_failure() {
        use ChallengeKind::{Dns01, Http01, TlsAlpn01};
        for (allowed, failures, expected) in [
            (&[Http01, TlsAlpn01][..], 0, &[TlsAlpn01, Http01][..]),
            (&[Http01, TlsAlpn01], 1, &[Http01, TlsAlpn01]),
            (&[Http01, TlsAlpn01], 2, &[TlsAlpn01, Http01]),
            (&[Dns01, Http01], 0, &[Http01]),
            (&[Dns01, Http01], 1, &[Http01]),
            (&[Dns01], 0, &[]),
        ] {
            assert_eq!(ways(allowed, failures), expected, "{allowed:?} {failures}");
        }
        let one = held(1, "shop.example", END);
        let listens =
            |tls| asked(&terms(), tls, &BTreeMap::new(), &[], std::slice::from_ref(&one), END);
        assert!(listens(true).is_some() && listens(false).is_none(), "it serves none without TLS");
    }

    #[test]
    fn the_first_to_be_over_goes_first_and_one_that_failed_waits() {
        let all = [held(1, "b.example", END + 1), held(2, "a.example", END)];
        let order = |tries: &BTreeMap<_, _>, begun: &[Timestamp]| {
            let order = asked(&terms(), true, tries, begun, &all, END);
            order.map(|order| order.names.to_string())
        };
        let none = BTreeMap::new();
        assert_eq!(order(&none, &[]).as_deref(), Some("a.example"));
        let failed = |kind| {
            let tries = AloneTries::default();
            tries.failed(kind, AlonePace::default(), 0, Timestamp(END))
        };
        let mut tries = BTreeMap::from([(all[1].id, failed(FailureKind::Proof))]);
        assert_eq!(order(&tries, &[]).as_deref(), Some("b.example"));
        tries.insert(all[0].id, failed(FailureKind::Refused));
        assert_eq!(order(&tries, &[]), None);
        // One whose host leads elsewhere by now takes no other's place.
        for (failures, first) in [(HOPELESS - 1, "a.example"), (HOPELESS, "b.example")] {
            let again = AloneTries { failures, next: Timestamp(END) };
            let tries = BTreeMap::from([(all[1].id, again)]);
            assert_eq!(order(&tries, &[]).as_deref(), Some(first), "{failures}");
        }
        // Many at once are no more in an hour than an authority takes.
        let mut begun = vec![Timestamp(END - MINUTE); MOST_AN_HOUR];
        assert_eq!(order(&none, &begun), None);
        begun[0] = Timestamp(END - HOUR.0);
        assert_eq!(order(&none, &begun).as_deref(), Some("a.example"));
    }

    #[test]
    fn edges_do_not_order_all_at_once() {
        let one = held(1, "shop.example", END);
        let at = |edge_id| alone_at(edge(edge_id), one.id, one.signed.not_before, one.not_after).0;
        let times: BTreeSet<u64> = (0..100).map(at).collect();
        assert!(times.len() > 90, "{}", times.len());
        let between = |at: &u64| (75 * DAY..=82 * DAY + DAY / 2).contains(at);
        assert!(times.iter().all(between), "{times:?}");
        // One of six days has a day left at the most, and half a day at least.
        let short = alone_at(edge(1), one.id, Timestamp(0), Timestamp(6 * DAY)).0;
        assert!((5 * DAY..=5 * DAY + DAY / 2).contains(&short), "{short}");
    }

    #[test]
    fn the_control_planes_wins_where_it_is_good_for_as_long() {
        for (theirs, expected) in [(END - 1, false), (END, true), (END + 1, true)] {
            assert_eq!(gives_way(Timestamp(END), Timestamp(theirs)), expected, "{theirs}");
        }
    }

    #[test]
    fn waits_grow_to_half_a_day_and_refusals_wait_as_long_at_once() {
        let pace = AlonePace::default();
        let waits = |kind| {
            let mut tries = AloneTries::default();
            let mut waits = Vec::new();
            for _ in 0..6 {
                let now = tries.next;
                assert!(tries.is_due(pace, now));
                tries = tries.failed(kind, pace, 0, now);
                assert!(!tries.is_due(pace, now));
                waits.push(tries.next.since(now).0 / MINUTE);
            }
            waits
        };
        assert_eq!(waits(FailureKind::Proof), [20, 60, 180, 540, 720, 720]);
        assert_eq!(waits(FailureKind::RateLimited), [180, 180, 180, 540, 720, 720]);
        assert_eq!(waits(FailureKind::Refused), [720; 6]);
        let ahead = AloneTries { failures: 1, next: Timestamp(90 * DAY) };
        assert!(ahead.is_due(pace, Timestamp(0)), "the clock was set back");
    }

    proptest! {
        #[test]
        fn no_name_is_tried_more_than_twice_in_an_hour_or_five_times_in_a_day(
            kinds in proptest::collection::vec(0_usize..7, 1..40), jitter in 0_u16..=1_000,
        ) {
            const KINDS: [FailureKind; 7] = [
                FailureKind::Unreachable, FailureKind::Refused, FailureKind::Proof,
                FailureKind::RateLimited, FailureKind::Hook, FailureKind::Edge,
                FailureKind::Senseless,
            ];
            let pace = AlonePace::default();
            let (mut tries, mut tried) = (AloneTries::default(), Vec::<Timestamp>::new());
            for kind in kinds {
                let now = tries.next;
                tried.push(now);
                for (span, most) in [(HOUR.0, 2), (DAY, 5)] {
                    let lately = tried.iter().filter(|then| now.since(**then).0 < span);
                    prop_assert!(lately.count() <= most);
                }
                tries = tries.failed(KINDS[kind], pace, jitter, now);
            }
        }
    }
}
