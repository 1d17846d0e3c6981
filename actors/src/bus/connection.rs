//! The connection: made, watched and set up again after every break.
//!
//! A task of its own (the keeper) follows the client's events. Only when the server's version is
//! right and every stream is there does the state become [`BusState::Ready`], under a new epoch:
//! whoever holds something that lives in NATS (a consumer, the route table) makes sure of it again
//! when the epoch changes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, kv};
use async_nats::{ConnectErrorKind, ConnectOptions, Event};
use hythe_core::wire::subjects;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::{BusError, OLDEST};
use super::settings::NatsSettings;
use super::streams::{self, LogBudget};

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long the server may take over one request.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long [`connect`] waits for the connection to be set up.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// From one try to set up the streams to the next.
const SET_UP_AGAIN: Duration = Duration::from_secs(1);
/// How long to wait before setting up again what somebody missed.
const MISSED_PAUSE: Duration = Duration::from_millis(200);
/// How quickly a silent connection is noticed.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Messages that wait for each subscriber in memory.
const SUBSCRIPTION_CAPACITY: usize = 8 * 1024;

/// How the connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusState {
    /// Not connected yet, or not any more; tried again by itself.
    Connecting {
        /// What the last try said.
        why: String,
    },
    /// Connected, and everything is set up.
    Ready {
        /// Counts how often it was set up: whatever lived in NATS may be gone when it changes.
        epoch: u64,
    },
    /// Connected to a server that will not do; tried again when the connection is made anew.
    Unusable(BusError),
}

impl BusState {
    /// The epoch, while ready.
    #[must_use]
    pub const fn epoch(&self) -> Option<u64> {
        match self {
            Self::Ready { epoch } => Some(*epoch),
            Self::Connecting { .. } | Self::Unusable(_) => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Link {
    up: bool,
    /// How often it came up.
    connects: u64,
    /// How often somebody missed a stream.
    missed: u64,
}

/// A connection to NATS. Cheap to clone; closed with the last clone.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    client: async_nats::Client,
    jetstream: jetstream::Context,
    shown_url: String,
    logs: Option<LogBudget>,
    link: watch::Sender<Link>,
    state: watch::Receiver<BusState>,
    _keeper: DropGuard,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("url", &self.inner.shown_url)
            .field("state", &*self.inner.state.borrow())
            .finish_non_exhaustive()
    }
}

/// Connects, checks the server and sets everything up. `client_name` shows in the server's lists.
///
/// # Errors
/// Where nothing answers, the credentials are wrong, or the server is too old or has no JetStream.
/// Later breaks are mended by themselves; see [`Bus::state`].
pub async fn connect(settings: &NatsSettings, client_name: &str) -> Result<Bus, BusError> {
    let bus = start(settings, client_name, false).await?;
    let mut state = bus.state();
    let set_up = state.wait_for(|state| match state {
        BusState::Ready { .. } | BusState::Unusable(_) => true,
        BusState::Connecting { .. } => false,
    });
    let what = format!("set up NATS at {}", settings.shown_url());
    let state = match tokio::time::timeout(READY_WITHIN, set_up).await {
        Ok(Ok(state)) => state.clone(),
        Ok(Err(_)) => return Err(BusError::NotConnected { what }),
        Err(_) => return Err(BusError::TimedOut { what, waited: READY_WITHIN }),
    };
    match state {
        BusState::Unusable(error) => Err(error),
        BusState::Ready { .. } | BusState::Connecting { .. } => Ok(bus),
    }
}

/// Returns at once and connects as soon as a server is there.
///
/// # Errors
/// Where the URL makes no sense.
pub async fn connect_in_background(
    settings: &NatsSettings,
    client_name: &str,
) -> Result<Bus, BusError> {
    start(settings, client_name, true).await
}

async fn start(
    settings: &NatsSettings,
    client_name: &str,
    in_background: bool,
) -> Result<Bus, BusError> {
    let shown_url = settings.shown_url();
    let (link, link_changes) = watch::channel(Link::default());
    let mut options = ConnectOptions::new()
        .name(client_name)
        .connection_timeout(CONNECT_WITHIN)
        .request_timeout(Some(ANSWER_WITHIN))
        .ping_interval(PING_INTERVAL)
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback({
            let link = link.clone();
            let name = client_name.to_owned();
            move |event| {
                on_event(&link, &name, &event);
                std::future::ready(())
            }
        });
    if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
        options = options.user_and_password(user.clone(), password.as_str().to_owned());
    }
    if in_background {
        options = options.retry_on_initial_connect();
    }
    let addresses: Vec<String> = settings.url.split(',').map(|url| url.trim().into()).collect();
    let client =
        options.connect(addresses).await.map_err(|error| not_connected(&shown_url, &error))?;
    let mut jetstream = jetstream::new(client.clone());
    jetstream.set_timeout(ANSWER_WITHIN);

    let stop = CancellationToken::new();
    let (tell, state) = watch::channel(BusState::Connecting { why: "not connected yet".into() });
    let keeper = Keeper {
        client: client.clone(),
        jetstream: jetstream.clone(),
        shown_url: shown_url.clone(),
        logs: settings.logs,
        link: link_changes,
        state: tell,
        epoch: 0,
    };
    let stopped = stop.clone();
    tokio::spawn(async move {
        stopped.run_until_cancelled(Box::pin(keeper.run())).await;
    });
    let keeper = stop.drop_guard();
    let logs = settings.logs;
    let inner = Inner { client, jetstream, shown_url, logs, link, state, _keeper: keeper };
    Ok(Bus { inner: Arc::new(inner) })
}

fn reconnect_delay(attempts: usize) -> Duration {
    // NATS comes back in milliseconds when it is restarted: try often at first.
    Duration::from_millis(50).saturating_mul(1 << attempts.min(6)).min(Duration::from_secs(2))
}

fn not_connected(url: &str, error: &async_nats::ConnectError) -> BusError {
    let url = url.to_owned();
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            BusError::Unauthorized { url }
        }
        ConnectErrorKind::ServerParse
        | ConnectErrorKind::Dns
        | ConnectErrorKind::TimedOut
        | ConnectErrorKind::Tls
        | ConnectErrorKind::Io
        | ConnectErrorKind::MaxReconnects => BusError::Unreachable { url, why: error.to_string() },
    }
}

fn on_event(link: &watch::Sender<Link>, client: &str, event: &Event) {
    match event {
        Event::Connected => {
            tracing::info!(client, "connected to NATS");
            link.send_modify(|link| {
                link.up = true;
                link.connects += 1;
            });
        }
        Event::Disconnected | Event::Closed => {
            tracing::warn!(client, "lost the connection to NATS; trying again");
            link.send_modify(|link| link.up = false);
        }
        Event::SlowConsumer(subscription) => {
            tracing::warn!(client, subscription, "messages of NATS were dropped: read too slowly");
        }
        Event::LameDuckMode | Event::Draining => {
            tracing::info!(client, %event, "NATS is about to go");
        }
        Event::ServerError(error) => tracing::warn!(client, %error, "NATS reported an error"),
        Event::ClientError(error) => tracing::debug!(client, %error, "NATS connection"),
    }
}

struct Keeper {
    client: async_nats::Client,
    jetstream: jetstream::Context,
    shown_url: String,
    logs: Option<LogBudget>,
    link: watch::Receiver<Link>,
    state: watch::Sender<BusState>,
    epoch: u64,
}

impl Keeper {
    async fn run(mut self) {
        let mut missed = 0;
        loop {
            let link = *self.link.borrow_and_update();
            if link.missed != missed {
                // Whoever finds something missing again and again must not make this spin.
                tokio::time::sleep(MISSED_PAUSE).await;
                missed = link.missed;
            }
            let again = if link.up { self.set_up().await } else { self.lost() };
            let changed = self.link.changed();
            let ended = match again {
                Some(after) => tokio::time::timeout(after, changed).await.unwrap_or(Ok(())),
                None => changed.await,
            };
            if ended.is_err() {
                return;
            }
        }
    }

    fn lost(&self) -> Option<Duration> {
        self.state.send_if_modified(|state| {
            let was_ready = state.epoch().is_some();
            if was_ready {
                *state = BusState::Connecting { why: "the connection was lost".into() };
            }
            was_ready
        });
        None
    }

    /// Says after how long to try again, where that makes sense.
    async fn set_up(&mut self) -> Option<Duration> {
        match self.try_set_up().await {
            Ok(()) => {
                self.epoch += 1;
                self.state.send_replace(BusState::Ready { epoch: self.epoch });
                None
            }
            Err(error) => {
                tracing::warn!(%error, "NATS cannot be used yet");
                self.state.send_replace(if error.is_transient() {
                    BusState::Connecting { why: error.to_string() }
                } else {
                    BusState::Unusable(error)
                });
                Some(SET_UP_AGAIN)
            }
        }
    }

    async fn try_set_up(&self) -> Result<(), BusError> {
        check_version(&self.shown_url, &self.client.server_info().version)?;
        streams::ensure(&self.jetstream, &self.shown_url, self.logs).await
    }
}

fn check_version(url: &str, version: &str) -> Result<(), BusError> {
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|n| n.parse().ok());
    let found: Option<(u64, u64)> = numbers.next().zip(numbers.next());
    match found {
        Some(found) if found >= OLDEST => Ok(()),
        Some(_) | None => Err(BusError::TooOld { url: url.into(), found: version.into() }),
    }
}

impl Bus {
    /// How the connection stands, now and whenever that changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<BusState> {
        self.inner.state.clone()
    }

    /// Whether it is connected and set up.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.state.borrow().epoch().is_some()
    }

    /// Waits until it is connected and set up; gives the epoch. Never ends where that never
    /// happens: bound it.
    pub async fn ready(&self) -> u64 {
        let mut state = self.state();
        loop {
            if let Some(epoch) = state.borrow_and_update().epoch() {
                return epoch;
            }
            if state.changed().await.is_err() {
                // The keeper lives as long as this bus: only a runtime that ends gets here.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Makes every stream and bucket that is missing. Done by itself on every connection.
    ///
    /// # Errors
    /// What the server says.
    pub async fn ensure_streams(&self) -> Result<(), BusError> {
        streams::ensure(self.jetstream(), &self.inner.shown_url, self.inner.logs).await
    }

    /// Lets go of every command that lies in NATS, taken on or not: whoever wants something of them sends it
    /// again.
    ///
    /// # Errors
    /// What the server says.
    pub async fn drop_commands(&self) -> Result<(), BusError> {
        streams::drop_commands(self.jetstream()).await
    }

    /// Says that something was not there which should be: all of it is set up again, under a new
    /// epoch.
    pub(super) fn missed_a_stream(&self) {
        self.inner.link.send_modify(|link| link.missed += 1);
    }

    /// The bucket of route tables.
    ///
    /// # Errors
    /// Where it cannot be reached.
    pub async fn routes_bucket(&self) -> Result<kv::Store, BusError> {
        self.jetstream()
            .get_key_value(subjects::ROUTES_BUCKET)
            .await
            .map_err(|error| BusError::refused("open the bucket of route tables", error))
    }

    /// The bucket of certificates.
    ///
    /// # Errors
    /// Where it cannot be reached.
    pub async fn certificates_bucket(&self) -> Result<kv::Store, BusError> {
        self.jetstream()
            .get_key_value(subjects::CERTIFICATES_BUCKET)
            .await
            .map_err(|error| BusError::refused("open the bucket of certificates", error))
    }

    /// The client, for core NATS.
    #[must_use]
    pub fn client(&self) -> &async_nats::Client {
        &self.inner.client
    }

    /// JetStream.
    #[must_use]
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.inner.jetstream
    }

    /// Sends what waits and closes the connection, within a few seconds.
    pub async fn close(&self) {
        let drained = tokio::time::timeout(ANSWER_WITHIN, self.inner.client.drain()).await;
        if !matches!(drained, Ok(Ok(()))) {
            tracing::debug!("the connection to NATS was gone before it was closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_2_10_on_will_do() {
        for good in ["2.10.0", "2.15.1", "v2.11.0-RC.1", "3.0.0"] {
            assert_eq!(check_version("nats://x", good), Ok(()), "{good}");
        }
        for bad in ["2.9.25", "1.4.1", "", "new"] {
            let error = check_version("nats://x", bad).unwrap_err().to_string();
            assert!(error.contains("2.10"), "{error}");
            assert!(error.contains("releases"), "{error}");
        }
    }
}
