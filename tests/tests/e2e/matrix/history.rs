//! What the journal must say in the end: as if nobody had died.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::wire::subjects;
use serde_json::Value;

use super::world::World;

/// How a deployment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Live,
    /// Live, with the image of an earlier one.
    Repeated,
    /// The same, and that image had to be built again.
    Rebuilt,
    /// Live, with what its repository says runs besides.
    Declared,
    /// Live, after its release command ran.
    Released,
    /// Live, and its post-deploy command ran.
    PostDeployed,
    /// Live, and its post-deploy command failed.
    PostDeployFailed,
    /// Live, and scaled up and down since.
    Scaled,
    /// The same of a process beside web.
    ProcessesScaled,
    Failed,
    Cancelled,
    /// It never began.
    Superseded,
}

impl Ending {
    pub(super) const fn status(self) -> &'static str {
        match self {
            Self::Live
            | Self::Repeated
            | Self::Rebuilt
            | Self::Scaled
            | Self::ProcessesScaled
            | Self::Declared
            | Self::Released
            | Self::PostDeployed
            | Self::PostDeployFailed => "live",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }
}

/// The way of a deployment that goes live.
const WAY: [&str; 9] = [
    "requested",
    "build_queued",
    "build_started",
    "built",
    "placed",
    "became_healthy",
    "switch_started",
    "switched",
    "went_live",
];

/// The ways of one whose image is there already, and of one whose image only should be.
const REPEATED: [&str; 7] = [
    "requested",
    "build_skipped",
    "placed",
    "became_healthy",
    "switch_started",
    "switched",
    "went_live",
];
const REBUILT: [&str; 11] = [
    "requested",
    "build_skipped",
    "placed",
    "image_missed",
    "build_started",
    "built",
    "placed",
    "became_healthy",
    "switch_started",
    "switched",
    "went_live",
];

/// The way of one with a release command.
const RELEASED: [&str; 11] = [
    "requested",
    "build_queued",
    "build_started",
    "built",
    "release_started",
    "released",
    "placed",
    "became_healthy",
    "switch_started",
    "switched",
    "went_live",
];

/// What comes after it where it is scaled up and down.
const SCALED: [&str; 5] = ["scaled", "rescaled", "scaled", "rescaled", "replicas_left"];

/// The same of a process beside web.
const PROCESSES_SCALED: [&str; 5] =
    ["processes_scaled", "rescaled", "processes_scaled", "rescaled", "replicas_left"];

/// The step that is left out where the report of the end comes first.
const STARTED: &str = "build_started";

/// The deployments of a world, and how they ended.
#[derive(Debug, Default)]
pub(super) struct History {
    endings: BTreeMap<String, Ending>,
}

impl History {
    pub(super) fn ended(&mut self, id: &str, ending: Ending) {
        self.endings.insert(id.to_owned(), ending);
    }

    /// Holds the journal, and what was published of it, against what happened.
    pub(super) fn check(&self, world: &World) {
        let events = events(world);
        let sequences: Vec<u64> = events.iter().filter_map(|e| e["sequence"].as_u64()).collect();
        let all: Vec<u64> = (1..=events.len() as u64).collect();
        assert_eq!(sequences, all, "the journal has a gap, or an event twice");
        for (id, ending) in &self.endings {
            let of = |aggregate: &str, wanted: &dyn Fn(&Value) -> bool| -> Vec<String> {
                let mine = events.iter().filter(|e| e["aggregate"] == aggregate && wanted(e));
                mine.map(|e| e["type"].as_str().unwrap().split_once('.').unwrap().1.to_owned())
                    .collect()
            };
            let mut way = of("deployment", &|event| event["id"] == id.as_str());
            if way.last().is_some_and(|last| last == "ended") {
                way.pop();
            }
            // A build's end may be heard of before its beginning: the newest report counts.
            let scaled = [WAY.as_slice(), &SCALED].concat();
            let after = |end| [WAY.as_slice(), &["post_deploy_started", end]].concat();
            let (done, not_done) = (after("post_deployed"), after("post_deploy_failed"));
            let processes_scaled = [WAY.as_slice(), &PROCESSES_SCALED].concat();
            let declares = |step: &&'static str| match *step {
                "built" => vec!["declared", "built"],
                step => vec![step],
            };
            let declared: Vec<&str> = WAY.iter().flat_map(declares).collect();
            // Nothing of a static site runs, so it gets no place.
            let built =
                |event: &&Value| event["id"] == id.as_str() && event["type"] == "deployment.built";
            let is_site = events
                .iter()
                .find(built)
                .is_some_and(|event| event["data"].to_string().contains("\"site\":{"));
            let of_site: Vec<&str> = WAY.iter().copied().filter(|step| *step != "placed").collect();
            let whole: &[&str] = match ending {
                Ending::Live if is_site => &of_site,
                Ending::Repeated => &REPEATED,
                Ending::Rebuilt => &REBUILT,
                Ending::Scaled => &scaled,
                Ending::ProcessesScaled => &processes_scaled,
                Ending::Declared => &declared,
                Ending::Released => &RELEASED,
                Ending::PostDeployed => &done,
                Ending::PostDeployFailed => &not_done,
                Ending::Live | Ending::Failed | Ending::Cancelled | Ending::Superseded => &WAY,
            };
            if let Some(begun) = whole.iter().position(|step| *step == STARTED)
                && way.len() > begun
                && way[begun] != STARTED
            {
                way.insert(begun, STARTED.to_owned());
            }
            let went_live = ending.status() == "live";
            let came = if went_live { whole } else { &whole[..way.len().min(whole.len())] };
            assert_eq!(way, came, "{id} {ending:?}");
            // What the app says of it, each once.
            let mentions = |event: &Value| event["data"].to_string().contains(id.as_str());
            let said = of("app", &mentions);
            let asked = match ending {
                Ending::Repeated | Ending::Rebuilt => "deployment_repeated",
                Ending::Live
                | Ending::Scaled
                | Ending::ProcessesScaled
                | Ending::Declared
                | Ending::Released
                | Ending::PostDeployed
                | Ending::PostDeployFailed
                | Ending::Failed
                | Ending::Cancelled
                | Ending::Superseded => "deployment_requested",
            };
            for name in [asked, "deployment_begun", "deployment_promoted"] {
                let times = said.iter().filter(|said| *said == name).count();
                // The one that follows a live one names that as well.
                let most = if name == "deployment_promoted" { 2 } else { 1 };
                assert!(times <= most, "{id}: {name} {times} times in {said:?}");
                if went_live {
                    assert!(times >= 1, "{id}: no {name} in {said:?}");
                }
            }
        }
        published(world, events.len() as u64);
    }
}

fn events(world: &World) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let page = world.look(&format!("/api/v1/events?after={}&limit=1000", events.len()));
        let items = page["items"].as_array().unwrap();
        events.extend(items.iter().cloned());
        if items.is_empty() || events.len() as u64 >= page["head"].as_u64().unwrap() {
            return events;
        }
    }
}

/// Sees that integrations can hear of every event, soon after it happened.
fn published(world: &World, head: u64) {
    let mut missing = unpublished(world, head);
    world.until(&format!("events {missing:?} are published"), || {
        missing = unpublished(world, head);
        missing.is_empty()
    });
}

fn unpublished(world: &World, head: u64) -> BTreeSet<u64> {
    let (url, credentials) = nats(world);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut missing: BTreeSet<u64> = (1..=head).collect();
    runtime.block_on(async {
        let (user, password) = credentials;
        let options = async_nats::ConnectOptions::with_user_and_password(user, password);
        let client = options.connect(url).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        let stream = jetstream.get_stream(subjects::EVENTS).await.unwrap();
        let last = stream.cached_info().state.last_sequence;
        for sequence in 1..=last {
            let message = stream.get_raw_message(sequence).await.unwrap();
            let event: Value = serde_json::from_slice(&message.payload).unwrap();
            missing.remove(&event["id"].as_str().unwrap().parse::<u64>().unwrap());
        }
    });
    missing
}

/// Where the installation's NATS is, and how one gets in: as its server was told.
fn nats(world: &World) -> (String, (String, String)) {
    let pid = world.hythe().pid("server").unwrap();
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let line = String::from_utf8(line).unwrap();
    let args: Vec<&str> = line.split('\0').collect();
    let after = |name: &str| {
        let at = args.iter().position(|arg| *arg == name).unwrap();
        args[at + 1].to_owned()
    };
    let credentials = std::fs::read_to_string(after("--nats-credentials")).unwrap();
    (after("--nats"), login(&credentials))
}

fn login(text: &str) -> (String, String) {
    let mut lines = text.lines();
    (lines.next().unwrap().to_owned(), lines.next().unwrap().to_owned())
}
