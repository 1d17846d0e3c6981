//! Requests over connections that stay open, one after the other, for as long as it is wanted: how
//! long each took, and each that was not answered whole with 200.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

type Sender = SendRequest<Empty<Bytes>>;

/// How long an answer may take before it counts as lost.
const WITHIN: Duration = Duration::from_secs(10);

/// What is asked for, and by how many.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where.
    pub address: SocketAddr,
    /// The host name.
    pub host: String,
    /// The path.
    pub path: &'static str,
    /// Connections at once.
    pub connections: usize,
    /// From one request of a connection to its next, unless an answer takes longer: what is lost
    /// is not asked for more often than what is answered.
    pub every: Duration,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Seen {
    /// How long each good answer took.
    pub took: Vec<Duration>,
    /// Why each of the others was none.
    pub lost: Vec<String>,
}

/// Load under way.
#[derive(Debug)]
pub struct Load {
    runtime: Runtime,
    stop: CancellationToken,
    asking: JoinSet<()>,
    seen: Arc<Mutex<Seen>>,
}

impl Load {
    /// Begins.
    ///
    /// # Panics
    /// Where no thread can be had.
    #[must_use]
    pub fn start(target: &Target) -> Self {
        let threads =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = threads.expect("a runtime");
        let (stop, seen) = (CancellationToken::new(), Arc::<Mutex<Seen>>::default());
        let mut asking = JoinSet::new();
        for _ in 0..target.connections {
            let task = ask_on(target.clone(), stop.clone(), Arc::clone(&seen));
            asking.spawn_on(task, runtime.handle());
        }
        Self { runtime, stop, asking, seen }
    }

    /// Ends it, once what was asked is answered; says what came back.
    ///
    /// # Panics
    /// Where a connection's task did.
    #[must_use]
    pub fn finish(mut self) -> Seen {
        self.stop.cancel();
        self.runtime.block_on(async {
            while let Some(ended) = self.asking.join_next().await {
                ended.expect("it only asks");
            }
        });
        std::mem::take(&mut self.seen.lock().expect("nobody panicked"))
    }
}

async fn ask_on(target: Target, stop: CancellationToken, seen: Arc<Mutex<Seen>>) {
    let mut connection = None;
    let mut ticks = tokio::time::interval(target.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.is_cancelled() {
        ticks.tick().await;
        let begun = Instant::now();
        let answer = tokio::time::timeout(WITHIN, once(&target, &mut connection)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        {
            let mut seen = seen.lock().expect("nobody panicked");
            match answer {
                Ok(()) => seen.took.push(begun.elapsed()),
                Err(why) => {
                    connection = None;
                    seen.lost.push(why);
                }
            }
        }
    }
}

async fn once(target: &Target, connection: &mut Option<Sender>) -> Result<(), String> {
    // One that the server closed while nothing was asked is no loss.
    let mut open = connection.take();
    if let Some(sender) = &mut open
        && sender.ready().await.is_err()
    {
        open = None;
    }
    let mut sender = match open {
        Some(sender) => sender,
        None => connect(target.address).await?,
    };
    let request = Request::get(target.path).header("host", &target.host);
    let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    response.into_body().collect().await.map_err(|error| error.to_string())?;
    if status != 200 {
        return Err(status.to_string());
    }
    *connection = Some(sender);
    Ok(())
}

async fn connect(address: SocketAddr) -> Result<Sender, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (mut sender, driver) =
        handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(driver);
    sender.ready().await.map_err(|error| error.to_string())?;
    Ok(sender)
}
