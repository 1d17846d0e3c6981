//! Keys that say how a container is within: `user`, `tmpfs`, `read_only` and the like.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::notes::{Notes, bad, shown};
use super::tree::{Field, Node, Tree};
use super::{Bad, units};
use crate::container::MountPath;
use crate::inside::{ContainerHost, ContainerUser, Inside, StopSignal, Tmpfs, Ulimit, UlimitName};
use crate::names::HostName;

/// The keys that are read here.
pub(super) const KEYS: [&str; 9] = [
    "user",
    "working_dir",
    "read_only",
    "tmpfs",
    "stop_signal",
    "shm_size",
    "ulimits",
    "hostname",
    "extra_hosts",
];

/// Shared memory, which the engine puts there itself.
const SHM: &str = "/dev/shm";

/// Takes over a key of [`KEYS`]. What would run as another user, or in another folder, than is written is
/// refused; the rest is told of.
pub(super) fn setting(
    at: &str,
    field: &Field,
    inside: &mut Inside,
    notes: &mut Notes,
) -> Result<(), Bad> {
    let (node, line) = (&field.node, field.line);
    if node.is_null() {
        return Ok(());
    }
    let is_text = node.text().is_some();
    let text = node.text().unwrap_or_default();
    match field.name.as_str() {
        // So `${UID}:${GID}` comes out where a shell does not export them, as few do.
        "user" => match text.trim_end_matches(':') {
            "" if is_text => notes.left(line, at, "it names nobody: who the image says runs"),
            user => match ContainerUser::new(user) {
                Ok(user) => inside.user = Some(user),
                Err(why) => return bad(line, format!("{at}: {why}")),
            },
        },
        "working_dir" => match text.trim_end_matches('/') {
            "" if is_text => notes.left(
                line,
                at,
                "the root is none to start in: programs do in the folder that the image says; name \
                 another one, or begin the command with a cd",
            ),
            path => match MountPath::new(path) {
                Ok(path) => inside.working_dir = Some(path),
                Err(why) => return bad(line, format!("{at}: {why}")),
            },
        },
        "read_only" => match node.truth() {
            Some(is) => inside.read_only = is,
            None => return bad(line, format!("{at}: it is true or false")),
        },
        "tmpfs" => {
            let one = std::slice::from_ref(node);
            for item in node.items().unwrap_or(one) {
                let (path, tmpfs) = short(at, item, notes)?;
                memory(at, item.line, (path, tmpfs), &mut inside.tmpfs, notes);
            }
        }
        "stop_signal" => {
            let name = if text.starts_with("SIG") { text } else { format!("SIG{text}") };
            match StopSignal::new(name) {
                Ok(signal) => inside.stop_signal = Some(signal),
                Err(why) => notes.left(line, at, why.to_string()),
            }
        }
        "shm_size" => match units::bytes(node) {
            Some(bytes) => inside.shm_bytes = Some(bytes),
            None => notes.left(line, at, "it is a size such as 256m"),
        },
        "ulimits" => ulimits(at, node, inside, notes),
        "hostname" => match ContainerHost::new(text) {
            Ok(name) => inside.hostname = Some(name),
            Err(why) => notes.left(line, at, why.to_string()),
        },
        _ => hosts(at, node, inside, notes),
    }
    Ok(())
}

/// `PATH[:size=64m,mode=1777]`.
fn short(at: &str, item: &Node, notes: &mut Notes) -> Result<(MountPath, Tmpfs), Bad> {
    let text = item.text().unwrap_or_default();
    let (path, options) = text.split_once(':').unwrap_or((&text, ""));
    let mut tmpfs = Tmpfs::default();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = Node { line: item.line, value: Tree::Text(value.to_owned()) };
        match name {
            "size" => tmpfs.size_bytes = size(at, &value)?,
            "mode" => tmpfs.mode = mode(at, &value)?,
            // So they are.
            "rw" | "nosuid" | "nodev" | "noexec" => {}
            "exec" => notes.left(
                item.line,
                at,
                "nothing is run from a folder in memory: what is to be belongs into the image, or into a volume, \
                 where programs can be",
            ),
            other => {
                let why = format!("there is no way {} of it", shown(other));
                notes.left(item.line, at, why);
            }
        }
    }
    Ok((folder(at, item.line, path)?, tmpfs))
}

/// Takes over a folder in memory, unless it is there anyway.
fn memory(
    at: &str,
    line: u64,
    (path, tmpfs): (MountPath, Tmpfs),
    all: &mut BTreeMap<MountPath, Tmpfs>,
    notes: &mut Notes,
) {
    if path.as_str() == SHM {
        let why = "it lies in memory in every container; how large it is, is said by shm_size";
        return notes.left(line, at, why);
    }
    all.insert(path, tmpfs);
}

/// A volume of the type tmpfs.
pub(super) fn long(
    at: &str,
    item: &Node,
    all: &mut BTreeMap<MountPath, Tmpfs>,
    notes: &mut Notes,
) -> Result<(), Bad> {
    let mut tmpfs = Tmpfs::default();
    for option in item.get("tmpfs").and_then(Node::fields).unwrap_or_default() {
        match option.name.as_str() {
            "size" => tmpfs.size_bytes = size(at, &option.node)?,
            "mode" => tmpfs.mode = mode(at, &option.node)?,
            name => {
                let at = format!("{at}.tmpfs.{name}");
                notes.unknown(option.line, &at, name, &["size", "mode"]);
            }
        }
    }
    let target = item.get("target").and_then(Node::text).unwrap_or_default();
    let path = folder(at, item.line, &target)?;
    memory(at, item.line, (path, tmpfs), all, notes);
    Ok(())
}

fn folder(at: &str, line: u64, path: &str) -> Result<MountPath, Bad> {
    MountPath::new(path.trim_end_matches('/'))
        .map_err(|why| Bad { line: Some(line), why: format!("{at}: {why}") })
}

fn size(at: &str, node: &Node) -> Result<Option<u64>, Bad> {
    match units::bytes(node) {
        Some(bytes) => Ok(Some(bytes)),
        None => bad(node.line, format!("{at}: its size is one such as 64m")),
    }
}

/// Rights in octal digits. A number of YAML may have been written so and be another one by now: which of
/// the two was meant shows in that the owner of a folder has all rights to it.
fn mode(at: &str, node: &Node) -> Result<Option<u16>, Bad> {
    let text = node.text().unwrap_or_default();
    let octal = u16::from_str_radix(text.strip_prefix("0o").unwrap_or(&text), 8).ok();
    let found = octal.into_iter().chain(text.parse().ok()).find(|mode| Tmpfs::is_mode(*mode));
    match found {
        Some(mode) => Ok(Some(mode)),
        None => bad(
            node.line,
            format!("{at}: its mode is one such as 1777 or 700, with all rights for its owner"),
        ),
    }
}

fn ulimits(at: &str, node: &Node, inside: &mut Inside, notes: &mut Notes) {
    for field in node.fields().unwrap_or_default() {
        let at = format!("{at}.{}", field.name);
        let name: UlimitName = match field.name.parse() {
            Ok(name) => name,
            Err(why) => {
                notes.left(field.line, &at, why);
                continue;
            }
        };
        let of = |name: &str| field.node.get(name).unwrap_or(&field.node);
        match (most(of("soft")), most(of("hard"))) {
            (Some(soft), Some(hard)) => {
                inside.ulimits.insert(name, Ulimit { soft, hard });
            }
            (_, _) => notes.left(
                field.line,
                &at,
                "it is a number, or a map with soft and hard; -1 is no limit",
            ),
        }
    }
}

/// A limit: none is that there is none.
fn most(node: &Node) -> Option<Option<u64>> {
    match node.text()?.trim() {
        "-1" | "unlimited" => Some(None),
        text => Some(Some(text.parse().ok()?)),
    }
}

fn hosts(at: &str, node: &Node, inside: &mut Inside, notes: &mut Notes) {
    let one = |name: &str, address: &str, line: u64| {
        (name.trim().to_owned(), address.trim().to_owned(), line)
    };
    let found: Vec<(String, String, u64)> = match &node.value {
        Tree::List(items) => {
            let texts = items.iter().map(|item| (item.text().unwrap_or_default(), item.line));
            let pairs = texts.map(|(text, line)| {
                let (name, address) = text.split_once(['=', ':']).unwrap_or((&text, ""));
                one(name, address, line)
            });
            pairs.collect()
        }
        Tree::Map(fields) => {
            let pairs = fields
                .iter()
                .map(|field| one(&field.name, &field.node.text().unwrap_or_default(), field.line));
            pairs.collect()
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => {
            return notes.left(node.line, at, "it is a list of NAME=address, or a map of them");
        }
    };
    for (name, address, line) in found {
        if address == "host-gateway" {
            notes.left(
                line,
                at,
                "the machine itself is given to no container: what runs there is reached by an address that \
                 it has for others, too",
            );
            continue;
        }
        let plain = address.trim_start_matches('[').trim_end_matches(']');
        match (HostName::new(name), plain.parse::<IpAddr>()) {
            (Ok(name), Ok(address)) => {
                inside.hosts.insert(name, address);
            }
            (Err(why), _) => notes.left(line, at, why.to_string()),
            (Ok(_), Err(_)) => {
                notes.left(line, at, format!("{} is no address", shown(&address)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Given;
    use super::super::tests::told;

    /// What is said of a service, and how each line begins that is told of it.
    type Row = (&'static str, &'static [&'static str]);

    const ROWS: &[Row] = &[
        (
            "user: \"1000:1000\"\n    working_dir: /srv/app/\n    read_only: true\n    init: true\n    stop_signal: \
             INT\n    hostname: db\n    shm_size: 256mb\n",
            &[
                "0 a image=x health=none user=1000:1000 dir=/srv/app read-only=yes signal=SIGINT shm=256 \
                 hostname=db names=db",
            ],
        ),
        ("user: 0\n    read_only: false\n", &["0 a image=x health=none user=0"]),
        ("tmpfs: /run\n", &["0 a image=x health=none memory:/run"]),
        (
            "tmpfs: [\"/tmp:size=64m,mode=1777,exec\", /run/, \"/x:uid=7\"]\n",
            &[
                "0 a image=x health=none memory:/run memory:/tmp,67108864,1777 memory:/x",
                "! 4 services.a.tmpfs: nothing is run from a folder in memory",
                "! 4 services.a.tmpfs: there is no way uid of it",
            ],
        ),
        (
            "volumes:\n      - {type: tmpfs, target: /a, tmpfs: {size: 1048576, mode: 0o700}}\n      - {type: tmpfs, \
             target: /b, tmpfs: {mode: 1777, sise: 1}}\n      - {type: tmpfs, target: /c, tmpfs: {mode: \
             0o1777}}\n      - {type: tmpfs, target: /d, tmpfs: {mode: \"0755\"}}\n",
            &[
                "0 a image=x health=none memory:/a,1048576,700 memory:/b,1777 memory:/c,1777 memory:/d,755",
                "! 6 services.a.volumes.tmpfs.sise: there is no such key; do you mean size?",
            ],
        ),
        (
            "ulimits:\n      nofile: {soft: 1024, hard: 65536}\n      nproc: 512\n      memlock: -1\n      nice: 1\n      \
             stack: lots\n",
            &[
                "0 a image=x health=none memlock=-:- nofile=1024:65536 nproc=512:512",
                "! 8 services.a.ulimits.nice: is one of core, cpu",
                "! 9 services.a.ulimits.stack: it is a number, or a map",
            ],
        ),
        (
            "extra_hosts: [\"db.example:10.0.0.7\", \"v6=[fd12::7]\", \"host.docker.internal:host-gateway\", \
             \"b:c\"]\n",
            &[
                "0 a image=x health=none db.example=10.0.0.7 v6=fd12::7",
                "! 4 services.a.extra_hosts: c is no address",
                "! 4 services.a.extra_hosts: the machine itself is given to no container",
            ],
        ),
        ("extra_hosts: {old: 10.0.0.8}\n", &["0 a image=x health=none old=10.0.0.8"]),
        (
            "stop_signal: SIGKILL\n    hostname: a.b\n    shm_size: much\n",
            &[
                "0 a image=x health=none",
                "! 4 services.a.stop_signal: a signal to stop is one of SIGTERM",
                "! 5 services.a.hostname: a container's host name has",
                "! 6 services.a.shm_size: it is a size",
            ],
        ),
        ("user: \"1000:\"\n", &["0 a image=x health=none user=1000"]),
        (
            "user: \"${UID}:${GID}\"\n    working_dir: /\n    tmpfs: [/dev/shm, /run]\n",
            &[
                "0 a image=x health=none memory:/run",
                "! 4 ${GID}: it is not given",
                "! 4 ${UID}: it is not given",
                "! 4 services.a.user: it names nobody: who the image says runs",
                "! 5 services.a.working_dir: the root is none to start in",
                "! 6 services.a.tmpfs: it lies in memory in every container; how large it is, is said by shm_size",
            ],
        ),
        (
            "user: \"\"\n    working_dir: \"\"\n    volumes: [{type: tmpfs, target: /dev/shm/}]\n",
            &[
                "0 a image=x health=none",
                "! 4 services.a.user: it names nobody",
                "! 5 services.a.working_dir: the root is none",
                "! 6 services.a.volumes: it lies in memory",
            ],
        ),
        ("user: \":1000\"\n", &["refused: line 4: services.a.user: a user is USER"]),
        ("user: \"a b\"\n", &["refused: line 4: services.a.user: a user is USER"]),
        ("working_dir: app\n", &["refused: line 4: services.a.working_dir: a folder in"]),
        ("read_only: maybe\n", &["refused: line 4: services.a.read_only: it is true or"]),
        ("tmpfs: \"/a:size=big\"\n", &["refused: line 4: services.a.tmpfs: its size is"]),
        ("tmpfs: \"/a:mode=4755\"\n", &["refused: line 4: services.a.tmpfs: its mode is"]),
        ("tmpfs: /proc\n", &["refused: line 2: services.a: "]),
        ("ulimits: {nofile: -1}\n", &["refused: line 2: services.a: "]),
        ("extra_hosts: {m: 169.254.169.254}\n", &["refused: line 2: services.a: "]),
    ];

    #[test]
    fn how_a_container_is_within_is_taken() {
        for (said, expected) in ROWS {
            let text = format!("services:\n  a:\n    image: x\n    {said}");
            let told = told(&text, &Given::default());
            let lines: Vec<&str> = told.lines().collect();
            assert_eq!(lines.len(), expected.len(), "{text}{told}");
            for (line, expected) in lines.iter().zip(*expected) {
                let whole = expected.starts_with("0 ");
                let same = if whole { line == expected } else { line.starts_with(expected) };
                assert!(same, "{text}{line}\n{expected}");
            }
        }
    }
}
