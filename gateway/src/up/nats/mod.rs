//! The NATS server of an installation without one of its own: found, configured, made ready.
//!
//! NATS carries and is never the truth, so its store may be wiped at any time; what is kept with
//! care are its port and password, because running parts know them.

mod binary;
mod config;
pub(super) mod container;
mod ready;

use std::path::{Path, PathBuf};

use hythe_actors::bus::BESIDE_LOGS;

use self::binary::{LEAST_VERSION, Version};

use super::error::UpError;
use super::launch::{Fingerprint, Launch, OwnBinary, Program};
use super::layout::DataDir;
use super::part::PartName;
use container::ContainerPlan;

/// How to get a NATS server, for messages.
pub(crate) const HOW_TO_GET: &str = "install one of https://github.com/nats-io/nats-server/releases \
     (Debian 13 and Ubuntu 24.10 or newer have it: apt-get install nats-server) and have it on PATH \
     or give --nats-server PATH; or start the Docker engine, then its official image is used; or \
     give the URL of a running one with --nats";

/// Why there is no NATS server.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// The program that was given is not there.
    #[error("find nats-server at {}: {why}. Give the right path with --nats-server", path.display())]
    NotThere {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Too old a program.
    #[error(
        "use nats-server {found} ({}): at least {LEAST_VERSION} is needed. To get one: {HOW_TO_GET}",
        path.display()
    )]
    TooOld {
        /// The program.
        path: PathBuf,
        /// Its version.
        found: Version,
    },
    /// A program that does not say its version.
    #[error(
        "use {}: asked for its version it {said}. Give a nats-server with --nats-server",
        path.display()
    )]
    Strange {
        /// The program.
        path: PathBuf,
        /// What it did instead.
        said: String,
    },
    /// Neither a program nor an engine.
    #[error(
        "find a NATS server: there is no nats-server on PATH, and no Docker engine answers \
             ({engine}). To get one: {HOW_TO_GET}"
    )]
    Missing {
        /// Why there is no engine.
        engine: String,
    },
    /// The image cannot be had.
    #[error("get the image {image}: {why}. Without it, a NATS server is needed: {HOW_TO_GET}")]
    NoImage {
        /// The image.
        image: String,
        /// What the engine said.
        why: String,
    },
    /// The engine refuses something.
    #[error("{what}: {why}")]
    Engine {
        /// What was to be done.
        what: &'static str,
        /// What the engine said.
        why: String,
    },
}

/// A NATS server and how to be let in.
#[derive(Clone, Debug)]
pub struct Access {
    /// Its URL.
    pub url: String,
    /// A file with the user's name on the first line and the password on the second.
    pub credentials: Option<PathBuf>,
}

impl Access {
    /// Waits until it answers, is new enough and has JetStream.
    ///
    /// # Errors
    /// Not in time, or never.
    pub async fn ready(&self, within: std::time::Duration) -> Result<(), UpError> {
        ready::wait(self, within).await
    }
}

/// A NATS server that `hythe up` looks after.
#[derive(Debug)]
pub(super) struct Managed {
    /// How it is started.
    pub launch: Launch,
    /// How to reach it.
    pub access: Access,
}

/// What decides which one is taken.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// A program that the user wants.
    pub program: Option<PathBuf>,
    /// The engine's address, for the case of no program.
    pub docker_host: Option<String>,
    /// Another image than the official one.
    pub image: Option<String>,
    /// How many bytes of apps' and builds' logs it must have room for.
    pub log_bytes: u64,
}

impl Choice {
    /// What is settled, with room for as many logs as are to be kept.
    fn settle(&self, dir: &DataDir) -> Result<config::Settings, UpError> {
        let mut settings = config::settle(dir)?;
        settings.store_bytes = settings.store_bytes.max(self.log_bytes.saturating_add(BESIDE_LOGS));
        Ok(settings)
    }
}

/// Finds a NATS server and writes its configuration.
///
/// # Errors
/// There is none, or it cannot be used; the message says how to get one.
async fn manage(dir: &DataDir, own: &OwnBinary, choice: &Choice) -> Result<Managed, UpError> {
    let program = match &choice.program {
        Some(path) => Some(path.clone()),
        None => binary::on_path(std::env::var_os("PATH").as_deref()),
    };
    if let Some(program) = program {
        binary::check(&program).await?;
        return as_program(dir, own, choice, program);
    }
    let engine = container::connect(choice.docker_host.as_deref())
        .await
        .map_err(|engine| NatsError::Missing { engine })?;
    let settings = choice.settle(dir)?;
    let file = config::write(dir, &settings, &config::Place::Container)?;
    let plan = ContainerPlan::new(engine, dir, &settings, &file, choice.image.as_deref())?;
    Ok(Managed { access: settings.access(dir), launch: Launch::Container(Box::new(plan)) })
}

/// The same, at a port that is free (or used by the one that was left over).
///
/// # Errors
/// As [`manage`].
pub(super) async fn manage_free(
    dir: &DataDir,
    own: &OwnBinary,
    choice: &Choice,
) -> Result<Managed, UpError> {
    let managed = manage(dir, own, choice).await?;
    if managed.launch.left_over(dir, PartName::Nats).await?.is_some() || config::port_free(dir)? {
        return Ok(managed);
    }
    config::move_port(dir)?;
    manage(dir, own, choice).await
}

fn as_program(
    dir: &DataDir,
    own: &OwnBinary,
    choice: &Choice,
    program: PathBuf,
) -> Result<Managed, UpError> {
    let settings = choice.settle(dir)?;
    let file = config::write(dir, &settings, &config::Place::Process)?;
    let fingerprint =
        Fingerprint::default().file(&resolved(&program))?.text(config::read(&file)?).finish();
    let launch = Launch::Program(Program {
        own: own.clone(),
        other: Some(program),
        args: vec!["--config".into(), file.into_os_string()],
        fingerprint,
        takes_over: None,
    });
    Ok(Managed { access: settings.access(dir), launch })
}

fn resolved(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
