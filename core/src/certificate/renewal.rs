//! When a certificate is renewed: when its authority suggests, or well before its end.
//!
//! Which moment of a window is taken follows from the certificate's id: so it stays the same however
//! often it is asked for, and certificates of the same day do not come all at once.

use serde::{Deserialize, Serialize};

use super::Issued;
use crate::ids::CertificateId;
use crate::time::{Millis, Timestamp};

/// Own certificates are said to come to their end this long before it, or at two thirds of their life
/// where that is later.
const NEARS_END: Millis = Millis::seconds(21 * 24 * 3_600);

/// A certificate is not renewed sooner after it came, whatever its authority suggests.
const AT_LEAST_KEPT: Millis = Millis::seconds(3_600);

/// The window in which an authority suggests to renew (RFC 9773).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// Its begin.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
}

/// When a certificate is to be renewed.
///
/// In the authority's window, where there is one. Otherwise after two thirds of its life, up to a
/// twentieth of its life sooner: certificates of 90 days after 55 to 60 days, those of 6 days after 4.
#[must_use]
pub fn renew_at(id: CertificateId, issued: &Issued, suggested: Option<Renewal>) -> Timestamp {
    let share = share(id.uuid().as_bytes());
    // A window that ends after the certificate, or before it begins, is no use.
    let window =
        suggested.filter(|window| window.start < window.end && window.start < issued.not_after);
    if let Some(Renewal { start, end }) = window {
        let length = end.min(issued.not_after).since(start).0;
        // Who always says "now" would have it renewed without an end.
        let soonest = issued.at.plus(AT_LEAST_KEPT).min(issued.not_after);
        return start.plus(Millis(part(length, share))).max(soonest);
    }
    let life = issued.not_after.since(issued.not_before).0;
    let sooner = part(life / 20, share);
    Timestamp(issued.not_before.plus(Millis(life / 3 * 2)).0.saturating_sub(sooner))
}

/// From when on it is said that a certificate which nobody renews comes to its end.
#[must_use]
pub fn nears_end_at(issued: &Issued) -> Timestamp {
    let life = issued.not_after.since(issued.not_before).0;
    let before = Timestamp(issued.not_after.0.saturating_sub(NEARS_END.0));
    before.max(issued.not_before.plus(Millis(life / 3 * 2)))
}

/// 0 to 999, another for each id.
pub(super) fn share(id: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in id {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (hash >> 20) % 1_000
}

pub(super) const fn part(length: u64, thousandths: u64) -> u64 {
    length / 1_000 * thousandths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::CertificateIssuer;
    use proptest::prelude::*;
    use uuid::Uuid;

    const DAY: u64 = 24 * 3_600_000;

    fn issued(days: u64) -> Issued {
        Issued {
            by: CertificateIssuer::Local,
            serial: String::new(),
            not_before: Timestamp(100 * DAY),
            not_after: Timestamp((100 + days) * DAY),
            at: Timestamp(100 * DAY),
        }
    }

    proptest! {
        #[test]
        fn it_is_renewed_within_the_window_and_before_the_end(
            id in any::<u128>(), days in 1_u64..400, start in 0_u64..600, length in 1_u64..100,
        ) {
            let id = CertificateId::new(Uuid::from_u128(id));
            let issued = issued(days);
            let plain = renew_at(id, &issued, None);
            let life = days * DAY;
            prop_assert!(plain.0 >= issued.not_before.0 + life * 3 / 5, "not too soon");
            prop_assert!(plain.0 <= issued.not_before.0 + life * 2 / 3, "a third is left");
            prop_assert_eq!(plain, renew_at(id, &issued, None));
            let window = Renewal {
                start: Timestamp(start * DAY),
                end: Timestamp((start + length) * DAY),
            };
            let suggested = renew_at(id, &issued, Some(window));
            prop_assert!(suggested < issued.not_after);
            if window.start < issued.not_after {
                prop_assert!(suggested >= window.start && suggested >= issued.at.plus(AT_LEAST_KEPT));
                prop_assert!(suggested <= window.end.max(issued.at.plus(AT_LEAST_KEPT)));
            } else {
                prop_assert_eq!(suggested, plain);
            }
        }
    }

    #[test]
    fn certificates_of_one_day_are_renewed_on_different_ones() {
        let times: std::collections::BTreeSet<Timestamp> = (0..100)
            .map(|n| renew_at(CertificateId::new(Uuid::from_u128(n)), &issued(90), None))
            .collect();
        assert!(times.len() > 90, "{}", times.len());
    }

    #[test]
    fn an_own_certificate_is_told_of_weeks_before_its_end() {
        let left = |days| issued(days).not_after.since(nears_end_at(&issued(days))).0 / DAY;
        assert_eq!((left(365), left(90), left(30), left(6)), (21, 21, 10, 2));
    }
}
