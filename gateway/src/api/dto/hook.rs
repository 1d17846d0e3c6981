//! Webhooks: what providers of repositories may tell, and what came of it.

use std::fmt;

use hythe_core::ids::{AppId, DeploymentId, HookId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Time;

/// A webhook. Its secret is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hook {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: HookId,
    /// Who sends: `github`, `gitlab`, `bitbucket` or `gitea`.
    #[schema(example = "github")]
    pub provider: String,
    /// Whose pushes: a host and a path.
    #[schema(example = "github.com/octo-org/shop")]
    pub repository: String,
    /// What to enter at the provider.
    pub setup: HookSetup,
    /// The apps of this repository, by name, and what deploys each.
    pub apps: Vec<HookApp>,
    /// When it was made.
    pub created_at: Time,
    /// When it got its present secret.
    pub secret_set_at: Time,
    /// The address of the provider's API, where it is told how commits fare.
    #[schema(example = "https://api.github.com")]
    pub statuses: Option<String>,
    /// The same, where it is told of previews in comments on pull requests.
    #[schema(example = "https://api.github.com")]
    pub comments: Option<String>,
    /// The same, where it is told of deployments.
    #[schema(example = "https://api.github.com")]
    pub deployments: Option<String>,
}

/// What to enter at the provider, besides the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookSetup {
    /// Where it is entered.
    #[schema(example = "Settings → Webhooks → Add webhook")]
    pub page: String,
    /// Where deliveries go; nothing where it is not known how this server is reached from outside
    /// (`PUT /api/v1/address`).
    #[schema(
        example = "https://hythe.example.com/hooks/github/019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f"
    )]
    pub url: Option<String>,
    /// The same without scheme and host.
    #[schema(example = "/hooks/github/019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f")]
    pub path: String,
    /// The content type; nothing where the provider has no choice.
    #[schema(example = "application/json")]
    pub content_type: Option<String>,
    /// What the field for the secret is called there.
    #[schema(example = "Secret")]
    pub secret_field: String,
    /// The events to choose.
    #[schema(example = json!(["Pushes", "Pull requests"]))]
    pub events: Vec<String>,
}

/// An app that a webhook serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookApp {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: AppId,
    /// Its name.
    #[schema(example = "shop")]
    pub name: String,
    /// What deploys it, in words.
    #[schema(example = "pushes to main")]
    pub deploys_on: String,
}

/// A webhook that was made, or has a new secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookWithSecret {
    /// The webhook.
    pub hook: Hook,
    /// Its secret: shown this once. Nothing where the request was made before under the same
    /// idempotency key; rotate it for another one.
    pub secret: Option<String>,
}

impl fmt::Debug for HookWithSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookWithSecret").field("hook", &self.hook).finish_non_exhaustive()
    }
}

/// All webhooks, by repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookList {
    /// The webhooks.
    pub items: Vec<Hook>,
}

/// Which webhooks.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct HookQuery {
    /// Only those that serve this app: its name or id.
    pub app: Option<String>,
}

/// A new webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"app": "shop"}))]
pub struct CreateHook {
    /// The app whose repository it is for: its name or id. It serves every app of that repository.
    pub app: String,
    /// Who sends: `github`, `gitlab`, `bitbucket`, `gitea` or `forgejo`; found from the repository's
    /// host where that tells it.
    #[serde(default)]
    pub provider: Option<String>,
}

/// What a provider told, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The provider's own id of it; nothing where only the journal tells of it.
    pub id: Option<String>,
    /// Through which webhook.
    #[schema(value_type = uuid::Uuid)]
    pub hook: HookId,
    /// When it came.
    pub at: Time,
    /// What happened there, in the provider's words.
    #[schema(example = "push")]
    pub event: Option<String>,
    /// The branch or tag.
    #[schema(example = "main")]
    pub reference: Option<String>,
    /// The commit that was pushed.
    pub commit: Option<String>,
    /// Who pushed, as the provider says.
    #[schema(example = "octocat")]
    pub sender: Option<String>,
    /// What came of it, all in all.
    pub outcome: DeliveryOutcome,
    /// Why, where it says more.
    pub reason: Option<String>,
    /// What came of it for each app.
    pub apps: Vec<DeliveredApp>,
}

/// What came of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// A deployment was asked for, or a preview.
    Deployed,
    /// The same delivery had its effect before.
    Repeated,
    /// It concerns the repository and deploys nothing.
    Skipped,
    /// It is nothing that deploys, or of another repository.
    Ignored,
    /// It was not taken: not signed, badly signed or not to be read; or an app refuses the deployment.
    Refused,
    /// It could not be taken at that moment; sent again, it is.
    Failed,
    /// A preview goes.
    Removed,
}

impl DeliveryOutcome {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Repeated => "repeated",
            Self::Skipped => "skipped",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Removed => "removed",
        }
    }
}

/// What came of a delivery for one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveredApp {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: AppId,
    /// Its name.
    #[schema(example = "shop")]
    pub name: String,
    /// What came of it.
    pub outcome: DeliveryOutcome,
    /// Why, where it says more.
    pub reason: Option<String>,
    /// The deployment that was asked for.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub deployment: Option<DeploymentId>,
}

/// Deliveries, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryList {
    /// The deliveries.
    pub items: Vec<Delivery>,
}

/// Where this server is reached from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Address {
    /// The address; nothing where nobody said it.
    #[schema(example = "https://hythe.example.com")]
    pub url: Option<String>,
}

/// A new address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://hythe.example.com"}))]
pub struct SetAddress {
    /// `https://` or `http://` and a host, with a port where it is not the usual one; no path.
    pub url: String,
}

/// What deploys an app by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Triggers {
    /// What does.
    pub deploy_on: DeployOn,
    /// Where tags do: the pattern that their names fit.
    #[schema(example = "v*")]
    pub tags: Option<String>,
    /// A push that changes no file that fits one of these deploys nothing; where there are none, each
    /// does.
    #[schema(example = json!(["apps/web/**", "libs/**"]))]
    pub watch_paths: Vec<String>,
}

/// What deploys an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeployOn {
    /// Pushes to its branch.
    Push,
    /// New tags.
    Tag,
    /// Nothing.
    Off,
}

/// A change of what deploys an app: what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"deploy_on": "push", "watch_paths": ["apps/web/**", "libs/**"]}))]
pub struct UpdateTriggers {
    /// What does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy_on: Option<DeployOn>,
    /// Which tags do: a pattern such as `v*`. Where tags deploy and none is given, all of them do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<String>,
    /// Patterns for paths, in place of those before: `*` within one folder, `**` across folders; with
    /// a leading `!` what they match does not count. At most 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_paths: Option<Vec<String>>,
}
