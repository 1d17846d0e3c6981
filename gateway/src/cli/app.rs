//! `hythe app` and `hythe open`.

use std::io::{BufRead, IsTerminal};
use std::process::{Command, Stdio};

use hythe_core::names::AppName;
use reqwest::Method;

use super::Context;
use super::args::{AppCommand, AtArgs, SettingsArgs};
use super::client::{Client, Patience};
use super::failure::{Failure, Outcome};
use super::format;
use crate::api::dto::{App, AppPage, AsOf, CreateApp, UpdateApp};

/// How many entries one page of a list has.
const PAGE: u32 = 200;
/// How many pages are read at the most.
const MOST_PAGES: usize = 500;

pub(super) async fn run(context: &Context, command: AppCommand) -> Outcome {
    match command {
        AppCommand::Create { name, settings } => {
            let app = create(&context.client, &name, &settings, settings.commit.is_some()).await?;
            show(context, &app);
        }
        AppCommand::Ls(at) => list(context, &at).await?,
        AppCommand::Diff(args) => super::diff::run(context, args).await?,
        AppCommand::Show { name, at } => {
            let app = context.client.get(&["apps", name.as_str()], &at.query()).await?;
            show(context, &app);
        }
        AppCommand::Set { name, settings, domains, no_domains } => {
            let mut change = change(&settings);
            if no_domains || !domains.is_empty() {
                change.domains = Some(domains.iter().map(ToString::to_string).collect());
            }
            if change == UpdateApp::default() {
                return Err(Failure::usage("nothing to change")
                    .hint("see `hythe app set --help` for what can be set"));
            }
            let app = update(&context.client, &name, &change).await?;
            show(context, &app);
        }
        AppCommand::Rm { name, yes } => {
            // Whether it is there is asked first: a question about nothing is a strange one.
            let app: App = context.client.get(&["apps", name.as_str()], &[]).await?;
            if !yes {
                confirm(&app.name)?;
            }
            context.client.delete(&["apps", name.as_str()]).await?;
            if context.output.json() {
                context.output.document(&serde_json::json!({"app": app.name, "removed": true}));
            } else {
                context.output.line(format_args!("{} is removed", app.name));
            }
        }
    }
    Ok(())
}

fn confirm(name: &str) -> Outcome {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::usage(format!("removing {name} stops it for good"))
            .hint("give --yes to do it without being asked"));
    }
    let output = super::Output::new(false);
    output.note(format_args!("Remove {name}, with its deployments and variables? Type its name:"));
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(|e| Failure::of(&e))?;
    if answer.trim() == name { Ok(()) } else { Err(Failure::failed("nothing was removed")) }
}

/// Creates an app. A commit is a setting only where nothing else says what to deploy.
pub(super) async fn create(
    client: &Client,
    name: &AppName,
    settings: &SettingsArgs,
    with_commit: bool,
) -> Outcome<App> {
    let body = CreateApp {
        name: name.to_string(),
        repository: text(settings.repo.as_ref()),
        branch: text(settings.branch.as_ref()),
        commit: text(settings.commit.as_ref().filter(|_| with_commit)),
        dockerfile: text(settings.dockerfile.as_ref()),
        port: settings.port,
        replicas: settings.replicas,
        health_path: text(settings.health_path.as_ref()),
        ..CreateApp::default()
    };
    client.write(Method::POST, &["apps"], &body, Patience::OnceReached).await
}

/// What was given, as a change.
pub(super) fn change(settings: &SettingsArgs) -> UpdateApp {
    UpdateApp {
        repository: text(settings.repo.as_ref()),
        branch: text(settings.branch.as_ref()).map(Some),
        commit: text(settings.commit.as_ref()).map(Some),
        dockerfile: text(settings.dockerfile.as_ref()).map(Some),
        port: settings.port.map(Some),
        replicas: settings.replicas,
        health_path: text(settings.health_path.as_ref()).map(Some),
        ..UpdateApp::default()
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
                app.name.clone(),
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
        ("url", app.url.clone()),
        ("status", format::status_of(output, app)),
        ("", output.foreign(&app.status_detail)),
        ("repository", format::or_dash(settings.repository.as_ref())),
    ];
    if let Some(branch) = &settings.branch {
        rows.push(("branch", branch.clone()));
    }
    if let Some(commit) = &settings.commit {
        rows.push(("commit", commit.clone()));
    }
    if let Some(dockerfile) = &settings.dockerfile {
        rows.push(("dockerfile", dockerfile.clone()));
    }
    rows.push(("port", settings.port.map_or("from the image".into(), |port| port.to_string())));
    rows.push(("replicas", settings.replicas.to_string()));
    rows.push(("health", settings.health_path.clone().unwrap_or_else(|| "/ below 500".into())));
    rows.push(("memory", format::bytes(settings.memory_bytes)));
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
            rows.push((title, format!("#{number} {id} {}", format::ago(deployment.created_at))));
        }
    }
    for (title, value) in rows {
        output.line(format_args!("{title:<11} {value}"));
    }
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
