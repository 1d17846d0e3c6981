//! Which of two versions takes a request, while a new one takes a part of them.
//!
//! Invariants: of an app whose clients stay with a replica, a client stays with its version, too, as long as
//! that replica is there; where one of the versions is a site it stays in any case ([`version`]). The count that
//! spreads the parts belongs to the new version and not to a table, so that tables that change often give it no
//! more than its part.
//!
//! [`version`]: super::version

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::header::HeaderMap;
use hythe_core::canary::Weight;
use hythe_core::ids::DeploymentId;

use super::headers;
use super::table::Way;
use super::version::Keep;

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

/// By what clients stay with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    /// They do not.
    Nothing,
    /// The replica that they stay with is one of its own.
    Replica,
    /// They say which it is.
    Version,
}

/// A new version that takes a part.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    pub(crate) deployment: DeploymentId,
    /// Where it answers.
    pub(crate) part: Way,
    pub(crate) weight: Weight,
    /// Requests that were to be its own or the other version's.
    pub(crate) turns: Arc<AtomicU64>,
    pub(crate) stays: Stays,
}

impl Split {
    /// The version that takes a request, where `live` takes the rest; and how its client is kept with it, where
    /// it is to say so.
    pub(crate) fn choose<'a>(
        &'a self,
        live: &'a Way,
        side: Side<'_>,
        path: &str,
    ) -> (&'a Way, Option<Keep>) {
        let both = [&self.part, live];
        let mut keep = None;
        let known = match (side, self.stays) {
            (Side::Client(_), Stays::Nothing) | (Side::Any, _) => None,
            (Side::Client(headers), Stays::Replica) => headers::replica(headers)
                .and_then(|token| both.into_iter().find(|way| way.knows(token))),
            (Side::Client(headers), Stays::Version) => {
                let of = keep.insert(Keep::of(self.deployment, headers, path));
                of.side().map(|new| if new { &self.part } else { live })
            }
            (Side::Same(of), _) => both.into_iter().find(|way| way.deployment() == Some(of)),
            (Side::Not(of), _) => both.into_iter().find(|way| way.deployment() != Some(of)),
        };
        let turn = || self.weight.has(self.turns.fetch_add(1, Relaxed));
        let way = known.unwrap_or_else(|| if turn() { &self.part } else { live });
        (way, keep)
    }
}
