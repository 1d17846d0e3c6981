//! How domains are proven, and where they are to lead: set by the owner, for all apps.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::names::HostName;
use crate::rejection::Rejection;

/// Who is asked besides the machine's own resolver, where nobody said whom: Cloudflare, Google, Quad9.
pub const DEFAULT_RESOLVERS: [SocketAddr; 3] = [
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(1, 1, 1, 1), 53)),
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(8, 8, 8, 8), 53)),
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(9, 9, 9, 9), 53)),
];

/// What is set for all domains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainSettings {
    /// The resolvers that are asked; none for the usual ones.
    pub resolvers: Vec<SocketAddr>,
    /// The host that a CNAME is to name; none for each app's own host under the base domain.
    pub target: Option<HostName>,
    /// The addresses that A and AAAA records are to have; none for those of that host.
    pub addresses: BTreeSet<IpAddr>,
}

impl DomainSettings {
    /// Whether it can be so.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), Rejection> {
        let Self { resolvers, target: _, addresses } = self;
        let most = limits::MOST_RESOLVERS;
        if resolvers.len() > most {
            return Err(Rejection::invalid("resolvers", format!("are at most {most}")));
        }
        let unusable =
            |ip: IpAddr| ip.is_unspecified() || ip.is_multicast() || ip == Ipv4Addr::BROADCAST;
        for (at, resolver) in resolvers.iter().enumerate() {
            let field = format!("resolvers[{at}]");
            if resolver.port() == 0 || unusable(resolver.ip()) {
                let why =
                    format!("is the address of one resolver, such as 1.1.1.1; got {resolver}");
                return Err(Rejection::invalid(field, why));
            }
            if resolvers.iter().take(at).any(|other| other == resolver) {
                // Whoever is asked twice would count twice.
                return Err(Rejection::invalid(field, format!("has {resolver} a second time")));
            }
        }
        let most = limits::MOST_PUBLIC_ADDRESSES;
        if addresses.len() > most {
            return Err(Rejection::invalid("addresses", format!("are at most {most}")));
        }
        if let Some(address) = addresses.iter().find(|address| unusable(**address)) {
            let why = format!("are those under which edges are reached; got {address}");
            return Err(Rejection::invalid("addresses", why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_real_ones_and_each_counts_once() {
        let with = |resolvers: &[&str]| {
            let resolvers = resolvers.iter().map(|text| text.parse().unwrap()).collect();
            DomainSettings { resolvers, ..DomainSettings::default() }.check()
        };
        assert_eq!(with(&["1.1.1.1:53", "[::1]:5353"]), Ok(()));
        for bad in [
            &["0.0.0.0:53"][..],
            &["224.0.0.1:53"],
            &["1.1.1.1:0"],
            &["1.1.1.1:53", "1.1.1.1:53"],
            &["1.1.1.1:53"; 9],
        ] {
            assert!(with(bad).is_err(), "{bad:?}");
        }
    }
}
