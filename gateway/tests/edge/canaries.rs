//! A new version takes a part of the requests, over real sockets.

use hythe_core::canary::{Part, Weight};
use hythe_core::edge::EdgeSettings;
use hythe_core::routes::RouteTable;

use crate::support::{App, Running, deployment, nobody, replicas, served};

fn with_canary(app: &App, canary: std::net::SocketAddr, percent: u8, sticky: bool) -> RouteTable {
    let settings = EdgeSettings { sticky, ..EdgeSettings::default() };
    let mut table = served(&[("shop.example", replicas(deployment(), &[app.at]))], &settings);
    let weight = Weight::new(percent).unwrap();
    let part = Part { deployment: deployment(), targets: vec![canary], weight, site: None };
    table.routes.values_mut().for_each(|route| route.canary = Some(Box::new(part.clone())));
    table
}

#[tokio::test]
async fn it_has_its_part_of_the_requests_whoever_asks() {
    let (live, new) = (App::echo("live").await, App::echo("new").await);
    let (edge, _data) = Running::with(with_canary(&live, new.at, 20, false));
    let mut client = edge.client().await;
    let mut part = 0;
    for _ in 0..50 {
        client.send("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n").await;
        part += usize::from(client.answer().await.body.starts_with("new"));
        part += usize::from(edge.get("shop.example", "/").await.body.starts_with("new"));
    }
    assert_eq!(part, 20, "of a hundred");
    edge.stop().await;
}

#[tokio::test]
async fn with_sticky_a_client_stays_on_its_side() {
    let (live, new) = (App::echo("live").await, App::echo("new").await);
    let (edge, _data) = Running::with(with_canary(&live, new.at, 50, true));
    let mut sides = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let first = edge.get("shop.example", "/").await;
        let side = first.body.lines().next().unwrap().to_owned();
        let cookie = first.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        for _ in 0..5 {
            let again = edge.ask("shop.example", &[&format!("Cookie: {cookie}")]).await;
            assert_eq!(again.body.lines().next(), Some(side.as_str()));
        }
        sides.insert(side);
    }
    assert_eq!(sides.len(), 2, "new clients go to both");
    edge.stop().await;
}

#[tokio::test]
async fn one_that_cannot_be_reached_costs_nobody_an_answer() {
    let (live, dead) = (App::echo("live").await, nobody());
    let (edge, _data) = Running::with(with_canary(&live, dead.at, 99, false));
    for _ in 0..20 {
        let answer = edge.get("shop.example", "/").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.starts_with("live"));
    }
    edge.stop().await;
}
