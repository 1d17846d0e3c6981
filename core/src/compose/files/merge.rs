//! How two values are put together, as the Compose specification has it: maps by their names, lists one
//! after the other, and of anything else the second one counts.

use std::collections::{BTreeMap, BTreeSet};

use super::super::tree::{Field, Node, Tree};

/// A service that extends another one: `over` goes before `base`.
pub(super) fn service(base: Node, over: Node) -> Node {
    merged("", base, over)
}

/// Two files that are one: `over` goes before `base`.
pub(super) fn files(base: Node, over: Node) -> Node {
    let Tree::Map(mut all) = base.value else { return over };
    let Tree::Map(fields) = over.value else {
        return Node { line: base.line, value: Tree::Map(all) };
    };
    for Field { name, line, node } in fields {
        let before = all.iter().position(|field| field.name == name).map(|at| all.remove(at));
        let node = match before {
            Some(before) if name == "services" => each(before.node, node),
            Some(before) => merged("top", before.node, node),
            None => node,
        };
        all.push(Field { name, line, node });
    }
    Node { line: over.line, value: Tree::Map(all) }
}

/// Services by their names.
fn each(base: Node, over: Node) -> Node {
    let line = over.line;
    let Tree::Map(base) = base.value else { return over };
    let Tree::Map(over) = over.value else { return Node { line, value: Tree::Map(base) } };
    Node { line, value: Tree::Map(by_name(base, over, |_, base, over| service(base, over))) }
}

/// Puts two values together that stand at this place of a service.
fn merged(at: &str, base: Node, over: Node) -> Node {
    let line = over.line;
    match at {
        "command" | "entrypoint" | "healthcheck.test" => return over,
        _ if over.is_null() => return base,
        _ => {}
    }
    let (base, over) = (long(at, base), long(at, over));
    let value = match over {
        Tree::Map(over) => match base {
            Tree::Map(base) => Tree::Map(by_name(base, over, |name, base, over| {
                let at = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
                merged(&at, base, over)
            })),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) | Tree::List(_) => {
                Tree::Map(over)
            }
        },
        Tree::List(over) => match base {
            Tree::List(base) => Tree::List(in_a_row(at, base, over)),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) | Tree::Map(_) => {
                Tree::List(over)
            }
        },
        other @ (Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_)) => other,
    };
    Node { line, value }
}

fn by_name(
    mut base: Vec<Field>,
    over: Vec<Field>,
    both: impl Fn(&str, Node, Node) -> Node,
) -> Vec<Field> {
    let known: BTreeMap<String, usize> =
        base.iter().enumerate().map(|(at, field)| (field.name.clone(), at)).collect();
    for field in over {
        match known.get(&field.name).and_then(|at| base.get_mut(*at)) {
            Some(before) => {
                let nothing = Node { line: before.line, value: Tree::Null };
                let node = std::mem::replace(&mut before.node, nothing);
                before.node = both(&field.name, node, field.node);
                before.line = field.line;
            }
            None => base.push(field),
        }
    }
    base
}

/// One list after the other. What is at the same place in both is there once, as the second says.
fn in_a_row(at: &str, mut base: Vec<Node>, over: Vec<Node>) -> Vec<Node> {
    let place: fn(&Node) -> Option<String> = match at {
        "volumes" => volume,
        "ports" => port,
        "secrets" | "configs" => file,
        "tmpfs" => memory,
        _ => nowhere,
    };
    let taken: BTreeSet<String> = over.iter().filter_map(place).collect();
    base.retain(|node| place(node).is_none_or(|place| !taken.contains(&place)));
    base.extend(over);
    base
}

/// Where a volume is seen.
fn volume(node: &Node) -> Option<String> {
    let target = match node.text() {
        Some(text) => {
            let mut parts = text.split(':');
            let first = parts.next()?;
            parts.next().unwrap_or(first).to_owned()
        }
        None => node.get("target")?.text()?,
    };
    Some(target.trim_end_matches('/').to_owned())
}

fn memory(node: &Node) -> Option<String> {
    Some(node.text()?.split(':').next()?.trim_end_matches('/').to_owned())
}

const fn nowhere(_node: &Node) -> Option<String> {
    None
}

fn port(node: &Node) -> Option<String> {
    if let Some(text) = node.text() {
        return Some(text);
    }
    let part = |name: &str| node.get(name).and_then(Node::text).unwrap_or_default();
    Some(["host_ip", "published", "target", "protocol"].map(part).join(" "))
}

/// Where a secret or a configuration is seen.
fn file(node: &Node) -> Option<String> {
    node.text().or_else(|| node.get("target")?.text()).or_else(|| node.get("source")?.text())
}

/// A value in its long form, where it has a short one beside it.
fn long(at: &str, node: Node) -> Tree {
    let line = node.line;
    match at {
        "build" => match node.value {
            context @ (Tree::Text(_) | Tree::Number(_) | Tree::Bool(_)) => {
                let node = Node { line, value: context };
                Tree::Map(vec![Field { name: "context".into(), line, node }])
            }
            other @ (Tree::Null | Tree::List(_) | Tree::Map(_)) => other,
        },
        "environment" | "build.args" | "labels" | "deploy.labels" | "build.labels"
        | "annotations" | "sysctls" => named(node, |text| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Tree::Text(value.to_owned())),
            None => (text.to_owned(), Tree::Null),
        }),
        "extra_hosts" => named(node, |text| {
            let (name, address) = text.split_once(['=', ':']).unwrap_or((text, ""));
            (name.to_owned(), Tree::Text(address.to_owned()))
        }),
        "depends_on" => named(node, |text| (text.to_owned(), Tree::Map(Vec::new()))),
        "networks" => named(node, |text| (text.to_owned(), Tree::Null)),
        "env_file" | "tmpfs" | "dns" | "dns_search" => match node.value {
            Tree::List(items) => Tree::List(items),
            one @ (Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) | Tree::Map(_)) => {
                Tree::List(vec![Node { line, value: one }])
            }
        },
        _ => node.value,
    }
}

/// A list of texts as a map. Of two of one name the later one counts.
fn named(node: Node, split: impl Fn(&str) -> (String, Tree)) -> Tree {
    let Tree::List(items) = node.value else { return node.value };
    let mut found: BTreeMap<String, Field> = BTreeMap::new();
    for item in &items {
        // What is no text is refused where it is read.
        let Some(text) = item.text() else { return Tree::List(items) };
        let (name, value) = split(&text);
        let node = Node { line: item.line, value };
        found.insert(name.clone(), Field { name, line: item.line, node });
    }
    Tree::Map(found.into_values().collect())
}
