//! This machine's clock, for what leaves it. It may be set at any moment: whatever is waited for in
//! here is measured by [`tokio::time::Instant`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hythe_core::time::{Millis, Timestamp};

/// A span as the runtime has it.
pub(crate) const fn span(span: Millis) -> Duration {
    Duration::from_millis(span.0)
}

/// A span as the core has it.
pub(crate) fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// Now.
pub(crate) fn now() -> Timestamp {
    Timestamp(nanoseconds() / 1_000_000)
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
