//! Proxies that ask for their routes: a switch waits until each of those that still ask has taken up the
//! new ones, as it waits for edges.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hythe_actors::control::Control;
use hythe_core::ids::EdgeId;
use hythe_core::limits;
use hythe_core::poller::Poller;
use hythe_core::time::Timestamp;
use uuid::Uuid;

/// Proxies that are known at the same time.
const MOST_POLLERS: usize = 256;

/// Those that asked lately.
#[derive(Debug, Default)]
pub(crate) struct Pollers(Mutex<BTreeMap<String, Known>>);

#[derive(Debug)]
struct Known {
    edge: EdgeId,
    poller: Poller,
    asked_at: Timestamp,
}

impl Pollers {
    /// Notes that the proxy of this name asked and was given a table.
    pub(crate) fn asks(&self, control: &Control, name: &str, revision: u64) {
        let now = control.clock().now();
        let follows = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, one| now.since(one.asked_at) < limits::POLLER_LEASE);
            if known.len() >= MOST_POLLERS && !known.contains_key(name) {
                tracing::warn!(name, "too many proxies ask for routes: this one is not waited for");
                return;
            }
            let one = known.entry(name.to_owned()).or_insert_with(|| Known {
                edge: EdgeId::new(Uuid::now_v7()),
                poller: Poller::default(),
                asked_at: now,
            });
            one.asked_at = now;
            one.poller.asks(now, revision).map(|follows| (one.edge, follows))
        };
        if let Some((edge, follows)) = follows {
            control.polled(edge, follows);
        }
    }
}
