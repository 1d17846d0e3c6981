//! The node as an actor: its messages, and what hears them.
//!
//! Invariants: no handler waits. The mailbox holds only what this node's own tasks send, each of
//! which has at most a few messages under way. Dropping the state ends every task.

use std::sync::Arc;

use hythe_core::ids::DeploymentId;
use hythe_core::plan::{ReplicaKey, Wanted};
use hythe_core::time::Timestamp;
use hythe_core::wire::worker::WorkerReport;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::builds::Builds;
use super::guard::for_ever;
use super::health::Health;
use super::images::Found;
use super::known::Known;
use super::look::{Inventory, Sight};
use super::state::{Node, Setup};
use super::steps::{Outcome, Task};
use super::watch::{self as engine_watch, News};
use super::{orders, report};
use crate::bus::Bus;

/// What the node hears.
#[derive(Debug)]
pub(crate) enum Message {
    /// An order, which is durable.
    Ordered { deployment: DeploymentId, wanted: Wanted },
    /// Something about the engine.
    News(News),
    /// A container was looked at.
    Looked { id: String, sight: Option<Option<Sight>> },
    /// Everything was looked at.
    Inventoried { since: u64, inventory: Option<Inventory> },
    /// A step has ended.
    Done { task: Box<Task>, outcome: Outcome },
    /// A check found something new.
    Checked { key: ReplicaKey, run: Timestamp, health: Health },
    /// The last lines of a replica that ails.
    Tailed { key: ReplicaKey, id: String, lines: Vec<String> },
    /// An order to stop was forgotten.
    Forgotten { deployment: DeploymentId, generation: Option<u64> },
    /// The image of an order was looked for.
    ImageLookedFor { deployment: DeploymentId, generation: u64, found: Found },
    /// NATS was set up (again).
    BusReady,
    /// The timer is over.
    Alarm(u64),
}

/// The actor.
#[derive(Debug)]
pub(crate) struct NodeActor;

impl Actor for NodeActor {
    type Msg = Message;
    type State = Node;
    type Arguments = Arc<Setup>;

    async fn pre_start(
        &self,
        me: ActorRef<Message>,
        setup: Arc<Setup>,
    ) -> Result<Node, ActorProcessingErr> {
        let ledger = &setup.tools.ledger;
        let (desired, restarts) =
            ledger.with(|ledger| Ok((ledger.desired()?, ledger.restarts()?))).await?;
        let mut node = Node::new(me.clone(), Arc::clone(&setup), Known::new(desired, restarts));
        let tasks = node.tasks();
        tasks.spawn(watch_engine(me.clone(), Arc::clone(&setup)));
        tasks.spawn(watch_bus(me.clone(), setup.bus.clone()));
        tasks.spawn(take_orders(me, Arc::clone(&setup)));
        let heard = setup.reports.subscribe();
        tasks.spawn(publish(setup.bus.clone(), setup.builds.clone(), heard));
        node.see();
        Ok(node)
    }

    async fn handle(
        &self,
        _me: ActorRef<Message>,
        message: Message,
        node: &mut Node,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Ordered { deployment, wanted } => node.ordered(deployment, wanted),
            Message::News(news) => node.heard(news),
            Message::Looked { id, sight } => node.looked(id, sight),
            Message::Inventoried { since, inventory } => node.inventoried(since, inventory),
            Message::Done { task, outcome } => node.done(&task, outcome),
            Message::Checked { key, run, health } => node.checked(key, run, health),
            Message::Tailed { key, id, lines } => node.tailed(key, &id, lines),
            Message::Forgotten { deployment, generation } => node.forgotten(deployment, generation),
            Message::ImageLookedFor { deployment, generation, found } => {
                node.image_looked_for(deployment, generation, found);
            }
            Message::BusReady => node.bus_ready(),
            Message::Alarm(generation) => node.rung(generation),
        }
        node.see();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _me: ActorRef<Message>,
        event: SupervisionEvent,
        _node: &mut Node,
    ) -> Result<(), ActorProcessingErr> {
        // The node has tasks, and no children.
        match event {
            SupervisionEvent::ActorStarted(_)
            | SupervisionEvent::ActorTerminated(..)
            | SupervisionEvent::ActorFailed(..)
            | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

async fn watch_engine(me: ActorRef<Message>, setup: Arc<Setup>) {
    let watch = || {
        let me = me.clone();
        engine_watch::watch(setup.tools.engine.clone(), setup.tools.owner, move |news| {
            // A node that is gone needs no news.
            let _gone = me.cast(Message::News(news));
        })
    };
    for_ever("watching the engine", watch).await;
}

/// Tells the node whenever NATS was set up anew.
async fn watch_bus(me: ActorRef<Message>, bus: Bus) {
    let mut state = bus.state();
    let mut known = None;
    loop {
        let epoch = state.borrow_and_update().epoch();
        if epoch.is_some() && epoch != known {
            known = epoch;
            if me.cast(Message::BusReady).is_err() {
                return;
            }
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

async fn take_orders(me: ActorRef<Message>, setup: Arc<Setup>) {
    let take = || {
        let me = me.clone();
        let tell = move |deployment, wanted| {
            // The order is in the ledger: the next node finds it there.
            let _gone = me.cast(Message::Ordered { deployment, wanted });
        };
        Box::pin(orders::take(
            setup.bus.clone(),
            setup.tools.owner.worker,
            Arc::clone(&setup.tools.ledger),
            setup.builds.clone(),
            CancellationToken::new(),
            tell,
        ))
    };
    for_ever("taking orders", take).await;
}

async fn publish(bus: Bus, builds: Builds, heard: watch::Receiver<Option<WorkerReport>>) {
    let publish = || report::publish(bus.clone(), builds.clone(), heard.clone());
    for_ever("publishing reports", publish).await;
}
