//! `nixpacks.toml`: its providers, phases, packages of Debian, variables and start command.

use toml::Value;

use super::{Overrides, PRESETS, Which};
use crate::detect::repo::Repo;
use crate::rejection::Rejection;

const FILE: &str = "nixpacks.toml";

pub(super) fn read(repo: &Repo<'_>, said: &mut Overrides) -> Result<(), Rejection> {
    let Some(table) = repo.toml(FILE)? else { return Ok(()) };
    let phase = |phase: &str, key: &str| -> Option<Vec<&str>> {
        let list = table.get("phases")?.get(phase)?.get(key)?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).collect())
    };
    if let Some(cmds) = phase("install", "cmds").filter(|cmds| !cmds.is_empty()) {
        said.steps(Which::Install, &cmds, FILE, "phases.install.cmds")?;
    }
    if let Some(cmds) = phase("build", "cmds").filter(|cmds| !cmds.is_empty()) {
        said.steps(Which::Build, &cmds, FILE, "phases.build.cmds")?;
    }
    if let Some(packages) = phase("setup", "aptPkgs") {
        said.packages(&named(packages), FILE, "phases.setup.aptPkgs")?;
    }
    if phase("setup", "nixPkgs").is_some_and(|packages| !named(packages).is_empty()) {
        said.reasons.push("the nixPkgs of nixpacks.toml are left aside".to_owned());
    }
    if let Some(command) = table.get("start").and_then(|start| start.get("cmd")?.as_str()) {
        said.start(command, FILE, "start.cmd")?;
    }
    let variables = table.get("variables").and_then(Value::as_table);
    for (name, value) in variables.into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(is) => is.to_string(),
            Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => continue,
        };
        if name == "NIXPACKS_NODE_VERSION" {
            said.version("node", &value, FILE);
        } else if name == "NIXPACKS_PYTHON_VERSION" {
            said.version("python", &value, FILE);
        } else if !name.starts_with("NIXPACKS_") {
            said.variable(name, &value, FILE, "variables")?;
        }
    }
    let providers = table.get("providers").and_then(Value::as_array);
    let named =
        providers.into_iter().flatten().filter_map(Value::as_str).find(|name| *name != "...");
    if let Some(known) = named.and_then(|name| PRESETS.iter().find(|preset| **preset == name))
        && said.preset.is_none()
    {
        said.preset = Some((*known).to_owned());
        said.reasons.push(format!("{FILE} names the provider {known}"));
    }
    Ok(())
}

/// The names of a list; "..." stands for what would be there anyway.
fn named(list: Vec<&str>) -> Vec<&str> {
    list.into_iter().filter(|name| *name != "...").collect()
}
