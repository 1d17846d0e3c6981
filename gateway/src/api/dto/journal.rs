//! What a look at the whole journal came to.

use hythe_store::VerifyReport;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A look at the whole journal on the server's disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// How far it is.
    pub state: VerificationState,
    /// How many events were looked at so far.
    pub checked: u64,
    /// The newest event when it began.
    pub head: u64,
    /// What it came to; absent until it is done.
    pub report: Option<VerificationReport>,
    /// Why it broke off, where it did.
    pub error: Option<String>,
}

/// How far a look at the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerificationState {
    /// It goes on.
    Running,
    /// It looked at everything.
    Done,
    /// It could not look at everything.
    Failed,
}

/// What a look at the whole journal came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerificationReport {
    /// Whether everything is as it was written.
    pub ok: bool,
    /// Events looked at.
    pub events: u64,
    /// The last of them.
    pub head: u64,
    /// Its hash: worth keeping elsewhere.
    pub hash: String,
    /// Streams that they belong to.
    pub streams: u64,
    /// Claims held.
    pub claims: u64,
    /// Secrets kept.
    pub secrets: u64,
    /// What is wrong, the first hundred.
    pub problems: Vec<JournalProblem>,
    /// How many more problems there are.
    pub more_problems: u64,
}

/// Something in the journal that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JournalProblem {
    /// Where.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl From<VerifyReport> for VerificationReport {
    fn from(report: VerifyReport) -> Self {
        let ok = report.is_sound();
        let problems = report.problems.into_iter();
        Self {
            ok,
            events: report.events,
            head: report.head.0,
            hash: report.hash,
            streams: report.streams,
            claims: report.claims,
            secrets: report.secrets,
            problems: problems
                .map(|problem| JournalProblem { place: problem.place, what: problem.what })
                .collect(),
            more_problems: report.more,
        }
    }
}
