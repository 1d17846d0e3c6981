//! Uploads.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody sent to be built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Upload {
    /// The SHA-256 digest of its bytes.
    #[schema(example = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub digest: String,
    /// How many bytes it has.
    #[schema(example = 4096)]
    pub bytes: u64,
}
