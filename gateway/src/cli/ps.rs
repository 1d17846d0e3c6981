//! `hythe ps` and `hythe worker`: what runs, and where.

use hythe_core::names::{AppName, WorkerName};
use hythe_core::process::WEB;
use serde::Serialize;

use super::args::AtArgs;
use super::failure::Outcome;
use super::{Context, app, format};
use crate::api::dto::{App, AppStatus, Replica, ReplicaList, Worker, WorkerList};

/// A replica with the app that it is of.
#[derive(Serialize)]
struct OfApp {
    app: String,
    #[serde(flatten)]
    replica: Replica,
}

pub(super) async fn replicas(context: &Context, name: Option<AppName>, at: &AtArgs) -> Outcome {
    let mut as_of = None;
    let apps: Vec<App> = match &name {
        Some(name) => vec![context.client.get(&["apps", name.as_str()], &at.query()).await?],
        None => {
            let apps;
            (apps, as_of) = app::all(&context.client, at).await?;
            apps
        }
    };
    let asleep = apps.iter().filter(|app| app.status == AppStatus::Asleep);
    let asleep: Vec<_> = asleep.map(|app| format!("{}: {}", app.name, app.status_detail)).collect();
    // Of one that was asked for: why nothing runs, where nothing does.
    let named = apps.iter().filter(|app| name.is_some() && app.status != AppStatus::Asleep);
    let named: Vec<_> = named.map(|app| format!("{}: {}", app.name, app.status_detail)).collect();
    let mut at = at.query();
    let mut found = Vec::new();
    for App { name: app, .. } in apps {
        if let Some(as_of) = as_of {
            // All of one moment, whatever happens meanwhile.
            at = vec![("at", as_of.sequence.to_string())];
        }
        let path = ["apps", app.as_str(), "replicas"];
        let list: ReplicaList = match context.client.get(&path, &at).await {
            Ok(list) => list,
            // All are asked for, and this one was removed since they were listed.
            Err(failure) if name.is_none() && failure.is_not_found() => continue,
            Err(failure) => return Err(failure),
        };
        as_of = list.as_of;
        found.extend(list.items.into_iter().map(|replica| OfApp { app: app.clone(), replica }));
    }
    let output = &context.output;
    if output.json() {
        output.document(&found);
        return Ok(());
    }
    format::note_as_of(output, as_of);
    if let Some(name) = &name {
        let app: App = context.client.get(&["apps", name.as_str()], &at).await?;
        for process in app.processes.iter().filter(|process| process.replicas_wanted == 0) {
            let process = &process.name;
            output.note(format_args!(
                "{process}: 0 replicas; for one: hythe scale {name} {process}=1"
            ));
        }
    }
    for line in &asleep {
        output.note(output.foreign(line));
    }
    if found.is_empty() && !asleep.is_empty() {
        return Ok(());
    }
    if found.is_empty() {
        output.note(if as_of.is_some() { "nothing was to run" } else { "nothing runs" });
        for line in &named {
            output.note(output.foreign(line));
        }
        return Ok(());
    }
    let rows: Vec<_> = found
        .iter()
        .map(|OfApp { app, replica }| {
            vec![
                format!("{app}/{}.{}", replica.deployment.number, name_of(replica)),
                format::replica_state(output, replica.state),
                replica.since.map_or("-".into(), format::ago),
                format::short(replica.deployment.commit.as_deref()),
                replica.worker.clone().unwrap_or_else(|| replica.worker_id.to_string()),
                format::or_dash(replica.endpoint.as_ref()),
                replica.restarts.to_string(),
                replica.detail.as_deref().map(|text| output.foreign(text)).unwrap_or_default(),
            ]
        })
        .collect();
    let heading =
        ["REPLICA", "STATE", "SINCE", "COMMIT", "WORKER", "ADDRESS", "RESTARTS", "DETAIL"];
    output.table(&heading, &rows);
    Ok(())
}

/// What names a replica within its deployment: web's by number alone.
fn name_of(replica: &Replica) -> String {
    let Replica { process, index, .. } = replica;
    if process == WEB { index.to_string() } else { format!("{process}.{index}") }
}

/// `hythe worker show`.
pub(super) async fn worker(context: &Context, name: &WorkerName, at: &AtArgs) -> Outcome {
    let path = ["workers", name.as_str()];
    let worker: Worker = context.client.get(&path, &at.query()).await?;
    let output = &context.output;
    if output.json() {
        output.document(&worker);
        return Ok(());
    }
    let mut rows = vec![
        ("name", worker.name.clone()),
        ("id", worker.id.to_string()),
        ("status", format::worker_status(output, worker.status)),
        ("cpus", cpus(&worker)),
        ("memory", format::bytes(worker.memory_bytes)),
        ("joined", format!("{} ({})", worker.joined_at, format::ago(worker.joined_at))),
    ];
    rows.extend(worker.detail.as_deref().map(|detail| ("", output.foreign(detail))));
    match worker.as_of {
        Some(as_of) => rows.insert(0, ("as of", format::as_of(as_of))),
        None => rows.extend([
            ("replicas", worker.replicas.to_string()),
            ("builds", builds(&worker)),
            ("engine", format::or_dash(worker.engine.as_ref())),
            ("seen", worker.seen_at.map_or("-".into(), format::ago)),
        ]),
    }
    rows.extend(worker.build_remarks.iter().map(|remark| ("remark", output.foreign(remark))));
    for (title, value) in rows {
        output.line(format_args!("{title:<11} {value}"));
    }
    Ok(())
}

fn builds(worker: &Worker) -> String {
    match worker.builds_at_once {
        Some(most) => format!("{} of {most} at once", worker.builds),
        None => worker.builds.to_string(),
    }
}

/// What is only seen, and not kept.
fn seen(worker: &Worker, count: u32) -> String {
    if worker.as_of.is_some() { "-".into() } else { count.to_string() }
}

fn cpus(worker: &Worker) -> String {
    format!("{}.{}", worker.cpu_millis / 1000, worker.cpu_millis % 1000 / 100)
}

pub(super) async fn workers(context: &Context, at: &AtArgs) -> Outcome {
    let list: WorkerList = context.client.get(&["workers"], &at.query()).await?;
    let output = &context.output;
    if output.json() {
        output.document(&list.items);
        return Ok(());
    }
    format::note_as_of(output, list.as_of);
    if list.items.is_empty() && list.as_of.is_some() {
        output.note("no worker had joined yet");
        return Ok(());
    }
    if list.items.is_empty() {
        output.note("no worker has joined yet; `hythe agent` (or `hythe up`) is one");
        return Ok(());
    }
    let rows: Vec<_> = list
        .items
        .iter()
        .map(|worker| {
            vec![
                worker.name.clone(),
                format::worker_status(output, worker.status),
                seen(worker, worker.replicas),
                seen(worker, worker.builds),
                cpus(worker),
                format::bytes(worker.memory_bytes),
                format::or_dash(worker.engine.as_ref()),
                worker.seen_at.map_or("-".into(), format::ago),
                worker.detail.as_deref().map(|text| output.foreign(text)).unwrap_or_default(),
            ]
        })
        .collect();
    output.table(
        &["NAME", "STATUS", "REPLICAS", "BUILDS", "CPUS", "MEMORY", "ENGINE", "SEEN", "DETAIL"],
        &rows,
    );
    Ok(())
}
