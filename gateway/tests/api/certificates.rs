//! Certificates over the API: settings, own ones, and secrets that go in and never come out.

use hythe_actors::aggregate::Extras;
use hythe_actors::certificates::new_fleet_key;
use hythe_core::certificate::Certificates;
use hythe_core::ids::CorrelationId;
use hythe_core::installation::{Installation, InstallationCommand};
use hythe_core::record::{Actor, Meta};
use hythe_core::time::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Server};

const SETTINGS: &str = "/api/v1/certificates/settings";

fn own(host: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let year = i32::from(jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year());
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 1, 12, 31);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn nothing_is_agreed_to_before_the_owner_says_so() {
    let server = Server::start().await;
    let usual = server.get(SETTINGS).await.is(200).json;
    assert_eq!((&usual["cas"], &usual["agreed"]), (&json!(["letsencrypt"]), &json!([])));
    assert_eq!(usual["challenges"], json!(["http-01", "tls-alpn-01"]));
    let set = json!({"email": "ops@example.com", "agree_tos": true});
    let agreed = server.patch(SETTINGS, set).await.is(200).json;
    assert_eq!(
        (&agreed["email"], &agreed["agreed"]),
        (&json!("ops@example.com"), &json!(["letsencrypt"]))
    );
    // Who comes later has to be agreed to, too.
    let cas = json!({"cas": ["letsencrypt", "zerossl"]});
    let more = server.patch(SETTINGS, cas).await.is(200).json;
    assert_eq!(more["agreed"], json!(["letsencrypt"]));
    let both = server.patch(SETTINGS, json!({"agree_tos": true})).await.is(200).json;
    assert_eq!(both["agreed"], json!(["letsencrypt", "zerossl"]));
    let none = json!({"email": null, "cas": [], "agree_tos": false});
    let back = server.patch(SETTINGS, none).await.is(200).json;
    assert_eq!((&back["email"], &back["agreed"]), (&Value::Null, &json!([])));
    for (wrong, field) in [
        (json!({"email": "ops"}), "email"),
        (json!({"cas": ["http://ca.example"]}), "cas[0]"),
        (json!({"cas": ["letsencrypt", "letsencrypt"]}), "cas[1]"),
        (json!({"challenges": ["tls-sni-01"]}), "challenges[0]"),
        (json!({"dns_hook": {"url": "https://me:hush@dns.example"}}), "dns_hook.url"),
        (
            json!({"dns_hook": {"url": "https://dns.example", "secret": "hush\nhush"}}),
            "dns_hook.secret",
        ),
        (json!({"external": {"ca": "zerossl", "key_id": "", "key": "hush"}}), "external.key_id"),
    ] {
        let refused = server.patch(SETTINGS, wrong).await.is(422);
        assert_eq!(refused.json["field"], field, "{}", refused.text);
        assert!(!refused.text.contains("hush"), "{}", refused.text);
    }
}

#[tokio::test]
async fn secrets_of_the_settings_are_shown_to_nobody() {
    let server = Server::start().await;
    let (hook, key) = ("canary-0cc175b9c0f1b6a831c399e2", "canary-92eb5ffee6ae2fec3ad71c77");
    let set = json!({
        "dns_hook": {"url": "https://dns.example/hook", "secret": hook},
        "external": {"ca": "zerossl", "key_id": "kid", "key": key},
    });
    let mut seen = server.patch(SETTINGS, set).await.is(200).text;
    let shown = server.get(SETTINGS).await.is(200);
    assert_eq!(
        shown.json["dns_hook"],
        json!({"url": "https://dns.example/hook", "has_secret": true})
    );
    assert_eq!(shown.json["external"], json!([{"ca": "zerossl", "key_id": "kid"}]));
    seen += &shown.text;
    seen += &server.get("/api/v1/events?limit=1000").await.is(200).text;
    assert!(seen.contains("installation.certificate_settings_set"), "{seen}");
    for secret in [hook, key] {
        assert!(!seen.contains(secret));
        assert!(!server.on_disk(secret.as_bytes()));
    }
    let without = json!({"dns_hook": {"url": "https://dns.example/hook"}});
    let without = server.patch(SETTINGS, without).await.is(200).json;
    assert_eq!(without["dns_hook"]["has_secret"], false);
    let gone = server.patch(SETTINGS, json!({"dns_hook": null})).await.is(200).json;
    assert_eq!(gone["dns_hook"], Value::Null);
}

#[tokio::test]
async fn an_own_certificate_is_taken_replaced_and_removed() {
    let server = Server::start().await;
    let (certificate, key) = own("shop.example");
    let (_, other) = own("shop.example");
    let all = "/api/v1/certificates";
    let wrong = json!({"certificate": certificate, "key": other});
    let refused = server.post(all, wrong).await.is(422);
    assert_eq!(refused.json["field"], "key", "{}", refused.text);
    assert!(refused.text.contains("not the certificate's"), "{}", refused.text);

    let added = json!({"certificate": certificate, "key": key});
    let added = server.post(all, added).await.is(201).json;
    assert_eq!((&added["names"], &added["issuer"]), (&json!(["shop.example"]), &json!("own")));
    assert_eq!((&added["state"], &added["renew_at"]), (&json!("valid"), &Value::Null));
    let line = key.lines().nth(1).unwrap();
    assert!(!server.on_disk(line.as_bytes()));
    // Another one for the same hosts takes its place.
    let (certificate, key) = own("shop.example");
    let again = json!({"certificate": certificate, "key": key});
    let again = server.post(all, again).await.is(201).json;
    assert_eq!(again["id"], added["id"]);
    assert_ne!(again["serial"], added["serial"]);
    let list = server.get(all).await.is(200).json;
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    let found = server.get("/api/v1/certificates/shop.example").await.is(200).json;
    assert_eq!(found, again);
    let renew = server.post("/api/v1/certificates/shop.example/renew", json!({})).await;
    renew.is_problem(409, "conflict");

    server.delete("/api/v1/certificates/shop.example").await.is(204);
    server.get("/api/v1/certificates/shop.example").await.is_problem(404, "not-found");
    server.delete("/api/v1/certificates/shop.example").await.is_problem(404, "not-found");
    server.get("/api/v1/certificates/authority").await.is_problem(404, "not-found");
}

#[tokio::test]
async fn edges_get_another_key_where_they_share_one_once_for_each_time_that_it_is_asked_for() {
    let server = Server::start().await;
    let control = &server.control;
    let path = "/api/v1/certificates/fleet-key";
    server.post(path, json!({})).await.is_problem(409, "conflict");
    // As it is made where an edge wants it.
    let (command, secrets) = new_fleet_key(control).unwrap();
    let correlation = CorrelationId::new(Uuid::now_v7());
    let meta = Meta { at: Timestamp(1), actor: Actor::System, correlation, causation: None };
    let extras = Extras { secrets, ..Extras::from(meta) };
    let (id, command) = (control.installation().uuid(), InstallationCommand::Certificate(command));
    let done = control.command::<Installation>(id, command, extras).await.unwrap();
    control.wait_for(done.sequence.unwrap()).await.unwrap();

    let version = || control.read(|view| view.installation.state.certificates.fleet);
    let secret =
        |version| control.journal().secret(id, Certificates::FLEET_SECRET, version).unwrap();
    let first = secret(1).unwrap();
    for _ in 0..2 {
        let asks = server.asks(Method::POST, path).header("idempotency-key", "lost");
        Answer::of(asks).await.is(204);
        assert_eq!(version(), 2);
    }
    assert!(secret(1).is_none(), "the one before is nowhere any more");
    assert!(secret(2).unwrap().expose() != first.expose());
    server.post(path, json!({})).await.is(204);
    assert_eq!(version(), 3);
}
