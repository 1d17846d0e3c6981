//! Deleted apps, as the API shows them.

use hythe_core::ids::AppId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Time;

/// How an app is deleted.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct DeleteQuery {
    /// For good at once, so that it cannot be restored.
    #[param(required = false)]
    pub now: bool,
}

/// An app that can be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedApp {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: AppId,
    /// Its name.
    #[schema(example = "shop")]
    pub name: String,
    /// How many deployments it had.
    pub deployments: u64,
    /// When something of it changed last: as a rule, when it was deleted.
    pub updated_at: Time,
    /// When it goes for good.
    pub until: Time,
}

/// Deleted apps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedAppList {
    /// The apps, the one deleted last first.
    pub items: Vec<DeletedApp>,
}
