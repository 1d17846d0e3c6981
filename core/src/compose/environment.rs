//! The variables of a service, and the files that they come from.

use std::collections::BTreeMap;

use super::notes::{Notes, bad, shown};
use super::service::resolve;
use super::tree::Node;
use super::variables::{self, Room};
use super::{Bad, Given, pairs};
use crate::limits;
use crate::names::{EnvName, EnvValue};

/// A file of variables.
#[derive(Clone, Debug)]
pub(super) struct EnvFile {
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) required: bool,
    /// Whether values are what stands there, with quotes and dollars.
    pub(super) raw: bool,
}

/// The files of variables that a service names.
pub(super) fn env_files(node: &Node) -> Vec<EnvFile> {
    let one = |node: &Node| {
        if let Some(path) = node.text() {
            return Some(EnvFile { path, line: node.line, required: true, raw: false });
        }
        let path = node.get("path")?.text()?;
        let required = node.get("required").and_then(Node::truth) != Some(false);
        let raw = node.get("format").and_then(Node::text).as_deref() == Some("raw");
        Some(EnvFile { path, line: node.line, required, raw })
    };
    match node.items() {
        Some(items) => items.iter().filter_map(one).collect(),
        None => one(node).into_iter().collect(),
    }
}

/// That a service says which port it is to listen on.
#[derive(Clone, Debug)]
pub(super) struct SaidPort {
    pub(super) key: String,
    pub(super) line: u64,
    /// None where it is no port.
    pub(super) port: Option<u16>,
}

/// What is told of a name that a program may have and no shell can.
const DOTTED: &str = "; many programs that read such a name read another one, too, as Elasticsearch does \
                      ES_SETTING_DISCOVERY_TYPE for discovery.type";

/// The same of an Elasticsearch that reads no other.
const OF_OLD: &str = "; an Elasticsearch before 7.15 reads it by no other name: take a newer image, or say it in its \
                      command, as in elasticsearch -Ediscovery.type=single-node";
/// The first version of Elasticsearch that reads settings by names that shells can have, too.
const ELASTICSEARCH: (u32, u32) = (7, 15);

/// Whether an Elasticsearch reads settings by the names of variables; `None` where it is none. OpenSearch was parted
/// from it before it did.
fn elasticsearch(service: &Node) -> Option<bool> {
    let image = service.get("image")?.text()?;
    let image = image.split('@').next()?.rsplit('/').next()?;
    let (name, tag) = image.split_once(':').unwrap_or((image, ""));
    if name != "elasticsearch" {
        return None;
    }
    let mut numbers = tag.split(['.', '-']).map(|part| part.parse::<u32>().ok());
    // What has no number is the newest, and so is what stands behind a number that is the last one.
    let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
    Some(first.is_none_or(|first| (first, second.unwrap_or(u32::MAX)) >= ELASTICSEARCH))
}

/// The variable that it reads in place of a setting.
fn setting(name: &str) -> String {
    format!("ES_SETTING_{}", name.replace('_', "__").replace('.', "_").to_ascii_uppercase())
}

/// All variables of a service: those of its files, and before them those that it says itself. The port that
/// it names by one is handed back.
pub(super) fn read(
    key: &str,
    node: &Node,
    (given, room): (&Given, &mut Room),
    env: &mut BTreeMap<EnvName, EnvValue>,
    notes: &mut Notes,
) -> Result<Option<SaidPort>, Bad> {
    let mut said = None;
    let mut found: Vec<(String, Option<String>, u64, String)> = Vec::new();
    let files = node.get("env_file").map(env_files).unwrap_or_default();
    if let Some(file) = files.get(limits::MOST_ENV_FILES) {
        let most = limits::MOST_ENV_FILES;
        return bad(file.line, format!("{key}.env_file: at most {most} files are read"));
    }
    for file in files {
        let at = format!("{key}.env_file");
        let path = match resolve(&given.folder, &file.path) {
            Ok(Some(path)) => path,
            Ok(None) => return bad(file.line, format!("{at}: it is a folder")),
            Err(why) => return bad(file.line, format!("{at}: {why}")),
        };
        let Some(text) = given.files.get(&path) else {
            if file.required {
                let why = format!(
                    "{at}: there is no file {}; write one there, by the example that is often beside it, or \
                     say required: false of it",
                    shown(&path)
                );
                return bad(file.line, why);
            }
            continue;
        };
        let read = if file.raw { variables::raw_within } else { variables::file_within };
        match read(text, &given.variables, room) {
            Ok(values) => found.extend(
                values.into_iter().map(|(name, value)| (name, Some(value), file.line, at.clone())),
            ),
            Err(why) => return bad(file.line, format!("{at}: {}: {why}", shown(&path))),
        }
    }
    if let Some(node) = node.get("environment") {
        let at = format!("{key}.environment");
        let Some(pairs) = pairs(node) else {
            return bad(node.line, format!("{at}: it is a map, or a list of NAME=value"));
        };
        found.extend(pairs.into_iter().map(|(name, value, line)| (name, value, line, at.clone())));
    }
    let search = elasticsearch(node);
    for (name, value, line, at) in found {
        let at = format!("{at}.{}", shown(&name));
        let Some(value) = value.or_else(|| given.variables.get(&name).cloned()) else {
            notes.left(line, &at, "it has no value here, and none is given");
            continue;
        };
        let has_dot = name.contains('.');
        let name = if has_dot && search == Some(true) {
            let other = setting(&name);
            let why = format!("it is given as {other}, which Elasticsearch reads as the same");
            notes.left(line, &at, why);
            other
        } else {
            name
        };
        let dotted = if !has_dot {
            ""
        } else if search == Some(false) {
            OF_OLD
        } else {
            DOTTED
        };
        match (EnvName::new(name), EnvValue::new(value)) {
            (Ok(name), Ok(value)) => {
                if name.as_str() == "PORT" {
                    let port = value.reveal().trim().parse::<u16>().ok().filter(|port| *port > 0);
                    said = Some(SaidPort { key: at, line, port });
                    continue;
                }
                env.insert(name, value);
            }
            (Err(why), _) => notes.left(line, &at, format!("{why}{dotted}")),
            (_, Err(why)) => notes.left(line, &at, why.to_string()),
        }
    }
    let bytes: usize =
        env.iter().map(|(name, value)| name.as_str().len() + value.reveal().len()).sum();
    if env.len() > limits::MOST_ENV || bytes > limits::MOST_ENV_BYTES {
        let (most, kib) = (limits::MOST_ENV, limits::MOST_ENV_BYTES / 1024);
        let line = node.get("environment").map_or(node.line, |node| node.line);
        return bad(line, format!("{key}: a service has at most {most} variables, of {kib} KiB"));
    }
    Ok(said)
}
