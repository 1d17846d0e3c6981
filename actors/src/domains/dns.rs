//! What one resolver says: the only place that speaks DNS.
//!
//! Invariants: one resolver is asked, and no other; neither the machine's hosts file nor a cache nor a
//! search list has a say. Whatever it answers is bounded and made into a value here. Time is kept by
//! whoever asks.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use hythe_core::domain::{LeadAnswer, TxtAnswer};

/// How long one question may take, over UDP and then over TCP.
const ONE_WITHIN: Duration = Duration::from_millis(2_500);
/// How often it is put again.
const ATTEMPTS: usize = 2;
/// Records of one answer that are looked at.
const MOST_RECORDS: usize = 32;
/// Characters of one text that are looked at: more than a token has.
const MOST_TEXT: usize = 256;
/// Characters of a reason.
const MOST_REASON: usize = 200;
/// Lookups that a resolver keeps; it is asked a handful.
const CACHE: u64 = 16;

/// One resolver.
#[derive(Clone)]
pub(crate) struct Dns(TokioResolver);

impl Dns {
    pub(crate) fn new(resolver: SocketAddr) -> Result<Self, String> {
        let mut server = NameServerConfig::udp_and_tcp(resolver.ip());
        for connection in &mut server.connections {
            connection.port = resolver.port();
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = ONE_WITHIN;
        options.attempts = ATTEMPTS;
        options.cache_size = CACHE;
        options.use_hosts_file = ResolveHosts::Never;
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    /// The TXT records at a name itself.
    pub(crate) async fn txt(&self, name: &str) -> TxtAnswer {
        let Ok(asked) = absolute(name) else { return TxtAnswer::Failed("no such name".into()) };
        let records = match self.ask(&asked, RecordType::TXT).await {
            Ok(records) => records,
            Err(why) => return TxtAnswer::Failed(why),
        };
        let alias = records.iter().find_map(|record| alias(record, &asked));
        if let Some(alias) = alias {
            return TxtAnswer::Alias(alias);
        }
        let texts = records.iter().filter(|record| record.name == asked);
        let texts: Vec<String> = texts.filter_map(text).take(MOST_RECORDS).collect();
        if texts.is_empty() { TxtAnswer::Nothing } else { TxtAnswer::Texts(texts) }
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

    /// All records that come of a question; none where there are none.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what else the library says is told")]
    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Vec<Record>, String> {
        match self.0.lookup(name.clone(), kind).await {
            Ok(found) => Ok(found.answers().iter().take(2 * MOST_RECORDS).cloned().collect()),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => Ok(Vec::new()),
                other => Err(said(other)),
            },
            Err(NetError::Dns(DnsError::ResponseCode(code))) => Err(said(code)),
            Err(NetError::Timeout) => Err("it did not answer in time".into()),
            Err(error) => Err(error.to_string().chars().take(MOST_REASON).collect()),
        }
    }
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

/// What a TXT record says: its pieces as one text.
fn text(record: &Record) -> Option<String> {
    let RData::TXT(txt) = &record.data else { return None };
    let bytes = txt.txt_data.iter().flat_map(|piece| piece.iter().copied());
    let bytes: Vec<u8> = bytes.take(MOST_TEXT).collect();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
