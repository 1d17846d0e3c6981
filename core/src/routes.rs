//! The route table: which host leads to which replicas. Computed here, served by the edges.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::app::ActiveApp;
use crate::canary::{Part, PartSite};
use crate::deployment::{Placement, Stage};
use crate::edge::RouteEdge;
use crate::giving_way::giving_way;
use crate::ids::{AppId, DeploymentId};
use crate::limits;
use crate::mount::{self, Mounted, PathPrefix};
use crate::names::{AppName, HostName};
use crate::observed::Observed;
use crate::process::is_process;
use crate::reconcile::is_gone;
use crate::site::SiteId;
use crate::view::{DeploymentView, View};
use crate::wire::worker::ReplicaState;

/// Everything an edge needs to serve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Names this table. A table with other routes has another, larger revision.
    pub revision: u64,
    /// Routes by host name, without port, lower case.
    pub routes: BTreeMap<HostName, Route>,
}

impl RouteTable {
    /// All routes: those of hosts, and those of what is mounted there.
    pub fn all(&self) -> impl Iterator<Item = &Route> {
        self.routes.values().flat_map(|route| {
            let mounted = route.mounts.values().map(|mounted| &mounted.route);
            std::iter::once(route).chain(mounted)
        })
    }
}

/// Where one host leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The app behind it.
    pub app: AppId,
    /// Its name, for pages and logs.
    pub name: AppName,
    /// What stands behind it now.
    pub backend: Backend,
    /// Whether there is nothing because somebody stopped it: the page of 503 says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// Whether it sleeps, or has just been woken and is not there yet: requests wait for it, and the first of
    /// them tells that it is wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asleep: bool,
    /// The host that requests are sent on to, where they are: then nothing behind it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<HostName>,
    /// Hosts right below these lead here too, where they have no route of their own.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub wildcards: BTreeSet<HostName>,
    /// How it is served, where that is other than usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<Box<RouteEdge>>,
    /// Other apps at paths of this host. Nothing is mounted at what is mounted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mounts: BTreeMap<PathPrefix, Mounted>,
    /// What of its requests goes to a new version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Box<Part>>,
}

impl Route {
    /// One that leads to what stands behind it.
    #[must_use]
    pub const fn new(app: AppId, name: AppName, backend: Backend) -> Self {
        Self {
            app,
            name,
            backend,
            stopped: false,
            asleep: false,
            redirect: None,
            wildcards: BTreeSet::new(),
            edge: None,
            mounts: BTreeMap::new(),
            canary: None,
        }
    }

    /// The deployments that take its traffic. Those of what is mounted have routes of their own.
    pub fn deployments(&self) -> impl Iterator<Item = DeploymentId> {
        let part = self.canary.as_ref().map(|part| part.deployment);
        self.backend.deployment().into_iter().chain(part)
    }

    /// The site that takes a part of its requests, where one does.
    #[must_use]
    pub fn part_site(&self) -> Option<&PartSite> {
        self.canary.as_ref()?.site.as_ref()
    }

    /// Where its replicas answer, all of them.
    pub fn targets(&self) -> impl Iterator<Item = SocketAddr> {
        let all = match &self.backend {
            Backend::Replicas { targets, deployment: _ } => targets.as_slice(),
            Backend::Starting | Backend::Down | Backend::Site { .. } => &[],
        };
        let part = self.canary.iter().flat_map(|part| &part.targets);
        all.iter().chain(part).copied()
    }
}

/// What stands behind a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backend {
    /// Healthy replicas of one deployment; never empty.
    Replicas {
        /// The deployment that they belong to.
        deployment: DeploymentId,
        /// Where they answer.
        targets: Vec<SocketAddr>,
    },
    /// The app's first deployment is on its way: the edge answers 503 with a page saying so.
    Starting,
    /// The app has nothing to answer with: the edge answers 503 with a page saying so.
    Down,
    /// A static site, which the edge serves itself.
    Site {
        /// The deployment that it is of.
        deployment: DeploymentId,
        /// Which site.
        site: SiteId,
        /// Those of the versions before, the newest first: what in them is named after its content is still
        /// served to pages that are open.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        earlier: Vec<SiteId>,
    },
}

impl Backend {
    /// The deployment that takes the traffic, where one does.
    #[must_use]
    pub const fn deployment(&self) -> Option<DeploymentId> {
        match self {
            Self::Replicas { deployment, .. } | Self::Site { deployment, .. } => Some(*deployment),
            Self::Starting | Self::Down => None,
        }
    }
}

/// Computes the routes of all apps.
///
/// `previous` is the table in force. Where not every worker of a deployment has been heard of yet, or has
/// looked at what runs there (after a restart, or when its agent or engine is gone while its containers
/// serve), the targets in force stay: nothing known is no reason to take an app down.
#[must_use]
pub fn routes(
    view: &View,
    observed: &Observed,
    base_domain: &HostName,
    previous: &BTreeMap<HostName, Route>,
) -> BTreeMap<HostName, Route> {
    let (mut table, mut own, mut mounted) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let apps = view.apps.iter().filter_map(|(id, app)| Some((id, app.state.active()?)));
    let routed = |app: &ActiveApp| !app.settings.run.container.unrouted;
    for (id, app) in apps.filter(|(_, app)| app.discarded.is_none() && routed(app)) {
        let Ok(host) = HostName::new(format!("{}.{base_domain}", app.name)) else {
            continue;
        };
        let stopped = app.rests();
        // It ends before the one that follows it starts, and so do its requests.
        let gives_way = app.serving == app.live && giving_way(view, observed, app).is_some();
        let before = previous.get(&host);
        let wakes = !app.asleep && before.is_some_and(|route| route.asleep);
        let backend = if stopped {
            Backend::Down
        } else if gives_way || app.asleep || wakes && !has_heard(view, observed, app) {
            Backend::Starting
        } else {
            backend(view, observed, app, before)
        };
        let asleep = !stopped
            && backend.deployment().is_none()
            && (app.asleep || wakes && comes(view, observed, app));
        let backend = if asleep { Backend::Starting } else { backend };
        let mut edge = edge(view, *id, app);
        if asleep {
            // By it edges know how many requests wait.
            edge.get_or_insert_with(|| Box::new(RouteEdge::usual(*id)));
        }
        let plain = Route {
            stopped,
            asleep,
            edge,
            canary: canary(view, observed, app, &backend, previous.get(&host)).map(Box::new),
            ..Route::new(*id, app.name.clone(), backend)
        };
        if !app.edge.mounts.is_empty() {
            mounted.push((app, plain.clone()));
        }
        let mut routes: BTreeMap<HostName, Route> =
            app.settings.domains.iter().map(|domain| (domain.clone(), plain.clone())).collect();
        let mut wildcards = BTreeSet::new();
        // The base domain may have changed since they were added.
        let proven = app.domains.trusted().filter(|(host, _)| !host.is_within(base_domain));
        for (domain, _) in proven {
            match domain.exact() {
                Some(exact) => {
                    let redirect = app.domains.redirects(domain).cloned();
                    routes.insert(exact.clone(), Route { redirect, ..plain.clone() });
                }
                None => drop(wildcards.insert(domain.name().clone())),
            }
        }
        // Nobody is sent to a host that sends on.
        let serving = routes.iter().filter(|(_, route)| route.redirect.is_none());
        let mut all: BTreeSet<HostName> = serving.map(|(host, _)| host.clone()).collect();
        all.insert(host.clone());
        let served = |host: &HostName, mut route: Route| {
            if let Some(to) = RouteEdge::redirected(app.edge.www, host, &all) {
                let usual = || Box::new(RouteEdge::usual(*id));
                route.edge.get_or_insert_with(usual).redirect = Some(to);
            }
            route
        };
        table.extend(routes.into_iter().map(|(host, route)| (host.clone(), served(&host, route))));
        let route = served(&host, Route { wildcards, ..plain });
        own.insert(host, route);
    }
    // An app's own host is nobody else's domain.
    table.extend(own);
    for (app, plain) in mounted {
        mount::serve(view, app, &plain, &mut table);
    }
    table
}

/// How an app is served, where that is other than usual. A preview is guarded by the app that it is of.
fn edge(view: &View, id: AppId, app: &ActiveApp) -> Option<Box<RouteEdge>> {
    let parent = app.preview.as_ref().and_then(|of| {
        let parent = view.apps.get(&of.parent)?.state.active()?;
        Some((of.parent, &parent.edge))
    });
    RouteEdge::of(id, &app.edge, parent).map(Box::new)
}

fn backend(view: &View, observed: &Observed, app: &ActiveApp, previous: Option<&Route>) -> Backend {
    // During a switch the version before still runs: where the new one has nothing to offer any
    // more, it serves on.
    // What ends, for its app was stopped or for both write to the same volume, is not gone back to.
    let ends = |live: &DeploymentId| {
        app.is_resting(*live)
            || giving_way(view, observed, app).is_some_and(|(one, _)| one == *live)
    };
    let candidates = [app.serving, app.live.filter(|live| !ends(live))];
    let found = candidates.into_iter().flatten().find_map(|deployment| {
        site(view, app, deployment, previous)
            .or_else(|| replicas(view, observed, deployment, previous))
    });
    found.unwrap_or(if app.live.is_none() && (app.rolling.is_some() || app.waiting.is_some()) {
        Backend::Starting
    } else {
        Backend::Down
    })
}

/// The live version of an app that was woken, with the places of its replicas of web: none where another one
/// has the traffic.
fn woken<'a>(
    view: &'a View,
    app: &ActiveApp,
) -> Option<(DeploymentId, &'a DeploymentView, impl Iterator<Item = &'a Placement>)> {
    let live = app.live.filter(|live| app.serving == Some(*live))?;
    let of = view.deployments.get(&live)?;
    let places = of.state.attempt()?.placements.iter();
    Some((live, of, places.filter(|place| !is_process(place.index))))
}

/// Whether what is seen of an app that was woken was seen since: before, its replicas may have been about to be
/// stopped.
fn has_heard(view: &View, observed: &Observed, app: &ActiveApp) -> bool {
    woken(view, app).is_none_or(|(live, of, mut places)| {
        places.all(|place| {
            let worker = observed.workers.get(&place.worker);
            worker.is_some_and(|worker| worker.generation(live) >= of.assigned.0)
        })
    })
}

/// Whether an app that was woken may be about to answer, as far as is known. One that cannot be started is
/// down like any other.
fn comes(view: &View, observed: &Observed, app: &ActiveApp) -> bool {
    woken(view, app).is_some_and(|(live, _, mut places)| {
        places.any(|place| {
            let lost = is_gone(view, place.worker);
            let replica = observed.replica(live, place).filter(|_| !lost);
            let fails = replica.is_some_and(|replica| match replica.state {
                ReplicaState::Failed { .. } | ReplicaState::Unhealthy { .. } => true,
                ReplicaState::Creating
                | ReplicaState::Starting { .. }
                | ReplicaState::Healthy
                | ReplicaState::Exited { .. }
                | ReplicaState::Stopping => replica.crash_loop(),
            });
            !lost && !fails
        })
    })
}

/// The site that a deployment is, where it is one.
fn site(
    view: &View,
    app: &ActiveApp,
    deployment: DeploymentId,
    previous: Option<&Route>,
) -> Option<Backend> {
    let attempt = view.deployments.get(&deployment)?.state.attempt()?;
    let site = attempt.site()?.id.clone();
    let has_it = previous.is_some_and(|r| r.backend.deployment() == Some(deployment));
    if matches!(attempt.stage, Stage::Ended(_)) && !has_it {
        return None;
    }
    let all = view.apps.get(&app.id).into_iter().flat_map(|app| app.deployments.iter().rev());
    let before = all.filter(|id| **id != deployment).filter_map(|id| view.deployments.get(id));
    let before = before.filter(|view| view.was_live());
    let before = before.filter_map(|view| Some(&view.state.attempt()?.site()?.id));
    let mut earlier: Vec<SiteId> = Vec::new();
    for id in before {
        if earlier.len() == limits::EARLIER_SITES {
            break;
        }
        if *id != site && !earlier.contains(id) {
            earlier.push(id.clone());
        }
    }
    Some(Backend::Site { deployment, site, earlier })
}

/// What goes to a new version: to its healthy replicas or its site, and only beside the version that is live.
fn canary(
    view: &View,
    observed: &Observed,
    app: &ActiveApp,
    backend: &Backend,
    previous: Option<&Route>,
) -> Option<Part> {
    let canary = app.singing()?;
    let (deployment, weight) = (canary.deployment, canary.weight);
    backend.deployment().filter(|live| app.live == Some(*live))?;
    let attempt = view.deployments.get(&deployment)?.state.attempt()?;
    if attempt.stage != Stage::Healthy {
        return None;
    }
    if let Some(Backend::Site { site, earlier, .. }) = site(view, app, deployment, previous) {
        let site = Some(PartSite { site, earlier });
        return Some(Part { deployment, targets: Vec::new(), weight, site });
    }
    let web = || attempt.placements.iter().filter(|place| !is_process(place.index));
    let before = previous.and_then(|route| route.canary.as_deref());
    if !web().all(|place| observed.knows(deployment, place))
        && let Some(part) = before.filter(|part| part.deployment == deployment)
    {
        return Some(Part { weight, ..part.clone() });
    }
    let seen = web().filter_map(|place| observed.replica(deployment, place));
    let healthy = seen.filter(|replica| replica.state == ReplicaState::Healthy);
    let targets: Vec<SocketAddr> = healthy.filter_map(|replica| replica.endpoint).collect();
    (!targets.is_empty()).then_some(Part { deployment, targets, weight, site: None })
}

fn replicas(
    view: &View,
    observed: &Observed,
    deployment: DeploymentId,
    previous: Option<&Route>,
) -> Option<Backend> {
    let attempt = view.deployments.get(&deployment)?.state.attempt()?;
    let has_it = previous.is_some_and(|r| r.backend.deployment() == Some(deployment));
    if matches!(attempt.stage, Stage::Ended(_)) && !has_it {
        // Its app has not heard of its end yet. What is being stopped gets no traffic anew.
        return None;
    }
    let web = |place: &&Placement| !is_process(place.index);
    let mut placed = attempt.placements.iter().filter(web);
    let known = placed.all(|place| observed.knows(deployment, place));
    if !known && let Some(route) = previous.filter(|r| r.backend.deployment() == Some(deployment)) {
        return Some(route.backend.clone());
    }
    let that = |places: &[Placement], is: fn(&ReplicaState) -> bool| -> Vec<SocketAddr> {
        // Whatever else runs of the deployment has no part in this.
        let places = places.iter().filter(web);
        let replicas = places.filter_map(|place| observed.replica(deployment, place));
        replicas.filter(|replica| is(&replica.state)).filter_map(|one| one.endpoint).collect()
    };
    let healthy = |state: &ReplicaState| *state == ReplicaState::Healthy;
    let ailing = |state: &ReplicaState| matches!(state, ReplicaState::Unhealthy { .. });
    // Where every replica that was healthy fails its check, the check may be what is wrong:
    // answering from an ailing replica is better than answering from none.
    // And where only one that is too many is healthy, it goes on.
    let targets = [
        that(&attempt.placements, healthy),
        that(&attempt.leaving, healthy),
        that(&attempt.placements, ailing),
    ];
    let targets = targets.into_iter().find(|targets| !targets.is_empty()).unwrap_or_default();
    (!targets.is_empty()).then_some(Backend::Replicas { deployment, targets })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::AppEvent;
    use crate::domain::{DomainHost, DomainMode, DomainToken};
    use crate::past::testing::Journal;
    use crate::testing::{app_id, at};

    fn host(text: &str) -> HostName {
        HostName::new(text).unwrap()
    }

    fn domain(text: &str) -> DomainHost {
        DomainHost::new(text).unwrap()
    }

    fn table(journal: &Journal) -> BTreeMap<HostName, Route> {
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        routes(&view, &Observed::default(), &host("apps.example"), &BTreeMap::new())
    }

    fn add(journal: &mut Journal, app: u128, text: &str, mode: DomainMode) {
        let token = DomainToken::new("a".repeat(64)).unwrap();
        let event = AppEvent::DomainAdded { host: domain(text), token, mode, at: at(1) };
        journal.app(app, event);
    }

    fn verify(journal: &mut Journal, app: u128, text: &str) {
        let event = AppEvent::DomainVerified { host: domain(text), at: at(2) };
        journal.app(app, event);
    }

    #[test]
    fn proven_domains_lead_to_their_app_and_the_others_do_not() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.create(2, "other");
        for (text, mode) in [
            ("shop.example", DomainMode::Main),
            ("www.shop.example", DomainMode::Redirect),
            ("old.example", DomainMode::Serve),
            ("*.shop.example", DomainMode::Serve),
            // Under the base domain by now: it is the other app's own host.
            ("other.apps.example", DomainMode::Serve),
        ] {
            add(&mut journal, 1, text, mode);
        }
        let own = [host("other.apps.example"), host("shop.apps.example")];
        assert!(table(&journal).keys().eq(&own), "nothing is proven yet");
        for text in ["www.shop.example", "old.example", "*.shop.example", "other.apps.example"] {
            verify(&mut journal, 1, text);
        }
        let now = table(&journal);
        assert_eq!(now[&host("www.shop.example")].redirect, None, "there is no main one yet");
        assert_eq!(now[&host("other.apps.example")].app, app_id(2));
        let below = &now[&host("shop.apps.example")].wildcards;
        assert!(below.iter().eq([&host("shop.example")]));
        let others = now.iter().filter(|(name, _)| **name != host("shop.apps.example"));
        assert!(others.into_iter().all(|(_, route)| route.wildcards.is_empty()));
        assert_eq!(now.len(), 4);
        verify(&mut journal, 1, "shop.example");
        let now = table(&journal);
        let main = host("shop.example");
        assert_eq!(now[&host("www.shop.example")].redirect, Some(main.clone()));
        assert_eq!((&now[&main].redirect, &now[&host("old.example")].redirect), (&None, &None));
        let lost = AppEvent::DomainLost { host: domain("shop.example"), why: "".into(), at: at(3) };
        journal.app(1, lost);
        let now = table(&journal);
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        let base = host("apps.example");
        let certifiable =
            crate::domain::certifiable(&view, &base).map(|(_, host)| host.to_string());
        let certifiable: BTreeSet<String> = certifiable.collect();
        let proven = ["*.shop.example", "old.example", "www.shop.example"].map(str::to_owned);
        assert_eq!(certifiable, proven.into());
        assert!(!now.contains_key(&main));
        assert_eq!(now[&host("www.shop.example")].redirect, None, "it serves again");
    }

    #[test]
    fn an_app_is_mounted_at_hosts_of_its_project_and_nowhere_else() {
        let mut journal = Journal::default();
        for (id, name) in [(1, "shop"), (2, "api"), (3, "other"), (4, "late")] {
            journal.create(id, name);
        }
        let project = Some(crate::ids::ProjectId::new(uuid::Uuid::from_u128(9)));
        let change = crate::app::SettingsChange { project, ..Default::default() };
        journal.app(3, AppEvent::Configured(Box::new(change)));
        let mount = |journal: &mut Journal, app, places: &[&str]| {
            let mounts = places.iter().map(|at| (at.parse().unwrap(), mount::SeenPath::Stripped));
            let mounts = mounts.collect();
            let settings = crate::edge::EdgeSettings { mounts, ..Default::default() };
            journal.app(app, AppEvent::EdgeSet(settings.listed()));
        };
        let at = ["shop.apps.example/api", "other.apps.example/x", "nowhere.example/x"];
        mount(&mut journal, 2, &at);
        mount(&mut journal, 3, &["shop.apps.example/other"]);
        mount(&mut journal, 4, &["shop.apps.example/api", "shop.apps.example/api/v2"]);
        let now = table(&journal);
        let shop = &now[&host("shop.apps.example")];
        let there: Vec<_> =
            shop.mounts.iter().map(|(at, of)| (at.as_str(), of.route.app)).collect();
        // The older one has what both want.
        assert_eq!(there, [("/api", app_id(2)), ("/api/v2", app_id(4))]);
        assert!(shop.mounts.values().all(|of| of.seen == mount::SeenPath::Stripped));
        let others = now.iter().filter(|(name, _)| **name != host("shop.apps.example"));
        assert!(others.into_iter().all(|(_, route)| route.mounts.is_empty()));
        // Nothing of it is said twice.
        assert!(now.values().all(|route| route.edge.is_none()));
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        let may = |app: u128, at: &str| {
            let app = view.apps[&app_id(app)].state.active().unwrap();
            mount::may(&view, &now, app, &at.parse().unwrap()).map_err(|why| why.to_string())
        };
        assert_eq!(may(2, "shop.apps.example/api"), Ok(()));
        assert_eq!(may(4, "api.apps.example/x"), Ok(()));
        for (app, at, why) in [
            (4, "shop.apps.example/api", "api is at"),
            (3, "shop.apps.example/x", "another project"),
            (2, "nowhere.example/x", "no app has the host"),
        ] {
            assert!(may(app, at).unwrap_err().contains(why), "{at}");
        }
        // What moves to another project takes nothing along.
        let back = Some(crate::ids::ProjectId::DEFAULT);
        let change = crate::app::SettingsChange { project: back, ..Default::default() };
        journal.app(3, AppEvent::Configured(Box::new(change.clone())));
        let project = Some(crate::ids::ProjectId::new(uuid::Uuid::from_u128(9)));
        let change = crate::app::SettingsChange { project, ..change };
        journal.app(2, AppEvent::Configured(Box::new(change)));
        let now = table(&journal);
        let there = now[&host("shop.apps.example")].mounts.iter();
        let there: Vec<_> = there.map(|(at, of)| (at.as_str(), of.route.app)).collect();
        assert_eq!(there, [("/api", app_id(4)), ("/api/v2", app_id(4)), ("/other", app_id(3))]);
    }

    #[test]
    fn nobody_is_sent_to_a_host_that_sends_on() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        add(&mut journal, 1, "www.shop.example", DomainMode::Main);
        add(&mut journal, 1, "shop.example", DomainMode::Redirect);
        ["www.shop.example", "shop.example"].iter().for_each(|text| verify(&mut journal, 1, text));
        let www = crate::edge::Www::Remove;
        let settings = crate::edge::EdgeSettings { www, ..Default::default() };
        journal.app(1, AppEvent::EdgeSet(settings.listed()));
        let now = table(&journal);
        assert_eq!(now[&host("shop.example")].redirect, Some(host("www.shop.example")));
        let main = &now[&host("www.shop.example")];
        assert!(main.edge.as_ref().is_none_or(|edge| edge.redirect.is_none()), "{main:?}");
    }

    fn site(n: u128) -> SiteId {
        SiteId::new(format!("{n:064x}")).unwrap()
    }

    #[test]
    fn a_site_needs_no_worker_and_brings_those_of_the_versions_before() {
        let mut journal = Journal::default();
        journal.create(1, "docs");
        for (n, of) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 5)] {
            journal.deploy_site(1, n, site(of));
        }
        let backend = table(&journal)[&host("docs.apps.example")].backend.clone();
        let Backend::Site { deployment, site: now, earlier } = backend else {
            panic!("{backend:?}")
        };
        assert_eq!((deployment, now), (crate::testing::deployment_id(6), site(5)));
        assert_eq!(earlier, [site(4), site(3), site(2)], "each once, as many as are kept");
    }

    #[test]
    fn a_site_takes_its_part_beside_a_site_and_beside_replicas() {
        let mut journal = Journal::default();
        journal.create(1, "docs");
        journal.deploy_site(1, 1, site(1));
        journal.deploy_site(1, 2, site(2));
        journal.canary_site(1, 3, site(3));
        let docs = host("docs.apps.example");
        let route = table(&journal)[&docs].clone();
        let Backend::Site { deployment, site: live, earlier } = &route.backend else {
            panic!("{route:?}")
        };
        assert_eq!((*deployment, live), (crate::testing::deployment_id(2), &site(2)));
        assert_eq!(*earlier, [site(1)], "it never was live, so nobody goes back to it");
        let part = route.canary.as_deref().unwrap();
        assert_eq!((part.deployment, part.targets.len()), (crate::testing::deployment_id(3), 0));
        let expected = PartSite { site: site(3), earlier: vec![site(2), site(1)] };
        assert_eq!(part.site, Some(expected));
        assert_eq!(route.part_site().map(|part| &part.site), Some(&site(3)));
        let off = AppEvent::DeploymentCalledOff {
            deployment: crate::testing::deployment_id(3),
            by: None,
        };
        journal.app(1, off);
        let over = Route { canary: None, ..route };
        assert_eq!(table(&journal)[&docs], over);

        let mut journal = Journal::default();
        journal.create(1, "docs");
        journal.deploy(1, 1);
        journal.canary_site(1, 2, site(2));
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        // Nothing was heard of the replicas that have the rest.
        let targets = vec![SocketAddr::from(([127, 0, 0, 1], 1))];
        let backend = Backend::Replicas { deployment: crate::testing::deployment_id(1), targets };
        let before = Route::new(app_id(1), "docs".parse().unwrap(), backend.clone());
        let before = BTreeMap::from([(docs.clone(), before)]);
        let now = routes(&view, &Observed::default(), &host("apps.example"), &before);
        assert_eq!(now[&docs].backend, backend);
        let expected = PartSite { site: site(2), earlier: Vec::new() };
        assert_eq!(now[&docs].part_site(), Some(&expected));
    }
}
