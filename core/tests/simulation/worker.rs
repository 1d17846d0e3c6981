//! An agent's node: takes orders into its ledger, compares them with what it sees of the engine,
//! acts by the core's plan, and reports its whole inventory.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::container::ContainerSettings;
use hythe_core::ids::{AppId, DeploymentId, RunId, WorkerId};
use hythe_core::limits;
use hythe_core::plan::{self, ContainerState, Desired, ReplicaKey, Seen, Wanted};
use hythe_core::process::is_process;
use hythe_core::task::is_task;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::worker::{Assignment, Order};

use crate::builder::Builder;
use crate::engine::{Condition, Engine, Reply, Task};
use crate::made;
use crate::network::Node as Role;
use crate::plant::Plant;
use crate::runs::NodeRuns;
use crate::schedule::Due;
use crate::trace::Short;
use crate::world::World;

/// One that ran for this long is not taken to fail in a row.
const STEADY: Millis = limits::RESTART_BACKOFF_MOST;
/// From one look at everything to the next.
const INVENTORY_EVERY: u64 = 30_000;

/// A machine: an engine, an agent, and the agent's disk.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) id: WorkerId,
    /// How far its clock is off.
    pub(crate) skew: i64,
    /// It left for ever.
    pub(crate) gone: bool,
    /// Cut off from NATS.
    pub(crate) cut: bool,
    /// Whether the agent runs.
    pub(crate) up: bool,
    pub(crate) life: u32,
    pub(crate) engine: Engine,
    pub(crate) ledger: Ledger,
    pub(crate) node: Node,
    pub(crate) builder: Builder,
}

/// What a node keeps on its disk.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) wanted: Desired,
    /// The newest generation of each deployment, for ever.
    pub(crate) generations: BTreeMap<DeploymentId, u64>,
    /// Restarts in a row and in all.
    pub(crate) restarts: BTreeMap<ReplicaKey, (u32, u32)>,
}

/// What the node makes of a replica.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) seen: crate::engine::Container,
    /// What checks say, once there was one, and since when.
    pub(crate) health: Option<(bool, u64)>,
    pub(crate) was_healthy: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Replica(ReplicaKey),
    Network(AppId),
}

/// A step under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    /// It starts a replica of this app.
    Starts(AppId),
    Stops,
    Else,
}

/// A step that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setback {
    /// Whether the engine said that it will never work.
    pub(crate) refused: bool,
    /// Whether the engine does not have the image.
    pub(crate) image_missing: bool,
    pub(crate) count: u32,
    pub(crate) until: Timestamp,
}

/// The node's memory.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) replicas: BTreeMap<ReplicaKey, Known>,
    pub(crate) networks: BTreeSet<AppId>,
    pub(crate) busy: BTreeMap<Target, Busy>,
    pub(crate) setbacks: BTreeMap<Target, Setback>,
    pub(crate) engine_up: bool,
    /// Whether everything was looked at since the engine answers.
    pub(crate) complete: bool,
    pub(crate) changed: bool,
    pub(crate) alarm: u64,
    pub(crate) runs: NodeRuns,
    /// Names the next look at everything.
    inventory: u64,
}

/// Something in a node.
#[derive(Clone, Debug)]
pub(crate) enum NodeDue {
    EngineUp,
    Inventory(u64),
    Look(ReplicaKey),
    Check(ReplicaKey),
    Did(Box<Task>, Reply),
    Alarm(u64),
    Beat,
    Report,
    /// Runs are looked after.
    Tidy,
    /// The worker's end of a command that somebody waits for.
    Terminal(RunId),
}

impl Machine {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            id: made::worker_id(number),
            skew: 0,
            gone: false,
            cut: false,
            up: false,
            life: 0,
            engine: Engine::default(),
            ledger: Ledger::default(),
            node: Node::default(),
            builder: Builder::default(),
        }
    }

    pub(crate) fn assignment(&self, key: ReplicaKey) -> Option<&Assignment> {
        match self.ledger.wanted.get(&key.deployment) {
            Some(Wanted::Run(run)) if run.includes(key.index) => Some(run),
            Some(Wanted::Run(_) | Wanted::Stop { .. }) | None => None,
        }
    }

    pub(crate) fn in_a_row(&self, key: ReplicaKey, ran: Millis) -> u32 {
        let counted = if ran < STEADY { self.ledger.restarts.get(&key) } else { None };
        counted.map_or(0, |(in_a_row, _)| *in_a_row)
    }

    /// What the plan is made from, by the machine's clock and by one that nobody sets.
    pub(crate) fn seen(&self, now: Timestamp, steady: u64) -> Seen {
        let container = |(key, known): (&ReplicaKey, &Known)| {
            let (state, restarts) = match known.seen.condition {
                Condition::Created => (ContainerState::Created, 0),
                Condition::Running { since } => {
                    let late = || {
                        let within = self.assignment(*key)?.health.start_within();
                        now.since(since).0.checked_sub(within.0)
                    };
                    let ails = match known.health {
                        // Nothing asks these how they are.
                        _ if is_task(key.index) || is_process(key.index) => None,
                        Some((true, _)) => None,
                        Some((false, at)) if known.was_healthy => Some(steady.saturating_sub(at)),
                        None if known.was_healthy => None,
                        Some((false, _)) | None => late(),
                    };
                    let healthy = known.was_healthy;
                    let state = ContainerState::Running { healthy, ails: ails.map(Millis) };
                    (state, self.in_a_row(*key, now.since(since)))
                }
                Condition::Exited { at, ran } => {
                    // One that ended in the future did so before the clock was set back.
                    let ago = if at > now { STEADY } else { now.since(at) };
                    (ContainerState::Exited { ago }, self.in_a_row(*key, ran))
                }
            };
            let (app, limited) = (known.seen.app, known.seen.limited);
            (*key, plan::Container { app, network: app, state, restarts, limited })
        };
        let mut containers: BTreeMap<ReplicaKey, plan::Container> =
            self.node.replicas.iter().map(container).collect();
        // What is being started may run at any moment.
        containers.extend(self.node.busy.iter().filter_map(|(target, busy)| {
            let (Target::Replica(key), Busy::Starts(app)) = (*target, *busy) else { return None };
            let state = ContainerState::Running { healthy: false, ails: None };
            let restarts = self.ledger.restarts.get(&key).map_or(0, |(in_a_row, _)| *in_a_row);
            let network = app;
            Some((key, plan::Container { app, network, state, restarts, limited: false }))
        }));
        Seen { containers, networks: self.node.networks.clone() }
    }

    pub(crate) fn restarts(&self, key: ReplicaKey) -> u32 {
        self.ledger.restarts.get(&key).map_or(0, |(_, all)| *all)
    }
}

impl World {
    pub(crate) fn machine_now(&self, m: usize) -> Timestamp {
        self.clock(self.machines[m].skew)
    }

    pub(crate) fn agent_starts(&mut self, m: usize) {
        let machine = &mut self.machines[m];
        if machine.gone {
            return;
        }
        machine.up = true;
        machine.node = Node::default();
        let life = machine.life;
        self.builder_starts(m);
        self.after(10, Due::Node(m, life, NodeDue::EngineUp));
        let beat = self.random.u64(50..3_000);
        self.after(beat, Due::Node(m, life, NodeDue::Beat));
        self.tidy_soon(m);
    }

    pub(crate) fn agent_dies(&mut self, m: usize) -> bool {
        let machine = &mut self.machines[m];
        machine.up = false;
        machine.life += 1;
        let after = self.random.u64(100..60_000);
        self.after(after, Due::Back(Role::Agent(m)));
        true
    }

    /// A machine leaves for ever, unless it is the last one.
    pub(crate) fn worker_goes(&mut self, m: usize) -> bool {
        let left = self.machines.iter().filter(|machine| !machine.gone).count();
        if left < 2 || self.machines[m].gone {
            return false;
        }
        self.machines[m].gone = true;
        self.engine_dies(m, true);
        self.machines[m].up = false;
        self.machines[m].life += 1;
        true
    }

    pub(crate) fn agent_linked(&mut self, m: usize) {
        self.machines[m].node.changed = true;
        self.report_soon(m);
    }

    pub(crate) fn engine_breaks(&mut self, m: usize) {
        let node = &mut self.machines[m].node;
        node.engine_up = false;
        node.complete = false;
        node.changed = true;
        self.report_soon(m);
    }

    pub(crate) fn node(&mut self, m: usize, due: NodeDue) {
        match due {
            NodeDue::EngineUp => {
                if self.machines[m].engine.up {
                    self.machines[m].node.engine_up = true;
                    let soon = self.random.u64(1..100);
                    self.look_later(m, soon);
                }
            }
            NodeDue::Inventory(named) if named != self.machines[m].node.inventory => return,
            NodeDue::Inventory(_) => self.take_inventory(m),
            NodeDue::Look(key) => self.look(m, key),
            NodeDue::Check(key) => self.check(m, key),
            NodeDue::Did(task, reply) => self.did(m, &task, reply),
            NodeDue::Alarm(alarm) if alarm != self.machines[m].node.alarm => return,
            NodeDue::Alarm(_) => {}
            NodeDue::Beat => {
                self.machines[m].node.changed = true;
                let life = self.machines[m].life;
                self.after(limits::WORKER_HEARTBEAT.0, Due::Node(m, life, NodeDue::Beat));
            }
            NodeDue::Report => return self.report(m),
            NodeDue::Tidy => return self.tidy_runs(m),
            NodeDue::Terminal(run) => return self.look_at_session(m, run),
        }
        self.see(m);
    }

    fn look_later(&mut self, m: usize, after: u64) {
        let machine = &mut self.machines[m];
        machine.node.inventory += 1;
        let (named, life) = (machine.node.inventory, machine.life);
        self.after(after, Due::Node(m, life, NodeDue::Inventory(named)));
    }

    fn take_inventory(&mut self, m: usize) {
        self.look_later(m, INVENTORY_EVERY);
        let machine = &mut self.machines[m];
        if !machine.engine.up {
            return;
        }
        machine.node.networks = machine.engine.networks.clone();
        machine.node.complete = true;
        let there = machine.engine.containers.keys().chain(machine.node.replicas.keys());
        let keys: BTreeSet<ReplicaKey> = there.copied().collect();
        keys.into_iter().for_each(|key| self.look(m, key));
    }

    /// Looks at one container.
    pub(crate) fn look(&mut self, m: usize, key: ReplicaKey) {
        let machine = &mut self.machines[m];
        if !machine.engine.up {
            return;
        }
        let unwanted = machine.assignment(key).is_none();
        let leaks = unwanted && self.plant == Some(Plant::ContainerLeaks);
        let seen = machine.engine.containers.get(&key);
        let Some(container) = seen.filter(|container| container.runs() || !leaks) else {
            machine.node.changed |= machine.node.replicas.remove(&key).is_some();
            return;
        };
        let known = machine.node.replicas.get_mut(&key);
        let same_run =
            |known: &&mut Known| known.seen.id == container.id && known.seen.run == container.run;
        match known.filter(same_run) {
            Some(known) => {
                machine.node.changed |= known.seen.condition != container.condition;
                known.seen = container.clone();
            }
            None => {
                // The limit is put in force after the first success: what runs with one when it is
                // first seen was healthy before.
                let first = !machine.node.replicas.contains_key(&key);
                let was_healthy = first && container.limited && container.runs();
                let seen = container.clone();
                machine.node.replicas.insert(key, Known { seen, health: None, was_healthy });
                machine.node.changed = true;
                let (after, life) = (self.random.u64(1..200), self.machines[m].life);
                self.after(after, Due::Node(m, life, NodeDue::Check(key)));
            }
        }
    }

    /// A health check of what runs there now.
    fn check(&mut self, m: usize, key: ReplicaKey) {
        let machine = &mut self.machines[m];
        let good = machine
            .engine
            .containers
            .get(&key)
            .is_some_and(|container| container.runs() && container.good && machine.engine.up);
        if let Some(known) = machine.node.replicas.get_mut(&key)
            && known.seen.runs()
            && known.health.is_none_or(|(was, _)| was != good)
        {
            known.health = Some((good, self.now));
            known.was_healthy |= good;
            machine.node.changed = true;
        }
    }

    /// An order, into the ledger first.
    pub(crate) fn obey(&mut self, m: usize, order: Order) {
        let (deployment, wanted) = match order {
            Order::Run(mut run) => {
                if self.plant == Some(Plant::WritersMeet) {
                    run.run.container = ContainerSettings::default();
                }
                (run.deployment, Wanted::Run(run))
            }
            Order::Stop { deployment, generation, stop_within } => {
                (deployment, Wanted::Stop { generation, stop_within })
            }
            Order::CancelBuild { deployment, generation } => {
                return self.cancel_build(m, deployment, generation);
            }
        };
        self.judge_ordered(m, deployment, wanted.generation());
        let ledger = &mut self.machines[m].ledger;
        let known = ledger.generations.get(&deployment).copied().unwrap_or_default();
        let old = known > wanted.generation();
        if old && self.plant != Some(Plant::AgentIgnoresGenerations) {
            self.count("old order refused");
            self.note(format_args!("an old order about {} is left", Short(deployment.uuid())));
            return;
        }
        ledger.generations.insert(deployment, wanted.generation());
        ledger.wanted.insert(deployment, wanted);
        self.machines[m].node.setbacks.retain(|target, _| match target {
            Target::Replica(key) => key.deployment != deployment,
            Target::Network(_) => true,
        });
        self.machines[m].node.changed = true;
        self.see(m);
    }
}
