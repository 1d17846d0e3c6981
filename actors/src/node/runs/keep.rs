//! Looks after containers of runs that no session looks after: what is over its time is ended, and
//! what nobody needs any more goes.

use std::time::Duration;

use hythe_core::limits::{MOST_ONE_OFF_LOGS, ONE_OFF_LOG_KEPT, ONE_OFF_WITHIN_MOST};
use hythe_core::one_off::{Cut, OneOffEnd};
use hythe_core::time::Timestamp;

use super::Runs;
use crate::docker::EngineError;
use crate::docker::one_off::OneOffSeen;
use crate::node::clock;
use crate::node::guard::for_ever;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(5);

pub(super) async fn tidy(runs: &Runs) {
    for_ever("tidying up after runs", || async {
        loop {
            if let Err(error) = look(runs).await
                && !error.engine_down()
            {
                tracing::warn!(%error, "runs could not all be looked after");
            }
            tokio::time::sleep(EVERY).await;
        }
    })
    .await;
}

async fn look(runs: &Runs) -> Result<(), EngineError> {
    let (engine, owner) = (&runs.tools.engine, &runs.tools.owner);
    let mut logs: Vec<(Timestamp, String)> = Vec::new();
    for one in runs.containers().await? {
        if runs.known().carried.contains_key(&one.run) {
            continue;
        }
        // It may have been started, and let go of, since it was listed.
        let fresh = if one.started { Some(one) } else { engine.one_off(owner, &one.id).await? };
        let Some(one) = fresh else { continue };
        let now = clock::now();
        let OneOffSeen { id, run, app, detached, started, until, stop_within, ended } = one;
        match ended {
            Some((end, at)) if detached && started => {
                runs.ended(run, app, until, end);
                if now.since(at) >= ONE_OFF_LOG_KEPT {
                    engine.remove_one_off(&id).await?;
                } else {
                    logs.push((at, id));
                }
            }
            None if detached && started => {
                if is_over(until, now) {
                    runs.ended(run, app, until, OneOffEnd::Cut(Cut::TooLong));
                    engine.stop_one_off(&id, stop_within).await?;
                }
            }
            // Its session went with an agent that is no more.
            Some(_) | None => {
                runs.ended(run, app, until, OneOffEnd::Cut(Cut::Lost));
                tracing::info!(%run, "a command whose session is gone is removed");
                engine.remove_one_off(&id).await?;
            }
        }
    }
    logs.sort();
    for (_, id) in logs.iter().take(logs.len().saturating_sub(MOST_ONE_OFF_LOGS)) {
        engine.remove_one_off(id).await?;
    }
    Ok(())
}

/// Whether a command that is to end at a moment has had its time. Where the clock was set back by days that
/// says nothing any more, and it has.
const fn is_over(until: Timestamp, now: Timestamp) -> bool {
    until.is_over(ONE_OFF_WITHIN_MOST, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_ends_some_time_however_the_clock_is_set() {
        let day = 24 * 3_600 * 1_000;
        let until = Timestamp(30 * day);
        let rows = [(30, true), (31, true), (29, false), (28, false), (27, true), (0, true)];
        for (now, over) in rows {
            assert_eq!(is_over(until, Timestamp(now * day)), over, "day {now}");
        }
    }
}
