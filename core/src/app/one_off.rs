//! Commands that are run once, in a container of its own each.
//!
//! That one is run is decided before its container is made, and stays open until it is known how it
//! ended: so the journal has who ran what, also of a command whose worker died with it.

use super::{ActiveApp, AppEvent};
use crate::ids::RunId;
use crate::limits;
use crate::one_off::{OneOff, OneOffEnd};
use crate::rejection::Rejection;

impl ActiveApp {
    pub(super) fn run_command(
        &self,
        run: RunId,
        one_off: Box<OneOff>,
    ) -> Result<Vec<AppEvent>, Rejection> {
        if self.one_offs.contains_key(&run) {
            return Ok(Vec::new());
        }
        let name = &self.name;
        if self.live.is_none() {
            return Err(Rejection::conflict(format!(
                "no version of {name} is live, so there is none to run a command in; deploy it \
                 first: hythe deploy {name}"
            )));
        }
        if self.live != Some(one_off.deployment) {
            return Err(Rejection::conflict(format!(
                "another version of {name} went live at the same moment; try again"
            )));
        }
        if self.one_offs.len() >= limits::MOST_ONE_OFFS {
            let most = limits::MOST_ONE_OFFS;
            return Err(Rejection::conflict(format!(
                "{most} commands run in {name} already; wait for one, or end one: hythe runs ls \
                 {name}"
            )));
        }
        Ok(vec![AppEvent::CommandRun { run, one_off }])
    }

    pub(super) fn end_command(&self, run: RunId, end: OneOffEnd) -> Vec<AppEvent> {
        let open = self.one_offs.contains_key(&run);
        open.then_some(AppEvent::CommandEnded { run, end }).into_iter().collect()
    }
}
