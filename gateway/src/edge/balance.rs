//! Which replica of a deployment takes a request.
//!
//! Two neighbours in turn are compared and the less busy one wins: as even as round robin under
//! equal load, and a slow replica gets less. A replica that refused a connection a moment ago, or
//! failed several requests in a row, is passed over while there is another: for a while, then it gets
//! one request, and what becomes of that decides for how much longer. A client may stay with the
//! replica that it names, as long as that is not passed over.

use std::net::SocketAddr;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, OnceLock};

use hythe_core::ids::DeploymentId;

use super::table::Flight;

/// How long a replica that failed is passed over at first, in milliseconds; each further failure in
/// a row doubles it.
const SHUN_MS: u64 = 1_000;
/// The longest of these spans.
const SHUN_MOST_MS: u64 = 30_000;
/// So many requests in a row that it took and did not answer, and it is passed over.
const FAILURES: u32 = 3;

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
    /// Requests in a row that it failed.
    failures: AtomicU32,
    /// What a client that stays with it says; made when it is asked for.
    token: OnceLock<u64>,
}

impl Target {
    /// Whether it may get a request. One that was passed over long enough may get one, and not
    /// another before that has come to something.
    fn fit(&self, now_ms: u64) -> bool {
        let until = self.shunned_until.load(Relaxed);
        until <= now_ms
    }

    /// Takes the one request that may be tried on it, where it was passed over.
    fn try_out(&self, now_ms: u64) {
        let until = self.shunned_until.load(Relaxed);
        if until != 0 && until <= now_ms {
            self.shunned_until.store(now_ms.saturating_add(SHUN_MS), Relaxed);
        }
    }
}

impl Upstream {
    pub(crate) fn new(deployment: DeploymentId, flight: Arc<Flight>, to: &[SocketAddr]) -> Self {
        let target = |address: &SocketAddr| Target {
            address: *address,
            busy: AtomicUsize::new(0),
            shunned_until: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            token: OnceLock::new(),
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

    /// Whether there is a replica that is not among `tried` and is not this one.
    pub(super) fn has_another(&self, tried: &[SocketAddr], than: SocketAddr) -> bool {
        let other = |target: &Target| target.address != than && !tried.contains(&target.address);
        self.targets.iter().any(other)
    }

    /// Whether one of its replicas is what a client stays with.
    pub(super) fn knows(&self, token: u64) -> bool {
        self.targets.iter().any(|target| self.token(target) == token)
    }

    /// What a client says to stay with a target: the same at every edge, and no address to look at.
    fn token(&self, target: &Target) -> u64 {
        *target.token.get_or_init(|| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(self.deployment.uuid().as_bytes());
            hasher.update(target.address.to_string().as_bytes());
            let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
            u64::from_le_bytes([a, b, c, d, e, f, g, h])
        })
    }

    /// The replica that a client stays with, where it may get requests.
    pub(crate) fn stay(
        self: &Arc<Self>,
        token: u64,
        tried: &[SocketAddr],
        now_ms: u64,
    ) -> Option<Chosen> {
        let is_it = |target: &Target| self.token(target) == token;
        let index = self.targets.iter().position(is_it)?;
        let target = self.targets.get(index)?;
        if tried.contains(&target.address) || !target.fit(now_ms) {
            return None;
        }
        target.try_out(now_ms);
        target.busy.fetch_add(1, SeqCst);
        Some(Chosen { upstream: Arc::clone(self), index, address: target.address })
    }

    /// Chooses a replica that is not among `tried`; `None` when all are.
    pub(crate) fn choose(self: &Arc<Self>, tried: &[SocketAddr], now_ms: u64) -> Option<Chosen> {
        let untried = |index: &usize| {
            self.targets.get(*index).is_some_and(|target| !tried.contains(&target.address))
        };
        let healthy = |index: &usize| {
            let target = self.targets.get(*index);
            target.is_some_and(|target| target.fit(now_ms))
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
        target.try_out(now_ms);
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
    /// What a client says to stay with it.
    pub(crate) fn token(&self) -> Option<u64> {
        self.upstream.targets.get(self.index).map(|target| self.upstream.token(target))
    }

    /// Notes that no connection to it could be had.
    pub(crate) fn unreachable(&self, now_ms: u64) {
        self.failed_as(1, now_ms);
    }

    /// Notes that it took a request and did not answer it.
    pub(crate) fn failed(&self, now_ms: u64) {
        self.failed_as(FAILURES, now_ms);
    }

    /// Notes a failure, and passes the replica over from the `many`th in a row on.
    fn failed_as(&self, many: u32, now_ms: u64) {
        let Some(target) = self.upstream.targets.get(self.index) else { return };
        let failures = target.failures.fetch_add(1, Relaxed).saturating_add(1);
        let Some(beyond) = failures.checked_sub(many) else { return };
        let span = SHUN_MS.saturating_mul(1 << beyond.min(5)).min(SHUN_MOST_MS);
        target.shunned_until.store(now_ms.saturating_add(span), Relaxed);
    }

    /// Notes that it answered.
    pub(crate) fn answered(&self) {
        let Some(target) = self.upstream.targets.get(self.index) else { return };
        if target.failures.load(Relaxed) != 0 || target.shunned_until.load(Relaxed) != 0 {
            target.failures.store(0, Relaxed);
            target.shunned_until.store(0, Relaxed);
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
            | Found::Asleep(_)
            | Found::Down
            | Found::Redirect(_)
            | Found::Site(_)
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
        assert!(
            two.upstream.has_another(&[], address)
                && !two.upstream.has_another(&[address], other.address)
        );
        let one = upstream(&[1]);
        one.upstream.choose(&[], 1).unwrap().unreachable(1);
        assert!(one.upstream.choose(&[], 1).is_some());
    }

    #[test]
    fn a_replica_that_fails_again_and_again_is_tried_ever_more_seldom_until_it_answers() {
        let two = upstream(&[1, 2]);
        let dead: SocketAddr = ([127, 0, 0, 1], 1).into();
        let given = |now| {
            let taken = (0..10).filter_map(|_| two.upstream.choose(&[], now));
            let to_it: Vec<_> = taken.filter(|chosen| chosen.address == dead).collect();
            to_it
        };
        // A request or two that it does not answer are no reason.
        for _ in 0..2 {
            given(1).first().unwrap().failed(1);
        }
        assert!(!given(1).is_empty());
        given(1).first().unwrap().failed(1);
        assert!(given(1_000).is_empty());
        let mut now = 1;
        for span in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert!(given(now + span - 1).is_empty(), "after {span}");
            now += span;
            let tried = given(now);
            assert_eq!(tried.len(), 1, "one request is tried on it");
            assert!(!two.upstream.targets[0].fit(now), "and no other meanwhile");
            tried[0].failed(now);
        }
        now += 30_000;
        given(now).first().unwrap().answered();
        for _ in 0..3 {
            assert!(!given(now).is_empty(), "it is as good as the other again");
        }
    }

    #[test]
    fn a_client_stays_with_its_replica_as_long_as_that_is_fit() {
        let three = upstream(&[1, 2, 3]);
        let first = three.upstream.choose(&[], 1).unwrap();
        let token = first.token().unwrap();
        for _ in 0..10 {
            let again = three.upstream.stay(token, &[], 1).unwrap();
            assert_eq!(again.address, first.address);
        }
        assert!(three.upstream.stay(token, &[first.address], 1).is_none());
        assert!(three.upstream.stay(token ^ 1, &[], 1).is_none());
        first.unreachable(1);
        assert!(three.upstream.stay(token, &[], 1).is_none());
        assert_eq!(upstream(&[9, 1]).upstream.stay(token, &[], 1).unwrap().address, first.address);
    }
}
