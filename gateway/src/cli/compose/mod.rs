//! `hythe compose`: the services of Compose files as apps of a project.

mod given;
mod source;
mod up;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use hythe_core::names::ProjectName;
use serde::Serialize;

use super::args::{AtArgs, ComposeCommand};
use super::failure::{Failure, Outcome};
use super::{Context, app, format};
use crate::api::dto::{App, Project};

/// A service as it is listed.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    service: &'a str,
    app: &'a str,
    status: &'static str,
    status_detail: &'a str,
    replicas_healthy: u16,
    replicas_wanted: u16,
    url: Option<&'a str>,
    volumes: Vec<&'a str>,
}

pub(super) async fn run(context: &Context, command: ComposeCommand) -> Outcome {
    match command {
        ComposeCommand::Up(args) => up::run(context, *args).await,
        ComposeCommand::Ls => list(context).await,
        ComposeCommand::Ps { project } => services(context, &project).await,
        ComposeCommand::Down { project, yes } => down(context, &project, yes).await,
    }
}

/// The apps of a project's group, by service.
async fn members(context: &Context, project: &ProjectName) -> Outcome<Vec<App>> {
    let client = &context.client;
    let project: Project = client.get(&["projects", project.as_str()], &[]).await?;
    let id = project.id.to_string();
    let (apps, _) = app::all(client, &AtArgs::default()).await?;
    let mut found: Vec<App> = apps
        .into_iter()
        .filter(|app| app.settings.group.as_ref().is_some_and(|group| group.project == id))
        .collect();
    found.sort_by(|one, other| service(one).cmp(service(other)));
    Ok(found)
}

fn service(app: &App) -> &str {
    app.settings.group.as_ref().map_or("", |group| group.service.as_str())
}

async fn list(context: &Context) -> Outcome {
    let (apps, _) = app::all(&context.client, &AtArgs::default()).await?;
    let mut projects: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for app in apps.iter().filter(|app| app.settings.group.is_some()) {
        projects.entry(app.project.clone()).or_default().push(service(app).to_owned());
    }
    let output = &context.output;
    if output.json() {
        let items = projects.iter().map(
            |(project, services)| serde_json::json!({"project": project, "services": services}),
        );
        output.document(&items.collect::<Vec<_>>());
        return Ok(());
    }
    if projects.is_empty() {
        output.note("no project was made from a Compose file; hythe compose up PROJECT");
        return Ok(());
    }
    let rows: Vec<_> = projects
        .into_iter()
        .map(|(project, services)| vec![project, services.len().to_string(), services.join(", ")])
        .collect();
    output.table(&["PROJECT", "SERVICES", "NAMES"], &rows);
    Ok(())
}

async fn services(context: &Context, project: &ProjectName) -> Outcome {
    let apps = members(context, project).await?;
    let output = &context.output;
    if output.json() {
        let items = apps.iter().map(|app| Listed {
            service: service(app),
            app: &app.name,
            status: app.status.as_str(),
            status_detail: &app.status_detail,
            replicas_healthy: app.replicas_healthy,
            replicas_wanted: app.replicas_wanted,
            url: Some(app.url.as_str()).filter(|url| !url.is_empty()),
            volumes: app.settings.volumes.values().map(|mount| mount.volume.as_str()).collect(),
        });
        output.document(&items.collect::<Vec<_>>());
        return Ok(());
    }
    if apps.is_empty() {
        output.note(format_args!("{project} has no services; hythe compose up {project}"));
        return Ok(());
    }
    let rows: Vec<_> = apps
        .iter()
        .map(|app| {
            let url = if app.url.is_empty() { "-".to_owned() } else { app.url.clone() };
            vec![
                service(app).to_owned(),
                app.name.clone(),
                format::status_of(output, app),
                format!("{}/{}", app.replicas_healthy, app.replicas_wanted),
                url,
            ]
        })
        .collect();
    output.table(&["SERVICE", "APP", "STATUS", "REPLICAS", "URL"], &rows);
    Ok(())
}

async fn down(context: &Context, project: &ProjectName, yes: bool) -> Outcome {
    let apps = members(context, project).await?;
    let output = &context.output;
    let names: Vec<&str> = apps.iter().map(|app| app.name.as_str()).collect();
    if !yes && !names.is_empty() {
        let stdin = std::io::stdin();
        let all = names.join(", ");
        if !stdin.is_terminal() {
            return Err(Failure::usage(format!("taking {project} down removes {all}"))
                .hint("give --yes to do it without being asked"));
        }
        output.note(format_args!("Remove {all}? For a day each can be restored; volumes stay."));
        output.note("Type the project's name:");
        let mut answer = String::new();
        stdin.read_line(&mut answer).map_err(|error| Failure::of(&error))?;
        if answer.trim() != project.as_str() {
            return Err(Failure::usage("that is not its name; nothing was removed"));
        }
    }
    for name in names.iter().copied() {
        context.client.delete(&["apps", name], &[]).await?;
    }
    if output.json() {
        output.document(&serde_json::json!({"project": project.as_str(), "removed": names}));
    } else if names.is_empty() {
        output.note(format_args!("{project} has no services"));
    } else {
        output.line(format_args!(
            "{} are removed; for a day: hythe app restore NAME. Their volumes stay, for the next \
             `hythe compose up {project}`",
            names.join(", ")
        ));
    }
    Ok(())
}
