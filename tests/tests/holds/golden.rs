//! The frozen bytes of every event ever written: what is in a journal somewhere has to stay
//! readable for ever.
//!
//! `golden/events.txt` only grows. A new event, or a new form of one, gets a sample below; then
//! `HYTHE_BLESS=1 cargo test -p hythe-tests golden` appends its line. A line that is there is
//! never changed: where this test fails on one, the change that made it fail is wrong.

mod certificates;
mod crons;
mod domains;

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::{AppEvent, AppSettings, Repeat, SettingsChange, SourceKey, WokenBy};
use hythe_core::argv::Argv;
use hythe_core::canary::Weight;
use hythe_core::container::{
    ContainerSettings, ContentId, GroupMember, GroupPart, Mount, MountPath, ServiceName, VolumeName,
};
use hythe_core::declared::{Counts, Declared, DeclaredProcess, TakenOn};
use hythe_core::deployment::{
    BuiltImage, DeploymentEvent, DeploymentSpec, Fault, Origin, Outcome, Placement, StageName,
};
use hythe_core::edge::{EdgeSettings, EdgeUser, Guards, Hsts, Https, Protocol, Rate, Www};
use hythe_core::event::Event;
use hythe_core::github::{
    GitHubAccount, GitHubAppName, GitHubBegun, GitHubClientId, GitHubMade, GitHubServer, GitHubSlug,
};
use hythe_core::health::{HealthCheck, Probe, StatusRange};
use hythe_core::hook::{
    ApiAddress, DeployOn, Head, HeadCommit, PageUrl, PathPattern, Provider, PublicAddress,
    PullRequest, PullTitle, RepositoryKey, SenderName, TagPattern, Telling, Triggers,
};
use hythe_core::ids::{AppId, DeploymentId, EdgeId, HookId, ProjectId, RunId, WorkerId};
use hythe_core::inside::{
    ContainerHost, ContainerUser, Inside, StopSignal, Tmpfs, Ulimit, UlimitName, ValueFile,
};
use hythe_core::installation::{
    BackupPlace, BackupRecipient, Failed, GitHubEvent, InstallationEvent, Made, Mirror,
    RegistryHost, RegistryUser, Restored, Schedule, SourcePrefix, SourceUser, SshHost, SshKey,
};
use hythe_core::mount::SeenPath;
use hythe_core::names::{
    AppName, BranchName, BuildArg, BuildArgValue, BuildTarget, CommitId, EnvName, HealthPath,
    HostName, ImageId, ProjectName, RepositoryPath, RepositoryUrl, WorkerName,
};
use hythe_core::one_off::{CommandLine, Cut, OneOff, OneOffEnd};
use hythe_core::preview::{Copied, EnvChoice, Forks, PreviewEnd, PreviewOf, PreviewSettings};
use hythe_core::process::{ProcessName, ProcessSettings};
use hythe_core::project::ProjectEvent;
use hythe_core::record::{AggregateKind, Sequence};
use hythe_core::run::{HookSettings, RunSettings};
use hythe_core::site::SiteMode;
use hythe_core::source::{BuildSettings, Fetches, GitSource, Reference, Resources, Source};
use hythe_core::task::Hook;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::worker::{Capacity, WorkerEvent};
use hythe_store::codec::{decode, encode};
use hythe_store::journal::Payload;
use uuid::Uuid;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/events.txt");

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

/// How an app is served where everything about that is other than usual.
fn edge() -> EdgeSettings {
    EdgeSettings {
        maintenance: true,
        sticky: true,
        www: Www::Remove,
        rate: Some(Rate { per_second: 20, burst: 50 }),
        users: BTreeMap::from([(EdgeUser::new("ada").unwrap(), 7)]),
        allow: ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]
            .map(|text| text.parse().unwrap())
            .into(),
        guards: Guards::Previews,
        wait: Millis(20_000),
        body_bytes: Some(1 << 20),
        answer_within: Some(Millis(30_000)),
        compress: false,
        protocol: Protocol::H2c,
        ..EdgeSettings::default()
    }
}

/// The settings that came later.
fn edge_later() -> EdgeSettings {
    EdgeSettings {
        https: Https::Both,
        hsts: Some(Hsts { max_age: 31_536_000, subdomains: true, preload: true }),
        access_log: false,
        mounts: [("shop.example/api".parse().unwrap(), SeenPath::Stripped)].into(),
        ..EdgeSettings::default()
    }
}

/// The setting that came after those.
fn sleeping() -> EdgeSettings {
    EdgeSettings { sleep_after: Some(Millis(1_800_000)), ..EdgeSettings::default() }
}

fn edge_id() -> EdgeId {
    EdgeId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0007))
}

fn triggers(on: DeployOn) -> AppEvent {
    let watch = ["apps/web/**", "!**/*.md"].map(|path| PathPattern::new(path).unwrap());
    AppEvent::TriggersSet(Box::new(Triggers { on, watch: watch.into() }))
}
pub(crate) fn run() -> RunId {
    RunId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0300))
}

fn one_off() -> OneOff {
    let words = ["rails", "db:migrate"].map(str::to_owned).to_vec();
    OneOff {
        deployment: deployment(1),
        worker: worker(),
        command: CommandLine::of(&Argv::new(words).unwrap()),
        terminal: true,
        detached: false,
        until: at(),
    }
}

fn command_ended(end: OneOffEnd) -> AppEvent {
    AppEvent::CommandEnded { run: run(), end }
}

fn at() -> Timestamp {
    Timestamp(1_790_000_000_123)
}

fn source(reference: Reference) -> Source {
    let repository = RepositoryUrl::new("https://git.example/a/shop.git").unwrap();
    Source::Git(GitSource { repository, reference })
}

fn settings() -> AppSettings {
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

fn project() -> ProjectId {
    ProjectId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0003))
}

fn command() -> Argv {
    Argv::new(vec!["npm".into(), "start".into()]).unwrap()
}

/// Settings with everything that may run besides the replicas.
fn with_hooks() -> RunSettings {
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
fn with_container() -> RunSettings {
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
fn with_inside() -> RunSettings {
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
fn with_part() -> RunSettings {
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

fn process() -> ProcessName {
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

fn built() -> BuiltImage {
    BuiltImage {
        image: ImageId::new(format!("sha256:{}", "5a".repeat(32))).unwrap(),
        commit: CommitId::new("0123456789abcdef0123456789abcdef01234567").unwrap(),
        port: 8080,
        worker: worker(),
        site: None,
        declared: Declared::default(),
    }
}

fn place() -> BackupPlace {
    BackupPlace::new("s3://bucket/prefix?endpoint=https://s3.example&region=eu-1").unwrap()
}

fn recipient() -> BackupRecipient {
    BackupRecipient::new(format!("age1{}", "q".repeat(58))).unwrap()
}

fn ssh_key() -> SshKey {
    SshKey::new(format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{}", "I".repeat(44))).unwrap()
}

fn installation() -> Vec<(&'static str, InstallationEvent)> {
    use InstallationEvent as Is;
    let schedule =
        Schedule { to: place(), recipient: recipient(), every: Millis(86_400_000), keep: 7 };
    let made = Made {
        id: app().uuid(),
        to: Some(place()),
        name: "hythe-1.age".into(),
        bytes: 70_000,
        head: Sequence(300),
        hash: "ab".repeat(32),
        took: Millis(250),
        at: at(),
    };
    let failed = Failed { id: app().uuid(), to: None, why: "no room".into(), at: at() };
    let host = || RegistryHost::new("registry.example.com:5000").unwrap();
    let user = RegistryUser::new("ci").unwrap();
    let prefix = || SourcePrefix::new("https://git.example:8443/team").unwrap();
    let token = SourceUser::new("x-access-token").unwrap();
    let ssh = || SshHost::new("git.example:2222").unwrap();
    let restored = Restored { head: Sequence(300), hash: "ab".repeat(32), at: at() };
    vec![
        ("backup_scheduled", Is::BackupScheduled { schedule, at: at() }),
        ("backup_unscheduled", Is::BackupUnscheduled),
        ("backup_made", Is::BackupMade(made.clone())),
        ("backup_made-handed_out", Is::BackupMade(Made { to: None, ..made })),
        ("backup_failed", Is::BackupFailed(failed)),
        ("backup_became_stale", Is::BackupBecameStale { at: at() }),
        ("mirror_set", Is::MirrorSet(Mirror { to: place(), recipient: recipient() })),
        ("mirror_removed", Is::MirrorRemoved),
        ("mirror_fell_behind", Is::MirrorFellBehind { why: "slow".into() }),
        ("mirror_caught_up", Is::MirrorCaughtUp),
        ("restored", Is::Restored(restored)),
        ("registry_set", Is::RegistrySet { host: host(), user, version: 300, at: at() }),
        ("registry_removed", Is::RegistryRemoved { host: host() }),
        (
            "hook_added",
            Is::HookAdded {
                id: hook(),
                provider: Provider::Gitea,
                repository: RepositoryKey::new("git.example/a/shop").unwrap(),
                at: at(),
            },
        ),
        ("hook_rotated", Is::HookRotated { id: hook(), version: 300, at: at() }),
        ("hook_removed", Is::HookRemoved { id: hook() }),
        (
            "address_set",
            Is::AddressSet { address: PublicAddress::new("https://hythe.example").unwrap() },
        ),
        ("address_removed", Is::AddressRemoved),
        (
            "source_token_set",
            Is::SourceTokenSet { prefix: prefix(), user: token, version: 300, at: at() },
        ),
        ("source_token_removed", Is::SourceTokenRemoved { prefix: prefix() }),
        ("source_host_set", Is::SourceHostSet { host: ssh(), keys: vec![ssh_key()], at: at() }),
        ("source_host_removed", Is::SourceHostRemoved { host: ssh() }),
        (
            "statuses_set",
            Is::StatusesSet {
                id: hook(),
                api: Some(ApiAddress::new("https://git.example/api/v1").unwrap()),
            },
        ),
        (
            "told_set-comments",
            Is::ToldSet {
                id: hook(),
                what: Telling::Comments,
                api: Some(ApiAddress::new("https://git.example/api/v1").unwrap()),
            },
        ),
        ("told_set-deployments", Is::ToldSet { id: hook(), what: Telling::Deployments, api: None }),
        ("github_app_begun", Is::GitHub(github_begun(Some("octo-org")))),
        ("github_app_begun-own", Is::GitHub(github_begun(None))),
        ("github_app_given_up", Is::GitHub(GitHubEvent::GivenUp { id: hook() })),
        ("github_app_made", Is::GitHub(github_made())),
        (
            "github_secret_minted",
            Is::GitHub(GitHubEvent::SecretMinted { id: hook(), version: 300, at: at() }),
        ),
        ("github_secret_told", Is::GitHub(GitHubEvent::SecretTold { id: hook(), version: 300 })),
        ("github_key_set", Is::GitHub(GitHubEvent::KeySet { id: hook(), version: 300, at: at() })),
        ("github_app_removed", Is::GitHub(GitHubEvent::Removed { id: hook() })),
    ]
}

fn github_begun(organization: Option<&str>) -> GitHubEvent {
    let begun = GitHubBegun {
        server: GitHubServer::new("https://github.com").unwrap(),
        organization: organization.map(|name| GitHubAccount::new(name).unwrap()),
        name: GitHubAppName::new("hythe-9d3c").unwrap(),
        address: PublicAddress::new("https://hythe.example").unwrap(),
        state: [7; 32],
        at: at(),
        until: Timestamp(at().0 + 3_600_000),
    };
    GitHubEvent::Begun { id: hook(), begun: Box::new(begun) }
}

fn github_made() -> GitHubEvent {
    let made = GitHubMade {
        app: 70_000,
        slug: GitHubSlug::new("hythe-9d3c").unwrap(),
        client: GitHubClientId::new("Iv1.0123456789abcdef").unwrap(),
        owner: GitHubAccount::new("octo-org").unwrap(),
    };
    GitHubEvent::Made { id: hook(), made: Box::new(made), at: at() }
}

fn pull(head: Head) -> PullRequest {
    PullRequest {
        number: 300,
        title: PullTitle::cleaned("Fix the cart"),
        page: Some(PageUrl::new("https://git.example/a/shop/pulls/300").unwrap()),
        author: SenderName::cleaned("octocat"),
        commit: HeadCommit::new("1481a2de7b2a").unwrap(),
        branch: BranchName::new("changes").unwrap(),
        head,
        base: BranchName::new("main").unwrap(),
        draft: true,
        at: at(),
    }
}

fn previews() -> Vec<(&'static str, AppEvent)> {
    let name = || EnvName::new("LEVEL").unwrap();
    let set = |env, forks, keep| {
        AppEvent::PreviewsSet(Box::new(PreviewSettings {
            on: true,
            most: 10,
            forks,
            drafts: true,
            env,
            set: BTreeMap::from([(name(), 300)]),
            keep,
        }))
    };
    let wanted = |head| AppEvent::PreviewWanted {
        pull: Box::new(pull(head)),
        app: app(),
        revision: 300,
        at: at(),
    };
    let ended = |why| AppEvent::PreviewUnwanted { number: 300, why, at: at() };
    let fork = RepositoryUrl::new("https://git.example/b/shop").unwrap();
    let of = PreviewOf {
        parent: app(),
        number: 300,
        revision: 300,
        fork: true,
        copied: BTreeMap::from([
            (name(), Copied::Own(300)),
            (EnvName::new("ONLY").unwrap(), Copied::Set(1)),
        ]),
        key: Some(1),
    };
    vec![
        ("previews_set", set(EnvChoice::Nothing, Forks::Never, None)),
        ("previews_set-all", set(EnvChoice::All, Forks::Allowed, Some(Millis(3_600_000)))),
        ("previews_set-some", set(EnvChoice::Only(BTreeSet::from([name()])), Forks::Never, None)),
        ("preview_wanted", wanted(Head::Own)),
        ("preview_wanted-fork", wanted(Head::Fork(fork))),
        ("preview_unwanted-closed", ended(PreviewEnd::Closed)),
        ("preview_unwanted-merged", ended(PreviewEnd::Merged)),
        ("preview_unwanted-retargeted", ended(PreviewEnd::Retargeted)),
        ("preview_unwanted-by-hand", ended(PreviewEnd::ByHand)),
        ("preview_unwanted-expired", ended(PreviewEnd::Expired)),
        ("preview_unwanted-off", ended(PreviewEnd::SwitchedOff)),
        ("preview_unwanted-forks", ended(PreviewEnd::ForksRefused)),
        ("preview_unwanted-app", ended(PreviewEnd::AppDeleted)),
        ("preview_unwanted-moved", ended(PreviewEnd::Moved)),
        ("preview_commented", AppEvent::PreviewCommented { number: 300, comment: 70_000 }),
        ("became_preview", AppEvent::BecamePreview(Box::new(of))),
    ]
}

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let env = |name: &str| EnvName::new(name).unwrap();
    let fault = Fault { message: "it failed".into(), log: vec!["last line".into()] };
    let change = SettingsChange {
        source: Some(source(Reference::DefaultBranch)),
        build: Some(BuildSettings::default()),
        port: Some(None),
        replicas: Some(3),
        health: Some(HealthCheck::default()),
        resources: Some(Resources::default()),
        domains: Some(BTreeSet::new()),
        project: Some(project()),
        run: Some(RunSettings::default()),
        drain_within: Some(Millis(0)),
        stop_within: Some(Millis(1_000)),
    };
    let repeated = |how| AppEvent::DeploymentRepeated {
        deployment: deployment(3),
        spec: Box::new(spec()),
        of: 6,
        how,
    };
    let restart = DeploymentSpec {
        run: with_hooks(),
        origin: Origin::Restart { deployment: deployment(6), built: Box::new(built()) },
        ..spec()
    };
    let released = SettingsChange { run: Some(with_hooks()), ..SettingsChange::default() };
    let with_all = SettingsChange { run: Some(with_processes(true)), ..SettingsChange::default() };
    let contained = SettingsChange { run: Some(with_container()), ..SettingsChange::default() };
    let within = SettingsChange { run: Some(with_inside()), ..SettingsChange::default() };
    let parted = SettingsChange { run: Some(with_part()), ..SettingsChange::default() };
    let alone = SettingsChange { run: Some(with_processes(false)), ..SettingsChange::default() };
    let scaled = || BTreeMap::from([(process(), 3)]);
    let counts = Counts { of: scaled(), most: 1 };
    let counted = RunSettings { counts: counts.clone(), ..RunSettings::default() };
    let counted = SettingsChange { run: Some(counted), ..SettingsChange::default() };
    let processes = BTreeSet::from([process()]);
    let hooks = BTreeSet::from([Hook::Release]);
    let taken = TakenOn { says: declared(), processes, hooks };
    let of_repository = RunSettings { counts, declared: taken, ..with_container() };
    let of_repository = DeploymentSpec { run: of_repository, ..spec() };
    let apps = [
        (
            "created",
            AppEvent::Created {
                id: app(),
                name: AppName::new("shop").unwrap(),
                settings: Box::new(settings()),
            },
        ),
        ("configured", AppEvent::Configured(Box::new(change))),
        ("configured-nothing", AppEvent::Configured(Box::default())),
        ("configured-hooks", AppEvent::Configured(Box::new(released))),
        ("configured-container", AppEvent::Configured(Box::new(contained))),
        ("configured-inside", AppEvent::Configured(Box::new(within))),
        ("configured-part", AppEvent::Configured(Box::new(parted))),
        (
            "deployment_repeated-hooks",
            AppEvent::DeploymentRepeated {
                deployment: deployment(3),
                spec: Box::new(restart),
                of: 6,
                how: Repeat::Restart,
            },
        ),
        (
            "environment_changed",
            AppEvent::EnvironmentChanged {
                set: BTreeMap::from([(env("A"), 1), (env("B"), 300)]),
                remove: BTreeSet::from([env("C")]),
            },
        ),
        (
            "deployment_requested",
            AppEvent::DeploymentRequested { deployment: deployment(1), spec: Box::new(spec()) },
        ),
        (
            "deployment_replaced",
            AppEvent::DeploymentReplaced { deployment: deployment(1), by: deployment(2) },
        ),
        ("deployment_begun", AppEvent::DeploymentBegun { deployment: deployment(1) }),
        (
            "traffic_switched",
            AppEvent::TrafficSwitched { deployment: deployment(2), previous: Some(deployment(1)) },
        ),
        ("traffic_returned", AppEvent::TrafficReturned { from: deployment(2), to: None }),
        (
            "deployment_promoted",
            AppEvent::DeploymentPromoted { deployment: deployment(2), previous: None },
        ),
        ("deployment_settled", AppEvent::DeploymentSettled { deployment: deployment(2) }),
        ("deleted", AppEvent::Deleted { deployments: BTreeSet::from([deployment(1)]) }),
        ("deployment_repeated-rollback", repeated(Repeat::Rollback)),
        ("deployment_repeated-redeploy", repeated(Repeat::Redeploy)),
        ("deployment_repeated-restart", repeated(Repeat::Restart)),
        (
            "deployment_called_off",
            AppEvent::DeploymentCalledOff { deployment: deployment(1), by: Some(deployment(2)) },
        ),
        (
            "deployment_called_off-for_good",
            AppEvent::DeploymentCalledOff { deployment: deployment(1), by: None },
        ),
        ("stopped", AppEvent::Stopped { until: at() }),
        ("started", AppEvent::Started),
        ("discarded", AppEvent::Discarded { until: at(), drained: at() }),
        ("restored", AppEvent::Restored { name: AppName::new("shop").unwrap() }),
        (
            "source_key_set",
            AppEvent::SourceKeySet(SourceKey { key: ssh_key(), version: 2, at: at() }),
        ),
        ("command_run", AppEvent::CommandRun { run: run(), one_off: Box::new(one_off()) }),
        ("command_ended-exited", command_ended(OneOffEnd::Exited { code: 3, out_of_memory: true })),
        ("command_ended-not-started", command_ended(OneOffEnd::NotStarted)),
        ("command_ended-client-gone", command_ended(OneOffEnd::Cut(Cut::ClientGone))),
        ("command_ended-too-long", command_ended(OneOffEnd::Cut(Cut::TooLong))),
        ("command_ended-stopped", command_ended(OneOffEnd::Cut(Cut::Stopped))),
        ("command_ended-lost", command_ended(OneOffEnd::Cut(Cut::Lost))),
        ("scaled", AppEvent::Scaled { replicas: 3, deployments: BTreeSet::from([deployment(2)]) }),
        ("edge_set", AppEvent::EdgeSet(edge().listed())),
        ("edge_set-usual", AppEvent::EdgeSet(Vec::new())),
        ("edge_set-later", AppEvent::EdgeSet(edge_later().listed())),
        (
            "canary_asked",
            AppEvent::CanaryAsked {
                deployment: deployment(2),
                weight: Weight::new(10).unwrap(),
                within: Millis(86_400_000),
            },
        ),
        (
            "canary_started",
            AppEvent::CanaryStarted { deployment: deployment(2), weight: Weight::new(10).unwrap() },
        ),
        (
            "canary_weight_set",
            AppEvent::CanaryWeightSet {
                deployment: deployment(2),
                weight: Weight::new(50).unwrap(),
            },
        ),
        ("canary_promoted", AppEvent::CanaryPromoted { deployment: deployment(2) }),
        ("edge_set-sleep", AppEvent::EdgeSet(sleeping().listed())),
        ("fell_asleep", AppEvent::FellAsleep { unasked: Millis(1_800_000) }),
        ("woken", AppEvent::Woken { why: WokenBy::Request { edge: edge_id() } }),
        ("woken-change", AppEvent::Woken { why: WokenBy::Change }),
        ("woken-circumstances", AppEvent::Woken { why: WokenBy::Circumstances }),
        ("triggers_set", triggers(DeployOn::Push)),
        ("triggers_set-tag", triggers(DeployOn::Tag(TagPattern::new("v*").unwrap()))),
        ("triggers_set-off", triggers(DeployOn::Off)),
        ("configured-processes", AppEvent::Configured(Box::new(with_all))),
        ("configured-only-processes", AppEvent::Configured(Box::new(alone))),
        ("configured-counts", AppEvent::Configured(Box::new(counted))),
        (
            "processes_scaled",
            AppEvent::ProcessesScaled {
                processes: scaled(),
                deployments: BTreeSet::from([deployment(2)]),
            },
        ),
    ];
    let ended = |outcome| DeploymentEvent::Ended { app: app(), outcome };
    let failed = fault.clone();
    let warm_up = HookSettings {
        command: Argv::new(vec!["bin/warm-up".into()]).unwrap(),
        within: Millis(60_000),
    };
    let mut with_post_deploy = DeploymentSpec { run: with_hooks(), ..spec() };
    with_post_deploy.run.hooks.insert(Hook::PostDeploy, warm_up);
    let deployments = [
        ("requested", DeploymentEvent::Requested(Box::new(spec()))),
        ("build_queued", DeploymentEvent::BuildQueued { generation: 1, until: at() }),
        ("build_started", DeploymentEvent::BuildStarted { generation: 1, worker: worker() }),
        ("built", DeploymentEvent::Built { built: built(), until: at() }),
        (
            "placed",
            DeploymentEvent::Placed {
                placements: vec![Placement { index: 0, worker: worker() }],
                until: at(),
            },
        ),
        ("became_healthy", DeploymentEvent::BecameHealthy { app: app() }),
        (
            "switch_started",
            DeploymentEvent::SwitchStarted { previous: Some(deployment(1)), until: at() },
        ),
        ("switched", DeploymentEvent::Switched { previous: None, until: at() }),
        ("went_live", DeploymentEvent::WentLive { app: app() }),
        ("ended-superseded", ended(Outcome::Superseded)),
        ("ended-failed", ended(Outcome::Failed { stage: StageName::Starting, fault })),
        ("ended-cancelled", ended(Outcome::Cancelled)),
        ("build_skipped", DeploymentEvent::BuildSkipped { until: at() }),
        ("image_missed", DeploymentEvent::ImageMissed { until: at() }),
        ("scaled", DeploymentEvent::Scaled { replicas: 3 }),
        (
            "rescaled",
            DeploymentEvent::Rescaled {
                placements: vec![Placement { index: 0, worker: worker() }],
                until: at(),
            },
        ),
        ("replicas_left", DeploymentEvent::ReplicasLeft),
        ("release_started", DeploymentEvent::ReleaseStarted { worker: worker(), until: at() }),
        ("released", DeploymentEvent::Released { until: at() }),
        ("requested-post-deploy", DeploymentEvent::Requested(Box::new(with_post_deploy))),
        (
            "post_deploy_started",
            DeploymentEvent::PostDeployStarted { worker: worker(), until: at() },
        ),
        ("post_deployed", DeploymentEvent::PostDeployed),
        ("post_deploy_failed", DeploymentEvent::PostDeployFailed { fault: failed }),
        ("processes_scaled", DeploymentEvent::ProcessesScaled { processes: scaled() }),
        ("declared", DeploymentEvent::Declared(Box::new(declared()))),
        ("requested-declared", DeploymentEvent::Requested(Box::new(of_repository))),
        (
            "declared-hooks",
            DeploymentEvent::Declared(Box::new(Declared {
                post_deploy: Argv::new(vec!["bin/warm-up".into()]).ok(),
                ..declared()
            })),
        ),
    ];
    let capacity = Capacity { memory_bytes: 8 << 30, cpu_millis: 4_000 };
    let workers = [
        (
            "registered",
            WorkerEvent::Registered {
                id: worker(),
                name: WorkerName::new("one").unwrap(),
                capacity: capacity.clone(),
            },
        ),
        ("capacity_changed", WorkerEvent::CapacityChanged { capacity }),
        ("lost", WorkerEvent::Lost),
        ("returned", WorkerEvent::Returned),
        ("drain_started", WorkerEvent::DrainStarted),
        ("drain_ended", WorkerEvent::DrainEnded),
        ("removed", WorkerEvent::Removed),
    ];
    let apps = apps.into_iter().chain(crons::all()).chain(domains::all()).chain(previews());
    let apps = apps.map(|(label, event)| (label, Event::App(event)));
    let deployments =
        deployments.into_iter().map(|(label, event)| (label, Event::Deployment(event)));
    let workers = workers.into_iter().map(|(label, event)| (label, Event::Worker(event)));
    let installation =
        installation().into_iter().chain(domains::settings()).chain(certificates::all());
    let installation = installation.map(|(label, event)| (label, Event::Installation(event)));
    let projects = [
        (
            "created",
            ProjectEvent::Created { id: project(), name: ProjectName::new("web").unwrap() },
        ),
        ("deleted", ProjectEvent::Deleted),
    ];
    let projects = projects.into_iter().map(|(label, event)| (label, Event::Project(event)));
    apps.chain(deployments).chain(workers).chain(installation).chain(projects).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = (0..text.len()).step_by(2);
    digits.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The events whose form changed after schema 1, as what that one had: nothing else could be said.
fn of_schema_1() -> Vec<(&'static str, Event)> {
    let build = BuildSettings {
        dockerfile: settings().build.dockerfile,
        within: Millis(1_800_000),
        ..BuildSettings::default()
    };
    let path = HealthPath::new("/healthz").unwrap();
    let probe = Probe::Http { path, statuses: None };
    let health = HealthCheck { probe, ..HealthCheck::default() };
    let settings = AppSettings {
        project: ProjectId::DEFAULT,
        build: build.clone(),
        health: health.clone(),
        run: RunSettings::default(),
        drain_within: Millis(30_000),
        stop_within: Millis(10_000),
        ..settings()
    };
    let spec = DeploymentSpec {
        build,
        project: ProjectId::DEFAULT,
        health,
        run: RunSettings::default(),
        origin: Origin::Build,
        ..spec()
    };
    let older = |event| match event {
        Event::App(AppEvent::Created { id, name, .. }) => {
            Event::App(AppEvent::Created { id, name, settings: Box::new(settings.clone()) })
        }
        Event::App(AppEvent::Configured(mut change)) => {
            (change.run, change.drain_within, change.stop_within) = (None, None, None);
            change.project = None;
            Event::App(AppEvent::Configured(change))
        }
        Event::App(AppEvent::DeploymentRequested { deployment, .. }) => {
            let spec = Box::new(spec.clone());
            Event::App(AppEvent::DeploymentRequested { deployment, spec })
        }
        Event::Deployment(DeploymentEvent::Requested(_)) => {
            Event::Deployment(DeploymentEvent::Requested(Box::new(spec.clone())))
        }
        unchanged @ (Event::App(_)
        | Event::Deployment(_)
        | Event::Worker(_)
        | Event::Installation(_)
        | Event::Project(_)) => unchanged,
    };
    // What came later was never written so.
    let later = |label: &str, event: &Event| {
        event.kind() == AggregateKind::Project
            || label.ends_with("-hooks")
            || label.ends_with("-processes")
            || label.ends_with("-container")
            || label.ends_with("-inside")
            || label.ends_with("-part")
            || label.ends_with("-counts")
            || label.ends_with("-declared")
            || label.ends_with("-post-deploy")
            || matches!(event, Event::App(AppEvent::DeploymentRepeated { .. }))
    };
    let then = samples().into_iter().filter(|(label, event)| !later(label, event));
    then.map(|(label, event)| (label, older(event))).collect()
}

/// The frozen lines: kind, label and schema; and the bytes.
fn frozen() -> BTreeMap<(AggregateKind, String, u16), Payload> {
    let text = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    text.lines()
        .map(|line| {
            let [kind, label, schema, bytes] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("not a golden line: {line}");
            };
            let payload = Payload { schema: schema.parse().unwrap(), bytes: unhex(bytes) };
            ((kind.parse().unwrap(), label.to_owned(), payload.schema), payload)
        })
        .collect()
}

#[test]
fn golden_bytes_of_every_event_stay_readable_and_are_written_the_same() {
    let frozen = frozen();
    let mut missing = String::new();
    for (label, event) in samples() {
        let written = encode(&event).unwrap();
        let key = (event.kind(), label.to_owned(), written.schema);
        let Some(payload) = frozen.get(&key) else {
            missing += &format!("{} {label} {} {}\n", key.0, written.schema, hex(&written.bytes));
            continue;
        };
        assert_eq!(decode(event.kind(), payload).unwrap(), event, "reading {key:?}");
        assert_eq!(hex(&written.bytes), hex(&payload.bytes), "writing {key:?}");
    }
    if !missing.is_empty() && std::env::var_os("HYTHE_BLESS").is_some() {
        let all = std::fs::read_to_string(GOLDEN).unwrap_or_default() + &missing;
        std::fs::write(GOLDEN, all).unwrap();
        return;
    }
    assert!(missing.is_empty(), "no golden bytes yet for:\n{missing}");
}

#[test]
fn golden_samples_cover_every_event_that_there_is() {
    let sampled: BTreeSet<(AggregateKind, &str)> =
        samples().iter().map(|(_, event)| (event.kind(), event.name())).collect();
    let all: BTreeSet<(AggregateKind, &str)> = Event::NAMES.iter().copied().collect();
    assert_eq!(sampled, all);
}

#[test]
fn golden_lines_without_a_sample_still_decode() {
    for ((kind, label, _), payload) in frozen() {
        assert!(decode(kind, &payload).is_ok(), "{kind} {label}");
    }
}

#[test]
fn golden_bytes_of_the_first_schema_mean_what_they_meant() {
    let frozen = frozen();
    for (label, event) in of_schema_1() {
        let payload = &frozen[&(event.kind(), label.to_owned(), 1)];
        assert_eq!(decode(event.kind(), payload).unwrap(), event, "{label}");
    }
}
