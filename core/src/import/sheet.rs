//! Where a file's values are noted down: what became of each.

use serde_json::Value;

use super::{CronWish, Imported, Left, Taken};
use crate::cron::{CronName, Schedule};
use crate::limits;
use crate::process::{ProcessName, WEB};
use crate::task::Hook;

/// The most notes of one import: a file that has more says so.
const MOST_NOTES: usize = 500;
/// The most characters of a value that are shown.
const MOST_SHOWN: usize = 80;

/// What is said of disks that are named, and of what is on them.
pub(super) const DISK: &str = "give it a volume: `hythe app set APP --volume NAME:/PATH`; what is on it there, you bring over";
/// What is said of replicas that come and go.
pub(super) const SLEEP: &str = "replicas are as many as you say: `hythe scale`; one that nobody asks can \
    sleep: `hythe traffic set APP --sleep-after 30m`";
/// What is said of files whose changes are to count alone.
pub(super) const WATCH: &str = "say it by `hythe app set APP --watch-paths`";

/// The notes on one file.
#[derive(Debug)]
pub(super) struct Sheet<'a> {
    file: &'static str,
    imported: &'a mut Imported,
}

impl<'a> Sheet<'a> {
    pub(super) fn of(file: &'static str, imported: &'a mut Imported) -> Self {
        Self { file, imported }
    }

    /// Takes a value, unless something said another one before.
    pub(super) fn take<T: PartialEq>(
        &mut self,
        key: &str,
        means: impl std::fmt::Display,
        value: T,
        place: impl FnOnce(&mut Imported) -> &mut Option<T>,
    ) {
        let place = place(self.imported);
        match place {
            Some(known) if *known != value => {
                self.left(key, "another value was said before, and counts");
            }
            Some(_) | None => {
                *place = Some(value);
                self.taken(key, means);
            }
        }
    }

    /// Takes an environment variable.
    pub(super) fn variable(&mut self, key: &str, name: &str, value: &Value) {
        let Some(value) = text_of(value) else { return self.left(key, "it is no text") };
        let place = self.imported.env.entry(name.to_owned());
        let known = place.or_insert_with(|| value.clone());
        if *known == value {
            self.taken(key, format_args!("environment variable {name}"));
        } else {
            self.left(key, "another value was said before, and counts");
        }
    }

    /// Takes a build argument.
    pub(super) fn argument(&mut self, key: &str, name: &str, value: &Value) {
        let Some(value) = text_of(value) else { return self.left(key, "it is no text") };
        self.imported.app.args.insert(name.to_owned(), value);
        self.taken(key, format_args!("build argument {name}"));
    }

    /// Takes a line that is to be run in place of the image's command.
    pub(super) fn command(&mut self, key: &str, value: &Value) {
        self.line(key, "command", value, |to| &mut to.app.command);
    }

    /// Takes a line that is to be run once before a new version starts.
    pub(super) fn release(&mut self, key: &str, value: &Value) {
        self.line(key, "release command", value, |to| &mut to.app.release_command);
    }

    /// Takes a line that is to be run once after a new version went live.
    pub(super) fn post_deploy(&mut self, key: &str, value: &Value) {
        self.line(key, "post-deploy command", value, |to| &mut to.app.post_deploy_command);
    }

    /// Takes the line of a process beside web.
    pub(super) fn process(&mut self, key: &str, name: &str, value: &Value) {
        if self.may_have(key, name) {
            let name = name.to_ascii_lowercase();
            let what = format!("process {name}");
            self.line(key, &what, value, |to| {
                &mut to.app.processes.entry(name).or_default().command
            });
        }
    }

    /// Takes how many replicas a process beside web has.
    pub(super) fn process_replicas(&mut self, key: &str, name: &str, value: &Value) {
        if self.may_have(key, name) {
            let name = name.to_ascii_lowercase();
            let what = format!("replicas of {name}");
            self.number(key, &what, value, |to| {
                &mut to.app.processes.entry(name).or_default().replicas
            });
        }
    }

    /// Takes a job that is run by a schedule: the keys of both, and what they say.
    pub(super) fn cron(&mut self, name: &str, schedule: (&str, &Value), command: (&str, &Value)) {
        let wanted = Schedule::new(text_of(schedule.1).unwrap_or_default().trim());
        let line = line_of(command.1);
        let crons = &self.imported.app.crons;
        let full = crons.len() >= limits::MOST_CRONS || crons.contains_key(name);
        let why = match (CronName::new(name), &wanted, &line) {
            (Err(bad), _, _) => bad.to_string(),
            (_, Err(bad), _) => bad.to_string(),
            (_, _, None) => "it is no command".to_owned(),
            (Ok(_), Ok(_), Some(_)) if full => {
                format!("an app has at most {} cron jobs, of one name each", limits::MOST_CRONS)
            }
            (Ok(_), Ok(_), Some(_)) => String::new(),
        };
        let (Ok(wanted), Some(line), true) = (wanted, line, why.is_empty()) else {
            self.left(schedule.0, &why);
            return self.left(command.0, &why);
        };
        self.taken(schedule.0, format_args!("cron job {name}, due at {wanted} in UTC"));
        self.taken(command.0, format_args!("cron job {name}: {}", shown(&line)));
        let wish = CronWish { schedule: wanted.to_string(), command: words(&line) };
        self.imported.app.crons.insert(name.to_owned(), wish);
    }

    /// Whether there can be a process of this name; it says so where not.
    fn may_have(&mut self, key: &str, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let processes = &self.imported.app.processes;
        let full = processes.len() >= limits::MOST_PROCESSES && !processes.contains_key(&name);
        let taken = name == WEB || Hook::ALL.iter().any(|hook| hook.as_str() == name);
        let why = match ProcessName::new(name.as_str()) {
            Err(bad) => bad.to_string(),
            Ok(_) if taken => "its name stands for something else here".to_owned(),
            Ok(_) if full => format!("an app has at most {} processes", limits::MOST_PROCESSES),
            Ok(_) => return true,
        };
        self.left(key, why);
        false
    }

    fn line(
        &mut self,
        key: &str,
        what: &str,
        value: &Value,
        place: impl FnOnce(&mut Imported) -> &mut Option<Vec<String>>,
    ) {
        match line_of(value) {
            Some(line) => {
                let means = format!("{what}: {}", shown(&line));
                self.take(key, means, words(&line), place);
            }
            None => self.left(key, "it is no command"),
        }
    }

    /// Notes that a value is looked at elsewhere.
    pub(super) fn taken(&mut self, key: &str, means: impl std::fmt::Display) {
        if self.imported.taken.len() < MOST_NOTES {
            let (file, key) = (self.file.to_owned(), key.to_owned());
            self.imported.taken.push(Taken { file, key, means: means.to_string() });
        }
    }

    /// Notes that a value was not taken.
    pub(super) fn left(&mut self, key: &str, why: impl std::fmt::Display) {
        if self.imported.left.len() < MOST_NOTES {
            let (file, key) = (self.file.to_owned(), key.to_owned());
            self.imported.left.push(Left { file, key, why: why.to_string() });
        }
    }

    /// Takes a text.
    pub(super) fn text(
        &mut self,
        key: &str,
        what: &str,
        value: &Value,
        place: impl FnOnce(&mut Imported) -> &mut Option<String>,
    ) {
        match text_of(value).filter(|text| !text.trim().is_empty()) {
            Some(text) => {
                let means = format!("{what}: {}", shown(&text));
                self.take(key, means, text, place);
            }
            None => self.left(key, "it is no text"),
        }
    }

    /// Takes a whole number.
    pub(super) fn number<T: TryFrom<u64> + PartialEq>(
        &mut self,
        key: &str,
        what: &str,
        value: &Value,
        place: impl FnOnce(&mut Imported) -> &mut Option<T>,
    ) {
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => value.as_u64(),
        };
        match number.and_then(|number| Some((number, T::try_from(number).ok()?))) {
            Some((number, value)) => self.take(key, format_args!("{what}: {number}"), value, place),
            None => self.left(key, "it is no number that fits"),
        }
    }

    /// Takes a span of time; a bare number counts in these milliseconds.
    pub(super) fn span(
        &mut self,
        key: &str,
        what: &str,
        value: &Value,
        unit_ms: u64,
        place: impl FnOnce(&mut Imported) -> &mut Option<u64>,
    ) {
        match millis(value, unit_ms) {
            Some(millis) => self.take(key, format_args!("{what}: {millis} ms"), millis, place),
            None => self.left(key, "it is no span of time"),
        }
    }
}

/// A text, or what is written like one.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A command's line: a text, or several that follow one another.
pub(super) fn line_of(value: &Value) -> Option<String> {
    let line = match value {
        Value::Array(lines) => {
            let lines: Option<Vec<&str>> = lines.iter().map(Value::as_str).collect();
            lines?.join(" && ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            text_of(value)?
        }
    };
    let line = line.trim().to_owned();
    (!line.is_empty()).then_some(line)
}

/// A line as words, without a shell where one would do nothing but split it.
pub(super) fn words(line: &str) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " ._-/:@+,=".contains(c);
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let assigns = words.first().is_none_or(|word| word.contains('='));
    if line.chars().all(plain) && !assigns {
        words
    } else {
        vec!["sh".to_owned(), "-c".to_owned(), line.to_owned()]
    }
}

/// `10s`, `1m30s` is not among what these files have.
fn millis(value: &Value, unit_ms: u64) -> Option<u64> {
    let Value::String(text) = value else { return value.as_u64()?.checked_mul(unit_ms) };
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit_ms = match unit {
        "" => unit_ms,
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

/// A value as it is shown: one line, not too long.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_SHOWN).collect()
}
