//! A storm of pushes: none is lost, and built is what is newest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hythe_actors::bus::{Bus, ConsumerSpec, Verdict};
use hythe_core::deployment::Fault;
use hythe_core::ids::{AppId, DeploymentId, InstallationId, WorkerId};
use hythe_core::machine::Machine as _;
use hythe_core::names::WorkerName;
use hythe_core::source::Reference;
use hythe_core::time::Timestamp;
use hythe_core::view::View;
use hythe_core::wire::build::{BuildCommand, BuildProgress, BuildReport};
use hythe_core::wire::subjects;
use hythe_core::wire::worker::{BuildHeld, BuilderReport, EngineState, SealingKey, WorkerReport};
use hythe_core::worker::Capacity;
use hythe_store::steps::Step;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::hooks::{Hook, app};
use crate::support::{Nats, Server};

const APPS: usize = 50;
const PUSHES: usize = 4;
const WITHIN: Duration = Duration::from_secs(60);

/// What was asked to be built: of which app, which commit.
type Asked = BTreeMap<(DeploymentId, u32), (AppId, String)>;

/// Takes builds on, and ends them, without an image, once it is let go.
struct Builder {
    id: WorkerId,
    bus: Bus,
    asked: Mutex<Asked>,
    changed: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

impl Builder {
    fn start(bus: &Bus, installation: InstallationId, stop: &CancellationToken) -> Arc<Self> {
        let builder = Arc::new(Self {
            id: WorkerId::new(Uuid::now_v7()),
            bus: bus.clone(),
            asked: Mutex::default(),
            changed: watch::Sender::new(0),
            released: watch::Sender::new(false),
        });
        let spec = ConsumerSpec {
            stream: subjects::COMMANDS.into(),
            durable: "builders-default".into(),
            filter: subjects::build_commands(subjects::DEFAULT_POOL),
            ahead: 64,
            settled: Step::OrderSettled,
        };
        let (taking, ends) = (Arc::clone(&builder), stop.clone());
        tokio::spawn(async move {
            let handler = |delivery: hythe_actors::bus::Delivery| {
                let builder = Arc::clone(&taking);
                async move {
                    builder.take(delivery.json().unwrap()).await;
                    Verdict::Done
                }
            };
            Box::pin(taking.bus.consume(spec, ends, handler)).await;
        });
        let living = Arc::clone(&builder);
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                living.alive(installation).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }));
        builder
    }

    async fn take(self: Arc<Self>, command: BuildCommand) {
        let BuildCommand { deployment, generation, spec, .. } = command;
        let Reference::Commit(commit) = &spec.source.git().unwrap().reference else {
            panic!("{spec:?}")
        };
        let count = {
            let mut asked = self.asked.lock().unwrap();
            asked.insert((deployment, generation), (spec.app, commit.to_string()));
            asked.len()
        };
        self.report(deployment, generation, BuildProgress::Accepted).await;
        self.changed.send_replace(count);
        tokio::spawn(async move {
            drop(self.released.subscribe().wait_for(|released| *released).await);
            let fault = Fault { message: "the storm is what matters".into(), log: Vec::new() };
            self.report(deployment, generation, BuildProgress::Finished(Err(fault))).await;
        });
    }

    async fn report(&self, deployment: DeploymentId, generation: u32, progress: BuildProgress) {
        let (worker, at) = (self.id, Timestamp(1));
        let report = BuildReport { format: 1, worker, deployment, generation, progress, at };
        let subject = subjects::build_report(deployment);
        while self.bus.publish(Step::WorkerReported, &subject, &report, None).await.is_err() {
            self.bus.ready().await;
        }
    }

    async fn alive(&self, installation: InstallationId) {
        let held = |(deployment, generation): &(DeploymentId, u32)| BuildHeld {
            deployment: *deployment,
            generation: *generation,
        };
        let builds = self.asked.lock().unwrap().keys().map(held).collect();
        let report = WorkerReport {
            format: 1,
            worker: self.id,
            installation,
            name: WorkerName::new("made-up").unwrap(),
            capacity: Capacity { memory_bytes: 64 << 30, cpu_millis: 64_000 },
            sealing_key: SealingKey([9; 32]),
            engine: EngineState::Ready { version: "27.0".into() },
            assignments: Vec::new(),
            replicas: Vec::new(),
            builds,
            builder: Some(BuilderReport { at_once: u16::MAX, remarks: Vec::new(), disk: None }),
            at: Timestamp(1),
        };
        let subject = subjects::worker_report(self.id);
        drop(self.bus.publish(Step::WorkerReported, &subject, &report, None).await);
    }

    /// Waits until so many builds were asked for in all.
    async fn asked(&self, count: usize) {
        let mut changed = self.changed.subscribe();
        let enough = changed.wait_for(|asked| *asked >= count);
        let found = tokio::time::timeout(WITHIN, enough).await;
        let asked = *self.changed.borrow();
        assert!(found.is_ok(), "{asked} of {count}");
    }
}

/// The commit of an app's nth push.
fn commit(app: usize, n: usize) -> String {
    format!("{:040x}", (app + 1) * 1_000 + n + 1)
}

fn body(app: usize, n: usize) -> serde_json::Value {
    let repository = format!("https://github.com/octo-org/app-{app}");
    json!({
        "ref": "refs/heads/main", "before": commit(app, n + 500), "after": commit(app, n),
        "created": false, "deleted": false, "forced": false, "commits": [], "head_commit": null,
        "repository": {"clone_url": repository, "default_branch": "main"},
        "sender": {"login": "octocat"},
    })
}

/// Waits until the view shows something.
async fn until(server: &Server, what: &str, is: impl Fn(&View) -> bool) {
    let mut seen = server.control.seen();
    let shown = async {
        loop {
            seen.borrow_and_update();
            if server.control.read(&is) {
                return;
            }
            seen.changed().await.unwrap();
        }
    };
    assert!(tokio::time::timeout(WITHIN, shown).await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_of_a_storm_of_pushes_is_lost_and_what_is_newest_is_built() {
    let nats = Nats::start().await;
    let server = Server::start_with(nats.settings.clone()).await;
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    let builder = Builder::start(&nats.bus, server.control.installation(), &stop);
    let mut hooks = Vec::new();
    for n in 0..APPS {
        let name = format!("app-{n}");
        app(&server, &name, &format!("https://github.com/octo-org/{name}.git")).await;
        hooks.push(Hook::new(&server, &name, "github").await);
    }
    until(&server, "the worker has joined", |view| !view.workers.is_empty()).await;

    // The pushes of one repository come in their order, those of all at once.
    let begun = Instant::now();
    let (server, hooks) = (&server, &hooks);
    join_all((0..APPS).map(|at| async move {
        for n in 0..PUSHES {
            let id = format!("{at}-{n}");
            let told = hooks[at].tells(server, "push", &id, &body(at, n)).await.is(202);
            assert_eq!(told.json["outcome"], "deployed", "{}", told.text);
        }
    }))
    .await;
    eprintln!("{} deliveries in {:?}", APPS * PUSHES, begun.elapsed());
    // Sent once more, as when the answer was not heard, they change nothing.
    join_all((0..APPS).map(|at| async move {
        let id = format!("{at}-{}", PUSHES - 1);
        let told = hooks[at].tells(server, "push", &id, &body(at, PUSHES - 1)).await.is(202);
        assert_eq!(told.json["outcome"], "repeated", "{}", told.text);
    }))
    .await;

    builder.asked(APPS).await;
    builder.released.send_replace(true);
    builder.asked(2 * APPS).await;
    until(server, "each deployment ends", |view| {
        let ended = view.deployments.values().filter(|one| one.state.ended());
        ended.count() == APPS * PUSHES
    })
    .await;
    let mut built: BTreeMap<AppId, Vec<String>> = BTreeMap::new();
    for (app, commit) in builder.asked.lock().unwrap().values() {
        built.entry(*app).or_default().push(commit.clone());
    }
    assert_eq!(built.len(), APPS);
    for at in 0..APPS {
        let name = format!("/api/v1/apps/app-{at}");
        let id: AppId =
            server.get(&name).await.is(200).json["id"].as_str().unwrap().parse().unwrap();
        let mut commits = built[&id].clone();
        commits.sort();
        // The first was under way when the others came; of those that waited, the newest.
        assert_eq!(commits, [commit(at, 0), commit(at, PUSHES - 1)]);
        let page = server.get(&format!("{name}/deployments")).await.is(200).json;
        assert_eq!(page["items"].as_array().unwrap().len(), PUSHES, "none is lost");
    }
}
