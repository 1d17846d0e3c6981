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
fn a_table_serves_before_it_is_told_of() {
    let live = Live::new();
    live.apply(&table(1, &[("a", to(1, &[1]))]));
    live.apply_ahead(&table(2, &[("a", to(2, &[2]))]), &BTreeMap::new());
    assert_eq!(held(&live, "a").upstream.deployment, deployment(2));
    assert_eq!(busy(&live).0, 1, "it is not on the disk yet");
    live.tell(2);
    assert_eq!(busy(&live).0, 2);
}

#[test]
fn each_kind_of_route_is_found() {
    let live = Live::new();
    assert!(matches!(live.find("a"), Found::NoTable));
    let empty = Backend::Replicas { deployment: deployment(9), targets: Vec::new() };
    let routes = [("a", to(1, &[1])), ("b", Backend::Starting), ("c", Backend::Down), ("d", empty)];
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
            site: None,
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
    // Others keep the processors busy meanwhile, now one and now the other.
    let mut seen = Vec::new();
    while seen.len() < 8 {
        let (few, many) = (best(1_000), best(10_000));
        if many < few * 40 {
            return;
        }
        seen.push((few, many));
    }
    panic!("for 1,000 and for 10,000: {seen:?}");
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
        let leaving =
            |(port, requests): &(u16, u64)| Leaving { target: target(*port), requests: *requests };
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

/// What is kept of a site without files, and its id.
fn empty_site(single_page: bool) -> (String, SiteId) {
    let text = format!(r#"{{"format":1,"single_page":{single_page},"files":{{}}}}"#);
    let id = SiteId::new(blake3::hash(text.as_bytes()).to_hex().to_string()).unwrap();
    (text, id)
}

#[test]
fn a_site_has_its_part_of_the_pages_and_what_belongs_to_a_page_is_of_its_version() {
    use hyper::header::{COOKIE, HeaderMap};
    use hythe_core::canary::{Part, Weight};
    let folder = tempfile::tempdir().unwrap();
    let shelf = Arc::new(Shelf::open(folder.path().to_owned(), 0).unwrap());
    let ((one, old), (two, new)) = (empty_site(false), empty_site(true));
    for (text, id) in [(one, &old), (two, &new)] {
        std::fs::write(folder.path().join("manifests").join(id.as_str()), text).unwrap();
    }
    let live = Live::serving(1, Some(shelf));
    let sites = Backend::Site { deployment: deployment(1), site: old, earlier: Vec::new() };
    let with = |revision, backend: &Backend, percent: Option<u8>| {
        let mut table = table(revision, &[("a", backend.clone())]);
        let part = |percent| Part {
            deployment: deployment(2),
            targets: Vec::new(),
            weight: Weight::new(percent).unwrap(),
            site: Some(PartSite { site: new.clone(), earlier: Vec::new() }),
        };
        let route = table.routes.values_mut().next().unwrap();
        route.canary = percent.map(|percent| Box::new(part(percent)));
        live.apply(&table);
    };
    // Whether the canary answers.
    let new_at = |path: &str, headers: &HeaderMap| {
        let seen = live.look_up("a", path, Side::Client(headers));
        if let Found::Site(served) = &seen.found {
            return served.deployment == Some(deployment(2));
        }
        let Found::Replicas(one) = seen.found else { panic!("nobody answers") };
        assert_eq!(one.upstream.deployment, deployment(1));
        false
    };
    let cookie = |side: &str| {
        let mut headers = HeaderMap::new();
        let text = format!("hythe-version={}.{side}", deployment(2));
        headers.insert(COOKIE, text.parse().unwrap());
        headers
    };
    let (nobody, is_new, is_old) = (HeaderMap::new(), cookie("new"), cookie("old"));
    let took = |count: usize| (0..count).filter(|_| new_at("/", &nobody)).count();
    let mut revision = 0;
    // Beside a site, and beside replicas.
    for backend in [sites, to(1, &[1])] {
        let mut next = |percent| {
            revision += 1;
            with(revision, &backend, percent);
        };
        next(Some(10));
        assert_eq!(took(1_000), 100);
        let mut pages = 0;
        for _ in 0..200 {
            next(Some(10));
            pages += took(1);
            // What takes no turn does not use one up.
            for path in ["/", "/style.css"] {
                assert!(new_at(path, &is_new) && !new_at(path, &is_old), "{path}");
            }
            assert!(!new_at("/style.css", &nobody));
        }
        assert_eq!(pages, 20, "a table for each page gives it no more than its part");
        assert!(live.behind().is_empty());
        next(None);
        assert_eq!(took(100), 0);
        assert!(!new_at("/", &is_new), "it is over");
        assert!(live.look_up("a", "/", Side::Client(&is_new)).keep.is_none());
    }
    assert_eq!(live.report().1, vec![]);
}
