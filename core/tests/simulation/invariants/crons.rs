//! Cron jobs and commands that are run once: what became durable of them, and what truly ran.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::AppEvent;
use hythe_core::cron::{CronName, CronSettings, Overlap};
use hythe_core::ids::{AppId, RunId};
use hythe_core::limits;
use hythe_core::one_off::{Cut, OneOff, OneOffEnd};
use hythe_core::time::{Millis, Timestamp};

use super::Verdict;
use crate::control::{last_until, works};
use crate::made;
use crate::plant::Plant;
use crate::trace::Short;
use crate::world::World;

/// How much longer than the time for which one may be late a job may be left alone: what waits for its
/// turn is looked at every minute.
const LATE_AND_SOME: Millis = Millis(limits::CRON_LATE.0 + 90_000);
/// How long after its time a run whose worker stays away is given up, and some.
const GIVEN_UP: Millis = Millis(11 * 60_000);

/// A job, by its durable events; not by the core's own fold.
#[derive(Clone, Debug)]
struct Job {
    settings: CronSettings,
    counted: Timestamp,
    /// Times that it ran, since its clock was set back far.
    ran: BTreeSet<Timestamp>,
    open: BTreeSet<RunId>,
}

impl Job {
    /// Times up to this one are done with.
    fn count(&mut self, at: Timestamp) {
        let far_back = self.forget_where_far_back(at);
        self.counted = if far_back { at } else { self.counted.max(at) };
    }

    /// By a clock that was set back far, what ran before counts for nothing.
    fn forget_where_far_back(&mut self, at: Timestamp) -> bool {
        let far_back = self.counted.since(at) > limits::CRON_CLOCK_BACK;
        if far_back {
            self.ran.clear();
        }
        far_back
    }
}

/// A command that was run, by its durable events.
#[derive(Clone, Debug)]
struct Run {
    app: AppId,
    one_off: OneOff,
    /// When it was begun, by true time.
    at: u64,
    ended: bool,
}

/// What truly happened.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    jobs: BTreeMap<(AppId, CronName), Job>,
    runs: BTreeMap<RunId, Run>,
    /// How often the program of each run was begun.
    begun: BTreeMap<RunId, u32>,
}

impl Jobs {
    /// An engine lost a run's container, so that nobody can tell whether it ran.
    pub(crate) fn run_is_lost(&mut self, run: RunId) {
        self.begun.remove(&run);
    }

    fn run_ended(&mut self, run: RunId) {
        if let Some(run) = self.runs.get_mut(&run) {
            run.ended = true;
        }
        self.jobs.values_mut().for_each(|job| {
            job.open.remove(&run);
        });
    }
}

impl World {
    /// Takes in what became durable of an app's jobs, decided at a time by the clock.
    pub(super) fn witness_jobs(&mut self, app: AppId, event: &AppEvent, at: Timestamp) {
        let jobs = &mut self.truth.jobs;
        if let AppEvent::CronSet { cron, settings, at } = event {
            let fresh = || Job {
                settings: (**settings).clone(),
                counted: *at,
                ran: BTreeSet::new(),
                open: BTreeSet::new(),
            };
            let job = jobs.jobs.entry((app, cron.clone())).or_insert_with(fresh);
            job.settings = (**settings).clone();
            job.count(*at);
            if self.plant == Some(Plant::PausedJobsRun) && settings.paused {
                self.witness_cron_run(app, cron, (Some(*at), made::run_id(0)), *at);
            }
        } else if let AppEvent::CronRemoved { cron } = event {
            jobs.jobs.remove(&(app, cron.clone()));
            if self.plant == Some(Plant::RemovedJobsRun) {
                self.witness_cron_run(app, cron, (None, made::run_id(0)), at);
            }
        } else if let AppEvent::CronSkipped { cron, skipped } = event {
            if let Some(job) = jobs.jobs.get_mut(&(app, cron.clone())) {
                job.count(skipped.last);
            }
        } else if let AppEvent::CommandRun { run, one_off } = event {
            let (one_off, at) = ((**one_off).clone(), self.now);
            jobs.runs.insert(*run, Run { app, one_off, at, ended: false });
        } else if let AppEvent::CommandEnded { run, end } = event {
            jobs.run_ended(*run);
            self.count(match end {
                OneOffEnd::Exited { code: 0, .. } => "run ended well",
                OneOffEnd::Exited { .. } => "run failed",
                OneOffEnd::NotStarted => "run was not started",
                OneOffEnd::Cut(Cut::Lost) => "run lost",
                OneOffEnd::Cut(Cut::TooLong) => "run took too long",
                OneOffEnd::Cut(Cut::Stopped | Cut::ClientGone) => "run stopped",
            });
        } else if let AppEvent::Deleted { .. } = event {
            jobs.jobs.retain(|(of, _), _| *of != app);
            jobs.runs.values_mut().filter(|run| run.app == app).for_each(|run| run.ended = true);
        } else if let AppEvent::CronRun { cron, due, run } = event {
            self.count(if due.is_some() { "job ran" } else { "job ran by hand" });
            self.witness_cron_run(app, cron, (*due, *run), at);
            if self.plant == Some(Plant::TimesRunTwice) && due.is_some() {
                self.truth.jobs.run_ended(*run);
                self.witness_cron_run(app, cron, (*due, made::run_id(0)), at);
            }
            if self.plant == Some(Plant::JobsOverlap) {
                self.witness_cron_run(app, cron, (None, made::run_id(0)), at);
            }
        }
    }

    fn witness_cron_run(
        &mut self,
        app: AppId,
        cron: &CronName,
        (due, run): (Option<Timestamp>, RunId),
        at: Timestamp,
    ) {
        let Some(job) = self.truth.jobs.jobs.get_mut(&(app, cron.clone())) else {
            let removed = Err(format!("{cron} of {} runs, and there is none", Short(app.uuid())));
            return self.holds("what_was_removed_runs_no_more", removed);
        };
        let mut known = job.clone();
        if let Some(due) = due {
            known.forget_where_far_back(due);
            job.count(due);
            job.ran.insert(due);
        }
        job.open.insert(run);
        let verdict = invariant_a_time_runs_once(&known, due);
        self.holds("a_time_runs_once", verdict);
        let verdict = invariant_runs_overlap_where_they_may(&known);
        self.holds("runs_overlap_where_they_may", verdict);
        let verdict = invariant_what_is_paused_is_not_due(&known, due);
        self.holds("what_is_paused_is_not_due", verdict);
        let verdict = invariant_what_was_missed_is_left_out(due, at);
        self.holds("what_was_missed_is_left_out", verdict);
    }

    /// The program of a run begins.
    pub(crate) fn judge_run(&mut self, run: RunId) {
        let begun = self.truth.jobs.begun.entry(run).or_default();
        *begun += 1;
        let verdict = invariant_a_run_begins_once(*begun, run);
        self.holds("a_run_begins_once", verdict);
        let verdict = self.invariant_what_runs_was_decided(run);
        self.holds("what_runs_was_decided", verdict);
        self.count("run begun");
    }

    /// That a command runs is durable before any worker hears of it.
    fn invariant_what_runs_was_decided(&self, run: RunId) -> Verdict {
        if self.truth.jobs.runs.contains_key(&run) {
            return Ok(());
        }
        Err(format!("{} begins, and no event says so", Short(run.uuid())))
    }

    /// Of every run it is known how it ended: of a worker that left for ever, once its time is over by
    /// the clock. What goes on is within its time, by its machine's clock.
    pub(super) fn invariant_every_run_ends(&self) -> Verdict {
        for (id, run) in &self.truth.jobs.runs {
            let machine = self.machines.iter().find(|one| one.id == run.one_off.worker);
            let container = machine.and_then(|machine| machine.engine.runs.get(id));
            let goes_on = container.is_some_and(|one| one.runs());
            if run.ended && goes_on {
                return Err(format!("{} runs, and has ended", Short(id.uuid())));
            }
            let waits = match machine {
                Some(machine) if machine.gone => {
                    self.control_now() <= run.one_off.until.plus(GIVEN_UP)
                }
                // Its clock was set back since.
                Some(machine) => container.is_some_and(|one| {
                    goes_on && one.until.since(self.clock(machine.skew)) > one.within
                }),
                None => false,
            };
            if !run.ended && run.at < self.calm_since && !waits {
                return Err(format!("{} has not ended: {run:?}", Short(id.uuid())));
            }
        }
        Ok(())
    }

    /// Every time of a job that may run was dealt with: it ran, or was left out.
    pub(super) fn invariant_what_is_due_is_dealt_with(&self) -> Verdict {
        let now = self.control_now();
        for app in self.truth.apps.values().filter_map(|app| app.active()) {
            for (name, cron) in app.crons.iter().filter(|(_, cron)| !cron.settings.paused) {
                let last = Timestamp(now.0.saturating_sub(LATE_AND_SOME.0));
                let last = last_until(&cron.settings, last);
                if works(app) && !cron.is_done_with(last) {
                    return Err(format!("{name} of {} was due at {last:?}", app.name));
                }
            }
        }
        Ok(())
    }
}

/// A clock that is set back by up to three hours runs nothing twice.
fn invariant_a_time_runs_once(job: &Job, due: Option<Timestamp>) -> Verdict {
    match due.filter(|due| job.ran.contains(due)) {
        Some(due) => Err(format!("it runs at {due:?}, as it did before")),
        None => Ok(()),
    }
}

/// What runs still is followed by another one only where that was allowed.
fn invariant_runs_overlap_where_they_may(job: &Job) -> Verdict {
    match (job.settings.overlap, job.open.first()) {
        (Overlap::Skip | Overlap::Replace, Some(open)) => {
            Err(format!("it runs beside {}", Short(open.uuid())))
        }
        (Overlap::Skip | Overlap::Replace, None) | (Overlap::Allow, _) => Ok(()),
    }
}

/// A job that is paused runs when somebody asks for it, and never by itself.
fn invariant_what_is_paused_is_not_due(job: &Job, due: Option<Timestamp>) -> Verdict {
    match due {
        Some(due) if job.settings.paused => Err(format!("it is paused, and ran at {due:?}")),
        Some(_) | None => Ok(()),
    }
}

/// What nobody looked at for too long is not made up for.
fn invariant_what_was_missed_is_left_out(due: Option<Timestamp>, at: Timestamp) -> Verdict {
    match due.filter(|due| at.since(*due) > limits::CRON_LATE) {
        Some(due) => Err(format!("what was due at {due:?} runs at {at:?}")),
        None => Ok(()),
    }
}

/// However often a worker is told of it, but for an engine that loses its containers.
fn invariant_a_run_begins_once(begun: u32, run: RunId) -> Verdict {
    if begun == 1 { Ok(()) } else { Err(format!("{} begun {begun} times", Short(run.uuid()))) }
}
