//! What one resolver says, or one of a zone's own servers: the only place that speaks DNS.
//!
//! Invariants: one server is asked, and no other; neither the machine's hosts file nor a cache nor a
//! search list has a say. Whatever it answers is bounded and made into a value here. Time is kept by
//! whoever asks.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use hythe_core::domain::{CaaRecord, LeadAnswer, TxtAnswer};

/// How long one question may take, over UDP and then over TCP.
const ONE_WITHIN: Duration = Duration::from_millis(2_500);
/// How often it is put again.
const ATTEMPTS: usize = 2;
/// How long one question to a zone's own server may take: it knows the answer, and there are others.
const OWN_WITHIN: Duration = Duration::from_millis(1_000);
/// Records of one answer that are looked at.
const MOST_RECORDS: usize = 32;
/// Characters of one text that are looked at: more than a token has.
const MOST_TEXT: usize = 256;
/// Characters of a reason.
const MOST_REASON: usize = 200;
/// Lookups that a resolver keeps; it is asked a handful.
const CACHE: u64 = 16;

/// One server.
#[derive(Clone)]
pub(crate) struct Dns(TokioResolver);

/// What is known of a zone.
#[derive(Debug)]
pub(super) enum Cut {
    /// The names of its servers.
    Servers(Vec<String>),
    /// The name is there, and begins no zone.
    None,
    /// The name is not there, and nothing below it.
    Gone,
}

/// What came of a question.
enum Answer {
    Records(Vec<Record>),
    Nothing(Box<NoRecords>),
}

impl Dns {
    /// A resolver.
    pub(crate) fn new(resolver: SocketAddr) -> Result<Self, String> {
        Self::of(resolver, true)
    }

    /// One of a zone's own servers: it says what it has, and asks nobody.
    pub(super) fn own(server: SocketAddr) -> Result<Self, String> {
        Self::of(server, false)
    }

    fn of(resolver: SocketAddr, asks_others: bool) -> Result<Self, String> {
        let mut server = NameServerConfig::udp_and_tcp(resolver.ip());
        for connection in &mut server.connections {
            connection.port = resolver.port();
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = if asks_others { ONE_WITHIN } else { OWN_WITHIN };
        options.attempts = if asks_others { ATTEMPTS } else { 0 };
        options.recursion_desired = asks_others;
        options.cache_size = CACHE;
        options.use_hosts_file = ResolveHosts::Never;
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    /// The TXT records at a name itself.
    pub(crate) async fn txt(&self, name: &str) -> TxtAnswer {
        let Ok(asked) = absolute(name) else { return TxtAnswer::Failed("no such name".into()) };
        match self.ask(&asked, RecordType::TXT).await {
            Ok(records) => texts(&records, &asked),
            Err(why) => TxtAnswer::Failed(why),
        }
    }

    /// The same as one of the zone's own servers says it; and for how many seconds resolvers may remember that
    /// there is none.
    pub(super) async fn own_txt(&self, name: &str) -> (TxtAnswer, Option<u32>) {
        let Ok(asked) = absolute(name) else {
            return (TxtAnswer::Failed("no such name".into()), None);
        };
        match self.answer(&asked, RecordType::TXT).await {
            Ok(Answer::Records(records)) => (texts(&records, &asked), None),
            Ok(Answer::Nothing(none)) if leads_on(&none) => {
                (TxtAnswer::Failed("it names other servers".into()), None)
            }
            Ok(Answer::Nothing(none)) => (TxtAnswer::Nothing, none.negative_ttl),
            Err(why) => (TxtAnswer::Failed(why), None),
        }
    }

    /// The servers of a zone, where the name begins one.
    pub(super) async fn servers(&self, zone: &str) -> Result<Cut, String> {
        let asked = absolute(zone).map_err(|()| "no such name".to_owned())?;
        let server = |record: &Record| {
            let RData::NS(name) = &record.data else { return None };
            (record.name == asked).then(|| plain(&name.0))
        };
        let servers: Vec<String> = match self.answer(&asked, RecordType::NS).await? {
            Answer::Records(records) => records.iter().filter_map(server).collect(),
            Answer::Nothing(none) if none.response_code == ResponseCode::NXDomain => {
                return Ok(Cut::Gone);
            }
            Answer::Nothing(none) => {
                let below = none.ns.iter().flat_map(|all| all.iter());
                let servers: Vec<String> = below.filter_map(|one| server(&one.ns)).collect();
                if servers.is_empty() && leads_on(&none) {
                    return Err("it names servers of another zone".to_owned());
                }
                servers
            }
        };
        Ok(if servers.is_empty() { Cut::None } else { Cut::Servers(servers) })
    }

    /// Where a host leads.
    pub(super) async fn leads(&self, host: &str) -> LeadAnswer {
        let Ok(asked) = absolute(host) else { return LeadAnswer::Failed("no such name".into()) };
        let (four, six, alias) = tokio::join!(
            self.ask(&asked, RecordType::A),
            self.ask(&asked, RecordType::AAAA),
            self.ask(&asked, RecordType::CNAME),
        );
        let mut records = Vec::new();
        let mut why = None;
        for answer in [four, six, alias] {
            match answer {
                Ok(some) => records.extend(some),
                Err(error) => why = Some(error),
            }
        }
        let mut addresses: Vec<IpAddr> = records.iter().filter_map(address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MOST_RECORDS);
        let mut aliases: Vec<String> = Vec::new();
        let mut at = asked;
        while let Some(next) = records.iter().find_map(|record| alias_name(record, &at)) {
            let text = plain(&next);
            if aliases.len() >= MOST_RECORDS || aliases.contains(&text) {
                break;
            }
            aliases.push(text);
            at = next;
        }
        match why {
            // Half an answer is none: what is missing could be what matters.
            Some(why) if addresses.is_empty() => LeadAnswer::Failed(why),
            Some(_) | None if addresses.is_empty() && aliases.is_empty() => LeadAnswer::Nothing,
            Some(_) | None => LeadAnswer::Found { aliases, addresses },
        }
    }

    /// The CAA records that count for a name, and where they are: elsewhere where it is a CNAME. None where there
    /// are none.
    pub(super) async fn caa(&self, name: &str) -> Result<Option<(String, Vec<CaaRecord>)>, String> {
        let asked = absolute(name).map_err(|()| "no such name".to_owned())?;
        let records = self.ask(&asked, RecordType::CAA).await?;
        let at = records.iter().find(|record| caa(record).is_some());
        let at = at.map(|record| plain(&record.name));
        let found = records.iter().filter_map(caa).take(MOST_RECORDS).collect();
        Ok(at.map(|at| (at, found)))
    }

    /// All records that come of a question; none where there are none.
    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Vec<Record>, String> {
        match self.answer(name, kind).await? {
            Answer::Records(records) => Ok(records),
            Answer::Nothing(_) => Ok(Vec::new()),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what else the library says is told")]
    async fn answer(&self, name: &Name, kind: RecordType) -> Result<Answer, String> {
        match self.0.lookup(name.clone(), kind).await {
            Ok(found) => {
                let records = found.answers().iter().take(2 * MOST_RECORDS).cloned();
                Ok(Answer::Records(records.collect()))
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => {
                    Ok(Answer::Nothing(Box::new(none)))
                }
                other => Err(said(other)),
            },
            Err(NetError::Dns(DnsError::ResponseCode(code))) => Err(said(code)),
            Err(NetError::Timeout) => Err("it did not answer in time".into()),
            Err(error) => Err(error.to_string().chars().take(MOST_REASON).collect()),
        }
    }
}

/// Whether it says nothing of the name itself, but who else to ask.
fn leads_on(none: &NoRecords) -> bool {
    none.soa.is_none() && none.ns.as_ref().is_some_and(|servers| !servers.is_empty())
}

/// What records say at a name itself.
fn texts(records: &[Record], asked: &Name) -> TxtAnswer {
    let alias = records.iter().find_map(|record| alias(record, asked));
    if let Some(alias) = alias {
        return TxtAnswer::Alias(alias);
    }
    let texts = records.iter().filter(|record| record.name == *asked);
    let texts: Vec<String> = texts.filter_map(text).take(MOST_RECORDS).collect();
    if texts.is_empty() { TxtAnswer::Nothing } else { TxtAnswer::Texts(texts) }
}

/// By the names that people look these up under.
fn said(code: ResponseCode) -> String {
    if code == ResponseCode::ServFail {
        "SERVFAIL, it could not find out itself".into()
    } else if code == ResponseCode::Refused {
        "REFUSED, it does not answer us".into()
    } else {
        code.to_string().chars().take(MOST_REASON).collect()
    }
}

fn absolute(name: &str) -> Result<Name, ()> {
    let mut name = Name::from_ascii(name).map_err(|_| ())?;
    name.set_fqdn(true);
    Ok(name)
}

/// A name in a value: lower case, without a dot at its end. What is no letter, digit, dot or dash is
/// escaped by the library.
fn plain(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    let text = text.strip_suffix('.').unwrap_or(&text);
    text.chars().take(MOST_TEXT).collect()
}

fn alias_name(record: &Record, of: &Name) -> Option<Name> {
    let RData::CNAME(to) = &record.data else { return None };
    (record.name == *of).then(|| to.0.clone())
}

fn alias(record: &Record, of: &Name) -> Option<String> {
    alias_name(record, of).map(|name| plain(&name))
}

fn address(record: &Record) -> Option<IpAddr> {
    if let RData::A(address) = &record.data {
        return Some(IpAddr::V4(address.0));
    }
    let RData::AAAA(address) = &record.data else { return None };
    Some(IpAddr::V6(address.0))
}

fn caa(record: &Record) -> Option<CaaRecord> {
    let RData::CAA(caa) = &record.data else { return None };
    Some(CaaRecord::new(caa.issuer_critical, &caa.tag, &caa.value))
}

/// What a TXT record says: its pieces as one text.
fn text(record: &Record) -> Option<String> {
    let RData::TXT(txt) = &record.data else { return None };
    let bytes = txt.txt_data.iter().flat_map(|piece| piece.iter().copied());
    let bytes: Vec<u8> = bytes.take(MOST_TEXT).collect();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
