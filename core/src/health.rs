//! How a replica shows that it is fit for traffic.

use serde::{Deserialize, Serialize};

use crate::names::HealthPath;
use crate::time::Millis;

/// A health check over HTTP, asked by the worker on the replica's own port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What to ask for. Without one, `/` is asked for and any answer below 500 will do; with one,
    /// only 200 to 399 will.
    pub path: Option<HealthPath>,
    /// From one try to the next.
    pub interval: Millis,
    /// How long one try may take.
    pub timeout: Millis,
    /// How long a replica may take to become healthy.
    pub start_within: Millis,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: None,
            interval: Millis(500),
            timeout: Millis::seconds(5),
            start_within: Millis::seconds(60),
        }
    }
}

impl HealthCheck {
    /// Whether an HTTP status means healthy.
    #[must_use]
    pub const fn accepts(&self, status: u16) -> bool {
        match self.path {
            Some(_) => status >= 200 && status < 400,
            None => status >= 100 && status < 500,
        }
    }
}
