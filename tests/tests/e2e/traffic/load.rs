//! Constant load of every kind that there is: keep-alive connections, slow answers, streaming
//! uploads and WebSockets. Whatever is not answered whole, by a version that may answer, is noted; while
//! the app is stopped, a page that says so is an answer, too.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1::SendRequest;
use hyper::header::HeaderMap;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

/// Who asks, of each kind.
const KEEP_ALIVE: usize = 3;
const SLOW: usize = 3;
const UPLOADS: usize = 2;
const SOCKETS: usize = 2;
/// From one request of a keep-alive connection to the next.
const PAUSE: Duration = Duration::from_millis(20);
/// From one piece of an upload, or message on a socket, to the next.
const PIECE_EVERY: Duration = Duration::from_millis(100);
const PIECE: usize = 16 * 1024;
/// What the edge says for a stopped app, and for one that starts again.
const PAGES: [&str; 3] =
    ["was stopped by whoever runs it", "could not be started, or has ended", "is being deployed"];
/// The kind of answer that these are.
pub(super) const RESTED: &str = "rested";

type Body = UnsyncBoxBody<Bytes, Infallible>;
type Trouble = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug)]
pub(super) struct Load {
    runtime: Runtime,
    stop: CancellationToken,
    asking: JoinSet<()>,
    seen: Arc<Mutex<Seen>>,
    rests: Arc<AtomicBool>,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Whole answers, by kind.
    pub(super) answers: BTreeMap<&'static str, u64>,
    /// Answers by the version that gave them.
    pub(super) versions: BTreeMap<String, u64>,
    pub(super) failures: Vec<String>,
}

/// Where to ask, and for how long a slow thing takes.
#[derive(Clone, Debug)]
struct Target {
    edge: SocketAddr,
    host: String,
    long: Duration,
    seen: Arc<Mutex<Seen>>,
    rests: Arc<AtomicBool>,
    begun: Instant,
}

impl Load {
    /// Begins. `long`: how long slow answers, uploads and sockets take.
    pub(super) fn start(edge: SocketAddr, host: &str, long: Duration) -> Self {
        let threads =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = threads.unwrap();
        let (stop, seen) = (CancellationToken::new(), Arc::default());
        let rests = Arc::new(AtomicBool::new(false));
        let target = Target {
            edge,
            host: host.to_owned(),
            long,
            seen: Arc::clone(&seen),
            rests: Arc::clone(&rests),
            begun: Instant::now(),
        };
        let mut asking = JoinSet::new();
        let handle = runtime.handle();
        for _ in 0..KEEP_ALIVE {
            asking.spawn_on(keep_alive(target.clone(), stop.clone()), handle);
        }
        for _ in 0..SLOW {
            asking.spawn_on(again(target.clone(), stop.clone(), "slow", slow), handle);
        }
        for _ in 0..UPLOADS {
            asking.spawn_on(again(target.clone(), stop.clone(), "upload", upload), handle);
        }
        for _ in 0..SOCKETS {
            asking.spawn_on(again(target.clone(), stop.clone(), "socket", socket), handle);
        }
        Self { runtime, stop, asking, seen, rests }
    }

    /// Begins nothing new, waits for what is under way, and says what came back.
    pub(super) fn finish(mut self) -> Seen {
        self.stop.cancel();
        self.runtime.block_on(async {
            while let Some(ended) = self.asking.join_next().await {
                ended.unwrap();
            }
        });
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// From here on the app may be stopped, or may not be.
    pub(super) fn may_rest(&self, rests: bool) {
        self.rests.store(rests, Ordering::SeqCst);
    }

    /// Whole answers of a kind so far.
    pub(super) fn answers(&self, kind: &str) -> u64 {
        self.seen.lock().unwrap().answers.get(kind).copied().unwrap_or_default()
    }

    /// Failures so far.
    pub(super) fn failures(&self) -> Vec<String> {
        self.seen.lock().unwrap().failures.clone()
    }
}

impl Target {
    async fn connect(&self) -> Result<SendRequest<Body>, Trouble> {
        let stream = TcpStream::connect(self.edge).await?;
        let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(sender)
    }

    fn request(&self, method: Method, path: &str, body: Body) -> Request<Body> {
        let request = Request::builder().method(method).uri(path).header("host", &self.host);
        request.body(body).unwrap()
    }

    fn rests(&self) -> bool {
        self.rests.load(Ordering::SeqCst)
    }

    /// `rested`: whether the app could be stopped already when this was asked.
    fn note(&self, kind: &'static str, rested: bool, came: Result<String, Trouble>) {
        let mut seen = self.seen.lock().unwrap();
        match came {
            // Who still sends when the page comes need not get to read it.
            Err(error)
                if (rested || self.rests()) && is_page(&error.to_string())
                    || rested && kind == "upload" =>
            {
                *seen.answers.entry(RESTED).or_default() += 1;
            }
            Ok(version) => {
                *seen.answers.entry(kind).or_default() += 1;
                *seen.versions.entry(version).or_default() += 1;
            }
            Err(error) => {
                let at = self.begun.elapsed().as_secs_f32();
                seen.failures.push(format!("{kind} at {at:.2} s: {error}"));
            }
        }
    }
}

async fn keep_alive(target: Target, stop: CancellationToken) {
    let mut connection: Option<SendRequest<Body>> = None;
    while !stop.is_cancelled() {
        let rested = target.rests();
        let came = async {
            let mut sender = match connection.take() {
                Some(sender) => sender,
                None => target.connect().await?,
            };
            sender.ready().await?;
            let request = target.request(Method::GET, "/", Empty::new().boxed_unsync());
            let (version, body) = answer(&mut sender, request).await?;
            if body != version {
                return Err(format!("{version} said {body:?}").into());
            }
            connection = Some(sender);
            Ok(version)
        };
        let came = came.await;
        target.note("keep-alive", rested, came);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn again<F>(
    target: Target,
    stop: CancellationToken,
    kind: &'static str,
    ask: impl Fn(Target) -> F,
) where
    F: Future<Output = Result<String, Trouble>>,
{
    while !stop.is_cancelled() {
        let rested = target.rests();
        let came = ask(target.clone()).await;
        target.note(kind, rested, came);
        tokio::time::sleep(PAUSE).await;
    }
}

/// A whole good answer: the version, and what it said.
async fn answer(
    sender: &mut SendRequest<Body>,
    request: Request<Body>,
) -> Result<(String, String), Trouble> {
    let response = sender.send_request(request).await?;
    let status = response.status();
    let version = version(response.headers());
    let body = response.into_body().collect().await?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    match version {
        Some(version) if status == 200 => Ok((version, body)),
        None if status == 503 && is_page(&body) => Err(body.into()),
        _other => Err(format!("{status}: {}", body.chars().take(200).collect::<String>()).into()),
    }
}

fn is_page(text: &str) -> bool {
    PAGES.iter().any(|page| text.contains(page))
}

fn version(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("x-version")?.to_str().ok()?.to_owned())
}

async fn slow(target: Target) -> Result<String, Trouble> {
    let path = format!("/slow?ms={}", target.long.as_millis());
    let request = target.request(Method::GET, &path, Empty::new().boxed_unsync());
    let (version, body) = answer(&mut target.connect().await?, request).await?;
    if body.ends_with("\nend") { Ok(version) } else { Err(format!("cut off: {body:?}").into()) }
}

async fn upload(target: Target) -> Result<String, Trouble> {
    let pieces = usize::try_from(target.long.as_millis() / PIECE_EVERY.as_millis())?;
    let body = stream::iter(0..pieces).then(|_| async {
        tokio::time::sleep(PIECE_EVERY).await;
        Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[7; PIECE])))
    });
    let request = target.request(Method::POST, "/upload", StreamBody::new(body).boxed_unsync());
    let (version, counted) = answer(&mut target.connect().await?, request).await?;
    if counted == (pieces * PIECE).to_string() {
        return Ok(version);
    }
    Err(format!("{counted} bytes of {} came", pieces * PIECE).into())
}

async fn socket(target: Target) -> Result<String, Trouble> {
    let stream = TcpStream::connect(target.edge).await?;
    let request = format!("ws://{}/echo", target.host).into_client_request()?;
    let (mut socket, response) = match tokio_tungstenite::client_async(request, stream).await {
        Err(Error::Http(page)) if page.status() == 503 => {
            let body = page.into_body().unwrap_or_default();
            return Err(String::from_utf8_lossy(&body).into_owned().into());
        }
        connected => connected?,
    };
    let version = version(response.headers()).ok_or("no version")?;
    let begun = Instant::now();
    let mut sent = 0;
    while begun.elapsed() < target.long {
        sent += 1;
        socket.send(Message::text(format!("message {sent}"))).await?;
        let heard = socket.next().await.ok_or("closed")??;
        if heard != Message::text(format!("message {sent}")) {
            return Err(format!("{heard:?} to message {sent}").into());
        }
        tokio::time::sleep(PIECE_EVERY).await;
    }
    socket.close(None).await?;
    Ok(version)
}
