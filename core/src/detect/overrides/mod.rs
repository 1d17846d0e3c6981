//! What a repository says itself about its build: `hythe.toml` above all, and what it may still
//! have from where it was deployed before. Each of them only says what those before it did not.

mod elsewhere;
mod hythe_toml;
mod nixpacks;
mod procfile;
mod program;
mod railpack;

use std::collections::BTreeMap;

pub(super) use program::Program;

use super::repo::Repo;
use super::words::{self, ShellLine};
use crate::argv::Argv;
use crate::declared::{Declared, DeclaredProcess, may_be_named};
use crate::limits;
use crate::names::{EnvName, RepositoryPath};
use crate::process::ProcessName;
use crate::rejection::Rejection;
use crate::task::Hook;

/// The most steps, packages or variables that one file may name.
const MOST_ITEMS: usize = 64;

/// A step as it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `...`: all that would be done where nothing was said.
    Usual,
    /// A line for a shell.
    Line(ShellLine),
}

/// What was said. `None` and empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Overrides {
    pub(super) dockerfile: Option<RepositoryPath>,
    /// The provider to use, whatever else is there.
    pub(super) preset: Option<String>,
    /// Whether it was asked for by `hythe.toml`, which knows of Dockerfiles.
    pub(super) beats_dockerfile: bool,
    /// Versions, by the names that [`LANGUAGES`] has.
    pub(super) versions: BTreeMap<&'static str, (String, &'static str)>,
    /// The steps to use; an empty list for none at all.
    pub(super) install: Option<Vec<Step>>,
    pub(super) build: Option<Vec<Step>>,
    pub(super) start: Option<ShellLine>,
    /// The file that says the start.
    pub(super) start_file: Option<&'static str>,
    /// What another platform was told to start, and the file: for where nothing else says it.
    pub(super) otherwise: Option<(ShellLine, &'static str)>,
    pub(super) port: Option<u16>,
    pub(super) output: Option<String>,
    pub(super) single_page: Option<bool>,
    /// Whether what is built is served without a container.
    pub(super) serve: Option<bool>,
    /// The folder of a Dockerfile's image that is, from its root.
    pub(super) image_folder: Option<String>,
    /// Packages of Debian, for the build and the app.
    pub(super) packages: Vec<String>,
    pub(super) env: BTreeMap<EnvName, String>,
    /// What runs beside what is built, before it and after it.
    pub(super) declared: Declared,
    pub(super) reasons: Vec<String>,
}

/// The JSON schema of `hythe.toml`, for editors.
pub const SCHEMA: &str = include_str!("hythe.schema.json");

/// What a version can be given for.
pub(super) const LANGUAGES: &[&str] = &[
    "bun", "crystal", "dart", "deno", "dotnet", "elixir", "go", "hugo", "java", "mdbook", "node",
    "php", "python", "ruby", "swift", "zola",
];
/// What `preset` can be.
pub(super) const PRESETS: &[&str] = &[
    "cpp", "crystal", "dart", "deno", "dotnet", "elixir", "gleam", "go", "hugo", "java", "mdbook",
    "node", "php", "python", "ruby", "rust", "shell", "static", "swift", "zola",
];

/// Reads all of them.
pub(super) fn read(repo: &Repo<'_>) -> Result<Overrides, Rejection> {
    let mut said = Overrides::default();
    hythe_toml::read(repo, &mut said)?;
    railpack::read(repo, &mut said)?;
    nixpacks::read(repo, &mut said)?;
    procfile::read(repo, &mut said)?;
    elsewhere::read(repo, &mut said);
    Ok(said)
}

/// Reads what holds whatever it is built by: what it says to Hythe itself, and what runs. What others only
/// say of the build is nothing to a Dockerfile that the app names.
pub(super) fn beside(repo: &Repo<'_>) -> Result<Overrides, Rejection> {
    let mut said = Overrides::default();
    hythe_toml::read(repo, &mut said)?;
    procfile::beside(repo, &mut said)?;
    Ok(said)
}

impl Overrides {
    /// The program that is to be started, as far as that can be told.
    pub(super) fn program(&self) -> Option<Program<'_>> {
        Program::of(self.start.as_ref()?.as_str())
    }

    /// Whether somebody named a step.
    pub(super) fn steps_named(&self) -> bool {
        self.install.is_some() || self.build.is_some() || self.start.is_some()
    }

    /// The start command, where nothing said it before.
    fn start(&mut self, text: &str, file: &'static str, place: &str) -> Result<(), Rejection> {
        let line = ShellLine::new(text, &format!("{place} in {file}"))?;
        if self.start.is_none() {
            self.reasons.push(format!("{file} says how it is started"));
            self.start = Some(line);
            self.start_file = Some(file);
        }
        Ok(())
    }

    /// A process beside web, where nothing said it before.
    fn process(
        &mut self,
        name: ProcessName,
        command: &ShellLine,
        replicas: u16,
        place: &str,
    ) -> Result<(), Rejection> {
        let wrong = |why: String| Err(Rejection::invalid(place, why));
        if !may_be_named(&name) {
            return wrong(format!("{name} stands for something else here; take another name"));
        }
        let processes = &mut self.declared.processes;
        let most = limits::MOST_PROCESSES;
        if processes.len() >= most && !processes.contains_key(&name) {
            return wrong(format!("has at most {most} processes beside web"));
        }
        let command = argv(command, place)?;
        processes.entry(name).or_insert(DeclaredProcess { command, replicas });
        Ok(())
    }

    /// What runs once for each deployment, where nothing said it before.
    fn hook(&mut self, hook: Hook, command: &ShellLine, place: &str) -> Result<(), Rejection> {
        let command = argv(command, place)?;
        self.declared.hook_mut(hook).get_or_insert(command);
        Ok(())
    }

    /// Steps, where nothing said them before; `...` is what is usual, once.
    fn steps(
        &mut self,
        which: Which,
        texts: &[&str],
        file: &'static str,
        place: &str,
    ) -> Result<(), Rejection> {
        let written = format!("{place} in {file}");
        at_most(texts.len(), &written)?;
        let mut lines: Vec<Step> = Vec::new();
        for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
            match text {
                "..." if lines.contains(&Step::Usual) => {}
                "..." => lines.push(Step::Usual),
                line => lines.push(Step::Line(ShellLine::new(line, &written)?)),
            }
        }
        if lines == [Step::Usual] {
            return Ok(());
        }
        let (steps, what) = match which {
            Which::Install => (&mut self.install, "what its dependencies are installed by"),
            Which::Build => (&mut self.build, "how it is built"),
        };
        if steps.is_none() {
            *steps = Some(lines);
            self.reasons.push(format!("{file} says {what}"));
        }
        Ok(())
    }

    fn packages(
        &mut self,
        names: &[&str],
        file: &'static str,
        place: &str,
    ) -> Result<(), Rejection> {
        let written = format!("{place} in {file}");
        at_most(names.len() + self.packages.len(), &written)?;
        for name in names {
            self.packages.push(words::name(name, &written)?);
        }
        if !names.is_empty() {
            self.reasons.push(format!("{file} wants these packages: {}", names.join(", ")));
        }
        Ok(())
    }

    fn variable(
        &mut self,
        name: &str,
        value: &str,
        file: &'static str,
        place: &str,
    ) -> Result<(), Rejection> {
        let written = format!("{place} in {file}");
        at_most(self.env.len() + 1, &written)?;
        let name = EnvName::new(name)
            .map_err(|error| Rejection::invalid(written.clone(), error.to_string()))?;
        let value = words::value(value, &format!("{written}, {name}"))?;
        self.env.entry(name).or_insert(value);
        Ok(())
    }

    fn version(&mut self, language: &str, version: &str, file: &'static str) {
        if let Some(language) = LANGUAGES.iter().find(|name| **name == language) {
            self.versions.entry(language).or_insert_with(|| (version.to_owned(), file));
        }
    }
}

/// Which steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Install,
    Build,
}

/// A line as what is run: without a shell where one would do nothing but split it.
fn argv(line: &ShellLine, place: &str) -> Result<Argv, Rejection> {
    let plain = line.plain_words().and_then(|words| Argv::new(words).ok());
    let by_shell = || Argv::new(["sh", "-c", line.as_str()].map(str::to_owned).to_vec());
    let argv = plain.map_or_else(by_shell, Ok);
    argv.map_err(|bad| Rejection::invalid(place, bad.to_string()))
}

fn at_most(there: usize, written: &str) -> Result<(), Rejection> {
    if there > MOST_ITEMS {
        return Err(Rejection::invalid(written, format!("has at most {MOST_ITEMS} items")));
    }
    Ok(())
}
