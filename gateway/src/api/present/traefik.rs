//! The route table as Traefik reads it: one router and one service for each app.
//!
//! Only what answers is in it: of an app that has nothing to answer with Traefik says by itself that it
//! knows no such host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use hythe_core::ids::{AppId, WorkerId};
use hythe_core::names::HostName;
use hythe_core::observed::Observed;
use hythe_core::routes::{Backend, Route};

use crate::api::dto::{
    TraefikConfig, TraefikHttp, TraefikLoadBalancer, TraefikRouter, TraefikServer, TraefikService,
    TraefikTls,
};

/// How routers are to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routers {
    pub(crate) entry_points: Vec<String>,
    pub(crate) cert_resolver: Option<String>,
}

/// The hosts of apps under the base domain, and those of their replicas that are on one worker.
pub(crate) fn of_worker(
    observed: &Observed,
    base_domain: &HostName,
    worker: WorkerId,
    routers: &Routers,
) -> TraefikConfig {
    let seen = observed.workers.get(&worker);
    let there: BTreeSet<SocketAddr> = seen
        .into_iter()
        .flat_map(|seen| &seen.report.replicas)
        .filter_map(|replica| replica.endpoint)
        .collect();
    let routes = observed.routes().iter().filter(|(host, _)| is_under(host, base_domain));
    config(routes, |target| there.contains(target), routers)
}

/// The domains that people brought themselves, and all replicas behind them.
pub(crate) fn of_proxy(
    observed: &Observed,
    base_domain: &HostName,
    routers: &Routers,
) -> TraefikConfig {
    let routes = observed.routes().iter().filter(|(host, _)| !is_under(host, base_domain));
    config(routes, |_| true, routers)
}

fn is_under(host: &HostName, base_domain: &HostName) -> bool {
    let before = host.as_str().strip_suffix(base_domain.as_str());
    before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn config<'a>(
    routes: impl Iterator<Item = (&'a HostName, &'a Route)>,
    is_meant: impl Fn(&SocketAddr) -> bool,
    how: &Routers,
) -> TraefikConfig {
    let mut apps: BTreeMap<AppId, (&Route, Vec<&HostName>)> = BTreeMap::new();
    for (host, route) in routes {
        apps.entry(route.app).or_insert((route, Vec::new())).1.push(host);
    }
    let mut http = TraefikHttp::default();
    for (route, hosts) in apps.into_values() {
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
        let rule: Vec<String> = hosts.iter().map(|host| format!("Host(`{host}`)")).collect();
        let router = TraefikRouter {
            rule: rule.join(" || "),
            service: name.clone(),
            entry_points: how.entry_points.clone(),
            tls: how.cert_resolver.clone().map(|cert_resolver| TraefikTls { cert_resolver }),
        };
        http.routers.insert(name.clone(), router);
        let load_balancer = TraefikLoadBalancer { servers };
        http.services.insert(name, TraefikService { load_balancer });
    }
    TraefikConfig { http: (!http.routers.is_empty()).then_some(http) }
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
        let app = AppId::new(Uuid::from_u128(n));
        Route { app, name: AppName::new(name).unwrap(), backend, stopped: false }
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
        let empty = of_worker(&observed, &host("localhost"), worker, &Routers::default());
        assert_eq!(serde_json::to_string(&empty).unwrap(), "{}");
    }

    #[test]
    fn what_ends_alike_is_not_under_a_domain() {
        let base = host("example.com");
        for (name, under) in [
            ("example.com", true),
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("anexample.com", false),
            ("example.com.test", false),
        ] {
            assert_eq!(is_under(&host(name), &base), under, "{name}");
        }
    }
}
