//! Commands that are run once, in containers of their own.
//!
//! Invariants: a container of a run lives no longer than its session, unless it is detached, and never
//! longer than it may; what a crash left behind goes with the first look after it. How the newest
//! runs ended is known for a while, for whoever was not there to hear it.

mod carry;
mod keep;
mod log;
mod session;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hythe_core::ids::{AppId, RunId};
use hythe_core::limits::MOST_ONE_OFFS_HERE;
use hythe_core::one_off::{Cut, OneOffEnd};
use hythe_core::time::Timestamp;
use hythe_core::wire::FORMAT;
use hythe_core::wire::run::{MOST_RUNS, RunAnswer, RunQuestion, RunSaid, RunSeen, RunWanted};
use hythe_core::wire::subjects;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock;
use super::guard::for_ever;
use super::steps::Tools;
use crate::bus::Bus;
use crate::docker::EngineError;
use crate::docker::one_off::OneOffSeen;

/// How many ends are remembered.
const MOST_ENDED: usize = 256;
/// How long sessions have to end their commands when the agent stops.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// What is known of runs here. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    tools: Tools,
    bus: Bus,
    /// The agent stops.
    stop: CancellationToken,
    tasks: TaskTracker,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Those that are being opened or have a session.
    carried: BTreeMap<RunId, Carried>,
    /// How the newest ones ended, oldest first.
    ended: VecDeque<RunSeen>,
    /// Containers of which the program has ended, by id: nothing of them changes any more.
    over: BTreeMap<String, OneOffSeen>,
}

#[derive(Clone, Debug)]
struct Carried {
    app: AppId,
    until: Timestamp,
    /// Ends it.
    stop: CancellationToken,
}

/// Runs what is asked for until `stop`, and ends it then.
pub(crate) async fn keep(bus: Bus, tools: Tools, stop: CancellationToken) {
    let runs = Runs { tools, bus, stop, tasks: TaskTracker::new(), known: Arc::default() };
    let both = Box::pin(async { tokio::join!(runs.answer(), keep::tidy(&runs)) });
    runs.stop.clone().run_until_cancelled(both).await;
    runs.tasks.close();
    if tokio::time::timeout(STOP_WITHIN, runs.tasks.wait()).await.is_err() {
        tracing::warn!("commands that were run once are left to the next agent to end");
    }
}

impl Runs {
    async fn answer(&self) {
        for_ever("answering about runs", || async {
            self.bus.ready().await;
            let subject = subjects::worker_runs(self.tools.owner.worker);
            let answered =
                self.bus.answer(&subject, &self.stop, |question| self.said(question)).await;
            if let Err(error) = answered {
                tracing::warn!(%error, "questions about runs are not heard");
            }
        })
        .await;
    }

    async fn said(&self, question: RunQuestion) -> RunAnswer {
        let RunQuestion { format, installation, wanted } = question;
        let owner = self.tools.owner;
        let said = if format != FORMAT || installation != owner.installation {
            let why = format!(
                "a question of format {format} for installation {installation}, and this agent \
                 knows {FORMAT} and {}; run the same version everywhere",
                owner.installation
            );
            RunSaid::Refused { why }
        } else {
            match wanted {
                RunWanted::Open(opening) => self.open(*opening).await,
                RunWanted::List => self.list().await,
                RunWanted::Stop(run) => self.end(run).await,
                RunWanted::Log { run, reader } => self.read(run, reader).await,
                RunWanted::Forget(run) => self.forget(run).await,
            }
        };
        RunAnswer { format: FORMAT, worker: owner.worker, said }
    }

    async fn list(&self) -> RunSaid {
        let containers = match self.containers().await {
            Ok(containers) => containers,
            Err(error) => return RunSaid::Refused { why: format!("failed to {error}") },
        };
        let known = self.known();
        let mut all: BTreeMap<RunId, RunSeen> = BTreeMap::new();
        for one in containers {
            let ended = one.ended.map(|(end, _at)| end);
            let (run, app, until) = (one.run, one.app, one.until);
            all.insert(run, RunSeen { run, app, ended, until });
        }
        for (run, Carried { app, until, .. }) in &known.carried {
            let (run, app, until) = (*run, *app, *until);
            all.insert(run, RunSeen { run, app, ended: None, until });
        }
        all.extend(known.ended.iter().map(|seen| (seen.run, seen.clone())));
        drop(known);
        let newest = all.into_values().rev().take(MOST_RUNS);
        RunSaid::Runs(newest.collect())
    }

    /// Every container of a run.
    async fn containers(&self) -> Result<Vec<OneOffSeen>, EngineError> {
        let (engine, owner) = (&self.tools.engine, &self.tools.owner);
        let ids: BTreeSet<String> = engine.one_off_ids(owner).await?.into_iter().collect();
        let mut over = std::mem::take(&mut self.known().over);
        over.retain(|id, _| ids.contains(id));
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            let seen = match over.get(&id) {
                Some(seen) => Some(seen.clone()),
                None => engine.one_off(owner, &id).await?,
            };
            all.extend(seen);
        }
        let ended = all.iter().filter(|one| one.ended.is_some());
        self.known().over = ended.map(|one| (one.id.clone(), one.clone())).collect();
        Ok(all)
    }

    async fn end(&self, run: RunId) -> RunSaid {
        let carried = self.known().carried.get(&run).cloned();
        if let Some(carried) = carried {
            carried.stop.cancel();
            return RunSaid::Done;
        }
        let containers = match self.containers().await {
            Ok(containers) => containers,
            Err(error) => return RunSaid::Refused { why: format!("failed to {error}") },
        };
        let found = containers.into_iter().find(|one| one.run == run && one.ended.is_none());
        if let Some(one) = found {
            self.ended(one.run, one.app, one.until, OneOffEnd::Cut(Cut::Stopped));
            let runs = self.clone();
            self.tasks.spawn(async move { runs.stop_container(&one.id, one.stop_within).await });
        }
        RunSaid::Done
    }

    async fn forget(&self, run: RunId) -> RunSaid {
        let containers = match self.containers().await {
            Ok(containers) => containers,
            Err(error) => return RunSaid::Refused { why: format!("failed to {error}") },
        };
        let left = containers.into_iter().find(|one| one.run == run && one.ended.is_some());
        if let Some(one) = left
            && let Err(error) = self.tools.engine.remove_one_off(&one.id).await
        {
            return RunSaid::Refused { why: format!("failed to {error}") };
        }
        self.known().ended.retain(|seen| seen.run != run);
        RunSaid::Done
    }

    async fn stop_container(&self, id: &str, within: hythe_core::time::Millis) {
        if let Err(error) = self.tools.engine.stop_one_off(id, within).await {
            tracing::warn!(%error, "a command could not be ended yet");
        }
    }

    /// Takes a place for a run, where there is one.
    fn reserve(&self, run: RunId, carried: Carried, running: usize) -> Result<(), String> {
        let mut known = self.known();
        if known.carried.contains_key(&run) || known.ended.iter().any(|seen| seen.run == run) {
            return Err("this command was run already".into());
        }
        if known.carried.len().max(running) >= MOST_ONE_OFFS_HERE {
            return Err(format!(
                "{MOST_ONE_OFFS_HERE} commands run on its worker already; wait for one to end"
            ));
        }
        known.carried.insert(run, carried);
        Ok(())
    }

    /// It is not carried any more.
    fn release(&self, run: RunId) {
        self.known().carried.remove(&run);
    }

    /// Remembers how a run ended; what is known already stays.
    fn ended(&self, run: RunId, app: AppId, until: Timestamp, end: OneOffEnd) {
        let mut known = self.known();
        if known.ended.iter().any(|seen| seen.run == run) {
            return;
        }
        if known.ended.len() >= MOST_ENDED {
            known.ended.pop_front();
        }
        known.ended.push_back(RunSeen { run, app, ended: Some(end), until });
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a run that begins now is ended at the latest.
fn until(within: hythe_core::time::Millis) -> Timestamp {
    clock::now().plus(within)
}
