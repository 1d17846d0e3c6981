//! Docker Compose files: what each service comes to as an app, in which order apps go live, and what of
//! the file is not taken.
//!
//! Pure: whoever has the folder reads the files that are asked for ([`wanted`]) and hands in their texts;
//! `files/` makes one of those that extend and include one another. Every value of a file is either taken
//! or told of with its line and the reason ([`Left`]), so that nothing is lost unseen. What would make
//! another thing of the whole file than what is written there (a service that there is not, a circle)
//! refuses it instead ([`Bad`]).

mod build;
mod delivered;
mod deploy;
mod environment;
mod files;
mod folders;
mod health;
mod inside;
mod keys;
mod lines;
mod naming;
mod notes;
mod once;
mod order;
mod plan;
mod ports;
mod service;
mod tree;
mod units;
mod variables;
mod volumes;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::argv::Argv;
use crate::container::{Mount, MountPath, ServiceName};
use crate::health::HealthCheck;
use crate::inside::Inside;
use crate::limits;
use crate::names::{BuildArg, BuildArgValue, BuildTarget, EnvName, EnvValue, RepositoryPath};
use crate::source::ImageRef;
use crate::time::Millis;

use self::lines::Lines;
use self::notes::Notes;
use self::tree::{Node, Tree};
use self::variables::{Filling, Room};

pub use self::files::wanted::{Wanted, wanted};
pub use self::plan::{Action, Deployed, Made, Plan, Planned, Present, plan};
pub use self::variables::file as variables_of;

/// The names that a file has where nobody says another, in the order in which they count.
pub const FILES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// The most bytes of a file.
pub const MOST_BYTES: usize = 512 * 1024;

/// The variable that says which profiles are wanted, where nobody says so otherwise.
pub const PROFILES: &str = "COMPOSE_PROFILES";

/// Why a file cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{why}", line.map_or_else(String::new, |line| format!("line {line}: ")))]
pub struct Bad {
    /// Where.
    pub line: Option<u64>,
    /// What is wrong, and what to do.
    pub why: String,
}

/// A value that was not taken, or of which something else has to be known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Left {
    /// The file that it stands in, where that is another one than the given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its line there.
    pub line: u64,
    /// Its key.
    pub key: String,
    /// Why, or what there is to know, and what to do instead where there is something.
    pub why: String,
}

/// What goes with a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// What `${VARIABLES}` stand for.
    pub variables: BTreeMap<String, String>,
    /// The texts of files of variables, of other Compose files, and of what is delivered as a file, by their
    /// path from the root of the source.
    pub files: BTreeMap<String, String>,
    /// What lies where services mount something from, by its path from the root of the source, as far as somebody
    /// looked.
    pub mounted: BTreeMap<String, Mounted>,
    /// Profiles that are wanted; where it is empty, those that [`PROFILES`] names.
    pub profiles: BTreeSet<String>,
    /// The folder that the file is in, from the root of the source; empty for the root.
    pub folder: String,
}

/// What lies at a path that a service mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mounted {
    /// Nothing.
    Nothing,
    /// A file. Its text is among those that are given, where it is a short one.
    File,
    /// A folder with these files, by their path from there, through all folders in it.
    Folder(BTreeSet<String>),
    /// A folder with more files than a container is given as texts
    /// ([`limits::MOST_CONTAINER_FILES`]), or one that cannot be looked through.
    Large,
}

/// A file, read.
#[derive(Debug, Default)]
pub struct Composed {
    /// The services that are to run, each after those that it depends on.
    pub services: Vec<Service>,
    /// Services that are in the file and not wanted, for none of their profiles is.
    pub idle: BTreeSet<ServiceName>,
    /// What was not taken, and what is kept in clear text, in the file's order.
    pub left: Vec<Left>,
    /// Which lines are those of which file.
    lines: Lines,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Where it stands, counted over all files.
    pub line: u64,
    /// What it is made from.
    pub from: From,
    /// The port that it listens on, where that is said.
    pub port: Option<u16>,
    /// Whether an address leads to it.
    pub routed: bool,
    /// How many of it.
    pub replicas: u16,
    /// How it shows that it is well.
    pub health: HealthCheck,
    /// The most memory, where that is said.
    pub memory_bytes: Option<u64>,
    /// The most of a processor, where that is said.
    pub cpu_millis: Option<u32>,
    /// The most processes, where that is said.
    pub processes: Option<u32>,
    /// What runs in place of the image's command.
    pub command: Option<Argv>,
    /// What runs in place of the image's entrypoint.
    pub entrypoint: Option<Argv>,
    /// What runs before a new version starts.
    pub release: Option<Argv>,
    /// Whether it is to end by itself.
    pub once: bool,
    /// How often it is tried again then, where it failed.
    pub retries: u16,
    /// Further names that others reach it by.
    pub names: BTreeSet<ServiceName>,
    /// Its variables.
    pub env: BTreeMap<EnvName, EnvValue>,
    /// Its volumes.
    pub volumes: BTreeMap<MountPath, Mount>,
    /// How long it has from SIGTERM to SIGKILL, where that is said.
    pub stop_within: Option<Millis>,
    /// How its containers are within.
    pub inside: Inside,
    /// The services that have to be live before it starts.
    pub after: BTreeSet<ServiceName>,
    /// How many services come before it in the longest row of those.
    pub wave: usize,
}

/// What a service is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// A folder of the source.
    Build(Build),
    /// An image.
    Image(ImageRef),
}

/// How a service is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// The folder, from the root of the source; the root where it is none.
    pub context: Option<RepositoryPath>,
    /// The Dockerfile, from that folder.
    pub dockerfile: Option<RepositoryPath>,
    /// The stage that is wanted.
    pub target: Option<BuildTarget>,
    /// Build arguments.
    pub args: BTreeMap<BuildArg, BuildArgValue>,
}

fn few_files(count: usize, most: usize) -> Result<(), Bad> {
    if count > most {
        let why = format!("it names {count} other files, and at most {most} are read");
        return Err(Bad { line: None, why });
    }
    Ok(())
}

/// Nothing of what is given is without an end.
fn few(given: &Given) -> Result<(), Bad> {
    few_files(given.files.len(), limits::MOST_COMPOSE_FILES + limits::MOST_COMPOSE_TEXTS)?;
    few_files(given.mounted.len(), limits::MOST_COMPOSE_MOUNTS)?;
    let many = given.mounted.iter().find(|(_, mounted)| match mounted {
        Mounted::Folder(files) => files.len() > limits::MOST_CONTAINER_FILES,
        Mounted::Nothing | Mounted::File | Mounted::Large => false,
    });
    match many {
        Some((path, _)) => {
            let most = limits::MOST_CONTAINER_FILES;
            let why = format!(
                "of a folder that is mounted at most {most} files are named: {}",
                notes::shown(path)
            );
            Err(Bad { line: None, why })
        }
        None => Ok(()),
    }
}

fn read_tree(text: &str) -> Result<Node, Bad> {
    let bad = |why: String| Bad { line: None, why };
    if text.len() > MOST_BYTES {
        return Err(bad(format!("it has more than {} KiB", MOST_BYTES / 1024)));
    }
    Node::read(text.trim_start_matches('\u{feff}'))
        .map_err(|why| bad(format!("it cannot be read as YAML: {why}")))
}

/// Reads a file.
///
/// # Errors
/// [`Bad`], where it cannot be taken as a whole.
pub fn read(text: &str, given: &Given) -> Result<Composed, Bad> {
    few(given)?;
    let mut lines = Lines::default();
    let mut notes = Notes::default();
    match of_files(text, given, &mut lines, &mut notes) {
        Ok((services, idle)) => {
            let left = notes.told(&lines);
            Ok(Composed { services, idle, left, lines })
        }
        Err(bad) => Err(lines.named(bad)),
    }
}

fn of_files(
    text: &str,
    given: &Given,
    lines: &mut Lines,
    notes: &mut Notes,
) -> Result<(Vec<Service>, BTreeSet<ServiceName>), Bad> {
    let mut room = Room::default();
    let (root, values) = files::read(text, given, &mut room, notes, lines)?;
    let Some(fields) = root.fields() else {
        return Err(Bad { line: Some(root.line), why: "it has no services".into() });
    };
    let mut services = None;
    let mut volumes = None;
    let mut contents = delivered::Declared { secrets: None, configs: None, values: &values };
    for field in fields {
        match field.name.as_str() {
            "services" => services = Some(&field.node),
            "volumes" => volumes = Some(&field.node),
            "version" => {}
            "name" => notes.left(field.line, "name", "the project's name is what you call it here"),
            "networks" => volumes::networks(&field.node, field.line, notes),
            "secrets" => contents.secrets = Some(&field.node),
            "configs" => contents.configs = Some(&field.node),
            name if name.starts_with("x-") => {}
            name => notes.unknown(field.line, name, name, &TOP),
        }
    }
    let mut declared = volumes::declared(volumes, notes)?;
    contents.tell(notes);
    let listed = services.and_then(Node::fields).unwrap_or_default();
    if listed.is_empty() {
        let line = services.map_or(root.line, |services| services.line);
        let is_one =
            |field: &tree::Field| field.node.get("image").or(field.node.get("build")).is_some();
        let first =
            if fields.iter().any(is_one) { "; put those at its top under services" } else { "" };
        return Err(Bad { line: Some(line), why: format!("it has no services{first}") });
    }
    if listed.len() > limits::MOST_SERVICES {
        let why = format!("it has more than {} services", limits::MOST_SERVICES);
        return Err(Bad { line: services.map(|services| services.line), why });
    }
    declared.keep(listed, given)?;
    let profiles = wanted_profiles(given);
    let mut read = BTreeMap::new();
    let mut idle = BTreeSet::new();
    for field in listed {
        let name = ServiceName::new(field.name.as_str())
            .map_err(|bad| Bad { line: Some(field.line), why: bad.to_string() })?;
        if order::is_idle(&name, field, &profiles, notes) {
            idle.insert(name);
            continue;
        }
        let declared = (&declared, contents);
        let draft = service::read(name.clone(), field, declared, (given, &mut room), notes)?;
        read.insert(name, draft);
    }
    order::order(read, idle, notes)
}

fn wanted_profiles(given: &Given) -> BTreeSet<String> {
    if !given.profiles.is_empty() {
        return given.profiles.clone();
    }
    let listed = given.variables.get(PROFILES).map(String::as_str).unwrap_or_default();
    let named = listed.split(',').map(str::trim).filter(|profile| !profile.is_empty());
    named.map(str::to_owned).collect()
}

/// The keys at the top of a file.
const TOP: [&str; 8] =
    ["services", "volumes", "networks", "secrets", "configs", "version", "name", "include"];

/// Where in a service values stand that are kept as they are, for whoever sees the app to read.
const IN_CLEAR_TEXT: [&[&str]; 4] =
    [&["command"], &["entrypoint"], &["healthcheck", "test"], &["build", "args"]];

/// Tells of each place where a value that was handed in becomes a part of the settings: there it is not
/// encrypted, as it would be under `environment`.
fn in_clear_text(
    root: &Node,
    variables: &BTreeMap<String, String>,
    room: &mut Room,
    notes: &mut Notes,
) {
    for service in root.get("services").and_then(Node::fields).unwrap_or_default() {
        for path in IN_CLEAR_TEXT {
            let node = path.iter().try_fold(&service.node, |node, key| node.get(key));
            let Some(node) = node else { continue };
            let mut filling = Filling::new(variables, room);
            let mut lines: BTreeMap<String, u64> = BTreeMap::new();
            node.clone().each_text(&mut |text, line| {
                // What is wrong with it is said where it is filled in.
                let _filled = filling.fill(text);
                for name in std::mem::take(&mut filling.used) {
                    lines.entry(name).or_insert(line);
                }
            });
            if *path == ["build", "args"] {
                let bare = pairs(node).unwrap_or_default().into_iter();
                let bare =
                    bare.filter(|(name, value, _)| value.is_none() && variables.contains_key(name));
                lines.extend(bare.map(|(name, _, line)| (name, line)));
            }
            for (name, line) in lines {
                notes.left(
                    line,
                    &format!("services.{}.{}", service.name, path.join(".")),
                    format!(
                        "the value of {} is kept in the settings in clear text; if it is a secret, set it \
                         under environment and read it from there",
                        notes::shown(&name)
                    ),
                );
            }
        }
    }
}

fn fill(
    root: &mut Node,
    variables: &BTreeMap<String, String>,
    room: &mut Room,
    notes: &mut Notes,
) -> Result<(), Bad> {
    let mut filling = Filling::new(variables, room);
    let mut bad = None;
    let mut empty: BTreeMap<String, u64> = BTreeMap::new();
    root.each_text(&mut |text, line| {
        match filling.fill(text) {
            Ok(filled) => *text = filled,
            Err(why) => bad = bad.take().or(Some(Bad { line: Some(line), why })),
        }
        for name in std::mem::take(&mut filling.missing) {
            empty.entry(name).or_insert(line);
        }
    });
    for (name, line) in empty {
        notes.left(
            line,
            &format!("${{{name}}}"),
            "it is not given and taken for empty; say it by --env or in .env",
        );
    }
    bad.map_or(Ok(()), Err)
}

/// A map or a list of `NAME=value` as pairs; a name without a value has none.
fn pairs(node: &Node) -> Option<Vec<(String, Option<String>, u64)>> {
    match &node.value {
        Tree::Map(fields) => fields
            .iter()
            .map(|field| {
                let value = if field.node.is_null() { None } else { Some(field.node.text()?) };
                Some((field.name.clone(), value, field.line))
            })
            .collect(),
        Tree::List(items) => items
            .iter()
            .map(|item| {
                let text = item.text()?;
                Some(match text.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned()), item.line),
                    None => (text, None, item.line),
                })
            })
            .collect(),
        Tree::Null => Some(Vec::new()),
        Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => None,
    }
}
