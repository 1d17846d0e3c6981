//! Custom domains as people see them: what is so, what was found, what is still to be set.

use hythe_actors::domains::{Report, target};
use hythe_core::app::ActiveApp;
use hythe_core::domain::{self, CaaForbids, CaaToSet, DomainHost, Leads, Trust, Verdict};
use std::net::IpAddr;

use super::Sight;
use crate::api::dto::{
    DnsRecord, Domain, DomainCaa, DomainCheck, DomainLeads, DomainMode, DomainState, DomainVerdict,
    ResolverAnswer,
};

/// A domain of an app, and the last look at it.
pub(crate) fn domain(
    sight: Sight<'_>,
    app: &ActiveApp,
    host: &DomainHost,
    domain: &domain::Domain,
    last: Option<Report>,
) -> Domain {
    let (state, verified, failing) = match &domain.trust {
        Trust::Pending => (DomainState::Pending, None, None),
        Trust::Verified { at } => (DomainState::Verified, Some(*at), None),
        Trust::Failing { verified, since, .. } => {
            (DomainState::Failing, Some(*verified), Some(*since))
        }
        Trust::Lost { .. } => (DomainState::Lost, None, None),
    };
    let settings = &sight.view.installation.state.domains;
    let goal = target(settings, &sight.config.base_domain, app.name.as_str());
    let record = |kind: &str, value: String| DnsRecord {
        kind: kind.to_owned(),
        name: host.to_string(),
        value,
    };
    let names = goal.name.iter().map(|name| record("CNAME", name.clone()));
    let addresses = goal.addresses.iter().map(|address| match address {
        IpAddr::V4(address) => record("A", address.to_string()),
        IpAddr::V6(address) => record("AAAA", address.to_string()),
    });
    Domain {
        host: host.to_string(),
        unicode: host.unicode(),
        mode: match domain.mode {
            domain::DomainMode::Main => DomainMode::Main,
            domain::DomainMode::Redirect => DomainMode::Redirect,
            domain::DomainMode::Serve => DomainMode::Serve,
        },
        redirects_to: domain
            .is_trusted()
            .then(|| app.domains.redirects(host).map(ToString::to_string))
            .flatten(),
        state,
        detail: detail(host, domain, last.as_ref()),
        added_at: domain.added.into(),
        verified_at: verified.map(Into::into),
        failing_since: failing.map(Into::into),
        trusted_until: domain.trusted_until().map(Into::into),
        proof: DnsRecord {
            kind: "TXT".to_owned(),
            name: host.record(),
            value: domain.token.to_string(),
        },
        target: names.chain(addresses).collect(),
        check: last.map(check),
        certificate: None,
    }
}

fn detail(host: &DomainHost, domain: &domain::Domain, last: Option<&Report>) -> String {
    let last_said = |usual: String| last.map_or(usual, |report| report.judged.why.clone());
    match &domain.trust {
        Trust::Pending => match last.and_then(|report| report.blocked.clone()) {
            Some(blocked) => blocked,
            None => last_said(format!(
                "set a TXT record at {} that says \"{}\"; it was not looked for yet",
                host.record(),
                domain.token
            )),
        },
        Trust::Verified { .. } => match last {
            Some(report) if report.judged.verdict != Verdict::Proven => {
                format!("it leads to the app; at the last look, {}", report.judged.why)
            }
            Some(report) => report.led.why.clone(),
            None => "it leads to the app".to_owned(),
        },
        Trust::Failing { why, .. } => format!(
            "its record is gone, and it stops leading to the app unless that comes back: {}",
            last_said(why.clone())
        ),
        Trust::Lost { why, .. } => format!(
            "it leads nowhere any more: {why}. Once its record is there again: hythe domain check"
        ),
    }
}

fn check(report: Report) -> DomainCheck {
    let Report { at, judged, led, txt, leads, caa, blocked } = report;
    let (leads_to, network) = match led.leads {
        Leads::Here => (DomainLeads::Here, None),
        Leads::Partly => (DomainLeads::Partly, None),
        Leads::Elsewhere => (DomainLeads::Elsewhere, None),
        Leads::Proxied(network) => (DomainLeads::Proxied, Some(network.to_owned())),
        Leads::Nowhere => (DomainLeads::Nowhere, None),
        Leads::Divided => (DomainLeads::Divided, None),
        Leads::Unheard => (DomainLeads::Unheard, None),
        Leads::Unsaid => (DomainLeads::Unsaid, None),
    };
    let resolvers = txt.iter().zip(&leads).map(|(txt, leads)| ResolverAnswer {
        resolver: txt.resolver.to_string(),
        proof: txt.answer.to_string(),
        leads: leads.answer.to_string(),
    });
    DomainCheck {
        at: at.into(),
        verdict: match judged.verdict {
            Verdict::Proven => DomainVerdict::Proven,
            Verdict::Absent => DomainVerdict::Absent,
            Verdict::Divided => DomainVerdict::Divided,
            Verdict::Unheard => DomainVerdict::Unheard,
        },
        detail: judged.why,
        blocked,
        leads: leads_to,
        network,
        leads_detail: led.why,
        caa: caa.map(forbidden),
        resolvers: resolvers.collect(),
    }
}

fn forbidden(forbids: CaaForbids) -> DomainCaa {
    let CaaForbids { why, record } = forbids;
    let set = |CaaToSet { name, value }| DnsRecord { kind: "CAA".to_owned(), name, value };
    DomainCaa { detail: why, record: record.map(set) }
}
