//! An app's access log: what is kept of a request until its end, and which requests are told.
//!
//! Invariants: a request waits for nothing here, and takes no lock: where there is no room, its line is
//! left out and counted. Cores write to nothing that another core writes to. Query, cookies and
//! credentials are not even kept.

mod collect;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{HeaderValue, REFERER, USER_AGENT};
use hyper::{Method, Request, Version};
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::limits::{ACCESS_LINES_PER_SECOND, MOST_ACCESS_PATH, MOST_ACCESS_TEXT};
use hythe_core::wire::access::{AccessEntry, AccessFailed, referer, shown};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;

use super::figures::Told;
use super::pages::Failed;
use super::trace::Trace;

pub(crate) use collect::Collector;

/// Lines of one core that wait to be collected.
const WAITING: usize = 1_024;
/// Cores that have a count of their own; with more of them some share.
const MOST_SLOTS: usize = 16;

/// A line on its way to the collector.
#[derive(Debug)]
struct Logged {
    tap: Arc<Tap>,
    /// Nanoseconds since the Unix epoch.
    at: u64,
    entry: Box<AccessEntry>,
}

/// Where one core puts its lines.
#[derive(Debug)]
pub(crate) struct Outlet(mpsc::Sender<Logged>);

/// An outlet for each core, and what collects from them.
pub(crate) fn outlets(cores: usize) -> (Vec<Outlet>, Collector) {
    let (outlets, from) = (0..cores)
        .map(|_| {
            let (outlet, from) = mpsc::channel(WAITING);
            (Outlet(outlet), from)
        })
        .unzip();
    (outlets, Collector::new(from))
}

/// How much of an app's requests is told, from one table to the next.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) app: AppId,
    slots: Box<[OnceLock<Box<Slot>>]>,
    /// How many lines a second each core may write of requests that went well.
    share: u32,
}

/// One core's count of one app. On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Slot {
    /// Which second is counted.
    second: AtomicU64,
    told: AtomicU32,
    left_out: AtomicU64,
}

impl Tap {
    pub(crate) fn new(app: AppId, cores: usize) -> Self {
        let slots = cores.clamp(1, MOST_SLOTS);
        let cores = u32::try_from(slots).unwrap_or(u32::MAX);
        Self {
            app,
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            share: ACCESS_LINES_PER_SECOND.div_ceil(cores),
        }
    }

    fn slot(&self, core: usize) -> Option<&Slot> {
        let slot = self.slots.get(core % self.slots.len().max(1))?;
        Some(slot.get_or_init(Box::default))
    }

    /// Whether a request is told. What failed may use twice as much: the first half is for all.
    fn admits(&self, core: usize, second: u64, failed: bool) -> bool {
        let Some(slot) = self.slot(core) else { return false };
        if slot.second.load(Relaxed) != second {
            slot.second.store(second, Relaxed);
            slot.told.store(0, Relaxed);
        }
        let told = slot.told.load(Relaxed);
        let most = if failed { self.share.saturating_mul(2) } else { self.share };
        if told >= most {
            slot.left_out.fetch_add(1, Relaxed);
            return false;
        }
        slot.told.store(told.saturating_add(1), Relaxed);
        true
    }

    /// A line that was to be told found no room.
    fn missed(&self, core: usize) {
        if let Some(slot) = self.slot(core) {
            slot.left_out.fetch_add(1, Relaxed);
        }
    }

    /// How many were left out in seconds that are over; they are told only once.
    fn take_left_out(&self, second: u64) -> u64 {
        let over = |slot: &&Slot| slot.second.load(Relaxed) < second;
        let slots = self.slots.iter().filter_map(OnceLock::get).map(|slot| &**slot).filter(over);
        slots.map(|slot| slot.left_out.swap(0, Relaxed)).sum()
    }
}

/// What is kept of a request until its end: nothing that its head's memory would have to stay for.
#[derive(Debug)]
pub(crate) struct Record {
    tap: Arc<Tap>,
    method: Method,
    protocol: &'static str,
    scheme: &'static str,
    client: IpAddr,
    trace: [u8; 32],
    texts: Texts,
    served: Option<(DeploymentId, SocketAddr)>,
    first_byte_ns: Option<u64>,
    failed: Option<AccessFailed>,
}

/// Some texts in one piece of memory, each cut to what can be of use.
#[derive(Debug)]
struct Texts {
    bytes: Box<[u8]>,
    ends: [u16; TEXTS],
}

/// Host, path, request id, user agent, referer.
const TEXTS: usize = 5;

impl Texts {
    fn of(texts: [(&[u8], usize); TEXTS]) -> Self {
        // One byte more than is shown says that there was more.
        let cut = texts.map(|(text, most)| text.get(..=most).unwrap_or(text));
        let mut bytes = Vec::with_capacity(cut.iter().map(|text| text.len()).sum());
        let ends = cut.map(|text| {
            bytes.extend_from_slice(text);
            u16::try_from(bytes.len()).unwrap_or(u16::MAX)
        });
        Self { bytes: bytes.into(), ends }
    }

    fn get(&self) -> [&[u8]; TEXTS] {
        let mut start = 0;
        self.ends.map(|end| {
            let text = self.bytes.get(start..usize::from(end)).unwrap_or_default();
            start = usize::from(end);
            text
        })
    }
}

/// Where and how a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came<'a> {
    pub(crate) host: &'a str,
    pub(crate) scheme: &'static str,
    pub(crate) client: IpAddr,
    /// The id by which it is found again.
    pub(crate) id: &'a HeaderValue,
    pub(crate) trace: &'a Trace,
}

impl Record {
    pub(crate) fn of<B>(tap: Arc<Tap>, request: &Request<B>, came: Came<'_>) -> Box<Self> {
        let header = |name| request.headers().get(name).map_or(&b""[..], HeaderValue::as_bytes);
        let from = referer(header(REFERER));
        let texts = [
            (came.host.as_bytes(), MOST_ACCESS_TEXT),
            (request.uri().path().as_bytes(), MOST_ACCESS_PATH),
            (came.id.as_bytes(), MOST_ACCESS_TEXT),
            (header(USER_AGENT), MOST_ACCESS_TEXT),
            (from.as_slice(), MOST_ACCESS_TEXT),
        ];
        Box::new(Self {
            tap,
            method: request.method().clone(),
            protocol: protocol(request.version()),
            scheme: came.scheme,
            client: came.client,
            trace: came.trace.id(),
            texts: Texts::of(texts),
            served: None,
            first_byte_ns: None,
            failed: None,
        })
    }

    /// The head of its answer is on its way.
    pub(crate) fn answered(&mut self, after_ns: u64) {
        self.first_byte_ns.get_or_insert(after_ns);
    }

    /// A replica answered it.
    pub(crate) fn served(&mut self, deployment: DeploymentId, replica: SocketAddr) {
        self.served = Some((deployment, replica));
    }

    /// Who failed, where nobody was found to have done so before.
    pub(crate) fn failed(&mut self, who: AccessFailed) {
        self.failed.get_or_insert(who);
    }

    /// Tells of it, where there is room. `outlet` is that of the core that answered.
    pub(crate) fn end(&self, told: &Told, outlet: &Outlet, core: usize) {
        let failed = match (told.status, self.failed) {
            (0, None) => Some(AccessFailed::Client),
            (_, failed) => failed,
        };
        let matters = told.status >= 500 || failed.is_some_and(|who| who != AccessFailed::Request);
        // Most are not told under load, and to count them the kernel's own count is exact enough.
        let second = clock_gettime(ClockId::RealtimeCoarse).tv_sec;
        if !self.tap.admits(core, u64::try_from(second).unwrap_or_default(), matters) {
            return;
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let [host, path, id, agent, from] = self.texts.get();
        let text = |bytes: &[u8]| shown(bytes, MOST_ACCESS_TEXT);
        let some = |bytes: &[u8]| (!bytes.is_empty()).then(|| text(bytes));
        let micros = |ns: u64| ns / 1_000;
        let entry = Box::new(AccessEntry {
            method: text(self.method.as_str().as_bytes()),
            host: text(host),
            path: shown(path, MOST_ACCESS_PATH),
            status: Some(told.status).filter(|status| *status != 0),
            failed,
            received: told.received,
            sent: told.sent,
            took_us: micros(told.took_ns),
            first_byte_us: self.first_byte_ns.map(micros),
            replica: self.served.map(|(_, replica)| replica),
            deployment: self.served.map(|(deployment, _)| deployment),
            request: text(id),
            trace: text(&self.trace),
            client: self.client,
            agent: some(agent),
            referer: some(from),
            protocol: self.protocol.to_owned(),
            scheme: self.scheme.to_owned(),
        });
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let logged = Logged { tap: Arc::clone(&self.tap), at, entry };
        if outlet.0.try_send(logged).is_err() {
            self.tap.missed(core);
        }
    }
}

impl From<Failed> for AccessFailed {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Request => Self::Request,
            Failed::Edge => Self::Edge,
            Failed::App => Self::App,
            Failed::Nobody => Self::Nobody,
        }
    }
}

fn protocol(version: Version) -> &'static str {
    // Versions are not ours: new ones may come.
    if version == Version::HTTP_2 {
        "HTTP/2"
    } else if version == Version::HTTP_10 {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderMap, HeaderName};
    use uuid::Uuid;

    use super::*;

    fn tap(cores: usize) -> Arc<Tap> {
        Arc::new(Tap::new(AppId::new(Uuid::nil()), cores))
    }

    fn record(tap: &Arc<Tap>, request: &Request<()>) -> Box<Record> {
        let id = HeaderValue::from_static("the-id");
        let trace = Trace::of(request.headers(), &id, || HeaderValue::from_static("0"));
        let client = "192.0.2.7".parse().unwrap();
        let came = Came { host: "a.example", scheme: "http", client, id: &id, trace: &trace };
        Record::of(Arc::clone(tap), request, came)
    }

    fn told(status: u16) -> Told {
        Told { status, took_ns: 2_000, received: 3, sent: 4 }
    }

    #[test]
    fn what_opens_doors_is_left_out_and_what_is_hostile_is_shown_as_text() {
        let (outlets, mut collector) = outlets(1);
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("cookie", &b"session=secret"[..]),
            ("authorization", b"Bearer secret"),
            ("referer", b"https://ada:secret@b.example/c?token=secret"),
            ("user-agent", b"[31m\xff\"secure\""),
        ] {
            let name = HeaderName::from_static(name);
            headers.insert(name, HeaderValue::from_bytes(value).unwrap());
        }
        let mut request = Request::get("/a/b?token=secret").body(()).unwrap();
        *request.headers_mut() = headers;
        let mut record = record(&tap(1), &request);
        record.answered(1_000);
        record.answered(9_000);
        record.end(&told(200), &outlets[0], 0);
        let [logged]: [Logged; 1] = collector.drain().try_into().unwrap();
        let entry = logged.entry;
        assert_eq!((entry.path.as_str(), entry.status, entry.failed), ("/a/b", Some(200), None));
        assert_eq!(entry.referer.as_deref(), Some("https://b.example/c"));
        assert_eq!(entry.agent.as_deref(), Some("[31m\\xff\"secure\""));
        assert_eq!((entry.first_byte_us, entry.took_us, entry.sent), (Some(1), 2, 4));
        assert!(!serde_json::to_string(&entry).unwrap().contains("secret"));
    }

    #[test]
    fn under_load_some_are_left_out_and_counted_and_failures_go_first() {
        let tap = tap(2);
        let share = ACCESS_LINES_PER_SECOND / 2;
        let admitted =
            |second, failed| (0..1_000).filter(|_| tap.admits(1, second, failed)).count();
        assert_eq!(admitted(5, false), share as usize);
        assert_eq!(admitted(5, true), share as usize, "what failed has as much again");
        assert_eq!(tap.take_left_out(5), 0, "its second is not over");
        assert_eq!(tap.take_left_out(6), 2_000 - 2 * u64::from(share));
        assert_eq!(tap.take_left_out(6), 0);
        assert_eq!(admitted(6, true), 2 * share as usize);
    }

    #[test]
    fn without_room_a_line_is_counted_and_nobody_waits() {
        let (outlets, mut collector) = outlets(1);
        let tap = Arc::new(Tap { share: u32::MAX, ..Tap::new(AppId::new(Uuid::nil()), 1) });
        let request = Request::get("/").body(()).unwrap();
        for _ in 0..WAITING + 3 {
            record(&tap, &request).end(&told(0), &outlets[0], 0);
        }
        assert_eq!(tap.take_left_out(u64::MAX), 3);
        let lines = collector.drain();
        assert_eq!(lines.len(), WAITING);
        assert!(lines.iter().all(|line| line.entry.failed == Some(AccessFailed::Client)));
    }
}
