//! `healthcheck`.

use super::notes::Notes;
use super::tree::{Node, Tree};
use super::units;
use crate::argv::Argv;
use crate::health::{HealthCheck, Probe};
use crate::limits;
use crate::time::Millis;

/// Takes a health check. What it does not say is as its image has it.
pub(super) fn read(key: &str, node: &Node, notes: &mut Notes) -> Option<HealthCheck> {
    let Some(fields) = node.fields() else {
        if !node.is_null() {
            notes.left(node.line, key, "it is a map with test, interval and the like");
        }
        return None;
    };
    let mut check = HealthCheck { probe: Probe::Image, ..HealthCheck::default() };
    let mut off = false;
    for field in fields {
        let key = format!("{key}.{}", field.name);
        let key = key.as_str();
        match field.name.as_str() {
            "disable" => off = field.node.truth() == Some(true),
            "test" => match test(&field.node) {
                Ok(probe) => check.probe = probe,
                Err(why) => notes.left(field.line, key, why),
            },
            "interval" => {
                let (least, most) = (limits::HEALTH_SPAN_LEAST, limits::HEALTH_SPAN_MOST);
                check.interval = span(key, &field.node, (least, most), notes);
            }
            "timeout" => {
                let (least, most) = (limits::HEALTH_SPAN_LEAST, limits::HEALTH_SPAN_MOST);
                check.timeout = span(key, &field.node, (least, most), notes);
            }
            "start_period" => {
                // What is said there is when failures begin to count; here it is when they end the start.
                let most = Millis::seconds(3_600);
                let found = span(key, &field.node, (Millis(0), most), notes);
                check.start_within = found.map(|found| found.max(limits::HEALTH_START_WITHIN));
            }
            "retries" => match units::number::<u16>(&field.node) {
                Some(retries) if retries > 0 && retries <= limits::HEALTH_RETRIES_MOST => {
                    check.retries = Some(retries);
                }
                Some(_) | None => {
                    let most = limits::HEALTH_RETRIES_MOST;
                    notes.left(field.line, key, format!("it is 1 to {most}"));
                }
            },
            "start_interval" => {
                notes.left(field.line, key, "a check is as often at the start as later");
            }
            name => {
                let known = [
                    "test",
                    "interval",
                    "timeout",
                    "retries",
                    "start_period",
                    "start_interval",
                    "disable",
                ];
                if !name.starts_with("x-") {
                    notes.unknown(field.line, key, name, &known);
                }
            }
        }
    }
    if off {
        check = HealthCheck { probe: Probe::None, ..HealthCheck::default() };
    }
    Some(check)
}

fn span(key: &str, node: &Node, bounds: (Millis, Millis), notes: &mut Notes) -> Option<Millis> {
    let (least, most) = bounds;
    let found = units::span(node).filter(|span| *span >= least && *span <= most);
    if found.is_none() {
        notes.left(node.line, key, format!("it is a span of time such as 10s, {least} to {most}"));
    }
    found
}

fn test(node: &Node) -> Result<Probe, String> {
    let command =
        |words: Vec<String>| Argv::new(words).map(Probe::Command).map_err(|bad| bad.to_string());
    let of_shell = |line: &[String]| {
        command(["sh", "-c"].map(str::to_owned).iter().chain(line).cloned().collect())
    };
    match &node.value {
        Tree::Text(line) => of_shell(std::slice::from_ref(line)),
        Tree::List(items) => {
            let words: Option<Vec<String>> = items.iter().map(Node::text).collect();
            let words = words.ok_or("its words are texts")?;
            match words.split_first() {
                Some((kind, _)) if kind == "NONE" => Ok(Probe::None),
                Some((kind, rest)) if kind == "CMD" => command(rest.to_vec()),
                // What follows the line are words that it may name, as engines have it.
                Some((kind, line @ [_, ..])) if kind == "CMD-SHELL" => of_shell(line),
                Some(_) | None => Err("it begins with CMD, CMD-SHELL (and a line) or NONE".into()),
            }
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Map(_) => {
            Err("it is a line, or a list that begins with CMD, CMD-SHELL or NONE".into())
        }
    }
}
