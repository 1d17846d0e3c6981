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
    let observed =
        observed(&[("shop.localhost", own), ("shop.example", shop), ("www.shop.example", from)]);
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

#[test]
fn an_app_that_speaks_http2_is_spoken_to_so() {
    use hythe_core::edge::{EdgeSettings, Protocol, RouteEdge};
    for (protocol, url) in
        [(Protocol::H2c, "h2c://10.208.0.2:8080"), (Protocol::Http1, "http://10.208.0.2:8080")]
    {
        let mut shop = route(1, "shop", &["10.208.0.2:8080"]);
        let mut edge = RouteEdge::usual(shop.app);
        edge.settings = EdgeSettings { protocol, sticky: true, ..EdgeSettings::default() };
        shop.edge = Some(Box::new(edge));
        let observed = observed(&[("shop.localhost", shop)]);
        let config = of_worker(&observed, &host("localhost"), None, &Routers::default());
        let services = config.http.unwrap().services;
        assert_eq!(services["hythe-shop"].load_balancer.servers[0].url, url);
    }
}

#[test]
fn a_path_of_what_is_guarded_or_does_not_answer_leads_nowhere_and_not_to_the_host() {
    use hythe_core::edge::{EdgeSettings, RouteEdge};
    use hythe_core::mount::Mounted;
    let config = |targets: &[&str], change: fn(&mut EdgeSettings)| {
        let mut api = route(2, "api", targets);
        let mut edge = RouteEdge::usual(api.app);
        change(&mut edge.settings);
        api.edge = Some(Box::new(edge));
        let mut shop = route(1, "shop", &["10.208.0.2:8080"]);
        let mounted = Mounted { seen: SeenPath::Stripped, route: api.clone() };
        shop.mounts.insert("/v1/api".parse().unwrap(), mounted);
        let observed = observed(&[("shop.example", shop), ("api.example", api)]);
        let config = of_proxy(&observed, &host("localhost"), &Routers::default());
        serde_json::to_value(config).unwrap()["http"].clone()
    };
    let name = "hythe-api-at-shop.example:v1:api";
    for closed in [
        config(&["10.208.0.3:8080"], |set| set.maintenance = true),
        config(&["10.208.0.3:8080"], |set| set.allow = ["10.0.0.0/8".parse().unwrap()].into()),
        config(&[], |_| {}),
    ] {
        assert_eq!(
            closed["routers"][name],
            json!({
                "rule": "Host(`shop.example`) && (Path(`/v1/api`) || PathPrefix(`/v1/api/`))",
                "service": CLOSED,
                "priority": MOUNTED + 7,
            })
        );
        assert_eq!(closed["services"][CLOSED], json!({"loadBalancer": {"servers": []}}));
        assert!(!closed.to_string().contains("10.208.0.3"), "{closed}");
        assert!(closed["routers"]["hythe-api"].is_null(), "{closed}");
        assert_eq!(closed["routers"]["hythe-shop"]["rule"], "Host(`shop.example`)");
    }
    let open = config(&["10.208.0.3:8080"], |_| {});
    assert_eq!(open["routers"][name]["service"], "hythe-api");
    assert!(open["services"][CLOSED].is_null(), "{open}");
}

#[test]
fn a_host_of_what_is_guarded_is_not_another_apps_by_its_wildcard() {
    use hythe_core::edge::{EdgeSettings, RouteEdge};
    let config = |targets: &[&str], change: fn(&mut EdgeSettings)| {
        let shop = route(1, "shop", &["10.208.0.2:8080"]);
        let own = Route { wildcards: BTreeSet::from([host("shop.example")]), ..shop };
        let mut admin = route(2, "admin", targets);
        let mut edge = RouteEdge::usual(admin.app);
        change(&mut edge.settings);
        admin.edge = Some(Box::new(edge));
        let from = Route { redirect: Some(host("admin.shop.example")), ..admin.clone() };
        let observed = observed(&[
            ("shop.localhost", own),
            ("admin.shop.example", admin.clone()),
            ("www.shop.example", from),
            ("elsewhere.example", admin),
        ]);
        let config = of_proxy(&observed, &host("localhost"), &Routers::default());
        serde_json::to_value(config).unwrap()["http"].clone()
    };
    for closed in [
        config(&["10.208.0.3:8080"], |set| set.allow = ["10.0.0.0/8".parse().unwrap()].into()),
        config(&[], |_| {}),
    ] {
        assert_eq!(
            closed["routers"]["hythe-admin"],
            json!({
                "rule": "Host(`admin.shop.example`) || Host(`www.shop.example`)",
                "service": CLOSED,
            })
        );
        assert_eq!(closed["services"][CLOSED], json!({"loadBalancer": {"servers": []}}));
        assert!(!closed.to_string().contains("10.208.0.3"), "{closed}");
        assert!(!closed.to_string().contains("elsewhere.example"), "{closed}");
    }
    let open = config(&["10.208.0.3:8080"], |_| {});
    assert_eq!(open["routers"]["hythe-admin"]["service"], "hythe-admin");
    assert!(open["services"][CLOSED].is_null(), "{open}");
}
