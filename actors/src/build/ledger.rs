//! What this builder has taken on: durable before it says so, and for ever.
//!
//! One redb file of small entries by deployment. A command that comes twice (a message delivered
//! again, a server whose store was wiped) is found here and answered with how it stands; one of an
//! older generation is refused. What had ended and was not reported is reported after a restart;
//! what had not ended is built again.
//!
//! An entry of an ended build keeps its outcome for a while and shrinks to its generation then.

use std::path::Path;
use std::sync::Arc;

use hythe_core::ids::DeploymentId;
use hythe_core::time::Timestamp;
use hythe_core::wire::build::{BuildCommand, BuildProgress};
use hythe_store::durable::commit;
use hythe_store::steps::Step;
use redb::{ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::ledger_file::LedgerFile;

/// Deployment → entry, as JSON.
const BUILDS: TableDefinition<[u8; 16], &[u8]> = TableDefinition::new("builds");
/// When BuildKit built for us: from → until, in milliseconds since 1970. What it made of its cache
/// within them is taken for ours.
const SPANS: TableDefinition<u64, u64> = TableDefinition::new("spans");
/// The most spans; older ones are forgotten, and what was made in them is nobody's.
const MOST_SPANS: u64 = 10_000;
/// How long the outcome of an ended build is kept: longer than any message about it lives.
const KEPT_MILLIS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// How a build stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Which giving out.
    pub(crate) generation: u32,
    /// How it stands.
    pub(crate) state: State,
}

/// How a build stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It was taken on and has not ended.
    Open(Box<BuildCommand>),
    /// It was cancelled; it may not have ended yet.
    Cancelled {
        /// Whether JetStream has the report.
        reported: bool,
    },
    /// It ended.
    Ended {
        /// Finished or cancelled.
        progress: BuildProgress,
        /// When.
        at: Timestamp,
        /// Whether JetStream has the report.
        reported: bool,
    },
    /// It ended long ago.
    Forgotten,
}

/// What a command is to this builder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It is new, and is in the ledger now.
    Accepted,
    /// It is known; this is how it stands.
    Known(BuildProgress),
    /// A newer one is known, or this one ended long ago.
    Refused,
}

/// The ledger's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the builder's ledger cannot be used: {0}")]
pub struct LedgerError(String);

impl<E: Into<redb::Error>> From<E> for LedgerError {
    fn from(error: E) -> Self {
        Self(error.into().to_string())
    }
}

/// The ledger. Its calls block for as long as an fsync takes; [`Ledger::with`] moves one to a
/// thread for that.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: LedgerFile,
}

impl Ledger {
    /// Opens the file, made where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = LedgerFile::open(path)?;
        let write = file.begin_write()?;
        write.open_table(BUILDS)?;
        write.open_table(SPANS)?;
        commit(write, Step::BuildLedgerMade)?;
        Ok(Self { file })
    }

    /// Runs one call on a thread that may block.
    pub(crate) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl FnOnce(&Self) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let ledger = Arc::clone(self);
        tokio::task::spawn_blocking(move || call(&ledger))
            .await
            .map_err(|error| LedgerError(error.to_string()))?
    }

    /// Takes a command on, or says what it is.
    pub(crate) fn accept(&self, command: &BuildCommand) -> Result<Verdict, LedgerError> {
        self.change(command.deployment, Step::BuildAccepted, |known| {
            let verdict = verdict(known.as_ref(), command);
            let entry = match verdict {
                Verdict::Accepted => Some(Entry {
                    generation: command.generation,
                    state: State::Open(Box::new(command.clone())),
                }),
                Verdict::Known(_) | Verdict::Refused => None,
            };
            (verdict, entry)
        })
    }

    /// Remembers that a build and all before it are cancelled, known or not yet. Answers whether
    /// the end is still to be reported.
    pub(crate) fn cancel(
        &self,
        deployment: DeploymentId,
        generation: u32,
    ) -> Result<bool, LedgerError> {
        self.change(deployment, Step::BuildCancelled, |known| {
            let cancelled =
                |generation| Entry { generation, state: State::Cancelled { reported: false } };
            match known {
                None => (true, Some(cancelled(generation))),
                Some(entry) if entry.generation < generation => (true, Some(cancelled(generation))),
                Some(entry) if entry.generation > generation => (false, None),
                Some(entry) => match entry.state {
                    State::Open(_) => (true, Some(cancelled(generation))),
                    State::Cancelled { reported } => (!reported, None),
                    State::Ended { .. } | State::Forgotten => (false, None),
                },
            }
        })
    }

    /// Whether a build was taken on and neither cancelled nor ended since.
    pub(crate) fn is_open(
        &self,
        deployment: DeploymentId,
        generation: u32,
    ) -> Result<bool, LedgerError> {
        let read = self.file.begin_read()?;
        let entry = read.open_table(BUILDS)?.get(deployment.uuid().into_bytes())?;
        let entry = entry.map(|value| decode(value.value())).transpose()?;
        Ok(entry.is_some_and(|entry| {
            entry.generation == generation && matches!(entry.state, State::Open(_))
        }))
    }

    /// Remembers how a build ended; answers with what is to be reported, where it is not overtaken
    /// by a newer one. Who cancelled it is right, even if it had just finished.
    pub(crate) fn end(
        &self,
        deployment: DeploymentId,
        generation: u32,
        progress: BuildProgress,
        at: Timestamp,
    ) -> Result<Option<BuildProgress>, LedgerError> {
        self.change(deployment, Step::BuildEnded, |known| match known {
            Some(Entry { generation: known, .. }) if known != generation => (None, None),
            Some(Entry { state: State::Cancelled { .. }, .. }) => {
                (Some(BuildProgress::Cancelled), None)
            }
            Some(Entry { state: State::Ended { progress, .. }, .. }) => (Some(progress), None),
            Some(Entry { state: State::Forgotten, .. }) => (None, None),
            Some(Entry { state: State::Open(_), .. }) | None => {
                let state = State::Ended { progress: progress.clone(), at, reported: false };
                (Some(progress), Some(Entry { generation, state }))
            }
        })
    }

    /// Remembers when BuildKit built for us.
    pub(crate) fn built(&self, from: Timestamp, until: Timestamp) -> Result<(), LedgerError> {
        let write = self.file.begin_write()?;
        {
            let mut spans = write.open_table(SPANS)?;
            let known = spans.get(from.0)?.map(|known| known.value());
            spans.insert(from.0, known.map_or(until.0, |known| known.max(until.0)))?;
            while spans.len()? > MOST_SPANS {
                spans.pop_first()?;
            }
        }
        #[expect(clippy::disallowed_methods, reason = "nothing follows: cache would stay longer")]
        write.commit()?;
        Ok(())
    }

    /// When BuildKit built for us, earliest first.
    pub(crate) fn spans(&self) -> Result<Vec<(Timestamp, Timestamp)>, LedgerError> {
        let read = self.file.begin_read()?;
        let spans = read.open_table(SPANS)?;
        let all = spans.iter()?.map(|span| {
            let (from, until) = span?;
            Ok((Timestamp(from.value()), Timestamp(until.value())))
        });
        all.collect()
    }

    /// Remembers that JetStream has the report of a build's end.
    pub(crate) fn reported(
        &self,
        deployment: DeploymentId,
        generation: u32,
    ) -> Result<(), LedgerError> {
        self.change(deployment, Step::BuildClosed, |known| {
            let Some(mut entry) = known.filter(|entry| entry.generation == generation) else {
                return ((), None);
            };
            match &mut entry.state {
                State::Cancelled { reported } | State::Ended { reported, .. } => *reported = true,
                State::Open(_) | State::Forgotten => return ((), None),
            }
            ((), Some(entry))
        })
    }

    /// Everything that a restart has to see to, in the order of its deployments' ids (which is
    /// that of their making). Shrinks what ended long before `now`.
    pub(crate) fn unfinished(
        &self,
        now: Timestamp,
    ) -> Result<Vec<(DeploymentId, Entry)>, LedgerError> {
        let mut found = Vec::new();
        let mut old = Vec::new();
        let read = self.file.begin_read()?;
        for row in read.open_table(BUILDS)?.iter()? {
            let (key, value) = row?;
            let entry = decode(value.value())?;
            let deployment = DeploymentId::new(uuid::Uuid::from_bytes(key.value()));
            match &entry.state {
                State::Open(_)
                | State::Cancelled { reported: false }
                | State::Ended { reported: false, .. } => found.push((deployment, entry)),
                State::Ended { at, .. } if now.since(*at).0 > KEPT_MILLIS => {
                    old.push((deployment, entry.generation));
                }
                State::Cancelled { .. } | State::Ended { .. } | State::Forgotten => {}
            }
        }
        if !old.is_empty() {
            let write = self.file.begin_write()?;
            {
                let mut table = write.open_table(BUILDS)?;
                for (deployment, generation) in old {
                    let entry = Entry { generation, state: State::Forgotten };
                    table.insert(deployment.uuid().into_bytes(), encode(&entry)?.as_slice())?;
                }
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "nothing follows: the next start would do"
            )]
            write.commit()?;
        }
        Ok(found)
    }

    /// Reads an entry, decides, and writes what changed: one transaction.
    fn change<T>(
        &self,
        deployment: DeploymentId,
        step: Step,
        decide: impl FnOnce(Option<Entry>) -> (T, Option<Entry>),
    ) -> Result<T, LedgerError> {
        let key = deployment.uuid().into_bytes();
        let write = self.file.begin_write()?;
        let (answer, changed) = {
            let mut table = write.open_table(BUILDS)?;
            let known = table.get(key)?.map(|value| decode(value.value())).transpose()?;
            let (answer, changed) = decide(known);
            if let Some(entry) = &changed {
                table.insert(key, encode(entry)?.as_slice())?;
            }
            (answer, changed.is_some())
        };
        if changed {
            commit(write, step)?;
        } else {
            write.abort()?;
        }
        Ok(answer)
    }
}

fn decode(bytes: &[u8]) -> Result<Entry, LedgerError> {
    serde_json::from_slice(bytes).map_err(|error| LedgerError(error.to_string()))
}

fn encode(entry: &Entry) -> Result<Vec<u8>, LedgerError> {
    serde_json::to_vec(entry).map_err(|error| LedgerError(error.to_string()))
}

/// What a command is, given what is known of its deployment.
fn verdict(known: Option<&Entry>, command: &BuildCommand) -> Verdict {
    let Some(known) = known else { return Verdict::Accepted };
    if known.generation < command.generation {
        return Verdict::Accepted;
    }
    if known.generation > command.generation {
        return match known.state {
            // Cancelled with all before it, and this is one of those.
            State::Cancelled { .. } => Verdict::Known(BuildProgress::Cancelled),
            State::Open(_) | State::Ended { .. } | State::Forgotten => Verdict::Refused,
        };
    }
    match &known.state {
        State::Open(_) => Verdict::Known(BuildProgress::Running),
        State::Cancelled { .. } => Verdict::Known(BuildProgress::Cancelled),
        State::Ended { progress, .. } => Verdict::Known(progress.clone()),
        State::Forgotten => Verdict::Refused,
    }
}
