//! An app as people see it.

use std::collections::BTreeMap;

use hythe_core::app::ActiveApp;
use hythe_core::deployment::Attempt;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::names::HostName;
use hythe_core::process::{ProcessName, ProcessSettings, is_process};
use hythe_core::waiting::{replica_state, waiting_for};
use hythe_core::wire::worker::ReplicaState;

use super::{Sight, project_of, reference_to};
use crate::api::dto::{App, AppStatus, DeploymentRef, DeploymentStatus, ProcessCount, Time};
use crate::api::settings;

/// An app, where it exists.
pub(crate) fn app(sight: Sight<'_>, id: AppId) -> Option<App> {
    let view = sight.view.apps.get(&id)?;
    let active = view.state.active()?;
    let health = health(sight, active);
    let latest = view.deployments.last().copied();
    let (status, status_detail) = status(sight, active, &health, latest);
    let reference = |id: Option<DeploymentId>| id.and_then(|id| reference_to(sight, id));
    Some(App {
        id,
        name: active.name.to_string(),
        project: project_of(sight, id),
        url: if active.settings.run.container.unrouted {
            String::new()
        } else {
            sight.config.url(active.name.as_str())
        },
        status,
        status_detail,
        stopped: active.stopped.is_some(),
        settings: settings::shown(&active.settings),
        triggers: super::triggers(&active.triggers),
        preview: super::preview::preview_of(sight, active),
        replicas_healthy: health.healthy,
        replicas_wanted: health.wanted,
        processes: health.processes,
        deployments: active.deployments,
        live: reference(active.live),
        rolling: on_its_way(sight, active, active.rolling),
        waiting: on_its_way(sight, active, active.waiting),
        latest: reference(latest),
        created_at: view.created_at.into(),
        updated_at: view.updated_at.into(),
        as_of: sight.as_of,
    })
}

/// A deployment that the app knows of; its own history may begin a moment later.
fn on_its_way(
    sight: Sight<'_>,
    app: &ActiveApp,
    id: Option<DeploymentId>,
) -> Option<DeploymentRef> {
    let id = id?;
    reference_to(sight, id).or_else(|| {
        let requested_at = sight.view.apps.get(&app.id)?.updated_at;
        Some(DeploymentRef {
            id,
            number: app.deployments,
            status: DeploymentStatus::Requested,
            commit: None,
            created_at: requested_at.into(),
            post_deploy: None,
        })
    })
}

/// The replicas of the live deployment.
struct Health {
    wanted: u16,
    healthy: u16,
    /// Nobody has said anything about them.
    unknown: u16,
    /// The same of what runs beside web.
    processes: Vec<ProcessCount>,
    /// The first that is not well, in words; one in a crash loop before others.
    ill: Option<String>,
    /// Whether one of them is in a crash loop.
    looping: bool,
    /// Whether one of web is.
    web_looping: bool,
    /// What the edges serve, where nothing runs for it.
    site: Option<String>,
}

impl Health {
    /// What is beside web and is not as many as it should be.
    fn too_few(&self) -> impl Iterator<Item = &ProcessCount> {
        self.processes.iter().filter(|one| one.replicas_healthy < one.replicas_wanted)
    }
}

fn health(sight: Sight<'_>, app: &ActiveApp) -> Health {
    let mut health = Health {
        wanted: 0,
        healthy: 0,
        unknown: 0,
        processes: Vec::new(),
        ill: None,
        looping: false,
        web_looping: false,
        site: None,
    };
    let attempt =
        |id: DeploymentId| -> Option<&Attempt> { sight.view.deployments.get(&id)?.state.attempt() };
    let Some((id, attempt)) = app.live.and_then(|id| Some((id, attempt(id)?))) else {
        return health;
    };
    if app.rests() {
        return health;
    }
    let run = &attempt.spec.run;
    if let Some(site) = attempt.site() {
        health.site = Some(format!("{site}; the edges serve it"));
        return health;
    }
    health.wanted = if app.asleep { 0 } else { attempt.replicas };
    let mut beside_web: BTreeMap<&ProcessName, u16> = BTreeMap::new();
    let wanted = attempt.placements.iter();
    for place in wanted.filter(|place| !app.asleep || is_process(place.index)) {
        let process = run.process(place.index).map(|(name, _)| name);
        // What is to run once is as it should be when it has.
        let well = if run.part.once && process.is_none() {
            ReplicaState::Exited { code: 0, out_of_memory: false }
        } else {
            ReplicaState::Healthy
        };
        match sight.observed.replica(id, place) {
            Some(replica) if replica.state == well => match process {
                None => health.healthy += 1,
                Some(name) => *beside_web.entry(name).or_default() += 1,
            },
            Some(replica) => {
                let looping = replica.crash_loop();
                health.web_looping |= looping && process.is_none();
                if looping && !health.looping {
                    health.looping = true;
                    health.ill = Some(replica_state(run, replica).message);
                }
                health.ill.get_or_insert_with(|| replica_state(run, replica).message);
            }
            None if sight.observed.knows(id, place) => {
                let title = run.title(place.index);
                health.ill.get_or_insert_with(|| format!("{title} to be created"));
            }
            None if process.is_none() => health.unknown += 1,
            None => {}
        }
    }
    let count = |(name, process): (&ProcessName, &ProcessSettings)| ProcessCount {
        name: name.to_string(),
        replicas_healthy: beside_web.get(name).copied().unwrap_or_default(),
        replicas_wanted: process.replicas,
    };
    health.processes = run.processes.iter().map(count).collect();
    if health.ill.is_none() {
        let waits = waiting_for(sight.view, sight.observed, id);
        health.ill = waits.map(|waits| waits.message);
    }
    health
}

/// Whether requests wait for an app that was woken.
fn is_waking(sight: Sight<'_>, app: &ActiveApp) -> bool {
    let host = HostName::new(format!("{}.{}", app.name, sight.config.base_domain)).ok();
    let route = host.and_then(|host| sight.observed.routes().get(&host));
    route.is_some_and(|route| route.asleep)
}

fn status(
    sight: Sight<'_>,
    app: &ActiveApp,
    health: &Health,
    latest: Option<DeploymentId>,
) -> (AppStatus, String) {
    let Health { wanted, healthy, unknown, processes: _, ill, looping: _, web_looping, site } =
        health;
    let beside_web = || -> String {
        let few = health.too_few().map(|one| {
            let ProcessCount { name, replicas_healthy, replicas_wanted } = one;
            format!(", {replicas_healthy} of {replicas_wanted} of {name} run")
        });
        few.collect()
    };
    let replicas = || {
        if let Some(site) = site {
            return site.clone();
        }
        let beside_web = beside_web();
        let ill = ill.as_ref().map_or_else(String::new, |ill| format!("; waiting for {ill}"));
        format!("{healthy} of {wanted} replicas are healthy{beside_web}{ill}")
    };
    if let Some(moving) = on_its_way(sight, app, app.rolling.or(app.waiting)) {
        let DeploymentRef { id, number, status, .. } = moving;
        // What it waits for follows from what was seen, which is not kept.
        let waits = match sight.as_of {
            Some(_) => None,
            None => waiting_for(sight.view, sight.observed, id),
        };
        let waits =
            waits.map_or_else(String::new, |waits| format!(", waiting for {}", waits.message));
        let meanwhile = match app.live {
            _ if app.rests() => "; the app is stopped until it is live".into(),
            Some(_) if sight.as_of.is_some() => "; the version before was live".into(),
            Some(_) => format!("; of the version before, {}", replicas()),
            None => String::new(),
        };
        let detail = format!("deployment {number} is {}{waits}{meanwhile}", status.as_str());
        return (AppStatus::Deploying, detail);
    }
    if app.rests() {
        let stopped = match app.live.and_then(|live| reference_to(sight, live)) {
            Some(DeploymentRef { number, .. }) if app.settings.run.part.once => {
                format!("it runs once; deployment {number} does so again when it is started")
            }
            Some(DeploymentRef { number, .. }) => {
                format!("stopped; deployment {number} runs again once it is started")
            }
            None => "stopped; nothing was live".into(),
        };
        return (AppStatus::Stopped, stopped);
    }
    if app.asleep {
        let since = sight.view.apps.get(&app.id).and_then(|app| app.rested_at);
        let since = since.map(Time::from).map_or_else(String::new, |at| format!(" since {at}"));
        let detail = format!("asleep{since}; the next request wakes it{}", beside_web());
        return (AppStatus::Asleep, detail);
    }
    if let Some(DeploymentRef { number, .. }) =
        sight.as_of.and(app.live).and_then(|live| reference_to(sight, live))
    {
        let detail = format!("deployment {number} was live; how its replicas were is not kept");
        return (AppStatus::Unknown, detail);
    }
    if app.live.is_none() {
        return match latest.and_then(|id| reference_to(sight, id)) {
            Some(DeploymentRef { number, status, .. }) => (
                AppStatus::Failed,
                format!("nothing is live; deployment {number}, the newest, is {}", status.as_str()),
            ),
            None => (AppStatus::NeverDeployed, "no deployment was requested yet".into()),
        };
    }
    if *healthy == 0 && is_waking(sight, app) {
        (AppStatus::Asleep, format!("it is being woken; {}", replicas()))
    } else if healthy >= wanted && health.too_few().next().is_some() {
        (AppStatus::Degraded, replicas())
    } else if healthy >= wanted {
        (AppStatus::Running, replicas())
    } else if *unknown == wanted - healthy && *healthy == 0 {
        (AppStatus::Unknown, "its workers have said nothing since the server started".into())
    } else if *healthy == 0 && *web_looping {
        (AppStatus::CrashLoop, replicas())
    } else if *healthy == 0 {
        (AppStatus::Down, replicas())
    } else {
        (AppStatus::Degraded, replicas())
    }
}
