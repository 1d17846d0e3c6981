//! Further names of services: `container_name`, `hostname`, names in networks, and those that others link them
//! under. All services of a project share one network, so each name is one for all of them; where that would
//! make it mean two services, it means neither, and is told of.

use std::collections::{BTreeMap, BTreeSet};

use super::keys;
use super::notes::{Notes, shown};
use super::service::Draft;
use super::tree::{Field, Node};
use crate::container::ServiceName;
use crate::limits;

/// That a service is reached by another name than its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Called {
    /// Which.
    service: String,
    /// By which name.
    name: String,
    /// Where that is said.
    line: u64,
    /// The key there.
    key: String,
}

/// What a key of a service says of such names.
pub(super) fn read(
    at: &str,
    field: &Field,
    service: &ServiceName,
    notes: &mut Notes,
) -> Vec<Called> {
    let (node, line) = (&field.node, field.line);
    let called = |service: &str, name: &str| Called {
        service: service.to_owned(),
        name: name.to_owned(),
        line,
        key: at.to_owned(),
    };
    let own = service.as_str();
    let found: Vec<Called> = match field.name.as_str() {
        "networks" => aliases(node).iter().map(|name| called(own, name)).collect(),
        "links" => links(node).iter().map(|(there, here)| called(there, here)).collect(),
        // What is no service of the file is nobody's neighbour here.
        "external_links" => Vec::new(),
        _ => node.text().iter().map(|name| called(own, name)).collect(),
    };
    let tells = match field.name.as_str() {
        "networks" | "external_links" => true,
        "links" => found.is_empty(),
        _ => false,
    };
    if let Some(why) = keys::reason(&field.name).filter(|_| tells) {
        notes.left(line, at, why);
    }
    found
}

/// Names besides its own that a service has in networks.
fn aliases(node: &Node) -> Vec<String> {
    let networks = node.fields().unwrap_or_default().iter();
    let listed = networks.filter_map(|network| network.node.get("aliases")?.items());
    listed.flatten().filter_map(Node::text).collect()
}

/// The services of `links` that are reached by other names than their own, and by which.
fn links(node: &Node) -> Vec<(String, String)> {
    let texts = node.items().unwrap_or_default().iter().filter_map(Node::text);
    let pairs = texts.filter_map(|link| {
        let (there, here) = link.split_once(':')?;
        (there != here).then(|| (there.to_owned(), here.to_owned()))
    });
    pairs.collect()
}

/// Gives services the names that they are called by. Upper and lower case are the same to who looks one up.
pub(super) fn settle(drafts: &mut BTreeMap<ServiceName, Draft>, notes: &mut Notes) {
    let all: Vec<Called> = drafts.values().flat_map(|draft| draft.called.clone()).collect();
    let mut meant: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in &all {
        meant.entry(one.name.to_ascii_lowercase()).or_default().insert(one.service.clone());
    }
    let own: BTreeSet<String> =
        drafts.keys().map(|name| name.as_str().to_ascii_lowercase()).collect();
    for Called { service, name, line, key } in all {
        let lower = name.to_ascii_lowercase();
        if lower == service.to_ascii_lowercase() {
            continue;
        }
        let Some(draft) = ServiceName::new(&*service).ok().and_then(|of| drafts.get_mut(&of))
        else {
            notes.left(line, &key, format!("there is no service {} that runs", shown(&service)));
            continue;
        };
        let several = meant.get(&lower).filter(|services| services.len() > 1);
        let why = if own.contains(&lower) || lower == "localhost" {
            format!("{} means something else to its neighbours: write {service}", shown(&name))
        } else if let Some(services) = several {
            let services: Vec<&str> = services.iter().map(String::as_str).collect();
            format!(
                "all services of a project share one network, and {} would mean several of them ({}): write \
                 {service}",
                shown(&name),
                services.join(", ")
            )
        } else {
            match ServiceName::new(name) {
                Ok(name) => {
                    let names = &mut draft.service.names;
                    if names.contains(&name) || names.len() < limits::MOST_GROUP_NAMES {
                        names.insert(name);
                        continue;
                    }
                    format!("a service has at most {} further names", limits::MOST_GROUP_NAMES)
                }
                Err(why) => format!("{why}; write {service}"),
            }
        };
        notes.left(line, &key, why);
    }
}
