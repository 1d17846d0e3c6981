//! What samples consist of: ids, a time, and settings in which everything is other than usual.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::AppSettings;
use hythe_core::argv::Argv;
use hythe_core::container::{
    ContainerSettings, ContentId, GroupMember, GroupPart, Mount, MountPath, ServiceName, VolumeName,
};
use hythe_core::declared::{Declared, DeclaredProcess};
use hythe_core::deployment::{BuiltImage, DeploymentSpec, Origin};
use hythe_core::health::{HealthCheck, Probe, StatusRange};
use hythe_core::ids::{AppId, DeploymentId, HookId, ProjectId, RunId, WorkerId};
use hythe_core::inside::{
    ContainerHost, ContainerUser, Inside, StopSignal, Tmpfs, Ulimit, UlimitName, ValueFile,
};
use hythe_core::installation::SshKey;
use hythe_core::names::{
    AppName, BranchName, BuildArg, BuildArgValue, BuildTarget, CommitId, EnvName, HealthPath,
    HostName, ImageId, RepositoryPath, RepositoryUrl,
};
use hythe_core::process::{ProcessName, ProcessSettings};
use hythe_core::run::{HookSettings, RunSettings};
use hythe_core::site::SiteMode;
use hythe_core::source::{BuildSettings, Fetches, GitSource, Reference, Resources, Source};
use hythe_core::task::Hook;
use hythe_core::time::{Millis, Timestamp};
use uuid::Uuid;

pub(crate) fn app() -> AppId {
    AppId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001))
}

pub(crate) fn deployment(n: u128) -> DeploymentId {
    DeploymentId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0100 + n))
}

pub(crate) fn worker() -> WorkerId {
    WorkerId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0002))
}

pub(crate) fn hook() -> HookId {
    HookId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0004))
}

pub(crate) fn run() -> RunId {
    RunId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0300))
}

pub(super) fn at() -> Timestamp {
    Timestamp(1_790_000_000_123)
}

pub(super) fn source(reference: Reference) -> Source {
    let repository = RepositoryUrl::new("https://git.example/a/shop.git").unwrap();
    Source::Git(GitSource { repository, reference })
}

pub(super) fn settings() -> AppSettings {
    AppSettings {
        source: Some(source(Reference::Branch(BranchName::new("main").unwrap()))),
        build: BuildSettings {
            dockerfile: Some(RepositoryPath::new("docker/Dockerfile").unwrap()),
            context: Some(RepositoryPath::new("apps/web").unwrap()),
            target: Some(BuildTarget::new("release").unwrap()),
            args: BTreeMap::from([(
                BuildArg::new("VERSION").unwrap(),
                BuildArgValue::new("1.2").unwrap(),
            )]),
            secrets: BTreeSet::from([EnvName::new("NPM_TOKEN").unwrap()]),
            within: Millis(600_000),
            no_cache: true,
            fetches: Fetches::default(),
            site: SiteMode::default(),
        },
        port: Some(3000),
        replicas: 2,
        health: HealthCheck {
            probe: Probe::Http {
                path: HealthPath::new("/healthz").unwrap(),
                statuses: Some(StatusRange::new(200, 299).unwrap()),
            },
            interval: Some(Millis(500)),
            timeout: Some(Millis(4_000)),
            retries: Some(5),
            start_within: Some(Millis(90_000)),
        },
        resources: Resources { memory_bytes: 512 << 20, cpu_millis: 1_000, processes: 512 },
        domains: BTreeSet::from([HostName::new("shop.example").unwrap()]),
        project: project(),
        run: RunSettings { command: Some(command()), ..RunSettings::default() },
        drain_within: Millis(20_000),
        stop_within: Millis(5_000),
    }
}

pub(super) fn project() -> ProjectId {
    ProjectId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0003))
}

pub(super) fn command() -> Argv {
    Argv::new(vec!["npm".into(), "start".into()]).unwrap()
}

/// Settings with everything that may run besides the replicas.
pub(super) fn with_hooks() -> RunSettings {
    let command = Argv::new(vec!["bin/migrate".into()]).unwrap();
    let release = HookSettings { command, within: Millis(300_000) };
    RunSettings { hooks: BTreeMap::from([(Hook::Release, release)]), ..settings().run }
}

/// The same with a process beside web, or with that alone.
pub(crate) fn with_processes(hooks: bool) -> RunSettings {
    let before = if hooks { with_hooks() } else { RunSettings::default() };
    let (command, replicas) = (Argv::new(vec!["bin/jobs".into()]).unwrap(), 2);
    let (memory_bytes, cpu_millis) = (Some(256 << 20), None);
    let worker = ProcessSettings { command, replicas, memory_bytes, cpu_millis };
    RunSettings { processes: BTreeMap::from([(process(), worker)]), ..before }
}

/// The same with all that containers are given besides their image.
pub(super) fn with_container() -> RunSettings {
    let mount = |name: &str, read_only| {
        let path = MountPath::new(format!("/var/{name}")).unwrap();
        (path, Mount { volume: VolumeName::new(name).unwrap(), read_only })
    };
    let group = GroupMember {
        project: project(),
        service: ServiceName::new("db").unwrap(),
        content: Some(ContentId::new("5a".repeat(20)).unwrap()),
    };
    let container = ContainerSettings {
        entrypoint: Some(command()),
        volumes: BTreeMap::from([mount("data", false), mount("conf", true)]),
        unrouted: true,
        group: Some(group),
    };
    RunSettings { container, ..with_processes(true) }
}

/// The same with all that can be said of how containers are within.
pub(super) fn with_inside() -> RunSettings {
    let folder = |path: &str| MountPath::new(path).unwrap();
    let tmpfs = |size_bytes, mode| Tmpfs { size_bytes, mode };
    let ulimit = |soft, hard| Ulimit { soft, hard };
    let address = "10.0.0.7".parse().unwrap();
    let variable = EnvName::new("SECRET_FILE_key").unwrap();
    let file = ValueFile { variable, mode: 0o440, uid: 1_000, gid: 1_000 };
    let inside = Inside {
        user: Some(ContainerUser::new("1000:1000").unwrap()),
        working_dir: Some(folder("/srv")),
        read_only: true,
        tmpfs: BTreeMap::from([
            (folder("/run"), tmpfs(None, None)),
            (folder("/tmp"), tmpfs(Some(64 << 20), Some(0o700))),
        ]),
        stop_signal: Some(StopSignal::new("SIGQUIT").unwrap()),
        shm_bytes: Some(256 << 20),
        ulimits: BTreeMap::from([
            (UlimitName::Memlock, ulimit(None, None)),
            (UlimitName::Nofile, ulimit(Some(1_024), Some(65_536))),
        ]),
        hostname: Some(ContainerHost::new("db").unwrap()),
        hosts: BTreeMap::from([(HostName::new("legacy.example").unwrap(), address)]),
        files: BTreeMap::from([(folder("/run/secrets/key"), file)]),
    };
    RunSettings { inside, ..with_container() }
}

/// The same with all that an app is to its group besides.
pub(super) fn with_part() -> RunSettings {
    let names = BTreeSet::from([ServiceName::new("cache").unwrap()]);
    RunSettings { part: GroupPart { names, once: true }, ..with_container() }
}

/// What a repository says runs besides.
pub(crate) fn declared() -> Declared {
    let argv = |word: &str| Argv::new(vec![word.into()]).unwrap();
    let worker = DeclaredProcess { command: argv("bin/jobs"), replicas: 2 };
    Declared {
        processes: BTreeMap::from([(process(), worker)]),
        release: Some(argv("bin/migrate")),
        post_deploy: None,
    }
}

pub(super) fn process() -> ProcessName {
    ProcessName::new("worker").unwrap()
}

pub(crate) fn spec() -> DeploymentSpec {
    let settings = settings();
    let commit = CommitId::new("0123456789abcdef0123456789abcdef01234567").unwrap();
    DeploymentSpec {
        app: app(),
        app_name: AppName::new("shop").unwrap(),
        project: project(),
        number: 7,
        source: source(Reference::Commit(commit)),
        build: settings.build,
        port: None,
        env: BTreeMap::from([(EnvName::new("DATABASE_URL").unwrap(), 3)]),
        replicas: 2,
        health: settings.health,
        resources: settings.resources,
        drain_within: Millis(30_000),
        stop_within: Millis(10_000),
        run: settings.run,
        origin: Origin::Deployment { deployment: deployment(6), built: Box::new(built()) },
    }
}

pub(super) fn built() -> BuiltImage {
    BuiltImage {
        image: ImageId::new(format!("sha256:{}", "5a".repeat(32))).unwrap(),
        commit: CommitId::new("0123456789abcdef0123456789abcdef01234567").unwrap(),
        port: 8080,
        worker: worker(),
        site: None,
        declared: Declared::default(),
    }
}

pub(super) fn ssh_key() -> SshKey {
    SshKey::new(format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{}", "I".repeat(44))).unwrap()
}
