//! An app that sleeps: a request waits and has it woken, and whoever is not let in wakes nobody.

use std::time::{Duration, Instant};

use hythe_core::edge::{EdgeSettings, EdgeUser, RouteEdge};
use hythe_core::routes::{Backend, RouteTable};
use hythe_core::time::Millis;

use crate::nats::Nats;
use crate::support::{App, Running, config, deployment, replicas, served, table};

/// Less than from one heartbeat to the next.
const AT_ONCE: Duration = Duration::from_millis(1_500);

fn may_sleep() -> EdgeSettings {
    EdgeSettings { sleep_after: Some(Millis(5_000)), ..EdgeSettings::default() }
}

fn asleep(revision: u64) -> RouteTable {
    let mut table = served(&[("a", Backend::Starting)], &may_sleep());
    table.revision = revision;
    table.routes.values_mut().for_each(|route| route.asleep = true);
    table
}

#[tokio::test]
async fn requests_wait_for_an_app_that_sleeps_and_it_is_told_at_once_that_it_is_wanted() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let app = App::echo("shop").await;
    let data = tempfile::tempdir().unwrap();
    let edge = Running::start(config(data.path(), nats.settings()));
    let mut reports = control.reports().await;
    control.put(asleep(2)).await;
    assert!(reports.revision(2).await.wanted.is_empty(), "nobody has asked");

    let begun = Instant::now();
    let mut clients = Vec::new();
    for n in 0..3 {
        let mut client = edge.client().await;
        client.send(&format!("POST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")).await;
        clients.push(client);
    }
    let of = asleep(2).routes.values().next().unwrap().app;
    let told = reports.until(|report| !report.wanted.is_empty()).await;
    assert_eq!(told.wanted, [of].into());
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    // For as long as it sleeps, also where a report was lost.
    assert_eq!(reports.next().await.wanted, [of].into());

    let mut there = served(&[("a", replicas(deployment(), &[app.at]))], &may_sleep());
    there.revision = 3;
    control.put(there).await;
    for (n, client) in clients.iter_mut().enumerate() {
        let answer = client.answer().await;
        assert!(answer.body.starts_with(&format!("shop\nPOST /{n} ")), "{answer:?}");
        assert!(answer.body.ends_with("hi"), "{answer:?}");
    }
    assert!(reports.revision(3).await.wanted.is_empty());
    control.put(asleep(4)).await;
    assert!(reports.revision(4).await.wanted.is_empty(), "who wanted it has been answered");
    edge.stop().await;
}

#[tokio::test]
async fn whoever_is_not_let_in_wakes_nobody() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let data = tempfile::tempdir().unwrap();
    let edge = Running::start(config(data.path(), nats.settings()));
    let mut reports = control.reports().await;
    let hosts = ["allowed", "worked-on", "known", "open"];
    let mut all = table(2, &hosts.map(|host| (host, Backend::Starting)));
    for (host, route) in &mut all.routes {
        let mut settings = may_sleep();
        match host.as_str() {
            "allowed" => settings.allow = ["192.0.2.0/24".parse().unwrap()].into(),
            "worked-on" => settings.maintenance = true,
            "known" => settings.users = [(EdgeUser::new("ada").unwrap(), 1)].into(),
            _open => {}
        }
        route.edge = Some(Box::new(RouteEdge { settings, ..RouteEdge::usual(route.app) }));
        route.asleep = true;
    }
    let open = all.routes[&"open".parse().unwrap()].app;
    control.put(all).await;
    reports.revision(2).await;
    for (host, status) in [("allowed", 403), ("worked-on", 503), ("known", 401)] {
        let begun = Instant::now();
        assert_eq!(edge.get(host, "/").await.status, status, "{host}");
        assert!(begun.elapsed() < AT_ONCE, "nobody waits who is not let in");
    }
    // After all of them: what is told of them would be told with this one.
    let mut client = edge.client().await;
    client.send("GET / HTTP/1.1\r\nHost: open\r\n\r\n").await;
    let told = reports.until(|report| !report.wanted.is_empty()).await;
    assert_eq!(told.wanted, [open].into());
    drop(client);
    edge.stop().await;
}

#[tokio::test]
async fn what_nobody_asks_for_is_told_and_what_goes_on_counts_as_asking() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let silent = App::new(|mut client| async move {
        client.head().await;
        client.end().await;
    })
    .await;
    let data = tempfile::tempdir().unwrap();
    let edge = Running::start(config(data.path(), nats.settings()));
    let mut reports = control.reports().await;
    let to = || replicas(deployment(), &[silent.at]);
    let mut all = table(2, &[("quiet", to()), ("busy", to()), ("never", to())]);
    for (host, route) in &mut all.routes {
        let settings = if host.as_str() == "never" { EdgeSettings::default() } else { may_sleep() };
        route.edge = Some(Box::new(RouteEdge { settings, ..RouteEdge::usual(route.app) }));
    }
    let quiet = all.routes[&"quiet".parse().unwrap()].app;
    let begun = Instant::now();
    control.put(all).await;
    reports.revision(2).await;
    let mut client = edge.client().await;
    client.send("GET / HTTP/1.1\r\nHost: busy\r\n\r\n").await;
    let told = reports.until(|report| !report.unasked.is_empty()).await;
    assert!(begun.elapsed() >= Duration::from_secs(5), "it has not known it for that long");
    assert!(told.unasked.keys().eq([&quiet]), "{told:?}");
    assert!(told.unasked[&quiet] >= Millis(5_000), "{told:?}");
    drop(client);
    edge.stop().await;
}
