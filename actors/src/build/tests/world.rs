//! What these tests share: a nats-server, a git server, an engine and a builder, all real.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::Subscriber;
use bollard::Docker;
use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptionsBuilder};
use futures_util::StreamExt;
use hythe_core::deployment::{BuiltImage, DeploymentSpec, Fault, Origin};
use hythe_core::health::HealthCheck;
use hythe_core::ids::{AppId, DeploymentId, InstallationId, ProjectId, WorkerId};
use hythe_core::names::{AppName, BranchName, CommitId, RepositoryPath, RepositoryUrl, TagName};
use hythe_core::run::RunSettings;
use hythe_core::source::{BuildSettings, GitSource, Reference, Resources, Source};
use hythe_core::time::Millis;
use hythe_core::wire::FORMAT;
use hythe_core::wire::build::{BuildCommand, BuildProgress, BuildReport};
use hythe_core::wire::log::{LogFrame, LogLine, LogSource};
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use uuid::Uuid;

use super::super::publish::now;
use super::super::{BuildSupervisor, BuilderSettings, Confinement, GuardSettings};
use super::git_server::GitServer;
use super::repository::Repositories;
use crate::bus::testing::TestNats;
use crate::bus::{Bus, connect};

const WITHIN: Duration = Duration::from_secs(60);

/// Awaits something that must come.
pub(super) async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(WITHIN, wait).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {WITHIN:?}"),
    }
}

pub(super) struct World {
    pub(super) nats: TestNats,
    pub(super) bus: Bus,
    pub(super) repositories: Repositories,
    pub(super) server: GitServer,
    pub(super) settings: BuilderSettings,
    builder: Option<BuildSupervisor>,
    #[expect(dead_code, reason = "removed when it is dropped")]
    data: tempfile::TempDir,
    #[expect(dead_code, reason = "what was built here is removed when it is dropped")]
    images: Images,
}

/// One build as its readers see it.
pub(super) struct Build {
    pub(super) command: BuildCommand,
    reports: Subscriber,
    log: Subscriber,
    pub(super) lines: Vec<LogLine>,
    pub(super) ended: bool,
    /// The number of the next line, if none is lost.
    pub(super) next: u64,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut BuilderSettings)) -> Self {
        let nats = TestNats::start().await;
        let bus = connect(&nats.settings(), "builder").await.unwrap();
        let repositories = Repositories::default();
        let server = GitServer::start(repositories.root());
        let data = tempfile::tempdir().unwrap();
        let worker = WorkerId::new(Uuid::now_v7());
        let installation = InstallationId::new(Uuid::now_v7());
        let mut settings = BuilderSettings::new(worker, installation, data.path().join("builder"));
        settings.at_once = 4;
        // All builders of these tests share one engine.
        settings.guard = GuardSettings {
            limits: None,
            least_free_bytes: 0,
            most_disk_bytes: None,
            confinement: Confinement::None,
            allowed: Vec::new(),
        };
        change(&mut settings);
        let builder =
            BuildSupervisor::start(settings.clone(), bus.jetstream().clone()).await.unwrap();
        let images = Images(installation);
        let builder = Some(builder);
        Self { nats, bus, repositories, server, settings, builder, data, images }
    }

    pub(super) fn builder(&self) -> &BuildSupervisor {
        self.builder.as_ref().unwrap()
    }

    /// Ends the builder and lets go of its ledger.
    pub(super) async fn stop(&mut self) {
        self.builder.take().unwrap().stop().await;
    }

    pub(super) async fn start(&mut self, settings: BuilderSettings) {
        let jetstream = self.bus.jetstream().clone();
        self.builder = Some(BuildSupervisor::start(settings, jetstream).await.unwrap());
    }

    /// Ends the builder without a word and starts it anew, as after `kill -9`.
    pub(super) async fn restart(&mut self) {
        self.stop().await;
        self.start(self.settings.clone()).await;
    }

    /// The URL of a repository of the git server.
    pub(super) fn url(&self, name: &str) -> String {
        format!("{}/{name}.git", self.server.url())
    }

    /// A repository of the git server.
    pub(super) fn repository(&self, name: &str, files: &[(&str, &str)]) {
        drop(self.repositories.create(name, files));
    }

    /// A command to build the default branch of a repository of the git server.
    pub(super) fn command(&self, name: &str) -> BuildCommand {
        self.command_for(&self.url(name))
    }

    pub(super) fn command_for(&self, url: &str) -> BuildCommand {
        command_for(url)
    }

    /// Listens, then gives a build out.
    pub(super) async fn give(&self, command: BuildCommand) -> Build {
        let build = self.listen(command).await;
        self.send(&build.command).await;
        build
    }

    pub(super) async fn send(&self, command: &BuildCommand) {
        self.bus.publish(Step::BuildSent, "hythe.cmd.build.default", command, None).await.unwrap();
    }

    pub(super) async fn listen(&self, command: BuildCommand) -> Build {
        let client = self.bus.client();
        let reports = client.subscribe(subjects::build_report(command.deployment)).await.unwrap();
        let log = client.subscribe(subjects::build_log(command.deployment)).await.unwrap();
        client.flush().await.unwrap();
        Build { command, reports, log, lines: Vec::new(), ended: false, next: 1 }
    }

    /// Builds to the end.
    pub(super) async fn build(&self, command: BuildCommand) -> (Build, Result<BuiltImage, Fault>) {
        let mut build = self.give(command).await;
        let outcome = build.finished().await;
        (build, outcome)
    }

    pub(super) fn docker(&self) -> Docker {
        engine()
    }
}

/// A command to build the default branch of a repository.
pub(crate) fn command_for(url: &str) -> BuildCommand {
    let source = Source::Git(GitSource {
        repository: RepositoryUrl::new(url).unwrap(),
        reference: Reference::DefaultBranch,
    });
    let spec = DeploymentSpec {
        app: AppId::new(Uuid::now_v7()),
        app_name: AppName::new("app").unwrap(),
        project: ProjectId::DEFAULT,
        number: 1,
        source,
        build: BuildSettings::default(),
        port: None,
        env: std::collections::BTreeMap::new(),
        replicas: 1,
        health: HealthCheck::default(),
        resources: Resources::default(),
        drain_within: Millis::seconds(30),
        stop_within: Millis::seconds(10),
        run: RunSettings::default(),
        origin: Origin::Build,
    };
    let deployment = DeploymentId::new(Uuid::now_v7());
    let until = now().plus(Millis::seconds(600));
    BuildCommand {
        format: FORMAT,
        deployment,
        generation: 1,
        spec,
        until,
        secrets: Vec::new(),
        registries: Vec::new(),
        access: Vec::new(),
        github: None,
        sites: false,
    }
}

fn engine() -> Docker {
    Docker::connect_with_unix("/var/run/docker.sock", 30, bollard::API_DEFAULT_VERSION).unwrap()
}

impl Build {
    /// The next report.
    pub(super) async fn report(&mut self) -> BuildProgress {
        let message = soon("a report", self.reports.next()).await.unwrap();
        let report: BuildReport = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(report.deployment, self.command.deployment);
        report.progress
    }

    /// The next report that is not just a sign of life.
    pub(super) async fn end(&mut self) -> BuildProgress {
        loop {
            match self.report().await {
                BuildProgress::Accepted | BuildProgress::Running => {}
                progress @ (BuildProgress::Finished(_) | BuildProgress::Cancelled) => {
                    return progress;
                }
            }
        }
    }

    /// How it finished, with the whole log read.
    pub(super) async fn finished(&mut self) -> Result<BuiltImage, Fault> {
        let BuildProgress::Finished(outcome) = self.end().await else { panic!("cancelled") };
        self.read_to_end().await;
        outcome
    }

    pub(super) async fn read_to_end(&mut self) {
        while !self.ended {
            self.read().await;
        }
    }

    /// Reads until this has come; with a line end, until a line ends so.
    pub(super) async fn until(&mut self, text: &str) {
        while !self.text().contains(text) {
            assert!(!self.ended, "the log ended without {text:?}:\n{}", self.text());
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let frame = match tokio::time::timeout(WITHIN, self.log.next()).await {
            Ok(message) => message.unwrap(),
            Err(_) => panic!("no more lines after:\n{}", self.text()),
        };
        let frame: LogFrame = serde_json::from_slice(&frame.payload).unwrap();
        let LogSource::Build { deployment, generation } = frame.source else { panic!("source") };
        assert_eq!(deployment, self.command.deployment);
        assert_eq!(generation, self.command.generation);
        assert_eq!(frame.first, self.next, "no line is missing or doubled");
        assert!(frame.lines.len() <= 64 && !self.ended);
        self.next += frame.lines.len() as u64;
        self.lines.extend(frame.lines);
        self.ended = frame.ended;
    }

    pub(super) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }
}

/// The command's repository, at another reference.
pub(super) fn at(command: &BuildCommand, reference: Reference) -> Source {
    let repository = command.spec.source.git().unwrap().repository.clone();
    Source::Git(GitSource { repository, reference })
}

pub(super) fn branch(name: &str) -> Reference {
    Reference::Branch(BranchName::new(name).unwrap())
}

pub(super) fn tag(name: &str) -> Reference {
    Reference::Tag(TagName::new(name).unwrap())
}

pub(super) fn commit(id: &str) -> Reference {
    Reference::Commit(CommitId::new(id).unwrap())
}

pub(super) fn dockerfile(path: &str) -> BuildSettings {
    let dockerfile = Some(RepositoryPath::new(path).unwrap());
    BuildSettings { dockerfile, ..BuildSettings::default() }
}

/// A text that no build has seen before, so that no cache has its step.
pub(super) fn unique() -> String {
    Uuid::now_v7().simple().to_string()
}

/// Processes of this machine with this text in their command line.
pub(super) fn processes(text: &str) -> Vec<PathBuf> {
    let own = format!("/proc/{}", std::process::id());
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("cmdline").is_file() && path != Path::new(&own))
        .filter(|path| {
            let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ").contains(text)
        })
        .collect()
}

/// Takes the images of one test's installation away.
struct Images(InstallationId);

impl Drop for Images {
    fn drop(&mut self) {
        let label = format!("hythe.instance={}", self.0);
        let clean = async move {
            let docker = engine();
            let filters = HashMap::from([("label", vec![label])]);
            let options = ListImagesOptionsBuilder::new().filters(&filters).build();
            for image in docker.list_images(Some(options)).await.unwrap_or_default() {
                let options = RemoveImageOptionsBuilder::new().force(true).build();
                let _ = docker.remove_image(&image.id, Some(options), None).await;
            }
        };
        // A runtime of its own: the test's is busy being torn down.
        let thread = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(clean);
        });
        let _ = thread.join();
    }
}
