//! GitHub Apps: what is public of them. Keys and secrets are written, never read back.

use std::fmt;

use hythe_core::ids::HookId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{SecretText, Time};

/// What a GitHub App is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"organization": "octo-org"}))]
pub struct BeginGitHubApp {
    /// The organisation that it is to belong to; a user's own where none is named.
    pub organization: Option<String>,
    /// Where its GitHub is, where that is not github.com: `https://` and a host.
    #[schema(example = "https://github.example.com")]
    pub server: Option<String>,
    /// What it is to be called there; it has to be nobody else's name. It can be changed at GitHub.
    #[schema(max_length = 34)]
    pub name: Option<String>,
    /// Where GitHub reaches this server; the address that was set (`PUT /api/v1/address`) where none is
    /// named.
    #[schema(example = "https://hythe.example.com")]
    pub address: Option<String>,
}

/// A GitHub App that somebody is about to make.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitHubAppBegun {
    /// Its id here.
    #[schema(value_type = uuid::Uuid)]
    pub id: HookId,
    /// Where its GitHub is.
    #[schema(example = "https://github.com")]
    pub server: String,
    /// The organisation that it is to belong to; nothing where it is to be a user's own.
    pub organization: Option<String>,
    /// What it is to be called there.
    pub name: String,
    /// The page from which a browser goes to GitHub to make it: shown this once, and good for one App.
    pub page: Option<String>,
    /// Until when it can be made.
    pub expires_at: Time,
}

impl fmt::Debug for GitHubAppBegun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubAppBegun").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What GitHub gave the browser that made an App.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinishGitHubApp {
    /// The `code` of the address that GitHub sent the browser to.
    pub code: SecretText,
    /// The `state` of the same.
    pub state: SecretText,
}

/// A GitHub App.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitHubApp {
    /// Its id here: that of its webhook.
    #[schema(value_type = uuid::Uuid)]
    pub id: HookId,
    /// GitHub's own number of it.
    #[schema(example = "123456")]
    pub app_id: String,
    /// What it is called in addresses at GitHub.
    #[schema(example = "hythe-9d3c0a1b")]
    pub slug: String,
    /// Whose it is.
    #[schema(example = "octo-org")]
    pub owner: String,
    /// Where its GitHub is.
    #[schema(example = "https://github.com")]
    pub server: String,
    /// Its page there.
    pub page: String,
    /// The page on which it is installed on repositories.
    pub install_page: String,
    /// The page on which it is changed, and deleted.
    pub settings_page: String,
    /// Where GitHub tells of pushes.
    pub hook_url: String,
    /// When it was made.
    pub created_at: Time,
    /// When its webhook got its present secret.
    pub secret_set_at: Time,
    /// Whether GitHub knows that secret; before, deliveries are signed with the one before, and taken.
    pub secret_told: bool,
    /// When it got its present key.
    pub key_set_at: Time,
}

/// All GitHub Apps, and those that somebody is about to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitHubAppList {
    /// The Apps.
    pub items: Vec<GitHubApp>,
    /// Those that somebody is about to make, without the pages to make them from.
    pub begun: Vec<GitHubAppBegun>,
}

/// A GitHub App, and where it is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitHubAppSeen {
    /// The App.
    pub app: GitHubApp,
    /// Where it is installed, asked of GitHub at that moment.
    pub installations: Vec<GitHubInstallation>,
    /// Whether there are more than are read: a thousand.
    pub more: bool,
    /// Why GitHub did not say, where it did not.
    pub refused: Option<String>,
}

/// Where a GitHub App is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitHubInstallation {
    /// GitHub's number of it.
    #[schema(example = "7654321")]
    pub id: String,
    /// Whose repositories.
    #[schema(example = "octo-org")]
    pub account: String,
    /// Whether only some of them were chosen.
    pub selected: bool,
    /// Whether somebody has taken its rights away for now.
    pub suspended: bool,
}

/// Another private key of a GitHub App.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetGitHubAppKey {
    /// The key as GitHub gave it, in PEM.
    pub private_key: SecretText,
}
