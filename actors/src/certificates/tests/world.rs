//! A server with its NATS, a pebble that signs, an edge that proves, and DNS that says so.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hythe_core::app::{App, AppCommand};
use hythe_core::certificate::{Authority, CertificateNames, CertificateSettings, Certificates};
use hythe_core::domain::{DomainHost, DomainSettings, DomainToken, Leads};
use hythe_core::event::Event;
use hythe_core::ids::AppId;
use hythe_core::installation::{
    CertificateCommand, CertificateEvent, Installation, InstallationCommand, InstallationEvent,
};
use hythe_core::names::HostName;
use hythe_core::record::Sequence;
use hythe_core::time::{Millis, Timestamp};
use hythe_store::SecretChange;
use uuid::Uuid;

use super::dns_server::DnsServer;
use super::edge::TestEdge;
use super::pebble::{Pebble, PebbleConfig};
use crate::aggregate::Extras;
use crate::bus::testing::{TestNats, ports::free_addresses};
use crate::certificates::{AcmeConfig, Standing, kept};
use crate::clock::Clock;
use crate::control::Control;
use crate::server::{Server, ServerConfig, run};
use crate::testing::{create, extras};
use crate::{domains, outbox};

pub(super) const WITHIN: Duration = Duration::from_secs(90);

pub(super) struct World {
    pub(super) nats: TestNats,
    pub(super) edge: TestEdge,
    pub(super) dns: DnsServer,
    pub(super) pebble: Pebble,
    pub(super) config: AcmeConfig,
    base: HostName,
    server: Option<Server>,
    data: tempfile::TempDir,
    ahead: Arc<AtomicU64>,
}

impl World {
    /// With a base domain of one's own, which nobody asks certificates for.
    pub(super) async fn start() -> Self {
        Self::with("apps.example.com", |_| {}, |_, _| {}).await
    }

    pub(super) async fn with(
        base: &str,
        pebble: impl FnOnce(&mut PebbleConfig),
        config: impl FnOnce(&mut AcmeConfig, &tempfile::TempDir),
    ) -> Self {
        let nats = TestNats::start().await;
        let edge = TestEdge::start(&nats.settings()).await;
        let dns = DnsServer::start();
        let [api] = free_addresses();
        let mut of_pebble = PebbleConfig {
            api,
            http_port: edge.http,
            tls_port: edge.tls,
            dns: address(&dns),
            blocked: vec![],
            external: None,
        };
        pebble(&mut of_pebble);
        let pebble = Pebble::start(&of_pebble);
        let data = tempfile::tempdir().unwrap();
        let mut acme =
            AcmeConfig { roots: Some(pebble.roots()), dns_program: None, dns_wait: Duration::ZERO };
        config(&mut acme, &data);
        let base = HostName::new(base).unwrap();
        let ahead = Arc::new(AtomicU64::new(0));
        let mut world =
            Self { nats, edge, dns, pebble, config: acme, base, server: None, data, ahead };
        world.open().await;
        let resolvers = vec![address(&world.dns)];
        let addresses = [std::net::Ipv4Addr::LOCALHOST.into()].into();
        let settings = DomainSettings { resolvers, addresses, ..DomainSettings::default() };
        world.tell(InstallationCommand::SetDomainSettings(Box::new(settings)), vec![]).await;
        world
    }

    async fn open(&mut self) {
        let mut config =
            ServerConfig::new(self.data.path().into(), self.nats.settings(), self.base.clone());
        let (system, ahead) = (Clock::system(), Arc::clone(&self.ahead));
        config.clock = Clock::new(move || {
            let Timestamp(now) = system.now().plus(Millis(ahead.load(Ordering::Relaxed)));
            Timestamp(now)
        });
        config.acme = self.config.clone();
        self.server = Some(run(config).await.unwrap());
    }

    pub(super) async fn restart(&mut self) {
        self.server.take().unwrap().close().await;
        self.open().await;
    }

    pub(super) fn control(&self) -> &Control {
        self.server.as_ref().unwrap().control()
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.data.path().into()
    }

    /// Moves the server's clock.
    /// Lets the time come at which something is tried again, and has it looked what is due.
    pub(super) fn advance_to(&self, at: Timestamp) {
        let left = at.since(self.control().clock().now());
        self.advance(Duration::from_millis(left.0 + 1));
        self.control().certificates().0.wake.notify_one();
    }

    pub(super) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub(super) async fn tell(&self, command: InstallationCommand, secrets: Vec<SecretChange>) {
        let extras = Extras { secrets, ..extras() };
        let id = self.control().installation().uuid();
        let done = self.control().command::<Installation>(id, command, extras).await.unwrap();
        if let Some(sequence) = done.sequence {
            self.control().wait_for(sequence).await.unwrap();
        }
    }

    /// Has edges share another key.
    pub(super) async fn rotate(&self) {
        let (command, secrets) = kept::new_fleet_key(self.control()).unwrap();
        self.tell(InstallationCommand::Certificate(command), secrets).await;
    }

    /// Sets how certificates are come by.
    pub(super) async fn set(&self, change: impl FnOnce(&mut CertificateSettings)) {
        let mut settings = self.certificates().settings;
        change(&mut settings);
        let command = CertificateCommand::Set { settings: Box::new(settings), version: None };
        self.tell(InstallationCommand::Certificate(command), vec![]).await;
    }

    /// Asks pebble from now on, having agreed to its terms.
    pub(super) async fn ask_pebble(&self) {
        let pebble = self.authority();
        self.set(|settings| {
            settings.authorities = vec![pebble.clone()];
            settings.agreed = [pebble].into();
        })
        .await;
    }

    pub(super) fn authority(&self) -> Authority {
        Authority::new(self.pebble.directory()).unwrap()
    }

    pub(super) fn certificates(&self) -> Certificates {
        self.control().read(|view| view.installation.state.certificates.clone())
    }

    pub(super) async fn app(&self, name: &str) -> AppId {
        let id = Uuid::now_v7();
        let done = self.control().command::<App>(id, create(id, name), extras()).await.unwrap();
        self.control().wait_for(done.sequence.unwrap()).await.unwrap();
        AppId::new(id)
    }

    /// Adds a domain that is not proven.
    pub(super) async fn add(&self, app: AppId, host: &str) -> DomainToken {
        let (host, bytes) = (DomainHost::new(host).unwrap(), *kept::random::<32>().unwrap());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = DomainToken::new(hex).unwrap();
        let at = self.control().clock().now();
        let command = AppCommand::AddDomain { host, token: token.clone(), mode: None, at };
        let done = self.control().command::<App>(app.uuid(), command, extras()).await.unwrap();
        self.control().wait_for(done.sequence.unwrap()).await.unwrap();
        token
    }

    /// Adds one that is proven and leads here.
    pub(super) async fn own(&self, app: AppId, host: &str) {
        let token = self.add(app, host).await;
        let record = DomainHost::new(host).unwrap();
        self.dns.txt(&record.record(), &[token.as_str()]);
        self.dns.a(&record.looked_up(), [127, 0, 0, 1]);
        self.look(app, host).await;
    }

    /// Has a host's records looked at, as is done within minutes of a start.
    pub(super) async fn look(&self, app: AppId, host: &str) {
        let host = DomainHost::new(host).unwrap();
        let report = domains::verify(self.control(), app, &host).await.unwrap();
        assert_eq!(report.led.leads, Leads::Here, "{report:?}");
    }

    /// Waits until something is so of the certificates.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        look: impl Fn(&Certificates) -> Option<T>,
    ) -> T {
        let control = self.control();
        let mut seen = control.seen();
        let wait = async {
            loop {
                seen.borrow_and_update();
                if let Some(found) =
                    control.read(|view| look(&view.installation.state.certificates))
                {
                    return found;
                }
                seen.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(WITHIN, wait).await {
            Ok(found) => found,
            Err(_) => panic!("{what}: {:#?} {:#?}", self.certificates(), self.standing_all()),
        }
    }

    fn standing_all(&self) -> Vec<(CertificateNames, Standing)> {
        self.control().certificates().standing().into_iter().collect()
    }

    /// Waits until it stands so with a certificate.
    pub(super) async fn stands(&self, names: &str, is: impl Fn(&Standing) -> bool) -> Standing {
        let names: CertificateNames = names.parse().unwrap();
        let mut standing = self.control().certificates().0.standing.subscribe();
        let wait = async {
            loop {
                let found = standing.borrow_and_update().get(&names).cloned();
                if let Some(stands) = found.filter(|stands| is(stands)) {
                    return stands;
                }
                standing.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(WITHIN, wait).await {
            Ok(stands) => stands,
            Err(_) => panic!("{names}: {:#?}", self.standing_all()),
        }
    }

    /// What happened to certificates, as far as `pick` wants it.
    pub(super) fn happened<T>(&self, pick: impl Fn(&CertificateEvent) -> Option<T>) -> Vec<T> {
        let control = self.control();
        let head = control.journal().head();
        let of = |event: &Event| match event {
            Event::Installation(InstallationEvent::Certificate(event)) => pick(event),
            Event::Installation(_)
            | Event::App(_)
            | Event::Deployment(_)
            | Event::Worker(_)
            | Event::Project(_) => None,
        };
        let (mut found, mut at) = (Vec::new(), Sequence(0));
        while at < head {
            at = outbox::next(control, at, head, |recorded| found.extend(of(&recorded.event)))
                .unwrap();
        }
        found
    }

    pub(super) async fn close(mut self) {
        self.server.take().unwrap().close().await;
    }
}

pub(super) fn address(dns: &DnsServer) -> SocketAddr {
    dns.address().parse().unwrap()
}
