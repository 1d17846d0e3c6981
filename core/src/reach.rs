//! Addresses that nothing is asked at on somebody's behalf, whoever names them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds tell a machine its own credentials, besides those of the link.
const METADATA: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
];

/// Whether an address is one that no provider of repositories has: of the link, of everybody, of nobody,
/// or where a cloud tells a machine its credentials. Those of a private network are not among them: that
/// is where a company has its own.
#[must_use]
pub fn is_off_limits(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let own = match address {
        IpAddr::V4(address) => {
            address.is_link_local() || address.is_broadcast() || address.octets()[0] == 0
        }
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    own || address.is_unspecified() || address.is_multicast() || METADATA.contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_link_of_everybody_or_of_nobody_is_off_limits() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "100.100.100.200",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
        ] {
            assert!(is_off_limits(address.parse().unwrap()), "{address}");
        }
        for address in
            ["127.0.0.1", "::1", "10.0.0.7", "192.168.1.1", "140.82.121.4", "fd12::1", "100.64.0.1"]
        {
            assert!(!is_off_limits(address.parse().unwrap()), "{address}");
        }
    }
}
