//! Commands that people run once, each in a container of its own beside an app's replicas.
//!
//! Of such a command the journal keeps the name of the program and how many arguments it was given,
//! never what they say: people put passwords into arguments, and an event can never be taken back.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::argv::Argv;
use crate::ids::{DeploymentId, WorkerId};
use crate::limits;
use crate::names::{BadText, bad, shown, text};
use crate::time::Timestamp;

text!(
    /// The name of a program that was run: 1 to 200 bytes without control characters.
    ProgramName, "the name of a program", |text| {
        if (1..=MOST_PROGRAM_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(())
        } else {
            Err(format!("has 1 to 200 bytes and no control characters; got {}", shown(text)))
        }
    }
);

const MOST_PROGRAM_BYTES: usize = 200;

/// What of a command is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLine {
    /// The program.
    pub program: ProgramName,
    /// How many arguments it was given.
    pub arguments: u16,
}

impl CommandLine {
    /// What is told of a command. A name that is too long is cut.
    #[must_use]
    pub fn of(command: &Argv) -> Self {
        let (program, arguments) =
            command.words().split_first().map_or(("?", 0), |(name, rest)| {
                (name.as_str(), u16::try_from(rest.len()).unwrap_or(u16::MAX))
            });
        let mut name = String::new();
        for c in program.chars() {
            let c = if c.is_control() { '?' } else { c };
            if name.len() + c.len_utf8() > MOST_PROGRAM_BYTES {
                break;
            }
            name.push(c);
        }
        Self { program: ProgramName(name), arguments }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.arguments {
            0 => write!(f, "{}", self.program),
            1 => write!(f, "{} (1 argument)", self.program),
            more => write!(f, "{} ({more} arguments)", self.program),
        }
    }
}

/// A command that is run once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneOff {
    /// The deployment whose image and environment it has.
    pub deployment: DeploymentId,
    /// Where it runs.
    pub worker: WorkerId,
    /// What is told of it.
    pub command: CommandLine,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// Whether it goes on without whoever began it.
    pub detached: bool,
    /// When it is ended, whatever it does.
    pub until: Timestamp,
}

impl OneOff {
    /// Whether its worker, which does not say how it ended, is not waited for any more. `lost`: whether that
    /// worker was not heard of for too long, or has left.
    ///
    /// A clock that was set back may have its time end in years: no command is given as long, so what it
    /// says then means nothing.
    #[must_use]
    pub fn is_given_up(&self, lost: bool, now: Timestamp) -> bool {
        let over = now > self.until.plus(limits::ONE_OFF_GRACE);
        let set_back = now.plus(limits::ONE_OFF_WITHIN_MOST) < self.until;
        over || lost && set_back
    }
}

/// How such a command ended. Append-only: postcard stores a variant's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OneOffEnd {
    /// Its program ended.
    Exited {
        /// Its exit code.
        code: u8,
        /// Whether it ran out of memory.
        out_of_memory: bool,
    },
    /// It could not be started.
    NotStarted,
    /// It was ended.
    Cut(Cut),
}

/// Why a command was ended. Append-only: postcard stores a variant's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Whoever began it went away.
    ClientGone,
    /// It took longer than it may.
    TooLong,
    /// Somebody said so.
    Stopped,
    /// Its worker's agent was started anew, or lost it.
    Lost,
}

impl OneOffEnd {
    /// The exit code that this means to whoever began it: the program's own, or as shells and
    /// `timeout` have it.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Exited { code, out_of_memory: _ } => code,
            Self::Cut(Cut::TooLong) => 124,
            Self::NotStarted | Self::Cut(Cut::ClientGone | Cut::Lost) => 125,
            Self::Cut(Cut::Stopped) => 143,
        }
    }
}

impl fmt::Display for OneOffEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code, out_of_memory: false } => write!(f, "exit code {code}"),
            Self::Exited { code, out_of_memory: true } => {
                write!(f, "exit code {code}, out of memory")
            }
            Self::NotStarted => f.write_str("it could not be started"),
            Self::Cut(Cut::ClientGone) => f.write_str("whoever ran it went away"),
            Self::Cut(Cut::TooLong) => f.write_str("it took longer than it may"),
            Self::Cut(Cut::Stopped) => f.write_str("it was stopped"),
            Self::Cut(Cut::Lost) => f.write_str("its worker lost it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &[&str]) -> CommandLine {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        CommandLine::of(&Argv::new(words).unwrap())
    }

    #[test]
    fn of_a_command_only_the_program_and_the_number_of_arguments_is_told() {
        assert_eq!(told(&["ls"]).to_string(), "ls");
        assert_eq!(told(&["ls", "-l"]).to_string(), "ls (1 argument)");
        let secret = told(&["psql", "postgres://u:hush@db", "-c", "select 1"]);
        assert_eq!(secret.to_string(), "psql (3 arguments)");
        assert!(!format!("{secret:?}").contains("hush"));
    }

    #[test]
    fn what_a_lost_worker_ran_is_given_up_however_the_clock_is_set() {
        use crate::testing::{at, deployment_id, worker_id};
        let day = 24 * 3_600;
        let one_off = OneOff {
            deployment: deployment_id(1),
            worker: worker_id(1),
            command: told(&["ls"]),
            terminal: false,
            detached: true,
            until: at(30 * day),
        };
        let grace = limits::ONE_OFF_GRACE.0 / 1_000;
        // Now, and whether it is given up where its worker is only not heard, and where it is lost.
        let rows = [
            (30 * day + grace + 1, true, true),
            (30 * day + grace, false, false),
            (29 * day, false, false),
            (29 * day - 1, false, true),
            (0, false, true),
        ];
        for (now, unheard, lost) in rows {
            let given_up = [false, true].map(|lost| one_off.is_given_up(lost, at(now)));
            assert_eq!(given_up, [unheard, lost], "{now}");
        }
    }

    #[test]
    fn any_program_has_a_name_that_can_be_kept() {
        for program in ["a\u{1b}[31m\nb", &"é".repeat(300), "x"] {
            let line = told(&[program]);
            assert_eq!(ProgramName::new(line.program.as_str()).unwrap(), line.program);
        }
        assert_eq!(told(&["a\nb"]).program.as_str(), "a?b");
        assert_eq!(told(&[&"é".repeat(300)]).program.as_str().len(), 200);
    }
}
