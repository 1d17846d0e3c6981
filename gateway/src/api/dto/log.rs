//! Lines of log, and what is to be known about them.

use hythe_core::ids::{DeploymentId, EdgeId};
use hythe_core::wire::access::AccessEntry;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Time;

/// One item of a log, by its `type`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LogItem {
    /// A line.
    Line {
        /// Where to resume after this line.
        cursor: String,
        /// The deployment whose line it is.
        #[schema(value_type = uuid::Uuid)]
        deployment: DeploymentId,
        /// The replica's number; nothing for a build or a task.
        replica: Option<u16>,
        /// The process beside web that the replica is one of, where it is of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        process: Option<String>,
        /// Which task it is, as `release`; nothing for a build or a replica.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<String>,
        /// Counts its source's lines from 1.
        number: u64,
        /// When it was written.
        at: Time,
        /// Where it was written to.
        stream: LogOutput,
        /// The text, without its line end.
        text: String,
    },
    /// Lines that were lost on their way.
    Gap {
        /// How many, where that is known.
        lost: Option<u64>,
    },
    /// A source says no more; others may go on.
    End {
        /// The deployment whose source it is.
        #[schema(value_type = uuid::Uuid)]
        deployment: DeploymentId,
        /// The replica's number; nothing for a build or a task.
        replica: Option<u16>,
        /// The process beside web that the replica is one of, where it is of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        process: Option<String>,
        /// Which task it is, as `release`; nothing for a build or a replica.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<String>,
    },
    /// Something to know about the log itself.
    Note {
        /// What.
        text: String,
    },
    /// A line of an access log.
    Access {
        /// Where to resume after this line.
        cursor: String,
        /// The edge that tells.
        #[schema(value_type = uuid::Uuid)]
        edge: EdgeId,
        /// Counts the edge's lines from 1.
        number: u64,
        /// When the request was over.
        at: Time,
        /// The request: `method`, `host`, `path` (without its query), `status`, `failed` (`request`,
        /// `edge`, `app`, `nobody` or `client`), `received`, `sent`, `took_us`, `first_byte_us`,
        /// `replica`, `deployment`, `request` (its id), `trace`, `client`, `agent`, `referer`,
        /// `protocol` and `scheme`. What is not known is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Object>)]
        request: Option<Box<AccessEntry>>,
        /// Requests that are not told, for there were too many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_out: Option<u64>,
    },
}

/// Where a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogOutput {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// What Hythe itself says about it.
    Hythe,
}

/// A page of a log, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// The items.
    pub items: Vec<LogItem>,
    /// Give this as `cursor` to go on; nothing where no line was read yet.
    pub next: Option<String>,
    /// Whether there may be more right now.
    pub more: bool,
}

/// Which part of a log.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    /// Where to resume: `cursor` of the last line that was read. Not together with `tail`.
    pub cursor: Option<String>,
    /// Only the last so many lines.
    #[param(minimum = 0, maximum = 10000)]
    pub tail: Option<u32>,
    /// How many items at the most; 500 where nothing is said. Not for a WebSocket.
    #[param(minimum = 1, maximum = 5000)]
    pub limit: Option<u32>,
    /// Over a WebSocket: whether to wait for what comes (so unless `false` is said).
    pub follow: Option<bool>,
    /// Of an app: what edges tell of its requests, in place of what its replicas say.
    pub access: Option<bool>,
}
