//! Which certificates are wanted: for proven domains, and for the installation's own names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{CertificateName, CertificateNames};
use crate::app::ActiveApp;
use crate::domain::certifiable;
use crate::ids::AppId;
use crate::names::HostName;
use crate::time::Timestamp;
use crate::view::View;

/// What the last label of a name is that no authority signs for: RFC 6761 and 6762, and what ICANN keeps
/// for private use.
const LOCAL: [&str; 4] = ["localhost", "local", "test", "internal"];

/// How a certificate is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The installation signs it itself.
    Local,
    /// An authority does.
    Acme {
        /// Whether only a DNS record proves it.
        by_dns: bool,
    },
}

/// A certificate that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// For what.
    pub names: CertificateNames,
    /// For which app, where it is for one.
    pub app: Option<AppId>,
    /// How it is come by.
    pub way: Way,
    /// Whether it is a host under the base domain, of which an authority signs so many a week.
    pub under_base: bool,
}

/// Whether no public authority signs for a host: it is one of this machine or of a network of its own.
#[must_use]
pub fn is_local(host: &HostName) -> bool {
    let last = host.as_str().rsplit('.').next().unwrap_or_default();
    // A public name has two labels at least.
    LOCAL.contains(&last) || !host.as_str().contains('.') || is_address(host)
}

fn is_address(host: &HostName) -> bool {
    host.as_str().parse::<IpAddr>().is_ok()
}

/// All that are wanted now. `dns` is whether DNS records can be set: then the base domain has one
/// certificate for all of its hosts; without, each app that is served has its own.
#[must_use]
pub fn wanted(view: &View, base_domain: &HostName, dns: bool, now: Timestamp) -> Vec<Wanted> {
    let certificates = &view.installation.state.certificates;
    let mut all: BTreeMap<CertificateNames, Wanted> = BTreeMap::new();
    let mut add = |names: CertificateNames, app: Option<AppId>, under_base: bool| {
        let local = names.iter().all(|name| is_local(name.name()));
        let by_dns = names.iter().any(CertificateName::is_wildcard);
        let way = if local { Way::Local } else { Way::Acme { by_dns } };
        if local && !certificates.settings.local {
            return;
        }
        all.entry(names.clone()).or_insert(Wanted { names, app, way, under_base });
    };
    // Nobody takes a wildcard that is right below a single label (`*.localhost`).
    let shared = base_domain.as_str().contains('.') && !is_address(base_domain);
    let shared = shared && (dns || is_local(base_domain));
    if shared {
        add(CertificateNames::with_below(base_domain), None, true);
    }
    let apps = view.apps.iter().filter_map(|(id, app)| Some((*id, app.state.active()?)));
    let served = apps.filter(|(_, app)| app.discarded.is_none() && is_served(app));
    for (id, app) in served {
        if let Ok(host) = HostName::new(format!("{}.{base_domain}", app.name))
            && !shared
            && !is_address(base_domain)
        {
            add(CertificateNames::one(CertificateName::exact(host)), Some(id), true);
        }
        // What the owner set without a proof is nobody's but where no proof is possible.
        for host in app.settings.domains.iter().filter(|host| is_local(host) && !is_address(host)) {
            add(CertificateNames::one(CertificateName::exact(host.clone())), Some(id), false);
        }
    }
    for (id, host) in certifiable(view, base_domain) {
        add(CertificateNames::one(CertificateName::from(host)), Some(id), false);
    }
    let own = |wanted: &Wanted| {
        certificates.own().any(|(_, own)| {
            own.issued.not_before <= now
                && now < own.issued.not_after
                && own.names.cover_all(&wanted.names)
        })
    };
    all.into_values().filter(|wanted| !own(wanted)).collect()
}

/// Whether edges lead anybody to it.
const fn is_served(app: &ActiveApp) -> bool {
    app.live.is_some() && !app.settings.run.container.unrouted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::AppEvent;
    use crate::certificate::{Certificate, CertificateIssuer, Issued};
    use crate::domain::{DomainHost, DomainMode, DomainToken};
    use crate::event::Event;
    use crate::ids::CorrelationId;
    use crate::ids::{CertificateId, DeploymentId};
    use crate::names::AppName;
    use crate::record::{Actor, AggregateKind, Meta, Recorded, Sequence, StreamId, Version};
    use crate::testing::{app_id, at};
    use uuid::Uuid;

    fn apply(view: &mut View, event: AppEvent) {
        let correlation = CorrelationId::new(Uuid::from_u128(1));
        let sequence = Sequence(view.head.0 + 1);
        view.apply(&Recorded {
            sequence,
            stream: StreamId { kind: AggregateKind::App, id: app_id(1).uuid() },
            version: Version(sequence.0),
            meta: Meta { at: at(0), actor: Actor::Owner, correlation, causation: None },
            event: Event::App(event),
        });
    }

    fn host(text: &str) -> HostName {
        HostName::new(text).unwrap()
    }

    /// An app `shop`, live, with `shop.example` proven and `other.example` not.
    fn view() -> View {
        let created = AppEvent::Created {
            id: app_id(1),
            name: AppName::new("shop").unwrap(),
            settings: Box::default(),
        };
        let deployment = DeploymentId::new(Uuid::from_u128(9));
        let added = |text: &str| AppEvent::DomainAdded {
            host: DomainHost::new(text).unwrap(),
            token: DomainToken::new("a".repeat(64)).unwrap(),
            mode: DomainMode::Serve,
            at: at(0),
        };
        let verified = |text: &str| AppEvent::DomainVerified {
            host: DomainHost::new(text).unwrap(),
            at: at(0),
        };
        let mut view = View::default();
        view.installation.state.certificates.settings.local = true;
        let promoted = AppEvent::DeploymentPromoted { deployment, previous: None };
        let added = ["shop.example", "*.shop.example", "other.example"].map(added);
        let verified = ["shop.example", "*.shop.example"].map(verified);
        [created, promoted].into_iter().chain(added).chain(verified).for_each(|event| {
            apply(&mut view, event);
        });
        view
    }

    fn names(view: &View, base: &str, dns: bool) -> Vec<(String, Way)> {
        let all = wanted(view, &host(base), dns, at(10));
        all.into_iter().map(|one| (one.names.to_string(), one.way)).collect()
    }

    const HOST: Way = Way::Acme { by_dns: false };
    const BELOW: Way = Way::Acme { by_dns: true };

    #[test]
    fn only_proven_domains_and_the_hosts_of_what_is_served_get_one() {
        let view = view();
        let proven = [("*.shop.example".to_owned(), BELOW), ("shop.example".to_owned(), HOST)];
        let with = |own: &[(&str, Way)]| {
            let own = own.iter().map(|(name, way)| ((*name).to_owned(), *way));
            let mut all: Vec<_> = own.chain(proven.clone()).collect();
            all.sort_by_key(|(name, _)| name.parse::<CertificateNames>().unwrap());
            all
        };
        assert_eq!(
            names(&view, "apps.example.com", false),
            with(&[("shop.apps.example.com", HOST)])
        );
        let both = "apps.example.com,*.apps.example.com";
        assert_eq!(names(&view, "apps.example.com", true), with(&[(both, BELOW)]));
        assert_eq!(names(&view, "localhost", false), with(&[("shop.localhost", Way::Local)]));
        assert_eq!(
            names(&view, "apps.test", false),
            with(&[("apps.test,*.apps.test", Way::Local)])
        );
        assert_eq!(names(&view, "127.0.0.1", true), with(&[]));
        let mut unasked = view;
        unasked.installation.state.certificates.settings.local = false;
        assert_eq!(names(&unasked, "localhost", false), with(&[]));
        assert_eq!(names(&unasked, "apps.test", false), with(&[]));
    }

    #[test]
    fn an_own_certificate_goes_before_while_it_is_good() {
        let mut view = view();
        let own = Certificate {
            names: "shop.example,*.shop.example".parse().unwrap(),
            version: 1,
            issued: Issued {
                by: CertificateIssuer::Own,
                serial: "1".into(),
                not_before: at(0),
                not_after: at(100),
                at: at(0),
            },
            nears_end: false,
        };
        let id = CertificateId::new(Uuid::from_u128(1));
        view.installation.state.certificates.held.insert(id, own);
        assert_eq!(names(&view, "localhost", false), [("shop.localhost".to_owned(), Way::Local)]);
        assert_eq!(wanted(&view, &host("localhost"), false, at(100)).len(), 3);
    }

    #[test]
    fn hosts_that_no_authority_signs_for_are_local() {
        for (text, local) in [
            ("localhost", true),
            ("shop.localhost", true),
            ("nas", true),
            ("nas.local", true),
            ("a.test", true),
            ("a.internal", true),
            ("10.0.0.7", true),
            ("local.example", false),
            ("internal.example.com", false),
        ] {
            assert_eq!(is_local(&host(text)), local, "{text}");
        }
    }

    #[test]
    fn what_is_deleted_or_not_served_gets_none() {
        let mut view = view();
        apply(&mut view, AppEvent::Discarded { until: at(9), drained: at(1) });
        assert_eq!(names(&view, "localhost", true), []);
    }
}
