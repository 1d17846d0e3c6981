//! Claims: keys that only one owner may hold, checked in the commit that takes them.

use serde::{Deserialize, Serialize};

/// A unique key, such as `app-name/shop`; at most 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimKey(pub String);

impl ClaimKey {
    /// The key of an app's name.
    #[must_use]
    pub fn app_name(name: &crate::names::AppName) -> Self {
        Self(format!("app-name/{name}"))
    }

    /// The key of a project's name.
    #[must_use]
    pub fn project_name(name: &crate::names::ProjectName) -> Self {
        Self(format!("project-name/{name}"))
    }

    /// The key of a domain that is routed to an app.
    #[must_use]
    pub fn domain(domain: &crate::names::HostName) -> Self {
        Self(format!("domain/{domain}"))
    }

    /// The key of a domain that was proven: the same as if it were set, and one of its own for the
    /// hosts below one.
    #[must_use]
    pub fn custom_domain(host: &crate::domain::DomainHost) -> Self {
        Self(format!("domain/{host}"))
    }

    /// The key of a worker's name.
    #[must_use]
    pub fn worker_name(name: &crate::names::WorkerName) -> Self {
        Self(format!("worker-name/{name}"))
    }

    /// The key of one request under an idempotency key that the caller chose.
    #[must_use]
    pub fn idempotency(key: &str) -> Self {
        Self(format!("idempotency/{key}"))
    }

    /// The key of what a delivery of a webhook means for one app. `delivery` is the provider's name
    /// for it.
    #[must_use]
    pub fn delivery(hook: crate::ids::HookId, app: crate::ids::AppId, delivery: &str) -> Self {
        Self(format!("hook-delivery/{hook}/{app}/{delivery}"))
    }
}

/// What an append does to a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimChange {
    /// Takes the key. The append fails where another holds it. `note` (at most 1 KiB) is given
    /// back to whoever asks for the key later.
    Take {
        /// The key.
        key: ClaimKey,
        /// Whatever the owner wants remembered.
        note: Vec<u8>,
    },
    /// Gives the key back. Without effect where the stream does not hold it.
    Release {
        /// The key.
        key: ClaimKey,
    },
}
