//! The paths of another file, written so that they count from the folder of the file that was given.

use super::super::Bad;
use super::super::notes::bad;
use super::super::service::resolve;
use super::super::tree::{Field, Node, Tree};
use super::super::volumes::Bind;

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
        let volumes = service.node.get_mut("volumes").map(|node| &mut node.value);
        if let Some(Tree::List(items)) = volumes {
            items.iter_mut().for_each(|item| mounted(item, folder, &up));
        }
    }
    for section in ["secrets", "configs"] {
        for declared in root.get_mut(section).and_then(Node::fields_mut).into_iter().flatten() {
            declared.node.get_mut("file").map_or(Ok(()), &one)?;
        }
    }
    Ok(())
}

/// What is mounted from beside a file. One that leads out is of the machine, as one that begins at its root.
fn mounted(item: &mut Node, folder: &str, up: &str) {
    let Some(bind) = Bind::of(item).filter(Bind::is_relative) else { return };
    let source = match resolve(folder, &bind.source) {
        Ok(found) => format!("./{up}{}", found.as_deref().unwrap_or(".")),
        Err(_) => format!("/{}", bind.source),
    };
    if let Some(node) = item.get_mut("source") {
        node.value = Tree::Text(source);
    } else if let Tree::Text(text) = &mut item.value {
        let rest = text.get(bind.source.len()..).unwrap_or_default();
        *text = format!("{source}{rest}");
    }
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
