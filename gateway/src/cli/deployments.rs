//! `hythe deployments` and `hythe cancel`.

use hythe_core::names::AppName;
use reqwest::Method;

use super::Context;
use super::args::{DeploymentsCommand, Which};
use super::client::{Client, Patience};
use super::failure::{Failure, Outcome};
use super::format;
use super::output::{Output, Tone};
use crate::api::dto::{Deployment, DeploymentPage, DeploymentStatus};

pub(super) async fn run(context: &Context, command: DeploymentsCommand) -> Outcome {
    match command {
        DeploymentsCommand::Ls { name, limit } => list(context, &name, limit).await,
        DeploymentsCommand::Show { which } => {
            let deployment = find(&context.client, &which).await?;
            if context.output.json() {
                context.output.document(&deployment);
            } else {
                show(&context.output, &deployment);
            }
            Ok(())
        }
    }
}

/// The deployment that is meant.
pub(super) async fn find(client: &Client, which: &Which) -> Outcome<Deployment> {
    match which {
        Which::Deployment(id) => client.get(&["deployments", &id.to_string()], &[]).await,
        Which::NewestOf(name) => newest(client, name).await?.ok_or_else(|| {
            Failure::failed(format!("{name} was never deployed"))
                .hint(format!("deploy it with: hythe deploy {name}"))
        }),
    }
}

/// The newest deployment of an app.
pub(super) async fn newest(client: &Client, name: &AppName) -> Outcome<Option<Deployment>> {
    let path = ["apps", name.as_str(), "deployments"];
    let page: DeploymentPage = client.get(&path, &[("limit", "1".into())]).await?;
    Ok(page.items.into_iter().next())
}

async fn list(context: &Context, name: &AppName, limit: u32) -> Outcome {
    let path = ["apps", name.as_str(), "deployments"];
    let query = [("limit", limit.to_string())];
    let page: DeploymentPage = context.client.get(&path, &query).await?;
    let output = &context.output;
    if output.json() {
        output.document(&page.items);
        return Ok(());
    }
    if page.items.is_empty() {
        output.note(format_args!("{name} was never deployed; deploy it with: hythe deploy {name}"));
        return Ok(());
    }
    let rows: Vec<_> = page
        .items
        .iter()
        .map(|deployment| {
            vec![
                deployment.number.to_string(),
                format::deployment_status(output, deployment.status),
                format::short(deployment.commit.as_deref()),
                deployment.durations_ms.total.map_or("-".into(), format::span),
                format::ago(deployment.created_at),
                deployment.id.to_string(),
            ]
        })
        .collect();
    output.table(&["NUMBER", "STATUS", "COMMIT", "TOOK", "REQUESTED", "ID"], &rows);
    Ok(())
}

fn show(output: &Output, deployment: &Deployment) {
    let mut rows = vec![
        ("app", format!("{} #{}", deployment.app.name, deployment.number)),
        ("id", deployment.id.to_string()),
        ("status", format::deployment_status(output, deployment.status)),
        ("url", deployment.url.clone()),
        ("repository", deployment.source.repository.clone()),
        ("commit", format::or_dash(deployment.commit.as_ref())),
        ("image", format::or_dash(deployment.image.as_ref())),
        ("replicas", deployment.replicas.to_string()),
        ("requested", format!("{} by {}", deployment.created_at, deployment.requested_by)),
    ];
    if let Some(what) = &deployment.waiting_for {
        rows.push(("waits for", output.foreign(what)));
    }
    for (title, value) in rows {
        output.line(format_args!("{title:<11} {value}"));
    }
    for entry in &deployment.stages {
        let took = entry.duration_ms.map_or(String::new(), format::span);
        output.line(format_args!(
            "  {:<10} {} {took}",
            entry.stage.as_str(),
            output.tone(Tone::Faint, entry.at)
        ));
    }
    if let Some(failure) = &deployment.failure {
        output.line(format_args!(
            "failed in {}: {}",
            failure.stage.as_str(),
            output.foreign(&failure.message)
        ));
        for line in &failure.log {
            output.line(format_args!("  | {}", output.foreign(line)));
        }
    }
}

/// `hythe cancel`.
pub(super) async fn cancel(context: &Context, which: Which) -> Outcome {
    let deployment = find(&context.client, &which).await?;
    if deployment.settled {
        return Err(over(&deployment));
    }
    let id = deployment.id.to_string();
    let path = ["deployments", id.as_str(), "cancel"];
    let body = serde_json::json!({});
    let after: Deployment =
        context.client.write(Method::POST, &path, &body, Patience::OnceReached).await?;
    let output = &context.output;
    if output.json() {
        output.document(&after);
    } else {
        output.line(format_args!(
            "{} #{}: {}",
            after.app.name,
            after.number,
            format::deployment_status(output, after.status)
        ));
    }
    if after.status == DeploymentStatus::Live {
        return Err(over(&after));
    }
    Ok(())
}

fn over(deployment: &Deployment) -> Failure {
    let (name, number) = (&deployment.app.name, deployment.number);
    let status = deployment.status.as_str();
    Failure::failed(format!("{name} #{number} is {status}: there is nothing to cancel any more"))
}
