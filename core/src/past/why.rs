//! Why something happened: the event that it follows from, or what began it.

use crate::app::AppEvent;
use crate::cron::CronName;
use crate::event::Event;
use crate::ids::RunId;
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

/// The event that one goes back to although its record names none, by the history of the app that it
/// happened to: what ended was begun, what is due was set, what was proven was added. `history` goes on to
/// what is in the same append.
#[must_use]
pub fn implied(recorded: &Recorded<Event>, history: &[Recorded<Event>]) -> Option<Sequence> {
    if cause(recorded).is_some() || recorded.meta.actor != Actor::System {
        return None;
    }
    let Event::App(event) = &recorded.event else { return None };
    let last = |wanted: &dyn Fn(&AppEvent) -> bool| {
        let mut before = history.iter().rev().filter(|one| one.sequence < recorded.sequence);
        let found = before.find(|one| matches!(&one.event, Event::App(event) if wanted(event)));
        found.map(|one| one.sequence)
    };
    let set = |name: &CronName| {
        last(&|event| matches!(event, AppEvent::CronSet { cron, .. } if cron == name))
    };
    let begun =
        |of: RunId| last(&|event| matches!(event, AppEvent::CommandRun { run, .. } if *run == of));
    let wanted = |of: u64| {
        last(&|event| matches!(event, AppEvent::PreviewWanted { pull, .. } if pull.number == of))
    };
    match event {
        AppEvent::CommandRun { run: of, .. } => set(history.iter().find_map(|one| {
            if let Event::App(AppEvent::CronRun { cron, run, .. }) = &one.event
                && run == of
            {
                return Some(cron);
            }
            None
        })?),
        AppEvent::CronRun { run, .. } | AppEvent::CommandEnded { run, .. } => begun(*run),
        AppEvent::CronSkipped { cron, .. } => set(cron),
        AppEvent::PreviewCommented { number, .. } | AppEvent::PreviewUnwanted { number, .. } => {
            wanted(*number)
        }
        AppEvent::DomainVerified { host: of, .. }
        | AppEvent::DomainFailing { host: of, .. }
        | AppEvent::DomainLost { host: of, .. } => {
            last(&|event| matches!(event, AppEvent::DomainAdded { host, .. } if host == of))
        }
        AppEvent::Woken { .. } => last(&|event| matches!(event, AppEvent::FellAsleep { .. })),
        AppEvent::Deleted { .. } => last(&|event| matches!(event, AppEvent::Discarded { .. })),
        AppEvent::Created { .. }
        | AppEvent::Configured(_)
        | AppEvent::EnvironmentChanged { .. }
        | AppEvent::DeploymentRequested { .. }
        | AppEvent::DeploymentReplaced { .. }
        | AppEvent::DeploymentBegun { .. }
        | AppEvent::TrafficSwitched { .. }
        | AppEvent::TrafficReturned { .. }
        | AppEvent::DeploymentPromoted { .. }
        | AppEvent::DeploymentSettled { .. }
        | AppEvent::DeploymentRepeated { .. }
        | AppEvent::DeploymentCalledOff { .. }
        | AppEvent::Stopped { .. }
        | AppEvent::Started
        | AppEvent::Discarded { .. }
        | AppEvent::Restored { .. }
        | AppEvent::TriggersSet(_)
        | AppEvent::ProcessesScaled { .. }
        | AppEvent::PreviewsSet(_)
        | AppEvent::PreviewWanted { .. }
        | AppEvent::BecamePreview(_)
        | AppEvent::DomainAdded { .. }
        | AppEvent::DomainSet { .. }
        | AppEvent::DomainRemoved { .. }
        | AppEvent::EdgeSet(_)
        | AppEvent::CanaryAsked { .. }
        | AppEvent::CanaryStarted { .. }
        | AppEvent::CanaryWeightSet { .. }
        | AppEvent::CanaryPromoted { .. }
        | AppEvent::FellAsleep { .. }
        | AppEvent::Scaled { .. }
        | AppEvent::SourceKeySet(_)
        | AppEvent::CronSet { .. }
        | AppEvent::CronRemoved { .. } => None,
    }
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
            | Event::App(AppEvent::FellAsleep { .. } | AppEvent::Deleted { .. })
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
    use crate::app::WokenBy;
    use crate::argv::Argv;
    use crate::cron::{CronSettings, Overlap, Schedule};
    use crate::one_off::{CommandLine, OneOff, OneOffEnd};
    use crate::past::testing::Journal;
    use crate::testing::{app_id, at, deployment_id, run_id, worker_id};
    use crate::time::Millis;

    #[test]
    fn what_names_no_cause_goes_back_to_what_it_was_begun_by() {
        let (cron, run) = (CronName::new("tidy").unwrap(), run_id(7));
        let command = Argv::new(vec!["tidy".into()]).unwrap();
        let settings = Box::new(CronSettings {
            schedule: Schedule::new("* * * * *").unwrap(),
            zone: None,
            command: command.clone(),
            within: Millis::seconds(60),
            overlap: Overlap::Skip,
            paused: false,
        });
        let one_off = Box::new(OneOff {
            deployment: deployment_id(1),
            worker: worker_id(1),
            command: CommandLine::of(&command),
            terminal: false,
            detached: true,
            until: at(90),
        });
        let mut journal = Journal::default();
        journal.create(1, "shop");
        let set = journal.app(1, AppEvent::CronSet { cron: cron.clone(), settings, at: at(1) });
        journal.actor = Some(Actor::System);
        let begun = journal.app(1, AppEvent::CommandRun { run, one_off });
        let ran = journal.app(1, AppEvent::CronRun { cron, due: Some(at(2)), run });
        let ended = journal.app(1, AppEvent::CommandEnded { run, end: OneOffEnd::NotStarted });
        let asleep = journal.app(1, AppEvent::FellAsleep { unasked: Millis::seconds(60) });
        let woken = journal.app(1, AppEvent::Woken { why: WokenBy::Circumstances });
        let history = journal.stream(app_id(1).uuid());
        let of = |sequence: Sequence| {
            history.iter().find(|recorded| recorded.sequence == sequence).unwrap()
        };
        for (event, goes_back_to) in [
            (ended, Some(begun)),
            (ran, Some(begun)),
            (begun, Some(set)),
            (set, None),
            (woken, Some(asleep)),
            (asleep, None),
        ] {
            assert_eq!(implied(of(event), &history), goes_back_to, "{:?}", of(event));
        }
        assert_eq!(beginning(of(set)), Some(Beginning::Request));
        assert_eq!(beginning(of(asleep)), Some(Beginning::Watch));
        // Whoever asked for it is what it goes back to.
        let mut asked = of(ended).clone();
        asked.meta.actor = Actor::Owner;
        assert_eq!(implied(&asked, &history), None);
    }

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
