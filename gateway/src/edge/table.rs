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
use super::split::{Side, Split};

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

#[derive(Clone, Debug)]
enum Way {
    Replicas(Arc<Upstream>),
    Starting,
    Stopped,
    Asleep(Arc<Sleeper>),
    Down,
    Redirect(Arc<str>),
    Site(Arc<Served>),
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
}

impl Seen {
    /// Nothing is known of a host.
    fn nothing(found: Found) -> Self {
        let (gate, figures, tap, place, app) = (None, None, None, None, None);
        Self { found, gate, figures, tap, place, app, ambiguous: false }
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
            let found = match &entry.way {
                Way::Replicas(live) => {
                    let chosen = entry.split.as_ref().map(|split| split.choose(live, side));
                    let counted = InFlight::enter(chosen.unwrap_or(live));
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
            return Seen { found, gate, figures, tap, place, app, ambiguous: false };
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
    /// the caller, who may have to keep the table on disk first.
    #[cfg(test)]
    pub(crate) fn apply(&self, table: &RouteTable) {
        self.apply_with(table, &BTreeMap::new());
    }

    /// The same, with the hashes that go with the users that the table names.
    pub(crate) fn apply_with(&self, table: &RouteTable, passwords: &BTreeMap<AppId, Passwords>) {
        let first = self.version.load(SeqCst) == 0;
        if let Some(shelf) = self.shelf.as_ref().filter(|_| first) {
            // What was there when the edge ended is there again before anybody is answered.
            shelf.recall(table);
        }
        let mut books = self.books();
        self.apply_to(&mut books, table, passwords);
        let sites = table.all().any(|route| matches!(route.backend, Backend::Site { .. }));
        books.table = sites.then(|| Box::new((table.clone(), passwords.clone())));
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
        let mut sleepers = BTreeMap::new();
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
                        match self.served(site, earlier) {
                            Some(served) => Way::Site(Arc::new(served)),
                            None => {
                                books.behind.insert(*deployment);
                                // After a start there is nothing that it did before: the version
                                // before, where that was a site, is on the disk.
                                let before = || {
                                    let (id, rest) = earlier.split_first()?;
                                    Some(Way::Site(Arc::new(self.served(id, rest)?)))
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
                let split = route.canary.as_ref().filter(|part| !part.targets.is_empty());
                let split = split.map(|part| Split {
                    part: self.upstream(books, &mut upstreams, part.deployment, &part.targets),
                    weight: part.weight,
                    sticky: route.edge.as_ref().is_some_and(|edge| edge.settings.sticky),
                });
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
        books.sleepers = sleepers;
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

    fn served(&self, site: &SiteId, earlier: &[SiteId]) -> Option<Served> {
        let shelf = self.shelf.as_ref()?;
        Some(Served { site: shelf.whole(site)?, earlier: shelf.earlier(earlier) })
    }

    /// The revision in force and who is busy outside of it, all of one moment.
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
        (books.revision, busy, books.leaving())
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
mod tests {
    use std::sync::atomic::AtomicUsize;

    use hythe_core::edge::{EdgeSettings, Rate, RouteEdge};
    use hythe_core::names::HostName;
    use uuid::Uuid;

    use super::*;

    fn deployment(number: u64) -> DeploymentId {
        DeploymentId::new(Uuid::from_u128(u128::from(number)))
    }

    fn target(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn table(revision: u64, routes: &[(&str, Backend)]) -> RouteTable {
        let route = |backend: &Backend| {
            Route::new(AppId::new(Uuid::nil()), "shop".parse().unwrap(), backend.clone())
        };
        let routes = routes.iter().map(|(host, to)| (host.parse().unwrap(), route(to))).collect();
        RouteTable { revision, routes }
    }

    fn to(number: u64, ports: &[u16]) -> Backend {
        let targets = ports.iter().copied().map(target).collect();
        Backend::Replicas { deployment: deployment(number), targets }
    }

    fn busy(live: &Live) -> (u64, Vec<Busy>) {
        let (revision, busy, _) = live.report();
        (revision, busy)
    }

    fn held(live: &Live, host: &str) -> InFlight {
        match live.find(host) {
            Found::Replicas(in_flight) => in_flight,
            other @ (Found::Starting
            | Found::Stopped
            | Found::Asleep(_)
            | Found::Down
            | Found::Redirect(_)
            | Found::Site(_)
            | Found::Nobody
            | Found::NoTable) => {
                panic!("{other:?}")
            }
        }
    }

    #[test]
    fn each_kind_of_route_is_found() {
        let live = Live::new();
        assert!(matches!(live.find("a"), Found::NoTable));
        let empty = Backend::Replicas { deployment: deployment(9), targets: Vec::new() };
        let routes =
            [("a", to(1, &[1])), ("b", Backend::Starting), ("c", Backend::Down), ("d", empty)];
        live.apply(&table(4, &routes));
        assert_eq!(held(&live, "a").upstream.deployment, deployment(1));
        assert!(matches!(live.find("b"), Found::Starting));
        assert!(matches!(live.find("c"), Found::Down));
        assert!(matches!(live.find("d"), Found::Down));
        assert!(matches!(live.find("e"), Found::Nobody));
        assert_eq!(busy(&live), (4, vec![]));
        let mut stopped = table(5, &[("c", Backend::Down)]);
        stopped.routes.values_mut().for_each(|route| route.stopped = true);
        live.apply(&stopped);
        assert!(matches!(live.find("c"), Found::Stopped));
    }

    #[test]
    fn of_apps_that_may_sleep_it_is_told_when_nobody_asks_and_when_somebody_does() {
        let live = Live::new();
        let app = AppId::new(Uuid::nil());
        let set = |revision, asleep| {
            let backend = if asleep { Backend::Starting } else { to(1, &[1]) };
            let mut table = table(revision, &[("a", backend.clone()), ("b", backend)]);
            for route in table.routes.values_mut() {
                let sleep_after = Some(Millis(5_000));
                let settings = EdgeSettings { sleep_after, ..EdgeSettings::default() };
                route.edge = Some(Box::new(RouteEdge { settings, ..RouteEdge::usual(app) }));
                route.asleep = asleep;
            }
            live.apply(&table);
        };
        let nothing = || (BTreeMap::new(), BTreeSet::new());
        let unasked = |ms| (BTreeMap::from([(app, Millis(ms))]), BTreeSet::new());
        set(1, false);
        assert_eq!(live.sleep_at(10_000), nothing(), "it has just got to know it");
        assert_eq!(live.sleep_at(14_999), nothing());
        assert_eq!(live.sleep_at(15_000), unasked(5_000));
        let under_way = held(&live, "b");
        assert_eq!(live.sleep_at(16_000), nothing());
        drop(under_way);
        // Another table is no request.
        set(2, false);
        assert_eq!(live.sleep_at(21_500), unasked(5_500));
        set(3, true);
        assert_eq!(live.sleep_at(30_000), nothing(), "it is asleep already");
        let Found::Asleep(sleeper) = live.find("a") else { panic!("it is asleep") };
        live.want(&sleeper);
        let wanted = || (BTreeMap::new(), BTreeSet::from([app]));
        assert_eq!(live.sleep_at(30_000), wanted());
        set(4, true);
        assert_eq!(live.sleep_at(30_000), wanted(), "until a table says otherwise");
        set(5, false);
        assert_eq!(live.sleep_at(30_000), unasked(14_000));
        set(6, true);
        assert_eq!(live.sleep_at(30_000), nothing(), "who wanted it has been answered");
    }

    #[test]
    fn a_host_of_its_own_goes_before_a_wildcard_and_a_wildcard_covers_one_label() {
        let live = Live::new();
        let mut routes =
            table(1, &[("shop.apps", to(1, &[1])), ("a.shop", to(2, &[2])), ("b", to(3, &[3]))]);
        for route in routes.routes.values_mut() {
            if route.backend.deployment() == Some(deployment(1)) {
                route.wildcards = ["shop", "x.shop"].map(|host| host.parse().unwrap()).into();
            }
            if route.backend.deployment() == Some(deployment(3)) {
                route.redirect = Some("a.shop".parse().unwrap());
            }
        }
        live.apply(&routes);
        for (host, number) in [("shop.apps", 1), ("q.shop", 1), ("a.shop", 2), ("q.x.shop", 1)] {
            assert_eq!(held(&live, host).upstream.deployment, deployment(number), "{host}");
        }
        for host in ["shop", "a.b.shop", "q.r.x.shop", "q", ""] {
            assert!(matches!(live.find(host), Found::Nobody), "{host}");
        }
        assert!(matches!(live.find("b"), Found::Redirect(to) if &*to == "a.shop"));
    }

    #[test]
    fn what_is_mounted_is_found_counted_and_drained_like_a_host() {
        let live = Live::new();
        let mount = |revision, number| {
            let mut table = table(revision, &[("a", to(1, &[1])), ("b", to(number, &[9]))]);
            let route = table.routes[&"b".parse::<HostName>().unwrap()].clone();
            let seen = hythe_core::mount::SeenPath::Whole;
            let mounted = hythe_core::mount::Mounted { seen, route };
            let host = table.routes.get_mut(&"a".parse::<HostName>().unwrap()).unwrap();
            host.mounts.insert("/api".parse().unwrap(), mounted);
            table
        };
        live.apply(&mount(1, 2));
        let seen = live.look_up("a", "/api/x", Side::Any);
        let place = seen.place.unwrap();
        seen.figures.unwrap().began(0);
        let Found::Replicas(under_way) = seen.found else { panic!("nothing is mounted") };
        assert_eq!(under_way.upstream.deployment, deployment(2));
        assert_eq!(held(&live, "a").upstream.deployment, deployment(1));
        assert!(live.look_up("a", "/api/../x", Side::Any).ambiguous);
        assert!(!live.look_up("b", "/api/../x", Side::Any).ambiguous);
        let (_, lines) = live.figures();
        let lines: Vec<_> = lines.iter().map(|(host, _, sum)| (host.as_str(), sum.began)).collect();
        assert_eq!(lines, [("a/api", 1)]);
        live.apply(&mount(2, 3));
        assert_eq!(busy(&live), (2, vec![Busy { deployment: deployment(2), requests: 1 }]));
        drop(under_way);
        assert_eq!(busy(&live), (2, vec![]));
        assert_eq!(live.figures().1.len(), 1, "what was counted stays");
        live.apply(&table(3, &[("a", to(1, &[1]))]));
        // The request has passed another app's gate.
        let app = Some(AppId::new(Uuid::nil()));
        let there = |place, app| live.find_at("a", place, app, Side::Any);
        assert!(matches!(there(Some(&*place), app), Found::Down));
        assert!(matches!(there(None, app), Found::Replicas(_)));
        let other = Some(AppId::new(Uuid::from_u128(7)));
        assert!(matches!(there(None, other), Found::Down));
        assert!(matches!(there(None, None), Found::Down));
    }

    #[test]
    fn a_canary_takes_its_part_and_is_counted_and_drained_like_any_other() {
        use hythe_core::canary::{Part, Weight};
        let (live, app) = (Live::new(), Some(AppId::new(Uuid::nil())));
        let with = |revision, percent: Option<u8>| {
            let mut table = table(revision, &[("a", to(1, &[1, 2]))]);
            let part = |percent| Part {
                deployment: deployment(2),
                targets: vec![target(8), target(9)],
                weight: Weight::new(percent).unwrap(),
            };
            let route = table.routes.values_mut().next().unwrap();
            route.canary = percent.map(|percent| Box::new(part(percent)));
            let settings = EdgeSettings { sticky: true, ..EdgeSettings::default() };
            let usual = RouteEdge::usual(route.app);
            route.edge = Some(Box::new(RouteEdge { settings, ..usual }));
            live.apply(&table);
        };
        let took = |count: usize| {
            (0..count).filter(|_| held(&live, "a").upstream.deployment == deployment(2)).count()
        };
        with(1, Some(10));
        assert_eq!(took(1_000), 100);
        // A table for each request gives it no more than its part.
        let all: usize = (2..202)
            .map(|revision| {
                with(revision, Some(10));
                took(1)
            })
            .sum();
        assert_eq!(all, 20);
        with(300, Some(50));
        assert_eq!(took(100), 50);
        // Whoever stays with a replica stays with its version; so does a second try.
        for (number, of) in [(1, deployment(1)), (2, deployment(2))] {
            let mut one = loop {
                let one = held(&live, "a");
                if one.upstream.deployment == of {
                    break one;
                }
            };
            let token = one.choose(&[], 1).unwrap().token().unwrap();
            let mut headers = hyper::HeaderMap::new();
            let cookie = format!("hythe-replica={token:016x}");
            headers.insert(hyper::header::COOKIE, cookie.parse().unwrap());
            for side in [Side::Client(&headers), Side::Same(of)] {
                for _ in 0..10 {
                    let found = live.find_at("a", None, app, side);
                    let Found::Replicas(again) = found else { panic!("{number}") };
                    assert_eq!(again.upstream.deployment, of);
                }
            }
        }
        let Found::Replicas(last) = live.find_at("a", None, app, Side::Same(deployment(2))) else {
            panic!("it has a part")
        };
        with(301, None);
        assert_eq!(took(100), 0);
        assert_eq!(busy(&live), (301, vec![Busy { deployment: deployment(2), requests: 1 }]));
        drop(last);
        assert_eq!(busy(&live), (301, vec![]));
    }

    #[test]
    fn what_an_apps_hosts_share_stays_as_long_as_it_is_meant_to_be_the_same() {
        let live = Live::new();
        let with = |revision, per_second| {
            let mut table = table(revision, &[("a", to(1, &[1])), ("b", to(1, &[1]))]);
            for route in table.routes.values_mut() {
                let rate = Some(Rate { per_second, burst: 1 });
                let settings = EdgeSettings { rate, ..EdgeSettings::default() };
                let usual = RouteEdge::usual(route.app);
                route.edge = Some(Box::new(RouteEdge { settings, ..usual }));
            }
            live.apply(&table);
        };
        let gate = |host| live.look_up(host, "/", Side::Any).gate.unwrap();
        with(1, 5);
        let first = gate("a");
        assert!(Arc::ptr_eq(&first.shared, &gate("b").shared));
        let figures = live.look_up("a", "/", Side::Any).figures.unwrap();
        with(2, 5);
        assert!(Arc::ptr_eq(&first.shared, &gate("a").shared), "a new table is no new allowance");
        let again = live.look_up("a", "/", Side::Any).figures.unwrap();
        assert!(Arc::ptr_eq(&figures, &again));
        with(3, 6);
        assert!(!Arc::ptr_eq(&first.shared, &gate("a").shared));
        live.apply(&table(4, &[("a", to(1, &[1]))]));
        assert!(live.look_up("a", "/", Side::Any).gate.is_none());
    }

    #[test]
    fn only_deployments_out_of_the_table_are_reported_and_they_may_come_back() {
        let live = Live::new();
        live.apply(&table(1, &[("a", to(1, &[1])), ("b", to(1, &[1]))]));
        let (first, second) = (held(&live, "a"), held(&live, "b"));
        assert_eq!(busy(&live), (1, vec![]));
        live.apply(&table(2, &[("a", to(2, &[2])), ("b", to(1, &[1]))]));
        // One host still leads there.
        assert_eq!(busy(&live), (2, vec![]));
        live.apply(&table(3, &[("a", to(2, &[2]))]));
        let left = |requests| vec![Busy { deployment: deployment(1), requests }];
        assert_eq!(busy(&live), (3, left(2)));
        drop(first);
        assert_eq!(busy(&live), (3, left(1)));
        live.apply(&table(4, &[("a", to(1, &[1, 3]))]));
        assert_eq!(busy(&live), (4, vec![]));
        assert!(!second.upstream.flight.retired());
        live.apply(&table(5, &[]));
        assert_eq!(busy(&live), (5, left(1)));
        drop(second);
        assert_eq!(busy(&live), (5, vec![]));
    }

    /// A ratio, since this build is not optimised: ten times the routes take ten times as long, where a
    /// scan of what was there before for each of them would take a hundred times.
    #[test]
    fn a_table_takes_as_long_as_it_has_routes() {
        let best = |routes: u64| {
            let live = Live::new();
            let hosts: Vec<String> = (0..routes).map(|n| format!("app-{n}.example")).collect();
            let table_of = |revision| {
                let to = |n: u64| to(n + 1, &[u16::try_from(1 + n % 60_000).unwrap()]);
                let routes: Vec<_> =
                    hosts.iter().map(String::as_str).zip((0..routes).map(to)).collect();
                table(revision, &routes)
            };
            let applied = (1..6).map(|revision| {
                let table = table_of(revision);
                let begun = std::time::Instant::now();
                live.apply(&table);
                begun.elapsed()
            });
            applied.min().unwrap()
        };
        let (few, many) = (best(1_000), best(10_000));
        assert!(many < few * 40, "{few:?} for 1,000 and {many:?} for 10,000");
    }

    #[test]
    fn what_is_known_of_replicas_survives_a_table_that_does_not_change_them() {
        let live = Live::new();
        live.apply(&table(1, &[("a", to(1, &[1, 2]))]));
        let before = held(&live, "a");
        live.apply(&table(2, &[("a", to(1, &[1, 2])), ("b", to(1, &[1, 2]))]));
        assert!(Arc::ptr_eq(&before.upstream, &held(&live, "a").upstream));
        assert!(Arc::ptr_eq(&before.upstream, &held(&live, "b").upstream));
        live.apply(&table(3, &[("a", to(1, &[1]))]));
        assert!(!Arc::ptr_eq(&before.upstream, &held(&live, "a").upstream));
    }

    #[test]
    fn a_replica_out_of_the_table_is_reported_until_its_last_request_has_ended() {
        let live = Live::new();
        live.apply(&table(1, &[("a", to(1, &[1, 2, 3]))]));
        let mut requests: Vec<_> = (0..4).map(|_| held(&live, "a")).collect();
        let chosen: Vec<_> =
            requests.iter_mut().take(3).map(|one| one.choose(&[], 1).unwrap()).collect();
        assert_eq!(live.report(), (1, vec![], vec![]));
        live.apply(&table(2, &[("a", to(1, &[1]))]));
        let leaving = |ports: &[(u16, u64)]| -> Vec<Leaving> {
            let leaving = |(port, requests): &(u16, u64)| Leaving {
                target: target(*port),
                requests: *requests,
            };
            ports.iter().map(leaving).collect()
        };
        // One has not chosen yet, and may choose any.
        assert_eq!(live.report(), (2, vec![], leaving(&[(2, 2), (3, 2)])));
        requests.pop();
        assert_eq!(live.report(), (2, vec![], leaving(&[(2, 1), (3, 1)])));
        for (request, chosen) in requests.into_iter().zip(chosen) {
            drop((request, chosen));
        }
        assert_eq!(live.report(), (2, vec![], vec![]));
        live.apply(&table(3, &[("a", to(1, &[1, 2, 3]))]));
        let mut back = held(&live, "a");
        let _chosen = back.choose(&[], 1).unwrap();
        live.apply(&table(4, &[]));
        assert_eq!(live.report().2, vec![], "the whole deployment is out of it");
    }

    #[tokio::test]
    async fn the_last_request_to_leave_says_so() {
        let live = Live::new();
        live.apply(&table(1, &[("a", to(1, &[1]))]));
        let (first, second) = (held(&live, "a"), held(&live, "a"));
        live.apply(&table(2, &[]));
        drop(first);
        drop(second);
        live.changed.notified().await;
    }

    /// The promise that draining rests on: once a report says that nobody is busy with a
    /// deployment, nobody is, and nobody will be.
    #[test]
    fn no_request_slips_through_while_tables_change() {
        const ROUNDS: u64 = 5_000;
        let live = Live::new();
        live.apply(&table(1, &[("a", to(1, &[1]))]));
        // Every deployment up to this one has been reported idle, and so may have been stopped.
        let stopped = AtomicU64::new(0);
        let (done, found) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(SeqCst) {
                        let held = held(&live, "a");
                        let number = held.upstream.deployment.uuid().as_u128();
                        let stopped = u128::from(stopped.load(SeqCst));
                        assert!(number > stopped, "{number} is used, {stopped} is stopped");
                        found.fetch_add(1, SeqCst);
                    }
                });
            }
            for number in 2..ROUNDS {
                live.apply(&table(number, &[("a", to(number, &[1]))]));
                while !live.report().1.is_empty() {
                    std::hint::spin_loop();
                }
                stopped.store(number - 1, SeqCst);
            }
            done.store(true, SeqCst);
        });
        assert!(found.load(SeqCst) > 0);
    }
}
