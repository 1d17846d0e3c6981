//! Signing in with a browser.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{SecretText, Time};

/// Signs in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    /// The owner token.
    pub token: SecretText,
}

/// Who is asking, and of whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Who is asking.
    #[schema(example = "owner")]
    pub actor: String,
    /// When the browser session ends; nothing where a bearer token was given.
    pub expires_at: Option<Time>,
    /// The version of the server.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// Apps answer under this domain.
    #[schema(example = "localhost")]
    pub base_domain: String,
    /// Where an app answers, with `{app}` for its name.
    #[schema(example = "http://{app}.localhost:8080")]
    pub url_pattern: String,
}
