//! The bus against a real nats-server: killed, wiped and restarted.

use std::time::Duration;

use futures_util::StreamExt;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::routes::{Backend, Route};
use hythe_core::wire::edge::RouteTableMessage;
use hythe_core::wire::log::{LogFrame, LogLine, LogSource, LogStream as Pipe};
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::testing::TestNats;
use super::{
    Bus, BusError, BusState, ConsumerSpec, Delivery, LogBudget, LogItem, LogStream, LogsFrom,
    NatsSettings, Verdict, connect, connect_in_background,
};

const WITHIN: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(WITHIN, wait).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {WITHIN:?}"),
    }
}

async fn epoch_after(bus: &Bus, before: u64) {
    let mut state = bus.state();
    let newer = |state: &BusState| state.epoch().is_some_and(|epoch| epoch > before);
    soon("set up again", state.wait_for(newer)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_will_not_do_is_told_from_one_that_is_away() {
    let without = TestNats::with_jetstream(false).await;
    let error = connect(&without.settings(), "test").await.unwrap_err();
    assert!(matches!(error, BusError::NoJetStream { .. }), "{error}");

    let mut nats = TestNats::start().await;
    nats.kill().await;
    let error = connect(&nats.settings(), "test").await.unwrap_err();
    assert!(matches!(error, BusError::Unreachable { .. }), "{error}");

    let bus = connect_in_background(&nats.settings(), "test").await.unwrap();
    let error =
        bus.publish(Step::BuildSent, "hythe.cmd.build.default", &1, None).await.unwrap_err();
    assert!(matches!(error, BusError::NotConnected { .. }), "{error}");
    nats.run().await;
    soon("connected", bus.ready()).await;
    bus.publish(Step::BuildSent, "hythe.cmd.build.default", &1, None).await.unwrap();
}

#[tokio::test]
async fn a_repeated_id_is_dropped_and_a_missing_stream_is_made_again() {
    let nats = TestNats::start().await;
    let bus = connect(&nats.settings(), "test").await.unwrap();
    let first =
        bus.publish(Step::BuildSent, "hythe.cmd.build.default", &1, Some("a")).await.unwrap();
    let again =
        bus.publish(Step::BuildSent, "hythe.cmd.build.default", &1, Some("a")).await.unwrap();
    assert!(!first.duplicate && again.duplicate);

    bus.jetstream().delete_stream(subjects::COMMANDS).await.unwrap();
    bus.publish(Step::BuildSent, "hythe.cmd.build.default", &2, None).await.unwrap();
}

#[tokio::test]
async fn commands_that_fill_their_stream_go_where_another_one_has_no_room() {
    let nats = TestNats::start().await;
    let bus = connect(&nats.settings(), "test").await.unwrap();
    let stream = bus.jetstream().get_stream(subjects::COMMANDS).await.unwrap();
    let config = stream.cached_info().config.clone();
    let small = async_nats::jetstream::stream::Config { max_bytes: 64 * 1024, ..config };
    bus.jetstream().update_stream(small).await.unwrap();
    let long = "x".repeat(20_000);
    let send = || bus.publish(Step::BuildSent, "hythe.cmd.build.default", &long, None);
    let full = async {
        loop {
            if let Err(error) = send().await {
                return error;
            }
        }
    };
    let full = soon("the stream is full", full).await;
    assert!(matches!(full, BusError::Full { .. }), "{full}");
    bus.drop_commands().await.unwrap();
    send().await.unwrap();
}

#[tokio::test]
async fn how_much_is_kept_of_logs_is_said_by_whoever_has_a_budget() {
    let nats = TestNats::start().await;
    let kept = async |bus: &Bus| {
        let stream = bus.jetstream().get_stream(subjects::LOGS).await.unwrap();
        let config = &stream.cached_info().config;
        LogBudget { most_bytes: config.max_bytes.try_into().unwrap(), kept_for: config.max_age }
    };
    let agent = connect(&nats.settings(), "agent").await.unwrap();
    assert_eq!(kept(&agent).await, LogBudget::default());

    let budget = LogBudget { most_bytes: 64 << 20, kept_for: Duration::from_secs(3_600) };
    let settings = NatsSettings { logs: Some(budget), ..nats.settings() };
    let server = connect(&settings, "server").await.unwrap();
    assert_eq!(kept(&server).await, budget);
    agent.ensure_streams().await.unwrap();
    assert_eq!(kept(&agent).await, budget);
}

#[tokio::test]
async fn who_logs_much_pushes_nobody_out() {
    const LINES: u64 = 64;
    let nats = TestNats::start().await;
    let budget = LogBudget { most_bytes: 1 << 20, kept_for: Duration::from_secs(3_600) };
    let settings = NatsSettings { logs: Some(budget), ..nats.settings() };
    let bus = connect(&settings, "server").await.unwrap();
    let (mut quiet, mut loud) = (Writer::new(&bus), Writer::new(&bus));
    quiet.write(3).await;
    let mut gone = 0;
    // Three times as much as there is room for.
    for round in 1..=16_u64 {
        for _ in 0..50 {
            loud.write(LINES).await;
        }
        quiet.write(1).await;
        gone += bus.share_logs().await.unwrap();
        assert_eq!(all(quiet.read(LogsFrom::Beginning, false).await).await, range(1, 3 + round));
    }
    let last = 16 * 50 * LINES;
    let left = all(loud.read(LogsFrom::Tail(10_000), false).await).await;
    assert_eq!(left.last().unwrap(), &last.to_string());
    // No more of it went than had to.
    assert!(gone > 200 && left.len() > 50 * 64, "{gone} {}", left.len());
    let stream = bus.jetstream().get_stream(subjects::LOGS).await.unwrap();
    assert!(stream.cached_info().state.bytes <= budget.most_bytes / 8 * 6);
}

fn commands(bus: &Bus, stop: &CancellationToken) -> mpsc::Receiver<i32> {
    let (tell, told) = mpsc::channel(64);
    let spec = ConsumerSpec {
        stream: subjects::COMMANDS.into(),
        durable: "builders".into(),
        filter: "hythe.cmd.build.>".into(),
        ahead: 8,
        settled: Step::BuildSettled,
    };
    let (bus, stop) = (bus.clone(), stop.clone());
    tokio::spawn(async move {
        let handler = |delivery: Delivery| {
            let tell = tell.clone();
            async move {
                tell.send(delivery.json().unwrap()).await.unwrap();
                // The first time, three is refused for now.
                match (delivery.json::<i32>().unwrap(), delivery.delivered) {
                    (3, 1) => Verdict::Again(Duration::from_millis(10)),
                    (_, _) => Verdict::Done,
                }
            }
        };
        bus.consume(spec, stop, handler).await;
    });
    told
}

#[tokio::test]
async fn a_consumer_outlives_restarts_and_wipes() {
    let mut nats = TestNats::start().await;
    let bus = connect(&nats.settings(), "test").await.unwrap();
    let stop = CancellationToken::new();
    let _stop_at_the_end = stop.clone().drop_guard();
    let mut told = commands(&bus, &stop);

    bus.publish(Step::BuildSent, "hythe.cmd.build.default", &1, None).await.unwrap();
    assert_eq!(soon("1", told.recv()).await, Some(1));

    let before = bus.ready().await;
    nats.kill().await;
    nats.run().await;
    epoch_after(&bus, before).await;
    bus.publish(Step::BuildSent, "hythe.cmd.build.default", &2, None).await.unwrap();
    // What was not settled when the server died comes again.
    let mut heard = soon("2", told.recv()).await;
    while heard == Some(1) {
        heard = soon("2", told.recv()).await;
    }
    assert_eq!(heard, Some(2));

    let before = bus.ready().await;
    nats.kill_and_wipe().await;
    nats.run().await;
    epoch_after(&bus, before).await;
    bus.publish(Step::BuildSent, "hythe.cmd.build.default", &3, None).await.unwrap();
    assert_eq!(soon("3", told.recv()).await, Some(3));
    assert_eq!(soon("3 again", told.recv()).await, Some(3));

    // Gone under a connection that holds.
    bus.jetstream().delete_stream(subjects::COMMANDS).await.unwrap();
    bus.publish(Step::BuildSent, "hythe.cmd.build.default", &4, None).await.unwrap();
    assert_eq!(soon("4", told.recv()).await, Some(4));
}

/// Observations of two, as they are heard: who, what, and how often it was given out.
fn observations(bus: &Bus, stop: &CancellationToken) -> mpsc::Receiver<(String, u32, i64)> {
    let (tell, told) = mpsc::channel(64);
    let (bus, stop) = (bus.clone(), stop.clone());
    tokio::spawn(async move {
        let handler = |delivery: Delivery| {
            let tell = tell.clone();
            async move {
                let what = delivery.json::<u32>().unwrap();
                let who = delivery.subject.strip_prefix("hythe.report.worker.").unwrap();
                tell.send((who.to_owned(), what, delivery.delivered)).await.unwrap();
                // What has no room comes again, the later the larger it is.
                if delivery.delivered == 1 && what >= 100 {
                    return Verdict::Again(Duration::from_millis(u64::from(what)));
                }
                Verdict::Done
            }
        };
        let (stream, filter) = (subjects::REPORTS, "hythe.report.worker.>");
        bus.consume_newest(stream, filter, Step::WorkerReportSettled, stop, handler).await;
    });
    told
}

#[tokio::test]
async fn an_observation_that_comes_again_does_not_follow_a_newer_one() {
    let mut nats = TestNats::start().await;
    let bus = connect(&nats.settings(), "test").await.unwrap();
    let stop = CancellationToken::new();
    let _stop_at_the_end = stop.clone().drop_guard();
    let mut told = observations(&bus, &stop);
    let tell = async |bus: &Bus, who: &str, what: u32| {
        let subject = format!("hythe.report.worker.{who}");
        bus.publish(Step::WorkerReported, &subject, &what, None).await.unwrap();
    };
    let heard = |who: &str, what: u32, delivered: i64| Some((who.to_owned(), what, delivered));

    tell(&bus, "a", 100).await;
    assert_eq!(soon("the first", told.recv()).await, heard("a", 100, 1));
    tell(&bus, "a", 2).await;
    assert_eq!(soon("a newer one", told.recv()).await, heard("a", 2, 1));
    // When this one is there again, the first one was before it.
    tell(&bus, "b", 400).await;
    assert_eq!(soon("another one's", told.recv()).await, heard("b", 400, 1));
    assert_eq!(soon("that one again", told.recv()).await, heard("b", 400, 2));

    // A stream that is new counts from 1 again.
    let before = bus.ready().await;
    nats.kill_and_wipe().await;
    nats.run().await;
    epoch_after(&bus, before).await;
    tell(&bus, "a", 3).await;
    assert_eq!(soon("after a wipe", told.recv()).await, heard("a", 3, 1));
}

#[tokio::test]
async fn a_consumer_that_waited_for_long_hears_at_once() {
    let nats = TestNats::start().await;
    let bus = connect(&nats.settings(), "test").await.unwrap();
    let stop = CancellationToken::new();
    let _stop_at_the_end = stop.clone().drop_guard();
    let mut told = commands(&bus, &stop);
    bus.publish(Step::BuildSent, "hythe.cmd.build.default", &1, None).await.unwrap();
    assert_eq!(soon("1", told.recv()).await, Some(1));
    // Time without a message is what this is about: there is no event to wait for.
    tokio::time::sleep(Duration::from_secs(7)).await;
    bus.publish(Step::BuildSent, "hythe.cmd.build.default", &2, None).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(10), told.recv()).await;
    assert_eq!(heard, Ok(Some(2)));
}

#[tokio::test]
async fn the_route_table_is_kept_in_its_bucket() {
    let nats = TestNats::start().await;
    let bus = connect(&nats.settings(), "test").await.unwrap();
    assert_eq!(bus.routes().await, Ok(None));
    let mut message =
        RouteTableMessage { format: 1, table: Default::default(), passwords: Default::default() };
    for revision in 1..8 {
        message.table.revision = revision;
        bus.put_routes(&message).await.unwrap();
    }
    assert_eq!(bus.routes().await.as_ref(), Ok(&Some(message.clone())));
    // More than the server takes as it is.
    let route = |n: u128| {
        let host = format!("app-{n}.apps.example").parse().unwrap();
        (host, Route::new(AppId::new(Uuid::from_u128(n)), "app".parse().unwrap(), Backend::Down))
    };
    message.table.routes = (0..20_000).map(route).collect();
    assert!(serde_json::to_vec(&message).unwrap().len() > 1024 * 1024);
    bus.put_routes(&message).await.unwrap();
    assert_eq!(bus.routes().await.as_ref(), Ok(&Some(message.clone())));
    // More than it takes in whatever form: of what is random nothing can be saved.
    let route = |_| {
        let (host, id) = (format!("{}.example", Uuid::now_v7().simple()), Uuid::now_v7());
        (host.parse().unwrap(), Route::new(AppId::new(id), "app".parse().unwrap(), Backend::Down))
    };
    let mut large = message.clone();
    large.table.routes = (0..100_000).map(route).collect();
    let error = bus.put_routes(&large).await.unwrap_err();
    assert!(matches!(error, BusError::TooLarge { .. }), "{error}");
    assert_eq!(bus.routes().await, Ok(Some(message)), "edges go on by the one before");
}

struct Writer {
    bus: Bus,
    app: AppId,
    deployment: DeploymentId,
    next: u64,
}

impl Writer {
    fn new(bus: &Bus) -> Self {
        let id = Uuid::now_v7();
        Self { bus: bus.clone(), app: AppId::new(id), deployment: DeploymentId::new(id), next: 1 }
    }

    async fn write(&mut self, lines: u64) {
        let line = |n| LogLine { at: n, stream: Pipe::Stdout, text: format!("line {n}") };
        let frame = LogFrame {
            format: 1,
            source: LogSource::Replica { app: self.app, deployment: self.deployment, index: 0 },
            first: self.next,
            lines: (self.next..self.next + lines).map(line).collect(),
            ended: false,
        };
        self.next += lines;
        let subject = subjects::replica_log(self.app, self.deployment, 0);
        self.bus.publish(Step::BuildSent, &subject, &frame, None).await.unwrap();
    }

    async fn read(&self, from: LogsFrom, follow: bool) -> LogStream {
        self.bus.logs(&[subjects::app_logs(self.app)], from, follow).await.unwrap()
    }
}

fn shown(item: &LogItem) -> String {
    match item {
        LogItem::Line { number, line, .. } => {
            assert_eq!(line.text, format!("line {number}"));
            number.to_string()
        }
        LogItem::Gap { lost } => format!("gap {lost:?}"),
        LogItem::Ended { .. } => "ended".into(),
    }
}

async fn all(lines: LogStream) -> Vec<String> {
    soon("the history", lines.map(|item| shown(&item)).collect()).await
}

fn range(from: u64, to: u64) -> Vec<String> {
    (from..=to).map(|n| n.to_string()).collect()
}

#[tokio::test]
async fn history_is_read_from_the_beginning_a_cursor_or_the_end() {
    let nats = TestNats::start().await;
    let bus = connect(&nats.settings(), "test").await.unwrap();
    let mut writer = Writer::new(&bus);
    assert_eq!(all(writer.read(LogsFrom::Beginning, false).await).await, [""; 0]);
    let mut other = Writer::new(&bus);
    for _ in 0..40 {
        writer.write(5).await;
        other.write(1).await;
    }
    let everything: Vec<LogItem> = writer.read(LogsFrom::Beginning, false).await.collect().await;
    assert_eq!(everything.iter().map(shown).collect::<Vec<_>>(), range(1, 200));
    assert_eq!(all(writer.read(LogsFrom::Tail(7), false).await).await, range(194, 200));
    assert_eq!(all(writer.read(LogsFrom::Tail(0), false).await).await, [""; 0]);
    for read in [1_usize, 7, 100, 200] {
        let LogItem::Line { cursor, .. } = &everything[read - 1] else { panic!("not a line") };
        let cursor = cursor.to_string().parse().unwrap();
        let rest = all(writer.read(LogsFrom::Cursor(cursor), false).await).await;
        assert_eq!(rest, range(read as u64 + 1, 200), "after {read}");
    }
}

#[tokio::test]
async fn a_follower_sees_what_comes_and_a_wipe_as_a_gap() {
    let mut nats = TestNats::start().await;
    let bus = connect(&nats.settings(), "test").await.unwrap();
    let mut writer = Writer::new(&bus);
    writer.write(3).await;
    let mut lines = writer.read(LogsFrom::Tail(2), true).await;
    let mut cursor = None;
    for expected in ["2", "3"] {
        let item = soon("history", lines.next()).await.unwrap();
        assert_eq!(shown(&item), expected);
        if let LogItem::Line { cursor: at, .. } = item {
            cursor = Some(at);
        }
    }
    writer.write(1).await;
    assert_eq!(shown(&soon("live", lines.next()).await.unwrap()), "4");

    // A restart loses nothing and repeats nothing.
    let before = bus.ready().await;
    nats.kill().await;
    nats.run().await;
    epoch_after(&bus, before).await;
    writer.write(2).await;
    assert_eq!(shown(&soon("after a restart", lines.next()).await.unwrap()), "5");
    assert_eq!(shown(&soon("after a restart", lines.next()).await.unwrap()), "6");

    let before = bus.ready().await;
    nats.kill_and_wipe().await;
    nats.run().await;
    epoch_after(&bus, before).await;
    writer.write(1).await;
    assert_eq!(shown(&soon("after a wipe", lines.next()).await.unwrap()), "gap None");
    assert_eq!(shown(&soon("after a wipe", lines.next()).await.unwrap()), "7");

    // So does a reader who comes back with a cursor from before.
    let rest = writer.read(LogsFrom::Cursor(cursor.unwrap()), false).await;
    assert_eq!(all(rest).await, ["gap None", "7"]);
}
