//! How lists are read piece by piece.

use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

/// Which piece of a list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// How many entries at the most; 50 where nothing is said.
    #[param(minimum = 1, maximum = 200, example = 50)]
    pub limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    pub cursor: Option<String>,
    /// As it was then: a moment as in `GET /api/v1/apps/{app}`. Give the same one for every page;
    /// best the `sequence` of the first one's `as_of`.
    #[param(example = "2026-11-21T09:30:00Z")]
    pub at: Option<String>,
}
