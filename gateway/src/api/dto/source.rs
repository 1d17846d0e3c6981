//! How builds reach private repositories: tokens are written, never read back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{SecretText, Time};

/// A token that builds reach private repositories with. It is shown to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceToken {
    /// The repositories that it is for: all of a host, or those below a path.
    #[schema(example = "https://github.com/team")]
    pub prefix: String,
    /// The name that goes with it.
    #[schema(example = "x-access-token")]
    pub username: String,
    /// When it was set.
    pub set_at: Time,
}

/// All tokens for repositories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceTokenList {
    /// The tokens, by what they are for.
    pub items: Vec<SourceToken>,
}

/// A token.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"username": "x-access-token", "password": "ghp_…"}))]
pub struct SetSourceToken {
    /// The name that goes with it, as its provider says: no blanks and no colon.
    #[schema(min_length = 1, max_length = 256)]
    pub username: String,
    /// The token, or a password: at most 4,096 bytes.
    pub password: SecretText,
}

/// A host that builds know when they reach repositories over ssh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceHost {
    /// The host, with its port where that is not 22.
    #[schema(example = "git.example.com:2222")]
    pub host: String,
    /// The keys that it is known by: any of them is good.
    pub keys: Vec<String>,
    /// When they were set.
    pub set_at: Time,
}

/// The hosts that builds know besides the well-known ones, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceHostList {
    /// The hosts.
    pub items: Vec<SourceHost>,
}

/// What a host is known by.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"]}))]
pub struct SetSourceHost {
    /// Its keys as OpenSSH writes them; lines of a file of known hosts are taken, too.
    #[schema(min_items = 1, max_items = 8)]
    pub keys: Vec<String>,
}

/// The key that an app's builds reach a private repository with over ssh: its public half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceKey {
    /// The key, to be given to the repository as a deploy key that may read.
    #[schema(
        example = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl hythe-shop"
    )]
    pub public_key: String,
    /// Its fingerprint, as providers show it.
    #[schema(example = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU")]
    pub fingerprint: String,
    /// Counts the app's keys from 1.
    pub version: u64,
    /// When it was made.
    pub made_at: Time,
}

/// How a key is made.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeSourceKey {
    /// Whether there is to be another one where the app has one already.
    #[serde(default)]
    pub rotate: bool,
}
