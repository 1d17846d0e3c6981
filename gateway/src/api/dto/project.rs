//! Projects.

use hythe_core::ids::ProjectId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AsOf, Time};

/// A project: apps that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ProjectId,
    /// Its name: one DNS label.
    #[schema(example = "web")]
    pub name: String,
    /// The names of the apps that are in it, in their order.
    #[schema(example = json!(["blog", "shop"]))]
    pub apps: Vec<String>,
    /// When it was created; nothing for the one that is always there.
    pub created_at: Option<Time>,
    /// As of when, where the past was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}

/// A new project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "web"}))]
pub struct CreateProject {
    /// Its name: one DNS label of at most 40 characters. `default` is there already.
    #[schema(min_length = 1, max_length = 40)]
    pub name: String,
}

/// All projects, by name; the one that is always there first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectList {
    /// The projects.
    pub items: Vec<Project>,
    /// As of when, where the past was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}
