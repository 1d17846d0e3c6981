//! Certificates are kept: renewed, put back, and not ordered twice for a crash.

use std::time::Duration;

use hythe_core::certificate::{CertificateNames, ChallengeKind};
use hythe_core::ids::CertificateId;
use hythe_core::installation::CertificateEvent;
use uuid::Uuid;

use super::edge::{Known, TestEdge};
use super::world::World;
use crate::certificates::account::account;
use crate::certificates::order::{Wish, prepare};

fn names() -> CertificateNames {
    "shop.example".parse().unwrap()
}

fn count(world: &World, name: &str) -> usize {
    let all = world.happened(|event| {
        let event = hythe_core::installation::InstallationEvent::Certificate(event.clone());
        Some(hythe_core::event::Event::Installation(event).name())
    });
    all.iter().filter(|one| **one == name).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nats_lost_is_put_back() {
    let mut world = World::start().await;
    world.ask_pebble().await;
    let shop = world.app("shop").await;
    world.own(shop, "shop.example").await;
    let (before, _) = world.edge.until("served", |known| known.served("shop.example")).await;
    let resets = world.edge.known().resets;
    world.nats.kill_and_wipe().await;
    world.nats.run().await;
    let edge = &world.edge;
    edge.until("the edge saw the wipe", |known| (known.resets > resets).then_some(())).await;
    let (after, _) = edge.until("served again", |known| known.served("shop.example")).await;
    assert_eq!((after.id, after.version, &after.chain), (before.id, 1, &before.chain));
    // After a restart too, and nothing is ordered for it.
    world.restart().await;
    world.edge.until("still served", |known| known.served("shop.example")).await;
    assert_eq!(count(&world, "certificate_issued"), 1);
    world.close().await;
}

/// That an edge has another key than this one, and that there is nothing under another one any more.
fn turned(from: &[u8]) -> impl Fn(&Known) -> Option<Vec<u8>> {
    let from = from.to_vec();
    move |known| known.fleet.clone().filter(|fleet| known.only && *fleet != from)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_seals_everything_anew_and_goes_to_whoever_says_something_since() {
    let mut world = World::with("apps.test", |_| {}, |_, _| {}).await;
    let names = "apps.test,*.apps.test";
    world.set(|settings| settings.local = true).await;
    let lost = TestEdge::start(&world.nats.settings()).await;
    let first = lost.until("it has the key", |known| known.fleet.clone()).await;
    let (before, key) = world.edge.until("served", |known| known.served(names)).await;

    let place = lost.lose();
    world.rotate().await;
    let second = world.edge.until("it has another key", turned(&first)).await;
    let (after, same) = world.edge.known().served(names).unwrap();
    assert_eq!((after.id, after.version, &after.chain), (before.id, 1, &before.chain));
    assert!(same == key && after.key != before.key);
    // The edge that was lost has said nothing since: nothing is left for it.
    let bucket = world.control().bus().certificates_bucket().await.unwrap();
    assert_eq!(bucket.get(place).await.unwrap(), None);

    let gone = TestEdge::start(&world.nats.settings()).await;
    let is_second = |known: &Known| known.fleet.clone().filter(|fleet| *fleet == second);
    gone.until("it has the same key", is_second).await;

    // Decided, and nothing done yet when the server dies.
    let place = gone.lose();
    let left = bucket.get(place.clone()).await.unwrap();
    assert!(left.is_some());
    world.rotate().await;
    world.restart().await;
    let third = world.edge.until("the next server gives it", turned(&second)).await;
    assert_ne!(third, first);
    // The last word of one that was lost before lay there when the server came back: it gets no box for that.
    let bucket = world.control().bus().certificates_bucket().await.unwrap();
    assert_eq!(bucket.get(place).await.unwrap(), left);
    assert!(world.edge.known().served(names).unwrap().1 == key);
    assert_eq!(world.certificates().fleet, 3);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_a_crash_left_is_signed_and_not_made_anew() {
    let mut world = World::start().await;
    let shop = world.app("shop").await;
    world.own(shop, "shop.example").await;
    // As an order is when its server dies: proven, in the journal, and not signed.
    let wish = Wish {
        names: names(),
        authority: world.authority(),
        id: CertificateId::new(Uuid::now_v7()),
        version: 1,
        challenges: vec![ChallengeKind::Http01],
        replaces: None,
        ordered: None,
    };
    world.edge.until("the edge is known", |known| known.fleet.clone()).await;
    let account = account(world.control(), &wish.authority).await.unwrap();
    // A nonce that pebble refuses three times over costs a try.
    while prepare(world.control(), &wish, &account).await.is_err() {}
    let url = world.certificates().ordered[&names()].url.clone();
    world.restart().await;
    world.look(shop, "shop.example").await;
    world.ask_pebble().await;
    world.until("it is signed", |now| now.of(&names()).map(drop)).await;
    let ordered = world.happened(|event| match event {
        CertificateEvent::Ordered { order, .. } => Some(order.url.clone()),
        CertificateEvent::Set { .. }
        | CertificateEvent::AccountOpened { .. }
        | CertificateEvent::LocalMade { .. }
        | CertificateEvent::FleetKeyMade { .. }
        | CertificateEvent::Issued { .. }
        | CertificateEvent::Failed { .. }
        | CertificateEvent::NearsEnd { .. }
        | CertificateEvent::Removed { .. }
        | CertificateEvent::GivenUp { .. } => None,
    });
    assert_eq!(ordered, [url], "the same order");
    assert_eq!(count(&world, "certificate_account_opened"), 1, "and the same account");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_renewed_well_before_its_end_and_when_people_ask() {
    let world = World::start().await;
    world.ask_pebble().await;
    let shop = world.app("shop").await;
    world.own(shop, "shop.example").await;
    let (id, held) =
        world.until("issued", |now| now.of(&names()).map(|(id, held)| (id, held.clone()))).await;
    world.control().certificates().ask_for(names());
    let version = |of| {
        move |now: &hythe_core::certificate::Certificates| {
            now.of(&names()).filter(|(_, held)| held.version >= of).map(|(id, _)| id)
        }
    };
    assert_eq!(world.until("asked for", version(2)).await, id, "a renewed one keeps its id");
    // Two thirds of its life later, with a third left.
    let life = held.issued.not_after.since(held.issued.not_before);
    world.advance(Duration::from_millis(life.0 / 3 * 2 + 86_400_000));
    assert_eq!(world.until("renewed", version(3)).await, id);
    world
        .edge
        .until("served", |known| {
            known.served("shop.example").filter(|(one, _)| one.version >= 3).map(drop)
        })
        .await;
    world.close().await;
}
