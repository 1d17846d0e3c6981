//! What a token reaches at its provider.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which repositories.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct RepositoryQuery {
    /// Where: a host, or the beginning of the repositories' URLs, such as `github.com/team`.
    pub at: String,
    /// Whose server it is: `github`, `gitlab`, `bitbucket`, `gitea` or `forgejo`; found from the host
    /// where that tells it.
    pub provider: Option<String>,
    /// The address of its API; found from the provider and the host where none is given.
    pub api: Option<String>,
}

/// Which repository's branches.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct BranchQuery {
    /// The repository's URL.
    pub repository: String,
    /// Whose server it is: `github`, `gitlab`, `bitbucket`, `gitea` or `forgejo`; found from the host
    /// where that tells it.
    pub provider: Option<String>,
    /// The address of its API; found from the provider and the host where none is given.
    pub api: Option<String>,
}

/// Repositories that a token reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepositoryList {
    /// The repositories, in the provider's order.
    pub items: Vec<ListedRepository>,
    /// Whether there are more than are read: a thousand.
    pub more: bool,
}

/// A repository that a token reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListedRepository {
    /// Where it lies.
    #[schema(example = "https://github.com/octo-org/shop.git")]
    pub url: String,
    /// Its own branch, where it has one.
    #[schema(example = "main")]
    pub default_branch: Option<String>,
    /// Whether not everybody may read it.
    pub private: bool,
}

/// Branches of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BranchList {
    /// The branches, in the provider's order.
    pub items: Vec<ListedBranch>,
    /// Whether there are more than are read: a thousand.
    pub more: bool,
}

/// A branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListedBranch {
    /// Its name.
    #[schema(example = "main")]
    pub name: String,
    /// Its newest commit.
    pub commit: Option<String>,
}
