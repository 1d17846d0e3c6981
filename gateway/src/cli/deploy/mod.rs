//! `hythe deploy`, `rollback`, `redeploy` and `restart`: request, and waiting until it is live or has
//! ended otherwise.
//!
//! The deployment does not need this process: when it is interrupted, or the server restarts, the
//! deployment goes on. So waiting is reading, again and again, whatever answers.

pub(super) mod pack;
mod progress;
mod summary;
pub(super) mod upload;

use std::time::Duration;

use hythe_core::ids::DeploymentId;
use hythe_core::limits::CANARY_USUAL;
use reqwest::Method;
use tokio::time::{Instant, sleep};

use self::progress::Progress;
use super::args::{AgainArgs, DeployArgs, HealthArgs, HookArgs, RollbackArgs, WaitArgs};
use super::client::{Client, Patience};
use super::failure::{Exit, Failure, Outcome};
use super::logs::{Follow, gap};
use super::socket::follow;
use super::{Context, app, env};
use crate::api::dto::{
    App, CreateCanary, CreateDeployment, CreateRollback, Deployment, DeploymentStatus, LogItem,
    UpdateApp,
};

/// From one look at the deployment to the next, and while it may be over at any moment: a rollback takes a
/// quarter of a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOK_OFTEN: Duration = Duration::from_millis(50);
/// For how long it is looked at that often.
const OFTEN_FOR: Duration = Duration::from_secs(3);
/// How long the end of a build's log may take to arrive after the build has ended.
const LOG_WITHIN: Duration = Duration::from_secs(2);
/// Lines of the build's log on their way to the view.
const MOST_LINES: usize = 4096;

pub(super) async fn run(context: &Context, args: DeployArgs) -> Outcome {
    let variables = env::checked(&args.variables)?;
    // Before anything is changed: what cannot be packed is not deployed.
    let packed = match args.path() {
        Some(path) => Some(upload::packed(context, path).await?),
        None => None,
    };
    prepare(&context.client, &args).await?;
    if !variables.is_empty() {
        env::change(&context.client, &args.name, &variables, &[]).await?;
    }
    let upload = match packed {
        Some(packed) => Some(upload::sent(context, packed).await?.to_string()),
        None => None,
    };
    let request = CreateDeployment {
        upload,
        image: args.settings.image.as_ref().map(ToString::to_string),
        repository: args.settings.repo.as_ref().map(ToString::to_string),
        branch: args.settings.branch.as_ref().map(ToString::to_string),
        tag: args.settings.tag.as_ref().map(ToString::to_string),
        commit: args.settings.commit.as_ref().map(ToString::to_string),
        dockerfile: args.settings.build.dockerfile.as_ref().map(ToString::to_string),
        port: args.settings.port,
        no_cache: args.no_cache.then_some(true),
        canary: args.canary.map(|weight| CreateCanary {
            percent: weight.percent(),
            within_ms: args.canary_for.unwrap_or(CANARY_USUAL.0),
        }),
    };
    let path = ["apps", args.name.as_str(), "deployments"];
    let deployment: Deployment =
        context.client.write(Method::POST, &path, &request, Patience::Always).await?;
    see_through(context, deployment, args.waiting).await
}

/// `hythe rollback`.
pub(super) async fn rollback(context: &Context, args: RollbackArgs) -> Outcome {
    let RollbackArgs { name, to, keep_settings, waiting } = args;
    let request = CreateRollback { to: to.map(|to| to.0), keep_settings };
    let path = ["apps", name.as_str(), "rollback"];
    let deployment: Deployment =
        context.client.write(Method::POST, &path, &request, Patience::OnceReached).await?;
    if let Some(number) = deployment.takes_over.as_ref().and_then(|of| of.number) {
        context.output.note(format_args!("{name} goes back to #{number}"));
    }
    see_through(context, deployment, waiting).await
}

/// `hythe redeploy` and `hythe restart`.
pub(super) async fn again(context: &Context, args: AgainArgs, what: &str) -> Outcome {
    let path = ["apps", args.name.as_str(), what];
    let deployment = context.client.post(&path, &serde_json::json!({})).await?;
    see_through(context, deployment, args.waiting).await
}

/// Waits, unless nobody wants to, and says how it ended.
async fn see_through(context: &Context, deployment: Deployment, waiting: WaitArgs) -> Outcome {
    if waiting.detach {
        summary::detached(&context.output, &deployment);
        return Ok(());
    }
    let deployment = wait(context, deployment).await?;
    summary::ended(&context.output, &deployment);
    if deployment.status == DeploymentStatus::Live || deployment.canary_percent.is_some() {
        Ok(())
    } else {
        Err(Failure::silent(Exit::Failed))
    }
}

/// Makes the app, or changes what the deployment's own request cannot say.
async fn prepare(client: &Client, args: &DeployArgs) -> Outcome {
    let name = args.name.as_str();
    let settings = &args.settings;
    let from = args.path().is_some() || settings.image.is_some() || settings.repo.is_some();
    let there: Outcome<App> = client.get(&["apps", name], &[]).await;
    match there {
        Ok(app) => {
            let set = &app.settings;
            if !from && set.repository.is_none() && set.upload.is_none() && set.image.is_none() {
                return Err(Failure::usage(format!("{name} has no source yet")).hint(format!(
                    "say where its source is: hythe deploy {name} --repo URL; or send a folder: \
                     hythe deploy {name} DIR"
                )));
            }
        }
        Err(failure) if failure.problem.as_deref() == Some("not-found") => {
            if !from {
                // Which one was meant, or that it was removed and can be had back, the server says.
                return Err(Failure::usage(failure.message).hint(format!(
                    "create it with: hythe deploy {name} --repo URL; or of a folder: hythe deploy \
                     {name} DIR"
                )));
            }
            let (health, hooks) = (HealthArgs::default(), HookArgs::default());
            match app::create(client, &args.name, settings, &health, &hooks, false).await {
                Ok(_) => return Ok(()),
                // Somebody else was faster: then it is there, which is all that is wanted.
                Err(failure) if failure.problem.as_deref() == Some("exists") => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(failure) => return Err(failure),
    }
    let change = UpdateApp {
        project: settings.project.as_ref().map(ToString::to_string),
        replicas: settings.replicas,
        memory_bytes: settings.resources.memory,
        cpu_millis: settings.resources.cpus,
        processes: settings.resources.pids,
        health_path: settings.health_path.as_ref().map(|path| Some(path.to_string())),
        // The deployment's own request says which Dockerfile.
        dockerfile: None,
        ..settings.build.change()
    };
    if change != UpdateApp::default() {
        app::update(client, &args.name, &change).await?;
    }
    Ok(())
}

/// Looks until nothing more happens by itself, and shows what happens meanwhile.
pub(super) async fn wait(context: &Context, mut deployment: Deployment) -> Outcome<Deployment> {
    let id = deployment.id.to_string();
    let mut progress = Progress::new(&context.output, &deployment);
    let (lines, mut said) = tokio::sync::mpsc::channel(MOST_LINES);
    let log = tokio::spawn(read_log(context.client.clone(), deployment.id, lines));
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let begun = Instant::now();
    // Kept while lines come in: a chatty build must not put off the next look for ever.
    let mut next = Box::pin(look(&context.client, &id, begun));
    while !deployment.settled && deployment.canary_percent.is_none() {
        progress.look(&deployment);
        tokio::select! {
            Some(line) = said.recv() => progress.line(&line),
            signal = &mut interrupted => {
                progress.finish();
                log.abort();
                return Err(match signal {
                    Ok(()) => summary::interrupted(&context.output, &deployment),
                    Err(error) => Failure::of(&error),
                });
            }
            looked = &mut next => match looked {
                Ok(looked) => {
                    deployment = looked;
                    next = Box::pin(look(&context.client, &id, begun));
                }
                Err(failure) => {
                    progress.finish();
                    log.abort();
                    let (status, id) = (deployment.status, deployment.id);
                    if let Some(note) = summary::out_of_sight(&failure, status, id) {
                        context.output.note(note);
                    }
                    return Err(failure);
                }
            }
        }
    }
    let rest = async {
        while let Some(line) = said.recv().await {
            progress.line(&line);
        }
    };
    // Without the rest of the log the deployment is over all the same.
    tokio::time::timeout(LOG_WITHIN, rest).await.ok();
    log.abort();
    progress.look(&deployment);
    progress.finish();
    Ok(deployment)
}

async fn look(client: &Client, id: &str, begun: Instant) -> Outcome<Deployment> {
    sleep(if begun.elapsed() < OFTEN_FOR { LOOK_OFTEN } else { LOOK_EVERY }).await;
    client.get_patiently(&["deployments", id]).await
}

/// Hands on the lines of the build's log until it ends. That there is no log is not worth a word:
/// how the deployment goes is known without it.
async fn read_log(client: Client, id: DeploymentId, lines: tokio::sync::mpsc::Sender<String>) {
    let text = id.to_string();
    let mut stream = Follow {
        of_build: Some(id),
        cursor: None,
        tail: None,
        access: false,
        tell: None,
        item: |item: &LogItem| {
            let line = match item {
                LogItem::Line { text, .. } => text.clone(),
                LogItem::Gap { lost } => gap(*lost),
                LogItem::Note { text, .. } => format!("({text})"),
                LogItem::End { .. } | LogItem::Access { .. } => return,
            };
            // A view that cannot keep up shows less.
            lines.try_send(line).ok();
        },
    };
    follow(&client, &["deployments", &text, "logs"], &mut stream).await.ok();
}
