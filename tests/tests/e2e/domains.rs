//! A domain of one's own: refused before its record is there, proven after, routed, sent on, freed.

use hythe_tests::dns_server::DnsServer;
use hythe_tests::installation::curl;
use serde_json::Value;

use crate::scene::Scene;

/// Status, Location and body of a request to the edge under a host.
fn ask(scene: &Scene, host: &str, path: &str) -> (String, String) {
    let port = scene.hythe.edge().port();
    let to = format!("http://{}{path}", scene.hythe.edge());
    let header = format!("Host: {host}:{port}");
    let form = "\\n%{http_code} %{redirect_url}";
    let said = curl(&["-s", "-H", &header, "-w", form, &to]);
    let (body, rest) = said.out.rsplit_once('\n').unwrap_or(("", &said.out));
    (rest.trim().to_owned(), body.trim_end().to_owned())
}

/// Adds a domain; says the record that proves it.
fn add(scene: &Scene, host: &str) -> (String, String) {
    let added = scene.hythe.json(&["domain", "add", "shop", host]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&added["proof"]["name"]), text(&added["proof"]["value"]))
}

#[test]
fn a_domain_leads_to_its_app_once_it_is_proven() {
    let scene = Scene::with_shop();
    let dns = DnsServer::start();
    let set = ["domain", "settings", "--resolver", &dns.address(), "--address", "203.0.113.7"];
    scene.hythe.json(&set);

    let (record, token) = add(&scene, "shop.example");
    let refused = scene.hythe.run(&["domain", "check", "shop", "shop.example"]);
    assert_eq!(refused.code, 1, "{}{}", refused.out, refused.err);
    let why = format!(
        "wanted: a TXT record at {record} that says \"{token}\"; found: no TXT record (at {})",
        dns.address()
    );
    assert!(refused.err.contains(&why), "{}", refused.err);
    assert!(refused.err.contains("wanted: A 203.0.113.7"), "{}", refused.err);
    assert_eq!(ask(&scene, "shop.example", "/").0, "404");

    dns.txt(&record, &[&token]);
    dns.a("shop.example", [203, 0, 113, 7]);
    let proven = scene.hythe.run(&["domain", "verify", "shop", "shop.example"]);
    assert_eq!(proven.code, 0, "{}{}", proven.out, proven.err);
    scene.hythe.wait_until("the domain leads to the app", || {
        ask(&scene, "shop.example", "/") == ("200".to_owned(), "one".to_owned())
    });

    // A Traefik in place of an edge is told the same.
    let told = |path: &str| {
        let (status, document) = scene.hythe.api("GET", path, None);
        assert_eq!(status, 200, "{document}");
        document["http"]["routers"]["hythe-shop"]["rule"].clone()
    };
    assert_eq!(told("/v1/traefik/proxy-config"), "Host(`shop.example`)");
    assert_eq!(told("/v1/traefik/config"), "Host(`shop.localhost`)");

    for host in ["www.shop.example", "*.shop.example"] {
        let (record, token) = add(&scene, host);
        dns.txt(&record, &[&token]);
        assert_eq!(scene.hythe.json(&["domain", "check", "shop", host])["state"], "verified");
    }
    let port = scene.hythe.edge().port();
    let sent_on = format!("308 http://shop.example:{port}/a/b?c=d");
    scene.hythe.wait_until("the second one sends on to the first", || {
        ask(&scene, "www.shop.example", "/a/b?c=d").0 == sent_on
    });
    scene.hythe.wait_until("a host below leads to the app", || {
        ask(&scene, "any.shop.example", "/").1 == "one"
    });
    assert_eq!(ask(&scene, "not.any.shop.example", "/").0, "404");
    scene.hythe.json(&["domain", "main", "shop", "www.shop.example"]);
    let other_way = format!("308 http://www.shop.example:{port}/");
    scene.hythe.wait_until("the first one sends on to the second", || {
        ask(&scene, "shop.example", "/").0 == other_way
    });

    scene.hythe.json(&["domain", "rm", "shop", "www.shop.example"]);
    scene.hythe.wait_until("it is free, and the other one serves again", || {
        // By the wildcard, that is.
        ask(&scene, "www.shop.example", "/").1 == "one"
            && ask(&scene, "shop.example", "/").1 == "one"
    });
    assert_eq!(scene.hythe.run(&["app", "rm", "shop", "--yes", "--now"]).code, 0);
    scene.hythe.wait_until("no domain leads anywhere", || {
        ["shop.example", "any.shop.example"].iter().all(|host| ask(&scene, host, "/").0 == "404")
    });
    scene.finish();
}
