//! What people set of an app holds at its edge, and only there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hythe_core::edge::{EdgeSettings, EdgeUser, Rate, RouteEdge};
use hythe_core::routes::Backend;
use hythe_core::time::Millis;
use hythe_core::wire::edge::{PasswordHash, RouteTableMessage};

use crate::support::{App, Running, deployment, header, replicas, served, table};

fn with(change: impl FnOnce(&mut EdgeSettings)) -> EdgeSettings {
    let mut settings = EdgeSettings::default();
    change(&mut settings);
    settings
}

#[tokio::test]
async fn the_maintenance_page_stands_before_the_app_and_says_who_failed() {
    let app = App::echo("shop").await;
    let to = replicas(deployment(), &[app.at]);
    let (edge, _data) = Running::with(served(&[("a", to)], &with(|set| set.maintenance = true)));
    let answer = edge.ask("a", &["Accept: application/json", "X-Request-Id: mine"]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("120")));
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["code"], "maintenance");
    assert_eq!(body["failed"], "nobody");
    // The id is the edge's own: this peer is not trusted.
    assert_eq!(Some(body["request_id"].as_str().unwrap()), answer.header("x-request-id"));
    assert_ne!(body["request_id"], "mine");
    assert_eq!(app.connections(), 0);
    edge.stop().await;
}

#[tokio::test]
async fn only_addresses_that_may_see_the_app_do_and_a_strangers_claim_counts_for_nothing() {
    let app = App::echo("shop").await;
    let to = || replicas(deployment(), &[app.at]);
    let allow = |text: &str| with(|set| set.allow = [text.parse().unwrap()].into());
    let (edge, _data) = Running::with(served(&[("a", to())], &allow("192.0.2.0/24")));
    assert_eq!(edge.get("a", "/").await.status, 403);
    assert_eq!(edge.ask("a", &["X-Forwarded-For: 192.0.2.1"]).await.status, 403);
    edge.stop().await;
    let (edge, _data) = Running::tuned(served(&[("a", to())], &allow("192.0.2.0/24")), |config| {
        config.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    });
    assert_eq!(edge.get("a", "/").await.status, 403);
    assert_eq!(edge.ask("a", &["X-Forwarded-For: 192.0.2.1"]).await.status, 200);
    assert_eq!(edge.ask("a", &["X-Forwarded-For: 192.0.2.1, 6.6.6.6"]).await.status, 403);
    edge.stop().await;
    let (edge, _data) = Running::with(served(&[("a", to())], &allow("127.0.0.1")));
    assert_eq!(edge.get("a", "/").await.status, 200);
    edge.stop().await;
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_ask_again() {
    let app = App::echo("shop").await;
    let to = replicas(deployment(), &[app.at]);
    let rate = with(|set| set.rate = Some(Rate { per_second: 1, burst: 3 }));
    // Two hosts of an app have one allowance.
    let (edge, _data) = Running::with(served(&[("a", to.clone()), ("b", to)], &rate));
    // All of them are on their way before the first is answered, so that no second passes between them
    // but while the edge itself stands still.
    let begun = Instant::now();
    let mut clients = Vec::new();
    for host in ["a", "b"].repeat(20) {
        let mut client = edge.client().await;
        client.send(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        clients.push(client);
    }
    let (mut served, mut refused) = (0, 0);
    for client in &mut clients {
        let answer = client.answer().await;
        if answer.status == 200 {
            served += 1;
            continue;
        }
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")), "{answer:?}");
        assert!(answer.body.contains("The request was not passed on."), "{answer:?}");
        refused += 1;
    }
    let most = 3 + begun.elapsed().as_secs() + 1;
    assert!(served >= 3 && served <= most, "{served} of {most}, {refused} refused");
    assert!(refused > 0);
    edge.stop().await;
}

fn hash(password: &str) -> PasswordHash {
    let params = Params::new(64, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = b"0123456789abcdef";
    let hash: argon2::PasswordHash =
        argon2.hash_password_with_salt(password.as_bytes(), salt).unwrap();
    PasswordHash::new(hash.to_string()).unwrap()
}

#[tokio::test]
async fn an_app_with_users_is_shown_to_those_alone() {
    let app = App::echo("shop").await;
    let ada = EdgeUser::new("ada").unwrap();
    let ghost = EdgeUser::new("ghost").unwrap();
    let settings = with(|set| set.users = [(ada.clone(), 1), (ghost, 2)].into());
    let table = served(&[("a", replicas(deployment(), &[app.at]))], &settings);
    let of = table.routes.values().next().unwrap().app;
    let passwords = BTreeMap::from([(of, BTreeMap::from([(ada, hash("correct horse"))]))]);
    let (edge, _data) = Running::told(&RouteTableMessage { format: 1, table, passwords });
    let basic = |text: &str| format!("Authorization: Basic {}", STANDARD.encode(text));
    for refused in [
        None,
        Some("Authorization: Bearer x".to_owned()),
        Some(basic("ada:wrong horse")),
        Some(basic("ada:")),
        Some(basic("eve:correct horse")),
        // A user whose hash did not come gets in nowhere.
        Some(basic("ghost:correct horse")),
        Some(basic("ghost:")),
    ] {
        let lines: Vec<&str> = refused.as_deref().into_iter().collect();
        let answer = edge.ask("a", &lines).await;
        assert_eq!(answer.status, 401, "{refused:?}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
    }
    assert_eq!(app.connections(), 0);
    let right = basic("ada:correct horse");
    for _ in 0..3 {
        let answer = edge.ask("a", &[&right, "X-Forwarded-User: root"]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // What was meant for the edge ends there.
        assert_eq!(header(&answer.body, "authorization"), None, "{answer:?}");
        assert_eq!(answer.body.matches("x-forwarded-user: ada\r\n").count(), 1, "{answer:?}");
        assert!(!answer.body.contains("root"), "{answer:?}");
    }
    // Whoever guesses runs into a limit; whoever is known does not.
    let mut statuses = Vec::new();
    for n in 0..60 {
        statuses.push(edge.ask("a", &[&basic(&format!("ada:guess {n}"))]).await.status);
        if statuses.last() == Some(&429) {
            break;
        }
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(edge.ask("a", &[&right]).await.status, 200);
    edge.stop().await;
}

#[tokio::test]
async fn a_host_leads_to_another_with_all_that_was_asked() {
    let app = App::echo("shop").await;
    let to = replicas(deployment(), &[app.at]);
    let mut table = table(1, &[("www.a.example", to.clone()), ("a.example", to)]);
    let from = table.routes.get_mut(&"www.a.example".parse().unwrap()).unwrap();
    let redirect = Some("a.example".parse().unwrap());
    from.edge = Some(Box::new(RouteEdge { redirect, ..RouteEdge::usual(from.app) }));
    let (edge, _data) = Running::tuned(table, |config| {
        config.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    });
    // The port is the one that the client knows.
    for port in ["", ":8080"] {
        let answer = edge.get(&format!("www.a.example{port}"), "/x%2F..//y?z=1").await;
        let location = format!("http://a.example{port}/x%2F..//y?z=1");
        assert_eq!((answer.status, answer.header("location")), (308, Some(location.as_str())));
    }
    let answer = edge.ask("www.a.example", &["X-Forwarded-Proto: https"]).await;
    assert_eq!(answer.header("location"), Some("https://a.example/"));
    assert_eq!(edge.get("a.example", "/").await.status, 200);
    edge.stop().await;
}

#[tokio::test]
async fn a_body_beyond_the_apps_bound_is_refused_announced_or_not() {
    let app = App::echo("shop").await;
    let to = replicas(deployment(), &[app.at]);
    let (edge, _data) = Running::with(served(&[("a", to)], &with(|set| set.body_bytes = Some(10))));
    let post = "POST / HTTP/1.1\r\nHost: a\r\n";
    for (request, status) in [
        (format!("{post}Content-Length: 10\r\n\r\n0123456789"), 200),
        (format!("{post}Content-Length: 11\r\n\r\n"), 413),
        (format!("{post}Expect: 100-continue\r\nContent-Length: 11\r\n\r\n"), 413),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"), 200),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n67890\r\n"), 413),
    ] {
        let mut client = edge.client().await;
        client.send(&request).await;
        assert_eq!(client.answer().await.status, status, "{request}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn an_app_has_its_own_time_to_answer() {
    let app = App::new(|mut client| async move {
        client.head().await;
        client.end().await;
    })
    .await;
    let to = replicas(deployment(), &[app.at]);
    let short = with(|set| set.answer_within = Some(Millis(100)));
    let (edge, _data) = Running::with(served(&[("a", to)], &short));
    let answer = edge.ask("a", &["Accept: application/json"]).await;
    assert_eq!(answer.status, 504);
    assert!(answer.body.contains("\"failed\":\"app\""), "{answer:?}");
    edge.stop().await;
}

#[tokio::test]
async fn a_client_stays_with_its_replica_until_that_is_gone() {
    let (one, two) = (App::echo("one").await, App::echo("two").await);
    let both = replicas(deployment(), &[one.at, two.at]);
    let (edge, _data) = Running::with(served(&[("a", both)], &with(|set| set.sticky = true)));
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let first = edge.get("a", "/").await;
        let cookie = first.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let name = first.body.lines().next().unwrap().to_owned();
        for _ in 0..4 {
            let again = edge.ask("a", &[&format!("Cookie: x=1; {cookie}")]).await;
            assert_eq!(again.body.lines().next(), Some(name.as_str()));
            assert_eq!(again.header("set-cookie"), None, "it knows already");
        }
        met.insert(name);
    }
    assert_eq!(met.len(), 2, "new clients are spread");
    let stranger = edge.ask("a", &["Cookie: hythe-replica=ffffffffffffffff"]).await;
    assert!(stranger.status == 200 && stranger.header("set-cookie").is_some(), "{stranger:?}");
    edge.stop().await;
}

#[tokio::test]
async fn what_a_new_connection_swallowed_goes_to_another_replica_once_where_it_may() {
    let taken = Arc::new(AtomicUsize::new(0));
    let swallow = |taken: &Arc<AtomicUsize>| {
        let taken = Arc::clone(taken);
        App::new(move |mut client| {
            let taken = Arc::clone(&taken);
            async move {
                client.head().await;
                taken.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let (bad, good) = (swallow(&taken).await, App::echo("good").await);
    let to = replicas(deployment(), &[bad.at, good.at]);
    let worse = [swallow(&taken).await, swallow(&taken).await, swallow(&taken).await];
    let all_bad = replicas(deployment(), &worse.each_ref().map(|app| app.at));
    let (edge, _data) = Running::with(table(1, &[("a", to), ("b", all_bad)]));
    for _ in 0..6 {
        assert_eq!(edge.get("a", "/").await.status, 200);
    }
    assert!(taken.load(Ordering::SeqCst) > 0, "the bad one was never asked");
    // Passed over by now, since it failed three in a row or was not met as often.
    taken.store(0, Ordering::SeqCst);
    assert_eq!(edge.get("b", "/").await.status, 502);
    assert_eq!(taken.load(Ordering::SeqCst), 2, "once, and once more elsewhere");
    taken.store(0, Ordering::SeqCst);
    let mut client = edge.client().await;
    client.send("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nhi").await;
    assert_eq!(client.answer().await.status, 502);
    assert_eq!(taken.load(Ordering::SeqCst), 1, "what may not be repeated is not");
    edge.stop().await;
}

#[tokio::test]
async fn what_is_counted_can_be_read() {
    let app = App::echo("shop").await;
    let to = replicas(deployment(), &[app.at]);
    let (edge, _data) = Running::with(table(1, &[("a", to), ("b", Backend::Down)]));
    let mut client = edge.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(edge.get("b", "/").await.status, 503);
    assert_eq!(edge.get("nobody", "/").await.status, 404);
    let text = edge.get("hythe-edge.internal", "/metrics").await;
    assert!(text.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    for line in [
        "hythe_edge_routes 2",
        "hythe_edge_requests_total{host=\"a\",app=\"shop\",status=\"2xx\"} 1",
        "hythe_edge_requests_total{host=\"b\",app=\"shop\",status=\"5xx\"} 1",
        "hythe_edge_request_bytes_total{host=\"a\",app=\"shop\"} 5",
        "hythe_edge_requests_in_flight{host=\"a\",app=\"shop\"} 0",
        "hythe_edge_request_seconds_count{host=\"a\",app=\"shop\"} 1",
    ] {
        assert!(text.body.lines().any(|found| found == line), "{line}\n{}", text.body);
    }
    assert!(!text.body.contains("nobody"), "hosts that nobody has take no room");
    edge.stop().await;
}
