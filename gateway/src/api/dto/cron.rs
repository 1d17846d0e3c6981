//! Cron jobs: commands of an app that are run by a schedule.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Time;

/// What happens where a job is due and runs still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CronOverlap {
    /// The later one is left out.
    #[default]
    Skip,
    /// They run side by side.
    Allow,
    /// The earlier one is ended first.
    Replace,
}

/// A cron job to set, in place of the one of its name where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"schedule": "30 3 * * *", "time_zone": "Europe/Berlin", "command": ["rake", "tidy"]}))]
pub struct SetCron {
    /// When it is due: minute, hour, day of the month, month and weekday, or `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly`. Where both days are given, either one is enough.
    #[schema(max_length = 100, example = "30 3 * * *")]
    pub schedule: String,
    /// Where its hours are meant, by the name that the tz database has; UTC where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// What runs: a program and its arguments, at most 64 texts, run by no shell. The image's
    /// entrypoint stays.
    #[schema(min_items = 1, max_items = 64)]
    pub command: Vec<String>,
    /// How long it may take, in milliseconds; an hour where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1_000, maximum = 86_400_000)]
    pub timeout_ms: Option<u64>,
    /// What happens where it runs still.
    #[serde(default)]
    pub overlap: CronOverlap,
    /// Whether it is never due for now.
    #[serde(default)]
    pub paused: bool,
}

/// A cron job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cron {
    /// Its name.
    #[schema(example = "tidy")]
    pub name: String,
    /// When it is due.
    #[schema(example = "30 3 * * *")]
    pub schedule: String,
    /// Where its hours are meant.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    /// What runs.
    pub command: Vec<String>,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
    /// What happens where it runs still.
    pub overlap: CronOverlap,
    /// Whether it is never due for now.
    pub paused: bool,
    /// When it is due next; none where it is not, for the reason that `waits` gives.
    pub next_at: Option<Time>,
    /// Why it is not due, where it is not.
    pub waits: Option<String>,
    /// Its newest runs, the newest first: all that go on, and of the others some.
    pub runs: Vec<CronRun>,
    /// What was left out last.
    pub skipped: Option<CronSkipped>,
}

/// One time that a cron job ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CronRun {
    /// The run's id, by which it is stopped and what it wrote is read.
    pub id: Uuid,
    /// When it was due; none where somebody asked for it.
    pub due_at: Option<Time>,
    /// When it began.
    pub begun_at: Time,
    /// How it ended, in words; none while it runs.
    #[schema(example = "exit code 0")]
    pub end: Option<String>,
    /// What that means as an exit code.
    pub code: Option<u8>,
}

/// Times at which a cron job was due and did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CronSkipped {
    /// The first of them.
    pub first_at: Time,
    /// The last.
    pub last_at: Time,
    /// Why.
    #[schema(example = "the run before went on still")]
    pub why: String,
}

/// The cron jobs of an app, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CronList {
    /// The jobs.
    pub items: Vec<Cron>,
}
