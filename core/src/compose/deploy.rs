//! How many there are of a service, and the most that each may use.

use super::notes::Notes;
use super::tree::Node;
use super::{Service, units, volumes};
use crate::source::Resources;

/// `deploy`.
pub(super) fn deploy(at: &str, node: &Node, service: &mut Service, notes: &mut Notes) {
    let alone = service.volumes.values().any(|mount| !mount.read_only);
    for field in node.fields().unwrap_or_default() {
        let at = format!("{at}.{}", field.name);
        let at = at.as_str();
        match field.name.as_str() {
            "replicas" => {
                if let Some(replicas) = volumes::replicas(at, &field.node, alone, notes) {
                    service.replicas = replicas;
                }
            }
            "mode" if field.node.text().as_deref() == Some("replicated") => {}
            "mode" => notes.left(field.line, at, "a service has as many replicas as it says"),
            "resources" => {
                for part in field.node.fields().unwrap_or_default() {
                    let at = format!("{at}.{}", part.name);
                    if part.name == "limits" {
                        limits_of(&at, &part.node, service, notes);
                    } else {
                        notes.left(part.line, &at, "only limits count");
                    }
                }
            }
            // What they say of one that ends is told where that is decided.
            "restart_policy" if super::once::ends_by(&field.node).is_some() => {}
            "restart_policy" => {
                notes.left(field.line, at, "what is live is started again however it ended");
            }
            "update_config" | "rollback_config" => notes.left(
                field.line,
                at,
                "a new version takes the traffic once it is healthy, and the one before stays until then",
            ),
            "placement" | "endpoint_mode" | "labels" => {
                notes.left(field.line, at, "there is nothing here that it would set");
            }
            name if name.starts_with("x-") => {}
            name => {
                let known = ["replicas", "resources", "mode", "restart_policy", "update_config"];
                notes.unknown(field.line, at, name, &known);
            }
        }
    }
}

fn limits_of(at: &str, node: &Node, service: &mut Service, notes: &mut Notes) {
    for field in node.fields().unwrap_or_default() {
        let at = format!("{at}.{}", field.name);
        match field.name.as_str() {
            "cpus" => cpus(&at, &field.node, service, notes),
            "memory" => memory(&at, &field.node, service, notes),
            "pids" => pids(&at, &field.node, service, notes),
            name => notes.unknown(field.line, &at, name, &["cpus", "memory", "pids"]),
        }
    }
}

pub(super) fn memory(at: &str, node: &Node, service: &mut Service, notes: &mut Notes) {
    match units::bytes(node).filter(|bytes| *bytes >= Resources::LEAST_MEMORY_BYTES) {
        Some(bytes) => service.memory_bytes = Some(bytes),
        None => notes.left(node.line, at, "it is a size such as 512M, of 6 MiB at the least"),
    }
}

pub(super) fn cpus(at: &str, node: &Node, service: &mut Service, notes: &mut Notes) {
    match units::cpus(node).filter(|millis| *millis >= Resources::LEAST_CPU_MILLIS) {
        Some(millis) => service.cpu_millis = Some(millis),
        None => notes.left(node.line, at, "it is a number such as 0.5, of 0.01 at the least"),
    }
}

pub(super) fn pids(at: &str, node: &Node, service: &mut Service, notes: &mut Notes) {
    match units::number::<u32>(node).filter(|pids| *pids > 0) {
        Some(pids) => service.processes = Some(pids),
        None => notes.left(node.line, at, "it is a number, of 1 at the least"),
    }
}
