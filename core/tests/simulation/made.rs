//! Made-up ids, names and settings.

use std::collections::BTreeMap;

use fastrand::Rng;
use hythe_core::argv::Argv;
use hythe_core::container::{ContainerSettings, Mount, MountPath, VolumeName};
use hythe_core::cron::{CronName, CronSettings, Overlap, Schedule};
use hythe_core::declared::{Declared, DeclaredProcess};
use hythe_core::deployment::BuiltImage;
use hythe_core::domain::{DomainHost, DomainToken};
use hythe_core::ids::{
    AppId, DeploymentId, EdgeId, HookId, InstallationId, ProjectId, RunId, WorkerId,
};
use hythe_core::names::{
    AppName, CommitId, EnvName, HostName, ImageId, ProjectName, RepositoryUrl, WorkerName,
};
use hythe_core::process::{ProcessName, ProcessSettings};
use hythe_core::run::{HookSettings, RunSettings};
use hythe_core::source::{GitSource, Reference, Source, UploadDigest};
use hythe_core::task::Hook;
use hythe_core::time::Millis;
use hythe_core::worker::Capacity;
use uuid::Uuid;

use crate::behaviour::Says;

const fn made(kind: u128, number: u64) -> Uuid {
    Uuid::from_u128((kind << 64) | number as u128)
}

pub(crate) const fn app_id(number: u64) -> AppId {
    AppId::new(made(1, number))
}

pub(crate) const fn deployment_id(number: u64) -> DeploymentId {
    DeploymentId::new(made(2, number))
}

pub(crate) const fn worker_id(number: usize) -> WorkerId {
    WorkerId::new(made(3, number as u64))
}

pub(crate) const fn edge_id(number: usize) -> EdgeId {
    EdgeId::new(made(4, number as u64))
}

pub(crate) const fn project_id(number: u64) -> ProjectId {
    ProjectId::new(made(6, number))
}

pub(crate) const fn hook_id(number: u64) -> HookId {
    HookId::new(made(7, number))
}

pub(crate) const fn run_id(number: u64) -> RunId {
    RunId::new(made(5, number))
}

pub(crate) const fn installation() -> InstallationId {
    InstallationId::new(Uuid::nil())
}

pub(crate) fn app_name(number: u64) -> AppName {
    AppName::new(format!("app-{number}")).unwrap()
}

pub(crate) fn project_name(number: u64) -> ProjectName {
    ProjectName::new(format!("project-{number}")).unwrap()
}

pub(crate) fn worker_name(number: usize) -> WorkerName {
    WorkerName::new(format!("worker-{number}")).unwrap()
}

pub(crate) fn env_name(number: u64) -> EnvName {
    EnvName::new(format!("NAME_{number}")).unwrap()
}

pub(crate) fn base_domain() -> HostName {
    HostName::new("localhost").unwrap()
}

pub(crate) fn domain(number: u64) -> HostName {
    HostName::new(format!("domain-{number}.example")).unwrap()
}

/// A domain that has to be proven: the same hosts, and what is below them.
pub(crate) fn custom_domain(number: u64, all_below: bool) -> DomainHost {
    let below = if all_below { "*." } else { "" };
    DomainHost::new(&format!("{below}{}", domain(number))).unwrap()
}

pub(crate) fn token(number: u64) -> DomainToken {
    DomainToken::new(format!("{number:064x}")).unwrap()
}

/// It writes to a volume.
pub(crate) fn writes() -> ContainerSettings {
    let mount = Mount { volume: VolumeName::new("data").unwrap(), read_only: false };
    let volumes = [(MountPath::new("/data").unwrap(), mount)].into();
    ContainerSettings { volumes, ..ContainerSettings::default() }
}

pub(crate) fn host_of(app: &AppName) -> HostName {
    HostName::new(format!("{app}.localhost")).unwrap()
}

pub(crate) const fn capacity() -> Capacity {
    Capacity { memory_bytes: 8 << 30, cpu_millis: 4000 }
}

pub(crate) fn source() -> Source {
    Source::Git(GitSource {
        repository: RepositoryUrl::new("https://git.example/shop.git").unwrap(),
        reference: Reference::DefaultBranch,
    })
}

/// What somebody pushes.
pub(crate) fn commit(number: u64) -> CommitId {
    CommitId::new(format!("{number:040x}")).unwrap()
}

/// Its files.
pub(crate) fn upload(of: &CommitId) -> UploadDigest {
    UploadDigest::new(format!("sha256:{:0>64}", of.as_str())).unwrap()
}

/// Somebody else's.
pub(crate) fn other_repository() -> RepositoryUrl {
    RepositoryUrl::new("https://git.example/else/shop.git").unwrap()
}

/// What the repository of a version says.
pub(crate) fn declared(says: Says) -> Declared {
    let Says { mailer, worker, release } = says;
    let argv = |program: &str| Argv::new(vec![program.into()]).unwrap();
    let process = |name: ProcessName, program, replicas| {
        (name, DeclaredProcess { command: argv(program), replicas })
    };
    let mailer = mailer.map(|replicas| process(mailer_process(), "mail", replicas));
    let worker = worker.map(|replicas| process(worker_process(), "work-as-said", replicas));
    Declared {
        processes: mailer.into_iter().chain(worker).collect(),
        release: release.then(|| argv("migrate-as-said")),
        post_deploy: None,
    }
}

pub(crate) fn built(worker: WorkerId, says: Says) -> BuiltImage {
    BuiltImage {
        image: ImageId::new(format!("sha256:{}", "ab".repeat(32))).unwrap(),
        commit: CommitId::new("0".repeat(40)).unwrap(),
        port: 8080,
        worker,
        site: None,
        declared: declared(says),
    }
}

/// Something runs at these places of each version.
pub(crate) fn with_hooks(hooks: &[Hook]) -> RunSettings {
    let settings = |hook: &Hook| {
        let program = match hook {
            Hook::Release => "migrate",
            Hook::PostDeploy => "warm-up",
        };
        let command = Argv::new(vec![program.into()]).unwrap();
        (*hook, HookSettings { command, within: Millis::seconds(60) })
    };
    let hooks = hooks.iter().map(settings).collect();
    RunSettings { hooks, ..RunSettings::default() }
}

pub(crate) fn worker_process() -> ProcessName {
    ProcessName::new("worker").unwrap()
}

pub(crate) fn mailer_process() -> ProcessName {
    ProcessName::new("mailer").unwrap()
}

/// Something runs beside web, in so many replicas.
pub(crate) fn beside_web(replicas: u16) -> BTreeMap<ProcessName, ProcessSettings> {
    let command = Argv::new(vec!["work".into()]).unwrap();
    let settings = ProcessSettings { command, replicas, memory_bytes: None, cpu_millis: None };
    BTreeMap::from([(worker_process(), settings)])
}

/// Few names of cron jobs, so that they come again.
pub(crate) fn cron_name(number: u64) -> CronName {
    CronName::new(format!("job-{number}")).unwrap()
}

/// Any cron job, of every minute or of every second one.
pub(crate) fn job(random: &mut Rng) -> CronSettings {
    let schedule = if random.bool() { "* * * * *" } else { "*/2 * * * *" };
    let overlap = [Overlap::Skip, Overlap::Allow, Overlap::Replace][random.usize(..3)];
    CronSettings {
        schedule: Schedule::new(schedule).unwrap(),
        zone: None,
        command: Argv::new(vec!["tidy".into()]).unwrap(),
        within: Millis::seconds(random.u64(10..120)),
        overlap,
        paused: false,
    }
}
