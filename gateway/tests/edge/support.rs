//! An edge to test, apps to put behind it, and a client that says exactly what it is told to.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hythe_core::edge::{EdgeSettings, RouteEdge};
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::routes::{Backend, Route, RouteTable};
use hythe_core::wire::edge::RouteTableMessage;
use hythe_gateway::edge::{Edge, EdgeConfig, EdgeError, NatsSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything here takes; what exceeds it hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Fails instead of hanging.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}

pub fn replicas(deployment: DeploymentId, targets: &[SocketAddr]) -> Backend {
    Backend::Replicas { deployment, targets: targets.to_vec() }
}

pub fn deployment() -> DeploymentId {
    DeploymentId::new(Uuid::now_v7())
}

pub fn table(revision: u64, routes: &[(&str, Backend)]) -> RouteTable {
    let route = |(host, backend): &(&str, Backend)| {
        let route = Route::new(app_at(host), "shop".parse().unwrap(), backend.clone());
        (host.parse().unwrap(), route)
    };
    let routes: BTreeMap<_, _> = routes.iter().map(route).collect();
    RouteTable { revision, routes }
}

/// A table of which each route is served so.
pub fn served(routes: &[(&str, Backend)], settings: &EdgeSettings) -> RouteTable {
    let mut table = table(1, routes);
    // They are hosts of one app.
    let app = AppId::new(Uuid::from_u128(1));
    for route in table.routes.values_mut() {
        route.app = app;
        let usual = RouteEdge::usual(app);
        route.edge = Some(Box::new(RouteEdge { settings: settings.clone(), ..usual }));
    }
    table
}

/// The same in every table: what waits, or is tried again, goes to no other app than it came for.
fn app_at(host: &str) -> AppId {
    let number = host.bytes().fold(2_u128, |number, byte| number.rotate_left(8) ^ u128::from(byte));
    AppId::new(Uuid::from_u128(number))
}

pub fn message(table: RouteTable) -> Vec<u8> {
    serde_json::to_vec(&RouteTableMessage { format: 1, table, passwords: Default::default() })
        .unwrap()
}

/// NATS settings that lead nowhere.
pub fn no_nats() -> NatsSettings {
    // Port 9 is "discard"; nothing listens there.
    NatsSettings { url: "nats://127.0.0.1:9".into(), user: None, password: None, logs: None }
}

/// An edge on one core with short deadlines where a test sets them.
pub fn config(data: &Path, nats: NatsSettings) -> EdgeConfig {
    let mut config = EdgeConfig::new(vec!["127.0.0.1:0".parse().unwrap()], data.to_owned(), nats);
    config.cores = Some(std::num::NonZeroUsize::MIN);
    config
}

pub struct Running {
    pub at: SocketAddr,
    /// Where it answers over TLS, where it does.
    pub secure: Option<SocketAddr>,
    pub id: String,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), EdgeError>>,
}

impl Running {
    pub fn start(config: EdgeConfig) -> Self {
        Self::run(Edge::bind(config).unwrap())
    }

    /// One that takes the place of the one that runs with the same directory.
    pub async fn take_over(config: EdgeConfig) -> Self {
        Self::run(soon(Edge::take_over(config)).await.unwrap())
    }

    fn run(edge: Edge) -> Self {
        let (at, id) = (edge.addresses()[0], edge.id().to_string());
        let secure = edge.secure_addresses().first().copied();
        let stop = CancellationToken::new();
        let ended = tokio::spawn(edge.run(stop.clone().cancelled_owned()));
        Self { at, secure, id, stop, ended }
    }

    /// One with this table on disk and no NATS.
    pub fn with(table: RouteTable) -> (Self, tempfile::TempDir) {
        Self::tuned(table, |_| {})
    }

    pub fn tuned(
        table: RouteTable,
        tune: impl FnOnce(&mut EdgeConfig),
    ) -> (Self, tempfile::TempDir) {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("routes.json"), message(table)).unwrap();
        let mut config = config(data.path(), no_nats());
        tune(&mut config);
        (Self::start(config), data)
    }

    /// The same with the hashes of passwords, which go beside the table.
    pub fn told(message: &RouteTableMessage) -> (Self, tempfile::TempDir) {
        let data = tempfile::tempdir().unwrap();
        let bytes = serde_json::to_vec(message).unwrap();
        std::fs::write(data.path().join("routes.json"), bytes).unwrap();
        (Self::start(config(data.path(), no_nats())), data)
    }

    pub fn tls(&self) -> SocketAddr {
        self.secure.expect("it listens for TLS")
    }

    pub async fn client(&self) -> Client {
        Client::to(self.at).await
    }

    /// One request with further lines in its head, on a connection of its own.
    pub async fn ask(&self, host: &str, lines: &[&str]) -> Answer {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let mut client = self.client().await;
        client.send(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")).await;
        client.answer().await
    }

    /// One request on a connection of its own.
    pub async fn get(&self, host: &str, path: &str) -> Answer {
        let mut client = self.client().await;
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        client.answer().await
    }

    pub fn tell_to_stop(&self) {
        self.stop.cancel();
    }

    pub async fn ended(self) -> Result<(), EdgeError> {
        soon(self.ended).await.unwrap()
    }

    pub async fn stop(self) {
        self.tell_to_stop();
        self.ended().await.unwrap();
    }
}

/// A connection to the edge or an app that says exactly what it is told to.
pub struct Client {
    pub stream: TcpStream,
    got: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(given, value)| given.eq_ignore_ascii_case(name).then(|| value.trim()))
}

impl Client {
    pub async fn to(at: SocketAddr) -> Self {
        Self::over(soon(TcpStream::connect(at)).await.unwrap())
    }

    pub fn over(stream: TcpStream) -> Self {
        Self { stream, got: Vec::new() }
    }

    pub async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.unwrap();
    }

    /// Reads until what has come holds `what`, and gives everything up to its end.
    pub async fn until(&mut self, what: &str) -> String {
        let found = self.until_or_end(what).await;
        found.unwrap_or_else(|got| panic!("the connection ended before {what:?}; got {got:?}"))
    }

    pub async fn until_or_end(&mut self, what: &str) -> Result<String, String> {
        loop {
            let at = self.got.windows(what.len()).position(|part| part == what.as_bytes());
            if let Some(at) = at {
                let rest = self.got.split_off(at + what.len());
                let found = std::mem::replace(&mut self.got, rest);
                return Ok(String::from_utf8_lossy(&found).into_owned());
            }
            let mut buffer = [0; 4096];
            match soon(self.stream.read(&mut buffer)).await {
                Ok(0) | Err(_) => return Err(String::from_utf8_lossy(&self.got).into_owned()),
                Ok(count) => self.got.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// What comes next, of what was read already before what was not.
    pub async fn read(&mut self, buffer: &mut [u8]) -> usize {
        if self.got.is_empty() {
            let count = self.stream.read(buffer).await.unwrap();
            assert!(count > 0, "the connection ended early");
            return count;
        }
        let count = self.got.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.got[..count]);
        self.got.drain(..count);
        count
    }

    async fn exactly(&mut self, count: usize) -> String {
        while self.got.len() < count {
            let mut buffer = [0; 4096];
            let read = soon(self.stream.read(&mut buffer)).await.unwrap();
            assert!(read > 0, "the connection ended early");
            self.got.extend_from_slice(&buffer[..read]);
        }
        let rest = self.got.split_off(count);
        String::from_utf8_lossy(&std::mem::replace(&mut self.got, rest)).into_owned()
    }

    /// Whether the other side ends the connection; what came before is given.
    pub async fn end(&mut self) -> String {
        match self.until_or_end("\0never\0").await {
            Ok(got) | Err(got) => got,
        }
    }

    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    pub async fn answer(&mut self) -> Answer {
        self.try_answer(false).await.unwrap()
    }

    /// The answer to a HEAD request.
    pub async fn answer_to_head(&mut self) -> Answer {
        self.try_answer(true).await.unwrap()
    }

    /// An answer, or what came until the connection ended.
    pub async fn try_answer(&mut self, to_head: bool) -> Result<Answer, String> {
        let head = self.until_or_end("\r\n\r\n").await?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = if to_head || status == 304 || status == 204 || status < 200 {
            String::new()
        } else if let Some(length) = header(&head, "content-length") {
            self.exactly(length.parse().unwrap()).await
        } else if header(&head, "transfer-encoding").is_some() {
            self.chunks().await
        } else {
            self.end().await
        };
        Ok(Answer { status, head, body })
    }

    pub async fn chunk(&mut self) -> String {
        let size = self.until("\r\n").await;
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let chunk = self.exactly(size).await;
        if size > 0 {
            self.until("\r\n").await;
        }
        chunk
    }

    /// Chunks up to the last; trailers are left.
    pub async fn chunks(&mut self) -> String {
        let mut all = String::new();
        loop {
            let chunk = self.chunk().await;
            if chunk.is_empty() {
                self.until("\r\n").await;
                return all;
            }
            all.push_str(&chunk);
        }
    }
}

/// An app: something that does as it likes with each connection.
pub struct App {
    pub at: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl App {
    pub async fn new<F, Fut>(each: F) -> Self
    where
        F: Fn(Client) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(each(Client::over(stream)));
            }
        });
        Self { at, connections, accepting }
    }

    /// Answers each request with its name, the request's head and its body, and keeps the
    /// connection open.
    pub async fn echo(name: &'static str) -> Self {
        Self::new(move |mut client| async move {
            while let Ok(head) = client.until_or_end("\r\n\r\n").await {
                let body = if let Some(length) = header(&head, "content-length") {
                    client.exactly(length.parse().unwrap()).await
                } else if header(&head, "transfer-encoding").is_some() {
                    client.chunks().await
                } else {
                    String::new()
                };
                let text = format!("{name}\n{head}{body}");
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
                let sent = if head.starts_with("HEAD ") { answer } else { answer + &text };
                if client.stream.write_all(sent.as_bytes()).await.is_err() {
                    return;
                }
            }
        })
        .await
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An address that refuses connections, and becomes nobody else's meanwhile.
pub struct Nobody {
    pub at: SocketAddr,
    _bound: TcpSocket,
}

pub fn nobody() -> Nobody {
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    Nobody { at: bound.local_addr().unwrap(), _bound: bound }
}
