//! One look at a domain: all resolvers are asked at once, and the answers judged; before that, where nobody has
//! proven it yet, the zone's own server ([`super::zone`]).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hythe_core::certificate::Authority;
use hythe_core::domain::{
    CaaForbids, DEFAULT_RESOLVERS, DomainHost, DomainSettings, DomainToken, Heard, Judged,
    LeadAnswer, LeadTarget, Led, TxtAnswer, Verdict, judge, led, not_yet, while_remembered,
};
use hythe_core::limits;
use hythe_core::time::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::caa;
use super::dns::Dns;
use super::zone::{self, OfZone};

/// Whoever does not answer in time is told of so.
const TOO_LATE: &str = "it did not answer in time";
/// How long those are waited for that cannot change the outcome any more.
const STRAGGLERS: Duration = Duration::from_secs(1);
/// Longer than any that a machine has.
const MOST_SYSTEM_BYTES: usize = 64 * 1024;

/// What came of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When it was.
    pub at: Timestamp,
    /// Whether the domain is proven.
    pub judged: Judged,
    /// Where it leads.
    pub led: Led,
    /// What each resolver said of the record.
    pub txt: Vec<Heard<TxtAnswer>>,
    /// And of where it leads.
    pub leads: Vec<Heard<LeadAnswer>>,
    /// That its CAA records permit none of the authorities that are asked, where they do not.
    pub caa: Option<CaaForbids>,
    /// Why the domain is not this app's although it is proven, where it is not.
    pub blocked: Option<String>,
}

/// What is to be looked at.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) host: DomainHost,
    pub(super) token: DomainToken,
    /// Where it is to lead: the addresses that are set, or none.
    pub(super) target: LeadTarget,
    pub(super) resolvers: Vec<SocketAddr>,
    /// The port of the zone's own servers, where these are asked first.
    pub(super) zone: Option<u16>,
    /// Those that are asked for its certificates.
    pub(super) authorities: Vec<Authority>,
}

/// The resolvers that are asked: those that are set, or the machine's own and well-known ones.
#[must_use]
pub fn resolvers(settings: &DomainSettings) -> Vec<SocketAddr> {
    if !settings.resolvers.is_empty() {
        return settings.resolvers.clone();
    }
    let mut all: Vec<SocketAddr> = system().into_iter().collect();
    let others = DEFAULT_RESOLVERS.into_iter().filter(|other| !all.contains(other));
    let others: Vec<SocketAddr> = others.collect();
    all.extend(others);
    all
}

/// The first resolver that the machine itself uses.
fn system() -> Option<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    let text = text.get(..text.len().min(MOST_SYSTEM_BYTES)).unwrap_or_default();
    let addresses = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let mut addresses = addresses.filter_map(|rest| rest.trim().parse::<IpAddr>().ok());
    addresses.next().map(|address| SocketAddr::new(address, 53))
}

/// Looks, within [`limits::DOMAIN_WITHIN`] in all.
pub(super) async fn look(wanted: &Wanted, now: Timestamp) -> Report {
    let until = Instant::now() + Duration::from_millis(limits::DOMAIN_WITHIN.0);
    let (record, looked_up) = (wanted.host.record(), wanted.host.looked_up());
    let of_zone = match wanted.zone {
        Some(port) => Box::pin(zone::ask(&wanted.resolvers, port, &record, &looked_up)).await,
        None => None,
    };
    let early = of_zone
        .as_ref()
        .and_then(|zone| not_yet(&record, &wanted.token, &zone.txt, zone.remembered));
    let has_it = match (of_zone, early) {
        (Some(zone), Some(judged)) => return too_early(&looked_up, wanted, zone, judged, now),
        (zone, _) => zone.map(|zone| zone.txt.resolver),
    };
    let asked = wanted.resolvers.iter().enumerate().map(|(place, resolver)| {
        let (record, looked_up) = (record.as_str(), looked_up.as_str());
        async move { (place, ask(*resolver, record, looked_up, &wanted.target).await) }
    });
    let mut asked: FuturesUnordered<_> = asked.collect();
    let late = |resolver: &SocketAddr| {
        let resolver = *resolver;
        let txt = Heard { resolver, answer: TxtAnswer::Failed(TOO_LATE.into()) };
        (txt, Heard { resolver, answer: LeadAnswer::Failed(TOO_LATE.into()) })
    };
    let (mut txt, mut leads): (Vec<_>, Vec<_>) = wanted.resolvers.iter().map(late).unzip();
    let mut goal = wanted.target.clone();
    let looked = async {
        let mut end = until;
        while let Ok(Some((place, answer))) = timeout_at(end, asked.next()).await {
            let (of_record, of_host, of_target) = answer;
            if let Some((txt, leads)) = txt.get_mut(place).zip(leads.get_mut(place)) {
                (txt.answer, leads.answer) = (of_record, of_host);
            }
            goal.addresses.extend(of_target);
            // Whatever the others say, it stays proven.
            if judge(&record, &wanted.token, &txt).verdict == Verdict::Proven {
                end = end.min(Instant::now() + STRAGGLERS);
            }
        }
    };
    let forbids = caa::ask(&wanted.resolvers, &wanted.host, &wanted.authorities);
    let (caa, ()) = tokio::join!(Box::pin(forbids), looked);
    let judged = judge(&record, &wanted.token, &txt);
    let judged = match has_it {
        Some(server) => while_remembered(judged, server),
        None => judged,
    };
    let led = led(&looked_up, &goal, &leads);
    Report { at: now, judged, led, txt, leads, caa, blocked: None }
}

/// What is known before resolvers may be asked. Where the host leads they are not asked either, nor for who may
/// sign for it: that a name is not there holds for all below it.
fn too_early(
    looked_up: &str,
    wanted: &Wanted,
    zone: OfZone,
    judged: Judged,
    now: Timestamp,
) -> Report {
    let OfZone { txt, leads, remembered: _ } = zone;
    let leads = vec![Heard { resolver: txt.resolver, answer: leads }];
    let led = led(looked_up, &wanted.target, &leads);
    Report { at: now, judged, led, txt: vec![txt], leads, caa: None, blocked: None }
}

/// What one resolver says: of the record, of where the host leads, and of where it is to lead.
async fn ask(
    resolver: SocketAddr,
    record: &str,
    looked_up: &str,
    goal: &LeadTarget,
) -> (TxtAnswer, LeadAnswer, BTreeSet<IpAddr>) {
    match Dns::new(resolver) {
        Ok(dns) => tokio::join!(dns.txt(record), dns.leads(looked_up), target(&dns, goal)),
        Err(why) => (TxtAnswer::Failed(why.clone()), LeadAnswer::Failed(why), BTreeSet::new()),
    }
}

/// The addresses of where domains are to lead, where only its name is set.
async fn target(dns: &Dns, target: &LeadTarget) -> BTreeSet<IpAddr> {
    let name = target.name.as_ref().filter(|_| target.addresses.is_empty());
    let Some(name) = name else { return BTreeSet::new() };
    match dns.leads(name).await {
        LeadAnswer::Found { addresses, .. } => addresses.iter().map(IpAddr::to_canonical).collect(),
        LeadAnswer::Nothing | LeadAnswer::Failed(_) => BTreeSet::new(),
    }
}
