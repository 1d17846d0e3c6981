//! How each role is started: runtime, log, settings, and the signal that stops it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hythe_actors::bus::NatsSettings;
use hythe_actors::node::{self, AgentConfig};
use hythe_actors::server::{self, ServerConfig};
use hythe_core::hook::AppsAddress;
use hythe_gateway::api::{self, ApiConfig, ApiState, OwnerToken};
use hythe_gateway::cli::args::{
    AgentArgs, DataArgs, EdgeArgs, LogArgs, NatsArgs, ServerArgs, UpArgs,
};
use hythe_gateway::cli::failure::{Exit, Failure, Outcome};
use hythe_gateway::cli::output::Output;
use hythe_gateway::cli::{Role, data_dir};
use hythe_gateway::edge::EdgeConfig;
use hythe_gateway::up::{self, Access, Choice, DataDir, Reporter, UpConfig, UpError};
use hythe_store::steps::Process;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Where NATS is looked for by a role that was not told.
const USUAL_NATS: &str = "nats://127.0.0.1:4222";

/// Runs a role until it ends.
pub(crate) fn run(role: Role, output: &Output) -> Outcome {
    match role {
        Role::Up(args) => {
            let result =
                runtime(false)?.block_on(up::run(up_config(*args)?, Reporter::new(output.clone())));
            result.map_err(|error| up_failure(&error))
        }
        Role::Server(args) => server(args),
        Role::Agent(args) => agent(args),
        Role::Edge(args) => edge(args),
        Role::Exec { pid_file, fingerprint, command } => {
            Err(up_failure(&up::exec_part(&pid_file, &fingerprint, &command)))
        }
    }
}

/// A runtime: on all cores, or on this thread.
pub(crate) fn runtime(all_cores: bool) -> Outcome<Runtime> {
    let mut builder =
        if all_cores { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all().build().map_err(|error| Failure::of(&error))
}

fn up_failure(error: &UpError) -> Failure {
    let failure = Failure::of(error);
    match error {
        UpError::ForeignFolder { .. } => Failure { exit: Exit::Usage, ..failure },
        UpError::Bus(_) => Failure { exit: Exit::Unreachable, ..failure },
        UpError::File { .. }
        | UpError::Damaged { .. }
        | UpError::AlreadyUp { .. }
        | UpError::NotReplaced { .. }
        | UpError::PortInUse { .. }
        | UpError::CannotListen { .. }
        | UpError::Nats(_)
        | UpError::Token(_)
        | UpError::Process { .. }
        | UpError::Random(_) => failure,
    }
}

fn up_config(args: UpArgs) -> Outcome<UpConfig> {
    let nats = args.nats.nats.map(|url| Access {
        url,
        credentials: args.nats.nats_credentials.as_deref().map(absolute),
    });
    Ok(UpConfig {
        data: data_dir(args.data.data),
        gateway: args.gateway,
        edge_http: args.edge_http,
        edge_https: args.edge_https,
        public_https: args.public_https,
        base_domain: args.base_domain,
        public_names: args.public_name,
        nats,
        nats_choice: Choice {
            program: args.nats_server.as_deref().map(absolute),
            docker_host: args.docker_host,
            image: args.nats_image,
            log_bytes: args.app_logs.budget().most_bytes,
        },
        local_repos: folders(&args.local_repos)?,
        keep_versions: args.keep_versions,
        images: args.images.to_args(),
        build_cache: args.build_cache.to_args(),
        sites: args.sites,
        app_logs: args.app_logs.to_args(),
        acme: args.acme.to_args(),
        builder: args.builds.to_args(),
        longest_wait: Duration::from_millis(args.longest_wait),
        replace: args.replace,
    })
}

/// The same path, wherever a part is started.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Folders that are there, in their one true form.
fn folders(given: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    given
        .iter()
        .map(|folder| {
            std::fs::canonicalize(folder).map_err(|error| {
                Failure::usage(format!("failed to find the folder {}: {error}", folder.display()))
            })
        })
        .collect()
}

/// A role's log: to stderr, which a supervisor or a service manager keeps.
fn log(args: &LogArgs) -> Outcome {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| {
        Failure::usage(format!("{:?} is no filter for the log: {error}", args.log))
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = if args.log_json {
        builder.json().try_init()
    } else {
        use std::io::IsTerminal;
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    set.map_err(|error| Failure::failed(format!("failed to set up the log: {error}")))
}

/// What the machine's tools show for this process, so that a part is told from another.
fn name_process(name: &std::ffi::CStr) {
    // It only makes lists nicer to read.
    rustix::thread::set_name(name).ok();
}

fn server(args: ServerArgs) -> Outcome {
    log(&args.log)?;
    hythe_store::steps::this_is(Process::Server);
    name_process(c"hythe-server");
    let dir = prepare(&args.data)?;
    let token = OwnerToken::load_or_mint(dir.root()).map_err(|error| Failure::of(&error))?;
    let nats = NatsSettings { logs: Some(args.app_logs.budget()), ..nats(&args.nats)? };
    let port = args.public_https.unwrap_or(args.edge_http.port());
    let https = args.public_https.is_some();
    let apps = AppsAddress { domain: args.base_domain.clone(), port, https };
    let config = ServerConfig {
        apps,
        keep_versions: args.keep_versions,
        image_budget: args.images.budget(),
        build_cache: args.build_cache.budget(),
        acme: args.acme.config(),
        sites: args.sites,
        ..ServerConfig::new(dir.root().to_owned(), nats, args.base_domain.clone())
    };
    let api = ApiConfig {
        base_domain: args.base_domain,
        edge_port: port,
        edge_https: https,
        hosts: args.public_name,
        loopback: args.gateway.ip().is_loopback(),
        secure_cookie: args.secure_cookie,
        local_repositories: args.allow_local_repos,
    };
    runtime(true)?.block_on(serve(args.gateway, &dir, config, api, token))
}

async fn serve(
    address: SocketAddr,
    dir: &DataDir,
    config: ServerConfig,
    api: ApiConfig,
    token: OwnerToken,
) -> Outcome {
    let stopping = stop_token();
    // Taken first: requests wait while the journal is read, which is better than being refused.
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::failed(format!("failed to listen on {address}: {error}"))
            .hint("choose another address with --gateway ADDRESS:PORT")
    })?;
    let server = server::run(config).await.map_err(|error| Failure::of(&error))?;
    tracing::info!(%address, "serving");
    // Only for commands on this machine that find the folder in use; they can be told otherwise.
    if let Err(error) =
        std::fs::write(dir.gateway_file(), format!("http://{}\n", up::reachable(address)))
    {
        tracing::debug!(%error, "it is not noted where the server answers");
    }
    let state = ApiState::new(server.control().clone(), api, token, stopping)
        .map_err(|error| Failure::of(&error));
    if let Ok(state) = &state {
        api::serve(listener, state.clone()).await;
    }
    server.close().await;
    std::fs::remove_file(dir.gateway_file()).ok();
    state.map(drop)
}

fn agent(args: AgentArgs) -> Outcome {
    log(&args.log)?;
    hythe_store::steps::this_is(Process::Agent);
    name_process(c"hythe-agent");
    let dir = prepare(&args.data)?;
    let config = AgentConfig {
        data: dir.agent(),
        installation: dir.instance().map_err(|error| up_failure(&error))?,
        name: args.name,
        nats: nats(&args.nats)?,
        docker_host: args.docker_host,
        local_repos: folders(&args.local_repos)?,
        builds_at_once: args.builds.at_once(),
        guard: args.builds.guard(),
        base_images: args.builds.base_images(),
    };
    runtime(true)?
        .block_on(async { Box::pin(node::run(config, stop_token())).await })
        .map_err(|error| Failure::of(&error))
}

fn edge(args: EdgeArgs) -> Outcome {
    log(&args.log)?;
    hythe_store::steps::this_is(Process::Edge);
    name_process(c"hythe-edge");
    let dir = prepare(&args.data)?;
    let mut config = EdgeConfig::new(args.edge_http, dir.edge(), nats(&args.nats)?);
    config.https = args.edge_https;
    config.public_https = args.public_https;
    config.base_domain = args.base_domain;
    config.trusted = args.trusted_proxy;
    config.proxy_protocol = args.proxy_protocol;
    config.metrics = args.edge_metrics;
    config.take_over = args.take_over;
    runtime(false)?
        .block_on(async { Box::pin(hythe_gateway::edge::run(config, stopped())).await })
        .map_err(|error| Failure::of(&error))
}

/// The data folder of a role.
fn prepare(data: &DataArgs) -> Outcome<DataDir> {
    DataDir::prepare(&data_dir(data.data.clone())).map_err(|error| up_failure(&error))
}

/// The NATS server of a role.
fn nats(args: &NatsArgs) -> Outcome<NatsSettings> {
    let url = args.nats.as_deref().unwrap_or(USUAL_NATS);
    NatsSettings::load(url, args.nats_credentials.as_deref()).map_err(|error| Failure::of(&error))
}

/// Ready when this process is told to stop, from this call on: also where that is before anybody waits for it.
fn stopped() -> impl Future<Output = ()> + Send + 'static {
    let told = up::stop_signal().ok();
    async move {
        match told {
            Some(told) => told.await,
            // Without a way to listen for signals, the process ends by them.
            None => std::future::pending().await,
        }
    }
}

/// Cancelled when this process is told to stop.
fn stop_token() -> CancellationToken {
    let token = CancellationToken::new();
    let (cancelled, stopped) = (token.clone(), stopped());
    tokio::spawn(async move {
        stopped.await;
        cancelled.cancel();
    });
    token
}
