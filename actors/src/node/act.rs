//! What follows from what the node knows: steps of the plan, a report, and when to see again.

use std::sync::Arc;
use std::time::Duration;

use hythe_core::limits::WORKER_HEARTBEAT;
use hythe_core::plan::{Plan, Step, Wanted, plan};
use hythe_core::wire::FORMAT;
use hythe_core::wire::worker::{EngineState, WorkerReport};
use tokio::time::Instant;

use super::actor::Message;
use super::clock;
use super::guard::guarded;
use super::health::Health;
use super::known::{Busy, without_image};
use super::state::Node;
use super::steps::{Aim, Outcome, StepError, Target, Task, target_of};
use crate::docker::EngineError;

/// Steps at once, but for those that stop: as many as the machine has processors, within these. Where an engine was
/// restarted, all that ran is to be started again.
const LEAST_STEPS: usize = 4;
const MOST_STEPS: usize = 16;
/// Stops at once: each mostly waits.
const MOST_STOPS: usize = 64;
/// From one report to the next, at the least, but where a replica has become healthy for the first time.
const REPORT_APART: Duration = Duration::from_millis(20);
/// How long the first report waits for the first look at everything.
const FIRST_REPORT_WITHIN: Duration = Duration::from_secs(3);
/// From one report to the next, at the most.
const HEARTBEAT: Duration = clock::span(WORKER_HEARTBEAT);
/// How often a step that the engine fails (rather than refuses) is tried before that is told.
const TRIES_BEFORE_TOLD: u32 = 2;

impl Node {
    /// Sees what follows. To be called after everything that the node hears.
    pub(crate) fn see(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        let now = Instant::now();
        let mut next: Vec<Instant> = self.reported.iter().map(|at| *at + HEARTBEAT).collect();
        if matches!(self.known.engine, EngineState::Ready { .. }) && self.inventory.is_none() {
            if self.inventory_due <= now {
                self.take_inventory();
            } else {
                next.push(self.inventory_due);
            }
        }
        if self.known.complete {
            let plan = plan(&self.known.desired, &self.known.seen());
            self.begin(plan, now, &mut next);
        }
        self.watchers.keep(&self.me, &self.setup, &self.known, &mut self.tasks);
        self.see_overdue(now, &mut next);
        self.report_if_due(now, &mut next);
        self.wake(next.into_iter().filter(|at| *at > now).min(), now);
    }

    fn begin(&mut self, plan: Plan, now: Instant, next: &mut Vec<Instant>) {
        next.extend(plan.look_again.map(|after| now + clock::span(after)));
        for step in plan.steps {
            let Some((target, aim)) = target_of(&step) else {
                next.extend(self.forget(&step, now));
                continue;
            };
            let network = match target {
                Target::Replica(key) => self
                    .known
                    .assignment(key)
                    .map(|assignment| assignment.network())
                    .or_else(|| Some(self.known.replicas.get(&key)?.observed.network)),
                Target::Network(app) => Some(app),
            };
            if self.known.must_wait(target, aim, network, now) {
                let setback = self.known.setbacks.get(&(target, aim));
                next.extend(setback.map(|setback| setback.until));
                continue;
            }
            let stops = matches!(step, Step::Stop(..));
            let most = if stops { MOST_STOPS } else { self.most_steps() };
            // One that has to wait for its turn is planned again when another has ended.
            if self.known.busy.values().filter(|busy| busy.stops == stops).count() >= most {
                continue;
            }
            if let Some(task) = self.task(&step) {
                // Now: it may be seen to run before the step has ended.
                if let Task::Create(key, _, Some(restarts)) = &task {
                    self.known.restarts.insert(*key, *restarts);
                }
                let starts = match aim {
                    Aim::Run => self.known.app_of(target),
                    Aim::Limit | Aim::End => None,
                };
                self.known.busy.insert(target, Busy { stops, network, starts });
                self.changed |= stops;
                let setup = Arc::clone(&self.setup);
                self.spawn(async move {
                    let outcome = Box::pin(guarded(task.run(&setup.tools))).await;
                    let outcome = outcome.unwrap_or_else(|why| Outcome {
                        result: Err(StepError::Broken(why)),
                        sight: None,
                    });
                    Message::Done { task: Box::new(task), outcome }
                });
            }
        }
    }

    fn most_steps(&self) -> usize {
        let processors = usize::try_from(self.setup.capacity.cpu_millis / 1_000);
        processors.unwrap_or(LEAST_STEPS).clamp(LEAST_STEPS, MOST_STEPS)
    }

    fn task(&self, step: &Step) -> Option<Task> {
        let assignment = |key| self.known.assignment(key).cloned().map(Box::new);
        match step {
            Step::Create(key) => {
                Some(Task::Create(*key, assignment(*key)?, self.known.counted_anew(*key)))
            }
            Step::Start(key) => Some(Task::Start(*key, self.known.next_restart(*key))),
            Step::Limit(key) => Some(Task::Limit(*key, assignment(*key)?)),
            Step::Stop(key, within) => Some(Task::Stop(*key, *within)),
            Step::Remove(key) => Some(Task::Remove(*key, self.watchers.drained(*key))),
            Step::RemoveNetwork(app) => Some(Task::RemoveNetwork(*app)),
            Step::Forget(_) => None,
        }
    }

    /// Forgets an order, or says when that is to be tried.
    fn forget(&mut self, step: &Step, now: Instant) -> Option<Instant> {
        let Step::Forget(deployment) = *step else { return None };
        let Some(Wanted::Stop { generation, .. }) = self.known.desired.get(&deployment) else {
            return None;
        };
        if let Some(later) = self.known.forgets_at(deployment, now) {
            return Some(later);
        }
        let busy = self.known.busy.keys().any(|target| match target {
            Target::Replica(key) => key.deployment == deployment,
            Target::Network(_) => false,
        });
        if busy || !self.forgetting.insert(deployment) {
            return None;
        }
        let (generation, ledger) = (*generation, Arc::clone(&self.setup.tools.ledger));
        self.spawn(async move {
            let forgotten = ledger.with(move |ledger| ledger.forget(deployment, generation)).await;
            if let Err(error) = &forgotten {
                tracing::error!(%deployment, %error, "an order could not be forgotten yet");
            }
            let generation = matches!(forgotten, Ok(true)).then_some(generation);
            Message::Forgotten { deployment, generation }
        });
        None
    }

    /// A step has ended.
    pub(crate) fn done(&mut self, task: &Task, outcome: Outcome) {
        let target = task.target();
        self.known.busy.remove(&target);
        self.changed = true;
        match (outcome.sight, target) {
            (Some(Some(sight)), _) => self.saw(sight),
            (Some(None), Target::Replica(key)) => self.vanished(key),
            // Whether it runs now is not known: nothing follows before everything was looked at.
            (None, Target::Replica(_)) if task.aim() == Aim::Run => self.look_at_everything(),
            (Some(None), Target::Network(_)) | (None, _) => {}
        }
        match outcome.result {
            Ok(()) => {
                self.known.setbacks.remove(&(target, task.aim()));
                match task {
                    Task::Create(_, assignment, _) => {
                        self.known.networks.insert(assignment.network());
                    }
                    Task::Start(key, Some(restarts)) => {
                        self.known.restarts.insert(*key, *restarts);
                    }
                    Task::RemoveNetwork(app) => {
                        self.known.networks.remove(app);
                    }
                    Task::Start(_, None) | Task::Limit(..) | Task::Stop(..) | Task::Remove(..) => {}
                }
            }
            Err(error) => {
                tracing::warn!(?target, %error, "a step failed and is tried again");
                let before = self.known.setbacks.get(&(target, task.aim()));
                let tried = before.map_or(0, |setback| setback.count);
                let message = tells(task, &error, tried);
                self.known.set_back(task, message, image_missing(task, &error));
            }
        }
    }

    /// A replica that was given all its time is reported at that moment, with its last lines.
    fn see_overdue(&mut self, now: Instant, next: &mut Vec<Instant>) {
        let mut overdue = Vec::new();
        for (key, replica) in &self.known.replicas {
            let Some(assignment) = self.known.assignment(*key).filter(|_| replica.run().is_some())
            else {
                continue;
            };
            let waits = matches!(replica.health, Health::Unknown | Health::Starting { .. });
            if !waits || replica.overdue_told {
                continue;
            }
            let due = replica.since + clock::span(replica.start_within(assignment));
            if due <= now {
                overdue.push(*key);
            } else {
                next.push(due);
            }
        }
        for key in overdue {
            if let Some(replica) = self.known.replicas.get_mut(&key) {
                replica.overdue_told = true;
            }
            // Told with its last lines, once those are read.
            self.read_tail(key);
        }
    }

    fn report_if_due(&mut self, now: Instant, next: &mut Vec<Instant>) {
        let asked = matches!(self.known.engine, EngineState::Ready { .. });
        let waits = !self.known.complete
            && (asked || self.reported.is_none())
            && now.duration_since(self.started) < FIRST_REPORT_WITHIN;
        if waits {
            next.push(self.started + FIRST_REPORT_WITHIN);
            return;
        }
        let since = self.reported.map(|at| now.duration_since(at));
        let beat = since.is_none_or(|since| since >= HEARTBEAT);
        // An order counts as taken on once it is reported, so whether its image is there comes with it.
        let looks = self.unsure.keys().any(|one| !self.unlooked.contains(one));
        if !beat && (!self.changed || looks) {
            return;
        }
        if let Some(soon) = since.and_then(|since| REPORT_APART.checked_sub(since))
            && !soon.is_zero()
            && !self.awaited
        {
            next.push(now + soon);
            return;
        }
        if beat {
            let ailing = self.known.replicas.iter().filter(|(_, replica)| replica.ails());
            let ailing: Vec<_> = ailing.map(|(key, _)| *key).collect();
            ailing.into_iter().for_each(|key| self.read_tail(key));
        }
        self.reported = Some(now);
        self.changed = false;
        self.awaited = false;
        next.push(now + HEARTBEAT);
        let report = self.report();
        self.setup.reports.send_replace(Some(report));
    }

    /// What there is to say now; the builds are added on the way out.
    pub(crate) fn report(&self) -> WorkerReport {
        let tools = &self.setup.tools;
        let (engine, replicas) = self.known.sightings();
        WorkerReport {
            format: FORMAT,
            worker: tools.owner.worker,
            installation: tools.owner.installation,
            name: self.setup.name.clone(),
            capacity: self.setup.capacity.clone(),
            sealing_key: tools.keys.public(),
            engine,
            assignments: self.known.held(&self.unsure),
            replicas,
            builds: Vec::new(),
            builder: None,
            at: clock::now(),
        }
    }

    /// Sets the timer, where what it is set to is not as good.
    fn wake(&mut self, next: Option<Instant>, now: Instant) {
        let Some(next) = next else { return };
        if self.alarm.at.is_some_and(|at| at <= next && at > now) {
            return;
        }
        if let Some(timer) = self.alarm.timer.take() {
            timer.abort();
        }
        self.alarm.generation += 1;
        self.alarm.at = Some(next);
        let generation = self.alarm.generation;
        let wait = next.duration_since(now);
        let timer = self.me.send_after(wait, move || Message::Alarm(generation));
        self.alarm.timer = Some(timer.abort_handle());
    }

    /// The timer is over; an older one means nothing.
    pub(crate) const fn rung(&mut self, generation: u64) {
        if self.alarm.generation == generation {
            self.alarm.at = None;
        }
    }
}

/// What to tell people of a step that failed, where it keeps a replica from running.
fn tells(task: &Task, error: &StepError, tried: u32) -> Option<String> {
    match task {
        Task::Create(..) | Task::Start(..) => {}
        Task::Limit(..) | Task::Stop(..) | Task::Remove(..) | Task::RemoveNetwork(_) => {
            return None;
        }
    }
    match error {
        StepError::Engine(EngineError::Unreachable { .. } | EngineError::Timeout { .. }) => None,
        StepError::Engine(EngineError::Refused { status: 500.., message })
            if tried < TRIES_BEFORE_TOLD && !fault_of_image(message) =>
        {
            None
        }
        StepError::Engine(EngineError::NotFound { message }) if of_image(message) => {
            Some(without_image(message))
        }
        // What else is not there was taken away in between: it is made anew.
        StepError::Engine(EngineError::NotFound { .. } | EngineError::Conflict { .. })
        | StepError::Broken(_)
            if tried < TRIES_BEFORE_TOLD =>
        {
            None
        }
        StepError::Engine(
            EngineError::Refused { .. }
            | EngineError::NotFound { .. }
            | EngineError::Conflict { .. }
            | EngineError::Foreign { .. }
            | EngineError::Address { .. }
            | EngineError::Broken { .. },
        )
        | StepError::Environment(_)
        | StepError::Broken(_) => Some(error.to_string()),
    }
}

/// Whether the engine does not have the image that a container is to be made from.
fn image_missing(task: &Task, error: &StepError) -> bool {
    match (task, error) {
        (Task::Create(..), StepError::Engine(EngineError::NotFound { message })) => {
            of_image(message)
        }
        (
            Task::Create(..)
            | Task::Start(..)
            | Task::Limit(..)
            | Task::Stop(..)
            | Task::Remove(..)
            | Task::RemoveNetwork(_),
            StepError::Engine(_) | StepError::Environment(_) | StepError::Broken(_),
        ) => false,
    }
}

/// Whether what the engine does not find is an image.
fn of_image(message: &str) -> bool {
    message.to_ascii_lowercase().contains("image")
}

/// Whether the engine says that what is in the image cannot be run: that will stay so.
fn fault_of_image(message: &str) -> bool {
    message.contains("exec") || message.contains("OCI runtime")
}

#[cfg(test)]
mod tests {
    use hythe_core::ids::DeploymentId;
    use hythe_core::plan::ReplicaKey;

    use super::*;

    #[test]
    fn what_the_engine_does_not_find_is_told_as_what_it_is() {
        let deployment = DeploymentId::new(uuid::Uuid::from_u128(7));
        let start = Task::Start(ReplicaKey { deployment, index: 0 }, None);
        let told = |message: &str, tried| {
            let error = EngineError::NotFound { message: message.into() };
            tells(&start, &StepError::Engine(error), tried)
        };
        let image = told("No such image: sha256:11", 0).unwrap();
        assert!(image.contains("its image is not on this worker"), "{image}");
        for taken_away in ["network 3f1c not found", "there is no container hythe-7-0"] {
            assert_eq!(told(taken_away, 0), None, "it is made anew");
            let at_last = told(taken_away, TRIES_BEFORE_TOLD).unwrap();
            assert!(at_last.contains(taken_away) && !at_last.contains("image"), "{at_last}");
        }
    }
}
