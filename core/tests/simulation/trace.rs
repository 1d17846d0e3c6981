//! Everything that happened, as text: hashed where somebody compares traces, printed when one seed is
//! replayed, and otherwise not even written down, which would take longer than much of what happens.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher as _};

use uuid::Uuid;

/// What becomes of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Not,
    Hashed,
    Printed,
}

/// The trace of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    line: String,
    kept: Kept,
}

impl Trace {
    pub(crate) fn new(kept: Kept) -> Self {
        Self { hasher: DefaultHasher::new(), line: String::new(), kept }
    }

    /// Whether somebody reads it.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept != Kept::Not
    }

    /// Notes one thing that happened, `at` in milliseconds since the start.
    pub(crate) fn note(&mut self, at: u64, what: fmt::Arguments<'_>) {
        if !self.is_kept() {
            return;
        }
        self.line.clear();
        // Writing to a string does not fail.
        let _ = write!(self.line, "{:>9}.{:03} {what}", at / 1000, at % 1000);
        self.hasher.write(self.line.as_bytes());
        if self.kept == Kept::Printed {
            println!("{}", self.line);
        }
    }

    /// Names all that was noted, where it is kept.
    pub(crate) fn hash(&self) -> u64 {
        assert!(self.is_kept(), "nothing was noted");
        self.hasher.finish()
    }
}

/// An id as `d12`: made-up ids say what they are of.
pub(crate) struct Short(pub(crate) Uuid);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.as_u128();
        let kind = match number >> 64 {
            1 => 'a',
            2 => 'd',
            3 => 'w',
            4 => 'e',
            5 => 'r',
            _ => 'x',
        };
        write!(f, "{kind}{}", number & u128::from(u64::MAX))
    }
}
