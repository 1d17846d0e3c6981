//! The route table as Traefik reads it: one router and one service for each app.
//!
//! Only what answers is in it: of an app that has nothing to answer with Traefik says by itself that it
//! knows no such host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use hythe_core::domain::within;
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
        Self { route, hosts: Vec::new(), wildcards, redirects, mounts: Vec::new() }
    }
}

/// What goes before a router for a host alone: Traefik takes the longer rule first where nothing is said,
/// and a rule of many hosts is long.
const MOUNTED: u32 = 1_000_000;

fn apps(
    observed: &Observed,
    is_meant: impl Fn(&HostName) -> bool,
    wildcards: bool,
) -> BTreeMap<AppId, Hosts<'_>> {
    let mut apps: BTreeMap<AppId, Hosts<'_>> = BTreeMap::new();
    let guarded = |route: &Route| {
        route.edge.as_deref().is_some_and(|edge| {
            let set = &edge.settings;
            set.maintenance || !set.users.is_empty() || !set.allow.is_empty()
        })
    };
    // What Traefik would let everybody see it does not get.
    for (host, route) in observed.routes().iter().filter(|(_, route)| !guarded(route)) {
        let app = apps.entry(route.app).or_insert_with(|| Hosts::of(route));
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
        for (prefix, mounted) in route.mounts.iter().filter(|(_, of)| !guarded(&of.route)) {
            let route = &mounted.route;
            let app = apps.entry(route.app).or_insert_with(|| Hosts::of(route));
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
    for Hosts { route, hosts, wildcards, redirects, mounts } in apps.into_values() {
        let Backend::Replicas { targets, deployment: _ } = &route.backend else { continue };
        let servers: Vec<TraefikServer> = targets
            .iter()
            .filter(|target| is_meant(target))
            .map(|target| TraefikServer { url: format!("http://{target}") })
            .collect();
        if servers.is_empty() {
            continue;
        }
        let name = format!("hythe-{}", route.name);
        if !hosts.is_empty() || !wildcards.is_empty() || !mounts.is_empty() {
            let load_balancer = TraefikLoadBalancer { servers };
            http.services.insert(name.clone(), TraefikService { load_balancer });
        }
        if !hosts.is_empty() {
            http.routers.insert(name.clone(), how.router(rule(&hosts), &name));
        }
        if !wildcards.is_empty() {
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
            let mounted = format!("{name}-at-{host}{}", prefix.as_str().replace('/', ":"));
            let rule = format!("Host(`{host}`) && (Path(`{prefix}`) || PathPrefix(`{prefix}/`))");
            let length = u32::try_from(prefix.as_str().len()).unwrap_or_default();
            let mut router = how.router(rule, &name);
            router.priority = Some(MOUNTED + length);
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
    TraefikConfig { http: (!http.routers.is_empty()).then_some(http) }
}

impl Routers {
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

#[cfg(test)]
mod tests {
    use hythe_core::ids::DeploymentId;
    use hythe_core::names::AppName;
    use hythe_core::routes::RouteTable;
    use hythe_core::time::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    fn route(n: u128, name: &str, targets: &[&str]) -> Route {
        let backend = if targets.is_empty() {
            Backend::Down
        } else {
            let deployment = DeploymentId::new(Uuid::from_u128(n));
            let targets = targets.iter().map(|target| target.parse().unwrap()).collect();
            Backend::Replicas { deployment, targets }
        };
        Route::new(AppId::new(Uuid::from_u128(n)), AppName::new(name).unwrap(), backend)
    }

    fn observed(routes: &[(&str, Route)]) -> Observed {
        let mut observed = Observed::starting_at(Timestamp(0));
        let routes = routes.iter().map(|(name, route)| (host(name), route.clone())).collect();
        observed.put_in_force(RouteTable { revision: 7, routes });
        observed
    }

    #[test]
    fn an_app_is_one_rule_of_all_its_domains_and_nothing_is_empty() {
        let shop = route(1, "shop", &["10.208.0.2:8080", "10.208.0.3:8080"]);
        let observed = observed(&[
            ("shop.localhost", shop.clone()),
            ("shop.example.com", shop.clone()),
            ("www.example.com", shop),
            ("blog.example.com", route(2, "blog", &[])),
        ]);
        let plain = of_proxy(&observed, &host("localhost"), &Routers::default());
        let expected = json!({"http": {
            "routers": {"hythe-shop": {
                "rule": "Host(`shop.example.com`) || Host(`www.example.com`)",
                "service": "hythe-shop",
            }},
            "services": {"hythe-shop": {"loadBalancer": {"servers": [
                {"url": "http://10.208.0.2:8080"},
                {"url": "http://10.208.0.3:8080"},
            ]}}},
        }});
        assert_eq!(serde_json::to_value(&plain).unwrap(), expected);
        let how = Routers {
            entry_points: vec!["websecure".into()],
            cert_resolver: Some("letsencrypt".into()),
        };
        let secure = serde_json::to_value(of_proxy(&observed, &host("localhost"), &how)).unwrap();
        let router = &secure["http"]["routers"]["hythe-shop"];
        assert_eq!(router["entryPoints"], json!(["websecure"]));
        assert_eq!(router["tls"], json!({"certResolver": "letsencrypt"}));
        let none = of_proxy(&observed, &host("example.com"), &Routers::default());
        let expected = json!({"http": {
            "routers": {"hythe-shop": {"rule": "Host(`shop.localhost`)", "service": "hythe-shop"}},
            "services": expected["http"]["services"],
        }});
        assert_eq!(serde_json::to_value(none).unwrap(), expected);
        // A worker that nothing was heard of has none.
        let worker = WorkerId::new(Uuid::from_u128(1));
        let near = |worker| of_worker(&observed, &host("localhost"), worker, &Routers::default());
        assert_eq!(serde_json::to_string(&near(Some(worker))).unwrap(), "{}");
        let all = near(None).http.unwrap().routers;
        assert_eq!(all["hythe-shop"].rule, "Host(`shop.localhost`)");
    }

    #[test]
    fn wildcards_come_last_and_what_is_sent_on_is_sent_on() {
        let shop = route(1, "shop", &["10.208.0.2:8080"]);
        let wildcards = BTreeSet::from([host("shop.example")]);
        let own = Route { wildcards, ..shop.clone() };
        let from = Route { redirect: Some(host("shop.example")), ..shop.clone() };
        let observed = observed(&[
            ("shop.localhost", own),
            ("shop.example", shop),
            ("www.shop.example", from),
        ]);
        let config = of_proxy(&observed, &host("localhost"), &Routers::default());
        let http = &serde_json::to_value(config).unwrap()["http"];
        let (wildcard, redirect) = ("hythe-shop-wildcard", "hythe-shop-to-shop.example");
        assert_eq!(http["routers"]["hythe-shop"]["rule"], "Host(`shop.example`)");
        assert_eq!(
            http["routers"][wildcard],
            json!({
                "rule": r"HostRegexp(`^[^.]+\.shop\.example$`)",
                "service": "hythe-shop",
                "priority": 1,
            })
        );
        assert_eq!(
            http["routers"][redirect],
            json!({
                "rule": "Host(`www.shop.example`)",
                "service": "noop@internal",
                "middlewares": [redirect],
            })
        );
        let regex = &http["middlewares"][redirect]["redirectRegex"];
        assert_eq!(regex["replacement"], "${1}://shop.example${2}/${3}");
        assert_eq!(regex["permanent"], true);
        // Neither is anything of the hosts under the base domain.
        let near = of_worker(&observed, &host("localhost"), None, &Routers::default());
        assert_eq!(near.http.unwrap().routers.len(), 1);
    }

    #[test]
    fn what_is_mounted_goes_before_the_host_and_may_lose_its_prefix() {
        use hythe_core::mount::Mounted;
        let (api, seen) = (route(2, "api", &["10.208.0.3:8080"]), SeenPath::Stripped);
        let mut shop = route(1, "shop", &["10.208.0.2:8080"]);
        shop.mounts.insert("/v1/api".parse().unwrap(), Mounted { seen, route: api.clone() });
        let observed = observed(&[("shop.example", shop), ("api.localhost", api)]);
        let config = of_proxy(&observed, &host("localhost"), &Routers::default());
        let http = &serde_json::to_value(config).unwrap()["http"];
        let name = "hythe-api-at-shop.example:v1:api";
        assert_eq!(
            http["routers"][name],
            json!({
                "rule": "Host(`shop.example`) && (Path(`/v1/api`) || PathPrefix(`/v1/api/`))",
                "service": "hythe-api",
                "middlewares": [name],
                "priority": MOUNTED + 7,
            })
        );
        let strip = json!({"stripPrefix": {"prefixes": ["/v1/api"]}});
        assert_eq!(http["middlewares"][name], strip);
        let server = &http["services"]["hythe-api"]["loadBalancer"]["servers"][0];
        assert_eq!(server["url"], "http://10.208.0.3:8080");
        assert_eq!(http["routers"].as_object().unwrap().len(), 2);
    }

    #[test]
    fn what_traefik_would_not_guard_it_does_not_get() {
        use hythe_core::edge::{EdgeSettings, RouteEdge};
        let shop = route(1, "shop", &["10.208.0.2:8080"]);
        let guarded = |change: fn(&mut EdgeSettings)| {
            let mut edge = RouteEdge::usual(shop.app);
            change(&mut edge.settings);
            let route = Route { edge: Some(Box::new(edge)), ..shop.clone() };
            let observed = observed(&[("shop.localhost", route)]);
            of_worker(&observed, &host("localhost"), None, &Routers::default()).http.is_none()
        };
        assert!(!guarded(|set| set.sticky = true));
        assert!(guarded(|set| set.maintenance = true));
        assert!(guarded(|set| set.allow = ["10.0.0.0/8".parse().unwrap()].into()));
    }
}
