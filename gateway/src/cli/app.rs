//! `hythe app` and `hythe open`.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::{Command, Stdio};

use hythe_core::names::AppName;
use reqwest::Method;

use super::Context;
use super::args::{AppCommand, AtArgs, HealthArgs, HookArgs, SettingsArgs, VolumeArg};
use super::client::{Client, Patience};
use super::failure::{Failure, Outcome};
use super::format;
use super::output::Tone;
use crate::api::dto::{
    App, AppPage, AppSettings, AsOf, CreateApp, DeployOn, HealthProbe, PostDeployStatus,
    StaticMode, Triggers, UpdateApp, UpdateTriggers, VolumeMount,
};

/// How many entries one page of a list has.
const PAGE: u32 = 200;
/// How many pages are read at the most.
const MOST_PAGES: usize = 500;

pub(super) async fn run(context: &Context, command: AppCommand) -> Outcome {
    match command {
        AppCommand::Create { name, settings, health, hooks } => {
            let commit = settings.commit.is_some();
            let app = create(&context.client, &name, &settings, &health, &hooks, commit).await?;
            show(context, &app);
        }
        AppCommand::Ls { deleted: true, at: _ } => super::deleted::list(context).await?,
        AppCommand::Ls { deleted: false, at } => list(context, &at).await?,
        AppCommand::Diff(args) => super::diff::run(context, args).await?,
        AppCommand::Show { name, at } => {
            let app = context.client.get(&["apps", name.as_str()], &at.query()).await?;
            show(context, &app);
        }
        AppCommand::Set {
            name,
            settings,
            health,
            hooks,
            domains,
            no_domains,
            triggers,
            drain,
            stop,
            volumes,
            no_volumes,
            routed,
            no_command,
            command,
        } => {
            let mut change = UpdateApp {
                drain_within_ms: drain,
                stop_within_ms: stop,
                volumes: (no_volumes || !volumes.is_empty()).then(|| mounts(&volumes)),
                routed,
                command: (no_command || !command.is_empty())
                    .then_some((!command.is_empty()).then_some(command)),
                ..change(&settings)
            };
            health.put(&mut change);
            hooks.put(&mut change);
            if no_domains || !domains.is_empty() {
                change.domains = Some(domains.iter().map(ToString::to_string).collect());
            }
            let triggers = triggers.change();
            let deploys = triggers != UpdateTriggers::default();
            change.triggers = deploys.then_some(triggers);
            if change == UpdateApp::default() {
                return Err(Failure::usage("nothing to change")
                    .hint("see `hythe app set --help` for what can be set"));
            }
            let app = update(&context.client, &name, &change).await?;
            show(context, &app);
        }
        AppCommand::Rm { which, now, yes } => {
            super::deleted::remove(context, &which, now, yes).await?;
        }
        AppCommand::Restore { which } => {
            let path = ["apps", which.as_str(), "restore"];
            let app = context.client.post(&path, &serde_json::json!({})).await?;
            show(context, &app);
        }
    }
    Ok(())
}

fn mounts(volumes: &[VolumeArg]) -> BTreeMap<String, VolumeMount> {
    let one = |VolumeArg { path, mount }: &VolumeArg| {
        let volume = mount.volume.to_string();
        (path.to_string(), VolumeMount { volume, read_only: mount.read_only })
    };
    volumes.iter().map(one).collect()
}

/// Creates an app. A tag or commit is a setting only where nothing else says what to deploy.
pub(super) async fn create(
    client: &Client,
    name: &AppName,
    settings: &SettingsArgs,
    health: &HealthArgs,
    hooks: &HookArgs,
    pinned: bool,
) -> Outcome<App> {
    let mut checked = UpdateApp::default();
    health.put(&mut checked);
    let mut body = CreateApp {
        name: name.to_string(),
        project: text(settings.project.as_ref()),
        repository: text(settings.repo.as_ref()),
        image: text(settings.image.as_ref()),
        branch: text(settings.branch.as_ref()),
        tag: text(settings.tag.as_ref().filter(|_| pinned)),
        commit: text(settings.commit.as_ref().filter(|_| pinned)),
        port: settings.port,
        replicas: settings.replicas,
        memory_bytes: settings.resources.memory,
        cpu_millis: settings.resources.cpus,
        processes: settings.resources.pids,
        health: checked.health.flatten(),
        health_path: text(settings.health_path.as_ref()),
        health_interval_ms: checked.health_interval_ms.flatten(),
        health_timeout_ms: checked.health_timeout_ms.flatten(),
        health_retries: checked.health_retries.flatten(),
        health_start_within_ms: checked.health_start_within_ms.flatten(),
        ..settings.build.creation()
    };
    hooks.put_new(&mut body);
    client.write(Method::POST, &["apps"], &body, Patience::OnceReached).await
}

/// What was given, as a change.
pub(super) fn change(settings: &SettingsArgs) -> UpdateApp {
    UpdateApp {
        project: text(settings.project.as_ref()),
        repository: text(settings.repo.as_ref()),
        image: text(settings.image.as_ref()),
        branch: text(settings.branch.as_ref()).map(Some),
        tag: text(settings.tag.as_ref()).map(Some),
        commit: text(settings.commit.as_ref()).map(Some),
        port: settings.port.map(Some),
        replicas: settings.replicas,
        memory_bytes: settings.resources.memory,
        cpu_millis: settings.resources.cpus,
        processes: settings.resources.pids,
        health_path: text(settings.health_path.as_ref()).map(Some),
        ..settings.build.change()
    }
}

pub(super) async fn update(client: &Client, name: &AppName, change: &UpdateApp) -> Outcome<App> {
    let path = ["apps", name.as_str()];
    client.write(Method::PATCH, &path, change, Patience::OnceReached).await
}

fn text(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

/// All apps, page by page, and as of when they are.
pub(super) async fn all(client: &Client, at: &AtArgs) -> Outcome<(Vec<App>, Option<AsOf>)> {
    let (mut apps, mut as_of, mut cursor) = (Vec::new(), None, None);
    let mut at = at.query();
    for _ in 0..MOST_PAGES {
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        query.extend(at.iter().cloned());
        let page: AppPage = client.get(&["apps"], &query).await?;
        apps.extend(page.items);
        (as_of, cursor) = (page.as_of, page.next);
        if let Some(as_of) = as_of {
            // All pages of one moment, whatever happens meanwhile.
            at = vec![("at", as_of.sequence.to_string())];
        }
        if cursor.is_none() {
            break;
        }
    }
    Ok((apps, as_of))
}

async fn list(context: &Context, at: &AtArgs) -> Outcome {
    let (apps, as_of) = all(&context.client, at).await?;
    let output = &context.output;
    if output.json() {
        output.document(&apps);
        return Ok(());
    }
    format::note_as_of(output, as_of);
    if apps.is_empty() && as_of.is_some() {
        output.note("there was no app then");
        return Ok(());
    }
    if apps.is_empty() {
        output.note("no apps yet; make one with: hythe deploy NAME --repo URL");
        return Ok(());
    }
    let rows: Vec<_> = apps
        .iter()
        .map(|app| {
            let newest = app.latest.as_ref();
            vec![
                match &app.preview {
                    Some(of) => format!("{} (#{} of {})", app.name, of.number, of.app),
                    None => app.name.clone(),
                },
                format::status_of(output, app),
                match app.as_of {
                    Some(_) => app.replicas_wanted.to_string(),
                    None => format!("{}/{}", app.replicas_healthy, app.replicas_wanted),
                },
                app.url.clone(),
                format::short(app.live.as_ref().and_then(|live| live.commit.as_deref())),
                newest.map_or("never".into(), |newest| format::ago(newest.created_at)),
            ]
        })
        .collect();
    output.table(&["NAME", "STATUS", "REPLICAS", "URL", "COMMIT", "DEPLOYED"], &rows);
    Ok(())
}

fn show(context: &Context, app: &App) {
    let output = &context.output;
    if output.json() {
        output.document(app);
        return;
    }
    let settings = &app.settings;
    let mut rows = vec![
        ("name", app.name.clone()),
        ("project", app.project.clone()),
        ("url", if app.url.is_empty() { "none".into() } else { app.url.clone() }),
        ("status", format::status_of(output, app)),
        ("", output.foreign(&app.status_detail)),
        match (&settings.upload, &settings.image) {
            (Some(_), _) if settings.commit.is_some() => {
                ("source", "what is pushed to it".to_owned())
            }
            (Some(upload), _) => ("upload", upload.clone()),
            (None, Some(image)) => ("image", image.clone()),
            (None, None) => ("repository", format::or_dash(settings.repository.as_ref())),
        },
    ];
    if let Some(of) = &app.preview {
        rows.push(("preview of", format!("#{} of {}", of.number, of.app)));
    }
    if let Some(branch) = &settings.branch {
        rows.push(("branch", branch.clone()));
    }
    if let Some(tag) = &settings.tag {
        rows.push(("tag", tag.clone()));
    }
    if let Some(commit) = &settings.commit {
        rows.push(("commit", commit.clone()));
    }
    if let Some(dockerfile) = &settings.dockerfile {
        rows.push(("dockerfile", dockerfile.clone()));
    }
    if let Some(context) = &settings.build_context {
        rows.push(("context", context.clone()));
    }
    if let Some(target) = &settings.build_target {
        rows.push(("target", target.clone()));
    }
    let fetched = [(settings.submodules, "submodules"), (settings.lfs, "git LFS")];
    for (_, what) in fetched.iter().filter(|(on, _)| *on) {
        rows.push(("fetches", (*what).to_owned()));
    }
    match settings.site {
        StaticMode::Auto => {}
        StaticMode::On => rows.push(("static", "on".to_owned())),
        StaticMode::Off => rows.push(("static", "off".to_owned())),
    }
    for (name, value) in &settings.build_args {
        rows.push(("build arg", format!("{name}={value}")));
    }
    for name in &settings.build_secrets {
        rows.push(("secret", name.clone()));
    }
    rows.push(("port", settings.port.map_or("from the image".into(), |port| port.to_string())));
    rows.push(("replicas", settings.replicas.to_string()));
    rows.push(("health", health(settings)));
    if let Some(command) = &settings.command {
        rows.push(("command", output.foreign(&command.join(" "))));
    }
    if let Some(entrypoint) = &settings.entrypoint {
        rows.push(("entrypoint", output.foreign(&entrypoint.join(" "))));
    }
    for (path, VolumeMount { volume, read_only }) in &settings.volumes {
        let how = if *read_only { " (read-only)" } else { "" };
        rows.push(("volume", format!("{volume} at {path}{how}")));
    }
    if let Some(group) = &settings.group {
        let names = std::iter::once(&group.service).chain(&group.names);
        let names = names.map(String::as_str).collect::<Vec<_>>().join(", ");
        let once = if group.once { ", which is to run once and to end" } else { "" };
        rows.push(("service", format!("{names}{once}")));
    }
    if let Some(inside) = &settings.inside {
        // Every line of it is as the API takes it.
        rows.push(("inside", output.foreign(&serde_json::json!(inside).to_string())));
    }
    for (name, process) in &settings.process_types {
        let line = format!("{name}: {}", super::process::described(process));
        rows.push(("process", output.foreign(&line)));
    }
    for one in app.processes.iter().filter(|one| !settings.process_types.contains_key(&one.name)) {
        let line =
            format!("{}: as the live version has it, {} of it", one.name, one.replicas_wanted);
        rows.push(("process", line));
    }
    let hooks = [
        ("release", &settings.release_command, settings.release_within_ms),
        ("post-deploy", &settings.post_deploy_command, settings.post_deploy_within_ms),
    ];
    for (title, command, within) in hooks {
        let Some(command) = command else { continue };
        let within =
            within.map_or_else(String::new, |within| format!(", within {}", format::span(within)));
        rows.push((title, output.foreign(&format!("{}{within}", command.join(" ")))));
    }
    rows.push(("memory", format::bytes(settings.memory_bytes)));
    rows.push(("cpus", format::cpus(settings.cpu_millis)));
    rows.push(("deploy on", deploys_on(&app.triggers)));
    if !app.triggers.watch_paths.is_empty() {
        rows.push(("watches", app.triggers.watch_paths.join(", ")));
    }
    for domain in &settings.domains {
        rows.push(("domain", domain.clone()));
    }
    if let Some(as_of) = app.as_of {
        rows.insert(0, ("as of", format::as_of(as_of)));
    }
    for (title, deployment) in
        [("live", &app.live), ("rolling", &app.rolling), ("waiting", &app.waiting)]
    {
        if let Some(deployment) = deployment {
            let (number, id) = (deployment.number, deployment.id);
            let status = deployment.status.as_str();
            let ago = format::ago(deployment.created_at);
            rows.push((title, format!("#{number} {status} {id} {ago}")));
            // What the one on its way waits for, the status says.
            let before = app.rolling.as_ref().filter(|_| title == "waiting");
            if let Some(before) = before {
                let number = before.number;
                rows.push(("", format!("waits until #{number} is live or has ended")));
            }
            if deployment.post_deploy == Some(PostDeployStatus::Failed) {
                let how = format!("its post-deploy command failed: hythe deployments show {id}");
                rows.push(("", output.tone(Tone::Bad, how)));
            }
        }
    }
    for (title, value) in rows {
        output.line(format_args!("{title:<11} {value}"));
    }
}

/// What deploys it by itself, in a line.
fn deploys_on(triggers: &Triggers) -> String {
    match triggers.deploy_on {
        DeployOn::Push => "push".into(),
        DeployOn::Tag => format!("tag {}", triggers.tags.as_deref().unwrap_or("*")),
        DeployOn::Off => "off".into(),
    }
}

/// How health is checked, in a line.
fn health(settings: &AppSettings) -> String {
    let mut line = match &settings.health {
        None => "the image's HEALTHCHECK, or else / below 500".to_owned(),
        Some(HealthProbe::Http { path, statuses }) => {
            format!("GET {path}, {}", statuses.as_deref().unwrap_or("200-399"))
        }
        Some(HealthProbe::Tcp {}) => "a connection to the port".into(),
        Some(HealthProbe::Command { command }) => format!("`{}`", command.join(" ")),
        Some(HealthProbe::Image {}) => "the image's HEALTHCHECK".into(),
        Some(HealthProbe::None {}) => "none".into(),
    };
    if let Some(interval) = settings.health_interval_ms {
        line += &format!(", every {interval} ms");
    }
    if let Some(retries) = settings.health_retries {
        line += &format!(", {retries} failures in a row");
    }
    line
}

/// `hythe open`.
pub(super) async fn open(context: &Context, name: &AppName, print: bool) -> Outcome {
    let app: App = context.client.get(&["apps", name.as_str()], &[]).await?;
    let output = &context.output;
    if output.json() {
        output.document(&serde_json::json!({"app": app.name, "url": app.url}));
        return Ok(());
    }
    output.line(&app.url);
    if !print && has_desktop() {
        browse(&app.url);
    }
    Ok(())
}

fn has_desktop() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && (set("DISPLAY") || set("WAYLAND_DISPLAY"))
}

/// Opens a browser. That there is none is no failure: the URL was printed.
fn browse(url: &str) {
    // What a server says is no command: only an address of the web goes to the desktop.
    if url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        Command::new("xdg-open")
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok();
    }
}
