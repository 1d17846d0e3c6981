//! After a restoration: noted, and what was live is made to run again. And at any time: static sites whose files
//! are not there, since their place was lost or is another one, are deployed anew.

use std::collections::BTreeSet;
use std::time::Duration;

use hythe_core::app::{App, AppCommand};
use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::ids::DeploymentId;
use hythe_core::installation::InstallationCommand;
use hythe_core::installation::recover::{Cause, Recovery, live_sites, recover};
use hythe_core::record::Actor;
use hythe_core::site::SiteId;
use hythe_core::worker::{Worker, WorkerCommand};
use hythe_store::backup::{mark, unmark};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::aggregate::{CommandError, Extras};
use crate::control::Control;

/// How often it looks at first, and later.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LATER_EVERY: Duration = Duration::from_secs(30);
/// For how long it looks often.
const OFTEN_FOR: Duration = Duration::from_secs(30 * 60);
/// How often all live sites are looked for: an object store is asked about each of them.
const SITES_EVERY: Duration = Duration::from_secs(5 * 60);
/// How long that may take.
const SITES_WITHIN: Duration = Duration::from_secs(20);

/// Notes a restoration and does what it needs, until `stop` is cancelled.
///
/// # Errors
/// The mark of the restoration cannot be removed.
pub(crate) async fn run(control: Control, stop: CancellationToken) -> Result<(), String> {
    if let Some(restored) = mark(control.backups().data()) {
        tracing::info!(head = %restored.head, "this server was restored from a backup");
        control.note(InstallationCommand::NoteRestored(restored)).await;
        unmark(control.backups().data()).map_err(|error| format!("failed to {error}"))?;
    }
    let begun = Instant::now();
    let mut sites_due = begun;
    // What came to nothing is not asked for again every half second.
    let mut asked = BTreeSet::new();
    loop {
        let now = control.clock().now();
        let all = Instant::now() >= sites_due;
        if all {
            sites_due = Instant::now() + SITES_EVERY;
            asked.clear();
        }
        let gone = gone_sites(&control, all).await;
        let todo = control.read(|view| control.observed(|seen| recover(view, seen, &gone, now)));
        for one in todo {
            if let Recovery::Deploy { live, cause: Cause::FilesGone, .. } = &one
                && !asked.insert(*live)
            {
                continue;
            }
            step(&control, one).await;
        }
        let often = begun.elapsed() < OFTEN_FOR;
        let pause = tokio::time::sleep(if often { LOOK_EVERY } else { LATER_EVERY });
        if stop.run_until_cancelled(pause).await.is_none() {
            return Ok(());
        }
    }
}

/// The live sites that are not there: of all, or of those that were not there at the last look.
async fn gone_sites(control: &Control, all: bool) -> BTreeSet<SiteId> {
    let before = control.sites().gone();
    if !all && before.is_empty() {
        return before;
    }
    let live: BTreeSet<SiteId> =
        control.read(|view| live_sites(view).into_iter().map(|(_, site)| site).collect());
    let asked = if all { live } else { live.intersection(&before).cloned().collect() };
    let Ok(gone) = timeout(SITES_WITHIN, control.sites().missing(asked)).await else {
        // A place that does not answer holds up nothing else, and says nothing new.
        return before;
    };
    if gone.len() > before.len() {
        tracing::warn!(count = gone.len(), "live static sites are not where they are kept");
    }
    control.sites().note_gone(gone.clone());
    gone
}

async fn step(control: &Control, what: Recovery) {
    let done = match what {
        Recovery::LetGo(worker) => {
            tracing::info!(%worker, "another worker has its name now, and it is let go");
            let restored = control.read(|view| view.installation.restored_at);
            let meta = control.meta(Actor::System, None, restored);
            let command = WorkerCommand::Remove;
            control.command::<Worker>(worker.uuid(), command, meta.into()).await.map(drop)
        }
        Recovery::Deploy { app, live, source, cause } => {
            // Once for each cause, whatever is seen or dies in between.
            let (key, because, why) = match cause {
                Cause::Restored(at) => {
                    (format!("restored/{}/{app}", at.0), Some(at), "it cannot run where it was")
                }
                Cause::FilesGone => {
                    (format!("files-gone/{live}"), None, "the files of the site are not there")
                }
            };
            tracing::info!(%app, %live, why, "what was live is deployed anew, unless it was");
            let deployment = DeploymentId::new(Uuid::now_v7());
            let command =
                AppCommand::RequestDeployment { deployment, source: Some(source), no_cache: false };
            let key = ClaimKey::idempotency(&key);
            let claims = vec![ClaimChange::Take { key, note: Vec::new() }];
            let meta = control.meta(Actor::System, None, because);
            let extras = Extras { claims, ..Extras::from(meta) };
            control.command::<App>(app.uuid(), command, extras).await.map(drop)
        }
    };
    match done {
        Ok(()) | Err(CommandError::ClaimTaken { .. }) => {}
        Err(error) => {
            tracing::warn!(%error, "a step so that what was live runs again is tried again");
        }
    }
}
