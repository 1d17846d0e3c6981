//! `railpack.json`: its provider, versions, steps, packages of Debian, variables and start command.

use serde_json::Value;

use super::{Overrides, PRESETS, Which};
use crate::detect::deno::plain;
use crate::detect::repo::Repo;
use crate::rejection::Rejection;

const FILE: &str = "railpack.json";

pub(super) fn read(repo: &Repo<'_>, said: &mut Overrides) -> Result<(), Rejection> {
    let Some(text) = repo.text(FILE)? else { return Ok(()) };
    // It may have comments.
    let file: Value =
        serde_json::from_str(&plain(text)).map_err(|error| repo.broken(FILE, &error))?;
    for (which, step) in [(Which::Install, "install"), (Which::Build, "build")] {
        let commands = file.pointer(&format!("/steps/{step}/commands")).and_then(Value::as_array);
        let commands: Vec<&str> = commands.into_iter().flatten().filter_map(command).collect();
        if !commands.is_empty() {
            said.steps(which, &commands, FILE, &format!("steps.{step}.commands"))?;
        }
    }
    for (pointer, place) in
        [("/buildAptPackages", "buildAptPackages"), ("/deploy/aptPackages", "deploy.aptPackages")]
    {
        let names = file.pointer(pointer).and_then(Value::as_array);
        let names: Vec<&str> = names.into_iter().flatten().filter_map(Value::as_str).collect();
        let names: Vec<&str> = names.into_iter().filter(|name| *name != "...").collect();
        said.packages(&names, FILE, place)?;
    }
    if let Some(start) = file.pointer("/deploy/startCommand").and_then(Value::as_str) {
        said.start(start, FILE, "deploy.startCommand")?;
    }
    let variables = file.pointer("/deploy/variables").and_then(Value::as_object);
    for (name, value) in variables.into_iter().flatten() {
        if let Some(value) = value.as_str() {
            said.variable(name, value, FILE, "deploy.variables")?;
        }
    }
    let packages = file.get("packages").and_then(Value::as_object);
    for (language, version) in packages.into_iter().flatten() {
        if let Some(version) = version.as_str() {
            let language = if language == "golang" { "go" } else { language.as_str() };
            said.version(language, version, FILE);
        }
    }
    let provider = file.get("provider").and_then(Value::as_str);
    let provider = provider.map(|name| if name == "golang" { "go" } else { name });
    if let Some(known) = provider.and_then(|name| PRESETS.iter().find(|preset| **preset == name))
        && said.preset.is_none()
    {
        said.preset = Some((*known).to_owned());
        said.reasons.push(format!("{FILE} names the provider {known}"));
    }
    Ok(())
}

/// A command as text or as `{"cmd": …}`.
fn command(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("cmd")?.as_str())
}
