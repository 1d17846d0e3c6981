//! Variables that a file only names, with no text to fill them into: entries of `environment` and of a build's
//! arguments without a value, and what `secrets` and `configs` are made from.
//!
//! What is read of several files does not know any more which of them said what, and a file that is included
//! may have variables of its own. So each file's are settled here, as soon as it is read.

use std::collections::BTreeMap;

use super::super::Bad;
use super::super::tree::{Node, Tree};
use super::super::variables::Room;

/// What variables stand for that secrets and configs are made from, by the line where one is named, counted
/// over all files, and its name.
pub(in crate::compose) type Values = BTreeMap<(u64, String), String>;

/// Writes their values into entries without one.
pub(super) fn bare(
    root: &mut Node,
    variables: &BTreeMap<String, String>,
    room: &mut Room,
) -> Result<(), Bad> {
    for service in root.get_mut("services").and_then(Node::fields_mut).into_iter().flatten() {
        if let Some(environment) = service.node.get_mut("environment") {
            entries(environment, variables, room)?;
        }
        if let Some(args) = service.node.get_mut("build").and_then(|build| build.get_mut("args")) {
            entries(args, variables, room)?;
        }
    }
    Ok(())
}

fn entries(
    node: &mut Node,
    variables: &BTreeMap<String, String>,
    room: &mut Room,
) -> Result<(), Bad> {
    match &mut node.value {
        Tree::Map(fields) => {
            for field in fields.iter_mut().filter(|field| field.node.is_null()) {
                if let Some(value) = variables.get(&field.name) {
                    take(value, field.line, room)?;
                    field.node.value = Tree::Text(value.clone());
                }
            }
        }
        Tree::List(items) => {
            for item in items {
                let name = item.text().filter(|text| !text.contains('='));
                if let Some((name, value)) = name.and_then(|name| variables.get_key_value(&name)) {
                    take(value, item.line, room)?;
                    item.value = Tree::Text(format!("{name}={value}"));
                }
            }
        }
        // What is none of both is refused where it is read.
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => {}
    }
    Ok(())
}

/// Keeps what secrets and configs of a file are made from.
pub(super) fn declared(
    root: &Node,
    variables: &BTreeMap<String, String>,
    room: &mut Room,
    values: &mut Values,
) -> Result<(), Bad> {
    for section in ["secrets", "configs"] {
        for declared in root.get(section).and_then(Node::fields).unwrap_or_default() {
            let Some(node) = declared.node.get("environment") else { continue };
            let Some(name) = node.text() else { continue };
            if let Some(value) = variables.get(&name) {
                take(value, node.line, room)?;
                values.insert((node.line, name), value.clone());
            }
        }
    }
    Ok(())
}

/// What the variable stands for that a secret or a config is made from, where that is given.
pub(in crate::compose) fn value<'a>(values: &'a Values, declared: &Node) -> Option<&'a String> {
    let node = declared.get("environment")?;
    values.get(&(node.line, node.text()?))
}

fn take(value: &str, line: u64, room: &mut Room) -> Result<(), Bad> {
    room.take(value.len()).map_err(|why| Bad { line: Some(line), why })
}
