//! Runs of cron jobs that the journal has and that their workers may never have heard of, because the
//! server ended in between: their workers are told of them once more. One that has heard of a run
//! refuses it, so that it runs once.

use hythe_core::cron::CronSettings;
use hythe_core::ids::{AppId, RunId};
use hythe_core::limits;
use hythe_core::one_off::OneOff;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{AGAIN, wanted};
use crate::control::Control;
use crate::runs::{self, Hold, RunError, Wanted};

/// A run that goes on, as far as the journal knows.
pub(super) struct Open {
    pub(super) app: AppId,
    pub(super) run: RunId,
    pub(super) one_off: OneOff,
    pub(super) settings: CronSettings,
    /// As long as its worker was not asked, nobody takes it for lost.
    pub(super) hold: Hold,
}

/// Tells the workers, in the background, until what is given back is dropped.
pub(super) fn resume(control: &Control, stop: &CancellationToken) -> JoinSet<()> {
    let open = control.read(|view| {
        let apps = view.apps.iter().filter_map(|(id, app)| Some((*id, app.state.active()?)));
        let runs = apps.flat_map(|(id, app)| {
            app.crons.values().flat_map(move |cron| {
                cron.open().filter_map(move |run| {
                    let one_off = app.one_offs.get(&run.run)?.clone();
                    Some((id, run.run, one_off, cron.settings.clone()))
                })
            })
        });
        runs.collect::<Vec<_>>()
    });
    let mut all = JoinSet::new();
    for (app, run, one_off, settings) in open {
        let hold = control.runs().begin(run);
        let (control, stop) = (control.clone(), stop.clone());
        let open = Open { app, run, one_off, settings, hold };
        all.spawn(async move {
            stop.run_until_cancelled(tell(&control, open)).await;
        });
    }
    all
}

/// Tells a worker of a run until it has heard of it, for as long as a time may be late.
pub(super) async fn tell(control: &Control, open: Open) {
    let Open { app, run, one_off, settings, hold } = open;
    let begun = control.clock().now();
    let late = begun.plus(limits::CRON_LATE);
    let given_up = |now| late.is_over(limits::CRON_LATE, now) || now >= one_off.until;
    while !given_up(control.clock().now()) {
        // A clock that was set back makes it seem to have more time than it was ever given.
        let within = one_off.until.since(control.clock().now()).min(settings.within);
        let wanted = Wanted { within, ..wanted(app, &settings) };
        let told = match runs::prepare_again(control, run, &one_off, wanted) {
            Ok(prepared) => Box::pin(runs::open(control, &prepared)).await.map(drop),
            Err(error) => Err(error),
        };
        match told {
            Ok(()) => {
                tracing::info!(%run, "a cron job's run is begun after a restart");
                break;
            }
            // It has heard of it, or cannot run it: how it ended is found like that of any other.
            Err(RunError::Unfit(why)) => {
                tracing::debug!(%run, why, "a run is known");
                break;
            }
            Err(RunError::Unavailable(why)) => tracing::debug!(%run, why, "a run waits"),
        }
        tokio::time::sleep(AGAIN).await;
    }
    drop(hold);
}
