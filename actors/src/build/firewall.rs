//! Keeps builds away from everything but the internet: apps, ports of the host, private networks
//! and the address where clouds tell machines their secrets.
//!
//! Builds run on the engine's default bridge (its own BuildKit takes no other), so the rules are
//! for what comes from there. They lie in two chains of their own, which are filled anew in one
//! go; everybody else's rules stay as they are. Connections that others open to a container on
//! that bridge are answered, and names can be asked for.

use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What comes from builds and goes through the machine.
const THROUGH: &str = "HYTHE-BUILDS";
/// What comes from builds and is for the machine itself.
const TO_HOST: &str = "HYTHE-BUILDS-HOST";
/// How long one command may take.
const WITHIN: Duration = Duration::from_secs(10);
/// How long it may wait for others that change the rules, in seconds.
const LOCK_SECONDS: &str = "5";
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
const PRIVATE_6: [&str; 5] = ["::1/128", "fc00::/7", "fe80::/10", "ff00::/8", "64:ff9b::/96"];

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
fn chains(family: Family, resolvers: &[IpAddr], allowed: &[Network]) -> String {
    let mut text = format!("*filter\n:{THROUGH} - [0:0]\n:{TO_HOST} - [0:0]\n");
    let networks: &[&str] = match family {
        Family::Four => &PRIVATE,
        Family::Six => &PRIVATE_6,
    };
    for chain in [THROUGH, TO_HOST] {
        let mut rule = |rule: String| text.push_str(&format!("-A {chain} {rule}\n"));
        rule("-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN".to_owned());
        for resolver in resolvers.iter().filter(|address| family.has(**address)) {
            for protocol in ["udp", "tcp"] {
                rule(format!("-d {resolver} -p {protocol} -m {protocol} --dport 53 -j RETURN"));
            }
        }
        for network in allowed.iter().filter(|network| family.has(network.address)) {
            rule(format!("-d {network} -j RETURN"));
        }
        if chain == THROUGH {
            networks.iter().for_each(|network| rule(format!("-d {network} -j REJECT")));
        } else {
            rule("-j REJECT".to_owned());
        }
    }
    text + "COMMIT\n"
}

/// The name servers that containers are given: those of the host that are no loopback addresses.
fn resolvers(resolv_conf: &str) -> Vec<IpAddr> {
    resolv_conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok())
        .filter(|address: &IpAddr| !address.is_loopback())
        .collect()
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
    for family in [Family::Four, Family::Six] {
        let done = family_up(family, bridge, &names, allowed).await;
        match (family, done) {
            (_, Ok(())) => {}
            (Family::Four, Err(why)) => return Err(why),
            // Most default bridges speak IPv4 only, and many machines have no rules for IPv6.
            (Family::Six, Err(why)) if speaks_six(bridge).await => return Err(why),
            (Family::Six, Err(why)) => tracing::debug!(why, "no rules for IPv6, which is not used"),
        }
    }
    Ok(())
}

async fn family_up(
    family: Family,
    bridge: &str,
    resolvers: &[IpAddr],
    allowed: &[Network],
) -> Result<(), String> {
    let text = chains(family, resolvers, allowed);
    run(family.restore(), &["--noflush", "-w", LOCK_SECONDS], Some(&text)).await?;
    // The engine puts its own rules before others' whenever it starts, but never before this one.
    let own = run(family.rules(), &["-w", LOCK_SECONDS, "-S", "DOCKER-USER"], None).await;
    let through = if own.is_ok() { "DOCKER-USER" } else { "FORWARD" };
    for (from, to) in [(through, THROUGH), ("INPUT", TO_HOST)] {
        let rule = [from, "-i", bridge, "-j", to];
        let check = [&["-w", LOCK_SECONDS, "-C"][..], &rule].concat();
        if run(family.rules(), &check, None).await.is_err() {
            let insert = [&["-w", LOCK_SECONDS, "-I"][..], &rule].concat();
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

/// Runs a command with its arguments.
async fn run(program: &str, args: &[&str], input: Option<&str>) -> Result<(), String> {
    let failed = |why: &dyn std::fmt::Display| format!("{program}: {why}");
    let mut child = Command::new(program)
        .args(args)
        // Where an ordinary user's PATH does not lead.
        .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(&error))?;
    let ended = async {
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(text.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(WITHIN, ended)
        .await
        .map_err(|_| failed(&"it did not end in time"))?
        .map_err(|error| failed(&error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or_default().chars().take(200).collect::<String>();
    Err(if first.is_empty() { failed(&output.status) } else { failed(&first) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internet_is_let_through_and_nothing_else() {
        let resolvers = ["10.0.0.53".parse().unwrap(), "fd00::53".parse().unwrap()];
        let allowed = ["10.1.0.0/16".parse().unwrap(), "fd01::/64".parse().unwrap()];
        let four = chains(Family::Four, &resolvers, &allowed);
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
        let six = chains(Family::Six, &resolvers, &allowed);
        assert!(six.contains("-d fd01::/64 -j RETURN") && !six.contains("10."), "{six}");
    }

    #[test]
    fn networks_and_resolvers_are_read() {
        let shown = |text: &str| text.parse::<Network>().map(|network| network.to_string());
        assert_eq!(shown("10.1.0.0/16").unwrap(), "10.1.0.0/16");
        assert_eq!(shown("10.1.2.3").unwrap(), "10.1.2.3/32");
        for wrong in
            ["", "10.0.0.0/33", "10.0.0", "-j ACCEPT", "10.0.0.0/8 -j ACCEPT", "fd00::/129"]
        {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
        let found = resolvers("# x\nnameserver 127.0.0.53\n nameserver 10.0.0.2\nnameserver bad\n");
        assert_eq!(found, ["10.0.0.2".parse::<IpAddr>().unwrap()]);
    }
}
