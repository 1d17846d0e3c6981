//! Certificates, keys and challenges come in from the bucket, for as long as the edge lives.
//!
//! Invariants:
//! - NATS is never waited for. Without it the last certificates stay in force.
//! - What was removed from the bucket is no longer served. What is missing there without having been removed
//!   (the bucket was wiped, or made anew) stays, until the control plane has had time to put it back: from
//!   when it has put this edge's key there and something is missing still. An empty bucket drops nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::kv::{Entry, Operation};
use futures_util::StreamExt as _;
use hythe_actors::bus::Bus;
use hythe_core::ids::EdgeId;
use hythe_core::wire::certificate::fleet_key;
use hythe_core::wire::subjects::CERTIFICATES_BUCKET;
use tokio::time::Instant;

use super::alone::Renewer;
use super::keeper::{Change, Keeper};
use crate::edge::follow::{self, COMPARE, Follower, Trouble};

/// Changes that are taken in at once: what is on disk is synced for each, what is in force put together
/// once for all.
const AT_ONCE: usize = 256;
/// All keys of a bucket.
const ALL: &str = ">";

/// See the module.
#[derive(Debug)]
pub(crate) struct Feed {
    bucket: Bucket,
    alone: Renewer,
}

/// What is followed.
#[derive(Debug)]
struct Bucket {
    /// The key under which this edge finds the fleet's.
    own: String,
    stay: Duration,
    keeper: Arc<Mutex<Keeper>>,
    /// Since when something is missing in a bucket that the control plane has written to; when that
    /// bucket was made.
    missing: Option<(i128, Instant)>,
}

/// What was seen of the bucket in one session.
#[derive(Debug)]
struct Session {
    /// When the bucket was made: one that was wiped and made anew counts from 1 again.
    bucket: i128,
    /// The last sequence that the watch told of.
    seen: u64,
    /// The same at the last comparison.
    compared: u64,
    present: BTreeSet<String>,
}

impl Feed {
    pub(super) fn new(
        edge: EdgeId,
        stay: Duration,
        keeper: &Arc<Mutex<Keeper>>,
        alone: Renewer,
    ) -> Self {
        let (own, keeper) = (fleet_key(edge), Arc::clone(keeper));
        Self { bucket: Bucket { own, stay, keeper, missing: None }, alone }
    }

    /// Follows the bucket for ever, and sees to what is to be done without the control plane.
    pub(crate) async fn follow(self, bus: Bus) {
        let Self { mut bucket, alone } = self;
        let keeper = Arc::clone(&bucket.keeper);
        // None of them ends.
        tokio::join!(
            tick(keeper),
            Box::pin(alone.renew(bus.clone())),
            Box::pin(follow::follow(&mut bucket, &bus)),
        );
    }
}

impl Follower for Bucket {
    const WHAT: &'static str = "certificates";

    async fn session(&mut self, bus: &Bus, epoch: u64) -> Result<(), Trouble> {
        let mut state = bus.state();
        let store = bus.certificates_bucket().await?;
        let bucket = store.stream.cached_info().created.unix_timestamp_nanos();
        let watch = store.watch_with_history(ALL).await?;
        let mut batches = std::pin::pin!(watch.ready_chunks(AT_ONCE));
        let mut session = Session { bucket, seen: 0, compared: 0, present: BTreeSet::new() };
        let mut comparing = tokio::time::interval(COMPARE);
        // At once there is nothing to compare yet.
        comparing.reset();
        loop {
            tokio::select! {
                batch = batches.next() => match batch {
                    Some(batch) => {
                        let batch: Vec<_> = batch.into_iter().collect::<Result<_, _>>()?;
                        self.take(batch, &mut session).await;
                    }
                    None => return Err("the watch ended".into()),
                },
                changed = state.changed() => {
                    if changed.is_err() || state.borrow_and_update().epoch() != Some(epoch) {
                        return Ok(());
                    }
                }
                _ = comparing.tick() => {
                    if self.missed(bus, &mut session).await? {
                        return Ok(());
                    }
                }
            }
        }
    }
}

impl Bucket {
    async fn take(&mut self, batch: Vec<Entry>, session: &mut Session) {
        let mut changes = Vec::with_capacity(batch.len());
        for Entry { key, value, revision, operation, .. } in batch {
            session.seen = session.seen.max(revision);
            let value = match operation {
                Operation::Put => {
                    session.present.insert(key.clone());
                    Some(value)
                }
                Operation::Delete | Operation::Purge => {
                    session.present.remove(&key);
                    None
                }
            };
            changes.push(Change { key, value });
        }
        on(&self.keeper, move |keeper| keeper.take(changes)).await;
    }

    /// Whether the bucket holds something that the watch did not tell of. Where it told of all, what is
    /// not there is dropped once its time is over.
    async fn missed(&mut self, bus: &Bus, session: &mut Session) -> Result<bool, Trouble> {
        let stream = bus.jetstream().get_stream(format!("KV_{CERTIFICATES_BUCKET}")).await?;
        let info = stream.cached_info();
        if info.created.unix_timestamp_nanos() != session.bucket {
            return Ok(true);
        }
        // What was purged was told, or was gone before anybody listened.
        if info.state.messages > 0 && session.seen < info.state.last_sequence {
            // Slow is not lost: as long as something comes, more will.
            let stuck = session.seen == session.compared;
            session.compared = session.seen;
            return Ok(stuck);
        }
        session.compared = session.seen;
        self.compare(session).await;
        Ok(false)
    }

    /// Drops what has been missing for long enough.
    async fn compare(&mut self, session: &Session) {
        let present = session.present.clone();
        let written = present.contains(&self.own);
        if !written || !on(&self.keeper, move |keeper| keeper.lacks(&present)).await {
            self.missing = None;
            return;
        }
        let (bucket, since) = match self.missing {
            Some(missing) if missing.0 == session.bucket => missing,
            Some(_) | None => (session.bucket, Instant::now()),
        };
        self.missing = Some((bucket, since));
        if since.elapsed() >= self.stay {
            let present = session.present.clone();
            on(&self.keeper, move |keeper| keeper.keep_only(&present)).await;
        }
    }
}

/// Sees to what is over, with NATS or without.
async fn tick(keeper: Arc<Mutex<Keeper>>) {
    let mut ticks = tokio::time::interval(COMPARE);
    loop {
        ticks.tick().await;
        on(&keeper, Keeper::tick).await;
    }
}

/// Does something on a thread where waiting for the disk and looking at keys holds nobody up.
pub(super) async fn on<T: Default + Send + 'static>(
    keeper: &Arc<Mutex<Keeper>>,
    what: impl FnOnce(&mut Keeper) -> T + Send + 'static,
) -> T {
    let keeper = Arc::clone(keeper);
    let done = tokio::task::spawn_blocking(move || {
        what(&mut keeper.lock().unwrap_or_else(PoisonError::into_inner))
    });
    done.await.unwrap_or_else(|error| {
        tracing::error!(%error, "certificates could not be taken in");
        T::default()
    })
}
