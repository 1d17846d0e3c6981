//! What a build reaches its repository with, out of its sealed box.

use hythe_core::ids::DeploymentId;
use hythe_core::wire::build::SealedAccess;
use zeroize::Zeroizing;

use crate::git::Access;
use crate::node::{EnvironmentError, Keys};

/// Opens the box of a build.
pub(super) fn open(
    sealed: &[u8],
    deployment: DeploymentId,
    keys: &Keys,
) -> Result<Access, EnvironmentError> {
    let bytes = keys.unseal(sealed)?;
    let content: SealedAccess =
        postcard::from_bytes(&bytes).map_err(|_| EnvironmentError::Sealed)?;
    if content.deployment != deployment {
        return Err(EnvironmentError::Foreign);
    }
    let SealedAccess { deployment: _, tokens, key, hosts } = content;
    Access::new(tokens, key.map(Zeroizing::new), hosts)
        .map_err(|error| EnvironmentError::Memory(error.to_string()))
}
