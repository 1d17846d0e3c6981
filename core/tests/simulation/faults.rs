//! What breaks, how often, and by which seed.

use std::collections::BTreeMap;

use crate::network::Node;
use crate::schedule::Due;
use crate::world::World;

/// The mixes of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Nothing breaks but what people deploy.
    Calm,
    /// Messages are lost, doubled, late and out of order.
    Lossy,
    /// Processes, engines and disks.
    Crashy,
    /// Clocks jump, and processes die on both sides of that.
    Clocky,
    /// All of it.
    All,
}

impl Profile {
    /// Which mix a seed has.
    pub(crate) const fn of(seed: u64) -> Self {
        match seed % 8 {
            0 => Self::Calm,
            1 => Self::Lossy,
            2 | 3 => Self::Crashy,
            4 => Self::Clocky,
            _ => Self::All,
        }
    }
}

/// What can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    // At a chance whenever there is an occasion.
    Busy,
    JournalFails,
    SendFails,
    SendUncertain,
    Dropped,
    Doubled,
    Late,
    Stale,
    StepFails,
    // At moments of their own.
    ControlDies,
    CommitUnanswered,
    AgentDies,
    EngineDies,
    EngineWiped,
    WorkerGone,
    EdgeDies,
    EdgeGone,
    NatsDies,
    NatsWiped,
    CutOff,
    ControlClock,
    WorkerClock,
    ReplicaExits,
    ReplicaAils,
}

impl Kind {
    pub(crate) const ALL: [Self; 24] = [
        Self::Busy,
        Self::JournalFails,
        Self::SendFails,
        Self::SendUncertain,
        Self::Dropped,
        Self::Doubled,
        Self::Late,
        Self::Stale,
        Self::StepFails,
        Self::ControlDies,
        Self::CommitUnanswered,
        Self::AgentDies,
        Self::EngineDies,
        Self::EngineWiped,
        Self::WorkerGone,
        Self::EdgeDies,
        Self::EdgeGone,
        Self::NatsDies,
        Self::NatsWiped,
        Self::CutOff,
        Self::ControlClock,
        Self::WorkerClock,
        Self::ReplicaExits,
        Self::ReplicaAils,
    ];

    /// How often in a thousand occasions it strikes, and its weight among those that come at
    /// moments of their own.
    const fn rate(self, profile: Profile) -> u32 {
        let (lossy, crashy, clocky) = match profile {
            Profile::Calm => (false, false, false),
            Profile::Lossy => (true, false, false),
            Profile::Crashy => (false, true, false),
            Profile::Clocky => (false, false, true),
            Profile::All => (true, true, true),
        };
        let (when, rate) = match self {
            Self::Busy => (crashy, 10),
            Self::JournalFails => (crashy, 10),
            Self::SendFails => (lossy, 30),
            Self::SendUncertain => (lossy, 20),
            Self::Dropped => (lossy, 80),
            Self::Doubled => (lossy, 40),
            Self::Late => (lossy, 60),
            Self::Stale => (lossy, 8),
            Self::StepFails => (crashy, 15),
            Self::ControlDies => (crashy || clocky, 8),
            Self::CommitUnanswered => (crashy || clocky, 10),
            Self::AgentDies => (crashy || clocky, 8),
            Self::EngineDies => (crashy, 4),
            Self::EngineWiped => (crashy, 1),
            Self::WorkerGone => (crashy, 1),
            Self::EdgeDies => (crashy, 6),
            Self::EdgeGone => (crashy || clocky, 1),
            Self::NatsDies => (crashy || lossy, 4),
            Self::NatsWiped => (crashy || lossy || clocky, 4),
            Self::CutOff => (crashy || lossy, 8),
            Self::ControlClock => (clocky, 12),
            Self::WorkerClock => (clocky, 8),
            Self::ReplicaExits => (crashy || clocky, 6),
            Self::ReplicaAils => (crashy, 6),
        };
        if when { rate } else { 0 }
    }

    const fn by_itself(self) -> bool {
        (self as u8) >= (Self::ControlDies as u8) && !matches!(self, Self::CommitUnanswered)
    }
}

/// How often what happened.
pub(crate) type Counts = BTreeMap<String, u64>;

impl World {
    pub(crate) fn count(&mut self, what: impl std::fmt::Debug) {
        *self.counts.entry(format!("{what:?}")).or_default() += 1;
    }

    /// Whether something breaks on this occasion.
    pub(crate) fn strikes(&mut self, kind: Kind) -> bool {
        let rate = kind.rate(self.profile);
        if self.calm || rate == 0 || self.random.u32(..1000) >= rate {
            return false;
        }
        self.count(kind);
        self.note(format_args!("fault: {kind:?}"));
        true
    }

    /// Something breaks at a moment of its own.
    pub(crate) fn break_something(&mut self) {
        if self.calm {
            return;
        }
        let rates: Vec<(Kind, u32)> = Kind::ALL
            .into_iter()
            .filter(|kind| kind.by_itself())
            .map(|kind| (kind, kind.rate(self.profile)))
            .collect();
        let all: u32 = rates.iter().map(|(_, rate)| rate).sum();
        if all == 0 {
            return;
        }
        let mut at = self.random.u32(..all);
        let chosen = rates.into_iter().find(|(_, rate)| {
            let here = at < *rate;
            at = at.saturating_sub(*rate);
            here
        });
        if let Some((kind, _)) = chosen {
            self.break_this(kind);
        }
        let after = self.random.u64(500..30_000);
        self.after(after, Due::Fault);
    }

    fn break_this(&mut self, kind: Kind) {
        let machine = self.random.usize(..self.machines.len());
        let edge = self.random.usize(..self.edges.len());
        let done = match kind {
            Kind::ControlDies => self.control.up && self.control_dies(),
            Kind::AgentDies => self.machines[machine].up && self.agent_dies(machine),
            Kind::EngineDies => {
                self.machines[machine].engine.up && self.engine_dies(machine, false)
            }
            Kind::EngineWiped => {
                self.machines[machine].engine.up && self.engine_dies(machine, true)
            }
            Kind::WorkerGone => self.worker_goes(machine),
            Kind::EdgeDies => self.edges[edge].up && self.edge_dies(edge, false),
            Kind::EdgeGone => self.edges.len() > 1 && self.edge_dies(edge, true),
            Kind::NatsDies | Kind::NatsWiped => {
                let was_up = self.nats.up;
                if was_up {
                    self.nats_dies(kind == Kind::NatsWiped);
                }
                was_up
            }
            Kind::CutOff => {
                let links = [Node::ControlLink, Node::AgentLink(machine), Node::EdgeLink(edge)];
                let link = links[self.random.usize(..links.len())];
                self.cut_off(link);
                true
            }
            Kind::ControlClock => {
                self.control.skew = self.jump(self.control.skew);
                true
            }
            Kind::WorkerClock => {
                self.machines[machine].skew = self.jump(self.machines[machine].skew);
                true
            }
            Kind::ReplicaExits => self.a_replica_changes(machine, true),
            Kind::ReplicaAils => self.a_replica_changes(machine, false),
            Kind::Busy
            | Kind::JournalFails
            | Kind::SendFails
            | Kind::SendUncertain
            | Kind::Dropped
            | Kind::Doubled
            | Kind::Late
            | Kind::Stale
            | Kind::StepFails
            | Kind::CommitUnanswered => false,
        };
        if done {
            self.count(kind);
            self.note(format_args!("fault: {kind:?} at {machine}/{edge}"));
        }
    }

    /// Where a clock is after it was set: a day off either way, some seconds off, or right again.
    fn jump(&mut self, skew: i64) -> i64 {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        match self.random.u32(..6) {
            0 | 1 => (skew + DAY).min(DAY),
            2 | 3 => (skew - DAY).max(-DAY),
            4 => skew + self.random.i64(-60_000..60_000),
            _ => 0,
        }
    }
}
