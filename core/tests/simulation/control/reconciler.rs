//! The reconciler: looks on every change and on a timer, waits for the answers to its commands,
//! sends beside itself, and keeps the routes bucket right.

use hythe_core::app::App;
use hythe_core::deployment::{Attempt, Deployment, DeploymentCommand, Stage};
use hythe_core::ids::{DeploymentId, WorkerId};
use hythe_core::limits;
use hythe_core::reconcile::{Effect, next_deadline, reconcile};
use hythe_core::record::Actor;
use hythe_core::routes::RouteTable;
use hythe_core::task::is_task;
use hythe_core::wire::FORMAT;
use hythe_core::wire::build::BuildCommand;
use hythe_core::wire::worker::{Assignment, Order, SealedEnvironment, TaskOrder, WorkerMessage};
use hythe_core::worker::Worker;

use crate::aggregate::{Answer, Waiter};
use crate::made;
use crate::network::{Body, Node, To};
use crate::plant::Plant;
use crate::schedule::Due;
use crate::trace::Short;
use crate::world::World;

/// What the reconciler remembers; nothing that matters.
#[derive(Debug, Default)]
pub(crate) struct Reconciler {
    /// Answers that it waits for.
    waits_for: usize,
    /// Whether something changed meanwhile.
    woken: bool,
    alarm: u64,
    alarm_at: Option<u64>,
    /// The connection under which the bucket was looked at last.
    met: Option<u32>,
    /// The connection under which edges were given their time to be heard of.
    reached: Option<u32>,
    /// The largest revision that was used or seen.
    newest: u64,
}

impl World {
    /// Something changed.
    pub(crate) fn wake_reconciler(&mut self) {
        self.control.reconciler.woken = true;
        let soon = self.random.u64(1..10);
        self.set_alarm(soon);
    }

    fn set_alarm(&mut self, span: u64) {
        let at = self.now + span;
        let reconciler = &mut self.control.reconciler;
        if reconciler.waits_for > 0 || reconciler.alarm_at.is_some_and(|set| set <= at) {
            return;
        }
        reconciler.alarm += 1;
        reconciler.alarm_at = Some(at);
        let alarm = reconciler.alarm;
        self.after(span, Due::Reconcile(self.control.life, alarm));
    }

    /// One look.
    pub(crate) fn reconcile(&mut self, alarm: u64) {
        let reconciler = &mut self.control.reconciler;
        if reconciler.alarm != alarm {
            return;
        }
        reconciler.alarm_at = None;
        reconciler.woken = false;
        let now = self.control_now();
        let epoch = self.linked(Node::Control).then_some(self.control.epoch);
        if epoch.is_none() || epoch != self.control.reconciler.reached {
            self.control.observed.unreached_until(now);
            self.control.reconciler.reached = epoch;
        }
        self.meet_the_bus();
        self.control.observed.forget_old(now);
        let effects =
            reconcile(&self.control.view, &self.control.observed, &made::base_domain(), now);
        let effects = self.plant_in_effects(effects);
        for effect in effects {
            match effect {
                Effect::PublishRoutes(routes) => self.publish(routes),
                Effect::Deployment(id, command) => {
                    self.judge_command(id, &command);
                    self.note(format_args!("reconciled: {} {command:?}", Short(id.uuid())));
                    self.control.reconciler.waits_for += 1;
                    let cause = self.control.view.deployments.get(&id).map(|view| view.last);
                    let meta = self.meta(Actor::System, cause);
                    self.command::<Deployment>(id.uuid(), command, meta, Waiter::Reconciler);
                }
                Effect::App(id, command) => {
                    self.note(format_args!("reconciled: {} {command:?}", Short(id.uuid())));
                    self.control.reconciler.waits_for += 1;
                    let meta = self.meta(Actor::System, None);
                    self.command::<App>(id.uuid(), command, meta, Waiter::Reconciler);
                }
                Effect::Worker(id, command) => {
                    self.note(format_args!("reconciled: {} {command:?}", Short(id.uuid())));
                    self.control.reconciler.waits_for += 1;
                    let meta = self.meta(Actor::System, None);
                    self.command::<Worker>(id.uuid(), command, meta, Waiter::Reconciler);
                }
                Effect::SendStop { deployment, .. } => {
                    self.judge_rest(deployment);
                    self.send_soon(effect);
                }
                Effect::SendBuild { .. }
                | Effect::SendRun { .. }
                | Effect::SendCancelBuild { .. } => self.send_soon(effect),
            }
        }
        let until = next_deadline(&self.control.view, now).map_or(u64::MAX, |at| at.since(now).0);
        let most = self.random.u64(1_000..2_000);
        self.set_alarm(until.clamp(20, most));
    }

    pub(super) fn reconciler_answered(&mut self, answer: &Answer) {
        match answer {
            Answer::Rejected(why) => {
                self.note(format_args!("a command of the reconciler was refused: {why}"));
            }
            Answer::Done(_) | Answer::ClaimTaken | Answer::Busy => {}
        }
        let reconciler = &mut self.control.reconciler;
        reconciler.waits_for = reconciler.waits_for.saturating_sub(1);
        if reconciler.waits_for == 0 {
            // What was set before it waited counts for nothing.
            reconciler.alarm_at = None;
            let span = if reconciler.woken { 1 } else { 1_000 };
            self.set_alarm(span);
        }
    }

    /// Once for each connection: takes over the table in the bucket, or puts ours back.
    fn meet_the_bus(&mut self) {
        if !self.linked(Node::Control) || self.control.reconciler.met == Some(self.control.epoch) {
            return;
        }
        self.control.observed.sent.clear();
        let found = self.nats.bucket.as_ref().map(|value| value.table.clone());
        let theirs = found.as_ref().map_or(0, |table| table.revision);
        let mine = self.control.observed.table.clone();
        let newest = &mut self.control.reconciler.newest;
        *newest = (*newest).max(theirs).max(mine.revision);
        match found {
            Some(table) if theirs > mine.revision => {
                self.note(format_args!("found table {theirs} in the bucket"));
                self.control.observed.put_in_force(table);
            }
            Some(_) | None => {
                if theirs < mine.revision && !self.put(mine) {
                    return;
                }
            }
        }
        self.control.reconciler.met = Some(self.control.epoch);
    }

    fn publish(
        &mut self,
        routes: std::collections::BTreeMap<hythe_core::names::HostName, hythe_core::routes::Route>,
    ) {
        let met = self.control.reconciler.met;
        if met.is_none() || met != Some(self.control.epoch) || !self.linked(Node::Control) {
            return;
        }
        let edges = self.control.observed.edges.values().map(|edge| edge.revision);
        let seen = edges.max().unwrap_or_default().max(self.control.observed.table.revision);
        let newest = self.control.reconciler.newest.max(seen).saturating_add(1);
        let revision = self.control_now().0.max(newest);
        self.control.reconciler.newest = revision;
        let table = RouteTable { revision, routes };
        self.judge_table(&table);
        if self.trace.is_kept() {
            let backends: Vec<String> = table.routes.iter().map(words).collect();
            self.note(format_args!("publishes {revision}: {}", backends.join(" ")));
        }
        if self.put(table.clone()) {
            self.control.observed.put_in_force(table);
        } else {
            self.control.reconciler.met = None;
        }
        self.wake_reconciler();
    }

    /// Noted as sent at once, and taken back where it was not.
    fn send_soon(&mut self, effect: Effect) {
        if !self.linked(Node::Control) {
            return;
        }
        let Some(sent) = effect.sent() else { return };
        let now = self.control_now();
        self.control.observed.sent.insert(sent, now);
        let after = self.random.u64(0..20);
        self.after(after, Due::Send(self.control.life, Box::new(effect)));
    }

    /// A message is made from what is known now, and sent.
    pub(crate) fn send_effect(&mut self, effect: &Effect) {
        let Some((to, body)) = self.message(effect) else { return };
        if let Effect::SendStop { worker, deployment, .. } = effect {
            self.judge_stop(*worker, *deployment);
        }
        self.note(format_args!("sends {:?}", effect.sent()));
        if !self.send(Node::Control, to, body)
            && let Some(sent) = effect.sent()
        {
            self.control.observed.sent.remove(&sent);
        }
    }

    fn message(&self, effect: &Effect) -> Option<(To, Body)> {
        match effect {
            Effect::SendBuild { deployment, generation, until } => {
                let spec = self.attempt(*deployment)?.spec.clone();
                let (deployment, generation, until) = (*deployment, *generation, *until);
                let secrets = Vec::new();
                let command = BuildCommand {
                    format: FORMAT,
                    deployment,
                    generation,
                    spec,
                    until,
                    secrets,
                    registries: Vec::new(),
                    access: Vec::new(),
                    github: None,
                    sites: false,
                };
                Some((To::Pool, Body::Build(Box::new(command))))
            }
            Effect::SendRun { worker, deployment, generation, replicas, restart } => {
                let run = self.assignment(*deployment, *generation, replicas, *restart)?;
                order(*worker, Order::Run(Box::new(run)))
            }
            Effect::SendStop { worker, deployment, generation } => {
                let attempt = self.attempt(*deployment);
                let stop_within = attempt.map_or(limits::STOP_WITHIN, |a| a.spec.stop_within);
                let (deployment, generation) = (*deployment, *generation);
                order(*worker, Order::Stop { deployment, generation, stop_within })
            }
            Effect::SendCancelBuild { worker, deployment, generation } => {
                let (deployment, generation) = (*deployment, *generation);
                order(*worker, Order::CancelBuild { deployment, generation })
            }
            Effect::App(..)
            | Effect::Deployment(..)
            | Effect::Worker(..)
            | Effect::PublishRoutes(_) => None,
        }
    }

    pub(crate) fn attempt(&self, deployment: DeploymentId) -> Option<&Attempt> {
        self.control.view.deployments.get(&deployment)?.state.attempt()
    }

    fn assignment(
        &self,
        deployment: DeploymentId,
        generation: u64,
        replicas: &[u16],
        restart: bool,
    ) -> Option<Assignment> {
        let attempt = self.attempt(deployment)?.clone();
        let goes_on = attempt.post_deploying().is_some();
        let Attempt { spec, stage, built, .. } = attempt;
        let built = built?;
        if matches!(stage, Stage::Ended(_)) && !goes_on {
            return None;
        }
        Some(Assignment {
            deployment,
            app: spec.app,
            app_name: spec.app_name,
            generation,
            replicas: replicas.iter().copied().filter(|index| !is_task(*index)).collect(),
            tasks: replicas.iter().filter_map(|index| TaskOrder::of(&spec.run, *index)).collect(),
            image: built.image,
            port: built.port,
            environment: SealedEnvironment::default(),
            health: spec.health,
            resources: spec.resources,
            run: spec.run,
            stop_within: spec.stop_within,
            restart,
        })
    }

    fn plant_in_effects(&self, effects: Vec<Effect>) -> Vec<Effect> {
        match self.plant {
            Some(Plant::NothingExpires) => effects
                .into_iter()
                .filter(|effect| {
                    !matches!(effect, Effect::Deployment(_, DeploymentCommand::Expire { .. }))
                })
                .collect(),
            Some(plant) => plant.in_effects(self, effects),
            None => effects,
        }
    }
}

fn order(worker: WorkerId, order: Order) -> Option<(To, Body)> {
    let machine = usize::try_from(worker.uuid().as_u128() & u128::from(u64::MAX)).ok()?;
    Some((To::Worker(machine), Body::Order(WorkerMessage { format: FORMAT, worker, order })))
}

fn words((host, route): (&hythe_core::names::HostName, &hythe_core::routes::Route)) -> String {
    use hythe_core::routes::Backend;
    match &route.backend {
        Backend::Replicas { deployment, targets } => {
            format!("{host}={}x{}", Short(deployment.uuid()), targets.len())
        }
        Backend::Starting => format!("{host}=starting"),
        Backend::Down => format!("{host}=down"),
        Backend::Site { deployment, .. } => format!("{host}={}site", Short(deployment.uuid())),
    }
}
