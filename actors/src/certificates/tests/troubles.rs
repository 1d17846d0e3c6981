//! What goes wrong: authorities that are away or refuse, edges that say nothing, domains that lead elsewhere.

use std::time::Duration;

use hythe_core::certificate::{Authority, CertificateIssuer, Certificates, FailureKind};

use super::world::World;
use crate::certificates::Standing;
use crate::domains;
use hythe_core::domain::DomainHost;

#[tokio::test(flavor = "multi_thread")]
async fn the_next_authority_is_asked_where_one_is_away() {
    let world = World::start().await;
    // Nobody listens there.
    let dead = Authority::new("https://127.0.0.1:9/dir").unwrap();
    let both = vec![dead.clone(), world.authority()];
    world
        .set(|settings| {
            settings.agreed = both.iter().cloned().collect();
            settings.authorities = both;
        })
        .await;
    let shop = world.app("shop").await;
    world.own(shop, "shop.example").await;
    let names = "shop.example".parse().unwrap();
    let trouble = world.until("it fails", |now| now.troubles.get(&names).cloned()).await;
    assert_eq!((trouble.authority, trouble.kind), (dead, FailureKind::Unreachable));
    // Whatever the waits, hours later the other one has signed.
    let issued = async {
        loop {
            let settled = |stands: &Standing| match stands {
                Standing::Failing { .. } | Standing::Valid { .. } => true,
                Standing::Waiting { .. } | Standing::Ordering => false,
            };
            let stands = world.stands("shop.example", settled).await;
            let Standing::Failing { next, .. } = &stands else {
                let by = |now: &Certificates| Some(now.of(&names)?.1.issued.by.clone());
                return world.until("it is issued", by).await;
            };
            world.advance_to(*next);
            world.stands("shop.example", |now| *now != stands).await;
        }
    };
    let by = tokio::time::timeout(super::world::WITHIN, issued).await.unwrap();
    let CertificateIssuer::Acme { authority, .. } = by else { panic!("{by:?}") };
    assert_eq!(authority, world.authority());
    assert!(world.certificates().troubles.is_empty());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_authority_refuses_is_said_once_with_its_words() {
    let world = World::with(
        "apps.example.com",
        |pebble| pebble.blocked = vec!["shop.example".into()],
        |_, _| {},
    )
    .await;
    world.ask_pebble().await;
    let shop = world.app("shop").await;
    world.own(shop, "shop.example").await;
    let names = "shop.example".parse().unwrap();
    let trouble = world.until("it fails", |now| now.troubles.get(&names).cloned()).await;
    assert_eq!(trouble.kind, FailureKind::Refused, "{trouble:?}");
    assert!(trouble.why.contains("rejectedIdentifier"), "{trouble:?}");
    let stands = world.stands("shop.example", |stands| matches!(stands, Standing::Failing { .. }));
    let Standing::Failing { next, .. } = stands.await else { panic!() };
    let wait = next.since(world.control().clock().now());
    assert!(wait.0 > 11 * 3_600_000, "a person has to do something: {wait}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_while_a_host_leads_elsewhere_or_an_edge_is_silent() {
    let world = World::start().await;
    world.ask_pebble().await;
    let shop = world.app("shop").await;
    world.own(shop, "shop.example").await;
    let names = "shop.example".parse().unwrap();
    world.until("issued", |now| now.of(&names).map(drop)).await;
    world.dns.forget("www.example");
    // Proven, and not moved here yet.
    let token = world.add(shop, "www.example").await;
    world.dns.txt("_hythe.www.example", &[token.as_str()]);
    world.dns.a("www.example", [203, 0, 113, 7]);
    let host = DomainHost::new("www.example").unwrap();
    domains::verify(world.control(), shop, &host).await.unwrap();
    let stands = world.stands("www.example", |stands| matches!(stands, Standing::Waiting { .. }));
    let Standing::Waiting { why } = stands.await else { panic!() };
    assert!(why.contains("has to lead here first") && why.contains("203.0.113.7"), "{why}");
    // A wildcard says what it needs.
    let token = world.add(shop, "*.www.example").await;
    world.dns.forget("_hythe.www.example");
    world.dns.txt("_hythe.www.example", &[token.as_str()]);
    let wildcard = DomainHost::new("*.www.example").unwrap();
    domains::verify(world.control(), shop, &wildcard).await.unwrap();
    let stands = world.stands("*.www.example", |stands| matches!(stands, Standing::Waiting { .. }));
    let Standing::Waiting { why } = stands.await else { panic!() };
    assert!(why.contains("--dns-hook"), "{why}");
    assert_eq!(world.certificates().ordered.len() + world.certificates().troubles.len(), 0);

    // Moved here, while the edge says nothing of proofs: the authority is not told to look.
    world.edge.confirms(false);
    world.dns.forget("www.example");
    world.dns.a("www.example", [127, 0, 0, 1]);
    domains::verify(world.control(), shop, &host).await.unwrap();
    let www = "www.example".parse().unwrap();
    let trouble = world.until("it fails", |now| now.troubles.get(&www).cloned()).await;
    assert_eq!(trouble.kind, FailureKind::Edge, "{trouble:?}");
    world.edge.confirms(true);
    world.advance(Duration::from_secs(600));
    world.until("issued", |now| now.of(&www).map(drop)).await;
    world.close().await;
}
