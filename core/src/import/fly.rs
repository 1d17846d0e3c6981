//! `fly.toml`, of Fly.io.

use serde_json::Value;

use super::leaves::leaves;
use super::sheet::Sheet;

pub(super) fn read(text: &str, sheet: &mut Sheet<'_>) -> Result<(), String> {
    let root: Value = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    for leaf in leaves(&root) {
        let (key, value) = (leaf.key.as_str(), leaf.value);
        match leaf.path.as_slice() {
            ["app"] => sheet.left(key, "an app has the name that you give it here"),
            ["primary_region"] | ["regions", ..] => {
                sheet.left(key, "an app runs where your workers are");
            }
            ["build", "dockerfile"] => {
                sheet.text(key, "Dockerfile", value, |to| &mut to.build.dockerfile);
            }
            ["build", "build-target"] => {
                sheet.text(key, "stage of the Dockerfile", value, |to| &mut to.app.target);
            }
            ["build", "args", name] => sheet.argument(key, name, value),
            ["build", "builder" | "buildpacks"] => {
                sheet.left(key, "what builds it is found by itself; see `hythe detect`");
            }
            ["env", name] => sheet.variable(key, name, value),
            ["processes", "app" | "web"] => sheet.command(key, value),
            ["processes", name] => sheet.process(key, name, value),
            ["http_service", "internal_port"] | ["services", "*", "internal_port"] => {
                sheet.number(key, "port", value, |to| &mut to.app.port);
            }
            ["http_service", "checks", "*", "path"]
            | ["services", "*", "http_checks", "*", "path"]
            | ["checks", _, "path"] => {
                sheet.text(key, "health check of", value, |to| &mut to.app.health_path);
            }
            [.., "checks" | "http_checks" | "tcp_checks", _, "interval"] => {
                sheet
                    .span(key, "health check every", value, 1, |to| &mut to.app.health_interval_ms);
            }
            [.., "checks" | "http_checks" | "tcp_checks", _, "timeout"] => {
                sheet
                    .span(key, "health check within", value, 1, |to| &mut to.app.health_timeout_ms);
            }
            [.., "checks" | "http_checks" | "tcp_checks", _, "grace_period"] => {
                sheet
                    .span(key, "healthy within", value, 1, |to| &mut to.app.health_start_within_ms);
            }
            [.., "checks" | "http_checks", _, "method"] if is(value, "get") => {
                sheet.taken(key, "what a health check asks with anyway");
            }
            [.., "checks", _, "type"] if is(value, "tcp") => {
                sheet
                    .take(key, "a connection is healthy enough", true, |to| &mut to.app.health_tcp);
            }
            [.., "checks", _, "type"] if is(value, "http") => {
                sheet.taken(key, "what a check with a path is");
            }
            ["kill_timeout"] => {
                sheet.span(key, "from SIGTERM to SIGKILL", value, 1_000, |to| {
                    &mut to.app.stop_within_ms
                });
            }
            ["kill_signal"] if is(value, "sigterm") => sheet.taken(key, "what is sent anyway"),
            ["vm", "*", "memory"] | ["vm", "*", "memory_mb"] => memory(key, value, sheet),
            ["vm", "*", "cpus"] => match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
                Some(cpus) if cpus <= 1_024 => {
                    let means = format!("processors: {cpus}");
                    sheet.take(key, means, cpus * 1_000, |to| &mut to.app.cpu_millis);
                }
                Some(_) | None => sheet.left(key, "it is no number of processors"),
            },
            ["mounts", ..] => {
                sheet.left(key, super::sheet::DISK);
            }
            ["http_service", "force_https"] => {
                sheet.left(
                    key,
                    "what has a certificate is asked by https: see `hythe traffic set --https`",
                );
            }
            [
                "http_service",
                "auto_stop_machines"
                | "auto_start_machines"
                | "min_machines_running"
                | "max_machines_running",
            ] => sheet.left(key, super::sheet::SLEEP),
            ["deploy", "strategy"] => {
                sheet.left(key, "a new version is healthy before the old one gives way, always");
            }
            ["deploy", "release_command"] => sheet.release(key, value),
            [..] => sheet.left(key, "there is nothing here that it would set"),
        }
    }
    Ok(())
}

fn is(value: &Value, word: &str) -> bool {
    value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(word))
}

/// `512mb`, `1gb`, or a number of megabytes.
fn memory(key: &str, value: &Value, sheet: &mut Sheet<'_>) {
    let megabytes = match value {
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            let (number, unit) = match text.strip_suffix("gb") {
                Some(number) => (number.to_owned(), 1_024),
                None => (text.strip_suffix("mb").unwrap_or(&text).to_owned(), 1),
            };
            number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.as_u64()
        }
    };
    match megabytes.and_then(|megabytes| Some((megabytes, megabytes.checked_mul(1024 * 1024)?))) {
        Some((megabytes, bytes)) => {
            let means = format!("memory: {megabytes} MiB");
            sheet.take(key, means, bytes, |to| &mut to.app.memory_bytes);
        }
        None => sheet.left(key, "it is no amount of memory"),
    }
}
