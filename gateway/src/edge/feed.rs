//! Tables come in: from the disk at start, from NATS for as long as the edge lives.
//!
//! Invariants:
//! - NATS is never waited for. Without it the last table stays in force.
//! - A table with a smaller revision than the one in force is not taken: a NATS server that lost
//!   its last writes may offer one, and its deployments may be gone.
//! - A table is on disk before it is reported as in force, so that a restart does not fall back
//!   behind what the control plane believes. Requests follow it at once: they do not wait for the disk.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::{Entry, Operation, Store};
use futures_util::StreamExt;
use hythe_actors::bus::Bus;
use hythe_core::wire::edge::ROUTES_KEY;
use hythe_core::wire::subjects::ROUTES_BUCKET;
use hythe_store::steps::Step;

use super::disk::{self, Disk};
use super::follow::{self, COMPARE, Follower, Trouble};
use super::table::Live;

/// How long one answer of NATS may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Takes tables into force.
#[derive(Debug)]
pub(crate) struct Feed {
    live: Arc<Live>,
    disk: Arc<Disk>,
    /// The last value looked at: of which bucket, and where in it.
    seen: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// When the bucket was made: one that was wiped and made anew counts from 1 again.
    bucket: i128,
    sequence: u64,
}

impl Feed {
    pub(crate) fn new(live: Arc<Live>, disk: Arc<Disk>) -> Self {
        Self { live, disk, seen: None }
    }

    /// Puts the table in force that was kept on disk, where there is a usable one.
    pub(crate) fn load(&self) {
        let kept = match self.disk.table() {
            Ok(None) => return,
            Ok(Some(bytes)) => disk::parse_table(&bytes),
            Err(error) => Err(error.to_string()),
        };
        match kept {
            Ok(message) => {
                self.live.apply_with(&message.table, &message.passwords);
                tracing::info!(revision = self.live.revision(), "serving the table kept on disk");
            }
            Err(error) => tracing::error!(error, "could not use the table kept on disk"),
        }
    }

    /// Follows the bucket for ever.
    pub(crate) async fn follow(mut self, bus: Bus) {
        follow::follow(&mut self, &bus).await;
    }

    async fn read(&mut self, store: &Store, bucket: i128) -> Result<(), Trouble> {
        if let Some(entry) = tokio::time::timeout(ANSWER, store.entry(ROUTES_KEY)).await?? {
            self.take(entry, bucket).await;
        }
        Ok(())
    }

    /// Whether the bucket holds something that we have not seen. Asks for its state only: tables
    /// can be large.
    async fn missed(&self, bus: &Bus) -> Result<bool, Trouble> {
        let stream = bus.jetstream().get_stream(format!("KV_{ROUTES_BUCKET}")).await?;
        let info = stream.cached_info();
        let bucket = info.created.unix_timestamp_nanos();
        let there = Place { bucket, sequence: info.state.last_sequence };
        Ok(there.sequence > 0 && self.seen != Some(there))
    }

    async fn take(&mut self, entry: Entry, bucket: i128) {
        let place = Place { bucket, sequence: entry.revision };
        let older = |seen: Place| seen.bucket == bucket && seen.sequence >= entry.revision;
        if self.seen.is_some_and(older) {
            return;
        }
        self.seen = Some(place);
        match entry.operation {
            Operation::Put => self.consider(&entry.value).await,
            Operation::Delete | Operation::Purge => {
                tracing::warn!("the table was deleted from NATS; the last one stays in force");
            }
        }
    }

    async fn consider(&self, bytes: &bytes::Bytes) {
        let own = self.disk.turn().await;
        let (live, disk, bytes) = (Arc::clone(&self.live), Arc::clone(&self.disk), bytes.clone());
        // With ten thousand routes this takes a while, most of it for the disk: reports go on meanwhile,
        // and the threads that serve do nothing for it but to look at the new table.
        let is_own = own.is_some();
        let applied = tokio::task::spawn_blocking(move || {
            put_in_force(&live, is_own.then_some(&*disk), &bytes)
        });
        match applied.await {
            Ok(true) => self.live.changed.notify_one(),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "could not put a table in force"),
        }
    }
}

impl Follower for Feed {
    const WHAT: &'static str = "tables";

    /// Ends, too, where the watch missed something: its consumer is gone with the server's store.
    async fn session(&mut self, bus: &Bus, epoch: u64) -> Result<(), Trouble> {
        let mut state = bus.state();
        let store = bus.routes_bucket().await?;
        let bucket = store.stream.cached_info().created.unix_timestamp_nanos();
        let mut watch = store.watch_with_history(ROUTES_KEY).await?;
        self.read(&store, bucket).await?;
        let mut comparing = tokio::time::interval(COMPARE);
        loop {
            tokio::select! {
                entry = watch.next() => match entry {
                    Some(entry) => self.take(entry?, bucket).await,
                    None => return Err("the watch ended".into()),
                },
                changed = state.changed() => {
                    if changed.is_err() || state.borrow_and_update().epoch() != Some(epoch) {
                        return Ok(());
                    }
                }
                _ = comparing.tick() => {
                    if self.missed(bus).await? {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Reads a table and puts it in force, unless it is no newer than the one that is. It is kept on `disk`
/// before it is told of, where this process is the one to write there: the edge that took its place does so
/// otherwise.
fn put_in_force(live: &Live, disk: Option<&Disk>, bytes: &[u8]) -> bool {
    let message = match disk::parse_table(bytes) {
        Ok(message) => message,
        Err(error) => {
            tracing::error!(error, "refused a table; the last one stays in force");
            return false;
        }
    };
    let (old, new) = (live.revision(), message.table.revision);
    if new < old {
        tracing::warn!(old, new, "refused a table older than the one in force");
    }
    if new <= old {
        return false;
    }
    live.apply_ahead(&message.table, &message.passwords);
    // A full disk must not hold up deployments; a restart then begins with an older table
    // until NATS has told it better.
    if let Some(Err(error)) = disk.map(|disk| disk.keep_table(bytes)) {
        tracing::error!(%error, "could not keep the table on disk");
    }
    // Only now: a heartbeat may be sent at any moment.
    live.tell(new);
    Step::TableApplied.passed();
    tracing::info!(revision = new, routes = message.table.routes.len(), "table in force");
    true
}
