//! A worker: a machine that runs replicas and builds.
//!
//! Heartbeats and inventories are observations and never events; that a worker was lost, or came
//! back, is decided from them and is one.

mod decide;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::ids::WorkerId;
use crate::names::WorkerName;

/// What a worker has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Thousandths of a CPU.
    pub cpu_millis: u32,
}

/// A worker's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Worker {
    /// Nothing has happened yet.
    #[default]
    Absent,
    /// It belongs to the installation.
    Member(Box<Member>),
    /// It was removed.
    Removed,
}

/// A worker that belongs to the installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: WorkerId,
    /// Its name.
    pub name: WorkerName,
    /// What it has.
    pub capacity: Capacity,
    /// Whether it is heard of.
    pub lease: Lease,
    /// Whether it takes nothing new.
    pub draining: bool,
}

/// Whether a worker is heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lease {
    /// It is.
    Held,
    /// It has not been for too long.
    Lost,
}

impl Worker {
    /// The worker, where it belongs to the installation.
    #[must_use]
    pub fn member(&self) -> Option<&Member> {
        match self {
            Self::Member(member) => Some(member),
            Self::Absent | Self::Removed => None,
        }
    }
}

/// What a worker can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerCommand {
    /// Was heard of: joins, or comes back, or has another capacity.
    Register {
        /// Its id.
        id: WorkerId,
        /// Its name.
        name: WorkerName,
        /// What it has.
        capacity: Capacity,
    },
    /// Was not heard of for too long.
    Lose,
    /// Takes nothing new from now on.
    Drain,
    /// Takes new work again.
    Undrain,
    /// Leaves for good.
    Remove,
}

/// What can happen to a worker. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerEvent {
    /// It joined.
    Registered {
        /// Its id.
        id: WorkerId,
        /// Its name.
        name: WorkerName,
        /// What it has.
        capacity: Capacity,
    },
    /// It has more or less than before.
    CapacityChanged {
        /// What it has now.
        capacity: Capacity,
    },
    /// It was not heard of for too long.
    Lost,
    /// It was heard of again.
    Returned,
    /// It takes nothing new.
    DrainStarted,
    /// It takes new work again.
    DrainEnded,
    /// It left for good.
    Removed,
}
