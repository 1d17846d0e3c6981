//! `Procfile`: builds read its `web` line by themselves; the others are processes beside it.

use serde_json::Value;

use super::sheet::Sheet;

/// What is said of what runs by the clock and cannot be told from the rest.
pub(super) const SCHEDULE: &str = "run it by `hythe cron set APP NAME SCHEDULE -- COMMAND`";

pub(super) fn read(text: &str, sheet: &mut Sheet<'_>) {
    for line in text.lines().map(str::trim) {
        let Some((kind, command)) = line.split_once(':').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        match kind.trim() {
            "web" => sheet.taken("web", "read by every build as it is"),
            "release" => sheet.release("release", &Value::from(command)),
            kind => {
                let key: String = super::sheet::shown(kind);
                sheet.process(&key, kind, &Value::from(command));
            }
        }
    }
}
