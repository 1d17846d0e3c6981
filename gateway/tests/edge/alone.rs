//! Without the control plane an edge renews by itself what it can, from a real pebble.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crypto_box::SecretKey;
use hythe_actors::certificates::AcmeAccount;
use hythe_core::certificate::{AlonePace, AloneTries, ChallengeKind};
use hythe_core::ids::CertificateId;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::certificate::{
    ALONE_KEY, AloneTerms, CertificateMessage, FleetKeyMessage, LentAccount, Signed,
    certificate_key, own_key,
};
use hythe_core::wire::worker::SealingKey;
use hythe_gateway::edge::{EdgeConfig, NatsSettings};
use uuid::Uuid;

use crate::authority::{Authority, FOREVER, Fleet, Issued};
use crate::certificates::{Bucket, trusting_anybody};
use crate::dns_server::DnsServer;
use crate::nats::Nats;
use crate::pebble::{Pebble, PebbleConfig};
use crate::ports::free_addresses;
use crate::support::{App, Running, config, deployment, message, no_nats, replicas, table};
use crate::tls::{ask, connect};

const HOST: &str = "shop.example";
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
/// An order takes seconds.
const WITHIN: Duration = Duration::from_secs(60);

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// An authority that looks at hosts at these addresses, and what belongs to it.
struct World {
    pebble: Pebble,
    /// It is asked for as long as this lives.
    _dns: DnsServer,
    http: SocketAddr,
    tls: SocketAddr,
    authority: Authority,
    fleet: Fleet,
    app: App,
}

impl World {
    async fn new(blocked: &[&str]) -> Self {
        let dns = DnsServer::start();
        dns.a(HOST, [127, 0, 0, 1]);
        let [api, http, tls] = free_addresses();
        let pebble = Pebble::start(&PebbleConfig {
            api,
            http_port: http.port(),
            tls_port: tls.port(),
            dns: dns.address().parse().unwrap(),
            blocked: blocked.iter().map(|host| (*host).to_owned()).collect(),
            external: None,
        });
        let (authority, fleet) = (Authority::new(), Fleet::new(7));
        let app = App::echo("shop").await;
        Self { pebble, _dns: dns, http, tls, authority, fleet, app }
    }

    /// What the control plane said two hours ago.
    fn terms(&self) -> AloneTerms {
        AloneTerms {
            at: Timestamp(now() - 2 * HOUR),
            directories: [self.pebble.directory()].into(),
            accounts: BTreeMap::new(),
            email: None,
            challenges: ChallengeKind::USUAL.to_vec(),
            roots: Some(std::fs::read_to_string(self.pebble.roots()).unwrap()),
        }
    }

    /// A certificate of this authority until then, of 90 days.
    fn certificate(&self, id: CertificateId, version: u64, until: u64) -> CertificateMessage {
        let issued: Issued = self.authority.issue(&[HOST]);
        let mut message = self.fleet.certificate((id, version), &[HOST], &issued, until);
        let not_before = Timestamp(until.saturating_sub(90 * DAY));
        message.signed = Some(Signed { directory: self.pebble.directory(), not_before });
        message
    }

    /// An edge's directory, as one leaves it that was told these terms and has this certificate.
    fn left(&self, certificate: &CertificateMessage, terms: &AloneTerms) -> tempfile::TempDir {
        let data = self.empty();
        let folder = data.path().join("certificates");
        std::fs::create_dir_all(&folder).unwrap();
        let own = SecretKey::from_bytes([5; 32]);
        std::fs::write(data.path().join("sealing.key"), own.to_bytes()).unwrap();
        let to = SealingKey(*own.public_key().as_bytes());
        let write = |name: String, json: Vec<u8>| std::fs::write(folder.join(name), json).unwrap();
        write("fleet.json".into(), serde_json::to_vec(&[self.fleet.sealed(to)]).unwrap());
        write("alone.json".into(), serde_json::to_vec(&self.fleet.alone(terms)).unwrap());
        let json = serde_json::to_vec(certificate).unwrap();
        write(format!("{}.json", certificate.id), json);
        data
    }

    /// One of an edge that has a table and nothing else.
    fn empty(&self) -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        let routes = table(1, &[(HOST, replicas(deployment(), &[self.app.at]))]);
        std::fs::write(data.path().join("routes.json"), message(routes)).unwrap();
        data
    }

    /// An edge at the addresses where the authority looks.
    fn config(&self, data: &Path, nats: NatsSettings) -> EdgeConfig {
        let mut config = config(data, nats);
        config.listen = vec![self.http];
        config.https = vec![self.tls];
        config.limits.alone_look = Duration::from_millis(100);
        // Now and then pebble refuses a request: that is to cost no test its time.
        config.limits.alone = AlonePace { first_wait: Millis(100), ..AlonePace::default() };
        config
    }
}

fn id() -> CertificateId {
    CertificateId::new(Uuid::now_v7())
}

/// What a client is shown.
async fn shown(edge: &Running) -> Vec<u8> {
    shown_at_all(edge, HOST).await.unwrap()
}

fn der(chain: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::CertificateDer::from_pem_slice(chain.as_bytes()).unwrap().to_vec()
}

async fn figures(edge: &Running) -> String {
    edge.get("hythe-edge.internal", "/metrics").await.body
}

/// Looks until it is so.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + WITHIN;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

/// Waits until something else is shown than before.
async fn another(edge: &Running, before: &[u8]) -> Vec<u8> {
    until("nothing else is shown", async || Some(shown(edge).await).filter(|now| now != before))
        .await
}

fn accounts_of(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("certificates")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let named =
        |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("account-");
    paths.filter(named).collect()
}

#[tokio::test]
async fn what_comes_to_its_end_is_renewed_without_the_control_plane() {
    let world = World::new(&[]).await;
    let (id, until_then) = (id(), now() + DAY);
    let old = world.certificate(id, 1, until_then);
    let data = world.left(&old, &world.terms());
    let edge = Running::start(world.config(data.path(), no_nats()));
    let client = Arc::new(trusting_anybody(&[]));
    let mut before = connect(edge.tls(), &client, HOST).await.unwrap();
    assert_eq!(ask(&mut before, HOST).await.status, 200);

    let new = another(&edge, &der(&old.chain)).await;
    // Who was connected notices nothing.
    assert_eq!(ask(&mut before, HOST).await.status, 200);
    let lines =
        ["hythe_edge_own_certificates 1", "hythe_edge_own_orders_total{outcome=\"renewed\"} 1"];
    until("it is not counted", async || {
        let says = figures(&edge).await;
        lines.iter().all(|line| says.lines().any(|found| found == *line)).then_some(())
    })
    .await;
    let mode = std::fs::metadata(&accounts_of(data.path())[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // On disk its key is sealed as all are.
    let own = data.path().join(format!("certificates/own-{id}.json"));
    let kept: CertificateMessage = serde_json::from_slice(&std::fs::read(own).unwrap()).unwrap();
    assert_eq!(der(&kept.chain), new);
    assert!(kept.not_after > Timestamp(until_then + DAY));
    // The proof is taken back.
    let proving = Arc::new(trusting_anybody(&["acme-tls/1"]));
    assert!(connect(edge.tls(), &proving, HOST).await.is_err());

    // It is there again after a restart, without anybody.
    edge.stop().await;
    let World { pebble, .. } = world;
    drop(pebble);
    let mut config = config(data.path(), no_nats());
    config.https = vec!["127.0.0.1:0".parse().unwrap()];
    let edge = Running::start(config);
    assert_eq!(shown(&edge).await, new);
    edge.stop().await;
}

#[tokio::test]
async fn it_is_proven_over_http_where_only_that_is_allowed() {
    let world = World::new(&[]).await;
    let old = world.certificate(id(), 1, now() + DAY);
    let terms = AloneTerms { challenges: vec![ChallengeKind::Http01], ..world.terms() };
    let data = world.left(&old, &terms);
    let edge = Running::start(world.config(data.path(), no_nats()));
    another(&edge, &der(&old.chain)).await;
    edge.stop().await;
}

#[tokio::test]
async fn where_it_is_lent_an_account_it_opens_none() {
    let world = World::new(&[]).await;
    let old = world.certificate(id(), 1, now() + DAY);
    let usual = world.terms();
    let directory = world.pebble.directory();
    let opened = async || {
        let opened = AcmeAccount::open(&directory, None, usual.roots.as_deref()).await;
        opened.ok().map(|(_, kept)| String::from_utf8(kept.to_vec()).unwrap())
    };
    // Now and then pebble refuses a request.
    let account = until("no account is opened", opened).await;
    let accounts = [(directory.clone(), LentAccount(account))].into();
    let terms = AloneTerms { directories: [].into(), accounts, ..usual.clone() };
    let data = world.left(&old, &terms);
    let edge = Running::start(world.config(data.path(), no_nats()));
    another(&edge, &der(&old.chain)).await;
    edge.stop().await;
    assert_eq!(accounts_of(data.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_refused_order_takes_nothing_away_and_waits_long() {
    let world = World::new(&[HOST]).await;
    let old = world.certificate(id(), 1, now() + DAY);
    let data = world.left(&old, &world.terms());
    let mut config = world.config(data.path(), no_nats());
    config.limits.alone = AlonePace::default();
    let edge = Running::start(config);
    let failed = "hythe_edge_own_orders_total{outcome=\"failed\"} 1";
    until("it never failed", async || figures(&edge).await.contains(failed).then_some(())).await;
    assert_eq!(shown(&edge).await, der(&old.chain));
    // It is on disk, so that a restart does not ask sooner.
    edge.stop().await;
    let kept = std::fs::read(data.path().join("certificates/tries.json")).unwrap();
    let kept: BTreeMap<CertificateId, AloneTries> = serde_json::from_slice(&kept).unwrap();
    let tries = kept[&old.id];
    assert_eq!(tries.failures, 1);
    assert!(tries.next > Timestamp(now()), "{tries:?}");
}

#[tokio::test]
async fn the_control_planes_newer_one_wins_and_an_edge_that_hears_of_it_orders_nothing() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    let world = World::new(&[]).await;
    let data = world.empty();
    let mut reports = control.reports().await;
    let edge = Running::start(world.config(data.path(), nats.settings()));
    let report = reports.next().await;
    bucket.fleet(&world.fleet, &report).await;
    let one = id();
    let old = world.certificate(one, 1, now() + DAY);
    bucket.put(certificate_key(one), &old).await;
    // As long as the control plane is heard of, it is the one to renew.
    let alive = AloneTerms { at: Timestamp(now()), ..world.terms() };
    bucket.put(ALONE_KEY.to_owned(), &world.fleet.alone(&alive)).await;
    let kept = data.path().join("certificates/alone.json");
    until("it never heard of it", async || kept.exists().then_some(())).await;
    until("it is not shown", async || {
        shown_at_all(&edge, HOST).await.filter(|now| *now == der(&old.chain))
    })
    .await;
    assert!(figures(&edge).await.contains("hythe_edge_own_orders_total{outcome=\"renewed\"} 0"));

    // Silent for two hours.
    bucket.put(ALONE_KEY.to_owned(), &world.fleet.alone(&world.terms())).await;
    let own = another(&edge, &der(&old.chain)).await;
    let file = data.path().join(format!("certificates/own-{one}.json"));
    assert!(file.exists());
    // A newer version that is not good for as long does not take its place,
    let soon_over = world.certificate(one, 2, now() + 2 * DAY);
    bucket.put(certificate_key(one), &soon_over).await;
    let second = data.path().join(format!("certificates/{one}.json"));
    until("the second never came", async || {
        let kept = std::fs::read(&second).ok()?;
        let kept: CertificateMessage = serde_json::from_slice(&kept).ok()?;
        (kept.version == 2).then_some(())
    })
    .await;
    assert_eq!(shown(&edge).await, own);
    // one that is does, and what the edge had is gone.
    let newest = world.certificate(one, 3, FOREVER);
    bucket.put(certificate_key(one), &newest).await;
    assert_eq!(another(&edge, &own).await, der(&newest.chain));
    until("the own one is still on disk", async || (!file.exists()).then_some(())).await;
    let says = figures(&edge).await;
    assert!(says.contains("hythe_edge_own_certificates 0"), "{says}");
    edge.stop().await;
}

/// What a client of a host is shown, once it is shown anything.
async fn shown_at_all(edge: &Running, host: &str) -> Option<Vec<u8>> {
    let client = Arc::new(trusting_anybody(&[]));
    let stream = connect(edge.tls(), &client, host).await.ok()?;
    Some(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

#[tokio::test]
async fn where_nats_is_there_edges_share_the_proof_and_what_comes_of_it() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    let world = World::new(&[]).await;
    let old = world.certificate(id(), 1, now() + DAY);
    // The authority asks this one, which orders nothing itself.
    let asked_data = world.empty();
    let mut asked_config = world.config(asked_data.path(), nats.settings());
    asked_config.limits.alone_look = Duration::from_secs(3_600);
    let mut reports = control.reports().await;
    let asked = Running::start(asked_config);
    let report = reports.next().await;
    bucket.fleet(&world.fleet, &report).await;
    // And this one orders, at addresses where nobody looks.
    let data = world.left(&old, &world.terms());
    bucket.put(certificate_key(old.id), &old).await;
    bucket.put(ALONE_KEY.to_owned(), &world.fleet.alone(&world.terms())).await;
    let mut config = world.config(data.path(), nats.settings());
    (config.listen, config.https) =
        (vec!["127.0.0.1:0".parse().unwrap()], vec!["127.0.0.1:0".parse().unwrap()]);
    let edge = Running::start(config);
    let new = another(&edge, &der(&old.chain)).await;
    // It need not order the same: it is told what came of it.
    until("it is not told", async || shown_at_all(&asked, HOST).await.filter(|now| *now == new))
        .await;
    let says = figures(&asked).await;
    assert!(says.contains("hythe_edge_own_orders_total{outcome=\"renewed\"} 0"), "{says}");
    edge.stop().await;
    asked.stop().await;
}

#[tokio::test]
async fn what_is_told_is_believed_only_where_it_could_stand_in_for_what_is_there() {
    const OTHER: &str = "other.example";
    let nats = Nats::start().await;
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    let (authority, fleet) = (Authority::new(), Fleet::new(7));
    let data = tempfile::tempdir().unwrap();
    let mut config = config(data.path(), nats.settings());
    config.https = vec!["127.0.0.1:0".parse().unwrap()];
    let mut reports = control.reports().await;
    let edge = Running::start(config);
    let report = reports.next().await;
    bucket.fleet(&fleet, &report).await;
    let directory = |name: &str| Signed {
        directory: format!("https://{name}.example/dir"),
        not_before: Timestamp(0),
    };
    let made = |id: CertificateId, names: &[&str], by: &str, until: u64| {
        let mut message = fleet.certificate((id, 1), names, &authority.issue(names), until);
        message.signed = Some(directory(by));
        message
    };
    let [one, other] = [id(), id()];
    let old = made(one, &[HOST], "ca", now() + DAY);
    bucket.put(certificate_key(one), &old).await;
    bucket.put(certificate_key(other), &made(other, &[OTHER], "ca", now() + DAY)).await;
    // Until when what is made here says itself that it is good.
    let params = rcgen::CertificateParams::default();
    let end = u64::try_from(params.not_after.unix_timestamp()).unwrap() * 1_000;
    let told = [
        made(one, &[HOST], "ca", FOREVER),
        made(one, &[HOST], "ca", end + 1_000),
        made(one, &[HOST, OTHER], "ca", end),
        made(one, &[HOST], "else", end),
    ];
    for message in &told {
        bucket.put(own_key(one), message).await;
    }
    let good = made(other, &[OTHER], "ca", end);
    bucket.put(own_key(other), &good).await;
    until("what is good is not taken", async || {
        shown_at_all(&edge, OTHER).await.filter(|now| *now == der(&good.chain))
    })
    .await;
    assert_eq!(shown(&edge).await, der(&old.chain));
    assert!(!data.path().join(format!("certificates/own-{one}.json")).exists());

    // Its names are taken from it: so is what stood in for it.
    let fewer = made(other, &["fewer.example"], "ca", now() + DAY);
    bucket.put(certificate_key(other), &fewer).await;
    until("it is still shown", async || {
        let now = shown_at_all(&edge, OTHER).await;
        now.is_none_or(|now| now != der(&good.chain)).then_some(())
    })
    .await;
    edge.stop().await;
}

#[tokio::test]
async fn what_is_no_better_than_what_is_there_is_not_ordered_over_and_over() {
    let world = World::new(&[]).await;
    // In the last twelfth of a life since 1970, and still good for longer than what the authority signs.
    let years_of_authority = 5 * 365 * DAY;
    let mut old = world.certificate(id(), 1, now() + years_of_authority + 5 * DAY);
    old.signed = old.signed.map(|signed| Signed { not_before: Timestamp(0), ..signed });
    let data = world.left(&old, &world.terms());
    let mut config = world.config(data.path(), no_nats());
    config.limits.alone.first_wait = Millis::seconds(5);
    let edge = Running::start(config);
    let ended = "hythe_edge_own_orders_total{outcome=\"renewed\"} 1";
    until("it ordered nothing", async || figures(&edge).await.contains(ended).then_some(())).await;
    assert_eq!(shown(&edge).await, der(&old.chain));
    edge.stop().await;
    let kept = std::fs::read(data.path().join("certificates/tries.json")).unwrap();
    let kept: BTreeMap<CertificateId, AloneTries> = serde_json::from_slice(&kept).unwrap();
    assert!(kept.contains_key(&old.id), "{kept:?}");
}

#[tokio::test]
async fn what_an_edge_might_do_is_forgotten_where_a_bucket_that_was_made_anew_says_nothing_of_it() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let bucket = Bucket::of(&control).await;
    let world = World::new(&[]).await;
    let old = world.certificate(id(), 1, now() + DAY);
    let data = world.left(&old, &world.terms());
    let mut config = world.config(data.path(), nats.settings());
    config.limits.alone_look = Duration::from_secs(3_600);
    config.limits.certificates_stay = Duration::ZERO;
    let mut reports = control.reports().await;
    let edge = Running::start(config);
    let report = reports.next().await;
    bucket.put(certificate_key(old.id), &old).await;
    bucket.fleet(&world.fleet, &report).await;
    let kept = data.path().join("certificates/alone.json");
    until("it is still kept", async || (!kept.exists()).then_some(())).await;
    assert_eq!(shown(&edge).await, der(&old.chain));
    edge.stop().await;
}

#[tokio::test]
async fn what_the_edge_before_it_sealed_with_another_key_is_served_and_that_key_stays() {
    let world = World::new(&[]).await;
    let old = world.certificate(id(), 1, now() + DAY);
    let terms = AloneTerms { at: Timestamp(now()), ..world.terms() };
    let data = world.left(&old, &terms);
    let mut config = world.config(data.path(), no_nats());
    config.limits.alone_look = Duration::from_secs(2);
    let edge = Running::start(config.clone());
    assert_eq!(shown(&edge).await, der(&old.chain));

    // The one before was given another key to the last, and has let go of the first.
    let second = Fleet::new(8);
    let issued: Issued = world.authority.issue(&[HOST]);
    let mut own = second.certificate((old.id, 1), &[HOST], &issued, now() + 30 * DAY);
    own.signed = old.signed.clone();
    let key = second.sealed(SealingKey(*SecretKey::from_bytes([5; 32]).public_key().as_bytes()));
    let folder = data.path().join("certificates");
    for (name, json) in [
        ("fleet.json".to_owned(), serde_json::to_vec(&[&key]).unwrap()),
        (format!("own-{}.json", old.id), serde_json::to_vec(&own).unwrap()),
    ] {
        std::fs::write(data.path().join("new"), json).unwrap();
        std::fs::rename(data.path().join("new"), folder.join(name)).unwrap();
    }
    assert_eq!(another(&edge, &der(&old.chain)).await, der(&own.chain));
    edge.stop().await;
    // What lies there is under either of them.
    let kept = std::fs::read(folder.join("fleet.json")).unwrap();
    let kept: Vec<FleetKeyMessage> = serde_json::from_slice(&kept).unwrap();
    assert_eq!((kept.len(), kept.first()), (2, Some(&key)));
    let edge = Running::start(config);
    assert_eq!(shown(&edge).await, der(&own.chain));
    edge.stop().await;
}

#[tokio::test]
async fn what_the_edge_before_it_came_by_to_the_last_is_served_by_the_one_that_took_its_place() {
    let world = World::new(&[]).await;
    let old = world.certificate(id(), 1, now() + DAY);
    // Nothing is to be ordered: the control plane was heard of a moment ago.
    let terms = AloneTerms { at: Timestamp(now()), ..world.terms() };
    let data = world.left(&old, &terms);
    let mut config = world.config(data.path(), no_nats());
    config.limits.alone_look = Duration::from_secs(2);
    let edge = Running::start(config);
    assert_eq!(shown(&edge).await, der(&old.chain));
    let own = world.certificate(old.id, 1, now() + 30 * DAY);
    let json = serde_json::to_vec(&own).unwrap();
    // Whole at once, as edges write.
    let folder = data.path().join("certificates");
    std::fs::write(data.path().join("new"), json).unwrap();
    std::fs::rename(data.path().join("new"), folder.join(format!("own-{}.json", old.id))).unwrap();
    assert_eq!(another(&edge, &der(&old.chain)).await, der(&own.chain));
    edge.stop().await;
}
