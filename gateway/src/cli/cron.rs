//! `hythe cron`: commands of an app that are run by a schedule.

use serde_json::json;

use super::args::{CronArgs, CronCommand, CronSetArgs};
use super::failure::Outcome;
use super::output::Output;
use super::{Context, format, run};
use crate::api::dto::{Cron, CronList, CronOverlap, CronRun, Run, SetCron};

pub(super) async fn cron(context: &Context, command: CronCommand) -> Outcome {
    let output = &context.output;
    match command {
        CronCommand::Set(args) => set(context, args).await,
        CronCommand::Ls { app } => {
            let list: CronList = context.client.get(&["apps", app.as_str(), "crons"], &[]).await?;
            show_all(&list, output);
            Ok(())
        }
        CronCommand::Show(CronArgs { app, name }) => {
            let path = ["apps", app.as_str(), "crons", name.as_str()];
            let job: Cron = context.client.get(&path, &[]).await?;
            show(&job, output);
            Ok(())
        }
        CronCommand::Run { which: CronArgs { app, name }, detach } => {
            let path = ["apps", app.as_str(), "crons", name.as_str(), "run"];
            let begun: Run = context.client.post(&path, &json!({})).await?;
            if detach {
                run::detached(context, &begun);
                return Ok(());
            }
            run::logs(context, begun.id).await
        }
        CronCommand::Pause(which) => paused(context, &which, "pause").await,
        CronCommand::Resume(which) => paused(context, &which, "resume").await,
        CronCommand::Rm(CronArgs { app, name }) => {
            let path = ["apps", app.as_str(), "crons", name.as_str()];
            context.client.delete(&path, &[]).await?;
            if output.json() {
                output.document(&json!({"app": app, "cron": name, "removed": true}));
            } else {
                output.line(format_args!("{name} is removed"));
            }
            Ok(())
        }
    }
}

async fn set(context: &Context, args: CronSetArgs) -> Outcome {
    let CronSetArgs { app, name, schedule, zone, timeout, overlap, paused, command } = args;
    let wanted = SetCron {
        schedule: schedule.to_string(),
        time_zone: zone.map(|zone| zone.to_string()),
        command,
        timeout_ms: timeout,
        overlap: overlap.into(),
        paused,
    };
    let job = put(context, app.as_str(), name.as_str(), &wanted).await?;
    told(&job, &context.output);
    Ok(())
}

/// Sets a cron job.
pub(super) async fn put(
    context: &Context,
    app: &str,
    name: &str,
    wanted: &SetCron,
) -> Outcome<Cron> {
    let path = ["apps", app, "crons", name];
    let patience = super::client::Patience::OnceReached;
    context.client.write(reqwest::Method::PUT, &path, wanted, patience).await
}

async fn paused(context: &Context, which: &CronArgs, what: &str) -> Outcome {
    let CronArgs { app, name } = which;
    let path = ["apps", app.as_str(), "crons", name.as_str(), what];
    let job: Cron = context.client.post(&path, &json!({})).await?;
    told(&job, &context.output);
    Ok(())
}

fn told(job: &Cron, output: &Output) {
    if output.json() {
        output.document(job);
    } else {
        output.line(format_args!("{}: {}", job.name, next(job)));
    }
}

fn next(job: &Cron) -> String {
    match (&job.waits, job.next_at) {
        (Some(why), _) => format!("not due: {why}"),
        (None, Some(at)) => format!("due next at {at}"),
        (None, None) => "never due".to_owned(),
    }
}

fn last(job: &Cron, output: &Output) -> String {
    match job.runs.first() {
        None => "-".to_owned(),
        Some(CronRun { end: None, begun_at, .. }) => {
            format!("runs since {}", format::ago(*begun_at))
        }
        Some(CronRun { end: Some(end), begun_at, .. }) => {
            format!("{}, {}", output.foreign(end), format::ago(*begun_at))
        }
    }
}

fn show_all(list: &CronList, output: &Output) {
    if output.json() {
        output.document(&list.items);
        return;
    }
    let row = |job: &Cron| {
        let when = format!("{} {}", job.schedule, job.time_zone);
        let next = match (&job.waits, job.next_at) {
            (Some(why), _) => why.clone(),
            (None, at) => format::or_dash(at),
        };
        let command = output.foreign(&job.command.join(" "));
        vec![job.name.clone(), when, next, last(job, output), command]
    };
    let rows: Vec<_> = list.items.iter().map(row).collect();
    output.table(&["JOB", "SCHEDULE", "NEXT", "LAST", "COMMAND"], &rows);
}

fn show(job: &Cron, output: &Output) {
    if output.json() {
        output.document(job);
        return;
    }
    let overlap = match job.overlap {
        CronOverlap::Skip => "the later one is left out",
        CronOverlap::Allow => "they run side by side",
        CronOverlap::Replace => "the earlier one is ended first",
    };
    for (what, value) in [
        ("job", job.name.clone()),
        ("schedule", format!("{} {}", job.schedule, job.time_zone)),
        ("command", output.foreign(&job.command.join(" "))),
        ("may take", format::span(job.timeout_ms)),
        ("where it runs still", overlap.to_owned()),
        ("next", next(job)),
    ] {
        output.line(format_args!("{what:<20} {value}"));
    }
    if let Some(skipped) = &job.skipped {
        let (first, last, why) = (skipped.first_at, skipped.last_at, output.foreign(&skipped.why));
        let when = if first == last { first.to_string() } else { format!("{first} to {last}") };
        output.line(format_args!("{:<20} {when}: {why}", "left out last"));
    }
    if job.runs.is_empty() {
        return;
    }
    output.line("");
    let rows: Vec<_> = job
        .runs
        .iter()
        .map(|run| {
            let due = run.due_at.map_or_else(|| "asked for".to_owned(), |at| at.to_string());
            let end =
                run.end.as_deref().map_or_else(|| "runs".to_owned(), |end| output.foreign(end));
            vec![run.id.to_string(), due, format::ago(run.begun_at), end]
        })
        .collect();
    output.table(&["RUN", "DUE", "BEGUN", "END"], &rows);
}
