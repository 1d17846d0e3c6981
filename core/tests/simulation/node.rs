//! What a node does: the steps of the core's plan, one at a time for each thing, and again after a
//! failure.

use hythe_core::ids::DeploymentId;
use hythe_core::limits;
use hythe_core::plan::{Step, Wanted, backoff, plan};
use hythe_core::time::Timestamp;

use crate::engine::{Condition, EngineDue, Reply, Task, name};
use crate::plant::Plant;
use crate::schedule::Due;
use crate::trace::Short;
use crate::worker::{Busy, NodeDue, Setback, Target};
use crate::world::World;

impl World {
    /// Sees what follows from what the node knows.
    pub(crate) fn see(&mut self, m: usize) {
        let now = self.machine_now(m);
        let mut next: Option<Timestamp> = None;
        let mut wake = |at: Timestamp| next = Some(next.map_or(at, |sooner| sooner.min(at)));
        if self.machines[m].node.complete {
            let machine = &self.machines[m];
            let plan = plan(&machine.ledger.wanted, &machine.seen(now, self.now));
            plan.look_again.into_iter().for_each(|after| wake(now.plus(after)));
            for step in plan.steps {
                if let Some(until) = self.begin(m, &step, now) {
                    wake(until);
                }
            }
        }
        for (key, known) in &self.machines[m].node.replicas {
            if let Condition::Running { since } = known.seen.condition
                && !known.was_healthy
                && let Some(run) = self.machines[m].assignment(*key)
            {
                let task = run.task(key.index);
                let within = task.map_or(run.health.start_within(), |task| task.within);
                wake(since.plus(within));
            }
        }
        if let Some(at) = next.filter(|at| *at > now) {
            let machine = &mut self.machines[m];
            machine.node.alarm += 1;
            let (alarm, life) = (machine.node.alarm, machine.life);
            self.after(at.since(now).0, Due::Node(m, life, NodeDue::Alarm(alarm)));
        }
        if self.machines[m].node.changed {
            self.report_soon(m);
        }
    }

    /// Begins a step; says until when it has to wait after a failure.
    fn begin(&mut self, m: usize, step: &Step, now: Timestamp) -> Option<Timestamp> {
        let machine = &mut self.machines[m];
        let (target, task) = match *step {
            Step::Create(key) => {
                let run = machine.assignment(key)?.clone();
                (Target::Replica(key), Task::Create(key, Box::new(run)))
            }
            Step::Start(key) => {
                if self.plant == Some(Plant::NothingIsStartedAgain) {
                    return None;
                }
                let exited = match machine.node.replicas.get(&key)?.seen.condition {
                    Condition::Exited { ran, .. } => Some(ran),
                    Condition::Created | Condition::Running { .. } => None,
                };
                let restarts = exited.map(|ran| {
                    (machine.in_a_row(key, ran).saturating_add(1), machine.restarts(key) + 1)
                });
                (Target::Replica(key), Task::Start(key, restarts))
            }
            Step::Limit(key) => (Target::Replica(key), Task::Limit(key)),
            Step::Stop(key, within) => (Target::Replica(key), Task::Stop(key, within)),
            Step::Remove(key) => (Target::Replica(key), Task::Remove(key)),
            Step::RemoveNetwork(app) => (Target::Network(app), Task::RemoveNetwork(app)),
            Step::Forget(deployment) => {
                self.forget(m, deployment);
                return None;
            }
        };
        let of_its_app = match target {
            Target::Replica(_) => false,
            Target::Network(_) => machine.node.busy.keys().any(|busy| *busy != target),
        };
        if of_its_app || machine.node.busy.contains_key(&target) {
            return None;
        }
        if let Some(setback) = machine.node.setbacks.get(&target)
            && setback.until > now
            // A clock that was set back must not make it wait for a day.
            && setback.until <= now.plus(limits::RESTART_BACKOFF_MOST)
        {
            return Some(setback.until);
        }
        // What is made anew was not started again yet.
        if let Task::Create(key, _) = &task
            && let Some((in_a_row, _)) = machine.ledger.restarts.get_mut(key)
        {
            *in_a_row = 0;
        }
        if let Task::Start(key, Some(restarts)) = &task {
            machine.ledger.restarts.insert(*key, *restarts);
        }
        let (busy, within) = match &task {
            Task::Stop(_, within) => (Busy::Stops, within.0),
            Task::Create(_, run) => (Busy::Starts(run.app), 400),
            Task::Start(key, _) => (Busy::Starts(machine.node.replicas.get(key)?.seen.app), 400),
            Task::Limit(_) | Task::Remove(_) | Task::RemoveNetwork(_) => (Busy::Else, 400),
        };
        if let Task::Create(key, run) = &task {
            self.judge_creates(m, *key, run.generation);
        }
        let machine = &mut self.machines[m];
        machine.node.busy.insert(target, busy);
        machine.node.changed |= busy == Busy::Stops;
        let life = machine.life;
        let after = self.random.u64(5..within.max(6));
        self.after(after, Due::Engine(m, EngineDue::Act(life, Box::new(task))));
        None
    }

    fn forget(&mut self, m: usize, deployment: DeploymentId) {
        let machine = &mut self.machines[m];
        let busy = machine.node.busy.keys().any(|target| match target {
            Target::Replica(key) => key.deployment == deployment,
            Target::Network(_) => false,
        });
        if !busy && matches!(machine.ledger.wanted.get(&deployment), Some(Wanted::Stop { .. })) {
            machine.ledger.wanted.remove(&deployment);
            machine.ledger.restarts.retain(|key, _| key.deployment != deployment);
            machine.node.changed = true;
            self.note(format_args!("w{m} forgets {}", Short(deployment.uuid())));
        }
    }

    /// A step has ended.
    pub(crate) fn did(&mut self, m: usize, task: &Task, reply: Reply) {
        let now = self.machine_now(m);
        let target = match task {
            Task::Create(key, _)
            | Task::Start(key, _)
            | Task::Limit(key)
            | Task::Stop(key, _)
            | Task::Remove(key) => Target::Replica(*key),
            Task::RemoveNetwork(app) => Target::Network(*app),
        };
        let node = &mut self.machines[m].node;
        node.busy.remove(&target);
        node.changed = true;
        match reply {
            Reply::Done => {
                node.setbacks.remove(&target);
                match task {
                    Task::Create(_, run) => drop(node.networks.insert(run.app)),
                    Task::RemoveNetwork(app) => drop(node.networks.remove(app)),
                    Task::Start(..) | Task::Limit(_) | Task::Stop(..) | Task::Remove(_) => {}
                }
            }
            Reply::Unreachable | Reply::Refused | Reply::NoImage => {
                let count = node.setbacks.get(&target).map_or(0, |setback| setback.count);
                let refused = matches!(reply, Reply::Refused | Reply::NoImage)
                    && matches!(task, Task::Create(..) | Task::Start(..));
                let image_missing = reply == Reply::NoImage;
                let until = now.plus(backoff(count));
                let count = count.saturating_add(1);
                let setback = Setback { refused, image_missing, count, until };
                node.setbacks.insert(target, setback);
            }
        }
        if let Target::Replica(key) = target {
            self.note(format_args!("w{m} did {} to {}: {reply:?}", verb(task), name(key)));
            self.look(m, key);
        }
    }
}

const fn verb(task: &Task) -> &'static str {
    match task {
        Task::Create(..) => "create",
        Task::Start(..) => "start",
        Task::Limit(_) => "limit",
        Task::Stop(..) => "stop",
        Task::Remove(_) => "remove",
        Task::RemoveNetwork(_) => "remove network",
    }
}
