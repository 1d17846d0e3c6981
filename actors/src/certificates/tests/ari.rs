//! What an authority suggests (RFC 9773), and proofs by DNS record.
//!
//! The packaged pebble suggests nothing: a directory in front of it names a place that does, and leads to
//! pebble for everything else.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use hythe_core::certificate::{Authority, CertificateIssuer, ChallengeKind, DnsHook, HookUrl};
use hythe_core::names::HostName;

use super::dns_server::DnsServer;
use super::pebble::server_certificate;
use super::world::World;

/// Serves a directory and one suggestion for whichever certificate, by https on loopback.
fn suggesting(directory: String, window: String) -> (String, String) {
    let (root, chain, key) = server_certificate("127.0.0.1");
    let chain = crate::certificates::x509::chain(&chain).unwrap();
    use rustls::pki_types::pem::PemObject as _;
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let renewal = format!("{url}/renewal");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            let mut reader = BufReader::new(&mut stream);
            let (mut first, mut line) = (String::new(), String::new());
            if reader.read_line(&mut first).is_err() {
                continue;
            }
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                line.clear();
            }
            let body = if first.contains("/renewal/") {
                window.clone()
            } else {
                let mut directory: serde_json::Value = serde_json::from_str(&directory).unwrap();
                directory["renewalInfo"] = renewal.clone().into();
                directory.to_string()
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nretry-after: 21600\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).ok();
            stream.conn.send_close_notify();
            stream.flush().ok();
        }
    });
    (format!("{url}/dir"), root)
}

/// What pebble's directory says.
async fn directory(world: &World) -> String {
    let roots = std::fs::read(world.pebble.roots()).unwrap();
    let root = reqwest::Certificate::from_pem(&roots).unwrap();
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    client.get(world.pebble.directory()).send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_renewed_when_its_authority_suggests() {
    let world = World::start().await;
    // All of it is over: now.
    let window =
        r#"{"suggestedWindow":{"start":"2020-01-01T00:00:00Z","end":"2020-01-02T00:00:00Z"}}"#;
    let (url, root) = suggesting(directory(&world).await, window.to_owned());
    let mut roots = std::fs::read_to_string(world.pebble.roots()).unwrap();
    roots.push_str(&root);
    std::fs::write(world.pebble.roots(), roots).unwrap();
    let authority = Authority::new(url).unwrap();
    world
        .set(|settings| {
            settings.authorities = vec![authority.clone()];
            settings.agreed = [authority].into();
        })
        .await;
    let shop = world.app("shop").await;
    world.own(shop, "shop.example").await;
    let names = "shop.example".parse().unwrap();
    world.until("issued", |now| now.of(&names).map(drop)).await;
    // What is new is kept for an hour, whatever is suggested.
    world.advance(std::time::Duration::from_secs(7_200));
    world
        .until("renewed years before its end", |now| {
            now.of(&names).filter(|(_, held)| held.version >= 2).map(drop)
        })
        .await;
    world.close().await;
}

/// A server as lego's `httpreq` asks one: what it is told to present, the DNS server has.
fn hook(dns: Arc<DnsServer>) -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut path, mut length, mut line) = (String::new(), 0, String::new());
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                if let Some(rest) = line.strip_prefix("POST ") {
                    path = rest.split(' ').next().unwrap().to_owned();
                } else if let Some(rest) =
                    line.to_ascii_lowercase().strip_prefix("content-length: ")
                {
                    length = rest.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let name = body["fqdn"].as_str().unwrap().trim_end_matches('.').to_owned();
            match path.as_str() {
                "/present" => dns.txt(&name, &[body["value"].as_str().unwrap()]),
                _cleanup => dns.forget(&name),
            }
            heard.lock().unwrap().push(path);
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .unwrap();
        }
    });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_for_all_hosts_under_the_base_domain_is_proven_by_dns() {
    let mut world = World::start().await;
    let dns = Arc::new(std::mem::take(&mut world.dns));
    let (url, asked) = hook(dns);
    world
        .set(|settings| {
            settings.dns = Some(DnsHook { url: HookUrl::new(url).unwrap(), version: None });
        })
        .await;
    // Pebble asks the server that the world had, which is the hook's now.
    world.ask_pebble().await;
    let names = hythe_core::certificate::CertificateNames::with_below(
        &HostName::new("apps.example.com").unwrap(),
    );
    let by =
        world.until("issued", |now| now.of(&names).map(|(_, held)| held.issued.by.clone())).await;
    let authority = world.authority();
    let challenge = Some(ChallengeKind::Dns01);
    assert_eq!(by, CertificateIssuer::Acme { authority, challenge });
    world.edge.until("served", |known| known.served(&names.to_string())).await;
    let asked = asked.lock().unwrap().clone();
    let count = |path: &str| asked.iter().filter(|one| *one == path).count();
    assert!(count("/present") >= 2, "{asked:?}");
    assert_eq!(count("/present"), count("/cleanup"), "{asked:?}");
    let left = std::fs::read_to_string(world.folder().join("dns-records.json")).unwrap();
    assert_eq!(left, "[]");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_is_told_of_with_its_words_and_gets_no_environment() {
    let told = tempfile::tempdir().unwrap();
    let log = told.path().join("log");
    let text = format!(
        "#!/bin/sh\nenv >>{0}\necho \"$@\" >>{0}\necho no such zone >&2\nexit 3\n",
        log.display()
    );
    let world = World::with(
        "apps.example.com",
        |_| {},
        |config, data| {
            let program = data.path().join("dns-program");
            std::fs::write(&program, text).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            config.dns_program = Some(program);
        },
    )
    .await;
    world.ask_pebble().await;
    let names = hythe_core::certificate::CertificateNames::with_below(
        &HostName::new("apps.example.com").unwrap(),
    );
    let trouble = world.until("it fails", |now| now.troubles.get(&names).cloned()).await;
    assert!(trouble.why.contains("no such zone"), "{trouble:?}");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("present _acme-challenge.apps.example.com. "), "{log}");
    assert!(!log.contains("HOME="), "{log}");
    // It may have been set all the same: that it is to be removed is remembered.
    let left = std::fs::read_to_string(world.folder().join("dns-records.json")).unwrap();
    assert!(left.contains("_acme-challenge.apps.example.com."), "{left}");
    world.close().await;
}
