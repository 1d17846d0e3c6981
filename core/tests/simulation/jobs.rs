//! People again: cron jobs, commands by hand, and how previews are made.

use std::collections::BTreeMap;

use hythe_core::app::{App, AppCommand};
use hythe_core::ids::AppId;
use hythe_core::limits;
use hythe_core::preview::{EnvChoice, Forks, PreviewEnd, PreviewSettings};

use crate::made;
use crate::world::World;

impl World {
    /// Jobs are set, paused, removed and run by hand.
    pub(crate) fn change_jobs(&mut self, app: AppId) {
        let at = self.control_now();
        let cron = made::cron_name(self.random.u64(..2));
        let state = self.control.view.apps.get(&app).and_then(|app| app.state.active());
        let known = state.and_then(|app| app.crons.get(&cron));
        let paused = known.is_some_and(|known| known.settings.paused);
        let what = if known.is_none() { 0 } else { self.random.u32(..10) };
        let (asked, command) = match what {
            0..3 => {
                let settings = Box::new(made::job(&mut self.random));
                ("set a job", AppCommand::SetCron { cron, settings, at })
            }
            3 | 4 => ("pause a job", AppCommand::PauseCron { cron, paused: !paused, at }),
            5 => ("remove a job", AppCommand::RemoveCron { cron }),
            6..9 => return self.run_by_hand(app, Some(cron)),
            _ => return self.run_by_hand(app, None),
        };
        self.ask::<App>(asked, app.uuid(), command);
    }

    /// Previews are switched on and off, bounded, and removed by hand.
    pub(crate) fn change_previews(&mut self, app: AppId) {
        let state = self.control.view.apps.get(&app).and_then(|app| app.state.active());
        let Some(state) = state else { return };
        let next = state.next_secret;
        let number = state.previews.open.keys().next().copied();
        let settings = &state.previews.settings;
        let (set, is_on) = (settings.set.clone(), settings.on);
        let (asked, command) = match (number, self.random.u32(..8)) {
            (Some(number), 0) => {
                let (why, at) = (PreviewEnd::ByHand, None);
                ("remove a preview", AppCommand::EndPreview { number, why, at })
            }
            (Some(number), 1) => {
                let comment = self.random.u64(..3);
                ("note a comment", AppCommand::NotePreviewComment { number, comment })
            }
            (_, what) => {
                let fresh = || BTreeMap::from([(made::env_name(3), next)]);
                let settings = PreviewSettings {
                    on: !is_on || what > 2,
                    most: self.random.u16(1..=2),
                    forks: if self.random.bool() { Forks::Allowed } else { Forks::Never },
                    drafts: self.random.bool(),
                    env: if self.random.bool() { EnvChoice::All } else { EnvChoice::Nothing },
                    set: if self.random.bool() { fresh() } else { set },
                    keep: (self.random.u32(..4) == 0).then_some(limits::PREVIEW_KEPT_LEAST),
                };
                ("set the previews of", AppCommand::SetPreviews(Box::new(settings)))
            }
        };
        self.ask::<App>(asked, app.uuid(), command);
    }
}
