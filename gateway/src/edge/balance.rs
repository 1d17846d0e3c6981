//! Which replica of a deployment takes a request.
//!
//! Two neighbours in turn are compared and the less busy one wins: as even as round robin under
//! equal load, and a slow replica gets less. A replica that refused a connection a moment ago is
//! passed over while there is another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use hythe_core::ids::DeploymentId;

use super::table::Flight;

/// How long a replica that could not be reached is passed over, in milliseconds.
const SHUN_MS: u64 = 1_000;

/// The replicas of one deployment.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) deployment: DeploymentId,
    pub(crate) flight: Arc<Flight>,
    targets: Box<[Target]>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Target {
    address: SocketAddr,
    busy: AtomicUsize,
    /// Until when it is passed over, by the edge's clock; 0 when not.
    shunned_until: AtomicU64,
}

impl Upstream {
    pub(crate) fn new(deployment: DeploymentId, flight: Arc<Flight>, to: &[SocketAddr]) -> Self {
        let target = |address: &SocketAddr| Target {
            address: *address,
            busy: AtomicUsize::new(0),
            shunned_until: AtomicU64::new(0),
        };
        Self {
            deployment,
            flight,
            targets: to.iter().map(target).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Whether these are its targets, in this order.
    pub(crate) fn leads_to(&self, targets: &[SocketAddr]) -> bool {
        self.targets.iter().map(|target| target.address).eq(targets.iter().copied())
    }

    /// Chooses a replica that is not among `tried`; `None` when all are.
    pub(crate) fn choose(self: &Arc<Self>, tried: &[SocketAddr], now_ms: u64) -> Option<Chosen> {
        let untried = |index: &usize| {
            self.targets.get(*index).is_some_and(|target| !tried.contains(&target.address))
        };
        let healthy = |index: &usize| {
            let target = self.targets.get(*index);
            target.is_some_and(|target| target.shunned_until.load(Relaxed) <= now_ms)
        };
        let index = if self.targets.len() == 1 {
            Some(0).filter(untried)
        } else {
            let start = self.next.fetch_add(1, Relaxed) % self.targets.len().max(1);
            let turn = || (start..self.targets.len()).chain(0..start).filter(untried);
            let first = turn().find(healthy).or_else(|| turn().next());
            let second = turn().filter(healthy).nth(1);
            match (first, second) {
                (Some(first), Some(second)) if self.load(second) < self.load(first) => Some(second),
                (first, _) => first,
            }
        }?;
        let target = self.targets.get(index)?;
        target.busy.fetch_add(1, Relaxed);
        Some(Chosen { upstream: Arc::clone(self), index, address: target.address })
    }

    fn load(&self, index: usize) -> usize {
        self.targets.get(index).map_or(usize::MAX, |target| target.busy.load(Relaxed))
    }
}

/// A replica that takes one request, counted as busy with it while this lives.
#[derive(Debug)]
pub(crate) struct Chosen {
    upstream: Arc<Upstream>,
    index: usize,
    pub(crate) address: SocketAddr,
}

impl Chosen {
    /// Notes that no connection to it could be had.
    pub(crate) fn unreachable(&self, now_ms: u64) {
        if let Some(target) = self.upstream.targets.get(self.index) {
            target.shunned_until.store(now_ms.saturating_add(SHUN_MS), Relaxed);
        }
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        if let Some(target) = self.upstream.targets.get(self.index) {
            target.busy.fetch_sub(1, Relaxed);
        }
    }
}
