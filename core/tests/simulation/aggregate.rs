//! Aggregates in memory: state runs ahead of the disk, answers wait for it, and a failed append
//! takes back all that was decided on top of it.

use std::collections::{BTreeMap, VecDeque};

use hythe_core::app::App;
use hythe_core::deployment::Deployment;
use hythe_core::event::Event;
use hythe_core::ids::{AppId, RunId};
use hythe_core::installation::Installation;
use hythe_core::machine::Machine;
use hythe_core::project::Project;
use hythe_core::record::{AggregateKind, Meta, Sequence, StreamId, Version};
use hythe_core::rejection::Rejection;
use hythe_core::time::Timestamp;
use hythe_core::worker::Worker;
use uuid::Uuid;

use crate::control::{Insisted, Job};
use crate::faults::Kind;
use crate::journal::{Append, Outcome, Refused};
use crate::network::Envelope;
use crate::schedule::Due;
use crate::world::World;

/// Who waits for an answer.
#[derive(Clone, Debug)]
pub(crate) enum Waiter {
    Nobody,
    Reactor(Uuid),
    Reconciler,
    /// A report that comes again where there was no room.
    Report(Box<Envelope>),
    /// A person, about something.
    User(&'static str),
    /// Whoever gives it again until it was heard.
    Insists(Box<Insisted>),
    /// Whoever attends to a cron job.
    Job(Job),
    /// A person, about a run that is then to be told of.
    Run(&'static str, RunId),
    /// Whoever makes previews.
    Previews,
    /// Whoever pushes to an app.
    Push(AppId),
    /// A provider, about a delivery, and from when on a pull request is closed by it.
    Delivery(u64, AppId, Option<(u64, Timestamp)>),
}

/// What came of a command.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Done(Option<Sequence>),
    Rejected(Rejection),
    ClaimTaken,
    Busy,
}

#[derive(Debug)]
struct Flight {
    ticket: u64,
    waiter: Waiter,
    outcome: Option<Outcome>,
    behind: Vec<(Waiter, Answer)>,
}

#[derive(Debug)]
pub(crate) struct Instance<M> {
    pub(crate) ahead: M,
    version: Version,
    flights: VecDeque<Flight>,
    failed: bool,
}

impl<M> Instance<M> {
    /// Whether nothing of it waits for the disk.
    pub(crate) fn at_rest(&self) -> bool {
        self.flights.is_empty() && !self.failed
    }
}

/// Every aggregate in memory.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    pub(crate) apps: BTreeMap<Uuid, Instance<App>>,
    pub(crate) deployments: BTreeMap<Uuid, Instance<Deployment>>,
    pub(crate) workers: BTreeMap<Uuid, Instance<Worker>>,
    pub(crate) installations: BTreeMap<Uuid, Instance<Installation>>,
    pub(crate) projects: BTreeMap<Uuid, Instance<Project>>,
}

/// A machine that can be hosted.
pub(crate) trait Hosted: Machine {
    fn host(hosts: &mut Hosts) -> &mut BTreeMap<Uuid, Instance<Self>>;
    fn wrap(event: Self::Event) -> Event;
    fn event(event: &Event) -> Option<&Self::Event>;
}

macro_rules! hosted {
    ($machine:ident, $field:ident) => {
        impl Hosted for $machine {
            fn host(hosts: &mut Hosts) -> &mut BTreeMap<Uuid, Instance<Self>> {
                &mut hosts.$field
            }

            fn wrap(event: Self::Event) -> Event {
                Event::$machine(event)
            }

            fn event(event: &Event) -> Option<&Self::Event> {
                match event {
                    Event::$machine(event) => Some(event),
                    _ => None,
                }
            }
        }
    };
}
hosted!(App, apps);
hosted!(Deployment, deployments);
hosted!(Worker, workers);
hosted!(Installation, installations);
hosted!(Project, projects);

impl World {
    /// Folds the durable events of one aggregate.
    pub(crate) fn replayed<M: Hosted>(&self, id: Uuid) -> (M, Version) {
        let stream = self.journal.stream(StreamId { kind: M::KIND, id });
        let mut version = Version(0);
        let state = stream.fold(M::default(), |state, recorded| {
            version = recorded.version;
            M::event(&recorded.event).map_or_else(M::default, |event| state.evolve(event))
        });
        (state, version)
    }

    /// Gives a command to an aggregate; the answer comes to `waiter` once it is durable.
    pub(crate) fn command<M: Hosted>(
        &mut self,
        id: Uuid,
        command: M::Command,
        meta: Meta,
        waiter: Waiter,
    ) {
        if self.strikes(Kind::Busy) {
            return self.answers.push_back((waiter, Answer::Busy));
        }
        let mut instance = M::host(&mut self.control.hosts).remove(&id).unwrap_or_else(|| {
            let (ahead, version) = self.replayed(id);
            Instance { ahead, version, flights: VecDeque::new(), failed: false }
        });
        let answer = self.decide(id, &mut instance, command, meta, waiter);
        if let Some((waiter, answer)) = answer {
            match instance.flights.back_mut() {
                Some(last) => last.behind.push((waiter, answer)),
                None => self.answers.push_back((waiter, answer)),
            }
        }
        M::host(&mut self.control.hosts).insert(id, instance);
        self.let_leave::<M>(id);
    }

    fn decide<M: Hosted>(
        &mut self,
        id: Uuid,
        instance: &mut Instance<M>,
        command: M::Command,
        meta: Meta,
        waiter: Waiter,
    ) -> Option<(Waiter, Answer)> {
        if instance.failed {
            self.answers.push_back((waiter, Answer::Busy));
            return None;
        }
        let events = match instance.ahead.decide(command) {
            Ok(events) if events.is_empty() => return Some((waiter, Answer::Done(None))),
            Ok(events) => events,
            Err(rejection) => return Some((waiter, Answer::Rejected(rejection))),
        };
        let mut claims = Vec::new();
        let expected = instance.version;
        for event in &events {
            claims.extend(instance.ahead.claims(event));
            instance.ahead = std::mem::take(&mut instance.ahead).evolve(event);
            instance.version.0 += 1;
        }
        self.tickets += 1;
        let ticket = self.tickets;
        instance.flights.push_back(Flight { ticket, waiter, outcome: None, behind: Vec::new() });
        self.journal.pending.push(Append {
            stream: StreamId { kind: M::KIND, id },
            expected,
            events: events.into_iter().map(M::wrap).collect(),
            meta,
            claims,
            ticket,
        });
        if !std::mem::replace(&mut self.journal.woken, true) {
            let slow = if self.random.u32(..100) == 0 { 400 } else { 4 };
            let after = self.random.u64(1..=slow);
            self.after(after, Due::Commit(self.control.life));
        }
        None
    }

    /// The writer commits everything that waits, in one group: all of it or nothing.
    pub(crate) fn commit(&mut self) {
        if self.strikes(Kind::CommitUnanswered) {
            self.control_dies();
            return;
        }
        self.journal.woken = false;
        let group = std::mem::take(&mut self.journal.pending);
        let fails = self.strikes(Kind::JournalFails);
        let mut outcomes = Vec::with_capacity(group.len());
        for append in &group {
            let outcome = if fails { Err(Refused::Storage) } else { self.journal.commit(append) };
            outcomes.push((append.stream, append.ticket, outcome));
        }
        self.witness();
        for (stream, ticket, outcome) in outcomes {
            match stream.kind {
                AggregateKind::App => self.appended::<App>(stream.id, ticket, outcome),
                AggregateKind::Deployment => {
                    self.appended::<Deployment>(stream.id, ticket, outcome);
                }
                AggregateKind::Worker => self.appended::<Worker>(stream.id, ticket, outcome),
                AggregateKind::Installation => {
                    self.appended::<Installation>(stream.id, ticket, outcome);
                }
                AggregateKind::Project => self.appended::<Project>(stream.id, ticket, outcome),
            }
        }
        let life = self.control.life;
        let (fold, react) = (self.random.u64(0..8), self.random.u64(0..8));
        self.after(fold, Due::Fold(life));
        self.after(react, Due::React(life));
    }

    fn appended<M: Hosted>(&mut self, id: Uuid, ticket: u64, outcome: Outcome) {
        let Some(instance) = M::host(&mut self.control.hosts).get_mut(&id) else { return };
        instance.failed |= outcome.is_err();
        if let Some(flight) = instance.flights.iter_mut().find(|f| f.ticket == ticket) {
            flight.outcome = Some(outcome);
        }
        while instance.flights.front().is_some_and(|flight| flight.outcome.is_some()) {
            let Some(flight) = instance.flights.pop_front() else { break };
            match flight.outcome {
                Some(Ok(sequence)) => {
                    self.answers.push_back((flight.waiter, Answer::Done(Some(sequence))));
                    self.answers.extend(flight.behind);
                }
                Some(Err(refused)) => {
                    let answer = match refused {
                        Refused::ClaimTaken => Answer::ClaimTaken,
                        Refused::WrongVersion | Refused::Storage => Answer::Busy,
                    };
                    self.answers.push_back((flight.waiter, answer));
                    let behind = flight.behind.into_iter();
                    self.answers.extend(behind.map(|(waiter, _)| (waiter, Answer::Busy)));
                }
                None => {}
            }
        }
        self.let_leave::<M>(id);
    }

    /// One that has failed or ended leaves memory at once, an idle one now and then.
    fn let_leave<M: Hosted>(&mut self, id: Uuid) {
        let idle = self.random.u32(..8) == 0;
        let host = M::host(&mut self.control.hosts);
        let goes = host.get(&id).is_some_and(|instance| {
            let of_no_use =
                instance.failed || instance.ahead.ended() || instance.version == Version(0);
            instance.flights.is_empty() && (of_no_use || idle)
        });
        if goes {
            host.remove(&id);
        }
    }
}
