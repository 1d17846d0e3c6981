//! `Procfile`: builds read its `web` line by themselves; the others are more than one app here.

use serde_json::Value;

use super::sheet::Sheet;

/// What is said of what runs by the clock.
pub(super) const SCHEDULE: &str = "nothing is run by the clock: let another machine's cron do it";

pub(super) fn read(text: &str, sheet: &mut Sheet<'_>) {
    for line in text.lines().map(str::trim) {
        let Some((kind, command)) = line.split_once(':').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        match kind.trim() {
            "web" => sheet.taken("web", "read by every build as it is"),
            "release" => sheet.release("release", &Value::from(command)),
            kind => {
                let kind: String = super::sheet::shown(kind);
                sheet.left(&kind, "an app runs one kind of process: make it an app of its own");
            }
        }
    }
}
