//! `hythe up`: all of Hythe on one machine, each role a process of its own, NATS included.
//!
//! Invariants: one `hythe up` per data folder; a part never runs twice, but for an edge that finishes what
//! it has beside the next one; a part's end concerns that part only; stopped, it leaves nothing running;
//! killed, or replaced by another `hythe up`, it leaves everything running (so that apps keep serving), and
//! the next one adopts what is as it should be and replaces the rest.
//!
//! Absent on purpose: any knowledge of what the roles do. They get settings as arguments, and are
//! what a service manager would start in its place.

#![expect(
    clippy::disallowed_methods,
    reason = "what `hythe up` does by itself is found again by identity: see `launch` and `part`"
)]

mod address;
mod error;
mod launch;
mod layout;
mod logs;
mod nats;
mod part;
mod process;
mod report;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hythe_core::installation::BackupPlace;
use hythe_core::names::HostName;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::api::OwnerToken;

pub use self::address::reachable;
pub use self::error::UpError;
pub use self::launch::{EXEC_PART, Fingerprint, Launch, OwnBinary, Program, exec_part};
pub use self::layout::{DataDir, Lock};
pub use self::nats::{Access, Choice, NatsError};
pub use self::part::{News, Notice, Order, Part, PartName};
pub use self::process::{Identity, Process};
pub use self::report::{Ready, Reporter};

/// How long a managed NATS server may take to answer.
const NATS_READY_WITHIN: Duration = Duration::from_secs(20);
/// How long one that somebody else runs may take.
const NATS_ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long everything may take before what is missing is named; it goes on coming up after that.
const READY_WITHIN: Duration = Duration::from_secs(45);
/// How long a `hythe up` may take to end that leaves everything running.
const LEAVES_WITHIN: Duration = Duration::from_secs(10);
/// News that were not printed yet.
const MOST_NEWS: usize = 64;

/// What `hythe up` is told.
#[derive(Clone, Debug)]
pub struct UpConfig {
    /// The data folder.
    pub data: PathBuf,
    /// Where API and dashboard answer.
    pub gateway: SocketAddr,
    /// Where apps answer.
    pub edge_http: SocketAddr,
    /// Where they answer over TLS.
    pub edge_https: Option<SocketAddr>,
    /// The port on which people reach them over TLS, where their URLs are to say so.
    pub public_https: Option<u16>,
    /// Apps answer under this domain.
    pub base_domain: HostName,
    /// Names under which people reach the gateway, besides the machine's own.
    pub public_names: Vec<HostName>,
    /// A NATS server of the user's own.
    pub nats: Option<Access>,
    /// Otherwise: which one to manage.
    pub nats_choice: Choice,
    /// Folders below which `file://` repositories are allowed.
    pub local_repos: Vec<PathBuf>,
    /// How many earlier versions of each app can be gone back to.
    pub keep_versions: u16,
    /// How much of images is kept, as the server's command line says it.
    pub images: Vec<OsString>,
    /// How much build cache is kept, as the server's command line says it.
    pub build_cache: Vec<OsString>,
    /// Where the files of static sites are kept; in the data folder where nothing is said.
    pub sites: Option<BackupPlace>,
    /// How much of logs is kept, in the same form.
    pub app_logs: Vec<OsString>,
    /// How certificate authorities are reached, likewise.
    pub acme: Vec<OsString>,
    /// How the agent builds, as its command line says it.
    pub builder: Vec<OsString>,
    /// The longest wait between two starts of a part.
    pub longest_wait: Duration,
    /// Whether it takes over from the one that runs with the same data folder.
    pub replace: bool,
}

/// Runs until a signal says to stop. `reporter` shows what happens.
///
/// # Errors
/// It cannot come up. Then nothing that it started is left running.
pub async fn run(config: UpConfig, reporter: Reporter) -> Result<(), UpError> {
    let mut signals = Signals::install()?;
    let dir = DataDir::prepare(&config.data)?;
    let mut replaced = signal(SignalKind::user_defined2())
        .map_err(|e| UpError::process("listen for signals", &e))?;
    let _lock = if config.replace { lock_after(&dir).await? } else { dir.lock()? };
    // Minted here already: it is named when all is up, whoever comes up first.
    OwnerToken::load_or_mint(dir.root())?;
    let own = OwnBinary::find()?;
    let (news, heard) = mpsc::channel(MOST_NEWS);
    let printer = tokio::spawn(reporter.clone().print(heard, dir.clone()));
    let (longest_wait, running) = (config.longest_wait, Vec::new());
    let mut parts = Parts { dir: dir.clone(), news, longest_wait, running };
    let coming_up = async {
        match bring_up(&config, &own, &mut parts, &reporter).await {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    };
    let outcome = tokio::select! {
        error = coming_up => Err(error),
        () = signals.wait() => Ok(()),
        _ = replaced.recv() => {
            reporter.line("another `hythe up` takes over; everything is left running");
            parts.leave();
            printer.await.ok();
            return Ok(());
        }
    };
    reporter.line("stopping");
    if outcome.is_ok() {
        // Whoever says "stop" means those too that were left and not taken over yet. (An `up`
        // that fails leaves them: the edge among them may be serving.)
        parts.take_rest(&own);
    }
    parts.stop(signals).await;
    // The printer ends when the last part has gone and nobody can tell news any more.
    printer.await.ok();
    outcome
}

/// Has the `hythe up` that runs leave everything as it is, and takes its place.
async fn lock_after(dir: &DataDir) -> Result<Lock, UpError> {
    let holder = match dir.lock() {
        Err(UpError::AlreadyUp { holder: Some(holder), .. }) => holder,
        other => return other,
    };
    let failed = |why: String| UpError::NotReplaced { pid: holder.pid, why };
    let found = Process::found(&holder).map_err(|error| failed(error.to_string()))?;
    if let Some(mut process) = found {
        process.let_go().map_err(|error| failed(error.to_string()))?;
        tokio::time::timeout(LEAVES_WITHIN, process.ended())
            .await
            .map_err(|_| failed("it does not end".into()))?
            .map_err(|error| failed(error.to_string()))?;
    }
    dir.lock()
}

async fn bring_up(
    config: &UpConfig,
    own: &OwnBinary,
    parts: &mut Parts,
    reporter: &Reporter,
) -> Result<(), UpError> {
    let dir = parts.dir.clone();
    let access = match &config.nats {
        Some(access) => {
            access.ready(NATS_ANSWER_WITHIN).await?;
            access.clone()
        }
        None => {
            let managed = nats::manage_free(&dir, own, &config.nats_choice).await?;
            parts.start(PartName::Nats, managed.launch);
            managed.access.ready(NATS_READY_WITHIN).await?;
            managed.access
        }
    };
    let roles = [
        (PartName::Server, config.server_args(&dir, &access)),
        (PartName::Agent, config.agent_args(&dir, &access)),
        (PartName::Edge, config.edge_args(&dir, &access)),
    ];
    let launches: Vec<_> = roles
        .into_iter()
        .map(|(name, args)| {
            let door = (name == PartName::Edge).then(|| crate::edge::door(&dir.edge()));
            Ok((name, role(own, args, door)?))
        })
        .collect::<Result<_, UpError>>()?;
    for (name, launch) in &launches {
        config.check_port(*name, launch, &dir).await?;
    }
    for (name, launch) in launches {
        parts.start(name, launch);
    }
    tokio::spawn(logs::keep_bounded(dir.clone()));
    let edges: Vec<_> = [config.edge_http].into_iter().chain(config.edge_https).collect();
    let missing = address::ready(config.gateway, &edges, READY_WITHIN).await;
    reporter.ready(&Ready::new(config, &dir, missing));
    Ok(())
}

fn role(
    own: &OwnBinary,
    args: Vec<OsString>,
    takes_over: Option<PathBuf>,
) -> Result<Launch, UpError> {
    let mut fingerprint = Fingerprint::default().file(std::path::Path::new("/proc/self/exe"))?;
    for arg in &args {
        fingerprint = fingerprint.text(arg.as_encoded_bytes());
    }
    Ok(Launch::Program(Program {
        own: own.clone(),
        other: None,
        args,
        fingerprint: fingerprint.finish(),
        takes_over,
    }))
}

impl UpConfig {
    fn common_args(role: &str, dir: &DataDir, access: &Access) -> Vec<OsString> {
        let mut args: Vec<OsString> =
            vec![role.into(), "--data".into(), dir.root().into(), "--nats".into()];
        args.push((&access.url).into());
        if let Some(file) = &access.credentials {
            args.extend(["--nats-credentials".into(), file.into()]);
        }
        args
    }

    fn server_args(&self, dir: &DataDir, access: &Access) -> Vec<OsString> {
        let mut args = Self::common_args("server", dir, access);
        args.extend(["--gateway".into(), self.gateway.to_string().into()]);
        args.extend(["--edge-http".into(), self.edge_http.to_string().into()]);
        args.extend(self.public_https_args());
        args.extend(["--base-domain".into(), self.base_domain.as_str().into()]);
        for name in &self.public_names {
            args.extend(["--public-name".into(), name.as_str().into()]);
        }
        args.extend(["--keep-versions".into(), self.keep_versions.to_string().into()]);
        args.extend(self.images.iter().cloned());
        args.extend(self.build_cache.iter().cloned());
        if let Some(place) = &self.sites {
            args.extend(["--sites".into(), place.as_str().into()]);
        }
        args.extend(self.app_logs.iter().cloned());
        args.extend(self.acme.iter().cloned());
        if !self.local_repos.is_empty() {
            args.push("--allow-local-repos".into());
        }
        args
    }

    fn agent_args(&self, dir: &DataDir, access: &Access) -> Vec<OsString> {
        let mut args = Self::common_args("agent", dir, access);
        for folder in &self.local_repos {
            args.extend(["--local-repos".into(), folder.into()]);
        }
        if let Some(host) = &self.nats_choice.docker_host {
            args.extend(["--docker-host".into(), host.into()]);
        }
        args.extend(self.builder.iter().cloned());
        args
    }

    fn edge_args(&self, dir: &DataDir, access: &Access) -> Vec<OsString> {
        let mut args = Self::common_args("edge", dir, access);
        args.extend(["--edge-http".into(), self.edge_http.to_string().into()]);
        args.push("--take-over".into());
        if let Some(address) = self.edge_https {
            args.extend(["--edge-https".into(), address.to_string().into()]);
            args.extend(["--base-domain".into(), self.base_domain.as_str().into()]);
        }
        args.extend(self.public_https_args());
        args
    }

    fn public_https_args(&self) -> impl Iterator<Item = OsString> {
        let port = self.public_https.map(|port| ["--public-https".into(), port.to_string().into()]);
        port.into_iter().flatten()
    }

    /// Whether somebody else listens where a part is to listen. One that was left over is no
    /// stranger: it is adopted, or makes room.
    async fn check_port(
        &self,
        part: PartName,
        launch: &Launch,
        dir: &DataDir,
    ) -> Result<(), UpError> {
        let addresses = match part {
            PartName::Server => vec![(self.gateway, "API and dashboard", "--gateway")],
            PartName::Edge => [(self.edge_http, "apps", "--edge-http")]
                .into_iter()
                .chain(self.edge_https.map(|address| (address, "apps over TLS", "--edge-https")))
                .collect(),
            PartName::Nats | PartName::Agent => return Ok(()),
        };
        if launch.left_over(dir, part).await?.is_some() || launch.gives_way() {
            return Ok(());
        }
        let free = |(address, what, option)| address::check_free(address, what, option);
        addresses.into_iter().try_for_each(free)
    }
}

/// The parts that were started, in the order of their start.
struct Parts {
    dir: DataDir,
    news: mpsc::Sender<News>,
    longest_wait: Duration,
    running: Vec<(PartName, watch::Sender<Order>, JoinHandle<()>)>,
}

impl Parts {
    fn start(&mut self, name: PartName, launch: Launch) {
        self.take(name, launch, Order::Run);
    }

    /// Takes on what is not, so as to stop it with the others.
    fn take_rest(&mut self, own: &OwnBinary) {
        for name in PartName::ALL {
            if !self.running.iter().any(|(running, _, _)| *running == name) {
                // Another fingerprint than any: it is stopped, and in its place nothing starts.
                let program = Program {
                    own: own.clone(),
                    other: None,
                    args: Vec::new(),
                    fingerprint: String::new(),
                    takes_over: None,
                };
                self.take(name, Launch::Program(program), Order::Stop);
            }
        }
    }

    fn take(&mut self, name: PartName, launch: Launch, order: Order) {
        let (orders, told) = watch::channel(order);
        let part = Part {
            name,
            launch,
            dir: self.dir.clone(),
            news: self.news.clone(),
            longest_wait: self.longest_wait,
        };
        self.running.push((name, orders, tokio::spawn(part.keep(told))));
    }

    /// Lets go of all, which run on.
    fn leave(self) {
        for (_, _, task) in self.running {
            task.abort();
        }
    }

    /// Stops all: the control plane before what it needs, the edge late since it serves, and NATS
    /// last since all use it. A second signal makes short work of it.
    async fn stop(mut self, mut signals: Signals) {
        const ORDER: [PartName; 4] =
            [PartName::Server, PartName::Agent, PartName::Edge, PartName::Nats];
        let mut hurry = false;
        for wanted in ORDER {
            let Some(at) = self.running.iter().position(|(name, _, _)| *name == wanted) else {
                continue;
            };
            let (_, orders, mut task) = self.running.remove(at);
            orders.send_replace(if hurry { Order::Kill } else { Order::Stop });
            tokio::select! {
                _ = &mut task => continue,
                () = signals.wait(), if !hurry => hurry = true,
            }
            orders.send_replace(Order::Kill);
            // Bounded by what a part grants the kernel to end it.
            task.await.ok();
        }
    }
}

/// The signals that stop: from a user, a service manager, or a terminal that is closed.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn install() -> Result<Self, UpError> {
        let install = |kind| signal(kind).map_err(|e| UpError::process("listen for signals", &e));
        Ok(Self {
            interrupt: install(SignalKind::interrupt())?,
            terminate: install(SignalKind::terminate())?,
            hangup: install(SignalKind::hangup())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Ready once a signal has come that says to stop: what each role goes by, under `hythe up` and alone. From this
/// call on none ends the process by itself, whenever what is given is waited for. Within a runtime.
///
/// # Errors
/// Signals cannot be listened for.
pub fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, UpError> {
    let mut signals = Signals::install()?;
    Ok(async move { signals.wait().await })
}
