//! Which of two versions takes a request, while a new one takes a part of them.
//!
//! Invariant: of an app whose clients stay with a replica, a client stays with its version, too, as long as
//! that replica is there. The count that spreads the parts belongs to the new version and not to a table,
//! so that tables that change often give it no more than its part.

use std::sync::Arc;

use hyper::header::HeaderMap;
use hythe_core::canary::Weight;
use hythe_core::ids::DeploymentId;

use super::balance::Upstream;
use super::headers;

/// What is known of where a request belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side<'a> {
    /// It is a client's first try, with these headers.
    Client(&'a HeaderMap),
    /// It was at this deployment before.
    Same(DeploymentId),
    /// It was, and found nobody there.
    Not(DeploymentId),
    /// Nothing.
    Any,
}

/// A new version that takes a part.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    pub(crate) part: Arc<Upstream>,
    pub(crate) weight: Weight,
    /// Whether clients stay with a replica.
    pub(crate) sticky: bool,
}

impl Split {
    /// The version that takes a request, where `live` takes the rest.
    pub(crate) fn choose<'a>(
        &'a self,
        live: &'a Arc<Upstream>,
        side: Side<'_>,
    ) -> &'a Arc<Upstream> {
        let both = [&self.part, live];
        let known = match side {
            Side::Client(headers) if self.sticky => headers::replica(headers)
                .and_then(|token| both.into_iter().find(|upstream| upstream.knows(token))),
            Side::Same(of) => both.into_iter().find(|upstream| upstream.deployment == of),
            Side::Not(of) => both.into_iter().find(|upstream| upstream.deployment != of),
            Side::Client(_) | Side::Any => None,
        };
        known.unwrap_or_else(|| if self.weight.has(self.part.turn()) { &self.part } else { live })
    }
}
