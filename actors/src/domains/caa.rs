//! Whether an authority may sign for a domain, as a resolver says.
//!
//! The first resolver that can say it is believed: it is told to people, and nothing follows from it.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use hythe_core::certificate::Authority;
use hythe_core::domain::{CaaAnswer, CaaForbids, DomainHost, caa_forbids, caa_names};
use tokio::time::timeout;

use super::dns::Dns;

/// How long all of it may take.
const WITHIN: Duration = Duration::from_secs(4);

/// That none of these authorities may sign for a host, where that is so.
pub(super) async fn ask(
    resolvers: &[SocketAddr],
    host: &DomainHost,
    authorities: &[Authority],
) -> Option<CaaForbids> {
    if authorities.is_empty() {
        return None;
    }
    let names = caa_names(host);
    let answer = timeout(WITHIN, first(resolvers, &names)).await;
    let answer = answer.unwrap_or_else(|_| CaaAnswer::Failed("no resolver answered".to_owned()));
    caa_forbids(host, authorities, &answer)
}

/// What the first resolver says that can say anything.
async fn first(resolvers: &[SocketAddr], names: &[&str]) -> CaaAnswer {
    let asked = resolvers.iter().map(|resolver| said(*resolver, names));
    let mut asked: FuturesUnordered<_> = asked.collect();
    let mut failed = "no resolver is set".to_owned();
    while let Some(answer) = asked.next().await {
        match answer {
            CaaAnswer::Found { .. } | CaaAnswer::Nothing => return answer,
            CaaAnswer::Failed(why) => failed = why,
        }
    }
    CaaAnswer::Failed(failed)
}

async fn said(resolver: SocketAddr, names: &[&str]) -> CaaAnswer {
    let dns = match Dns::new(resolver) {
        Ok(dns) => dns,
        Err(why) => return CaaAnswer::Failed(why),
    };
    let all = join_all(names.iter().map(|name| dns.caa(name))).await;
    for (name, found) in names.iter().zip(all) {
        match found {
            Ok(None) => {}
            Ok(Some((at, records))) => return CaaAnswer::Found { at, records },
            // What is not known could be what counts.
            Err(why) => return CaaAnswer::Failed(format!("{why} ({name}, at {resolver})")),
        }
    }
    CaaAnswer::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::tests::dns_server::DnsServer;

    async fn forbids(dns: &[&DnsServer], host: &str) -> Option<CaaForbids> {
        let resolvers: Vec<SocketAddr> =
            dns.iter().map(|dns| dns.address().parse().unwrap()).collect();
        ask(&resolvers, &DomainHost::new(host).unwrap(), &Authority::usual()).await
    }

    #[tokio::test]
    async fn the_records_of_the_host_or_of_the_first_name_above_it_count() {
        let dns = DnsServer::start();
        assert_eq!(forbids(&[&dns], "www.shop.example").await, None, "there are none");
        dns.caa("shop.example", false, "issue", "pki.goog");
        let above = forbids(&[&dns], "www.shop.example").await.unwrap();
        assert_eq!(above.record.unwrap().name, "shop.example");
        assert!(above.why.contains("0 issue \"pki.goog\""), "{}", above.why);
        dns.caa("www.shop.example", false, "issue", "letsencrypt.org; validationmethods=http-01");
        assert_eq!(forbids(&[&dns], "www.shop.example").await, None, "its own go first");
        // Of wildcards only those count that are about them, where there are some.
        dns.caa("www.shop.example", false, "issuewild", ";");
        assert_eq!(forbids(&[&dns], "www.shop.example").await, None);
        assert!(forbids(&[&dns], "*.www.shop.example").await.is_some());
    }

    #[tokio::test]
    async fn those_of_what_a_host_is_a_cname_to_are_its_own() {
        let dns = DnsServer::start();
        dns.caa("shop.example", false, "issue", "letsencrypt.org");
        dns.cname("www.shop.example", "edge.else.example");
        dns.a("edge.else.example", [203, 0, 113, 7]);
        assert_eq!(forbids(&[&dns], "www.shop.example").await, None);
        dns.caa("edge.else.example", false, "issue", ";");
        let there = forbids(&[&dns], "www.shop.example").await.unwrap();
        assert_eq!(there.record.unwrap().name, "edge.else.example");
    }

    #[tokio::test]
    async fn a_resolver_that_cannot_say_is_passed_over() {
        let (dns, failing) = (DnsServer::start(), DnsServer::start());
        dns.caa("shop.example", true, "tbs", "x");
        failing.fails(true);
        let told = forbids(&[&failing, &dns], "shop.example").await.unwrap();
        assert!(told.why.contains("critical") && told.record.is_none(), "{}", told.why);
        let told = forbids(&[&failing], "shop.example").await.unwrap();
        assert!(told.why.contains("SERVFAIL") && told.record.is_none(), "{}", told.why);
    }
}
