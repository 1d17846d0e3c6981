//! What of the build cache may go: what no build has used for long, and beyond the budget whatever
//! was used longest ago. What is in use just now stays.
//!
//! Only what a builder knows to be of its own builds gets here at all.

use crate::time::{Millis, Timestamp};
use crate::wire::storage::CacheRecord;

/// How much of the build cache each worker keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheBudget {
    /// The most bytes.
    pub most_bytes: u64,
    /// What was not used for so long goes, however little there is.
    pub unused_for: Millis,
}

impl Default for CacheBudget {
    fn default() -> Self {
        Self {
            most_bytes: crate::limits::BUILD_CACHE_BYTES,
            unused_for: crate::limits::BUILD_CACHE_UNUSED,
        }
    }
}

/// A record of the build cache that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispensableCache {
    /// The record.
    pub record: CacheRecord,
    /// Why.
    pub why: CacheWhy,
}

/// Why a record may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheWhy {
    /// No build used it for long.
    Unused,
    /// There is more than is to be kept, and the rest was used since.
    Beyond,
}

impl CacheWhy {
    /// In words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::Unused => "no build has used it for longer than cache is kept",
            Self::Beyond => "there is more cache than is kept, and what stays was used since",
        }
    }
}

/// The records that may go, those that were used longest ago first. Moments that lie ahead (a clock
/// was set back) count as now.
#[must_use]
pub fn sweep(stored: &[CacheRecord], budget: CacheBudget, now: Timestamp) -> Vec<DispensableCache> {
    let mut left: u64 = stored.iter().map(|record| record.bytes).sum();
    let mut oldest: Vec<&CacheRecord> = stored.iter().filter(|record| !record.in_use).collect();
    oldest.sort_by(|one, other| (one.used_at, &one.id).cmp(&(other.used_at, &other.id)));
    let mut going = Vec::new();
    for record in oldest {
        let why = if now.since(record.used_at) > budget.unused_for {
            CacheWhy::Unused
        } else if left > budget.most_bytes && record.bytes > 0 {
            CacheWhy::Beyond
        } else {
            continue;
        };
        left = left.saturating_sub(record.bytes);
        going.push(DispensableCache { record: record.clone(), why });
    }
    going
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;
    use crate::wire::storage::CacheId;

    fn record(n: u8, bytes: u64, used: u64) -> CacheRecord {
        let id = CacheId::new(format!("r{n}")).unwrap();
        CacheRecord { id, what: "a step".into(), bytes, used_at: at(used), in_use: false }
    }

    fn going(stored: &[CacheRecord], most_bytes: u64, days: u64) -> Vec<(String, CacheWhy)> {
        let budget = CacheBudget { most_bytes, unused_for: Millis::seconds(days * 86_400) };
        let now = at(100 * 86_400);
        let going = sweep(stored, budget, now);
        going.iter().map(|going| (going.record.id.to_string(), going.why)).collect()
    }

    #[test]
    fn what_is_old_goes_and_beyond_the_budget_what_was_used_longest_ago() {
        let day = 86_400;
        let stored = [
            record(1, 40, 99 * day),
            record(2, 30, 50 * day),
            record(3, 20, 80 * day),
            record(4, 0, 70 * day),
            // By a clock that ran ahead.
            record(5, 10, 200 * day),
        ];
        let of = |n: u8, why| (format!("r{n}"), why);
        let (unused, beyond) = (CacheWhy::Unused, CacheWhy::Beyond);
        for (most_bytes, days, expected) in [
            (100, 365, vec![]),
            (99, 365, vec![of(2, beyond)]),
            (69, 365, vec![of(2, beyond), of(3, beyond)]),
            (100, 40, vec![of(2, unused)]),
            (100, 25, vec![of(2, unused), of(4, unused)]),
            (50, 40, vec![of(2, unused), of(3, beyond)]),
            (0, 365, vec![of(2, beyond), of(3, beyond), of(1, beyond), of(5, beyond)]),
        ] {
            assert_eq!(going(&stored, most_bytes, days), expected, "{most_bytes} {days}");
        }
    }

    #[test]
    fn what_is_in_use_stays() {
        let stored = [CacheRecord { in_use: true, ..record(1, 40, 1) }, record(2, 5, 2)];
        assert_eq!(going(&stored, 0, 1), [("r2".to_owned(), CacheWhy::Unused)]);
    }
}
