//! Tells a pusher how the deployment goes: its stages, what its build says, and how it ends.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use hythe_core::ids::DeploymentId;
use hythe_core::limits;
use tokio::time::Instant;

use super::band::Band;
use crate::api::ApiState;
use crate::api::dto::{Deployment, DeploymentStatus, LogItem};
use crate::api::lines;
use crate::api::present;
use crate::api::problem::Problem;

/// How often a pusher hears something, whatever happens.
const HEARD_EVERY: Duration = Duration::from_secs(5);
/// How long the last lines of a log may be under way once the deployment is over.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(3);
/// How long a log may still take to open then.
const OPENED_WITHIN: Duration = Duration::from_secs(1);

/// Tells how it goes until it goes on no more; an error where it failed. That nobody hears it, that it
/// takes very long and that the server stops is none: it goes on.
pub(super) async fn watch(state: &ApiState, id: DeploymentId, band: &Band) -> Result<(), String> {
    let Some(_seat) = state.seat() else {
        band.say("       too many are being told of deployments; follow it with `hythe logs`")
            .await;
        return Ok(());
    };
    let until = Instant::now() + Duration::from_millis(limits::PUSH_TOLD_WITHIN.0);
    let mut telling = Telling { state, id, band, stages: 0, waits: None, told_any: false };
    let mut seen = state.control().seen();
    let mut beat = tokio::time::interval_at(Instant::now() + HEARD_EVERY, HEARD_EVERY);
    let (mut log, mut opening): (Option<Log>, Option<Opening<'_>>) = (None, None);
    let mut begun = false;
    loop {
        seen.mark_unchanged();
        let shown = state.see(|sight| present::deployment(sight, id));
        if let Some(deployment) = &shown {
            if !begun {
                begun = true;
                opening = Some(Box::pin(open(state, id)));
            }
            telling.look(deployment).await;
            if deployment.settled {
                if log.is_none() && opening.is_some() {
                    let opened = tokio::time::timeout(OPENED_WITHIN, opened(&mut opening));
                    log = opened.await.ok().flatten();
                }
                telling.rest(log).await;
                return telling.end(deployment).await;
            }
        } else if begun {
            return Err("the deployment went with its app".to_owned());
        }
        if !band.is_heard() {
            return Ok(());
        }
        tokio::select! {
            moved = seen.changed() => if moved.is_err() {
                return telling.goes_on("the server stops").await;
            },
            opened = opened(&mut opening) => (log, opening) = (opened, None),
            item = next(&mut log) => match item {
                Some(item) => telling.line(item).await,
                None => log = None,
            },
            _ = beat.tick() => {
                band.stay().await;
                if let Some(deployment) = &shown {
                    telling.waiting(deployment).await;
                }
            }
            () = state.stopping().cancelled() => {
                return telling.goes_on("the server stops").await;
            }
            () = tokio::time::sleep_until(until) => {
                return telling.goes_on("it takes long").await;
            }
        }
    }
}

type Log = std::pin::Pin<Box<dyn Stream<Item = Result<LogItem, Problem>> + Send>>;

type Opening<'a> = std::pin::Pin<Box<dyn Future<Output = Option<Log>> + Send + 'a>>;

/// The log, where it can be had: how the deployment goes is known without.
async fn open(state: &ApiState, id: DeploymentId) -> Option<Log> {
    let subjects = lines::of_deployment(state, id);
    let from = hythe_actors::bus::LogsFrom::Beginning;
    let lines = lines::open(state, &subjects, from, true).await.ok()?;
    Some(Box::pin(lines::follow_deployment(state.clone(), id, lines)))
}

/// The log once it is open; never, where nobody opens it.
async fn opened(opening: &mut Option<Opening<'_>>) -> Option<Log> {
    match opening {
        Some(opening) => opening.await,
        None => std::future::pending().await,
    }
}

/// The next item; never, where there is no log.
async fn next(log: &mut Option<Log>) -> Option<LogItem> {
    match log {
        Some(log) => log.next().await?.ok(),
        None => std::future::pending().await,
    }
}

struct Telling<'a> {
    state: &'a ApiState,
    id: DeploymentId,
    band: &'a Band,
    /// How many of its stages were told.
    stages: usize,
    /// What it waits for, as it was told.
    waits: Option<String>,
    /// Whether a line of the log was told.
    told_any: bool,
}

impl Telling<'_> {
    /// Tells the stages that are new.
    async fn look(&mut self, deployment: &Deployment) {
        for entry in deployment.stages.iter().skip(self.stages) {
            let text = match entry.stage {
                DeploymentStatus::Building => "Building",
                DeploymentStatus::Releasing => "Running the release command",
                DeploymentStatus::Starting => "Starting",
                DeploymentStatus::Switching => "Switching the traffic",
                DeploymentStatus::Draining => "Letting requests to the version before finish",
                DeploymentStatus::Requested
                | DeploymentStatus::Queued
                | DeploymentStatus::Built
                | DeploymentStatus::Healthy
                | DeploymentStatus::Live
                | DeploymentStatus::Superseded
                | DeploymentStatus::Failed
                | DeploymentStatus::Cancelled => continue,
            };
            self.band.say(&format!("-----> {text}")).await;
        }
        self.stages = deployment.stages.len();
    }

    /// Tells what it waits for, once for each thing.
    async fn waiting(&mut self, deployment: &Deployment) {
        let waits = &deployment.waiting_for;
        if let Some(waits) = waits.as_ref().filter(|waits| self.waits.as_ref() != Some(waits)) {
            self.band.say(&format!("       (waiting: {waits})")).await;
        }
        self.waits.clone_from(waits);
    }

    async fn line(&mut self, item: LogItem) {
        let text = match item {
            LogItem::Line { text, .. } => text,
            LogItem::Gap { .. } => "(some lines of the log are lost)".to_owned(),
            LogItem::End { .. } | LogItem::Note { .. } | LogItem::Access { .. } => return,
        };
        self.told_any = true;
        self.band.say(&format!("       {text}")).await;
    }

    /// Tells what is left of the log.
    async fn rest(&mut self, mut log: Option<Log>) {
        let rest = async {
            while log.is_some() {
                match next(&mut log).await {
                    Some(item) => self.line(item).await,
                    None => log = None,
                }
            }
        };
        let _the_end_is_known = tokio::time::timeout(LAST_LINES_WITHIN, rest).await;
    }

    async fn end(self, deployment: &Deployment) -> Result<(), String> {
        let Deployment { number, status, app, url, .. } = deployment;
        match status {
            DeploymentStatus::Live => {
                self.band.say(&format!("-----> {} #{number} is live: {url}", app.name)).await;
                Ok(())
            }
            DeploymentStatus::Superseded => {
                self.band.say(&format!("-----> a newer version took the place of #{number}")).await;
                Ok(())
            }
            DeploymentStatus::Cancelled => {
                self.band.say(&format!("=====! {} #{number} was cancelled", app.name)).await;
                Err("the deployment was cancelled".to_owned())
            }
            DeploymentStatus::Failed
            | DeploymentStatus::Requested
            | DeploymentStatus::Queued
            | DeploymentStatus::Building
            | DeploymentStatus::Built
            | DeploymentStatus::Releasing
            | DeploymentStatus::Starting
            | DeploymentStatus::Healthy
            | DeploymentStatus::Switching
            | DeploymentStatus::Draining => {
                let failure = deployment.failure.as_ref();
                let stage = failure.map_or("", |failure| failure.stage.as_str());
                let why = failure.map_or("", |failure| failure.message.as_str());
                let log = failure.map_or(&[][..], |failure| &failure.log);
                for line in log.iter().filter(|_| !self.told_any || stage != "building") {
                    self.band.say(&format!("       {line}")).await;
                }
                self.band
                    .say(&format!("=====! {} #{number} failed ({stage}): {why}", app.name))
                    .await;
                let before = self.state.see(|sight| {
                    let app = sight.view.apps.get(&app.id)?.state.active()?;
                    app.live.map(|_| ())
                });
                if before.is_some() {
                    self.band.say("       the version before serves as it did").await;
                }
                Err(format!("the deployment failed ({stage}); the reason is above"))
            }
        }
    }

    async fn goes_on(self, why: &str) -> Result<(), String> {
        let id = self.id;
        let text = format!("-----> {why}; the deployment goes on: hythe deployments show {id}");
        self.band.say(&text).await;
        Ok(())
    }
}
