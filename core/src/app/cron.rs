//! Cron jobs: set, removed, run when they are due or when somebody asks, and left out.

use super::decide::Decision;
use super::{ActiveApp, AppEvent};
use crate::cron::{Cron, CronName, CronRun, CronSettings, CronSkipped, Overlap};
use crate::ids::RunId;
use crate::limits;
use crate::near;
use crate::one_off::OneOff;
use crate::rejection::Rejection;
use crate::time::Timestamp;

impl ActiveApp {
    pub(super) fn set_cron(
        &self,
        cron: CronName,
        settings: Box<CronSettings>,
        at: Timestamp,
    ) -> Decision {
        settings.check()?;
        let known = self.crons.get(&cron);
        if known.is_some_and(|known| known.settings == *settings) {
            return Ok(Vec::new());
        }
        let most = limits::MOST_CRONS;
        if known.is_none() && self.crons.len() >= most {
            return Err(Rejection::conflict(format!(
                "{} has {most} cron jobs already, and cannot have more; remove one first",
                self.name
            )));
        }
        Ok(vec![AppEvent::CronSet { cron, settings, at }])
    }

    pub(super) fn pause_cron(&self, cron: CronName, paused: bool, at: Timestamp) -> Decision {
        let settings = CronSettings { paused, ..self.cron(&cron)?.settings.clone() };
        self.set_cron(cron, Box::new(settings), at)
    }

    pub(super) fn remove_cron(&self, cron: CronName) -> Decision {
        self.cron(&cron)?;
        Ok(vec![AppEvent::CronRemoved { cron }])
    }

    pub(super) fn run_cron(
        &self,
        cron: CronName,
        due: Option<Timestamp>,
        run: RunId,
        one_off: Box<OneOff>,
    ) -> Decision {
        if self.one_offs.contains_key(&run) {
            return Ok(Vec::new());
        }
        let known = self.cron(&cron)?;
        if due.is_some_and(|due| known.settings.paused || known.is_done_with(due)) {
            return Ok(Vec::new());
        }
        if let (Overlap::Skip | Overlap::Replace, Some(open)) =
            (known.settings.overlap, known.open().next())
        {
            let run = open.run;
            return Err(Rejection::conflict(format!(
                "the cron job {cron} runs already; wait for it, or end it: hythe runs stop {run}"
            )));
        }
        let mut events = self.run_command(run, one_off)?;
        events.push(AppEvent::CronRun { cron, due, run });
        Ok(events)
    }

    pub(super) fn skip_cron(&self, cron: CronName, skipped: CronSkipped) -> Vec<AppEvent> {
        let known = self.crons.get(&cron);
        let news = known.is_some_and(|known| !known.is_done_with(skipped.last));
        news.then_some(AppEvent::CronSkipped { cron, skipped }).into_iter().collect()
    }

    fn cron(&self, name: &CronName) -> Result<&Cron, Rejection> {
        self.crons.get(name).ok_or_else(|| {
            let near = near::nearest(name.as_str(), self.crons.keys().map(CronName::as_str), 1);
            let near = near.first().map_or_else(String::new, |near| format!(" (but {near})"));
            Rejection::not_found(format!("cron job as {name}{near}"))
        })
    }

    pub(super) fn cron_set(&mut self, cron: &CronName, settings: &CronSettings, at: Timestamp) {
        match self.crons.get_mut(cron) {
            Some(known) => known.set(settings.clone(), at),
            None => drop(self.crons.insert(cron.clone(), Cron::new(settings.clone(), at))),
        }
    }

    pub(super) fn cron_ran(&mut self, cron: &CronName, due: Option<Timestamp>, run: RunId) {
        let worker = self.one_offs.get(&run).map(|one_off| one_off.worker);
        if let Some((known, worker)) = self.crons.get_mut(cron).zip(worker) {
            known.ran(CronRun { run, worker, due, end: None });
        }
    }

    pub(super) fn cron_skipped(&mut self, cron: &CronName, skipped: CronSkipped) {
        if let Some(known) = self.crons.get_mut(cron) {
            known.skip(skipped);
        }
    }
}
