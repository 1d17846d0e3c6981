//! Commands that are run once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{SecretText, Time};

/// A command that is run once, in a container of its own. Its arguments are shown to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id.
    pub id: Uuid,
    /// The app's id.
    pub app_id: Uuid,
    /// The deployment whose version it is run in.
    pub deployment: Uuid,
    /// The worker that runs it.
    pub worker: Uuid,
    /// The program.
    #[schema(example = "rails")]
    pub program: String,
    /// How many arguments it was given.
    #[schema(example = 1)]
    pub arguments: u16,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// Whether it goes on without whoever began it.
    pub detached: bool,
    /// When it was asked for.
    pub asked_at: Time,
    /// When it is ended, whatever it does.
    pub until: Time,
}

/// The commands of an app that run now, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunList {
    /// The runs.
    pub items: Vec<Run>,
}

/// How large a terminal is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunTerminal {
    /// How wide.
    #[schema(example = 120)]
    pub columns: u16,
    /// How high.
    #[schema(example = 40)]
    pub rows: u16,
}

/// A command to run once.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"command": ["rails", "db:migrate"], "detach": true}))]
pub struct CreateRun {
    /// The program and its arguments, run by no shell: 1 to 64 texts of at most 4,096 bytes each.
    pub command: Vec<SecretText>,
    /// Variables besides the app's own, before those of the same names.
    #[serde(default)]
    pub env: BTreeMap<String, SecretText>,
    /// How large its terminal is; without one it has none.
    #[serde(default)]
    pub terminal: Option<RunTerminal>,
    /// Whether it goes on without whoever asks, with a log. Not with a terminal.
    #[serde(default)]
    pub detach: bool,
    /// Whether the image's entrypoint is left out.
    #[serde(default)]
    pub no_entrypoint: bool,
    /// How long it may take, in milliseconds: 1,000 to 86,400,000; an hour where nothing is said.
    #[serde(default)]
    #[schema(minimum = 1_000, maximum = 86_400_000)]
    pub timeout_ms: Option<u64>,
}
