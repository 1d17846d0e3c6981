//! Appends under way, oldest first, and who waits for them.
//!
//! Answers leave in the order of the decisions, whatever the order in which results arrive: an
//! append that is refused at once may be heard of before the ones in front of it.

use std::collections::VecDeque;

use hythe_core::machine::Machine;
use hythe_core::record::Sequence;
use hythe_store::{AppendError, Appended};

use super::{Answer, CommandError, Done, Reply};

pub(super) type Outcome = Result<Appended, AppendError>;

/// One append.
struct Flight<M: Machine> {
    ticket: u64,
    reply: Reply<M>,
    events: Vec<M::Event>,
    outcome: Option<Outcome>,
    /// Answers that rest on this append: what was refused, or was so already, because of it.
    behind: Vec<(Reply<M>, Answer<M>)>,
}

/// All appends of one aggregate that are under way.
pub(super) struct Flights<M: Machine> {
    flights: VecDeque<Flight<M>>,
    next: u64,
    /// What to tell those whose ground was taken away.
    taken_back: CommandError,
    /// Whether one has failed: nothing may be decided any more.
    pub(super) failed: bool,
}

impl<M: Machine> Flights<M> {
    pub(super) const fn new(taken_back: CommandError) -> Self {
        Self { flights: VecDeque::new(), next: 0, taken_back, failed: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// Notes an append; gives the ticket under which its outcome is to be told.
    pub(super) fn depart(&mut self, reply: Reply<M>, events: Vec<M::Event>) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.flights.push_back(Flight { ticket, reply, events, outcome: None, behind: Vec::new() });
        ticket
    }

    /// Answers once everything that was decided before is durable.
    pub(super) fn answer_behind(&mut self, reply: Reply<M>, answer: Answer<M>) {
        match self.flights.back_mut() {
            Some(last) => last.behind.push((reply, answer)),
            None => reply.send(answer),
        }
    }

    /// Takes in an outcome and sends every answer that is due. Gives the error that began a
    /// failure, the first time one does.
    pub(super) fn arrive(&mut self, ticket: u64, outcome: Outcome) -> Option<AppendError> {
        let began = match &outcome {
            Err(error) if !self.failed => Some(error.clone()),
            Err(_) | Ok(_) => None,
        };
        self.failed |= outcome.is_err();
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.ticket == ticket) {
            flight.outcome = Some(outcome);
        }
        while let Some(flight) = self.flights.pop_front_if(|flight| flight.outcome.is_some()) {
            self.land(flight);
        }
        began
    }

    fn land(&self, flight: Flight<M>) {
        let Flight { ticket: _, reply, events, outcome, behind } = flight;
        match outcome {
            Some(Ok(Appended { first: _, last, version })) => {
                let sequence: Option<Sequence> = Some(last);
                reply.send(Ok(Done { sequence, version, events }));
                for (reply, answer) in behind {
                    reply.send(answer);
                }
            }
            Some(Err(error)) => {
                reply.send(Err(self.explain(error)));
                for (reply, _) in behind {
                    reply.send(Err(self.taken_back.clone()));
                }
            }
            None => {}
        }
    }

    fn explain(&self, error: AppendError) -> CommandError {
        match error {
            AppendError::ClaimTaken { key, owner } => CommandError::ClaimTaken { key, owner },
            // An append in front of it failed, or another instance wrote before it went.
            AppendError::WrongVersion { .. } => self.taken_back.clone(),
            AppendError::Busy { retry_after } => CommandError::Busy { retry_after },
            AppendError::TooLarge { what } | AppendError::Invalid { what } => {
                CommandError::Rejected(hythe_core::rejection::Rejection::conflict(what))
            }
            AppendError::NoRoom(room) => CommandError::NoRoom(room),
            AppendError::Closed => CommandError::Unavailable("the server is stopping".into()),
            AppendError::Storage(why) => {
                CommandError::Unavailable(format!("the journal could not be written: {why}"))
            }
        }
    }
}
