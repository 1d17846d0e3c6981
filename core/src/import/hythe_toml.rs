//! `hythe.toml`: builds read what it says of them by themselves; what runs beside web, before it and after it
//! is for an app.

use serde_json::Value;

use super::leaves::leaves;
use super::sheet::Sheet;

pub(super) fn read(text: &str, sheet: &mut Sheet<'_>) -> Result<(), String> {
    let root: Value = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    for section in ["build", "static"] {
        if root.get(section).is_some() {
            sheet.taken(section, "read by every build as it is");
        }
    }
    for leaf in leaves(&root) {
        let (key, value) = (leaf.key.as_str(), leaf.value);
        match leaf.path.as_slice() {
            ["build" | "static", ..] => {}
            ["hooks", "release"] => sheet.release(key, value),
            ["hooks", "post_deploy"] => sheet.post_deploy(key, value),
            ["processes", name, "command"] => sheet.process(key, name, value),
            ["processes", name, "replicas"] => sheet.process_replicas(key, name, value),
            [..] => sheet.left(key, "there is no such key: see `hythe init --schema`"),
        }
    }
    Ok(())
}
