//! Limits on the memory and processors of builds, through the cgroups that their steps run in.
//!
//! The engine's own BuildKit ignores what a build asks for. But all its steps run below one cgroup
//! (`…/buildkit/ID`), so that a limit there holds for all builds together. Where the engine hands
//! its cgroups to systemd each step has a scope of its own, and the limit holds for each. Which it
//! is, and where, is looked for, never assumed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The period of a quota of processor time, in microseconds.
const PERIOD: u64 = 100_000;
/// The largest page of memory: kernels round limits down to whole pages.
const PAGE: u64 = 65_536;
/// What builds weigh beside anything else that wants the processors, by default 100 and 1024.
const WEIGHT: u64 = 20;
const SHARES: u64 = 205;
/// How deep below a mount a cgroup of builds is looked for, and in how many cgroups.
const DEPTH: usize = 5;
const MOST_GROUPS: usize = 4_096;
/// Characters of the id that BuildKit gives a step, and of a container's.
const STEP_ID: usize = 25;
const CONTAINER_ID: usize = 64;

/// The most that all builds of a worker may use together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildLimits {
    /// Bytes of memory; swap is not added to it.
    pub memory_bytes: u64,
    /// Thousandths of a processor.
    pub cpu_millis: u32,
}

/// Where the machine's cgroups are mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts {
    /// Version 2: one tree for all.
    unified: Option<PathBuf>,
    /// Version 1: a tree for each controller.
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
}

impl Mounts {
    /// Reads `/proc/self/mountinfo`.
    pub(super) fn of(mountinfo: &str) -> Self {
        let mut mounts = Self::default();
        for line in mountinfo.lines() {
            let Some((before, after)) = line.split_once(" - ") else { continue };
            let (Some(place), mut kind) = (before.split(' ').nth(4), after.split(' ')) else {
                continue;
            };
            let place = Some(PathBuf::from(place));
            match kind.next() {
                Some("cgroup2") => mounts.unified = place,
                Some("cgroup") => {
                    let options: Vec<&str> = kind.nth(1).unwrap_or_default().split(',').collect();
                    if options.contains(&"memory") {
                        mounts.memory.clone_from(&place);
                    }
                    if options.contains(&"cpu") {
                        mounts.cpu = place;
                    }
                }
                Some(_) | None => {}
            }
        }
        mounts
    }

    fn split(&self) -> bool {
        self.memory.is_some() || self.cpu.is_some()
    }

    /// The cgroups of builds that there are, by their paths below a mount.
    pub(super) fn find(&self) -> BTreeSet<String> {
        let trees = [&self.memory, &self.unified];
        let Some(tree) = trees.into_iter().flatten().next() else { return BTreeSet::new() };
        let mut found = BTreeSet::new();
        let mut folders = vec![(tree.clone(), String::new(), 0)];
        let mut seen = 0;
        while let Some((folder, path, depth)) = folders.pop() {
            seen += 1;
            if seen > MOST_GROUPS {
                break;
            }
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                let name = entry.file_name();
                if name.len() == CONTAINER_ID {
                    continue;
                }
                let below = format!("{path}/{}", name.to_string_lossy());
                match of_builds(&below) {
                    Some(group) => drop(found.insert(group.to_owned())),
                    None if depth < DEPTH => folders.push((entry.path(), below, depth + 1)),
                    None => {}
                }
            }
        }
        found
    }

    /// Sets the limits of one cgroup, where they are not set already.
    pub(super) fn limit(&self, group: &str, limits: BuildLimits) -> io::Result<()> {
        let BuildLimits { memory_bytes, cpu_millis } = limits;
        let quota = u64::from(cpu_millis) * PERIOD / 1_000;
        let memory = (memory_bytes / PAGE * PAGE).to_string();
        if !self.split() {
            let Some(tree) = &self.unified else { return Err(io::ErrorKind::NotFound.into()) };
            let at = below(tree, group);
            set(&at, "memory.max", &memory)?;
            set(&at, "cpu.max", &format!("{quota} {PERIOD}"))?;
            // Kernels without swap, or without weights, have no such file.
            set(&at, "memory.swap.max", "0").ok();
            set(&at, "cpu.weight", &WEIGHT.to_string()).ok();
            return Ok(());
        }
        if let Some(tree) = &self.memory {
            let at = below(tree, group);
            // The one with swap is never the smaller one: where it rises it has to go first. Kernels
            // without swap do not have it.
            set(&at, "memory.memsw.limit_in_bytes", &memory).ok();
            set(&at, "memory.limit_in_bytes", &memory)?;
            set(&at, "memory.memsw.limit_in_bytes", &memory).ok();
        }
        if let Some(tree) = &self.cpu {
            let at = below(tree, group);
            set(&at, "cpu.cfs_period_us", &PERIOD.to_string())?;
            set(&at, "cpu.cfs_quota_us", &quota.to_string())?;
            set(&at, "cpu.shares", &SHARES.to_string()).ok();
        }
        Ok(())
    }
}

fn below(tree: &Path, group: &str) -> PathBuf {
    tree.join(group.trim_start_matches('/'))
}

/// Writes a setting where it says something else.
fn set(group: &Path, name: &str, value: &str) -> io::Result<()> {
    let file = group.join(name);
    if fs::read_to_string(&file)?.trim() == value { Ok(()) } else { fs::write(&file, value) }
}

/// The cgroup of builds that a cgroup is, or lies in.
fn of_builds(path: &str) -> Option<&str> {
    for (at, name) in path.match_indices('/').map(|(at, _)| (at, &path[at + 1..])) {
        let name = name.split('/').next().unwrap_or_default();
        let end = at + 1 + name.len();
        let scope = name.strip_suffix(".scope").and_then(|name| name.rsplit_once('-'));
        let step = |id: &str| {
            id.len() == STEP_ID && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if name == "buildkit" || scope.is_some_and(|(_, id)| step(id)) {
            return path.get(..end);
        }
    }
    None
}

/// What is limited, and what cannot be.
#[derive(Debug)]
pub(super) struct Limiter {
    mounts: Mounts,
    limits: BuildLimits,
    /// Why the last try failed, by cgroup.
    faults: BTreeMap<String, String>,
    found: bool,
}

impl Limiter {
    pub(super) fn new(limits: BuildLimits) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self::at(Mounts::of(&mounts), limits)
    }

    fn at(mounts: Mounts, limits: BuildLimits) -> Self {
        Self { mounts, limits, faults: BTreeMap::new(), found: false }
    }

    /// Sees to it that the limits hold wherever builds run now.
    pub(super) fn hold(&mut self) {
        let groups = self.mounts.find();
        self.found |= !groups.is_empty();
        self.faults.clear();
        for group in groups {
            match self.mounts.limit(&group, self.limits) {
                Ok(()) => {}
                // A step that has ended took its cgroup with it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => drop(self.faults.insert(group, error.to_string())),
            }
        }
    }

    /// What of the limits does not hold, for people.
    pub(super) fn remark(&self) -> Option<String> {
        let what = "memory and processors of builds are not limited here";
        if let Some((group, why)) = self.faults.first_key_value() {
            return Some(format!(
                "{what}: the cgroup {group} cannot be changed ({why}); run the agent as root"
            ));
        }
        let nowhere = self.mounts == Mounts::default();
        if nowhere {
            return Some(format!("{what}: this machine shows no cgroups to the agent"));
        }
        (!self.found).then(|| {
            format!(
                "{what} so far: no cgroup of the engine's builds was found; it comes into being \
                 with the first build"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_either_version_are_found() {
        let v1 = "31 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                  35 24 0:31 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
                  36 24 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let mounts = Mounts::of(v1);
        assert_eq!(mounts.memory.as_deref(), Some(Path::new("/sys/fs/cgroup/memory")));
        assert_eq!(mounts.cpu.as_deref(), Some(Path::new("/sys/fs/cgroup/cpu")));
        assert!(mounts.split());
        let v2 = "35 24 0:31 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        let mounts = Mounts::of(v2);
        assert_eq!(mounts.unified.as_deref(), Some(Path::new("/sys/fs/cgroup")));
        assert!(!mounts.split());
    }

    #[test]
    fn cgroups_of_builds_are_told_from_others() {
        let container = "a".repeat(64);
        let rows = [
            ("/docker/buildkit", Some("/docker/buildkit")),
            ("/x/docker/buildkit/sygr5baoqtydyz32gyfjpo16d", Some("/x/docker/buildkit")),
            (
                "/system.slice/docker-sygr5baoqtydyz32gyfjpo16d.scope",
                Some("/system.slice/docker-sygr5baoqtydyz32gyfjpo16d.scope"),
            ),
            ("/docker", None),
            ("/docker/buildkitty", None),
            ("/system.slice/docker.service", None),
        ];
        for (path, expected) in rows {
            assert_eq!(of_builds(path), expected, "{path}");
        }
        assert_eq!(of_builds(&format!("/system.slice/docker-{container}.scope")), None);
    }

    #[test]
    fn limits_are_set_where_builds_run_and_set_again_where_they_were_lost() {
        let tree = tempfile::tempdir().unwrap();
        let group = tree.path().join("docker/buildkit");
        let other = tree.path().join("docker/abc");
        for folder in [&group, &other] {
            fs::create_dir_all(folder).unwrap();
            for (name, value) in [("memory.max", "max\n"), ("cpu.max", "max 100000\n")] {
                fs::write(folder.join(name), value).unwrap();
            }
        }
        let mounts = Mounts { unified: Some(tree.path().to_owned()), ..Mounts::default() };
        let limits = BuildLimits { memory_bytes: 1 << 30, cpu_millis: 1_500 };
        let mut limiter = Limiter::at(mounts, limits);
        assert!(limiter.remark().unwrap().contains("so far"));
        for _ in 0..2 {
            limiter.hold();
            assert_eq!(limiter.remark(), None);
            let read = |name: &str| fs::read_to_string(group.join(name)).unwrap();
            assert_eq!(
                (read("memory.max").as_str(), read("cpu.max").as_str()),
                ("1073741824", "150000 100000")
            );
            fs::write(group.join("memory.max"), "max\n").unwrap();
        }
        assert_eq!(fs::read_to_string(other.join("memory.max")).unwrap(), "max\n");
        let nowhere = Limiter::at(Mounts::default(), limits);
        assert!(nowhere.remark().unwrap().contains("shows no cgroups"));
    }
}
