//! After a restoration: noted, and what was live is made to run again.

use std::time::Duration;

use hythe_core::app::{App, AppCommand};
use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::ids::DeploymentId;
use hythe_core::installation::InstallationCommand;
use hythe_core::installation::recover::{Recovery, recover};
use hythe_core::record::Actor;
use hythe_core::worker::{Worker, WorkerCommand};
use hythe_store::backup::{mark, unmark};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::aggregate::{CommandError, Extras};
use crate::control::Control;

/// How often it looks at first, and later.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LATER_EVERY: Duration = Duration::from_secs(30);
/// For how long it looks often.
const OFTEN_FOR: Duration = Duration::from_secs(30 * 60);

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
    loop {
        let now = control.clock().now();
        let todo = control.read(|view| control.observed(|seen| recover(view, seen, now)));
        for one in todo {
            step(&control, one).await;
        }
        let often = begun.elapsed() < OFTEN_FOR;
        let pause = tokio::time::sleep(if often { LOOK_EVERY } else { LATER_EVERY });
        if stop.run_until_cancelled(pause).await.is_none() {
            return Ok(());
        }
    }
}

async fn step(control: &Control, what: Recovery) {
    let restored = control.read(|view| view.installation.restored_at);
    let meta = control.meta(Actor::System, None, restored);
    let done = match what {
        Recovery::LetGo(worker) => {
            tracing::info!(%worker, "another worker has its name now, and it is let go");
            let command = WorkerCommand::Remove;
            control.command::<Worker>(worker.uuid(), command, meta.into()).await.map(drop)
        }
        Recovery::Deploy { app, live, source } => {
            tracing::info!(%app, %live, "what was live cannot run where it was: deploying it anew");
            let deployment = DeploymentId::new(Uuid::now_v7());
            let command =
                AppCommand::RequestDeployment { deployment, source: Some(source), no_cache: false };
            // Once for each restoration, whatever is seen or dies in between.
            let key = format!("restored/{}/{app}", restored.map_or(0, |at| at.0));
            let key = ClaimKey::idempotency(&key);
            let claims = vec![ClaimChange::Take { key, note: Vec::new() }];
            let extras = Extras { claims, ..Extras::from(meta) };
            control.command::<App>(app.uuid(), command, extras).await.map(drop)
        }
    };
    match done {
        Ok(()) | Err(CommandError::ClaimTaken { .. }) => {}
        Err(error) => tracing::warn!(%error, "a step after the restoration is tried again"),
    }
}
