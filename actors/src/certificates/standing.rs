//! How it stands with a certificate that is wanted, for people to look at.

use hythe_core::certificate::FailureKind;
use hythe_core::time::Timestamp;

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there.
    Valid {
        /// When it is renewed.
        renew_at: Timestamp,
    },
    /// Something has to be done first, or to come about.
    Waiting {
        /// What.
        why: String,
    },
    /// It is ordered at this moment.
    Ordering,
    /// It was not to be had.
    Failing {
        /// What kind of failure it is.
        kind: FailureKind,
        /// What the authority says, or what was found.
        why: String,
        /// When it is tried again.
        next: Timestamp,
    },
}
