//! Backups: made, handed out, made by themselves; and the mirror.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use hythe_actors::backup::{Place, PlaceError};
use hythe_core::installation::{
    BackupPlace, BackupRecipient, InstallationCommand, Mirror, Schedule,
};
use hythe_core::time::Millis;
use uuid::Uuid;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{
    BackupRun, BackupStatus, CreateBackup, DownloadBackup, SetBackupSchedule, SetMirror,
};
use crate::api::errands::Outcome;
use crate::api::extract::{Json, OptionalJson};
use crate::api::idempotency::{Asked, mark_replayed, once};
use crate::api::present;
use crate::api::problem::{Kind, Problem};
use crate::api::settings;
use crate::api::writing::Writing;

/// How long the answer waits for a backup; after that it says that it is under way.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The last event in a backup that is handed out, and its hash.
pub(crate) const HEAD: HeaderName = HeaderName::from_static("hythe-backup-head");
pub(crate) const HASH: HeaderName = HeaderName::from_static("hythe-backup-hash");
/// What a backup of the installation is named.
pub(crate) const NAME: HeaderName = HeaderName::from_static("hythe-backup-name");
/// The key file on the server that opens it, where the server's own key was used.
pub(crate) const KEY_FILE: HeaderName = HeaderName::from_static("hythe-backup-key-file");

/// Shows how the installation is backed up
#[utoipa::path(
    get, path = "/api/v1/backups", operation_id = "get_backups", tag = "backups",
    responses((status = 200, description = "Schedule, last backups and mirror", body = BackupStatus), ReadProblems)
)]
pub(crate) async fn show(State(state): State<ApiState>) -> axum::Json<BackupStatus> {
    axum::Json(status(&state))
}

pub(crate) fn status(state: &ApiState) -> BackupStatus {
    let (now, backups) = (state.now(), state.control().backups());
    let installation = state.control().read(|view| view.installation.state.clone());
    let key_file = backups.key_file();
    BackupStatus {
        schedule: present::schedule(&installation, now),
        made: installation.made.as_ref().map(present::made),
        failed: installation.failed.as_ref().map(present::failed),
        running: backups.busy(),
        mirror: present::mirror(&installation, &backups.mirror(), now),
        key_file: key_file.exists().then(|| key_file.display().to_string()),
    }
}

/// Makes a backup in a place
///
/// Of everything as it is now, while everything goes on: events, secrets (sealed as they are) and
/// what makes this server this one, encrypted for the recipient. Answers once it is made, or with
/// 202 where that takes longer than 20 seconds; how it ended is shown under `/api/v1/backups`.
#[utoipa::path(
    post, path = "/api/v1/backups", operation_id = "create_backup", tag = "backups",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    request_body = CreateBackup,
    responses(
        (status = 200, description = "It is made", body = BackupRun),
        (status = 202, description = "It is being made", body = BackupRun),
        WriteProblems
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    asked: Asked,
    Json { value, hash }: Json<CreateBackup>,
) -> Result<Response, Problem> {
    let once = once(&asked, &hash, state.request_key())?;
    // One that was made is in the journal, under its key; one that is being made is not yet.
    let begun = match state.errands().before(once.as_ref())? {
        Some(errand) => Some(errand),
        None => match state.before(once.as_ref()).await? {
            Some(before) => return Ok(mark_replayed(made_before(&state, before.resource))),
            None => None,
        },
    };
    let mut errand = match begun {
        Some(errand) => errand,
        None => {
            let to: BackupPlace = settings::text("to", &value.to)?;
            let recipient = recipient(&state, value.recipient).await?;
            // It goes on when whoever asked hangs up: it is half made already.
            state.errands().begin(once.as_ref(), |id| {
                let (control, once) = (state.control().clone(), once.clone());
                async move {
                    let claim = once.as_ref().map(|once| once.claim(id)).transpose()?;
                    let made = Box::pin(control.back_up(id, &to, &recipient, claim)).await;
                    let made = made.map_err(|error| cannot(&error))?;
                    let run = BackupRun { id, made: Some(present::made(&made)) };
                    Outcome::of(StatusCode::OK, &run)
                }
            })?
        }
    };
    match tokio::time::timeout(ANSWER_WITHIN, errand.ended()).await {
        Ok(outcome) => Ok(errand.answer(outcome?)),
        Err(_elapsed) => {
            let run = BackupRun { id: errand.id, made: None };
            Ok(errand.answer(Outcome::of(StatusCode::ACCEPTED, &run)?))
        }
    }
}

/// What a backup came to that was made before, as far as it is still known.
fn made_before(state: &ApiState, id: Uuid) -> Response {
    let made = state.control().read(|view| view.installation.state.made.clone());
    let made = made.filter(|made| made.id == id);
    axum::Json(BackupRun { id, made: made.as_ref().map(present::made) }).into_response()
}

/// Hands a backup out
///
/// Takes no `Idempotency-Key`: asked for again, it is another backup, of what is there by then. The
/// body is the backup itself, an age file. One that broke off ends without its last bytes and
/// is refused by whoever reads it.
#[utoipa::path(
    post, path = "/api/v1/backups/download", operation_id = "download_backup", tag = "backups",
    request_body = Option<DownloadBackup>,
    responses(
        (status = 200, description = "The backup", body = String, content_type = "application/octet-stream"),
        WriteProblems
    )
)]
pub(crate) async fn download(
    State(state): State<ApiState>,
    OptionalJson(Json { value, hash: _ }): OptionalJson<DownloadBackup>,
) -> Result<Response, Problem> {
    let own = value.recipient.is_none();
    let recipient = recipient(&state, value.recipient).await?;
    let out = state.control().hand_out_backup(recipient).await.map_err(|error| cannot(&error))?;
    let text =
        |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"));
    let head = text(&out.head.sequence.to_string());
    let chunks =
        stream::unfold(
            out.chunks,
            |mut chunks| async move { Some((chunks.recv().await?, chunks)) },
        );
    let mut response = Body::from_stream(chunks.boxed()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(HEAD, head);
    headers.insert(HASH, text(&out.head.hash));
    headers.insert(NAME, text(&out.name));
    if own {
        headers.insert(KEY_FILE, text(&state.control().backups().key_file().to_string_lossy()));
    }
    Ok(response)
}

/// Makes backups by itself from now on
///
/// The first one at once. One that fails is tried again, ever later; both are events.
#[utoipa::path(
    put, path = "/api/v1/backups/schedule", operation_id = "set_backup_schedule", tag = "backups",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    request_body = SetBackupSchedule,
    responses((status = 200, description = "How it is backed up now", body = BackupStatus), WriteProblems)
)]
pub(crate) async fn schedule(
    State(state): State<ApiState>,
    asked: Asked,
    Json { value, hash }: Json<SetBackupSchedule>,
) -> Result<Response, Problem> {
    let writing = state.writing(&asked, &hash).await?;
    if writing.done() {
        return Ok(writing.answer(axum::Json(status(&state))));
    }
    let to = place(&value.to).await?;
    let recipient = recipient(&state, value.recipient).await?;
    let every = Millis(value.every_ms);
    let schedule = Schedule { to, recipient, every, keep: value.keep };
    give(&state, writing, InstallationCommand::SetSchedule { schedule, at: state.now() }).await
}

/// Makes no more backups by itself
///
/// Those that are there stay.
#[utoipa::path(
    delete, path = "/api/v1/backups/schedule", operation_id = "remove_backup_schedule", tag = "backups",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    responses((status = 200, description = "How it is backed up now", body = BackupStatus), WriteProblems)
)]
pub(crate) async fn unschedule(
    State(state): State<ApiState>,
    asked: Asked,
) -> Result<Response, Problem> {
    let writing = state.writing_plainly(&asked).await?;
    give(&state, writing, InstallationCommand::RemoveSchedule).await
}

/// Mirrors the journal from now on
///
/// Everything that is there first, and then whatever comes, within a second.
#[utoipa::path(
    put, path = "/api/v1/backups/mirror", operation_id = "set_mirror", tag = "backups",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    request_body = SetMirror,
    responses((status = 200, description = "How it is backed up now", body = BackupStatus), WriteProblems)
)]
pub(crate) async fn mirror(
    State(state): State<ApiState>,
    asked: Asked,
    Json { value, hash }: Json<SetMirror>,
) -> Result<Response, Problem> {
    let writing = state.writing(&asked, &hash).await?;
    if writing.done() {
        return Ok(writing.answer(axum::Json(status(&state))));
    }
    let to = place(&value.to).await?;
    let recipient = recipient(&state, value.recipient).await?;
    give(&state, writing, InstallationCommand::SetMirror(Mirror { to, recipient })).await
}

/// Mirrors the journal no more
///
/// What is there stays.
#[utoipa::path(
    delete, path = "/api/v1/backups/mirror", operation_id = "remove_mirror", tag = "backups",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255)),
    responses((status = 200, description = "How it is backed up now", body = BackupStatus), WriteProblems)
)]
pub(crate) async fn unmirror(
    State(state): State<ApiState>,
    asked: Asked,
) -> Result<Response, Problem> {
    let writing = state.writing_plainly(&asked).await?;
    give(&state, writing, InstallationCommand::RemoveMirror).await
}

async fn give(
    state: &ApiState,
    mut writing: Writing<'_>,
    command: InstallationCommand,
) -> Result<Response, Problem> {
    if !writing.done() {
        writing.tell(command, vec![]).await?;
    }
    Ok(writing.answer(axum::Json(status(state))))
}

/// A place that can be used: whoever sets one hears now what is wrong with it, and not from the
/// first backup.
async fn place(text: &str) -> Result<BackupPlace, Problem> {
    let place: BackupPlace = settings::text("to", text)?;
    let open = Place::open(&place).map_err(|error| unfit(&error))?;
    match tokio::time::timeout(ANSWER_WITHIN, open.list()).await {
        Ok(Ok(_)) => Ok(place),
        Ok(Err(error)) => Err(unfit(&error)),
        Err(_elapsed) => Err(Problem::field(
            "to",
            "this place does not answer within 20 seconds; for an object store, check endpoint and \
             credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the server's environment)",
        )),
    }
}

fn unfit(error: &PlaceError) -> Problem {
    Problem::field("to", format!("failed to {error}"))
}

async fn recipient(state: &ApiState, given: Option<String>) -> Result<BackupRecipient, Problem> {
    let given = given.map(|text| settings::text("recipient", &text)).transpose()?;
    let backups = state.control().backups().clone();
    let found = tokio::task::spawn_blocking(move || backups.recipient(given)).await;
    match found {
        Ok(Ok(recipient)) => Ok(recipient),
        Ok(Err(error)) => Err(Problem::field("recipient", format!("failed to {error}"))),
        Err(error) => Err(cannot(&error)),
    }
}

fn cannot(error: &dyn std::error::Error) -> Problem {
    Problem::new(Kind::Conflict, format!("failed to {error}"))
}
