//! Commands that follow from something: given until they are taken or refused.
//!
//! "Busy" and failing machinery are no answers here: what must follow from a durable event has to
//! happen some time. All such commands are idempotent.

use std::time::Duration;

use hythe_core::app::App;
use hythe_core::claims::ClaimChange;
use hythe_core::deployment::Deployment;
use hythe_core::ids::CorrelationId;
use hythe_core::react::Reaction;
use hythe_core::record::{Actor, Meta, Sequence};
use uuid::Uuid;

use crate::aggregate::{CommandError, Done, Extras, Hosted};
use crate::control::Control;

/// First and longest pause before a command is given again.
const AGAIN_FIRST: Duration = Duration::from_millis(20);
const AGAIN_MOST: Duration = Duration::from_secs(2);

impl Control {
    /// What goes with a command of somebody's now.
    pub(crate) fn meta(
        &self,
        actor: Actor,
        correlation: Option<CorrelationId>,
        causation: Option<Sequence>,
    ) -> Meta {
        let fresh = || CorrelationId::new(Uuid::now_v7());
        let correlation = correlation.unwrap_or_else(fresh);
        Meta { at: self.clock().now(), actor, correlation, causation }
    }

    /// Gives a command until it is taken or refused. None where it was refused.
    pub(crate) async fn insist<M: Hosted>(
        &self,
        id: Uuid,
        command: M::Command,
        meta: Meta,
    ) -> Option<Done<M>> {
        self.insist_claiming::<M>(id, command, meta, Vec::new()).await
    }

    /// As above, with keys that are claimed in the same commit.
    pub(crate) async fn insist_claiming<M: Hosted>(
        &self,
        id: Uuid,
        command: M::Command,
        meta: Meta,
        claims: Vec<ClaimChange>,
    ) -> Option<Done<M>> {
        let mut pause = AGAIN_FIRST;
        loop {
            let extras = Extras { claims: claims.clone(), ..Extras::from(meta.clone()) };
            let given = self.command::<M>(id, command.clone(), extras);
            let wait = match given.await {
                Ok(done) => return Some(done),
                Err(error @ (CommandError::Rejected(_) | CommandError::ClaimTaken { .. })) => {
                    tracing::info!(kind = %M::KIND, %id, ?command, %error, "a command was refused");
                    return None;
                }
                Err(CommandError::Busy { retry_after }) => retry_after.max(pause),
                // The journal says so once, and when there is room again.
                Err(CommandError::NoRoom(_)) => pause,
                Err(CommandError::Unavailable(why)) => {
                    tracing::warn!(kind = %M::KIND, %id, %why, "a command is given again soon");
                    pause
                }
            };
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(AGAIN_MOST);
        }
    }

    /// Gives the command of a reaction until it is taken or refused; says where the journal is
    /// then.
    pub(crate) async fn insist_on(&self, reaction: Reaction, meta: Meta) -> Option<Sequence> {
        match reaction {
            Reaction::App(id, command) => {
                self.insist::<App>(id.uuid(), command, meta).await?.sequence
            }
            Reaction::Deployment(id, command) => {
                self.insist::<Deployment>(id.uuid(), command, meta).await?.sequence
            }
        }
    }
}
