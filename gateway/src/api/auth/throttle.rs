//! Slows down whoever keeps trying wrong tokens; in bounded memory.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong tokens of one peer within [`WINDOW`].
const MOST_FAILURES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
const MOST_PEERS: usize = 4_096;

/// Counts failures per peer.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    peers: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Throttle {
    /// Notes a failure. Says how long to wait where there were too many.
    pub(crate) fn failed(&self, peer: Option<SocketAddr>, now: Instant) -> Option<Duration> {
        let peer = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| network(peer.ip()));
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= MOST_PEERS && !peers.contains_key(&peer) {
            peers.retain(|_, failures| now.duration_since(failures.since) < WINDOW);
            if peers.len() >= MOST_PEERS {
                return Some(WINDOW);
            }
        }
        let failures = peers.entry(peer).or_insert(Failures { since: now, count: 0 });
        if now.duration_since(failures.since) >= WINDOW {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
        (failures.count > MOST_FAILURES)
            .then(|| WINDOW.saturating_sub(now.duration_since(failures.since)))
    }
}

/// Whoever has one address of an IPv6 network has all of it.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => IpAddr::V4(address),
            None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_failures_must_wait_and_memory_is_bounded() {
        let throttle = Throttle::default();
        let start = Instant::now();
        let peer = Some("[2001:db8::1]:5".parse().unwrap());
        let neighbour = Some("[2001:db8::2]:6".parse().unwrap());
        for _ in 0..MOST_FAILURES {
            assert_eq!(throttle.failed(peer, start), None);
        }
        assert!(throttle.failed(neighbour, start).is_some(), "the same network");
        assert_eq!(throttle.failed(Some("10.0.0.1:1".parse().unwrap()), start), None);
        assert_eq!(throttle.failed(peer, start + WINDOW), None);
        for n in 0..10_000_u32 {
            throttle.failed(Some((std::net::Ipv4Addr::from(n), 1).into()), start);
        }
        assert!(throttle.peers.lock().unwrap().len() <= MOST_PEERS);
    }
}
