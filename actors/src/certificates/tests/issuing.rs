//! Certificates are had: by each way to prove a host, and of the installation's own.

use std::collections::BTreeSet;
use std::time::Duration;

use hythe_core::app::{App, AppCommand};
use hythe_core::certificate::{CertificateIssuer, ChallengeKind, ExternalAccount};
use hythe_core::domain::DomainHost;
use hythe_core::installation::{CertificateCommand, CertificateEvent, InstallationCommand};
use hythe_core::time::Millis;
use hythe_store::{Secret, SecretChange};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::edge::Known;
use super::world::World;
use crate::certificates::{Standing, kept, x509};
use crate::testing::extras;

/// Waits until the edge has a certificate for these names whose key is the certificate's.
async fn served(world: &World, names: &str) -> u64 {
    let found = world.edge.until(names, |known| known.served(names)).await;
    let leaf = CertificateDer::from_pem_slice(found.0.chain.as_bytes()).unwrap();
    x509::key_fits(&leaf, &found.1).unwrap();
    assert_eq!(x509::facts(&leaf).unwrap().names.to_string(), names);
    found.0.version
}

async fn proven_by(kind: ChallengeKind) {
    let world = World::start().await;
    world.set(|settings| settings.challenges = vec![kind]).await;
    let shop = world.app("shop").await;
    world.own(shop, "shop.example").await;
    world.add(shop, "stranger.example").await;
    // Nothing is ordered before somebody agreed to the terms, and that is said.
    let waiting = world.stands("shop.example", |stands| matches!(stands, Standing::Waiting { .. }));
    let Standing::Waiting { why } = waiting.await else { panic!() };
    assert!(why.contains("--agree-tos"), "{why}");
    assert!(world.certificates().accounts.is_empty());

    world.ask_pebble().await;
    assert_eq!(served(&world, "shop.example").await, 1);
    let names = "shop.example".parse().unwrap();
    let held = world.until("it is held", |now| now.of(&names).map(|(_, held)| held.clone())).await;
    let by = CertificateIssuer::Acme { authority: world.authority(), challenge: Some(kind) };
    assert_eq!(held.issued.by, by);
    // No proof is given any more, and what was needed for the order is gone.
    world.edge.until("the proof is gone", |known| known.challenges.is_empty().then_some(())).await;
    assert!(world.certificates().ordered.is_empty());
    // Nobody asks for what is not proven.
    let standing = world.control().certificates().standing();
    assert_eq!(standing.len(), 1, "{standing:?}");
    let issued = world.happened(|event| match event {
        CertificateEvent::Issued { names, .. } => Some(names.to_string()),
        CertificateEvent::Set { .. }
        | CertificateEvent::AccountOpened { .. }
        | CertificateEvent::LocalMade { .. }
        | CertificateEvent::FleetKeyMade { .. }
        | CertificateEvent::Ordered { .. }
        | CertificateEvent::Failed { .. }
        | CertificateEvent::NearsEnd { .. }
        | CertificateEvent::Removed { .. }
        | CertificateEvent::GivenUp { .. } => None,
    });
    assert_eq!(issued, ["shop.example"]);

    // What is taken from the app is served no more.
    let host = DomainHost::new("shop.example").unwrap();
    let command = AppCommand::RemoveDomain { host };
    world.control().command::<App>(shop.uuid(), command, extras()).await.unwrap();
    world.edge.until("it is gone", |known| known.certificates.is_empty().then_some(())).await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_proven_over_http() {
    proven_by(ChallengeKind::Http01).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_proven_within_tls() {
    proven_by(ChallengeKind::TlsAlpn01).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_names_are_signed_here() {
    let world = World::with("apps.test", |_| {}, |_, _| {}).await;
    world.edge.until("the edge is known", |known| known.fleet.clone()).await;
    assert_eq!(world.certificates().local, None, "nothing is signed unasked");
    world.set(|settings| settings.local = true).await;
    assert_eq!(served(&world, "apps.test,*.apps.test").await, 1);
    let root = world.control().certificates().local_authority(world.control()).unwrap().unwrap();
    let (leaf, _) = world.edge.known().served("apps.test,*.apps.test").unwrap();
    let chain = x509::chain(&format!("{}{root}", leaf.chain)).unwrap();
    x509::is_in_order(&chain).unwrap();
    assert!(world.certificates().accounts.is_empty(), "no authority was asked");

    // A client that trusts the authority takes what it signed, and nothing else from it.
    let mut roots = rustls::RootCertStore::empty();
    roots.add(chain[1].clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
    let verifier = verifier.build().unwrap();
    let now = rustls::pki_types::UnixTime::now();
    let verify = |host: &str| {
        use rustls::client::danger::ServerCertVerifier as _;
        let host = rustls::pki_types::ServerName::try_from(host.to_owned()).unwrap();
        verifier.verify_server_cert(&chain[0], &[], &host, &[], now).is_ok()
    };
    assert!(verify("shop.apps.test") && verify("apps.test"));
    assert!(!verify("shop.example"));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_bound_to_one_that_people_have_and_lent_to_edges() {
    let key = "Ab0_".repeat(16);
    let external = Some(("kid-1".to_owned(), key.clone()));
    let world = World::with("apps.example.com", |pebble| pebble.external = external, |_, _| {});
    let world = world.await;
    let shop = world.app("shop").await;
    world.own(shop, "shop.example").await;
    // Nobody is asked without a key that binds the account.
    world.ask_pebble().await;
    world.stands("shop.example", |stands| matches!(stands, Standing::Failing { .. })).await;
    let authority = world.authority();
    let mut settings = world.certificates().settings;
    let bound = ExternalAccount { key_id: "kid-1".parse().unwrap(), version: 1 };
    settings.external.insert(authority.clone(), bound);
    let command = CertificateCommand::Set { settings: Box::new(settings), version: Some(1) };
    let (scope, name) = (world.control().installation().uuid(), authority.external_secret());
    let secret = SecretChange::Put { scope, name, version: 1, value: Secret::from(key) };
    world.tell(InstallationCommand::Certificate(command), vec![secret]).await;
    served(&world, "shop.example").await;

    let directory = authority.directory().to_owned();
    let terms = world.edge.until("it may do something alone", |known| {
        known.alone().filter(|terms| !terms.accounts.is_empty())
    });
    let terms = terms.await;
    assert!(terms.directories.is_empty() && terms.may_ask(&directory));
    let kept = kept::read(world.control(), &authority.account_secret(), 1).unwrap().unwrap();
    assert_eq!(kept.expose_str(), Some(terms.accounts[&directory].0.as_str()));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_are_told_what_they_may_do_alone_as_long_as_the_owner_agrees() {
    let world = World::start().await;
    world.ask_pebble().await;
    let shop = world.app("shop").await;
    world.own(shop, "shop.example").await;
    let directory = world.authority().directory().to_owned();
    let (served, _) = world.edge.until("served", |known| known.served("shop.example")).await;
    let signed = served.signed.expect("it says who signed it");
    assert_eq!(signed.directory, directory);
    assert!(signed.not_before < served.not_after);
    let terms = world.edge.until("it may do something alone", Known::alone).await;
    assert_eq!(terms.directories, BTreeSet::from([directory]));
    assert_eq!(terms.challenges, ChallengeKind::USUAL);
    let roots = std::fs::read_to_string(world.pebble.roots()).unwrap();
    assert_eq!(terms.roots, Some(roots));
    let now = world.control().clock().now();
    assert!(now.since(terms.at) < Millis::seconds(60), "{terms:?} {now:?}");
    // Said again and again, as long as it lives.
    world.advance(Duration::from_secs(6 * 60));
    world
        .edge
        .until("it is said again", |known| known.alone().filter(|again| again.at > terms.at))
        .await;

    world.set(|settings| settings.agreed.clear()).await;
    let gone = |known: &Known| known.alone().is_none().then_some(());
    world.edge.until("it may do nothing any more", gone).await;
    world.close().await;
}
