//! Uploads: what somebody sends to be built, in place of a repository.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt as _;
use hythe_actors::uploads::UploadError;
use hythe_core::source::UploadDigest;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::Upload;
use crate::api::errands::Outcome;
use crate::api::extract::Which;
use crate::api::idempotency::{Asked, once};
use crate::api::problem::{Kind, Problem};
use crate::api::settings;

/// Shows an upload
///
/// Says whether the server has it: then it need not be sent.
#[utoipa::path(
    get, path = "/api/v1/uploads/{digest}", operation_id = "get_upload", tag = "deployments",
    params(("digest" = String, Path, description = "`sha256:` and the digest of its bytes")),
    responses((status = 200, description = "The server has it", body = Upload), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(digest): Which,
) -> Result<axum::Json<Upload>, Problem> {
    let digest: UploadDigest = settings::text("digest", &digest)?;
    let bytes = touch(&state, &digest).await?.ok_or_else(|| absent(&digest))?;
    Ok(axum::Json(Upload { digest: digest.to_string(), bytes }))
}

/// Sends an upload
///
/// A tar archive, packed by gzip or not, of at most 512 MiB: the files of an app as a repository would
/// have them. It is kept under its digest, so sent again it is there already. A deployment that names
/// it builds it. It stays for as long as an app or a version that can be gone back to refers to it, and
/// for seven days without.
#[utoipa::path(
    put, path = "/api/v1/uploads/{digest}", operation_id = "put_upload", tag = "deployments",
    params(
        ("digest" = String, Path, description = "`sha256:` and the digest of its bytes"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "It was there already", body = Upload),
        (status = 201, description = "It is there now", body = Upload),
        WriteProblems
    )
)]
pub(crate) async fn put(
    State(state): State<ApiState>,
    Which(digest): Which,
    asked: Asked,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let digest: UploadDigest = settings::text("digest", &digest)?;
    // What is sent is named by the address, which tells one request from another.
    let once = once(&asked, &blake3::hash(&[]), state.request_key())?;
    state.before(once.as_ref()).await?;
    let answer = |status: StatusCode, bytes: u64| {
        let outcome = Outcome::of(status, &Upload { digest: digest.to_string(), bytes })?;
        state.errands().note(once.as_ref(), &outcome);
        Ok(outcome.response())
    };
    if let Some(bytes) = touch(&state, &digest).await? {
        return match state.errands().before(once.as_ref())? {
            Some(mut before) => before.ended().await.map(|outcome| before.answer(outcome)),
            None => answer(StatusCode::OK, bytes),
        };
    }
    let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let said = said.and_then(|length| length.parse().ok());
    let uploads = state.control().uploads();
    let bytes = Box::pin(uploads.take(&digest, said, body.into_data_stream().boxed())).await;
    answer(StatusCode::CREATED, bytes.map_err(|error| problem(&error))?)
}

/// How many bytes an upload has that is there and is used now.
pub(super) async fn touch(state: &ApiState, digest: &UploadDigest) -> Result<Option<u64>, Problem> {
    let (uploads, digest) = (state.control().uploads().clone(), digest.clone());
    let looked = tokio::task::spawn_blocking(move || uploads.touch(&digest)).await;
    looked.map_err(|error| Problem::new(Kind::Internal, error.to_string()))
}

pub(super) fn absent(digest: &UploadDigest) -> Problem {
    Problem::not_found(format!(
        "this server has no upload {digest}; send it: PUT /api/v1/uploads/{digest}"
    ))
}

fn problem(error: &UploadError) -> Problem {
    let kind = match error {
        UploadError::TooLarge { .. } => Kind::TooLarge,
        UploadError::OtherDigest { .. } => {
            return Problem::field("digest", error.to_string());
        }
        UploadError::BrokeOff(_) => Kind::Malformed,
        UploadError::NoRoom => Kind::NoRoom,
        UploadError::Busy => {
            return Problem::new(Kind::Busy, error.to_string())
                .retry_after(std::time::Duration::from_secs(2));
        }
        UploadError::Folder(_) => Kind::Internal,
    };
    Problem::new(kind, error.to_string())
}
