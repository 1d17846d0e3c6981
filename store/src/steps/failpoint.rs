//! Death at a step, where a file says so.
//!
//! The file is looked at on every passage: arming one takes effect in processes that run already,
//! and one installation can serve a whole list of failpoints, one after the other.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::{FOLDER, Process, Step};

/// The file in which this process's failpoints are armed. The lock keeps passages from being
/// counted twice.
static ARMED: OnceLock<Mutex<PathBuf>> = OnceLock::new();

pub(crate) fn watch(process: Process) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        ARMED.get_or_init(|| Mutex::new(Path::new(&folder).join(process.name())));
    }
}

pub(crate) fn pass(step: Step, details: impl FnOnce() -> Vec<String>) {
    let Some(file) = ARMED.get() else { return };
    let file = file.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(text) = fs::read_to_string(&*file) else { return };
    match judge(&text, step, details) {
        Verdict::Live => {}
        Verdict::Count(rest) => {
            // What cannot be written cannot be counted either; the test sees nobody die.
            let _unwritten = replace(&file, &rest);
        }
        Verdict::Die { line, rest } => {
            let _untold = die(&file, &line, &rest);
        }
    }
}

/// What a passage means.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Live,
    /// A later passage; this is what is armed from now on.
    Count(String),
    Die {
        line: String,
        rest: String,
    },
}

fn judge(armed: &str, step: Step, details: impl FnOnce() -> Vec<String>) -> Verdict {
    let (line, rest) = armed.split_once('\n').unwrap_or((armed, ""));
    let words: Vec<&str> = line.split_whitespace().collect();
    let [verb, name, detail, passage] = words[..] else { return Verdict::Live };
    let named = name == "*" || name == step.name();
    if !named || (detail != "-" && !details().iter().any(|one| one == detail)) {
        return Verdict::Live;
    }
    match (verb, passage.parse::<u32>()) {
        ("die" | "past", Ok(passage)) if passage > 1 => {
            Verdict::Count(format!("{verb} {name} {detail} {}\n{rest}", passage - 1))
        }
        ("die", Ok(_)) => Verdict::Die { line: line.to_owned(), rest: rest.to_owned() },
        ("past", Ok(_)) => Verdict::Count(rest.to_owned()),
        (_, _) => Verdict::Live,
    }
}

fn die(file: &Path, line: &str, rest: &str) -> io::Result<()> {
    let mut died =
        fs::OpenOptions::new().create(true).append(true).open(file.with_extension("died"))?;
    writeln!(died, "{} {line}", std::process::id())?;
    match rest {
        "" => fs::remove_file(file)?,
        rest => replace(file, rest)?,
    }
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
    loop {
        std::thread::park();
    }
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let beside = file.with_extension("new");
    fs::write(&beside, text)?;
    #[expect(clippy::disallowed_methods, reason = "arming a failpoint is no step itself")]
    fs::rename(beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn die(line: &str, rest: &str) -> Verdict {
        Verdict::Die { line: line.to_owned(), rest: rest.to_owned() }
    }

    #[test]
    fn only_the_first_line_counts_and_only_at_its_passage() {
        let kept = |armed| judge(armed, Step::TableKept, Vec::new);
        assert_eq!(kept(""), Verdict::Live);
        assert_eq!(kept("die table-applied - 1\n"), Verdict::Live);
        assert_eq!(kept("die table-kept - 1\n"), die("die table-kept - 1", ""));
        assert_eq!(
            kept("die table-kept - 3\ndie x - 1\n"),
            Verdict::Count("die table-kept - 2\ndie x - 1\n".into())
        );
        assert_eq!(
            kept("die table-kept - 1\ndie x - 1\n"),
            die("die table-kept - 1", "die x - 1\n")
        );
        assert_eq!(kept("past table-kept - 1\ndie x - 1\n"), Verdict::Count("die x - 1\n".into()));
        assert_eq!(kept("die * - 1\n"), die("die * - 1", ""));
        for bad in ["die x - 1\ndie table-kept - 1\n", "die table-kept -\n", "live table-kept - 1"]
        {
            assert_eq!(kept(bad), Verdict::Live, "{bad}");
        }
    }

    #[test]
    fn a_detail_has_to_be_among_those_of_the_passage() {
        let details = || vec!["app.created".to_owned(), "deployment.built".to_owned()];
        let armed = |detail: &str| format!("die journal-appended {detail} 1\n");
        let judge = |detail| judge(&armed(detail), Step::JournalAppended, details);
        assert_eq!(judge("deployment.built"), die("die journal-appended deployment.built 1", ""));
        assert_eq!(judge("deployment.placed"), Verdict::Live);
        assert_eq!(judge("-"), die("die journal-appended - 1", ""));
    }
}
