//! Between builders, edges and the control plane: the files of static sites, piece by piece.
//!
//! The server keeps them, wherever they lie; builders bring what is new and edges fetch what they are to
//! serve. A question stands in a header, and the bytes of a piece are the message itself, either way. Each can
//! be asked again: what a file is called is the digest of its bytes.

use serde::{Deserialize, Serialize};

use crate::ids::DeploymentId;
use crate::site::{FileHash, SiteId, Variants};

/// The header with the [`SiteQuestion`], as JSON.
pub const QUESTION: &str = "Hythe-Site";
/// The header of an answer with the bytes that the whole has.
pub const TOTAL: &str = "Hythe-Site-Bytes";
/// The header of an answer without bytes, with the reason in words.
pub const FAILED: &str = "Hythe-Site-Failed";
/// A further header of such an answer, where what a piece belongs to is to be sent again from its first byte.
pub const AGAIN: &str = "Hythe-Site-Again";
/// The header of an answer without bytes, where the server has no such thing.
pub const MISSING: &str = "Hythe-Site-Missing";
/// The most bytes of one piece: a quarter of what NATS servers take in one message unless they were told
/// otherwise.
pub const MOST_PIECE: u32 = 256 * 1024;
/// The most files that are asked about at once.
pub const MOST_KNOWN: usize = 500;

/// What is kept of sites.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteObject {
    /// The bytes of a file, or of a compressed form of one.
    File(FileHash),
    /// Which compressed forms there are of a file: a [`Variants`] as JSON.
    Variants(FileHash),
    /// The list of a site's files: a [`crate::site::Manifest`] as JSON.
    Manifest(SiteId),
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteQuestion {
    /// Format of this message; 1.
    pub format: u16,
    /// What is asked.
    pub asked: SiteAsked,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteAsked {
    /// Which of these files are there; the message is a list of [`FileHash`]es as JSON. The answer is a list of
    /// as many [`KnownFile`]s.
    Known,
    /// The message is a piece of this. The last one makes it whole.
    Put {
        /// Of what.
        object: SiteObject,
        /// Who sends it: pieces of several who send the same are kept apart.
        by: DeploymentId,
        /// The bytes before the piece.
        from: u64,
        /// The bytes of the whole.
        total: u64,
    },
    /// A piece of this is wanted.
    Get {
        /// Of what.
        object: SiteObject,
        /// The bytes before the piece.
        from: u64,
        /// How many bytes at the most; fewer only at the end.
        most: u32,
    },
}

/// What is known of a file: none where it is not there.
pub type KnownFile = Option<Variants>;
