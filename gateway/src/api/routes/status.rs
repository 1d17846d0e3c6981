//! How the server is doing, in one answer.

use axum::extract::State;

use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{BackupStatus, JournalStatus, ServerStatus};
use crate::api::problem::Problem;
use crate::api::routes::{backups, health};

/// Less room than this is worth a warning, in bytes, and as one part in so many of the disk.
const LITTLE_ROOM: u64 = 1 << 30;
const LITTLE_PART: u64 = 20;
/// A mirror further behind than this is worth a warning, in milliseconds.
const MIRROR_LATE: u64 = 5_000;

/// Shows how the server is doing
///
/// What is broken, what is worth a warning, and what is only worth knowing.
#[utoipa::path(
    get, path = "/api/v1/status", operation_id = "get_status", tag = "server",
    responses((status = 200, description = "How it is doing", body = ServerStatus), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
) -> Result<axum::Json<ServerStatus>, Problem> {
    let checks = health::checks(&state);
    let data = state.control().backups().data().to_owned();
    let disk = tokio::task::spawn_blocking(move || Disk::of(&data)).await.unwrap_or_default();
    let backup = backups::status(&state);
    let warnings = warnings(&backup, &disk);
    let restored = state.control().read(|view| view.installation.state.restored.clone());
    Ok(axum::Json(ServerStatus {
        ready: health::is_ready(&checks),
        version: env!("CARGO_PKG_VERSION").into(),
        installation: state.control().installation().uuid(),
        checks,
        journal: JournalStatus {
            head: state.control().journal().head().0,
            bytes: disk.journal,
            disk_free_bytes: disk.free,
            disk_bytes: disk.whole,
        },
        backup,
        restored_at: restored.map(|restored| restored.at.into()),
        warnings,
    }))
}

#[derive(Default)]
struct Disk {
    journal: u64,
    free: u64,
    whole: u64,
}

impl Disk {
    /// What the journal takes and what is left; zero where the system does not say.
    fn of(data: &std::path::Path) -> Self {
        let files = std::fs::read_dir(data.join("journal")).into_iter().flatten().flatten();
        let journal = files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
        let about = rustix::fs::statvfs(data).ok();
        let (free, whole) = about.map_or((0, 0), |about| {
            (
                about.f_bavail.saturating_mul(about.f_frsize),
                about.f_blocks.saturating_mul(about.f_frsize),
            )
        });
        Self { journal, free, whole }
    }
}

fn warnings(backup: &BackupStatus, disk: &Disk) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(failed) = &backup.failed {
        warnings.push(format!("the last backup failed: {}", failed.why));
    }
    match (&backup.made, &backup.schedule) {
        (None, None) => warnings.push(
            "no backup was ever made: `hythe backup FILE` makes one, `hythe backup schedule --to \
             URL` makes them by themselves"
                .into(),
        ),
        (None, Some(_)) => warnings.push("no backup was ever made; the first one is due".into()),
        (Some(_), None) if backup.mirror.is_none() => warnings.push(
            "backups are made by hand only: `hythe backup schedule --to URL` makes them by \
             themselves"
                .into(),
        ),
        (Some(_), Some(schedule)) if schedule.overdue => {
            warnings.push("the scheduled backup is overdue".into());
        }
        (Some(_), Some(_) | None) => {}
    }
    if let Some(mirror) = &backup.mirror {
        if let Some(trouble) = &mirror.trouble {
            warnings.push(format!("the mirror cannot be written: {trouble}"));
        } else if mirror.lag_ms >= MIRROR_LATE {
            warnings.push(format!("the mirror is {} s behind", mirror.lag_ms / 1000));
        }
    }
    if disk.whole > 0 && (disk.free < LITTLE_ROOM || disk.free < disk.whole / LITTLE_PART) {
        warnings.push(format!(
            "the disk of the data folder has {} MiB left of {}; free some",
            disk.free >> 20,
            disk.whole >> 20
        ));
    }
    warnings
}
