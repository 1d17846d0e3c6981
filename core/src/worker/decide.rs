//! What a worker does when asked, and becomes by it.

use super::{Lease, Member, Worker, WorkerCommand, WorkerEvent};
use crate::claims::{ClaimChange, ClaimKey};
use crate::machine::Machine;
use crate::priority::Priority;
use crate::record::AggregateKind;
use crate::rejection::Rejection;

impl Machine for Worker {
    const KIND: AggregateKind = AggregateKind::Worker;
    type Command = WorkerCommand;
    type Event = WorkerEvent;

    fn decide(&self, command: WorkerCommand) -> Result<Vec<WorkerEvent>, Rejection> {
        match (self, command) {
            (Self::Absent, WorkerCommand::Register { id, name, capacity }) => {
                Ok(vec![WorkerEvent::Registered { id, name, capacity }])
            }
            (Self::Absent, _before_it_joined) => Err(Rejection::not_found("worker")),
            (Self::Removed, WorkerCommand::Remove) => Ok(Vec::new()),
            (Self::Removed, _after_it_left) => Err(Rejection::conflict(
                "this worker was removed; give it a new identity to let it join again",
            )),
            (Self::Member(member), command) => Ok(member.decide(command)),
        }
    }

    fn evolve(self, event: &WorkerEvent) -> Self {
        match (self, event) {
            (Self::Absent, WorkerEvent::Registered { id, name, capacity }) => {
                Self::Member(Box::new(Member {
                    id: *id,
                    name: name.clone(),
                    capacity: capacity.clone(),
                    lease: Lease::Held,
                    draining: false,
                }))
            }
            (Self::Absent, _before_it_joined) => Self::Absent,
            (Self::Removed, _after_it_left) => Self::Removed,
            (Self::Member(_), WorkerEvent::Removed) => Self::Removed,
            (Self::Member(mut member), event) => {
                member.apply(event);
                Self::Member(member)
            }
        }
    }

    /// Apps must not move about because it cannot be written that their worker is back.
    fn priority(_command: &WorkerCommand) -> Priority {
        Priority::Urgent
    }

    fn claims(&self, event: &WorkerEvent) -> Vec<ClaimChange> {
        match event {
            WorkerEvent::Registered { id, name, .. } => vec![ClaimChange::Take {
                key: ClaimKey::worker_name(name),
                note: id.uuid().as_bytes().to_vec(),
            }],
            WorkerEvent::Removed => self.member().map_or_else(Vec::new, |member| {
                vec![ClaimChange::Release { key: ClaimKey::worker_name(&member.name) }]
            }),
            WorkerEvent::CapacityChanged { .. }
            | WorkerEvent::Lost
            | WorkerEvent::Returned
            | WorkerEvent::DrainStarted
            | WorkerEvent::DrainEnded => Vec::new(),
        }
    }

    fn ended(&self) -> bool {
        match self {
            Self::Removed => true,
            Self::Absent | Self::Member(_) => false,
        }
    }
}

impl Member {
    fn decide(&self, command: WorkerCommand) -> Vec<WorkerEvent> {
        match command {
            WorkerCommand::Register { id: _, name: _, capacity } => {
                let mut events = Vec::new();
                if self.lease == Lease::Lost {
                    events.push(WorkerEvent::Returned);
                }
                if capacity != self.capacity {
                    events.push(WorkerEvent::CapacityChanged { capacity });
                }
                events
            }
            WorkerCommand::Lose if self.lease == Lease::Held => vec![WorkerEvent::Lost],
            WorkerCommand::Drain if !self.draining => vec![WorkerEvent::DrainStarted],
            WorkerCommand::Undrain if self.draining => vec![WorkerEvent::DrainEnded],
            WorkerCommand::Lose | WorkerCommand::Drain | WorkerCommand::Undrain => Vec::new(),
            WorkerCommand::Remove => vec![WorkerEvent::Removed],
        }
    }

    fn apply(&mut self, event: &WorkerEvent) {
        match event {
            WorkerEvent::Registered { .. } | WorkerEvent::Removed => {}
            WorkerEvent::CapacityChanged { capacity } => self.capacity = capacity.clone(),
            WorkerEvent::Lost => self.lease = Lease::Lost,
            WorkerEvent::Returned => self.lease = Lease::Held,
            WorkerEvent::DrainStarted => self.draining = true,
            WorkerEvent::DrainEnded => self.draining = false,
        }
    }
}
