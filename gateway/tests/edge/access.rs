//! Access logs through a real nats-server, and traces through the edge.

use futures_util::StreamExt as _;
use hythe_actors::bus::{Bus, LogItem, LogStream, LogsFrom};
use hythe_core::edge::{EdgeSettings, RouteEdge};
use hythe_core::ids::AppId;
use hythe_core::limits::ACCESS_LINES_PER_SECOND;
use hythe_core::names::HostName;
use hythe_core::routes::RouteTable;
use hythe_core::wire::access::{AccessEntry, AccessFailed, AccessLine};
use hythe_core::wire::subjects;

use crate::nats::Nats;
use crate::support::{App, Running, config, deployment, message, nobody, replicas, soon, table};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn log(bus: &Bus, app: AppId, follow: bool) -> LogStream {
    bus.logs(&[subjects::access_log(app)], LogsFrom::Beginning, follow).await.unwrap()
}

async fn line(log: &mut LogStream) -> AccessLine {
    match soon(log.next()).await.unwrap() {
        LogItem::Line { line, .. } => serde_json::from_str(&line.text).unwrap(),
        other @ (LogItem::Gap { .. } | LogItem::Ended { .. }) => panic!("{other:?}"),
    }
}

async fn request(log: &mut LogStream) -> AccessEntry {
    match line(log).await {
        AccessLine::Request(entry) => *entry,
        other @ AccessLine::LeftOut { .. } => panic!("{other:?}"),
    }
}

/// An edge that serves a table and has NATS.
fn edge(nats: &Nats, table: RouteTable) -> (Running, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("routes.json"), message(table)).unwrap();
    (Running::start(config(data.path(), nats.settings())), data)
}

#[tokio::test]
async fn each_request_is_told_without_what_opens_doors() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let (app, dead) = (App::echo("a").await, nobody());
    let (live, broken) = (deployment(), deployment());
    let mut table = table(
        1,
        &[
            ("a.example", replicas(live, &[app.at])),
            ("b.example", replicas(broken, &[dead.at])),
            ("quiet.example", replicas(live, &[app.at])),
        ],
    );
    let quiet = table.routes.get_mut(&"quiet.example".parse::<HostName>().unwrap()).unwrap();
    let settings = EdgeSettings { access_log: false, ..EdgeSettings::default() };
    quiet.edge = Some(Box::new(RouteEdge { settings, ..RouteEdge::usual(quiet.app) }));
    let id = |host: &str| table.routes[&host.parse::<HostName>().unwrap()].app;
    let (a, b, quiet) = (id("a.example"), id("b.example"), id("quiet.example"));
    let (edge, _data) = edge(&nats, table);

    let mut log_a = log(&control.bus, a, true).await;
    let mut client = edge.client().await;
    client
        .send(&format!(
            "POST /x/%0a?token=secret HTTP/1.1\r\nHost: A.example:80\r\nCookie: s=secret\r\n\
             Authorization: Bearer secret\r\nUser-Agent: one\\two\r\nContent-Length: 3\r\n\
             Referer: https://u:secret@b.example/y?secret\r\n\
             traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\ntracestate: a=1\r\n\r\nabc"
        ))
        .await;
    let answer = client.answer().await;
    assert!(answer.body.contains(&format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01")));
    assert!(answer.body.contains("tracestate: a=1"), "{answer:?}");
    let entry = request(&mut log_a).await;
    assert!(!serde_json::to_string(&entry).unwrap().contains("secret"), "{entry:?}");
    assert_eq!((entry.method.as_str(), entry.host.as_str()), ("POST", "a.example"));
    assert_eq!((entry.path.as_str(), entry.status, entry.failed), ("/x/%0a", Some(200), None));
    assert_eq!((entry.received, entry.sent), (3, answer.body.len() as u64));
    assert_eq!((entry.replica, entry.deployment), (Some(app.at), Some(live)));
    assert_eq!((entry.trace.as_str(), entry.client.to_string()), (TRACE, "127.0.0.1".into()));
    assert_eq!(Some(entry.request.as_str()), answer.header("x-request-id"));
    assert_eq!(entry.agent.as_deref(), Some("one\\\\two"));
    assert_eq!(entry.referer.as_deref(), Some("https://b.example/y"));
    assert!(entry.first_byte_us.unwrap() <= entry.took_us);

    // A trace that is none becomes a new one, and what belonged to it stays behind.
    let answer = edge.ask("a.example", &["traceparent: 00-0-0-0", "tracestate: a=1"]).await;
    let entry = request(&mut log_a).await;
    assert!(answer.body.contains(&format!("traceparent: 00-{}-", entry.trace)), "{answer:?}");
    assert!(!answer.body.contains("tracestate"), "{answer:?}");
    assert_eq!(entry.trace, entry.request, "it is found by either");

    let answer = edge.get("b.example", "/").await;
    assert_eq!(answer.status, 502);
    let entry = request(&mut log(&control.bus, b, true).await).await;
    assert_eq!((entry.status, entry.failed), (Some(502), Some(AccessFailed::App)));
    assert_eq!((entry.replica, entry.path.as_str()), (None, "/"));

    edge.get("quiet.example", "/").await;
    edge.get("a.example", "/last").await;
    assert_eq!(request(&mut log_a).await.path, "/last");
    assert!(soon(log(&control.bus, quiet, false).await.next()).await.is_none());
}

#[tokio::test]
async fn a_client_that_leaves_is_told_and_so_is_an_app_that_breaks_off() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let (came, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let app = App::new(move |mut client| {
        let came = came.clone();
        async move {
            let head = client.until_or_end("\r\n\r\n").await.unwrap_or_default();
            if head.starts_with("GET /broken") {
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await;
            } else if head.starts_with("GET /sum") {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                client.send(&format!("{head}2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")).await;
            } else {
                came.send(()).unwrap();
                // Until the other side is gone.
                client.end().await;
            }
        }
    })
    .await;
    let table = table(1, &[("a.example", replicas(deployment(), &[app.at]))]);
    let id = table.routes[&"a.example".parse::<HostName>().unwrap()].app;
    let (edge, _data) = edge(&nats, table);
    let mut log = log(&control.bus, id, true).await;

    let mut client = edge.client().await;
    client.send("GET /broken HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    client.end().await;
    let entry = request(&mut log).await;
    assert_eq!((entry.status, entry.failed), (Some(200), Some(AccessFailed::App)));
    assert_eq!(entry.sent, 3);

    // Of one that ends with trailers there is nothing more to take.
    assert_eq!(edge.get("a.example", "/sum").await.body, "ok");
    let entry = request(&mut log).await;
    assert_eq!((entry.path.as_str(), entry.failed, entry.sent), ("/sum", None, 2));

    let mut client = edge.client().await;
    client.send("GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    soon(heard.recv()).await.unwrap();
    drop(client);
    let entry = request(&mut log).await;
    assert_eq!((entry.path.as_str(), entry.status), ("/slow", None));
    assert_eq!(entry.failed, Some(AccessFailed::Client));
}

#[tokio::test]
async fn of_too_many_requests_some_are_told_and_the_others_counted() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let app = App::echo("a").await;
    let table = table(1, &[("a.example", replicas(deployment(), &[app.at]))]);
    let id = table.routes[&"a.example".parse::<HostName>().unwrap()].app;
    let (edge, _data) = edge(&nats, table);
    let mut log = log(&control.bus, id, true).await;
    let all = u64::from(ACCESS_LINES_PER_SECOND) * 10;
    let mut client = edge.client().await;
    for _ in 0..all {
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
    }
    let (mut told, mut left_out) = (0, 0);
    while told + left_out < all {
        match line(&mut log).await {
            AccessLine::Request(_) => told += 1,
            AccessLine::LeftOut { left_out: more } => left_out += more,
        }
    }
    assert_eq!(told + left_out, all, "nothing is lost without a word");
    assert!(left_out > 0 && told >= u64::from(ACCESS_LINES_PER_SECOND), "{told} and {left_out}");
    edge.stop().await;
}
