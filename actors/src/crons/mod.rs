//! Cron jobs: looks every minute which are due, and has them run.
//!
//! Invariants: up to which time a job is done with is in the journal, so that a restart neither runs
//! one twice nor forgets it. What came due while nobody looked runs once where that is not long ago,
//! and is told as missed where it is. A job that has to wait, for the run before or for a worker,
//! holds up no other one.

mod again;
pub mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hythe_core::app::{ActiveApp, App, AppCommand};
use hythe_core::cron::{Attending, Cron, CronName, CronSettings, CronSkip, CronSkipped, Due};
use hythe_core::ids::{AppId, CorrelationId, RunId, WorkerId};
use hythe_core::limits;
use hythe_core::one_off::OneOffEnd;
use hythe_core::record::Actor;
use hythe_core::rejection::Rejection;
use hythe_core::time::Timestamp;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::again::Open;
use self::schedule::{last_until, next_after};
use crate::aggregate::{CommandError, Extras};
use crate::control::Control;
use crate::node::guard::guarded;
use crate::runs::{self, Hold, RunError, Wanted};

/// Schedules know no less than a minute.
const MINUTE: u64 = 60_000;
/// Before what could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a run that is to give way may take to end beyond its own time for that.
const GIVES_WAY_WITHIN: Duration = Duration::from_secs(30);
/// How long what is being begun has when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(3);
/// Jobs that are attended to at the same time: more wait for their turn.
const MOST_AT_ONCE: usize = 32;

/// Which job.
type Key = (AppId, CronName);

/// A job that is due.
#[derive(Clone, Debug)]
struct DueJob {
    app: AppId,
    cron: CronName,
    due: Due,
}

/// Runs what is due until `stop`.
///
/// # Errors
/// Never: what does not work now is tried again, or told as left out.
pub(crate) async fn keep(control: Control, stop: CancellationToken) -> Result<(), String> {
    let mut attended: JoinSet<Key> = JoinSet::new();
    let mut busy: BTreeSet<Key> = BTreeSet::new();
    let resumed = again::resume(&control, &stop);
    // What came due while the server was away.
    let mut looked_at = minute(control.clock().now());
    let mut wait: Vec<DueJob> = all_due(&control);
    loop {
        wait.retain(|job| !busy.contains(&(job.app, job.cron.clone())));
        for job in std::mem::take(&mut wait) {
            if attended.len() >= MOST_AT_ONCE {
                wait.push(job);
            } else if busy.insert((job.app, job.cron.clone())) {
                let (control, stop) = (control.clone(), stop.clone());
                attended.spawn(async move {
                    let key = (job.app, job.cron.clone());
                    if let Err(why) = guarded(Box::pin(attend(&control, &job, &stop))).await {
                        tracing::error!(cron = %key.1, why, "a cron job could not be attended to");
                    }
                    key
                });
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            Some(Ok(key)) = attended.join_next() => {
                busy.remove(&key);
            }
            () = tokio::time::sleep(until_next(looked_at, control.clock().now())) => {
                looked_at = minute(control.clock().now());
                wait = all_due(&control);
            }
        }
    }
    // What is just being begun is not left half begun, where that does not take long.
    let rest = async { while attended.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WITHIN, rest).await.is_err() {
        tracing::info!("cron jobs that were being begun are looked at again after the next start");
    }
    drop(resumed);
    Ok(())
}

const fn minute(at: Timestamp) -> u64 {
    at.0 / MINUTE
}

/// How long to wait after the minute that was looked at last. Another one may have begun since then while
/// something else was heard, and a clock may be set: then it is over.
const fn until_next(looked_at: u64, now: Timestamp) -> Duration {
    if minute(now) == looked_at {
        Duration::from_millis(MINUTE - now.0 % MINUTE)
    } else {
        Duration::ZERO
    }
}

/// Whether its jobs run at all.
fn works(app: &ActiveApp) -> bool {
    app.discarded.is_none() && app.live.is_some() && !app.rests()
}

fn all_due(control: &Control) -> Vec<DueJob> {
    let now = control.clock().now();
    // Times are worked out afterwards, so that nobody waits for it.
    let jobs: Vec<(AppId, CronName, CronSettings, Timestamp)> = control.read(|view| {
        let apps = view.apps.iter().filter_map(|(id, app)| Some((*id, app.state.active()?)));
        let jobs = apps.filter(|(_, app)| works(app)).flat_map(|(id, app)| {
            let jobs = app.crons.iter().filter(|(_, cron)| !cron.settings.paused);
            jobs.map(move |(name, cron)| (id, name.clone(), cron.settings.clone(), cron.from(now)))
        });
        jobs.collect()
    });
    let due = |(app, cron, settings, from): (AppId, CronName, CronSettings, Timestamp)| {
        let first = next_after(&settings, from).filter(|first| *first <= now)?;
        let last = last_until(&settings, now).filter(|last| *last >= first)?;
        let before = Timestamp(last.0.saturating_sub(1));
        let several = first < last;
        let last_but_one = several.then(|| last_until(&settings, before)).flatten();
        Some(DueJob { app, cron, due: Due { first, last_but_one, last } })
    };
    jobs.into_iter().filter_map(due).collect()
}

/// A job as it is now.
fn look(control: &Control, job: &DueJob) -> Option<(Cron, BTreeMap<RunId, WorkerId>)> {
    control.read(|view| {
        let app = view.apps.get(&job.app)?.state.active().filter(|app| works(app))?;
        let cron = app.crons.get(&job.cron)?;
        let open = cron.open().map(|run| (run.run, run.worker)).collect();
        Some((cron.clone(), open))
    })
}

async fn attend(control: &Control, job: &DueJob, stop: &CancellationToken) {
    let due = job.due;
    let now = control.clock().now();
    if let Some(missed) = due.missed(now) {
        if look(control, job).is_none() {
            return;
        }
        skip(control, job, missed).await;
        if due.is_late(now) {
            return;
        }
    }
    // One for all tries: what became durable without an answer is found again by it.
    let run = RunId::new(Uuid::now_v7());
    // From here on somebody looks after it, until its worker has heard of it.
    let hold = control.runs().begin(run);
    let mut why = CronSkip::NoWorker;
    loop {
        let Some((cron, open)) = look(control, job) else { return };
        match due.attend(&cron, control.clock().now(), why) {
            Attending::Over => return tell_of_earlier(control, job, run, hold, stop).await,
            Attending::LeaveOut(skipped) => return skip(control, job, skipped).await,
            Attending::GiveWay => {
                let gave_way = stop.run_until_cancelled(give_way(control, job, open)).await;
                let Some(gave_way) = gave_way else { return };
                if !gave_way {
                    return skip(control, job, due.left_out(CronSkip::Overlap)).await;
                }
                // That took its time: whether it is to run still is asked once more.
                continue;
            }
            Attending::Run => {}
        }
        match begin(control, job, &cron, run).await {
            Ok(Begun::Now(prepared)) => {
                open_now(control, job, &cron, *prepared, hold, stop).await;
                return forget_old(control, job, &cron).await;
            }
            Ok(Begun::Before) => return tell_of_earlier(control, job, run, hold, stop).await,
            Err(Some(left_out)) => why = left_out,
            Err(None) => {}
        }
        if stop.run_until_cancelled(tokio::time::sleep(AGAIN)).await.is_none() {
            return;
        }
    }
}

/// Ends what goes on; whether it did.
async fn give_way(control: &Control, job: &DueJob, open: BTreeMap<RunId, WorkerId>) -> bool {
    for (run, worker) in &open {
        if let Err(error) = Box::pin(runs::stop(control, *worker, *run)).await {
            tracing::warn!(%run, %error, "a run that is to give way could not be ended yet");
        }
    }
    let stop_within = control.read(|view| {
        let app = view.apps.get(&job.app).and_then(|app| app.state.active());
        app.map_or(limits::STOP_WITHIN, |app| app.settings.stop_within)
    });
    let until = Instant::now() + Duration::from_millis(stop_within.0) + GIVES_WAY_WITHIN;
    let mut seen = control.seen();
    loop {
        seen.mark_unchanged();
        let goes_on =
            look(control, job).is_some_and(|(_, now)| now.keys().any(|run| open.contains_key(run)));
        if !goes_on {
            return true;
        }
        if !matches!(tokio::time::timeout_at(until, seen.changed()).await, Ok(Ok(()))) {
            return false;
        }
    }
}

/// What became of a try.
enum Begun {
    /// It is in the journal that it runs, and its worker is to be told.
    Now(Box<runs::Prepared>),
    /// It was done with already, or was paused meanwhile.
    Before,
}

/// Has the journal say that it runs.
///
/// # Errors
/// Why it does not, as far as that says why it is left out.
async fn begin(
    control: &Control,
    job: &DueJob,
    cron: &Cron,
    run: RunId,
) -> Result<Begun, Option<CronSkip>> {
    let wanted = wanted(job.app, &cron.settings);
    let prepared = match runs::prepare(control, run, wanted) {
        Ok(prepared) => prepared,
        Err(RunError::Unavailable(why)) => {
            tracing::info!(cron = %job.cron, why, "a cron job waits");
            return Err(Some(CronSkip::NoWorker));
        }
        Err(RunError::Unfit(why)) => {
            tracing::info!(cron = %job.cron, why, "a cron job waits");
            return Err(None);
        }
    };
    let command = AppCommand::RunCron {
        cron: job.cron.clone(),
        due: Some(job.due.last),
        run,
        one_off: Box::new(prepared.one_off.clone()),
    };
    let meta = control.meta(Actor::System, Some(CorrelationId::new(run.uuid())), None);
    match control.command::<App>(job.app.uuid(), command, Extras::from(meta)).await {
        Ok(done) if done.events.is_empty() => Ok(Begun::Before),
        Ok(_) => Ok(Begun::Now(Box::new(prepared))),
        Err(CommandError::Rejected(Rejection::Conflict { reason })) => {
            tracing::info!(cron = %job.cron, reason, "a cron job waits");
            Err(Some(CronSkip::TooMany))
        }
        Err(error) => {
            tracing::warn!(cron = %job.cron, %error, "a cron job could not be begun");
            Err(None)
        }
    }
}

/// Tells the worker of a run that has just begun. One that does not answer may have heard of it, or will
/// when it is back: it is told again.
async fn open_now(
    control: &Control,
    job: &DueJob,
    cron: &Cron,
    prepared: runs::Prepared,
    hold: Hold,
    stop: &CancellationToken,
) {
    let run = prepared.opening.run;
    match Box::pin(runs::open(control, &prepared)).await {
        Ok(_) => {}
        Err(RunError::Unfit(why)) => {
            tracing::warn!(%run, why, "a cron job's command was not started");
            runs::ended(control, job.app, run, OneOffEnd::NotStarted).await;
        }
        Err(RunError::Unavailable(why)) => {
            tracing::info!(%run, why, "a cron job's worker does not answer; it is told again");
            let settings = cron.settings.clone();
            let open = Open { app: job.app, run, one_off: prepared.one_off, settings, hold };
            stop.run_until_cancelled(again::tell(control, open)).await;
        }
    }
}

/// Tells the worker of a run that began with an earlier try, whose answer did not come; where there is
/// one.
async fn tell_of_earlier(
    control: &Control,
    job: &DueJob,
    run: RunId,
    hold: Hold,
    stop: &CancellationToken,
) {
    let begun = control.read(|view| {
        let app = view.apps.get(&job.app)?.state.active()?;
        let cron = app.crons.get(&job.cron)?;
        cron.open().find(|open| open.run == run)?;
        Some((app.one_offs.get(&run)?.clone(), cron.settings.clone()))
    });
    if let Some((one_off, settings)) = begun {
        let open = Open { app: job.app, run, one_off, settings, hold };
        stop.run_until_cancelled(again::tell(control, open)).await;
    }
}

/// What is to run.
#[must_use]
pub fn wanted(app: AppId, settings: &CronSettings) -> Wanted {
    Wanted {
        app,
        command: settings.command.clone(),
        variables: Vec::new(),
        terminal: None,
        detached: true,
        bare: false,
        within: settings.within,
    }
}

/// What runs wrote of which nothing is remembered any more goes.
async fn forget_old(control: &Control, job: &DueJob, before: &Cron) {
    let Some((now, _)) = look(control, job) else { return };
    let still: BTreeSet<RunId> = now.runs.iter().map(|run| run.run).collect();
    for old in before.runs.iter().filter(|old| !still.contains(&old.run)) {
        if let Err(error) = Box::pin(runs::forget(control, old.worker, old.run)).await {
            tracing::debug!(run = %old.run, %error, "what a run wrote goes later");
        }
    }
}

async fn skip(control: &Control, job: &DueJob, skipped: CronSkipped) {
    let command = AppCommand::SkipCron { cron: job.cron.clone(), skipped };
    let meta = control.meta(Actor::System, None, None);
    control.insist::<App>(job.app.uuid(), command, meta).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_that_begins_while_something_else_is_heard_is_looked_at() {
        // When it was looked at, when somebody asks, and how long to wait, in milliseconds.
        let rows = [
            (600_000, 600_000, 60_000),
            (600_000, 659_999, 1),
            (600_000, 660_000, 0),
            (659_990, 660_001, 0),
            (600_000, 7_000_000, 0),
            (600_000, 599_999, 0),
        ];
        for (looked_at, now, wait) in rows {
            let found = until_next(minute(Timestamp(looked_at)), Timestamp(now));
            assert_eq!(found, Duration::from_millis(wait), "{looked_at} {now}");
        }
    }
}
