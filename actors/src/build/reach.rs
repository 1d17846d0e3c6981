//! Keeps what a Dockerfile has BuildKit fetch to the internet.
//!
//! A build's own packets meet the rules of [`super::firewall`]. What `ADD` names BuildKit fetches by
//! itself, in the network of the engine, where a rule would hit whatever else the engine does. So it is
//! looked at before the build: the hosts of all that is fetched, and the addresses that their names
//! stand for now. What a host sends on to, and names that stand for something else a moment later, are
//! not seen; nor is what a base image adds (`ONBUILD`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use hythe_core::dockerfile::{RemoteHost, frontend, remotes};
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

use super::context::{Content, Context, Kind};
use super::firewall::{Network, private};

/// The most bytes of a Dockerfile.
const MOST_BYTES: u64 = 1024 * 1024;
/// How long all names may take to be looked up. What was not looked at by then is not let through.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(15);
/// The most characters of what somebody wrote that are shown.
const MOST_SHOWN: usize = 200;
/// Names by which clouds tell machines their secrets.
const METADATA: [&str; 5] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
];
/// The frontends that do what a Dockerfile says and nothing else.
const FRONTENDS: [&str; 2] = ["docker/dockerfile", "docker/dockerfile-upstream"];
/// The build argument by which a frontend is named.
const FRONTEND_ARG: &str = "BUILDKIT_SYNTAX";

/// Says why a build must not begin: what it would fetch lies where builds may not reach.
///
/// # Errors
/// Why, for the person whose Dockerfile it is.
pub(super) async fn check(
    context: &Context,
    args: &BTreeMap<&str, &str>,
    allowed: &[Network],
) -> Result<(), String> {
    let Some(text) = read(context).await? else { return Ok(()) };
    let path = &context.dockerfile;
    let named = frontend(&text).or_else(|| args.get(FRONTEND_ARG).map(|&named| named.to_owned()));
    if let Some(named) = named.filter(|named| !is_plain(named)) {
        return Err(format!(
            "{path} names a frontend of its own ({}), which could fetch from where builds must not \
             reach: leave the line out, or name docker/dockerfile",
            shown(&named)
        ));
    }
    let mut hosts: BTreeMap<String, String> = BTreeMap::new();
    for remote in remotes(&text, args) {
        let what = format!("line {} of {path} adds {}", remote.line, shown(&remote.written));
        match remote.host {
            RemoteHost::Known(host) => {
                hosts.entry(host).or_insert(what);
            }
            RemoteHost::Unknown(names) => return Err(unknown(&what, &names)),
        }
    }
    let looking = async {
        for (host, what) in &hosts {
            judge(host, allowed, look_up).await.map_err(|why| format!("{what}: {why}"))?;
        }
        Ok(())
    };
    let late =
        || "the hosts that it adds from could not be looked up in time; try again".to_owned();
    timeout(LOOK_UP_WITHIN, looking).await.unwrap_or_else(|_| Err(late()))
}

/// The Dockerfile's text, where there is one.
async fn read(context: &Context) -> Result<Option<String>, String> {
    let path = &context.dockerfile;
    let beside = context.items.iter().any(|item| item.beside);
    let item = context.items.iter().find(|item| item.path == *path && item.beside == beside);
    let bytes = match item.map(|item| &item.kind) {
        None | Some(Kind::Folder) => return Ok(None),
        Some(Kind::Link(_)) => {
            return Err(format!("{path} is a link: name the file that it leads to (--dockerfile)"));
        }
        Some(Kind::File { size, .. }) if *size > MOST_BYTES => {
            return Err(format!("{path} is larger than 1 MiB"));
        }
        Some(Kind::File { content: Content::Here(bytes), .. }) => bytes.to_vec(),
        Some(Kind::File { content: Content::OnDisk(file), .. }) => {
            tokio::fs::read(file).await.map_err(|error| format!("{path}: {error}"))?
        }
    };
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether a frontend is one of Docker's own.
fn is_plain(named: &str) -> bool {
    let named = named.split_whitespace().next().unwrap_or_default();
    let named = named.split_once('@').map_or(named, |(name, _)| name);
    let named = named.split_once(':').map_or(named, |(name, _)| name);
    FRONTENDS.contains(&named.strip_prefix("docker.io/").unwrap_or(named))
}

fn unknown(what: &str, names: &[String]) -> String {
    let advice = match names {
        [] => "write it out".to_owned(),
        [name, ..] => format!(
            "neither the Dockerfile nor a build argument says what {} is: write it out, or declare it \
             with ARG and give it with --build-arg {name}=…",
            names.join(", ")
        ),
    };
    format!("{what}, whose host cannot be known before the build: {advice}")
}

/// Whether a host may be reached; `Err` says why not.
async fn judge<F: Future<Output = Vec<IpAddr>>>(
    host: &str,
    allowed: &[Network],
    look_up: impl Fn(String) -> F,
) -> Result<(), String> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "\\%|^<>\"'`{}".contains(c);
    // Read as browsers do, which know all forms of an address.
    let parsed = (!host.contains(odd)).then(|| Url::parse(&format!("http://{host}/")).ok());
    let Some(parsed) = parsed.flatten() else {
        return Err(format!("{} is no host", shown(host)));
    };
    let (name, addresses) = match parsed.host() {
        None => return Err(format!("{} is no host", shown(host))),
        Some(Host::Ipv4(address)) => (None, vec![IpAddr::V4(address)]),
        Some(Host::Ipv6(address)) => (None, vec![IpAddr::V6(address)]),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_owned();
            let addresses = look_up(name.clone()).await;
            (Some(name), addresses)
        }
    };
    let kept_from = |address: &IpAddr| {
        let network = private(plain(*address))?;
        let lets = |allowed: &Network| allowed.has(plain(*address));
        (!allowed.iter().any(lets)).then_some((*address, network))
    };
    if let Some((address, network)) = addresses.iter().find_map(kept_from) {
        let is = name.map_or_else(|| address.to_string(), |name| format!("{name} is {address}"));
        let advice = format!("an agent with --build-allow {} lets builds there", plain(address));
        return Err(format!("{is}, which lies in {network} and not in the internet; {advice}"));
    }
    match name {
        Some(name) if is_own(&name) && addresses.is_empty() => {
            Err(format!("{name} is this machine or tells its secrets, and is not in the internet"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether a name stands for the machine, or for what tells its secrets.
fn is_own(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost") || METADATA.contains(&name)
}

/// An address without what it is wrapped into.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) if six == Ipv6Addr::LOCALHOST || six == Ipv6Addr::UNSPECIFIED => address,
        IpAddr::V6(six) => six.to_ipv4().map_or(address, IpAddr::V4),
    }
}

/// The addresses that a name stands for; none where that cannot be found out.
async fn look_up(name: String) -> Vec<IpAddr> {
    let Ok(found) = lookup_host((name.as_str(), 80)).await else { return Vec::new() };
    found.map(|address| address.ip()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn shown(text: &str) -> String {
    text.chars().take(MOST_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn judged(host: &str, allowed: &[&str], addresses: &[&str]) -> Result<(), String> {
        let allowed: Vec<Network> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        let found: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        judge(host, &allowed, |_| std::future::ready(found.clone())).await
    }

    #[tokio::test]
    async fn addresses_beyond_the_internet_are_refused_in_every_form() {
        for host in [
            "127.0.0.1",
            "127.1:8080",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "0",
            "10.1.2.3",
            "100.64.0.1",
            "169.254.169.254",
            "0xa9fea9fe",
            "172.31.0.1",
            "192.168.1.1:5000",
            "224.0.0.1",
            "255.255.255.255",
            "１０.0.0.1",
            "[::1]",
            "[::]",
            "[fd00:ec2::254]",
            "[fe80::1]:80",
            "[ff02::1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::10.0.0.1]",
            "[64:ff9b::a9fe:a9fe]",
            "localhost",
            "LOCALHOST.",
            "a.localhost:70",
            "metadata.google.internal",
            "Metadata.Google.Internal.:80",
            "metadata",
        ] {
            let refused = judged(host, &[], &[]).await.unwrap_err();
            assert!(refused.contains("internet"), "{host}: {refused}");
        }
        for host in ["", "a b", "10.0.0.1\\x", "[::1%25eth0]", "a%2e", "1.2.3.4.5.6.256", "[::1"] {
            assert!(judged(host, &[], &[]).await.is_err(), "{host}");
        }
        for host in ["93.184.216.34", "[2606:2800::1]", "example.com", "metadata.example.com"] {
            assert_eq!(judged(host, &[], &[]).await, Ok(()), "{host}");
        }
    }

    #[tokio::test]
    async fn names_are_refused_for_what_they_stand_for_and_networks_let_through() {
        let refused = judged("files.corp", &[], &["93.184.216.34", "10.1.2.3"]).await.unwrap_err();
        for part in ["files.corp is 10.1.2.3", "10.0.0.0/8", "--build-allow 10.1.2.3"] {
            assert!(refused.contains(part), "{refused}");
        }
        let allowed = ["10.1.0.0/16", "::1", "127.0.0.0/8"];
        let rows: [(&str, &[&str], bool); 7] = [
            ("files.corp", &["10.1.2.3"], true),
            ("files.corp", &["10.1.2.3", "10.2.0.1"], false),
            ("10.1.255.255", &[], true),
            ("10.2.0.1", &[], false),
            ("[::ffff:10.1.0.1]", &[], true),
            ("localhost", &["::1", "127.0.0.1"], true),
            ("[::2]", &[], false),
        ];
        for (host, addresses, lets) in rows {
            assert_eq!(judged(host, &allowed, addresses).await.is_ok(), lets, "{host}");
        }
    }

    #[tokio::test]
    async fn a_dockerfile_says_what_it_fetches() {
        let refused = async |text: &str| {
            let args = BTreeMap::from([("H", "10.0.0.1")]);
            check(&Context::of_dockerfile(text), &args, &[]).await.err().unwrap_or_default()
        };
        let rows = [
            (
                "FROM a\nARG H\nADD http://$H/x /x",
                "line 3 of Dockerfile adds http://$H/x: 10.0.0.1",
            ),
            ("FROM a\nADD http://$I/x /x", "what I is"),
            ("# syntax=evil/front\nFROM a", "a frontend of its own (evil/front)"),
            ("# syntax=docker/dockerfile-evil\nFROM a", "a frontend of its own"),
        ];
        for (text, part) in rows {
            let said = refused(text).await;
            assert!(said.contains(part), "{text}: {said}");
        }
        for text in [
            "# syntax=docker/dockerfile:1.7@sha256:00\nFROM 10.0.0.1:5000/a\nADD a /x",
            "# syntax = docker.io/docker/dockerfile\nFROM a\nADD http://93.184.216.34/x /x",
        ] {
            assert_eq!(refused(text).await, "", "{text}");
        }
        let args = BTreeMap::from([(FRONTEND_ARG, "evil")]);
        assert!(check(&Context::of_dockerfile("FROM a"), &args, &[]).await.is_err());
    }
}
