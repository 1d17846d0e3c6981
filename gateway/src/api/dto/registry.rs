//! Registries that builds log in to: passwords are written, never read back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{SecretText, Time};

/// A registry that builds log in to. Its password is shown to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registry {
    /// The registry, as images name it.
    #[schema(example = "ghcr.io")]
    pub host: String,
    /// Who logs in.
    #[schema(example = "ci")]
    pub username: String,
    /// When the login was set.
    pub set_at: Time,
}

/// All registries that builds log in to, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegistryList {
    /// The registries.
    pub items: Vec<Registry>,
}

/// A login.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"username": "ci", "password": "ghp_…"}))]
pub struct SetRegistry {
    /// Who logs in: no blanks and no colon.
    #[schema(min_length = 1, max_length = 256)]
    pub username: String,
    /// The password, or a token in its place: at most 4,096 bytes.
    pub password: SecretText,
}
