//! `hythe process`: what runs of an app beside web.

use std::collections::BTreeMap;

use hythe_core::names::AppName;
use hythe_core::process::{ProcessName, WEB};
use serde_json::json;

use super::args::{ProcessCommand, ProcessSetArgs};
use super::failure::Outcome;
use super::{Context, app, format};
use crate::api::dto::{App, ProcessType, SetProcess, UpdateApp};

pub(super) async fn run(context: &Context, command: ProcessCommand) -> Outcome {
    match command {
        ProcessCommand::Set(args) => set(context, args).await,
        ProcessCommand::Ls { app } => list(context, &app).await,
        ProcessCommand::Rm { app, name } => {
            change(context, &app, &name, None).await?;
            if context.output.json() {
                context.output.document(&json!({"app": app, "process": name, "removed": true}));
            } else {
                context
                    .output
                    .line(format_args!("{name} goes with the next deployment: hythe deploy {app}"));
            }
            Ok(())
        }
    }
}

async fn set(context: &Context, args: ProcessSetArgs) -> Outcome {
    let ProcessSetArgs { app, name, replicas, memory, cpus, no_memory, no_cpus, command } = args;
    let wanted = SetProcess {
        command: (!command.is_empty()).then_some(command),
        replicas,
        memory_bytes: memory.map(Some).or(no_memory.then_some(None)),
        cpu_millis: cpus.map(Some).or(no_cpus.then_some(None)),
    };
    let now = change(context, &app, &name, Some(wanted)).await?;
    let output = &context.output;
    let Some(process) = now.settings.process_types.get(name.as_str()) else { return Ok(()) };
    if output.json() {
        output.document(process);
        return Ok(());
    }
    let line = described(process);
    output.line(format_args!("{name}: {}", output.foreign(&line)));
    output.note(format_args!("it holds from the next deployment on: hythe deploy {app}"));
    Ok(())
}

async fn change(
    context: &Context,
    app: &AppName,
    name: &ProcessName,
    wanted: Option<SetProcess>,
) -> Outcome<App> {
    let process_types = Some(BTreeMap::from([(name.to_string(), wanted)]));
    let change = UpdateApp { process_types, ..UpdateApp::default() };
    app::update(&context.client, app, &change).await
}

async fn list(context: &Context, name: &AppName) -> Outcome {
    let app: App = context.client.get(&["apps", name.as_str()], &[]).await?;
    let (output, settings) = (&context.output, &app.settings);
    if output.json() {
        output.document(&json!({
            "settings": settings.process_types,
            "running": app.processes,
        }));
        return Ok(());
    }
    let image = "the image's command".to_owned();
    let command = settings.command.as_ref().map_or(image, |command| command.join(" "));
    let web = vec![
        WEB.to_owned(),
        settings.replicas.to_string(),
        format!("{}/{}", app.replicas_healthy, app.replicas_wanted),
        format::bytes(settings.memory_bytes),
        output.foreign(&command),
    ];
    let others = settings.process_types.iter().map(|(name, process)| {
        let running = app.processes.iter().find(|one| one.name == *name);
        let memory = process.memory_bytes.unwrap_or(settings.memory_bytes);
        vec![
            name.clone(),
            process.replicas.to_string(),
            running.map_or("-".into(), |one| {
                format!("{}/{}", one.replicas_healthy, one.replicas_wanted)
            }),
            format::bytes(memory),
            output.foreign(&process.command.join(" ")),
        ]
    });
    let of_version = app.processes.iter();
    let of_version =
        of_version.filter(|one| !settings.process_types.contains_key(&one.name)).map(|one| {
            vec![
                one.name.clone(),
                one.replicas_wanted.to_string(),
                format!("{}/{}", one.replicas_healthy, one.replicas_wanted),
                format::bytes(settings.memory_bytes),
                "(as the live version has it)".to_owned(),
            ]
        });
    let rows: Vec<_> = std::iter::once(web).chain(others).chain(of_version).collect();
    output.table(&["PROCESS", "REPLICAS", "RUNNING", "MEMORY", "COMMAND"], &rows);
    Ok(())
}

/// A process in a line.
pub(super) fn described(process: &ProcessType) -> String {
    let ProcessType { command, replicas, memory_bytes, cpu_millis } = process;
    let memory = memory_bytes.map(|bytes| format!(", {} each", format::bytes(bytes)));
    let cpus = cpu_millis.map(|millis| format!(", {} CPUs each", format::cpus(millis)));
    let (memory, cpus) = (memory.unwrap_or_default(), cpus.unwrap_or_default());
    format!("{}, {replicas} of it{memory}{cpus}", command.join(" "))
}
