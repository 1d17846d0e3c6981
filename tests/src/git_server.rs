//! A git server on loopback: `git http-backend` behind a small CGI server.
//!
//! Serves every bare repository below a folder over smart HTTP, as `http://…/NAME.git`, and files of
//! git LFS beside it, out of `NAME.lfs`, both with basic auth where asked for. It can be told to answer nothing, so that a fetch hangs until somebody
//! ends it. Gone when it is dropped.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::watch;

use super::served::Served;

/// What follows the name of a repository where files of git LFS are asked for.
const LFS: &str = "/info/lfs/";
/// Where a provider has its API.
const API: &str = "/api/v3/";

/// Answers what a provider's API is asked: by method, path below [`API`] and body.
pub struct Api(Box<Answering>);

/// Status and document that a request gets.
type Answering = dyn Fn(&str, &str, &[u8]) -> (u16, serde_json::Value) + Send + Sync;

impl Api {
    /// One that answers so.
    pub fn new(
        answer: impl Fn(&str, &str, &[u8]) -> (u16, serde_json::Value) + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(answer))
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api(…)")
    }
}

/// A running git server.
#[derive(Debug)]
pub struct GitServer {
    served: Served,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    /// What the Authorization header must be.
    authorization: Mutex<Option<String>>,
    /// What answers below [`API`].
    api: Option<Api>,
    silent: watch::Sender<bool>,
    /// Where all requests are sent on to.
    elsewhere: Mutex<Option<String>>,
    requests: AtomicUsize,
    sent: AtomicUsize,
}

impl GitServer {
    /// Serves the repositories below a folder to everybody.
    #[must_use]
    pub fn start(root: &Path) -> Self {
        Self::serve(root, None, None)
    }

    /// Serves them to who gives this user and password.
    #[must_use]
    pub fn start_private(root: &Path, user: &str, password: &str) -> Self {
        Self::serve(root, Some(basic(user, password)), None)
    }

    /// The same, with a provider's API beside them.
    #[must_use]
    pub fn start_with_api(root: &Path, user: &str, password: &str, api: Api) -> Self {
        Self::serve(root, Some(basic(user, password)), Some(api))
    }

    /// Serves from now on to who gives this user and password, and to nobody else.
    pub fn change_password(&self, user: &str, password: &str) {
        *self.shared.authorization.lock().unwrap() = Some(basic(user, password));
    }

    fn serve(root: &Path, authorization: Option<String>, api: Option<Api>) -> Self {
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            authorization: Mutex::new(authorization),
            api,
            silent: watch::Sender::new(false),
            elsewhere: Mutex::new(None),
            requests: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let served = Served::start(move |_address, request| {
            let shared = Arc::clone(&serving);
            async move { answer(&shared, request).await }
        });
        Self { served, shared }
    }

    /// Where it answers: `http://ADDRESS:PORT`. The repository `NAME` is at `URL/NAME.git`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.served.address)
    }

    /// Whether requests are left without an answer from now on; those that wait get theirs once
    /// this is over.
    pub fn be_silent(&self, silent: bool) {
        self.shared.silent.send_replace(silent);
    }

    /// Sends all requests on to another server from now on.
    pub fn send_on(&self, to: &str) {
        *self.shared.elsewhere.lock().unwrap() = Some(to.to_owned());
    }

    /// How many bytes of repositories were sent so far.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// How many requests came so far, refused ones included.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

fn basic(user: &str, password: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {pair}")
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let mut silent = shared.silent.subscribe();
    drop(silent.wait_for(|silent| !silent).await);
    let elsewhere = shared.elsewhere.lock().unwrap().clone();
    if let Some(to) = elsewhere {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        return Response::builder()
            .status(StatusCode::MOVED_PERMANENTLY)
            .header("location", format!("{to}{path}"))
            .body(Full::default())
            .unwrap();
    }
    if let (Some(Api(api)), true) = (&shared.api, request.uri().path().starts_with(API)) {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let path = path.strip_prefix(API.trim_end_matches('/')).unwrap_or(path);
        let (status, said) = api(parts.method.as_str(), path, &body);
        let response = Response::builder().status(status);
        let response = response.header("content-type", "application/json");
        return response.body(Full::from(said.to_string())).unwrap();
    }
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let wanted = shared.authorization.lock().unwrap().clone();
    if wanted.is_some_and(|wanted| given != Some(wanted.as_str())) {
        return Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header("www-authenticate", "Basic realm=\"git\"")
            .body(Full::default())
            .unwrap();
    }
    if request.uri().path().contains(LFS) {
        return large_files(shared, request).await;
    }
    run(shared, request).await
}

/// The batch API of git LFS, for downloads, and the downloads.
async fn large_files(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let answer = |status, body: Bytes| {
        let response = Response::builder().status(status);
        let response = response.header("content-type", "application/vnd.git-lfs+json");
        response.body(Full::from(body)).unwrap()
    };
    let (repository, wanted) = parts.uri.path().split_once(LFS).unwrap();
    let name = repository.trim_start_matches('/').trim_end_matches(".git");
    let folder = shared.root.join(format!("{name}.lfs"));
    if let Some(oid) = wanted.strip_prefix("objects/").filter(|oid| *oid != "batch") {
        let content = std::fs::read(folder.join(oid)).map(Bytes::from);
        return content.map_or(answer(StatusCode::NOT_FOUND, Bytes::new()), |content| {
            shared.sent.fetch_add(content.len(), Ordering::SeqCst);
            answer(StatusCode::OK, content)
        });
    }
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let objects = asked["objects"].as_array().cloned().unwrap_or_default();
    let objects = objects.into_iter().map(|mut object| {
        let oid = object["oid"].as_str().unwrap_or_default().to_owned();
        if folder.join(&oid).is_file() {
            let host = header("host").unwrap_or_default();
            let authorization =
                header("authorization").map(|value| json!({"Authorization": value}));
            let href = format!("http://{host}{repository}{LFS}objects/{oid}");
            object["actions"] = json!({"download": {"href": href, "header": authorization}});
        } else {
            object["error"] = json!({"code": 404, "message": "there is no such object"});
        }
        object
    });
    let said = json!({"transfer": "basic", "objects": objects.collect::<Vec<_>>()});
    answer(StatusCode::OK, said.to_string().into())
}

/// Runs the CGI program for one request.
async fn run(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let header = |name: &str| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("REMOTE_USER", "test")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("git runs; is it installed?");
    let mut input = child.stdin.take().expect("a pipe");
    let feed = async move {
        // Git may answer without reading all of it.
        drop(input.write_all(&body).await);
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.expect("git http-backend runs").stdout;
    shared.sent.fetch_add(output.len(), Ordering::SeqCst);
    respond(&output)
}

/// Turns a CGI answer into one of HTTP.
fn respond(output: &[u8]) -> Response<Full<Bytes>> {
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(output.len());
    let head = String::from_utf8_lossy(&output[..end]);
    let mut response = Response::builder();
    for line in head.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|code| code.parse::<u16>().ok());
            response = response.status(code.unwrap_or(500));
        } else {
            response = response.header(name, value);
        }
    }
    let body = output.get(end + 4..).unwrap_or_default();
    response.body(Full::from(Bytes::copy_from_slice(body))).unwrap()
}
