//! What tests of Compose files begin with: variables and files that are given, and what a file comes to in
//! words.

mod asked;
mod bounds;
mod folders;
mod plans;
mod table;

use std::fmt::Write as _;

use super::*;
use crate::inside::{Tmpfs, Ulimit, ValueFile};

fn given() -> Given {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Given {
        variables: pairs(&[("TAG", "2"), ("SECRET", "s3cret")]),
        files: pairs(&[("web.env", "A=1\nB=${TAG}\n"), ("deep/b.env", "B=deep\n")]),
        ..Given::default()
    }
}

/// A service in one line: only what is said of it.
fn line(service: &Service) -> String {
    let mut line = format!("{} {}", service.wave, service.name);
    match &service.from {
        From::Image(image) => write!(line, " image={image}").unwrap(),
        From::Build(Build { context, dockerfile, target, args }) => {
            let context = context.as_ref().map_or(".", |path| path.as_str());
            write!(line, " build={context}").unwrap();
            let some = [
                ("dockerfile", dockerfile.as_ref().map(ToString::to_string)),
                ("target", target.as_ref().map(ToString::to_string)),
            ];
            for (name, value) in some {
                value.into_iter().for_each(|value| write!(line, " {name}={value}").unwrap());
            }
            for (name, value) in args {
                write!(line, " arg:{name}={value}").unwrap();
            }
        }
    }
    let some = [
        ("port", service.port.map(|port| port.to_string())),
        ("routed", service.routed.then(|| "yes".to_owned())),
        ("replicas", (service.replicas != 1).then(|| service.replicas.to_string())),
        ("memory", service.memory_bytes.map(|bytes| (bytes >> 20).to_string())),
        ("cpu", service.cpu_millis.map(|millis| millis.to_string())),
        ("pids", service.processes.map(|pids| pids.to_string())),
        ("command", service.command.as_ref().map(|argv| argv.words().join("|"))),
        ("entrypoint", service.entrypoint.as_ref().map(|argv| argv.words().join("|"))),
        ("release", service.release.as_ref().map(|argv| argv.words().join("|"))),
        ("once", service.once.then(|| "yes".to_owned())),
        ("again", (service.retries != 0).then(|| service.retries.to_string())),
        ("stop", service.stop_within.map(|span| span.0.to_string())),
        ("interval", service.health.interval.map(|span| span.0.to_string())),
        ("retries", service.health.retries.map(|retries| retries.to_string())),
        ("start", service.health.start_within.map(|span| span.0.to_string())),
    ];
    for (name, value) in some {
        value.into_iter().for_each(|value| write!(line, " {name}={value}").unwrap());
    }
    if service.health.probe != crate::health::Probe::Default {
        write!(line, " health={}", service.health.probe).unwrap();
    }
    for (name, value) in &service.env {
        write!(line, " {name}={}", value.reveal()).unwrap();
    }
    for (path, Mount { volume, read_only }) in &service.volumes {
        write!(line, " {volume}:{path}{}", if *read_only { ":ro" } else { "" }).unwrap();
    }
    line.push_str(&within(&service.inside));
    if !service.names.is_empty() {
        let names: Vec<&str> = service.names.iter().map(ServiceName::as_str).collect();
        write!(line, " names={}", names.join(",")).unwrap();
    }
    if !service.after.is_empty() {
        let after: Vec<&str> = service.after.iter().map(ServiceName::as_str).collect();
        write!(line, " after={}", after.join(",")).unwrap();
    }
    line
}

/// How a service's containers are within.
fn within(inside: &Inside) -> String {
    let mut line = String::new();
    let some = [
        ("user", inside.user.as_ref().map(ToString::to_string)),
        ("dir", inside.working_dir.as_ref().map(ToString::to_string)),
        ("read-only", inside.read_only.then(|| "yes".to_owned())),
        ("signal", inside.stop_signal.as_ref().map(ToString::to_string)),
        ("shm", inside.shm_bytes.map(|bytes| (bytes >> 20).to_string())),
        ("hostname", inside.hostname.as_ref().map(ToString::to_string)),
    ];
    for (name, value) in some {
        value.into_iter().for_each(|value| write!(line, " {name}={value}").unwrap());
    }
    for (path, Tmpfs { size_bytes, mode }) in &inside.tmpfs {
        write!(line, " memory:{path}").unwrap();
        size_bytes.iter().for_each(|bytes| write!(line, ",{bytes}").unwrap());
        mode.iter().for_each(|mode| write!(line, ",{mode:o}").unwrap());
    }
    for (name, Ulimit { soft, hard }) in &inside.ulimits {
        let shown = |most: &Option<u64>| most.map_or("-".to_owned(), |most| most.to_string());
        write!(line, " {name}={}:{}", shown(soft), shown(hard)).unwrap();
    }
    for (name, address) in &inside.hosts {
        write!(line, " {name}={address}").unwrap();
    }
    for (path, ValueFile { variable, mode, uid, gid }) in &inside.files {
        write!(line, " file:{path}={variable},{mode:o}").unwrap();
        if (*uid, *gid) != (0, 0) {
            write!(line, ",{uid}:{gid}").unwrap();
        }
    }
    line
}

/// What a file comes to: a line for each service, then one for each thing that is told.
pub(super) fn told(text: &str, given: &Given) -> String {
    match read(text, given) {
        Err(bad) => format!("refused: {bad}"),
        Ok(Composed { services, idle: _, left, lines: _ }) => {
            let left = left.iter().map(|Left { file, line, key, why }| {
                let file = file.as_ref().map_or_else(String::new, |file| format!("{file}:"));
                format!("! {file}{line} {key}: {why}")
            });
            services.iter().map(line).chain(left).collect::<Vec<_>>().join("\n")
        }
    }
}
