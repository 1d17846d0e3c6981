//! `extends`: a service has what another one has, and what it says itself goes before that.

use super::super::Bad;
use super::super::notes::{bad, shown};
use super::super::tree::{Field, Node, Tree};
use super::{Files, Origin, merge};

/// How many services may extend one another in a row.
const MOST: usize = 16;

/// The services of a file, each with what it extends.
pub(super) fn all(files: &mut Files<'_>, mut root: Node, origin: &Origin) -> Result<Node, Bad> {
    let listed = root.get("services").and_then(Node::fields).unwrap_or_default();
    if listed.iter().all(|field| field.node.get("extends").is_none()) {
        return Ok(root);
    }
    let mut services = Vec::with_capacity(listed.len());
    for Field { name, line, node: _ } in listed {
        let node = service(files, (&root, origin), ("services", name, *line), &mut Vec::new())?;
        services.push(Field { name: name.clone(), line: *line, node });
    }
    if let Some(node) = root.get_mut("services") {
        node.value = Tree::Map(services);
    }
    Ok(root)
}

/// A service that `key` in `line` wants. `way` has the files and services that lead to it.
fn service(
    files: &mut Files<'_>,
    (root, origin): (&Node, &Origin),
    (key, name, line): (&str, &str, u64),
    way: &mut Vec<(Option<String>, String)>,
) -> Result<Node, Bad> {
    let here = (origin.path.clone(), name.to_owned());
    if let Some(at) = way.iter().position(|known| *known == here) {
        let names = way.iter().skip(at).map(|(_, name)| name.as_str()).chain([name]);
        let names: Vec<String> = names.map(shown).collect();
        return bad(
            line,
            format!("services extend one another in a circle: {}", names.join(" → ")),
        );
    }
    if way.len() >= MOST {
        return bad(line, format!("more than {MOST} services extend one another in a row"));
    }
    let Some(node) = root.get("services").and_then(|services| services.get(name)) else {
        let path = origin.path.as_deref();
        let file = path.map_or_else(|| "in this file".to_owned(), |p| format!("in {}", shown(p)));
        return bad(line, format!("{key}: there is no service {} {file}", shown(name)));
    };
    let Some(from) = node.get("extends") else { return Ok(node.clone()) };
    let key = format!("services.{}.extends", shown(name));
    let Extends { service: of, file } = Extends::of(&key, from)?;
    way.push(here);
    let base = match file {
        None => service(files, (root, origin), (&key, &of, from.line), way)?,
        Some(file) => {
            let (other, theirs) = files.base(&key, (&file, from.line), origin)?;
            service(files, (&other, &theirs), (&key, &of, from.line), way)?
        }
    };
    way.pop();
    let room = files.room.take(base.bytes());
    room.map_err(|why| Bad { line: Some(from.line), why: format!("{key}: {why}") })?;
    Ok(merge::service(base, node.without("extends")))
}

/// Which service is extended.
#[derive(Debug)]
pub(super) struct Extends {
    pub(super) service: String,
    /// The file that it is in, where that is another one.
    pub(super) file: Option<String>,
}

impl Extends {
    pub(super) fn of(key: &str, node: &Node) -> Result<Self, Bad> {
        if let Some(service) = node.text() {
            return Ok(Self { service, file: None });
        }
        match node.get("service").and_then(Node::text) {
            Some(service) => {
                let file = node.get("file").and_then(Node::text);
                Ok(Self { service, file })
            }
            None => bad(
                node.line,
                format!("{key}: it is the name of a service, or a map with service and file"),
            ),
        }
    }
}
