//! The world of one seed: every role of Hythe in one thread, and what befalls them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use fastrand::Rng;
use hythe_core::ids::DeploymentId;
use hythe_core::time::Timestamp;

use crate::aggregate::{Answer, Waiter};
use crate::behaviour::Behaviour;
use crate::control::Control;
use crate::edge::Edge;
use crate::faults::{Counts, Profile};
use crate::invariants::{Breach, Truth};
use crate::journal::Journal;
use crate::network::{Nats, Node};
use crate::plant::Plant;
use crate::provider::Provider;
use crate::schedule::{Due, Schedule};
use crate::trace::{Kept, Trace};
use crate::user::User;
use crate::worker::Machine;

/// What the clocks say when a run begins.
pub(crate) const BEGINNING: u64 = 1_700_000_000_000;
/// Longest that anything may take to settle once nothing breaks any more: what waits longest is a
/// build that hangs, and then a second one.
const SETTLE_WITHIN: u64 = 75 * 60_000;
/// From one look whether everything has settled to the next.
const LOOK_EVERY: u64 = 7_000;
/// How many looks in a row have to find everything settled.
const LOOKS: u32 = 4;

/// One world.
pub(crate) struct World {
    pub(crate) random: Rng,
    /// Milliseconds since the beginning: true time, which no process sees.
    pub(crate) now: u64,
    pub(crate) schedule: Schedule,
    pub(crate) trace: Trace,
    pub(crate) profile: Profile,
    pub(crate) plant: Option<Plant>,
    pub(crate) counts: Counts,
    pub(crate) calm: bool,
    /// Nobody asks the edges for anything.
    pub(crate) quiet: bool,
    pub(crate) calm_since: u64,
    settled: u32,
    pub(crate) steps: u64,

    pub(crate) journal: Journal,
    pub(crate) tickets: u64,
    pub(crate) answers: VecDeque<(Waiter, Answer)>,
    pub(crate) nats: Nats,
    pub(crate) control: Control,
    pub(crate) machines: Vec<Machine>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) user: User,
    pub(crate) provider: Provider,
    pub(crate) behaviours: BTreeMap<DeploymentId, Behaviour>,
    /// Deployments that will not find the image that they take over.
    pub(crate) image_gone: BTreeSet<DeploymentId>,

    pub(crate) truth: Truth,
    pub(crate) breach: Option<Breach>,
}

impl World {
    /// A world with so many workers and edges in which nothing was asked for yet.
    pub(crate) fn new(seed: u64, profile: Profile, workers: usize, edges: usize) -> Self {
        let mut world = Self {
            random: Rng::with_seed(seed),
            now: 0,
            schedule: Schedule::default(),
            trace: Trace::new(Kept::Not),
            profile,
            plant: None,
            counts: Counts::new(),
            calm: false,
            quiet: false,
            calm_since: 0,
            settled: 0,
            steps: 0,
            journal: Journal::default(),
            tickets: 0,
            answers: VecDeque::new(),
            nats: Nats::default(),
            control: Control::default(),
            machines: (0..workers).map(Machine::new).collect(),
            edges: (0..edges).map(Edge::new).collect(),
            user: User::default(),
            provider: Provider::default(),
            behaviours: BTreeMap::new(),
            image_gone: BTreeSet::new(),
            truth: Truth::new(edges),
            breach: None,
        };
        world.nats.up = true;
        world.control_starts();
        for machine in 0..workers {
            world.engine_is_back(machine);
            world.agent_starts(machine);
        }
        for edge in 0..edges {
            world.edge_starts(edge);
        }
        world
    }

    /// The world of a seed, with people who ask for things and, later, peace.
    pub(crate) fn of(seed: u64, kept: Kept, plant: Option<Plant>) -> Self {
        let profile = plant.map_or(Profile::of(seed), |plant| plant.profile(seed));
        let mut shape = Rng::with_seed(seed ^ 0x5eed);
        let mut world = Self::new(seed, profile, shape.usize(1..=3), shape.usize(1..=2));
        // Not in all worlds, for what they lead to takes its time.
        world.user.has_jobs = shape.u32(..2) == 0;
        let has_previews = shape.u32(..3) == 0;
        world.user.has_previews = has_previews;
        world.user.has_sayings = shape.u32(..3) == 0;
        // Previews are of a repository somewhere else.
        world.user.has_pushes = shape.u32(..3) == 0 && !has_previews;
        world.user.has_statuses = shape.u32(..3) == 0;
        world.user.has_terminals = shape.u32(..4) == 0;
        world.trace = Trace::new(kept);
        world.plant = plant;
        world.note(format_args!("seed {seed}, {profile:?}, {plant:?}"));
        world.after(200, Due::User);
        world.after(5_000, Due::Fault);
        if has_previews {
            world.after(20_000, Due::Pull);
        }
        let calm = world.random.u64(60_000..420_000);
        world.after(calm, Due::Calm);
        world
    }

    pub(crate) fn after(&mut self, span: u64, due: Due) {
        self.schedule.at(self.now + span, due);
    }

    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(self.now, what);
    }

    /// What a clock says that is so far off.
    pub(crate) fn clock(&self, skew: i64) -> Timestamp {
        Timestamp((BEGINNING + self.now).saturating_add_signed(skew))
    }

    /// Runs until everything has settled, or something that must hold does not.
    pub(crate) fn run(&mut self) -> Result<(), Breach> {
        while self.settled < LOOKS {
            self.step()?;
        }
        Ok(())
    }

    /// The next thing happens, and what must hold is looked at.
    pub(crate) fn step(&mut self) -> Result<(), Breach> {
        let Some((when, due)) = self.schedule.pop() else {
            return Err(Breach::new("something_is_always_due", "nothing is due".into()));
        };
        self.now = self.now.max(when);
        self.steps += 1;
        self.happen(due);
        while let Some((waiter, answer)) = self.answers.pop_front() {
            self.answered(waiter, &answer);
        }
        self.after_step();
        self.breach.take().map_or(Ok(()), Err)
    }

    fn happen(&mut self, due: Due) {
        let control = |world: &Self, life| world.control.up && world.control.life == life;
        match due {
            Due::Commit(life) if control(self, life) => self.commit(),
            Due::Fold(life) if control(self, life) => self.fold(),
            Due::React(life) if control(self, life) => self.react(),
            Due::ReactAgain(life, target) if control(self, life) => self.give(target),
            Due::Reconcile(life, alarm) if control(self, life) => self.reconcile(alarm),
            Due::Send(life, effect) if control(self, life) => self.send_effect(&effect),
            Due::Insist(life, insisted) if control(self, life) => self.insist(*insisted),
            Due::Runs(life, due) if control(self, life) => self.runs(due),
            Due::Cron(life, due) if control(self, life) => self.crons(due),
            Due::Previews(life, look) if control(self, life) => self.look_at_previews(look),
            Due::Status(life, due) if control(self, life) => self.statuses(due),
            Due::Terminal(life, run) if control(self, life) => self.look_at_terminal(run),
            Due::Commit(_)
            | Due::Fold(_)
            | Due::React(_)
            | Due::ReactAgain(..)
            | Due::Reconcile(..)
            | Due::Send(..)
            | Due::Insist(..)
            | Due::Runs(..)
            | Due::Cron(..)
            | Due::Previews(..)
            | Due::Status(..)
            | Due::Terminal(..) => {}
            Due::Deliver(envelope) => {
                if self.trace.is_kept() {
                    self.note(format_args!("arrives: {}", envelope.words()));
                }
                self.deliver(envelope);
            }
            Due::Node(machine, life, due) => {
                if self.machines[machine].up && self.machines[machine].life == life {
                    self.node(machine, due);
                }
            }
            Due::Builder(machine, life, due) => {
                if self.machines[machine].up && self.machines[machine].life == life {
                    self.builder(machine, due);
                }
            }
            Due::Engine(machine, due) => self.engine(machine, due),
            Due::Edge(edge, life, due) => {
                if self.edges[edge].up && self.edges[edge].life == life {
                    self.edge(edge, due);
                }
            }
            Due::Back(node) => self.back(node),
            Due::Pull => self.a_pull_request_changes(),
            Due::Delivery(number) => self.deliver_about_pull(number),
            Due::User => self.ask_something(),
            Due::Fault => self.break_something(),
            Due::Calm => self.calm_down(),
            Due::Settle => self.look_whether_settled(),
        }
    }

    fn back(&mut self, node: Node) {
        self.note(format_args!("back: {node:?}"));
        match node {
            Node::Control if !self.control.up => self.control_starts(),
            Node::Agent(machine) if !self.machines[machine].up => self.agent_starts(machine),
            Node::Engine(machine) if !self.machines[machine].engine.up => {
                self.engine_is_back(machine);
            }
            Node::Edge(edge) if !self.edges[edge].up => self.edge_starts(edge),
            Node::Control | Node::Agent(_) | Node::Engine(_) | Node::Edge(_) => {}
            Node::Nats => self.nats_is_back(),
            Node::ControlLink | Node::AgentLink(_) | Node::EdgeLink(_) => self.mend(node),
        }
    }

    /// From now on nothing breaks; what is away comes back within its time.
    pub(crate) fn calm_down(&mut self) {
        self.note(format_args!("from here on nothing breaks any more"));
        self.calm = true;
        self.calm_since = self.now;
        self.control.skew = 0;
        for machine in 0..self.machines.len() {
            self.machines[machine].skew = 0;
            self.replicas_recover(machine);
        }
        self.after(LOOK_EVERY, Due::Settle);
    }

    fn look_whether_settled(&mut self) {
        match self.unsettled() {
            None => self.settled += 1,
            Some(breach) => {
                self.settled = 0;
                if self.now - self.calm_since > SETTLE_WITHIN {
                    self.breach.get_or_insert(breach);
                }
            }
        }
        if self.settled == LOOKS {
            self.look_at_everything();
        }
        self.after(LOOK_EVERY, Due::Settle);
    }
}
