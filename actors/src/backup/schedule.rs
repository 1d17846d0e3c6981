//! The schedule: makes what is due, says what is overdue, and removes what is beyond those to keep.

use std::time::Duration;

use hythe_core::installation::due::due;
use hythe_core::installation::{InstallationCommand, Schedule};
use hythe_core::time::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::names;
use super::place::{Place, PlaceError};
use crate::control::Control;

/// How often it looks at the least: the clock may be set.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Keeps the schedule until `stop` is cancelled.
///
/// # Errors
/// Where the projection is gone.
pub(crate) async fn run(control: Control, stop: CancellationToken) -> Result<(), String> {
    let mut seen = control.seen();
    loop {
        seen.mark_unchanged();
        let now = control.clock().now();
        let (state, last) =
            control.read(|view| (view.installation.state.clone(), view.installation.last));
        let due = due(&state, now);
        let schedule = state.schedule.as_ref().map(|(schedule, _)| schedule);
        if let (Some(due), Some(schedule)) = (due, schedule) {
            if now >= due.stale_at && !state.stale {
                control.note(InstallationCommand::NoteStale { at: now }).await;
            }
            if now >= due.at {
                let made = stop.run_until_cancelled(make(&control, schedule)).await;
                if made.is_none() {
                    return Ok(());
                }
                continue_when_seen(&control).await;
                continue;
            }
        }
        let next = due.map(|due| if state.stale { due.at } else { due.at.min(due.stale_at) });
        let changed = async {
            // Only what happens to the installation matters here.
            while seen.changed().await.is_ok() {
                if control.read(|view| view.installation.last) != last {
                    return true;
                }
            }
            false
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            there = changed => if !there { return Err("the projection is gone".into()) },
            () = tokio::time::sleep(pause(next, now)) => {}
        }
    }
}

fn pause(until: Option<Timestamp>, now: Timestamp) -> Duration {
    let until = until.map_or(LOOK_EVERY, |at| Duration::from_millis(at.since(now).0));
    until.clamp(Duration::from_millis(100), LOOK_EVERY)
}

/// What was noted is in the view, or the same backup would be due again.
async fn continue_when_seen(control: &Control) {
    if let Err(error) = control.wait_for(control.journal().head()).await {
        tracing::warn!(%error, "a backup that was noted is not seen yet");
    }
}

async fn make(control: &Control, schedule: &Schedule) {
    let made = control.back_up(Uuid::now_v7(), &schedule.to, &schedule.recipient, None).await;
    let Ok(made) = made else { return };
    tracing::info!(name = made.name, bytes = made.bytes, "made a backup");
    if let Err(error) = thin_out(control, schedule, &made.name).await {
        tracing::warn!(%error, "old backups could not be removed; the next one tries again");
    }
}

async fn thin_out(control: &Control, schedule: &Schedule, newest: &str) -> Result<(), PlaceError> {
    let place = Place::open(&schedule.to)?;
    let there: Vec<String> = place.list().await?.into_iter().map(|object| object.name).collect();
    for name in names::beyond(&there, control.installation(), schedule.keep, newest) {
        place.remove(&name).await?;
        tracing::info!(name, "removed an old backup");
    }
    Ok(())
}
