//! Custom domains, with real DNS servers on loopback that say true, false and hostile things.

use serde_json::{Value, json};

use crate::dns_server::DnsServer;
use crate::support::Server;

const RECORD: &str = "_hythe.shop.example";

/// A server that asks three resolvers, and has the apps `shop` and `other`.
async fn start() -> (Server, [DnsServer; 3]) {
    let server = Server::start().await;
    let dns = [DnsServer::start(), DnsServer::start(), DnsServer::start()];
    let resolvers: Vec<String> = dns.iter().map(DnsServer::address).collect();
    let set = json!({"resolvers": resolvers, "addresses": ["203.0.113.7"]});
    let set = server.patch("/api/v1/domains/settings", set).await.is(200);
    assert_eq!(set.json["resolvers"], json!(resolvers));
    assert_eq!(set.json["usual_resolvers"], false);
    for name in ["shop", "other"] {
        server.post("/api/v1/apps", json!({"name": name})).await.is(201);
    }
    (server, dns)
}

async fn add(server: &Server, app: &str, host: &str) -> Value {
    let path = format!("/api/v1/apps/{app}/domains");
    server.post(&path, json!({ "host": host })).await.is(201).json
}

async fn check(server: &Server, app: &str, host: &str) -> Value {
    let path = format!("/api/v1/apps/{app}/domains/{host}/check");
    server.post(&path, json!({})).await.is(200).json
}

fn token(domain: &Value) -> String {
    domain["proof"]["value"].as_str().unwrap().to_owned()
}

#[track_caller]
fn contains(text: &Value, part: &str) {
    assert!(text.as_str().is_some_and(|text| text.contains(part)), "{part:?} is not in {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_proven_by_its_record_and_what_is_missing_is_said() {
    let (server, dns) = start().await;
    let added = add(&server, "shop", "Shop.Example.").await;
    assert_eq!((&added["host"], &added["state"]), (&json!("shop.example"), &json!("pending")));
    assert_eq!((&added["mode"], &added["proof"]["name"]), (&json!("main"), &json!(RECORD)));
    assert_eq!(
        added["target"],
        json!([{"type": "A", "name": "shop.example", "value": "203.0.113.7"}])
    );
    assert_eq!(token(&added).len(), 64);
    // Added again, it is the same addition.
    assert_eq!(token(&add(&server, "shop", "shop.example").await), token(&added));

    let nothing = check(&server, "shop", "shop.example").await;
    assert_eq!(
        (&nothing["state"], &nothing["check"]["verdict"]),
        (&json!("pending"), &json!("absent"))
    );
    let wanted = format!("wanted: a TXT record at {RECORD} that says \"{}\"", token(&added));
    contains(&nothing["detail"], &wanted);
    let everywhere = dns.iter().map(DnsServer::address).collect::<Vec<_>>().join(", ");
    contains(&nothing["detail"], &format!("found: no TXT record (at {everywhere})"));
    assert_eq!(nothing["check"]["leads"], "nowhere");
    contains(&nothing["check"]["leads_detail"], "wanted: A 203.0.113.7");

    // Somebody's other record, one that is cut into pieces, and too much of it.
    dns[0].txt(RECORD, &["v=spf1 -all"]);
    dns[1].txt(RECORD, &["x".repeat(255).as_str(); 200]);
    dns[2].txt(RECORD, &[&format!("\"{}\"", token(&added))]);
    let wrong = check(&server, "shop", "shop.example").await;
    assert_eq!(wrong["check"]["verdict"], "absent", "{wrong}");
    contains(&wrong["detail"], &format!("TXT \"v=spf1 -all\" (at {})", dns[0].address()));
    assert!(wrong["detail"].as_str().unwrap().len() < 1_500, "{wrong}");

    // One has it, and may be the one that lies.
    let whole = token(&added);
    let (first, second) = whole.split_at(20);
    dns[0].txt(RECORD, &[first, second]);
    let one = check(&server, "shop", "shop.example").await;
    assert_eq!((&one["state"], &one["check"]["verdict"]), (&json!("pending"), &json!("divided")));
    contains(&one["detail"], "1 of 3 resolvers have it");

    // Two have it; what the third says does not matter, nor that it says nothing.
    dns[1].forget(RECORD);
    dns[1].txt(RECORD, &[&token(&added)]);
    dns[2].silent(true);
    for dns in &dns[..2] {
        dns.a("shop.example", [104, 16, 1, 1]);
    }
    let proven = check(&server, "shop", "shop.example").await;
    assert_eq!(
        (&proven["state"], &proven["check"]["verdict"]),
        (&json!("verified"), &json!("proven"))
    );
    assert_eq!(
        (&proven["check"]["leads"], &proven["check"]["network"]),
        (&json!("proxied"), &json!("Cloudflare"))
    );
    contains(&proven["check"]["leads_detail"], "HTTP-01");
    dns[2].silent(false);
    for dns in &dns {
        dns.forget("shop.example");
        dns.a("shop.example", [203, 0, 113, 7]);
    }
    assert_eq!(check(&server, "shop", "shop.example").await["check"]["leads"], "here");

    // A look that finds nothing takes nothing away; nor does one that nobody answers.
    dns.iter().for_each(|dns| dns.forget(RECORD));
    let gone = check(&server, "shop", "shop.example").await;
    assert_eq!((&gone["state"], &gone["check"]["verdict"]), (&json!("verified"), &json!("absent")));
    dns.iter().for_each(|dns| dns.fails(true));
    let failed = check(&server, "shop", "shop.example").await;
    assert_eq!(
        (&failed["state"], &failed["check"]["verdict"]),
        (&json!("verified"), &json!("unheard"))
    );
    contains(&failed["check"]["detail"], "SERVFAIL");
    let events = server.get("/api/v1/events?app=shop").await.is(200).json;
    let told = events["items"].to_string();
    assert!(told.contains("domain_added") && told.contains("domain_verified"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caa_record_that_is_missing_is_named_before_an_authority_refuses() {
    let (server, dns) = start().await;
    add(&server, "shop", "www.shop.example").await;
    for dns in &dns {
        dns.caa("shop.example", false, "issue", "pki.goog");
    }
    let unasked = check(&server, "shop", "www.shop.example").await;
    assert!(unasked["check"]["caa"].is_null(), "nobody is asked for certificates: {unasked}");
    let agreed = json!({"email": "ops@example.com", "agree_tos": true});
    server.patch("/api/v1/certificates/settings", agreed).await.is(200);
    let forbidden = check(&server, "shop", "www.shop.example").await;
    let caa = &forbidden["check"]["caa"];
    contains(&caa["detail"], "0 issue \"pki.goog\"");
    let record =
        json!({"type": "CAA", "name": "shop.example", "value": "0 issue \"letsencrypt.org\""});
    assert_eq!(caa["record"], record, "{forbidden}");
    for dns in &dns {
        dns.caa("shop.example", false, "issue", "letsencrypt.org");
    }
    let permitted = check(&server, "shop", "www.shop.example").await;
    assert!(permitted["check"]["caa"].is_null(), "{permitted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_a_domain_over_by_a_cname_a_squat_or_an_old_token() {
    let (server, dns) = start().await;
    let shop = add(&server, "shop", "shop.example").await;
    // Whoever answers for another name says nothing of this one.
    for dns in &dns {
        dns.cname(RECORD, "proof.else.example");
        dns.txt("proof.else.example", &[&token(&shop)]);
        dns.cname("shop.example", "shop.else.example");
        dns.cname("shop.else.example", "shop.example");
    }
    let alias = check(&server, "shop", "shop.example").await;
    assert_eq!(
        (&alias["state"], &alias["check"]["verdict"]),
        (&json!("pending"), &json!("absent")),
        "{alias}"
    );
    contains(&alias["detail"], "a CNAME to \"proof.else.example\"");
    contains(&alias["detail"], "at that name itself");

    // An addition that is not proven is in nobody's way.
    let other = add(&server, "other", "shop.example").await;
    assert_ne!(token(&other), token(&shop));
    for dns in &dns {
        dns.forget(RECORD);
        dns.txt(RECORD, &[&token(&other)]);
    }
    assert_eq!(check(&server, "other", "shop.example").await["state"], "verified");
    // The other one's token is not this one's.
    assert_eq!(check(&server, "shop", "shop.example").await["check"]["verdict"], "absent");

    // Both are there: who has it keeps it.
    dns.iter().for_each(|dns| dns.txt(RECORD, &[&token(&shop)]));
    let both = check(&server, "shop", "shop.example").await;
    assert_eq!((&both["state"], &both["check"]["verdict"]), (&json!("pending"), &json!("proven")));
    contains(&both["detail"], "belongs to the app other, whose own record is there, too");
    // The other's is gone: it changes hands, and that is told.
    for dns in &dns {
        dns.forget(RECORD);
        dns.txt(RECORD, &[&token(&shop)]);
    }
    assert_eq!(check(&server, "shop", "shop.example").await["state"], "verified");
    let lost = server.get("/api/v1/apps/other/domains/shop.example").await.is(200).json;
    assert_eq!(lost["state"], "lost", "{lost}");
    contains(&lost["detail"], "another app has proven it");

    // Removed and added again, the record of before proves nothing.
    server.delete("/api/v1/apps/shop/domains/shop.example").await.is(204);
    let again = add(&server, "shop", "shop.example").await;
    assert_ne!(token(&again), token(&shop));
    assert_eq!(check(&server, "shop", "shop.example").await["state"], "pending");

    // What is set without proof is not taken from whoever set it.
    let set = json!({"domains": ["shop.example"]});
    server.patch("/api/v1/apps/other", set).await.is(200);
    dns.iter().for_each(|dns| dns.txt(RECORD, &[&token(&again)]));
    let blocked = check(&server, "shop", "shop.example").await;
    contains(&blocked["detail"], "is set for the app other without proof");
    server.patch("/api/v1/apps/other", json!({"domains": []})).await.is(200);
    assert_eq!(check(&server, "shop", "shop.example").await["state"], "verified");

    // With its app it is free, and comes back with it where nobody has it.
    server.delete("/api/v1/apps/shop").await;
    let next = add(&server, "other", "www.shop.example").await;
    dns.iter().for_each(|dns| dns.txt("_hythe.www.shop.example", &[&token(&next)]));
    server.delete("/api/v1/apps/other/domains/shop.example").await.is(204);
    let other = add(&server, "other", "shop.example").await;
    dns.iter().for_each(|dns| dns.txt(RECORD, &[&token(&other)]));
    assert_eq!(check(&server, "other", "shop.example").await["state"], "verified");
    assert_eq!(check(&server, "other", "www.shop.example").await["state"], "verified");
    let restored = server.post("/api/v1/apps/shop/restore", json!({})).await;
    restored.is_problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_domain_is_the_main_one_and_what_cannot_be_a_domain_is_refused() {
    let (server, dns) = start().await;
    let domains = "/api/v1/apps/shop/domains";
    add(&server, "shop", "shop.example").await;
    for (host, mode) in [("www.shop.example", "redirect"), ("*.shop.example", "serve")] {
        assert_eq!(add(&server, "shop", host).await["mode"], mode);
    }
    let unicode = add(&server, "shop", "bücher.example").await;
    assert_eq!(unicode["host"], "xn--bcher-kva.example");
    assert_eq!(unicode["unicode"], "bücher.example");
    for host in ["shop.example", "www.shop.example"] {
        let domain = server.get(&format!("{domains}/{host}")).await.is(200).json;
        dns.iter().for_each(|dns| dns.txt(&format!("_hythe.{host}"), &[&token(&domain)]));
        assert_eq!(check(&server, "shop", host).await["state"], "verified");
    }
    let www = server.get(&format!("{domains}/www.shop.example")).await.json;
    assert_eq!(www["redirects_to"], "shop.example");
    let main = json!({"mode": "main"});
    server.patch(&format!("{domains}/www.shop.example"), main.clone()).await.is(200);
    let bare = server.get(&format!("{domains}/shop.example")).await.json;
    assert_eq!(
        (&bare["mode"], &bare["redirects_to"]),
        (&json!("redirect"), &json!("www.shop.example"))
    );
    // A wildcard is proven where its own host is, and is neither main nor a redirect.
    let wildcard = server.get(&format!("{domains}/*.shop.example")).await.is(200).json;
    assert_eq!(wildcard["proof"]["name"], "_hythe.shop.example");
    let refused = server.patch(&format!("{domains}/*.shop.example"), main).await;
    refused.is_problem(422, "invalid-field");

    server.put("/api/v1/address", json!({"url": "https://hythe.example.com"})).await.is(200);
    for host in ["hythe.example.com", "shop.localhost", "localhost", "127.0.0.1", "a_b.example", ""]
    {
        let refused = server.post(domains, json!({ "host": host })).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json["field"]),
            (422, &json!("host")),
            "{host}"
        );
    }
    let set = server.patch("/api/v1/apps/shop", json!({"domains": ["hythe.example.com"]})).await;
    assert_eq!((set.status.as_u16(), &set.json["field"]), (422, &json!("domains")));
    for (field, value) in [
        ("resolvers", json!(["example.com"])),
        ("resolvers", json!(["0.0.0.0"])),
        ("addresses", json!(["nowhere"])),
        ("target", json!("a b")),
    ] {
        let refused = server.patch("/api/v1/domains/settings", json!({ field: value })).await;
        assert_eq!(refused.status.as_u16(), 422, "{field}");
    }
    let usual = json!({"resolvers": [], "target": "edge.example.com", "addresses": []});
    let usual = server.patch("/api/v1/domains/settings", usual).await.is(200).json;
    assert_eq!(usual["usual_resolvers"], true);
    assert!(usual["resolvers"].as_array().unwrap().len() >= 3);
    let list = server.get(domains).await.is(200).json;
    assert_eq!(list["items"].as_array().unwrap().len(), 4);
    assert_eq!(list["items"][0]["target"][0]["value"], "edge.example.com");
}
