//! The route table as Traefik reads it: one router and one service for each app.
//!
//! Only what answers is in it: of an app that has nothing to answer with Traefik says by itself that it
//! knows no such host. But a path of another app's host that such an app has, or one that Traefik would let
//! everybody see, leads nowhere: it is not that other app's. No more is a host of such an app that another
//! one's wildcard would take.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use hythe_core::domain::within;
use hythe_core::edge::Protocol;
use hythe_core::ids::{AppId, WorkerId};
use hythe_core::mount::{PathPrefix, SeenPath};
use hythe_core::names::HostName;
use hythe_core::observed::Observed;
use hythe_core::routes::{Backend, Route};

use crate::api::dto::{
    TraefikConfig, TraefikHttp, TraefikLoadBalancer, TraefikMiddleware, TraefikRedirect,
    TraefikRouter, TraefikServer, TraefikService, TraefikStripPrefix, TraefikTls,
};

/// How routers are to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routers {
    pub(crate) entry_points: Vec<String>,
    pub(crate) cert_resolver: Option<String>,
}

/// The hosts of apps under the base domain, and their replicas: those on one worker, where one is meant.
pub(crate) fn of_worker(
    observed: &Observed,
    base_domain: &HostName,
    worker: Option<WorkerId>,
    routers: &Routers,
) -> TraefikConfig {
    let seen = worker.map(|worker| observed.workers.get(&worker));
    let there: Option<BTreeSet<SocketAddr>> = seen.map(|seen| {
        let replicas = seen.into_iter().flat_map(|seen| &seen.report.replicas);
        replicas.filter_map(|replica| replica.endpoint).collect()
    });
    let is_meant = |target: &SocketAddr| there.as_ref().is_none_or(|there| there.contains(target));
    let apps = apps(observed, |host| within(host, base_domain), false);
    config(apps, is_meant, routers)
}

/// The domains that people brought themselves, and all replicas behind them.
pub(crate) fn of_proxy(
    observed: &Observed,
    base_domain: &HostName,
    routers: &Routers,
) -> TraefikConfig {
    let apps = apps(observed, |host| !within(host, base_domain), true);
    config(apps, |_| true, routers)
}

/// What leads to one app.
struct Hosts<'a> {
    route: &'a Route,
    /// Traefik would let everybody see it.
    guarded: bool,
    hosts: Vec<&'a HostName>,
    /// The hosts right below these.
    wildcards: BTreeSet<&'a HostName>,
    /// Those that are sent on, by where to.
    redirects: BTreeMap<&'a HostName, Vec<&'a HostName>>,
    /// Paths of hosts.
    mounts: Vec<(&'a HostName, &'a PathPrefix, SeenPath)>,
}

impl<'a> Hosts<'a> {
    fn of(route: &'a Route) -> Self {
        let (wildcards, redirects) = (BTreeSet::new(), BTreeMap::new());
        let (hosts, mounts) = (Vec::new(), Vec::new());
        Self { route, guarded: false, hosts, wildcards, redirects, mounts }
    }
}

/// Whether not everybody may see it.
fn guarded(route: &Route) -> bool {
    route.edge.as_deref().is_some_and(|edge| {
        let set = &edge.settings;
        set.maintenance || !set.users.is_empty() || !set.allow.is_empty()
    })
}

/// How Traefik writes what an app speaks.
fn scheme(route: &Route) -> &'static str {
    match route.edge.as_deref().map(|edge| edge.settings.protocol).unwrap_or_default() {
        Protocol::Http1 => "http",
        Protocol::H2c => "h2c",
    }
}

/// What goes before a router for a host alone: Traefik takes the longer rule first where nothing is said,
/// and a rule of many hosts is long.
const MOUNTED: u32 = 1_000_000;
/// The service without a server, for which Traefik answers 503. No app's is called so: names have no dot.
const CLOSED: &str = "hythe.closed";

fn apps(
    observed: &Observed,
    is_meant: impl Fn(&HostName) -> bool,
    wildcards: bool,
) -> BTreeMap<AppId, Hosts<'_>> {
    let mut apps: BTreeMap<AppId, Hosts<'_>> = BTreeMap::new();
    for (host, route) in observed.routes() {
        let app = apps.entry(route.app).or_insert_with(|| Hosts::of(route));
        app.guarded |= guarded(route);
        if wildcards {
            app.wildcards.extend(&route.wildcards);
        }
        match &route.redirect {
            _ if !is_meant(host) => {}
            Some(to) => app.redirects.entry(to).or_default().push(host),
            None => app.hosts.push(host),
        }
    }
    for (host, route) in observed.routes().iter().filter(|(host, _)| is_meant(host)) {
        for (prefix, mounted) in &route.mounts {
            let route = &mounted.route;
            let app = apps.entry(route.app).or_insert_with(|| Hosts::of(route));
            app.guarded |= guarded(route);
            app.mounts.push((host, prefix, mounted.seen));
        }
    }
    apps
}

fn config(
    apps: BTreeMap<AppId, Hosts<'_>>,
    is_meant: impl Fn(&SocketAddr) -> bool,
    how: &Routers,
) -> TraefikConfig {
    let mut http = TraefikHttp::default();
    let (mut closed, mut above) = (Vec::new(), BTreeSet::<&str>::new());
    for Hosts { route, guarded, hosts, wildcards, redirects, mounts } in apps.into_values() {
        let targets = match &route.backend {
            Backend::Replicas { targets, deployment: _ } if !guarded => Some(targets),
            Backend::Replicas { .. } | Backend::Starting | Backend::Down | Backend::Site { .. } => {
                None
            }
        };
        let targets = targets.into_iter().flatten().filter(|target| is_meant(target));
        let scheme = scheme(route);
        let servers: Vec<TraefikServer> =
            targets.map(|target| TraefikServer { url: format!("{scheme}://{target}") }).collect();
        let name = format!("hythe-{}", route.name);
        if servers.is_empty() {
            for (host, prefix, _) in mounts {
                close(&mut http, mounted(&name, host, prefix), how.mount(host, prefix, CLOSED));
            }
            let sent_on = redirects.into_values().flatten();
            closed.push((name, hosts.into_iter().chain(sent_on).collect::<Vec<_>>()));
            continue;
        }
        if !hosts.is_empty() || !wildcards.is_empty() || !mounts.is_empty() {
            let load_balancer = TraefikLoadBalancer { servers };
            http.services.insert(name.clone(), TraefikService { load_balancer });
        }
        if !hosts.is_empty() {
            http.routers.insert(name.clone(), how.router(rule(&hosts), &name));
        }
        if !wildcards.is_empty() {
            above.extend(wildcards.iter().copied().map(HostName::as_str));
            let rules = wildcards.into_iter().map(|above| {
                format!("HostRegexp(`^[^.]+\\.{}$`)", above.as_str().replace('.', "\\."))
            });
            let rule = rules.collect::<Vec<_>>().join(" || ");
            // Whatever names a host goes first.
            let router = TraefikRouter { priority: Some(1), ..how.router(rule, &name) };
            http.routers.insert(format!("{name}-wildcard"), router);
        }
        for (to, from) in redirects {
            let redirect = format!("{name}-to-{to}");
            // A service has to be named; the middleware answers before it would be asked.
            let router = how.router(rule(&from), "noop@internal");
            let middlewares = vec![redirect.clone()];
            http.routers.insert(redirect.clone(), TraefikRouter { middlewares, ..router });
            let redirect_regex = TraefikRedirect {
                regex: "^(https?)://[^/:]+(:[0-9]+)?/(.*)$".to_owned(),
                replacement: format!("${{1}}://{to}${{2}}/${{3}}"),
                permanent: true,
            };
            let redirect_regex = Some(redirect_regex);
            let middleware = TraefikMiddleware { redirect_regex, strip_prefix: None };
            http.middlewares.insert(redirect, middleware);
        }
        for (host, prefix, seen) in mounts {
            let mounted = mounted(&name, host, prefix);
            let mut router = how.mount(host, prefix, &name);
            match seen {
                SeenPath::Whole => {}
                SeenPath::Stripped => {
                    router.middlewares = vec![mounted.clone()];
                    let strip_prefix = TraefikStripPrefix { prefixes: vec![prefix.to_string()] };
                    let strip_prefix = Some(strip_prefix);
                    let middleware = TraefikMiddleware { redirect_regex: None, strip_prefix };
                    http.middlewares.insert(mounted.clone(), middleware);
                }
            }
            http.routers.insert(mounted, router);
        }
    }
    for (name, hosts) in closed {
        let taken = |host: &&HostName| {
            let parent = host.as_str().split_once('.').map(|(_, parent)| parent);
            parent.is_some_and(|parent| above.contains(parent))
        };
        let hosts: Vec<&HostName> = hosts.into_iter().filter(taken).collect();
        if !hosts.is_empty() {
            close(&mut http, name, how.router(rule(&hosts), CLOSED));
        }
    }
    TraefikConfig { http: (!http.routers.is_empty()).then_some(http) }
}

/// A router to the service without a server.
fn close(http: &mut TraefikHttp, name: String, router: TraefikRouter) {
    let load_balancer = TraefikLoadBalancer { servers: Vec::new() };
    http.services.insert(CLOSED.to_owned(), TraefikService { load_balancer });
    http.routers.insert(name, router);
}

/// What the router of a path is called.
fn mounted(name: &str, host: &HostName, prefix: &PathPrefix) -> String {
    format!("{name}-at-{host}{}", prefix.as_str().replace('/', ":"))
}

impl Routers {
    /// For a path of a host: before the router of that host.
    fn mount(&self, host: &HostName, prefix: &PathPrefix, service: &str) -> TraefikRouter {
        let rule = format!("Host(`{host}`) && (Path(`{prefix}`) || PathPrefix(`{prefix}/`))");
        let length = u32::try_from(prefix.as_str().len()).unwrap_or_default();
        TraefikRouter { priority: Some(MOUNTED + length), ..self.router(rule, service) }
    }

    fn router(&self, rule: String, service: &str) -> TraefikRouter {
        TraefikRouter {
            rule,
            service: service.to_owned(),
            entry_points: self.entry_points.clone(),
            middlewares: Vec::new(),
            priority: None,
            tls: self.cert_resolver.clone().map(|cert_resolver| TraefikTls { cert_resolver }),
        }
    }
}

fn rule(hosts: &[&HostName]) -> String {
    let rules = hosts.iter().map(|host| format!("Host(`{host}`)"));
    rules.collect::<Vec<_>>().join(" || ")
}
