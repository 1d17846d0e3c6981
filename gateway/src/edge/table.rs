//! The table in force, and who is still busy with an older one.
//!
//! Invariants:
//! - A request is counted for its deployment from before it may use the target it chose until its
//!   answer has ended. Once [`Live::apply`] has returned, every uncounted request chooses from the
//!   new table: a report written after it misses nobody.
//! - A deployment that left the table stays in the books until its last request has ended.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use hythe_core::canary::PartSite;
use hythe_core::edge::EdgeUser;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::limits::MOST_SLEEP_TOLD;
use hythe_core::names::AppName;
use hythe_core::routes::{Backend, Route, RouteTable};
use hythe_core::site::SiteId;
use hythe_core::time::Millis;
use hythe_core::wire::edge::{Busy, Leaving, Passwords};
use tokio::sync::{Notify, watch};

use super::access::Tap;
use super::balance::{Chosen, Upstream};
use super::connection::Clock;
use super::figures::{Figures, Line};
use super::gate::{Gate, Shared};
use super::mounts::{Ambiguous, Mounts, Place};
use super::site::{Served, Shelf};
use super::sleep::{Known, Sleeper};
use super::split::{Side, Split, Stays};
use super::version::Keep;

/// What a request for a host gets.
#[derive(Debug)]
pub(crate) enum Found {
    /// Replicas to ask, the request already counted.
    Replicas(InFlight),
    /// The app's first deployment is on its way.
    Starting,
    /// Somebody stopped the app.
    Stopped,
    /// The app sleeps, or was just woken.
    Asleep(Arc<Sleeper>),
    /// The app has nothing to answer with.
    Down,
    /// The host is another name of this one.
    Redirect(Arc<str>),
    /// A static site: nobody has to be asked.
    Site(Arc<Served>),
    /// No route has this host.
    Nobody,
    /// No table has come yet, so nothing can be said.
    NoTable,
}

/// What answers for a host.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    Replicas(Arc<Upstream>),
    Starting,
    Stopped,
    Asleep(Arc<Sleeper>),
    Down,
    Redirect(Arc<str>),
    Site(Arc<Served>),
}

impl Way {
    /// The deployment that answers, where one does.
    pub(crate) fn deployment(&self) -> Option<DeploymentId> {
        match self {
            Self::Replicas(upstream) => Some(upstream.deployment),
            Self::Site(served) => served.deployment,
            Self::Starting | Self::Stopped | Self::Asleep(_) | Self::Down | Self::Redirect(_) => {
                None
            }
        }
    }

    /// Whether one of its replicas is what a client stays with.
    pub(crate) fn knows(&self, token: u64) -> bool {
        match self {
            Self::Replicas(upstream) => upstream.knows(token),
            Self::Starting
            | Self::Stopped
            | Self::Asleep(_)
            | Self::Down
            | Self::Redirect(_)
            | Self::Site(_) => false,
        }
    }

    const fn is_site(&self) -> bool {
        matches!(self, Self::Site(_))
    }
}

/// An app at a path of somebody else's host.
type MountedApp = (Arc<Place>, Entry);

/// One host.
#[derive(Clone, Debug)]
struct Entry {
    way: Way,
    id: AppId,
    app: AppName,
    /// What holds for it, where that is other than usual.
    gate: Option<Arc<Gate>>,
    figures: Arc<Figures>,
    /// How much of its requests is told; none where nothing is.
    tap: Option<Arc<Tap>>,
    /// Other apps at paths of the host.
    mounts: Option<Arc<Mounts<MountedApp>>>,
    /// A new version that takes a part of its requests.
    split: Option<Split>,
}

#[derive(Debug, Default)]
struct Compiled {
    hosts: HashMap<Box<str>, Entry>,
    /// By the host that the others are right below.
    wildcards: HashMap<Box<str>, Entry>,
}

impl Compiled {
    /// What there is about a host: its own entry, or that of the wildcard right above it.
    fn entry(&self, host: &str) -> Option<&Entry> {
        self.hosts.get(host).or_else(|| {
            let (_, above) = host.split_once('.').filter(|_| !self.wildcards.is_empty())?;
            self.wildcards.get(above)
        })
    }
}

/// What there is about a host.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) found: Found,
    /// What holds for it, where that is other than usual.
    pub(crate) gate: Option<Arc<Gate>>,
    /// Where its requests are counted; none where no route has this host.
    pub(crate) figures: Option<Arc<Figures>>,
    /// Where they are told, where they are.
    pub(crate) tap: Option<Arc<Tap>>,
    /// Where at the host it is, where it is mounted there.
    pub(crate) place: Option<Arc<Place>>,
    /// The app that it leads to; none where no route has this host.
    pub(crate) app: Option<AppId>,
    /// Whether the path could be taken for another one: then it leads to no app, and what else is here is
    /// of the app whose host it is.
    pub(crate) ambiguous: bool,
    /// How the client is kept with the version that answers, where there are two and it is to be.
    pub(crate) keep: Option<Keep>,
}

impl Seen {
    /// Nothing is known of a host.
    fn nothing(found: Found) -> Self {
        let (gate, figures, tap, place, app) = (None, None, None, None, None);
        Self { found, gate, figures, tap, place, app, ambiguous: false, keep: None }
    }
}

/// Requests and upgraded connections under way to one deployment, over all tables.
#[derive(Debug)]
pub(crate) struct Flight {
    deployment: DeploymentId,
    count: AtomicU64,
    /// No route leads here any more.
    retired: AtomicBool,
    changed: Arc<Notify>,
}

impl Flight {
    /// Whether the deployment is out of the table.
    pub(crate) fn retired(&self) -> bool {
        self.retired.load(SeqCst)
    }
}

/// One request under way to a deployment. Counted while it lives.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) upstream: Arc<Upstream>,
    chose: bool,
}

impl InFlight {
    fn enter(upstream: &Arc<Upstream>) -> Self {
        upstream.flight.count.fetch_add(1, SeqCst);
        upstream.entered.fetch_add(1, SeqCst);
        upstream.undecided.fetch_add(1, SeqCst);
        Self { upstream: Arc::clone(upstream), chose: false }
    }

    /// Chooses a replica that is not among `tried`; none when all are. To be done once: another
    /// choice takes another look at the table.
    #[cfg(test)]
    pub(crate) fn choose(&mut self, tried: &[SocketAddr], now_ms: u64) -> Option<Chosen> {
        self.choose_for(None, tried, now_ms)
    }

    /// The same, and if it can be the one that the client stays with.
    pub(crate) fn choose_for(
        &mut self,
        stays: Option<u64>,
        tried: &[SocketAddr],
        now_ms: u64,
    ) -> Option<Chosen> {
        let same = stays.and_then(|token| self.upstream.stay(token, tried, now_ms));
        let chosen = same.or_else(|| self.upstream.choose(tried, now_ms))?;
        // Counted at its target by now.
        if !std::mem::replace(&mut self.chose, true) {
            self.upstream.undecided.fetch_sub(1, SeqCst);
        }
        Some(chosen)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.chose {
            self.upstream.undecided.fetch_sub(1, SeqCst);
        }
        self.upstream.entered.fetch_sub(1, SeqCst);
        let flight = &self.upstream.flight;
        if self.upstream.retired.load(SeqCst) {
            flight.changed.notify_one();
        }
        // Sequentially consistent with `apply`: either it sees our count, or we see `retired`.
        if flight.count.fetch_sub(1, SeqCst) == 1 && flight.retired() {
            flight.changed.notify_one();
        }
    }
}

#[derive(Debug, Default)]
struct Books {
    revision: u64,
    flights: HashMap<DeploymentId, Arc<Flight>>,
    upstreams: HashMap<DeploymentId, Arc<Upstream>>,
    /// Lists of targets of before, of deployments that have another one now, with requests.
    before: Vec<Arc<Upstream>>,
    /// What hosts of one app share.
    shared: HashMap<AppId, Arc<Shared>>,
    /// The table in force, where it names sites: it is applied anew once more of them are there.
    table: Option<Box<(RouteTable, BTreeMap<AppId, Passwords>)>>,
    /// Deployments that it leads to and whose sites are not there yet.
    behind: BTreeSet<DeploymentId>,
    /// The access logs of apps that have one.
    taps: HashMap<AppId, Arc<Tap>>,
    /// Apps that sleep or may.
    sleepers: BTreeMap<AppId, Known>,
    /// Of new versions that take a part of the requests: how many were to be theirs or another version's.
    turns: HashMap<DeploymentId, Arc<AtomicU64>>,
}

impl Books {
    /// Requests to replicas that are out of the table, of deployments that are in it.
    fn leaving(&mut self) -> Vec<Leaving> {
        self.before.retain(|upstream| upstream.entered.load(SeqCst) > 0);
        let mut leaving: BTreeMap<SocketAddr, u64> = BTreeMap::new();
        for upstream in &self.before {
            let Some(now) = self.upstreams.get(&upstream.deployment) else { continue };
            for (target, requests) in upstream.under_way() {
                if requests > 0 && !now.has(target) {
                    *leaving.entry(target).or_default() += requests;
                }
            }
        }
        leaving.into_iter().map(|(target, requests)| Leaving { target, requests }).collect()
    }
}

/// The table in force.
#[derive(Debug)]
pub(crate) struct Live {
    current: ArcSwap<Compiled>,
    /// Raised after every change of `current`, before anyone is told of it.
    version: AtomicU64,
    revision: AtomicU64,
    /// The newest revision that reports may tell of.
    told: AtomicU64,
    books: Mutex<Books>,
    cores: usize,
    /// The sites that can be served, where any can.
    shelf: Option<Arc<Shelf>>,
    /// Tells of each table, to those who wait for another one.
    tables: watch::Sender<u64>,
    /// Signalled when a report is due: a table was applied, a drained deployment fell idle, or an app that
    /// sleeps is wanted.
    pub(crate) changed: Arc<Notify>,
    /// By which it is known when apps were asked for.
    clock: Clock,
}

impl Live {
    /// No table yet.
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self::on(1)
    }

    /// No table yet, for so many cores.
    #[cfg(test)]
    pub(crate) fn on(cores: usize) -> Self {
        Self::serving(cores, None)
    }

    /// The same, with sites.
    pub(crate) fn serving(cores: usize, shelf: Option<Arc<Shelf>>) -> Self {
        Self {
            current: ArcSwap::from_pointee(Compiled::default()),
            version: AtomicU64::new(0),
            revision: AtomicU64::new(0),
            told: AtomicU64::new(0),
            books: Mutex::new(Books::default()),
            cores,
            shelf,
            tables: watch::Sender::new(0),
            changed: Arc::new(Notify::new()),
            clock: Clock::start(),
        }
    }

    /// Somebody who may asks for an app that may sleep.
    pub(crate) fn asked(&self, sleeper: &Sleeper) {
        sleeper.asked(self.clock.now_ms());
    }

    /// Somebody waits for an app that sleeps: the first of them is told of at once.
    pub(crate) fn want(&self, sleeper: &Sleeper) {
        if sleeper.want() {
            self.changed.notify_one();
        }
    }

    /// Revision of the table in force; 0 before the first.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(SeqCst)
    }

    /// Finds what answers for a host (lower case, without port) and counts the request there.
    ///
    /// Counting and the change of tables are two steps on either side, so the order matters. Here:
    /// read version, choose, count, read version again. In `apply`: change the table, raise the
    /// version, only then read counts. All of it is sequentially consistent, so if our second look
    /// still finds the old version, our count came before `apply` read it and the report shows it;
    /// else we give the count back and choose anew.
    pub(crate) fn look_up(&self, host: &str, path: &str, side: Side<'_>) -> Seen {
        loop {
            let version = self.version.load(SeqCst);
            let table = self.current.load();
            let Some(entry) = table.entry(host) else {
                let found = if version == 0 { Found::NoTable } else { Found::Nobody };
                return Seen::nothing(found);
            };
            let mounted = match &entry.mounts {
                Some(mounts) => mounts.find(path),
                None => Ok(None),
            };
            let (place, entry) = match mounted {
                Ok(Some((place, mounted))) => (Some(Arc::clone(place)), mounted),
                Ok(None) => (None, entry),
                Err(Ambiguous) => {
                    let figures = Some(Arc::clone(&entry.figures));
                    let (gate, tap, app) = (entry.gate.clone(), entry.tap.clone(), Some(entry.id));
                    let nothing = Seen::nothing(Found::Down);
                    return Seen { gate, figures, tap, app, ambiguous: true, ..nothing };
                }
            };
            let (way, keep) = match &entry.split {
                Some(split) => split.choose(&entry.way, side, path),
                None => (&entry.way, None),
            };
            let found = match way {
                Way::Replicas(upstream) => {
                    let counted = InFlight::enter(upstream);
                    if self.version.load(SeqCst) != version {
                        continue;
                    }
                    Found::Replicas(counted)
                }
                Way::Starting => Found::Starting,
                Way::Stopped => Found::Stopped,
                Way::Asleep(sleeper) => Found::Asleep(Arc::clone(sleeper)),
                Way::Down => Found::Down,
                Way::Redirect(to) => Found::Redirect(Arc::clone(to)),
                Way::Site(site) => Found::Site(Arc::clone(site)),
            };
            let figures = Some(Arc::clone(&entry.figures));
            let (gate, tap, app) = (entry.gate.clone(), entry.tap.clone(), Some(entry.id));
            return Seen { found, gate, figures, tap, place, app, ambiguous: false, keep };
        }
    }

    /// The same, of which only what was found matters.
    #[cfg(test)]
    pub(crate) fn find(&self, host: &str) -> Found {
        self.look_up(host, "/", Side::Any).found
    }

    /// The same for a place at the host that led to an app before, and whose gate the request has passed.
    /// What leads to another app by now has another gate: it is nothing for this request.
    pub(crate) fn find_at(
        &self,
        host: &str,
        place: Option<&Place>,
        app: Option<AppId>,
        side: Side<'_>,
    ) -> Found {
        let path = place.map_or("/", |place| place.prefix.as_str());
        let seen = self.look_up(host, path, side);
        let there = seen.place.as_ref().map(|place| &place.prefix);
        if seen.app == app && there == place.map(|place| &place.prefix) {
            seen.found
        } else {
            Found::Down
        }
    }

    /// Tells of tables from now on.
    pub(crate) fn tables(&self) -> watch::Receiver<u64> {
        self.tables.subscribe()
    }

    /// How many routes there are, and the figures of those that were asked for, by host.
    pub(crate) fn figures(&self) -> (usize, Vec<Line>) {
        let table = self.current.load();
        let hosts = table.hosts.iter().map(|(host, entry)| (host.to_string(), entry));
        let below = table.wildcards.iter().map(|(above, entry)| (format!("*.{above}"), entry));
        let mounted = table.hosts.iter().flat_map(|(host, entry)| {
            let places = entry.mounts.iter().flat_map(|mounts| mounts.iter());
            places.map(move |(prefix, (_, entry))| (format!("{host}{prefix}"), entry))
        });
        let mut lines: Vec<Line> = hosts
            .chain(below)
            .chain(mounted)
            .filter_map(|(host, entry)| Some((host, entry.app.to_string(), entry.figures.sum()?)))
            .collect();
        lines.sort_by(|one, other| one.0.cmp(&other.0));
        (table.hosts.len(), lines)
    }

    /// Puts a table in force for all requests that have not chosen a target yet, on all cores.
    /// When it returns, [`Live::report`] tells of the new table. Signalling `changed` is left to
    /// the caller.
    #[cfg(test)]
    pub(crate) fn apply(&self, table: &RouteTable) {
        self.apply_with(table, &BTreeMap::new());
    }

    /// The same, with the hashes that go with the users that the table names.
    pub(crate) fn apply_with(&self, table: &RouteTable, passwords: &BTreeMap<AppId, Passwords>) {
        self.apply_ahead(table, passwords);
        self.tell(table.revision);
    }

    /// The same, but reports tell of the revision that they told of before until [`Live::tell`].
    pub(crate) fn apply_ahead(&self, table: &RouteTable, passwords: &BTreeMap<AppId, Passwords>) {
        let first = self.version.load(SeqCst) == 0;
        if let Some(shelf) = self.shelf.as_ref().filter(|_| first) {
            // What was there when the edge ended is there again before anybody is answered.
            shelf.recall(table);
        }
        let mut books = self.books();
        self.apply_to(&mut books, table, passwords);
        let names = |route: &Route| {
            matches!(route.backend, Backend::Site { .. }) || route.part_site().is_some()
        };
        let sites = table.all().any(names);
        books.table = sites.then(|| Box::new((table.clone(), passwords.clone())));
    }

    /// Reports may tell of this revision from now on.
    pub(crate) fn tell(&self, revision: u64) {
        self.told.fetch_max(revision, SeqCst);
    }

    /// Applies the table in force once more, where it names sites: others may be there by now.
    pub(crate) fn apply_again(&self) {
        let mut books = self.books();
        let Some(kept) = books.table.take() else { return };
        self.apply_to(&mut books, &kept.0, &kept.1);
        books.table = Some(kept);
        drop(books);
        self.changed.notify_one();
    }

    /// Looks at the table in force; at one without routes where it names no sites.
    pub(crate) fn with_table<T>(&self, look: impl FnOnce(&RouteTable) -> T) -> T {
        let books = self.books();
        match &books.table {
            Some(kept) => look(&kept.0),
            None => look(&RouteTable::default()),
        }
    }

    /// Deployments that the table leads to and whose sites are not there yet. To be asked after
    /// [`Live::report`]: a site that is there stays for as long as it is in the table, so what is not in this
    /// list was served by the revision that was reported.
    pub(crate) fn behind(&self) -> BTreeSet<DeploymentId> {
        self.books().behind.clone()
    }

    fn apply_to(
        &self,
        books: &mut Books,
        table: &RouteTable,
        passwords: &BTreeMap<AppId, Passwords>,
    ) {
        let before = self.current.load_full();
        books.behind.clear();
        let (mut shared, mut taps) = (HashMap::new(), HashMap::new());
        let (mut sleepers, mut turns) = (BTreeMap::new(), HashMap::new());
        let mut upstreams = HashMap::with_capacity(table.routes.len());
        let mut hosts = HashMap::with_capacity(table.routes.len());
        let mut wildcards = HashMap::new();
        for (host, route) in &table.routes {
            let mut entry = |route: &Route, known: Option<&Entry>| {
                let sleeper = sleeper(books, &mut sleepers, route);
                let asleep = sleeper.clone().filter(|_| route.asleep);
                let way = match (&route.redirect, &route.backend) {
                    (Some(to), _) => Way::Redirect(Arc::from(to.as_str())),
                    (None, Backend::Replicas { deployment, targets }) if !targets.is_empty() => {
                        Way::Replicas(self.upstream(books, &mut upstreams, *deployment, targets))
                    }
                    (None, Backend::Down) if route.stopped => Way::Stopped,
                    // An empty list is against the contract, and one broken route is no reason to
                    // refuse all others.
                    (None, Backend::Replicas { .. } | Backend::Down) => Way::Down,
                    (None, Backend::Starting) => asleep.map_or(Way::Starting, Way::Asleep),
                    (None, Backend::Site { deployment, site, earlier }) => {
                        // Pages of the new version are open where it is taken back, or asked for what
                        // is named after its content without saying so.
                        let new = route.part_site().map(|part| &part.site);
                        let earlier_too = new.into_iter().chain(earlier);
                        match self.served(Some(*deployment), site, earlier_too) {
                            Some(served) => Way::Site(Arc::new(served)),
                            None => {
                                books.behind.insert(*deployment);
                                // After a start there is nothing that it did before: the version
                                // before, where that was a site, is on the disk.
                                let before = || {
                                    let (id, rest) = earlier.split_first()?;
                                    Some(Way::Site(Arc::new(self.served(None, id, rest.iter())?)))
                                };
                                let way = stays(known, route.app, &mut upstreams);
                                if matches!(way, Way::Starting) {
                                    before().unwrap_or(way)
                                } else {
                                    way
                                }
                            }
                        }
                    }
                };
                let split = self.split(books, &mut upstreams, &mut turns, route, &way);
                let figures = self.figures_of(known);
                let gate = gate(books, &mut shared, route, passwords, sleeper);
                let tap = self.tap(books, &mut taps, route);
                let (id, app) = (route.app, route.name.clone());
                Entry { way, id, app, gate, figures, tap, mounts: None, split }
            };
            let known = before.hosts.get(host.as_str());
            let mut own = entry(route, known);
            for above in &route.wildcards {
                let figures = self.figures_of(before.wildcards.get(above.as_str()));
                wildcards.insert(Box::from(above.as_str()), Entry { figures, ..own.clone() });
            }
            if !route.mounts.is_empty() {
                let before = known.and_then(|known| known.mounts.as_ref());
                let places = route.mounts.iter().map(|(prefix, mounted)| {
                    let known = before.and_then(|before| before.get(prefix.as_str()));
                    let there = entry(&mounted.route, known.map(|(_, entry)| entry));
                    (prefix, (Arc::new(Place::new(prefix, mounted)), there))
                });
                own.mounts = Some(Arc::new(Mounts::new(places)));
            }
            hosts.insert(Box::from(host.as_str()), own);
        }
        (books.shared, books.taps) = (shared, taps);
        (books.sleepers, books.turns) = (sleepers, turns);
        for id in upstreams.keys() {
            if let Some(flight) = books.flights.get(id) {
                flight.retired.store(false, SeqCst);
            }
        }
        self.current.store(Arc::new(Compiled { hosts, wildcards }));
        self.version.fetch_add(1, SeqCst);
        self.revision.store(table.revision, SeqCst);
        for (id, flight) in &books.flights {
            if !upstreams.contains_key(id) {
                flight.retired.store(true, SeqCst);
            }
        }
        books.revision = table.revision;
        self.tables.send_replace(table.revision);
        let before = std::mem::replace(&mut books.upstreams, upstreams);
        for (id, upstream) in before {
            let stays = books.upstreams.get(&id).is_some_and(|now| Arc::ptr_eq(now, &upstream));
            if !stays {
                upstream.retired.store(true, SeqCst);
                books.before.push(upstream);
            }
        }
    }

    fn served<'a>(
        &self,
        deployment: Option<DeploymentId>,
        site: &SiteId,
        earlier: impl Iterator<Item = &'a SiteId>,
    ) -> Option<Served> {
        let shelf = self.shelf.as_ref()?;
        Some(Served { deployment, site: shelf.whole(site)?, earlier: shelf.earlier(earlier) })
    }

    /// The new version that takes a part of a route's requests: once its files are there, where it is a site, and
    /// as long as what the table says takes the rest. Nobody waits for it otherwise: a switch comes without it.
    fn split(
        &self,
        books: &mut Books,
        upstreams: &mut HashMap<DeploymentId, Arc<Upstream>>,
        turns: &mut HashMap<DeploymentId, Arc<AtomicU64>>,
        route: &Route,
        live: &Way,
    ) -> Option<Split> {
        let part = route.canary.as_deref()?;
        live.deployment().filter(|live| route.backend.deployment() == Some(*live))?;
        let deployment = part.deployment;
        let way = match &part.site {
            Some(PartSite { site, earlier }) => {
                Way::Site(Arc::new(self.served(Some(deployment), site, earlier.iter())?))
            }
            None if part.targets.is_empty() => return None,
            None => Way::Replicas(self.upstream(books, upstreams, deployment, &part.targets)),
        };
        let sticky = route.edge.as_ref().is_some_and(|edge| edge.settings.sticky);
        let stays = if way.is_site() || live.is_site() {
            Stays::Version
        } else if sticky {
            Stays::Replica
        } else {
            Stays::Nothing
        };
        let known = || books.turns.get(&deployment).cloned().unwrap_or_default();
        let turns = Arc::clone(turns.entry(deployment).or_insert_with(known));
        Some(Split { deployment, part: way, weight: part.weight, turns, stays })
    }

    /// The revision in force, as far as it may be told of, and who is busy outside of the one in force, all of one
    /// moment.
    pub(crate) fn report(&self) -> (u64, Vec<Busy>, Vec<Leaving>) {
        let mut books = self.books();
        let mut busy = Vec::new();
        books.flights.retain(|deployment, flight| {
            if !flight.retired() {
                return true;
            }
            let requests = flight.count.load(SeqCst);
            if requests > 0 {
                busy.push(Busy { deployment: *deployment, requests });
            }
            // Whoever still holds an older table counts here for a moment, looks at the version
            // again and leaves: nothing is lost by forgetting an idle one.
            requests > 0
        });
        busy.sort_by_key(|busy| busy.deployment);
        (books.revision.min(self.told.load(SeqCst)), busy, books.leaving())
    }

    /// For how long nobody has asked for apps that may be put to sleep for it, the longest first as far as there
    /// is room, and which of those that sleep are wanted.
    pub(crate) fn sleep(&self) -> (BTreeMap<AppId, Millis>, BTreeSet<AppId>) {
        self.sleep_at(self.clock.now_ms())
    }

    fn sleep_at(&self, now_ms: u64) -> (BTreeMap<AppId, Millis>, BTreeSet<AppId>) {
        let books = self.books();
        let busy = |deployment: &DeploymentId| {
            books.flights.get(deployment).is_some_and(|flight| flight.count.load(SeqCst) > 0)
        };
        let known = books.sleepers.iter();
        let unasked = known.filter_map(|(app, known)| Some((known.unasked(now_ms, busy)?, *app)));
        let mut unasked: Vec<(Millis, AppId)> = unasked.collect();
        unasked.sort_unstable_by_key(|told| std::cmp::Reverse(*told));
        unasked.truncate(MOST_SLEEP_TOLD);
        let wanted = books.sleepers.iter().filter(|(_, known)| known.wanted()).map(|(app, _)| *app);
        let wanted = wanted.take(MOST_SLEEP_TOLD).collect();
        (unasked.into_iter().map(|(unasked, app)| (app, unasked)).collect(), wanted)
    }

    /// The upstream of a deployment: the one already in use where its targets are the same, so
    /// that what it knows of them survives; hosts of one app share it.
    fn upstream(
        &self,
        books: &mut Books,
        new: &mut HashMap<DeploymentId, Arc<Upstream>>,
        deployment: DeploymentId,
        targets: &[SocketAddr],
    ) -> Arc<Upstream> {
        let known = new.get(&deployment).or_else(|| books.upstreams.get(&deployment));
        let upstream = match known {
            Some(known) if known.leads_to(targets) => Arc::clone(known),
            Some(_) | None => {
                let flight = books.flights.entry(deployment).or_insert_with(|| {
                    Arc::new(Flight {
                        deployment,
                        count: AtomicU64::new(0),
                        retired: AtomicBool::new(false),
                        changed: Arc::clone(&self.changed),
                    })
                });
                Arc::new(Upstream::new(flight.deployment, Arc::clone(flight), targets))
            }
        };
        new.insert(deployment, Arc::clone(&upstream));
        upstream
    }

    /// The figures of a route: those that it had.
    fn figures_of(&self, known: Option<&Entry>) -> Arc<Figures> {
        let new = || Arc::new(Figures::new(self.cores));
        known.map_or_else(new, |known| Arc::clone(&known.figures))
    }

    /// The access log of a route's app, where it is wanted: the one that it had.
    fn tap(
        &self,
        books: &Books,
        new: &mut HashMap<AppId, Arc<Tap>>,
        route: &Route,
    ) -> Option<Arc<Tap>> {
        if route.edge.as_ref().is_some_and(|edge| !edge.settings.access_log) {
            return None;
        }
        let tap = new.entry(route.app).or_insert_with(|| {
            let known = books.taps.get(&route.app);
            known.map_or_else(|| Arc::new(Tap::new(route.app, self.cores)), Arc::clone)
        });
        Some(Arc::clone(tap))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a host leads to while the site is not there that it is to lead to: to what it did before, of the same
/// app.
fn stays(
    known: Option<&Entry>,
    app: AppId,
    upstreams: &mut HashMap<DeploymentId, Arc<Upstream>>,
) -> Way {
    let known = known.filter(|entry| entry.id == app);
    match known.map(|entry| &entry.way) {
        Some(Way::Replicas(upstream)) => {
            upstreams.insert(upstream.deployment, Arc::clone(upstream));
            Way::Replicas(Arc::clone(upstream))
        }
        Some(Way::Site(served)) => Way::Site(Arc::clone(served)),
        Some(Way::Starting | Way::Stopped | Way::Asleep(_) | Way::Down | Way::Redirect(_))
        | None => Way::Starting,
    }
}

/// What holds for a host. What an app's hosts share stays from one table to the next, as long as it is
/// meant to be the same.
fn gate(
    books: &Books,
    shared: &mut HashMap<AppId, Arc<Shared>>,
    route: &Route,
    passwords: &BTreeMap<AppId, Passwords>,
    sleeper: Option<Arc<Sleeper>>,
) -> Option<Arc<Gate>> {
    let edge = route.edge.as_deref()?;
    let rate = edge.settings.rate;
    let known = shared.get(&route.app).or_else(|| books.shared.get(&route.app));
    let one = match known {
        Some(known) if known.is(rate) => Arc::clone(known),
        Some(_) | None => Arc::new(Shared::new(rate)),
    };
    shared.insert(route.app, Arc::clone(&one));
    let of = passwords.get(&edge.users_of);
    let named = |user: &EdgeUser| Some((user.clone(), of?.get(user)?.clone()));
    Some(Arc::new(Gate {
        settings: edge.settings.clone(),
        redirect: edge.redirect.clone(),
        passwords: edge.settings.users.keys().filter_map(named).collect(),
        shared: one,
        sleeper,
    }))
}

/// What is known of when a route's app is asked for, where it sleeps or may.
fn sleeper(
    books: &Books,
    sleepers: &mut BTreeMap<AppId, Known>,
    route: &Route,
) -> Option<Arc<Sleeper>> {
    if let Some(known) = sleepers.get_mut(&route.app) {
        known.and(route);
        return Some(Arc::clone(&known.sleeper));
    }
    let known = Known::of(route, books.sleepers.get(&route.app))?;
    let sleeper = Arc::clone(&known.sleeper);
    sleepers.insert(route.app, known);
    Some(sleeper)
}

#[cfg(test)]
mod tests;
