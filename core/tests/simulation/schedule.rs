//! Simulated time: what is due when. Equal moments keep the order in which they were put down.

use std::collections::BTreeMap;

use hythe_core::ids::RunId;
use hythe_core::reconcile::Effect;
use uuid::Uuid;

use crate::builder::BuilderDue;
use crate::control::{CronDue, Insisted, RunsDue, StatusDue};
use crate::edge::EdgeDue;
use crate::engine::EngineDue;
use crate::network::{Envelope, Node};
use crate::worker::NodeDue;

/// Something that happens by itself at its time. A number beside it is the life of the process
/// that it belongs to: what a dead process had in mind does not happen.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    /// The journal's writer commits what waits.
    Commit(u32),
    /// The projection takes in what is durable.
    Fold(u32),
    /// The reactor looks at what is durable.
    React(u32),
    /// The reactor gives a command again that found no room.
    ReactAgain(u32, Uuid),
    /// The reconciler looks; the second number is the alarm.
    Reconcile(u32, u64),
    /// The reconciler's message goes out.
    Send(u32, Box<Effect>),
    /// A command is given again that has to be heard.
    Insist(u32, Box<Insisted>),
    /// Something about the runs that the control plane looks after.
    Runs(u32, RunsDue),
    /// Something about cron jobs.
    Cron(u32, CronDue),
    /// The control plane looks which previews there are to be.
    Previews(u32, u64),
    /// Something about what providers are told.
    Status(u32, StatusDue),
    /// Somebody's end of a command that they wait for.
    Terminal(u32, RunId),
    /// A message arrives.
    Deliver(Box<Envelope>),
    /// Something in an agent's node.
    Node(usize, u32, NodeDue),
    /// Something in an agent's builder.
    Builder(usize, u32, BuilderDue),
    /// Something on an engine.
    Engine(usize, EngineDue),
    /// Something at an edge.
    Edge(usize, u32, EdgeDue),
    /// A process or a connection is back.
    Back(Node),
    /// A pull request changes.
    Pull,
    /// A delivery about one arrives, or arrives again.
    Delivery(u64),
    /// Somebody asks for something.
    User,
    /// Something breaks.
    Fault,
    /// From here on nothing breaks any more.
    Calm,
    /// Has everything settled?
    Settle,
}

/// All that is due.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    queue: BTreeMap<(u64, u64), Due>,
    next: u64,
}

impl Schedule {
    pub(crate) fn at(&mut self, when: u64, due: Due) {
        self.next += 1;
        self.queue.insert((when, self.next), due);
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, Due)> {
        self.queue.pop_first().map(|((when, _), due)| (when, due))
    }
}
