//! The route table in the bucket: found again after a start, put back after a wipe of NATS.

use std::collections::BTreeMap;

use hythe_core::edge::EdgeSettings;
use hythe_core::ids::AppId;
use hythe_core::names::HostName;
use hythe_core::routes::{Route, RouteTable};
use hythe_core::time::Timestamp;
use hythe_core::wire::FORMAT;
use hythe_core::wire::edge::{PasswordHash, Passwords, RouteTableMessage};
use hythe_store::Journal;

use crate::bus::{Bus, BusError};
use crate::observatory::Observatory;
use crate::sealing::value;

/// What is known of the bucket.
#[derive(Debug, Default)]
pub(super) struct RoutesKeeper {
    /// The connection under which the bucket was looked at last.
    met: Option<u64>,
    /// The connection under which edges were given their time to be heard of.
    reached: Option<u64>,
    /// The largest revision that was used or seen.
    newest: u64,
}

impl RoutesKeeper {
    /// Once for each connection: takes over the table that is in the bucket, or puts the one in
    /// force back where it is missing.
    pub(super) async fn meet_the_bus(
        &mut self,
        bus: &Bus,
        journal: &Journal,
        observatory: &Observatory,
        now: Timestamp,
    ) {
        let epoch = bus.state().borrow().epoch();
        if epoch.is_none() || epoch != self.reached {
            observatory.note_quietly(|observed| {
                observed.unreached_until(now);
                observed.cut_off = epoch.is_none();
            });
            self.reached = epoch;
        }
        if epoch.is_none() || epoch == self.met {
            return;
        }
        // What was sent may be gone with NATS's store: nothing is held back for having been sent.
        observatory.note_quietly(|observed| observed.sent.clear());
        let found = match bus.routes().await {
            Ok(found) => found.filter(|message| message.format == FORMAT),
            Err(error @ BusError::Format { .. }) => {
                tracing::warn!(%error, "the route table in NATS is replaced");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the route table could not be read and is asked for again");
                return;
            }
        };
        let mine = observatory.read(|observed| observed.table.clone());
        let theirs = found.as_ref().map_or(0, |message| message.table.revision);
        self.newest = self.newest.max(theirs).max(mine.revision);
        match found {
            // Of before this start, or of a publishing whose answer was lost.
            Some(message) if theirs > mine.revision => {
                observatory.note(|observed| observed.put_in_force(message.table));
            }
            Some(_) | None => {
                if theirs < mine.revision && put(bus, journal, mine).await.is_err() {
                    return;
                }
            }
        }
        self.met = epoch;
    }

    /// Puts new routes in force. Where that fails, the same routes come again.
    pub(super) async fn publish(
        &mut self,
        routes: BTreeMap<HostName, Route>,
        bus: &Bus,
        journal: &Journal,
        observatory: &Observatory,
        now: Timestamp,
    ) {
        if self.met.is_none() || bus.state().borrow().epoch() != self.met {
            // What is in the bucket has to be known first.
            return;
        }
        // The clock makes revisions grow across restarts; where it went back, counting does.
        let seen = observatory.read(|observed| {
            let edges = observed.edges.values().map(|edge| edge.revision);
            edges.max().unwrap_or_default().max(observed.table.revision)
        });
        let revision = now.0.max(self.newest.max(seen).saturating_add(1));
        self.newest = revision;
        let table = RouteTable { revision, routes };
        let put = put(bus, journal, table.clone()).await;
        if let Err(BusError::TooLarge { what: _, bytes, most }) = put {
            let why = too_large(bytes, most);
            observatory.note_quietly(|observed| observed.unpublishable = Some(why));
        } else if put.is_ok() {
            observatory.note(|observed| observed.put_in_force(table));
        } else {
            // It may have arrived all the same: see what is there first.
            self.met = None;
        }
    }
}

/// What is said of a table that does not get through. Edges serve by the one before.
fn too_large(bytes: usize, most: usize) -> String {
    format!(
        "the route table is too large: it has {} KiB, and NATS takes at most {} KiB. Raise `max_payload` in \
         the settings of NATS, or have fewer apps, domains, places at other hosts, or users who may see \
         an app",
        bytes.div_ceil(1024),
        most / 1024
    )
}

async fn put(bus: &Bus, journal: &Journal, table: RouteTable) -> Result<(), BusError> {
    let revision = table.revision;
    let passwords = passwords(journal, &table);
    let put = bus.put_routes(&RouteTableMessage { format: FORMAT, table, passwords }).await;
    put.inspect_err(|error| {
        tracing::warn!(%error, revision, "the route table could not be published");
    })
}

/// The hashes that go with the users that a table names. Where one cannot be had, that user gets in
/// nowhere, which is better than that no table goes out.
fn passwords(journal: &Journal, table: &RouteTable) -> BTreeMap<AppId, Passwords> {
    let mut passwords: BTreeMap<AppId, Passwords> = BTreeMap::new();
    for edge in table.routes.values().filter_map(|route| route.edge.as_deref()) {
        let of = edge.users_of;
        for (user, version) in &edge.settings.users {
            let known = passwords.get(&of).is_some_and(|known| known.contains_key(user));
            if known {
                continue;
            }
            let found = value(journal, of.uuid(), &EdgeSettings::secret(user), *version)
                .map_err(|error| error.to_string())
                .and_then(|found| found.ok_or_else(|| "it is gone".to_owned()))
                .and_then(|hash| PasswordHash::new(hash).map_err(|error| error.to_string()));
            match found {
                Ok(hash) => {
                    passwords.entry(of).or_default().insert(user.clone(), hash);
                }
                Err(error) => {
                    tracing::warn!(app = %of, %user, error, "a user's password cannot be read");
                }
            }
        }
    }
    passwords
}
