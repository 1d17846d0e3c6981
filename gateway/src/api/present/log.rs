//! An item of a log as people see it.

use hythe_actors::bus;
use hythe_core::ids::DeploymentId;
use hythe_core::task::{self, is_task};
use hythe_core::time::Timestamp;
use hythe_core::wire::log::{LogSource, LogStream};

use crate::api::dto::{LogItem, LogOutput};

/// An item of a log.
pub(crate) fn item(item: bus::LogItem) -> LogItem {
    match item {
        bus::LogItem::Line { cursor, source, number, line } => {
            let (deployment, replica, task) = origin(&source);
            LogItem::Line {
                cursor: cursor.to_string(),
                deployment,
                replica,
                task,
                number,
                at: Timestamp(line.at / 1_000_000).into(),
                stream: match line.stream {
                    LogStream::Stdout => LogOutput::Stdout,
                    LogStream::Stderr => LogOutput::Stderr,
                    LogStream::Hythe => LogOutput::Hythe,
                },
                text: line.text,
            }
        }
        bus::LogItem::Gap { lost } => LogItem::Gap { lost },
        bus::LogItem::Ended { source } => {
            let (deployment, replica, task) = origin(&source);
            LogItem::End { deployment, replica, task }
        }
    }
}

fn origin(source: &LogSource) -> (DeploymentId, Option<u16>, Option<String>) {
    match source {
        LogSource::Build { deployment, generation: _ } => (*deployment, None, None),
        LogSource::Replica { app: _, deployment, index } if is_task(*index) => {
            (*deployment, None, Some(task::name(*index)))
        }
        LogSource::Replica { app: _, deployment, index } => (*deployment, Some(*index), None),
    }
}
