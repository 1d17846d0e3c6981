//! Whether an image is there is known before anything ends for it.

use std::sync::Arc;
use std::time::Duration;

use hythe_core::ids::DeploymentId;
use hythe_core::plan::Wanted;
use hythe_core::wire::worker::Assignment;

use super::actor::Message;
use super::guard::guarded;
use super::state::Node;
use crate::docker::EngineError;

/// How long an order waits for the engine to say whether its image is there.
const LOOK_WITHIN: Duration = Duration::from_secs(20);

/// What came of looking for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is there, or making the container will tell.
    There,
    /// It is not; in the engine's words.
    Missing(String),
    /// The engine did not answer.
    Unknown,
}

impl Node {
    /// The version before ends for what writes to the same volume once it is reported that this order was
    /// taken on: a missing image is found before that, not when the container is to be made.
    pub(super) fn look_for_image(&mut self, assignment: &Assignment) {
        let (deployment, generation) = (assignment.deployment, assignment.generation);
        self.unsure.insert(deployment, generation);
        let (setup, image) = (Arc::clone(&self.setup), assignment.image.clone());
        self.spawn(async move {
            let looking = guarded(setup.tools.engine.image_check(&image));
            let found = match tokio::time::timeout(LOOK_WITHIN, looking).await {
                Ok(Ok(Err(EngineError::NotFound { message }))) => Found::Missing(message),
                Ok(Ok(Err(EngineError::Unreachable { .. } | EngineError::Timeout { .. })))
                | Err(_) => Found::Unknown,
                Ok(Ok(Ok(_) | Err(_)) | Err(_)) => Found::There,
            };
            Message::ImageLookedFor { deployment, generation, found }
        });
    }

    /// Looks for the images of orders that the agent before this one left, or of which the engine said nothing,
    /// now that it is known what is there.
    pub(super) fn look_for_unlooked(&mut self) {
        for deployment in std::mem::take(&mut self.unlooked) {
            // What is there was made from it.
            let there = self.known.replicas.keys().any(|key| key.deployment == deployment);
            match self.known.desired.get(&deployment) {
                Some(Wanted::Run(assignment)) if !there => {
                    let assignment = assignment.clone();
                    self.look_for_image(&assignment);
                }
                Some(Wanted::Run(_) | Wanted::Stop { .. }) | None => {
                    self.unsure.remove(&deployment);
                    self.changed = true;
                }
            }
        }
    }

    /// An image was looked for.
    pub(crate) fn image_looked_for(
        &mut self,
        deployment: DeploymentId,
        generation: u64,
        found: Found,
    ) {
        // There may be another order by now.
        if self.unsure.get(&deployment) != Some(&generation) {
            return;
        }
        match found {
            Found::There => {}
            Found::Missing(message) => self.known.miss_image(deployment, &message),
            // It answers again some time, and then everything is looked at.
            Found::Unknown => {
                self.unlooked.insert(deployment);
                return;
            }
        }
        self.unsure.remove(&deployment);
        self.changed = true;
    }
}
