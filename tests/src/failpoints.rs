//! Arming failpoints in the processes of an installation; see [`hythe_store::steps`].

use std::path::Path;

use hythe_store::steps::{Process, Step};
use tempfile::TempDir;

/// The folder in which an installation's failpoints are armed.
#[derive(Debug)]
pub struct Failpoints(TempDir);

/// A death that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// The process that died.
    pub pid: i32,
    /// What it was told.
    pub line: String,
}

impl Default for Failpoints {
    fn default() -> Self {
        Self(TempDir::with_prefix("hythe-failpoints-").expect("a temporary folder"))
    }
}

/// The line that kills at the `nth` passage of a step.
#[must_use]
pub fn die(step: Step, detail: Option<&str>, nth: u32) -> String {
    format!("die {step} {} {nth}", detail.unwrap_or("-"))
}

/// The line that waits for the next passage of a step.
#[must_use]
pub fn past(step: Step, detail: Option<&str>) -> String {
    format!("past {step} {} 1", detail.unwrap_or("-"))
}

impl Failpoints {
    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Arms lines, one after the other, in place of whatever was armed before, and forgets deaths
    /// of before.
    pub fn arm(&self, process: Process, lines: &[String]) {
        let file = self.0.path().join(process.name());
        match std::fs::remove_file(file.with_extension("died")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            Ok(()) | Err(_) => {}
        }
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let beside = file.with_extension("armed");
        std::fs::write(&beside, text).expect("a file");
        std::fs::rename(&beside, &file).expect("a file");
    }

    /// Disarms; says what was still armed.
    #[must_use]
    pub fn disarm(&self, process: Process) -> String {
        let file = self.0.path().join(process.name());
        let left = std::fs::read_to_string(&file).unwrap_or_default();
        // Nothing is there where all of it has happened.
        let _gone_already = std::fs::remove_file(&file);
        left
    }

    /// The deaths since the last arming.
    #[must_use]
    pub fn deaths(&self, process: Process) -> Vec<Death> {
        let file = self.0.path().join(process.name()).with_extension("died");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let death = |line: &str| {
            let (pid, line) = line.split_once(' ')?;
            Some(Death { pid: pid.parse().ok()?, line: line.to_owned() })
        };
        text.lines().filter_map(death).collect()
    }
}
