//! Commands that are run once, as the control plane sees them: where each runs, who waits for it,
//! and how it ended.
//!
//! Invariants: that a command is run is durable before its worker hears of it. What it consists of
//! lies here in a box that only that worker can open. How it ended is found by comparing what is open
//! in the journal with what workers know, again and again: whoever was to hear it may be gone.

mod keep;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt as _;
use hythe_core::app::{App, AppCommand};
use hythe_core::argv::Argv;
use hythe_core::deployment::{Attempt, BuiltImage};
use hythe_core::ids::{AppId, DeploymentId, RunId, WorkerId};
use hythe_core::limits::ONE_OFF_ATTACH_WITHIN;
use hythe_core::names::{AppName, EnvName};
use hythe_core::one_off::{CommandLine, OneOff, OneOffEnd};
use hythe_core::record::Actor;
use hythe_core::time::Millis;
use hythe_core::wire::FORMAT;
use hythe_core::wire::run::{
    Packet, RunAnswer, RunOpening, RunQuestion, RunSaid, RunWanted, TerminalSize,
};
use hythe_core::wire::subjects;
use hythe_core::worker::Lease;
use tokio::time::Instant;

use crate::control::Control;
use crate::sealing::{self, SealError};

pub(crate) use keep::keep;

/// How long a worker may take to make a container.
const OPEN_WITHIN: Duration = Duration::from_secs(20);
/// How long a worker may take for other answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The runs that this control plane looks after. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Runs(Arc<Mutex<BTreeMap<RunId, Looked>>>);

/// How a run is looked after.
#[derive(Debug)]
enum Looked {
    /// It was asked for, and waits for whoever asked to attach.
    Waits(Box<Prepared>, Instant),
    /// It is being opened, or carried.
    Carried,
}

/// What somebody wants to run.
#[derive(Debug)]
pub struct Wanted {
    /// The app.
    pub app: AppId,
    /// The command.
    pub command: Argv,
    /// Further variables. Before the app's own of the same names.
    pub variables: Vec<(EnvName, String)>,
    /// How large the terminal is, where there is one.
    pub terminal: Option<TerminalSize>,
    /// Whether it goes on without whoever asks.
    pub detached: bool,
    /// Whether the image's entrypoint is left out.
    pub bare: bool,
    /// How long it may take.
    pub within: Millis,
}

/// A command that can be run.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What the journal is told.
    pub one_off: OneOff,
    /// What the worker is told.
    pub opening: RunOpening,
}

/// Why a command cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It does not fit the present state.
    #[error("{0}")]
    Unfit(String),
    /// Something that is needed is not there.
    #[error("{0}")]
    Unavailable(String),
}

/// In what a command runs.
struct Version {
    app_name: AppName,
    deployment: DeploymentId,
    attempt: Attempt,
    built: BuiltImage,
}

/// Chooses where a command runs, and seals for that worker what it consists of.
///
/// # Errors
/// [`RunError`], in words for people.
pub fn prepare(control: &Control, run: RunId, wanted: Wanted) -> Result<Prepared, RunError> {
    let found = control.read(|view| {
        let app = view.apps.get(&wanted.app)?.state.active()?;
        let live = app.live.and_then(|live| view.deployments.get(&live));
        let attempt = live.and_then(|live| live.state.attempt()).cloned();
        let open = view.apps.values().filter_map(|app| app.state.active());
        let mut busy: BTreeMap<WorkerId, usize> = BTreeMap::new();
        for one in open.flat_map(|app| app.one_offs.values()) {
            *busy.entry(one.worker).or_default() += 1;
        }
        let workers = view.workers.values().filter_map(|worker| worker.state.member());
        let held = workers.filter(|member| member.lease == Lease::Held).map(|member| member.id);
        let held: Vec<WorkerId> = held.collect();
        Some((app.name.clone(), app.live, attempt, busy, held))
    });
    let (app_name, live, attempt, busy, held) = found.ok_or_else(no_such_app)?;
    let (deployment, attempt) = live.zip(attempt).ok_or_else(|| no_version(&app_name))?;
    let built = runnable(&attempt, &app_name)?;
    // Where its replicas run, there is its image; else where it was built.
    let places = attempt.placements.iter().map(|placement| placement.worker).chain([built.worker]);
    let places = places.filter(|worker| held.contains(worker));
    let worker = places.min_by_key(|worker| busy.get(worker).copied().unwrap_or(0));
    let worker = worker.ok_or_else(|| {
        RunError::Unavailable(format!(
            "no worker that has {app_name}'s image is heard of at the moment"
        ))
    })?;
    seal(control, run, worker, wanted, Version { app_name, deployment, attempt, built })
}

/// The same for one that the journal has, and of which its worker may not have heard.
///
/// # Errors
/// [`RunError`], in words for people.
pub(crate) fn prepare_again(
    control: &Control,
    run: RunId,
    one_off: &OneOff,
    wanted: Wanted,
) -> Result<Prepared, RunError> {
    let deployment = one_off.deployment;
    let found = control.read(|view| {
        let app = view.apps.get(&wanted.app)?.state.active()?;
        let attempt = view.deployments.get(&deployment)?.state.attempt()?;
        Some((app.name.clone(), attempt.clone()))
    });
    let (app_name, attempt) = found.ok_or_else(no_such_app)?;
    let built = runnable(&attempt, &app_name)?;
    let version = Version { app_name, deployment, attempt, built };
    seal(control, run, one_off.worker, wanted, version)
}

fn no_such_app() -> RunError {
    RunError::Unfit("there is no such app".into())
}

/// What was built of a version, where it can run a command.
fn runnable(attempt: &Attempt, app_name: &AppName) -> Result<BuiltImage, RunError> {
    let built = attempt.built.clone().ok_or_else(|| no_version(app_name))?;
    match built.site {
        None => Ok(built),
        Some(_) => Err(RunError::Unfit(format!(
            "{app_name} is a static site that the edges serve, and has no container; to have one: \
             hythe app set {app_name} --static off, then deploy it"
        ))),
    }
}

fn no_version(name: &AppName) -> RunError {
    RunError::Unfit(format!(
        "no version of {name} is live, so there is none to run a command in; deploy it first: \
         hythe deploy {name}"
    ))
}

fn seal(
    control: &Control,
    run: RunId,
    worker: WorkerId,
    wanted: Wanted,
    version: Version,
) -> Result<Prepared, RunError> {
    let Wanted { app, command, variables, terminal, detached, bare, within } = wanted;
    let Version { app_name, deployment, attempt, built } = version;
    let key = control
        .observed(|observed| observed.workers.get(&worker).map(|seen| seen.report.sealing_key))
        .ok_or_else(|| RunError::Unavailable("its worker has not reported yet".into()))?;
    let told = CommandLine::of(&command);
    let env = &attempt.spec.env;
    let sealed = sealing::seal_run(control.journal(), app, env, run, (command, variables), key);
    let sealed = sealed.map_err(|error| match error {
        SealError::Gone { .. } => RunError::Unfit(error.to_string()),
        SealError::Broken(_) => RunError::Unavailable(format!("failed to {error}")),
    })?;
    let until = control.clock().now().plus(within);
    let one_off =
        OneOff { deployment, worker, command: told, terminal: terminal.is_some(), detached, until };
    let opening = RunOpening {
        run,
        app,
        app_name,
        network: Some(attempt.spec.run.container.network(app)).filter(|of| *of != app),
        deployment,
        image: built.image,
        port: built.port,
        resources: attempt.spec.resources,
        inside: attempt.spec.run.inside.clone(),
        within,
        stop_within: attempt.spec.stop_within,
        terminal,
        detached,
        bare,
        sealed,
    };
    Ok(Prepared { one_off, opening })
}

impl Runs {
    /// A run that the journal is about to have: it is looked after from here on.
    pub fn begin(&self, run: RunId) -> Hold {
        self.all().insert(run, Looked::Carried);
        Hold { runs: self.clone(), run, released: false }
    }

    /// Keeps a run for whoever asked for it, for a while.
    pub fn wait(&self, mut hold: Hold, prepared: Prepared) {
        let until = Instant::now() + Duration::from_millis(ONE_OFF_ATTACH_WITHIN.0);
        self.all().insert(hold.run, Looked::Waits(Box::new(prepared), until));
        hold.released = true;
    }

    /// Gives a run that waits to whoever attaches to it.
    #[must_use]
    pub fn take(&self, run: RunId) -> Option<(Hold, Prepared)> {
        let mut all = self.all();
        let looked = all.get_mut(&run)?;
        match std::mem::replace(looked, Looked::Carried) {
            Looked::Waits(prepared, _) => {
                Some((Hold { runs: self.clone(), run, released: false }, *prepared))
            }
            Looked::Carried => None,
        }
    }

    /// Whether this control plane looks after it.
    fn looks_after(&self, run: RunId) -> bool {
        self.all().contains_key(&run)
    }

    /// Those whom nobody attached to in time.
    fn given_up(&self) -> Vec<(RunId, AppId)> {
        let now = Instant::now();
        let mut all = self.all();
        let late = all.iter().filter_map(|(run, looked)| match looked {
            Looked::Waits(prepared, until) if *until <= now => Some((*run, prepared.opening.app)),
            Looked::Waits(..) | Looked::Carried => None,
        });
        let late: Vec<_> = late.collect();
        for (run, _) in &late {
            all.remove(run);
        }
        late
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<RunId, Looked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That a run is looked after; dropped, it is not any more.
#[derive(Debug)]
pub struct Hold {
    runs: Runs,
    run: RunId,
    /// Somebody else looks after it now.
    released: bool,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.released {
            self.runs.all().remove(&self.run);
        }
    }
}

/// The way to the worker of a run, packet by packet.
#[derive(Debug)]
pub struct Passage {
    client: async_nats::Client,
    to_worker: String,
    from_worker: Subscriber,
}

/// What goes to the worker of a run; cheap to clone.
#[derive(Clone, Debug)]
pub struct Outward {
    client: async_nats::Client,
    subject: String,
}

impl Outward {
    /// Passes a packet on.
    pub async fn send(&self, packet: Bytes) {
        #[expect(clippy::disallowed_methods, reason = "a packet is no durable step")]
        let sent = self.client.publish(self.subject.clone(), packet).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "a packet of a run was lost; its end sends it again");
        }
    }
}

impl Passage {
    /// What goes there.
    #[must_use]
    pub fn outward(&self) -> Outward {
        Outward { client: self.client.clone(), subject: self.to_worker.clone() }
    }

    /// The next packet from there, with its bytes; none once the connection is closed.
    pub async fn next(&mut self) -> Option<(Bytes, Packet)> {
        loop {
            let message = self.from_worker.next().await?;
            match Packet::decode(&message.payload) {
                Ok(packet) if !packet.body.is_numbered() || !packet.body.is_for_worker() => {
                    return Some((message.payload, packet));
                }
                Ok(_) | Err(_) => tracing::warn!("a packet of a run made no sense"),
            }
        }
    }
}

/// Has the worker run a command.
///
/// # Errors
/// [`RunError`]; it is not run then, or ends soon for want of somebody who listens.
pub async fn open(control: &Control, prepared: &Prepared) -> Result<Passage, RunError> {
    let passage = passage(control, prepared.opening.run).await?;
    let wanted = RunWanted::Open(Box::new(prepared.opening.clone()));
    done(ask(control, prepared.one_off.worker, wanted, OPEN_WITHIN).await?)?;
    Ok(passage)
}

/// The workers that are heard of.
#[must_use]
pub fn workers(control: &Control) -> Vec<WorkerId> {
    control.read(|view| {
        let members = view.workers.values().filter_map(|worker| worker.state.member());
        members.filter(|member| member.lease == Lease::Held).map(|member| member.id).collect()
    })
}

/// Has the worker send what a detached command wrote.
///
/// # Errors
/// [`RunError`].
pub async fn read(
    control: &Control,
    worker: WorkerId,
    run: RunId,
    reader: RunId,
) -> Result<Passage, RunError> {
    let passage = passage(control, reader).await?;
    done(ask(control, worker, RunWanted::Log { run, reader }, ANSWER_WITHIN).await?)?;
    Ok(passage)
}

/// Has the worker end a command.
///
/// # Errors
/// [`RunError`].
pub async fn stop(control: &Control, worker: WorkerId, run: RunId) -> Result<(), RunError> {
    done(ask(control, worker, RunWanted::Stop(run), ANSWER_WITHIN).await?)
}

/// Has the worker let go of what is left of a command that has ended.
pub(crate) async fn forget(
    control: &Control,
    worker: WorkerId,
    run: RunId,
) -> Result<(), RunError> {
    done(ask(control, worker, RunWanted::Forget(run), ANSWER_WITHIN).await?)
}

async fn passage(control: &Control, id: RunId) -> Result<Passage, RunError> {
    let client = control.bus().client().clone();
    let from_worker = client.subscribe(subjects::run_from_worker(id)).await;
    let from_worker =
        from_worker.map_err(|error| RunError::Unavailable(format!("NATS is away: {error}")))?;
    Ok(Passage { client, to_worker: subjects::run_to_worker(id), from_worker })
}

fn done(said: RunSaid) -> Result<(), RunError> {
    match said {
        RunSaid::Done => Ok(()),
        RunSaid::Refused { why } => Err(RunError::Unfit(why)),
        RunSaid::Runs(_) => Err(RunError::Unfit(strange())),
    }
}

fn strange() -> String {
    "the worker answered something else; run the same version everywhere".into()
}

async fn ask(
    control: &Control,
    worker: WorkerId,
    wanted: RunWanted,
    within: Duration,
) -> Result<RunSaid, RunError> {
    let question = RunQuestion { format: FORMAT, installation: control.installation(), wanted };
    let subject = subjects::worker_runs(worker);
    let answer: Result<RunAnswer, _> = control.bus().ask(&subject, &question, within).await;
    match answer {
        Ok(answer) if answer.format == FORMAT && answer.worker == worker => Ok(answer.said),
        Ok(_) => Err(RunError::Unfit(strange())),
        Err(error) => Err(RunError::Unavailable(format!("its worker did not answer: {error}"))),
    }
}

/// Puts into the journal how a run ended.
pub async fn ended(control: &Control, app: AppId, run: RunId, end: OneOffEnd) {
    let meta = control.meta(Actor::System, None, None);
    control.insist::<App>(app.uuid(), AppCommand::EndCommand { run, end }, meta).await;
}
