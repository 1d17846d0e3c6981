//! `CHECKS`, of older Dokku: settings as `NAME=VALUE`, and lines of an address and what it says.

use serde_json::Value;

use super::sheet::Sheet;

pub(super) fn read(text: &str, sheet: &mut Sheet<'_>) -> Result<(), String> {
    for (n, line) in text.lines().enumerate().map(|(n, line)| (n + 1, line.trim())) {
        let key = format!("line {n}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let setting = line.split_once('=').filter(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        });
        if let Some((name, value)) = setting {
            of_setting(name, &Value::String(value.trim().to_owned()), sheet);
            continue;
        }
        let (address, content) = match line.split_once(char::is_whitespace) {
            Some((address, content)) => (address, content.trim()),
            None => (line, ""),
        };
        match path_of(address) {
            Some(path) => sheet
                .text(&key, "health check of", &Value::String(path), |to| &mut to.app.health_path),
            None => sheet.left(&key, "it has no path that can be asked for"),
        }
        if !content.is_empty() {
            sheet.left(&key, "the status of an answer counts, not what it says");
        }
    }
    Ok(())
}

fn of_setting(name: &str, value: &Value, sheet: &mut Sheet<'_>) {
    match name {
        "WAIT" => sheet
            .span(name, "health check every", value, 1_000, |to| &mut to.app.health_interval_ms),
        "TIMEOUT" => sheet
            .span(name, "health check within", value, 1_000, |to| &mut to.app.health_timeout_ms),
        "ATTEMPTS" => {
            sheet.number(name, "failures in a row", value, |to| &mut to.app.health_retries);
        }
        _ => sheet.left(name, "there is nothing here that it would set"),
    }
}

/// `/path`, `//host/path`, `http://host/path`.
fn path_of(address: &str) -> Option<String> {
    let rest = match address.split_once("//") {
        Some(("" | "http:" | "https:", rest)) => {
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        Some(_) | None => address,
    };
    rest.starts_with('/').then(|| rest.to_owned())
}
