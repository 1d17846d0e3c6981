//! Processes beside web: workers, schedulers and the like, which run from the image of the app's
//! deployment with its environment, and get no traffic.
//!
//! To a worker (the machine) each of their replicas is a replica with a number of its own, from
//! [`STRIDE`] on and below those of tasks, so that whatever is known of replicas is known of them:
//! orders, inventory, log, waits before the next start. The numbers follow from the settings that a
//! deployment runs with, and those name the same processes for as long as it is.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::argv::Argv;
use crate::limits;
use crate::names::{BadText, bad, text};
use crate::rejection::Rejection;
use crate::run::RunSettings;
use crate::source::Resources;
use crate::task::{self, Hook, is_task};

text!(
    /// A process's name: lower-case letters, digits, `-` and `_`, beginning with a letter; at most
    /// 32 characters.
    ProcessName, "a process's name", |text| {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        if first && text.bytes().all(inner) && text.len() <= 32 {
            Ok(())
        } else {
            Err(format!(
                "has lower-case letters, digits, \"-\" and \"_\", begins with a letter, and has at \
                 most 32 characters; got {}",
                crate::names::shown(text)
            ))
        }
    }
);

/// The name of what has the traffic, where replicas go by the names of processes.
pub const WEB: &str = "web";

/// The first process's first number; from one process's numbers to those of the next.
pub const STRIDE: u16 = 1_024;

// Replicas of web, those of each process and tasks share their numbers.
const _: () = assert!(limits::MOST_REPLICAS < STRIDE);
const _: () = assert!((limits::MOST_PROCESSES as u64 + 1) * STRIDE as u64 <= task::FIRST as u64);

/// A process beside web.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSettings {
    /// What runs, in place of the image's own command; the image's entrypoint stays.
    pub command: Argv,
    /// How many replicas; none is a number, too.
    pub replicas: u16,
    /// Bytes of memory that one may use, where not as many as one of web.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a CPU that one may use, where not as many as one of web.
    pub cpu_millis: Option<u32>,
}

/// Whether a number is one of a process's replicas.
#[must_use]
pub const fn is_process(index: u16) -> bool {
    index >= STRIDE && !is_task(index)
}

/// The number of a replica among those of its own process.
#[must_use]
pub const fn number(index: u16) -> u16 {
    if is_process(index) { index % STRIDE } else { index }
}

impl RunSettings {
    /// The process that a number is of.
    #[must_use]
    pub fn process(&self, index: u16) -> Option<(&ProcessName, &ProcessSettings)> {
        let slot = usize::from(index / STRIDE).checked_sub(1)?;
        self.processes.iter().nth(slot).filter(|_| is_process(index))
    }

    /// The numbers of all that processes are to have, in their order.
    pub fn process_indices(&self) -> impl Iterator<Item = u16> + '_ {
        let slots = (1..).zip(self.processes.values());
        slots.flat_map(|(slot, of): (u16, _)| {
            let first = slot.saturating_mul(STRIDE);
            (0..of.replicas.min(limits::MOST_REPLICAS)).map(move |n| first.saturating_add(n))
        })
    }

    /// Gives processes so many replicas: those that there are now, the others once the repository of a
    /// version says what they run.
    pub(crate) fn scale_processes(&mut self, replicas: &BTreeMap<ProcessName, u16>) {
        for (name, replicas) in replicas {
            match self.processes.get_mut(name) {
                Some(process) => process.replicas = *replicas,
                None => drop(self.counts.of.insert(name.clone(), *replicas)),
            }
        }
    }

    /// Leaves each process as many replicas as it had before, where it was there or was scaled.
    pub(crate) fn keep_counts(&mut self, before: &Self) {
        for (name, process) in &mut self.processes {
            process.replicas = before.wanted_of(name).unwrap_or(process.replicas);
        }
        for (name, replicas) in &before.counts.of {
            let most = limits::MOST_PROCESSES;
            if self.counts.of.contains_key(name) || self.counts.of.len() < most {
                self.counts.of.insert(name.clone(), *replicas);
            }
        }
    }

    /// How many replicas a process has, or is to have once it is there.
    pub(crate) fn wanted_of(&self, name: &ProcessName) -> Option<u16> {
        let own = self.processes.get(name).map(|process| process.replicas);
        own.or_else(|| self.counts.of.get(name).copied())
    }

    /// What one with this number may use.
    #[must_use]
    pub fn resources(&self, index: u16, of_web: &Resources) -> Resources {
        let own = self.process(index).map(|(_, own)| (own.memory_bytes, own.cpu_millis));
        let (memory_bytes, cpu_millis) = own.unwrap_or_default();
        Resources {
            memory_bytes: memory_bytes.unwrap_or(of_web.memory_bytes),
            cpu_millis: cpu_millis.unwrap_or(of_web.cpu_millis),
            processes: of_web.processes,
        }
    }

    /// What names one among all of its deployment: `0`, `worker.0`, `release`.
    #[must_use]
    pub fn name(&self, index: u16) -> String {
        match self.process(index) {
            Some((name, _)) => format!("{name}.{}", number(index)),
            None => task::name(index),
        }
    }

    /// The same with what it is: `replica 0`, `process worker.0`.
    #[must_use]
    pub fn title(&self, index: u16) -> String {
        let name = self.name(index);
        if is_process(index) { format!("process {name}") } else { format!("replica {name}") }
    }

    /// Whether the processes are within their bounds, and none has another's name.
    pub(crate) fn check_processes(&self) -> Result<(), Rejection> {
        let most = limits::MOST_PROCESSES;
        if self.processes.len() > most {
            let why = format!("are at most {most} besides web; got {}", self.processes.len());
            return Err(Rejection::invalid("process_types", why));
        }
        for (name, process) in &self.processes {
            let of = |field: &str| format!("process_types.{name}{field}");
            let ProcessSettings { command: _, replicas, memory_bytes, cpu_millis } = process;
            if name.as_str() == WEB {
                let why = "is what has the traffic: its command and its replicas are the app's own";
                return Err(Rejection::invalid(of(""), why));
            }
            if Hook::ALL.iter().any(|hook| hook.as_str() == name.as_str()) {
                let why = "is the name of a command that runs once; take another one";
                return Err(Rejection::invalid(of(""), why));
            }
            let most = limits::MOST_REPLICAS;
            if *replicas > most {
                let why = format!("is 0 to {most}; got {replicas}");
                return Err(Rejection::invalid(of(".replicas"), why));
            }
            if memory_bytes.is_some_and(|bytes| bytes < Resources::LEAST_MEMORY_BYTES) {
                return Err(Rejection::invalid(of(".memory"), "is 6 MiB at the least"));
            }
            if cpu_millis.is_some_and(|millis| millis < Resources::LEAST_CPU_MILLIS) {
                return Err(Rejection::invalid(of(".cpu"), "is 0.01 of a CPU at the least"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(replicas: u16) -> ProcessSettings {
        let command = Argv::new(vec!["work".into()]).unwrap();
        ProcessSettings { command, replicas, memory_bytes: None, cpu_millis: None }
    }

    fn run(processes: &[(&str, ProcessSettings)]) -> RunSettings {
        let of = |(name, process): &(&str, ProcessSettings)| {
            (ProcessName::new(*name).unwrap(), process.clone())
        };
        let processes: BTreeMap<_, _> = processes.iter().map(of).collect();
        RunSettings { processes, ..RunSettings::default() }
    }

    #[test]
    fn each_replica_has_a_number_and_a_name_that_no_other_has() {
        let run = run(&[("worker", process(2)), ("clock", process(1)), ("idle", process(0))]);
        // In the order of their names, which the settings are in.
        let named: Vec<_> = run.process_indices().map(|index| (index, run.name(index))).collect();
        let expected = [(1_024, "clock.0"), (3_072, "worker.0"), (3_073, "worker.1")];
        assert_eq!(named, expected.map(|(index, name)| (index, name.to_owned())));
        for (index, _) in named {
            assert!(is_process(index) && !is_task(index), "{index}");
        }
        assert_eq!((run.title(3_073), number(3_073)), ("process worker.1".into(), 1));
        assert_eq!((run.title(3), number(3)), ("replica 3".into(), 3));
        assert_eq!(run.process(0), None);
        assert_eq!(run.process(9 * STRIDE), None, "there is no such process");
        for hook in Hook::ALL {
            assert!(!is_process(hook.index()));
            assert_eq!(
                (run.process(hook.index()), run.name(hook.index())),
                (None, hook.as_str().into())
            );
        }
    }

    #[test]
    fn the_last_of_the_last_process_is_no_task() {
        let names: Vec<String> = (0..limits::MOST_PROCESSES).map(|n| format!("p{n:02}")).collect();
        let processes: Vec<_> =
            names.iter().map(|name| (name.as_str(), process(limits::MOST_REPLICAS))).collect();
        let run = run(&processes);
        assert!(run.check().is_ok());
        let indices: Vec<u16> = run.process_indices().collect();
        assert_eq!(indices.len(), limits::MOST_PROCESSES * usize::from(limits::MOST_REPLICAS));
        assert!(indices.is_sorted() && indices.iter().all(|index| is_process(*index)));
        assert_eq!(run.name(*indices.last().unwrap()), "p15.63");
    }

    #[test]
    fn limits_of_its_own_go_before_the_apps() {
        let of_web = Resources::default();
        let own = ProcessSettings { memory_bytes: Some(9 << 20), ..process(1) };
        let run = run(&[("worker", own)]);
        let expected = Resources { memory_bytes: 9 << 20, ..of_web };
        assert_eq!(run.resources(STRIDE, &of_web), expected);
        assert_eq!(run.resources(0, &of_web), of_web);
    }

    #[test]
    fn what_is_refused_is_named() {
        let many: Vec<String> = (0..=limits::MOST_PROCESSES).map(|n| format!("p{n}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), process(1))).collect();
        let small = ProcessSettings { memory_bytes: Some(1), ..process(1) };
        let slow = ProcessSettings { cpu_millis: Some(1), ..process(1) };
        for (run, part) in [
            (run(&many), "process_types: are at most 16"),
            (run(&[("web", process(1))]), "process_types.web: is what has the traffic"),
            (run(&[("release", process(1))]), "process_types.release: is the name of a command"),
            (run(&[("worker", process(65))]), "process_types.worker.replicas: is 0 to 64; got 65"),
            (run(&[("worker", small)]), "process_types.worker.memory: is 6 MiB"),
            (run(&[("worker", slow)]), "process_types.worker.cpu: is 0.01"),
        ] {
            let refused = run.check().unwrap_err().to_string();
            assert!(refused.contains(part), "{refused}");
        }
        assert_eq!(run(&[("worker", process(0))]).check(), Ok(()));
        for name in ["", "9a", "A", "a b", "a.b", "-a", &"a".repeat(33)] {
            assert!(ProcessName::new(name).is_err(), "{name:?}");
        }
        assert!(ProcessName::new("worker_high-2").is_ok());
    }
}
