//! Pebble, Let's Encrypt's authority for tests, on loopback, with the failures on that it makes up: it
//! refuses one nonce in twenty, and remembers proofs every other time.
//!
//! It is the real one, from the Debian package `pebble`. Its API has a certificate of an authority that is
//! made here; what it signs with is made anew with each start.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;

/// How a pebble is to be.
#[derive(Clone, Debug)]
pub struct PebbleConfig {
    /// Where its API answers.
    pub api: SocketAddr,
    /// Where it asks hosts for proofs by HTTP-01.
    pub http_port: u16,
    /// Where it asks them for proofs by TLS-ALPN-01.
    pub tls_port: u16,
    /// The DNS server that it asks for everything.
    pub dns: SocketAddr,
    /// Domains that it does not sign for.
    pub blocked: Vec<String>,
    /// A key that accounts have to be bound by: its id and its value in base64url.
    pub external: Option<(String, String)>,
}

/// A pebble of a test's own. Killed when it is let go.
#[derive(Debug)]
pub struct Pebble {
    child: Child,
    api: SocketAddr,
    folder: tempfile::TempDir,
}

impl Pebble {
    /// Starts one, and waits until it answers.
    ///
    /// # Panics
    /// Where the program is missing or does not come up.
    #[must_use]
    pub fn start(config: &PebbleConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        certificates(&folder, config.api);
        let (external, required) = match &config.external {
            Some((id, key)) => (json!({ id: key }), true),
            None => (json!({}), false),
        };
        let settings = json!({"pebble": {
            "listenAddress": config.api.to_string(),
            "managementListenAddress": "",
            "certificate": file("api.pem"),
            "privateKey": file("api.key"),
            "httpPort": config.http_port,
            "tlsPort": config.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": required,
            "externalAccountMACKeys": external,
            "domainBlocklist": config.blocked,
        }});
        std::fs::write(file("pebble.json"), settings.to_string()).unwrap();
        let mut child = Command::new("pebble")
            .arg("-config")
            .arg(file("pebble.json"))
            .args(["-dnsserver", &config.dns.to_string()])
            // Its failures stay as they are; only its pauses, which prove nothing, are taken out.
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("these tests need pebble (apt-get install pebble): {error}")
            });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        loop {
            let line = lines.next().and_then(Result::ok);
            let line =
                line.unwrap_or_else(|| panic!("pebble ended before it was ready: {said:#?}"));
            if line.contains("ACME directory available at") {
                break;
            }
            said.push(line);
        }
        // Somebody must go on reading, or it would block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let pebble = Self { child, api: config.api, folder };
        pebble.answers();
        pebble
    }

    /// Where its directory is.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.api)
    }

    /// A file with the root of its API's certificate.
    #[must_use]
    pub fn roots(&self) -> PathBuf {
        self.folder.path().join("roots.pem")
    }

    /// It says that it listens a moment before it does.
    fn answers(&self) {
        for _ in 0..200 {
            if std::net::TcpStream::connect(self.api).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("pebble does not answer at {}", self.api);
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An authority, and a certificate of its for the API. The authority is not the certificate itself: a
/// client that is strict takes no such thing.
fn certificates(folder: &tempfile::TempDir, api: SocketAddr) {
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    let (root, chain, key) = server_certificate(&api.ip().to_string());
    write("roots.pem", root);
    write("api.pem", chain);
    write("api.key", key);
}

/// A root, a certificate of its for a host or an address, and that one's key; all in PEM.
#[must_use]
pub fn server_certificate(name: &str) -> (String, String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, "an authority for a test");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    (issuer.pem(), leaf.pem(), key.serialize_pem())
}
