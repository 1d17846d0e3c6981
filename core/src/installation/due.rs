//! When the schedule's next backup is due, and when it is overdue. Pure: time arrives.

use super::Installation;
use crate::limits;
use crate::time::{Millis, Timestamp};

/// What the schedule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When the next backup is due.
    pub at: Timestamp,
    /// When it counts as overdue.
    pub stale_at: Timestamp,
}

/// When the next backup is due; none without a schedule.
///
/// The first is due at once. After one that failed the next try waits a minute, doubled with each
/// further failure, up to an hour or the schedule's own span where that is less. A backup that
/// seems to lie in the future by more than that span was noted under a wrong clock and counts for
/// nothing.
#[must_use]
pub fn due(installation: &Installation, now: Timestamp) -> Option<Due> {
    let (schedule, since) = installation.schedule.as_ref()?;
    let sane = |at: &Timestamp| *at <= now.plus(schedule.every);
    let made = installation.scheduled.filter(sane);
    let regular = made.map_or(*since, |at| at.plus(schedule.every)).min(now.plus(schedule.every));
    let again = installation.failed.as_ref().filter(|failed| sane(&failed.at)).map(|failed| {
        let most = limits::BACKUP_RETRY_MOST.0.min(schedule.every.0);
        let doublings = installation.failures.saturating_sub(1).min(16);
        let wait = limits::BACKUP_RETRY_FIRST.0.saturating_mul(1 << doublings).min(most);
        failed.at.plus(Millis(wait))
    });
    let reference = made.unwrap_or(*since).min(now);
    let grace = Millis(schedule.every.0.saturating_mul(2));
    Some(Due {
        at: again.map_or(regular, |again| again.max(regular)),
        stale_at: reference.plus(grace),
    })
}
