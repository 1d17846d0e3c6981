//! Logs: each line once, in order, whatever breaks.

use hythe_core::limits::MOST_LINE_BYTES;
use hythe_core::wire::log::{LogFrame, LogLine, LogStream};

use super::proxy::Proxy;
use super::*;
use crate::docker::tests::{assignment, image};

/// Reads what JetStream has of a replica: nothing of that is missed, whoever was away meanwhile.
struct Reader {
    bus: Bus,
    subject: String,
    /// The first message that was not read.
    next: u64,
}

impl Reader {
    fn of(world: &World, wanted: &Assignment) -> Self {
        let subject = subjects::replica_log(wanted.app, wanted.deployment, 0);
        Self { bus: world.bus.clone(), subject, next: 1 }
    }

    /// Waits until a line with this text was published.
    async fn said(&mut self, text: &str) {
        let wait = async {
            while !self.reads(text).await.unwrap_or(false) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, wait).await;
        found.unwrap_or_else(|_| panic!("{text} was never said"));
    }

    /// Reads on up to a line with this text; nothing where NATS does not answer just now.
    async fn reads(&mut self, text: &str) -> Option<bool> {
        let stream = self.bus.jetstream().get_stream(subjects::LOGS).await.ok()?;
        while self.next <= stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(self.next).await.ok()?;
            self.next += 1;
            if message.subject.as_str() == self.subject {
                let frame: LogFrame = serde_json::from_slice(&message.payload).unwrap();
                if frame.lines.iter().any(|line| line.text.contains(text)) {
                    return Some(true);
                }
            }
        }
        Some(false)
    }
}

/// Every frame that JetStream has of a replica.
async fn frames(bus: &Bus, subject: &str) -> Vec<LogFrame> {
    let stream = bus.jetstream().get_stream(subjects::LOGS).await.unwrap();
    let state = stream.cached_info().state.clone();
    let mut frames = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        if message.subject.as_str() == subject {
            frames.push(serde_json::from_slice(&message.payload).unwrap());
        }
    }
    frames
}

/// The lines of frames, each of which must begin where the one before it ended.
fn invariant_each_line_once(frames: &[LogFrame]) -> Vec<LogLine> {
    let mut lines = Vec::new();
    for frame in frames {
        let expected = u64::try_from(lines.len()).unwrap() + 1;
        assert_eq!(frame.first, expected, "after {:?}", lines.last());
        assert!(frame.lines.len() <= 64);
        lines.extend(frame.lines.iter().cloned());
    }
    lines
}

#[tokio::test]
async fn each_line_comes_once_and_in_order_whatever_breaks() {
    const LINES: usize = 4_000;
    // Speaks in bursts for some ten seconds.
    let script = format!(
        "i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo out $i; echo err $i >&2; \
         [ $((i % 40)) = 0 ] && sleep 0.1; done; echo end; exec sleep 1000"
    );
    let mut proxy = Proxy::new();
    let mut world = World::with_engine(Some(proxy.host())).await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let wanted = assignment(image(&engine, &["sh", "-c", &script]).await, &[0]);
    let mut log = Reader::of(&world, &wanted);
    world.run(worker, &wanted).await;

    log.said("out 300").await;
    world.crash();
    world.start();
    log.said("out 700").await;
    proxy.cut();
    proxy.mend();
    log.said("out 1100").await;
    world.nats.kill().await;
    world.nats.run().await;
    log.said("out 1500").await;
    world.stop().await;
    world.start();
    log.said("out 1900").await;
    world.nats.kill().await;
    world.crash();
    proxy.cut();
    world.start();
    world.nats.run().await;
    proxy.mend();
    log.said("end").await;

    let lines = invariant_each_line_once(&frames(&world.bus, &log.subject).await);
    for (stream, word) in [(LogStream::Stdout, "out"), (LogStream::Stderr, "err")] {
        let of_stream = lines.iter().filter(|line| line.stream == stream && line.text != "end");
        let texts: Vec<&str> = of_stream.map(|line| line.text.as_str()).collect();
        let expected: Vec<String> = (1..=LINES).map(|i| format!("{word} {i}")).collect();
        assert_eq!(texts, expected);
    }
    assert!(lines.iter().all(|line| line.stream != LogStream::Hythe));
}

#[tokio::test]
async fn odd_lines_arrive_and_a_log_has_an_end() {
    let script = "printf 'a\\377b\\033[31mred\\033[0m\\n'; \
                  head -c 40000 /dev/zero | tr '\\0' x; echo; printf unfinished";
    let mut world = World::new().await;
    let (worker, sealing) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let mut wanted = assignment(image(&engine, &["sh", "-c", script]).await, &[3]);
    wanted.environment = seal(sealing, wanted.deployment, &[("PORT", "99")]);
    world.run(worker, &wanted).await;
    world
        .replica("it has exited", key(&wanted, 3), |replica| {
            matches!(replica.state, ReplicaState::Exited { .. })
        })
        .await;
    world.stop_deployment(worker, &wanted, 2).await;
    world.report("nothing is left", |r| r.replicas.is_empty() && r.assignments.is_empty()).await;

    let subject = subjects::replica_log(wanted.app, wanted.deployment, 3);
    let mut all = Vec::new();
    while !all.last().is_some_and(|frame: &LogFrame| frame.ended) {
        world.report("it is a heartbeat later", |_| true).await;
        all = frames(&world.bus, &subject).await;
    }
    let lines = invariant_each_line_once(&all);
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert_eq!(lines[0].stream, LogStream::Hythe);
    assert!(lines[0].text.contains("PORT is set by Hythe (8080)"), "{}", lines[0].text);
    assert_eq!(lines[1].text, "a\u{fffd}b\u{1b}[31mred\u{1b}[0m");
    assert!(lines[2].text.len() <= MOST_LINE_BYTES && lines[2].text.ends_with("[cut]"));
    assert_eq!(lines[3].text, "unfinished");
}

#[tokio::test]
async fn a_replica_that_is_started_again_goes_on_counting() {
    let mut world = World::new().await;
    let (worker, _) = world.hello().await;
    let engine = Engine::new(None).unwrap();
    let script = "touch /n; echo x >> /n; echo run $(wc -l < /n); exit 1";
    let mut wanted = assignment(image(&engine, &["sh", "-c", script]).await, &[0]);
    wanted.restart = true;
    let mut log = Reader::of(&world, &wanted);
    world.run(worker, &wanted).await;
    log.said("run 3").await;
    let lines = invariant_each_line_once(&frames(&world.bus, &log.subject).await);
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    // It may have run a fourth time meanwhile.
    assert_eq!(texts[..3], ["run 1", "run 2", "run 3"]);
}
