//! The last deliveries, in memory: what was taken in and what was not, each bounded by itself, so that
//! nobody who cannot sign pushes out what is worth knowing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use hythe_core::ids::HookId;

use crate::api::dto::Delivery;

/// Signed deliveries that are kept of each webhook.
const MOST_SIGNED: usize = 100;
/// Others.
const MOST_UNSIGNED: usize = 20;
/// Apps that are kept with one delivery.
const MOST_APPS: usize = 200;

/// The last deliveries of each webhook. There are no more of those than the installation has.
#[derive(Debug, Default)]
pub(crate) struct Deliveries(Mutex<BTreeMap<HookId, Ring>>);

#[derive(Debug, Default)]
struct Ring {
    signed: VecDeque<Delivery>,
    unsigned: VecDeque<Delivery>,
}

impl Deliveries {
    /// Keeps a signed one.
    pub(crate) fn signed(&self, mut delivery: Delivery) {
        delivery.apps.truncate(MOST_APPS);
        self.with(delivery.hook, |ring| push(&mut ring.signed, delivery, MOST_SIGNED));
    }

    /// Keeps one that was not, or wrongly, signed.
    pub(crate) fn unsigned(&self, delivery: Delivery) {
        self.with(delivery.hook, |ring| push(&mut ring.unsigned, delivery, MOST_UNSIGNED));
    }

    /// All that are kept of a webhook, in no order.
    pub(crate) fn of(&self, hook: HookId) -> Vec<Delivery> {
        self.with(hook, |ring| ring.signed.iter().chain(&ring.unsigned).cloned().collect())
    }

    /// Forgets those of a webhook that is gone.
    pub(crate) fn forget(&self, hook: HookId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&hook);
    }

    fn with<T>(&self, hook: HookId, look: impl FnOnce(&mut Ring) -> T) -> T {
        let mut rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(rings.entry(hook).or_default())
    }
}

fn push(ring: &mut VecDeque<Delivery>, delivery: Delivery, most: usize) {
    if ring.len() >= most {
        ring.pop_front();
    }
    ring.push_back(delivery);
}
