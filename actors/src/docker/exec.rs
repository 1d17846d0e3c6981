//! Commands in a container that runs.
//!
//! Invariants: what a command writes is read to its end, so that it never waits for us, and only
//! the last of it is kept. The engine's API cannot end a command: whoever gives up on one asks
//! with [`Engine::command_ended`] whether it is still there before it starts another.

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::stream::StreamExt as _;
use hythe_core::limits::MOST_CHECK_KEPT;
use std::time::Duration;

use super::{Engine, EngineError};

/// First and longest wait between two questions whether a command that closed its output is over.
const AGAIN_FIRST: Duration = Duration::from_millis(5);
const AGAIN_MOST: Duration = Duration::from_millis(500);

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandEnd {
    /// Its exit code.
    pub code: i64,
    /// The last that it wrote, at most [`MOST_CHECK_KEPT`] bytes.
    pub output: String,
    /// Whether it wrote more before that.
    pub cut: bool,
}

impl Engine {
    /// Makes a command ready in a running container, by the container's id or name: argv, run by
    /// no shell, with the user, folder and environment of the container. Returns its id.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] where the container does not run.
    pub async fn make_command(
        &self,
        container: &str,
        command: &[String],
    ) -> Result<String, EngineError> {
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            attach_stdin: Some(false),
            tty: Some(false),
            privileged: Some(false),
            ..CreateExecOptions::default()
        };
        let docker = self.docker().await?;
        let made = docker.create_exec(container, options).await;
        Ok(made.map_err(|error| self.fault(&error))?.id)
    }

    /// Runs a command that was made ready, to its end. Dropping this leaves it running.
    ///
    /// # Errors
    /// [`EngineError`]. A command that cannot be run ends with 126 or 127, or is refused.
    pub async fn run_command(&self, id: &str) -> Result<CommandEnd, EngineError> {
        let docker = self.docker().await?;
        let started = docker.start_exec(id, None::<StartExecOptions>).await;
        let mut kept = Kept::default();
        match started.map_err(|error| self.fault(&error))? {
            StartExecResults::Attached { mut output, input } => {
                drop(input);
                while let Some(piece) = output.next().await {
                    kept.take(&piece.map_err(|error| self.fault(&error))?);
                }
            }
            StartExecResults::Detached => {}
        }
        let mut wait = AGAIN_FIRST;
        loop {
            if let Some(code) = self.command_ended(id).await? {
                return Ok(CommandEnd { code, output: kept.text(), cut: kept.cut });
            }
            // Its output is closed; the engine says a moment later how it ended.
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(AGAIN_MOST);
        }
    }

    /// The exit code of a command that has ended, and nothing while it runs. One that the engine
    /// knows no more went with its container: [`EngineError::NotFound`].
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn command_ended(&self, id: &str) -> Result<Option<i64>, EngineError> {
        let docker = self.docker().await?;
        let found = docker.inspect_exec(id).await.map_err(|error| self.fault(&error))?;
        Ok(if found.running == Some(true) { None } else { found.exit_code })
    }
}

/// The last bytes of an output.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Whether there was more.
    cut: bool,
}

impl Kept {
    fn take(&mut self, piece: &LogOutput) {
        let bytes: &[u8] = match piece {
            LogOutput::StdErr { message }
            | LogOutput::StdOut { message }
            | LogOutput::StdIn { message }
            | LogOutput::Console { message } => message,
        };
        let last = bytes.len().saturating_sub(MOST_CHECK_KEPT);
        self.bytes.extend_from_slice(bytes.get(last..).unwrap_or_default());
        let over = self.bytes.len().saturating_sub(MOST_CHECK_KEPT);
        self.bytes.drain(..over);
        self.cut |= last > 0 || over > 0;
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_output_the_end_is_kept() {
        let mut kept = Kept::default();
        kept.take(&LogOutput::StdOut { message: "all of it\n".into() });
        assert_eq!((kept.text().as_str(), kept.cut), ("all of it", false));
        for n in 0..10_000 {
            kept.take(&LogOutput::StdOut { message: format!("line {n}\n").into() });
        }
        assert!(kept.cut);
        kept.take(&LogOutput::StdErr { message: vec![0xff; 3].into() });
        let text = kept.text();
        assert!(text.contains("line 9999") && text.len() < 2 * MOST_CHECK_KEPT, "{text}");
        kept.take(&LogOutput::StdOut { message: vec![b'x'; 1 << 20].into() });
        assert_eq!(kept.text(), "x".repeat(MOST_CHECK_KEPT));
    }
}
