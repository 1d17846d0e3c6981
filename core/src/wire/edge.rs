//! Between control plane and edges: the route table goes out, confirmations come back.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ids::{DeploymentId, EdgeId};
use crate::routes::RouteTable;
use crate::time::Timestamp;

/// The key in the KV bucket `routes` under which the current table lies.
pub const ROUTES_KEY: &str = "table";

/// A route table on the wire, as JSON, in the KV bucket and in the edge's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTableMessage {
    /// Format of this message; 1.
    pub format: u16,
    /// The table.
    pub table: RouteTable,
}

/// What an edge says of itself: at once after applying a table and whenever a deployment that no
/// route leads to any more has finished its last request, and every [`EDGE_HEARTBEAT`] besides.
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
