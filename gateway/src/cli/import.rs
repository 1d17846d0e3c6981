//! `hythe import`: what a folder still says to where its app ran before, and what that is here.

use std::collections::BTreeMap;

use hythe_actors::build::read_texts;
use hythe_core::detect::{SETTINGS_FILE, wanted};
use hythe_core::import::{self, AppWishes, BuildWishes, CronWish, FILES, Imported, ProcessWish};
use hythe_core::names::{AppName, EnvName, EnvValue};
use hythe_core::source::BuildSettings;
use reqwest::Method;

use super::args::ImportArgs;
use super::client::Patience;
use super::failure::{Failure, Outcome};
use super::output::{Output, Tone};
use super::{Context, app, cron, detect, env, init};
use crate::api::dto::{App, CronOverlap, HealthProbe, SetCron, SetProcess, UpdateApp};

/// What was found, and the settings file that was written for it.
struct Taking {
    imported: Imported,
    wrote: Option<String>,
}

/// Shows, and writes the settings file where that is wanted.
pub(super) async fn offline(args: ImportArgs, output: &Output) -> Outcome {
    let folder = args.folder.display().to_string();
    let wanted = args.write;
    let taking = take(args).await?;
    show(&taking, output);
    if output.json() {
        return Ok(());
    }
    let Imported { build, app, env, .. } = &taking.imported;
    let settings = *app != AppWishes::default() || !env.is_empty();
    if *build != BuildWishes::default() && !wanted {
        output.note(format_args!(
            "how it is built goes into hythe.toml: hythe import {folder} --write"
        ));
    }
    if settings {
        output.note(format_args!("how it runs goes to an app: hythe import {folder} --app APP"));
    }
    Ok(())
}

/// The same, and changes an app.
pub(super) async fn online(context: &Context, args: ImportArgs, name: &AppName) -> Outcome {
    let taking = take(args).await?;
    let Imported { app: wishes, env: variables, .. } = &taking.imported;
    // Looked at before anything is changed.
    let variables = variables.iter().map(|(name, value)| {
        let name = EnvName::new(name.as_str());
        let name = name.map_err(|error| Failure::failed(format!("a variable's name {error}")))?;
        let value = EnvValue::new(value.as_str())
            .map_err(|error| Failure::failed(format!("the value of {name} {error}")))?;
        Ok((name, value))
    });
    let variables = variables.collect::<Outcome<env::Variables>>()?;
    let client = &context.client;
    let there: Outcome<App> = client.get(&["apps", name.as_str()], &[]).await;
    match there {
        Ok(_) => {}
        Err(failure) if failure.problem.as_deref() == Some("not-found") => {
            let body = serde_json::json!({ "name": name });
            let made: Outcome<App> =
                client.write(Method::POST, &["apps"], &body, Patience::OnceReached).await;
            match made {
                Ok(_) => {}
                // Somebody else was faster.
                Err(failure) if failure.problem.as_deref() == Some("exists") => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(failure) => return Err(failure),
    }
    let change = change(wishes);
    if change != UpdateApp::default() {
        app::update(client, name, &change).await?;
    }
    if !variables.is_empty() {
        env::change(client, name, &variables, &[]).await?;
    }
    for (job, CronWish { schedule, command }) in &wishes.crons {
        let wanted = SetCron {
            schedule: schedule.clone(),
            time_zone: None,
            command: command.clone(),
            timeout_ms: None,
            overlap: CronOverlap::default(),
            paused: false,
        };
        cron::put(context, name.as_str(), job, &wanted).await?;
    }
    show(&taking, &context.output);
    if !context.output.json() {
        context.output.note(format_args!(
            "{name} is set so from its next deployment on: hythe deploy {name} --repo URL"
        ));
    }
    Ok(())
}

async fn take(args: ImportArgs) -> Outcome<Taking> {
    let looking = tokio::task::spawn_blocking(move || {
        let files = detect::list(&args.folder)?;
        let texts = read_texts(&args.folder, &import::wanted(&files));
        let imported = import::import(&texts, args.service.as_deref());
        if imported.taken.is_empty() && imported.left.is_empty() {
            let shown = args.folder.display();
            return Err(Failure::failed(format!("there is nothing to take over in {shown}"))
                .hint(format!("looked for: {}", FILES.join(", "))));
        }
        let mut wrote = None;
        if args.write && imported.build != BuildWishes::default() {
            let path = args.folder.join(SETTINGS_FILE);
            let texts = read_texts(&args.folder, &wanted(&files, &BuildSettings::default()));
            let (text, _) =
                init::settings(&files, &texts, &imported.build, &imported.app.processes)?;
            init::write(&path, &text, false)?;
            wrote = Some(path.display().to_string());
        }
        Ok(Taking { imported, wrote })
    });
    looking.await.map_err(|error| Failure::failed(error.to_string()))?
}

/// As the API takes it.
fn change(wishes: &AppWishes) -> UpdateApp {
    let AppWishes {
        repository,
        branch,
        context,
        target,
        args,
        port,
        replicas,
        memory_bytes,
        cpu_millis,
        command,
        release_command,
        post_deploy_command,
        processes,
        crons: _,
        health_path,
        health_command,
        health_tcp,
        health_interval_ms,
        health_timeout_ms,
        health_retries,
        health_start_within_ms,
        stop_within_ms,
    } = wishes.clone();
    // The one that says most.
    let health = match (health_path, health_command, health_tcp) {
        (Some(path), _, _) => Some(HealthProbe::Http { path, statuses: None }),
        (None, Some(command), _) => Some(HealthProbe::Command { command }),
        (None, None, Some(true)) => Some(HealthProbe::Tcp {}),
        (None, None, Some(false) | None) => None,
    };
    let process_types = processes.into_iter().map(|(name, wish)| {
        let ProcessWish { command, replicas } = wish;
        (name, Some(SetProcess { command, replicas, ..SetProcess::default() }))
    });
    let process_types: BTreeMap<_, _> = process_types.collect();
    UpdateApp {
        repository,
        branch: branch.map(Some),
        build_context: context.map(Some),
        build_target: target.map(Some),
        build_args: (!args.is_empty()).then_some(args),
        port: port.map(Some),
        replicas,
        memory_bytes,
        cpu_millis,
        command: command.map(Some),
        release_command: release_command.map(Some),
        post_deploy_command: post_deploy_command.map(Some),
        process_types: (!process_types.is_empty()).then_some(process_types),
        health: health.map(Some),
        health_interval_ms: health_interval_ms.map(Some),
        health_timeout_ms: health_timeout_ms.map(Some),
        health_retries: health_retries.map(Some),
        health_start_within_ms: health_start_within_ms.map(Some),
        stop_within_ms,
        ..UpdateApp::default()
    }
}

fn show(taking: &Taking, output: &Output) {
    let Taking { imported, wrote } = taking;
    if output.json() {
        let mut document = serde_json::json!(imported);
        document["wrote"] = serde_json::json!(wrote);
        output.document(&document);
        return;
    }
    let row = |tone, file: &str, key: &str, text: &str| {
        let place = format!("{file} {key}");
        let place = output.foreign(place.trim());
        output.line(format_args!("  {place:<44} {}", output.tone(tone, output.foreign(text))));
    };
    if !imported.taken.is_empty() {
        output.line("taken over:");
    }
    for taken in &imported.taken {
        row(Tone::Good, &taken.file, &taken.key, &taken.means);
    }
    if !imported.left.is_empty() {
        output.line("not taken over:");
    }
    for left in &imported.left {
        row(Tone::Busy, &left.file, &left.key, &left.why);
    }
    if let Some(wrote) = wrote {
        output.line(format_args!("wrote {wrote}"));
    }
}
