//! What is so of an app or a deployment, as texts under names: what a comparison compares.
//!
//! Names are those of the API's fields. A fact that does not hold is not there. Of an environment
//! variable there is its version and never its value.

use std::collections::BTreeMap;

use crate::app::ActiveApp;
use crate::container::{ContainerSettings, GroupMember, GroupPart, Mount};
use crate::cron::{CronName, CronSettings, Overlap};
use crate::deployment::Attempt;
use crate::domain::{DomainMode, Trust};
use crate::edge::EdgeSetting;
use crate::health::{HealthCheck, Probe};
use crate::hook::{DeployOn, PathPattern, Triggers};
use crate::ids::{AppId, DeploymentId};
use crate::inside::{Inside, Tmpfs, Ulimit, ValueFile};
use crate::names::{EnvName, ProjectName};
use crate::process::ProcessSettings;
use crate::run::{HookSettings, RunSettings};
use crate::source::{BuildSettings, Fetches, GitSource, Pushed, Reference, Resources, Source};
use crate::time::Millis;
use crate::view::View;

/// What is so, by name.
pub type Facts = BTreeMap<String, String>;

/// What is so of an app: its settings, and what was decided about its deployments. None where it
/// does not exist.
#[must_use]
pub fn of_app(view: &View, id: AppId) -> Facts {
    let mut facts = Facts::new();
    // What was deleted says nothing any more, until it is restored.
    let app = view.apps.get(&id).and_then(|app| app.state.active());
    let Some(app) = app.filter(|app| app.discarded.is_none()) else { return facts };
    facts.insert("name".into(), app.name.to_string());
    facts.insert("project".into(), project(view, id));
    let ActiveApp { settings, env, live, serving, rolling, waiting, stopped, triggers, .. } = app;
    put_source(&mut facts, settings.source.as_ref());
    put_run(
        &mut facts,
        &Run {
            build: &settings.build,
            port: settings.port,
            replicas: settings.replicas,
            health: &settings.health,
            resources: &settings.resources,
            run: &settings.run,
            drain_within: settings.drain_within,
            stop_within: settings.stop_within,
            env,
        },
    );
    put_triggers(&mut facts, triggers);
    for (name, value) in app.edge.listed().iter().map(EdgeSetting::fact) {
        facts.insert(format!("edge.{name}"), value);
    }
    for (name, cron) in &app.crons {
        put_cron(&mut facts, name, &cron.settings);
    }
    for domain in &settings.domains {
        facts.insert(format!("domain.{domain}"), "leads here".into());
    }
    for (host, domain) in app.domains.iter() {
        let state = match (&domain.trust, domain.mode) {
            (Trust::Pending, _) => "not proven",
            (Trust::Lost { .. }, _) => "not proven any more",
            (Trust::Verified { .. }, DomainMode::Main) => "leads here, main",
            (Trust::Verified { .. }, DomainMode::Redirect) => "sends on to the main domain",
            (Trust::Verified { .. }, DomainMode::Serve) => "leads here",
            (Trust::Failing { .. }, _) => "leads here, its proof is gone",
        };
        facts.insert(format!("domain.{host}"), state.into());
    }
    let number = |id: DeploymentId| match attempt(view, id) {
        Some(attempt) => format!("#{}", attempt.spec.number),
        // Its own history begins a moment after the request, which is the newest one then.
        None => format!("#{}", app.deployments),
    };
    let parts = [("live", live), ("serving", serving), ("rolling", rolling), ("waiting", waiting)];
    for (part, deployment) in parts {
        if let Some(deployment) = deployment {
            facts.insert(part.into(), number(*deployment));
        }
    }
    if let Some(attempt) = live.and_then(|live| attempt(view, live)) {
        put_built(&mut facts, "live", attempt);
        facts.insert("live.replicas".into(), attempt.replicas.to_string());
    }
    let status = match (live, rolling.or(*waiting)) {
        _ if app.asleep => "asleep",
        (_, None) if stopped.is_some() => "stopped",
        (_, Some(_)) if stopped.is_some() => "stopped, deploying",
        (Some(_), None) => "live",
        (Some(_), Some(_)) => "live, deploying",
        (None, Some(_)) => "deploying",
        (None, None) if app.deployments > 0 => "nothing live",
        (None, None) => "never deployed",
    };
    facts.insert("status".into(), status.into());
    facts
}

fn project(view: &View, app: AppId) -> String {
    let id = view.project_of(app);
    let name = view.project(id).map(|project| project.name.to_string());
    name.unwrap_or_else(|| ProjectName::DEFAULT.into())
}

/// What is so of a deployment: what it runs with, and what became of it.
#[must_use]
pub fn of_deployment(attempt: &Attempt) -> Facts {
    let mut facts = Facts::new();
    let spec = &attempt.spec;
    put_source(&mut facts, Some(&spec.source));
    put_run(
        &mut facts,
        &Run {
            build: &spec.build,
            port: spec.port,
            replicas: attempt.replicas,
            health: &spec.health,
            resources: &spec.resources,
            run: &spec.run,
            drain_within: spec.drain_within,
            stop_within: spec.stop_within,
            env: &spec.env,
        },
    );
    put_built(&mut facts, "built", attempt);
    if let Some((deployment, _)) = spec.origin.earlier() {
        facts.insert("image_of".into(), deployment.to_string());
    }
    facts.insert("status".into(), attempt.stage.name().to_string());
    facts
}

fn put_cron(facts: &mut Facts, name: &CronName, settings: &CronSettings) {
    let CronSettings { schedule, zone, command, within, overlap, paused } = settings;
    let mut put = |field: &str, value: String| facts.insert(format!("crons.{name}.{field}"), value);
    put("schedule", schedule.to_string());
    if let Some(zone) = zone {
        put("time_zone", zone.to_string());
    }
    put("command", format!("{:?}", command.words()));
    put("timeout_ms", within.0.to_string());
    let overlap = match overlap {
        Overlap::Skip => "skip",
        Overlap::Allow => "allow",
        Overlap::Replace => "replace",
    };
    put("overlap", overlap.to_owned());
    if *paused {
        put("paused", "true".to_owned());
    }
}

fn attempt(view: &View, id: DeploymentId) -> Option<&Attempt> {
    view.deployments.get(&id)?.state.attempt()
}

fn put_built(facts: &mut Facts, under: &str, attempt: &Attempt) {
    if let Some(built) = &attempt.built {
        let version = match &attempt.spec.source {
            Source::Git(_) | Source::Pushed(_) => "commit",
            Source::Upload(_) | Source::Image(_) => "digest",
        };
        facts.insert(format!("{under}.{version}"), built.commit.to_string());
        if let Some(site) = &built.site {
            facts.insert(format!("{under}.site"), site.id.to_string());
            return;
        }
        facts.insert(format!("{under}.image"), built.image.to_string());
        facts.insert(format!("{under}.port"), built.port.to_string());
    }
}

fn put_source(facts: &mut Facts, source: Option<&Source>) {
    let GitSource { repository, reference } = match source {
        None => return,
        Some(Source::Git(git)) => git,
        Some(Source::Upload(upload)) => {
            facts.insert("upload".into(), upload.to_string());
            return;
        }
        Some(Source::Image(image)) => {
            facts.insert("source_image".into(), image.to_string());
            return;
        }
        Some(Source::Pushed(Pushed { branch, commit, upload })) => {
            facts.insert("branch".into(), branch.to_string());
            facts.insert("pushed".into(), commit.to_string());
            facts.insert("upload".into(), upload.to_string());
            return;
        }
    };
    facts.insert("repository".into(), repository.to_string());
    match reference {
        Reference::DefaultBranch => {}
        Reference::Branch(branch) => {
            facts.insert("branch".into(), branch.to_string());
        }
        Reference::Commit(commit) => {
            facts.insert("commit".into(), commit.to_string());
        }
        Reference::Tag(tag) => {
            facts.insert("tag".into(), tag.to_string());
        }
    }
}

struct Run<'a> {
    build: &'a BuildSettings,
    port: Option<u16>,
    replicas: u16,
    health: &'a HealthCheck,
    resources: &'a Resources,
    run: &'a RunSettings,
    drain_within: Millis,
    stop_within: Millis,
    env: &'a BTreeMap<EnvName, u64>,
}

fn put_build(facts: &mut Facts, build: &BuildSettings) {
    let BuildSettings {
        dockerfile,
        context,
        target,
        args,
        secrets,
        within,
        no_cache,
        fetches,
        site,
    } = build;
    let Fetches { submodules, lfs } = fetches;
    facts.insert("build_within_ms".into(), within.0.to_string());
    let secrets: Vec<&str> = secrets.iter().map(EnvName::as_str).collect();
    let sometimes = [
        ("dockerfile", dockerfile.as_ref().map(ToString::to_string)),
        ("build_context", context.as_ref().map(ToString::to_string)),
        ("build_target", target.as_ref().map(ToString::to_string)),
        ("build_secrets", (!secrets.is_empty()).then(|| secrets.join(", "))),
        ("no_cache", no_cache.then(|| "true".to_owned())),
        ("submodules", submodules.then(|| "true".to_owned())),
        ("lfs", lfs.then(|| "true".to_owned())),
        ("static", (!site.is_usual()).then(|| site.to_string())),
    ];
    for (name, value) in sometimes {
        facts.extend(value.map(|value| (name.to_owned(), value)));
    }
    for (name, value) in args {
        facts.insert(format!("build_arg.{name}"), value.to_string());
    }
}

fn put_run(facts: &mut Facts, run: &Run<'_>) {
    let Run {
        build,
        port,
        replicas,
        health,
        resources,
        run:
            RunSettings {
                command,
                hooks,
                processes: beside_web,
                container,
                inside,
                counts,
                declared: _,
                part,
            },
        drain_within,
        stop_within,
        env,
    } = run;
    put_build(facts, build);
    let HealthCheck { probe, interval, timeout, retries, start_within } = health;
    let Resources { memory_bytes, cpu_millis, processes } = resources;
    let always = [
        ("replicas", replicas.to_string()),
        ("memory_bytes", memory_bytes.to_string()),
        ("cpu_millis", cpu_millis.to_string()),
        ("processes", processes.to_string()),
        ("drain_within_ms", drain_within.0.to_string()),
        ("stop_within_ms", stop_within.0.to_string()),
    ];
    let sometimes = [
        ("port", port.map(|port| port.to_string())),
        ("health", (*probe != Probe::Default).then(|| probe.to_string())),
        ("health_interval_ms", interval.map(|span| span.0.to_string())),
        ("health_timeout_ms", timeout.map(|span| span.0.to_string())),
        ("health_retries", retries.map(|retries| retries.to_string())),
        ("health_start_within_ms", start_within.map(|span| span.0.to_string())),
        ("command", command.as_ref().map(|command| format!("{:?}", command.words()))),
    ];
    facts.extend(always.map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in sometimes {
        facts.extend(value.map(|value| (name.to_owned(), value)));
    }
    for (hook, HookSettings { command, within }) in hooks {
        facts.insert(format!("{}_command", hook.as_str()), format!("{:?}", command.words()));
        facts.insert(format!("{}_within_ms", hook.as_str()), within.0.to_string());
    }
    for (name, process) in beside_web {
        let ProcessSettings { command, replicas, memory_bytes, cpu_millis } = process;
        let of = |field: &str| format!("process_types.{name}.{field}");
        facts.insert(of("command"), format!("{:?}", command.words()));
        facts.insert(of("replicas"), replicas.to_string());
        facts.extend(memory_bytes.map(|bytes| (of("memory_bytes"), bytes.to_string())));
        facts.extend(cpu_millis.map(|millis| (of("cpu_millis"), millis.to_string())));
    }
    let of_repository = counts.of.iter().filter(|(name, _)| !beside_web.contains_key(*name));
    for (name, replicas) in of_repository {
        facts.insert(format!("process_types.{name}.replicas"), replicas.to_string());
    }
    put_container(facts, container);
    let GroupPart { names, once } = part;
    facts.extend(names.iter().map(|name| (format!("names.{name}"), "true".to_owned())));
    if *once {
        facts.insert("once".into(), "true".into());
    }
    put_inside(facts, inside);
    for (name, version) in *env {
        facts.insert(format!("env.{name}"), format!("version {version}"));
    }
}

fn put_container(facts: &mut Facts, container: &ContainerSettings) {
    let ContainerSettings { entrypoint, volumes, unrouted, group } = container;
    let entrypoint = entrypoint.as_ref().map(|words| format!("{:?}", words.words()));
    facts.extend(entrypoint.map(|words| ("entrypoint".to_owned(), words)));
    for (path, Mount { volume, read_only }) in volumes {
        let how = if *read_only { " (read-only)" } else { "" };
        facts.insert(format!("volumes.{path}"), format!("{volume}{how}"));
    }
    if *unrouted {
        facts.insert("routed".into(), "false".into());
    }
    if let Some(GroupMember { project: _, service, content }) = group {
        facts.insert("service".into(), service.to_string());
        facts.extend(content.as_ref().map(|id| ("content".to_owned(), id.to_string())));
    }
}

fn put_inside(facts: &mut Facts, inside: &Inside) {
    let Inside {
        user,
        working_dir,
        read_only,
        tmpfs,
        stop_signal,
        shm_bytes,
        ulimits,
        hostname,
        hosts,
        files,
    } = inside;
    let sometimes = [
        ("user", user.as_ref().map(ToString::to_string)),
        ("working_dir", working_dir.as_ref().map(ToString::to_string)),
        ("read_only", read_only.then(|| "true".to_owned())),
        ("stop_signal", stop_signal.as_ref().map(ToString::to_string)),
        ("shm_bytes", shm_bytes.map(|bytes| bytes.to_string())),
        ("hostname", hostname.as_ref().map(ToString::to_string)),
    ];
    for (name, value) in sometimes {
        facts.extend(value.map(|value| (format!("inside.{name}"), value)));
    }
    for (path, Tmpfs { size_bytes, mode }) in tmpfs {
        let size = size_bytes.map_or("all memory".into(), |bytes| format!("{bytes} bytes"));
        let mode = mode.unwrap_or(Tmpfs::MODE);
        facts.insert(format!("inside.tmpfs.{path}"), format!("{size}, mode {mode:o}"));
    }
    for (name, Ulimit { soft, hard }) in ulimits {
        let shown = |most: &Option<u64>| most.map_or("no limit".into(), |most| most.to_string());
        let both: [String; 2] = [shown(soft), shown(hard)];
        facts.insert(format!("inside.ulimits.{name}"), both.join(" to "));
    }
    for (name, address) in hosts {
        facts.insert(format!("inside.hosts.{name}"), address.to_string());
    }
    for (path, ValueFile { variable, mode, uid, gid }) in files {
        let shown = format!("the value of {variable}, mode {mode:o}, of {uid}:{gid}");
        facts.insert(format!("inside.files.{path}"), shown);
    }
}

fn put_triggers(facts: &mut Facts, triggers: &Triggers) {
    match &triggers.on {
        // As it is where nobody said anything.
        DeployOn::Push => {}
        DeployOn::Tag(pattern) => drop(facts.insert("deploy_on".into(), format!("tag {pattern}"))),
        DeployOn::Off => drop(facts.insert("deploy_on".into(), "off".into())),
    }
    if !triggers.watch.is_empty() {
        let watch: Vec<_> = triggers.watch.iter().map(PathPattern::as_str).collect();
        facts.insert("watch_paths".into(), watch.join(", "));
    }
}
