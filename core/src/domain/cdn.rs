//! Content delivery networks that stand in front of a domain: known by what they publish.
//!
//! A network in front answers for the domain itself, and shows its own certificate. A certificate
//! authority that asks the domain for a proof (HTTP-01, TLS-ALPN-01) then asks the network, which may
//! pass the question on or not. So people are warned; nothing is decided by this table, and one that is
//! out of date warns of too little.
//!
//! Sources, as of November 2026: `https://www.cloudflare.com/ips-v4` and `/ips-v6`,
//! `https://api.fastly.com/public-ip-list`; the names are those that each provider's guide has people
//! put into a CNAME.

use std::net::IpAddr;

/// A content delivery network.
struct Network {
    name: &'static str,
    /// First address and length of each range.
    ranges: &'static [(&'static str, u8)],
    /// What names end with that lead to it.
    names: &'static [&'static str],
}

const NETWORKS: &[Network] = &[
    Network {
        name: "Cloudflare",
        ranges: &[
            ("173.245.48.0", 20),
            ("103.21.244.0", 22),
            ("103.22.200.0", 22),
            ("103.31.4.0", 22),
            ("141.101.64.0", 18),
            ("108.162.192.0", 18),
            ("190.93.240.0", 20),
            ("188.114.96.0", 20),
            ("197.234.240.0", 22),
            ("198.41.128.0", 17),
            ("162.158.0.0", 15),
            ("104.16.0.0", 13),
            ("104.24.0.0", 14),
            ("172.64.0.0", 13),
            ("131.0.72.0", 22),
            ("2400:cb00::", 32),
            ("2606:4700::", 32),
            ("2803:f800::", 32),
            ("2405:b500::", 32),
            ("2405:8100::", 32),
            ("2a06:98c0::", 29),
            ("2c0f:f248::", 32),
        ],
        names: &[".cdn.cloudflare.net"],
    },
    Network {
        name: "Fastly",
        ranges: &[
            ("23.235.32.0", 20),
            ("43.249.72.0", 22),
            ("103.244.50.0", 24),
            ("103.245.222.0", 23),
            ("103.245.224.0", 24),
            ("104.156.80.0", 20),
            ("140.248.64.0", 18),
            ("140.248.128.0", 17),
            ("146.75.0.0", 17),
            ("151.101.0.0", 16),
            ("157.52.64.0", 18),
            ("167.82.0.0", 17),
            ("167.82.128.0", 20),
            ("167.82.160.0", 20),
            ("167.82.224.0", 20),
            ("172.111.64.0", 18),
            ("185.31.16.0", 22),
            ("199.27.72.0", 21),
            ("199.232.0.0", 16),
            ("2a04:4e40::", 32),
            ("2a04:4e42::", 32),
        ],
        names: &[".fastly.net", ".fastlylb.net"],
    },
    Network { name: "Amazon CloudFront", ranges: &[], names: &[".cloudfront.net"] },
    Network {
        name: "Akamai",
        ranges: &[],
        names: &[".edgekey.net", ".edgesuite.net", ".akamaiedge.net", ".akamai.net"],
    },
    Network { name: "Azure", ranges: &[], names: &[".azureedge.net", ".azurefd.net"] },
    Network { name: "bunny.net", ranges: &[], names: &[".b-cdn.net"] },
];

/// The network that an address belongs to.
#[must_use]
pub fn of_address(address: IpAddr) -> Option<&'static str> {
    let bits = bits(address);
    let is_in = |(first, length): &(&str, u8)| {
        let Ok(first) = first.parse::<IpAddr>() else { return false };
        let first = self::bits(first);
        first.1 == bits.1 && (first.0 ^ bits.0) >> (bits.1 - u32::from(*length)) == 0
    };
    NETWORKS.iter().find(|network| network.ranges.iter().any(is_in)).map(|network| network.name)
}

/// The network that a name leads to: lower case, without a dot at its end.
#[must_use]
pub fn of_name(name: &str) -> Option<&'static str> {
    let has = |network: &&Network| network.names.iter().any(|end| name.ends_with(end));
    NETWORKS.iter().find(has).map(|network| network.name)
}

/// An address as a number, and how many bits that has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_of_networks_are_known() {
        for (address, network) in [
            ("104.16.0.0", Some("Cloudflare")),
            ("104.23.255.255", Some("Cloudflare")),
            ("104.27.255.255", Some("Cloudflare")),
            ("104.28.0.0", None),
            ("104.15.255.255", None),
            ("172.67.1.1", Some("Cloudflare")),
            ("172.72.0.0", None),
            ("::ffff:172.67.1.1", Some("Cloudflare")),
            ("2606:4700::6810:1", Some("Cloudflare")),
            ("2a06:98c7::1", Some("Cloudflare")),
            ("2a06:98c8::1", None),
            ("151.101.1.1", Some("Fastly")),
            ("203.0.113.7", None),
            ("::1", None),
        ] {
            assert_eq!(of_address(address.parse().unwrap()), network, "{address}");
        }
        for (name, network) in [
            ("d111111abcdef8.cloudfront.net", Some("Amazon CloudFront")),
            ("shop.example.com.cdn.cloudflare.net", Some("Cloudflare")),
            ("cloudfront.net", None),
            ("notcloudfront.net", None),
            ("shop.b-cdn.net", Some("bunny.net")),
        ] {
            assert_eq!(of_name(name), network, "{name}");
        }
    }

    #[test]
    fn every_range_is_one() {
        for network in NETWORKS {
            for (first, length) in network.ranges {
                let (bits, size) = bits(first.parse().unwrap());
                let beyond = size - u32::from(*length);
                assert!(beyond > 0 && bits >> beyond << beyond == bits, "{first}/{length}");
            }
            assert!(network.names.iter().all(|name| name.starts_with('.')));
        }
    }
}
