//! The reconciler: runs [`hythe_core::reconcile`] on every event, every report and a timer, and
//! carries out what it says.
//!
//! It remembers nothing that matters: killed anywhere, the next one finds the same work again.
//! Nothing is sent before what it follows from is durable, for it reads only the projection, which
//! holds nothing else.

mod large;
mod messages;
mod routes;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hythe_core::app::{App, AppCommand};
use hythe_core::deployment::{Deployment, DeploymentCommand};
use hythe_core::ids::{DeploymentId, InstallationId};
use hythe_core::names::HostName;
use hythe_core::reconcile::{Effect, next_deadline, reconcile};
use hythe_core::record::{Actor, Meta};
use hythe_core::worker::Worker;
use hythe_store::{Journal, SecretChange};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::messages::Unsendable;
use self::routes::RoutesKeeper;
use crate::aggregate::{CommandError, Extras, Hosted, Hosts};
use crate::bus::{Bus, BusError};
use crate::clock::Clock;
use crate::github::GitHubApps;
use crate::observatory::Observatory;
use crate::reports::new_correlation;
use crate::views::Views;

/// How often it looks when nothing calls for it: leases and deadlines pass by themselves.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// While something calls for it all the time, it rests so many times as long as a look took.
const REST: u32 = 4;
/// Looks that take less are not worth a rest.
const QUICK: Duration = Duration::from_micros(250);
/// After so many looks in a row that found nothing to do it rests longer, unless nothing called for it for a
/// while: where much changes that asks nothing of it, it would only keep others from the view.
const IN_VAIN: u32 = 4;
const A_WHILE: Duration = Duration::from_millis(20);
/// So many times as long as a look took, and at least and at most so long.
const LONG_REST: u32 = 19;
const LONG_REST_LEAST: Duration = Duration::from_millis(5);
const LONG_REST_MOST: Duration = Duration::from_millis(50);
/// Messages on their way at once.
const SENDING_AT_ONCE: usize = 64;

/// How often it looked in vain, one time after the other.
#[derive(Debug)]
struct Pace {
    in_vain: u32,
    /// Since when it could look again.
    rested: Instant,
}

impl Pace {
    /// How long to rest after a look: when it began, how long it took, and whether it found something to do.
    fn rest(&mut self, begun: Instant, took: Duration, found: bool) -> Duration {
        if found || begun.saturating_duration_since(self.rested) >= A_WHILE {
            self.in_vain = 0;
        }
        if !found {
            self.in_vain = self.in_vain.saturating_add(1);
        }
        let usual = match took > QUICK {
            true => took.saturating_mul(REST).min(LOOK_EVERY),
            false => Duration::ZERO,
        };
        let long = match self.in_vain >= IN_VAIN {
            true => took.saturating_mul(LONG_REST).clamp(LONG_REST_LEAST, LONG_REST_MOST),
            false => Duration::ZERO,
        };
        let rest = usual.max(long);
        self.rested = begun + took + rest;
        rest
    }
}

/// What the reconciler works with.
#[derive(Clone, Debug)]
pub struct Reconciler<V> {
    /// Where messages go.
    pub bus: Bus,
    /// Who takes commands.
    pub hosts: Hosts,
    /// Where secrets lie.
    pub journal: Journal,
    /// Which installation this is: registries' passwords lie under it.
    pub installation: InstallationId,
    /// Who borrows tokens for repositories at GitHub.
    pub github: GitHubApps,
    /// What was seen.
    pub observatory: Observatory,
    /// What was decided.
    pub views: V,
    /// What time it is.
    pub clock: Clock,
    /// Apps answer at their name below this.
    pub base_domain: HostName,
}

impl<V: Views> Reconciler<V> {
    /// Reconciles until `stop` is cancelled.
    ///
    /// # Errors
    /// Where the projection is gone; nothing else ends it.
    pub async fn run(self, stop: CancellationToken) -> Result<(), String> {
        let mut head = self.views.head();
        let mut seen = self.observatory.changes();
        let mut routes = RoutesKeeper::default();
        let mut sending = JoinSet::new();
        let mut pace = Pace { in_vain: 0, rested: Instant::now() };
        loop {
            let now = self.clock.now();
            routes.meet_the_bus(&self.bus, &self.journal, &self.observatory, now).await;
            // Marked before looking, so that what comes while looking is looked at again.
            head.mark_unchanged();
            seen.mark_unchanged();
            let now = self.clock.now();
            let begun = Instant::now();
            self.observatory.note_quietly(|observed| observed.forget_old(now));
            let (effects, deadline) = self.views.look(|view| {
                let effects = self
                    .observatory
                    .read(|observed| reconcile(view, observed, &self.base_domain, now));
                (effects, next_deadline(view, now))
            });
            // With many apps a look takes long, and each of them may call for another one.
            let rest = pace.rest(begun, begun.elapsed(), !effects.is_empty());
            self.carry_out(effects, &mut routes, &mut sending).await;
            if !rest.is_zero() && stop.run_until_cancelled(tokio::time::sleep(rest)).await.is_none()
            {
                return Ok(());
            }
            let until = deadline.map_or(LOOK_EVERY, |at| Duration::from_millis(at.since(now).0));
            let pause = until.clamp(Duration::from_millis(20), LOOK_EVERY);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = head.changed() => {
                    changed.map_err(|_| "the projection is gone".to_owned())?;
                }
                _ = seen.changed() => {}
                Some(sent) = sending.join_next() => report_panic(sent),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn carry_out(
        &self,
        effects: Vec<Effect>,
        routes: &mut RoutesKeeper,
        sending: &mut JoinSet<()>,
    ) {
        if !effects.iter().any(|effect| matches!(effect, Effect::PublishRoutes(_))) {
            // The one in force is as it should be.
            self.observatory.note_quietly(|observed| observed.unpublishable = None);
        }
        let mut commands = FuturesUnordered::new();
        for effect in effects {
            match effect {
                Effect::PublishRoutes(table) => {
                    let (bus, journal, seen) = (&self.bus, &self.journal, &self.observatory);
                    routes.publish(table, bus, journal, seen, self.clock.now()).await;
                }
                Effect::App(..) | Effect::Deployment(..) | Effect::Worker(..) => {
                    commands.push(self.command(effect));
                }
                Effect::SendBuild { .. }
                | Effect::SendRun { .. }
                | Effect::SendStop { .. }
                | Effect::SendCancelBuild { .. } => self.send(effect, sending),
            }
        }
        while commands.next().await.is_some() {}
    }

    async fn command(&self, effect: Effect) {
        let result = match effect {
            Effect::Deployment(id, command) => self.to_deployment(id, command).await,
            Effect::App(id, command) => {
                // Of one that is gone, nobody is to read what was its own any more.
                let gone = matches!(command, AppCommand::Expire { .. });
                let scope = SecretChange::DeleteScope { scope: id.uuid() };
                let secrets = gone.then_some(scope).into_iter().collect();
                let extras = Extras { secrets, ..Extras::from(self.meta(None)) };
                App::host(&self.hosts).command(id.uuid(), command, extras).await.map(drop)
            }
            Effect::Worker(id, command) => {
                let meta = self.meta(None);
                let extras = Extras::from(meta);
                Worker::host(&self.hosts).command(id.uuid(), command, extras).await.map(drop)
            }
            Effect::SendBuild { .. }
            | Effect::SendRun { .. }
            | Effect::SendStop { .. }
            | Effect::SendCancelBuild { .. }
            | Effect::PublishRoutes(_) => Ok(()),
        };
        match result {
            Ok(()) => {}
            Err(
                error @ (CommandError::Busy { .. }
                | CommandError::NoRoom(_)
                | CommandError::Unavailable(_)),
            ) => {
                tracing::debug!(%error, "a command of the reconciler comes again");
            }
            Err(error @ (CommandError::Rejected(_) | CommandError::ClaimTaken { .. })) => {
                tracing::warn!(%error, "a command of the reconciler was refused");
            }
        }
    }

    async fn to_deployment(
        &self,
        id: DeploymentId,
        command: DeploymentCommand,
    ) -> Result<(), CommandError> {
        let extras = Extras::from(self.meta(Some(id)));
        Deployment::host(&self.hosts).command(id.uuid(), command, extras).await.map(drop)
    }

    /// By Hythe itself; of a deployment: part of what set it off, because of its newest event.
    fn meta(&self, deployment: Option<DeploymentId>) -> Meta {
        let known = deployment.and_then(|id| {
            self.views.look(|view| {
                let deployment = view.deployments.get(&id)?;
                Some((deployment.requested.correlation, deployment.last))
            })
        });
        Meta {
            at: self.clock.now(),
            actor: Actor::System,
            correlation: known.map_or_else(new_correlation, |(correlation, _)| correlation),
            causation: known.map(|(_, last)| last),
        }
    }

    /// Sends in the background, so that a NATS that hangs holds nothing else up. Noted as sent at
    /// once, and taken back where it was not.
    fn send(&self, effect: Effect, sending: &mut JoinSet<()>) {
        while let Some(sent) = sending.try_join_next() {
            report_panic(sent);
        }
        let Some(sent) = effect.sent() else { return };
        if sending.len() >= SENDING_AT_ONCE || !self.bus.is_ready() {
            return;
        }
        let now = self.clock.now();
        self.observatory.note_quietly(|observed| observed.sent.insert(sent, now));
        let this = self.clone();
        sending.spawn(async move {
            match this.send_now(effect).await {
                Ok(()) => this.observatory.note_quietly(|observed| observed.has_sent(&sent)),
                Err(error) => {
                    tracing::warn!(%error, "a message could not be sent and comes again");
                    let (why, now) = (error.to_string(), this.clock.now());
                    this.observatory
                        .note_quietly(|observed| observed.could_not_send(sent, why, now));
                }
            }
        });
    }

    async fn send_now(&self, effect: Effect) -> Result<(), BusError> {
        let made = match self.message(&effect).await {
            Ok(made) => made,
            Err(Unsendable::Outdated) => return Ok(()),
            Err(Unsendable::Never(deployment, command)) => {
                if let Err(error) = self.to_deployment(deployment, *command).await {
                    tracing::warn!(%error, "a deployment that cannot start could not be ended");
                }
                return Ok(());
            }
        };
        let (what, bytes) = (made.subject, made.payload.len());
        let most = large::most(&effect, self.bus.client().max_payload());
        let sent = if bytes > most {
            Err(BusError::TooLarge { what, bytes, most })
        } else {
            self.bus.publish_bytes(made.step, &what, made.payload.clone(), None).await.map(drop)
        };
        // The server may have another opinion by now.
        if let Err(BusError::TooLarge { most, .. }) = &sent
            && let Some((deployment, command)) =
                large::end(&effect, &made.payload, *most, self.clock.now())
        {
            if let Err(error) = self.to_deployment(deployment, command).await {
                tracing::warn!(%error, "a deployment whose message is too large could not be ended");
            }
            return Ok(());
        }
        if let Err(BusError::Full { .. }) = &sent {
            self.make_room().await;
        }
        sent
    }

    /// Commands lie in NATS for a while after they were carried out, and large ones may fill their stream within
    /// that: then all of them go, as where its store was wiped, and whatever still matters is sent again.
    async fn make_room(&self) {
        if let Err(error) = self.bus.drop_commands().await {
            tracing::warn!(%error, "there is no room for commands, and it is tried again");
            return;
        }
        tracing::warn!("commands that lay in NATS were dropped, for there was no room for another");
        self.observatory.note_quietly(|observed| observed.sent.clear());
    }
}

fn report_panic(sent: Result<(), tokio::task::JoinError>) {
    if let Err(error) = sent
        && error.is_panic()
    {
        tracing::error!(%error, "sending a message failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_after_a_long_look_and_longer_after_many_that_found_nothing() {
        let millis = Duration::from_millis;
        let mut now = Instant::now();
        let mut pace = Pace { in_vain: 0, rested: now };
        // How long nothing called for it, how long it looked, whether it found something, and the rest.
        for (row, (waited, took, found, rest)) in [
            (0, millis(3), true, millis(12)),
            (0, millis(600), true, LOOK_EVERY),
            (0, QUICK, false, Duration::ZERO),
            (0, millis(1), false, millis(4)),
            (0, QUICK, false, Duration::ZERO),
            (0, QUICK, false, LONG_REST_LEAST),
            (0, millis(1), false, millis(19)),
            (0, millis(10), false, LONG_REST_MOST),
            (0, millis(100), false, millis(400)),
            (19, QUICK, false, LONG_REST_LEAST),
            // What it found may be followed by more at once.
            (0, QUICK, true, Duration::ZERO),
            (0, QUICK, false, Duration::ZERO),
            (0, QUICK, false, Duration::ZERO),
            (0, QUICK, false, Duration::ZERO),
            (20, QUICK, false, Duration::ZERO),
        ]
        .into_iter()
        .enumerate()
        {
            now += millis(waited);
            assert_eq!(pace.rest(now, took, found), rest, "{row}");
            now += took + rest;
        }
    }
}
