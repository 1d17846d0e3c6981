//! `hythe ps` and `hythe worker`: what runs, and where.

use hythe_core::names::AppName;
use serde::Serialize;

use super::failure::Outcome;
use super::{Context, app, format};
use crate::api::dto::{Replica, ReplicaList, WorkerList};

/// A replica with the app that it is of.
#[derive(Serialize)]
struct OfApp {
    app: String,
    #[serde(flatten)]
    replica: Replica,
}

pub(super) async fn replicas(context: &Context, name: Option<AppName>) -> Outcome {
    let names = match &name {
        Some(name) => vec![name.to_string()],
        None => app::all(&context.client).await?.into_iter().map(|app| app.name).collect(),
    };
    let mut found = Vec::new();
    for app in names {
        let path = ["apps", app.as_str(), "replicas"];
        let list: ReplicaList = context.client.get(&path, &[]).await?;
        found.extend(list.items.into_iter().map(|replica| OfApp { app: app.clone(), replica }));
    }
    let output = &context.output;
    if output.json() {
        output.document(&found);
        return Ok(());
    }
    if found.is_empty() {
        output.note("nothing runs");
        return Ok(());
    }
    let rows: Vec<_> = found
        .iter()
        .map(|OfApp { app, replica }| {
            vec![
                format!("{app}/{}.{}", replica.deployment.number, replica.index),
                format::replica_state(output, replica.state),
                format::short(replica.deployment.commit.as_deref()),
                replica.worker.clone().unwrap_or_else(|| replica.worker_id.to_string()),
                format::or_dash(replica.endpoint.as_ref()),
                replica.restarts.to_string(),
                replica.detail.as_deref().map(|text| output.foreign(text)).unwrap_or_default(),
            ]
        })
        .collect();
    let heading = ["REPLICA", "STATE", "COMMIT", "WORKER", "ADDRESS", "RESTARTS", "DETAIL"];
    output.table(&heading, &rows);
    Ok(())
}

pub(super) async fn workers(context: &Context) -> Outcome {
    let list: WorkerList = context.client.get(&["workers"], &[]).await?;
    let output = &context.output;
    if output.json() {
        output.document(&list.items);
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
                worker.replicas.to_string(),
                worker.builds.to_string(),
                format!("{}.{}", worker.cpu_millis / 1000, worker.cpu_millis % 1000 / 100),
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
