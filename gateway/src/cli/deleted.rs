//! `hythe app rm` and `hythe app ls --deleted`.

use std::fmt;
use std::io::{BufRead, IsTerminal};

use super::Context;
use super::failure::{Failure, Outcome};
use crate::api::dto::{App, CronList, DeletedApp, DeletedAppList, EnvList, PreviewList, SourceKey};

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
    let client = &context.client;
    let env: EnvList = client.get(&["apps", &app.name, "env"], &[]).await?;
    let crons: CronList = client.get(&["apps", &app.name, "crons"], &[]).await?;
    let previews: PreviewList = client.get(&["apps", &app.name, "previews"], &[]).await?;
    let key = match client.get::<SourceKey>(&["apps", &app.name, "source-key"], &[]).await {
        Ok(_) => true,
        Err(failure) if failure.is_not_found() => false,
        Err(failure) => return Err(failure),
    };
    Ok(Parts {
        replicas: u64::from(app.replicas_wanted),
        processes: app.settings.process_types.keys().cloned().collect(),
        deployments: app.deployments,
        variables: env.items.len() as u64,
        crons: crons.items.len() as u64,
        previews: previews.items.len() as u64,
        domains: app.settings.domains.clone(),
        key,
    }
    .to_string())
}

/// What goes with an app.
struct Parts {
    replicas: u64,
    processes: Vec<String>,
    deployments: u64,
    variables: u64,
    crons: u64,
    previews: u64,
    domains: Vec<String>,
    key: bool,
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replicas, processes, deployments, variables, crons, previews, domains, key } =
            self;
        let count = |count: u64, one: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} {one}{plural}")
        };
        let some = |number: u64, one: &str| (number > 0).then(|| count(number, one));
        let mut parts = vec![
            count(*replicas, "replica"),
            count(*deployments, "deployment"),
            count(*variables, "variable"),
        ];
        let named = |what: &str, names: &[String]| {
            (!names.is_empty()).then(|| format!("the {what} {}", names.join(", ")))
        };
        parts.extend(named("processes", processes));
        parts.extend(some(*crons, "cron job"));
        parts.extend(some(*previews, "preview"));
        parts.extend(named("domains", domains));
        parts.extend(key.then(|| "its deploy key".to_owned()));
        write!(f, "with {}", parts.join(", "))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_goes_is_named() {
        let least = Parts {
            replicas: 1,
            processes: Vec::new(),
            deployments: 0,
            variables: 2,
            crons: 0,
            previews: 0,
            domains: Vec::new(),
            key: false,
        };
        assert_eq!(least.to_string(), "with 1 replica, 0 deployments, 2 variables");
        let most = Parts {
            processes: vec!["mail".into(), "worker".into()],
            crons: 1,
            previews: 3,
            domains: vec!["a.example".into()],
            key: true,
            ..least
        };
        assert_eq!(
            most.to_string(),
            "with 1 replica, 0 deployments, 2 variables, the processes mail, worker, 1 cron job, \
             3 previews, the domains a.example, its deploy key"
        );
    }
}
