//! How each role is started: runtime, log, settings, and the signal that stops it.

use std::path::{Path, PathBuf};

use hythe_actors::bus::NatsSettings;
use hythe_actors::node::{self, AgentConfig};
use hythe_gateway::cli::args::{
    AgentArgs, DataArgs, EdgeArgs, LogArgs, NatsArgs, ServerArgs, UpArgs,
};
use hythe_gateway::cli::failure::{Exit, Failure, Outcome};
use hythe_gateway::cli::output::Output;
use hythe_gateway::cli::{Role, data_dir};
use hythe_gateway::edge::EdgeConfig;
use hythe_gateway::up::{self, Access, Choice, DataDir, Reporter, UpConfig, UpError};
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
                runtime(false)?.block_on(up::run(up_config(args)?, Reporter::new(output.clone())));
            result.map_err(|error| up_failure(&error))
        }
        Role::Server(args) => server(&args),
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
        | UpError::PortInUse { .. }
        | UpError::CannotListen { .. }
        | UpError::Nats(_)
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
        base_domain: args.base_domain,
        nats,
        nats_choice: Choice {
            program: args.nats_server.as_deref().map(absolute),
            docker_host: args.docker_host,
            image: args.nats_image,
        },
        local_repos: folders(&args.local_repos)?,
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

fn server(args: &ServerArgs) -> Outcome {
    log(&args.log)?;
    name_process(c"hythe-server");
    Err(Failure::failed("the server is not part of this build yet"))
}

fn agent(args: AgentArgs) -> Outcome {
    log(&args.log)?;
    name_process(c"hythe-agent");
    let dir = prepare(&args.data)?;
    let config = AgentConfig {
        data: dir.agent(),
        installation: dir.instance().map_err(|error| up_failure(&error))?,
        name: args.name,
        nats: nats(&args.nats)?,
        docker_host: args.docker_host,
        local_repos: folders(&args.local_repos)?,
        builds_at_once: args.builds,
    };
    runtime(true)?
        .block_on(async { node::run(config, stop_token()).await })
        .map_err(|error| Failure::of(&error))
}

fn edge(args: EdgeArgs) -> Outcome {
    log(&args.log)?;
    name_process(c"hythe-edge");
    let dir = prepare(&args.data)?;
    let mut config = EdgeConfig::new(args.edge_http, dir.edge(), nats(&args.nats)?);
    config.trusted = args.trusted_proxy;
    runtime(false)?
        .block_on(hythe_gateway::edge::run(config, stopped()))
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

/// Ready when this process is told to stop.
async fn stopped() {
    // Without a way to listen for signals, the process ends by them.
    if up::stop_signal().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Cancelled when this process is told to stop.
fn stop_token() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        stopped().await;
        cancelled.cancel();
    });
    token
}
