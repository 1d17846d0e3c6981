//! With the real engine and a real nats-server, one of each test's own.

mod breaks;
mod health;
mod logs;
mod orders;
mod proxy;

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use hythe_core::ids::{InstallationId, WorkerId};
use hythe_core::names::{EnvName, WorkerName};
use hythe_core::plan::ReplicaKey;
use hythe_core::wire::FORMAT;
use hythe_core::wire::subjects;
use hythe_core::wire::worker::{
    Assignment, Order, ReplicaReport, ReplicaState, SealedContent, SealedEnvironment, SealingKey,
    WorkerMessage, WorkerReport,
};
use hythe_store::steps::Step;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{AgentConfig, AgentError, run};
use crate::bus::testing::TestNats;
use crate::bus::{Bus, connect};
use crate::docker::Engine;
use crate::docker::labels::Owner;
use crate::docker::tests::Place;

/// How long anything may take here: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent with a NATS of its own, and what a control plane would be.
struct World {
    nats: TestNats,
    bus: Bus,
    reports: async_nats::Subscriber,
    installation: InstallationId,
    data: tempfile::TempDir,
    docker_host: Option<String>,
    agent: Option<Agent>,
    /// Removed at the end: what the agent made.
    place: Option<Place>,
}

/// An agent on threads of its own, so that it can be ended at any moment as `kill -9` does.
struct Agent {
    runtime: Option<Runtime>,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), AgentError>>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let runtime = self.runtime.take();
        let ended = std::thread::spawn(move || {
            if let Some(runtime) = runtime {
                runtime.shutdown_timeout(PATIENCE);
            }
        });
        let _ = ended.join();
    }
}

impl World {
    async fn new() -> Self {
        Self::with_engine(None).await
    }

    async fn with_engine(docker_host: Option<String>) -> Self {
        let nats = TestNats::start().await;
        let bus = connect(&nats.settings(), "test").await.unwrap();
        let reports = bus.client().subscribe("hythe.report.worker.*").await.unwrap();
        let mut world = Self {
            nats,
            bus,
            reports,
            installation: InstallationId::new(Uuid::now_v7()),
            data: tempfile::tempdir().unwrap(),
            docker_host,
            agent: None,
            place: None,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let config = AgentConfig {
            data: self.data.path().join("agent"),
            installation: self.installation,
            name: Some(WorkerName::new("test").unwrap()),
            nats: self.nats.settings(),
            docker_host: self.docker_host.clone(),
            local_repos: Vec::new(),
            builds_at_once: 0,
            guard: crate::build::GuardSettings::default(),
            base_images: hythe_core::detect::BaseImages::default(),
        };
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
        let ended = runtime.spawn(Box::pin(run(config, stop.clone())));
        self.agent = Some(Agent { runtime: Some(runtime), stop, ended });
    }

    /// Ends the agent as SIGTERM does.
    async fn stop(&mut self) {
        let mut agent = self.agent.take().unwrap();
        agent.stop.cancel();
        (&mut agent.ended).await.unwrap().unwrap();
    }

    /// Ends the agent as `kill -9` does: nothing is written or said any more.
    fn crash(&mut self) {
        self.agent = None;
    }

    /// The next report that is as it should be; says what the last one was where none comes.
    async fn report(&mut self, what: &str, fine: impl Fn(&WorkerReport) -> bool) -> WorkerReport {
        let mut last = None;
        let wait = async {
            loop {
                let message = self.reports.next().await.unwrap();
                let report: WorkerReport = serde_json::from_slice(&message.payload).unwrap();
                if fine(&report) {
                    return report;
                }
                last = Some(report);
            }
        };
        let found = tokio::time::timeout(PATIENCE, wait).await;
        let report = found.unwrap_or_else(|_| panic!("no report where {what}: {last:#?}"));
        if self.place.is_none() {
            let owner = Owner { installation: report.installation, worker: report.worker };
            self.place = Some(Place { engine: Engine::new(None).unwrap(), owner });
        }
        report
    }

    /// Who the agent is.
    async fn hello(&mut self) -> (WorkerId, SealingKey) {
        let report = self.report("it says hello", |_| true).await;
        (report.worker, report.sealing_key)
    }

    async fn order(&self, worker: WorkerId, order: Order) {
        let message = WorkerMessage { format: FORMAT, worker, order };
        self.bus
            .publish(Step::RunSent, &subjects::worker_orders(worker), &message, None)
            .await
            .unwrap();
    }

    async fn run(&self, worker: WorkerId, assignment: &Assignment) {
        self.order(worker, Order::Run(Box::new(assignment.clone()))).await;
    }

    async fn stop_deployment(&self, worker: WorkerId, assignment: &Assignment, generation: u64) {
        let order = Order::Stop {
            deployment: assignment.deployment,
            generation,
            stop_within: assignment.stop_within,
        };
        self.order(worker, order).await;
    }

    async fn replica(
        &mut self,
        what: &str,
        key: ReplicaKey,
        fine: impl Fn(&ReplicaReport) -> bool,
    ) -> ReplicaReport {
        let report = self.report(what, |report| replica(report, key).is_some_and(&fine)).await;
        replica(&report, key).unwrap().clone()
    }

    fn place(&self) -> &Place {
        self.place.as_ref().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The agent first: what is cleaned away would be made again.
        self.crash();
    }
}

fn replica(report: &WorkerReport, key: ReplicaKey) -> Option<&ReplicaReport> {
    report.replicas.iter().find(|r| r.deployment == key.deployment && r.index == key.index)
}

fn key(assignment: &Assignment, index: u16) -> ReplicaKey {
    ReplicaKey { deployment: assignment.deployment, index }
}

fn healthy(replica: &ReplicaReport) -> bool {
    replica.state == ReplicaState::Healthy
}

fn seal(
    key: SealingKey,
    deployment: hythe_core::ids::DeploymentId,
    variables: &[(&str, &str)],
) -> SealedEnvironment {
    let variables = variables
        .iter()
        .map(|(name, value)| (EnvName::new(*name).unwrap(), (*value).to_owned()))
        .collect();
    let content = postcard::to_stdvec(&SealedContent { deployment, variables }).unwrap();
    let public = crypto_box::PublicKey::from_bytes(key.0);
    let mut random = crypto_box::aead::OsRng;
    SealedEnvironment(public.seal(&mut random, &content).unwrap())
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
