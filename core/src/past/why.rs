//! Why something happened: the event that it follows from, or what began it.

use crate::event::Event;
use crate::installation::InstallationEvent;
use crate::record::{Actor, Recorded, Sequence};
use crate::worker::WorkerEvent;

/// What a chain of events begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Somebody asked for it: the correlation is the request's id.
    Request,
    /// A worker reported something.
    Report,
    /// Hythe noticed something by itself: that a worker was silent for too long, or that a certificate is due.
    Watch,
}

impl Beginning {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Report => "report",
            Self::Watch => "watch",
        }
    }
}

/// The event that this one follows from, where there is one. Always an earlier one: whatever else
/// a record says is no cause, and nobody who goes from cause to cause goes round in circles.
#[must_use]
pub fn cause<E>(recorded: &Recorded<E>) -> Option<Sequence> {
    recorded.meta.causation.filter(|cause| *cause > Sequence(0) && *cause < recorded.sequence)
}

/// What an event begins with that follows from no other. None where it follows from one, and where
/// nothing says why it happened.
#[must_use]
pub fn beginning(recorded: &Recorded<Event>) -> Option<Beginning> {
    if cause(recorded).is_some() {
        return None;
    }
    match &recorded.meta.actor {
        Actor::Owner | Actor::Webhook(_) => Some(Beginning::Request),
        Actor::Worker(_) => Some(Beginning::Report),
        Actor::System => match &recorded.event {
            Event::Worker(WorkerEvent::Lost)
            | Event::Installation(
                InstallationEvent::BackupMade(_)
                | InstallationEvent::BackupFailed(_)
                | InstallationEvent::BackupBecameStale { .. }
                | InstallationEvent::MirrorFellBehind { .. }
                | InstallationEvent::MirrorCaughtUp
                | InstallationEvent::Restored(_)
                | InstallationEvent::Certificate(_),
            ) => Some(Beginning::Watch),
            Event::Installation(
                InstallationEvent::BackupScheduled { .. }
                | InstallationEvent::BackupUnscheduled
                | InstallationEvent::MirrorSet(_)
                | InstallationEvent::MirrorRemoved
                | InstallationEvent::RegistrySet { .. }
                | InstallationEvent::RegistryRemoved { .. }
                | InstallationEvent::HookAdded { .. }
                | InstallationEvent::HookRotated { .. }
                | InstallationEvent::HookRemoved { .. }
                | InstallationEvent::AddressSet { .. }
                | InstallationEvent::AddressRemoved
                | InstallationEvent::SourceTokenSet { .. }
                | InstallationEvent::SourceTokenRemoved { .. }
                | InstallationEvent::SourceHostSet { .. }
                | InstallationEvent::SourceHostRemoved { .. }
                | InstallationEvent::StatusesSet { .. }
                | InstallationEvent::ToldSet { .. }
                | InstallationEvent::DomainSettingsSet(_)
                | InstallationEvent::GitHub(_),
            ) => None,
            Event::App(_) | Event::Deployment(_) | Event::Project(_) => None,
            Event::Worker(
                WorkerEvent::Registered { .. }
                | WorkerEvent::CapacityChanged { .. }
                | WorkerEvent::Returned
                | WorkerEvent::DrainStarted
                | WorkerEvent::DrainEnded
                | WorkerEvent::Removed,
            ) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::past::testing::Journal;
    use crate::testing::worker_id;

    #[test]
    fn a_chain_begins_with_a_request_a_report_or_what_hythe_saw() {
        let lost = Event::Worker(WorkerEvent::Lost);
        let drained = Event::Worker(WorkerEvent::DrainStarted);
        for (actor, event, causation, expected, follows) in [
            (Actor::Owner, &drained, None, Some(Beginning::Request), None),
            (Actor::Worker(worker_id(1)), &lost, None, Some(Beginning::Report), None),
            (Actor::System, &lost, None, Some(Beginning::Watch), None),
            (Actor::System, &drained, None, None, None),
            (Actor::System, &drained, Some(2), None, Some(2)),
            (Actor::Owner, &drained, Some(3), Some(Beginning::Request), None),
            (Actor::Owner, &drained, Some(9), Some(Beginning::Request), None),
            (Actor::Owner, &drained, Some(0), Some(Beginning::Request), None),
        ] {
            let mut journal = Journal::of_times(&[1, 2]);
            journal.actor = Some(actor);
            journal.push(worker_id(1).uuid(), event.clone());
            let mut third = journal.events.pop().unwrap();
            third.meta.causation = causation.map(Sequence);
            assert_eq!(beginning(&third), expected, "{third:?}");
            assert_eq!(cause(&third), follows.map(Sequence), "{third:?}");
        }
    }
}
