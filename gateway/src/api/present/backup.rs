//! Backups and the mirror as people see them.

use hythe_actors::backup::MirrorState;
use hythe_core::installation::due::due;
use hythe_core::installation::{Failed, Installation, Made};
use hythe_core::time::Timestamp;

use crate::api::dto::{BackupFailed, BackupMade, BackupSchedule, MirrorStatus};

pub(crate) fn made(made: &Made) -> BackupMade {
    BackupMade {
        id: made.id,
        to: made.to.as_ref().map(ToString::to_string),
        name: made.name.clone(),
        bytes: made.bytes,
        head: made.head.0,
        hash: made.hash.clone(),
        took_ms: made.took.0,
        at: made.at.into(),
    }
}

pub(crate) fn failed(failed: &Failed) -> BackupFailed {
    BackupFailed {
        id: failed.id,
        to: failed.to.as_ref().map(ToString::to_string),
        why: failed.why.clone(),
        at: failed.at.into(),
    }
}

pub(crate) fn schedule(state: &Installation, now: Timestamp) -> Option<BackupSchedule> {
    let (schedule, _) = state.schedule.as_ref()?;
    let due = due(state, now)?;
    Some(BackupSchedule {
        to: schedule.to.to_string(),
        every_ms: schedule.every.0,
        keep: schedule.keep,
        recipient: schedule.recipient.to_string(),
        next_at: due.at.into(),
        overdue: now >= due.stale_at,
    })
}

pub(crate) fn mirror(
    state: &Installation,
    seen: &MirrorState,
    now: Timestamp,
) -> Option<MirrorStatus> {
    let mirror = state.mirror.as_ref()?;
    Some(MirrorStatus {
        to: mirror.to.to_string(),
        recipient: mirror.recipient.to_string(),
        head: seen.at.0,
        lag_ms: seen.waiting_since.map_or(0, |since| now.since(since).0),
        whole_at: (seen.whole_at.0 > 0).then(|| seen.whole_at.into()),
        trouble: seen.trouble.clone(),
        parts: seen.parts as u64,
    })
}
