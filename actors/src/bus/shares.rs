//! Keeps an app or a build that says much from pushing out what all others said.
//!
//! NATS lets go of the oldest lines of all where the budget is used up, whoever wrote them, and bounds a
//! subject in messages only, which may be of a hundred bytes or of a hundred thousand. So before it comes
//! to that those that have most are cut back to what each may have, by [`hythe_core::sweep::logs`]. How
//! much each has is reckoned from some of its frames.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::stream::Stream;
use futures_util::TryStreamExt as _;
use hythe_core::sweep::logs::{Kept, shares};
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use tokio_util::sync::CancellationToken;

use super::connection::Bus;
use super::error::BusError;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(10);
/// Of the budget, in eighths: from where on something goes, and what stays then.
const FULL: u64 = 6;
const KEPT: u64 = 5;
/// How many apps and builds are looked at closely: those with the most frames.
const MOST_MEASURED: usize = 64;
/// How many of its frames each is measured by.
const MEASURED_BY: u64 = 8;

/// Looks after it until `stop` is cancelled.
///
/// # Errors
/// None.
pub async fn keep_shares(bus: Bus, stop: CancellationToken) -> Result<(), String> {
    let work = async {
        loop {
            tokio::time::sleep(EVERY).await;
            bus.ready().await;
            match bus.share_logs().await {
                Ok(0) => {}
                Ok(gone) => tracing::info!(gone, "the oldest lines of those that log most went"),
                Err(error) => tracing::debug!(%error, "looking after the logs again soon"),
            }
        }
    };
    stop.run_until_cancelled(work).await;
    Ok(())
}

impl Bus {
    /// Lets go of what those have too much that log most, where the budget is nearly used up. Answers
    /// with how many frames went.
    ///
    /// # Errors
    /// What NATS says.
    pub(super) async fn share_logs(&self) -> Result<u64, BusError> {
        let refused =
            |why: &dyn std::fmt::Display| BusError::refused("share the room for logs", why);
        let stream = self.jetstream().get_stream_no_info(subjects::LOGS).await;
        let stream = stream.map_err(|error| refused(&error))?;
        let info = stream.get_info().await.map_err(|error| refused(&error))?;
        let most = u64::try_from(info.config.max_bytes).unwrap_or(u64::MAX);
        let state = info.state;
        if state.bytes <= most / 8 * FULL {
            return Ok(0);
        }
        let listed = stream.info_with_subjects(subjects::ALL_LOGS).await;
        let mut listed = listed.map_err(|error| refused(&error))?;
        let mut frames: BTreeMap<String, u64> = BTreeMap::new();
        while let Some((subject, count)) =
            listed.try_next().await.map_err(|error| refused(&error))?
        {
            *frames.entry(whose(subject)).or_default() += count as u64;
        }
        let mut frames: Vec<(String, u64)> = frames.into_iter().collect();
        frames.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let usual = state.bytes / state.messages.max(1);
        let mut kept = Vec::with_capacity(frames.len());
        for (at, (filter, frames)) in frames.iter().enumerate() {
            let span = (state.first_sequence, state.last_sequence);
            let size = if at < MOST_MEASURED { measure(&stream, filter, span).await } else { None };
            let bytes = frames.saturating_mul(size.unwrap_or(usual));
            kept.push(Kept { frames: *frames, bytes });
        }
        // What was reckoned, as parts of what is really there.
        let all = kept.iter().map(|kept| u128::from(kept.bytes)).sum::<u128>().max(1);
        for kept in &mut kept {
            let bytes = u128::from(kept.bytes) * u128::from(state.bytes) / all;
            kept.bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        }
        let mut gone = 0;
        for ((filter, frames), share) in frames.iter().zip(shares(&kept, most / 8 * KEPT)) {
            if share < *frames {
                #[expect(clippy::disallowed_methods, reason = "with its step")]
                let purge = stream.purge().filter(filter).keep(share);
                let purged = Step::LogsShared.take(purge.into_future()).await;
                gone += purged.map_err(|error| refused(&error))?.purged;
            }
        }
        Ok(gone)
    }
}

/// The subjects of an app, or of a build, by one of them.
fn whose(subject: String) -> String {
    match subject.rsplit_once('.') {
        Some((app, _)) if app.starts_with("hythe.log.app.") => format!("{app}.*"),
        Some(_) | None => subject,
    }
}

/// How large a frame of these subjects usually is, by some of them.
async fn measure(stream: &Stream<()>, filter: &str, (first, last): (u64, u64)) -> Option<u64> {
    let (mut bytes, mut count) = (0, 0);
    for part in 0..MEASURED_BY {
        let from = first + last.saturating_sub(first) / MEASURED_BY * part;
        // After the newest of them there is none.
        let found = stream.direct_get_next_for_subject(filter, Some(from.max(1))).await;
        let Ok(message) = found else { break };
        bytes += (message.payload.len() + message.subject.len()) as u64;
        count += 1;
    }
    (count > 0).then(|| bytes / count)
}
