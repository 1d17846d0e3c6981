//! One service: a table of its keys. What is not in it is told of.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::{Notes, bad, shown};
use super::ports::{self, Ports};
use super::tree::{Field, Node, Tree};
use super::variables::{self, Room};
use super::volumes::{self, Declared};
use super::{Bad, Build, From, Given, Service, build, health, pairs, units};
use crate::container::ServiceName;
use crate::health::{HealthCheck, Probe};
use crate::limits;
use crate::names::{EnvName, EnvValue};
use crate::source::{ImageRef, Resources};
use crate::time::Millis;

/// The label by which a service says whether an address leads to it.
const ROUTE: &str = "hythe.route";

/// A service before it is known what comes of those that it depends on.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) service: Service,
    pub(super) profiles: Vec<String>,
    pub(super) depends: Vec<Depends>,
}

/// That a service depends on another.
#[derive(Clone, Debug)]
pub(super) struct Depends {
    pub(super) on: String,
    pub(super) line: u64,
    /// Whether the other one has to have ended well.
    pub(super) completed: bool,
    pub(super) required: bool,
}

/// A file of variables.
#[derive(Clone, Debug)]
pub(super) struct EnvFile {
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) required: bool,
}

const KEYS: [&str; 31] = [
    "build",
    "image",
    "command",
    "entrypoint",
    "environment",
    "env_file",
    "ports",
    "expose",
    "volumes",
    "depends_on",
    "healthcheck",
    "restart",
    "deploy",
    "labels",
    "networks",
    "network_mode",
    "profiles",
    "secrets",
    "configs",
    "extends",
    "scale",
    "cpus",
    "mem_limit",
    "pids_limit",
    "stop_grace_period",
    "container_name",
    "hostname",
    "user",
    "working_dir",
    "privileged",
    "links",
];

pub(super) fn read(
    name: ServiceName,
    field: &Field,
    declared: &Declared,
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
            env: BTreeMap::new(),
            volumes: BTreeMap::new(),
            stop_within: None,
            after: BTreeSet::new(),
            wave: 0,
        },
        profiles: Vec::new(),
        depends: Vec::new(),
    };
    draft.service.from = from(&key, &field.node, field.line, given, notes)?;
    let volumes = field.node.get("volumes");
    if let Some(node) = volumes {
        draft.service.volumes = volumes::read(&format!("{key}.volumes"), node, declared, notes)?;
    }
    environment(&key, &field.node, (given, room), &mut draft.service.env, notes)?;
    let mut ports = Ports::default();
    let mut checked = None;
    for one in fields {
        let at = format!("{key}.{}", one.name);
        let at = at.as_str();
        match one.name.as_str() {
            "ports" => ports.publish(at, &one.node, notes),
            "expose" => ports.expose(at, &one.node, notes),
            "labels" => labels(at, one, &mut ports, notes),
            "healthcheck" => checked = health::read(at, &one.node, notes),
            "depends_on" => draft.depends = depends(at, &one.node, notes)?,
            "profiles" => {
                let names = one.node.items().unwrap_or_default();
                draft.profiles = names.iter().filter_map(Node::text).collect();
            }
            name => setting(at, name, one, &mut draft.service, notes)?,
        }
    }
    let (port, routed) = ports.settle(&format!("{key}.ports"), notes);
    draft.service.port = port;
    draft.service.routed = routed;
    draft.service.health = checked.unwrap_or_else(|| {
        let probe = if routed || port.is_some() { Probe::Default } else { Probe::None };
        HealthCheck { probe, ..HealthCheck::default() }
    });
    Ok(draft)
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
        (None, Some(image)) => match ImageRef::new(image.text().unwrap_or_default()) {
            Ok(image) => Ok(From::Image(image)),
            Err(why) => bad(image.line, format!("{key}.image: {why}")),
        },
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
        "build" | "image" | "volumes" | "environment" | "env_file" => {}
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
        "restart" => match node.text().as_deref() {
            Some("always" | "unless-stopped") => {}
            Some("no" | "false") => {
                notes.left(line, at, "what is live is kept running; to end it: `hythe stop`");
            }
            Some(text) if text == "on-failure" || text.starts_with("on-failure:") => {
                notes.left(line, at, "what is live is started again however it ended");
            }
            Some(_) | None => {
                notes.left(line, at, "it is always, unless-stopped, on-failure or no");
            }
        },
        "deploy" => deploy(at, node, service, notes),
        "scale" => {
            let alone = service.volumes.values().any(|mount| !mount.read_only);
            if let Some(replicas) = volumes::replicas(at, node, alone, notes) {
                service.replicas = replicas;
            }
        }
        "mem_limit" => memory(at, node, service, notes),
        "cpus" => cpus(at, node, service, notes),
        "pids_limit" => pids(at, node, service, notes),
        "stop_grace_period" => {
            let (least, most) = (Millis::seconds(1), Millis::seconds(600));
            match units::span(node).filter(|span| *span >= least && *span <= most) {
                Some(span) => service.stop_within = Some(span),
                None => notes.left(line, at, format!("it is {least} to {most}")),
            }
        }
        "init" if node.truth() == Some(true) => {}
        "read_only" if node.truth() == Some(false) => {}
        "privileged" if node.truth() == Some(false) => {}
        name if name.starts_with("x-") => {}
        name => match reason(name) {
            Some(why) => notes.left(line, at, why),
            None => notes.unknown(line, at, name, &KEYS),
        },
    }
    Ok(())
}

/// Why a key of the specification is not taken.
fn reason(name: &str) -> Option<&'static str> {
    Some(match name {
        "networks" => "all services of a project share one network, under their names in this file",
        "network_mode" => "no container is on the machine's own network or on that of another one",
        "container_name" | "hostname" | "domainname" => {
            "other services reach it by its name in this file"
        }
        "links" | "external_links" | "extra_hosts" | "dns" | "dns_search" | "dns_opt" => {
            "services of a project find one another by their names, and nothing else is set there"
        }
        "secrets" | "configs" => "give what is in it as a variable: `hythe env set`",
        "privileged"
        | "cap_add"
        | "cap_drop"
        | "security_opt"
        | "devices"
        | "device_cgroup_rules"
        | "userns_mode"
        | "ipc"
        | "pid"
        | "uts"
        | "cgroup"
        | "cgroup_parent"
        | "group_add"
        | "runtime"
        | "gpus"
        | "credential_spec"
        | "isolation"
        | "sysctls"
        | "storage_opt" => "what a container may do to its machine is the same for all, and little",
        "user" => "it runs as its image says; say USER in its Dockerfile",
        "working_dir" => "it runs where its image says; say WORKDIR in its Dockerfile",
        "tmpfs" | "read_only" | "shm_size" | "volumes_from" | "volume_driver" => {
            "of volumes there are the named ones; what is written elsewhere goes with the container"
        }
        "logging" | "log_driver" | "log_opt" => "what it writes is read by `hythe logs`",
        "stop_signal" => "it gets the signal that its image names, or SIGTERM",
        "tty" | "stdin_open" | "attach" => "nobody is at its input; see `hythe run`",
        "init" => "an init process is always there",
        "pull_policy" => "an image is pulled when it is deployed",
        "platform" => "it runs on what your workers are",
        "develop" => "files of this machine are not watched",
        "ulimits" | "oom_kill_disable" | "oom_score_adj" | "mem_reservation" | "mem_swappiness"
        | "memswap_limit" | "cpu_count" | "cpu_percent" | "cpu_shares" | "cpu_period"
        | "cpu_quota" | "cpu_rt_runtime" | "cpu_rt_period" | "cpuset" | "blkio_config" => {
            "of limits there are memory, cpus and pids, under deploy.resources.limits"
        }
        "annotations" | "label_file" => "labels on containers are Hythe's own",
        "post_start" | "pre_stop" | "provider" | "models" | "use_api_socket" | "mac_address" => {
            "there is nothing here that it would set"
        }
        _ => return None,
    })
}

fn deploy(at: &str, node: &Node, service: &mut Service, notes: &mut Notes) {
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

fn memory(at: &str, node: &Node, service: &mut Service, notes: &mut Notes) {
    match units::bytes(node).filter(|bytes| *bytes >= Resources::LEAST_MEMORY_BYTES) {
        Some(bytes) => service.memory_bytes = Some(bytes),
        None => notes.left(node.line, at, "it is a size such as 512M, of 6 MiB at the least"),
    }
}

fn cpus(at: &str, node: &Node, service: &mut Service, notes: &mut Notes) {
    match units::cpus(node).filter(|millis| *millis >= Resources::LEAST_CPU_MILLIS) {
        Some(millis) => service.cpu_millis = Some(millis),
        None => notes.left(node.line, at, "it is a number such as 0.5, of 0.01 at the least"),
    }
}

fn pids(at: &str, node: &Node, service: &mut Service, notes: &mut Notes) {
    match units::number::<u32>(node).filter(|pids| *pids > 0) {
        Some(pids) => service.processes = Some(pids),
        None => notes.left(node.line, at, "it is a number, of 1 at the least"),
    }
}

fn labels(at: &str, field: &Field, ports: &mut Ports, notes: &mut Notes) {
    let mut others = false;
    let one = |name: &str, node: &Node, notes: &mut Notes, ports: &mut Ports| {
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
                found.push(Depends { on, line: item.line, completed: false, required: true });
            }
        }
        Tree::Map(fields) => {
            for field in fields {
                let at = format!("{at}.{}", field.name);
                let mut one = Depends {
                    on: field.name.clone(),
                    line: field.line,
                    completed: false,
                    required: true,
                };
                for option in field.node.fields().unwrap_or_default() {
                    let at = format!("{at}.{}", option.name);
                    match (option.name.as_str(), option.node.text().as_deref()) {
                        // What is live is healthy, as far as it is asked how it is.
                        ("condition", Some("service_started" | "service_healthy")) => {}
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
                        ("restart", Some("false")) => {}
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

/// The files of variables that a service names.
pub(super) fn env_files(node: &Node) -> Vec<EnvFile> {
    let one = |node: &Node| {
        if let Some(path) = node.text() {
            return Some(EnvFile { path, line: node.line, required: true });
        }
        let path = node.get("path")?.text()?;
        let required = node.get("required").and_then(Node::truth) != Some(false);
        Some(EnvFile { path, line: node.line, required })
    };
    match node.items() {
        Some(items) => items.iter().filter_map(one).collect(),
        None => one(node).into_iter().collect(),
    }
}

fn environment(
    key: &str,
    node: &Node,
    (given, room): (&Given, &mut Room),
    env: &mut BTreeMap<EnvName, EnvValue>,
    notes: &mut Notes,
) -> Result<(), Bad> {
    let mut found: Vec<(String, Option<String>, u64, String)> = Vec::new();
    let files = node.get("env_file").map(env_files).unwrap_or_default();
    if let Some(file) = files.get(limits::MOST_ENV_FILES) {
        let most = limits::MOST_ENV_FILES;
        return bad(file.line, format!("{key}.env_file: at most {most} files are read"));
    }
    for file in files {
        let at = format!("{key}.env_file");
        let path = match resolve(&given.folder, &file.path) {
            Ok(Some(path)) => path,
            Ok(None) => return bad(file.line, format!("{at}: it is a folder")),
            Err(why) => return bad(file.line, format!("{at}: {why}")),
        };
        let Some(text) = given.files.get(&path) else {
            if file.required {
                return bad(file.line, format!("{at}: there is no file {}", shown(&path)));
            }
            continue;
        };
        match variables::file_within(text, &given.variables, room) {
            Ok(values) => found.extend(
                values.into_iter().map(|(name, value)| (name, Some(value), file.line, at.clone())),
            ),
            Err(why) => return bad(file.line, format!("{at}: {}: {why}", shown(&path))),
        }
    }
    if let Some(node) = node.get("environment") {
        let at = format!("{key}.environment");
        let Some(pairs) = pairs(node) else {
            return bad(node.line, format!("{at}: it is a map, or a list of NAME=value"));
        };
        found.extend(pairs.into_iter().map(|(name, value, line)| (name, value, line, at.clone())));
    }
    for (name, value, line, at) in found {
        let at = format!("{at}.{}", shown(&name));
        let Some(value) = value.or_else(|| given.variables.get(&name).cloned()) else {
            notes.left(line, &at, "it has no value here, and none is given");
            continue;
        };
        match (EnvName::new(name), EnvValue::new(value)) {
            (Ok(name), Ok(value)) => {
                if name.as_str() == "PORT" {
                    let why = "it is set by Hythe, to the port that the service listens on";
                    notes.left(line, &at, why);
                    continue;
                }
                env.insert(name, value);
            }
            (Err(why), _) | (_, Err(why)) => notes.left(line, &at, why.to_string()),
        }
    }
    let bytes: usize =
        env.iter().map(|(name, value)| name.as_str().len() + value.reveal().len()).sum();
    if env.len() > limits::MOST_ENV || bytes > limits::MOST_ENV_BYTES {
        let (most, kib) = (limits::MOST_ENV, limits::MOST_ENV_BYTES / 1024);
        let line = node.get("environment").map_or(node.line, |node| node.line);
        return bad(line, format!("{key}: a service has at most {most} variables, of {kib} KiB"));
    }
    Ok(())
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
