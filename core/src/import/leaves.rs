//! A document as a list of its values, each with the keys that lead to it. So a format is a table of
//! keys, and a key that is not in it cannot be passed over.

use serde_json::Value;

/// The most values that are looked at.
const MOST_LEAVES: usize = 2_000;
/// How deep.
const MOST_DEPTH: usize = 12;

/// A value and how it is reached; places in lists are `*`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leaf<'a> {
    pub(super) path: Vec<&'a str>,
    /// The same for people, with the places in lists.
    pub(super) key: String,
    pub(super) value: &'a Value,
}

/// All values, in the document's order. A list of plain values is one value.
pub(super) fn leaves(root: &Value) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    collect(root, &mut Vec::new(), "", &mut found);
    found
}

fn collect<'a>(value: &'a Value, path: &mut Vec<&'a str>, key: &str, found: &mut Vec<Leaf<'a>>) {
    if found.len() == MOST_LEAVES {
        return;
    }
    let plain = |value: &Value| !value.is_object() && !value.is_array();
    match value {
        Value::Object(fields) if path.len() < MOST_DEPTH => {
            for (name, inner) in fields {
                path.push(name);
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                collect(inner, path, &key, found);
                path.pop();
            }
        }
        Value::Array(items) if path.len() < MOST_DEPTH && !items.iter().all(plain) => {
            for (n, inner) in items.iter().enumerate() {
                path.push("*");
                collect(inner, path, &format!("{key}[{n}]"), found);
                path.pop();
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            found.push(Leaf { path: path.clone(), key: key.to_owned(), value });
        }
    }
}
