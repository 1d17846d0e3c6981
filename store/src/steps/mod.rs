//! The durable steps of server, agent and edge, and the failpoint behind each.
//!
//! A step is something that outlives the process which did it: a commit, a message that JetStream
//! has, an acknowledgement, a file put in its place, a change on the engine. Whatever takes one
//! names it, because the only ways to take one ask for a [`Step`] (the raw calls are lint errors;
//! see `clippy.toml`). So the list of steps is complete, and the crash matrix, which kills each
//! process right after each of its steps, is generated from it.
//!
//! In a release build nothing of this is left but the names.

#[cfg(debug_assertions)]
mod failpoint;
mod list;

pub use list::{Process, Step};

/// The environment variable that names the folder in which failpoints are armed. A file there is
/// named like the [`Process`] that it concerns. Each of its lines is `die` or `past`, a step or
/// `*` for any, its detail or `-`, and at which passage from now the process is to kill itself or just to go on to
/// the next line. Only the first line counts. With a death it moves, after the process's id, to the
/// file of the same name with the ending `died`.
pub const FOLDER: &str = "HYTHE_FAILPOINTS";

/// Says which process this is. To be called once, before its first step. Without it, or without
/// [`FOLDER`] in the environment, no failpoint is ever armed.
pub fn this_is(process: Process) {
    #[cfg(debug_assertions)]
    failpoint::watch(process);
    #[cfg(not(debug_assertions))]
    let _nothing_is_armed_in_a_release = process;
}

impl Step {
    /// The step is durable, and nothing that follows from it was done yet.
    #[inline]
    pub fn passed(self) {
        self.passed_with(Vec::new);
    }

    /// As [`Step::passed`], for a step that means different things: `details` says what it meant
    /// this time. Called only where a failpoint is armed.
    #[inline]
    pub fn passed_with(self, details: impl FnOnce() -> Vec<String>) {
        #[cfg(debug_assertions)]
        failpoint::pass(self, details);
        #[cfg(not(debug_assertions))]
        let _nobody_asks = details;
    }

    /// Takes the step: does `effect`, and has passed it where that went well.
    ///
    /// # Errors
    /// Those of `effect`.
    pub async fn take<T, E>(self, effect: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let done = effect.await?;
        self.passed();
        Ok(done)
    }
}
