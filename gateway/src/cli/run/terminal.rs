//! The terminal that this process has: how large it is, and every key as it is pressed.

use std::io::{Stdin, stdin, stdout};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::api::dto::RunTerminal;

/// A terminal that passes every key on as it is; dropped, it is as it was before.
pub(super) struct Raw {
    terminal: Stdin,
    before: Termios,
}

impl Raw {
    /// None where stdin is no terminal.
    pub(super) fn begin() -> Option<Self> {
        let terminal = stdin();
        let before = tcgetattr(&terminal).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing any more.
        let _gone = tcsetattr(&self.terminal, OptionalActions::Drain, &self.before);
    }
}

/// How large the terminal is, where there is one.
pub(super) fn size() -> Option<RunTerminal> {
    let size = tcgetwinsize(stdout()).or_else(|_| tcgetwinsize(stdin())).ok()?;
    (size.ws_col > 0 && size.ws_row > 0)
        .then_some(RunTerminal { columns: size.ws_col, rows: size.ws_row })
}
