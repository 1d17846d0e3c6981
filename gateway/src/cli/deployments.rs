//! `hythe deployments` and `hythe cancel`.

use hythe_core::names::AppName;
use reqwest::Method;

use super::Context;
use super::args::{AtArgs, DeploymentsCommand, Which};
use super::client::{Client, Patience};
use super::failure::{Failure, Outcome};
use super::format;
use super::output::{Output, Tone};
use crate::api::dto::{Deployment, DeploymentPage, DeploymentStatus};

/// `sha256:` and enough of a digest.
const SHORT_DIGEST: usize = 17;
/// How many deployments one page has, where one is looked for.
const PAGE: u32 = 200;
/// How many pages are read at the most.
const MOST_PAGES: usize = 500;

pub(super) async fn run(context: &Context, command: DeploymentsCommand) -> Outcome {
    match command {
        DeploymentsCommand::Ls { name, limit, at } => list(context, &name, limit, &at).await,
        DeploymentsCommand::Show { which, at } => {
            let deployment = find_then(&context.client, &which, &at).await?;
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
    find_then(client, which, &AtArgs::default()).await
}

async fn find_then(client: &Client, which: &Which, at: &AtArgs) -> Outcome<Deployment> {
    match which {
        Which::Deployment(id) => client.get(&["deployments", &id.to_string()], &at.query()).await,
        Which::NewestOf(name) => newest_then(client, name, at).await?.ok_or_else(|| {
            let failure = Failure::failed(format!("{name} was never deployed"));
            match at.at {
                Some(_) => Failure::failed(format!("{name} had not been deployed yet")),
                None => failure.hint(format!("deploy it with: hythe deploy {name}")),
            }
        }),
    }
}

/// The newest deployment of an app.
pub(super) async fn newest(client: &Client, name: &AppName) -> Outcome<Option<Deployment>> {
    newest_then(client, name, &AtArgs::default()).await
}

/// A deployment of an app, by its number.
pub(super) async fn numbered(client: &Client, name: &AppName, number: u64) -> Outcome<Deployment> {
    let path = ["apps", name.as_str(), "deployments"];
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page: DeploymentPage = client.get(&path, &query).await?;
        // The newest come first.
        let older = page.items.iter().any(|one| one.number < number);
        if let Some(found) = page.items.into_iter().find(|one| one.number == number) {
            return Ok(found);
        }
        cursor = page.next;
        if older || cursor.is_none() {
            break;
        }
    }
    Err(Failure::failed(format!("{name} has no deployment #{number}, or it was let go long ago"))
        .hint(format!("which there are: hythe deployments ls {name}")))
}

async fn newest_then(client: &Client, name: &AppName, at: &AtArgs) -> Outcome<Option<Deployment>> {
    let path = ["apps", name.as_str(), "deployments"];
    let mut query = at.query();
    query.push(("limit", "1".into()));
    let page: DeploymentPage = client.get(&path, &query).await?;
    let mut newest = page.items.into_iter().next();
    if let Some(newest) = &mut newest {
        newest.as_of = page.as_of;
    }
    Ok(newest)
}

async fn list(context: &Context, name: &AppName, limit: u32, at: &AtArgs) -> Outcome {
    let path = ["apps", name.as_str(), "deployments"];
    let mut query = at.query();
    query.push(("limit", limit.to_string()));
    let page: DeploymentPage = context.client.get(&path, &query).await?;
    let output = &context.output;
    if output.json() {
        output.document(&page.items);
        return Ok(());
    }
    format::note_as_of(output, page.as_of);
    if page.items.is_empty() && page.as_of.is_some() {
        output.note(format_args!("{name} had not been deployed yet"));
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
                version(deployment),
                deployment.durations_ms.total.map_or("-".into(), format::span),
                format::ago(deployment.created_at),
                deployment.id.to_string(),
            ]
        })
        .collect();
    output.table(&["NUMBER", "STATUS", "VERSION", "TOOK", "REQUESTED", "ID"], &rows);
    for deployment in &page.items {
        if let Some(waits) = waits(output, deployment) {
            output.note(format_args!("#{} waits for {waits}", deployment.number));
        }
    }
    Ok(())
}

/// What tells a version from others, in short.
fn version(deployment: &Deployment) -> String {
    let source = &deployment.source;
    match (&source.upload, &source.image) {
        // What was pushed is known by its commit.
        (Some(_), _) if source.commit.is_some() => format::short(deployment.commit.as_deref()),
        (Some(upload), _) => upload.chars().take(SHORT_DIGEST).collect(),
        (None, Some(_)) => match &source.digest {
            Some(digest) => digest.chars().take(SHORT_DIGEST).collect(),
            None => "-".into(),
        },
        (None, None) => format::short(deployment.commit.as_deref()),
    }
}

/// What it waits for, and until when at the most.
fn waits(output: &Output, deployment: &Deployment) -> Option<String> {
    let what = output.foreign(deployment.waiting_for.as_deref()?);
    Some(match deployment.waiting_until {
        Some(until) => format!("{what}, until {until} at the most"),
        None => what,
    })
}

fn show(output: &Output, deployment: &Deployment) {
    let mut rows = vec![
        ("app", format!("{} #{}", deployment.app.name, deployment.number)),
        ("id", deployment.id.to_string()),
        ("status", format::deployment_status(output, deployment.status)),
        ("url", deployment.url.clone()),
        match &deployment.site {
            Some(site) => ("static site", format!("{} files, {} bytes", site.files, site.bytes)),
            None => ("image", format::or_dash(deployment.image.as_ref())),
        },
        ("replicas", deployment.site.as_ref().map_or(deployment.replicas, |_| 0).to_string()),
        ("requested", format!("{} by {}", deployment.created_at, deployment.requested_by)),
    ];
    let source = &deployment.source;
    let made_from = match (&source.upload, &source.image) {
        (Some(_), _) if source.commit.is_some() => vec![
            ("pushed", format::or_dash(source.branch.as_ref())),
            ("commit", format::or_dash(deployment.commit.as_ref())),
        ],
        (Some(upload), _) => vec![("upload", upload.clone())],
        (None, Some(image)) => {
            let digest = ("digest", format::or_dash(source.digest.as_ref()));
            vec![("pulled", image.clone()), digest]
        }
        (None, None) => vec![
            ("repository", format::or_dash(source.repository.as_ref())),
            ("commit", format::or_dash(deployment.commit.as_ref())),
        ],
    };
    drop(rows.splice(4..4, made_from));
    if let Some(of) = &deployment.takes_over {
        let which = of.number.map_or(of.deployment.to_string(), |number| format!("#{number}"));
        let rebuilt = if of.rebuilt { ", whose image was gone: built again" } else { "" };
        rows.push(("takes over", format!("{which}{rebuilt}")));
    }
    if let Some(as_of) = deployment.as_of {
        rows.insert(0, ("as of", format::as_of(as_of)));
    }
    if let Some(waits) = waits(output, deployment) {
        rows.push(("waits for", waits));
    }
    if let Some(post_deploy) = &deployment.post_deploy {
        let (command, status) = (post_deploy.command.join(" "), post_deploy.status.as_str());
        rows.push((
            "post-deploy",
            format!("{}: {}", status.replace('_', " "), output.foreign(&command)),
        ));
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
    let failed =
        deployment.post_deploy.as_ref().and_then(|hook| Some((hook, hook.message.as_ref()?)));
    if let Some((post_deploy, message)) = failed {
        output.line(format_args!("the version stays, but {}", output.foreign(message)));
        for line in &post_deploy.log {
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
    // It was faster. That is a failure, and all that is said: there is one document.
    if after.status == DeploymentStatus::Live {
        return Err(over(&after));
    }
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
    Ok(())
}

fn over(deployment: &Deployment) -> Failure {
    let (name, number) = (&deployment.app.name, deployment.number);
    let status = deployment.status.as_str();
    Failure::failed(format!("{name} #{number} is {status}: there is nothing to cancel any more"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_waits_says_for_what_and_how_long() {
        let id = "019eb2a4-5f00-7c11-9d3c-000000000002";
        let mut deployment: Deployment = serde_json::from_value(json!({
            "id": id, "app": {"id": id, "name": "shop"}, "number": 2, "status": "queued",
            "settled": false, "waiting_for": "a builder\u{1b}[2J", "source": {}, "replicas": 1,
            "process_types": {}, "url": "", "stages": [], "durations_ms": {},
            "requested_by": "owner", "created_at": "2026-11-21T09:30:00.250Z",
        }))
        .unwrap();
        let output = Output::new(true);
        assert_eq!(waits(&output, &deployment).unwrap(), "a builder[2J");
        deployment.waiting_until = Some("2026-11-21T10:00:00Z".parse().unwrap());
        let said = waits(&output, &deployment).unwrap();
        assert_eq!(said, "a builder[2J, until 2026-11-21T10:00:00.000Z at the most");
        deployment.waiting_for = None;
        assert_eq!(waits(&output, &deployment), None);
    }
}
