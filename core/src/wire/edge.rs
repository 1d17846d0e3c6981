//! Between control plane and edges: the route table goes out, confirmations come back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::edge::EdgeUser;
use crate::ids::{AppId, ChallengeId, DeploymentId, EdgeId};
use crate::names::{BadText, bad, text};
use crate::routes::RouteTable;
use crate::time::{Millis, Timestamp};
use crate::wire::worker::SealingKey;

/// The key in the KV bucket `routes` under which the current table lies.
pub const ROUTES_KEY: &str = "table";

text!(
    /// The hash of a password, as the PHC string format writes one.
    PasswordHash, "a hash of a password", |text| {
        let fine = |b: u8| b.is_ascii_graphic();
        if text.starts_with('$') && text.len() <= 256 && text.bytes().all(fine) {
            Ok(())
        } else {
            Err("is a PHC string of at most 256 characters".to_owned())
        }
    }
);

/// The hashes of the passwords of those who may see an app.
pub type Passwords = BTreeMap<EdgeUser, PasswordHash>;

/// A route table on the wire, as JSON, in the KV bucket and in the edge's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTableMessage {
    /// Format of this message; 1.
    pub format: u16,
    /// The table.
    pub table: RouteTable,
    /// The hashes that go with the users that its routes name, by their app: beside the table, since no
    /// decision is made of them and nothing that shows tables shows them. A user who has none here gets
    /// in nowhere.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub passwords: BTreeMap<AppId, Passwords>,
}

/// What an edge says of itself: at once after applying a table and whenever a deployment that no
/// route leads to any more has finished its last request, or an app that sleeps was asked for, and every
/// [`EDGE_HEARTBEAT`] besides.
///
/// [`EDGE_HEARTBEAT`]: crate::limits::EDGE_HEARTBEAT
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeReport {
    /// Format of this message; 1.
    pub format: u16,
    /// Which edge.
    pub edge: EdgeId,
    /// Revision of the table in force for new requests; 0 before the first.
    pub revision: u64,
    /// Deployments out of the table that still have requests or upgraded connections under way.
    pub busy: Vec<Busy>,
    /// Replicas out of the table, of deployments within it, that still have some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<Leaving>,
    /// When this was written, by the edge's clock.
    pub at: Timestamp,
    /// What to seal the fleet's key with that is meant for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing_key: Option<SealingKey>,
    /// Which challenges it answers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub challenges: BTreeSet<ChallengeId>,
    /// Whether this is the last one: it has ended, and nobody needs to wait for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// Deployments that the table leads to and whose files it has not fetched yet: until then the version
    /// before answers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub behind: BTreeSet<DeploymentId>,
    /// Apps that may sleep by the table, and that nobody has asked for here for at least as long as that takes:
    /// for how long. Spans, not moments: clocks of machines differ. What an edge does not name was asked for,
    /// or it has not known it for that long.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unasked: BTreeMap<AppId, Millis>,
    /// Apps that sleep by the table, and that somebody asked for since. Repeated until a table says that they
    /// do not.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub wanted: BTreeSet<AppId>,
}

/// Requests still under way to a replica that takes no new ones, or about to choose it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// Where it answers.
    pub target: SocketAddr,
    /// How many requests and upgraded connections.
    pub requests: u64,
}

/// Requests still under way to a deployment that takes no new ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// The deployment.
    pub deployment: DeploymentId,
    /// How many requests and upgraded connections.
    pub requests: u64,
}
