//! Sends a folder or an archive to the server, unless that has it already.

use std::path::{Path, PathBuf};

use hythe_core::source::UploadDigest;

use super::pack::{Packed, pack};
use crate::api::dto::Upload;
use crate::cli::Context;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::format;

/// Packs what is to be built.
pub(in crate::cli) async fn packed(context: &Context, path: &Path) -> Outcome<Packed> {
    let path: PathBuf = path.to_owned();
    let packed = tokio::task::spawn_blocking(move || pack(&path)).await;
    let packed = packed.map_err(|error| Failure::failed(error.to_string()))??;
    for note in &packed.notes {
        context.output.note(context.output.foreign(note));
    }
    context.output.note(format_args!(
        "packed {} files and folders into {}: {}",
        packed.entries,
        format::bytes(packed.bytes),
        packed.digest.short()
    ));
    Ok(packed)
}

/// Sees to it that the server has it.
pub(in crate::cli) async fn sent(context: &Context, packed: Packed) -> Outcome<UploadDigest> {
    let Packed { file, digest, bytes, .. } = packed;
    let path = ["uploads", digest.as_str()];
    let there: Outcome<Upload> = context.client.get(&path, &[]).await;
    match there {
        Ok(_) => {
            context.output.note("the server has it already");
            return Ok(digest);
        }
        Err(failure) if failure.problem.as_deref() == Some("not-found") => {}
        Err(failure) => return Err(failure),
    }
    let _there: Upload = context.client.upload(&path, &file, bytes).await?;
    Ok(digest)
}
