//! What was pushed here: a commit, with its files as an upload.

use serde::{Deserialize, Serialize};

use super::UploadDigest;
use crate::names::{BranchName, CommitId};

/// A commit that somebody pushed to this installation. Events hold it by position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// The branch that it was pushed to: pushes to others are refused.
    pub branch: BranchName,
    /// The commit.
    pub commit: CommitId,
    /// Its files, which builders fetch.
    pub upload: UploadDigest,
}
