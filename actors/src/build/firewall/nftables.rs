//! The rules as `nft` takes them: one table, replaced in one transaction. What it lets through,
//! other tables may still refuse.

use std::fmt::{self, Write};
use std::net::IpAddr;

use super::command::run;
use super::{Network, PRIVATE, PRIVATE_6, Rules};

/// A table for both versions of IP.
const TABLE: &str = "inet hythe_builds";
/// Before the rules of those who give none a priority of its own, as engines do.
const PRIORITY: &str = "filter - 5";

/// Puts the rules in force.
///
/// # Errors
/// What the command said, or that there is none.
pub(super) async fn put_up(rules: &Rules<'_>) -> Result<(), String> {
    run("nft", &["-f", "-"], Some(&table(rules))).await
}

/// The table, as `nft -f` reads it.
pub(super) fn table(rules: &Rules<'_>) -> String {
    let mut text = String::new();
    // That something cannot be written into a string does not happen.
    let _ = write_table(&mut text, rules);
    text
}

fn write_table(text: &mut String, rules: &Rules<'_>) -> fmt::Result {
    // Added first, so that what is not there can be deleted.
    writeln!(text, "add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{")?;
    for (chain, hook) in [("through", "forward"), ("to_host", "input")] {
        writeln!(text, "chain {chain} {{")?;
        writeln!(text, "type filter hook {hook} priority {PRIORITY}; policy accept;")?;
        writeln!(text, "iifname != \"{}\" accept", rules.bridge)?;
        writeln!(text, "ct state established,related accept")?;
        for resolver in &rules.resolvers {
            let family = family(*resolver);
            writeln!(
                text,
                "{family} daddr {resolver} meta l4proto {{ tcp, udp }} th dport 53 accept"
            )?;
        }
        for network in rules.allowed {
            writeln!(text, "{} accept", to(network))?;
        }
        if hook == "forward" {
            writeln!(text, "ip daddr {{ {} }} reject", PRIVATE.join(", "))?;
            writeln!(text, "ip6 daddr {{ {} }} reject", PRIVATE_6.join(", "))?;
        } else {
            // Without its neighbours nothing is reached over IPv6, name servers neither.
            writeln!(text, "icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept")?;
            writeln!(text, "reject")?;
        }
        writeln!(text, "}}")?;
    }
    writeln!(text, "}}")
}

const fn family(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "ip",
        IpAddr::V6(_) => "ip6",
    }
}

fn to(network: &Network) -> String {
    format!("{} daddr {network}", family(network.address))
}
