//! Events of workers.

use hythe_core::names::WorkerName;
use hythe_core::worker::{Capacity, WorkerEvent};

use super::values::worker;

pub(super) fn all() -> Vec<(&'static str, WorkerEvent)> {
    let capacity = Capacity { memory_bytes: 8 << 30, cpu_millis: 4_000 };
    vec![
        (
            "registered",
            WorkerEvent::Registered {
                id: worker(),
                name: WorkerName::new("one").unwrap(),
                capacity: capacity.clone(),
            },
        ),
        ("capacity_changed", WorkerEvent::CapacityChanged { capacity }),
        ("lost", WorkerEvent::Lost),
        ("returned", WorkerEvent::Returned),
        ("drain_started", WorkerEvent::DrainStarted),
        ("drain_ended", WorkerEvent::DrainEnded),
        ("removed", WorkerEvent::Removed),
    ]
}
