//! Previews: an app of its own for each open pull request.

use std::collections::BTreeMap;

use hythe_core::ids::AppId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeploymentRef, SecretText, Time};

/// How an app's previews are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreviewSettings {
    /// Whether pull requests get previews.
    pub on: bool,
    /// How many there are at once; a pull request beyond that gets none, and the delivery says so.
    #[schema(example = 10)]
    pub most: u16,
    /// What becomes of pull requests from other repositories.
    pub forks: PreviewForks,
    /// Whether those that say that they are not ready get one.
    pub drafts: bool,
    /// Which of the app's variables they get. Those of forks get none, whatever stands here.
    pub env: PreviewEnv,
    /// Where some do: which.
    #[schema(example = json!(["LOG_LEVEL"]))]
    pub env_names: Vec<String>,
    /// Names of variables that only previews have; they go before the app's own.
    #[schema(example = json!(["DATABASE_URL"]))]
    pub set: Vec<String>,
    /// How long one is kept without a push; as long as its pull request is open where nothing is said.
    pub keep_ms: Option<u64>,
}

/// What becomes of pull requests from other repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreviewForks {
    /// They get no preview.
    Never,
    /// They get one, which has no variable, no key and no registry's password.
    Allowed,
}

/// Which of the app's variables previews get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreviewEnv {
    /// None.
    None,
    /// All.
    All,
    /// Those of `env_names`.
    Some,
}

/// A change of how an app's previews are made: what is left out stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"on": true, "env_names": ["LOG_LEVEL"], "set": {"DATABASE_URL": "postgres://…"}}))]
pub struct UpdatePreviews {
    /// Whether pull requests get previews. Without them, those that there are go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<bool>,
    /// How many there are at once: 1 to 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u16>,
    /// What becomes of pull requests from other repositories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forks: Option<PreviewForks>,
    /// Whether those that say that they are not ready get one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafts: Option<bool>,
    /// Which of the app's variables they get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<PreviewEnv>,
    /// Names, in place of those before; some variables are given then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_names: Option<Vec<String>>,
    /// Variables that only previews have, to set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, SecretText>,
    /// Names of such variables, to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    /// How long one is kept without a push: an hour to 365 days; `null` for as long as its pull request
    /// is open.
    #[serde(default, deserialize_with = "super::given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub keep_ms: Option<Option<u64>>,
}

/// An app's previews.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreviewList {
    /// How they are made.
    pub settings: PreviewSettings,
    /// Those that there are or are to be, by number.
    pub items: Vec<Preview>,
}

/// The preview of a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Preview {
    /// The pull request's number.
    #[schema(example = 4)]
    pub number: u64,
    /// What it is called.
    pub title: String,
    /// Where people see it.
    pub page: Option<String>,
    /// Who opened it, as the provider says.
    pub author: String,
    /// The branch that its commits are on.
    pub branch: String,
    /// Whether they come from another repository.
    pub fork: bool,
    /// Its newest commit, as the provider says.
    pub commit: String,
    /// The app that the preview is: its name, once it is there.
    #[schema(example = "shop-pr-4")]
    pub app: Option<String>,
    /// The same, as its id.
    #[schema(value_type = uuid::Uuid)]
    pub app_id: AppId,
    /// Where it answers.
    #[schema(example = "http://shop-pr-4.localhost:8080")]
    pub url: Option<String>,
    /// How it fares: `building`, `live`, `failed` or `stopped`.
    #[schema(example = "live")]
    pub status: String,
    /// Why it is not as it is to be, where it is not.
    pub status_detail: Option<String>,
    /// Its newest deployment.
    pub deployment: Option<DeploymentRef>,
    /// Since when it is wanted.
    pub created_at: Time,
    /// When commits came last.
    pub pushed_at: Time,
}

/// Of what an app is a preview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreviewOf {
    /// The app's name.
    #[schema(example = "shop")]
    pub app: String,
    /// The pull request's number.
    #[schema(example = 4)]
    pub number: u64,
}

/// Whether and where a webhook's provider is told of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// The address of the provider's API; nothing where it is told nothing.
    #[schema(example = "https://api.github.com")]
    pub api: Option<String>,
}
