//! A DNS server on loopback that says what a test has it say, hostile things included.
//!
//! It is a real one (hickory): over UDP and TCP, with truncation, and with CNAMEs followed within what
//! it knows, as a resolver follows them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::{A, CAA, CNAME, NS, TXT};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::runtime::Runtime;

/// CNAMEs that are followed.
const MOST_STEPS: usize = 16;

/// What it says of a name.
#[derive(Clone, Debug)]
enum Says {
    Txt(Vec<String>),
    A(Ipv4Addr),
    Cname(String),
    Ns(String),
    Caa { critical: bool, tag: String, value: String },
}

#[derive(Clone, Debug, Default)]
struct Zone {
    records: BTreeMap<String, Vec<Says>>,
    /// What it answers instead, whatever is asked.
    fails: Option<ResponseCode>,
    silent: bool,
    /// The names that it was asked for.
    asked: BTreeSet<String>,
}

/// A DNS server on loopback.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    runtime: Option<Runtime>,
}

impl Default for DnsServer {
    fn default() -> Self {
        Self::start()
    }
}

impl DnsServer {
    /// Starts one that knows nothing.
    #[must_use]
    pub fn start() -> Self {
        let (udp, tcp) = sockets();
        let address = udp.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let handler = Handler(Arc::clone(&zone));
        runtime.spawn(async move {
            let mut server = Server::new(handler);
            server.register_socket(tokio::net::UdpSocket::from_std(udp).unwrap());
            let listener = tokio::net::TcpListener::from_std(tcp).unwrap();
            server.register_listener(listener, Duration::from_secs(30), 16);
            std::future::pending::<()>().await;
        });
        Self { address, zone, runtime: Some(runtime) }
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// A TXT record, beside those that are there, of one piece per text.
    pub fn txt(&self, name: &str, texts: &[&str]) {
        self.add(name, Says::Txt(texts.iter().map(|text| (*text).to_owned()).collect()));
    }

    /// An A record.
    pub fn a(&self, name: &str, address: [u8; 4]) {
        self.add(name, Says::A(address.into()));
    }

    /// A CNAME.
    pub fn cname(&self, name: &str, to: &str) {
        self.add(name, Says::Cname(to.to_owned()));
    }

    /// A server of a zone.
    pub fn ns(&self, name: &str, server: &str) {
        self.add(name, Says::Ns(server.to_owned()));
    }

    /// Who may sign for a name, and what is below it.
    pub fn caa(&self, name: &str, critical: bool, tag: &str, value: &str) {
        let (tag, value) = (tag.to_owned(), value.to_owned());
        self.add(name, Says::Caa { critical, tag, value });
    }

    /// Whether it was asked for a name, whatever it said.
    #[must_use]
    pub fn was_asked(&self, name: &str) -> bool {
        self.zone.lock().unwrap_or_else(PoisonError::into_inner).asked.contains(name)
    }

    /// Forgets a name.
    pub fn forget(&self, name: &str) {
        self.change(|zone| drop(zone.records.remove(name)));
    }

    /// Answers SERVFAIL, or no more.
    pub fn fails(&self, fails: bool) {
        self.change(|zone| zone.fails = fails.then_some(ResponseCode::ServFail));
    }

    /// Answers nothing at all, or no more.
    pub fn silent(&self, silent: bool) {
        self.change(|zone| zone.silent = silent);
    }

    fn add(&self, name: &str, says: Says) {
        self.change(|zone| zone.records.entry(name.to_owned()).or_default().push(says));
    }

    fn change(&self, change: impl FnOnce(&mut Zone)) {
        change(&mut self.zone.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A UDP and a TCP socket on the same port.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..64 {
        let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            tcp.set_nonblocking(true).unwrap();
            udp.set_nonblocking(true).unwrap();
            return (udp, tcp);
        }
    }
    panic!("no port of 127.0.0.1 is free for both UDP and TCP");
}

struct Handler(Arc<Mutex<Zone>>);

impl Zone {
    /// The answer, and whether there is such a name at all.
    fn answer(&self, name: &Name, kind: RecordType) -> (Vec<Record>, bool) {
        let mut answer = Vec::new();
        let mut at = name.clone();
        for _ in 0..MOST_STEPS {
            let key = at.to_ascii().to_ascii_lowercase();
            let Some(known) = self.records.get(key.trim_end_matches('.')) else {
                return (answer, !at.eq(name));
            };
            let mut next = None;
            for says in known {
                let data = match says {
                    Says::Txt(texts) if kind == RecordType::TXT => {
                        RData::TXT(TXT::new(texts.clone()))
                    }
                    Says::A(address) if kind == RecordType::A => RData::A(A(*address)),
                    Says::Cname(to) => {
                        let to = Name::from_ascii(format!("{to}.")).unwrap();
                        next = Some(to.clone()).filter(|_| kind != RecordType::CNAME);
                        RData::CNAME(CNAME(to))
                    }
                    Says::Ns(server) if kind == RecordType::NS => {
                        RData::NS(NS(Name::from_ascii(format!("{server}.")).unwrap()))
                    }
                    Says::Caa { critical, tag, value } if kind == RecordType::CAA => {
                        let mut caa = CAA::new_issue(*critical, None, Vec::new());
                        (caa.tag, caa.value) = (tag.clone(), value.clone().into_bytes());
                        RData::CAA(caa)
                    }
                    Says::Txt(_) | Says::A(_) | Says::Ns(_) | Says::Caa { .. } => continue,
                };
                answer.push(Record::from_rdata(at.clone(), 1, data));
            }
            match next {
                Some(next) => at = next,
                None => return (answer, true),
            }
        }
        (answer, true)
    }
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let info = request.request_info().unwrap();
        let zone = {
            let mut zone = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let name = info.query.name().to_string().to_ascii_lowercase();
            zone.asked.insert(name.trim_end_matches('.').to_owned());
            zone.clone()
        };
        if zone.silent {
            std::future::pending::<()>().await;
        }
        let mut metadata = Metadata::response_from_request(info.metadata);
        metadata.recursion_available = true;
        let (records, known) =
            zone.answer(&Name::from(info.query.name().clone()), info.query.query_type());
        let records = match zone.fails {
            Some(code) => {
                metadata.response_code = code;
                Vec::new()
            }
            None => {
                if !known {
                    metadata.response_code = ResponseCode::NXDomain;
                }
                records
            }
        };
        let response = MessageResponseBuilder::from_message_request(request).build(
            metadata,
            records.iter(),
            &[],
            &[],
            &[],
        );
        let sent = response_handle.send_response(response).await;
        // The client may be gone.
        sent.unwrap_or_else(|_| Header { metadata, counts: HeaderCounts::default() }.into())
    }
}
