//! Cron jobs: looks every minute which are due, and has them run, each for itself.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::{ActiveApp, App, AppCommand};
use hythe_core::cron::{
    Attending, Cron, CronName, CronSettings, CronSkip, CronSkipped, Due as DueTimes,
};
use hythe_core::ids::{AppId, RunId, WorkerId};
use hythe_core::limits;
use hythe_core::record::Actor;
use hythe_core::rejection::Rejection;
use hythe_core::time::Timestamp;

use super::runs::{How, Telling};
use super::{Insisted, Then};
use crate::aggregate::{Answer, Waiter};
use crate::made;
use crate::plant::Plant;
use crate::schedule::Due;
use crate::trace::Short;
use crate::world::World;

/// Schedules know no less than a minute.
const MINUTE: u64 = 60_000;
/// Before what could not be done is tried again.
const AGAIN: u64 = 2_000;
/// From one look whether a run that is to give way has done so to the next.
const LOOK_EVERY: u64 = 500;
/// How long such a run may take beyond its own time for that.
const GIVES_WAY_WITHIN: u64 = 30_000;

/// Which job.
pub(crate) type Job = (AppId, CronName);

/// Something about cron jobs.
#[derive(Clone, Debug)]
pub(crate) enum CronDue {
    Look,
    Attend(Job),
}

/// A job that is due, while it is attended to.
#[derive(Clone, Debug)]
pub(crate) struct Attended {
    due: DueTimes,
    run: RunId,
    why: CronSkip,
    /// What has to end first, and until when that may take.
    gives_way: Option<(BTreeSet<RunId>, u64)>,
}

/// How many minutes lie between two times of a schedule: those here are all `* * * * *` or `*/N * * * *`.
fn every(settings: &CronSettings) -> u64 {
    let minute = settings.schedule.as_str().split(' ').next().unwrap_or_default();
    let step = minute.strip_prefix("*/").map_or(Ok(1), str::parse);
    step.unwrap_or(1) * MINUTE
}

/// The first time after this one.
fn next_after(settings: &CronSettings, after: Timestamp) -> Timestamp {
    let every = every(settings);
    Timestamp((after.0 / every + 1) * every)
}

/// The last time up to this one.
pub(crate) fn last_until(settings: &CronSettings, until: Timestamp) -> Timestamp {
    let every = every(settings);
    Timestamp(until.0 / every * every)
}

/// Whether an app's jobs run at all.
pub(crate) fn works(app: &ActiveApp) -> bool {
    app.discarded.is_none() && app.live.is_some() && !app.rests()
}

impl World {
    pub(crate) fn crons(&mut self, due: CronDue) {
        match due {
            CronDue::Look => self.look_at_jobs(),
            CronDue::Attend(job) => self.attend(&job),
        }
    }

    /// What is due is attended to, unless it is so already; and so again with the next minute.
    pub(super) fn look_at_jobs(&mut self) {
        if self.plant == Some(Plant::NobodyLooksAtJobs) {
            return;
        }
        let now = self.control_now();
        let life = self.control.life;
        self.after(MINUTE - now.0 % MINUTE, Due::Cron(life, CronDue::Look));
        let mut due_now: Vec<(Job, DueTimes)> = Vec::new();
        for (id, app) in &self.control.view.apps {
            let Some(app) = app.state.active().filter(|app| works(app)) else { continue };
            for (name, cron) in app.crons.iter().filter(|(_, cron)| !cron.settings.paused) {
                let first = next_after(&cron.settings, cron.from(now));
                let last = last_until(&cron.settings, now);
                if first > now || last < first {
                    continue;
                }
                let before = last_until(&cron.settings, Timestamp(last.0 - 1));
                let last_but_one = (first < last).then_some(before);
                due_now.push(((*id, name.clone()), DueTimes { first, last_but_one, last }));
            }
        }
        for (job, due) in due_now {
            if !self.control.attended.contains_key(&job) {
                self.begin_to_attend(&job, due, now);
            }
        }
    }

    fn begin_to_attend(&mut self, job: &Job, due: DueTimes, now: Timestamp) {
        self.note(format_args!("{} of {} is due: {due:?}", job.1, Short(job.0.uuid())));
        let missed = due.missed(now);
        if missed.is_some_and(|_| due.is_late(now)) {
            return self.skip(job, missed, Then::Nothing);
        }
        self.user.runs += 1;
        let run = made::run_id(self.user.runs);
        self.control.runs.held.insert(run, None);
        let attended = Attended { due, run, why: CronSkip::NoWorker, gives_way: None };
        self.control.attended.insert(job.clone(), attended);
        match missed {
            Some(_) => self.skip(job, missed, Then::Attend(job.clone())),
            None => self.attend(job),
        }
    }

    fn skip(&mut self, job: &Job, skipped: Option<CronSkipped>, then: Then) {
        let Some(skipped) = skipped else { return };
        self.count(format_args!("skipped: {:?}", skipped.why));
        let (app, cron) = job.clone();
        self.insist(Insisted { app, command: AppCommand::SkipCron { cron, skipped }, then });
    }

    /// A job as it is now.
    fn job(&self, (app, cron): &Job) -> Option<&Cron> {
        let app = self.control.view.apps.get(app)?.state.active().filter(|app| works(app))?;
        app.crons.get(cron)
    }

    /// Does what is to be done now about a job that is due.
    pub(super) fn attend(&mut self, job: &Job) {
        let Some(attended) = self.control.attended.get(job).cloned() else { return };
        let Some(cron) = self.job(job).cloned() else { return self.leave(job) };
        if let Some((open, until)) = &attended.gives_way {
            if cron.open().any(|run| open.contains(&run.run)) {
                if self.now < *until {
                    return self.attend_after(LOOK_EVERY, job);
                }
                let left_out = attended.due.left_out(CronSkip::Overlap);
                return self.skip(job, Some(left_out), Then::Leave(job.clone()));
            }
            self.count("gave way");
        }
        match attended.due.attend(&cron, self.control_now(), attended.why) {
            Attending::Over => self.tell_of_earlier(job, &attended),
            Attending::LeaveOut(skipped) => {
                self.skip(job, Some(skipped), Then::Leave(job.clone()));
            }
            Attending::GiveWay => self.have_give_way(job, &cron),
            Attending::Run => self.begin_job(job, &cron),
        }
    }

    fn attend_after(&mut self, span: u64, job: &Job) {
        self.after(span, Due::Cron(self.control.life, CronDue::Attend(job.clone())));
    }

    fn have_give_way(&mut self, job: &Job, cron: &Cron) {
        let open: BTreeMap<RunId, WorkerId> =
            cron.open().map(|run| (run.run, run.worker)).collect();
        for (run, worker) in &open {
            self.stop_run_at(*worker, *run);
        }
        let until = self.now + limits::STOP_WITHIN.0 + GIVES_WAY_WITHIN;
        if let Some(attended) = self.control.attended.get_mut(job) {
            attended.gives_way = Some((open.into_keys().collect(), until));
        }
        self.attend_after(LOOK_EVERY, job);
    }

    /// Has the journal say that it runs.
    fn begin_job(&mut self, job: &Job, cron: &Cron) {
        let Some(attended) = self.control.attended.get_mut(job) else { return };
        attended.gives_way = None;
        let (run, due) = (attended.run, attended.due);
        let active = self.control.view.apps.get(&job.0).and_then(|app| app.state.active());
        let settings = &cron.settings;
        let (command, within) = (&settings.command, settings.within);
        let placed = active.and_then(|app| self.place_run(app, command, within));
        let Some(one_off) = placed else {
            if let Some(attended) = self.control.attended.get_mut(job) {
                attended.why = CronSkip::NoWorker;
            }
            return self.attend_after(AGAIN, job);
        };
        let telling = Telling { app: job.0, one_off: one_off.clone(), within, how: How::First };
        self.control.runs.held.insert(run, Some(telling));
        if self.planted(Plant::WorkerHearsFirst) {
            return self.tell(run);
        }
        let late = self.plant == Some(Plant::MissedTimesRun);
        let due = Some(if late { due.first } else { due.last });
        let (cron, one_off) = (job.1.clone(), Box::new(one_off));
        let command = AppCommand::RunCron { cron, due, run, one_off };
        let meta = self.meta(Actor::System, None);
        self.command::<App>(job.0.uuid(), command, meta, Waiter::Job(job.clone()));
    }

    /// What came of that.
    pub(super) fn job_answered(&mut self, job: &Job, answer: &Answer) {
        let Some(attended) = self.control.attended.get_mut(job) else { return };
        match answer {
            Answer::Done(Some(sequence)) => {
                let run = attended.run;
                self.acknowledged(*sequence);
                self.tell(run);
            }
            Answer::Done(None) => {
                let attended = attended.clone();
                self.tell_of_earlier(job, &attended);
            }
            Answer::Rejected(why) => {
                if let Rejection::Conflict { .. } = why {
                    attended.why = CronSkip::TooMany;
                }
                self.note(format_args!("a cron job waits: {why}"));
                self.attend_after(AGAIN, job);
            }
            Answer::ClaimTaken | Answer::Busy => self.attend_after(AGAIN, job),
        }
    }

    /// A run that began with an earlier try, whose answer did not come; where there is one.
    fn tell_of_earlier(&mut self, job: &Job, attended: &Attended) {
        let run = attended.run;
        let app = self.control.view.apps.get(&job.0).and_then(|app| app.state.active());
        let began = app.is_some_and(|app| {
            let cron = app.crons.get(&job.1);
            cron.is_some_and(|cron| cron.open().any(|one| one.run == run))
        });
        let how = How::Again(self.control_now());
        match self.control.runs.held.get_mut(&run) {
            Some(Some(telling)) if began => {
                telling.how = how;
                self.count("run told of that began before");
                self.tell(run);
            }
            Some(_) | None => self.leave(job),
        }
    }

    /// Nobody attends to it any more.
    pub(super) fn leave(&mut self, job: &Job) {
        if let Some(attended) = self.control.attended.remove(job) {
            self.control.runs.held.remove(&attended.run);
        }
    }

    /// The worker of a run has heard of it, or never will.
    pub(super) fn job_is_attended_to(&mut self, run: RunId) {
        self.control.attended.retain(|_, attended| attended.run != run);
    }

    /// Somebody runs a job by hand, or a command that is none's.
    pub(crate) fn run_by_hand(&mut self, app: AppId, cron: Option<CronName>) {
        let Some(active) = self.control.view.apps.get(&app).and_then(|app| app.state.active())
        else {
            return;
        };
        let settings = cron.as_ref().and_then(|cron| active.crons.get(cron));
        let settings =
            settings.map_or_else(|| made::job(&mut self.random), |cron| cron.settings.clone());
        let within = settings.within;
        let Some(mut one_off) = self.place_run(active, &settings.command, within) else { return };
        if cron.is_none() && self.user.has_terminals && self.random.bool() {
            (one_off.terminal, one_off.detached) = (true, false);
        }
        self.user.runs += 1;
        let run = made::run_id(self.user.runs);
        let telling = Telling { app, one_off: one_off.clone(), within, how: How::ByHand };
        self.control.runs.held.insert(run, Some(telling));
        let one_off = Box::new(one_off);
        let (asked, command) = match cron {
            Some(cron) => ("run a job", AppCommand::RunCron { cron, due: None, run, one_off }),
            None => ("run a command", AppCommand::RunCommand { run, one_off }),
        };
        self.note(format_args!("somebody asks: {asked} {}", Short(app.uuid())));
        let meta = self.meta(Actor::Owner, None);
        self.command::<App>(app.uuid(), command, meta, Waiter::Run(asked, run));
    }

    pub(super) fn by_hand_answered(&mut self, asked: &'static str, run: RunId, answer: &Answer) {
        self.user_answered(asked, answer);
        if let Answer::Done(Some(_)) = answer {
            self.tell(run);
        } else {
            self.control.runs.held.remove(&run);
        }
    }
}
