//! The control plane as one thing: opened, kept going, closed.
//!
//! It answers as soon as the journal is folded, NATS or not. Every part of it is started again
//! when it fails, on its own. Closing lets what is under way become durable, in the order in which
//! parts depend on one another.

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hythe_core::hook::AppsAddress;
use hythe_core::ids::InstallationId;
use hythe_core::installation::BackupPlace;
use hythe_core::limits;
use hythe_core::names::HostName;
use hythe_core::sweep::ImageBudget;
use hythe_core::sweep::cache::CacheBudget;
use hythe_store::{Journal, JournalOptions, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::aggregate::{AggregateLimits, Hosts};
use crate::backup::{self, Backups};
use crate::bus::{BusError, NatsSettings, connect_in_background, keep_shares};
use crate::certificates::{self, AcmeConfig, CertificateDesk};
use crate::clock::Clock;
use crate::control::{Control, Inner};
use crate::domains::{self, Domains};
use crate::github::GitHubApps;
use crate::health::Health;
use crate::observatory::Observatory;
use crate::past::Past;
use crate::previews::{self, Troubles};
use crate::projection::Projection;
use crate::pushes::Pushes;
use crate::reconciler::Reconciler;
use crate::reports::Reports;
use crate::runs::{self, Runs};
use crate::sites::{self, Claim, SiteStoreError, Sites};
use crate::statuses::{self, Statuses};
use crate::supervise::supervise;
use crate::uploads::{self, Uploads};
use crate::{crons, housekeeping, publisher, pulls, reactor};

/// How long each step of closing may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// How long a start waits to hear whose the place for static sites is.
const CLAIM_WITHIN: Duration = Duration::from_secs(5);

/// What a server is to be.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The data directory: the journal in `journal/`, the master key in `master.key`, the
    /// installation's id in `instance`, what people sent to be built in `uploads/`, what
    /// they pushed in `git/`, and the files of static sites in `sites/`.
    pub data: PathBuf,
    /// Where NATS is.
    pub nats: NatsSettings,
    /// Apps answer at `<app>.<base domain>`.
    pub base_domain: HostName,
    /// Where people reach them, as providers are told.
    pub apps: AppsAddress,
    /// The journal's bounds.
    pub journal: JournalOptions,
    /// How many earlier versions of each app can be gone back to.
    pub keep_versions: u16,
    /// How much of the images of apps each worker keeps.
    pub image_budget: ImageBudget,
    /// How much of the build cache each worker keeps.
    pub build_cache: CacheBudget,
    /// Where the files of static sites are kept; a folder of its own where nothing is said.
    pub sites: Option<BackupPlace>,
    /// The aggregates' bounds.
    pub limits: AggregateLimits,
    /// What time it is.
    pub clock: Clock,
    /// How certificate authorities are reached.
    pub acme: AcmeConfig,
}

impl ServerConfig {
    /// With the usual bounds and the machine's clock.
    #[must_use]
    pub fn new(data: PathBuf, nats: NatsSettings, base_domain: HostName) -> Self {
        let apps = AppsAddress { domain: base_domain.clone(), port: 80, https: false };
        Self {
            data,
            nats,
            base_domain,
            apps,
            journal: JournalOptions::default(),
            keep_versions: limits::VERSIONS_KEPT,
            image_budget: ImageBudget::default(),
            build_cache: CacheBudget::default(),
            sites: None,
            limits: AggregateLimits::default(),
            clock: Clock::system(),
            acme: AcmeConfig::default(),
        }
    }
}

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The journal cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The settings for NATS make no sense.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The file with the installation's id cannot be used.
    #[error("read the installation's id in {}: {why}", path.display())]
    Instance {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The folder of uploads cannot be used.
    #[error("use the folder of uploads {}: {error}", path.display())]
    Uploads {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The folder of repositories that are pushed to cannot be used.
    #[error("use the folder of what is pushed here {}: {error}", path.display())]
    Pushes {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What keeps the files of static sites cannot be used.
    #[error("keep the files of static sites: {0}")]
    Sites(#[from] SiteStoreError),
    /// A thread of ours failed.
    #[error("start the server: {0}")]
    Failed(String),
}

/// A control plane that runs.
#[derive(Debug)]
pub struct Server {
    control: Control,
    /// Ends what gives commands.
    stop: CancellationToken,
    /// Ends the aggregates and the projection.
    stop_last: CancellationToken,
    parts: JoinSet<()>,
    last_parts: JoinSet<()>,
}

/// Opens the journal and starts every part. Does not wait for NATS.
///
/// # Errors
/// Where the journal cannot be opened or read, or the settings make no sense.
pub async fn run(config: ServerConfig) -> Result<Server, ServerError> {
    let ServerConfig {
        data,
        nats,
        base_domain,
        apps,
        journal,
        keep_versions,
        image_budget,
        build_cache,
        sites,
        limits,
        clock,
        acme,
    } = config;
    let certificates = CertificateDesk::new(acme, &data);
    let backups = Backups::new(data.clone());
    let opening = tokio::task::spawn_blocking(move || {
        let journal = Journal::open(&data, journal)?;
        let projection = Projection::open(&journal)?;
        let installation = installation(&data)?;
        let folder = data.join("uploads");
        let uploads = Uploads::open(folder.clone())
            .map_err(|error| ServerError::Uploads { path: folder, error })?;
        let folder = data.join("git");
        let pushes =
            Pushes::open(&folder).map_err(|error| ServerError::Pushes { path: folder, error })?;
        let sites = Sites::open(sites.as_ref(), &data.join("sites"), installation)?;
        Ok::<_, ServerError>((journal, projection, installation, uploads, pushes, sites))
    });
    let opened = opening.await.map_err(|error| ServerError::Failed(error.to_string()))?;
    let (journal, projection, installation, uploads, pushes, sites) = opened?;
    claim_sites(&sites).await?;
    let bus = connect_in_background(&nats, "hythe server").await?;

    let (stop, stop_last) = (CancellationToken::new(), CancellationToken::new());
    let health = Health::default();
    let hosts = Hosts::start(&journal, limits, &health, &stop_last).await;
    let observatory = Observatory::starting_at(clock.now());
    let past = Past::new(&journal);
    let github = GitHubApps::new(journal.clone(), installation, clock.clone());
    let inner = Inner {
        journal,
        hosts,
        projection,
        observatory,
        bus,
        health,
        clock,
        installation,
        backups,
        past,
        keep_versions,
        image_budget,
        build_cache,
        runs: Runs::default(),
        statuses: Statuses::default(),
        uploads: Arc::new(uploads),
        sites: Arc::new(sites),
        pushes,
        troubles: Troubles::default(),
        github,
        apps,
        domains: Domains::default(),
        base_domain: base_domain.clone(),
        certificates,
    };
    let control = Control::new(inner);
    let parts = start_parts(&control, &base_domain, &stop);
    let last_parts = start_last_parts(&control, &stop_last);
    Ok(Server { control, stop, stop_last, parts, last_parts })
}

fn start_parts(control: &Control, base_domain: &HostName, stop: &CancellationToken) -> JoinSet<()> {
    let reports = Reports {
        installation: control.installation(),
        bus: control.bus().clone(),
        hosts: control.hosts().clone(),
        observatory: control.observatory().clone(),
        views: control.projection().clone(),
        clock: control.clock().clone(),
    };
    let reconciler = Reconciler {
        bus: control.bus().clone(),
        hosts: control.hosts().clone(),
        journal: control.journal().clone(),
        installation: control.installation(),
        github: control.github().clone(),
        observatory: control.observatory().clone(),
        views: control.projection().clone(),
        clock: control.clock().clone(),
        base_domain: base_domain.clone(),
    };
    let (reacting, publishing) = (control.clone(), control.clone());
    let token = || stop.clone();
    let (of_reports, of_reconciler, of_publisher) = (token(), token(), token());
    let health = || control.health().clone();
    let mut parts = JoinSet::new();
    parts.spawn(supervise("reactor", health(), token(), move || reactor::run(reacting.clone())));
    parts.spawn(supervise("reconciler", health(), token(), move || {
        Box::pin(reconciler.clone().run(of_reconciler.clone()))
    }));
    parts.spawn(supervise("reports", health(), token(), move || {
        let (reports, stop) = (reports.clone(), of_reports.clone());
        async move {
            Box::pin(reports.run(stop)).await;
            Ok(())
        }
    }));
    parts.spawn(supervise("publisher", health(), token(), move || {
        let (journal, bus) = (publishing.journal().clone(), publishing.bus().clone());
        publisher::run(journal, bus, publishing.installation(), of_publisher.clone())
    }));
    let (scheduling, mirroring, recovering) = (control.clone(), control.clone(), control.clone());
    let (of_schedule, of_mirror, of_recovery) = (token(), token(), token());
    parts.spawn(supervise("backups", health(), token(), move || {
        backup::keep_schedule(scheduling.clone(), of_schedule.clone())
    }));
    parts.spawn(supervise("mirror", health(), token(), move || {
        backup::keep_mirror(mirroring.clone(), of_mirror.clone())
    }));
    parts.spawn(supervise("recovery", health(), token(), move || {
        backup::recover(recovering.clone(), of_recovery.clone())
    }));
    let (watching, of_runs) = (control.clone(), token());
    parts.spawn(supervise("runs", health(), token(), move || {
        runs::keep(watching.clone(), of_runs.clone())
    }));
    let (timing, of_crons) = (control.clone(), token());
    parts.spawn(supervise("cron jobs", health(), token(), move || {
        crons::keep(timing.clone(), of_crons.clone())
    }));
    let (telling, of_statuses) = (control.clone(), token());
    parts.spawn(supervise("statuses", health(), token(), move || {
        statuses::keep(telling.clone(), of_statuses.clone())
    }));
    let (giving, of_uploads) = (control.clone(), token());
    parts.spawn(supervise("uploads", health(), token(), move || {
        let (bus, uploads) = (giving.bus().clone(), Arc::clone(giving.uploads()));
        uploads::serve(bus, giving.installation(), uploads, of_uploads.clone())
    }));
    let (keeping, of_sites) = (control.clone(), token());
    parts.spawn(supervise("sites", health(), token(), move || {
        let (bus, sites) = (keeping.bus().clone(), Arc::clone(keeping.sites()));
        sites::serve(bus, sites, of_sites.clone())
    }));
    let (previewing, of_previews) = (control.clone(), token());
    parts.spawn(supervise("previews", health(), token(), move || {
        previews::keep(previewing.clone(), of_previews.clone())
    }));
    let (commenting, of_pulls) = (control.clone(), token());
    parts.spawn(supervise("pulls", health(), token(), move || {
        pulls::keep(commenting.clone(), of_pulls.clone())
    }));
    let (proving, of_domains) = (control.clone(), token());
    parts.spawn(supervise("domains", health(), token(), move || {
        domains::keep(proving.clone(), of_domains.clone())
    }));
    let (certifying, of_certificates) = (control.clone(), token());
    parts.spawn(supervise("certificates", health(), token(), move || {
        Box::pin(certificates::keep(certifying.clone(), of_certificates.clone()))
    }));
    let (sharing, of_shares) = (control.clone(), token());
    parts.spawn(supervise("room for logs", health(), token(), move || {
        keep_shares(sharing.bus().clone(), of_shares.clone())
    }));
    let (tidying, of_housekeeping) = (control.clone(), token());
    parts.spawn(supervise("housekeeping", health(), token(), move || {
        housekeeping::keep_tidy(tidying.clone(), of_housekeeping.clone())
    }));
    parts
}

fn start_last_parts(control: &Control, stop: &CancellationToken) -> JoinSet<()> {
    let mut parts = JoinSet::new();
    let following = control.clone();
    let health = control.health().clone();
    parts.spawn(supervise("projection", health, stop.clone(), move || {
        let control = following.clone();
        async move { control.projection().follow(control.journal().clone()).await }
    }));
    parts
}

impl Server {
    /// The way in to it.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Takes nothing new, lets what is under way become durable, saves a checkpoint and closes
    /// the journal. Takes at most half a minute.
    pub async fn close(mut self) {
        self.stop.cancel();
        ended(&mut self.parts, "the parts").await;
        let drained = tokio::time::timeout(CLOSE_WITHIN, self.control.hosts().drain()).await;
        if drained.is_err() {
            tracing::warn!("not every command was answered before the server closed");
        }
        self.stop_last.cancel();
        ended(&mut self.last_parts, "the projection").await;
        let control = self.control.clone();
        let closing = tokio::task::spawn_blocking(move || {
            if let Err(why) = control.projection().save(control.journal()) {
                tracing::warn!(%why, "failed to save a checkpoint; the next start takes longer");
            }
            control.journal().close();
        });
        if let Err(error) = closing.await {
            tracing::error!(%error, "failed to close the journal");
        }
        self.control.bus().close().await;
    }
}

/// Waits for tasks to end, and ends those that do not.
async fn ended(tasks: &mut JoinSet<()>, what: &str) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(CLOSE_WITHIN, all).await.is_err() {
        tracing::warn!(what, "did not end in time");
        tasks.shutdown().await;
    }
}

/// Refuses a place for static sites that is another installation's. One that does not answer is asked again
/// before anything is written there.
async fn claim_sites(sites: &Sites) -> Result<(), SiteStoreError> {
    match tokio::time::timeout(CLAIM_WITHIN, sites.claim()).await {
        Ok(Err(error @ SiteStoreError::Owned(_))) => Err(error),
        Ok(Err(error)) => {
            tracing::warn!(%error, "whose the place for static sites is will be looked at later");
            Ok(())
        }
        Ok(Ok(Claim::Own | Claim::Shared | Claim::OfAnother)) => {
            if let Some(why) = sites.shared() {
                tracing::warn!(why, "nothing of static sites is tidied up");
            }
            Ok(())
        }
        Err(_) => {
            tracing::warn!("the place for static sites does not answer; it is asked again later");
            Ok(())
        }
    }
}

/// The installation's id, minted the first time.
fn installation(data: &Path) -> Result<InstallationId, ServerError> {
    let path = data.join("instance");
    let bad = |why: String| ServerError::Instance { path: path.clone(), why };
    match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            bad("it holds no id; put the one back that workers know this installation by".into())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = InstallationId::new(Uuid::now_v7());
            // Whole or not at all: half an id would never be read again.
            let written = tempfile::NamedTempFile::new_in(data).and_then(|mut file| {
                writeln!(file, "{id}")?;
                file.as_file().sync_all()?;
                #[expect(clippy::disallowed_methods, reason = "nothing follows from half a start")]
                file.persist(&path).map_err(|error| error.error)?;
                std::fs::File::open(data)?.sync_all()
            });
            written.map_err(|error| bad(error.to_string()))?;
            Ok(id)
        }
        Err(error) => Err(bad(error.to_string())),
    }
}
