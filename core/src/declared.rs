//! What a version's repository says itself of the processes beside web, and of what runs once before it
//! starts and after it went live: its `Procfile` and `hythe.toml`, as the build read them at the commit.
//!
//! It belongs to the version, as its image does: a rollback brings it back. What an app's settings say of
//! a process goes before it. How many replicas there are is what people said last; until they say
//! something, what `hythe.toml` says, and none where that says nothing.
//!
//! By position, as events have it, what was written while there was only a release command means the same:
//! there being one, or none, is the first of the ways in which there may be several.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::argv::Argv;
use crate::limits;
use crate::process::{ProcessName, ProcessSettings, WEB};
use crate::run::{HookSettings, RunSettings};
use crate::task::Hook;

/// What a repository says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// The processes beside web.
    pub processes: BTreeMap<ProcessName, DeclaredProcess>,
    /// What runs once before a version starts.
    pub release: Option<Argv>,
    /// What runs once after a version went live.
    pub post_deploy: Option<Argv>,
}

/// A process of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredProcess {
    /// What runs.
    pub command: Argv,
    /// How many replicas, where nobody said anything.
    pub replicas: u16,
}

/// What of it a version runs by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenOn {
    /// All that the repository says.
    pub says: Declared,
    /// The processes of which the settings say nothing.
    pub processes: BTreeSet<ProcessName>,
    /// Which of its commands are the ones that run.
    pub hooks: BTreeSet<Hook>,
}

impl TakenOn {
    /// Whether the repository says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How many replicas of a repository's processes people want.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// What they said, by process.
    pub of: BTreeMap<ProcessName, u16>,
    /// The most that the repository may have of one by itself.
    pub most: u16,
}

impl Default for Counts {
    fn default() -> Self {
        Self { of: BTreeMap::new(), most: limits::MOST_REPLICAS }
    }
}

impl Counts {
    /// Whether nobody said anything.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a process beside web may have this name.
#[must_use]
pub fn may_be_named(name: &ProcessName) -> bool {
    name.as_str() != WEB && Hook::ALL.iter().all(|hook| hook.as_str() != name.as_str())
}

impl Declared {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What runs once for each deployment, in its order.
    pub fn hooks(&self) -> impl Iterator<Item = (Hook, &Argv)> {
        let Self { processes: _, release, post_deploy } = self;
        let all = [(Hook::Release, release), (Hook::PostDeploy, post_deploy)];
        all.into_iter().filter_map(|(hook, command)| Some((hook, command.as_ref()?)))
    }

    /// Where it is said what runs at this place of a deployment.
    pub const fn hook_mut(&mut self, hook: Hook) -> &mut Option<Argv> {
        match hook {
            Hook::Release => &mut self.release,
            Hook::PostDeploy => &mut self.post_deploy,
        }
    }

    /// Without what no app can have.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.processes.retain(|name, process| {
            may_be_named(name) && process.replicas <= limits::MOST_REPLICAS
        });
        while self.processes.len() > limits::MOST_PROCESSES {
            self.processes.pop_last();
        }
        self
    }
}

impl RunSettings {
    /// Takes on what the repository says, where these settings say nothing. Before anything runs by
    /// them: the numbers of processes follow from all that there are.
    pub(crate) fn take_on(&mut self, declared: &Declared) {
        *self = self.own();
        let mut taken = TakenOn { says: declared.clone(), ..TakenOn::default() };
        for (name, DeclaredProcess { command, replicas }) in &declared.processes {
            if self.processes.contains_key(name) || self.processes.len() >= limits::MOST_PROCESSES {
                continue;
            }
            let wanted = self.counts.of.get(name).copied();
            let replicas = wanted.unwrap_or((*replicas).min(self.counts.most));
            let command = command.clone();
            let own = ProcessSettings { command, replicas, memory_bytes: None, cpu_millis: None };
            self.processes.insert(name.clone(), own);
            taken.processes.insert(name.clone());
        }
        for (hook, command) in declared.hooks() {
            if self.hook(hook).is_none() {
                let (command, within) = (command.clone(), limits::HOOK_WITHIN);
                self.hooks.insert(hook, HookSettings { command, within });
                taken.hooks.insert(hook);
            }
        }
        self.declared = taken;
    }

    /// As people set it: without what the repository says, but for how many they want of that.
    #[must_use]
    pub fn own(&self) -> Self {
        let mut own = self.clone();
        let TakenOn { says, processes, hooks } = std::mem::take(&mut own.declared);
        for name in processes {
            let Some(process) = own.processes.remove(&name) else { continue };
            let usual = says.processes.get(&name).map(|of| of.replicas.min(own.counts.most));
            if own.counts.of.contains_key(&name) || usual != Some(process.replicas) {
                own.counts.of.insert(name, process.replicas);
            }
        }
        own.hooks.retain(|hook, _| !hooks.contains(hook));
        own
    }
}

/// What a repository says, with names, as JSON has it.
#[derive(Serialize, Deserialize)]
struct NamedSays {
    #[serde(default)]
    processes: BTreeMap<ProcessName, DeclaredProcess>,
    #[serde(default)]
    release: Option<Argv>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    post_deploy: Option<Argv>,
}

/// The same by position, as events have it.
#[derive(Serialize, Deserialize)]
struct PlacedSays {
    processes: BTreeMap<ProcessName, DeclaredProcess>,
    hooks: PlacedHooks,
}

/// Append-only. The first two are the bytes of the `Option<Argv>` that a release command was alone.
#[derive(Serialize, Deserialize)]
enum PlacedHooks {
    Nothing,
    Release(Argv),
    WithPostDeploy(Option<Argv>, Argv),
}

impl Serialize for Declared {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        let Self { processes, release, post_deploy } = self.clone();
        if into.is_human_readable() {
            return NamedSays { processes, release, post_deploy }.serialize(into);
        }
        let hooks = match (release, post_deploy) {
            (None, None) => PlacedHooks::Nothing,
            (Some(release), None) => PlacedHooks::Release(release),
            (release, Some(post_deploy)) => PlacedHooks::WithPostDeploy(release, post_deploy),
        };
        PlacedSays { processes, hooks }.serialize(into)
    }
}

impl<'de> Deserialize<'de> for Declared {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            let NamedSays { processes, release, post_deploy } = NamedSays::deserialize(from)?;
            return Ok(Self { processes, release, post_deploy });
        }
        let PlacedSays { processes, hooks } = PlacedSays::deserialize(from)?;
        let (release, post_deploy) = match hooks {
            PlacedHooks::Nothing => (None, None),
            PlacedHooks::Release(release) => (Some(release), None),
            PlacedHooks::WithPostDeploy(release, post_deploy) => (release, Some(post_deploy)),
        };
        Ok(Self { processes, release, post_deploy })
    }
}

/// What of it a version runs by, with names, as JSON has it.
#[derive(Serialize, Deserialize)]
struct NamedTaken {
    says: Declared,
    processes: BTreeSet<ProcessName>,
    release: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    post_deploy: bool,
}

/// The same by position, as events have it.
#[derive(Serialize, Deserialize)]
struct PlacedTaken {
    says: Declared,
    processes: BTreeSet<ProcessName>,
    hooks: PlacedHooksTaken,
}

/// Append-only. The first two are the bytes of whether a release command alone was taken on.
#[derive(Serialize, Deserialize)]
enum PlacedHooksTaken {
    Nothing,
    Release,
    PostDeploy,
    Both,
}

impl Serialize for TakenOn {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        let Self { says, processes, hooks } = self.clone();
        let [release, post_deploy] =
            [Hook::Release, Hook::PostDeploy].map(|hook| hooks.contains(&hook));
        if into.is_human_readable() {
            return NamedTaken { says, processes, release, post_deploy }.serialize(into);
        }
        let hooks = match (release, post_deploy) {
            (false, false) => PlacedHooksTaken::Nothing,
            (true, false) => PlacedHooksTaken::Release,
            (false, true) => PlacedHooksTaken::PostDeploy,
            (true, true) => PlacedHooksTaken::Both,
        };
        PlacedTaken { says, processes, hooks }.serialize(into)
    }
}

impl<'de> Deserialize<'de> for TakenOn {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (says, processes, release, post_deploy) = if from.is_human_readable() {
            let NamedTaken { says, processes, release, post_deploy } =
                NamedTaken::deserialize(from)?;
            (says, processes, release, post_deploy)
        } else {
            let PlacedTaken { says, processes, hooks } = PlacedTaken::deserialize(from)?;
            let (release, post_deploy) = match hooks {
                PlacedHooksTaken::Nothing => (false, false),
                PlacedHooksTaken::Release => (true, false),
                PlacedHooksTaken::PostDeploy => (false, true),
                PlacedHooksTaken::Both => (true, true),
            };
            (says, processes, release, post_deploy)
        };
        let all = [(Hook::Release, release), (Hook::PostDeploy, post_deploy)];
        let hooks = all.into_iter().filter(|(_, taken)| *taken).map(|(hook, _)| hook).collect();
        Ok(Self { says, processes, hooks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(line: &str) -> Argv {
        Argv::new(line.split(' ').map(str::to_owned).collect()).unwrap()
    }

    fn name(text: &str) -> ProcessName {
        ProcessName::new(text).unwrap()
    }

    fn declared(processes: &[(&str, u16)]) -> Declared {
        let of = |(process, replicas): &(&str, u16)| {
            let command = argv(&format!("run {process}"));
            (name(process), DeclaredProcess { command, replicas: *replicas })
        };
        let processes = processes.iter().map(of).collect();
        Declared { processes, release: Some(argv("migrate")), post_deploy: None }
    }

    fn own(command: &str, replicas: u16) -> ProcessSettings {
        let command = argv(command);
        ProcessSettings { command, replicas, memory_bytes: None, cpu_millis: None }
    }

    #[test]
    fn settings_go_before_the_repository_and_people_say_how_many() {
        let mut run = RunSettings::default();
        run.processes.insert(name("clock"), own("tick", 1));
        run.counts.of.insert(name("mail"), 4);
        let set = run.clone();
        let says = declared(&[("clock", 7), ("mail", 2), ("worker", 0), ("zoom", 2)]);
        run.take_on(&says);
        let all: Vec<_> = run.processes.iter().map(|(name, of)| (name.as_str(), of)).collect();
        let expected = [
            ("clock", &own("tick", 1)),
            ("mail", &own("run mail", 4)),
            ("worker", &own("run worker", 0)),
            ("zoom", &own("run zoom", 2)),
        ];
        assert_eq!(all, expected);
        assert_eq!(run.own(), set, "what people set comes out of it again");
        assert_eq!(run.hook(Hook::Release).unwrap().command, argv("migrate"));
        // Again, as where its image was gone and is built anew.
        let before = run.clone();
        run.take_on(&says);
        assert_eq!(run, before);
        // Scaled meanwhile, and then by another commit.
        run.scale_processes(&BTreeMap::from([(name("worker"), 3), (name("clock"), 2)]));
        run.take_on(&declared(&[("worker", 1)]));
        let all: Vec<_> = run.processes.iter().map(|(name, of)| (name.as_str(), of)).collect();
        assert_eq!(all, [("clock", &own("tick", 2)), ("worker", &own("run worker", 3))]);
    }

    #[test]
    fn a_release_command_of_the_app_stays_and_a_preview_has_few_of_each() {
        let mut run = RunSettings::default();
        let release = HookSettings { command: argv("own"), within: limits::HOOK_WITHIN_LEAST };
        run.hooks.insert(Hook::Release, release.clone());
        run.counts.most = 1;
        run.take_on(&declared(&[("worker", 9)]));
        assert_eq!(run.hook(Hook::Release), Some(&release));
        assert_eq!(run.own().hook(Hook::Release), Some(&release));
        assert_eq!(run.processes[&name("worker")].replicas, 1);
    }

    #[test]
    fn a_post_deploy_command_is_taken_on_as_a_release_command_is() {
        let says = Declared { post_deploy: Some(argv("warm")), ..declared(&[]) };
        let mut run = RunSettings::default();
        run.take_on(&says);
        let command = |run: &RunSettings, hook| run.hook(hook).map(|hook| hook.command.clone());
        assert_eq!(command(&run, Hook::Release), Some(argv("migrate")));
        assert_eq!(command(&run, Hook::PostDeploy), Some(argv("warm")));
        assert_eq!(run.own(), RunSettings::default());
        // Of the next version only one is left.
        run.take_on(&declared(&[]));
        assert_eq!(command(&run, Hook::PostDeploy), None);
        let own = HookSettings { command: argv("own"), within: limits::HOOK_WITHIN_LEAST };
        run = RunSettings::default();
        run.hooks.insert(Hook::PostDeploy, own.clone());
        run.take_on(&says);
        assert_eq!(run.hook(Hook::PostDeploy), Some(&own));
        assert_eq!(run.own().hooks, [(Hook::PostDeploy, own)].into());
    }

    #[test]
    fn what_was_written_while_there_was_only_a_release_command_is_still_written_so_and_read() {
        let release = [None, Some(argv("migrate"))];
        for release in release {
            let taken = release.is_some();
            let says = Declared { release, ..declared(&[("mail", 2)]) };
            let before = postcard::to_allocvec(&(&says.processes, &says.release)).unwrap();
            assert_eq!(postcard::to_allocvec(&says).unwrap(), before);
            assert_eq!(postcard::from_bytes::<Declared>(&before).unwrap(), says);
            let hooks = taken.then_some(Hook::Release).into_iter().collect();
            let on = TakenOn { says, processes: [name("mail")].into(), hooks };
            let before = postcard::to_allocvec(&(&on.says, &on.processes, taken)).unwrap();
            assert_eq!(postcard::to_allocvec(&on).unwrap(), before);
            assert_eq!(postcard::from_bytes::<TakenOn>(&before).unwrap(), on);
            let json = serde_json::to_value(&on).unwrap();
            assert_eq!(json["release"], taken);
            assert!(json.get("post_deploy").is_none() && json["says"].get("post_deploy").is_none());
        }
    }

    #[test]
    fn what_a_repository_says_comes_back() {
        for (release, hooks) in [
            (None, vec![Hook::PostDeploy]),
            (Some(argv("migrate")), vec![Hook::Release, Hook::PostDeploy]),
            (Some(argv("migrate")), vec![]),
        ] {
            let post_deploy = Some(argv("warm"));
            let says = Declared { release, post_deploy, ..declared(&[("mail", 2)]) };
            let hooks = hooks.into_iter().collect();
            let on = TakenOn { says, processes: [name("mail")].into(), hooks };
            // What follows is where it should be.
            let bytes = postcard::to_allocvec(&(on.clone(), 7_u8)).unwrap();
            assert_eq!(postcard::from_bytes::<(TakenOn, u8)>(&bytes).unwrap(), (on.clone(), 7));
            let json = serde_json::to_string(&on).unwrap();
            assert_eq!(serde_json::from_str::<TakenOn>(&json).unwrap(), on);
        }
    }

    #[test]
    fn no_more_are_taken_on_than_there_are_numbers_for() {
        let names: Vec<String> = (0..40).map(|n| format!("p{n:02}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let mut run = RunSettings::default();
        run.processes.insert(name("own"), own("x", 1));
        let most = limits::MOST_PROCESSES;
        assert_eq!(declared(&many).bounded().processes.len(), most);
        run.take_on(&declared(&many));
        assert_eq!((run.processes.len(), run.check()), (most, Ok(())));
        assert!(run.processes.contains_key(&name("own")));
        let odd = declared(&[("web", 1), ("release", 1), ("worker", 65), ("fine", 64)]).bounded();
        assert_eq!(odd.processes.keys().map(ProcessName::as_str).collect::<Vec<_>>(), ["fine"]);
    }
}
