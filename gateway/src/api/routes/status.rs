//! How the server is doing, in one answer.

use axum::extract::State;
use hythe_core::installation::recover::live_sites;
use hythe_core::wire::storage::DiskRoom;
use hythe_core::wire::worker::EngineDisk;

use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{BackupStatus, JournalStatus, ServerStatus};
use crate::api::present;
use crate::api::problem::Problem;
use crate::api::routes::{backups, health};

/// Less room than this is worth a warning, in bytes, and as one part in so many of the disk.
const LITTLE_ROOM: u64 = 1 << 30;
const LITTLE_PART: u64 = 20;
/// A mirror further behind than this is worth a warning, in milliseconds.
const MIRROR_LATE: u64 = 5_000;

/// The most workers whose disks are named, and warned of.
const MOST_DISKS: usize = 8;
const MOST_LOW_DISKS: usize = 20;
/// The most apps that are named whose sites are not there.
const MOST_GONE: usize = 8;

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
    let disks = state.see(|sight| present::engine_disks(sight.observed));
    let mut checks = health::checks(&state);
    // Here and not for everybody who asks whether the server is ready.
    if let Some(workers) = checks.iter_mut().find(|check| check.name == health::WORKERS) {
        workers.detail.push_str(&free(&disks));
    }
    let data = state.control().backups().data().to_owned();
    let disk = tokio::task::spawn_blocking(move || Disk::of(&data)).await.unwrap_or_default();
    let backup = backups::status(&state);
    let mut warnings = warnings(&backup, &disk);
    warnings.extend(low_disks(&disks));
    warnings.extend(state.control().sites().shared());
    warnings.extend(gone_sites(&state));
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

/// What is free on the disks of the workers' engines, in words.
fn free(disks: &[(String, EngineDisk)]) -> String {
    let disk = |(worker, disk): &(String, EngineDisk)| {
        let DiskRoom { free, whole } = disk.room;
        format!("{worker} {} of {} MiB", free >> 20, whole >> 20)
    };
    let mut shown: Vec<String> = disks.iter().take(MOST_DISKS).map(disk).collect();
    if disks.len() > MOST_DISKS {
        shown.push(format!("{} more", disks.len() - MOST_DISKS));
    }
    if shown.is_empty() {
        return String::new();
    }
    format!("; free on the disks of their engines: {}", shown.join(", "))
}

/// What is to be said of the disks of workers whose builds are about to end for want of room.
fn low_disks(disks: &[(String, EngineDisk)]) -> Vec<String> {
    let low = disks.iter().filter(|(_, disk)| disk.is_low());
    let said = low.map(|(worker, EngineDisk { room, least_free })| {
        format!(
            "the disk of worker {worker}'s engine has {} MiB left of {}, and builds end below {} \
             MiB (--build-free-disk): free some; `hythe gc` shows what Hythe can let go of",
            room.free >> 20,
            room.whole >> 20,
            least_free >> 20
        )
    });
    said.take(MOST_LOW_DISKS).collect()
}

/// What is to be said of apps whose static sites are not where their files are kept.
fn gone_sites(state: &ApiState) -> Option<String> {
    let gone = state.control().sites().gone();
    if gone.is_empty() {
        return None;
    }
    let names: Vec<String> = state.control().read(|view| {
        let live = live_sites(view).into_iter().filter(|(_, site)| gone.contains(site));
        let apps = live.filter_map(|(app, _)| view.apps.get(&app)?.state.active());
        apps.map(|app| app.name.to_string()).collect()
    });
    gone_apps(&names)
}

fn gone_apps(names: &[String]) -> Option<String> {
    let first = names.first()?;
    let mut shown: Vec<&str> = names.iter().take(MOST_GONE).map(String::as_str).collect();
    let more = format!("{} more", names.len().saturating_sub(MOST_GONE));
    if names.len() > MOST_GONE {
        shown.push(&more);
    }
    Some(format!(
        "the files of these static sites are not where they are kept (--sites): {}. Edges that \
         have them go on serving them. Each is deployed anew by itself, once; where that came to \
         nothing: hythe deploy {first}",
        shown.join(", ")
    ))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_that_are_not_there_are_named_and_not_all_of_many() {
        let names =
            |count| -> Vec<String> { (1..=count).map(|n: usize| format!("s{n}")).collect() };
        assert_eq!(gone_apps(&names(0)), None);
        let said = gone_apps(&names(2)).unwrap();
        assert!(said.contains("s1, s2.") && said.ends_with("hythe deploy s1"), "{said}");
        assert!(gone_apps(&names(10)).unwrap().contains("s8, 2 more."));
    }

    #[test]
    fn a_disk_is_warned_of_before_builds_end_for_it() {
        let disk = |free: u64| {
            let room = DiskRoom { whole: 100 << 30, free: free << 30 };
            ("main".to_owned(), EngineDisk { room, least_free: 2 << 30 })
        };
        assert_eq!(low_disks(&[disk(3)]), Vec::<String>::new());
        let said = low_disks(&[disk(50), disk(2), disk(0)]);
        assert_eq!(said.len(), 2);
        let expected =
            "worker main's engine has 2048 MiB left of 102400, and builds end below 2048 MiB";
        assert!(said[0].contains(expected), "{}", said[0]);
        assert_eq!(free(&[]), "");
        let named = "; free on the disks of their engines: main 3072 of 102400 MiB";
        assert_eq!(free(&[disk(3)]), named);
        let many: Vec<_> = (0..10).map(|_| disk(3)).collect();
        assert!(free(&many).ends_with(", 2 more"));
    }
}
