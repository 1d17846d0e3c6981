//! Moments and spans, in milliseconds. Nothing here reads a clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment moved forward; stops at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long it is from `earlier` to this moment; zero where the clock went back.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// Whether what was given `given` and ends at this moment is over. A clock that was set back by
    /// more than that no longer says how long it was: then it is over, too.
    #[must_use]
    pub const fn is_over(self, given: Millis, now: Self) -> bool {
        now.0 >= self.0 || now.plus(given).plus(given).0 < self.0
    }
}

/// A span of time in milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// A span of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            write!(f, "{} ms", self.0)
        } else if self.0 < 60_000 {
            write!(f, "{}.{} s", self.0 / 1000, self.0 % 1000 / 100)
        } else {
            write!(f, "{} min {} s", self.0 / 60_000, self.0 % 60_000 / 1000)
        }
    }
}
