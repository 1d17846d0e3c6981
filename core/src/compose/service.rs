//! One service: a table of its keys. What is not in it is told of.

use std::collections::{BTreeMap, BTreeSet};

use super::environment::SaidPort;
use super::naming::Called;
use super::notes::{Notes, bad, shown};
use super::once::Ends;
use super::ports::{self, Ports};
use super::tree::{Field, Node, Tree};
use super::variables::Room;
use super::volumes::{self, Declared};
use super::{
    Bad, Build, From, Given, Service, build, delivered, deploy, environment, folders, health,
    inside, keys, naming, once, units,
};
use crate::container::ServiceName;
use crate::health::{HealthCheck, Probe};
use crate::inside::Inside;
use crate::source::ImageRef;
use crate::time::Millis;

/// The label by which a service says whether an address leads to it.
const ROUTE: &str = "hythe.route";

/// What is told where a variable may be missing.
const GIVE: &str = "; where a variable stands in it, say that by --env or in .env";

/// A service before it is known what comes of those that it depends on.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) service: Service,
    pub(super) depends: Vec<Depends>,
    /// Whether it does nothing without the engine's socket, which it does not have.
    pub(super) idles: bool,
    /// What of it says whether it ends by itself.
    pub(super) ends: Ends,
    /// By which other names it and others are called in it.
    pub(super) called: Vec<Called>,
}

/// That a service depends on another.
#[derive(Clone, Debug)]
pub(super) struct Depends {
    pub(super) on: String,
    pub(super) line: u64,
    /// Whether the other one has to have ended well.
    pub(super) completed: bool,
    /// Whether the other one has to be well, which what ends by itself never says.
    pub(super) healthy: bool,
    pub(super) required: bool,
}

pub(super) fn read(
    name: ServiceName,
    field: &Field,
    (declared, contents): (&Declared, delivered::Declared<'_>),
    (given, room): (&Given, &mut Room),
    notes: &mut Notes,
) -> Result<Draft, Bad> {
    let Some(fields) = field.node.fields() else {
        return bad(field.line, format!("services.{name}: it is a map with image or build"));
    };
    let key = format!("services.{name}");
    let mut draft = Draft {
        service: Service {
            name,
            line: field.line,
            from: From::Build(Build::default()),
            port: None,
            routed: false,
            replicas: 1,
            health: HealthCheck::default(),
            memory_bytes: None,
            cpu_millis: None,
            processes: None,
            command: None,
            entrypoint: None,
            release: None,
            once: false,
            retries: 0,
            names: BTreeSet::new(),
            env: BTreeMap::new(),
            volumes: BTreeMap::new(),
            stop_within: None,
            inside: Inside::default(),
            after: BTreeSet::new(),
            wave: 0,
        },
        depends: Vec::new(),
        idles: false,
        ends: Ends::default(),
        called: Vec::new(),
    };
    draft.service.from = from(&key, &field.node, field.line, given, notes)?;
    let volumes = field.node.get("volumes");
    let of_volumes = format!("{key}.volumes");
    let mut binds = Vec::new();
    if let Some(node) = volumes {
        let built = folders::built_from(&field.node, given);
        let besides = (&mut draft.service.inside.tmpfs, &mut binds);
        let of = (declared, given, built.as_deref());
        draft.service.volumes = volumes::read(&of_volumes, node, of, besides, notes)?;
    }
    draft.idles =
        matches!(&draft.service.from, From::Image(image) if folders::is_for_engine(image, &binds));
    let delivered = delivered::read(&key, &field.node, contents, (given, &mut *room), notes)?;
    draft.service.env.clone_from(&delivered.variables);
    draft.service.inside.files = delivered.files;
    let env = &mut draft.service.env;
    let said = environment::read(&key, &field.node, (given, &mut *room), env, notes)?;
    for (name, value) in &delivered.variables {
        if draft.service.env.get(name) != Some(value) {
            let why = format!("{key}: the variable {name} is that of a file; call it otherwise");
            return bad(field.line, why);
        }
    }
    let mut ports = Ports::default();
    let mut checked = None;
    for one in fields {
        let at = format!("{key}.{}", one.name);
        let at = at.as_str();
        match one.name.as_str() {
            "ports" => ports.publish(at, &one.node, notes),
            "expose" => ports.expose(at, &one.node, notes),
            "labels" => labels(at, one, (&mut ports, &mut draft.ends), notes),
            "healthcheck" => checked = health::read(at, &one.node, notes),
            "depends_on" => draft.depends.extend(depends(at, &one.node, notes)?),
            "restart" => once::restart(at, one, &mut draft.ends, notes),
            "network_mode" => {
                draft.depends.extend(network_of(at, one, &draft.service.name, notes));
            }
            "container_name" | "networks" | "links" | "external_links" => {
                if one.name == "links" {
                    draft.depends.extend(linked(&one.node));
                }
                draft.called.extend(naming::read(at, one, &draft.service.name, notes));
            }
            name if inside::KEYS.contains(&name) => {
                inside::setting(at, one, &mut draft.service.inside, notes)?;
                if name == "hostname" && draft.service.inside.hostname.is_some() {
                    draft.called.extend(naming::read(at, one, &draft.service.name, notes));
                }
            }
            name => setting(at, name, one, &mut draft.service, notes)?,
        }
    }
    if let Err(why) = draft.service.inside.check(&draft.service.volumes) {
        return bad(field.line, format!("{key}: {why}"));
    }
    delivered::bound(&of_volumes, &binds, (given, room), &mut draft.service, notes)?;
    let (port, routed) = ports.settle(&format!("{key}.ports"), notes);
    draft.service.port = listens_on(said, (port, routed), notes);
    draft.service.routed = routed;
    let asks = checked.as_ref().is_some_and(|check| check.probe != Probe::None);
    // What a variable says of a port is often in a file of variables that all services share.
    draft.ends.serves = asks || routed || port.is_some();
    if let Some(policy) = field.node.get("deploy").and_then(|of| of.get("restart_policy")) {
        draft.ends.policy(&format!("{key}.deploy.restart_policy"), policy);
    }
    draft.service.health = checked.unwrap_or_else(|| {
        let probe = if routed || port.is_some() { Probe::Default } else { Probe::None };
        HealthCheck { probe, ..HealthCheck::default() }
    });
    Ok(draft)
}

/// The port of a service that may have a variable for it. Others find it there, and so do its own checks; one
/// with an address has that of its published port.
fn listens_on(
    said: Option<SaidPort>,
    (port, routed): (Option<u16>, bool),
    notes: &mut Notes,
) -> Option<u16> {
    let Some(SaidPort { key, line, port: own }) = said else { return port };
    match own {
        Some(own) if !routed || port.is_none_or(|port| port == own) => Some(own),
        Some(_) | None => {
            notes.left(line, &key, "it is set by Hythe, to the port that the service listens on");
            port
        }
    }
}

fn from(key: &str, node: &Node, line: u64, given: &Given, notes: &mut Notes) -> Result<From, Bad> {
    let image = node.get("image").filter(|image| !image.is_null());
    match (node.get("build"), image) {
        (Some(of), image) => {
            if let Some(image) = image {
                let why = "it is built, and its image has a name of Hythe's own";
                notes.left(image.line, &format!("{key}.image"), why);
            }
            Ok(From::Build(build::read(&format!("{key}.build"), of, given, notes)?))
        }
        (None, Some(image)) => {
            let text = image.text().unwrap_or_default();
            // So it is where a variable in it has no value.
            let is_open =
                text.is_empty() || text.starts_with([':', '/']) || text.ends_with([':', '/']);
            match ImageRef::new(text) {
                Ok(image) => Ok(From::Image(image)),
                Err(why) => {
                    let hint = if is_open { GIVE } else { "" };
                    bad(image.line, format!("{key}.image: {why}{hint}"))
                }
            }
        }
        (None, None) => bad(line, format!("{key}: it says neither image nor build")),
    }
}

/// The keys that concern nothing but themselves.
fn setting(
    at: &str,
    name: &str,
    field: &Field,
    service: &mut Service,
    notes: &mut Notes,
) -> Result<(), Bad> {
    let (node, line) = (&field.node, field.line);
    let wrong = |why: String| Bad { line: Some(line), why: format!("{at}: {why}") };
    match name {
        // Read before, together.
        "build" | "image" | "volumes" | "environment" | "env_file" | "secrets" | "configs"
        | "profiles" => {}
        "command" => service.command = units::argv(node).map_err(wrong)?,
        "entrypoint" => {
            service.entrypoint = units::argv(node).map_err(wrong)?;
            if service.entrypoint.is_none() && !node.is_null() {
                notes.left(
                    line,
                    at,
                    "an entrypoint cannot be nothing; write one that runs the command",
                );
            }
        }
        "deploy" => deploy::deploy(at, node, service, notes),
        "scale" => {
            let alone = service.volumes.values().any(|mount| !mount.read_only);
            if let Some(replicas) = volumes::replicas(at, node, alone, notes) {
                service.replicas = replicas;
            }
        }
        "mem_limit" => deploy::memory(at, node, service, notes),
        "cpus" => deploy::cpus(at, node, service, notes),
        "pids_limit" => deploy::pids(at, node, service, notes),
        "stop_grace_period" => {
            let (least, most) = (Millis::seconds(1), Millis::seconds(600));
            match units::span(node).filter(|span| *span >= least && *span <= most) {
                Some(span) => service.stop_within = Some(span),
                None => notes.left(line, at, format!("it is {least} to {most}")),
            }
        }
        "init" if node.truth() == Some(true) => {}
        "privileged" if node.truth() == Some(false) => {}
        name if name.starts_with("x-") => {}
        name => match keys::reason(name) {
            Some(why) => notes.left(line, at, why),
            None => notes.unknown(line, at, name, &keys::KEYS),
        },
    }
    Ok(())
}

/// The services that a service is linked to: as engines had it, they are there before it.
fn linked(node: &Node) -> Vec<Depends> {
    let one = |item: &Node| {
        let text = item.text()?;
        let on = text.split(':').next().unwrap_or_default().to_owned();
        let (completed, healthy, required) = (false, false, false);
        Some(Depends { on, line: item.line, completed, healthy, required })
    };
    node.items().unwrap_or_default().iter().filter_map(one).collect()
}

/// The service whose network a service is to be on, which is that of all.
fn network_of(at: &str, field: &Field, name: &ServiceName, notes: &mut Notes) -> Option<Depends> {
    let text = field.node.text().unwrap_or_default();
    let Some(other) = text.strip_prefix("service:") else {
        if let Some(why) = keys::reason("network_mode") {
            notes.left(field.line, at, why);
        }
        return None;
    };
    let why = format!(
        "it is on the network of the project as all services are, with an address of its own: where it says \
         localhost and means {}, write that; and what is meant to be at {} itself is at {name}",
        shown(other),
        shown(other)
    );
    notes.left(field.line, at, why);
    let (on, line) = (other.to_owned(), field.line);
    Some(Depends { on, line, completed: false, healthy: false, required: true })
}

fn labels(at: &str, field: &Field, (ports, ends): (&mut Ports, &mut Ends), notes: &mut Notes) {
    let mut others = false;
    let mut one = |name: &str, node: &Node, notes: &mut Notes, ports: &mut Ports| {
        if name == once::LABEL {
            ends.said = node.truth();
            if ends.said.is_none() {
                notes.left(node.line, &format!("{at}.{name}"), "it is true or false");
            }
            return true;
        }
        if name != ROUTE {
            return false;
        }
        ports.wanted = ports::label(node);
        if ports.wanted.is_none() {
            notes.left(node.line, &format!("{at}.{ROUTE}"), "it is true, false or a port");
        }
        true
    };
    match &field.node.value {
        Tree::Map(fields) => {
            for field in fields {
                others |= !one(&field.name, &field.node, notes, ports);
            }
        }
        Tree::List(items) => {
            for item in items {
                let text = item.text().unwrap_or_default();
                let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                let value = Node { line: item.line, value: Tree::Text(value.to_owned()) };
                others |= !one(name, &value, notes, ports);
            }
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => {}
    }
    if others {
        notes.left(
            field.line,
            at,
            "labels on containers are Hythe's own, and nothing reads others; an address is said by \
             ports, domains by `hythe app set APP --domain`",
        );
    }
}

/// `depends_on`.
fn depends(at: &str, node: &Node, notes: &mut Notes) -> Result<Vec<Depends>, Bad> {
    let mut found = Vec::new();
    match &node.value {
        Tree::List(items) => {
            for item in items {
                let on = item.text().unwrap_or_default();
                let (completed, healthy, required) = (false, false, true);
                found.push(Depends { on, line: item.line, completed, healthy, required });
            }
        }
        Tree::Map(fields) => {
            for field in fields {
                let at = format!("{at}.{}", field.name);
                let mut one = Depends {
                    on: field.name.clone(),
                    line: field.line,
                    completed: false,
                    healthy: false,
                    required: true,
                };
                for option in field.node.fields().unwrap_or_default() {
                    let at = format!("{at}.{}", option.name);
                    match (option.name.as_str(), option.node.text().as_deref()) {
                        // What is live is healthy, as far as it is asked how it is.
                        ("condition", Some("service_started")) => {}
                        ("condition", Some("service_healthy")) => one.healthy = true,
                        ("condition", Some("service_completed_successfully")) => {
                            one.completed = true;
                        }
                        ("condition", other) => {
                            let other = shown(other.unwrap_or_default());
                            return bad(
                                option.line,
                                format!("{at}: there is no condition {other}"),
                            );
                        }
                        ("required", _) => one.required = option.node.truth() != Some(false),
                        ("restart", Some("false" | "no" | "off" | "n")) => {}
                        ("restart", _) => notes.left(
                            option.line,
                            &at,
                            "it finds the other one by its name, also after that was deployed anew",
                        ),
                        (name, _) => notes.unknown(
                            option.line,
                            &at,
                            name,
                            &["condition", "required", "restart"],
                        ),
                    }
                }
                found.push(one);
            }
        }
        Tree::Null => {}
        Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => {
            return bad(node.line, format!("{at}: it is a list of services, or a map of them"));
        }
    }
    Ok(found)
}

/// A path as it is said in a file, from the root of the source; none for the root itself.
///
/// # Errors
/// It leads out of the source.
pub(super) fn resolve(folder: &str, path: &str) -> Result<Option<String>, String> {
    if path.starts_with(['/', '~']) || path.contains(['\\', '\0']) {
        return Err(format!("{} is no path within the source", shown(path)));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| format!("{} leads out of the source", shown(path)))?;
            }
            part => parts.push(part),
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}
