//! A domain comes and goes, whoever dies meanwhile.

use hythe_tests::dns_server::DnsServer;
use serde_json::json;

use super::world::{APP, World};

/// Says which resolver is asked, adds a domain, proves it, changes it and takes it away.
pub(super) fn come_and_go(world: &mut World, arm: impl Fn(&World)) {
    let dns = DnsServer::start();
    let host = format!("shop-{}.example", world.next());
    arm(world);
    let settings = json!({ "resolvers": [dns.address()] });
    let (status, document) = world.insist("PATCH", "/api/v1/domains/settings", &settings);
    assert!(status < 300, "{status} {document}");
    let domains = format!("/api/v1/apps/{APP}/domains");
    let one = format!("{domains}/{host}");
    // Where another one is the main one still, it would redirect there.
    let wanted = json!({ "host": host, "mode": "main" });
    let (status, added) = world.insist("POST", &domains, &wanted);
    assert!(status < 300, "{status} {added}");
    let record = added["proof"]["name"].as_str().expect("it has a record");
    dns.txt(record, &[added["proof"]["value"].as_str().expect("that says something")]);
    let (status, proven) = world.insist("POST", &format!("{one}/check"), &json!({}));
    assert!(status < 300 && proven["state"] == "verified", "{status} {proven}");
    let (status, serves) = world.insist("PATCH", &one, &json!({ "mode": "serve" }));
    assert!(status < 300 && serves["state"] == "verified", "{status} {serves}");
    let (status, document) = world.insist("DELETE", &one, &serde_json::Value::Null);
    // The first of two may have been heard, and its answer not.
    assert!(status < 300 || status == 404, "{status} {document}");
    let left = world.look(&domains);
    assert_eq!(left["items"], json!([]), "{left}");
}
