//! Processes beside web, from what people send to the core's types and back.

use std::collections::BTreeMap;

use hythe_core::argv::Argv;
use hythe_core::names::BadText;
use hythe_core::process::{ProcessName, ProcessSettings};
use hythe_core::run::RunSettings;

use super::text;
use crate::api::dto::{ProcessType, SetProcess};
use crate::api::problem::Problem;

/// Changes processes; none takes one away.
pub(super) fn change(
    run: &mut RunSettings,
    changes: &BTreeMap<String, Option<SetProcess>>,
) -> Result<(), Problem> {
    for (given, change) in changes {
        let name: ProcessName = text("process_types", given)?;
        let known = run.processes.remove(&name);
        let Some(change) = change else {
            if known.is_none() {
                let why = format!("there is no process {name} that could be taken away");
                return Err(Problem::field(format!("process_types.{name}"), why));
            }
            continue;
        };
        let SetProcess { command, replicas, memory_bytes, cpu_millis } = change;
        let field = format!("process_types.{name}.command");
        let command = match (command, &known) {
            (Some(words), _) => {
                let bad = |bad: BadText| Problem::field(field, bad.to_string());
                Argv::new(words.clone()).map_err(bad)?
            }
            (None, Some(known)) => known.command.clone(),
            (None, None) => {
                let why = format!("there is no process {name} yet; say what it runs");
                return Err(Problem::field(field, why));
            }
        };
        let known = known.as_ref();
        let settings = ProcessSettings {
            command,
            replicas: replicas.unwrap_or_else(|| known.map_or(1, |known| known.replicas)),
            memory_bytes: memory_bytes
                .unwrap_or_else(|| known.and_then(|known| known.memory_bytes)),
            cpu_millis: cpu_millis.unwrap_or_else(|| known.and_then(|known| known.cpu_millis)),
        };
        run.processes.insert(name, settings);
    }
    Ok(())
}

/// As people see them.
pub(in crate::api) fn shown(run: &RunSettings) -> BTreeMap<String, ProcessType> {
    let one = |(name, process): (&ProcessName, &ProcessSettings)| {
        let ProcessSettings { command, replicas, memory_bytes, cpu_millis } = process;
        let shown = ProcessType {
            command: command.words().to_vec(),
            replicas: *replicas,
            memory_bytes: *memory_bytes,
            cpu_millis: *cpu_millis,
        };
        (name.to_string(), shown)
    };
    run.processes.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(process: SetProcess) -> BTreeMap<String, Option<SetProcess>> {
        BTreeMap::from([("worker".to_owned(), Some(process))])
    }

    fn command(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn what_is_left_out_stays_as_it_is() {
        let mut run = RunSettings::default();
        let begun = SetProcess { command: command(&["work", "hard"]), ..SetProcess::default() };
        change(&mut run, &set(begun)).unwrap();
        let first = ProcessType {
            command: command(&["work", "hard"]).unwrap(),
            replicas: 1,
            memory_bytes: None,
            cpu_millis: None,
        };
        assert_eq!(shown(&run), BTreeMap::from([("worker".to_owned(), first.clone())]));
        let more = SetProcess {
            replicas: Some(0),
            memory_bytes: Some(Some(1 << 30)),
            ..SetProcess::default()
        };
        change(&mut run, &set(more)).unwrap();
        let second = ProcessType { replicas: 0, memory_bytes: Some(1 << 30), ..first };
        assert_eq!(shown(&run)["worker"], second);
        let back = SetProcess { memory_bytes: Some(None), ..SetProcess::default() };
        change(&mut run, &set(back)).unwrap();
        assert_eq!(shown(&run)["worker"], ProcessType { memory_bytes: None, ..second });
        change(&mut run, &BTreeMap::from([("worker".to_owned(), None)])).unwrap();
        assert_eq!(run, RunSettings::default());
    }

    #[test]
    fn what_cannot_be_is_named() {
        let empty = SetProcess { command: command(&[]), ..SetProcess::default() };
        for (changes, field) in [
            (set(SetProcess::default()), "process_types.worker.command"),
            (set(empty), "process_types.worker.command"),
            (BTreeMap::from([("worker".to_owned(), None)]), "process_types.worker"),
            (BTreeMap::from([("Not a name".to_owned(), None)]), "process_types"),
        ] {
            let problem = change(&mut RunSettings::default(), &changes).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some(field));
        }
    }
}
