//! The container engine, through its API only.
//!
//! Invariants: nothing here starts a shell or the `docker` program. Only objects that bear this
//! worker's label are changed or removed; nothing is pruned. Every fault becomes an
//! [`EngineError`] that says what to do.

pub(crate) mod attach;
pub mod container;
mod error;
pub mod exec;
pub(crate) mod files;
pub mod image_check;
pub mod images;
pub mod inspect;
pub mod labels;
pub mod logs;
pub mod network;
pub(crate) mod one_off;
mod within;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::{ClientVersion, Docker};

pub use error::EngineError;

/// How long one plain request may take, in seconds. Streams may go on for ever.
const REQUEST_SECONDS: u64 = 60;
/// How long the number of its processors is taken to be what the engine said: some machines get more, or fewer.
const PROCESSORS_KNOWN_FOR: Duration = Duration::from_secs(60);
/// How long a sign of life may take.
const PROBE_WITHIN: Duration = Duration::from_secs(5);
/// The versions of the engine's API that Hythe speaks, best first. Engines refuse a version that
/// is too new for them and also one that is too old: 1.41 is Docker 20.10, 29 wants 1.44.
const VERSIONS: [ClientVersion; 2] = [
    ClientVersion { major_version: 1, minor_version: 44 },
    ClientVersion { major_version: 1, minor_version: 41 },
];
/// Where engines listen, in the order in which they are looked for.
const SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/podman/podman.sock"];

/// A container engine. Cheap to clone; connects when it is used, and again after a break.
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The socket's path.
    socket: String,
    /// The client whose API version the engine accepted.
    client: Mutex<Option<Docker>>,
    /// Engines allow two networks of one name: one is made at a time.
    networks: tokio::sync::Mutex<()>,
    /// How many processors its machine has, and when it said so.
    processors: Mutex<Option<(Instant, i64)>>,
}

impl Engine {
    /// An engine at `host` (`unix:///path` or a path); without one, at `DOCKER_HOST`; without
    /// that, at the first of the usual sockets that exists. Does not connect yet.
    ///
    /// # Errors
    /// [`EngineError::Address`] where the address is no unix socket.
    pub fn new(host: Option<&str>) -> Result<Self, EngineError> {
        let host = match host {
            Some(host) => host.to_owned(),
            None => {
                let set = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
                set.unwrap_or_else(|| {
                    let found = SOCKETS.iter().find(|path| std::path::Path::new(path).exists());
                    found.unwrap_or(&SOCKETS[0]).to_string()
                })
            }
        };
        let socket = host.strip_prefix("unix://").unwrap_or(&host).to_owned();
        if !socket.starts_with('/') {
            return Err(EngineError::Address { host });
        }
        Ok(Self {
            shared: Arc::new(Shared {
                socket,
                client: Mutex::new(None),
                networks: tokio::sync::Mutex::new(()),
                processors: Mutex::new(None),
            }),
        })
    }

    /// The socket's path.
    #[must_use]
    pub fn socket(&self) -> &str {
        &self.shared.socket
    }

    /// Asks for a sign of life and the engine's version, and agrees on the API's version anew.
    ///
    /// # Errors
    /// [`EngineError`], also where the engine is too old.
    pub async fn probe(&self) -> Result<String, EngineError> {
        let mut refusal = None;
        for version in &VERSIONS {
            let client = Docker::connect_with_unix(self.socket(), REQUEST_SECONDS, version)
                .map_err(|error| self.fault(&error))?;
            let answer = tokio::time::timeout(PROBE_WITHIN, client.version())
                .await
                .map_err(|_late| EngineError::Timeout { what: "asked for its version".into() })?
                .map_err(|error| self.fault(&error));
            match answer {
                Ok(found) => {
                    *self.shared.client.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(client);
                    return Ok(found.version.unwrap_or_else(|| "unknown".into()));
                }
                Err(error @ EngineError::Refused { .. }) => refusal = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(EngineError::Unreachable {
            host: self.socket().to_owned(),
            reason: format!(
                "it speaks no version of the API that Hythe knows ({}); use Docker 20.10 or newer",
                refusal.map_or_else(String::new, |error| error.to_string())
            ),
        })
    }

    /// Asks for a sign of life alone. To say its version an engine starts other programs, which takes it long
    /// where its machine is busy.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn alive(&self) -> Result<(), EngineError> {
        let docker = self.docker().await?;
        match tokio::time::timeout(PROBE_WITHIN, docker.ping()).await {
            Ok(answer) => answer.map(drop).map_err(|error| self.fault(&error)),
            Err(_late) => Err(EngineError::Timeout { what: "asked for a sign of life".into() }),
        }
    }

    /// The client to send requests with.
    ///
    /// # Errors
    /// [`EngineError`] where the engine was never reached yet and cannot be now.
    pub async fn docker(&self) -> Result<Docker, EngineError> {
        if let Some(client) = self.known() {
            return Ok(client);
        }
        self.probe().await?;
        self.known().ok_or_else(|| EngineError::Timeout { what: "asked for its version".into() })
    }

    /// How many processors the engine's machine has. All that it says of itself takes it long to put together, so
    /// it is not asked for each replica.
    ///
    /// # Errors
    /// [`EngineError`].
    pub(crate) async fn processors(&self) -> Result<i64, EngineError> {
        let known = *self.shared.processors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, processors)) = known
            && at.elapsed() < PROCESSORS_KNOWN_FOR
        {
            return Ok(processors);
        }
        let info = self.docker().await?.info().await.map_err(|error| self.fault(&error))?;
        let processors = info.ncpu.unwrap_or(1).max(1);
        let now = Some((Instant::now(), processors));
        *self.shared.processors.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(processors)
    }

    fn known(&self) -> Option<Docker> {
        self.shared.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts an error of a request to this engine into words.
    #[must_use]
    pub fn fault(&self, error: &bollard::errors::Error) -> EngineError {
        EngineError::from_raw(self.socket(), error)
    }
}

#[cfg(test)]
pub(crate) mod tests;
