//! One aggregate in memory.
//!
//! It never waits for the disk: it decides, evolves, hands the append to the journal and goes on;
//! the outcome comes back as a message. It leaves in three steps (it asks, the keeper sends nothing
//! more, it goes), so that no command is lost between it and its successor.

use std::marker::PhantomData;
use std::time::{Duration, Instant};

use hythe_core::machine::Machine;
use hythe_core::record::{StreamId, Version};
use hythe_core::rejection::Rejection;
use hythe_store::{Append, AppendError, Journal, codec};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use uuid::Uuid;

use super::flight::{Flights, Outcome};
use super::keeper::ToKeeper;
use super::load::Loaded;
use super::{AggregateLimits, CommandError, Done, Hosted, Request};
use crate::health::Health;

/// One that was asked nothing for this long can make room for others.
const AT_REST: Duration = Duration::from_millis(500);

/// What one aggregate is told.
pub(super) enum ToInstance<M: Machine> {
    /// Do this.
    Command(Box<Request<M>>),
    /// An append has ended.
    Appended(u64, Outcome),
    /// Look whether anybody still wants you.
    LookIdle,
    /// Others have no room: go unless you are asked something just now.
    MakeRoom,
    /// Nothing more comes: go when everybody is answered.
    Leave,
}

pub(super) struct Arguments<M: Machine> {
    pub(super) id: Uuid,
    pub(super) journal: Journal,
    pub(super) loaded: Loaded<M>,
    pub(super) limits: AggregateLimits,
    pub(super) keeper: ActorRef<ToKeeper<M>>,
    pub(super) health: Health,
}

pub(super) struct State<M: Machine> {
    arguments: Arguments<M>,
    /// May run ahead of the disk.
    ahead: M,
    version: Version,
    flights: Flights<M>,
    used_at: Instant,
    timer: tokio::task::AbortHandle,
    asked_to_leave: bool,
    leaving: bool,
}

/// The actor; everything is in its state.
pub(super) struct Instance<M>(PhantomData<fn() -> M>);

impl<M> Default for Instance<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M: Hosted> Actor for Instance<M> {
    type Msg = ToInstance<M>;
    type State = State<M>;
    type Arguments = Arguments<M>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: Arguments<M>,
    ) -> Result<State<M>, ActorProcessingErr> {
        let timer = myself.send_after(arguments.limits.idle, || ToInstance::LookIdle);
        let taken_back = CommandError::Busy { retry_after: arguments.limits.retry_after };
        Ok(State {
            ahead: arguments.loaded.state.clone(),
            version: arguments.loaded.version,
            arguments,
            flights: Flights::new(taken_back),
            used_at: Instant::now(),
            timer: timer.abort_handle(),
            asked_to_leave: false,
            leaving: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: ToInstance<M>,
        state: &mut State<M>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ToInstance::Command(request) => state.command(&myself, *request),
            ToInstance::Appended(ticket, outcome) => state.appended(ticket, outcome),
            ToInstance::LookIdle => state.look_idle(&myself),
            ToInstance::MakeRoom => state.make_room(),
            ToInstance::Leave => state.leaving = true,
        }
        if state.flights.is_empty() {
            if state.leaving {
                myself.stop(None);
            } else if state.is_of_no_more_use() {
                state.ask_to_leave();
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        _state: &mut State<M>,
    ) -> Result<(), ActorProcessingErr> {
        // It has no children.
        match event {
            SupervisionEvent::ActorStarted(_)
            | SupervisionEvent::ActorTerminated(..)
            | SupervisionEvent::ActorFailed(..)
            | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

impl<M: Machine> Drop for State<M> {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

impl<M: Hosted> State<M> {
    fn command(&mut self, myself: &ActorRef<ToInstance<M>>, request: Request<M>) {
        self.used_at = Instant::now();
        let Request { id: _, command, extras, reply } = request;
        if self.flights.failed {
            let retry_after = self.arguments.limits.retry_after;
            return reply.send(Err(CommandError::Busy { retry_after }));
        }
        let priority = M::priority(&command);
        let events = match self.ahead.decide(command) {
            Ok(events) => events,
            Err(rejection) => {
                return self.flights.answer_behind(reply, Err(rejection.into()));
            }
        };
        if events.is_empty() {
            let done = Done { sequence: None, version: self.version, events };
            return self.flights.answer_behind(reply, Ok(done));
        }
        let mut payloads = Vec::with_capacity(events.len());
        for event in &events {
            match codec::encode_as(M::KIND, event) {
                Ok(payload) => payloads.push(payload),
                Err(error) => {
                    let error = Rejection::conflict(error.to_string());
                    return self.flights.answer_behind(reply, Err(error.into()));
                }
            }
        }
        let mut claims = Vec::new();
        let expected = self.version;
        for event in &events {
            claims.extend(self.ahead.claims(event));
            self.ahead = std::mem::take(&mut self.ahead).evolve(event);
            self.version = Version(self.version.0 + 1);
        }
        claims.extend(extras.claims);
        let append = Append {
            stream: StreamId { kind: M::KIND, id: self.arguments.id },
            expected,
            events: payloads,
            meta: extras.meta,
            claims,
            secrets: extras.secrets,
            priority,
        };
        let ticket = self.flights.depart(reply, events);
        let myself = myself.clone();
        self.arguments.journal.submit(
            append,
            Box::new(move |outcome| {
                // Where the aggregate has died meanwhile, so have those who wait for its answers.
                drop(myself.cast(ToInstance::Appended(ticket, outcome)));
            }),
        );
    }

    fn appended(&mut self, ticket: u64, outcome: Outcome) {
        let health = &self.arguments.health;
        match &outcome {
            Ok(_) => health.works("journal"),
            Err(AppendError::Storage(why)) => health.fails("journal", why.clone()),
            Err(
                AppendError::WrongVersion { .. }
                | AppendError::ClaimTaken { .. }
                | AppendError::TooLarge { .. }
                | AppendError::Invalid { .. }
                | AppendError::Busy { .. }
                | AppendError::NoRoom(_)
                | AppendError::Closed,
            ) => {}
        }
        if let Some(error) = self.flights.arrive(ticket, outcome) {
            let id = self.arguments.id;
            tracing::debug!(kind = %M::KIND, %id, %error, "an append failed; reading it anew");
        }
    }

    fn look_idle(&mut self, myself: &ActorRef<ToInstance<M>>) {
        let idle = self.used_at.elapsed();
        let most = self.arguments.limits.idle;
        if idle >= most && self.flights.is_empty() {
            return self.ask_to_leave();
        }
        let left = most.saturating_sub(idle).max(most / 8);
        self.timer = myself.send_after(left, || ToInstance::LookIdle).abort_handle();
    }

    fn make_room(&mut self) {
        if self.flights.is_empty() && self.used_at.elapsed() >= AT_REST {
            self.ask_to_leave();
        }
    }

    /// What it holds must be read anew, will not change any more, or is nothing.
    fn is_of_no_more_use(&self) -> bool {
        self.flights.failed || self.ahead.ended() || self.version == Version(0)
    }

    fn ask_to_leave(&mut self) {
        if !self.asked_to_leave {
            self.asked_to_leave = true;
            let id = self.arguments.id;
            // Where the keeper has died, this instance dies with it.
            drop(self.arguments.keeper.cast(ToKeeper::WantsToLeave(id)));
        }
    }
}
