//! The rules as `iptables` and `ip6tables` take them: two chains of a name of their own, and a jump
//! into each.

use std::net::IpAddr;

use super::command::run;
use super::{PRIVATE, PRIVATE_6, Rules};

/// What comes from builds and goes through the machine.
const THROUGH: &str = "HYTHE-BUILDS";
/// What comes from builds and is for the machine itself.
const TO_HOST: &str = "HYTHE-BUILDS-HOST";
/// How long a command may wait for others that change the rules, in seconds.
const LOCK_SECONDS: &str = "5";

/// The version of IP that rules are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Four,
    Six,
}

impl Family {
    const fn rules(self) -> &'static str {
        match self {
            Self::Four => "iptables",
            Self::Six => "ip6tables",
        }
    }

    const fn restore(self) -> &'static str {
        match self {
            Self::Four => "iptables-restore",
            Self::Six => "ip6tables-restore",
        }
    }

    const fn has(self, address: IpAddr) -> bool {
        match self {
            Self::Four => address.is_ipv4(),
            Self::Six => address.is_ipv6(),
        }
    }
}

/// Both chains of a family, as `iptables-restore` takes them.
fn chains(family: Family, rules: &Rules<'_>) -> String {
    let mut text = format!("*filter\n:{THROUGH} - [0:0]\n:{TO_HOST} - [0:0]\n");
    let networks: &[&str] = match family {
        Family::Four => &PRIVATE,
        Family::Six => &PRIVATE_6,
    };
    for chain in [THROUGH, TO_HOST] {
        let mut rule = |rule: String| text.push_str(&format!("-A {chain} {rule}\n"));
        rule("-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN".to_owned());
        for resolver in rules.resolvers.iter().filter(|address| family.has(**address)) {
            for protocol in ["udp", "tcp"] {
                rule(format!("-d {resolver} -p {protocol} -m {protocol} --dport 53 -j RETURN"));
            }
        }
        for network in rules.allowed.iter().filter(|network| family.has(network.address)) {
            rule(format!("-d {network} -j RETURN"));
        }
        if chain == THROUGH {
            networks.iter().for_each(|network| rule(format!("-d {network} -j REJECT")));
        } else {
            if family == Family::Six {
                // Without its neighbours nothing is reached over IPv6, name servers neither.
                for kind in ["neighbour-solicitation", "neighbour-advertisement"] {
                    rule(format!("-p icmpv6 -m icmp6 --icmpv6-type {kind} -j RETURN"));
                }
            }
            rule("-j REJECT".to_owned());
        }
    }
    text + "COMMIT\n"
}

/// Puts the rules in force.
///
/// # Errors
/// What the commands said, or that there are none.
pub(super) async fn put_up(rules: &Rules<'_>) -> Result<(), String> {
    for family in [Family::Four, Family::Six] {
        let done = family_up(family, rules).await;
        match (family, done) {
            (_, Ok(())) => {}
            (Family::Four, Err(why)) => return Err(why),
            // Most default bridges speak IPv4 only, and many machines have no rules for IPv6.
            (Family::Six, Err(why)) if speaks_six(rules.bridge).await => return Err(why),
            (Family::Six, Err(why)) => tracing::debug!(why, "no rules for IPv6, which is not used"),
        }
    }
    Ok(())
}

async fn family_up(family: Family, rules: &Rules<'_>) -> Result<(), String> {
    let text = chains(family, rules);
    run(family.restore(), &["--noflush", "-w", LOCK_SECONDS], Some(&text)).await?;
    // The engine puts its own rules before others' whenever it starts, but never before this one.
    let own = run(family.rules(), &["-w", LOCK_SECONDS, "-S", "DOCKER-USER"], None).await;
    let through = if own.is_ok() { "DOCKER-USER" } else { "FORWARD" };
    for (from, to) in [(through, THROUGH), ("INPUT", TO_HOST)] {
        let jump = [from, "-i", rules.bridge, "-j", to];
        let check = [&["-w", LOCK_SECONDS, "-C"][..], &jump].concat();
        if run(family.rules(), &check, None).await.is_err() {
            let insert = [&["-w", LOCK_SECONDS, "-I"][..], &jump].concat();
            run(family.rules(), &insert, None).await?;
        }
    }
    Ok(())
}

/// Whether a bridge has an IPv6 address beyond its own link.
async fn speaks_six(bridge: &str) -> bool {
    let addresses = tokio::fs::read_to_string("/proc/net/if_inet6").await.unwrap_or_default();
    addresses.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let link_only = fields.next().is_some_and(|address| address.starts_with("fe80"));
        fields.last() == Some(bridge) && !link_only
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internet_is_let_through_and_nothing_else() {
        let resolvers = ["10.0.0.53".parse().unwrap(), "fd00::53".parse().unwrap()];
        let allowed = ["10.1.0.0/16".parse().unwrap(), "fd01::/64".parse().unwrap()];
        let rules = Rules { bridge: "docker0", resolvers: resolvers.into(), allowed: &allowed };
        let four = chains(Family::Four, &rules);
        let through: Vec<&str> =
            four.lines().filter(|line| line.starts_with("-A HYTHE-BUILDS ")).collect();
        let at = |part: &str| through.iter().position(|line| line.contains(part)).unwrap();
        // What is let through comes before what refuses it.
        for (first, then) in [
            ("ESTABLISHED", "10.0.0.0/8"),
            ("-d 10.0.0.53 -p udp -m udp --dport 53 -j RETURN", "10.0.0.0/8"),
            ("-d 10.1.0.0/16 -j RETURN", "10.0.0.0/8 -j REJECT"),
        ] {
            assert!(at(first) < at(then), "{four}");
        }
        for network in PRIVATE {
            assert!(four.contains(&format!("-A HYTHE-BUILDS -d {network} -j REJECT\n")));
        }
        assert!(four.ends_with("-A HYTHE-BUILDS-HOST -j REJECT\nCOMMIT\n"), "{four}");
        assert!(!four.contains("fd0"), "{four}");
        let six = chains(Family::Six, &rules);
        assert!(six.contains("-d fd01::/64 -j RETURN") && !six.contains("10."), "{six}");
    }
}
