//! Volumes and networks: named volumes are taken, other networks are not. What is mounted from beside the file, or
//! from a machine, becomes a volume too where something is kept there ([`super::folders`]); the texts in it are taken
//! as what is in them ([`super::delivered`]).

use std::collections::{BTreeMap, BTreeSet};

use super::folders::{Kept, Means};
use super::notes::{Notes, bad, shown};
use super::tree::{Field, Node, Tree};
use super::{Bad, Given, inside, units};
use crate::container::{Mount, MountPath, VolumeName};
use crate::inside::Tmpfs;
use crate::limits;

/// Ways in which a volume is seen. All but one of them say nothing here: how labels of SELinux are set, and how soon
/// what is written shows on another machine.
const MODES: [&str; 8] = ["", "ro", "rw", "z", "Z", "cached", "consistent", "delegated"];

/// A file or a folder that a service is to have from where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) line: u64,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) read_only: bool,
}

impl Bind {
    /// What an entry of `volumes` says, where it is such.
    pub(super) fn of(item: &Node) -> Option<Self> {
        let line = item.line;
        if item.fields().is_some() {
            let text = |name: &str| item.get(name).and_then(Node::text);
            text("type").filter(|kind| kind == "bind")?;
            let (source, target) = (text("source")?, text("target")?);
            let read_only = item.get("read_only").and_then(Node::truth) == Some(true);
            return Some(Self { line, source, target, read_only });
        }
        let text = item.text()?;
        let mut parts = text.splitn(3, ':');
        let (source, target) = (parts.next()?, parts.next()?);
        let read_only = parts.next().is_some_and(|modes| modes.split(',').any(|mode| mode == "ro"));
        let is_path = source.starts_with(['/', '.', '~']) || source.contains(['/', '\\']);
        is_path.then(|| Self {
            line,
            source: source.to_owned(),
            target: target.to_owned(),
            read_only,
        })
    }

    /// Whether it counts from the folder of the file.
    pub(super) fn is_relative(&self) -> bool {
        !self.source.is_empty() && !self.source.starts_with(['/', '~'])
    }
}

/// The volumes that a file declares.
#[derive(Debug, Default)]
pub(super) struct Declared {
    names: BTreeSet<VolumeName>,
    /// Those of what services keep beside the file.
    kept: Kept,
}

impl Declared {
    /// Takes in what services keep beside the file.
    pub(super) fn keep(&mut self, services: &[Field], given: &Given) -> Result<(), Bad> {
        self.kept = Kept::of(services, given, &self.names)?;
        Ok(())
    }
}

pub(super) fn declared(node: Option<&Node>, notes: &mut Notes) -> Result<Declared, Bad> {
    let mut declared = Declared::default();
    let Some(node) = node else { return Ok(declared) };
    let Some(fields) = node.fields() else {
        return if node.is_null() {
            Ok(declared)
        } else {
            bad(node.line, "volumes is a map of names")
        };
    };
    for field in fields {
        let key = format!("volumes.{}", field.name);
        let name = match VolumeName::new(field.name.as_str()) {
            Ok(name) => name,
            Err(why) => return bad(field.line, why.to_string()),
        };
        for option in field.node.fields().unwrap_or_default() {
            let key = format!("{key}.{}", option.name);
            match option.name.as_str() {
                "external" if option.node.truth() == Some(false) => {}
                "external" => notes.left(
                    option.line,
                    &key,
                    "a volume that Hythe did not make is given to no container: there is one of the project's own \
                     by that name, with nothing of what the other one has",
                ),
                "driver" if option.node.text().as_deref() == Some("local") => {}
                "driver" | "driver_opts" => notes.left(
                    option.line,
                    &key,
                    "volumes are the engine's own, in folders of the worker's",
                ),
                "name" => notes.left(option.line, &key, "a volume belongs to its project here"),
                "labels" => notes.left(option.line, &key, "volumes bear labels of Hythe's own"),
                name if name.starts_with("x-") => {}
                name => {
                    let known = ["external", "driver", "driver_opts", "name", "labels"];
                    notes.unknown(option.line, &key, name, &known);
                }
            }
        }
        declared.names.insert(name);
    }
    Ok(declared)
}

pub(super) fn networks(node: &Node, line: u64, notes: &mut Notes) {
    let others = node.fields().unwrap_or_default().iter().any(|field| {
        field.name != "default" || field.node.fields().is_some_and(|fields| !fields.is_empty())
    });
    if others {
        notes.left(
            line,
            "networks",
            "all services of a project share one network, which no other project's are on",
        );
    }
}

/// `volumes` of a service that is built from that folder, where it is. Those of the type tmpfs are put to what it has
/// in memory, and what lies elsewhere and becomes no volume to `binds`, of which nothing is told here.
pub(super) fn read(
    key: &str,
    node: &Node,
    (declared, given, built): (&Declared, &Given, Option<&str>),
    (tmpfs, binds): (&mut BTreeMap<MountPath, Tmpfs>, &mut Vec<(Bind, Means)>),
    notes: &mut Notes,
) -> Result<BTreeMap<MountPath, Mount>, Bad> {
    let mut found = BTreeMap::new();
    let Some(items) = node.items() else {
        if !node.is_null() {
            notes.left(node.line, key, "it is a list of volumes");
        }
        return Ok(found);
    };
    for item in items {
        if item.get("type").and_then(Node::text).as_deref() == Some("tmpfs") {
            inside::long(key, item, tmpfs, notes)?;
            continue;
        }
        let mount = match &item.value {
            Tree::Map(_) => long(key, item, notes),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) | Tree::List(_) => {
                short(key, item, notes)
            }
        };
        if let Some(bind) = Bind::of(item) {
            match declared.kept.settle(&bind, built, given) {
                Means::Volume(volume, why) => {
                    let mount = Mount { volume, read_only: bind.read_only };
                    put(key, item.line, (&bind.target, mount), &mut found)?;
                    notes.left(item.line, key, why);
                }
                other @ (Means::Texts(_) | Means::Nothing(_)) => binds.push((bind, other)),
            }
            continue;
        }
        let Some((volume, path, read_only)) = mount else { continue };
        if volume.is_empty() {
            let why = format!(
                "{key}: no volume is named for {}; where a variable stands for it, say that by --env or in .env",
                shown(&path)
            );
            return bad(item.line, why);
        }
        let volume = match VolumeName::new(volume) {
            Ok(volume) if declared.names.contains(&volume) => volume,
            Ok(volume) => {
                return bad(
                    item.line,
                    format!(
                        "{key}: there is no volume {volume}; declare it under volumes at the top"
                    ),
                );
            }
            Err(why) => return bad(item.line, format!("{key}: {why}")),
        };
        put(key, item.line, (&path, Mount { volume, read_only }), &mut found)?;
    }
    if found.len() > limits::MOST_VOLUMES {
        return bad(
            node.line,
            format!("{key}: a service has at most {} volumes", limits::MOST_VOLUMES),
        );
    }
    Ok(found)
}

fn put(
    key: &str,
    line: u64,
    (path, mount): (&str, Mount),
    found: &mut BTreeMap<MountPath, Mount>,
) -> Result<(), Bad> {
    let path = match MountPath::new(path.trim_end_matches('/')) {
        Ok(path) => path,
        Err(why) => return bad(line, format!("{key}: {why}")),
    };
    if found.insert(path.clone(), mount).is_some() {
        return bad(line, format!("{key}: two volumes are at {path}"));
    }
    Ok(())
}

/// `SOURCE:TARGET[:MODE]`: which volume, where, and whether it can only be read.
fn short(key: &str, item: &Node, notes: &mut Notes) -> Option<(String, String, bool)> {
    let text = item.text().unwrap_or_default();
    let mut parts = text.splitn(3, ':');
    let (source, target) = (parts.next().unwrap_or_default(), parts.next());
    let mode = parts.next().unwrap_or_default();
    let Some(target) = target else {
        notes.left(
            item.line,
            key,
            "a volume without a name would be another one with each version; give it a name",
        );
        return None;
    };
    // What is none of these has a name.
    if Bind::of(item).is_some() {
        return None;
    }
    let modes: Vec<&str> = mode.split(',').collect();
    for other in modes.iter().filter(|mode| !MODES.contains(mode)) {
        notes.left(item.line, key, format!("there is no way {} of it", shown(other)));
    }
    Some((source.to_owned(), target.to_owned(), modes.contains(&"ro")))
}

fn long(key: &str, item: &Node, notes: &mut Notes) -> Option<(String, String, bool)> {
    let text = |name: &str| item.get(name).and_then(Node::text).unwrap_or_default();
    for field in item.fields().unwrap_or_default() {
        let key = format!("{key}.{}", field.name);
        match field.name.as_str() {
            "type" | "source" | "target" | "read_only" | "bind" => {}
            "volume" => notes.left(field.line, &key, "a volume has no further options here"),
            "consistency" => {}
            name => {
                let known = ["type", "source", "target", "read_only", "volume", "bind", "tmpfs"];
                notes.unknown(field.line, &key, name, &known);
            }
        }
    }
    match text("type").as_str() {
        "volume" if text("source").is_empty() => {
            notes.left(
                item.line,
                key,
                "a volume without a name would be another one with each version; give it a name",
            );
            None
        }
        "volume" => {
            let read_only = item.get("read_only").and_then(Node::truth) == Some(true);
            Some((text("source"), text("target"), read_only))
        }
        "bind" if Bind::of(item).is_some() => None,
        "bind" => {
            notes.left(
                item.line,
                key,
                "it says which folder is mounted where, by source and target",
            );
            None
        }
        other => {
            let why = format!("there are no mounts of type {}", shown(other));
            notes.left(item.line, key, why);
            None
        }
    }
}

/// How many replicas a service has that says so.
pub(super) fn replicas(key: &str, node: &Node, alone: bool, notes: &mut Notes) -> Option<u16> {
    let found = units::number::<u16>(node);
    match found {
        Some(more) if alone && more > 1 => {
            let why =
                "it writes to a volume, so there is one of it: two would write to the same files";
            notes.left(node.line, key, why);
            None
        }
        Some(replicas) if replicas > 0 && replicas <= limits::MOST_REPLICAS => Some(replicas),
        Some(_) | None => {
            let most = limits::MOST_REPLICAS;
            notes.left(node.line, key, format!("it is 1 to {most}; for none: `hythe stop`"));
            None
        }
    }
}
