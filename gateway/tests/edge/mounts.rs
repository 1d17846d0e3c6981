//! Apps at paths of another app's host, over real sockets.

use hythe_core::edge::{EdgeSettings, RouteEdge};
use hythe_core::mount::{Mounted, PathPrefix, SeenPath};
use hythe_core::names::HostName;
use hythe_core::network::Network;
use hythe_core::routes::RouteTable;

use crate::support::{App, Running, deployment, replicas, table};

/// The path that an app saw.
fn seen(body: &str) -> (&str, &str) {
    let mut lines = body.lines();
    let name = lines.next().unwrap_or_default();
    (name, lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default())
}

/// `a` has the host; `b` is at `/api`, without it, and `c` at `/api/v2`.
fn mounted(a: &App, b: &App, c: &App) -> RouteTable {
    let hosts = [("a.example", a), ("b.example", b), ("c.example", c)];
    let routes = hosts.map(|(host, app)| (host, replicas(deployment(), &[app.at])));
    let mut table = table(1, &routes);
    let places =
        [("b.example", "/api", SeenPath::Stripped), ("c.example", "/api/v2", SeenPath::Whole)];
    for (host, prefix, seen) in places {
        let route = table.routes[&host.parse::<HostName>().unwrap()].clone();
        let mounts =
            &mut table.routes.get_mut(&"a.example".parse::<HostName>().unwrap()).unwrap().mounts;
        mounts.insert(prefix.parse().unwrap(), Mounted { seen, route });
    }
    table
}

#[tokio::test]
async fn the_longest_path_that_fits_has_the_request_and_no_trick_gets_past_it() {
    let (a, b, c) = (App::echo("a").await, App::echo("b").await, App::echo("c").await);
    let (edge, _data) = Running::with(mounted(&a, &b, &c));
    for (path, wanted) in [
        ("/", ("a", "/")),
        ("/apis/x", ("a", "/apis/x")),
        ("/api", ("b", "/")),
        ("/api/x?y=/z", ("b", "/x?y=/z")),
        ("/%61pi/x", ("b", "/x")),
        ("/api/x//y/%2f", ("b", "/x//y/%2f")),
        ("/api/v2", ("c", "/api/v2")),
        ("/api/v2/x", ("c", "/api/v2/x")),
        ("http://a.example/api/v2/x", ("c", "/api/v2/x")),
    ] {
        let answer = edge.get("a.example", path).await;
        assert_eq!((answer.status, seen(&answer.body)), (200, wanted), "{path}");
        let prefix = answer.body.contains("x-forwarded-prefix: /api\r\n");
        assert_eq!(prefix, wanted.0 == "b", "{answer:?}");
    }
    for path in
        ["/api/../x", "/x/%2e%2e/api", "//api/x", "/api%2fv2", "/api/..;/x", "/api/v2/..\\x"]
    {
        let answer = edge.get("a.example", path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.body.contains("share this host"), "{answer:?}");
    }
    // Where nothing is mounted, paths are the app's own affair.
    let answer = edge.get("b.example", "/api/../x").await;
    assert_eq!(seen(&answer.body), ("b", "/api/../x"));
    // A client cannot say what was taken off.
    let answer = edge.ask("b.example", &["X-Forwarded-Prefix: /admin"]).await;
    assert!(!answer.body.contains("x-forwarded-prefix"), "{answer:?}");
    edge.stop().await;
}

#[tokio::test]
async fn who_may_see_it_is_what_is_set_for_the_app_that_answers() {
    let (a, b, c) = (App::echo("a").await, App::echo("b").await, App::echo("c").await);
    let mut table = mounted(&a, &b, &c);
    let nobody: Network = "192.0.2.1".parse().unwrap();
    let settings = EdgeSettings { allow: [nobody].into(), ..EdgeSettings::default() };
    let host = table.routes.get_mut(&"a.example".parse::<HostName>().unwrap()).unwrap();
    let mount = host.mounts.get_mut(&"/api".parse::<PathPrefix>().unwrap()).unwrap();
    let usual = RouteEdge::usual(mount.route.app);
    mount.route.edge = Some(Box::new(RouteEdge { settings, ..usual }));
    let (edge, _data) = Running::with(table);
    assert_eq!(edge.get("a.example", "/").await.status, 200);
    assert_eq!(edge.get("a.example", "/api/x").await.status, 403);
    assert_eq!(edge.get("a.example", "/%61pi/x").await.status, 403);
    assert_eq!(edge.get("a.example", "/api/v2/x").await.status, 200);
    edge.stop().await;
}

#[tokio::test]
async fn whoever_may_not_see_the_host_learns_nothing_by_a_trick() {
    let (a, b, c) = (App::echo("a").await, App::echo("b").await, App::echo("c").await);
    let mut table = mounted(&a, &b, &c);
    let nobody: Network = "192.0.2.1".parse().unwrap();
    let settings = EdgeSettings { allow: [nobody].into(), ..EdgeSettings::default() };
    let host = table.routes.get_mut(&"a.example".parse::<HostName>().unwrap()).unwrap();
    let usual = RouteEdge::usual(host.app);
    host.edge = Some(Box::new(RouteEdge { settings, ..usual }));
    let (edge, _data) = Running::with(table);
    assert_eq!(edge.get("a.example", "/x").await.status, 403);
    assert_eq!(edge.get("a.example", "/api/../x").await.status, 403);
    assert_eq!(edge.get("a.example", "/api/x").await.status, 200);
    edge.stop().await;
}
