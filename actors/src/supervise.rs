//! Starting again what has failed: after a growing pause, and less often the more often it fails.
//!
//! A parent never ends because a child did. [`Restarts`] is the rule alone, for actors that are
//! started on demand; [`supervise`] keeps one task going that should never end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::health::Health;

/// Failures count for this long.
const WINDOW: Duration = Duration::from_secs(60);
/// First pause; doubles with each failure in the window.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Failures in the window after which the pause is the longest there is.
const INTENSITY: usize = 8;
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What has run for this long after a failure works again.
const RECOVERED_AFTER: Duration = Duration::from_secs(5);

/// How often something failed lately, and when it may be started again.
#[derive(Clone, Debug, Default)]
pub struct Restarts {
    failures: VecDeque<Instant>,
}

impl Restarts {
    /// Notes a failure; says how long to wait before the next start.
    pub fn failed(&mut self, now: Instant) -> Duration {
        while self.failures.front().is_some_and(|at| now.duration_since(*at) > WINDOW) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        if self.failures.len() > INTENSITY {
            self.failures.pop_front();
            return LONGEST_PAUSE;
        }
        let doublings = u32::try_from(self.failures.len() - 1).unwrap_or(u32::MAX);
        FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE)
    }

    /// When it last failed.
    #[must_use]
    pub fn last(&self) -> Option<Instant> {
        self.failures.back().copied()
    }

    /// Whether its failures are so old that they count no more.
    #[must_use]
    pub fn is_forgotten(&self, now: Instant) -> bool {
        self.last().is_none_or(|at| now.duration_since(at) > WINDOW)
    }
}

/// Runs a task that should never end until `stop` is cancelled: one that fails or panics is
/// started again.
pub async fn supervise<F, Fut>(
    part: &'static str,
    health: Health,
    stop: CancellationToken,
    mut start: F,
) where
    F: FnMut() -> Fut + Send,
    Fut: Future<Output = Result<(), String>> + Send + 'static,
{
    let mut restarts = Restarts::default();
    loop {
        // A task of its own, so that a panic ends there.
        let mut task = tokio::spawn(start());
        let mut recovered = false;
        let ended = loop {
            tokio::select! {
                ended = &mut task => break ended,
                () = tokio::time::sleep(RECOVERED_AFTER), if !recovered => {
                    recovered = true;
                    health.works(part);
                }
                () = stop.cancelled() => {
                    task.abort();
                    // Whatever it ended as: it is wanted no more.
                    drop(task.await);
                    return;
                }
            }
        };
        if stop.is_cancelled() {
            return;
        }
        let why = match ended {
            Ok(Ok(())) => "it ended by itself".to_owned(),
            Ok(Err(error)) => error,
            Err(error) => error.to_string(),
        };
        let pause = restarts.failed(Instant::now());
        tracing::error!(part, %why, ?pause, "a part of the server failed and is started again");
        health.fails(part, why);
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_old_failures_are_forgotten() {
        let mut restarts = Restarts::default();
        let begin = Instant::now();
        let pauses: Vec<u128> = (0..10).map(|_| restarts.failed(begin).as_millis()).collect();
        assert_eq!(pauses[..4], [50, 100, 200, 400]);
        assert_eq!(pauses[8..], [30_000, 30_000]);
        assert!(restarts.failures.len() <= INTENSITY);
        let later = begin + WINDOW + Duration::from_secs(1);
        assert!(restarts.is_forgotten(later));
        assert_eq!(restarts.failed(later), FIRST_PAUSE);
    }

    #[tokio::test]
    async fn what_fails_or_panics_is_started_again() {
        let (tell, mut told) = tokio::sync::mpsc::channel(8);
        let stop = CancellationToken::new();
        let mut starts = 0;
        let health = Health::default();
        let supervised = supervise("test", health.clone(), stop.clone(), move || {
            starts += 1;
            let (tell, start) = (tell.clone(), starts);
            async move {
                tell.send(start).await.unwrap();
                match start {
                    1 => Err("the first".into()),
                    2 => panic!("the second"),
                    _ => std::future::pending().await,
                }
            }
        });
        let supervised = tokio::spawn(supervised);
        for expected in 1..=3 {
            assert_eq!(told.recv().await, Some(expected));
        }
        assert!(health.problems()[0].starts_with("test: "));
        stop.cancel();
        supervised.await.unwrap();
    }
}
