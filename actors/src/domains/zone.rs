//! What a zone's own server says of a domain, before any resolver is asked.
//!
//! A resolver that is asked too soon remembers that there is no record, and says so to whoever asks it. So the
//! zone is found from above: a name that may not be there yet is only asked for at the servers of the zone above
//! it. Invariants: this proves nothing, and takes a bounded time; where it comes to nothing, resolvers are asked as
//! if there were no such server.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hythe_core::domain::{Heard, LeadAnswer, TxtAnswer};
use hythe_core::reach::is_off_limits;
use tokio::time::timeout;

use super::dns::{Cut, Dns};

/// Where the servers of zones answer.
pub(super) const PORT: u16 = 53;
/// How long all of it may take; what is left of the look is the resolvers'.
const WITHIN: Duration = Duration::from_secs(3);
/// Servers of one zone that are tried.
const MOST_SERVERS: usize = 2;

/// What one of the zone's servers says.
#[derive(Debug)]
pub(super) struct OfZone {
    pub(super) txt: Heard<TxtAnswer>,
    pub(super) leads: LeadAnswer,
    /// For how many seconds resolvers may remember that there is no record.
    pub(super) remembered: Option<u32>,
}

struct Server {
    address: SocketAddr,
    dns: Dns,
}

/// Asks a server of the zone that `record` is in; none where none can be found, or none answers.
pub(super) async fn ask(
    resolvers: &[SocketAddr],
    port: u16,
    record: &str,
    looked_up: &str,
) -> Option<OfZone> {
    let asked = async {
        let (_, host) = record.split_once('.')?;
        for Server { address, dns } in servers_of(resolvers, port, host).await? {
            let (said, leads) = tokio::join!(dns.own_txt(record), dns.leads(looked_up));
            let (txt, remembered) = said;
            match txt {
                TxtAnswer::Failed(_) => {}
                TxtAnswer::Texts(_) | TxtAnswer::Alias(_) | TxtAnswer::Nothing => {
                    let txt = Heard { resolver: address, answer: txt };
                    return Some(OfZone { txt, leads, remembered });
                }
            }
        }
        None
    };
    timeout(WITHIN, asked).await.ok().flatten()
}

/// The servers of the zone that a host is in.
async fn servers_of(resolvers: &[SocketAddr], port: u16, host: &str) -> Option<Vec<Server>> {
    let mut names = from_above(host).into_iter();
    // Whoever has a host there has this name: a resolver does not remember that it is missing.
    let (resolver, servers) = zone(resolvers, names.next()?).await?;
    let mut servers = reached(&resolver, servers, port).await?;
    for name in names {
        match cut(&servers, name).await? {
            Cut::Servers(below) => servers = reached(&resolver, below, port).await?,
            Cut::None => {}
            Cut::Gone => break,
        }
    }
    Some(servers)
}

/// A host's name and those above it, from the one with two labels on.
fn from_above(host: &str) -> Vec<&str> {
    let below = host.rmatch_indices('.').skip(1).filter_map(|(at, _)| host.get(at + 1..));
    let whole = host.contains('.').then_some(host);
    below.chain(whole).collect()
}

/// The servers of a zone as the first resolver says that can say anything, and that resolver.
async fn zone(resolvers: &[SocketAddr], name: &str) -> Option<(Dns, Vec<String>)> {
    let resolvers = resolvers.iter().filter_map(|resolver| Dns::new(*resolver).ok());
    let asked = resolvers.map(|dns| async move {
        let said = dns.servers(name).await;
        (dns, said)
    });
    let mut asked: FuturesUnordered<_> = asked.collect();
    while let Some((dns, said)) = asked.next().await {
        match said {
            Ok(Cut::Servers(servers)) => return Some((dns, servers)),
            Ok(Cut::None | Cut::Gone) => return None,
            Err(_) => {}
        }
    }
    None
}

/// Some of these servers, by their addresses.
async fn reached(resolver: &Dns, names: Vec<String>, port: u16) -> Option<Vec<Server>> {
    let mut servers = Vec::new();
    for name in names.iter().take(MOST_SERVERS) {
        let addresses = match resolver.leads(name).await {
            LeadAnswer::Found { addresses, .. } => addresses,
            LeadAnswer::Nothing | LeadAnswer::Failed(_) => continue,
        };
        // Who has a zone says who its servers are, and so whom this server sends packets to.
        let address = addresses.into_iter().find(|address| !is_off_limits(*address));
        let address = address.map(|address| SocketAddr::new(address, port));
        let server = |address| Some(Server { address, dns: Dns::own(address).ok()? });
        servers.extend(address.and_then(server));
    }
    (!servers.is_empty()).then_some(servers)
}

/// Whether a zone begins at a name, as the first of these says that answers.
async fn cut(servers: &[Server], name: &str) -> Option<Cut> {
    for server in servers {
        if let Ok(cut) = server.dns.servers(name).await {
            return Some(cut);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use hythe_core::domain::{DomainHost, DomainToken, LeadTarget, Leads, Verdict};
    use hythe_core::time::Timestamp;

    use super::*;
    use crate::certificates::tests::dns_server::DnsServer;
    use crate::domains::check::{Report, Wanted, look};

    #[test]
    fn names_come_from_above() {
        let names = from_above("a.b.shop.example");
        assert_eq!(names, ["shop.example", "b.shop.example", "a.b.shop.example"]);
        assert_eq!(from_above("shop.example"), ["shop.example"]);
        assert!(from_above("shop").is_empty());
    }

    const HOST: &str = "www.shop.example";
    const RECORD: &str = "_hythe.www.shop.example";

    /// A resolver that knows who has the zone, and the zone's server.
    struct Net {
        resolver: DnsServer,
        own: DnsServer,
    }

    impl Net {
        fn new() -> Self {
            let (resolver, own) = (DnsServer::start(), DnsServer::start());
            resolver.ns("shop.example", "ns.elsewhere.example");
            resolver.a("ns.elsewhere.example", [127, 0, 0, 1]);
            Self { resolver, own }
        }

        async fn look(&self) -> Report {
            let own: SocketAddr = self.own.address().parse().unwrap();
            let wanted = Wanted {
                host: DomainHost::new(HOST).unwrap(),
                token: DomainToken::new("a".repeat(64)).unwrap(),
                target: LeadTarget::default(),
                resolvers: vec![self.resolver.address().parse().unwrap()],
                zone: Some(own.port()),
                authorities: Vec::new(),
            };
            look(&wanted, Timestamp(0)).await
        }
    }

    #[tokio::test]
    async fn no_resolver_hears_of_a_record_before_the_zone_has_it() {
        let net = Net::new();
        let report = net.look().await;
        assert_eq!(report.judged.verdict, Verdict::Absent, "{}", report.judged.why);
        assert!(report.judged.why.contains("the zone's own server"), "{}", report.judged.why);
        assert_eq!(report.txt[0].resolver.to_string(), net.own.address());
        assert_eq!(report.txt.len(), report.leads.len());
        assert_eq!(report.led.leads, Leads::Nowhere);
        for name in [HOST, RECORD] {
            assert!(!net.resolver.was_asked(name), "{name} would be remembered as missing");
            assert!(net.own.was_asked(name), "{name}");
        }

        // The zone has it, and that alone proves nothing.
        net.own.txt(RECORD, &["a".repeat(64).as_str()]);
        let report = net.look().await;
        assert_eq!(report.judged.verdict, Verdict::Absent);
        assert!(net.resolver.was_asked(RECORD));
        assert!(report.judged.why.contains("may remember"), "{}", report.judged.why);
        net.resolver.txt(RECORD, &["a".repeat(64).as_str()]);
        assert_eq!(net.look().await.judged.verdict, Verdict::Proven);
    }

    #[tokio::test]
    async fn where_the_zone_cannot_be_asked_resolvers_are() {
        let proven = |net: Net| async move {
            net.resolver.txt(RECORD, &["a".repeat(64).as_str()]);
            net.look().await.judged.verdict == Verdict::Proven
        };
        let failing = Net::new();
        failing.own.fails(true);
        assert!(proven(failing).await);
        let unknown = Net::new();
        unknown.resolver.forget("shop.example");
        assert!(proven(unknown).await);
        let off_limits = Net::new();
        off_limits.resolver.forget("ns.elsewhere.example");
        off_limits.resolver.a("ns.elsewhere.example", [169, 254, 169, 254]);
        assert!(proven(off_limits).await);
    }
}
