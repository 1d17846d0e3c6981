//! A write that comes to one command, given under the key of its request.
//!
//! Whoever asks for the same once more under the same key is answered from what came of it; what the
//! answer shows is read anew. A secret that an answer shows once is therefore not shown again: it is
//! kept sealed, as every secret is, and nowhere for repeats.

use axum::response::{IntoResponse, Response};
use hythe_actors::aggregate::{CommandError, Hosted};
use hythe_core::installation::{Installation, InstallationCommand};
use hythe_store::SecretChange;
use uuid::Uuid;

use super::ApiState;
use super::idempotency::{Asked, Before, Once, mark_replayed, once};
use super::plane::With;
use super::problem::Problem;

/// A write under way.
pub(crate) struct Writing<'a> {
    state: &'a ApiState,
    asked: &'a Asked,
    once: Option<Once>,
    before: Option<Before>,
}

impl ApiState {
    /// Begins a write with a body.
    pub(crate) async fn writing<'a>(
        &'a self,
        asked: &'a Asked,
        body: &blake3::Hash,
    ) -> Result<Writing<'a>, Problem> {
        let once = once(asked, body, self.request_key())?;
        let before = self.before(once.as_ref()).await?;
        Ok(Writing { state: self, asked, once, before })
    }

    /// Begins a write without one.
    pub(crate) async fn writing_plainly<'a>(
        &'a self,
        asked: &'a Asked,
    ) -> Result<Writing<'a>, Problem> {
        self.writing(asked, &blake3::hash(&[])).await
    }
}

impl Writing<'_> {
    /// Whether it took effect before: then only its answer is left.
    pub(crate) fn done(&self) -> bool {
        self.before.is_some()
    }

    /// Gives the command that it comes to.
    pub(crate) async fn give<M: Hosted>(
        &mut self,
        id: Uuid,
        command: M::Command,
        secrets: Vec<SecretChange>,
    ) -> Result<(), Problem> {
        match self.attempt::<M>(id, command, secrets).await? {
            Ok(()) => Ok(()),
            Err(error) => self.settle(error).await,
        }
    }

    /// Gives a command to the installation, which is what it comes to.
    pub(crate) async fn tell(
        &mut self,
        command: InstallationCommand,
        secrets: Vec<SecretChange>,
    ) -> Result<(), Problem> {
        let id = self.state.control().installation().uuid();
        self.give::<Installation>(id, command, secrets).await
    }

    /// Gives it, for whoever has another one to give where it is refused.
    pub(crate) async fn attempt<M: Hosted>(
        &self,
        id: Uuid,
        command: M::Command,
        secrets: Vec<SecretChange>,
    ) -> Result<Result<(), CommandError>, Problem> {
        let claim = self.once.as_ref().map(|once| once.claim(id)).transpose()?;
        let with = With { claim, secrets };
        let given = self.state.command::<M>(id, command, self.state.meta(self.asked), with).await;
        Ok(given.map(drop))
    }

    /// Makes of a failed command what it means: the same request was quicker, or a problem.
    pub(crate) async fn settle(&mut self, error: CommandError) -> Result<(), Problem> {
        self.before = Some(self.state.before_or(self.once.as_ref(), error).await?);
        Ok(())
    }

    /// The answer, marked where it is one to a repeat.
    pub(crate) fn answer(&self, answer: impl IntoResponse) -> Response {
        let response = answer.into_response();
        if self.done() { mark_replayed(response) } else { response }
    }
}
