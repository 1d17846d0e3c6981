//! `railway.json` and `railway.toml`, of Railway: the same in two forms.

use serde_json::Value;

use super::leaves::leaves;
use super::sheet::{Sheet, line_of};

pub(super) fn read_json(text: &str, sheet: &mut Sheet<'_>) -> Result<(), String> {
    let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    read(&root, sheet);
    Ok(())
}

pub(super) fn read_toml(text: &str, sheet: &mut Sheet<'_>) -> Result<(), String> {
    let root: Value = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    read(&root, sheet);
    Ok(())
}

fn read(root: &Value, sheet: &mut Sheet<'_>) {
    for leaf in leaves(root) {
        let (key, value) = (leaf.key.as_str(), leaf.value);
        match leaf.path.as_slice() {
            ["$schema"] => {}
            ["build", "builder"] => sheet.taken(key, "found by itself; see `hythe detect`"),
            ["build", "buildCommand"] => match line_of(value) {
                Some(line) => {
                    sheet.text(key, "build", &Value::String(line), |to| &mut to.build.build);
                }
                None => sheet.left(key, "it is no command"),
            },
            ["build", "dockerfilePath"] => {
                sheet.text(key, "Dockerfile", value, |to| &mut to.build.dockerfile);
            }
            ["deploy", "startCommand"] => {
                sheet.text(key, "start", value, |to| &mut to.build.start);
            }
            ["deploy", "healthcheckPath"] => {
                sheet.text(key, "health check of", value, |to| &mut to.app.health_path);
            }
            ["deploy", "healthcheckTimeout"] => {
                sheet.span(key, "healthy within", value, 1_000, |to| {
                    &mut to.app.health_start_within_ms
                });
            }
            ["deploy", "numReplicas"] => {
                sheet.number(key, "replicas", value, |to| &mut to.app.replicas);
            }
            ["deploy", "drainingSeconds"] => {
                sheet.span(key, "from SIGTERM to SIGKILL", value, 1_000, |to| {
                    &mut to.app.stop_within_ms
                });
            }
            ["deploy", "restartPolicyType" | "restartPolicyMaxRetries"] => {
                sheet.left(key, "what exits is started again, with waits that grow, always");
            }
            ["deploy", "preDeployCommand"] => sheet.release(key, value),
            ["build", "watchPatterns", ..] => sheet.left(key, super::sheet::WATCH),
            ["deploy", "sleepApplication"] => sheet.left(key, super::sheet::SLEEP),
            ["deploy", "cronSchedule"] => sheet.left(key, super::procfile::SCHEDULE),
            ["deploy", "region" | "multiRegionConfig", ..] => {
                sheet.left(key, "an app runs where your workers are");
            }
            ["environments", name, ..] => {
                sheet
                    .left(key, format!("make an app of its own for {}", super::sheet::shown(name)));
            }
            [..] => sheet.left(key, "there is nothing here that it would set"),
        }
    }
}
