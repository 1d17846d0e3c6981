//! The names of streams, buckets and subjects: one place, so that both ends agree.

use crate::ids::{AppId, DeploymentId, EdgeId, InstallationId, RunId, WorkerId};
use crate::record::AggregateKind;

/// Commands to builders and workers.
pub const COMMANDS: &str = "COMMANDS";
/// Reports of builders, workers and edges.
pub const REPORTS: &str = "REPORTS";
/// Lines of log.
pub const LOGS: &str = "LOGS";
/// Events for integrations.
pub const EVENTS: &str = "EVENTS";
/// The KV bucket of route tables.
pub const ROUTES_BUCKET: &str = "routes";
/// The KV bucket of certificates, and of what proves to their authorities that hosts lead here.
pub const CERTIFICATES_BUCKET: &str = "certificates";

/// All commands.
pub const ALL_COMMANDS: &str = "hythe.cmd.>";
/// All reports.
pub const ALL_REPORTS: &str = "hythe.report.>";
/// All lines of log.
pub const ALL_LOGS: &str = "hythe.log.>";
/// All events.
pub const ALL_EVENTS: &str = "hythe.event.>";
/// Questions of builders and edges about the files of static sites; answered, and not kept.
pub const SITES: &str = "hythe.ask.site";
/// The pool of builders that every worker belongs to.
pub const DEFAULT_POOL: &str = "default";

/// Builds for a pool of builders: each goes to one of them.
#[must_use]
pub fn build_commands(pool: &str) -> String {
    format!("hythe.cmd.build.{pool}")
}

/// Orders to one worker.
#[must_use]
pub fn worker_orders(worker: WorkerId) -> String {
    format!("hythe.cmd.worker.{worker}")
}

/// Questions to one worker about its images; answered, and not kept.
#[must_use]
pub fn worker_storage(worker: WorkerId) -> String {
    format!("hythe.ask.storage.{worker}")
}

/// Questions to one worker about commands that are run once; answered, and not kept.
#[must_use]
pub fn worker_runs(worker: WorkerId) -> String {
    format!("hythe.ask.run.{worker}")
}

/// Questions of builders for pieces of uploads; answered, and not kept.
#[must_use]
pub fn uploads(installation: InstallationId) -> String {
    format!("hythe.ask.upload.{installation}")
}

/// Packets of a run to its worker; not kept.
#[must_use]
pub fn run_to_worker(run: RunId) -> String {
    format!("hythe.run.{run}.in")
}

/// Packets of a run from its worker; not kept.
#[must_use]
pub fn run_from_worker(run: RunId) -> String {
    format!("hythe.run.{run}.out")
}

/// How builds stand.
#[must_use]
pub fn build_report(deployment: DeploymentId) -> String {
    format!("hythe.report.build.{deployment}")
}

/// What a worker runs.
#[must_use]
pub fn worker_report(worker: WorkerId) -> String {
    format!("hythe.report.worker.{worker}")
}

/// What an edge serves.
#[must_use]
pub fn edge_report(edge: EdgeId) -> String {
    format!("hythe.report.edge.{edge}")
}

/// A build's log.
#[must_use]
pub fn build_log(deployment: DeploymentId) -> String {
    format!("hythe.log.build.{deployment}")
}

/// A replica's log. The last token names deployment and number.
#[must_use]
pub fn replica_log(app: AppId, deployment: DeploymentId, index: u16) -> String {
    format!("hythe.log.app.{app}.{deployment}-{index}")
}

/// The logs of all replicas of an app.
#[must_use]
pub fn app_logs(app: AppId) -> String {
    format!("hythe.log.app.{app}.*")
}

/// What edges tell of an app's requests.
#[must_use]
pub fn access_log(app: AppId) -> String {
    format!("hythe.log.access.{app}")
}

/// An event for integrations.
#[must_use]
pub fn event(kind: AggregateKind, name: &str, id: uuid::Uuid) -> String {
    format!("hythe.event.{kind}.{name}.{id}")
}
