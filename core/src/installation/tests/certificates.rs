//! Tables of certificates: settings, orders, what is signed, what fails.

use super::*;
use crate::certificate::{
    Authority, CertificateIssuer, CertificateNames, CertificateSettings, ChallengeKind,
    FailureKind, Issued, Ordered, Trouble,
};
use crate::ids::CertificateId;
use uuid::Uuid;

fn give(command: CertificateCommand) -> C {
    C::Certificate(command)
}

fn after(commands: Vec<C>) -> Installation {
    crate::testing::run(commands).0
}

fn names(text: &str) -> CertificateNames {
    text.parse().unwrap()
}

fn authority() -> Authority {
    Authority::usual().remove(0)
}

fn id(n: u128) -> CertificateId {
    CertificateId::new(Uuid::from_u128(n))
}

fn issue(n: u128, of: &str, version: u64, by: CertificateIssuer) -> C {
    let (serial, not_before, not_after) = ("0a".to_owned(), at(10), at(100));
    let issued = Box::new(Issued { by, serial, not_before, not_after, at: at(11) });
    give(CertificateCommand::Issue { id: id(n), names: names(of), version, issued })
}

fn acme() -> CertificateIssuer {
    CertificateIssuer::Acme { authority: authority(), challenge: Some(ChallengeKind::Http01) }
}

fn fail(of: &str, kind: FailureKind, why: &str) -> C {
    let trouble = Trouble { authority: authority(), kind, why: why.to_owned(), since: at(7) };
    give(CertificateCommand::Fail { names: names(of), trouble: Box::new(trouble) })
}

fn order(of: &str) -> C {
    let order = Ordered {
        id: Uuid::from_u128(5),
        authority: authority(),
        url: "https://ca.test/order/1".into(),
        challenge: None,
        at: at(8),
    };
    give(CertificateCommand::Order { names: names(of), order: Box::new(order) })
}

#[test]
fn what_is_signed_ends_the_order_and_the_trouble() {
    let failing = after(vec![
        fail("shop.example", FailureKind::Proof, "no"),
        order("shop.example"),
        order("other.example"),
    ]);
    assert_eq!((failing.certificates.troubles.len(), failing.certificates.ordered.len()), (1, 2));
    let signed = failing.decide(issue(1, "shop.example", 1, acme())).unwrap();
    let signed = signed.iter().fold(failing, Installation::evolve);
    let now = &signed.certificates;
    assert_eq!((now.troubles.len(), now.ordered.len(), now.held.len()), (0, 1, 1));
    assert_eq!(now.of(&names("shop.example")).unwrap().0, id(1));
    for version in [0, 1, 3] {
        assert!(signed.decide(issue(1, "shop.example", version, acme())).is_err(), "{version}");
    }
    assert!(signed.decide(issue(2, "shop.example", 2, acme())).is_err());
    assert_eq!(signed.decide(issue(1, "shop.example", 2, acme())).unwrap().len(), 1);
    let gone = signed.decide(give(CertificateCommand::Remove { id: id(1) })).unwrap();
    let gone = gone.iter().fold(signed, Installation::evolve);
    assert!(gone.certificates.held.is_empty());
    assert_eq!(gone.decide(give(CertificateCommand::Remove { id: id(1) })).unwrap(), []);
    let given_up = give(CertificateCommand::GiveUp { names: names("other.example") });
    assert_eq!(gone.decide(given_up).unwrap().len(), 1);
}

#[test]
fn a_failure_is_told_once_until_it_is_another_one() {
    let failing = after(vec![fail("a.example", FailureKind::Proof, "no route")]);
    let again = |kind, why: &str| failing.decide(fail("a.example", kind, why)).unwrap().len();
    assert_eq!(again(FailureKind::Proof, "timeout"), 0);
    assert_eq!(again(FailureKind::RateLimited, "no route"), 1);
    let long = after(vec![fail("a.example", FailureKind::Proof, &"ü".repeat(10_000))]);
    let why = &long.certificates.troubles[&names("a.example")].why;
    assert!(why.len() <= crate::limits::MOST_REASON_BYTES, "{}", why.len());
}

#[test]
fn secrets_have_the_next_version() {
    let set = |version| {
        let settings = Box::new(CertificateSettings {
            agreed: [authority()].into(),
            ..CertificateSettings::default()
        });
        give(CertificateCommand::Set { settings, version })
    };
    let there = after(vec![set(Some(1))]);
    assert_eq!(there.certificates.secret_version, 1);
    assert_eq!(there.decide(set(None)).unwrap(), [], "it is so already");
    assert!(there.decide(set(Some(1))).is_err() && there.decide(set(Some(3))).is_err());
    assert_eq!(there.decide(set(Some(2))).unwrap().len(), 1);
    let fleet = |version| give(CertificateCommand::MakeFleetKey { version, at: at(1) });
    let local =
        |version| give(CertificateCommand::MakeLocal { version, not_after: at(9), at: at(1) });
    let account = |version| {
        let authority = authority();
        give(CertificateCommand::OpenAccount { authority, version, at: at(1) })
    };
    let made = after(vec![fleet(1), local(1), account(1)]);
    for version in [0, 1, 3] {
        for command in [fleet(version), local(version), account(version)] {
            assert!(made.decide(command).is_err());
        }
    }
    assert_eq!((made.certificates.fleet, made.certificates.accounts.len()), (1, 1));
}

#[test]
fn an_own_certificate_is_said_once_to_come_to_its_end() {
    let note = || give(CertificateCommand::NoteNearsEnd { id: id(1) });
    assert!(after(vec![]).decide(note()).is_err());
    let own = after(vec![issue(1, "a.example", 1, CertificateIssuer::Own), note()]);
    assert!(own.certificates.held[&id(1)].nears_end);
    assert_eq!(own.decide(note()).unwrap(), []);
    let renewed = after(vec![
        issue(1, "a.example", 1, CertificateIssuer::Own),
        note(),
        issue(1, "a.example", 2, CertificateIssuer::Own),
    ]);
    assert!(!renewed.certificates.held[&id(1)].nears_end);
    assert_eq!(own.certificates.of(&names("a.example")), None, "it is nobody else's to renew");
}
