//! The build supervisor beside the node: asked through here, whichever one runs just now.

use hythe_core::ids::DeploymentId;
use hythe_core::wire::worker::BuildHeld;

/// A handle to the build supervisor, where there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Builds {}

impl Builds {
    /// Ends a build, durably.
    pub(crate) async fn cancel(
        &self,
        _deployment: DeploymentId,
        _generation: u32,
    ) -> Result<(), String> {
        Ok(())
    }

    /// The builds under way.
    pub(crate) async fn running(&self) -> Vec<BuildHeld> {
        Vec::new()
    }
}
