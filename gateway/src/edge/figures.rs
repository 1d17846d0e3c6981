//! What is counted of each route, and how Prometheus reads it.
//!
//! Invariants: cores never write to the same figures; a route that was never asked for takes no room.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The media type of what [`write`] gives.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The upper bounds of the latency histogram, in milliseconds.
const BUCKETS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 30_000];
/// The classes of statuses; the first is for requests whose client left before there was one.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// Cores that have figures of their own; with more of them some share.
const MOST_SHARDS: usize = 16;

/// What is known of a request at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) took_ns: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// One core's figures of one route. On cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    began: AtomicU64,
    ended: AtomicU64,
    classes: [AtomicU64; CLASSES.len()],
    /// The last one is for what took longer than all bounds.
    took: [AtomicU64; BUCKETS_MS.len() + 1],
    took_ns: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

/// The figures of one route, by core.
#[derive(Debug)]
pub(crate) struct Figures {
    shards: Box<[OnceLock<Box<Shard>>]>,
}

impl Figures {
    pub(crate) fn new(cores: usize) -> Self {
        Self { shards: (0..cores.clamp(1, MOST_SHARDS)).map(|_| OnceLock::new()).collect() }
    }

    fn shard(&self, core: usize) -> Option<&Shard> {
        let shard = self.shards.get(core % self.shards.len().max(1))?;
        Some(shard.get_or_init(Box::default))
    }

    pub(crate) fn began(&self, core: usize) {
        if let Some(shard) = self.shard(core) {
            shard.began.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn ended(&self, core: usize, told: &Told) {
        let Some(shard) = self.shard(core) else { return };
        let count = |counter: Option<&AtomicU64>, by| {
            if let Some(counter) = counter {
                counter.fetch_add(by, Relaxed);
            }
        };
        let class = usize::from(told.status / 100);
        count(shard.classes.get(class).or(shard.classes.first()), 1);
        let ms = told.took_ns.div_ceil(1_000_000);
        let bucket = BUCKETS_MS.iter().position(|most| ms <= *most).unwrap_or(BUCKETS_MS.len());
        count(shard.took.get(bucket), 1);
        count(Some(&shard.took_ns), told.took_ns);
        count(Some(&shard.received), told.received);
        count(Some(&shard.sent), told.sent);
        count(Some(&shard.ended), 1);
    }

    /// All cores' together; none where nobody ever asked.
    pub(crate) fn sum(&self) -> Option<Sum> {
        let mut sum = Sum::default();
        let shards = self.shards.iter().filter_map(OnceLock::get);
        let add = |to: &mut u64, from: &AtomicU64| *to = to.saturating_add(from.load(Relaxed));
        for shard in shards {
            // What ended is read first: what ends meanwhile is taken for under way, never for less
            // than nothing.
            add(&mut sum.ended, &shard.ended);
            add(&mut sum.began, &shard.began);
            sum.classes.iter_mut().zip(&shard.classes).for_each(|(to, from)| add(to, from));
            sum.took.iter_mut().zip(&shard.took).for_each(|(to, from)| add(to, from));
            add(&mut sum.took_ns, &shard.took_ns);
            add(&mut sum.received, &shard.received);
            add(&mut sum.sent, &shard.sent);
        }
        (sum.began > 0).then_some(sum)
    }
}

/// Figures of all cores together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) classes: [u64; CLASSES.len()],
    took: [u64; BUCKETS_MS.len() + 1],
    took_ns: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// A host, its app's name, and its figures. Both names hold only letters, digits, `-` and `.`.
pub(crate) type Line = (String, String, Sum);

/// Writes all figures in Prometheus' text format.
pub(crate) fn write(revision: u64, routes: usize, lines: &[Line]) -> String {
    let mut text = String::with_capacity(1_024 + lines.len() * 2_048);
    let gauges = [
        ("hythe_edge_table_revision", "The revision of the route table in force.", revision),
        ("hythe_edge_routes", "Routes of the table in force.", routes as u64),
    ];
    // Writing to a string cannot fail.
    for (name, help, value) in gauges {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    }
    family(&mut text, "requests_total", "counter", "Requests that ended, by class of status.");
    for (host, app, sum) in lines {
        for (class, count) in CLASSES.iter().zip(sum.classes).filter(|(_, count)| *count > 0) {
            let _ = writeln!(
                text,
                "hythe_edge_requests_total{{host=\"{host}\",app=\"{app}\",status=\"{class}\"}} {count}"
            );
        }
    }
    family(&mut text, "requests_in_flight", "gauge", "Requests that are being answered.");
    each(&mut text, "requests_in_flight", lines, |sum| sum.began.saturating_sub(sum.ended));
    family(&mut text, "request_bytes_total", "counter", "Bytes of requests' bodies.");
    each(&mut text, "request_bytes_total", lines, |sum| sum.received);
    family(&mut text, "response_bytes_total", "counter", "Bytes of answers' bodies, as sent.");
    each(&mut text, "response_bytes_total", lines, |sum| sum.sent);
    family(&mut text, "request_seconds", "histogram", "From a request's head to its answer's end.");
    for (host, app, sum) in lines {
        let mut count = 0_u64;
        for (most, of_it) in BUCKETS_MS.iter().zip(sum.took) {
            count = count.saturating_add(of_it);
            let (seconds, rest) = (most / 1_000, most % 1_000);
            let _ = writeln!(
                text,
                "hythe_edge_request_seconds_bucket{{host=\"{host}\",app=\"{app}\",\
                 le=\"{seconds}.{rest:03}\"}} {count}"
            );
        }
        let all: u64 = sum.took.iter().sum();
        let (seconds, rest) = (sum.took_ns / 1_000_000_000, sum.took_ns % 1_000_000_000);
        let _ = write!(
            text,
            "hythe_edge_request_seconds_bucket{{host=\"{host}\",app=\"{app}\",le=\"+Inf\"}} {all}\n\
             hythe_edge_request_seconds_sum{{host=\"{host}\",app=\"{app}\"}} {seconds}.{rest:09}\n\
             hythe_edge_request_seconds_count{{host=\"{host}\",app=\"{app}\"}} {all}\n"
        );
    }
    text
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = write!(text, "# HELP hythe_edge_{name} {help}\n# TYPE hythe_edge_{name} {kind}\n");
}

fn each(text: &mut String, name: &str, lines: &[Line], value: impl Fn(&Sum) -> u64) {
    for (host, app, sum) in lines {
        let value = value(sum);
        let _ = writeln!(text, "hythe_edge_{name}{{host=\"{host}\",app=\"{app}\"}} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_all_cores_add_up_and_are_read_as_prometheus_reads_them() {
        let figures = Figures::new(2);
        assert_eq!(figures.sum(), None);
        for (core, status, ms) in [(0, 200, 1), (1, 404, 3), (1, 503, 60_000), (5, 200, 7)] {
            figures.began(core);
            let told = Told { status, took_ns: ms * 1_000_000, received: 10, sent: 100 };
            figures.ended(core, &told);
        }
        figures.began(0);
        let sum = figures.sum().unwrap();
        assert_eq!((sum.began, sum.ended, sum.received, sum.sent), (5, 4, 40, 400));
        let text = write(7, 1, &[("shop.localhost".into(), "shop".into(), sum)]);
        let labels = "host=\"shop.localhost\",app=\"shop\"";
        for line in [
            "hythe_edge_table_revision 7".to_owned(),
            format!("hythe_edge_requests_total{{{labels},status=\"2xx\"}} 2"),
            format!("hythe_edge_requests_total{{{labels},status=\"5xx\"}} 1"),
            format!("hythe_edge_requests_in_flight{{{labels}}} 1"),
            format!("hythe_edge_request_seconds_bucket{{{labels},le=\"0.001\"}} 1"),
            format!("hythe_edge_request_seconds_bucket{{{labels},le=\"0.005\"}} 2"),
            format!("hythe_edge_request_seconds_bucket{{{labels},le=\"30.000\"}} 3"),
            format!("hythe_edge_request_seconds_bucket{{{labels},le=\"+Inf\"}} 4"),
            format!("hythe_edge_request_seconds_count{{{labels}}} 4"),
            format!("hythe_edge_request_seconds_sum{{{labels}}} 60.011000000"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
