//! `Procfile`: its `web` line is what is started, `release` what runs before, and the others are processes
//! beside web. Others than Hythe read it, too, so what cannot be used of those is told and passed over.

use super::Overrides;
use crate::detect::repo::Repo;
use crate::detect::words::ShellLine;
use crate::process::{ProcessName, WEB};
use crate::rejection::Rejection;
use crate::task::Hook;

const FILE: &str = "Procfile";
/// The most lines that are told of.
const MOST_TOLD: usize = 8;

pub(super) fn read(repo: &Repo<'_>, said: &mut Overrides) -> Result<(), Rejection> {
    lines(repo, said, true)
}

/// Without what is started: a Dockerfile says that.
pub(super) fn beside(repo: &Repo<'_>, said: &mut Overrides) -> Result<(), Rejection> {
    lines(repo, said, false)
}

fn lines(repo: &Repo<'_>, said: &mut Overrides, web: bool) -> Result<(), Rejection> {
    let Some(text) = repo.text(FILE)? else { return Ok(()) };
    let (mut named, mut passed) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim) {
        let Some((kind, command)) = line.split_once(':').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let kind = kind.trim();
        if kind == WEB {
            if web {
                said.start(command, FILE, "web")?;
            }
            continue;
        }
        if kind.is_empty() {
            continue;
        }
        let shown: String = kind.chars().filter(|c| !c.is_control()).take(40).collect();
        match beside_web(kind, command, said) {
            Ok(()) => named.push(shown),
            Err(why) => passed.push(format!("of {FILE} {shown} is not used: {why}")),
        }
    }
    if !named.is_empty() {
        named.truncate(MOST_TOLD);
        said.reasons.push(format!("{FILE} names what runs besides: {}", named.join(", ")));
    }
    said.reasons.extend(passed.into_iter().take(MOST_TOLD));
    Ok(())
}

fn beside_web(kind: &str, command: &str, said: &mut Overrides) -> Result<(), Rejection> {
    let line = ShellLine::new(command, "its command")?;
    if kind == "release" {
        return said.hook(Hook::Release, &line, "its command");
    }
    let name = ProcessName::new(kind.to_ascii_lowercase());
    let name = name.map_err(|bad| Rejection::invalid("its name", bad.to_string()))?;
    said.process(name, &line, 0, FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::listing::{FileKind, FileListing};
    use crate::detect::texts::{FileText, FileTexts};

    #[test]
    fn what_runs_besides_is_taken_and_what_cannot_be_is_told() {
        let text =
            "# a: b\nweb: start\nrelease: bin/migrate --all\nWorker: a && b\nx y: z\nempty:\n";
        let files: FileListing = [(FILE, FileKind::File)].into_iter().collect();
        let texts: FileTexts = [(FILE, FileText::Text(text.to_owned()))].into_iter().collect();
        let none = Overrides::default();
        let repo = Repo { files: &files, texts: &texts, folder: "", overrides: &none };
        let mut said = Overrides::default();
        read(&repo, &mut said).unwrap();
        assert_eq!(said.start.unwrap().as_str(), "start");
        assert_eq!(said.declared.release.unwrap().words(), ["bin/migrate", "--all"]);
        let all: Vec<_> = said.declared.processes.iter().collect();
        let [(name, worker)] = &all[..] else { panic!("{all:?}") };
        assert_eq!((name.as_str(), worker.replicas), ("worker", 0));
        assert_eq!(worker.command.words(), ["sh", "-c", "a && b"]);
        let told = said.reasons.join("\n");
        for part in ["besides: release, Worker", "x y is not used: its name", "empty is not used"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
