//! What every operation can reach, and how long it may take hold of it.

use std::fmt;
use std::sync::Arc;

use hythe_actors::control::Control;
use hythe_core::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::auth::{OwnerToken, Sessions, Throttle};
use super::config::ApiConfig;
use super::errands::Errands;
use super::export::Exports;
use super::metrics::Metrics;
use super::pollers::Pollers;
use super::receive::{Deliveries, Gate};
use super::verification::Verifications;

/// Requests under way at once.
const MOST_REQUESTS: usize = 1_024;
/// WebSockets open at once.
const MOST_SOCKETS: usize = 512;

/// What every operation can reach; cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

struct Inner {
    control: Control,
    config: ApiConfig,
    token: OwnerToken,
    sessions: Sessions,
    throttle: Throttle,
    metrics: Metrics,
    verifications: Verifications,
    errands: Errands,
    exports: Exports,
    pollers: Pollers,
    gate: Gate,
    deliveries: Deliveries,
    github: tokio::sync::Mutex<()>,
    permits: Arc<Semaphore>,
    seats: Arc<Semaphore>,
    stopping: CancellationToken,
    /// Tells one request from another without telling what was in it.
    request_key: [u8; 32],
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl ApiState {
    /// The API of a control plane. WebSockets are closed once `stopping` is cancelled.
    ///
    /// # Errors
    /// Where the journal was opened without its key.
    pub fn new(
        control: Control,
        config: ApiConfig,
        token: OwnerToken,
        stopping: CancellationToken,
    ) -> Result<Self, hythe_store::StoreError> {
        let request_key = *control.journal().derive_key("idempotency")?;
        Ok(Self(Arc::new(Inner {
            sessions: Sessions::new(&token),
            control,
            config,
            token,
            throttle: Throttle::default(),
            metrics: Metrics::new(),
            verifications: Verifications::default(),
            errands: Errands::default(),
            exports: Exports::default(),
            pollers: Pollers::default(),
            gate: Gate::default(),
            deliveries: Deliveries::default(),
            github: tokio::sync::Mutex::default(),
            permits: Arc::new(Semaphore::new(MOST_REQUESTS)),
            seats: Arc::new(Semaphore::new(MOST_SOCKETS)),
            stopping,
            request_key,
        })))
    }

    pub(crate) fn control(&self) -> &Control {
        &self.0.control
    }

    pub(crate) fn config(&self) -> &ApiConfig {
        &self.0.config
    }

    pub(crate) fn token(&self) -> &OwnerToken {
        &self.0.token
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn verifications(&self) -> &Verifications {
        &self.0.verifications
    }

    pub(crate) fn errands(&self) -> &Errands {
        &self.0.errands
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.0.exports
    }

    pub(crate) fn pollers(&self) -> &Pollers {
        &self.0.pollers
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    pub(crate) fn deliveries(&self) -> &Deliveries {
        &self.0.deliveries
    }

    /// A turn to change a GitHub App: what is done there and what is done here go together.
    pub(crate) async fn github_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.github.lock().await
    }

    pub(crate) fn permits(&self) -> &Semaphore {
        &self.0.permits
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    pub(crate) fn request_key(&self) -> &[u8; 32] {
        &self.0.request_key
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.control.clock().now()
    }

    /// A place for one more WebSocket, where there is one.
    pub(crate) fn seat(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.seats).try_acquire_owned().ok()
    }
}
