//! What an edge is told at start: where to listen, where its files lie, whom to trust, its bounds.
//!
//! Invariant: every resource that a client or an app can make the edge hold has a bound here.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use hythe_actors::bus::NatsSettings;

/// Everything an edge needs to know to run.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Where to answer plain HTTP. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Directory of its own: `edge.id`, `edge.lock` and `routes.json` lie there. Made if missing.
    pub data: PathBuf,
    /// Where tables come from and reports go.
    pub nats: NatsSettings,
    /// Peers (other proxies) whose forwarding headers are believed and added to.
    pub trusted: Vec<Network>,
    /// Serving threads; one per core that this process may use when not given.
    pub cores: Option<NonZeroUsize>,
    /// Bounds and deadlines.
    pub limits: EdgeLimits,
}

impl EdgeConfig {
    /// A configuration with nobody trusted, all cores and the default bounds.
    #[must_use]
    pub fn new(listen: Vec<SocketAddr>, data: PathBuf, nats: NatsSettings) -> Self {
        Self { listen, data, nats, trusted: Vec::new(), cores: None, limits: EdgeLimits::default() }
    }
}

/// Bounds and deadlines of one edge. Spans of zero are taken as one millisecond.
#[derive(Clone, Debug)]
pub struct EdgeLimits {
    /// Bytes of a request's line and headers together; more is answered 431.
    pub header_bytes: usize,
    /// From the first byte of a request's head (or from the connection's start) to its end. Kept
    /// to within twice this span.
    pub head_within: Duration,
    /// How long a client's connection may lie idle between requests.
    pub idle: Duration,
    /// How long a client may neither send the body it announced nor take bytes of the answer.
    /// Kept to within twice this span.
    pub stall: Duration,
    /// How long an upgraded connection (a WebSocket, say) may go on after one side has closed.
    pub half_open: Duration,
    /// Clients' connections per core; further ones wait in the listen queue.
    pub connections: usize,
    /// How long connecting to one replica may take.
    pub connect_within: Duration,
    /// From the end (or the last received piece) of a request to the head of the app's answer.
    pub answer_within: Duration,
    /// Idle connections kept per core and replica.
    pub pool_idle: usize,
    /// Idle connections kept per core over all replicas.
    pub pool_idle_total: usize,
    /// How long an idle connection to a replica is kept: less than what servers commonly grant
    /// (Node: 5 s), so that the edge closes first.
    pub pool_idle_for: Duration,
    /// An idle connection older than this takes only requests that can be sent again, since the
    /// replica may be closing it at this moment.
    pub pool_sure_for: Duration,
    /// How many replicas or connections one request is tried on.
    pub tries: usize,
    /// How long requests may go on after the shutdown signal.
    pub stop_within: Duration,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            header_bytes: 32 * 1024,
            head_within: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(60),
            half_open: Duration::from_secs(10),
            connections: 16_384,
            connect_within: Duration::from_secs(4),
            answer_within: Duration::from_secs(600),
            pool_idle: 256,
            pool_idle_total: 4_096,
            pool_idle_for: Duration::from_secs(4),
            pool_sure_for: Duration::from_secs(1),
            tries: 4,
            stop_within: Duration::from_secs(30),
        }
    }
}

/// A range of addresses in CIDR notation, such as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read {0:?} as a network: it is an address such as 10.1.2.3 or a range such as 10.0.0.0/8")]
pub struct BadNetwork(String);

impl Network {
    /// Whether an address lies in this range. An IPv4 address in its IPv6 form counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(one)) => {
                let shift = 32_u32.saturating_sub(u32::from(self.bits));
                (u32::from(net) ^ u32::from(one)).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(one)) => {
                let shift = 128_u32.saturating_sub(u32::from(self.bits));
                (u128::from(net) ^ u128::from(one)).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadNetwork(text.chars().take(60).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse::<u8>().ok().filter(|bits| *bits <= most).ok_or_else(bad)?,
            None => most,
        };
        Ok(Self { address, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("192.168.1.7", "192.168.1.7", true),
            ("192.168.1.7", "192.168.1.8", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "::1", true),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network:?} {address}");
        }
        for bad in ["", "a", "10.0.0.0/33", "::1/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
