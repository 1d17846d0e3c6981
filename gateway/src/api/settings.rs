//! From what people send to the core's types: each text is checked, each error names its field.

pub(super) mod container;
mod health;
mod inside;
pub(super) mod processes;
mod source;

use std::collections::BTreeSet;
use std::str::FromStr;

use hythe_core::app::{AppSettings, SettingsChange};
use hythe_core::argv::Argv;
use hythe_core::limits;
use hythe_core::names::{BadText, HostName};
use hythe_core::run::{HookSettings, RunSettings};
use hythe_core::source::BuildSettings;
use hythe_core::task::Hook;
use hythe_core::time::Millis;

use self::source::{Wanted, source};
use super::dto::{self, CreateApp, UpdateApp};
use super::problem::Problem;

pub(super) use self::source::{Named, named, of_deployment};

/// A checked text.
pub(super) fn text<T: FromStr<Err = BadText>>(field: &str, given: &str) -> Result<T, Problem> {
    given.parse().map_err(|bad: BadText| Problem::field(field, bad.to_string()))
}

fn optional<T: FromStr<Err = BadText>>(
    field: &str,
    given: Option<&str>,
) -> Result<Option<T>, Problem> {
    given.map(|given| text(field, given)).transpose()
}

/// A whole set of settings, for a new app.
pub(super) fn of_new_app(new: &CreateApp, local: bool) -> Result<AppSettings, Problem> {
    let some = |given: &Option<String>| given.clone().map(Some);
    let change = UpdateApp {
        // Found by whoever knows which projects there are.
        project: None,
        repository: new.repository.clone(),
        image: new.image.clone(),
        branch: some(&new.branch),
        tag: some(&new.tag),
        commit: some(&new.commit),
        dockerfile: some(&new.dockerfile),
        build_context: some(&new.build_context),
        build_target: some(&new.build_target),
        build_args: new.build_args.clone(),
        build_secrets: new.build_secrets.clone(),
        build_within_ms: new.build_within_ms,
        submodules: new.submodules,
        lfs: new.lfs,
        site: new.site,
        port: new.port.map(Some),
        replicas: new.replicas,
        health: new.health.clone().map(Some),
        health_path: some(&new.health_path),
        health_interval_ms: new.health_interval_ms.map(Some),
        health_timeout_ms: new.health_timeout_ms.map(Some),
        health_retries: new.health_retries.map(Some),
        health_start_within_ms: new.health_start_within_ms.map(Some),
        memory_bytes: new.memory_bytes,
        cpu_millis: new.cpu_millis,
        processes: new.processes,
        domains: new.domains.clone(),
        command: new.command.clone().map(Some),
        process_types: new.process_types.clone().map(|processes| {
            processes.into_iter().map(|(name, process)| (name, Some(process))).collect()
        }),
        entrypoint: new.entrypoint.clone().map(Some),
        volumes: new.volumes.clone(),
        routed: new.routed,
        group: new.group.clone().map(Some),
        inside: new.inside.clone().map(Some),
        release_command: new.release_command.clone().map(Some),
        release_within_ms: new.release_within_ms,
        post_deploy_command: new.post_deploy_command.clone().map(Some),
        post_deploy_within_ms: new.post_deploy_within_ms,
        drain_within_ms: new.drain_within_ms,
        stop_within_ms: new.stop_within_ms,
        triggers: None,
    };
    let mut settings = AppSettings::default();
    change_of(&settings, &change, local)?.apply(&mut settings);
    Ok(settings)
}

/// What a change of settings comes to, given the present ones.
pub(super) fn change_of(
    now: &AppSettings,
    change: &UpdateApp,
    local: bool,
) -> Result<SettingsChange, Problem> {
    let source = source(
        now.source.as_ref(),
        Wanted {
            repository: change.repository.as_deref(),
            branch: change.branch.as_ref().map(Option::as_deref),
            tag: change.tag.as_ref().map(Option::as_deref),
            commit: change.commit.as_ref().map(Option::as_deref),
            image: change.image.as_deref(),
        },
        local,
    )?;
    Ok(SettingsChange {
        source,
        build: build(now, change)?,
        port: change.port,
        replicas: change.replicas,
        health: health::change_of(now, change)?,
        resources: resources(now, change),
        domains: change.domains.as_deref().map(domains).transpose()?,
        project: None,
        run: run(now, change)?,
        drain_within: change.drain_within_ms.map(Millis),
        stop_within: change.stop_within_ms.map(Millis),
    })
}

fn build(now: &AppSettings, change: &UpdateApp) -> Result<Option<BuildSettings>, Problem> {
    let mut build = now.build.clone();
    if let Some(path) = &change.dockerfile {
        build.dockerfile = optional("dockerfile", path.as_deref())?;
    }
    if let Some(path) = &change.build_context {
        build.context = optional("build_context", path.as_deref())?;
    }
    if let Some(target) = &change.build_target {
        build.target = optional("build_target", target.as_deref())?;
    }
    if let Some(args) = &change.build_args {
        let checked = args.iter().map(|(name, value)| {
            Ok((text("build_args", name)?, text(&format!("build_args.{name}"), value)?))
        });
        build.args = checked.collect::<Result<_, Problem>>()?;
    }
    if let Some(secrets) = &change.build_secrets {
        let checked = secrets.iter().map(|name| text("build_secrets", name));
        build.secrets = checked.collect::<Result<_, Problem>>()?;
    }
    if let Some(within) = change.build_within_ms {
        build.within = Millis(within);
    }
    build.fetches.submodules = change.submodules.unwrap_or(build.fetches.submodules);
    build.fetches.lfs = change.lfs.unwrap_or(build.fetches.lfs);
    build.site = change.site.map_or(build.site, Into::into);
    Ok((build != now.build).then_some(build))
}

fn run(now: &AppSettings, change: &UpdateApp) -> Result<Option<RunSettings>, Problem> {
    let mut run = now.run.clone();
    if let Some(command) = &change.command {
        let bad = |bad: BadText| Problem::field("command", bad.to_string());
        run.command = command.clone().map(Argv::new).transpose().map_err(bad)?;
    }
    if let Some(changes) = &change.process_types {
        processes::change(&mut run, changes)?;
    }
    container::change(&mut run, change)?;
    if let Some(said) = &change.inside {
        run.inside = said.as_ref().map(inside::read).transpose()?.unwrap_or_default();
    }
    hook(&mut run, Hook::Release, change.release_command.as_ref(), change.release_within_ms)?;
    let (command, within) = (change.post_deploy_command.as_ref(), change.post_deploy_within_ms);
    hook(&mut run, Hook::PostDeploy, command, within)?;
    Ok((run != now.run).then_some(run))
}

/// A command that runs once for each deployment; `Some(None)` is none any more.
fn hook(
    run: &mut RunSettings,
    hook: Hook,
    command: Option<&Option<Vec<String>>>,
    within: Option<u64>,
) -> Result<(), Problem> {
    match command {
        Some(None) => drop(run.hooks.remove(&hook)),
        Some(Some(words)) => {
            let bad = |bad: BadText| Problem::field(hook.command_field(), bad.to_string());
            let command = Argv::new(words.clone()).map_err(bad)?;
            let within = run.hook(hook).map_or(limits::HOOK_WITHIN, |before| before.within);
            run.hooks.insert(hook, HookSettings { command, within });
        }
        None => {}
    }
    let Some(within) = within else { return Ok(()) };
    let Some(settings) = run.hooks.get_mut(&hook) else {
        let name = hook.as_str();
        let why = format!("there is no {name} command that it could be for; give one, too");
        return Err(Problem::field(format!("{}_ms", hook.within_field()), why));
    };
    settings.within = Millis(within);
    Ok(())
}

fn resources(now: &AppSettings, change: &UpdateApp) -> Option<hythe_core::source::Resources> {
    let mut resources = now.resources.clone();
    resources.memory_bytes = change.memory_bytes.unwrap_or(resources.memory_bytes);
    resources.cpu_millis = change.cpu_millis.unwrap_or(resources.cpu_millis);
    resources.processes = change.processes.unwrap_or(resources.processes);
    (resources != now.resources).then_some(resources)
}

fn domains(given: &[String]) -> Result<BTreeSet<HostName>, Problem> {
    if given.len() > limits::MOST_DOMAINS {
        let most = limits::MOST_DOMAINS;
        return Err(Problem::field("domains", format!("an app has at most {most} domains")));
    }
    let checked = given.iter().enumerate().map(|(at, name)| text(&format!("domains[{at}]"), name));
    checked.collect()
}

/// Settings as people see them.
pub(super) fn shown(settings: &AppSettings) -> dto::AppSettings {
    let AppSettings {
        source,
        build,
        port,
        replicas,
        health,
        resources,
        domains,
        project: _,
        run,
        drain_within,
        stop_within,
    } = settings;
    let [release, post_deploy] = [Hook::Release, Hook::PostDeploy].map(|hook| run.hook(hook));
    let Named { repository, upload, image, branch, tag, commit } = named(source.as_ref());
    dto::AppSettings {
        repository,
        upload,
        image,
        branch,
        tag,
        commit,
        dockerfile: build.dockerfile.as_ref().map(ToString::to_string),
        build_context: build.context.as_ref().map(ToString::to_string),
        build_target: build.target.as_ref().map(ToString::to_string),
        build_args: build
            .args
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        build_secrets: build.secrets.iter().map(ToString::to_string).collect(),
        build_within_ms: build.within.0,
        submodules: build.fetches.submodules,
        lfs: build.fetches.lfs,
        site: build.site.into(),
        port: *port,
        replicas: *replicas,
        health: health::shown(&health.probe),
        health_path: health::path(&health.probe),
        health_interval_ms: health.interval.map(|span| span.0),
        health_timeout_ms: health.timeout.map(|span| span.0),
        health_retries: health.retries,
        health_start_within_ms: health.start_within.map(|span| span.0),
        memory_bytes: resources.memory_bytes,
        cpu_millis: resources.cpu_millis,
        processes: resources.processes,
        domains: domains.iter().map(ToString::to_string).collect(),
        command: run.command.as_ref().map(|command| command.words().to_vec()),
        process_types: processes::shown(run),
        entrypoint: run.container.entrypoint.as_ref().map(|words| words.words().to_vec()),
        volumes: container::volumes(&run.container),
        routed: !run.container.unrouted,
        group: container::group(run),
        inside: inside::shown(&run.inside),
        release_command: release.map(|release| release.command.words().to_vec()),
        release_within_ms: release.map(|release| release.within.0),
        post_deploy_command: post_deploy.map(|hook| hook.command.words().to_vec()),
        post_deploy_within_ms: post_deploy.map(|hook| hook.within.0),
        drain_within_ms: drain_within.0,
        stop_within_ms: stop_within.0,
    }
}
