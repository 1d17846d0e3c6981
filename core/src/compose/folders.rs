//! What services mount from beside the file, or from a machine: no folder of a machine is in any container, so each
//! such mount becomes something else, or is told of.
//!
//! What is kept there becomes a volume of the group that is named after the path; what a person wrote comes in as
//! texts, as `configs` do; an app's own code, mounted over what its image has, is left out. Decided is from what
//! lies there, as somebody with the folder saw it ([`Mounted`]), and a path that is kept for one service is kept for
//! all that mount it.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::{bad, shown};
use super::service::resolve;
use super::tree::{Field, Node};
use super::volumes::Bind;
use super::{Bad, Given, Mounted};
use crate::container::VolumeName;
use crate::limits;
use crate::source::ImageRef;

/// How much of a path is in the name of its volume where not all of it can be.
const MOST_NAMED: usize = 50;
/// The longest name of a volume that has the whole path.
const LONGEST_NAME: usize = 63;

const MACHINE: &str = "folders of the machine are given to no container: what the app needs belongs into its image, \
                       and what it keeps into a named volume";
const UNSEEN: &str = "folders of the machine are given to no container, and nobody said what lies there: what the \
                      app needs belongs into its image, and what it keeps into a named volume";
const SYSTEM: &str = "it is of the machine's own system, which no container has a part of: what the app needs of it \
                      belongs into its image, and what watches a machine runs beside Hythe";
const SOCKET: &str = "the engine's socket is given to no container: whoever has it has the machine, and every other \
                      app on it. What routes, updates or watches containers by it (Traefik, Watchtower, Portainer) \
                      has nothing to do here: addresses, certificates, deployments and logs are Hythe's own";
const CLOCK: &str = "the clock of a container is one of UTC; most images heed the variable TZ, as in environment: \
                     {TZ: Europe/Berlin}";
const OUTSIDE: &str = "it leads out of what is sent; name the folder that has both by --repo, and the file from \
                       there by --file";
const DEVELOPMENT: &str = "it is the app's own code, mounted over what its image has, as one does to work on it: an \
                           app runs what was built";
const CODE: &str = "it is the folder of the whole project, as one mounts it to work on it: an app runs what its image \
                    has; write a Dockerfile that copies what is needed, and say build";
const MADE: &str = "what a build makes or fetches belongs into the image: in a volume it would stay as the first \
                    version had it";
const NO_FILE: &str = "there is no such file; write one there, by the example that is often beside it. A single file \
                       that the app itself writes is kept by a named volume at the folder that it is in";
const EMPTY: &str = "nothing is there, and no other service writes to it";
const TOO_MANY: &str = "there are more files than a container is given as texts, or they cannot be listed; build them \
                        into an image: a Dockerfile with FROM and COPY, and build instead of image";

/// Images that do nothing but watch an engine, or change what it runs.
const FOR_ENGINES: [&str; 11] = [
    "acme-companion",
    "autoheal",
    "diun",
    "docker-gen",
    "docker-socket-proxy",
    "dockge",
    "dozzle",
    "nginx-proxy",
    "portainer",
    "portainer-ce",
    "watchtower",
];
/// Files that are there so that a folder is.
const PLACEHOLDERS: [&str; 8] = [
    ".gitkeep",
    ".gitignore",
    ".gitattributes",
    ".keep",
    ".empty",
    ".placeholder",
    ".DS_Store",
    READ_ME,
];
const READ_ME: &str = "README.md";
/// Where images look for what people wrote, and not for what they keep themselves.
const WRITTEN: [&str; 10] = [
    "/etc",
    "/usr/local/etc",
    "/docker-entrypoint-initdb.d",
    "/docker-entrypoint.d",
    "/opt/keycloak/data/import",
    "/usr/local/apache2/htdocs",
    "/usr/share/caddy",
    "/usr/share/logstash",
    "/usr/share/nginx",
    "/var/lib/grafana/dashboards",
];
/// Where some keep what they found out all the same: keys, certificates, lists.
const KEPT_SETTINGS: [&str; 10] = [
    "/etc/gitea",
    "/etc/gitlab",
    "/etc/ldap/slapd.d",
    "/etc/letsencrypt",
    "/etc/openvpn",
    "/etc/pihole",
    "/etc/wireguard",
    "/etc/x-ui",
    "/opt/adguardhome/conf",
    "/var/www/html/config",
];
/// Names of folders that hold nothing else.
const WRITTEN_NAMES: [&str; 6] =
    ["conf", "dashboards", "initdb", "pipeline", "provisioning", "templates"];
/// What a place is called that programs only read, whoever may write to it.
const READ_NAMES: [&str; 13] = [
    "alerts",
    "code",
    "config",
    "configs",
    "dags",
    "functions",
    "migrations",
    "rules",
    "scripts",
    "source",
    "sources",
    "sql",
    "src",
];
/// What a folder is called that is somebody's code, wherever it is mounted.
const CODE_NAMES: [&str; 5] = ["code", "scripts", "source", "sources", "src"];
/// What folders are called that an app keeps something in, and parts of what they are called.
const KEPT_NAMES: [&str; 11] = [
    "cache",
    "db",
    "downloads",
    "files",
    "library",
    "log",
    "logs",
    "media",
    "state",
    "var",
    "volumes",
];
const KEPT_PARTS: [&str; 4] = ["backup", "data", "storage", "upload"];
/// Where images keep what they were told and what they found out since.
const KEPT_PLACES: [&str; 2] = ["/config", "/var/lib"];
/// What builds and package managers make.
const MADE_NAMES: [&str; 11] = [
    ".next",
    ".nuxt",
    ".venv",
    "__pycache__",
    "bower_components",
    "build",
    "dist",
    "node_modules",
    "target",
    "vendor",
    "venv",
];
/// Files whose names have no ending.
const FILE_NAMES: [&str; 9] = [
    ".env",
    ".gitconfig",
    ".htpasswd",
    ".npmrc",
    ".pgpass",
    "Caddyfile",
    "Corefile",
    "crontab",
    "hosts",
];
const CLOCKS: [&str; 3] = ["/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"];
/// What of a machine is its system's.
const SYSTEMS: [&str; 34] = [
    "/bin",
    "/boot",
    "/dev",
    "/lib",
    "/lib64",
    "/proc",
    "/run",
    "/sbin",
    "/snap",
    "/sys",
    "/tmp/.X11-unix",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/log",
    "/var/run",
    "/etc/ca-certificates",
    "/etc/docker",
    "/etc/group",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/letsencrypt",
    "/etc/machine-id",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki",
    "/etc/resolv.conf",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/ssl",
    "/etc/sudoers",
    "/etc/systemd",
];

/// Where something lies that is mounted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// In what is sent: its path from the root, empty for the root itself.
    Within(String),
    /// On a machine, or in somebody's home there.
    Machine(String),
    /// Out of what is sent.
    Outside,
}

impl Source {
    fn of(bind: &Bind, folder: &str) -> Self {
        if bind.is_relative() {
            return match resolve(folder, &bind.source) {
                Ok(found) => Self::Within(found.unwrap_or_default()),
                Err(_) => Self::Outside,
            };
        }
        let parts = bind.source.split('/').filter(|part| !matches!(*part, "" | "."));
        let parts: Vec<&str> = parts.collect();
        if parts.contains(&"..") {
            return Self::Outside;
        }
        let first = if bind.source.starts_with('~') { "" } else { "/" };
        Self::Machine(format!("{first}{}", parts.join("/")))
    }

    /// The name of the volume that stands for it. It has the path where that can be read from it again, and else
    /// a number made from the path, so that two paths have two names; it must never change.
    fn volume(&self) -> Option<VolumeName> {
        let (kind, path) = match self {
            Self::Within(path) => ("folder", path.as_str()),
            Self::Machine(path) => ("machine", path.strip_prefix('/').unwrap_or(path)),
            Self::Outside => return None,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let shown = path.chars().map(|c| match c {
            '/' => '.',
            c if plain(c) => c,
            _ => '-',
        });
        let mut name = format!("{kind}-{}", shown.collect::<String>());
        if name.len() > LONGEST_NAME || !path.chars().all(|c| plain(c) || c == '/') {
            name.truncate(MOST_NAMED);
            name = format!("{name}-{}", tag(path));
        }
        VolumeName::new(name).ok()
    }
}

/// Twelve digits that are others for another text.
pub(super) fn tag(text: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{:012x}", hash >> 16)
}

/// What becomes of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// A volume, and what there is to know of it.
    Volume(VolumeName, String),
    /// Texts: where each lies, and where the container has it.
    Texts(Vec<(String, String)>),
    /// Nothing, and why.
    Nothing(&'static str),
}

/// The volumes of all that is kept, by where it would lie.
#[derive(Debug, Default)]
pub(super) struct Kept(BTreeMap<Source, VolumeName>);

impl Kept {
    /// What services write to. `taken` has the names of volumes that are declared.
    pub(super) fn of(
        services: &[Field],
        given: &Given,
        taken: &BTreeSet<VolumeName>,
    ) -> Result<Self, Bad> {
        let mut kept = BTreeMap::new();
        let mut names: BTreeMap<VolumeName, Source> = BTreeMap::new();
        for service in services {
            let built = built_from(&service.node, given);
            let items = service.node.get("volumes").and_then(Node::items).unwrap_or_default();
            // Each may be a folder with many files.
            if items.len() > limits::MOST_COMPOSE_MOUNTS {
                let (name, most) = (&service.name, limits::MOST_COMPOSE_MOUNTS);
                return bad(service.line, format!("services.{name}.volumes: more than {most}"));
            }
            for item in items {
                let Some(bind) = Bind::of(item).filter(|bind| !bind.read_only) else { continue };
                let source = Source::of(&bind, &given.folder);
                if !matches!(decide(&bind, &source, built.as_deref(), given), Decided::Keep(_)) {
                    continue;
                }
                let Some(volume) = source.volume() else { continue };
                let other = names.insert(volume.clone(), source.clone());
                if taken.contains(&volume) || other.is_some_and(|other| other != source) {
                    let why = format!(
                        "services.{}.volumes: what is kept in {} would be in the volume {volume}, and there \
                         is another one of that name; call it otherwise",
                        service.name,
                        shown(&bind.source)
                    );
                    return bad(bind.line, why);
                }
                kept.insert(source, volume);
            }
        }
        Ok(Self(kept))
    }

    /// What becomes of a mount of a service that is built from that folder, where it is.
    pub(super) fn settle(&self, bind: &Bind, built: Option<&str>, given: &Given) -> Means {
        let source = Source::of(bind, &given.folder);
        let decided = decide(bind, &source, built, given);
        let apart = if self.has_beside(&source) { APART } else { "" };
        match (self.0.get(&source), decided) {
            (Some(volume), Decided::Keep(more)) => {
                Means::Volume(volume.clone(), kept(volume, more) + apart)
            }
            (None, Decided::Nothing(EMPTY)) if !apart.is_empty() => Means::Nothing(PART),
            (Some(volume), Decided::Texts(_) | Decided::Nothing(_)) => {
                Means::Volume(volume.clone(), kept(volume, ""))
            }
            (None, Decided::Texts(texts)) => Means::Texts(texts),
            (None, Decided::Nothing(why)) | (_, Decided::Never(why)) => Means::Nothing(why),
            (None, Decided::Keep(_)) => Means::Nothing(MACHINE),
        }
    }

    /// Whether something else is kept that has it, or that it has.
    fn has_beside(&self, source: &Source) -> bool {
        let Source::Within(own) = source else { return false };
        // They come first, and are as few as those of which somebody said what lies there.
        let within = self.0.keys().map_while(|source| match source {
            Source::Within(path) => Some(path),
            Source::Machine(_) | Source::Outside => None,
        });
        let mut others = within.filter(|path| *path != own);
        others.any(|path| holds(path, own) || holds(own, path))
    }
}

fn kept(volume: &VolumeName, more: &str) -> String {
    format!(
        "what is written there is kept in the volume {volume} of the project, which outlives every version and \
         begins with what the image has at that place{more}"
    )
}

const APART: &str = "; a folder that it is in, or that is in it, is kept in a volume of its own, and neither sees the \
                     other: mount the same one where both are meant";
const PART: &str = "a folder that it is in, or that is in it, is kept in a volume of its own, which is not seen here: \
                    mount the same one in both places";
const NOT_FROM_THERE: &str = "; of what is in the folder now, nothing is in it. To have its files, mount it \
                              read-only (:ro), as texts of at most 64 KiB, or build them into the image";
const NOT_OF_THE_MACHINE: &str = "; no folder of a machine is given to a container, so nothing of what is in this \
                                  one is in it";

/// What is to become of a mount by itself.
#[derive(Debug)]
enum Decided {
    /// It is kept; what there is to know besides.
    Keep(&'static str),
    Texts(Vec<(String, String)>),
    /// Nothing, unless another service keeps something there.
    Nothing(&'static str),
    /// Nothing, whatever others do with it.
    Never(&'static str),
}

fn decide(bind: &Bind, source: &Source, built: Option<&str>, given: &Given) -> Decided {
    match source {
        Source::Outside => Decided::Nothing(OUTSIDE),
        Source::Machine(path) => match of_the_machine(path) {
            Some(why) => Decided::Nothing(why),
            None if bind.read_only || bind.names_a_file() => Decided::Nothing(MACHINE),
            None => Decided::Keep(NOT_OF_THE_MACHINE),
        },
        Source::Within(path) => within(bind, path, built, given),
    }
}

fn of_the_machine(path: &str) -> Option<&'static str> {
    let of = |folders: &[&str]| folders.iter().any(|folder| holds(folder, path));
    let engines = ["docker.sock", "podman.sock", "containerd.sock", "docker"];
    if engines.contains(&last(path)) && of(&["/run", "/var/run"]) || path.ends_with("/docker.sock")
    {
        Some(SOCKET)
    } else if of(&CLOCKS) {
        Some(CLOCK)
    } else if path == "/" || path == "/etc" || of(&SYSTEMS) {
        Some(SYSTEM)
    } else {
        None
    }
}

fn within(bind: &Bind, path: &str, built: Option<&str>, given: &Given) -> Decided {
    let of_the_build = built.is_some_and(|context| holds(context, path));
    let is_whole = holds(path, &given.folder);
    // The settings of an image may lie beside its Dockerfile.
    if built.is_some_and(|context| holds(path, context)) && (is_whole || !bind.is_at_settings()) {
        return Decided::Never(DEVELOPMENT);
    }
    if is_whole {
        return Decided::Never(CODE);
    }
    let as_it_is = || Decided::Texts(vec![(path.to_owned(), bind.target.clone())]);
    let written = bind.is_written_by_people();
    let is_made = MADE_NAMES.contains(&last(path));
    let is_code = of_the_build && !written && !bind.is_named_as_kept();
    match given.mounted.get(path) {
        // Whoever does not say what is where may still give the text that is there.
        None | Some(Mounted::File) if given.files.contains_key(path) => as_it_is(),
        None => Decided::Nothing(UNSEEN),
        Some(Mounted::File) if of_the_build => Decided::Never(DEVELOPMENT),
        // What is no text is told of where texts are put into the container.
        Some(Mounted::File) => as_it_is(),
        Some(Mounted::Nothing) if bind.names_a_file() => Decided::Nothing(NO_FILE),
        Some(Mounted::Nothing) => empty(bind, is_made),
        Some(Mounted::Large) if is_made && !written => Decided::Never(MADE),
        Some(Mounted::Large) if is_code || of_the_build && written => Decided::Never(DEVELOPMENT),
        Some(Mounted::Large) if written => Decided::Nothing(TOO_MANY),
        Some(Mounted::Large) => Decided::Keep(NOT_FROM_THERE),
        Some(Mounted::Folder(files)) => {
            let files = real(files);
            let at = |file: &str| format!("{path}/{file}");
            let all = || files.iter().all(|file| given.files.contains_key(&at(file)));
            if files.is_empty() {
                empty(bind, is_made)
            } else if is_made && !written {
                Decided::Never(MADE)
            } else if is_code {
                Decided::Never(DEVELOPMENT)
            } else if written || bind.is_named_as_read() && all() {
                let to = bind.target.trim_end_matches('/');
                let one = |file: &&str| (at(file), format!("{to}/{file}"));
                Decided::Texts(files.iter().map(one).collect())
            } else {
                Decided::Keep(NOT_FROM_THERE)
            }
        }
    }
}

fn empty(bind: &Bind, is_made: bool) -> Decided {
    if is_made {
        Decided::Never(MADE)
    } else if bind.read_only {
        Decided::Nothing(EMPTY)
    } else {
        Decided::Keep("")
    }
}

/// The files of a folder without those that are there so that it is. What there is to read beside others may be one
/// of them.
fn real(files: &BTreeSet<String>) -> Vec<&str> {
    let holds_place = |file: &str| PLACEHOLDERS.contains(&last(file));
    let is_alone = files.iter().all(|file| holds_place(file));
    let is_real = |file: &&str| !holds_place(file) || (!is_alone && last(file) == READ_ME);
    files.iter().map(String::as_str).filter(is_real).collect()
}

/// The texts that are wanted of what a service mounts from a folder.
pub(super) fn wanted(bind: &Bind, path: &str, service: &Node, given: &Given) -> Vec<String> {
    let is_built = service.get("build").is_some();
    match given.mounted.get(path) {
        Some(Mounted::File) => vec![path.to_owned()],
        Some(Mounted::Folder(files))
            if !holds(path, &given.folder)
                && (bind.is_written_by_people() || !is_built && bind.is_named_as_read()) =>
        {
            real(files).into_iter().map(|file| format!("{path}/{file}")).collect()
        }
        Some(Mounted::Folder(_) | Mounted::Large | Mounted::Nothing) | None => Vec::new(),
    }
}

/// Whether an image does nothing without the engine's socket, and this service was to have that.
pub(super) fn is_for_engine(image: &ImageRef, binds: &[(Bind, Means)]) -> bool {
    let name = last(image.as_str()).split([':', '@']).next().unwrap_or_default();
    FOR_ENGINES.contains(&name) && binds.iter().any(|(_, means)| *means == Means::Nothing(SOCKET))
}

/// The folder that a service is built from, from the root of the source.
pub(super) fn built_from(service: &Node, given: &Given) -> Option<String> {
    let build = service.get("build").filter(|build| !build.is_null())?;
    let said = build.text().or_else(|| build.get("context")?.text());
    resolve(&given.folder, said.as_deref().unwrap_or(".")).ok().map(Option::unwrap_or_default)
}

/// Whether a path is a folder's, or that folder itself; the empty path is the root.
fn holds(folder: &str, path: &str) -> bool {
    let rest = path.strip_prefix(folder);
    folder.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn last(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

impl Bind {
    /// Whether what is there was written by a person: only read, or at a place for such.
    fn is_written_by_people(&self) -> bool {
        self.read_only || self.is_at_settings()
    }

    fn is_at_settings(&self) -> bool {
        let target = self.target.trim_end_matches('/');
        let name = last(target);
        if KEPT_SETTINGS.contains(&target) {
            return false;
        }
        WRITTEN.iter().any(|folder| holds(folder, target))
            || WRITTEN_NAMES.contains(&name)
            || name.ends_with(".d")
    }

    /// Whether it lies, or is called, as folders do that something is kept in.
    fn is_named_as_kept(&self) -> bool {
        KEPT_PLACES.iter().any(|folder| holds(folder, &self.target))
            || KEPT_SETTINGS.contains(&self.target.trim_end_matches('/'))
            || [self.source.as_str(), self.target.as_str()].into_iter().any(|path| {
                let name = last(path).to_ascii_lowercase();
                KEPT_NAMES.contains(&name.as_str())
                    || KEPT_PARTS.iter().any(|part| name.contains(part))
            })
    }

    /// Whether it is called as what programs only read. What may be written to and is called otherwise is taken for
    /// kept: texts that an app changes are gone with its container, and a volume without them is only said to be.
    fn is_named_as_read(&self) -> bool {
        let (source, target) =
            (last(&self.source).to_ascii_lowercase(), last(&self.target).to_ascii_lowercase());
        let is_read =
            READ_NAMES.contains(&target.as_str()) || CODE_NAMES.contains(&source.as_str());
        is_read && !self.is_named_as_kept()
    }

    /// Whether it is called as files are and not folders.
    fn names_a_file(&self) -> bool {
        let (source, target) = (last(&self.source), last(&self.target));
        FILE_NAMES.contains(&source) || has_ending(source) && has_ending(target)
    }
}

fn has_ending(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(before, ending)| {
        let letters = ending.bytes().any(|b| b.is_ascii_alphabetic());
        let plain = ending.bytes().all(|b| b.is_ascii_alphanumeric());
        !before.is_empty() && letters && plain && ending.len() <= 10 && ending != "d"
    })
}
