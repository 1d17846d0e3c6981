//! How a command ends when it does not end well: an exit code, what happened, what to do.

use std::fmt;

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It is done.
    Done,
    /// It failed: a deployment, for instance.
    Failed,
    /// The command line, or a value in it, is wrong. Nothing was done.
    Usage,
    /// The server was not reached, or does not let us in.
    Unreachable,
    /// Ended by Ctrl-C; what goes on elsewhere goes on.
    Interrupted,
    /// Whatever a program that was run ended with.
    Program(u8),
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Interrupted => 130,
            Self::Program(code) => code,
        }
    }
}

/// A command that did not end well.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened. Empty where everything was said already.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The kind of problem, where the server named one.
    pub problem: Option<String>,
}

/// What commands return.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// It failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), hint: None, problem: None }
    }

    /// Something in the command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::failed(message) }
    }

    /// The server was not reached.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self { exit: Exit::Unreachable, ..Self::failed(message) }
    }

    /// Everything was said already.
    #[must_use]
    pub fn silent(exit: Exit) -> Self {
        Self { exit, ..Self::failed("") }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the server said that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.problem.as_deref() == Some("not-found")
    }

    /// Of broken machinery: an error whose message fits "failed to …".
    pub fn of(error: &dyn std::error::Error) -> Self {
        Self::failed(format!("failed to {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
