//! NATS as the roles may rely on it: what it took may come late, twice, out of order, or, where
//! its store is wiped, not at all; whoever is away gets it later; of inventories and edge reports
//! only the newest is kept for somebody who was away.

use std::collections::BTreeMap;

use hythe_core::ids::RunId;
use hythe_core::routes::RouteTable;
use hythe_core::wire::build::{BuildCommand, BuildReport};
use hythe_core::wire::edge::EdgeReport;
use hythe_core::wire::run::{Packet, RunSaid};
use hythe_core::wire::worker::{WorkerMessage, WorkerReport};

use crate::edge::EdgeDue;
use crate::faults::Kind;
use crate::runs::Question;
use crate::schedule::Due;
use crate::trace::Short;
use crate::world::World;

/// A process that can die, be cut off, and come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Control,
    Agent(usize),
    Engine(usize),
    Edge(usize),
    Nats,
    /// The connection of one of them to NATS.
    ControlLink,
    AgentLink(usize),
    EdgeLink(usize),
}

/// Who is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Control,
    Worker(usize),
    /// Whichever builder has room.
    Pool,
}

/// What is said.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Order(WorkerMessage),
    Build(Box<BuildCommand>),
    Inventory(WorkerReport),
    Progress(BuildReport),
    Edge(EdgeReport),
    /// About runs, under a number that the answer bears.
    Question(u64, Question),
    /// From a machine.
    Answer(u64, usize, RunSaid),
    /// Between a command and whoever waits for it.
    Packet(RunId, Packet),
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) from: Node,
    pub(crate) to: To,
    pub(crate) body: Body,
    /// Of which store: a wiped one forgets it.
    wipes: u32,
    /// Counts messages.
    number: u64,
    /// Whether its receiver was away when it came.
    waited: bool,
}

/// The value in the routes bucket.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    /// Which bucket, and where in it.
    pub(crate) place: (u32, u64),
    pub(crate) table: RouteTable,
}

/// The server.
#[derive(Debug, Default)]
pub(crate) struct Nats {
    pub(crate) up: bool,
    wipes: u32,
    puts: u64,
    numbers: u64,
    /// The newest observation of each sender.
    newest: BTreeMap<Node, u64>,
    pub(crate) bucket: Option<Value>,
}

impl World {
    /// Whether a process can talk to NATS just now.
    pub(crate) fn linked(&self, node: Node) -> bool {
        let reaches = match node {
            Node::Control => self.control.up && !self.control.cut,
            Node::Agent(m) => self.machines[m].up && !self.machines[m].cut,
            Node::Edge(e) => self.edges[e].up && !self.edges[e].cut,
            Node::Engine(_)
            | Node::Nats
            | Node::ControlLink
            | Node::AgentLink(_)
            | Node::EdgeLink(_) => true,
        };
        self.nats.up && reaches
    }

    /// Publishes. False where the sender cannot know that it was taken.
    pub(crate) fn send(&mut self, from: Node, to: To, body: Body) -> bool {
        if !self.linked(from) || self.strikes(Kind::SendFails) {
            return false;
        }
        self.nats.numbers += 1;
        let number = self.nats.numbers;
        match &body {
            Body::Inventory(_) | Body::Edge(_) => {
                self.nats.newest.insert(from, number);
            }
            Body::Order(_)
            | Body::Build(_)
            | Body::Progress(_)
            | Body::Question(..)
            | Body::Answer(..)
            | Body::Packet(..) => {}
        }
        let kept = body.is_kept();
        let envelope = Envelope { from, to, body, wipes: self.nats.wipes, number, waited: false };
        if kept && self.strikes(Kind::Doubled) {
            let after = self.random.u64(1..40_000);
            self.after(after, Due::Deliver(Box::new(envelope.clone())));
        }
        if self.strikes(Kind::Dropped) {
            return true;
        }
        let after = if kept && self.strikes(Kind::Stale) {
            self.random.u64(60_000..900_000)
        } else if self.strikes(Kind::Late) {
            self.random.u64(100..60_000)
        } else {
            self.random.u64(1..25)
        };
        self.after(after, Due::Deliver(Box::new(envelope)));
        !self.strikes(Kind::SendUncertain)
    }

    /// A message arrives, or waits on.
    pub(crate) fn deliver(&mut self, envelope: Box<Envelope>) {
        if envelope.wipes != self.nats.wipes {
            return;
        }
        let Envelope { from, to, body, .. } = &*envelope;
        let (from, to) = (*from, *to);
        let receiver = match to {
            To::Control => self.linked(Node::Control).then_some(0),
            To::Worker(m) => self.linked(Node::Agent(m)).then_some(m),
            To::Pool => self.free_builder(),
        };
        let Some(receiver) = receiver else {
            if envelope.body.is_kept() {
                self.wait_on(envelope);
            }
            return;
        };
        let overtaken = envelope.waited
            && self.nats.newest.get(&from).is_some_and(|newest| *newest > envelope.number);
        match body {
            Body::Inventory(_) | Body::Edge(_) if overtaken => {}
            Body::Inventory(report) => self.hear_worker(report.clone()),
            Body::Edge(report) => self.hear_edge(report.clone()),
            Body::Progress(report) => {
                let report = report.clone();
                self.hear_build(report, envelope);
            }
            Body::Order(message) => self.obey(receiver, message.order.clone()),
            Body::Build(command) => self.take_build(receiver, command),
            Body::Question(number, question) => self.asked_about_runs(receiver, *number, question),
            Body::Answer(number, m, said) => self.runs_answered(*number, *m, said),
            Body::Packet(run, packet) => match to {
                To::Control => self.person_hears(*run, packet.clone()),
                To::Worker(m) => self.session_hears(m, *run, packet.clone()),
                To::Pool => {}
            },
        }
    }

    /// It comes again later.
    pub(crate) fn wait_on(&mut self, mut envelope: Box<Envelope>) {
        envelope.waited = true;
        let after = self.random.u64(200..1_500);
        self.after(after, Due::Deliver(envelope));
    }

    /// Puts a table into the bucket. False where the sender cannot know that it arrived.
    pub(crate) fn put(&mut self, table: RouteTable) -> bool {
        if !self.linked(Node::Control) || self.strikes(Kind::SendFails) {
            return false;
        }
        self.nats.puts += 1;
        let place = (self.nats.wipes, self.nats.puts);
        self.nats.bucket = Some(Value { place, table });
        for edge in 0..self.edges.len() {
            if self.strikes(Kind::Dropped) {
                continue;
            }
            let late = if self.strikes(Kind::Late) { 9_000 } else { 25 };
            let after = self.random.u64(1..late);
            let life = self.edges[edge].life;
            self.after(after, Due::Edge(edge, life, EdgeDue::Watched));
        }
        !self.strikes(Kind::SendUncertain)
    }

    pub(crate) fn nats_dies(&mut self, wiped: bool) {
        self.nats.up = false;
        if wiped {
            self.nats.wipes += 1;
            self.nats.puts = 0;
            self.nats.bucket = None;
            self.nats.newest.clear();
        }
        let after = self.random.u64(100..25_000);
        self.after(after, Due::Back(Node::Nats));
    }

    /// Everybody's connection is made anew.
    pub(crate) fn nats_is_back(&mut self) {
        if std::mem::replace(&mut self.nats.up, true) {
            return;
        }
        self.control_linked();
        for machine in 0..self.machines.len() {
            self.agent_linked(machine);
        }
        for edge in 0..self.edges.len() {
            self.edge_linked(edge);
        }
    }

    /// Cuts one process off from NATS for a while.
    pub(crate) fn cut_off(&mut self, link: Node) {
        match link {
            Node::ControlLink => self.control.cut = true,
            Node::AgentLink(m) => self.machines[m].cut = true,
            Node::EdgeLink(e) => self.edges[e].cut = true,
            Node::Control | Node::Agent(_) | Node::Engine(_) | Node::Edge(_) | Node::Nats => {}
        }
        let after = self.random.u64(100..40_000);
        self.after(after, Due::Back(link));
    }

    pub(crate) fn mend(&mut self, link: Node) {
        match link {
            Node::ControlLink => {
                self.control.cut = false;
                self.control_linked();
            }
            Node::AgentLink(m) => {
                self.machines[m].cut = false;
                self.agent_linked(m);
            }
            Node::EdgeLink(e) => {
                self.edges[e].cut = false;
                self.edge_linked(e);
            }
            Node::Control | Node::Agent(_) | Node::Engine(_) | Node::Edge(_) | Node::Nats => {}
        }
    }
}

impl Body {
    /// Whether NATS keeps it for somebody who is away. Questions and their answers are for whoever listens
    /// at that moment: never kept, and so neither told twice nor very late.
    const fn is_kept(&self) -> bool {
        match self {
            Self::Order(_)
            | Self::Build(_)
            | Self::Inventory(_)
            | Self::Progress(_)
            | Self::Edge(_) => true,
            Self::Question(..) | Self::Answer(..) | Self::Packet(..) => false,
        }
    }
}

impl Envelope {
    /// In a few words, for the trace.
    pub(crate) fn words(&self) -> String {
        use hythe_core::wire::build::BuildProgress;
        use hythe_core::wire::worker::Order;
        match &self.body {
            Body::Order(WorkerMessage { order, .. }) => match order {
                Order::Run(a) => {
                    let (id, generation) = (Short(a.deployment.uuid()), a.generation);
                    format!("run {id} generation {generation} restart {}", a.restart)
                }
                Order::Stop { deployment, generation, stop_within: _ } => {
                    format!("stop {} generation {generation}", Short(deployment.uuid()))
                }
                Order::CancelBuild { deployment, generation } => {
                    format!("cancel build {} {generation}", Short(deployment.uuid()))
                }
            },
            Body::Build(command) => {
                format!("build {} {}", Short(command.deployment.uuid()), command.generation)
            }
            Body::Inventory(report) => {
                format!("inventory of {}", Short(report.worker.uuid()))
            }
            Body::Progress(report) => {
                let how = match &report.progress {
                    BuildProgress::Accepted => "accepted",
                    BuildProgress::Running => "running",
                    BuildProgress::Finished(Ok(_)) => "built",
                    BuildProgress::Finished(Err(_)) => "failed",
                    BuildProgress::Cancelled => "cancelled",
                };
                let id = Short(report.deployment.uuid());
                format!("build {id} {} {how}", report.generation)
            }
            Body::Question(number, question) => format!("question {number}: {question:?}"),
            Body::Answer(number, m, RunSaid::Runs(seen)) => {
                format!("answer {number} of w{m}: {} runs", seen.len())
            }
            Body::Answer(number, m, said) => format!("answer {number} of w{m}: {said:?}"),
            Body::Packet(run, Packet { number, received, .. }) => {
                format!("packet {number}, after {received}, of {}", Short(run.uuid()))
            }
            Body::Edge(report) => {
                let busy: u64 = report.busy.iter().map(|busy| busy.requests).sum();
                format!("{} at {} busy {busy}", Short(report.edge.uuid()), report.revision)
            }
        }
    }
}
