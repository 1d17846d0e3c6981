//! Keeps builds away from everything but the internet: apps, ports of the host, private networks
//! and the address where clouds tell machines their secrets.
//!
//! Builds run on the engine's default bridge (its own BuildKit takes no other), so the rules are
//! for what comes from there. They lie in chains of their own, which are filled anew in one go;
//! everybody else's rules stay as they are. Connections that others open to a container on that
//! bridge are answered, and names can be asked for.
//!
//! They are given to `iptables`, beside what the engine itself sets with it; where that is not
//! there or refuses, to `nft`.

mod command;
mod iptables;
mod nftables;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

/// Networks that are not the internet.
const PRIVATE: [&str; 10] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
const PRIVATE_6: [&str; 6] =
    ["::/128", "::1/128", "fc00::/7", "fe80::/10", "ff00::/8", "64:ff9b::/96"];

/// An IP network: `ADDRESS/BITS`, or one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let wrong = || format!("is an address or a network such as 10.1.0.0/16; got {text:?}");
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl Network {
    /// Whether an address lies in it.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        let (own, other) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                // Both at the upper end, so that bits count from there.
                (u128::from(own.to_bits()) << 96, u128::from(other.to_bits()) << 96)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits()),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        self.bits == 0 || (own ^ other) >> (128 - u32::from(self.bits)) == 0
    }
}

/// The network beyond the internet that an address lies in.
pub(super) fn private(address: IpAddr) -> Option<&'static str> {
    let has = |network: &&str| network.parse::<Network>().is_ok_and(|found| found.has(address));
    PRIVATE.iter().chain(&PRIVATE_6).copied().find(has)
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Whether builds are kept away from this machine's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// Without it nothing is built.
    Required,
    /// Where the machine does not allow it, builds go on and the worker says so.
    WherePossible,
    /// It is not tried.
    None,
}

/// The name servers that containers are given: those of the host that are no loopback addresses.
fn resolvers(resolv_conf: &str) -> Vec<IpAddr> {
    resolv_conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok())
        .filter(|address: &IpAddr| !address.is_loopback())
        .collect()
}

/// What is kept from what.
#[derive(Debug)]
struct Rules<'a> {
    /// Where builds come from.
    bridge: &'a str,
    /// The name servers that they may ask.
    resolvers: Vec<IpAddr>,
    /// Private networks that they may reach all the same.
    allowed: &'a [Network],
}

/// Puts the rules in force for what comes from a bridge. Doing it twice is doing it once.
///
/// # Errors
/// Why they could not be, for people.
pub(super) async fn put_up(bridge: &str, allowed: &[Network]) -> Result<(), String> {
    let plain =
        bridge.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if bridge.is_empty() || bridge.len() > 15 || !plain || bridge.starts_with('-') {
        return Err(format!("{bridge:?} is no name of a bridge"));
    }
    let mut names = Vec::new();
    // What systemd's own resolver listens on is a loopback address: containers get what it asks.
    for file in ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] {
        names.extend(resolvers(&tokio::fs::read_to_string(file).await.unwrap_or_default()));
    }
    let rules = Rules { bridge, resolvers: names, allowed };
    let Err(first) = iptables::put_up(&rules).await else { return Ok(()) };
    let Err(second) = nftables::put_up(&rules).await else { return Ok(()) };
    Err(format!("{first}; {second}"))
}
