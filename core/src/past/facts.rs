//! What is so of an app or a deployment, as texts under names: what a comparison compares.
//!
//! Names are those of the API's fields. A fact that does not hold is not there. Of an environment
//! variable there is its version and never its value.

use std::collections::BTreeMap;

use crate::app::ActiveApp;
use crate::deployment::Attempt;
use crate::health::HealthCheck;
use crate::ids::{AppId, DeploymentId};
use crate::names::EnvName;
use crate::source::{BuildSettings, Reference, Resources, Source};
use crate::view::View;

/// What is so, by name.
pub type Facts = BTreeMap<String, String>;

/// What is so of an app: its settings, and what was decided about its deployments. None where it
/// does not exist.
#[must_use]
pub fn of_app(view: &View, id: AppId) -> Facts {
    let mut facts = Facts::new();
    let Some(app) = view.apps.get(&id).and_then(|app| app.state.active()) else { return facts };
    facts.insert("name".into(), app.name.to_string());
    let ActiveApp { settings, env, live, serving, rolling, waiting, .. } = app;
    put_source(&mut facts, settings.source.as_ref());
    put_run(
        &mut facts,
        &Run {
            build: &settings.build,
            port: settings.port,
            replicas: settings.replicas,
            health: &settings.health,
            resources: &settings.resources,
            env,
        },
    );
    for domain in &settings.domains {
        facts.insert(format!("domain.{domain}"), "leads here".into());
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
        facts.insert("live.replicas".into(), attempt.spec.replicas.to_string());
    }
    let status = match (live, rolling.or(*waiting)) {
        (Some(_), None) => "live",
        (Some(_), Some(_)) => "live, deploying",
        (None, Some(_)) => "deploying",
        (None, None) if app.deployments > 0 => "nothing live",
        (None, None) => "never deployed",
    };
    facts.insert("status".into(), status.into());
    facts
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
            replicas: spec.replicas,
            health: &spec.health,
            resources: &spec.resources,
            env: &spec.env,
        },
    );
    put_built(&mut facts, "built", attempt);
    facts.insert("status".into(), attempt.stage.name().to_string());
    facts
}

fn attempt(view: &View, id: DeploymentId) -> Option<&Attempt> {
    view.deployments.get(&id)?.state.attempt()
}

fn put_built(facts: &mut Facts, under: &str, attempt: &Attempt) {
    if let Some(built) = &attempt.built {
        facts.insert(format!("{under}.commit"), built.commit.to_string());
        facts.insert(format!("{under}.image"), built.image.to_string());
        facts.insert(format!("{under}.port"), built.port.to_string());
    }
}

fn put_source(facts: &mut Facts, source: Option<&Source>) {
    let Some(Source { repository, reference }) = source else { return };
    facts.insert("repository".into(), repository.to_string());
    match reference {
        Reference::DefaultBranch => {}
        Reference::Branch(branch) => {
            facts.insert("branch".into(), branch.to_string());
        }
        Reference::Commit(commit) => {
            facts.insert("commit".into(), commit.to_string());
        }
    }
}

struct Run<'a> {
    build: &'a BuildSettings,
    port: Option<u16>,
    replicas: u16,
    health: &'a HealthCheck,
    resources: &'a Resources,
    env: &'a BTreeMap<EnvName, u64>,
}

fn put_run(facts: &mut Facts, run: &Run<'_>) {
    let Run { build: BuildSettings { dockerfile }, port, replicas, health, resources, env } = run;
    let HealthCheck { path, interval, timeout, start_within } = health;
    let Resources { memory_bytes, cpu_millis, processes } = resources;
    let always = [
        ("replicas", replicas.to_string()),
        ("health_interval_ms", interval.0.to_string()),
        ("health_timeout_ms", timeout.0.to_string()),
        ("health_start_within_ms", start_within.0.to_string()),
        ("memory_bytes", memory_bytes.to_string()),
        ("cpu_millis", cpu_millis.to_string()),
        ("processes", processes.to_string()),
    ];
    let sometimes = [
        ("dockerfile", dockerfile.as_ref().map(ToString::to_string)),
        ("port", port.map(|port| port.to_string())),
        ("health_path", path.as_ref().map(ToString::to_string)),
    ];
    facts.extend(always.map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in sometimes {
        facts.extend(value.map(|value| (name.to_owned(), value)));
    }
    for (name, version) in *env {
        facts.insert(format!("env.{name}"), format!("version {version}"));
    }
}
