//! Refusals: values that say why a command does nothing and what to do instead.

use serde::{Deserialize, Serialize};

/// Why a command was refused. Messages are for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// There is no such thing (any more).
    #[error("there is no such {what}")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// It exists already.
    #[error("this {what} exists already")]
    Exists {
        /// What exists.
        what: String,
    },
    /// It does not fit the present state.
    #[error("{reason}")]
    Conflict {
        /// Why, and what to do.
        reason: String,
    },
    /// The request itself is wrong.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field that is wrong.
        field: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
}

impl Rejection {
    /// There is no such thing.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// It does not fit the present state.
    pub fn conflict(reason: impl Into<String>) -> Self {
        Self::Conflict { reason: reason.into() }
    }

    /// A field is wrong.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }
}
