//! An app: its settings, and which of its deployments is live, rolling and waiting.
//!
//! One deployment of an app moves at a time; a newer request takes the place of one that waits.
//! `serving` is where traffic is sent: it runs ahead of `live` during a switch and falls back to
//! it where the switch fails.

mod canary;
mod changing;
mod command;
mod cron;
mod decide;
mod deploying;
mod discarding;
mod domains;
mod event;
mod evolve;
mod key;
mod one_off;
mod outline;
mod previews;
mod repeat;
mod running;
mod settings;
mod sleeping;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::canary::Canary;
use crate::cron::{Cron, CronName};
use crate::domain::Domains;
use crate::edge::EdgeSettings;
use crate::hook::Triggers;
use crate::ids::{AppId, DeploymentId, RunId};
use crate::names::{AppName, EnvName};
use crate::one_off::OneOff;
use crate::preview::{PreviewOf, Previews};

pub use self::command::AppCommand;
pub use self::discarding::Discard;
pub use self::event::AppEvent;
pub use self::key::SourceKey;
pub use self::outline::Outline;
pub use self::previews::{NewPreview, PreviewGiven};
pub use self::repeat::{Earlier, Repeat};
pub use self::running::Stop;
pub use self::settings::{AppSettings, SettingsChange};
pub use self::sleeping::WokenBy;

/// An app's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum App {
    /// Nothing has happened yet.
    #[default]
    Absent,
    /// It exists.
    Active(Box<ActiveApp>),
    /// It was deleted.
    Deleted,
}

/// An app that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveApp {
    /// Its id.
    pub id: AppId,
    /// Its name.
    pub name: AppName,
    /// What people set.
    pub settings: AppSettings,
    /// Environment variables, by name, with the version of the secret that holds the value.
    pub env: BTreeMap<EnvName, u64>,
    /// The version that the next secret gets.
    pub next_secret: u64,
    /// How many deployments were requested.
    pub deployments: u64,
    /// The deployment that was promoted last.
    pub live: Option<DeploymentId>,
    /// Where traffic is sent.
    pub serving: Option<DeploymentId>,
    /// The deployment that moves.
    pub rolling: Option<DeploymentId>,
    /// The deployment that waits for its turn.
    pub waiting: Option<DeploymentId>,
    /// The deployment that moves, where it was called off: it gets no traffic any more.
    pub called_off: Option<DeploymentId>,
    /// That it was stopped, where it was.
    pub stopped: Option<Stop>,
    /// That it was deleted and may be restored, where it was.
    pub discarded: Option<Discard>,
    /// What deploys it by itself.
    pub triggers: Triggers,
    /// The key that its builds reach a private repository with over ssh, where it was given one.
    pub source_key: Option<SourceKey>,
    /// Commands that were run once and have not ended.
    pub one_offs: BTreeMap<RunId, OneOff>,
    /// Commands that are run by a schedule.
    pub crons: BTreeMap<CronName, Cron>,
    /// How edges serve it.
    pub edge: EdgeSettings,
    /// Its previews.
    pub previews: Previews,
    /// Of what it is a preview, where it is one.
    pub preview: Option<Box<PreviewOf>>,
    /// Its custom domains, proven and not.
    pub domains: Domains,
    /// The deployment that takes a part of the requests first, where one does or is to.
    pub canary: Option<Canary>,
    /// Whether it sleeps.
    pub asleep: bool,
}

impl App {
    /// The app, where it exists.
    #[must_use]
    pub fn active(&self) -> Option<&ActiveApp> {
        match self {
            Self::Active(app) => Some(app),
            Self::Absent | Self::Deleted => None,
        }
    }
}
