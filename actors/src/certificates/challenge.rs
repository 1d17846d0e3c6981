//! Proofs that edges give: shown once all of them say that they do.

use std::time::Duration;

use hythe_core::certificate::FailureKind;
use hythe_core::ids::{ChallengeId, EdgeId};
use hythe_core::names::HostName;
use hythe_core::observed::EdgeSeen;
use hythe_core::time::Millis;
use hythe_core::wire::FORMAT;
use hythe_core::wire::certificate::{ChallengeMessage, Proof};
use uuid::Uuid;

use super::failure::Failure;
use crate::control::Control;

/// How long edges may take to say that they give a proof.
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);
/// How long it is given at the most, whatever becomes of the order.
const GIVEN_FOR: Millis = Millis::seconds(30 * 60);

/// A proof that edges give, until this is dropped.
pub(super) struct Given {
    control: Control,
    id: ChallengeId,
}

impl Given {
    /// Has edges give a proof.
    pub(super) fn new(control: &Control, host: HostName, proof: Proof) -> Self {
        let id = ChallengeId::new(Uuid::now_v7());
        let until = control.clock().now().plus(GIVEN_FOR);
        let message = ChallengeMessage { format: FORMAT, id, host, proof, until };
        control.certificates().give(message);
        Self { control: control.clone(), id }
    }

    /// Waits until every edge that lives says that it gives it.
    pub(super) async fn confirmed(&self) -> Result<(), Failure> {
        let mut changes = self.control.observations();
        let all = async {
            loop {
                changes.borrow_and_update();
                if self.missing().is_some_and(|missing| missing.is_empty()) {
                    return;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        if tokio::time::timeout(CONFIRM_WITHIN, all).await.is_ok() {
            return Ok(());
        }
        let missing = self.missing().unwrap_or_default();
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let who = if missing.is_empty() { "any".to_owned() } else { missing.join(", ") };
        Err(Failure::new(
            FailureKind::Edge,
            format!(
                "not every edge gives the proof: nothing of it was heard within {} s from {}; see whether \
                 it reaches NATS",
                CONFIRM_WITHIN.as_secs(),
                who
            ),
        ))
    }

    /// The edges that live and have not said that they give it; none where no edge lives, for nobody
    /// gives it then.
    fn missing(&self) -> Option<Vec<EdgeId>> {
        let now = self.control.clock().now();
        self.control.observed(|observed| {
            let lives =
                |(_, edge): &(&EdgeId, &EdgeSeen)| edge.is_alive(now) && edge.sealing_key.is_some();
            let mut live = observed.edges.iter().filter(lives).peekable();
            live.peek()?;
            let without = live.filter(|(_, edge)| !edge.challenges.contains(&self.id));
            Some(without.map(|(id, _)| *id).collect())
        })
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.control.certificates().take_back(self.id);
    }
}

/// Whether any edge is there that gives proofs.
pub(super) fn somebody_gives(control: &Control) -> bool {
    let now = control.clock().now();
    control.observed(|observed| {
        observed.edges.values().any(|edge| edge.is_alive(now) && edge.sealing_key.is_some())
    })
}
