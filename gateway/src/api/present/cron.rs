//! Cron jobs.

use hythe_actors::crons::schedule::next_after;
use hythe_core::app::ActiveApp;
use hythe_core::cron::{self, CronName, CronSettings, Overlap};
use hythe_core::ids::RunId;
use hythe_core::one_off::OneOffEnd;
use hythe_core::time::Timestamp;

use crate::api::dto::{Cron, CronOverlap, CronRun, CronSkipped};

/// A job of an app.
pub(crate) fn cron(app: &ActiveApp, name: &CronName, job: &cron::Cron, now: Timestamp) -> Cron {
    let CronSettings { schedule, zone, command, within, overlap, paused } = &job.settings;
    let waits = if *paused {
        Some("it is paused")
    } else if app.live.is_none() {
        Some("no version is live")
    } else if app.rests() {
        Some("the app is stopped")
    } else {
        None
    };
    let next = next_after(&job.settings, now.max(job.from(now)));
    Cron {
        name: name.to_string(),
        schedule: schedule.to_string(),
        time_zone: zone.as_ref().map_or_else(|| "UTC".to_owned(), ToString::to_string),
        command: command.words().to_vec(),
        timeout_ms: within.0,
        overlap: match overlap {
            Overlap::Skip => CronOverlap::Skip,
            Overlap::Allow => CronOverlap::Allow,
            Overlap::Replace => CronOverlap::Replace,
        },
        paused: *paused,
        next_at: next.filter(|_| waits.is_none()).map(Into::into),
        waits: waits.map(str::to_owned),
        runs: job.runs.iter().map(run).collect(),
        skipped: job.skipped.map(|skipped| CronSkipped {
            first_at: skipped.first.into(),
            last_at: skipped.last.into(),
            why: skipped.why.to_string(),
        }),
    }
}

fn run(run: &cron::CronRun) -> CronRun {
    CronRun {
        id: run.run.uuid(),
        due_at: run.due.map(Into::into),
        begun_at: minted_at(run.run).into(),
        end: run.end.map(|end| end.to_string()),
        code: run.end.map(OneOffEnd::exit_code),
    }
}

/// When the id of a run was minted.
pub(crate) fn minted_at(run: RunId) -> Timestamp {
    let (seconds, nanoseconds) = run.uuid().get_timestamp().map_or((0, 0), |at| at.to_unix());
    Timestamp(seconds.saturating_mul(1_000).saturating_add(u64::from(nanoseconds) / 1_000_000))
}
