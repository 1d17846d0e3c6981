//! `hythe project`.

use reqwest::Method;

use super::Context;
use super::args::ProjectCommand;
use super::client::Patience;
use super::failure::Outcome;
use super::format;
use crate::api::dto::{CreateProject, Project, ProjectList};

pub(super) async fn run(context: &Context, command: ProjectCommand) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    match command {
        ProjectCommand::Create { name } => {
            let body = CreateProject { name: name.to_string() };
            let project: Project =
                client.write(Method::POST, &["projects"], &body, Patience::OnceReached).await?;
            show(context, &project);
        }
        ProjectCommand::Ls(at) => {
            let list: ProjectList = client.get(&["projects"], &at.query()).await?;
            if output.json() {
                output.document(&list);
                return Ok(());
            }
            format::note_as_of(output, list.as_of);
            let rows: Vec<_> = list
                .items
                .iter()
                .map(|project| {
                    let created = project.created_at.map_or("-".into(), format::ago);
                    vec![project.name.clone(), project.apps.len().to_string(), created]
                })
                .collect();
            output.table(&["NAME", "APPS", "CREATED"], &rows);
        }
        ProjectCommand::Show { name, at } => {
            let project = client.get(&["projects", name.as_str()], &at.query()).await?;
            show(context, &project);
        }
        ProjectCommand::Rm { name } => {
            client.delete(&["projects", name.as_str()], &[]).await?;
            if output.json() {
                let removed = serde_json::json!({"project": name.as_str(), "removed": true});
                output.document(&removed);
            } else {
                output.line(format_args!("{name} is removed"));
            }
        }
    }
    Ok(())
}

fn show(context: &Context, project: &Project) {
    let output = &context.output;
    if output.json() {
        output.document(project);
        return;
    }
    let apps = if project.apps.is_empty() { "none".into() } else { project.apps.join(", ") };
    let mut rows = vec![("name", project.name.clone()), ("apps", apps)];
    if let Some(created_at) = project.created_at {
        rows.push(("created", format::ago(created_at)));
    }
    if let Some(as_of) = project.as_of {
        rows.insert(0, ("as of", format::as_of(as_of)));
    }
    for (title, value) in rows {
        output.line(format_args!("{title:<11} {value}"));
    }
}
