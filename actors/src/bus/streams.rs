//! The streams and the bucket, and the making of them: idempotent, for they may vanish any time.
//!
//! Each is bounded in bytes. Commands and reports also go by age: whatever still matters is sent
//! anew by whoever wants it, so an old message is only in the way.

use std::time::Duration;

use async_nats::jetstream::context::CreateStreamErrorKind;
use async_nats::jetstream::{self, stream};
use hythe_core::limits;
use hythe_core::wire::subjects;
use hythe_store::steps::Step;

use super::error::BusError;

const MIB: i64 = 1024 * 1024;
/// What the streams beside the one of logs may take together, in bytes.
pub const BESIDE_LOGS: u64 = 1024 * 1024 * 1024;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// How long a command waits for whoever it is for. It is not needed for as long as it is carried out:
/// who takes one on keeps it, and acknowledges it then.
const COMMANDS_KEPT: Duration = HOUR;
const _: () = assert!(
    COMMANDS_KEPT.as_millis() > limits::BUILD_WAIT.0 as u128,
    "a build is given up before its command is"
);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the server remembers message ids.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Tables that the bucket keeps.
const TABLES_KEPT: i64 = 5;
/// Reports kept of one worker, edge or build. The newest says all there is to say about a worker;
/// a bound keeps its heartbeats from pushing out what builders said of builds.
const REPORTS_OF_ONE: i64 = 32;

/// How much of what apps and builds log is kept; beyond either, what is oldest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBudget {
    /// The most bytes of all of it.
    pub most_bytes: u64,
    /// The longest that a line is kept.
    pub kept_for: Duration,
}

impl Default for LogBudget {
    /// 1 GiB, and seven days.
    fn default() -> Self {
        Self { most_bytes: 1024 * 1024 * 1024, kept_for: 7 * DAY }
    }
}

fn stream(name: &str, subjects: &str, description: &str) -> stream::Config {
    stream::Config {
        name: name.into(),
        subjects: vec![subjects.into()],
        description: Some(description.into()),
        retention: stream::RetentionPolicy::Limits,
        storage: stream::StorageType::File,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        num_replicas: 1,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        ..stream::Config::default()
    }
}

fn logs(budget: LogBudget) -> stream::Config {
    stream::Config {
        discard: stream::DiscardPolicy::Old,
        max_bytes: i64::try_from(budget.most_bytes).unwrap_or(i64::MAX),
        max_age: budget.kept_for,
        ..stream(subjects::LOGS, subjects::ALL_LOGS, "lines of log")
    }
}

fn streams() -> [stream::Config; 3] {
    [
        stream::Config {
            discard: stream::DiscardPolicy::New,
            max_bytes: 256 * MIB,
            max_age: COMMANDS_KEPT,
            ..stream(subjects::COMMANDS, subjects::ALL_COMMANDS, "commands to workers")
        },
        stream::Config {
            discard: stream::DiscardPolicy::Old,
            max_bytes: 256 * MIB,
            max_age: DAY,
            max_messages_per_subject: REPORTS_OF_ONE,
            ..stream(subjects::REPORTS, subjects::ALL_REPORTS, "reports of workers and edges")
        },
        stream::Config {
            discard: stream::DiscardPolicy::Old,
            max_bytes: 256 * MIB,
            max_age: 30 * DAY,
            ..stream(subjects::EVENTS, subjects::ALL_EVENTS, "events for integrations")
        },
    ]
}

fn buckets() -> [jetstream::kv::Config; 2] {
    let bucket = |name: &str, about: &str, history, max_bytes| jetstream::kv::Config {
        bucket: name.into(),
        description: about.into(),
        history,
        max_bytes,
        storage: stream::StorageType::File,
        num_replicas: 1,
        ..jetstream::kv::Config::default()
    };
    [
        bucket(subjects::ROUTES_BUCKET, "route tables for the edges", TABLES_KEPT, 64 * MIB),
        // Ten thousand certificates with their chains are some 60 MiB.
        bucket(subjects::CERTIFICATES_BUCKET, "certificates for the edges", 1, 256 * MIB),
    ]
}

/// Makes what is missing, and sets right what is there. Whoever is told no budget of logs leaves that
/// stream as it is.
#[expect(clippy::disallowed_methods, reason = "with one step for all of them")]
pub(super) async fn ensure(
    jetstream: &jetstream::Context,
    url: &str,
    budget: Option<LogBudget>,
) -> Result<(), BusError> {
    for config in streams() {
        let name = config.name.clone();
        jetstream
            .create_or_update_stream(config)
            .await
            .map_err(|error| failed(&name, url, &error.kind(), &error.to_string()))?;
    }
    let made = match budget.map(logs) {
        Some(config) => jetstream.create_or_update_stream(config).await.map(drop),
        None => jetstream.get_or_create_stream(logs(LogBudget::default())).await.map(drop),
    };
    made.map_err(|error| failed(subjects::LOGS, url, &error.kind(), &error.to_string()))?;
    for bucket in buckets() {
        let name = format!("the bucket {}", bucket.bucket);
        jetstream
            .create_or_update_key_value(bucket)
            .await
            .map_err(|error| BusError::Streams { name, why: error.to_string() })?;
    }
    Step::StreamsMade.passed();
    Ok(())
}

/// Lets go of all commands. Those that were carried out lie there, too, until they are old.
pub(super) async fn drop_commands(jetstream: &jetstream::Context) -> Result<(), BusError> {
    let refused = |why: &dyn std::fmt::Display| BusError::refused("make room for commands", why);
    let stream = jetstream.get_stream_no_info(subjects::COMMANDS).await;
    let stream = stream.map_err(|error| refused(&error))?;
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing follows: what still matters is sent again"
    )]
    let purged = stream.purge().await;
    purged.map(drop).map_err(|error| refused(&error))
}

fn failed(name: &str, url: &str, kind: &CreateStreamErrorKind, text: &str) -> BusError {
    match kind {
        CreateStreamErrorKind::JetStreamUnavailable => BusError::NoJetStream { url: url.into() },
        CreateStreamErrorKind::JetStream(error) if is_disabled(error) => {
            BusError::NoJetStream { url: url.into() }
        }
        CreateStreamErrorKind::EmptyStreamName
        | CreateStreamErrorKind::InvalidStreamName
        | CreateStreamErrorKind::DomainAndExternalSet
        | CreateStreamErrorKind::JetStream(_)
        | CreateStreamErrorKind::TimedOut
        | CreateStreamErrorKind::Response
        | CreateStreamErrorKind::NotFound
        | CreateStreamErrorKind::ResponseParse => {
            BusError::Streams { name: format!("the stream {name}"), why: text.into() }
        }
    }
}

fn is_disabled(error: &jetstream::Error) -> bool {
    use jetstream::ErrorCode;
    let code = error.error_code();
    code == ErrorCode::JETSTREAM_NOT_ENABLED || code == ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT
}
