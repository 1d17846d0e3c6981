//! A server of its own for each test.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures_util::StreamExt as _;
use hythe_actors::bus::{Bus, NatsSettings, connect};
use hythe_actors::control::Control;
use hythe_actors::server::{ServerConfig, run};
use hythe_gateway::api::{ApiConfig, ApiState, OwnerToken, serve};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::sync::CancellationToken;

pub(crate) type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

pub(crate) struct Server {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    pub(crate) control: Control,
    client: reqwest::Client,
    stopping: CancellationToken,
    plane: Option<hythe_actors::server::Server>,
}

fn nowhere() -> NatsSettings {
    NatsSettings { url: "nats://127.0.0.1:1".into(), user: None, password: None, logs: None }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

impl Server {
    /// Without NATS: commands and reads need none.
    pub(crate) async fn start() -> Self {
        Self::start_with(nowhere()).await
    }

    pub(crate) async fn start_with(nats: NatsSettings) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), nats).await
    }

    /// Ends it, and starts another one on the same data.
    pub(crate) async fn again(mut self) -> Self {
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        self.stopping.cancel();
        self.plane.take().unwrap().close().await;
        Self::start_in(dir, nowhere()).await
    }

    async fn start_in(dir: tempfile::TempDir, nats: NatsSettings) -> Self {
        let domain = "localhost".parse().unwrap();
        let plane = run(ServerConfig::new(dir.path().into(), nats, domain)).await.unwrap();
        let control = plane.control().clone();
        let stopping = CancellationToken::new();
        let owner = OwnerToken::load_or_mint(dir.path()).unwrap();
        let token = std::fs::read_to_string(dir.path().join("owner.token")).unwrap();
        let config = ApiConfig {
            base_domain: "localhost".parse().unwrap(),
            edge_port: 8080,
            edge_https: false,
            hosts: Vec::new(),
            loopback: true,
            secure_cookie: false,
            local_repositories: false,
        };
        let state = ApiState::new(control.clone(), config, owner, stopping.clone()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, state));
        // One for the whole process: whoever was first has set it.
        let _there = rustls::crypto::ring::default_provider().install_default();
        let client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let token = token.trim().into();
        Self { dir, address, token, control, client, stopping, plane: Some(plane) }
    }

    pub(crate) fn stop(&self) {
        self.stopping.cancel();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request without a token.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// A request with the token.
    pub(crate) fn asks(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.asks(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.asks(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.asks(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.asks(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.asks(Method::DELETE, path)).await
    }

    pub(crate) async fn socket(&self, path: &str) -> Result<Socket, tungstenite::Error> {
        self.socket_with(path, &[("authorization", &format!("Bearer {}", self.token))]).await
    }

    pub(crate) async fn socket_with(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, tungstenite::Error> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        tokio_tungstenite::connect_async(request).await.map(|(socket, _)| socket)
    }

    /// Whether these bytes are in any file of the data directory but the token's.
    pub(crate) fn on_disk(&self, bytes: &[u8]) -> bool {
        let mut open = vec![self.dir.path().to_path_buf()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.file_name().unwrap() != "owner.token"
                && holds(&std::fs::read(&path).unwrap(), bytes)
            {
                return true;
            }
        }
        false
    }
}

fn holds(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, json }
    }

    /// Checks that it is a problem document of this status and kind.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, slug: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(self.json["type"], format!("/problems/{slug}"), "{}", self.text);
        assert_eq!(self.json["status"], status);
        let detail = self.json["detail"].as_str().unwrap();
        assert!(detail.len() > 10 && detail.ends_with(['.', '…']), "{detail}");
        assert_eq!(self.json["request_id"].as_str().unwrap(), self.headers["x-request-id"]);
        assert!(!self.json["title"].as_str().unwrap().is_empty());
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

/// The next message of a socket; `None` once it is closed.
pub(crate) async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
            Message::Close(_) => return None,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

/// A nats-server of its own.
pub(crate) struct Nats {
    child: Child,
    _dir: tempfile::TempDir,
    pub(crate) settings: NatsSettings,
    pub(crate) bus: Bus,
}

impl Drop for Nats {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Nats {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("nats-server")
            .args(["-js", "-a", "127.0.0.1", "-p", "-1", "-sd"])
            .arg(dir.path().join("store"))
            .arg("--ports_file_dir")
            .arg(dir.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server on PATH");
        let url = url_of(dir.path(), child.id()).await;
        let settings = NatsSettings { url, user: None, password: None, logs: None };
        let bus = connect(&settings, "test").await.unwrap();
        Self { child, _dir: dir, settings, bus }
    }
}

/// The server writes where it listens once it does.
async fn url_of(dir: &Path, process: u32) -> String {
    let path = dir.join(format!("nats-server_{process}.ports"));
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(10));
    for _ in 0..1_000 {
        looks.tick().await;
        let text = std::fs::read(&path).unwrap_or_default();
        if let Ok(ports) = serde_json::from_slice::<Value>(&text) {
            return ports["nats"][0].as_str().unwrap().into();
        }
    }
    panic!("nats-server did not start");
}
