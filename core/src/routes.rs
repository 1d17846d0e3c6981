//! The route table: which host leads to which replicas. Computed here, served by the edges.

mod behind;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use self::behind::{backend, canary};
use crate::app::ActiveApp;
use crate::deployment::Placement;
use crate::edge::RouteEdge;
use crate::giving_way::giving_way;
use crate::ids::{AppId, DeploymentId};
use crate::mount;
use crate::names::HostName;
use crate::observed::Observed;
use crate::process::is_process;
use crate::reconcile::is_gone;
use crate::view::{DeploymentView, View};
use crate::wire::worker::ReplicaState;

pub use self::table::{Backend, Route, RouteTable};

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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::app::AppEvent;
    use crate::canary::PartSite;
    use crate::domain::{DomainHost, DomainMode, DomainToken};
    use crate::past::testing::Journal;
    use crate::site::SiteId;
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
