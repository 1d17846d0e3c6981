//! `hythe journal replay`: folds the journal anew, and compares what comes out with the checkpoint
//! that a server saved, byte for byte. It is all done in memory: nothing is written anywhere.

use hythe_actors::projection::Projection;
use hythe_core::record::{AggregateKind, Sequence};
use hythe_core::view::View;
use hythe_store::{Journal, StoreError, replay};
use serde::Serialize;
use serde_json::json;

use super::failure::{Exit, Failure, Outcome};
use super::output::Output;

/// Events by kind, in the order of [`AggregateKind::ALL`].
type Counts = [u64; AggregateKind::ALL.len()];

/// A state at some event, and its bytes.
struct State {
    view: View,
    counts: Counts,
    bytes: Vec<u8>,
}

/// How the rebuilt state compares with the checkpoint.
#[derive(Debug, Serialize)]
struct Compared {
    /// The event that the checkpoint is of.
    at: Sequence,
    same: bool,
    rebuilt_bytes: usize,
    rebuilt_hash: String,
    saved_hash: String,
    first_difference: Option<String>,
}

pub(super) fn run(
    journal: &Journal,
    until: Option<u64>,
    output: &Output,
    refuse: fn(&StoreError) -> Failure,
) -> Outcome {
    let head = journal.head();
    let until = until.map_or(head, Sequence);
    if until > head {
        return Err(Failure::usage(format!("there is no event {until}: the last one is {head}")));
    }
    let saved = journal.load_checkpoint(Projection::CHECKPOINT, View::FORMAT);
    let start = State { view: View::default(), counts: Counts::default(), bytes: Vec::new() };
    // In the order of the journal; from the first state's own bytes on to the second.
    let of_checkpoint = saved.as_ref().map(|(at, _)| *at);
    let (asked, rebuilt) = match of_checkpoint {
        Some(at) if at < until => {
            let rebuilt = fold(journal, start, at).map_err(|error| error.failure(refuse))?;
            let asked = fold(journal, again(&rebuilt)?, until);
            (asked.map_err(|error| error.failure(refuse))?, Some(rebuilt))
        }
        Some(at) => {
            let asked = fold(journal, start, until).map_err(|error| error.failure(refuse))?;
            let rebuilt = fold(journal, again(&asked)?, at);
            (asked, Some(rebuilt.map_err(|error| error.failure(refuse))?))
        }
        None => (fold(journal, start, until).map_err(|error| error.failure(refuse))?, None),
    };
    let compared = saved.zip(rebuilt).map(|((at, saved), rebuilt)| compare(at, &saved, &rebuilt));
    say(&asked, compared.as_ref(), output);
    match compared {
        Some(Compared { same: false, at, first_difference, .. }) => {
            let place = first_difference.unwrap_or_else(|| "its encoding".into());
            let failure =
                Failure::failed(format!("the checkpoint of event {at} differs first in {place}"))
                    .hint(
                        "a checkpoint is derived: without it, the next start folds the journal; \
                           keep a copy of the data folder and report this",
                    );
            Err(if output.json() { Failure::silent(Exit::Failed) } else { failure })
        }
        Some(_) | None => Ok(()),
    }
}

enum FoldError {
    Store(StoreError),
    Encode(postcard::Error),
}

impl FoldError {
    fn failure(&self, refuse: fn(&StoreError) -> Failure) -> Failure {
        match self {
            Self::Store(error) => refuse(error),
            Self::Encode(error) => Failure::of(error),
        }
    }
}

fn fold(journal: &Journal, from: State, until: Sequence) -> Result<State, FoldError> {
    let State { view, counts, .. } = from;
    let head = view.head;
    let done = replay::fold(journal, head, Some(until), (view, counts), |mut state, recorded| {
        let (view, counts) = &mut state;
        for (kind, count) in AggregateKind::ALL.iter().zip(counts) {
            *count += u64::from(*kind == recorded.event.kind());
        }
        view.apply(&recorded);
        state
    });
    let (view, counts) = done.map_err(FoldError::Store)?.state;
    let bytes = postcard::to_stdvec(&view).map_err(FoldError::Encode)?;
    Ok(State { view, counts, bytes })
}

/// The same state once more, from its bytes: they hold all of it, or the way on shows it.
fn again(state: &State) -> Outcome<State> {
    let view = postcard::from_bytes(&state.bytes).map_err(|error| Failure::of(&error))?;
    Ok(State { view, counts: state.counts, bytes: Vec::new() })
}

fn compare(at: Sequence, saved: &[u8], rebuilt: &State) -> Compared {
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    let same = saved == rebuilt.bytes;
    let difference = || match postcard::from_bytes::<View>(saved) {
        Ok(saved) => rebuilt.view.first_difference(&saved),
        Err(error) => Some(format!("what cannot be read ({error})")),
    };
    Compared {
        at,
        same,
        rebuilt_bytes: rebuilt.bytes.len(),
        rebuilt_hash: hash(&rebuilt.bytes),
        saved_hash: hash(saved),
        first_difference: if same { None } else { difference() },
    }
}

fn say(asked: &State, compared: Option<&Compared>, output: &Output) {
    let State { view, counts, bytes } = asked;
    let hash = blake3::hash(bytes).to_hex();
    let kinds = || AggregateKind::ALL.iter().zip(counts);
    if output.json() {
        let events: serde_json::Map<_, _> =
            kinds().map(|(kind, count)| (kind.name().to_owned(), json!(count))).collect();
        output.document(&json!({
            "events": counts.iter().sum::<u64>(),
            "until": view.head,
            "events_by_aggregate": events,
            "apps": view.apps.len(),
            "deployments": view.deployments.len(),
            "workers": view.workers.len(),
            "state_hash": hash.as_str(),
            "checkpoint": compared,
        }));
        return;
    }
    output.line(format_args!("{} events up to {}", counts.iter().sum::<u64>(), view.head));
    for (kind, count) in kinds() {
        output.line(format_args!("  {count:>8}  of {kind}s"));
    }
    output.line(format_args!(
        "{} apps, {} deployments in view, {} workers",
        view.apps.len(),
        view.deployments.len(),
        view.workers.len()
    ));
    output.line(format_args!("hash of the state: {hash}"));
    match compared {
        None => output.line(
            "no checkpoint is saved that this version of hythe would use: nothing to compare with",
        ),
        Some(Compared { at, same: true, rebuilt_bytes, saved_hash, .. }) => {
            output.line(format_args!(
                "the checkpoint of event {at} is byte for byte what the events up to there give: \
                 {rebuilt_bytes} bytes, hash {saved_hash}"
            ));
        }
        Some(Compared { at, same: false, rebuilt_hash, saved_hash, .. }) => {
            output.line(format_args!(
                "the checkpoint of event {at} is NOT what the events up to there give: saved \
                 {saved_hash}, rebuilt {rebuilt_hash}"
            ));
        }
    }
}
