//! Events about custom domains.

use hythe_core::app::AppEvent;
use hythe_core::domain::{DomainHost, DomainMode, DomainSettings, DomainToken};
use hythe_core::installation::InstallationEvent;
use hythe_core::names::HostName;

use super::values::at;

pub(super) fn all() -> Vec<(&'static str, AppEvent)> {
    let set = |mode| AppEvent::DomainSet { host: host("shop.example"), mode };
    let (host_of, why) = (|| host("shop.example"), || "no TXT record".to_owned());
    vec![
        ("domain_added", added("shop.example", DomainMode::Main)),
        ("domain_added-wildcard", added("*.shop.example", DomainMode::Serve)),
        ("domain_set", set(DomainMode::Main)),
        ("domain_set-redirect", set(DomainMode::Redirect)),
        ("domain_set-serve", set(DomainMode::Serve)),
        ("domain_verified", AppEvent::DomainVerified { host: host_of(), at: at() }),
        ("domain_failing", AppEvent::DomainFailing { host: host_of(), why: why(), at: at() }),
        ("domain_lost", AppEvent::DomainLost { host: host_of(), why: why(), at: at() }),
        ("domain_removed", AppEvent::DomainRemoved { host: host_of() }),
    ]
}

pub(super) fn settings() -> Vec<(&'static str, InstallationEvent)> {
    let settings = DomainSettings {
        resolvers: vec!["1.1.1.1:53".parse().unwrap(), "[2620:fe::fe]:5353".parse().unwrap()],
        target: Some(HostName::new("edge.example").unwrap()),
        addresses: ["203.0.113.7", "2001:db8::7"].map(|ip| ip.parse().unwrap()).into(),
    };
    let set = |settings| InstallationEvent::DomainSettingsSet(Box::new(settings));
    vec![
        ("domain_settings_set", set(settings)),
        ("domain_settings_set-usual", set(DomainSettings::default())),
    ]
}

fn host(text: &str) -> DomainHost {
    DomainHost::new(text).unwrap()
}

fn added(text: &str, mode: DomainMode) -> AppEvent {
    let token = DomainToken::new("0123456789abcdef".repeat(4)).unwrap();
    AppEvent::DomainAdded { host: host(text), token, mode, at: at() }
}
