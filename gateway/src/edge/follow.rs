//! Following something in NATS for as long as the edge lives: session after session, with growing waits where
//! one fails, and without a word where it fails as the last one did.

use std::time::Duration;

use hythe_actors::bus::Bus;

/// How often what is there is compared with what a watch has told.
pub(crate) const COMPARE: Duration = Duration::from_secs(5);
/// First and longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

pub(crate) type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// What follows something.
pub(crate) trait Follower: Send {
    /// What it follows, for the log.
    const WHAT: &'static str;

    /// Follows it until the connection of `epoch` was lost, or something was missed.
    fn session(
        &mut self,
        bus: &Bus,
        epoch: u64,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// Follows for ever.
pub(crate) async fn follow<F: Follower>(follower: &mut F, bus: &Bus) {
    let mut wait = BACKOFF.0;
    let mut last = String::new();
    loop {
        let epoch = bus.ready().await;
        match follower.session(bus, epoch).await {
            Ok(()) => {
                wait = BACKOFF.0;
                last.clear();
                continue;
            }
            Err(error) => {
                let (what, error) = (F::WHAT, error.to_string());
                // For hours the same message every two seconds helps nobody.
                if error == last {
                    tracing::debug!(what, error, "nothing comes from NATS");
                } else {
                    tracing::warn!(what, error, "nothing comes from NATS; what came last stays");
                    last = error;
                }
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}
