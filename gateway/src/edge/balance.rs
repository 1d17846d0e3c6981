//! Which replica of a deployment takes a request.
//!
//! Two neighbours in turn are compared and the less busy one wins: as even as round robin under
//! equal load, and a slow replica gets less. A replica that refused a connection a moment ago is
//! passed over while there is another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

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
    /// Requests that hold this.
    pub(super) entered: AtomicU64,
    /// Those of them that have not chosen a target yet.
    pub(super) undecided: AtomicU64,
    /// Another list of targets took its place.
    pub(super) retired: AtomicBool,
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
            entered: AtomicU64::new(0),
            undecided: AtomicU64::new(0),
            retired: AtomicBool::new(false),
        }
    }

    /// Requests under way to each target, with those that may still choose it.
    ///
    /// What has not chosen is read first: whoever chooses meanwhile is counted at its target before
    /// it is no longer counted here.
    pub(super) fn under_way(&self) -> Vec<(SocketAddr, u64)> {
        let undecided = self.undecided.load(SeqCst);
        let busy = |target: &Target| target.busy.load(SeqCst) as u64;
        self.targets.iter().map(|target| (target.address, undecided + busy(target))).collect()
    }

    /// Whether one of its targets has this address.
    pub(super) fn has(&self, address: SocketAddr) -> bool {
        self.targets.iter().any(|target| target.address == address)
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
        target.busy.fetch_add(1, SeqCst);
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
            target.busy.fetch_sub(1, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hythe_core::ids::AppId;
    use hythe_core::routes::{Backend, Route, RouteTable};
    use uuid::Uuid;

    use super::super::table::{Found, InFlight, Live};
    use super::*;

    fn upstream(ports: &[u16]) -> InFlight {
        let targets = ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect();
        let backend = Backend::Replicas { deployment: DeploymentId::new(Uuid::nil()), targets };
        let (app, name) = (AppId::new(Uuid::nil()), "shop".parse().unwrap());
        let routes = BTreeMap::from([("a".parse().unwrap(), Route::new(app, name, backend))]);
        let live = Live::new();
        live.apply(&RouteTable { revision: 1, routes });
        match live.find("a") {
            Found::Replicas(in_flight) => in_flight,
            other @ (Found::Starting
            | Found::Stopped
            | Found::Down
            | Found::Redirect(_)
            | Found::Nobody
            | Found::NoTable) => {
                panic!("{other:?}")
            }
        }
    }

    #[test]
    fn idle_replicas_take_turns_and_a_busy_one_gets_less() {
        let three = upstream(&[1, 2, 3]);
        let mut counts = BTreeMap::new();
        for _ in 0..30 {
            let chosen = three.upstream.choose(&[], 1).unwrap();
            *counts.entry(chosen.address.port()).or_insert(0) += 1;
        }
        assert_eq!(counts, BTreeMap::from([(1, 10), (2, 10), (3, 10)]));

        let two = upstream(&[1, 2]);
        let stuck = two.upstream.choose(&[], 1).unwrap();
        for _ in 0..10 {
            let chosen = two.upstream.choose(&[], 1).unwrap();
            assert_ne!(chosen.address, stuck.address);
        }
    }

    #[test]
    fn a_replica_that_could_not_be_reached_is_passed_over_for_a_while() {
        let two = upstream(&[1, 2]);
        let dead = two.upstream.choose(&[], 1).unwrap();
        dead.unreachable(1);
        let address = dead.address;
        drop(dead);
        for now in [1, 500, 1_000] {
            for _ in 0..4 {
                assert_ne!(two.upstream.choose(&[], now).unwrap().address, address);
            }
        }
        let again = (0..4).any(|_| two.upstream.choose(&[], 1_001).unwrap().address == address);
        assert!(again);
        // It is better than nothing, but not twice for one request.
        let other = two.upstream.choose(&[address], 1).unwrap();
        other.unreachable(1);
        assert!(two.upstream.choose(&[], 1).is_some());
        assert!(two.upstream.choose(&[address, other.address], 1).is_none());
        let one = upstream(&[1]);
        one.upstream.choose(&[], 1).unwrap().unreachable(1);
        assert!(one.upstream.choose(&[], 1).is_some());
    }
}
