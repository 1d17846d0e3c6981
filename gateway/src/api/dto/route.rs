//! Routes: which host leads where.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppRef, AsOf, DeploymentRef};

/// Where a host leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Route {
    /// The host.
    #[schema(example = "shop.localhost")]
    pub host: String,
    /// The app behind it.
    pub app: AppRef,
    /// What answers there.
    pub state: RouteState,
    /// The deployment that has the traffic.
    pub deployment: Option<DeploymentRef>,
    /// Where its replicas answer. Not known of the past.
    #[schema(example = json!(["127.0.0.1:32768"]))]
    pub targets: Vec<String>,
    /// The host that requests are sent on to, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirects_to: Option<String>,
    /// Where at the host it is, where it is mounted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/api")]
    pub path: Option<String>,
}

/// What answers at a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouteState {
    /// The replicas of a deployment, or the edge itself with the files of a static site.
    Serving,
    /// A page that says that the first deployment is on its way.
    Starting,
    /// A page that says that nothing is there.
    Down,
    /// A page that says that somebody stopped it.
    Stopped,
    /// The app is asleep: a request waits until it is there.
    Asleep,
}

impl RouteState {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Starting => "starting",
            Self::Down => "down",
            Self::Stopped => "stopped",
            Self::Asleep => "asleep",
        }
    }
}

/// A page of the route table, by app: its own host first, then its domains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoutePage {
    /// The routes of up to `limit` apps.
    pub items: Vec<Route>,
    /// Give this as `cursor` for the next page; nothing where this is the last one.
    pub next: Option<String>,
    /// The revision of the table that is in force; of the past, nothing.
    pub revision: Option<u64>,
    /// As of when, where the past was asked for: then this is what was decided, not what each edge
    /// had taken up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}
