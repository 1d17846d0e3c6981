//! HTTPS from end to end: a real authority looks at a real edge, and what comes of it is served; names that
//! no authority signs for are signed by the installation itself.

use hythe_tests::dns_server::DnsServer;
use hythe_tests::installation::{Installation, curl};
use hythe_tests::pebble::{Pebble, PebbleConfig};
use hythe_tests::ports::free_addresses;
use hythe_tests::repository::apps;

use crate::scene::Scene;

const HOST: &str = "shop.example";

#[test]
fn a_proven_domain_gets_its_certificate_and_is_served_with_it() {
    let dns = DnsServer::start();
    let [secure, api] = free_addresses();
    let mut hythe = Installation::prepare(&["--edge-https", &secure.to_string()]);
    let pebble = Pebble::start(&PebbleConfig {
        api,
        http_port: hythe.edge().port(),
        tls_port: secure.port(),
        dns: dns.address().parse().unwrap(),
        blocked: Vec::new(),
        external: None,
    });
    // What a test says of its environment lives as long as the test.
    let roots: &'static str = Box::leak(pebble.roots().display().to_string().into_boxed_str());
    hythe.environment(&[("HYTHE_ACME_CA_FILE", roots)]);
    hythe.up();
    let scene = Scene::of(hythe);
    scene.repository("shop", &apps::page("one"));
    scene.deploy_live("shop");
    let hythe = &scene.hythe;
    hythe.json(&["domain", "settings", "--resolver", &dns.address(), "--address", "127.0.0.1"]);
    let ca = pebble.directory();
    let terms = ["certificate", "settings", "--email", "ops@hythe.example", "--ca", &ca];
    hythe.json(&[&terms[..], &["--agree-tos"]].concat());

    let added = hythe.json(&["domain", "add", "shop", HOST]);
    let record = |field: &str| added["proof"][field].as_str().unwrap().to_owned();
    dns.txt(&record("name"), &[&record("value")]);
    dns.a(HOST, [127, 0, 0, 1]);
    assert_eq!(hythe.json(&["domain", "check", "shop", HOST])["state"], "verified");

    let resolve = format!("{HOST}:{}:127.0.0.1", secure.port());
    let url = format!("https://{HOST}:{}/", secure.port());
    // Who signs is made anew with each pebble, and is trusted by nobody: what it says is looked at.
    let form = "\n%{http_code}\n%{certs}";
    let ask = || curl(&["--insecure", "--resolve", &resolve, "--write-out", form, &url]).out;
    hythe.wait_until("it is served with its certificate", || {
        let said = ask();
        said.starts_with("one") && said.contains("\n200\n") && said.contains("Pebble")
    });
    let shown = hythe.json(&["certificate", "show", HOST]);
    assert_eq!(shown["state"], "valid", "{shown}");

    // Without TLS it is sent on, and the authority's question was not.
    let plain = format!("http://{}/a?b=c", hythe.edge());
    let host = format!("Host: {HOST}:{}", hythe.edge().port());
    let form = "%{http_code} %{redirect_url}";
    let said = curl(&["--header", &host, "--write-out", form, "--output", "/dev/null", &plain]);
    assert_eq!(said.out, format!("308 https://{HOST}:{}/a?b=c", secure.port()));

    // It is told what it may do where nobody is there to renew it.
    let may = hythe.data().join("edge/certificates/alone.json");
    hythe.wait_until("the edge knows what it may do alone", || may.exists());
    // The edge needs nobody for it.
    hythe.kill("server");
    hythe.kill("edge");
    hythe.wait_until("the edge serves it again", || ask().starts_with("one"));
    scene.hythe.finish();
}

#[test]
fn local_names_are_signed_here_where_that_is_asked_for() {
    let [secure] = free_addresses();
    let scene = Scene::of(Installation::start_with(&["--edge-https", &secure.to_string()]));
    scene.repository("shop", &apps::page("one"));
    scene.deploy_live("shop");
    let hythe = &scene.hythe;
    hythe.json(&["certificate", "settings", "--local"]);
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let resolve = format!("shop.localhost:{}:127.0.0.1", secure.port());
    let url = format!("https://shop.localhost:{}/", secure.port());
    hythe.wait_until("it is served with a certificate that is to be trusted", || {
        let printed = hythe.run(&["certificate", "ca"]);
        if printed.code != 0 {
            return false;
        }
        std::fs::write(&ca, printed.out).unwrap();
        let said = curl(&["--cacert", ca.to_str().unwrap(), "--resolve", &resolve, &url]);
        said.out.starts_with("one")
    });
    scene.hythe.finish();
}
