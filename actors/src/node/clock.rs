//! This machine's clock, for what leaves it.

use std::time::{SystemTime, UNIX_EPOCH};

use hythe_core::time::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    Timestamp(nanoseconds() / 1_000_000)
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
