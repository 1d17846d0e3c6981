//! What a version's repository says itself of the processes beside web and of its release command: its
//! `Procfile` and `hythe.toml`, as the build read them at the commit.
//!
//! It belongs to the version, as its image does: a rollback brings it back. What an app's settings say of
//! a process goes before it. How many replicas there are is what people said last; until they say
//! something, what `hythe.toml` says, and none where that says nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::argv::Argv;
use crate::limits;
use crate::process::{ProcessName, ProcessSettings, WEB};
use crate::run::{HookSettings, RunSettings};
use crate::task::Hook;

/// What a repository says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// The processes beside web.
    #[serde(default)]
    pub processes: BTreeMap<ProcessName, DeclaredProcess>,
    /// What runs once before a version starts.
    #[serde(default)]
    pub release: Option<Argv>,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOn {
    /// All that the repository says.
    pub says: Declared,
    /// The processes of which the settings say nothing.
    pub processes: BTreeSet<ProcessName>,
    /// Whether its release command is the one that runs.
    pub release: bool,
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
        if let Some(command) = &declared.release
            && self.hook(Hook::Release).is_none()
        {
            let (command, within) = (command.clone(), limits::HOOK_WITHIN);
            self.hooks.insert(Hook::Release, HookSettings { command, within });
            taken.release = true;
        }
        self.declared = taken;
    }

    /// As people set it: without what the repository says, but for how many they want of that.
    #[must_use]
    pub fn own(&self) -> Self {
        let mut own = self.clone();
        let TakenOn { says, processes, release } = std::mem::take(&mut own.declared);
        for name in processes {
            let Some(process) = own.processes.remove(&name) else { continue };
            let usual = says.processes.get(&name).map(|of| of.replicas.min(own.counts.most));
            if own.counts.of.contains_key(&name) || usual != Some(process.replicas) {
                own.counts.of.insert(name, process.replicas);
            }
        }
        if release {
            own.hooks.remove(&Hook::Release);
        }
        own
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
        Declared { processes: processes.iter().map(of).collect(), release: Some(argv("migrate")) }
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
