//! An item of a log as people see it.

use hythe_actors::bus;
use hythe_core::ids::{DeploymentId, EdgeId};
use hythe_core::process;
use hythe_core::run::RunSettings;
use hythe_core::task::{self, is_task};
use hythe_core::time::Timestamp;
use hythe_core::wire::access::AccessLine;
use hythe_core::wire::log::{LogSource, LogStream};

use super::{Sight, process_of};
use crate::api::dto::{LogItem, LogOutput};

/// An item of a log.
pub(crate) fn item(sight: Sight<'_>, item: bus::LogItem) -> LogItem {
    match item {
        bus::LogItem::Line { cursor, source, number, line } => {
            let at = Timestamp(line.at / 1_000_000).into();
            let Origin { deployment, replica, process, task } = match origin(sight, &source) {
                Ok(origin) => origin,
                Err(edge) => {
                    let (request, left_out) = match serde_json::from_str(&line.text) {
                        Ok(AccessLine::Request(entry)) => (Some(entry), None),
                        Ok(AccessLine::LeftOut { left_out }) => (None, Some(left_out)),
                        Err(_) => {
                            let text = "a line of the access log does not read";
                            return LogItem::Note { text: text.into() };
                        }
                    };
                    let cursor = cursor.to_string();
                    return LogItem::Access { cursor, edge, number, at, request, left_out };
                }
            };
            LogItem::Line {
                cursor: cursor.to_string(),
                deployment,
                replica,
                process,
                task,
                number,
                at,
                stream: match line.stream {
                    LogStream::Stdout => LogOutput::Stdout,
                    LogStream::Stderr => LogOutput::Stderr,
                    LogStream::Hythe => LogOutput::Hythe,
                },
                text: line.text,
            }
        }
        bus::LogItem::Gap { lost } => LogItem::Gap { lost },
        bus::LogItem::Ended { source } => match origin(sight, &source) {
            Ok(Origin { deployment, replica, process, task }) => {
                LogItem::End { deployment, replica, process, task }
            }
            Err(edge) => LogItem::Note { text: format!("edge {edge} tells no more") },
        },
    }
}

/// Where a line comes from.
struct Origin {
    deployment: DeploymentId,
    replica: Option<u16>,
    process: Option<String>,
    task: Option<String>,
}

/// An access log's lines come from an edge, not from what was deployed.
fn origin(sight: Sight<'_>, source: &LogSource) -> Result<Origin, EdgeId> {
    let origin = match source {
        LogSource::Access { app: _, edge } => return Err(*edge),
        LogSource::Build { deployment, generation: _ } => {
            Origin { deployment: *deployment, replica: None, process: None, task: None }
        }
        LogSource::Replica { app: _, deployment, index } if is_task(*index) => {
            let task = Some(task::name(*index));
            Origin { deployment: *deployment, replica: None, process: None, task }
        }
        LogSource::Replica { app: _, deployment, index } => {
            let view = sight.view.deployments.get(deployment);
            let attempt = view.and_then(|view| view.state.attempt());
            // What ended long ago is not known by name any more.
            let unknown = RunSettings::default();
            let run = attempt.map_or(&unknown, |attempt| &attempt.spec.run);
            let process = process_of(run, *index);
            let replica = Some(process::number(*index));
            Origin { deployment: *deployment, replica, process, task: None }
        }
    };
    Ok(origin)
}
