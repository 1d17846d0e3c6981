//! A check that is a command in the replica's container.
//!
//! Invariant: one at a time. The engine cannot end a command: one that is over its time is left to
//! itself, and until it has ended no other one is started, and the check fails.

use std::time::Duration;

use super::Finding;
use super::means::Found;
use crate::docker::exec::CommandEnd;
use crate::docker::{Engine, EngineError};

/// A command that is run again and again.
#[derive(Debug)]
pub(super) struct Command {
    /// What it is called in messages.
    name: String,
    words: Vec<String>,
    /// The one that was given up and may still run.
    left: Option<String>,
}

impl Command {
    pub(super) const fn new(name: String, words: Vec<String>) -> Self {
        Self { name, words, left: None }
    }

    /// That of an image which has none.
    pub(super) const fn missing() -> Self {
        Self::new(String::new(), Vec::new())
    }

    /// Runs it once.
    pub(super) async fn run(
        &mut self,
        engine: &Engine,
        container: &str,
        within: Duration,
    ) -> Found {
        if self.words.is_empty() {
            return Found::Bad(Finding::plain(
                "the image has no HEALTHCHECK; give it one in the Dockerfile, or choose another \
                 check, such as --health-tcp"
                    .into(),
            ));
        }
        match tokio::time::timeout(within, self.try_once(engine, container)).await {
            Ok(Ok(end)) => self.judge(end),
            Ok(Err(Refusal::StillRuns)) => Found::Bad(Finding::plain(format!(
                "{} still runs since an earlier check; one may take {} s",
                self.name,
                within.as_secs_f32()
            ))),
            Ok(Err(Refusal::Engine(error))) if error.engine_down() => {
                Found::Unknown(Finding::plain(error.to_string()))
            }
            Ok(Err(Refusal::Engine(error))) => {
                Found::Bad(Finding::plain(format!("{} cannot be run: {error}", self.name)))
            }
            Err(_late) => Found::Bad(Finding::plain(format!(
                "{} did not end within {} s",
                self.name,
                within.as_secs_f32()
            ))),
        }
    }

    fn judge(&self, CommandEnd { code, output, cut }: CommandEnd) -> Found {
        if code == 0 {
            return Found::Good;
        }
        Found::Bad(Finding { what: format!("{} exited with {code}", self.name), output, cut })
    }

    async fn try_once(&mut self, engine: &Engine, container: &str) -> Result<CommandEnd, Refusal> {
        if let Some(left) = &self.left {
            match engine.command_ended(left).await {
                Ok(None) => return Err(Refusal::StillRuns),
                Ok(Some(_)) => {}
                Err(error) if error.not_found() => {}
                Err(error) => return Err(error.into()),
            }
            self.left = None;
        }
        let id = engine.make_command(container, &self.words).await?;
        self.left = Some(id.clone());
        match engine.run_command(&id).await {
            Ok(end) => {
                self.left = None;
                Ok(end)
            }
            // It was never started.
            Err(error @ (EngineError::Refused { .. } | EngineError::Conflict { .. })) => {
                self.left = None;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Why a try came to no end.
enum Refusal {
    StillRuns,
    Engine(EngineError),
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}
