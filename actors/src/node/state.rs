//! The node's own doing: it takes in what it hears, and after each thing sees what follows.
//!
//! Invariants: no call here waits; whatever takes time is a task in [`Node::tasks`], which sends
//! what came of it as a message. What is done next comes from the plan alone. Each task works on
//! what nobody else works on at that time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hythe_core::ids::DeploymentId;
use hythe_core::names::WorkerName;
use hythe_core::plan::{ReplicaKey, Wanted};
use hythe_core::time::Timestamp;
use hythe_core::wire::worker::{EngineState, WorkerReport};
use hythe_core::worker::Capacity;
use ractor::ActorRef;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::actor::Message;
use super::builds::Builds;
use super::clock;
use super::guard::guarded;
use super::health::Health;
use super::known::Known;
use super::look::{self, Inventory, Sight};
use super::replica::Replica;
use super::steps::Tools;
use super::watch::News;
use super::watchers::Watchers;
use crate::bus::Bus;

/// Containers that are looked at at once.
const MOST_LOOKS: usize = 8;
/// From one look at everything to the next, when nothing breaks.
const INVENTORY_EVERY: Duration = Duration::from_secs(30);
/// When a look at everything that failed is tried again.
const INVENTORY_AGAIN: Duration = Duration::from_secs(1);

/// What a node works with.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) tools: Tools,
    pub(crate) bus: Bus,
    pub(crate) builds: Builds,
    pub(crate) name: WorkerName,
    pub(crate) capacity: Capacity,
    /// Where reports go out; only the newest counts.
    pub(crate) reports: watch::Sender<Option<WorkerReport>>,
}

/// The node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(super) me: ActorRef<Message>,
    pub(super) setup: Arc<Setup>,
    pub(super) known: Known,
    pub(super) watchers: Watchers,
    pub(super) tasks: JoinSet<()>,
    pub(super) looks: Arc<Semaphore>,
    /// Containers that are looked at, and whether they were touched again meanwhile.
    pub(super) looking: BTreeMap<String, bool>,
    /// Replicas whose last lines are read.
    pub(super) tailing: BTreeSet<ReplicaKey>,
    pub(super) forgetting: BTreeSet<DeploymentId>,
    /// Orders, by their generation, of which it is not known yet whether the image is there.
    pub(super) unsure: BTreeMap<DeploymentId, u64>,
    /// Those of them whose images are looked for once everything was looked at (again).
    pub(super) unlooked: BTreeSet<DeploymentId>,
    /// Counts what was seen, so that an older look at everything does not undo it.
    pub(super) stamp: u64,
    pub(super) stamps: BTreeMap<ReplicaKey, u64>,
    /// Since when (by `stamp`) everything is being looked at.
    pub(super) inventory: Option<u64>,
    pub(super) inventory_due: Instant,
    pub(super) started: Instant,
    pub(super) changed: bool,
    /// Whether a replica has become healthy that was not reported yet: a deployment waits for that.
    pub(super) awaited: bool,
    /// When it reported last; none before the first report, and where the next one is due at once.
    pub(super) reported: Option<Instant>,
    pub(super) alarm: Alarm,
}

/// The one timer: when to see again what follows.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    pub(super) generation: u64,
    pub(super) at: Option<Instant>,
    pub(super) timer: Option<tokio::task::AbortHandle>,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(timer) = self.alarm.timer.take() {
            timer.abort();
        }
    }
}

impl Node {
    pub(crate) fn new(me: ActorRef<Message>, setup: Arc<Setup>, mut known: Known) -> Self {
        for wanted in known.desired.values() {
            if let Wanted::Run(assignment) = wanted
                && let Ok(environment) = setup.tools.keys.open_environment(assignment)
            {
                known.maskers.insert(assignment.deployment, Arc::new(environment.masker()));
            }
        }
        // The agent before this one may have ended before it knew.
        let unsure = known.successors();
        Self {
            me,
            setup,
            known,
            watchers: Watchers::default(),
            tasks: JoinSet::new(),
            looks: Arc::new(Semaphore::new(MOST_LOOKS)),
            looking: BTreeMap::new(),
            tailing: BTreeSet::new(),
            forgetting: BTreeSet::new(),
            unlooked: unsure.keys().copied().collect(),
            unsure,
            stamp: 0,
            stamps: BTreeMap::new(),
            inventory: None,
            inventory_due: Instant::now(),
            started: Instant::now(),
            changed: true,
            awaited: false,
            reported: None,
            alarm: Alarm::default(),
        }
    }

    /// The tasks that end with this node.
    pub(crate) const fn tasks(&mut self) -> &mut JoinSet<()> {
        &mut self.tasks
    }

    /// A task that sends one message when it is done.
    pub(super) fn spawn(&mut self, work: impl Future<Output = Message> + Send + 'static) {
        let me = self.me.clone();
        self.tasks.spawn(async move {
            // A node that is gone needs no answer.
            let _gone = me.cast(work.await);
        });
    }

    /// A new order, which is durable.
    pub(crate) fn ordered(&mut self, deployment: DeploymentId, wanted: Wanted) {
        let known = self.known.desired.get(&deployment);
        if known.is_some_and(|known| known.generation() > wanted.generation()) {
            return;
        }
        if let Wanted::Run(assignment) = &wanted
            && let Ok(environment) = self.setup.tools.keys.open_environment(assignment)
        {
            self.known.maskers.insert(deployment, Arc::new(environment.masker()));
        }
        self.known.try_anew(deployment);
        self.known.unforgotten.remove(&deployment);
        self.unsure.remove(&deployment);
        self.unlooked.remove(&deployment);
        if let Wanted::Run(assignment) = &wanted
            && assignment.run.container.is_exclusive()
            // What is there was made from it.
            && !self.known.replicas.keys().any(|key| key.deployment == deployment)
        {
            self.look_for_image(assignment);
        }
        self.known.desired.insert(deployment, wanted);
        self.changed = true;
    }

    /// Something about the engine.
    pub(crate) fn heard(&mut self, news: News) {
        match news {
            News::Up { version, since } => {
                // It may have been started anew so fast that nobody missed it.
                if let Some(since) = since {
                    self.known.away.begin(since);
                }
                self.known.engine = EngineState::Ready { version };
                // One that is under way may have begun before the break.
                self.inventory = None;
                self.inventory_due = Instant::now();
                self.changed = true;
            }
            News::Down { message, since } => {
                self.known.away.begin(since);
                let engine = EngineState::Unreachable { message };
                if self.known.engine != engine {
                    tracing::warn!(?engine, "the container engine does not answer");
                    self.known.engine = engine;
                    self.changed = true;
                }
                self.known.complete = false;
            }
            News::Touched(ids, _permit) => ids.into_iter().for_each(|id| self.look(id)),
        }
    }

    fn look(&mut self, id: String) {
        if let Some(again) = self.looking.get_mut(&id) {
            *again = true;
            return;
        }
        self.looking.insert(id.clone(), false);
        let (setup, looks) = (Arc::clone(&self.setup), Arc::clone(&self.looks));
        self.spawn(async move {
            let _turn = looks.acquire().await;
            let look = look::look(&setup.tools.engine, &setup.tools.owner, &id);
            let sight = guarded(look).await.ok().and_then(Result::ok);
            Message::Looked { id, sight }
        });
    }

    /// A container was looked at; the outer none where that failed.
    pub(crate) fn looked(&mut self, id: String, sight: Option<Option<Sight>>) {
        match sight {
            Some(Some(sight)) => self.saw(sight),
            Some(None) => {
                let gone =
                    self.known.replicas.iter().find(|(_, replica)| replica.observed.id == id);
                if let Some(key) = gone.map(|(key, _)| *key) {
                    self.missed(key);
                }
            }
            None => {}
        }
        if self.looking.remove(&id) == Some(true) {
            self.look(id);
        }
    }

    pub(super) fn saw(&mut self, sight: Sight) {
        let key = sight.observed.key;
        self.mark(key);
        match self.known.replicas.get_mut(&key) {
            Some(replica) if replica.observed == sight.observed => {
                replica.confirmed();
                if let Some(tail) = sight.tail {
                    self.changed |= replica.tail != tail;
                    replica.tail = tail;
                }
            }
            Some(replica)
                if replica.observed.id == sight.observed.id
                    && replica.observed.state == sight.observed.state =>
            {
                replica.confirmed();
                replica.observed = sight.observed;
                self.changed = true;
            }
            Some(replica) if replica.is_left_for(&sight) => {
                replica.left();
                self.look(sight.observed.id);
            }
            before => {
                // The limit is put in force after the first success: what runs with one when it is
                // first seen was healthy, under the agent before this one.
                let adopted = before.is_none() && sight.observed.limited;
                let mut replica = Replica::new(sight, before.as_deref());
                replica.was_healthy = adopted && replica.run().is_some();
                replica.ended_with_engine = replica.ended_in(self.known.away);
                self.known.replicas.insert(key, replica);
                self.changed = true;
            }
        }
    }

    /// The engine has no such container any more, whoever removed it.
    fn missed(&mut self, key: ReplicaKey) {
        self.mark(key);
        self.changed |= self.known.miss(key);
    }

    /// A step of ours has ended, and there is no such container.
    pub(super) fn vanished(&mut self, key: ReplicaKey) {
        self.mark(key);
        self.changed |= self.known.replicas.remove(&key).is_some();
    }

    fn mark(&mut self, key: ReplicaKey) {
        self.stamp += 1;
        self.stamps.insert(key, self.stamp);
    }

    /// What is known is not all that there is: one look at everything, that begins from now on, tells.
    pub(super) fn look_at_everything(&mut self) {
        self.known.complete = false;
        self.inventory = None;
        self.inventory_due = Instant::now();
    }

    pub(super) fn take_inventory(&mut self) {
        self.stamp += 1;
        self.inventory = Some(self.stamp);
        let (since, setup) = (self.stamp, Arc::clone(&self.setup));
        self.spawn(async move {
            let inventory = guarded(look::inventory(&setup.tools.engine, &setup.tools.owner)).await;
            Message::Inventoried { since, inventory: inventory.ok().and_then(Result::ok) }
        });
    }

    /// Everything was looked at, beginning when the stamp was `since`; none where that failed.
    pub(crate) fn inventoried(&mut self, since: u64, inventory: Option<Inventory>) {
        if self.inventory != Some(since) {
            return;
        }
        self.inventory = None;
        let Some(inventory) = inventory else {
            self.inventory_due = Instant::now() + INVENTORY_AGAIN;
            return;
        };
        self.inventory_due = Instant::now() + INVENTORY_EVERY;
        let newer = |stamps: &BTreeMap<ReplicaKey, u64>, key: ReplicaKey| {
            stamps.get(&key).is_some_and(|stamp| *stamp > since)
        };
        let mut gone: BTreeSet<ReplicaKey> = self.known.replicas.keys().copied().collect();
        for sight in inventory.containers {
            let key = sight.observed.key;
            gone.remove(&key);
            if !newer(&self.stamps, key) {
                self.saw(sight);
            }
        }
        gone.retain(|key| !newer(&self.stamps, *key));
        gone.into_iter().for_each(|key| self.missed(key));
        self.stamps.retain(|key, _| self.known.replicas.contains_key(key));
        if self.known.busy.is_empty() {
            self.known.networks = inventory.networks;
        } else {
            self.known.networks.extend(inventory.networks);
        }
        self.changed |= !std::mem::replace(&mut self.known.complete, true);
        self.known.looked = true;
        if matches!(self.known.engine, EngineState::Ready { .. }) {
            self.known.away.end(clock::now());
        }
        self.look_for_unlooked();
    }

    /// A check found something new.
    pub(crate) fn checked(&mut self, key: ReplicaKey, run: Timestamp, health: Health) {
        if let Some(replica) = self.known.replicas.get_mut(&key)
            && replica.run() == Some(run)
        {
            let was_healthy = replica.was_healthy;
            replica.checked(health);
            self.awaited |= replica.was_healthy && !was_healthy;
            self.changed = true;
            if replica.ails() {
                self.read_tail(key);
            }
        }
    }

    pub(super) fn read_tail(&mut self, key: ReplicaKey) {
        let Some(replica) = self.known.replicas.get(&key) else { return };
        if !self.tailing.insert(key) {
            return;
        }
        let (setup, looks) = (Arc::clone(&self.setup), Arc::clone(&self.looks));
        let id = replica.observed.id.clone();
        self.spawn(async move {
            let _turn = looks.acquire().await;
            let lines = guarded(look::tail(&setup.tools.engine, &id)).await.unwrap_or_default();
            Message::Tailed { key, id, lines }
        });
    }

    /// The last lines of a replica that ails.
    pub(crate) fn tailed(&mut self, key: ReplicaKey, id: &str, lines: Vec<String>) {
        self.tailing.remove(&key);
        if let Some(replica) = self.known.replicas.get_mut(&key)
            && replica.observed.id == id
            && replica.ails()
        {
            self.changed |= replica.tail != lines || replica.overdue_told;
            replica.tail = lines;
        }
    }

    /// The bus was set up again: whatever was in it may be gone.
    pub(crate) const fn bus_ready(&mut self) {
        self.changed = true;
        self.reported = None;
    }

    /// An order to stop was forgotten, or (none) could not be just now.
    pub(crate) fn forgotten(&mut self, deployment: DeploymentId, generation: Option<u64>) {
        self.forgetting.remove(&deployment);
        let Some(generation) = generation else {
            return self.known.not_forgotten(deployment);
        };
        self.known.unforgotten.remove(&deployment);
        let known = self.known.desired.get(&deployment);
        let Some(Wanted::Stop { generation: held, .. }) = known else { return };
        if *held == generation {
            self.known.desired.remove(&deployment);
            self.known.maskers.remove(&deployment);
            self.known.restarts.retain(|key, _| key.deployment != deployment);
            self.known.try_anew(deployment);
            self.changed = true;
        }
    }
}
