//! The way in to the control plane: commands, reads, and what they need to know.
//!
//! Whoever holds a [`Control`] can ask anything of it while NATS is away: commands become durable
//! and reads answer; only what has to reach a worker or an edge waits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hythe_core::hook::AppsAddress;
use hythe_core::ids::{EdgeId, InstallationId};
use hythe_core::names::{AppName, HostName};
use hythe_core::observed::{Carries, EdgeSeen, Observed};
use hythe_core::record::Sequence;
use hythe_core::sweep::ImageBudget;
use hythe_core::sweep::cache::CacheBudget;
use hythe_core::view::View;
use hythe_store::Journal;
use tokio::sync::watch;
use uuid::Uuid;

pub use crate::aggregate::{CommandError, Done, Extras};
use crate::aggregate::{Hosted, Hosts};
use crate::backup::Backups;
use crate::bus::{Bus, BusState};
use crate::certificates::CertificateDesk;
use crate::clock::Clock;
use crate::domains::Domains;
use crate::github::GitHubApps;
use crate::health::Health;
use crate::observatory::Observatory;
use crate::past::Past;
use crate::previews::Troubles;
use crate::projection::Projection;
use crate::pushes::Pushes;
use crate::reports::note_edge;
use crate::runs::Runs;
use crate::sites::Sites;
use crate::statuses::Statuses;
use crate::uploads::Uploads;

/// How long [`Control::wait_for`] waits.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// The control plane, for whoever asks it. Cheap to clone.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) journal: Journal,
    pub(crate) hosts: Hosts,
    pub(crate) projection: Projection,
    pub(crate) observatory: Observatory,
    pub(crate) bus: Bus,
    pub(crate) health: Health,
    pub(crate) clock: Clock,
    pub(crate) installation: InstallationId,
    pub(crate) past: Past,
    pub(crate) backups: Backups,
    pub(crate) keep_versions: u16,
    pub(crate) image_budget: ImageBudget,
    pub(crate) build_cache: CacheBudget,
    pub(crate) runs: Runs,
    pub(crate) statuses: Statuses,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) sites: Arc<Sites>,
    pub(crate) pushes: Pushes,
    pub(crate) troubles: Troubles,
    pub(crate) github: GitHubApps,
    pub(crate) apps: AppsAddress,
    pub(crate) domains: Domains,
    pub(crate) base_domain: HostName,
    pub(crate) certificates: CertificateDesk,
}

/// Whether the control plane can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// What is wrong or still awaited, in words; none when all is well.
    pub reasons: Vec<String>,
}

impl Readiness {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("installation", &self.0.installation)
            .finish_non_exhaustive()
    }
}

impl Control {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Gives a command to an aggregate; the answer comes once what happened is durable.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn command<M: Hosted>(
        &self,
        id: Uuid,
        command: M::Command,
        extras: Extras,
    ) -> Result<Done<M>, CommandError> {
        M::host(&self.0.hosts).command(id, command, extras).await
    }

    /// Looks at everything that is, as of [`Control::seen`]. Nothing changes while `look` runs, so
    /// it must be quick. It may look at [`Control::observed`], but not the other way round, and
    /// neither within itself.
    pub fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        self.0.projection.read(look)
    }

    /// Looks at what workers, edges and builders last said. As quick as [`Control::read`].
    pub fn observed<T>(&self, look: impl FnOnce(&Observed) -> T) -> T {
        self.0.observatory.read(look)
    }

    /// Waits until reads show an event.
    ///
    /// # Errors
    /// [`CommandError::Unavailable`] where they do not within ten seconds.
    pub async fn wait_for(&self, sequence: Sequence) -> Result<(), CommandError> {
        let mut head = self.seen();
        let wait = head.wait_for(|head| *head >= sequence);
        match tokio::time::timeout(SEEN_WITHIN, wait).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(CommandError::Unavailable(format!(
                "event {sequence} could not be read back within {SEEN_WITHIN:?}"
            ))),
        }
    }

    /// The last event that reads show, now and whenever that changes.
    #[must_use]
    pub fn seen(&self) -> watch::Receiver<Sequence> {
        self.0.projection.watch()
    }

    /// Notes that a proxy asked for its routes, and by which table it has gone until now.
    pub fn polled(&self, edge: EdgeId, revision: u64) {
        let seen = EdgeSeen::new(revision, Carries::Unknown, self.clock().now());
        self.0.observatory.note(|observed| note_edge(observed, edge, seen));
    }

    /// Counts changes of [`Control::observed`].
    #[must_use]
    pub fn observations(&self) -> watch::Receiver<u64> {
        self.0.observatory.changes()
    }

    /// What was so before.
    #[must_use]
    pub fn past(&self) -> &Past {
        &self.0.past
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// The bus.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// What is wrong at the moment.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.0.health
    }

    /// The clock that everything here goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Which installation this is.
    #[must_use]
    pub fn installation(&self) -> InstallationId {
        self.0.installation
    }

    /// Backups of it.
    #[must_use]
    pub fn backups(&self) -> &Backups {
        &self.0.backups
    }

    /// Commands that are run once and looked after here.
    #[must_use]
    pub fn runs(&self) -> &Runs {
        &self.0.runs
    }

    /// What providers were told of commits.
    #[must_use]
    pub fn statuses(&self) -> &Statuses {
        &self.0.statuses
    }

    /// Why previews are not as they are to be.
    #[must_use]
    pub fn troubles(&self) -> &Troubles {
        &self.0.troubles
    }

    /// What was seen of custom domains.
    #[must_use]
    pub fn domains(&self) -> &Domains {
        &self.0.domains
    }

    /// What is known of certificates besides the journal.
    #[must_use]
    pub fn certificates(&self) -> &CertificateDesk {
        &self.0.certificates
    }

    /// The domain that apps have their own hosts under.
    #[must_use]
    pub fn base_domain(&self) -> &HostName {
        &self.0.base_domain
    }

    /// What GitHub is asked on behalf of the installation's Apps.
    #[must_use]
    pub fn github(&self) -> &GitHubApps {
        &self.0.github
    }

    /// Where an app answers.
    #[must_use]
    pub fn app_url(&self, app: &AppName) -> String {
        self.0.apps.of(app.as_str())
    }

    /// How many earlier versions of each app can be gone back to.
    #[must_use]
    pub fn keep_versions(&self) -> u16 {
        self.0.keep_versions
    }

    /// What people sent to be built.
    #[must_use]
    pub fn uploads(&self) -> &Arc<Uploads> {
        &self.0.uploads
    }

    /// The files of static sites.
    #[must_use]
    pub fn sites(&self) -> &Arc<Sites> {
        &self.0.sites
    }

    /// What people pushed here by git.
    #[must_use]
    pub fn pushes(&self) -> &Pushes {
        &self.0.pushes
    }

    /// How much of the images of apps each worker keeps.
    #[must_use]
    pub fn image_budget(&self) -> ImageBudget {
        self.0.image_budget
    }

    /// How much of the build cache each worker keeps.
    #[must_use]
    pub fn build_cache(&self) -> CacheBudget {
        self.0.build_cache
    }

    /// How many aggregates are in memory: apps, deployments, workers.
    #[must_use]
    pub fn active(&self) -> [usize; 3] {
        self.0.hosts.active()
    }

    /// Whether everything works that a deployment needs.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let mut reasons = self.health().problems();
        match &*self.bus().state().borrow() {
            BusState::Ready { .. } => {}
            BusState::Connecting { why } => reasons.push(format!("nats: {why}")),
            BusState::Unusable(error) => reasons.push(format!("nats: failed to {error}")),
        }
        let now = self.clock().now();
        let lease = hythe_core::limits::WORKER_LEASE;
        let heard = self.observed(|observed| {
            observed.workers.values().any(|worker| now.since(worker.heard_at) < lease)
        });
        if !heard {
            reasons
                .push("workers: none was heard of lately; see whether `hythe agent` runs".into());
        }
        let table = self.observed(|observed| observed.unpublishable.clone());
        reasons.extend(table.map(|why| format!("edges: {why}")));
        Readiness { reasons }
    }

    pub(crate) fn observatory(&self) -> &Observatory {
        &self.0.observatory
    }

    pub(crate) fn projection(&self) -> &Projection {
        &self.0.projection
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.0.hosts
    }
}
