//! By what means a replica is asked: what its check comes to, given its image.

use std::net::SocketAddr;
use std::time::Duration;

use hythe_core::health::{HealthCheck, ImagePace, Pace, Probe, StatusRange};
use hythe_core::names::ImageId;

use super::command::Command;
use super::{Finding, http};
use crate::docker::image_check::ImageCheck;
use crate::docker::{Engine, EngineError};

/// A run of a container that is asked.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) engine: Engine,
    /// The container's id.
    pub(crate) container: String,
    pub(crate) image: ImageId,
    /// Where it would answer; none where it has no address.
    pub(crate) address: Option<SocketAddr>,
}

/// How it is asked.
#[derive(Debug)]
pub(super) enum Means {
    Http { path: String, statuses: StatusRange, any_language: bool },
    Tcp,
    Command(Command),
    Nothing,
}

/// What one try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Good,
    Bad(Finding),
    /// The engine could not be asked, which says nothing about the replica.
    Unknown(Finding),
}

impl Subject {
    /// What a check comes to for this replica.
    ///
    /// # Errors
    /// That of the engine, where the image could not be looked at.
    pub(super) async fn means(&self, check: &HealthCheck) -> Result<(Means, Pace), EngineError> {
        let of_image = |found: ImageCheck| {
            let ImageCheck { command, pace } = found;
            let what = "the image's HEALTHCHECK";
            (Means::Command(Command::new(what.to_owned(), command)), Some(pace))
        };
        let (means, image): (Means, Option<ImagePace>) = match &check.probe {
            Probe::Default => match self.engine.image_check(&self.image).await? {
                Some(found) => of_image(found),
                None => {
                    let statuses = Probe::ANY_BELOW_500;
                    (Means::Http { path: "/".into(), statuses, any_language: true }, None)
                }
            },
            Probe::Image => match self.engine.image_check(&self.image).await? {
                Some(found) => of_image(found),
                None => (Means::Command(Command::missing()), None),
            },
            Probe::Http { path, statuses } => {
                let statuses = statuses.unwrap_or(Probe::STATUSES);
                (Means::Http { path: path.to_string(), statuses, any_language: false }, None)
            }
            Probe::Tcp => (Means::Tcp, None),
            Probe::Command(command) => {
                let words = command.words().to_vec();
                (Means::Command(Command::new(shown(&words), words)), None)
            }
            Probe::None => (Means::Nothing, None),
        };
        Ok((means, check.pace(image.as_ref())))
    }

    /// Asks once.
    pub(super) async fn ask(&self, means: &mut Means, within: Duration) -> Found {
        let asked = match means {
            Means::Nothing => return Found::Good,
            Means::Command(command) => {
                return command.run(&self.engine, &self.container, within).await;
            }
            Means::Http { path, statuses, any_language } => {
                let Some(address) = self.address else { return no_address() };
                let get = http::get(address, path, *statuses, *any_language);
                tokio::time::timeout(within, get).await.map_err(|_| (address, path.as_str()))
            }
            Means::Tcp => {
                let Some(address) = self.address else { return no_address() };
                let connect = async { http::connect(address).await.map(drop) };
                tokio::time::timeout(within, connect).await.map_err(|_| (address, ""))
            }
        };
        match asked {
            Ok(Ok(())) => Found::Good,
            Ok(Err(why)) => Found::Bad(Finding::plain(why)),
            Err((address, path)) => {
                let what = if path.is_empty() { String::new() } else { format!(" to GET {path}") };
                let port = address.port();
                let why =
                    format!("no answer{what} on port {port} within {} s", within.as_secs_f32());
                Found::Bad(Finding::plain(why))
            }
        }
    }
}

fn no_address() -> Found {
    Found::Unknown(Finding::plain("it has no address on its app's network yet".into()))
}

/// A command in messages: its words, cut.
fn shown(words: &[String]) -> String {
    const MOST: usize = 120;
    let line = words.join(" ");
    let cut: String = line.chars().take(MOST).collect();
    if cut.len() < line.len() { format!("`{cut}…`") } else { format!("`{cut}`") }
}
