//! How an app's containers are within, where not as its image says: who runs there and in which folder,
//! what can be written, what lies in memory, which files hold values of its variables, and what one process
//! may take.
//!
//! It holds in every container of an app: replicas, processes beside web, release commands, what is run once. Nothing
//! here gives a container more over its machine than any has: what an image may say itself may be said
//! here too, and the rest takes something away or is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::container::{Mount, MountPath};
use crate::limits;
use crate::names::{BadText, EnvName, HostName, bad, shown, text};
use crate::reach::is_off_limits;
use crate::rejection::Rejection;

text!(
    /// Who a container's program runs as: `USER` or `USER:GROUP`, each a name or a number.
    ContainerUser, "a user", |text| {
        let one = |name: &str| {
            let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
            let rest = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            first && rest && name.len() <= 32
        };
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        if one(user) && group.is_none_or(one) {
            Ok(())
        } else {
            Err(format!(
                "is USER or USER:GROUP, each a name or a number of at most 32 characters; got {}",
                shown(text)
            ))
        }
    }
);
text!(
    /// The signal that asks a program to end.
    StopSignal, "a signal to stop", |text| {
        if SIGNALS.contains(&text) {
            Ok(())
        } else {
            Err(format!("is one of {}; got {}", SIGNALS.join(", "), shown(text)))
        }
    }
);
text!(
    /// What a container calls itself: one DNS label of at most 63 characters.
    ContainerHost, "a container's host name", |text| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let edges = !text.starts_with('-') && !text.ends_with('-');
        if !text.is_empty() && text.len() <= 63 && edges && text.bytes().all(inner) {
            Ok(())
        } else {
            Err(format!(
                "has lower-case letters, digits and \"-\" within, and at most 63 characters; got {}",
                shown(text)
            ))
        }
    }
);

/// Signals that programs end in order at.
const SIGNALS: [&str; 8] =
    ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGRTMIN+3"];

/// How an app's containers are within. In events by position: what is new goes into another variant of
/// how [`crate::run::RunSettings`] is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// Who runs in them, in place of the image's user.
    pub user: Option<ContainerUser>,
    /// The folder that programs start in, in place of the image's.
    pub working_dir: Option<MountPath>,
    /// Whether nothing can be written but to volumes and what lies in memory.
    pub read_only: bool,
    /// Folders that lie in memory, and go with their container.
    pub tmpfs: BTreeMap<MountPath, Tmpfs>,
    /// What asks them to end, in place of the image's signal.
    pub stop_signal: Option<StopSignal>,
    /// How large `/dev/shm` is.
    pub shm_bytes: Option<u64>,
    /// What one process may take.
    pub ulimits: BTreeMap<UlimitName, Ulimit>,
    /// What replicas of web call themselves.
    pub hostname: Option<ContainerHost>,
    /// Names that stand for addresses in them, besides those of the network.
    pub hosts: BTreeMap<HostName, IpAddr>,
    /// Files that hold values of the app's variables.
    pub files: BTreeMap<MountPath, ValueFile>,
}

/// A file that holds the value of one of the app's variables, which is in the environment no more then. So
/// what is secret in it is kept and travels as every variable does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueFile {
    /// Which variable.
    pub variable: EnvName,
    /// The rights to it.
    pub mode: u16,
    /// The number of the user whose it is.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
}

impl ValueFile {
    /// The rights to a file that says none: everybody in the container can read it.
    pub const MODE: u16 = 0o444;

    /// Whether rights are such as a file to be read has: its owner can read it, who may do more can read
    /// it, too, and nobody may do more than the one before.
    #[must_use]
    pub const fn is_mode(mode: u16) -> bool {
        let (owner, group, others) = ((mode >> 6) & 7, (mode >> 3) & 7, mode & 7);
        let read =
            owner & 4 == 4 && (group == 0 || group & 4 == 4) && (others == 0 || others & 4 == 4);
        read && mode <= 0o777 && group & !owner == 0 && others & !group == 0
    }
}

/// A folder in memory. What is in it counts as memory of the container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// How large it grows; as much as the container has memory where nothing is said.
    pub size_bytes: Option<u64>,
    /// The rights to it; everybody's, as those to /tmp are, where nothing is said.
    pub mode: Option<u16>,
}

impl Tmpfs {
    /// The rights to a folder that says none.
    pub const MODE: u16 = 0o1777;

    /// Whether rights are such as a folder can have: all of them for its owner, and none to run as another.
    #[must_use]
    pub const fn is_mode(mode: u16) -> bool {
        mode & 0o700 == 0o700 && mode <= 0o1777
    }
}

/// What a process may take only so much of. In events by position: append only.
///
/// Not among them is what goes beyond the container: priority among all processes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UlimitName {
    /// The size of a dump of its memory.
    Core,
    /// Seconds of a processor.
    Cpu,
    /// Its data.
    Data,
    /// The size of a file.
    Fsize,
    /// Memory that stays in memory.
    Memlock,
    /// Open files.
    Nofile,
    /// Processes of its user.
    Nproc,
    /// Its stack.
    Stack,
}

impl UlimitName {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Core,
        Self::Cpu,
        Self::Data,
        Self::Fsize,
        Self::Memlock,
        Self::Nofile,
        Self::Nproc,
        Self::Stack,
    ];

    /// Its name, as engines have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Cpu => "cpu",
            Self::Data => "data",
            Self::Fsize => "fsize",
            Self::Memlock => "memlock",
            Self::Nofile => "nofile",
            Self::Nproc => "nproc",
            Self::Stack => "stack",
        }
    }
}

impl fmt::Display for UlimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for UlimitName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            format!("is one of {all}; got {}", shown(text))
        })
    }
}

/// How much a process may take. None is without a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// What it begins with.
    pub soft: Option<u64>,
    /// What it may raise that to.
    pub hard: Option<u64>,
}

impl Inside {
    /// Whether it is as it is where nobody said anything.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it is within its bounds, beside these volumes.
    ///
    /// # Errors
    /// [`Rejection`] names the setting.
    pub fn check(&self, volumes: &BTreeMap<MountPath, Mount>) -> Result<(), Rejection> {
        let wrong = |field: &str, why: String| Err(Rejection::invalid(field, why));
        let (least, most) = (limits::LEAST_TMPFS_BYTES, limits::MOST_TMPFS_BYTES);
        let fits = |bytes: u64| bytes >= least && bytes <= most;
        if self.tmpfs.len() > limits::MOST_VOLUMES {
            return wrong("inside.tmpfs", format!("is at most {} folders", limits::MOST_VOLUMES));
        }
        for (path, Tmpfs { size_bytes, mode }) in &self.tmpfs {
            if volumes.contains_key(path) {
                return wrong("inside.tmpfs", format!("is where no volume is; {path} is one"));
            }
            if is_the_engines(path) {
                return wrong(
                    "inside.tmpfs",
                    format!("is not where the engine has its own: {path}"),
                );
            }
            if let Some(bytes) = size_bytes.filter(|bytes| !fits(*bytes)) {
                return wrong("inside.tmpfs", format!("has {least} to {most} bytes; got {bytes}"));
            }
            if let Some(mode) = mode.filter(|mode| !Tmpfs::is_mode(*mode)) {
                return wrong(
                    "inside.tmpfs",
                    format!("gives its owner all rights, as 1777 and 700 do; got {mode:o}"),
                );
            }
        }
        if let Some(bytes) = self.shm_bytes.filter(|bytes| !fits(*bytes)) {
            return wrong("inside.shm_bytes", format!("is {least} to {most}; got {bytes}"));
        }
        for (name, Ulimit { soft, hard }) in &self.ulimits {
            if soft.unwrap_or(u64::MAX) > hard.unwrap_or(u64::MAX) {
                return wrong(
                    "inside.ulimits",
                    format!("{name} begins with no more than it may have"),
                );
            }
            let most = match name {
                UlimitName::Nofile => limits::MOST_OPEN_FILES,
                UlimitName::Core
                | UlimitName::Cpu
                | UlimitName::Data
                | UlimitName::Fsize
                | UlimitName::Memlock
                | UlimitName::Nproc
                | UlimitName::Stack => continue,
            };
            if hard.is_none_or(|hard| hard > most) {
                return wrong("inside.ulimits", format!("{name} is at most {most}"));
            }
        }
        self.check_files(volumes)?;
        if self.hosts.len() > limits::MOST_HOSTS {
            return wrong("inside.hosts", format!("are at most {}", limits::MOST_HOSTS));
        }
        match self.hosts.iter().find(|(_, address)| is_off_limits(**address)) {
            Some((name, address)) => wrong(
                "inside.hosts",
                format!("{name} stands for {address}, which is of the machine's own network"),
            ),
            None => Ok(()),
        }
    }

    fn check_files(&self, volumes: &BTreeMap<MountPath, Mount>) -> Result<(), Rejection> {
        let wrong = |why: String| Err(Rejection::invalid("inside.files", why));
        if self.files.len() > limits::MOST_CONTAINER_FILES {
            return wrong(format!("are at most {}", limits::MOST_CONTAINER_FILES));
        }
        if self.read_only && !self.files.is_empty() {
            return wrong(
                "are put into a container before it starts, and into one that is read-only no engine puts \
                 any: leave read_only out, or read the values from the environment"
                    .to_owned(),
            );
        }
        for (path, file) in &self.files {
            let mut folders = volumes.keys().chain(self.tmpfs.keys());
            if let Some(folder) = folders.find(|folder| is_within(path, folder.as_str())) {
                return wrong(format!(
                    "are not within volumes or folders in memory: {path} is in {folder}, and would be hidden \
                     by it or stay in it"
                ));
            }
            if is_the_engines(path) {
                return wrong(format!("are not where the engine has its own: {path}"));
            }
            if !ValueFile::is_mode(file.mode) {
                return wrong(format!(
                    "can be read by their owner, as with 444 or 400; got {:o}",
                    file.mode
                ));
            }
        }
        Ok(())
    }

    /// The variables whose values stand in files, and not in the environment.
    #[must_use]
    pub fn in_files(&self) -> BTreeSet<&EnvName> {
        self.files.values().map(|file| &file.variable).collect()
    }
}

/// Whether the engine itself has something there.
fn is_the_engines(path: &MountPath) -> bool {
    ["/proc", "/sys", "/dev"].into_iter().any(|folder| is_within(path, folder))
}

fn is_within(path: &MountPath, folder: &str) -> bool {
    let rest = path.as_str().strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::VolumeName;

    fn path(text: &str) -> MountPath {
        MountPath::new(text).unwrap()
    }

    #[test]
    fn texts_are_checked() {
        for good in ["1000", "1000:1000", "node", "www-data:www-data", "root", "_a.b"] {
            assert!(ContainerUser::new(good).is_ok(), "{good}");
        }
        for bad in ["", ":", "a:", ":a", "a:b:c", "-u", "a b", "a/b", "a\n", &"a".repeat(33)] {
            assert!(ContainerUser::new(bad).is_err(), "{bad}");
        }
        assert!(StopSignal::new("SIGQUIT").is_ok() && StopSignal::new("SIGRTMIN+3").is_ok());
        for bad in ["", "QUIT", "SIGKILL", "SIGSTOP", "9", "sigint"] {
            assert!(StopSignal::new(bad).is_err(), "{bad}");
        }
        assert!(ContainerHost::new("db-1").is_ok());
        for bad in ["", "-a", "a-", "a.b", "A", "a b", &"a".repeat(64)] {
            assert!(ContainerHost::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn everything_has_its_bounds() {
        let mount = Mount { volume: VolumeName::new("data").unwrap(), read_only: false };
        let volumes = BTreeMap::from([(path("/data"), mount)]);
        let tmpfs = |at: &str, size_bytes, mode| Inside {
            tmpfs: BTreeMap::from([(path(at), Tmpfs { size_bytes, mode })]),
            ..Inside::default()
        };
        let ulimit = |name, soft, hard| Inside {
            ulimits: BTreeMap::from([(name, Ulimit { soft, hard })]),
            ..Inside::default()
        };
        let host = |address: &str| Inside {
            hosts: BTreeMap::from([(HostName::new("a.b").unwrap(), address.parse().unwrap())]),
            ..Inside::default()
        };
        let many = (0..17).map(|n| (path(&format!("/t{n}")), Tmpfs::default())).collect();
        let shm = |bytes| Inside { shm_bytes: Some(bytes), ..Inside::default() };
        let file = |at: &str, mode| {
            let variable = EnvName::new("SECRET_FILE_a").unwrap();
            let file = ValueFile { variable, mode, uid: 0, gid: 0 };
            Inside { files: BTreeMap::from([(path(at), file)]), ..Inside::default() }
        };
        for (what, good) in [
            ("a file", file("/run/secrets/a", 0o440)),
            ("a folder", tmpfs("/tmp", Some(64 << 20), Some(0o1777))),
            ("one of its owner", tmpfs("/run/mine", None, Some(0o700))),
            ("open files", ulimit(UlimitName::Nofile, Some(1024), Some(1 << 20))),
            ("no limit", ulimit(UlimitName::Memlock, None, None)),
            ("a private address", host("10.0.0.7")),
            ("shared memory", shm(256 << 20)),
        ] {
            assert_eq!(good.check(&volumes), Ok(()), "{what}");
            assert!(!good.is_usual(), "{what}");
        }
        for (what, wrong) in [
            ("over a volume", tmpfs("/data", None, None)),
            ("over the engine's own", tmpfs("/proc/self", None, None)),
            ("over devices", tmpfs("/dev", None, None)),
            ("of no size", tmpfs("/tmp", Some(0), None)),
            ("of all sizes", tmpfs("/tmp", Some(u64::MAX), None)),
            ("to run as another", tmpfs("/tmp", None, Some(0o4777))),
            ("without rights", tmpfs("/tmp", None, Some(0o077))),
            ("too many", Inside { tmpfs: many, ..Inside::default() }),
            ("more than it may have", ulimit(UlimitName::Stack, Some(2), Some(1))),
            ("no end before one", ulimit(UlimitName::Stack, None, Some(1))),
            ("files without an end", ulimit(UlimitName::Nofile, Some(1), None)),
            ("an address of the link", host("169.254.169.254")),
            ("no shared memory", shm(0)),
            ("a file in a volume", file("/data/a", 0o444)),
            ("a file of the engine's", file("/dev/a", 0o444)),
            ("a file that nobody reads", file("/a", 0o044)),
            (
                "a file in memory",
                Inside { files: file("/tmp/a", 0o444).files, ..tmpfs("/tmp", None, None) },
            ),
            ("a file where nothing is written", Inside { read_only: true, ..file("/a", 0o444) }),
        ] {
            assert!(wrong.check(&volumes).is_err(), "{what}");
        }
    }

    #[test]
    fn rights_to_a_file_are_such_as_people_give() {
        for good in [0o444, 0o440, 0o400, 0o600, 0o640, 0o644, 0o755, 0o777] {
            assert!(ValueFile::is_mode(good), "{good:o}");
            // Written as a number of another base it is none: so it is known which was meant.
            let digits = u16::from_str_radix(&good.to_string(), 8);
            assert!(
                digits.is_err() || digits.is_ok_and(|mode| !ValueFile::is_mode(mode)),
                "{good:o}"
            );
        }
        for bad in [0, 0o044, 0o4444, 0o446, 0o511, 0o420] {
            assert!(!ValueFile::is_mode(bad), "{bad:o}");
        }
    }

    #[test]
    fn names_of_limits_come_back() {
        for name in UlimitName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
        assert!("nice".parse::<UlimitName>().unwrap_err().contains("nofile"));
    }
}
