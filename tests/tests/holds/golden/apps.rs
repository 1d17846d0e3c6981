//! Events of apps, but those about cron jobs, domains and previews.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::{AppEvent, Repeat, SettingsChange, SourceKey, WokenBy};
use hythe_core::argv::Argv;
use hythe_core::canary::Weight;
use hythe_core::declared::Counts;
use hythe_core::deployment::{DeploymentSpec, Origin};
use hythe_core::edge::{EdgeSettings, EdgeUser, Guards, Hsts, Https, Protocol, Rate, Www};
use hythe_core::health::HealthCheck;
use hythe_core::hook::{DeployOn, PathPattern, TagPattern, Triggers};
use hythe_core::ids::EdgeId;
use hythe_core::mount::SeenPath;
use hythe_core::names::{AppName, EnvName};
use hythe_core::one_off::{CommandLine, Cut, OneOff, OneOffEnd};
use hythe_core::run::RunSettings;
use hythe_core::source::{BuildSettings, Reference, Resources};
use hythe_core::time::Millis;
use uuid::Uuid;

use super::values::{
    app, at, built, deployment, process, project, run, settings, source, spec, ssh_key,
    with_container, with_hooks, with_inside, with_part, with_processes, worker,
};

pub(super) fn all() -> Vec<(&'static str, AppEvent)> {
    let env = |name: &str| EnvName::new(name).unwrap();
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
    let counted = RunSettings { counts, ..RunSettings::default() };
    let counted = SettingsChange { run: Some(counted), ..SettingsChange::default() };
    vec![
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
    ]
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
