//! Events about certificates.

use hythe_core::certificate::{
    Authority, CertificateIssuer, CertificateNames, CertificateSettings, ChallengeKind,
    ContactAddress, DnsHook, ExternalAccount, ExternalKeyId, FailureKind, HookUrl, Issued, Ordered,
    Trouble,
};
use hythe_core::ids::CertificateId;
use hythe_core::installation::{CertificateEvent, InstallationEvent};
use uuid::Uuid;

use super::values::at;

pub(super) fn all() -> Vec<(&'static str, InstallationEvent)> {
    let names = || "shop.example,*.shop.example".parse::<CertificateNames>().unwrap();
    let authority = |text: &str| Authority::new(text).unwrap();
    let id = CertificateId::new(Uuid::from_u128(0x0c01));
    let issued = |by| CertificateEvent::Issued {
        id,
        names: names(),
        version: 300,
        issued: Box::new(Issued {
            by,
            serial: "0a:1b".into(),
            not_before: at(),
            not_after: at(),
            at: at(),
        }),
    };
    let acme =
        |challenge| CertificateIssuer::Acme { authority: authority("letsencrypt"), challenge };
    let failed = |kind| CertificateEvent::Failed {
        names: names(),
        trouble: Box::new(Trouble {
            authority: authority("zerossl"),
            kind,
            why: "connection: refused".into(),
            since: at(),
        }),
    };
    let order = Ordered {
        id: Uuid::from_u128(0x0c02),
        authority: authority("https://ca.internal/dir"),
        url: "https://ca.internal/order/1".into(),
        challenge: Some(ChallengeKind::Dns01),
        at: at(),
    };
    let settings = CertificateSettings {
        email: Some(ContactAddress::new("ops@example.com").unwrap()),
        authorities: vec![authority("letsencrypt"), authority("zerossl")],
        agreed: [authority("letsencrypt")].into(),
        external: [(
            authority("zerossl"),
            ExternalAccount { key_id: ExternalKeyId::new("kid-1").unwrap(), version: 300 },
        )]
        .into(),
        dns: Some(DnsHook { url: HookUrl::new("https://dns.internal").unwrap(), version: Some(2) }),
        challenges: vec![ChallengeKind::TlsAlpn01, ChallengeKind::Http01],
        local: true,
    };
    let set = |settings, version| CertificateEvent::Set { settings: Box::new(settings), version };
    let opened = CertificateEvent::AccountOpened {
        authority: authority("letsencrypt"),
        version: 1,
        at: at(),
    };
    let all = vec![
        ("certificate_settings_set", set(settings, 300)),
        ("certificate_settings_set-usual", set(CertificateSettings::default(), 0)),
        ("certificate_account_opened", opened),
        (
            "certificate_authority_made",
            CertificateEvent::LocalMade { version: 1, not_after: at(), at: at() },
        ),
        ("fleet_key_made", CertificateEvent::FleetKeyMade { version: 1, at: at() }),
        (
            "certificate_ordered",
            CertificateEvent::Ordered { names: names(), order: Box::new(order) },
        ),
        ("certificate_issued", issued(acme(Some(ChallengeKind::Http01)))),
        ("certificate_issued-remembered", issued(acme(None))),
        ("certificate_issued-local", issued(CertificateIssuer::Local)),
        ("certificate_issued-own", issued(CertificateIssuer::Own)),
        ("certificate_failed", failed(FailureKind::Unreachable)),
        ("certificate_failed-refused", failed(FailureKind::Refused)),
        ("certificate_failed-proof", failed(FailureKind::Proof)),
        ("certificate_failed-rate_limited", failed(FailureKind::RateLimited)),
        ("certificate_failed-hook", failed(FailureKind::Hook)),
        ("certificate_failed-edge", failed(FailureKind::Edge)),
        ("certificate_failed-senseless", failed(FailureKind::Senseless)),
        ("certificate_nears_end", CertificateEvent::NearsEnd { id, not_after: at() }),
        ("certificate_removed", CertificateEvent::Removed { id }),
        ("certificate_given_up", CertificateEvent::GivenUp { names: names() }),
    ];
    all.into_iter().map(|(name, event)| (name, InstallationEvent::Certificate(event))).collect()
}
