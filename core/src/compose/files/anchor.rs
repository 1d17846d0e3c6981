//! The paths of another file, written so that they count from the folder of the file that was given.

use super::super::Bad;
use super::super::notes::bad;
use super::super::service::resolve;
use super::super::tree::{Field, Node, Tree};

/// Writes the paths of a file anew whose own count from `folder`, to count from `first`.
pub(super) fn paths(root: &mut Node, folder: &str, first: &str) -> Result<(), Bad> {
    if folder == first {
        return Ok(());
    }
    let up = "../".repeat(first.split('/').filter(|part| !part.is_empty()).count());
    let one = |node: &mut Node| {
        let Some(text) = node.text() else { return Ok(()) };
        // What is no path is refused where it is read.
        if text.contains("://") || text.starts_with("git@") {
            return Ok(());
        }
        match resolve(folder, &text) {
            Ok(found) => {
                node.value = Tree::Text(format!("{up}{}", found.as_deref().unwrap_or(".")));
                Ok(())
            }
            Err(why) => bad(node.line, why),
        }
    };
    for service in root.get_mut("services").and_then(Node::fields_mut).into_iter().flatten() {
        if let Some(build) = service.node.get_mut("build") {
            context(build, &one)?;
        }
        if let Some(files) = service.node.get_mut("env_file") {
            env_files(files, &one)?;
        }
    }
    for section in ["secrets", "configs"] {
        for declared in root.get_mut(section).and_then(Node::fields_mut).into_iter().flatten() {
            declared.node.get_mut("file").map_or(Ok(()), &one)?;
        }
    }
    Ok(())
}

/// The folder of a build. Where none is said it is the file's own.
fn context(build: &mut Node, one: &impl Fn(&mut Node) -> Result<(), Bad>) -> Result<(), Bad> {
    let line = build.line;
    if let Tree::Map(fields) = &mut build.value {
        if !fields.iter().any(|field| field.name == "context") {
            let node = Node { line, value: Tree::Text(".".into()) };
            fields.push(Field { name: "context".into(), line, node });
        }
        let contexts = fields.iter_mut().filter(|field| field.name == "context");
        return contexts.map(|field| &mut field.node).try_for_each(one);
    }
    one(build)
}

fn env_files(files: &mut Node, one: &impl Fn(&mut Node) -> Result<(), Bad>) -> Result<(), Bad> {
    match &mut files.value {
        Tree::List(items) => items.iter_mut().try_for_each(|item| env_files(item, one)),
        Tree::Map(_) => files.get_mut("path").map_or(Ok(()), one),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => one(files),
    }
}
