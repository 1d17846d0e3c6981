//! How an app's processes are run, where not as its image says.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::argv::Argv;
use crate::container::{ContainerSettings, GroupPart};
use crate::declared::{Counts, TakenOn};
use crate::inside::Inside;
use crate::limits;
use crate::process::{ProcessName, ProcessSettings};
use crate::rejection::Rejection;
use crate::task::Hook;
use crate::time::Millis;

/// How an app's processes are run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSettings {
    /// What runs in each replica, in place of the image's own command.
    pub command: Option<Argv>,
    /// What runs once for each deployment, in a container of its own.
    pub hooks: BTreeMap<Hook, HookSettings>,
    /// What runs besides, without traffic.
    pub processes: BTreeMap<ProcessName, ProcessSettings>,
    /// What its containers are given besides their image.
    pub container: ContainerSettings,
    /// How its containers are within.
    pub inside: Inside,
    /// How many there are of what its repository says runs besides.
    pub counts: Counts,
    /// What of the above a version's repository says, where a version runs by this.
    pub declared: TakenOn,
    /// What it is to its group besides a service of it.
    pub part: GroupPart,
}

/// A command that runs once for each deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookSettings {
    /// What runs, in place of the image's own command; the image's entrypoint stays.
    pub command: Argv,
    /// How long it may take.
    pub within: Millis,
}

impl RunSettings {
    /// What runs at this place of a deployment, where anything does.
    #[must_use]
    pub fn hook(&self, hook: Hook) -> Option<&HookSettings> {
        self.hooks.get(&hook)
    }

    /// Whether every hook has a time that it may take, and all else its bounds.
    ///
    /// # Errors
    /// [`Rejection`] names the setting.
    pub fn check(&self) -> Result<(), Rejection> {
        let (least, most) = (limits::HOOK_WITHIN_LEAST, limits::HOOK_WITHIN_MOST);
        for (hook, HookSettings { command: _, within }) in &self.hooks {
            if *within < least || *within > most {
                let field = hook.within_field();
                return Err(Rejection::invalid(
                    field,
                    format!("is {least} to {most}; got {within}"),
                ));
            }
        }
        self.inside.check(&self.container.volumes)?;
        self.part.check(&self.container)?;
        if self.part.once && !self.processes.is_empty() {
            return Err(Rejection::invalid(
                "group.once",
                "is for what has no processes beside web, which would not be started again either",
            ));
        }
        self.check_processes()
    }
}

/// The settings with names, as JSON has them.
#[derive(Serialize, Deserialize)]
struct Named {
    #[serde(default)]
    command: Option<Argv>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    hooks: BTreeMap<Hook, HookSettings>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    processes: BTreeMap<ProcessName, ProcessSettings>,
    #[serde(default, skip_serializing_if = "ContainerSettings::is_usual")]
    container: ContainerSettings,
    #[serde(default, skip_serializing_if = "Inside::is_usual")]
    inside: Inside,
    #[serde(default, skip_serializing_if = "Counts::is_usual")]
    counts: Counts,
    #[serde(default, skip_serializing_if = "TakenOn::is_empty")]
    declared: TakenOn,
    #[serde(default, skip_serializing_if = "GroupPart::is_usual")]
    part: GroupPart,
}

/// The settings by position, as events have them. Append-only. The first two are the bytes of the
/// `Option<Argv>` that there was before there were hooks: what was written then means the same.
#[derive(Serialize, Deserialize)]
enum Placed {
    Usual,
    Command(Argv),
    Hooks(Option<Argv>, BTreeMap<Hook, HookSettings>),
    Processes(Option<Argv>, BTreeMap<Hook, HookSettings>, BTreeMap<ProcessName, ProcessSettings>),
    Contained(
        Option<Argv>,
        BTreeMap<Hook, HookSettings>,
        BTreeMap<ProcessName, ProcessSettings>,
        ContainerSettings,
    ),
    Within(
        Option<Argv>,
        BTreeMap<Hook, HookSettings>,
        BTreeMap<ProcessName, ProcessSettings>,
        ContainerSettings,
        Inside,
    ),
    Declared(
        Option<Argv>,
        BTreeMap<Hook, HookSettings>,
        BTreeMap<ProcessName, ProcessSettings>,
        ContainerSettings,
        Inside,
        Counts,
        TakenOn,
    ),
    Parted(
        Option<Argv>,
        BTreeMap<Hook, HookSettings>,
        BTreeMap<ProcessName, ProcessSettings>,
        ContainerSettings,
        Inside,
        Counts,
        TakenOn,
        GroupPart,
    ),
}

impl Serialize for RunSettings {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        let Self { command, hooks, processes, container, inside, counts, declared, part } =
            self.clone();
        if into.is_human_readable() {
            let named =
                Named { command, hooks, processes, container, inside, counts, declared, part };
            return named.serialize(into);
        }
        let placed = match command {
            command if !part.is_usual() => {
                Placed::Parted(command, hooks, processes, container, inside, counts, declared, part)
            }
            command if !counts.is_usual() || !declared.is_empty() => {
                Placed::Declared(command, hooks, processes, container, inside, counts, declared)
            }
            command if !inside.is_usual() => {
                Placed::Within(command, hooks, processes, container, inside)
            }
            command if !container.is_usual() => {
                Placed::Contained(command, hooks, processes, container)
            }
            command if !processes.is_empty() => Placed::Processes(command, hooks, processes),
            None if hooks.is_empty() => Placed::Usual,
            Some(command) if hooks.is_empty() => Placed::Command(command),
            command => Placed::Hooks(command, hooks),
        };
        placed.serialize(into)
    }
}

impl<'de> Deserialize<'de> for RunSettings {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            let Named { command, hooks, processes, container, inside, counts, declared, part } =
                Named::deserialize(from)?;
            return Ok(Self {
                command,
                hooks,
                processes,
                container,
                inside,
                counts,
                declared,
                part,
            });
        }
        Ok(match Placed::deserialize(from)? {
            Placed::Usual => Self::default(),
            Placed::Command(command) => Self { command: Some(command), ..Self::default() },
            Placed::Hooks(command, hooks) => Self { command, hooks, ..Self::default() },
            Placed::Processes(command, hooks, processes) => {
                Self { command, hooks, processes, ..Self::default() }
            }
            Placed::Contained(command, hooks, processes, container) => {
                Self { command, hooks, processes, container, ..Self::default() }
            }
            Placed::Within(command, hooks, processes, container, inside) => {
                Self { command, hooks, processes, container, inside, ..Self::default() }
            }
            Placed::Declared(command, hooks, processes, container, inside, counts, declared) => {
                let part = GroupPart::default();
                Self { command, hooks, processes, container, inside, counts, declared, part }
            }
            Placed::Parted(
                command,
                hooks,
                processes,
                container,
                inside,
                counts,
                declared,
                part,
            ) => Self { command, hooks, processes, container, inside, counts, declared, part },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::container::ServiceName;
    use crate::inside::ContainerUser;
    use crate::names::HostName;

    fn argv(words: &[&str]) -> Argv {
        Argv::new(words.iter().map(|word| (*word).to_owned()).collect()).unwrap()
    }

    fn with_release(command: Option<Argv>) -> RunSettings {
        let release = HookSettings { command: argv(&["migrate"]), within: Millis(60_000) };
        let hooks = BTreeMap::from([(Hook::Release, release)]);
        RunSettings { command, hooks, ..RunSettings::default() }
    }

    #[test]
    fn what_was_written_before_there_were_hooks_is_still_written_so_and_read() {
        for command in [None, Some(argv(&["npm", "start"]))] {
            let before = postcard::to_allocvec(&command).unwrap();
            let now = RunSettings { command, ..RunSettings::default() };
            assert_eq!(postcard::to_allocvec(&now).unwrap(), before);
            assert_eq!(postcard::from_bytes::<RunSettings>(&before).unwrap(), now);
        }
        let before = serde_json::json!({ "command": ["npm", "start"] });
        let now = RunSettings { command: Some(argv(&["npm", "start"])), ..RunSettings::default() };
        assert_eq!(serde_json::to_value(&now).unwrap(), before);
        assert_eq!(serde_json::from_str::<RunSettings>("{}").unwrap(), RunSettings::default());
    }

    #[test]
    fn hooks_processes_and_what_containers_are_given_come_back() {
        let worker = ProcessSettings {
            command: argv(&["npm", "run", "worker"]),
            replicas: 0,
            memory_bytes: Some(1 << 30),
            cpu_millis: None,
        };
        let processes = BTreeMap::from([(ProcessName::new("worker").unwrap(), worker)]);
        let hooks = with_release(None);
        let container = ContainerSettings { unrouted: true, ..ContainerSettings::default() };
        let user = Some(ContainerUser::new("1000:1000").unwrap());
        let hosts = [(HostName::new("db.example").unwrap(), "fd12::7".parse().unwrap())];
        let inside = Inside { user, hosts: hosts.into(), read_only: true, ..Inside::default() };
        let counts = Counts { most: 1, ..Counts::default() };
        let declared = TakenOn { hooks: [Hook::Release].into(), ..TakenOn::default() };
        let names = [ServiceName::new("cache").unwrap()].into();
        let once = GroupPart { names: BTreeSet::new(), once: true };
        for settings in [
            RunSettings { part: once, ..hooks.clone() },
            RunSettings { part: GroupPart { names, once: false }, ..RunSettings::default() },
            RunSettings { inside: inside.clone(), ..RunSettings::default() },
            RunSettings { inside: inside.clone(), container: container.clone(), ..hooks.clone() },
            RunSettings { inside, counts: counts.clone(), ..RunSettings::default() },
            RunSettings { counts, ..hooks.clone() },
            RunSettings { declared, container: container.clone(), ..RunSettings::default() },
            RunSettings { container: container.clone(), ..RunSettings::default() },
            RunSettings { container, processes: processes.clone(), ..hooks.clone() },
            RunSettings { processes: processes.clone(), ..RunSettings::default() },
            RunSettings { processes, ..hooks.clone() },
            hooks,
            with_release(Some(argv(&["npm", "start"]))),
        ] {
            let bytes = postcard::to_allocvec(&settings).unwrap();
            assert_eq!(postcard::from_bytes::<RunSettings>(&bytes).unwrap(), settings);
            let json = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<RunSettings>(&json).unwrap(), settings);
        }
    }

    #[test]
    fn what_ends_by_itself_has_no_processes_beside() {
        let container = ContainerSettings { unrouted: true, ..ContainerSettings::default() };
        let part = GroupPart { once: true, ..GroupPart::default() };
        let mut settings = RunSettings { container, part, ..RunSettings::default() };
        settings.check().unwrap();
        let worker = ProcessSettings {
            command: argv(&["worker"]),
            replicas: 1,
            memory_bytes: None,
            cpu_millis: None,
        };
        settings.processes.insert(ProcessName::new("worker").unwrap(), worker);
        let refused = settings.check().unwrap_err().to_string();
        assert!(refused.contains("processes beside web"), "{refused}");
        settings.part.once = false;
        settings.check().unwrap();
    }

    #[test]
    fn a_hook_is_written_by_its_name_and_by_its_place() {
        let mut settings = with_release(None);
        let release = settings.hooks[&Hook::Release].clone();
        settings.hooks = BTreeMap::from([(Hook::PostDeploy, release)]);
        let json = serde_json::to_value(&settings).unwrap();
        assert_eq!(json["hooks"]["post_deploy"]["command"], serde_json::json!(["migrate"]));
        assert_eq!(serde_json::from_value::<RunSettings>(json).unwrap(), settings);
        let bytes = postcard::to_allocvec(&settings).unwrap();
        assert_eq!(postcard::from_bytes::<RunSettings>(&bytes).unwrap(), settings);
    }

    #[test]
    fn a_hook_has_a_time_within_bounds() {
        let of = |within| {
            let mut settings = with_release(None);
            settings.hooks.get_mut(&Hook::Release).unwrap().within = within;
            settings.check().map_err(|refused| refused.to_string())
        };
        assert_eq!(of(limits::HOOK_WITHIN_LEAST), Ok(()));
        assert_eq!(of(limits::HOOK_WITHIN_MOST), Ok(()));
        for wrong in [Millis(0), Millis(limits::HOOK_WITHIN_MOST.0 + 1)] {
            assert!(of(wrong).unwrap_err().contains("release_within"), "{wrong}");
        }
    }
}
