//! The tasks beside each replica: its health check, and the reader of its log.
//!
//! Invariants: one check and one reader per replica (of a process beside web, the check is that it
//! stays up); a check belongs to one run of a container, a reader to one container. A reader whose
//! container is gone publishes what is left and ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hythe_core::health::HealthCheck;
use hythe_core::limits;
use hythe_core::plan::ReplicaKey;
use hythe_core::process::is_process;
use hythe_core::task::is_task;
use hythe_core::time::Timestamp;
use ractor::ActorRef;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::actor::Message;
use super::clock;
use super::follow::{self, Follow, Phase};
use super::guard::for_ever;
use super::health::{self, Health, Subject};
use super::known::Known;
use super::replica::Replica;
use super::state::Setup;
use crate::docker::inspect::Condition;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    checks: BTreeMap<ReplicaKey, Check>,
    readers: BTreeMap<ReplicaKey, Reader>,
}

#[derive(Debug)]
struct Check {
    run: Timestamp,
    address: Option<SocketAddr>,
    check: HealthCheck,
    task: AbortHandle,
}

impl Drop for Check {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Reader {
    container: String,
    phase: watch::Sender<Phase>,
    drained: watch::Sender<bool>,
    task: AbortHandle,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watchers {
    /// Becomes true when all that an ended replica wrote was published.
    pub(crate) fn drained(&self, key: ReplicaKey) -> Option<watch::Receiver<bool>> {
        self.readers.get(&key).map(|reader| reader.drained.subscribe())
    }

    /// Starts what is missing and ends what has no replica any more.
    pub(crate) fn keep(
        &mut self,
        me: &ActorRef<Message>,
        setup: &Arc<Setup>,
        known: &Known,
        tasks: &mut JoinSet<()>,
    ) {
        self.checks.retain(|key, check| {
            known.assignment(*key).is_some()
                && known.replicas.get(key).and_then(Replica::run) == Some(check.run)
        });
        for (key, replica) in &known.replicas {
            self.check(me, setup, known, *key, replica, tasks);
            self.read(setup, known, *key, replica, tasks);
        }
        self.readers.retain(|key, reader| {
            let there = known.replicas.get(key).is_some_and(|r| r.observed.id == reader.container);
            if !there {
                reader.tell(Phase::Gone);
            }
            there || !reader.task.is_finished()
        });
    }

    fn check(
        &mut self,
        me: &ActorRef<Message>,
        setup: &Setup,
        known: &Known,
        key: ReplicaKey,
        replica: &Replica,
        tasks: &mut JoinSet<()>,
    ) {
        let (Some(run), Some(assignment)) = (replica.run(), known.assignment(key)) else { return };
        if is_task(key.index) {
            return;
        }
        let beside_web = is_process(key.index);
        let address = replica.observed.address.filter(|_| !beside_web);
        let address = address.map(|ip| SocketAddr::new(ip, assignment.port));
        let check = &assignment.health;
        let same = |now: &Check| now.run == run && now.address == address && now.check == *check;
        if self.checks.get(&key).is_some_and(same) {
            return;
        }
        let subject = Subject {
            engine: setup.tools.engine.clone(),
            container: replica.observed.id.clone(),
            image: assignment.image.clone(),
            address,
        };
        let (me, check, was_healthy) = (me.clone(), check.clone(), replica.was_healthy);
        let watched = check.clone();
        if beside_web {
            // It is asked nothing: it only has to stay up.
            let rest = clock::span(limits::PROCESS_UP_FOR).saturating_sub(replica.since.elapsed());
            let task = tasks.spawn(async move {
                tokio::time::sleep(rest).await;
                let _gone = me.cast(Message::Checked { key, run, health: Health::Healthy });
            });
            self.checks.insert(key, Check { run, address, check, task });
            return;
        }
        let task = tasks.spawn(for_ever("a health check", move || {
            let me = me.clone();
            health::watch(subject.clone(), watched.clone(), was_healthy, move |health| {
                // A node that is gone needs no news.
                let _gone = me.cast(Message::Checked { key, run, health });
            })
        }));
        self.checks.insert(key, Check { run, address, check, task });
    }

    fn read(
        &mut self,
        setup: &Arc<Setup>,
        known: &Known,
        key: ReplicaKey,
        replica: &Replica,
        tasks: &mut JoinSet<()>,
    ) {
        let phase = match replica.observed.state {
            // There is nothing to read yet.
            Condition::Created => return,
            Condition::Running { since } => Phase::Running(since),
            Condition::Exited { at, .. } => Phase::Ended(at),
        };
        let container = &replica.observed.id;
        if let Some(reader) = self.readers.get(&key).filter(|r| r.container == *container) {
            reader.tell(phase);
            return;
        }
        // One that still reads for a container before this is ended: two would count alike.
        self.readers.remove(&key);
        let remarks = known.assignment(key).and_then(|assignment| {
            let environment = setup.tools.keys.open_environment(assignment).ok()?;
            Some(environment.remarks(assignment))
        });
        let follow = Follow {
            engine: setup.tools.engine.clone(),
            bus: setup.bus.clone(),
            ledger: Arc::clone(&setup.tools.ledger),
            app: replica.observed.app,
            key,
            container: container.clone(),
            remarks: remarks.unwrap_or_default(),
            counted: Arc::new(AtomicU64::new(0)),
        };
        let (phase, heard) = watch::channel(phase);
        let drained = watch::Sender::new(false);
        let task = tasks.spawn(follow::follow(follow, heard, drained.clone()));
        self.readers.insert(key, Reader { container: container.clone(), phase, drained, task });
    }
}

impl Reader {
    fn tell(&self, phase: Phase) {
        let told = self.phase.send_if_modified(|now| std::mem::replace(now, phase) != phase);
        if told && matches!(phase, Phase::Running(_)) {
            self.drained.send_replace(false);
        }
    }
}
