//! `nixpacks.toml`, or the same as JSON: its providers, phases, packages of Debian, variables and start command.

use toml::Value;

use super::{Overrides, PRESETS, Which};
use crate::detect::repo::Repo;
use crate::rejection::Rejection;

const FILE: &str = "nixpacks.toml";
const JSON: &str = "nixpacks.json";
/// Variables that name a version.
const VERSIONS: &[(&str, &str)] = &[
    ("NIXPACKS_CSHARP_SDK_VERSION", "dotnet"),
    ("NIXPACKS_JDK_VERSION", "java"),
    ("NIXPACKS_NODE_VERSION", "node"),
    ("NIXPACKS_PHP_VERSION", "php"),
    ("NIXPACKS_PYTHON_VERSION", "python"),
    ("NIXPACKS_RUBY_VERSION", "ruby"),
];

pub(super) fn read(repo: &Repo<'_>, said: &mut Overrides) -> Result<(), Rejection> {
    if let Some(table) = repo.toml(FILE)? {
        take(&table, FILE, said)?;
    }
    // One that is none says nothing, as before there was anything that read it.
    if let Ok(Some(table)) = repo.json::<toml::Table>(JSON) {
        take(&table, JSON, said)?;
    }
    Ok(())
}

fn take(table: &toml::Table, file: &'static str, said: &mut Overrides) -> Result<(), Rejection> {
    let phase = |phase: &str, key: &str| -> Option<Vec<&str>> {
        let list = table.get("phases")?.get(phase)?.get(key)?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).collect())
    };
    if let Some(cmds) = phase("install", "cmds").filter(|cmds| !cmds.is_empty()) {
        said.steps(Which::Install, &cmds, file, "phases.install.cmds")?;
    }
    if let Some(cmds) = phase("build", "cmds").filter(|cmds| !cmds.is_empty()) {
        said.steps(Which::Build, &cmds, file, "phases.build.cmds")?;
    }
    if let Some(packages) = phase("setup", "aptPkgs") {
        said.packages(&named(packages), file, "phases.setup.aptPkgs")?;
    }
    if phase("setup", "nixPkgs").is_some_and(|packages| !named(packages).is_empty()) {
        said.reasons.push(format!("the nixPkgs of {file} are left aside"));
    }
    if let Some(command) = table.get("start").and_then(|start| start.get("cmd")?.as_str()) {
        said.start(command, file, "start.cmd")?;
    }
    let variables = table.get("variables").and_then(Value::as_table);
    for (name, value) in variables.into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(is) => is.to_string(),
            Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => continue,
        };
        if let Some((_, language)) = VERSIONS.iter().find(|(variable, _)| variable == name) {
            said.version(language, &value, file);
        } else if name == "NIXPACKS_INSTALL_CMD" {
            said.steps(Which::Install, &[&value], file, "variables.NIXPACKS_INSTALL_CMD")?;
        } else if name == "NIXPACKS_BUILD_CMD" {
            said.steps(Which::Build, &[&value], file, "variables.NIXPACKS_BUILD_CMD")?;
        } else if name == "NIXPACKS_START_CMD" {
            said.start(&value, file, "variables.NIXPACKS_START_CMD")?;
        } else if !name.starts_with("NIXPACKS_") {
            said.variable(name, &value, file, "variables")?;
        }
    }
    let providers = table.get("providers").and_then(Value::as_array);
    let named =
        providers.into_iter().flatten().filter_map(Value::as_str).find(|name| *name != "...");
    if let Some(known) = named.and_then(|name| PRESETS.iter().find(|preset| **preset == name))
        && said.preset.is_none()
    {
        said.preset = Some((*known).to_owned());
        said.reasons.push(format!("{file} names the provider {known}"));
    }
    Ok(())
}

/// The names of a list; "..." stands for what would be there anyway.
fn named(list: Vec<&str>) -> Vec<&str> {
    list.into_iter().filter(|name| *name != "...").collect()
}
