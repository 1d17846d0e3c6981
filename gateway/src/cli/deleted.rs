//! `hythe app rm` and `hythe app ls --deleted`.

use std::io::{BufRead, IsTerminal};

use super::Context;
use super::failure::{Failure, Outcome};
use crate::api::dto::{App, DeletedApp, DeletedAppList, EnvList};

/// `hythe app rm`.
pub(super) async fn remove(context: &Context, which: &str, now: bool, yes: bool) -> Outcome {
    // Whether it is there is asked first: a question about nothing is a strange one.
    let (name, parts) = match context.client.get::<App>(&["apps", which], &[]).await {
        Ok(app) => {
            let parts = parts(context, &app).await?;
            (app.name, parts)
        }
        Err(missing) if now => match deleted(context, which).await? {
            Some(app) => (app.name, "which was removed before".to_owned()),
            None => return Err(missing),
        },
        Err(missing) => return Err(missing),
    };
    let output = &context.output;
    if !yes {
        confirm(context, &name, &parts, now)?;
    }
    let query: &[(&str, String)] = if now { &[("now", "true".to_owned())] } else { &[] };
    context.client.delete(&["apps", which], query).await?;
    if output.json() {
        output.document(&serde_json::json!({"app": name, "removed": true, "restorable": !now}));
    } else if now {
        output.line(format_args!("{name} is removed for good"));
    } else {
        output.line(format_args!("{name} is removed; for a day: hythe app restore {name}"));
    }
    Ok(())
}

/// What goes with it, in words.
async fn parts(context: &Context, app: &App) -> Outcome<String> {
    let env: EnvList = context.client.get(&["apps", &app.name, "env"], &[]).await?;
    let count =
        |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let mut parts = vec![
        count(u64::from(app.replicas_wanted), "replica"),
        count(app.deployments, "deployment"),
        count(env.items.len() as u64, "variable"),
    ];
    if !app.settings.domains.is_empty() {
        parts.push(format!("the domains {}", app.settings.domains.join(", ")));
    }
    Ok(format!("with {}", parts.join(", ")))
}

fn confirm(context: &Context, name: &str, parts: &str, now: bool) -> Outcome {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::usage(format!("removing {name} stops it"))
            .hint("give --yes to do it without being asked"));
    }
    let after = if now {
        "It goes for good".to_owned()
    } else {
        format!("For a day it can be restored: hythe app restore {name}")
    };
    let output = &context.output;
    output.note(format_args!("Remove {name}, {}? {after}.", output.foreign(parts)));
    output.note("Type its name:");
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(|e| Failure::of(&e))?;
    if answer.trim() == name { Ok(()) } else { Err(Failure::failed("nothing was removed")) }
}

async fn all(context: &Context) -> Outcome<Vec<DeletedApp>> {
    let list: DeletedAppList = context.client.get(&["deleted-apps"], &[]).await?;
    Ok(list.items)
}

async fn deleted(context: &Context, which: &str) -> Outcome<Option<DeletedApp>> {
    let all = all(context).await?;
    Ok(all.into_iter().find(|app| app.name == which || app.id.to_string() == which))
}

/// `hythe app ls --deleted`.
pub(super) async fn list(context: &Context) -> Outcome {
    let apps = all(context).await?;
    let output = &context.output;
    if output.json() {
        output.document(&apps);
        return Ok(());
    }
    if apps.is_empty() {
        output.note("no app can be restored: what is removed can be for a day");
        return Ok(());
    }
    let rows: Vec<_> = apps
        .iter()
        .map(|app| {
            let deployments = app.deployments.to_string();
            vec![app.name.clone(), app.id.to_string(), deployments, app.until.to_string()]
        })
        .collect();
    output.table(&["NAME", "ID", "DEPLOYMENTS", "GONE FOR GOOD AT"], &rows);
    Ok(())
}
