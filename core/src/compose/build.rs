//! `build`: which folder, which Dockerfile, which stage, with which arguments.

use super::notes::{Notes, bad, shown};
use super::service::resolve;
use super::tree::{Node, Tree};
use super::{Bad, Build, Given, pairs};
use crate::limits;
use crate::names::{BuildArg, BuildArgValue, BuildTarget, RepositoryPath};

pub(super) fn read(key: &str, node: &Node, given: &Given, notes: &mut Notes) -> Result<Build, Bad> {
    let mut build = Build::default();
    match &node.value {
        Tree::Text(context) => build.context = folder(key, node.line, context, given)?,
        Tree::Map(fields) => {
            let context = node.get("context").and_then(Node::text);
            let line = node.get("context").map_or(node.line, |context| context.line);
            build.context = folder(key, line, context.as_deref().unwrap_or("."), given)?;
            for field in fields {
                let key = format!("{key}.{}", field.name);
                one(
                    &key,
                    &field.name,
                    (&field.node, field.line),
                    &mut build,
                    (given, &mut *notes),
                )?;
            }
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::List(_) => {
            return bad(
                node.line,
                format!("{key}: it is a folder, or a map with context and the like"),
            );
        }
    }
    Ok(build)
}

fn one(
    key: &str,
    name: &str,
    (node, line): (&Node, u64),
    build: &mut Build,
    (given, notes): (&Given, &mut Notes),
) -> Result<(), Bad> {
    match name {
        "context" => {}
        "dockerfile" => {
            let text = node.text().unwrap_or_default();
            let path = text.strip_prefix("./").unwrap_or(&text);
            match RepositoryPath::new(path) {
                Ok(path) => build.dockerfile = Some(path),
                Err(why) => {
                    return bad(
                        line,
                        format!("{key}: {why}; it has to be inside of the folder that is built"),
                    );
                }
            }
        }
        "target" => match BuildTarget::new(node.text().unwrap_or_default()) {
            Ok(target) => build.target = Some(target),
            Err(why) => return bad(line, format!("{key}: {why}")),
        },
        "args" => {
            let Some(found) = pairs(node) else {
                return bad(line, format!("{key}: it is a map, or a list of NAME=value"));
            };
            for (name, value, line) in found {
                let key = format!("{key}.{}", shown(&name));
                let Some(value) = value.or_else(|| given.variables.get(&name).cloned()) else {
                    notes.left(line, &key, "it has no value here, and none is given");
                    continue;
                };
                match (BuildArg::new(name), BuildArgValue::new(value)) {
                    (Ok(name), Ok(value)) if build.args.len() < limits::MOST_BUILD_ARGS => {
                        build.args.insert(name, value);
                    }
                    (Ok(_), Ok(_)) => notes.left(
                        line,
                        &key,
                        format!("there are at most {} arguments", limits::MOST_BUILD_ARGS),
                    ),
                    (Err(why), _) | (_, Err(why)) => notes.left(line, &key, why.to_string()),
                }
            }
        }
        "dockerfile_inline" => {
            return bad(line, format!("{key}: it is not taken; write it into a Dockerfile"));
        }
        "cache_from" | "cache_to" | "no_cache" | "pull" => {
            notes.left(line, key, "what builds keep is Hythe's own matter");
        }
        "secrets" | "ssh" => notes.left(
            line,
            key,
            "say which variables a build may read by `hythe app set APP --build-secret NAME`",
        ),
        "network" | "extra_hosts" | "privileged" | "entitlements" | "isolation" | "shm_size"
        | "ulimits" => notes.left(line, key, "a build reaches the internet and nothing else"),
        "labels" | "tags" | "platforms" | "provenance" | "sbom" => {
            notes.left(line, key, "images are Hythe's own, for its workers, and go to no registry");
        }
        "additional_contexts" => {
            return bad(line, format!("{key}: a build sees one folder; put into it what it needs"));
        }
        name if name.starts_with("x-") => {}
        name => {
            let known =
                ["context", "dockerfile", "target", "args", "secrets", "cache_from", "network"];
            notes.unknown(line, key, name, &known);
        }
    }
    Ok(())
}

fn folder(key: &str, line: u64, text: &str, given: &Given) -> Result<Option<RepositoryPath>, Bad> {
    if text.contains("://") || text.starts_with("git@") {
        return bad(
            line,
            format!("{key}: a context elsewhere is not fetched; deploy that repository as an app"),
        );
    }
    match resolve(&given.folder, text) {
        Ok(found) => match found.map(RepositoryPath::new).transpose() {
            Ok(path) => Ok(path),
            Err(why) => bad(line, format!("{key}: {why}")),
        },
        Err(why) => bad(line, format!("{key}: {why}")),
    }
}
