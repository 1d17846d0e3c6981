//! Finds out how runs ended that nobody carries, and ends those that the journal does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hythe_core::ids::{AppId, RunId, WorkerId};
use hythe_core::one_off::{Cut, OneOff, OneOffEnd};
use hythe_core::wire::run::{RunSaid, RunSeen, RunWanted};
use tokio_util::sync::CancellationToken;

use super::{ANSWER_WITHIN, ask, ended, forget, stop, workers};
use crate::control::Control;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(5);

/// A run that is open in the journal.
type Open = BTreeMap<RunId, (AppId, OneOff)>;

/// Looks until `stop`.
///
/// # Errors
/// Never: what does not work now is tried again later.
pub(crate) async fn keep(control: Control, stop: CancellationToken) -> Result<(), String> {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        if stop.run_until_cancelled(Box::pin(look(&control))).await.is_none() {
            break;
        }
    }
    Ok(())
}

async fn look(control: &Control) {
    for (run, app) in control.runs().given_up() {
        ended(control, app, run, OneOffEnd::Cut(Cut::ClientGone)).await;
    }
    // What is open and let go of by now, its worker has been told.
    let told: BTreeSet<RunId> = open(control).into_keys().collect();
    let told = told.into_iter().filter(|run| !control.runs().looks_after(*run)).collect();
    let mut heard = Vec::new();
    let held = workers(control);
    for worker in held.iter().copied() {
        let answer = ask(control, worker, RunWanted::List, ANSWER_WITHIN).await;
        match answer {
            Ok(RunSaid::Runs(seen)) => {
                compare(control, worker, &seen, &told).await;
                heard.push(worker);
            }
            Ok(RunSaid::Refused { why }) => tracing::debug!(%worker, why, "runs are not known"),
            Ok(RunSaid::Done) => tracing::warn!(%worker, "a worker answered something else"),
            Err(error) => tracing::debug!(%worker, %error, "runs are not known"),
        }
    }
    let now = control.clock().now();
    for (run, (app, one_off)) in open(control) {
        let (worker, lost) = (one_off.worker, !held.contains(&one_off.worker));
        if !heard.contains(&worker) && one_off.is_given_up(lost, now) {
            ended(control, app, run, OneOffEnd::Cut(Cut::Lost)).await;
        }
    }
}

/// Looked at after the worker's answer: what it was told to run before was open by then.
fn open(control: &Control) -> Open {
    control.read(|view| {
        let apps = view.apps.iter().filter_map(|(id, app)| Some((*id, app.state.active()?)));
        let all = apps.flat_map(|(id, app)| {
            app.one_offs.iter().map(move |(run, one_off)| (*run, (id, one_off.clone())))
        });
        all.collect()
    })
}

fn is_discarded(control: &Control, app: AppId) -> bool {
    control.read(|view| {
        let app = view.apps.get(&app).and_then(|app| app.state.active());
        app.is_none_or(|app| app.discarded.is_some())
    })
}

async fn compare(control: &Control, worker: WorkerId, seen: &[RunSeen], told: &BTreeSet<RunId>) {
    let open = open(control);
    for one in seen {
        match (open.get(&one.run), one.ended) {
            (Some((app, _)), Some(end)) => ended(control, *app, one.run, end).await,
            // Nobody can ask any more for what it wrote.
            (None, Some(_)) if is_discarded(control, one.app) => {
                if let Err(error) = forget(control, worker, one.run).await {
                    tracing::warn!(run = %one.run, %error, "what a command left stays for now");
                }
            }
            (None, Some(_)) => {}
            (known, None) => {
                let wanted = known.is_some() && !is_discarded(control, one.app);
                if wanted || (known.is_none() && control.runs().looks_after(one.run)) {
                    continue;
                }
                tracing::info!(run = %one.run, "a command runs that is not wanted any more");
                if let Err(error) = stop(control, worker, one.run).await {
                    tracing::warn!(run = %one.run, %error, "a command could not be ended yet");
                }
            }
        }
    }
    for (run, (app, one_off)) in open {
        let known = seen.iter().any(|one| one.run == run);
        if one_off.worker == worker && !known && told.contains(&run) {
            ended(control, app, run, OneOffEnd::Cut(Cut::Lost)).await;
        }
    }
}
