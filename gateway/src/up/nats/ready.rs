//! Whether a NATS server can be used: it answers, lets us in, is new enough, has JetStream.

use std::time::Duration;

use hythe_actors::bus::{self, NatsSettings};
use tokio::time::{Instant, sleep};

use super::Access;
use crate::up::error::UpError;

/// From one try to the next.
const EVERY: Duration = Duration::from_millis(25);

/// Tries until it works, something is wrong for good, or the time is over.
pub(super) async fn wait(access: &Access, within: Duration) -> Result<(), UpError> {
    let settings = NatsSettings::load(&access.url, access.credentials.as_deref())?;
    let until = Instant::now() + within;
    loop {
        match bus::connect(&settings, "hythe up").await {
            Ok(_) => return Ok(()),
            // It may still be starting.
            Err(error) if error.is_transient() && Instant::now() < until => sleep(EVERY).await,
            Err(error) => return Err(error.into()),
        }
    }
}
