//! `app.json`, of Heroku and Dokku.

use serde_json::Value;

use super::leaves::leaves;
use super::sheet::Sheet;

pub(super) fn read(text: &str, sheet: &mut Sheet<'_>) -> Result<(), String> {
    let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for (name, variable) in root.get("env").and_then(Value::as_object).into_iter().flatten() {
        of_variable(name, variable, sheet);
    }
    let jobs = root.get("cron").and_then(Value::as_array);
    for (n, job) in jobs.into_iter().flatten().enumerate() {
        if let (Some(schedule), Some(command)) = (job.get("schedule"), job.get("command")) {
            let of = |field: &str| format!("cron[{n}].{field}");
            let (at, does) = (of("schedule"), of("command"));
            sheet.cron(&format!("job-{}", n + 1), (&at, schedule), (&does, command));
        }
    }
    let whole = |n: usize| {
        let job = jobs.and_then(|jobs| jobs.get(n));
        job.is_some_and(|job| job.get("schedule").is_some() && job.get("command").is_some())
    };
    for leaf in leaves(&root) {
        let (key, value) = (leaf.key.as_str(), leaf.value);
        match leaf.path.as_slice() {
            ["env", ..] => {}
            ["name" | "description" | "keywords" | "logo" | "website" | "success_url"] => {
                sheet.left(key, "it is for people only");
            }
            ["repository"] => sheet.text(key, "repository", value, |to| &mut to.app.repository),
            ["formation", "web", "quantity"] => {
                sheet.number(key, "replicas", value, |to| &mut to.app.replicas);
            }
            ["formation", "web", "size"] => {
                sheet.left(key, "memory and processors are said by number");
            }
            ["formation", name, "quantity"] => sheet.process_replicas(key, name, value),
            ["formation", _, "size"] => sheet.left(
                key,
                "memory and processors are said by number: `hythe process set APP NAME --memory`",
            ),
            ["healthchecks", "web", "*", "path"] => {
                sheet.text(key, "health check of", value, |to| &mut to.app.health_path);
            }
            ["healthchecks", "web", "*", "command"] => match words_of(value) {
                Some(words) => {
                    let means =
                        format!("health check by {}", super::sheet::shown(&words.join(" ")));
                    sheet.take(key, means, words, |to| &mut to.app.health_command);
                }
                None => sheet.left(key, "it is no command"),
            },
            ["healthchecks", "web", "*", "listening"] if value == &Value::Bool(true) => {
                sheet
                    .take(key, "a connection is healthy enough", true, |to| &mut to.app.health_tcp);
            }
            ["healthchecks", "web", "*", "timeout"] => {
                sheet.span(key, "health check within", value, 1_000, |to| {
                    &mut to.app.health_timeout_ms
                });
            }
            ["healthchecks", "web", "*", "wait"] => {
                sheet.span(key, "health check every", value, 1_000, |to| {
                    &mut to.app.health_interval_ms
                });
            }
            ["healthchecks", "web", "*", "attempts"] => {
                sheet.number(key, "failures in a row", value, |to| &mut to.app.health_retries);
            }
            ["healthchecks", "web", "*", "type"] if value == "startup" || value == "liveness" => {
                sheet.taken(key, "the same check is asked before the traffic comes and after");
            }
            ["cron", "*", "schedule" | "command"] if index(key).is_some_and(whole) => {}
            ["cron", ..] => sheet.left(key, super::procfile::SCHEDULE),
            ["scripts", "release"] | ["scripts", "dokku", "predeploy"] => sheet.release(key, value),
            ["scripts", "dokku", "postdeploy"] => sheet.post_deploy(key, value),
            // Of Heroku and Dokku alike: the first deployment of an app only.
            ["scripts", "postdeploy"] => {
                sheet.left(key, "it runs once, when an app is made: `hythe run APP -- COMMAND`");
            }
            ["addons", ..] => {
                sheet.left(key, "run it where it is, and give its address by `hythe env set`");
            }
            ["buildpacks" | "stack", ..] => {
                sheet.left(key, "what builds it is found by itself; see `hythe detect`");
            }
            [..] => sheet.left(key, "there is nothing here that it would set"),
        }
    }
    Ok(())
}

/// The first index in a key.
fn index(key: &str) -> Option<usize> {
    let (_, rest) = key.split_once('[')?;
    rest.split_once(']')?.0.parse().ok()
}

/// A text that is a value, or what is said about one.
fn of_variable(name: &str, variable: &Value, sheet: &mut Sheet<'_>) {
    let key = format!("env.{name}");
    let shown = super::sheet::shown(name);
    let value = if variable.is_object() { variable.get("value") } else { Some(variable) };
    match value {
        Some(value) => sheet.variable(&key, name, value),
        None => {
            let why = format!("its value is not in the file: `hythe env set APP {shown}=-`");
            sheet.left(&key, why);
        }
    }
}

fn words_of(value: &Value) -> Option<Vec<String>> {
    let words = value.as_array()?.iter().map(|word| word.as_str().map(str::to_owned));
    words.collect::<Option<Vec<String>>>().filter(|words| !words.is_empty())
}
