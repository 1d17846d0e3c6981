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

impl Node {
    /// The version before ends for what writes to the same volume once it is reported that this order was
    /// taken on: a missing image is found before that, not when the container is to be made.
    pub(super) fn look_for_image(&mut self, assignment: &Assignment) {
        let (deployment, generation) = (assignment.deployment, assignment.generation);
        self.unsure.insert(deployment, generation);
        let (setup, image) = (Arc::clone(&self.setup), assignment.image.clone());
        self.spawn(async move {
            let looking = guarded(setup.tools.engine.image_check(&image));
            let missing = match tokio::time::timeout(LOOK_WITHIN, looking).await {
                Ok(Ok(Err(EngineError::NotFound { message }))) => Some(message),
                // Whatever else it is, making the container will tell.
                Ok(Ok(Ok(_) | Err(_)) | Err(_)) | Err(_) => None,
            };
            Message::ImageLookedFor { deployment, generation, missing }
        });
    }

    /// Looks for the images of orders that the agent before this one left, now that it is known what is there.
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

    /// An image was looked for. `missing`: the engine's words, where it is not there.
    pub(crate) fn image_looked_for(
        &mut self,
        deployment: DeploymentId,
        generation: u64,
        missing: Option<String>,
    ) {
        // There may be another order by now.
        if self.unsure.get(&deployment) != Some(&generation) {
            return;
        }
        self.unsure.remove(&deployment);
        if let Some(message) = missing {
            self.known.miss_image(deployment, &message);
        }
        self.changed = true;
    }
}
