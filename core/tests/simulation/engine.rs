//! A container engine and what runs on it: it goes on without the agent, and dies with its
//! containers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use hythe_core::ids::AppId;
use hythe_core::limits;
use hythe_core::plan::ReplicaKey;
use hythe_core::process::is_process;
use hythe_core::task::is_task;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::worker::Assignment;

use crate::behaviour::{Behaviour, Once, Run};
use crate::faults::Kind;
use crate::network::Node;
use crate::plant::Plant;
use crate::runs::{EngineRuns, RunDue};
use crate::schedule::Due;
use crate::trace::Short;
use crate::worker::NodeDue;
use crate::world::World;

/// How a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Created,
    Running { since: Timestamp },
    Exited { at: Timestamp, ran: Millis },
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    /// Names this one among all that ever were.
    pub(crate) id: u64,
    pub(crate) app: AppId,
    pub(crate) condition: Condition,
    /// Counts its runs.
    pub(crate) run: u64,
    pub(crate) limited: bool,
    pub(crate) address: SocketAddr,
    /// Whether it would answer a health check.
    pub(crate) good: bool,
    pub(crate) behaviour: Behaviour,
    /// With what its last run ended.
    pub(crate) code: i64,
}

impl Container {
    pub(crate) const fn runs(&self) -> bool {
        matches!(self.condition, Condition::Running { .. })
    }
}

/// The engine.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub(crate) up: bool,
    pub(crate) containers: BTreeMap<ReplicaKey, Container>,
    pub(crate) networks: BTreeSet<AppId>,
    /// Containers of commands that are run once.
    pub(crate) runs: EngineRuns,
    made: u64,
}

/// What an agent asks of the engine.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    Create(ReplicaKey, Box<Assignment>),
    /// Restarts in a row and in all, to be remembered first.
    Start(ReplicaKey, Option<(u32, u32)>),
    Limit(ReplicaKey),
    Stop(ReplicaKey, Millis),
    Remove(ReplicaKey),
    RemoveNetwork(AppId),
}

/// Something on an engine.
#[derive(Clone, Debug)]
pub(crate) enum EngineDue {
    /// It does what an agent of this life asked for.
    Act(u32, Box<Task>),
    /// A container's run answers its checks from now on, or no more.
    Turns(ReplicaKey, u64, u64, bool),
    /// A container's run ends.
    Ends(ReplicaKey, u64, u64),
    /// Something about a command that is run once.
    Run(RunDue),
}

/// How an engine answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Done,
    Unreachable,
    /// It will not work like this.
    Refused,
    /// It does not have the image.
    NoImage,
}

impl World {
    pub(crate) fn engine(&mut self, m: usize, due: EngineDue) {
        match due {
            EngineDue::Run(due) => self.engine_of_runs(m, due),
            EngineDue::Act(life, task) => {
                // Of an agent that has died, the engine may have the request already.
                let asked = self.machines[m].up && self.machines[m].life == life;
                if asked || self.random.bool() {
                    let reply = self.act(m, &task, asked);
                    self.after(1, Due::Node(m, life, NodeDue::Did(task, reply)));
                }
            }
            EngineDue::Turns(key, id, run, good) => {
                let Some(container) = self.container(m, key, id, run) else { return };
                container.good = good;
                self.note(format_args!("replica {} turns good: {good}", name(key)));
                let after = if good { self.random.u64(1..500) } else { 1_500 };
                let life = self.machines[m].life;
                self.after(after, Due::Node(m, life, NodeDue::Check(key)));
            }
            EngineDue::Ends(key, id, run) => {
                let now = self.machine_now(m);
                let Some(container) = self.container(m, key, id, run) else { return };
                let well = is_task(key.index) && container.behaviour.task(key.index) == Once::Works;
                container.exit(now, if well { 0 } else { 3 });
                self.note(format_args!("replica {} exits", name(key)));
                if well {
                    self.truth.ended_well(key);
                }
                self.tell_node(m, key);
            }
        }
    }

    fn container(
        &mut self,
        m: usize,
        key: ReplicaKey,
        id: u64,
        run: u64,
    ) -> Option<&mut Container> {
        let engine = &mut self.machines[m].engine;
        let found = engine.containers.get_mut(&key).filter(|_| engine.up)?;
        (found.id == id && found.run == run && found.runs()).then_some(found)
    }

    /// An event of the engine reaches the agent, mostly.
    fn tell_node(&mut self, m: usize, key: ReplicaKey) {
        if self.strikes(Kind::Dropped) {
            return;
        }
        let (after, life) = (self.random.u64(1..60), self.machines[m].life);
        self.after(after, Due::Node(m, life, NodeDue::Look(key)));
    }

    /// `asked`: whether who asked for it lives. Of one that has died, a container may come into being, and
    /// what was made before may start; but not one after the other, nor what has run already: in the moment
    /// in which that happens it is seen as it was.
    fn act(&mut self, m: usize, task: &Task, asked: bool) -> Reply {
        if !self.machines[m].engine.up || self.strikes(Kind::StepFails) {
            return Reply::Unreachable;
        }
        match task {
            Task::Create(key, assignment) => {
                let starts = asked || !self.truth.writes(key.deployment);
                self.create(m, *key, assignment, starts)
            }
            Task::Start(key, _) if !asked && self.truth.writes(key.deployment) => Reply::Refused,
            Task::Start(key, _) => self.start(m, *key),
            Task::Limit(key) => {
                if let Some(container) = self.machines[m].engine.containers.get_mut(key) {
                    container.limited = true;
                }
                Reply::Done
            }
            Task::Stop(key, within) => self.stop(m, *key, *within),
            Task::Remove(key) => {
                let engine = &mut self.machines[m].engine;
                let runs = engine.containers.get(key).is_some_and(Container::runs);
                if runs {
                    return Reply::Refused;
                }
                if engine.containers.contains_key(key) {
                    engine.containers.remove(key);
                    self.judge_removed(m, *key);
                    self.note(format_args!("replica {} is removed", name(*key)));
                }
                Reply::Done
            }
            Task::RemoveNetwork(app) => {
                let engine = &mut self.machines[m].engine;
                if engine.containers.values().any(|container| container.app == *app) {
                    return Reply::Refused;
                }
                engine.networks.remove(app);
                Reply::Done
            }
        }
    }

    fn create(
        &mut self,
        m: usize,
        key: ReplicaKey,
        assignment: &Assignment,
        starts: bool,
    ) -> Reply {
        if self.image_gone.contains(&key.deployment) {
            return Reply::NoImage;
        }
        let behaviour = self.behaviours.get(&key.deployment).copied().unwrap_or(Behaviour::GOOD);
        if behaviour.run == Run::CannotBeMade {
            return Reply::Refused;
        }
        let engine = &mut self.machines[m].engine;
        engine.networks.insert(assignment.app);
        if engine.containers.contains_key(&key) {
            // The name is taken: by one that an earlier request made.
            return if starts { self.start(m, key) } else { Reply::Done };
        }
        engine.made += 1;
        let id = engine.made;
        engine.containers.insert(
            key,
            Container {
                id,
                app: assignment.app,
                condition: Condition::Created,
                run: 0,
                limited: false,
                address: SocketAddr::from(([10, 0, 0, 0], 0)),
                good: false,
                behaviour,
                code: 0,
            },
        );
        self.note(format_args!("replica {} is created for {}", name(key), assignment.generation));
        self.judge_created(m, key, assignment.generation);
        self.judge_process(key, assignment);
        if self.planted(Plant::EngineMakesTwo) {
            self.judge_created(m, key, assignment.generation);
        }
        if starts { self.start(m, key) } else { Reply::Done }
    }

    fn start(&mut self, m: usize, key: ReplicaKey) -> Reply {
        let now = self.machine_now(m);
        let host = u8::try_from(m + 1).unwrap_or(u8::MAX);
        let engine = &mut self.machines[m].engine;
        engine.made += 1;
        let address = engine.made.to_be_bytes();
        let Some(container) = engine.containers.get_mut(&key) else { return Reply::Refused };
        // A task that ran is never started again, whoever asks.
        let over = is_task(key.index) && container.condition != Condition::Created;
        if container.runs() || over {
            return Reply::Done;
        }
        container.condition = Condition::Running { since: now };
        container.run += 1;
        container.good = false;
        // Another address each time, as engines give them.
        container.address = SocketAddr::from(([10, host, address[6], address[7]], 8080));
        let (id, run) = (container.id, container.run);
        let behaviour = container.behaviour;
        self.judge_started(m, key);
        let soon = self.random.u64(20..2_500);
        let later = soon + self.random.u64(100..120_000);
        let turns = |good| EngineDue::Turns(key, id, run, good);
        let ends = EngineDue::Ends(key, id, run);
        if is_task(key.index) {
            self.judge_task(key);
            if self.planted(Plant::TaskRunsTwice) {
                self.judge_task(key);
            }
            if behaviour.task(key.index) != Once::Hangs {
                self.after(soon, Due::Engine(m, ends));
            }
            return Reply::Done;
        }
        let mut due = |after, what| self.after(after, Due::Engine(m, what));
        if is_process(key.index) {
            // Asked nothing: it is well once it has stayed up.
            match behaviour.run {
                Run::ExitsAtOnce => due(soon, ends),
                Run::NeverHealthy
                | Run::Healthy
                | Run::CannotBeMade
                | Run::ExitsLater
                | Run::AilsLater => due(limits::PROCESS_UP_FOR.0, turns(true)),
            }
            return Reply::Done;
        }
        match behaviour.run {
            Run::NeverHealthy => {}
            Run::ExitsAtOnce => due(soon, ends),
            Run::Healthy | Run::CannotBeMade => due(soon, turns(true)),
            Run::ExitsLater => {
                due(soon, turns(true));
                due(later, ends);
            }
            Run::AilsLater => {
                due(soon, turns(true));
                due(later, turns(false));
                due(later + 20_000, turns(true));
            }
        }
        Reply::Done
    }

    fn stop(&mut self, m: usize, key: ReplicaKey, within: Millis) -> Reply {
        let now = self.machine_now(m);
        if let Some(container) = self.machines[m].engine.containers.get_mut(&key)
            && container.runs()
        {
            let quick = within.0.min(50);
            container.exit(now.plus(Millis(quick)), 137);
            self.note(format_args!("replica {} is stopped", name(key)));
        }
        Reply::Done
    }

    /// The engine dies with its containers; wiped, nothing of them is left.
    pub(crate) fn engine_dies(&mut self, m: usize, wiped: bool) -> bool {
        let now = self.machine_now(m);
        let engine = &mut self.machines[m].engine;
        engine.up = false;
        for container in engine.containers.values_mut().filter(|container| container.runs()) {
            container.exit(now, 137);
        }
        if wiped {
            let keys: Vec<ReplicaKey> = engine.containers.keys().copied().collect();
            engine.containers.clear();
            engine.networks.clear();
            for key in keys {
                self.judge_removed(m, key);
                self.truth.task_is_lost(key);
            }
        }
        self.runs_break(m, wiped);
        self.engine_breaks(m);
        let after = self.random.u64(500..30_000);
        self.after(after, Due::Back(Node::Engine(m)));
        true
    }

    pub(crate) fn engine_is_back(&mut self, m: usize) {
        if self.machines[m].gone {
            return;
        }
        self.machines[m].engine.up = true;
        let (after, life) = (self.random.u64(1..1_000), self.machines[m].life);
        self.after(after, Due::Node(m, life, NodeDue::EngineUp));
    }

    /// What fails its checks answers them again.
    pub(crate) fn replicas_recover(&mut self, m: usize) {
        let containers = &self.machines[m].engine.containers;
        let ailing: Vec<EngineDue> = containers
            .iter()
            .filter(|(key, c)| {
                let never = matches!(c.behaviour.run, Run::NeverHealthy | Run::ExitsAtOnce);
                c.runs() && !c.good && !never && !is_task(key.index)
            })
            .map(|(key, c)| EngineDue::Turns(*key, c.id, c.run, true))
            .collect();
        for due in ailing {
            self.after(1_000, Due::Engine(m, due));
        }
    }

    /// A replica exits, or fails its checks for a while.
    pub(crate) fn a_replica_changes(&mut self, m: usize, exits: bool) -> bool {
        let running: Vec<(ReplicaKey, u64, u64)> = self.machines[m]
            .engine
            .containers
            .iter()
            .filter(|(key, container)| {
                let asked = !is_process(key.index);
                container.runs() && (exits || container.good && asked)
            })
            .map(|(key, container)| (*key, container.id, container.run))
            .collect();
        if running.is_empty() {
            return false;
        }
        let (key, id, run) = running[self.random.usize(..running.len())];
        if exits {
            self.engine(m, EngineDue::Ends(key, id, run));
        } else {
            self.engine(m, EngineDue::Turns(key, id, run, false));
            let back = self.random.u64(2_000..90_000);
            self.after(back, Due::Engine(m, EngineDue::Turns(key, id, run, true)));
        }
        true
    }
}

impl Container {
    fn exit(&mut self, at: Timestamp, code: i64) {
        if let Condition::Running { since } = self.condition {
            self.condition = Condition::Exited { at, ran: at.since(since) };
            self.good = false;
            self.code = code;
        }
    }
}

/// A replica as `d12/0`.
pub(crate) fn name(key: ReplicaKey) -> String {
    format!("{}/{}", Short(key.deployment.uuid()), key.index)
}
