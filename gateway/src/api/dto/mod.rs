//! What goes over the wire: one file per resource, plain data, the same types for the server, the
//! CLI and (by way of the OpenAPI document) the web page.
//!
//! Invariants: names are `snake_case`; ids are strings; moments are RFC 3339 in UTC; spans are
//! milliseconds and their names end in `_ms`; a request with a field that nobody knows is refused,
//! while an answer may gain fields at any time.

mod app;
mod backup;
mod deployment;
mod env;
mod event;
mod journal;
mod log;
mod page;
mod past;
mod replica;
mod route;
mod session;
mod status;
mod time;
mod worker;

pub use app::{App, AppPage, AppRef, AppSettings, AppStatus, CreateApp, UpdateApp};
pub use backup::{
    BackupFailed, BackupMade, BackupRun, BackupSchedule, BackupStatus, CreateBackup,
    DownloadBackup, MirrorStatus, SetBackupSchedule, SetMirror,
};
pub use deployment::{
    CreateDeployment, Deployment, DeploymentPage, DeploymentRef, DeploymentSource,
    DeploymentStatus, Durations, Failure, StageEntry,
};
pub use env::{ChangeEnv, EnvList, EnvVariable, SecretText};
pub use event::{EventEntry, EventPage, EventQuery};
pub use journal::{JournalProblem, Verification, VerificationReport, VerificationState};
pub use log::{LogItem, LogOutput, LogPage, LogQuery};
pub use page::PageQuery;
pub use past::{
    AppDiff, AsOf, AtQuery, Beginning, Culprit, DiffQuery, DiffSide, DiffStep, FieldChange,
    StepChange, Why, WhyQuery, WhyStep,
};
pub use replica::{Replica, ReplicaList, ReplicaState};
pub use route::{Route, RoutePage, RouteState};
pub use session::{CreateSession, Session};
pub use status::{Check, Health, JournalStatus, Readiness, ServerStatus};
pub use time::Time;
pub use worker::{Worker, WorkerList, WorkerStatus};

/// Reads a field that may be left out, be `null`, or have a value: three different things in a
/// change of settings.
pub(crate) fn given<'de, D, T>(input: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    serde::Deserialize::deserialize(input).map(Some)
}
