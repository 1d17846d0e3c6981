//! The keeper of one kind of aggregate: which of them are in memory, and the way to each.
//!
//! It answers nothing itself but that there is no room. Every message of an aggregate's life goes
//! through it in order, which is what makes "one instance per id" true: a successor is read from
//! the journal only after the one before has ended.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hythe_core::machine::Machine;
use hythe_store::Journal;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::{Semaphore, oneshot, watch};
use uuid::Uuid;

use super::instance::{self, Instance, ToInstance};
use super::load::{Loaded, load};
use super::{AggregateLimits, CommandError, Hosted, Request};
use crate::health::Health;
use crate::supervise::Restarts;

/// Failed aggregates whose failures are remembered at once.
const MOST_FAILURES: usize = 1024;

/// When there is no room, idle ones are asked to leave no more often than this.
const MAKE_ROOM_EVERY: Duration = Duration::from_millis(100);

/// What the keeper is told.
pub(super) enum ToKeeper<M: Machine> {
    /// A command for an aggregate.
    Command(Box<Request<M>>),
    /// An aggregate was read from the journal, or cannot be.
    Loaded(Uuid, Box<Result<Loaded<M>, String>>),
    /// An aggregate has nothing to do any more.
    WantsToLeave(Uuid),
    /// Take nothing new; say when all have left.
    Drain(oneshot::Sender<()>),
}

pub(super) struct Arguments<M> {
    journal: Journal,
    limits: AggregateLimits,
    health: Health,
    active: Arc<watch::Sender<usize>>,
    kind: PhantomData<fn() -> M>,
}

impl<M> Arguments<M> {
    pub(super) fn new(
        journal: &Journal,
        limits: AggregateLimits,
        health: &Health,
        active: Arc<watch::Sender<usize>>,
    ) -> Self {
        let (journal, health) = (journal.clone(), health.clone());
        Self { journal, limits, health, active, kind: PhantomData }
    }
}

/// Where an aggregate is.
enum Place<M: Machine> {
    /// It is being read; these wait for it.
    Loading(Vec<Request<M>>),
    /// It is there.
    Here(ActorRef<ToInstance<M>>),
    /// It was told to go; these wait for its successor.
    Leaving(ActorId, Vec<Request<M>>),
}

struct Entry<M: Machine> {
    place: Place<M>,
    /// Room for commands to this one.
    room: Arc<Semaphore>,
}

pub(super) struct State<M: Machine> {
    arguments: Arguments<M>,
    entries: HashMap<Uuid, Entry<M>>,
    /// Which aggregate an actor is.
    ids: HashMap<ActorId, Uuid>,
    failures: HashMap<Uuid, (Restarts, Instant)>,
    made_room_at: Option<Instant>,
    draining: Option<oneshot::Sender<()>>,
}

/// The actor; everything is in its state.
pub(super) struct Keeper<M>(PhantomData<fn() -> M>);

impl<M> Default for Keeper<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M: Hosted> Actor for Keeper<M> {
    type Msg = ToKeeper<M>;
    type State = State<M>;
    type Arguments = Arguments<M>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        arguments: Arguments<M>,
    ) -> Result<State<M>, ActorProcessingErr> {
        Ok(State {
            arguments,
            entries: HashMap::new(),
            ids: HashMap::new(),
            failures: HashMap::new(),
            made_room_at: None,
            draining: None,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: ToKeeper<M>,
        state: &mut State<M>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ToKeeper::Command(request) => state.command(&myself, *request),
            ToKeeper::Loaded(id, loaded) => match *loaded {
                Ok(loaded) => state.loaded(&myself, id, loaded).await,
                Err(why) => state.not_loaded(id, &why),
            },
            ToKeeper::WantsToLeave(id) => state.let_leave(id),
            ToKeeper::Drain(tell) => state.drain(tell),
        }
        state.tell();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut State<M>,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(actor, _, _) => {
                state.left(&myself, actor.get_id(), None);
            }
            SupervisionEvent::ActorFailed(actor, error) => {
                state.left(&myself, actor.get_id(), Some(&error.to_string()));
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        state.tell();
        Ok(())
    }
}

impl<M: Hosted> State<M> {
    fn busy(&self) -> CommandError {
        CommandError::Busy { retry_after: self.arguments.limits.retry_after }
    }

    fn command(&mut self, myself: &ActorRef<ToKeeper<M>>, mut request: Request<M>) {
        if self.draining.is_some() {
            let stopping = CommandError::Unavailable("the server is stopping".into());
            return request.reply.send(Err(stopping));
        }
        let Some(entry) = self.entries.get_mut(&request.id) else {
            return self.activate(myself, request);
        };
        let Ok(room) = Arc::clone(&entry.room).try_acquire_owned() else {
            let busy = self.busy();
            return request.reply.send(Err(busy));
        };
        request.reply.room.push(room);
        match &mut entry.place {
            Place::Loading(waiting) | Place::Leaving(_, waiting) => waiting.push(request),
            Place::Here(actor) => {
                // One that has just failed: the word of it is on its way, and with the message
                // goes the reply, which tells whoever asked.
                drop(actor.cast(ToInstance::Command(Box::new(request))));
            }
        }
    }

    /// Has an aggregate read that is not in memory.
    fn activate(&mut self, myself: &ActorRef<ToKeeper<M>>, mut request: Request<M>) {
        let now = Instant::now();
        if let Some((_, until)) = self.failures.get(&request.id)
            && *until > now
        {
            let retry_after = until.duration_since(now);
            return request.reply.send(Err(CommandError::Busy { retry_after }));
        }
        if self.entries.len() >= self.arguments.limits.active {
            self.make_room(now);
            let busy = self.busy();
            return request.reply.send(Err(busy));
        }
        let id = request.id;
        let room = Arc::new(Semaphore::new(self.arguments.limits.commands_of_one));
        request.reply.room.extend(Arc::clone(&room).try_acquire_owned());
        self.entries.insert(id, Entry { place: Place::Loading(vec![request]), room });
        self.read(myself, id);
    }

    /// Asks everybody who is asked nothing at the moment to leave.
    fn make_room(&mut self, now: Instant) {
        let lately = self.made_room_at.is_some_and(|at| now.duration_since(at) < MAKE_ROOM_EVERY);
        if lately {
            return;
        }
        self.made_room_at = Some(now);
        for entry in self.entries.values() {
            match &entry.place {
                Place::Here(actor) => drop(actor.cast(ToInstance::MakeRoom)),
                Place::Loading(_) | Place::Leaving(..) => {}
            }
        }
    }

    fn read(&self, myself: &ActorRef<ToKeeper<M>>, id: Uuid) {
        let (myself, journal) = (myself.clone(), self.arguments.journal.clone());
        tokio::task::spawn_blocking(move || {
            let loaded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                load::<M>(&journal, id).map_err(|error| error.to_string())
            }));
            let loaded = loaded.unwrap_or_else(|_| Err("reading it panicked".into()));
            // A keeper that died meanwhile has taken its entries with it.
            drop(myself.cast(ToKeeper::Loaded(id, Box::new(loaded))));
        });
    }

    async fn loaded(&mut self, myself: &ActorRef<ToKeeper<M>>, id: Uuid, loaded: Loaded<M>) {
        let arguments = instance::Arguments {
            id,
            journal: self.arguments.journal.clone(),
            loaded,
            limits: self.arguments.limits,
            keeper: myself.clone(),
            health: self.arguments.health.clone(),
        };
        let cell = myself.get_cell();
        let spawned = Actor::spawn_linked(None, Instance::default(), arguments, cell).await;
        let actor = match spawned {
            Ok((actor, _)) => actor,
            Err(error) => return self.not_loaded(id, &error.to_string()),
        };
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let waiting = match std::mem::replace(&mut entry.place, Place::Here(actor.clone())) {
            Place::Loading(waiting) | Place::Leaving(_, waiting) => waiting,
            Place::Here(_) => Vec::new(),
        };
        self.ids.insert(actor.get_id(), id);
        for request in waiting {
            drop(actor.cast(ToInstance::Command(Box::new(request))));
        }
        if self.draining.is_some() {
            self.let_leave(id);
        }
    }

    fn not_loaded(&mut self, id: Uuid, why: &str) {
        tracing::error!(kind = %M::KIND, %id, %why, "failed to read an aggregate");
        self.arguments.health.fails("journal", why);
        self.note_failure(id);
        let Some(entry) = self.entries.remove(&id) else { return };
        match entry.place {
            Place::Loading(waiting) | Place::Leaving(_, waiting) => {
                for request in waiting {
                    let error = CommandError::Unavailable(format!("failed to {why}"));
                    request.reply.send(Err(error));
                }
            }
            Place::Here(_) => {}
        }
    }

    fn let_leave(&mut self, id: Uuid) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        match &entry.place {
            Place::Here(actor) => {
                let actor = actor.clone();
                entry.place = Place::Leaving(actor.get_id(), Vec::new());
                // From here on nothing is sent to it: this is the last message.
                drop(actor.cast(ToInstance::Leave));
            }
            Place::Loading(_) | Place::Leaving(..) => {}
        }
    }

    fn left(&mut self, myself: &ActorRef<ToKeeper<M>>, actor: ActorId, failure: Option<&str>) {
        let Some(id) = self.ids.remove(&actor) else { return };
        if let Some(why) = failure {
            tracing::error!(kind = %M::KIND, %id, %why, "an aggregate failed");
            self.note_failure(id);
        }
        let Some(entry) = self.entries.remove(&id) else { return };
        match entry.place {
            Place::Leaving(of, waiting) if of == actor && !waiting.is_empty() => {
                let place = Place::Loading(waiting);
                self.entries.insert(id, Entry { place, room: entry.room });
                self.read(myself, id);
            }
            Place::Leaving(..) | Place::Here(_) => {}
            // Not this actor's entry any more.
            Place::Loading(waiting) => {
                let place = Place::Loading(waiting);
                self.entries.insert(id, Entry { place, room: entry.room });
            }
        }
    }

    fn note_failure(&mut self, id: Uuid) {
        let now = Instant::now();
        if self.failures.len() >= MOST_FAILURES {
            self.failures.retain(|_, (restarts, _)| !restarts.is_forgotten(now));
        }
        if self.failures.len() >= MOST_FAILURES {
            return;
        }
        let (restarts, until) = self.failures.entry(id).or_insert((Restarts::default(), now));
        *until = now + restarts.failed(now);
    }

    fn drain(&mut self, tell: oneshot::Sender<()>) {
        self.draining = Some(tell);
        let here: Vec<Uuid> = self.entries.keys().copied().collect();
        for id in here {
            self.let_leave(id);
        }
    }

    fn tell(&mut self) {
        let active = self.entries.len();
        self.arguments.active.send_if_modified(|told| std::mem::replace(told, active) != active);
        if self.entries.is_empty() && self.draining.as_ref().is_some_and(|tell| !tell.is_closed()) {
            // Replaced by one that nobody listens to: draining goes on.
            let (closed, _) = oneshot::channel();
            if let Some(tell) = self.draining.replace(closed) {
                // Whoever asked may have given up waiting.
                let _ = tell.send(());
            }
        }
    }
}
