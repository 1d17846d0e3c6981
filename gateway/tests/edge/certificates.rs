//! Certificates and challenges come through a real nats-server, and the edge does without one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::Store;
use hythe_core::ids::{CertificateId, ChallengeId};
use hythe_core::time::Timestamp;
use hythe_core::wire::certificate::{
    ChallengeMessage, Proof, certificate_key, challenge_key, fleet_key,
};
use hythe_core::wire::edge::EdgeReport;
use hythe_gateway::edge::EdgeConfig;
use rustls::pki_types::ServerName;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use uuid::Uuid;

use crate::authority::{Authority, FOREVER, Fleet};
use crate::nats::{Control, Nats};
use crate::support::{
    App, PATIENCE, Running, config, deployment, message, no_nats, replicas, soon, table,
};
use crate::tls::{ask, connect};

const HOST: &str = "shop.example";

/// The control plane's side of the bucket.
pub struct Bucket(Store);

impl Bucket {
    pub async fn of(control: &Control) -> Self {
        Self(control.bus.certificates_bucket().await.unwrap())
    }

    pub async fn put(&self, key: String, message: &impl Serialize) {
        let bytes = serde_json::to_vec(message).unwrap();
        self.0.put(key, bytes.into()).await.unwrap();
    }

    pub async fn fleet(&self, fleet: &Fleet, report: &EdgeReport) {
        let sealed = fleet.sealed(report.sealing_key.unwrap());
        self.put(fleet_key(report.edge), &sealed).await;
    }

    /// The same, where nothing is sealed with another one any more.
    async fn only(&self, fleet: &Fleet, report: &EdgeReport) {
        let mut message = fleet.sealed(report.sealing_key.unwrap());
        message.only = true;
        self.put(fleet_key(report.edge), &message).await;
    }

    /// Puts one there; it is given as clients get to see it.
    async fn certificate(
        &self,
        (fleet, authority): (&Fleet, &Authority),
        id: CertificateId,
        version: u64,
        names: &[&str],
    ) -> String {
        let issued = authority.issue(names);
        // Renewed ones are good for longer.
        let message = fleet.certificate((id, version), names, &issued, FOREVER + version);
        self.put(certificate_key(id), &message).await;
        issued.0
    }
}

fn secure(data: &std::path::Path, nats: hythe_gateway::edge::NatsSettings) -> EdgeConfig {
    let mut config = config(data, nats);
    config.https = vec!["127.0.0.1:0".parse().unwrap()];
    config
}

fn certificate() -> CertificateId {
    CertificateId::new(Uuid::now_v7())
}

/// The chain that a host is shown, as PEM without line breaks; none where the client is refused.
async fn shown(edge: &Running, authority: &Authority, host: &str) -> Option<Vec<u8>> {
    let client = authority.client(rustls::ALL_VERSIONS, &[]);
    let stream = connect(edge.tls(), &client, host).await.ok()?;
    Some(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

fn der(pem: &str) -> Option<Vec<u8>> {
    use rustls::pki_types::pem::PemObject as _;
    let der = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    Some(der.to_vec())
}

/// Asks until a host is shown this.
async fn comes(edge: &Running, authority: &Authority, host: &str, wanted: Option<Vec<u8>>) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while shown(edge, authority, host).await != wanted {
        assert!(tokio::time::Instant::now() < deadline, "{host} is not shown what it should be");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn certificates_come_in_are_renewed_and_go_and_connections_stay() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    let (authority, fleet) = (Authority::new(), Fleet::new(1));
    let app = App::echo("shop").await;
    let data = tempfile::tempdir().unwrap();
    let routes = table(1, &[(HOST, replicas(deployment(), &[app.at]))]);
    std::fs::write(data.path().join("routes.json"), message(routes.clone())).unwrap();
    let edge = Running::start(secure(data.path(), nats.settings()));
    let report = control.reports().await.next().await;

    // What came before its key is there once that is.
    let ours = (&fleet, &authority);
    let (one, other) = (certificate(), certificate());
    let first = bucket.certificate(ours, one, 1, &[HOST]).await;
    let wild = bucket.certificate(ours, other, 1, &["*.apps.example"]).await;
    bucket.fleet(&fleet, &report).await;
    comes(&edge, &authority, HOST, der(&first)).await;
    comes(&edge, &authority, "a.apps.example", der(&wild)).await;
    let client = authority.client(rustls::ALL_VERSIONS, &[]);
    let mut before = connect(edge.tls(), &client, HOST).await.unwrap();
    assert_eq!(ask(&mut before, HOST).await.status, 200);

    // Renewed, the new one holds for the next connection; the old connection goes on.
    let second = bucket.certificate(ours, one, 2, &[HOST]).await;
    comes(&edge, &authority, HOST, der(&second)).await;
    assert_eq!(ask(&mut before, HOST).await.status, 200);

    // Older, unreadable, of somebody else, of another key, not what its key says: none changes anything.
    bucket.certificate(ours, one, 1, &[HOST]).await;
    bucket.put(certificate_key(one), &"nonsense").await;
    bucket.certificate((&Fleet::new(2), &authority), one, 3, &[HOST]).await;
    let strange = fleet.certificate((other, 4), &[HOST], &authority.issue(&[HOST]), FOREVER + 9);
    bucket.put(certificate_key(one), &strange).await;
    bucket.put("nothing.known".to_owned(), &1).await;
    let newest = bucket.certificate(ours, other, 2, &["*.apps.example"]).await;
    comes(&edge, &authority, "a.apps.example", der(&newest)).await;
    assert_eq!(shown(&edge, &authority, HOST).await, der(&second));

    // Another key of the fleet, and what is sealed with it.
    let turned = Fleet::new(3);
    let third = bucket.certificate((&turned, &authority), one, 5, &[HOST]).await;
    bucket.fleet(&turned, &report).await;
    comes(&edge, &authority, HOST, der(&third)).await;

    // Without NATS and control plane it starts with what it had, what either key opens.
    edge.stop().await;
    drop(nats);
    let edge = Running::start(secure(data.path(), no_nats()));
    assert_eq!(shown(&edge, &authority, HOST).await, der(&third));
    assert_eq!(shown(&edge, &authority, "a.apps.example").await, der(&newest));
    edge.stop().await;

    // Removed is removed, here and on disk.
    let nats = Nats::start().await;
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    let edge = Running::start(secure(data.path(), nats.settings()));
    bucket.put(certificate_key(one), &1).await;
    bucket.0.delete(certificate_key(one)).await.unwrap();
    comes(&edge, &authority, HOST, None).await;
    assert_eq!(shown(&edge, &authority, "a.apps.example").await, der(&newest));
    edge.stop().await;
    let edge = Running::start(secure(data.path(), no_nats()));
    assert_eq!(shown(&edge, &authority, HOST).await, None);
    edge.stop().await;
}

/// Waits until an edge has so many keys of the fleet on its disk, under which then all lies that is there.
async fn has_keys(data: &std::path::Path, wanted: usize) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let bytes = std::fs::read(data.join("certificates/fleet.json")).unwrap_or_default();
        let keys = serde_json::from_slice::<Vec<serde_json::Value>>(&bytes).unwrap_or_default();
        if keys.len() == wanted {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "it has {} keys", keys.len());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn another_key_of_the_fleet_takes_the_place_of_the_one_before() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    let (authority, first) = (Authority::new(), Fleet::new(1));
    let data = tempfile::tempdir().unwrap();
    let edge = Running::start(secure(data.path(), nats.settings()));
    let report = control.reports().await.next().await;
    let (one, other) = (certificate(), certificate());
    bucket.fleet(&first, &report).await;
    bucket.certificate((&first, &authority), one, 1, &[HOST]).await;
    let stays = bucket.certificate((&first, &authority), other, 1, &["other.example"]).await;
    comes(&edge, &authority, "other.example", der(&stays)).await;

    // Two more in a row, and only one of the certificates under the last of them. The other one is sealed anew here.
    let (second, third) = (Fleet::new(2), Fleet::new(3));
    bucket.fleet(&second, &report).await;
    bucket.fleet(&third, &report).await;
    let renewed = bucket.certificate((&third, &authority), one, 2, &[HOST]).await;
    comes(&edge, &authority, HOST, der(&renewed)).await;
    has_keys(data.path(), 2).await;
    edge.stop().await;
    let edge = Running::start(secure(data.path(), no_nats()));
    assert_eq!(shown(&edge, &authority, "other.example").await, der(&stays));
    edge.stop().await;

    // All is under the last one: the one before goes, and what comes under it counts no more.
    let edge = Running::start(secure(data.path(), nats.settings()));
    bucket.only(&third, &report).await;
    has_keys(data.path(), 1).await;
    bucket.certificate((&second, &authority), one, 3, &[HOST]).await;
    let new = bucket.certificate((&third, &authority), certificate(), 1, &["new.example"]).await;
    comes(&edge, &authority, "new.example", der(&new)).await;
    assert_eq!(shown(&edge, &authority, HOST).await, der(&renewed));
    edge.stop().await;
    let edge = Running::start(secure(data.path(), no_nats()));
    assert_eq!(shown(&edge, &authority, HOST).await, der(&renewed));
    assert_eq!(shown(&edge, &authority, "other.example").await, der(&stays));
    assert_eq!(shown(&edge, &authority, "new.example").await, der(&new));
    edge.stop().await;
}

#[tokio::test]
async fn keys_that_another_edge_put_on_disk_are_put_right_by_the_one_that_is_told() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    let (authority, ours, theirs) = (Authority::new(), Fleet::new(2), Fleet::new(1));
    let data = tempfile::tempdir().unwrap();
    let edge = Running::start(secure(data.path(), nats.settings()));
    let report = control.reports().await.next().await;
    bucket.fleet(&ours, &report).await;
    let one = certificate();
    let stays = bucket.certificate((&ours, &authority), one, 1, &[HOST]).await;
    comes(&edge, &authority, HOST, der(&stays)).await;
    let folder = data.path().join("certificates");
    let right = std::fs::read(folder.join("fleet.json")).unwrap();

    // Another one that was leaving wrote down what it knew, and sealed with that.
    let put = |name: String, json: Vec<u8>| {
        std::fs::write(data.path().join("new"), json).unwrap();
        std::fs::rename(data.path().join("new"), folder.join(name)).unwrap();
    };
    let issued = authority.issue(&[HOST]);
    let late = theirs.certificate((one, 1), &[HOST], &issued, FOREVER);
    put(format!("{one}.json"), serde_json::to_vec(&late).unwrap());
    let key = theirs.sealed(report.sealing_key.unwrap());
    put("fleet.json".to_owned(), serde_json::to_vec(&[key]).unwrap());
    bucket.only(&ours, &report).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while std::fs::read(folder.join("fleet.json")).unwrap() != right {
        assert!(tokio::time::Instant::now() < deadline, "it has the keys of the other one");
        tokio::task::yield_now().await;
    }
    edge.stop().await;
    let edge = Running::start(secure(data.path(), no_nats()));
    assert_eq!(shown(&edge, &authority, HOST).await, der(&issued.0));
    edge.stop().await;
}

#[tokio::test]
async fn nothing_is_sealed_anew_with_a_key_that_is_not_on_disk() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    let (authority, first, second) = (Authority::new(), Fleet::new(1), Fleet::new(2));
    let data = tempfile::tempdir().unwrap();
    let edge = Running::start(secure(data.path(), nats.settings()));
    let report = control.reports().await.next().await;
    let one = certificate();
    bucket.fleet(&first, &report).await;
    let stays = bucket.certificate((&first, &authority), one, 1, &[HOST]).await;
    comes(&edge, &authority, HOST, der(&stays)).await;

    let folder = data.path().join("certificates");
    let file = folder.join(format!("{one}.json"));
    let before = std::fs::read(&file).unwrap();
    // Keys can be put there no more, and all else can.
    std::fs::remove_file(folder.join("fleet.json")).unwrap();
    std::fs::create_dir(folder.join("fleet.json")).unwrap();
    bucket.only(&second, &report).await;
    // With the second of these, all that came before has been seen to.
    for host in ["new.example", "newer.example"] {
        let new = bucket.certificate((&second, &authority), certificate(), 1, &[host]).await;
        comes(&edge, &authority, host, der(&new)).await;
    }
    assert!(std::fs::read(&file).unwrap() == before, "it is sealed with another key");
    assert_eq!(shown(&edge, &authority, HOST).await, der(&stays));

    // Once they can, the next word of it is heeded.
    std::fs::remove_dir(folder.join("fleet.json")).unwrap();
    bucket.only(&second, &report).await;
    has_keys(data.path(), 1).await;
    assert!(std::fs::read(&file).unwrap() != before, "it is sealed with the key that is gone");
    edge.stop().await;
    let edge = Running::start(secure(data.path(), no_nats()));
    assert_eq!(shown(&edge, &authority, HOST).await, der(&stays));
    edge.stop().await;
}

#[tokio::test]
async fn a_bucket_that_was_wiped_drops_nothing_before_the_control_plane_had_its_time() {
    let mut nats = Nats::start().await;
    let (authority, fleet) = (Authority::new(), Fleet::new(1));
    let ours = (&fleet, &authority);
    let data = tempfile::tempdir().unwrap();
    let mut short = secure(data.path(), nats.settings());
    short.limits.certificates_stay = Duration::from_millis(10);
    let edge = Running::start(short);
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    let report = control.reports().await.next().await;
    bucket.fleet(&fleet, &report).await;
    let (one, other) = (certificate(), certificate());
    let stays = bucket.certificate(ours, one, 1, &[HOST]).await;
    let lost = bucket.certificate(ours, other, 1, &["lost.example"]).await;
    comes(&edge, &authority, HOST, der(&stays)).await;
    comes(&edge, &authority, "lost.example", der(&lost)).await;

    nats.restart_empty();
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    // Something comes through, so the edge follows the new bucket; its own key it has not found yet.
    let third = bucket.certificate(ours, certificate(), 1, &["new.example"]).await;
    comes(&edge, &authority, "new.example", der(&third)).await;
    assert_eq!(shown(&edge, &authority, HOST).await, der(&stays));
    assert_eq!(shown(&edge, &authority, "lost.example").await, der(&lost));

    // The control plane puts back what there is, and has had its time then.
    let renewed = bucket.certificate(ours, one, 2, &[HOST]).await;
    bucket.fleet(&fleet, &report).await;
    comes(&edge, &authority, "lost.example", None).await;
    assert_eq!(shown(&edge, &authority, HOST).await, der(&renewed));
    edge.stop().await;
}

#[tokio::test]
async fn challenges_are_answered_as_an_authority_looks_at_them() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    let app = App::echo("shop").await;
    let data = tempfile::tempdir().unwrap();
    let mut routes = table(1, &[(HOST, replicas(deployment(), &[app.at]))]);
    // Whatever holds for the host, the authority gets to see it.
    let route = routes.routes.get_mut(&HOST.parse().unwrap()).unwrap();
    route.redirect = Some("elsewhere.example".parse().unwrap());
    std::fs::write(data.path().join("routes.json"), message(routes)).unwrap();
    let edge = Running::start(secure(data.path(), nats.settings()));
    let mut reports = control.reports().await;
    reports.next().await;

    let put = |host: &str, proof: Proof, until: u64| {
        let id = ChallengeId::new(Uuid::now_v7());
        let host = host.parse().unwrap();
        let until = Timestamp(until);
        (id, ChallengeMessage { format: 1, id, host, proof, until })
    };
    let digest: [u8; 32] = Sha256::digest(b"token.thumbprint").into();
    let http =
        |token: &str| Proof::Http01 { token: token.into(), answer: format!("{token}.print") };
    let (one, first) = put(HOST, http("abc"), FOREVER);
    let (two, second) = put("new.example", Proof::TlsAlpn01 { digest }, FOREVER);
    let (over, late) = put(HOST, http("late"), 1);
    for (id, message) in [(one, &first), (two, &second), (over, &late)] {
        bucket.put(challenge_key(id), message).await;
    }
    // They are told as soon as they are answered, and only then.
    let report = reports.until(|report| report.challenges.len() == 2).await;
    assert_eq!(report.challenges, BTreeSet::from([one, two]));

    // RFC 8555, 8.3.
    let answer = edge.get(HOST, "/.well-known/acme-challenge/abc").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "abc.print"));
    for (host, token) in [(HOST, "late"), (HOST, "other"), (HOST, "")] {
        let answer = edge.get(host, &format!("/.well-known/acme-challenge/{token}")).await;
        assert_eq!(answer.status, 308, "{token}: it is the app's");
    }
    assert_eq!(edge.get("new.example", "/.well-known/acme-challenge/abc").await.status, 404);

    // RFC 8737, 3: one name, the digest, and the protocol that was offered alone.
    let trusting = Arc::new(trusting_anybody(&["acme-tls/1"]));
    let stream = connect(edge.tls(), &trusting, "new.example").await.unwrap();
    let session = stream.get_ref().1;
    assert_eq!(session.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    let [leaf] = session.peer_certificates().unwrap() else { panic!("it is one certificate") };
    // id-pe-acmeIdentifier, critical, with the digest as an octet string.
    let oid: [u8; 17] = [6, 8, 0x2b, 6, 1, 5, 5, 7, 1, 0x1f, 1, 1, 0xff, 4, 34, 4, 32];
    let wanted = [&oid[..], &digest].concat();
    assert!(leaf.windows(wanted.len()).any(|part| part == wanted), "{leaf:?}");
    // A sequence of names, which has this one and no other.
    let names = [&[0x30, 13, 0x82, 11][..], b"new.example"].concat();
    assert!(leaf.windows(names.len()).any(|part| part == names), "{leaf:?}");
    // And nothing is spoken after that.
    let mut stream = stream;
    let mut nothing = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut nothing);
    assert_eq!(soon(read).await.unwrap(), 0);

    // Offered with something else, or for another host, it is no authority's.
    for (host, protocols) in [
        ("new.example", &["acme-tls/1", "h2"][..]),
        ("new.example", &["h2"]),
        (HOST, &["acme-tls/1"]),
    ] {
        let client = Arc::new(trusting_anybody(protocols));
        let stream = TcpStream::connect(edge.tls()).await.unwrap();
        let name = ServerName::try_from(host).unwrap();
        let refused = soon(TlsConnector::from(client).connect(name, stream)).await;
        assert!(refused.unwrap_err().to_string().contains("UnrecognisedName"), "{protocols:?}");
    }

    // Removed, it is answered and told no more.
    bucket.0.delete(challenge_key(one)).await.unwrap();
    reports.until(|report| report.challenges == BTreeSet::from([two])).await;
    assert_eq!(edge.get(HOST, "/.well-known/acme-challenge/abc").await.status, 308);
    edge.stop().await;
}

/// A client as an authority is one: it looks at the certificate itself. The library would refuse the
/// extension, which is critical and unknown to it.
pub fn trusting_anybody(protocols: &[&str]) -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let anybody = Arc::new(Anybody(provider));
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &rustls::pki_types::CertificateDer<'_>,
        _intermediates: &[rustls::pki_types::CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &rustls::pki_types::CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &rustls::pki_types::CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
