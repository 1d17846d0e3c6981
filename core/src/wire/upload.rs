//! Between builders and the control plane: the bytes of an upload, piece by piece.
//!
//! A builder asks for one piece after the other and puts them together; nothing of it is kept in NATS,
//! and each piece can be asked for again. The answer to a question is the bytes themselves, with what
//! there is to say about them in headers.

use serde::{Deserialize, Serialize};

use crate::ids::InstallationId;
use crate::source::UploadDigest;

/// The most bytes of one piece: a quarter of what NATS servers take in one message unless they were
/// told otherwise.
pub const MOST_PIECE: u32 = 256 * 1024;
/// The header with the bytes that the whole upload has.
pub const TOTAL: &str = "Hythe-Upload-Bytes";
/// The header of an answer without bytes, with the reason in words.
pub const FAILED: &str = "Hythe-Upload-Failed";
/// The header of an answer without bytes, where the server has no such upload.
pub const MISSING: &str = "Hythe-Upload-Missing";

/// A question for a piece of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadQuestion {
    /// Format of this message; 1.
    pub format: u16,
    /// Whose upload is meant.
    pub installation: InstallationId,
    /// Which.
    pub upload: UploadDigest,
    /// The bytes before the piece.
    pub from: u64,
    /// How many bytes at the most; fewer only at the end.
    pub most: u32,
}
